"""``sbp program``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbp.app.cli.options import (
    CIRCUIT,
    CIRCUIT_VARIANT,
    Sizes,
    build_circuit,
    examples,
    history_of,
    load_weights,
    said,
)
from sbp.app.cli.paths import FILE, RUN, Group, Reads, Writes, WritesFolder
from sbp.errors import FileError
from sbp.learn.progress import say

if TYPE_CHECKING:
    import numpy as np

    from sbp.program import Program


def _beside(file: Path) -> Path:
    """Where the weights of a program file are, if anywhere."""
    return file.with_name(f"{file.name}.weights")


class ReadsProgram(Reads):
    """A program file, and the weights beside it."""

    def files(self, value: Path) -> Iterable[Path]:
        """Both."""
        return [value, _beside(value)]


class WritesProgram(Writes):
    """A program file, and the weights beside it."""

    def files(self, value: Path) -> Iterable[Path]:
        """Both."""
        return [value, _beside(value)]


PROGRAM = click.argument("file", metavar="FILE", type=ReadsProgram())
WEIGHTS = click.option(
    "--weights",
    metavar="RUN",
    type=RUN,
    help="A run folder, a weights.npz, `pretrained`, or the plain text of `sbp program write`.",
)


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog=examples(
        "sbp program write learning --sizes 400-400-10 learning.sbp",
        "sbp program check learning.sbp",
        "sbp program images learning.sbp build/ --trace trace.npz",
        "sbp verify trace.txt --program learning.sbp",
    ),
)
@click.pass_context
def program(context: click.Context) -> None:
    """Write and read circuits as files.

    They are for C, hardware and other simulators.  A program file is plain text, line by line:
    populations, sources, projections, phases and a digest.  `pydoc sbp.files.program_file`
    describes it, and `pydoc sbp.files.plain` the weights and traces beside it.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@program.command(
    epilog=examples(
        "sbp program write learning --sizes 400-400-10 learning.sbp",
        "sbp program write inference --weights pretrained inference.sbp",
        "sbp program write learning --weight-exponent -1 learning.sbp",
        "sbp program write gating_chain --sizes 20-20-20 --ring 2 chain.sbp",
    )
)
@click.argument("circuit", type=CIRCUIT)
@click.argument("file", metavar="FILE", type=WritesProgram(".sbp", ".txt"))
@click.option("--sizes", type=Sizes(), help="Layer sizes; default as of `sbp summary`.")
@click.option(
    "--ring", metavar="N", type=click.IntRange(min=2), help="Gates in a gating chain's ring."
)
@CIRCUIT_VARIANT
@WEIGHTS
def write(
    circuit: str,
    file: Path,
    sizes: tuple[int, ...] | None,
    ring: int | None,
    weight_exponent: int,
    parameters: str,
    weights: str | None,
) -> None:
    """Write a circuit as a program file.

    Its weights, if they are named, go to FILE.weights; then weight exponent and parameter set are
    those they were trained with, unless others are given.
    """
    from sbp.files import plain, program_file
    from sbp.program import lower
    from sbp.weights import Weights

    text = weights is not None and plain.is_plain(weights, plain.WEIGHTS)
    loaded = load_weights(weights) if weights is not None and not text else None
    if loaded is not None and sizes is None:
        first = next(iter(loaded.values()))
        sizes = (first.shape[1], *(len(matrix) for matrix in loaded.values()))
    variant: dict[str, Any] = {"weight_exponent": weight_exponent, "parameters": parameters}
    known = history_of(weights) if weights and not text else {}
    variant |= {name: known[name] for name in variant if name in known and not said(name)}
    if circuit == "inference" and loaded is not None:
        variant["names"] = tuple(loaded)  # a single layer's, or one's own, are not W1 .. WL
    made = lower(build_circuit(circuit, sizes, ring, **variant))
    if weights is not None and text:  # its shapes are those of a program
        loaded = Weights(plain.read_weights(Path(weights), made))
    if loaded is not None:
        made.state(loaded)  # refuses what does not fit before anything is written
    elif _beside(file).exists() and made.parameters:
        _check_beside(file, made)
    program_file.write(made, file)
    say(f"{file}: {_facts(made)}")
    if loaded is not None:
        plain.write_weights(loaded, made, _beside(file))
        say(f"{_beside(file)}: {_weights_said(loaded)}")


@program.command(epilog=examples("sbp program show learning.sbp"))
@PROGRAM
def show(file: Path) -> None:
    """Print what a program file holds."""
    from sbp.files import program_file

    read = program_file.read(file)
    say(read.circuit.summary())
    say(f"  longest delay {read.n_slots - 1}; program digest {read.digest}")


