"""``sbp info``, ``sbp summary`` and ``sbp reproduce``."""

from __future__ import annotations

from pathlib import Path

import click

from sbp.app.cli.options import (
    CIRCUITS,
    DATA_DIR_OPTION,
    ENGINES,
    Sizes,
    engine_option,
    examples,
)
from sbp.app.cli.paths import WritesFolder, command
from sbp.app.progress import announce_compilation
from sbp.learn.progress import percent

SIZES_SAID = "400-400-10 (learning, inference), 400-10 (single_layer), 20-20-20-20 (gating_chain)."
OUT_SAID = (
    "Folder of results; default build/reproduce or build/reproduce-paper, with --status and "
    "--redraw the committed results."
)
OUT_RESULTS = WritesFolder("*.json", "*.png", "status.md")
DEFAULT_SIZES = {
    "learning": (400, 400, 10),
    "inference": (400, 400, 10),
    "single_layer": (400, 10),
    "gating_chain": (20, 20, 20, 20),
    "deep": (400, 400, 400, 10),
}


@command(
    epilog=examples(
        "sbp summary",
        "sbp summary inference",
        "sbp summary single_layer --sizes 64-10",
        "sbp summary gating_chain --sizes 20-20-20-20 --ring 2",
    )
)
@click.argument("circuit", type=click.Choice(CIRCUITS), default="learning")
@click.option("--sizes", type=Sizes(), help=f"Layer sizes; default {SIZES_SAID}")
@click.option(
    "--ring", metavar="N", type=click.IntRange(min=2), help="Gates in a gating chain's ring."
)
def summary(circuit: str, sizes: tuple[int, ...] | None, ring: int | None) -> None:
    """Print a circuit: populations, neurons, synapses, phases."""
    from sbp.circuits.registry import build
    from sbp.program import lower

    built = build(circuit, sizes or DEFAULT_SIZES[circuit], ring=ring)
    click.echo(built.summary())
    click.echo(f"  program digest {lower(built).digest}")


@command(
    epilog=examples(
        "sbp info",
        "sbp info --data-dir ~/data",
    )
)
@DATA_DIR_OPTION
def info(data_dir: Path | None) -> None:
    """Show versions, engines, data sets and where things are."""
    from sbp import engines
    from sbp.kernels import cache_status
    from sbp.learn import data, pretrained
    from sbp.learn.parallel import cores
    from sbp.reproduce.provenance import versions

    network = pretrained.about()
    measured = network["measured"]
    sections: dict[str, dict[str, str]] = {
        "versions": versions(),
        "engines": {
            "algebra": "ready: no spikes, the same weights bit for bit; the fastest",
            **engines.available(),
        },
        "data sets": data.available(data_dir),
        "shipped network": {
            "pretrained": f"{'-'.join(map(str, network['sizes']))} trained on {network['dataset']} "
            f"for {network['epochs']} epochs: spike {percent(measured['spike'])}, "
            f"membrane {percent(measured['membrane'])}",
            "file": str(pretrained.path()),
        },
        "machine": {
            "cores": str(cores()),
            "kernel cache": cache_status(),
        },
    }
    width = max(len(name) for lines in sections.values() for name in lines)
    for title, lines in sections.items():
        click.secho(title, bold=True)
        for name, text in lines.items():
            click.echo(f"  {name:{width}s}  {text}")


@command(
    epilog=examples(
        "sbp reproduce                          at most two minutes",
        "sbp reproduce --preset paper           the real thing",
        "sbp reproduce --status                 what is committed, and whether it is stale",
        "sbp reproduce --list                   every claim in a line",
    )
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--preset",
    type=click.Choice(["smoke", "paper"]),
    show_default="smoke",
    help="smoke: at most two minutes; paper: the paper's sizes, epochs and seeds.",
)
@click.option("--seeds", metavar="N", type=click.IntRange(1, 1000), help="Seeds of each claim.")
@engine_option(ENGINES, None)
@DATA_DIR_OPTION
@click.option("--out", metavar="DIR", type=OUT_RESULTS, help=OUT_SAID)
@click.option(
    "--workers", metavar="N", type=click.IntRange(1, 1024), help="Trainings at a time; default all "
    "cores."
)  # fmt: skip
@click.option("--compare", is_flag=True, help="Exit code 1 unless equal to the committed results.")
@click.option("--again", is_flag=True, help="Measure what is present and current too.")
@click.option("--no-figures", is_flag=True, help="Draw nothing.")
@click.option("--status", is_flag=True, help="Run nothing: judge the results that are there.")
@click.option("--redraw", is_flag=True, help="Run nothing: pictures and status page anew.")
@click.option("--list", "list_claims", is_flag=True, help="Run nothing: name the claims.")
def reproduce(
    ids: tuple[str, ...],
    preset: str | None,
    seeds: int | None,
    engine: str | None,
    data_dir: Path | None,
    out: Path | None,
    workers: int | None,
    compare: bool,
    again: bool,
    no_figures: bool,
    status: bool,
    redraw: bool,
    list_claims: bool,
) -> None:
    """Print published results next to measured ones, committed and here.

    Without an ID, all claims.  Exit code 1 if a claim that ran disagrees.
    """
    from sbp import reproduce as claims

    if status:
        code = claims.show_status(
            out or (claims.FOLDERS[preset] if preset else None), data_dir, ids
        )
    elif redraw:
        code = claims.redraw(out, data_dir)
    elif list_claims:
        code = claims.show_claims()
    else:
        with announce_compilation():
            code = claims.main(
                ids, preset or "smoke", seeds, engine, out, root=data_dir, figures=not no_figures,
                workers=workers, compare=compare, again=again,
            )  # fmt: skip
    click.get_current_context().exit(code)
