"""``sbp check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sbp.app.cli.options import CIRCUIT_VARIANT, CIRCUITS, Sizes, examples
from sbp.app.cli.paths import command

if TYPE_CHECKING:
    from sbp.domain import Domain, Limit


@command(
    epilog=examples(
        "sbp check                               the learning circuit, 400-400-10",
        "sbp check learning --sizes 784-400-10 --weight-exponent -1",
        "sbp check deep --sizes 400-400-400-10",
        "sbp check learning --bound 20000        what happens beyond the limits",
    )
)
@click.argument("circuit", type=click.Choice(CIRCUITS), default="learning")
@click.option("--sizes", type=Sizes(), help="Layer sizes; default as of `sbp summary`.")
@click.option(
    "--ring", metavar="N", type=click.IntRange(min=2), help="Gates in a gating chain's ring."
)
@CIRCUIT_VARIANT
@click.option(
    "--bound",
    type=click.IntRange(min=0),
    metavar="B",
    help="Show the phases while |W x| <= B; default: the limit of the table of phases.",
)
def check(
    circuit: str,
    sizes: tuple[int, ...] | None,
    ring: int | None,
    weight_exponent: int,
    parameters: str,
    bound: int | None,
) -> None:
    """Prove where a circuit does what its table of phases says.

    Follows what can arrive at every population in every phase, for any input, any target and any
    number of samples, and prints which populations must and may fire, how large the sums W x may
    grow before anything else happens, and where it happens first.  Exit code 1 if the circuit
    does not do what its table says even with small weights.
    """
    from sbp.app.cli.about import DEFAULT_SIZES
    from sbp.circuits.registry import build
    from sbp.domain import analyse, limits
    from sbp.program import lower

    built = build(
        circuit,
        sizes or DEFAULT_SIZES[circuit],
        ring=ring,
        weight_exponent=weight_exponent,
        parameters=parameters,
    )
    program = lower(built)
    found = limits(program)
    shown = bound if bound is not None else found.table.bound
    domain = analyse(program, None if shown is None else max(shown, 0))
    size = "-".join(map(str, built.sizes))
    exponent = f", weight exponent {weight_exponent}" if weight_exponent else ""
    click.secho(f"{built.name} circuit {size}{exponent}: {program.period} steps a sample",
                bold=True)  # fmt: skip
    if not found.decided:
        click.echo("not decided: neurons with a memory may always fire, so nothing is proven")
    _print_phases(domain, shown)
    click.secho("how large a sum W x may grow, in mantissas, for this to hold", bold=True)
    rows = [("what fires is the table", found.table)]
    rows += [(f"what {name} learns is the table", limit) for name, limit in found.learning.items()]
    rows += [("no 24-bit register wraps", found.register)]
    for what, limit in rows:
        _print_limit(what, limit)
    margin = domain.register_margin
    if margin is not None:
        click.echo(f"  here {margin:,} of 8,388,607 register units are left")
    broken = [limit for _, limit in rows if limit.bound == -1]
    if domain.silent or broken:
        for breach in domain.silent:
            click.echo(f"  {breach}")
        click.secho("the circuit does not do what its table of phases says", fg="red")
        click.get_current_context().exit(1)


def _print_phases(domain: Domain, bound: int | None) -> None:
    from sbp.domain import Fires

    names = [population.name for population in domain.program.populations]
    within = "any weights" if bound is None else f"|W x| <= {bound:,}"
    click.secho(f"what fires while {within}; all others cannot", bold=True)
    click.echo("  phase  must     may")
    stray = {(breach.phase, breach.where) for breach in domain.unscheduled}
    for phase, row in enumerate(domain.fires):
        must = [n for n, state in zip(names, row, strict=True) if state == Fires.MUST]
        may = [
            f"{n}{'(!)' if (phase, n) in stray else ''}"
            for n, state in zip(names, row, strict=True)
            if state == Fires.MAY
        ]
        click.echo(f"  {phase:5d}  {' '.join(must) or '-':7s}  {' '.join(may) or '-'}")
    if stray:
        click.echo("  (!) the table of phases does not say so")


def _print_limit(what: str, limit: Limit) -> None:
    if limit.bound is None:
        number = "any"
    else:
        number = f"{limit.bound:,}" if limit.bound >= 0 else "never"
    click.echo(f"  {what:32s} {number:>9s}")
    if limit.first is not None:
        beyond = "beyond it, " if limit.bound != -1 else ""
        click.echo(f"      {beyond}{limit.first}")
