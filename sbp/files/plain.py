"""Weights and traces as plain text, beside a program file, for readers without NumPy.

Both kinds of file are lines of words and decimal integers, as `sbp.files.program_file` has them; a
line that begins with ``#`` is a comment, the last line is ``end``, and `program` is the digest of
the program whose numbers are meant.  A file of weights::

    sbp-weights 1
    program DIGEST
    matrix initial NAME post N pre N    then N lines, one for each post, of the weights of its pres
    ...                                 one for each parameter of the program
    end

A trace is every spike of a run from rest::

    sbp-trace 1
    program DIGEST
    about {...}                         JSON: where it comes from
    samples N steps N
    recorded NAME NAME ...              the populations whose spikes are here; sources always are
    matrix initial NAME post N pre N    a parameter before the first step,
    matrix final NAME post N pre N      and after the last
    matrix copy NAME post N pre N       a projection's own copy after the last step; may be absent
    step N spikes N: N N ...            who spikes, in ascending order, one line for each step
    end

Spikes are named by the number of the neuron or of the source's line, as the program file counts
them.  The kick is not among them: the program says when it comes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from sbp.errors import FileError, SpecError
from sbp.files import as_path, parse_json, write_atomic
from sbp.program import NO_MATRIX, Program, SourceCode
from sbp.replay import source_trains
from sbp.weights import check_weights

if TYPE_CHECKING:
    from sbp.files.trace import Trace

VERSION = 1
TRACE, WEIGHTS = "sbp-trace", "sbp-weights"

Arrays = dict[str, np.ndarray]
_INTEGERS = re.compile(r"-?[0-9]{1,9}(?: -?[0-9]{1,9})*")
_MATRIX = re.compile(r"matrix (initial|final|copy) (\S+) post ([0-9]{1,8}) pre ([0-9]{1,8})")
_STEP = re.compile(r"step ([0-9]{1,12}) spikes ([0-9]{1,9}):((?: [0-9]{1,9})*)")


def write_weights(weights: Mapping[str, np.ndarray], program: Program, path: str | Path) -> Path:
    """Write a matrix for each parameter of `program`.

    Raises
    ------
    SpecError
        For a missing or unknown name, or a matrix the chip cannot hold.
    """
    program.state(weights)  # checks them
    matrices = [("initial", name, weights[name]) for name, _, _ in program.parameters]
    return _write(path, [f"{WEIGHTS} {VERSION}", f"program {program.digest}"], matrices, [])


def read_weights(path: str | Path, program: Program) -> Arrays:
    """Read the weights of `program`: int16, (n_post, n_pre), by the parameters' names.

    Raises
    ------
    FileError
        If the file is not what it should be, or of another program.
    """
    with _Reader(path, WEIGHTS, program) as lines:
        found = lines.matrices()
        lines.end()
    if found["final"] or found["copy"]:
        lines.fail("a file of weights holds matrices called initial only")
    return lines.complete(found["initial"], "initial")


def write_trace(trace: Trace, path: str | Path) -> Path:
    """Write `trace` as plain text, the final weights of every copy with it.

    The copies that it does not have follow from its spikes; u and v are not written.

    Raises
    ------
    FileError
        If the trace's spikes of a source are not those of its stimulus.
    """
    from sbp.files.trace import implied_copies

    program = trace.program
    emitted = source_trains(program, trace.stimulus, 0, trace.n_steps)
    for name, train in emitted.items():
        if not np.array_equal(trace.spikes.get(name, train), train):
            raise FileError(f"cannot write {path}: the spikes of {name} are not its stimulus")
    trains = {**trace.spikes, **emitted}
    recorded = [p.name for p in program.populations if p.name in trains]
    head = [
        f"{TRACE} {VERSION}",
        f"program {program.digest}",
        f"about {json.dumps(trace.about, sort_keys=True)}",
        f"samples {trace.n_samples} steps {trace.n_steps}",
        f"recorded {' '.join(recorded) or '-'}",
    ]
    matrices = [
        (when, name, matrix)
        for when, found in (
            ("initial", trace.initial),
            ("final", trace.final),
            ("copy", implied_copies(trace) | trace.copies),
        )
        for name, matrix in found.items()
    ]
    return _write(path, head, matrices, _steps(program, trains, trace.n_steps))


def _steps(program: Program, trains: Mapping[str, np.ndarray], n_steps: int) -> Iterator[str]:
    senders = [sender for sender in program.senders if sender.name in trains]
    for step in range(n_steps):
        who = [sender.start + np.flatnonzero(trains[sender.name][step]) for sender in senders]
        numbers = np.concatenate(who).tolist()
        yield " ".join([f"step {step} spikes {len(numbers)}:", *map(str, numbers)])


def _write(
    path: str | Path,
    head: Iterable[str],
    matrices: Iterable[tuple[str, str, np.ndarray]],
    steps: Iterable[str],
) -> Path:
    def lines() -> Iterator[str]:
        yield from head
        for when, name, matrix in matrices:
            yield f"matrix {when} {name} post {matrix.shape[0]} pre {matrix.shape[1]}"
            yield from (" ".join(map(str, row)) for row in matrix.tolist())
        yield from steps
        yield "end"

    return write_atomic(
        path, lambda stream: stream.writelines(f"{line}\n".encode() for line in lines())
    )


def copy_shapes(program: Program) -> dict[str, tuple[int, int]]:
    """(n_post, n_pre) of every projection that carries a matrix, by its name."""
    return {
        p.name: (program.populations[p.target].size, program.senders[p.source].size)
        for p in program.projections
        if p.matrix != NO_MATRIX
    }


def is_plain(path: str | Path, kind: str = TRACE) -> bool:
    """Whether the file begins as plain text of this `kind` does."""
    try:
        with open(as_path(path), "rb") as stream:
            return stream.read(len(kind)) == kind.encode()
    except FileError:
        raise
    except OSError:
        return False


def read_trace(path: str | Path, program: Program) -> Trace:
    """Read a trace of `program` from plain text.

    Raises
    ------
    FileError
        If the file is not what it should be, or of another program: one line, with the place.
    """
    from sbp.files.trace import Trace

    with _Reader(path, TRACE, program) as lines:
        about = lines.about()
        samples, n_steps = map(int, lines.take(r"samples ([0-9]{1,9}) steps ([0-9]{1,12})"))
        if not samples or n_steps != samples * program.period:
            lines.fail(
                f"{samples} samples, {n_steps} steps; allowed: {program.period} steps a sample"
            )
        recorded = lines.recorded()
        found = lines.matrices()
        trains = lines.steps(n_steps, recorded)
        lines.end()
    stimulus = {}
    for source in program.sources:
        if source.phase >= 0:
            rows = trains[source.name]
            stimulus[source.name] = rows[source.phase :: program.period].astype(np.uint8)
            if stimulus[source.name].sum() != rows.sum():
                lines.fail(f"source {source.name} spikes in a phase other than {source.phase}")
    initial, final = (lines.complete(found[when], when) for when in ("initial", "final"))
    return Trace(
        program, stimulus, initial, final, trains, copies=found["copy"],
        digest=program.digest, about=about,
    )  # fmt: skip


class _Reader:
    """A plain text file of `program`, taken line by line."""

    def __init__(self, path: str | Path, kind: str, program: Program) -> None:
        self.path, self.kind, self.program, self.number = path, kind, program, 0

    def __enter__(self) -> _Reader:
        try:
            self._stream = open(self.path, encoding="utf-8", errors="replace", newline="\n")
        except FileNotFoundError:
            raise FileError(f"{self.path} does not exist", do=f"give a {self.kind} file") from None
        except OSError as error:
            raise FileError(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            self._head()
        except BaseException:
            self._stream.close()
            raise
        return self

    def _head(self) -> None:
        self.line = self._stream.readline(80).rstrip("\r\n")
        self.number = 1
        if self.line.partition(" ")[0] != self.kind:
            raise FileError(f"{self.path} is no {self.kind} file: it does not begin so")
        if self.line != f"{self.kind} {VERSION}":
            self.fail(f"found {self.line!r}; allowed: version {VERSION}")
        (digest,) = self.take(r"program (\S+)")
        if digest != self.program.digest:
            self.fail(
                f"it belongs to program {digest[:12]}, not to the {self.program.name} circuit "
                f"{self.program.digest[:12]}"
            )

    def __exit__(self, *exception: object) -> None:
        self._stream.close()

    def fail(self, why: str) -> NoReturn:
        raise FileError(f"{self.path}, line {self.number}: {why}")

    def next(self) -> None:
        """Go on to the next line that is no comment."""
        while True:
            line = self._stream.readline()
            if not line:
                self.fail("the file ends here; it is truncated")
            self.number += 1
            if not line.startswith("#"):
                self.line = line.rstrip("\r\n")
                return

    def take(self, pattern: str) -> tuple[str, ...]:
        """What the groups of `pattern` match in the next line."""
        self.next()
        match = re.fullmatch(pattern, self.line)
        if match is None:
            self.fail(f"found {self.line[:40]!r}; allowed: {pattern.split()[0]} ...")
        return match.groups()

    def about(self) -> dict[str, Any]:
        """The JSON of the line ``about``."""
        (text,) = self.take("about (.*)")
        found = parse_json(text, f"{self.path}, line {self.number}: what stands after about")
        if not isinstance(found, dict):
            self.fail("what stands after about is no JSON object")
        return found

    def recorded(self) -> set[str]:
        """The names of the line ``recorded``."""
        (text,) = self.take("recorded (.+)")
        names = set() if text == "-" else set(text.split(" "))
        known = {population.name for population in self.program.populations}
        if unknown := sorted(names - known):
            self.fail(f"the {self.program.name} circuit has no population {unknown[0]!r}")
        return names

    def matrices(self) -> dict[str, Arrays]:
        """All matrices from here on: initial, final, copy -> name -> int16 (post, pre)."""
        program = self.program
        parameters = {name: (n_post, n_pre) for name, n_post, n_pre in program.parameters}
        copies = copy_shapes(program)
        found: dict[str, Arrays] = {"initial": {}, "final": {}, "copy": {}}
        self.next()
        while self.line.startswith("matrix "):
            match = _MATRIX.fullmatch(self.line)
            if match is None:
                self.fail("found no 'matrix initial|final|copy NAME post N pre N'")
            when, name, shape = match[1], match[2], (int(match[3]), int(match[4]))
            known = copies if when == "copy" else parameters
            if name not in known or name in found[when]:
                self.fail(f"{when} {name} is unknown, or comes twice; allowed: {', '.join(known)}")
            if shape != known[name]:
                self.fail(f"{when} {name} is {shape[0]} by {shape[1]}; allowed: {known[name]}")
            found[when][name] = self._matrix(name, shape)
        return found

    def _matrix(self, name: str, shape: tuple[int, int]) -> np.ndarray:
        rows = []
        for _ in range(shape[0]):
            self.next()
            row = np.fromstring(self.line, np.int64, sep=" ") if self._numbers() else np.empty(0)
            if row.size != shape[1]:
                self.fail(f"found {self.line[:40]!r}; allowed: {shape[1]} weights of {name}")
            rows.append(row)
            try:
                check_weights(name, row[np.newaxis].astype(np.int64), (1, shape[1]))
            except SpecError as error:
                self.fail(str(error))
        self.next()
        return np.array(rows, np.int16)

    def _numbers(self) -> bool:
        return _INTEGERS.fullmatch(self.line) is not None

    def steps(self, n_steps: int, recorded: set[str]) -> Arrays:
        """Spike trains of the recorded populations and of all sources: bool, (n_steps, size)."""
        who = [self._step(step) for step in range(n_steps)]
        trains = {}
        spikes = np.zeros((n_steps, self._numbered), bool)
        for step, numbers in enumerate(who):
            spikes[step, numbers] = True
        for sender in self.program.senders:
            train = spikes[:, sender.start : sender.start + sender.size]
            kick = isinstance(sender, SourceCode) and sender.phase < 0
            if not kick and (isinstance(sender, SourceCode) or sender.name in recorded):
                trains[sender.name] = np.ascontiguousarray(train)
            elif train.any():
                why = "is the kick" if kick else "is not among the recorded ones"
                self.fail(f"spikes of {sender.name}, which {why}")
        return trains

    @property
    def _numbered(self) -> int:
        return max(sender.start + sender.size for sender in self.program.senders)

    def _step(self, step: int) -> np.ndarray:
        match = _STEP.fullmatch(self.line)
        if match is None or int(match[1]) != step:
            self.fail(f"found {self.line[:40]!r}; allowed: 'step {step} spikes N: N N ...'")
        numbers = np.array(match[3].split(), np.int64)
        if numbers.size != int(match[2]):
            self.fail(f"{numbers.size} spikes; the line says {match[2]}")
        if (np.diff(numbers) <= 0).any() or numbers.max(initial=-1) >= self._numbered:
            self.fail(f"spikes are not ascending numbers below {self._numbered}")
        self.next()
        return numbers

    def complete(self, found: Arrays, when: str) -> Arrays:
        """`found` in the program's order; every parameter has to be there."""
        for name, _, _ in self.program.parameters:
            if name not in found:
                raise FileError(f"{self.path}: the {when} weights {name} are missing")
        return {name: found[name] for name, _, _ in self.program.parameters}

    def end(self) -> None:
        """The line ``end``, and nothing after it."""
        if self.line != "end":
            self.fail(f"found {self.line[:40]!r}; allowed: end")
        if self._stream.read(1):
            self.number += 1
            self.fail("something follows after the end")
