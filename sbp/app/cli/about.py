"""``sbp info``, ``sbp summary`` and ``sbp reproduce``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from sbp.app.cli.options import (
    CIRCUIT_OPTIONS,
    DATA_DIR_OPTION,
    ENGINES,
    JSON_OPTION,
    Name,
    build_circuit,
    engine_option,
    examples,
    unused,
)
from sbp.app.cli.output import facts, write_results
from sbp.app.cli.paths import WritesFolder, command
from sbp.app.progress import announce_compilation
from sbp.errors import FileError
from sbp.learn.progress import percent, say

OUT_SAID = (
    "Folder of results; default build/reproduce or build/reproduce-paper, with --redraw, and with "
    "--status without a preset, the committed results."
)


class WritesClaims(WritesFolder):
    """A folder of results, with a status page."""

    def check(self, value: Path) -> None:
        """Raise FileError now if no file can be written there, or a page is somebody else's."""
        from sbp.reproduce.page import TITLE

        super().check(value)
        page = value / "status.md"
        if page.is_file() and not page.read_bytes().startswith(TITLE.encode()):
            raise FileError(f"{page} is there, and no status page", do="choose another --out")


OUT_RESULTS = WritesClaims("*.json", "*.png", "status.md")


@command(
    epilog=examples(
        "sbp summary",
        "sbp summary inference",
        "sbp summary deep --sizes 64-32-32-10",
        "sbp summary gating_chain --sizes 20-20-20-20 --ring 2",
    )
)
@CIRCUIT_OPTIONS
@JSON_OPTION
def summary(
    circuit: str, sizes: tuple[int, ...] | None, ring: int | None, json_file: Path | None
) -> None:
    """Print a circuit: populations, neurons, synapses, phases."""
    from sbp.program import lower

    built = build_circuit(circuit, sizes, ring)
    digest = lower(built).digest
    say(built.summary())
    say(f"  program digest {digest}")
    write_results(json_file, {
        "circuit": built.name,
        "sizes": built.sizes,
        "neurons": built.n_neurons,
        "synapses": built.n_synapses(),
        "plastic_synapses": built.n_synapses(plastic_only=True),
        "populations": {part.name: part.size for part in built.populations},
        "sources": {source.name: source.size for source in built.sources},
        "phases": [asdict(phase) for phase in built.phases],
        "digest": digest,
    })  # fmt: skip


@command(
    epilog=examples(
        "sbp info",
        "sbp info --data-dir ~/data",
        "sbp info --json -",
    )
)
@DATA_DIR_OPTION
@JSON_OPTION
def info(data_dir: Path | None, json_file: Path | None) -> None:
    """Show versions, engines, data sets and where things are."""
    from sbp import engines
    from sbp.circuits import registry
    from sbp.kernels import cache_status
    from sbp.learn import data, pretrained
    from sbp.learn.parallel import cores
    from sbp.reproduce.claims import BROKEN
    from sbp.reproduce.provenance import versions

    network = pretrained.about()
    measured = network["measured"]
    sections: dict[str, dict[str, str]] = {
        "versions": versions(),
        "engines": {
            "algebra": "ready: no spikes, the same weights bit for bit; the fastest",
            **engines.available(),
        },
        "options of engines (--option NAME=VALUE)": _options(),
        "data sets": data.available(data_dir),
        "circuits": {name: _whose(name) for name in registry.families()},
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
    if BROKEN:
        sections["claims that cannot be used"] = dict(BROKEN)
    width = max(len(name) for lines in sections.values() for name in lines)
    for title, lines in sections.items():
        say(title, bold=True)
        facts(lines, width)
    write_results(json_file, sections)


def _options() -> dict[str, str]:
    """The engines that have options of their own, and which."""
    from sbp import engines
    from sbp.engines.protocol import options_of
    from sbp.errors import SbpError

    found = {"algebra": "copies (true or false), in sbp train"}
    for name in engines.names():
        with suppress(SbpError):
            if options := options_of(engines.get(name)):
                found[name] = ", ".join(options)
    return found


def _whose(circuit: str) -> str:
    """Where a family of circuits comes from, in a line."""
    from sbp.circuits import registry
    from sbp.errors import SpecError, brief

    try:
        module = registry.family(circuit).__module__
    except SpecError as error:
        return f"broken: {brief(error)}"
    return "ready" if circuit in registry.OWN else f"of {module}"


@command(
    epilog=examples(
        "sbp reproduce                          at most two minutes",
        "sbp reproduce --preset paper           the real thing",
        "sbp reproduce --status                 is what is committed current?",
        "sbp reproduce --list                   every claim in a line",
    )
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--preset",
    type=Name("preset", ("smoke", "paper")),
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
    """Print published results next to measured ones.

    Measured are the committed ones and those of this machine.  Without an ID, all claims.  Exit
    code 1 if a claim that ran failed or disagrees, and with --status if one is stale.
    """
    from sbp import reproduce as claims

    if how := [name for name, on in (("status", status), ("redraw", redraw), ("list", list_claims))
               if on]:  # fmt: skip
        if len(how) > 1:
            raise click.UsageError(f"--{how[0]} beside --{how[1]}: choose one")
        if ids and not status:
            raise click.UsageError(f"{ids[0]}: --{how[0]} is for all claims")
        runs = ["seeds", "engine", "workers", "compare", "again", "no-figures"]
        runs += [] if status else ["preset"]
        unused(dict.fromkeys(runs, f"beside --{how[0]}, which runs nothing"))
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
