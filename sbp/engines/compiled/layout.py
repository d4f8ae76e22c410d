"""A program and its network as arrays with names, in the order in which the kernels walk them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sbp.kernels import borrowed, compiled
from sbp.loihi import DECAY_UNIT
from sbp.program import ALL_TO_ALL, NO_MATRIX, ONE_TO_ONE, Program, ProjectionCode
from sbp.rows import padded

MATRIX = 2  # a third way to connect, beside ONE_TO_ONE and ALL_TO_ALL


def _table(**columns: type) -> Any:
    return np.dtype(list(columns.items()))


POPULATION = _table(
    start=np.int64, stop=np.int64,  # its neurons
    bias=np.int64, threshold=np.int64, refractory=np.int64, du=np.int64, dv=np.int64,
    memoryless=np.int64,
    quiet=np.int64,  # memoryless, and its bias alone does not fire it
    first_in=np.int64, last_in=np.int64,  # its rows of `Code.arrivals`
)  # fmt: skip
SENDER = _table(
    start=np.int64, stop=np.int64,  # its place in a train; populations before sources
    phase=np.int64,  # of a source; -1 for the kick and for populations
    first_post=np.int64, last_post=np.int64,  # its rows of `Code.posts`
    first_matrix=np.int64, last_matrix=np.int64,  # its rows of `Code.matrices`
)  # fmt: skip
ARRIVAL = _table(  # a projection, seen from its target
    source=np.int64, connect=np.int64, delay=np.int64,
    add=np.int64,  # register units a spike adds, or those of half a weight unit
    matrix=np.int64,  # row of `Code.matrices`
)  # fmt: skip
POST = _table(  # a projection, seen from its source
    target=np.int64, connect=np.int64, delay=np.int64, add=np.int64, matrix=np.int64,
)  # fmt: skip
COMING = _table(  # what arrives at a population in one step, as far as it is known at once
    any=np.int64,  # whether anything does; all else is 0 if not
    whole=np.int64,  # whether at every neuron
    single=np.int64,  # from how many senders one to one, and
    some=np.int64,  # at how many neurons if from one only
    carried=np.int64,  # whether some of it is in `Memory.carried`
    to_all=np.int64,  # register units that every neuron gets, and beside them each gets
    low=np.int64, high=np.int64,  # something between these two
)  # fmt: skip
MATRIX_ROW = _table(  # a projection with a matrix, seen from its source
    number=np.int64,  # in the program
    target=np.int64, plastic=np.int64,
    begin=np.int64,  # of its place in `Memory.halves`
    wide=np.int64,  # numbers in a row
    total=np.int64,  # of its place in `Memory.totals`
    alike=np.int64,  # the first row that may hold the same matrix: same source, parameter, view
)  # fmt: skip


@borrowed
class Code(NamedTuple):
    """The program; nothing here changes."""

    populations: np.ndarray
    senders: np.ndarray
    arrivals: np.ndarray
    posts: np.ndarray
    matrices: np.ndarray
    scheduled: np.ndarray  # (matrices, period) bool, whether it is meant to learn in a phase


@borrowed
class Memory(NamedTuple):
    """Everything that changes, and scratch space.

    Spikes are kept as long as they may be on their way, and a population adds up what arrives when
    it looks: what nobody looks at is never added up.
    """

    u: np.ndarray  # (N,) int32, as of step `seen`
    v: np.ndarray  # (N,) int32, likewise
    dead: np.ndarray  # (N,) int32, dead steps left, likewise
    seen: np.ndarray  # (P,) int64, the last step in which a population was worked out
    resting: np.ndarray  # (P,) uint8: without arrivals the next step changes nothing
    trains: np.ndarray  # (lines of delay, N + L) uint8: spikes, valid where `counts` is not 0
    counts: np.ndarray  # (lines of delay, K) int64: spikes of each sender
    coming: np.ndarray  # (slots, P) of COMING
    carried: np.ndarray  # (slots, N) int64: arrivals that were added up at once
    marked: np.ndarray  # (slots, N) uint8: at which neurons, if not at all
    halves: np.ndarray  # int8: all matrices, a row for each source neuron
    like: np.ndarray  # (M,) int64: the row of `Code.matrices` whose place holds this matrix
    totals: np.ndarray  # int32: the last sum of rows of each matrix
    low: np.ndarray  # (M,) int64: the least of each, or 0
    high: np.ndarray  # (M,) int64: the largest of each, or 0
    summed: np.ndarray  # (M,) int64: the edition of the source's spikes that it is the sum for
    edition: np.ndarray  # (K,) int64: counts the different trains of a sender
    shown: np.ndarray  # (N + L,) uint8: that train
    active: np.ndarray  # (N + L,) uint32: its indices, a list for each sender
    listed: np.ndarray  # (K,) int64: length of each list
    arrived: np.ndarray  # (widest,) int64 scratch
    current: np.ndarray  # (widest,) int32 scratch
    partial: np.ndarray  # (widest,) int16 scratch
    change: np.ndarray  # (widest,) int8 scratch
    marks: np.ndarray  # (widest,) uint8 scratch


@borrowed
class Tally(NamedTuple):
    """What is counted by phase, and (step, index) of a fault in strict mode."""

    steps: np.ndarray
    spikes: np.ndarray
    active: np.ndarray
    wraps: np.ndarray
    updates: np.ndarray
    fault: np.ndarray


@borrowed
class Tape(NamedTuple):
    """Recording: which steps go to which row, and each sender's column or -1."""

    rows: np.ndarray  # (steps,) int64, -1 where nothing is kept
    columns: np.ndarray  # (3, K) int64: spikes, u, v
    spikes: np.ndarray  # (rows, width) uint8
    u: np.ndarray  # (rows, width) int32
    v: np.ndarray  # (rows, width) int32


