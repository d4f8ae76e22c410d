"""The compiled engine: the same machine as `reference`, event-driven, in Numba kernels.

Speed comes from the structure of the `Program`, whatever circuit it is:

- a population with no arrivals that cannot fire by its bias costs nothing;
- spikes travel as lists of indices, so a silent population sends nothing;
- half a weight is exactly an int8 (see `sbp.algebra`), stored with a contiguous row per source
  neuron: only the rows of spiking neurons are read or written;
- sums are int32 where the program's fan-in proves that exact, int64 otherwise;
- nothing is allocated in the loop, and recording is opt-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sbp.engines import protocol
from sbp.errors import ChipError
from sbp.kernels import jit
from sbp.loihi import DECAY_UNIT, REGISTER_BITS, REGISTER_MAX, REGISTER_MIN, WEIGHT_MIN
from sbp.program import ALL_TO_ALL, NO_MATRIX, ONE_TO_ONE, Program, State
from sbp.rows import add_saturating, pack, padded, spiking, sum_rows, unpack
from sbp.run import NOTHING, Counters, Record, Run, strict_error, warn_once

BLOCK = 1024  #: samples whose stimulus is laid out at once, so that memory stays flat
MASK = (1 << REGISTER_BITS) - 1
MATRIX = 2  # a third way to connect, beside ONE_TO_ONE and ALL_TO_ALL
SOME, WHOLE = 1, 2  # what arrives at a population: at chosen neurons, or at all of them
DENSE = 8  # a population is walked whole when more than one neuron in so many spiked
OK, WRAPPED, STRAY = 0, 1, 2  # why the kernel stopped


class Code(NamedTuple):
    """The program as arrays.  First axis: populations, senders or projections."""

    pop: np.ndarray  # (P, 7) start, size, bias, threshold, refractory delay, du, dv
    lazy: np.ndarray  # (P,) memoryless and silent by itself: skipped without arrivals
    sender: np.ndarray  # (P + S, 2) start, size, populations before sources
    phase: np.ndarray  # (S,) of each source
    first: np.ndarray  # (P + S + 1,) projections of a sender: first[k] .. first[k + 1]
    proj: np.ndarray  # (J, 7) number, target, connect, delay, matrix start, plastic, width
    add: np.ndarray  # (J,) register units a spike adds, or those of half a weight unit
    scheduled: np.ndarray  # (J, period) whether it is meant to learn in a phase


class Memory(NamedTuple):
    """Everything that changes, and scratch space."""

    u: np.ndarray  # (N,) int32
    v: np.ndarray  # (N,) int32
    dead: np.ndarray  # (N,) int32, dead steps left, counted from step `seen` of the population
    seen: np.ndarray  # (P,) int64, when `dead` was last written
    pending: np.ndarray  # (slots, N) int32 or int64
    some: np.ndarray  # (slots, N) uint8, something arrives at this neuron
    arrives: np.ndarray  # (slots, P) uint8: 0, SOME or WHOLE
    resting: np.ndarray  # (P,) uint8: without arrivals the next step changes nothing
    halves: np.ndarray  # all matrices, int8, a row per source neuron
    train: np.ndarray  # (N + lines,) uint8, spikes of this step
    active: np.ndarray  # (N + lines,) uint32, their indices, a list per sender
    counts: np.ndarray  # (P + S,) int64, length of each list
    partial: np.ndarray  # int16 scratch
    total: np.ndarray  # int32 scratch
    change: np.ndarray  # int8 scratch


class Tally(NamedTuple):
    """Arrays of `sbp.run.Counters`, and (step, index, detail) of a fault in strict mode."""

    steps: np.ndarray
    spikes: np.ndarray
    active: np.ndarray
    wraps: np.ndarray
    operations: np.ndarray
    visits: np.ndarray
    updates: np.ndarray
    fault: np.ndarray


class Tape(NamedTuple):
    """Recording: which steps go to which row, and each sender's column or -1."""

    rows: np.ndarray  # (steps,) int64, -1 where nothing is kept
    columns: np.ndarray  # (3, P + S) int64: spikes, u, v
    spikes: np.ndarray  # (rows, width) uint8
    u: np.ndarray  # (rows, width) int32
    v: np.ndarray  # (rows, width) int32


@jit(inline="always")
def _decay(value, rate):
    kept = (abs(value) * (DECAY_UNIT - rate)) >> 12
    return kept if value >= 0 else -kept


