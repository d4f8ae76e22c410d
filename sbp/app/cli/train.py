"""``sbp train`` and ``sbp evaluate``."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbp.app.cli.options import (
    CIRCUIT,
    CIRCUIT_VARIANT,
    DATASET_BY_DEFAULT,
    ENGINE_OPTIONS,
    ENGINES,
    JSON_OPTION,
    NATURAL,
    POSITIVE,
    Layers,
    dataset_options,
    engine_option,
    engine_options,
    examples,
    history_of,
    load_dataset,
    load_dataset_for,
    load_weights,
    place_of,
    said,
)
from sbp.app.cli.output import MEANING, MEASURES, facts, shown, table, write_results
from sbp.app.cli.paths import OUT_RUN, RUN, command
from sbp.app.progress import EvaluationProgress, TrainingProgress, announce_compilation
from sbp.errors import FileError
from sbp.learn.progress import say, span, tell

if TYPE_CHECKING:
    from sbp.learn.augment import Shifts
    from sbp.learn.checkpoint import RunFolder
    from sbp.learn.data import Dataset
    from sbp.learn.training import Result, Settings


#: What `--resume` takes from the run where the command line does not say it.
RESUMED = {
    "engine": "engine", "hidden": "hidden", "epochs": "epochs_asked", "samples": "n_train",
    "test_samples": "n_test",
    "seed": "seed", "strict": "strict", "weight_exponent": "weight_exponent",
    "parameters": "parameters", "circuit": "circuit", "equal_copies": "equal_copies",
    "half_epochs": "evaluations", "layout": "options", "settings": "options", "shift": "shift",
}  # fmt: skip


@command(
    epilog=examples(
        "sbp train                               digits, embedded: about a second",
        "sbp train --engine compiled             the same, every spike simulated",
        "sbp train --hidden 400-200              two hidden layers: the deep circuit",
        "sbp train --dataset mnist --epochs 60 --out mnist-0",
        "sbp train --out mnist-0 --resume        go on with it, however it ended",
    )
)
@dataset_options(DATASET_BY_DEFAULT)
@engine_option(ENGINES, "algebra")
@ENGINE_OPTIONS
@click.option(
    "--hidden",
    type=Layers(),
    show_default="400",
    help="Hidden neurons, of each layer from the input on; none for no hidden layer.",
)
@click.option(
    "--circuit",
    type=CIRCUIT,
    help="The circuit that learns.  Default: learning, the paper's, for one hidden layer, else "
    "deep; without a hidden layer also single_layer.",
)
@CIRCUIT_VARIANT
@click.option(
    "--epochs",
    metavar="N",
    type=POSITIVE,
    default=20,
    show_default=True,
    help="Passes over the training samples.",
)
@click.option(
    "--half-epochs", is_flag=True, help="Measure in the middle of every epoch too, as Fig. 3 does."
)
@click.option("--samples", type=POSITIVE, metavar="N", help="Train on the first N samples only.")
@click.option("--test-samples", type=POSITIVE, metavar="N", help="Test on the first N only.")
@click.option(
    "--seed",
    metavar="N",
    type=NATURAL,
    default=0,
    show_default=True,
    help="Fixes initial weights and the order of samples, alike on every engine.",
)
@click.option(
    "--shift",
    metavar="N",
    type=NATURAL,
    default=0,
    show_default=True,
    help="Training pictures move by up to this many pixels, at most the crop, anew in every epoch.",
)
@click.option(
    "--equal-copies",
    is_flag=True,
    help="Make all copies of the weights equal after every epoch, as the authors' script does.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Stop at a register wrap or learning outside its phases (circuit engines).",
)
@click.option(
    "--out",
    metavar="DIR",
    type=OUT_RUN,
    help="Keep weights, history and checkpoints here.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --out, if there is one, with its own settings; --epochs for more.",
)
@click.option("--force", is_flag=True, help="Start afresh, over the run that is in --out.")
@JSON_OPTION
def train(
    out: Path | None, resume: bool, force: bool, json_file: Path | None, **asked: Any
) -> None:
    """Train a network by backpropagation with spikes.

    The algebra computes the same weights as the spiking circuit, bit for bit unless a sum passes a
    closing gate, and fastest; the other engines run every spike of every sample.  The accuracies
    are those of the test set.
    """
    with _folder(out, resume, force) as folder:
        known = _recall(folder, asked) if folder is not None and resume else {}
        data, chosen, options = _chosen(asked, known, out)
        shifts = _shifts(data, chosen, asked["data_dir"])
        progress = TrainingProgress(chosen.epochs)
        place = {"data_dir": str(asked["data_dir"].absolute())} if asked["data_dir"] else {}
        result = _run(data, chosen, shifts, options, place, folder, resume, json_file, progress)
    if progress.untouched:
        tell(f"{out}: this run has finished its {chosen.epochs} epochs; nothing to do")
    try:
        _write_json(json_file, result, data)
    finally:
        _report(result, data, out, json_file)


def _with(engine: str, options: dict[str, Any]) -> str:
    return " ".join([engine, *(f"{name}={value}" for name, value in options.items())])


def _chosen(
    asked: dict[str, Any], known: dict[str, Any], out: Path | None
) -> tuple[Dataset, Settings, dict[str, Any]]:
    """Data, settings and options of the engine; `known` is what a run of before remembers."""
    engine, circuit, hidden = asked["engine"], asked["circuit"], asked["hidden"]
    if asked["strict"] and engine == "algebra":
        raise click.UsageError("--strict watches a circuit: choose another engine than algebra")
    if hidden is None:
        hidden = () if circuit == "single_layer" else (400,)
    options = engine_options(engine, asked["layout"], asked["settings"], ("copies",))

    from sbp.learn.training import Settings

    chosen = Settings(
        engine, hidden, asked["epochs"], asked["seed"], asked["strict"],
        asked["weight_exponent"], circuit, asked["parameters"], asked["equal_copies"],
        2 if asked["half_epochs"] else 1, asked["shift"],
    )  # fmt: skip
    crop, threshold, root = (asked[name] for name in ("crop", "threshold", "data_dir"))
    if known and not said("dataset"):
        from sbp.learn.data import recall

        data = recall(known, near=out, root=root, crop=crop, threshold=threshold)
    else:
        data = load_dataset(asked["dataset"], root, crop, threshold)
    data = data.take(asked["samples"], asked["test_samples"])
    sizes = chosen.task(data).sizes
    tell(
        f"{data.name} {'-'.join(map(str, sizes))}, {len(data.x_train):,} training samples, "
        f"{_with(engine, options)}, seed {chosen.seed}"
    )
    return data, chosen, options


def _shifts(data: Dataset, chosen: Settings, root: Path | None) -> Shifts | None:
    if not chosen.shift:
        return None
    from sbp.learn.augment import Shifts

    return Shifts.of(data, chosen.shift, chosen.seed, root=root)


def _run(
    data: Dataset,
    chosen: Settings,
    shifts: Shifts | None,
    options: dict[str, Any],
    place: dict[str, Any],
    folder: RunFolder | None,
    resume: bool,
    json_file: Path | None,
    progress: TrainingProgress,
) -> Result:
    """Train; what ends it early is told in one line."""
    from sbp.learn import training

    try:
        with announce_compilation(), progress:
            return training.train(
                data, chosen, inputs=shifts, folder=folder, resume=resume, progress=progress,
                options=options, facts=place,
            )  # fmt: skip
    except (KeyboardInterrupt, SystemExit) as stop:
        result: Result | None = getattr(stop, "result", None)
        if result is None:
            raise
        _write_json(json_file, result, data)
        number = int(result.epochs[-1]["epoch"]) if result.epochs else 0
        kept = "nothing is kept without --out"
        if folder is not None:
            kept = f"saved in {folder.path}; go on with --resume"
        if not result.samples:
            kept = "nothing was learned yet"
        terminated = isinstance(stop, SystemExit)
        name = "terminated" if terminated else "interrupted"
        click.echo(f"sbp: {name} after epoch {number}; {kept}", err=True)
        sign = signal.SIGTERM if terminated else signal.SIGINT
        raise click.exceptions.Exit(128 + sign) from None
    except FileError as error:
        if folder is not None and folder.resumable and isinstance(error.__cause__, OSError):
            kept = "then go on with --resume: what was saved before is kept"
            raise FileError(str(error), do=kept) from error
        raise


def _recall(folder: RunFolder, asked: dict[str, Any]) -> dict[str, Any]:
    """Take what the command line does not say from the run in the folder; what it knows."""
    saved = folder.begun()
    if saved is None:
        return {}
    known = {**saved.facts, **saved.identity}
    other_engine = said("engine") and asked["engine"] != known.get("engine")
    for option, name in RESUMED.items():
        if option in ("layout", "settings") and other_engine:
            continue  # they are that engine's
        if not said(option) and name in known:
            value = known[name]
            if option == "hidden":
                value = value if isinstance(value, list) else [value]
            elif option == "half_epochs":
                value = value == 2
            elif option == "layout":
                value = value.get("layout")
            elif option == "settings":
                value = tuple(pair for pair in value.items() if pair[0] != "layout")
            asked[option] = value
    asked["data_dir"] = asked["data_dir"] or place_of(known)
    return known


@contextmanager
def _folder(out: Path | None, resume: bool, force: bool) -> Iterator[RunFolder | None]:
    """The locked folder of the run, if it may be written."""
    if out is None:
        if resume or force:
            raise click.UsageError(f"--{'resume' if resume else 'force'} needs --out DIR")
        yield None
        return
    if resume and force:
        raise click.UsageError("--resume goes on and --force starts afresh: choose one")
    from sbp.learn.checkpoint import RunFolder

    folder = RunFolder(out)
    with folder.locked():
        if folder.used and not (resume or force) and (folder.resumable or not folder.finished):
            state = "a finished run" if folder.finished else "an unfinished run"
            raise FileError(
                f"{out} holds {state}",
                do="--resume goes on with it, --force starts afresh, or choose another --out",
            )
        if folder.finished and not folder.resumable and not force:
            raise FileError(
                f"{out} holds final weights but no checkpoint to go on from",
                do="--force starts afresh, or choose another --out",
            )
        yield folder


def _write_json(path: Path | None, result: Result, data: Dataset) -> None:
    from sbp.reproduce.provenance import versions

    known: dict[str, Any] = {
        "epochs": result.epochs,
        "finished": result.finished,
        **result.provenance,
        "source": data.source,
        "note": data.note,
        "n_test": len(data.x_test),
        "weights_digest": result.digest,
        "versions": versions(),
    }
    if result.counters is not None and result.program is not None:
        known |= {
            "program_digest": result.program.digest,
            "faults": result.faults,
            "operations": {
                name: int(values.sum()) for name, values in vars(result.counters).items()
            },
        }
    write_results(path, known)


def _report(result: Result, data: Dataset, out: Path | None, json_file: Path | None) -> None:
    last = result.epochs[-1]
    rows = []
    for name in MEASURES:
        best = (min if name == "mse" else max)(result.epochs, key=itemgetter(name))
        rows.append(
            (
                name,
                shown(name, last[name]),
                shown(name, best[name]),
                f"{best['epoch']}",
                MEANING[name],
            )
        )
    title = f"Accuracy on {len(data.x_test):,} test samples"
    table(title, ("", f"epoch {last['epoch']}", "best", "at epoch", ""), rows)
    if data.note:
        say(f"{data.name}: {data.note}")
    seconds = sum(epoch["seconds"] for epoch in result.epochs)
    learned = result.samples
    say(f"learned {learned:,} samples in {span(seconds)}: {learned / seconds:,.0f} a second")
    if result.faults is not None:
        say("in the circuit, over all steps:")
        facts({name: f" {count:,}" for name, count in result.faults.items()})
    if out is None:
        also = f" but {json_file}" if json_file else ""
        say(f"nothing is kept{also}: --out DIR saves weights, history and checkpoints")
    else:
        say(f"saved in {out}: weights.npz, history.json  (weights {result.digest[:12]})")


@command(
    epilog=examples(
        "sbp evaluate mnist-0",
        "sbp evaluate pretrained --engine reference --test-samples 100",
    )
)
@click.argument("run", metavar="RUN", type=RUN)
@dataset_options(None)
@engine_option(ENGINES, "compiled")
@ENGINE_OPTIONS
@click.option("--test-samples", type=POSITIVE, metavar="N", help="Test on the first N only.")
@JSON_OPTION
def evaluate(
    run: str,
    dataset: str | None,
    data_dir: Path | None,
    crop: int | None,
    threshold: float | None,
    engine: str,
    layout: str | None,
    settings: tuple[tuple[str, Any], ...],
    test_samples: int | None,
    json_file: Path | None,
) -> None:
    """Measure saved weights on a test set.

    RUN is the folder of a training run, a weights.npz, or `pretrained`, the 400-400-10 network
    that ships.  The samples run through the inference circuit, L + 2 steps each for L layers of
    weights.
    """
    options = engine_options(engine, layout, settings)
    weights = load_weights(run)
    data = load_dataset_for(run, dataset, data_dir, crop, threshold).take(n_test=test_samples)

    from sbp.learn import measures as measuring

    task = measuring.task_of(weights, history_of(run))
    with announce_compilation():
        if engine in ("algebra", "compiled"):  # compiles, outside the timing
            measuring.outputs(data.x_test[:1], weights, engine, task=task)
        with EvaluationProgress() as progress:
            began = time.perf_counter()
            measures = measuring.evaluate(
                data, weights, engine, watch=progress, task=task, **options
            )
            seconds = time.perf_counter() - began
    sizes = task.sizes
    if json_file is not None:
        from sbp.reproduce.provenance import versions
        from sbp.weights import arrays_digest

        write_results(
            json_file,
            {
                **vars(measures),
                "sizes": sizes,
                "engine": engine,
                "dataset": data.name,
                "source": data.source,
                "note": data.note,
                "no_test_score": data.no_test_of(history_of(run).get("dataset")),
                "data_checksum": data.checksum,
                "n_test": len(data.x_test),
                "weights_digest": arrays_digest(weights),
                "versions": versions(),
            },
        )
    title = (
        f"{run}: {'-'.join(map(str, sizes))} on {len(data.x_test):,} test samples of "
        f"{data.name}, {_with(engine, options)}"
    )
    table(
        title,
        ("", "test set", ""),
        [(n, shown(n, getattr(measures, n)), MEANING[n]) for n in MEASURES],
    )
    if data.note:
        say(f"{data.name}: {data.note}")
    say(f"{len(data.x_test) / seconds:,.0f} samples a second")