def encode(program: Program) -> Code:
    """The program as tables."""
    populations, projections = program.populations, program.projections
    by_target = sorted(range(len(projections)), key=lambda i: projections[i].target)
    by_source = sorted(
        (i for i, p in enumerate(projections) if p.matrix != NO_MATRIX),
        key=lambda i: projections[i].source,
    )
    row_of = {number: row for row, number in enumerate(by_source)}
    by_sender = sorted(range(len(projections)), key=lambda i: projections[i].source)

    def rows_of(owners: list[int], owner: int) -> tuple[int, int]:
        first, last = np.searchsorted(owners, [owner, owner + 1])
        return int(first), int(last)

    into = [projections[i].target for i in by_target]
    out = [projections[i].source for i in by_source]
    sends = [projections[i].source for i in by_sender]
    return Code(
        populations=_rows(POPULATION, [
            (p.start, p.start + p.size, p.bias, p.threshold, p.refractory, p.du, p.dv,
             memoryless := p.du == p.dv == DECAY_UNIT, memoryless and p.bias <= p.threshold,
             *rows_of(into, i))
            for i, p in enumerate(populations)
        ]),
        senders=_rows(SENDER, [
            (s.start, s.start + s.size, getattr(s, "phase", -1), *rows_of(sends, k),
             *rows_of(out, k))
            for k, s in enumerate(program.senders)
        ]),
        arrivals=_rows(ARRIVAL, [
            (p.source, _connect(p), p.delay, _add(p), row_of.get(i, -1))
            for i, p in ((i, projections[i]) for i in by_target)
        ]),
        posts=_rows(POST, [
            (p.target, _connect(p), p.delay, _add(p), row_of.get(i, -1))
            for i, p in ((i, projections[i]) for i in by_sender)
        ]),
        matrices=_rows(MATRIX_ROW, list(_matrices(program, by_source))),
        scheduled=np.array(
            [[p in projections[i].scheduled for p in range(program.period)] for i in by_source],
            np.bool_,
        ).reshape(-1, program.period),
    )  # fmt: skip


def _rows(kind: np.dtype, rows: list) -> np.ndarray:
    table = np.array(rows, kind)
    # Compiled, a row has its columns as attributes; in plain Python only a recarray's has.
    return table if compiled() else table.view(np.recarray)


def _connect(projection: ProjectionCode) -> int:
    if projection.matrix != NO_MATRIX:
        return MATRIX
    return ONE_TO_ONE if projection.connect == ONE_TO_ONE else ALL_TO_ALL


def _add(projection: ProjectionCode) -> int:
    if projection.matrix != NO_MATRIX:
        return 2 << projection.shift
    return projection.mantissa << projection.shift


def _matrices(program: Program, numbers: list[int]) -> Iterator[tuple]:
    begin, total = 0, 0
    first: dict[tuple, int] = {}
    for row, number in enumerate(numbers):
        p = program.projections[number]
        wide = padded(program.populations[p.target].size)
        alike = first.setdefault((p.source, p.matrix, p.transpose, p.negate, p.plastic), row)
        yield number, p.target, p.plastic, begin, wide, total, alike
        begin += program.senders[p.source].size * wide
        total += wide


def allocate(program: Program, code: Code) -> Memory:
    """A network in which nothing has happened and all weights are zero."""
    neurons, populations = program.n_neurons, len(program.populations)
    senders, matrices = len(program.senders), len(code.matrices)
    places = neurons + sum(source.size for source in program.sources)
    lines = program.n_slots + 1  # a spike is still read in the step in which others overwrite it
    widest = padded(max((p.size for p in program.populations), default=0))
    last = code.matrices[-1] if matrices else None
    size = 0
    if last is not None:
        source = program.projections[last["number"]].source
        size = last["begin"] + program.senders[source].size * last["wide"]

    def zeros(*shape: int, of: type) -> np.ndarray:
        return np.zeros(shape, of)

    return Memory(
        u=zeros(neurons, of=np.int32),
        v=zeros(neurons, of=np.int32),
        dead=zeros(neurons, of=np.int32),
        seen=zeros(populations, of=np.int64),
        resting=zeros(populations, of=np.uint8),
        trains=zeros(lines, places, of=np.uint8),
        counts=zeros(lines, senders, of=np.int64),
        coming=_rows(COMING, [[(0,) * len(COMING.names)] * populations] * program.n_slots),
        carried=zeros(program.n_slots, neurons, of=np.int64),
        marked=zeros(program.n_slots, neurons, of=np.uint8),
        halves=zeros(int(size), of=np.int8),
        like=np.arange(matrices, dtype=np.int64),
        totals=zeros(int(code.matrices["wide"].sum()), of=np.int32),
        low=zeros(matrices, of=np.int64),
        high=zeros(matrices, of=np.int64),
        summed=np.full(matrices, -1, np.int64),
        edition=zeros(senders, of=np.int64),
        shown=zeros(places, of=np.uint8),
        active=zeros(places, of=np.uint32),
        listed=zeros(senders, of=np.int64),
        arrived=zeros(widest, of=np.int64),
        current=zeros(widest, of=np.int32),
        partial=zeros(widest, of=np.int16),
        change=zeros(widest, of=np.int8),
        marks=zeros(widest, of=np.uint8),
    )