# The helpers take plain arrays and slices, never the tuples: passing a tuple of arrays counts a
# reference to each of them, which would cost more than the work.


@jit
def _fits(pending, bias):
    """Whether no addition of a memoryless neuron can leave the 24-bit register."""
    low, high = np.int32(0), np.int32(0)
    for j in range(pending.shape[0]):
        low, high = min(low, pending[j]), max(high, pending[j])
    return min(low, low + bias) >= REGISTER_MIN and max(high, high + bias) <= REGISTER_MAX


@jit
def _update_memoryless(pending, u, v, dead, train, pop, gap):
    """Rules 1-3 where nothing of u and v is carried over and nothing wraps.

    Written without branches on 32-bit lanes, so that it runs on vector registers.  Returns the
    number of spikes.
    """
    bias, threshold, refractory = np.int32(pop[2]), np.int32(pop[3]), np.int32(pop[4])
    gap = np.int32(gap)
    spikes = np.int32(0)
    for j in range(pending.shape[0]):
        current = np.int32(pending[j])
        remaining = np.int32(max(np.int32(dead[j] - gap), np.int32(0)))
        potential = np.int32(current + bias)
        spike = np.int32((potential > threshold) & (remaining == 0))
        u[j] = current
        v[j] = np.int32(0) if (remaining != 0) | (spike != 0) else potential
        dead[j] = remaining | np.int32(refractory * spike)
        train[j] = np.uint8(spike)
        spikes = np.int32(spikes + spike)
    return spikes


@jit
def _update(pending, u, v, dead, train, pop, gap):
    """Rules 1-3 for any neuron; returns register wraps, and whether anything changed."""
    bias, threshold, refractory, du, dv = pop[2], pop[3], pop[4], pop[5], pop[6]
    wraps = 0
    changed = False
    for j in range(pending.shape[0]):
        arrived = _decay(np.int64(u[j]), du) + pending[j]
        current = ((arrived - REGISTER_MIN) & MASK) + REGISTER_MIN
        wraps += arrived != current
        remaining = max(dead[j] - gap, 0)
        membrane = np.int64(0)
        if remaining == 0:
            membrane = _decay(np.int64(v[j]), dv) + current + bias
        potential = ((membrane - REGISTER_MIN) & MASK) + REGISTER_MIN
        wraps += membrane != potential
        spike = remaining == 0 and potential > threshold
        if spike:
            potential = np.int64(0)
            remaining = refractory
        changed |= remaining != 0 or current != u[j] or potential != v[j]
        u[j] = current
        v[j] = potential
        dead[j] = remaining
        train[j] = spike
    return wraps, changed


@jit
def _clear(pending, some):
    """Empty a population's row of the delay line; returns the neurons marked in `some`."""
    arrived = 0
    for j in range(some.shape[0]):
        arrived += some[j]
    for j in range(pending.shape[0]):
        pending[j] = 0
    for j in range(some.shape[0]):
        some[j] = 0
    return arrived


@jit
def _send_one_to_one(pending, some, train, active, count, add):
    """Rule 4: neuron i sends to neuron i."""
    if DENSE * count > train.shape[0]:  # walking the whole train is a vector loop
        for i in range(train.shape[0]):
            pending[i] += add * train[i]
        for i in range(train.shape[0]):
            some[i] |= train[i]
    else:
        for k in range(count):
            pending[active[k]] += add
            some[active[k]] = 1


@jit
def _send_to_all(pending, add):
    """Rule 4: every spike sends the same weight to every neuron; `add` counts them all."""
    for i in range(pending.shape[0]):
        pending[i] += add


@jit
def _send_rows(pending, rows, active, count, partial, total, add):
    """Rule 4: a matrix; `add` is what half a weight unit adds."""
    sum_rows(rows, active, count, partial, total)
    for i in range(pending.shape[0]):
        pending[i] += total[i] * add


@jit
def _rows(halves, begin, n_pre, wide):
    """A matrix out of all of them: shape (n_pre, wide), wide = padded(n_post)."""
    return halves[begin : begin + n_pre * wide].reshape(n_pre, wide)


@jit
def _learn(rows, active, count, train, change, half_dw):
    """Rule 5 for one plastic projection whose source and target both spiked."""
    change[:] = 0
    for i in range(train.shape[0]):
        change[i] = half_dw * np.int8(train[i])
    for k in range(count):
        add_saturating(rows[active[k]], change)


