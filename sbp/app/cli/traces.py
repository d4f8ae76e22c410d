"""``sbp trace`` and ``sbp verify``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sbp.app.cli.options import (
    CIRCUIT_ENGINES,
    CIRCUITS,
    LAYER,
    LAYOUT_OPTION,
    NATURAL,
    POSITIVE,
    SampleRange,
    dataset_options,
    engine_option,
    engine_options,
    examples,
    load_dataset_for,
    load_weights,
    unused,
)
from sbp.app.cli.paths import FILE, RUN, Writes, command
from sbp.app.progress import announce_compilation

if TYPE_CHECKING:
    import numpy as np

    from sbp.learn.data import Dataset
    from sbp.program import Program


@command(
    epilog=examples(
        "sbp verify trace.npz",
        "sbp verify trace.npz --engine compiled",
        "sbp verify trace.txt --program learning.sbp",
    )
)
@click.argument("file", metavar="TRACE", type=FILE)
@click.option(
    "--program",
    "program_file",
    metavar="FILE",
    type=FILE,
    help="The circuit it is a trace of, from `sbp program write`: for a circuit of your own, and "
    "for a trace in plain text.",
)
@engine_option(CIRCUIT_ENGINES, "reference")
@LAYOUT_OPTION
def verify(file: Path, program_file: Path | None, engine: str, layout: str | None) -> None:
    """Replay a golden trace and compare every spike and weight.

    Exit code 0 if all is identical; else the first difference is printed (the trace's value
    first) and the exit code is 1.  `pydoc sbp.trace` and `pydoc sbp.plain` describe the two
    formats, npz and plain text, for traces of an FPGA, another simulator or a board.
    """
    options = engine_options(engine, layout)

    from sbp import program_file as programs
    from sbp import trace

    read = trace.read(file, programs.read(program_file) if program_file else None)
    with announce_compilation():
        difference = trace.verify(read, engine, **options)
    if difference is not None:
        click.echo(f"{file}: {difference}")
        click.get_current_context().exit(1)
    program = read.program
    copies = trace.implied_copies(read)
    weights = sum(matrix.size for matrix in copies.values())
    states = "".join(
        f", {what} of {', '.join(getattr(read, what))}"
        for what in ("u", "v")
        if getattr(read, what)
    )
    click.echo(
        f"{file}: identical on {engine}: {describe(program)}, {read.n_samples} samples, "
        f"{read.n_steps} steps, {read.n_spikes:,} spikes of {len(read.spikes)} populations and "
        f"sources{states}"
        + (f", {weights:,} final weights in {len(copies)} matrices" if copies else "")
    )
    if read.digest and read.digest != program.digest:
        click.echo(
            f"the trace was made with another program, {read.digest[:12]}; "
            f"this one is {program.digest[:12]}"
        )


@command(
    epilog=examples(
        "sbp trace learning.npz --samples 20 --hidden 24",
        "sbp trace trained.npz --weights RUN --samples 100:110 --states h,o --csv t.csv",
        "sbp trace chain.npz --circuit gating_chain --stages 5 --ring 2",
    )
)
@click.argument("file", metavar="TRACE.npz", type=Writes(".npz"))
@click.option(
    "--circuit",
    type=click.Choice(CIRCUITS),
    default="learning",
    show_default=True,
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
    type=click.Choice(["train", "test"]),
    default="train",
    show_default=True,
    help="Part of the data set that the samples are from.",
)
@click.option(
    "--hidden",
    metavar="N",
    type=LAYER,
    default=40,
    show_default=True,
    help="Hidden neurons, with random weights (learning, inference).",
)
@click.option(
    "--weights",
    metavar="RUN",
    type=RUN,
    help="Start from the weights of a run folder, a weights.npz, or `pretrained`.",
)
@click.option(
    "--seed", metavar="N", type=NATURAL, default=0, show_default=True, help="Of random weights."
)
@click.option(
    "--stages", metavar="N", type=POSITIVE, default=3, show_default=True, help="Of a gating chain."
)
@click.option(
    "--ring",
    metavar="N",
    type=click.IntRange(min=2),
    help="Gates in a gating chain's ring; default stages + 1.",
)
@engine_option(CIRCUIT_ENGINES, "compiled")
@LAYOUT_OPTION
@click.option(
    "--states",
    metavar="NAME,...|all",
    default="",
    help="Keep current u and membrane potential v of these populations too.",
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
    type=Writes(),
    help="Write the trace as plain text too, for readers without NumPy.",
)
def trace(
    file: Path,
    circuit: str,
    dataset: str | None,
    data_dir: Path | None,
    crop: int | None,
    threshold: float | None,
    samples: slice,
    split: str,
    hidden: int,
    weights: str | None,
    seed: int,
    stages: int,
    ring: int | None,
    engine: str,
    layout: str | None,
    states: str,
    csv_file: Path | None,
    plain_file: Path | None,
) -> None:
    """Write spikes, weights and states of a run to a file.

    The circuit starts at rest and runs the chosen samples one after the other.  The npz holds
    everything that a replay needs (`sbp verify`) and nothing pickled; `pydoc sbp.trace` describes
    it, and `pydoc sbp.plain` the plain text, which has all but the states.  The CSV has a line
    "step,sample,phase,population,neuron" for every spike.
    """
    options = engine_options(engine, layout)
    if circuit != "gating_chain":
        unused({"stages": f"on the {circuit} circuit"})
    if weights is not None:
        unused({"hidden": "beside --weights", "seed": "beside --weights"})

    from sbp import plain
    from sbp import trace as traces
    from sbp.circuits.registry import build
    from sbp.files import arrays_digest
    from sbp.program import lower

    if weights is not None and circuit in ("single_layer", "gating_chain"):
        raise click.UsageError(f"--weights holds W1 and W2, which the {circuit} circuit lacks")
    data = load_dataset_for(weights, dataset, data_dir, crop, threshold)
    inputs, labels = _samples(data, split, samples)
    start = _weights(circuit, data, hidden, weights, seed)
    if circuit == "gating_chain":
        sizes = (data.n_inputs,) * (stages + 1)
    elif circuit == "single_layer":
        sizes = (data.n_inputs, data.n_classes)
    else:
        sizes = (data.n_inputs, len(start["W1"]), len(start["W2"]))
    built = lower(build(circuit, sizes, ring=ring))
    stimulus = {"input": inputs}
    if "target" in [source.name for source in built.sources]:
        from sbp.learn.training import one_hot

        stimulus["target"] = one_hot(labels, data.n_classes)
    keep = "all" if states == "all" else [name for name in states.split(",") if name]
    about = {
        "dataset": data.name,
        "source": data.source,
        "data_checksum": data.checksum,
        "split": split,
        "samples": f"{samples.start}:{samples.stop}",
        "weights": f"trained, {arrays_digest(start)}" if weights else f"random, seed {seed}",
    }
    with announce_compilation():
        made = traces.record(
            built, stimulus, start, engine=engine, states=keep, about=about, **options
        )
    traces.write(made, file)
    click.echo(
        f"{file}: {describe(built)}, {made.n_samples} samples, {made.n_steps} steps, "
        f"{made.n_spikes:,} spikes, {file.stat().st_size / 1000:,.1f} kB"
    )
    if csv_file is not None:
        traces.write_csv(made, csv_file)
        click.echo(f"{csv_file}: {made.n_spikes:,} spike times")
    if plain_file is not None:
        plain.write_trace(made, plain_file)
        click.echo(f"{plain_file}: {plain_file.stat().st_size / 1000:,.1f} kB of plain text")


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


def _weights(
    circuit: str, data: Dataset, hidden: int, where: str | None, seed: int
) -> Mapping[str, np.ndarray]:
    if circuit == "gating_chain":
        return {}
    from sbp.learn.training import initial_weights

    if circuit == "single_layer":
        return {"W": initial_weights((data.n_inputs, data.n_classes, 1), seed)["W1"]}
    if where is not None:
        return load_weights(where)
    return initial_weights((data.n_inputs, hidden, data.n_classes), seed)
