"""Golden traces: every spike of a run in a file, to diff another machine against this one.

A trace is an ``.npz`` archive (NumPy arrays in a zip file, never pickled) with these entries.
Bits are packed along the last axis, first neuron in the highest bit (`numpy.packbits`).

======================== =================== ==================================================
entry                    type, shape         meaning
======================== =================== ==================================================
circuit                  text                a family of `sbp.circuits.registry`: "learning",
                                             "deep", ...; learning if absent
sizes                    int64 (layers,)     layer sizes; if absent, those of W1 and W2
period                   int64 ()            steps of a sample; the ring of a gating chain
weight_exponent          int64 ()            a plastic synapse delivers mantissa * 2**it; 0 if
                                             absent
parameters               text                the parameter set; "released" if absent
x, n_inputs              uint8 (n, bytes)    the pattern each sample gives to the source `input`
labels                   integer (n,)        the line of the source `target` that spikes
NAME_init, NAME_final    int16 (post, pre)   the weights NAME (W1, W2; W of the single layer)
                                             before the first and after the last step
spikes:NAME, size:NAME   uint8 (steps,       spikes of every population and source; a sample
                         bytes)              takes `period` steps
copy:NAME                int16 (post, pre)   optional: the weights of the projection NAME's own
                                             copy after the last step
u:NAME, v:NAME           int32 (steps, size) optional: current and membrane potential (after
                                             reset) at the end of the step, register units
stimulus:NAME            uint8 (n, bytes)    patterns of a source that x and labels cannot say
program                  text                digest of the program that made it
program_file             text                the program itself (`sbp.files.program_file`), where
                                             `circuit`, `sizes` and `period` do not say it
about                    text                JSON: engine, version, data set, samples
======================== =================== ==================================================

Only x, n_inputs, the initial and final weights and at least one ``spikes:`` entry are needed
(labels too, where the circuit has a target), so that an FPGA, another simulator or a board can
write such a file; without NumPy it writes plain text (`sbp.files.plain`), read just as well.
The names hold ``:``, ``<`` and ``>``, which no file on Windows may: read the archive as it is, with
`numpy.load` or any reader of zip files, rather than unpack it there.
The final weights of the single copies need not be stored: the spikes and the learning rule imply
them, and a replay is compared with that.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, NoReturn

import numpy as np

from sbp import engines
from sbp.checks.difference import (
    RECORDED,
    Difference,
    first_recorded_difference,
    first_weight_difference,
)
from sbp.circuits.registry import build, families
from sbp.errors import FileError, SbpError, SpecError, check_kind
from sbp.files import as_path, parse_json, plain, program_file, read_npz, write_atomic, write_npz
from sbp.loihi import clip_weight
from sbp.program import Program, check_program, lower
from sbp.run import Record
from sbp.spec import Circuit

Arrays = dict[str, np.ndarray]


@dataclass
class Trace:
    """A run with every spike kept.

    Attributes
    ----------
    program : Program
    stimulus : dict of str to ndarray of uint8, shape (n_samples, size)
    initial, final : dict of str to ndarray of int16, shape (n_post, n_pre)
        Each parameter before the first and after the last step.
    spikes : dict of str to ndarray of bool, shape (n_steps, size)
    u, v : dict of str to ndarray of int32, shape (n_steps, size)
        Register units; empty unless asked for.
    copies : dict of str to ndarray of int16, shape (n_post, n_pre)
        Each projection's own weights after the last step; empty where nobody kept them.
    digest : str
        Of the program it was made with; "" if unknown.
    about : dict
        Where it comes from.
    """

    program: Program
    stimulus: Arrays
    initial: Mapping[str, np.ndarray]
    final: Mapping[str, np.ndarray]
    spikes: Arrays
    u: Arrays = field(default_factory=dict)
    v: Arrays = field(default_factory=dict)
    copies: Arrays = field(default_factory=dict)
    digest: str = ""
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def n_steps(self) -> int:
        """Steps of the run."""
        return len(next(iter(self.spikes.values())))

    @property
    def n_samples(self) -> int:
        """Samples of the run."""
        return self.n_steps // self.program.period

    @property
    def n_spikes(self) -> int:
        """Spikes of all populations, those of the sources too."""
        return sum(int(train.sum()) for train in self.spikes.values())


def record(
    circuit: Circuit | Program,
    stimulus: Mapping[str, np.ndarray],
    weights: Mapping[str, np.ndarray] | None = None,
    *,
    engine: str = "reference",
    states: Iterable[str] | str = (),
    about: Mapping[str, Any] | None = None,
    **options: Any,
) -> Trace:
    """Run `circuit` from rest on `stimulus` and keep every spike.

    Parameters
    ----------
    circuit : Circuit or Program
        Any circuit.
    stimulus : mapping of str to ndarray, shape (n_samples, size)
    weights : mapping of str to ndarray, shape (n_post, n_pre)
    engine : str
    states : "all" or iterable of str
        Populations whose u and v are kept too.
    about : mapping, optional
        Facts for the file.
    **options
        For the engine.
    """
    program = circuit if isinstance(circuit, Program) else lower(circuit)
    stimulus = program.check_stimulus(stimulus)
    keep = Record(u=states).u
    check_kind("about", {} if about is None else about, Mapping)
    state = program.state(weights)
    run = engines.get(engine).run(
        program, state, stimulus, record=Record(spikes="all", u=keep, v=keep), **options
    )
    return Trace(
        program, stimulus, program.weights(state), run.weights, run.spikes, run.u, run.v,
        digest=program.digest, about={"engine": engine, **(about or {})},
    )  # fmt: skip


def write(trace: Trace, path: str | Path) -> Path:
    """Write `trace` as npz, whole or not at all."""
    check_kind("what is written", trace, Trace)
    program = trace.program
    entries: dict[str, Any] = {
        "circuit": program.name,
        "sizes": np.array(program.sizes, np.int64),
        "period": np.int64(program.period),
        "weight_exponent": np.int64(program.circuit.weight_exponent),
        "parameters": program.circuit.parameter_set,
        "program": trace.digest,
        "about": json.dumps(trace.about, sort_keys=True),
    }
    if not _said_by_labels(program):
        entries["program_file"] = program_file.dumps(program)
    for name, patterns in trace.stimulus.items():
        if name == "input":
            entries |= {"x": np.packbits(patterns, axis=1), "n_inputs": patterns.shape[1]}
        elif name == "target" and (patterns.sum(axis=1) == 1).all():
            entries["labels"] = patterns.argmax(axis=1)
        else:
            entries[f"stimulus:{name}"] = np.packbits(patterns, axis=1)
    for name, matrix in trace.initial.items():
        entries |= {f"{name}_init": matrix, f"{name}_final": trace.final[name]}
    for name, train in trace.spikes.items():
        entries[f"spikes:{name}"] = np.packbits(train, axis=1)
        entries[f"size:{name}"] = train.shape[1]
    entries |= {f"copy:{name}": matrix for name, matrix in trace.copies.items()}
    for what in ("u", "v"):
        entries |= {f"{what}:{name}": values for name, values in getattr(trace, what).items()}
    return write_npz(path, {name: np.asarray(value) for name, value in entries.items()})


def write_csv(trace: Trace, path: str | Path) -> Path:
    """Write the spike times: a line ``step,sample,phase,population,neuron`` for every spike."""

    def lines(stream: BinaryIO) -> None:
        # Line by line: as text, the spikes of a whole training are larger than memory.
        text = SimpleNamespace(write=lambda line: stream.write(line.encode()))
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("step", "sample", "phase", "population", "neuron"))
        for step in range(trace.n_steps):
            when = (step, *divmod(step, trace.program.period))
            for name, train in trace.spikes.items():
                neurons = np.flatnonzero(train[step]).tolist()
                writer.writerows((*when, name, neuron) for neuron in neurons)

    return write_atomic(path, lines)


def _said_by_labels(program: Program) -> bool:
    """Whether name, sizes and the like tell a reader all of `program`."""
    circuit = program.circuit
    try:
        built = build(
            program.name,
            program.sizes,
            ring=program.period,
            weight_exponent=circuit.weight_exponent,
            parameters=circuit.parameter_set,
        )
    except SpecError:
        return False
    return lower(built).digest == program.digest


def read(path: str | Path, program: Program | None = None) -> Trace:
    """Read a trace, an npz or plain text (`sbp.files.plain`).

    Parameters
    ----------
    path : path
    program : Program, optional
        What it is a trace of; needed for plain text, and for an npz of a circuit of one's own
        that does not hold it.

    Raises
    ------
    FileError
        If the file is no trace, lacks an entry, or its parts do not fit each other.
    """
    if program is not None:
        check_program(program)
    if plain.is_plain(path):
        if program is None:
            raise FileError(
                f"{path} is plain text, which needs its program beside it",
                do="name the program file: --program FILE",
            )
        return plain.read_trace(path, program)
    entries = _Entries(path)
    if program is None:
        program = entries.program()
    elif entries.text("program", program.digest) != program.digest:
        entries.fail(
            f"it is of program {entries.text('program')[:12]}, not of {program.digest[:12]}"
        )
    stimulus = {}
    for source in program.sources:
        if source.phase < 0:
            continue
        if source.name == "input" and "x" in entries:
            if int(entries.integers("n_inputs", ())) != source.size:
                entries.fail(f"n_inputs is not {source.size}")
            stimulus["input"] = entries.bits("x", source.size)
        elif source.name == "target" and "labels" in entries:
            labels = entries.integers("labels", (None,))
            if labels.size and not 0 <= labels.min() <= labels.max() < source.size:
                entries.fail(f"labels are not all in 0..{source.size - 1}")
            stimulus["target"] = (labels[:, None] == np.arange(source.size)).astype(np.uint8)
        else:
            stimulus[source.name] = entries.bits(f"stimulus:{source.name}", source.size)
    weights: dict[str, Arrays] = {"init": {}, "final": {}}
    for name, *shape in program.parameters:
        for when, found in weights.items():
            found[name] = entries.integers(f"{name}_{when}", tuple(shape))
    shapes = plain.copy_shapes(program)
    copies = {}
    for name in entries.starting("copy:"):
        if name not in shapes:
            entries.fail(f"the {program.name} circuit has no projection {name!r} with a matrix")
        copies[name] = entries.integers(f"copy:{name}", shapes[name])
    sizes = {sender.name: sender.size for sender in program.senders}
    n_steps = max(map(len, stimulus.values()), default=0) * program.period
    trains: dict[str, Arrays] = {"spikes": {}, "u": {}, "v": {}}
    for what, found in trains.items():
        names = entries.starting(f"{what}:")
        if unknown := sorted(set(names) - set(sizes)):
            entries.fail(f"the {program.name} circuit has no population {unknown[0]!r}")
        for name in sorted(names, key=[*sizes].index):
            size, key = sizes[name], f"{what}:{name}"
            is_spikes = what == "spikes"
            found[name] = (
                entries.bits(key, size).astype(bool)
                if is_spikes
                else entries.integers(key, (None, size))
            )
            if len(found[name]) != n_steps:
                entries.fail(
                    f"{key} has {len(found[name])} steps, not {n_steps} ({program.period} a sample)"
                )
    if not trains["spikes"] or not n_steps:
        entries.fail("it holds no spikes")
    return Trace(
        program, stimulus, weights["init"], weights["final"], **trains, copies=copies,
        digest=entries.text("program"), about=entries.about(),
    )  # fmt: skip


def verify(
    trace: Trace | str | Path,
    engine: str = "reference",
    *,
    program: Program | None = None,
    **options: Any,
) -> Difference | None:
    """Replay a trace and compare every spike, every recorded state and every copy's weights.

    Parameters
    ----------
    trace : Trace or path
    engine : str
        Never run in strict mode: a trace may show what lies outside the circuit's domain.
    program : Program, optional
        See `read`.
    **options
        For the engine.

    Returns
    -------
    Difference or None
        The first difference (the trace's value first), or None where all is identical.
    """
    if not isinstance(trace, Trace):
        trace = read(trace, program)
    program = trace.program
    keep = Record(spikes=tuple(trace.spikes), u=tuple(trace.u), v=tuple(trace.v))
    run = engines.get(engine).run(
        program, program.state(trace.initial), trace.stimulus, record=keep, **options
    )
    period = program.period
    found = [
        first_recorded_difference(getattr(trace, what), getattr(run, what), what, period)
        for what in RECORDED
    ]
    differences = [difference for difference in found if difference is not None]
    if differences:
        return min(differences, key=lambda difference: difference.step)
    for expected, weights in (
        (trace.final, run.weights),
        (trace.copies, run.state.weights),
        (implied_copies(trace), run.state.weights),
    ):
        if weight := first_weight_difference(expected, weights, trace.n_steps, period):
            return weight
    return None


def implied_copies(trace: Trace) -> Arrays:
    """The final weights of every copy, by the learning rule from the trace's own spikes.

    Copies whose source or target is not in the trace are left out.  The parameters' final
    weights do not tell: copies part at the bounds, and then depend on the way there.

    Returns
    -------
    dict of str to ndarray of int16, shape (n_post, n_pre)
        By the projection's name.
    """
    program = trace.program
    weights = program.state(trace.initial).weights
    for projection in program.projections:
        if not projection.plastic:
            continue
        pre = trace.spikes.get(program.senders[projection.source].name)
        post = trace.spikes.get(program.populations[projection.target].name)
        if pre is None or post is None:
            del weights[projection.name]
            continue
        matrix = weights[projection.name]
        for step in np.flatnonzero(pre.any(axis=1) & post.any(axis=1)):
            reward = program.reward[step % program.period]
            pairs = np.ix_(post[step], pre[step])
            change = program.dw_reward if reward else program.dw_otherwise
            matrix[pairs] = clip_weight(matrix[pairs] + change)
    return weights


class _Entries:
    """The entries of a trace file, each checked as it is taken."""

    def __init__(self, path: str | Path) -> None:
        self.path, self._arrays = as_path(path), read_npz(path, "trace")

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def fail(self, why: str) -> NoReturn:
        raise FileError(f"{self.path} is no golden trace that can be replayed: {why}")

    def _get(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            self.fail(f"the entry {name} is missing")
        return self._arrays[name]

    def starting(self, prefix: str) -> list[str]:
        return [n.removeprefix(prefix) for n in self._arrays if n.startswith(prefix)]

    def integers(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """An integer array whose axes have the lengths of `shape` (None: any)."""
        array = self._get(name)
        fits = array.ndim == len(shape) and all(
            n in (None, m) for n, m in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in "iu":
            expected = tuple("n" if n is None else n for n in shape)
            self.fail(f"{name} is {array.dtype} {array.shape}, not integers {expected}")
        return array

    def integer(self, name: str, default: Any) -> Any:
        """A single integer, or `default` where the entry is missing."""
        return int(self.integers(name, ())) if name in self._arrays else default

    def bits(self, name: str, size: int) -> np.ndarray:
        """Bit-packed rows of `size` entries, as uint8 0 or 1."""
        packed = self.integers(name, (None, -(-size // 8)))
        if packed.dtype != np.uint8:
            self.fail(f"{name} is {packed.dtype}, not uint8")
        declared = f"size:{name.partition(':')[2]}"
        if declared in self._arrays and int(self.integers(declared, ())) != size:
            self.fail(f"{declared} is {self._arrays[declared]}, the circuit's is {size}")
        return np.unpackbits(packed, axis=1, count=size)

    def text(self, name: str, default: str = "") -> str:
        if name not in self._arrays:
            return default
        array = self._arrays[name]
        if array.dtype.kind != "U" or array.ndim:
            self.fail(f"{name} is not text")
        return str(array)

    def about(self) -> dict[str, Any]:
        place = f"{self.path} is no golden trace that can be replayed: the entry about is no JSON"
        found = parse_json(self.text("about", "{}"), place)
        if not isinstance(found, dict):
            self.fail("the entry about is not a JSON object")
        return found

    def program(self) -> Program:
        if "program_file" in self._arrays:
            return program_file.loads(self.text("program_file"), f"{self.path}: program_file")
        name = self.text("circuit", "learning")
        if name not in families():
            self.fail(f"circuit is {name!r}, allowed: {', '.join(families())}, or its program file")
        if "sizes" in self._arrays:
            sizes = self.integers("sizes", (None,)).tolist()
        elif name in ("learning", "inference"):
            n_h, n_in = self.integers("W1_init", (None, None)).shape
            sizes = [n_in, n_h, len(self.integers("W2_init", (None, None)))]
        else:
            self.fail("the entry sizes is missing")
        period = self.integer("period", None)
        try:
            circuit = build(
                name,
                sizes,
                ring=period,
                weight_exponent=self.integer("weight_exponent", 0),
                parameters=self.text("parameters", "released"),
            )
            return lower(circuit)
        except SbpError as error:
            self.fail(str(error))
