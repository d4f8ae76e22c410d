"""``sbp topology``."""

from __future__ import annotations

from pathlib import Path

import click

from sbp.app.cli.options import CIRCUIT_VARIANT, Sizes, examples
from sbp.app.cli.paths import FILE, command
from sbp.learn.progress import say

SHOWN = 20  #: lines of differences


@command(
    epilog=examples(
        "sbp topology network_topology_2layer.py network_parameters_2layer_MNIST.py",
        "sbp topology TABLES SETTINGS --inference",
        "sbp topology TABLES SETTINGS --sizes 784-400-10",
    )
)
@click.argument("tables", metavar="TABLES", type=FILE)
@click.argument("settings", metavar="SETTINGS", type=FILE)
@click.option(
    "--sizes", type=Sizes(), default=(400, 400, 10), show_default="400-400-10", help="Layer sizes."
)
@click.option("--inference", is_flag=True, help="Compare the inference circuit.")
@CIRCUIT_VARIANT
def topology(
    tables: Path,
    settings: Path,
    sizes: tuple[int, ...],
    inference: bool,
    weight_exponent: int,
    parameters: str,
) -> None:
    """Compare the circuit with the authors' own tables.

    It is compared synapse by synapse.  TABLES and SETTINGS are two Python files of the authors'
    public code (lanl/spikingBackprop), or others written like them.  They are read as data;
    nothing in them is executed.  Exit code 1 if a neuron or a synapse differs.
    """
    from sbp.app.topology import differences, of_program, read
    from sbp.circuits.registry import build
    from sbp.program import lower

    if len(sizes) != 3:
        raise click.UsageError("the authors' tables have three layers: --sizes N-N-N")
    name = "inference" if inference else "learning"
    built = build(name, sizes, weight_exponent=weight_exponent, parameters=parameters)
    n_in, n_h, n_o = sizes
    theirs = read(tables, settings, (n_in, n_h, n_o), inference=inference)
    ours = of_program(lower(built))
    say(f"{tables.name}: {theirs.count():,} synapses, {sum(theirs.sizes.values()):,} neurons")
    say(f"{name} circuit: {ours.count():,} synapses, {sum(ours.sizes.values()):,} neurons")
    found = differences(theirs, ours, ("the tables", "ours"))
    for line in found[:SHOWN]:
        say(f"  {line}")
    if len(found) > SHOWN:
        say(f"  and {len(found) - SHOWN:,} more")
    if found:
        click.get_current_context().exit(1)
    click.secho("equal: every neuron, every synapse, every weight and delay", fg="green")
