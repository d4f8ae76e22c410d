"""``sbp check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbp.app.cli.options import (
    CIRCUIT_OPTIONS,
    CIRCUIT_VARIANT,
    JSON_OPTION,
    build_circuit,
    examples,
)
from sbp.app.cli.output import write_results
from sbp.app.cli.paths import command
from sbp.learn.progress import say

if TYPE_CHECKING:
    from sbp.checks.domain import Domain, Limit


@command(
    epilog=examples(
        "sbp check                               the learning circuit, 400-400-10",
        "sbp check learning --sizes 784-400-10 --weight-exponent -1",
        "sbp check deep --sizes 400-400-400-10",
        "sbp check learning --bound 20000        what happens beyond the limits",
        "sbp check own.sbp                       a circuit of your own, from its program file",
    )
)
@CIRCUIT_OPTIONS
@CIRCUIT_VARIANT
@click.option(
    "--bound",
    type=click.IntRange(min=0),
    metavar="B",
    help="Show the phases while |W x| <= B; default: the limit of the table of phases.",
)
@JSON_OPTION
def check(
    circuit: str,
    sizes: tuple[int, ...] | None,
    ring: int | None,
    weight_exponent: int,
    parameters: str,
    bound: int | None,
    json_file: Path | None,
) -> None:
    """Prove where a circuit does what its table of phases says.

    Follows what can arrive at every population in every phase, for any input, any target and any
    number of samples, and prints which populations must and may fire, how large the sums W x may
    grow before anything else happens, and where it happens first.  Exit code 1 if the circuit
    does not do what its table says even with small weights.
    """
    from sbp.checks.domain import analyse, limits
    from sbp.program import lower

    built = build_circuit(
        circuit, sizes, ring, weight_exponent=weight_exponent, parameters=parameters
    )
    program = lower(built)
    found = limits(program)
    shown = bound if bound is not None else found.table.bound
    domain = analyse(program, None if shown is None else max(shown, 0))
    size = "-".join(map(str, built.sizes))
    exponent = f", weight exponent {weight_exponent}" if weight_exponent else ""
    say(f"{built.name} circuit {size}{exponent}: {program.period} steps a sample", bold=True)
    if not found.decided:
        say("not decided: neurons with a memory may always fire, so nothing is proven")
    _print_phases(domain, shown)
    say("how large a sum W x may grow, in mantissas, for this to hold", bold=True)
    rows = [("what fires is the table", found.table)]
    rows += [(f"what {name} learns is the table", limit) for name, limit in found.learning.items()]
    rows += [("no 24-bit register wraps", found.register)]
    _print_limit("nothing fires outside the table", found.table)
    for what, limit in rows[1:]:
        _print_limit(what, limit)
    margin = domain.register_margin
    if margin is not None:
        say(f"  here {margin:,} of 8,388,607 register units are left")
    holds = not domain.silent and all(limit.bound != -1 for _, limit in rows)
    write_results(json_file, {
        "circuit": built.name,
        "sizes": built.sizes,
        "digest": program.digest,
        "decided": found.decided,
        "holds": holds,
        "limits": {what: limit.bound for what, limit in rows},
        "bound": shown,
        "fires": [
            {"must": must, "may": may} for must, may in (_firing(domain, row) for row in
                                                         domain.fires)
        ],
        "register_margin": margin,
    })  # fmt: skip
    if not holds:
        for breach in domain.silent:
            say(f"  {breach}")
        click.secho("the circuit does not do what its table of phases says", fg="red")
        click.get_current_context().exit(1)


def _firing(domain: Domain, row: Sequence[Any]) -> tuple[list[str], list[str]]:
    """The populations that must and that may fire in a phase."""
    from sbp.checks.domain import Fires

    names = [population.name for population in domain.program.populations]
    must, may = (
        [name for name, state in zip(names, row, strict=True) if state == wanted]
        for wanted in (Fires.MUST, Fires.MAY)
    )
    return must, may


def _print_phases(domain: Domain, bound: int | None) -> None:
    within = "with any weights" if bound is None else f"while |W x| <= {bound:,}"
    say(f"what fires {within}; all others cannot", bold=True)
    say("  phase  must     may")
    stray = {(breach.phase, breach.where) for breach in domain.unscheduled}
    for phase, row in enumerate(domain.fires):
        must, may = _firing(domain, row)
        may = [f"{name}{'(!)' if (phase, name) in stray else ''}" for name in may]
        say(f"  {phase:5d}  {' '.join(must) or '-':7s}  {' '.join(may) or '-'}", hang=16)
    if stray:
        say("  (!) the table of phases does not say so")


def _print_limit(what: str, limit: Limit) -> None:
    if limit.bound is None:
        number = "any"
    else:
        number = f"{limit.bound:,}" if limit.bound >= 0 else "never"
    say(f"  {what:32s} {number:>9s}")
    if limit.first is not None:
        beyond = "beyond it, " if limit.bound != -1 else ""
        say(f"      {beyond}{limit.first}")
