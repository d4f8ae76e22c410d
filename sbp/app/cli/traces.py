"""``sbp trace`` and ``sbp verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbp.app.cli.options import (
    CIRCUIT,
    CIRCUIT_ENGINES,
    ENGINE_OPTIONS,
    NATURAL,
    PART,
    Layers,
    SampleRange,
    Sizes,
    dataset_options,
    engine_option,
    engine_options,
    examples,
    load_dataset_for,
    load_weights,
    task_of,
    unused,
)
from sbp.app.cli.paths import FILE, RUN, TRACE, Writes, command
from sbp.app.progress import announce_compilation
from sbp.learn.progress import say

if TYPE_CHECKING:
    import numpy as np

    from sbp.learn.data import Dataset
    from sbp.program import Program
    from sbp.weights import Weights


@command(
    epilog=examples(
        "sbp verify learning_16_8_4_order --engine compiled     it comes with sbp",
        "sbp verify trace.npz",
        "sbp verify trace.txt --program learning.sbp",
    )
)
@click.argument("file", metavar="TRACE", type=TRACE)
@click.option(
    "--program",
    "program_file",
    metavar="FILE",
    type=FILE,
    help="The circuit it is a trace of, from `sbp program write`: for a circuit of your own, and "
    "for a trace in plain text.",
)
@engine_option(CIRCUIT_ENGINES, "reference")
@ENGINE_OPTIONS
def verify(
    file: Path,
    program_file: Path | None,
    engine: str,
    layout: str | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Replay a golden trace and compare every spike and weight.

    TRACE is a file, or the name of a trace that comes with the package.

    Exit code 0 if all is identical; else the first difference is printed (the trace's value
    first) and the exit code is 1.  `pydoc sbp.files.trace` and `pydoc sbp.files.plain`
    describe the two formats, npz and plain text, for traces of an FPGA, another simulator or a
    board.
    """
    options = engine_options(engine, layout, settings)

    from sbp.files import program_file as programs
    from sbp.files import trace

    read = trace.read(file, programs.read(program_file) if program_file else None)
    with announce_compilation():
        difference = trace.verify(read, engine, **options)
    if difference is not None:
        say(f"{file}: {difference}")
        click.get_current_context().exit(1)
    program = read.program
    copies = trace.implied_copies(read)
    weights = sum(matrix.size for matrix in copies.values())
    states = "".join(
        f", {what} of {', '.join(getattr(read, what))}"
        for what in ("u", "v")
        if getattr(read, what)
    )
    say(
        f"{file}: identical on {engine}: {describe(program)}, {read.n_samples} samples, "
        f"{read.n_steps} steps, {read.n_spikes:,} spikes of {len(read.spikes)} populations and "
        f"sources{states}"
        + (f", {weights:,} final weights in {len(copies)} matrices" if copies else "")
    )
    if read.digest and read.digest != program.digest:
        say(
            f"the trace was made with another program, {read.digest[:12]}; "
            f"this one is {program.digest[:12]}"
        )