@jit(nogil=True)
def run_steps(code, memory, tally, tape, stimulus, reward, by_step, dw, first, steps, strict):
    """Execute `steps` steps from step `first`; returns OK, WRAPPED or STRAY.

    `stimulus` (rows, lines): row i is sample i of this call, or step i with `by_step`.
    `reward` holds 0 or 1 per phase, or per step with `by_step`.  `dw` is (otherwise, reward).
    """
    pop, lazy, sender, phase, first_proj, proj, adds, scheduled = code
    u, v, dead, seen, pending, some, arrives, resting, halves = memory[:9]
    train, active, counts, partial, total, change = memory[9:]
    n_pops, n_senders, n_neurons = pop.shape[0], sender.shape[0], u.shape[0]
    period, n_slots = tally.steps.shape[0], pending.shape[0]
    for step in range(steps):
        now = first + step
        p, slot = now % period, now % n_slots

        # Rules 1-3, population by population
        for i in range(n_pops):
            arriving = arrives[slot, i]
            if arriving == 0 and (lazy[i] or resting[i]):
                counts[i] = 0
                continue
            a, b = pop[i, 0], pop[i, 0] + pop[i, 1]
            here = pending[slot, a:b]
            gap = min(now - seen[i], 64)
            wraps, fired = 0, 1
            memoryless = pop[i, 5] == DECAY_UNIT and pop[i, 6] == DECAY_UNIT
            if memoryless and _fits(here, pop[i, 2]):
                fired = _update_memoryless(here, u[a:b], v[a:b], dead[a:b], train[a:b], pop[i], gap)
            else:
                wraps, changed = _update(here, u[a:b], v[a:b], dead[a:b], train[a:b], pop[i], gap)
                resting[i] = not changed and wraps == 0 and arriving == 0
            seen[i] = now
            if arriving:
                arrived = _clear(here, some[slot, a:b])
                arrives[slot, i] = 0
                tally.active[p, i] += pop[i, 1] if arriving & WHOLE else arrived
            counts[i] = spiking(train[a:b], active[a:b]) if fired else 0
            tally.spikes[p, i] += counts[i]
            if wraps:
                tally.wraps[p, i] += wraps
                if strict:
                    tally.fault[0], tally.fault[1] = now, i
                    return WRAPPED

        # External spikes
        row = step if by_step else now // period - first // period
        for s in range(phase.shape[0]):
            k = n_pops + s
            counts[k] = 0
            if phase[s] >= 0 and (by_step or phase[s] == p) and row < stimulus.shape[0]:
                a, b = sender[k, 0], sender[k, 0] + sender[k, 1]
                train[a:b] = stimulus[row, a - n_neurons : b - n_neurons]
                counts[k] = spiking(train[a:b], active[a:b])

        # Rule 4
        for k in range(n_senders):
            count = counts[k]
            if count == 0:
                continue
            a, b = sender[k, 0], sender[k, 0] + sender[k, 1]
            for j in range(first_proj[k], first_proj[k + 1]):
                target, connect = proj[j, 1], proj[j, 2]
                then = (now + 1 + proj[j, 3]) % n_slots
                c, d = pop[target, 0], pop[target, 0] + pop[target, 1]
                there = pending[then, c:d]
                operations = count * (d - c)
                if connect == ONE_TO_ONE:
                    _send_one_to_one(
                        there, some[then, c:d], train[a:b], active[a:b], count, adds[j]
                    )
                    arrives[then, target] |= SOME
                    operations = count
                else:
                    if connect == ALL_TO_ALL:
                        _send_to_all(there, count * adds[j])
                    else:
                        rows = _rows(halves, proj[j, 4], b - a, proj[j, 6])
                        wide = rows.shape[1]
                        _send_rows(
                            there, rows, active[a:b], count, partial[:wide], total[:wide], adds[j]
                        )
                    arrives[then, target] |= WHOLE
                if k < n_pops:
                    tally.operations[p, proj[j, 0]] += operations

        # Rule 5
        half_dw = np.int8(dw[reward[step if by_step else p]] // 2)
        stray = proj.shape[0]
        for k in range(n_pops):
            count = counts[k]
            if count == 0:
                continue
            for j in range(first_proj[k], first_proj[k + 1]):
                if proj[j, 5]:
                    number, target = proj[j, 0], proj[j, 1]
                    tally.visits[p, number] += count * pop[target, 1]
                    if counts[target]:
                        a, c, d = sender[k, 0], pop[target, 0], pop[target, 0] + pop[target, 1]
                        rows = _rows(halves, proj[j, 4], sender[k, 1], proj[j, 6])
                        _learn(
                            rows, active[a:], count, train[c:d], change[: rows.shape[1]], half_dw
                        )
                        tally.updates[p, number] += count * counts[target]
                        if strict and not scheduled[j, p]:
                            stray = min(stray, number)
        if stray < proj.shape[0]:  # the first in the order of the program
            tally.fault[0], tally.fault[1] = now, stray
            return STRAY
        tally.steps[p] += 1

        kept = tape.rows[step]
        if kept >= 0:
            for k in range(n_senders):
                a, size = sender[k, 0], sender[k, 1]
                column = tape.columns[0, k]
                if column >= 0:
                    for n in range(counts[k]):
                        tape.spikes[kept, column + active[a + n]] = 1
                column = tape.columns[1, k]
                if column >= 0:
                    tape.u[kept, column : column + size] = u[a : a + size]
                column = tape.columns[2, k]
                if column >= 0:
                    tape.v[kept, column : column + size] = v[a : a + size]
    return OK


def _encode(program: Program, eager: frozenset[int]) -> tuple[Code, int]:
    """The program as arrays, and the size of all matrices; `eager` populations never skip."""
    pops = program.populations
    pop = np.array(
        [(p.start, p.size, p.bias, p.threshold, p.refractory, p.du, p.dv) for p in pops],
        np.int64,
    ).reshape(len(pops), 7)
    lazy = np.array(
        [
            p.du == p.dv == DECAY_UNIT and p.bias <= p.threshold and i not in eager
            for i, p in enumerate(pops)
        ],
        np.bool_,
    )
    sender = np.array([(s.start, s.size) for s in program.senders], np.int64).reshape(-1, 2)
    order = sorted(range(len(program.projections)), key=lambda i: program.projections[i].source)
    rows, adds, scheduled, used = [], [], [], 0
    for number in order:
        projection = program.projections[number]
        connect, begin = projection.connect, 0
        add = projection.mantissa << projection.shift
        if projection.matrix != NO_MATRIX:
            connect, begin, add = MATRIX, used, 2 << projection.shift
            used += program.senders[projection.source].size * padded(pops[projection.target].size)
        wide = padded(pops[projection.target].size)
        rows.append((number, projection.target, connect, projection.delay, begin,
                     projection.plastic, wide))  # fmt: skip
        adds.append(add)
        scheduled.append([p in projection.scheduled for p in range(program.period)])
    sources = [program.projections[i].source for i in order]
    return (
        Code(
            pop=pop,
            lazy=lazy,
            sender=sender,
            phase=np.array([s.phase for s in program.sources], np.int64),
            first=np.searchsorted(sources, np.arange(len(sender) + 1)).astype(np.int64),
            proj=np.array(rows, np.int64).reshape(-1, 7),
            add=np.array(adds, np.int64),
            scheduled=np.array(scheduled, np.bool_).reshape(-1, program.period),
        ),
        used,
    )


def sum_type(program: Program) -> type:
    """int32 if no sum of arrivals can leave it, else int64."""
    reach = np.zeros(len(program.populations), object)
    for projection in program.projections:
        fan_in = 1
        if projection.connect != ONE_TO_ONE:
            fan_in = program.senders[projection.source].size
        largest = abs(projection.mantissa)
        if projection.matrix != NO_MATRIX:
            largest = -WEIGHT_MIN
        reach[projection.target] += fan_in * largest << projection.shift
    # Headroom for the register arithmetic that follows the sum.
    return np.int32 if max(reach, default=0) < 2**31 - 2**26 else np.int64


class Machine:
    """A network in the kernels' own memory, stepped in place.

    Parameters
    ----------
    program : Program
    state : State
        Copied; `Machine.state` reads it back.
    eager : iterable of int
        Populations whose u or v will be recorded, so that idle steps are computed too.
    """

    def __init__(self, program: Program, state: State, eager: frozenset[int] = frozenset()):
        self.program, self.step = program, state.step
        self._code, used = _encode(program, eager)
        n, n_pops = program.n_neurons, len(program.populations)
        senders = len(program.senders)
        lines = sum(source.size for source in program.sources)
        widest = padded(max((p.size for p in program.populations), default=0))
        self._memory = Memory(
            u=state.u.astype(np.int32),
            v=state.v.astype(np.int32),
            # As if written in the step before: one more than what is left now.
            dead=np.where(state.dead > 0, state.dead + 1, 0).astype(np.int32),
            seen=np.full(n_pops, state.step - 1, np.int64),
            pending=state.pending.astype(sum_type(program)),
            some=state.arriving.astype(np.uint8),
            arrives=np.zeros((program.n_slots, n_pops), np.uint8),
            resting=np.zeros(n_pops, np.uint8),
            halves=np.zeros(used, np.int8),
            train=np.zeros(n + lines, np.uint8),
            active=np.zeros(n + lines, np.uint32),
            counts=np.zeros(senders, np.int64),
            partial=np.zeros(widest, np.int16),
            total=np.zeros(widest, np.int32),
            change=np.zeros(widest, np.int8),
        )
        for i, population in enumerate(program.populations):
            self._memory.arrives[:, i] = state.arriving[:, population.neurons].any(axis=1) * SOME
        for projection, _, place in self._matrices():
            self._memory.halves[place] = pack(state.weights[projection.name]).ravel()
        self._dw = np.array([program.dw_otherwise, program.dw_reward], np.int64)
        self._reward = np.array(program.reward, np.int64)

    def _matrices(self):
        for number, _, connect, _, begin, _, _ in self._code.proj.tolist():
            if connect == MATRIX:
                projection = self.program.projections[number]
                n_pre = self.program.senders[projection.source].size
                n_post = self.program.populations[projection.target].size
                yield projection, n_post, slice(begin, begin + n_pre * padded(n_post))

    def advance(
        self,
        stimulus: np.ndarray,
        steps: int,
        tally: Tally,
        tape: Tape,
        *,
        reward: np.ndarray | None = None,
        strict: bool = False,
    ) -> None:
        """Execute `steps` steps.

        Parameters
        ----------
        stimulus : ndarray of uint8, shape (rows, lines)
            All sources side by side; a row per sample, or per step where `reward` is given.
        tally, tape
            Counted and recorded into; `tape.rows` has one entry per step.
        reward : ndarray of int64, shape (steps,), optional
            The reward signal of every step, instead of the program's schedule; sources then
            spike in every step as `stimulus` says.
        """
        by_step = reward is not None
        fault = run_steps(
            self._code, self._memory, tally, tape, stimulus,
            reward if by_step else self._reward, by_step, self._dw, self.step, steps, strict,
        )  # fmt: skip
        if fault != OK:
            step, number = int(tally.fault[0]), int(tally.fault[1])
            if fault == STRAY:
                where = self.program.projections[number].name
                raise strict_error(self.program, step, "unscheduled learning", where)
            where = f"population {self.program.populations[number].name}"
            raise strict_error(self.program, step, "register wrap", where)
        self.step += steps

    @property
    def state(self) -> State:
        """A copy of the network as it stands."""
        program, memory = self.program, self._memory
        u, v = memory.u.copy(), memory.v.copy()
        arriving = memory.some.astype(bool)
        dead = np.zeros(program.n_neurons, np.int32)
        for i, population in enumerate(program.populations):
            neurons = population.neurons
            arriving[:, neurons] |= (memory.arrives[:, i : i + 1] & WHOLE).astype(bool)
            left = memory.dead[neurons]
            dead[neurons] = np.maximum(left - (self.step - memory.seen[i]), 0)
            if self._code.lazy[i] and memory.seen[i] < self.step - 1:
                # Skipped since: it stands as one idle step leaves it.
                u[neurons] = 0
                alive = left <= self.step - 1 - memory.seen[i]
                v[neurons] = np.where(alive, population.bias, 0)
        weights = {}
        for projection, n_post, place in self._matrices():
            rows = memory.halves[place].reshape(-1, padded(n_post))
            weights[projection.name] = unpack(rows, n_post)
        return State(self.step, weights, u, v, dead, memory.pending.astype(np.int64), arriving)


def _tally(program: Program) -> Tally:
    counters = Counters.zeros(program)
    return Tally(
        counters.steps, counters.spikes, counters.active_updates, counters.wraps,
        counters.synaptic_operations, counters.learning_visits, counters.synaptic_updates,
        np.zeros(2, np.int64),
    )  # fmt: skip


def _counters(program: Program, tally: Tally) -> Counters:
    sizes = np.array([population.size for population in program.populations], np.int64)
    return Counters(
        tally.steps, tally.spikes, np.outer(tally.steps, sizes), tally.active, tally.wraps,
        tally.operations, tally.visits, tally.updates,
    )  # fmt: skip


def _tape(program: Program, names: dict[str, tuple[str, ...]], kept: int) -> Tape:
    columns = np.full((3, len(program.senders)), -1, np.int64)
    widths = [0, 0, 0]
    for i, what in enumerate(("spikes", "u", "v")):
        for k, sender in enumerate(program.senders):
            if sender.name in names.get(what, ()):
                columns[i, k] = widths[i]
                widths[i] += sender.size
    return Tape(
        np.empty(0, np.int64), columns, np.zeros((kept, widths[0]), np.uint8),
        np.zeros((kept, widths[1]), np.int32), np.zeros((kept, widths[2]), np.int32),
    )  # fmt: skip


class Session(protocol.Session):
    """A network kept alive in the kernels' memory over many calls of `run`."""

    def __init__(self, program: Program, state: State) -> None:
        program.check_state(state)
        self.program = program
        self._start(state, NOTHING)

    def _start(self, state: State, record: Record) -> None:
        program = self.program
        self._eager = {*record.names(program, "u"), *record.names(program, "v")}
        eager = frozenset(program.index(name) for name in self._eager)
        self._machine = Machine(program, state, eager)
        # No steps: the kernels are compiled or loaded here, and not within the first run.
        self._machine.advance(np.empty((0, 0), np.uint8), 0, _tally(program), _tape(program, {}, 0))

    @property
    def state(self) -> State:
        """A copy of the network as it stands."""
        return self._machine.state

    def run(
        self,
        stimulus: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        *,
        record: Record = NOTHING,
        strict: bool = False,
    ) -> Run:
        """As `sbp.engines.Session.run`; where strict mode raises, `state` stays as it was."""
        program, first = self.program, self._machine.step
        arrays = program.check_stimulus(stimulus or {})
        steps = program.steps_of(arrays, first, steps)
        names = {what: record.names(program, what) for what in ("spikes", "u", "v")}
        if not self._eager >= {*names["u"], *names["v"]}:
            self._start(self.state, record)
        keep = record.steps(program, first, steps)
        tally, tape = _tally(program), _tape(program, names, len(keep))
        samples = len(next(iter(arrays.values()))) if arrays else 0
        lines = sum(source.size for source in program.sources)
        before = self.state if strict else None
        done = 0
        while done < steps:
            # One block of samples at a time, cut at sample boundaries.
            begin = (first + done) // program.period - first // program.period
            count = min(BLOCK * program.period - (first + done) % program.period, steps - done)
            block = np.zeros((max(min(BLOCK, samples - begin), 0), lines), np.uint8)
            for source in program.sources:
                if source.phase >= 0:
                    column = source.start - program.n_neurons
                    part = arrays[source.name][begin : begin + len(block)]
                    block[:, column : column + source.size] = part
            rows = np.full(count, -1, np.int64)
            low, high = np.searchsorted(keep, (done, done + count))
            rows[keep[low:high] - done] = np.arange(low, high)
            try:
                self._machine.advance(block, count, tally, tape._replace(rows=rows), strict=strict)
            except ChipError:
                assert before is not None
                self._start(before, record)
                raise
            done += count
        kept = record.allocate(program, len(keep))
        for i, (what, array) in enumerate((("spikes", tape.spikes), ("u", tape.u), ("v", tape.v))):
            for k, sender in enumerate(program.senders):
                column = tape.columns[i, k]
                if column >= 0:
                    kept[what][sender.name][:] = array[:, column : column + sender.size]
        result = Run(
            program, first, steps, keep, **kept, state=self.state,
            counters=_counters(program, tally), engine=ENGINE.name,
        )  # fmt: skip
        warn_once(result)
        return result


class Compiled(protocol.Engine):
    """The engine `compiled`."""

    name = "compiled"
    description = "Numba kernels, event-driven; every spike, faster than the chip"
    modules = (__name__,)

    def chunk(self) -> int:
        """A network of 784-2000-10 learns about 10,000 samples a second."""
        return 1000

    def session(self, program: Program, state: State) -> Session:
        """Open `program` at `state`."""
        return Session(program, state)


ENGINE = Compiled()
run = ENGINE.run