@program.command(epilog=examples("sbp program check learning.sbp"))
@PROGRAM
def check(file: Path) -> None:
    """Check a program file, and FILE.weights if it is there.

    Every value has to be one that the chip holds, the parts have to fit each other, and the
    digest has to be that of the rest; else exit code 2, with the line and what is allowed there.
    """
    from sbp.files import plain, program_file

    read = program_file.read(file)
    say(f"{file}: {_facts(read)}")
    if _beside(file).exists():
        say(f"{_beside(file)}: {_weights_said(plain.read_weights(_beside(file), read))}")


@program.command(
    epilog=examples(
        "sbp program images inference.sbp build/ --weights pretrained",
        "sbp program images learning.sbp build/ --trace trace.npz",
    )
)
@PROGRAM
@click.argument(
    "folder",
    metavar="DIR",
    type=WritesFolder("*.hex", "params.vh", "trace.txt", mark="params.vh"),
)
@WEIGHTS
@click.option(
    "--trace", "trace_file", metavar="TRACE", type=FILE, help="What a test bench is to replay."
)
def images(file: Path, folder: Path, weights: str | None, trace_file: Path | None) -> None:
    """Write memory images for hardware.

    They have one word a line, as Verilog reads them.  The weights are those at the start of the
    trace, or --weights, or FILE.weights.
    """
    if weights and trace_file:
        raise click.UsageError("--weights beside --trace: a trace has its own weights")
    from sbp.app import images as memory
    from sbp.files import program_file, trace

    read = program_file.read(file)
    traced = trace.read(trace_file, read) if trace_file else None
    start = traced.initial if traced else _start(file, read, weights)
    paths = memory.write(read, start, folder, traced)
    say(f"{folder}: {', '.join(path.name for path in paths)}")


@program.command(epilog=examples("sbp program header inference.sbp net.h --weights pretrained"))
@PROGRAM
@click.argument("header_file", metavar="HEADER", type=Writes(".h"))
@WEIGHTS
def header(file: Path, header_file: Path, weights: str | None) -> None:
    """Write a C header.

    It holds the program as constant tables, with the weights if they are named.
    """
    from sbp.app import images as memory
    from sbp.files import program_file, write_atomic

    read = program_file.read(file)
    start = _start(file, read, weights) if weights or _beside(file).exists() else None
    text = memory.c_header(read, start)
    write_atomic(header_file, lambda stream: stream.write(text.encode()))
    say(f"{header_file}: {_facts(read)}")


@program.command(
    "trace",
    epilog=examples(
        "sbp program trace learning.sbp trace.npz trace.txt     without NumPy",
        "sbp program trace learning.sbp trace.txt trace.npz     and back",
    ),
)
@PROGRAM
@click.argument("trace_file", metavar="TRACE", type=FILE)
@click.argument("out", metavar="OUT", type=Writes(".npz"))
def convert(file: Path, trace_file: Path, out: Path) -> None:
    """Turn a trace of this program from npz into plain text, or back.

    OUT is an npz if its name ends so, else plain text.
    """
    from sbp.files import plain, program_file, trace

    read = trace.read(trace_file, program_file.read(file))
    write = trace.write if out.suffix.lower() == ".npz" else plain.write_trace
    write(read, out)
    say(
        f"{out}: {read.n_samples} samples, {read.n_steps} steps, {read.n_spikes:,} spikes, "
        f"{out.stat().st_size / 1000:,.1f} kB"
    )


def _check_beside(file: Path, made: Program) -> None:
    """Refuse to write a program beside the weights of another."""
    from sbp.files import plain

    try:
        plain.read_weights(_beside(file), made)
    except FileError as error:
        raise FileError(
            f"{_beside(file)} is there, and no weights of this program ({error})",
            do="--weights RUN writes new ones; or choose another name",
        ) from None
    say(f"{_beside(file)}: as it was; it fits")


def _facts(read: Program) -> str:
    sizes = "-".join(map(str, read.sizes))
    return (
        f"{read.name.replace('_', ' ')} circuit {sizes}, {read.n_neurons:,} neurons, "
        f"{len(read.projections)} projections, {read.period} steps a sample, "
        f"digest {read.digest[:12]}"
    )


def _weights_said(weights: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {len(m)} by {m.shape[1]}" for name, m in weights.items())


def _start(file: Path, read: Program, where: str | None) -> Mapping[str, np.ndarray]:
    """The weights that `where` names, else those beside the program file."""
    from sbp.files import plain

    if where is not None and not plain.is_plain(where, plain.WEIGHTS):
        return load_weights(where)
    beside = Path(where) if where is not None else _beside(file)
    if not beside.exists() and read.parameters:
        raise click.UsageError(f"no weights are named, and {beside} does not exist: --weights RUN")
    return plain.read_weights(beside, read) if read.parameters else {}