@command(
    epilog=examples(
        "sbp trace --samples 20 --hidden 24",
        "sbp trace pretrained --out t.npz --samples 100:110 --states h,o --csv t.csv",
        "sbp trace --circuit deep --hidden 32-24",
        "sbp trace --circuit gating_chain --sizes 64-64-64-64-64-64 --ring 2",
    )
)
@click.argument("run", metavar="[RUN]", type=RUN, required=False)
@click.option(
    "--circuit",
    type=CIRCUIT,
    show_default="the one that learned RUN, else learning",
    help="What runs.",
)
@dataset_options(None)
@click.option(
    "--samples",
    type=SampleRange(),
    default="10",
    show_default=True,
    help="The first N samples, or START:STOP.",
)
@click.option(
    "--split",
    type=PART,
    default="train",
    show_default=True,
    help="Part of the data set that the samples are from.",
)
@click.option(
    "--hidden",
    type=Layers(),
    default="40",
    show_default=True,
    help="Hidden neurons, with random weights.",
)
@click.option(
    "--sizes",
    type=Sizes(),
    help="All layer sizes, with random weights.  Default: the data's with --hidden between; three "
    "stages of a gating chain.",
)
@click.option(
    "--seed", metavar="N", type=NATURAL, default=0, show_default=True, help="Of random weights."
)
@click.option(
    "--ring",
    metavar="N",
    type=click.IntRange(min=2),
    help="Gates in a gating chain's ring; default stages + 1.",
)
@engine_option(CIRCUIT_ENGINES, "compiled")
@ENGINE_OPTIONS
@click.option(
    "--states",
    metavar="NAME,...|all",
    default="",
    help="Keep current u and membrane potential v of these populations too.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=Writes(".npz", usual="trace.npz"),
    help="Default: trace.npz, in the run's folder if there is one, beside older ones.",
)
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    type=Writes(".csv"),
    help="Write the spike times as CSV too.",
)
@click.option(
    "--plain",
    "plain_file",
    metavar="FILE",
    type=Writes(".txt"),
    help="Write the trace as plain text too, for readers without NumPy.",
)
def trace(
    run: str | None,
    circuit: str | None,
    dataset: str | None,
    data_dir: Path | None,
    crop: int | None,
    threshold: float | None,
    samples: slice,
    split: str,
    hidden: tuple[int, ...],
    sizes: tuple[int, ...] | None,
    seed: int,
    ring: int | None,
    engine: str,
    layout: str | None,
    settings: tuple[tuple[str, Any], ...],
    states: str,
    out: Path,
    csv_file: Path | None,
    plain_file: Path | None,
) -> None:
    """Write spikes, weights and states of a run to a file.

    The circuit starts at rest, with the weights of RUN (the folder of a training run, a
    weights.npz, or `pretrained`) or with random ones, and runs the chosen samples one after the
    other.  The npz holds everything that a replay needs (`sbp verify`) and nothing pickled;
    `pydoc sbp.files.trace` describes it, and `pydoc sbp.files.plain` the plain text, which has all
    but the states.  The CSV has a line "step,sample,phase,population,neuron" for every spike.
    """
    options = engine_options(engine, layout, settings)
    if run is not None:
        unused(dict.fromkeys(("hidden", "sizes", "seed", "ring"), "beside RUN, which has its own"))
    if sizes is not None:
        unused({"hidden": "beside --sizes"})
    if out.suffix.lower() in (".txt", ".csv"):
        raise click.UsageError(
            f"--out {out}: a trace is an npz; --plain FILE writes text, --csv FILE a table"
        )
    if circuit in ("gating_chain", "single_layer"):
        unused({"hidden": f"on the circuit {circuit}"})

    from sbp.circuits import registry
    from sbp.files import plain
    from sbp.files import trace as traces
    from sbp.weights import arrays_digest

    trained = load_weights(run) if run is not None else None
    data = load_dataset_for(run, dataset, data_dir, crop, threshold)
    inputs, labels = _samples(data, split, samples)
    if run is not None and trained is not None:
        built, start = _of_run(circuit, run, trained), trained
    else:
        of_data = (data.n_inputs, *hidden, data.n_classes)
        family = circuit or registry.usual(len(sizes or of_data))
        built = _random(family, sizes, of_data, ring)
        start = _start(built, seed)
    stimulus = _stimulus(built, data, inputs, labels)
    names = [name.strip() for name in states.split(",")]
    keep = "all" if states == "all" else [name for name in names if name]
    about = {
        "dataset": data.name,
        "source": data.source,
        "data_checksum": data.checksum,
        "split": split,
        "samples": f"{samples.start}:{samples.stop}",
        "weights": f"trained, {arrays_digest(start)}" if run else f"random, seed {seed}",
    }
    with announce_compilation():
        made = traces.record(
            built, stimulus, start, engine=engine, states=keep, about=about, **options
        )
    traces.write(made, out)
    say(
        f"{out}: {describe(built)}, {made.n_samples} samples, {made.n_steps} steps, "
        f"{made.n_spikes:,} spikes, {out.stat().st_size / 1000:,.1f} kB"
    )
    if csv_file is not None:
        traces.write_csv(made, csv_file)
        say(f"{csv_file}: {made.n_spikes:,} spike times")
    if plain_file is not None:
        plain.write_trace(made, plain_file)
        say(f"{plain_file}: {plain_file.stat().st_size / 1000:,.1f} kB of plain text")


def describe(circuit: Program) -> str:
    """Name and sizes of a program's circuit."""
    name = circuit.name.replace("_", " ")
    if circuit.name == "gating_chain":
        stages = len(circuit.sizes) - 1
        return f"{name} of {stages} stages of {circuit.sizes[0]}, ring of {circuit.period}"
    return f"{name} circuit {'-'.join(map(str, circuit.sizes))}"


def _samples(data: Dataset, split: str, samples: slice) -> tuple[np.ndarray, np.ndarray]:
    x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
    if samples.stop > len(x):
        raise click.UsageError(
            f"--samples {samples.start}:{samples.stop}: {data.name} has {len(x):,} {split} samples"
        )
    return x[samples], y[samples]


def _of_run(circuit: str | None, run: str, weights: Weights) -> Program:
    """The program that runs with the weights of a run: that of its own task, or another."""
    from sbp.circuits.registry import build
    from sbp.program import lower

    task = task_of(run, weights)
    if circuit in (None, task.learning.name):
        return lower(task.learning)
    if circuit == "inference":
        return lower(task.reading)
    return lower(build(circuit, weights.sizes, weight_exponent=task.learning.weight_exponent))


def _random(
    circuit: str, sizes: tuple[int, ...] | None, usual: tuple[int, ...], ring: int | None
) -> Program:
    """The program of a circuit with random weights; `usual` sizes fit the data."""
    from sbp.circuits.registry import build
    from sbp.program import lower

    n_inputs, n_classes = usual[0], usual[-1]
    if sizes is None and circuit == "gating_chain":
        sizes = (n_inputs,) * 4
    elif sizes is None and circuit == "single_layer":
        sizes = n_inputs, n_classes
    return lower(build(circuit, sizes or usual, ring=ring))


def _start(program: Program, seed: int) -> Weights:
    """Random weights for a program's parameters."""
    from sbp.weights import Weights

    names = [name for name, _, _ in program.parameters]
    return Weights.random(program.sizes, seed, names) if names else Weights({})


def _stimulus(
    program: Program, data: Dataset, inputs: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """What the sources are given, if it fits."""
    from sbp.learn.training import one_hot

    sources = {source.name: source.size for source in program.sources}
    for name, size in (("input", data.n_inputs), ("target", data.n_classes)):
        if sources.get(name, size) != size:
            raise click.UsageError(
                f"{describe(program)} has {sources[name]} lines of {name}, {data.name} has {size}"
            )
    stimulus = {"input": inputs}
    if "target" in sources:
        stimulus["target"] = one_hot(labels, data.n_classes)
    return stimulus
