"""``sbp plot``: the pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbp.app.cli.options import (
    CIRCUIT_ENGINES,
    CIRCUIT_OPTIONS,
    NATURAL,
    POSITIVE,
    Layers,
    Name,
    build_circuit,
    dataset_options,
    engine_option,
    examples,
    history_of,
    load_dataset_for,
    load_weights,
    options,
    task_of,
    unused,
)
from sbp.app.cli.paths import PRETRAINED, RUN, Group, Writes
from sbp.app.progress import announce_compilation
from sbp.errors import FileError
from sbp.learn.progress import say, tell

if TYPE_CHECKING:
    from sbp.learn.data import Dataset
    from sbp.learn.task import Task
    from sbp.plots import Picture
    from sbp.weights import Weights


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog=examples(
        "sbp plot raster --out raster.png         a sample's spikes through the 12 phases",
        "sbp plot circuit --out circuit.svg       populations and projections",
        "sbp plot phases --out phases.pdf         who fires when, and why",
        "sbp plot weights pretrained --out w.png  what hidden neurons look for",
        "sbp plot curve RUN --out curve.png       accuracy over the epochs",
    ),
)
@click.pass_context
def plot(context: click.Context) -> None:
    """Draw spikes, circuits, weights and learning curves."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def out_options(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--out --title --dpi``."""
    return options(
        click.option(
            "--out",
            metavar="FILE",
            type=Writes(".png", ".svg", ".pdf", decide=True, usual=name),
            help=f"A .png, .svg or .pdf file.  Default: {name}, in the run's folder if there is "
            "one, beside older ones.",
        ),
        click.option(
            "--title", metavar="TEXT", callback=_printable, help="Instead of the usual one."
        ),
        click.option(
            "--dpi",
            metavar="N",
            type=click.IntRange(10, 1200),
            default=150,
            show_default=True,
            help="Dots per inch of a PNG.",
        ),
    )


def _printable(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.isprintable():
        raise click.BadParameter("it holds characters that cannot be drawn", context, parameter)
    return value


def _save(picture: Picture, out: Path, dpi: int) -> None:
    from sbp import plots

    instead = " (in place of an older one)" if out.exists() else ""
    plots.save(picture, out, dpi=dpi)
    say(f"{out}{instead}: {plots.alt_text(picture)}", hang=2)


@plot.command(
    epilog=examples(
        "sbp plot raster",
        "sbp plot raster --sample 7 --out seven.svg",
        "sbp plot raster --hidden 32-24           the deep circuit",
        "sbp plot raster pretrained --sample 3 --circuit inference",
    )
)
@click.argument("run", metavar="[RUN]", type=RUN, required=False)
@click.option(
    "--circuit",
    type=Name("circuit", ("learning", "inference")),
    default="learning",
    show_default=True,
    help="What the sample runs through.",
)
@dataset_options(None)
@click.option(
    "--sample",
    metavar="N",
    type=NATURAL,
    help="Which sample of the test set; default: the first from which the network "
    "would learn, for the learning circuit, else 0.",
)
@click.option(
    "--count",
    metavar="N",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="How many samples, one after the other.",
)
@click.option(
    "--hidden",
    type=Layers(),
    default="100",
    show_default=True,
    help="Without RUN: hidden neurons of the network that is drawn.",
)
@click.option(
    "--epochs",
    metavar="N",
    type=NATURAL,
    default=20,
    show_default=True,
    help="... and how long it is trained; 0: random weights.",
)
@click.option(
    "--seed", metavar="N", type=NATURAL, default=0, show_default=True, help="Of that network."
)
@click.option("--populations", metavar="NAME,...", help="Show these only, in this order.")
@engine_option(CIRCUIT_ENGINES, "compiled")
@out_options("raster.png")
def raster(
    run: str | None,
    circuit: str,
    dataset: str | None,
    data_dir: Path | None,
    crop: int | None,
    threshold: float | None,
    sample: int | None,
    count: int,
    hidden: tuple[int, ...],
    epochs: int,
    seed: int,
    populations: str | None,
    engine: str,
    out: Path,
    title: str | None,
    dpi: int,
) -> None:
    """Spikes of a sample through the phases of the circuit.

    The network is that of RUN (the folder of a training run, a weights.npz, or `pretrained`), or
    one that is trained for this picture, in a second.
    """
    from sbp import plots
    from sbp.engines import get
    from sbp.learn.measures import one_hot
    from sbp.run import ALL_SPIKES

    if run is not None:
        unused(dict.fromkeys(("hidden", "epochs", "seed"), "beside RUN, which is trained"))
    trained = load_weights(run) if run is not None else None
    data = load_dataset_for(run, dataset, data_dir, crop, threshold)
    if (sample or 0) + count > len(data.x_test):
        raise click.UsageError(
            f"--sample {sample or 0} --count {count}: "
            f"{data.name} has {len(data.x_test):,} test samples"
        )
    with announce_compilation():
        if run is not None and trained is not None:
            task = task_of(run, trained)
        else:
            task, trained = _trained(data, hidden, epochs, seed)
        program = task.learning_program if circuit == "learning" else task.reading_program
        if sample is None:
            sample = _first_error(data, task, trained, count) if circuit == "learning" else 0
        shown = slice(sample, sample + count)
        stimulus = {"input": data.x_test[shown]}
        if circuit == "learning":
            stimulus["target"] = one_hot(data.y_test[shown], data.n_classes)
        made = get(engine).run(program, program.state(trained), stimulus, record=ALL_SPIKES)
    chosen = [name.strip() for name in populations.split(",")] if populations else None
    if title is None:
        last = f" to {sample + count - 1}" if count > 1 else ""
        labels = ", ".join(map(str, data.y_test[shown]))
        name = program.name.replace("_", " ")
        title = f"{data.name}, test sample {sample}{last} (label {labels}): {name} circuit"
    picture = plots.raster(
        made, samples=slice(0, count), populations=chosen, title=title, first=sample
    )
    _save(picture, out, dpi)


def _trained(
    data: Dataset, hidden: tuple[int, ...], epochs: int, seed: int
) -> tuple[Task, Weights]:
    """A network that is trained for a picture."""
    from sbp.learn.task import Task
    from sbp.learn.training import Settings, train

    task = Task.of((data.n_inputs, *hidden, data.n_classes))
    if not epochs:
        return task, task.start(seed)
    return task, train(data, Settings("algebra", hidden, epochs, seed)).weights


def _first_error(data: Dataset, task: Task, weights: Weights, count: int) -> int:
    """The first test sample that makes d+ or d- fire; 0 if none does."""
    from sbp.learn.measures import one_hot, outputs

    # Not by the algebra, which does not stand for circuits of one's own.
    spikes, sums = outputs(data.x_test, weights, "compiled", data.n_classes, task=task)
    target = one_hot(data.y_test, data.n_classes).astype(bool)
    error = (target & ~spikes & (sums > 0)) | (spikes & ~target & (sums <= 1024))
    return int(error.any(axis=1)[: len(error) - count + 1].argmax())


def _circuit_command(name: str, text: str, *lines: str) -> None:
    @plot.command(name, help=text, epilog=examples(*lines))
    @CIRCUIT_OPTIONS
    @out_options(f"{name}.png")
    def draw(
        circuit: str,
        sizes: tuple[int, ...] | None,
        ring: int | None,
        out: Path,
        title: str | None,
        dpi: int,
    ) -> None:
        from sbp import plots

        built = build_circuit(circuit, sizes, ring)
        function = plots.circuit_diagram if name == "circuit" else plots.phase_diagram
        _save(function(built, title=title), out, dpi)


_circuit_command(
    "circuit",
    "Populations as boxes, projections as arrows.",
    "sbp plot circuit --out circuit.svg",
    "sbp plot circuit single_layer",
    "sbp plot circuit deep --sizes 64-32-32-10",
)
_circuit_command(
    "phases",
    "The timetable: who fires in which phase, and what is learned.",
    "sbp plot phases",
    "sbp plot phases gating_chain --sizes 20-20-20-20 --ring 2",
)


@plot.command(
    epilog=examples(
        "sbp plot weights",
        "sbp plot weights mnist-0 --units 100 --out mnist.png",
    ),
)
@click.argument("run", metavar="[RUN]", type=RUN, default=PRETRAINED)
@click.option(
    "--rows", metavar="N", type=POSITIVE, help="Of an input picture; default as trained on."
)
@click.option(
    "--units",
    metavar="N",
    type=click.IntRange(1, 400),
    default=60,
    show_default=True,
    help="Hidden neurons to show.",
)
@out_options("weights.png")
def weights(run: str, rows: int | None, units: int, out: Path, title: str | None, dpi: int) -> None:
    """What the hidden neurons look for, and the output weights.

    RUN is the folder of a training run, a weights.npz, or `pretrained`.
    """
    from sbp import plots

    matrices = load_weights(run)
    n_in = next(iter(matrices.values())).shape[1]
    if rows is not None and n_in % rows:
        raise click.UsageError(f"--rows {rows} does not divide the network's {n_in} inputs")
    known = history_of(run).get("image_shape")
    shape = tuple(known) if known and known[0] * known[1] == n_in else None
    shape = (rows, n_in // rows) if rows else shape
    _save(plots.weight_images(matrices, shape, n=units, title=title), out, dpi)


@plot.command(
    epilog=examples(
        "sbp plot curve mnist-0",
        "sbp plot curve mnist-0 mnist-1 mnist-2      mean and spread over seeds",
        "sbp plot curve wide narrow --out both.svg   other settings: a line each",
    )
)
@click.argument("runs", metavar="RUN...", type=RUN, nargs=-1, required=True)
@out_options("curve.png")
def curve(runs: tuple[str, ...], out: Path, title: str | None, dpi: int) -> None:
    """Accuracy and mse after every epoch.

    RUN is the folder of a training run, or a file that `sbp train --json` wrote.  Runs that differ
    in the seed alone are averaged; runs of other settings have lines of their own, labelled with
    what differs.
    """
    from sbp import plots
    from sbp.learn.checkpoint import load_history

    for run in runs:
        if run == PRETRAINED:
            raise click.UsageError(f"{run} comes without its curve: give the folder of a run")
        if not Path(run).exists():
            raise FileError(f"{run} does not exist", do="give the folder of a training run")
    groups = _by_settings(runs, {run: load_history(run) for run in runs})
    for label, histories in groups.items():
        lengths = {len(history) for history in histories}
        if len(lengths) > 1:
            tell(
                f"the runs{f' of {label}' if label else ''} have {min(lengths)} to {max(lengths)} "
                "epochs: the epochs that all of them have are shown"
            )
    if len(groups) == 1:
        picture = plots.learning_curve(next(iter(groups.values())), title=title)
    else:
        picture = plots.learning_curves(groups, title=title)
    _save(picture, out, dpi)


#: What makes an experiment, seed aside: key of a history -> the word before its value.
SETTINGS = {
    "dataset": "", "sizes": "", "n_train": "samples", "crop": "crop", "threshold": "threshold",
    "shift": "shift", "circuit": "circuit", "weight_exponent": "exponent",
    "parameters": "parameters", "equal_copies": "equal copies", "engine": "", "strict": "strict",
    "data_checksum": "data", "program_digest": "program",
}  # fmt: skip
DIGESTS = ("data_checksum", "program_digest")


def _by_settings(
    runs: tuple[str, ...], known: dict[str, dict[str, Any]]
) -> dict[str, list[list[dict[str, float]]]]:
    """The epochs of runs, by what tells their settings from those of the others."""
    told = {run: {key: _plain(_setting(known[run], key)) for key in SETTINGS} for run in known}
    differing = [key for key in SETTINGS if len({each[key] for each in told.values()}) > 1]
    # A digest is no name, and differs where something with a name does.
    named = [key for key in differing if key not in DIGESTS] or differing
    groups: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        groups.setdefault(tuple(told[run][key] for key in differing), []).append(run)
    found: dict[str, list[list[dict[str, float]]]] = {}
    for members in groups.values():
        _check_seeds(members, known)
        one = told[members[0]]
        label = ", ".join(f"{SETTINGS[key]} {one[key]}".strip() for key in named)
        if label in found:
            label = f"{label} ({members[0]})"
        found[label] = [known[run]["epochs"] for run in members]
    return found


def _setting(known: dict[str, Any], key: str) -> Any:
    """A setting of a run; no circuit where it is the usual one, also if that was asked for."""
    from sbp.circuits.registry import usual

    family = usual(len(known.get("sizes") or ()))
    return None if key == "circuit" and known.get(key) == family else known.get(key)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return "none" if value is None else str(value)[:20]


def _check_seeds(runs: list[str], known: dict[str, dict[str, Any]]) -> None:
    """Mean and spread are of different seeds."""
    seen: dict[Any, str] = {}
    for run in runs:
        seed = known[run].get("seed")
        if seed is not None and seed in seen:
            raise click.UsageError(
                f"{seen[seed]} and {run} are one experiment with one seed, {seed}: there is no "
                "spread to show"
            )
        seen[seed] = run
