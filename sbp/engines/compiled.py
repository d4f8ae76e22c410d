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
from numba import njit

from sbp.algebra import add_saturating, pack, spiking, sum_rows, unpack
from sbp.loihi import DECAY_UNIT, REGISTER_BITS, REGISTER_MAX, REGISTER_MIN, WEIGHT_MIN
from sbp.program import ALL_TO_ALL, NO_MATRIX, ONE_TO_ONE, Program, State
from sbp.run import NOTHING, Counters, Record, Run, strict_error, warn_once

NAME = "compiled"

BLOCK = 1024  #: samples whose stimulus is laid out at once, so that memory stays flat
MASK = (1 << REGISTER_BITS) - 1
MATRIX = 2  # a third way to connect, beside ONE_TO_ONE and ALL_TO_ALL
SOME, WHOLE = 1, 2  # what arrives at a population: at chosen neurons, or at all of them
OK, WRAPPED, STRAY = 0, 1, 2  # why the kernel stopped


class Code(NamedTuple):
    """The program as arrays.  First axis: populations, senders or projections."""

    pop: np.ndarray  # (P, 7) start, size, bias, threshold, dead steps, du, dv
    lazy: np.ndarray  # (P,) memoryless and silent by itself: skipped without arrivals
    sender: np.ndarray  # (P + S, 2) start, size, populations before sources
    phase: np.ndarray  # (S,) of each source
    first: np.ndarray  # (P + S + 1,) projections of a sender: first[k] .. first[k + 1]
    proj: np.ndarray  # (J, 6) number, target, connect, delay, matrix start, plastic
    add: np.ndarray  # (J,) register units a spike adds, or the shift of a half weight
    scheduled: np.ndarray  # (J, period) whether it is meant to learn in a phase


class Memory(NamedTuple):
    """Everything that changes, and scratch space."""

    u: np.ndarray  # (N,) int32
    v: np.ndarray  # (N,) int32
    alive_at: np.ndarray  # (N,) int64, first step in which the neuron may fire again
    pending: np.ndarray  # (slots, N) int32 or int64
    some: np.ndarray  # (slots, N) uint8, something arrives at this neuron
    arrives: np.ndarray  # (slots, P) uint8: 0, SOME or WHOLE
    resting: np.ndarray  # (P,) uint8: without arrivals the next step changes nothing
    fresh: np.ndarray  # (P,) uint8: computed in the last step, not skipped
    halves: np.ndarray  # all matrices, int8, a row per source neuron
    train: np.ndarray  # (N + lines,) uint8, spikes of this step
    active: np.ndarray  # (N + lines,) uint32, their indices, a list per sender
    count: np.ndarray  # (P + S,) int64, length of each list
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


@njit(cache=True, inline="always")
def _decay(value, rate):
    kept = (abs(value) * (DECAY_UNIT - rate)) >> 12
    return kept if value >= 0 else -kept


@njit(cache=True)
def _update_memoryless(code, memory, p, slot, now):
    """Rules 1-3 where nothing of u and v is carried over; returns (arrived at, wraps)."""
    start, size = code.pop[p, 0], code.pop[p, 1]
    bias, threshold = np.int32(code.pop[p, 2]), np.int32(code.pop[p, 3])
    alive_again = now + 1 + code.pop[p, 4]
    pending = memory.pending[slot, start : start + size]
    some = memory.some[slot, start : start + size]
    u, v = memory.u[start : start + size], memory.v[start : start + size]
    alive_at = memory.alive_at[start : start + size]
    train = memory.train[start : start + size]
    wraps = 0
    arrived = 0
    for j in range(size):
        arrived += some[j]
        current = pending[j]
        wrapped = np.int32(((current - REGISTER_MIN) & MASK) + REGISTER_MIN)
        wraps += current != wrapped
        alive = now >= alive_at[j]
        membrane = np.int32(wrapped + bias) if alive else np.int32(0)
        potential = np.int32(((membrane - REGISTER_MIN) & MASK) + REGISTER_MIN)
        wraps += membrane != potential
        spike = alive and potential > threshold
        u[j] = wrapped
        v[j] = np.int32(0) if spike else potential
        alive_at[j] = alive_again if spike else alive_at[j]
        train[j] = spike
        pending[j] = 0
        some[j] = 0
    return arrived, wraps


@njit(cache=True)
def _update(code, memory, p, slot, now):
    """Rules 1-3 for any neuron; returns (arrived at, wraps) and notes whether it rests."""
    start, size = code.pop[p, 0], code.pop[p, 1]
    bias, threshold, dead = code.pop[p, 2], code.pop[p, 3], code.pop[p, 4]
    du, dv = code.pop[p, 5], code.pop[p, 6]
    wraps = 0
    arrived = 0
    changed = memory.arrives[slot, p] != 0
    for j in range(start, start + size):
        arrived += memory.some[slot, j]
        current = _decay(np.int64(memory.u[j]), du) + memory.pending[slot, j]
        u = ((current - REGISTER_MIN) & MASK) + REGISTER_MIN
        wraps += current != u
        alive = now >= memory.alive_at[j]
        membrane = np.int64(0)
        if alive:
            membrane = _decay(np.int64(memory.v[j]), dv) + u + bias
        v = ((membrane - REGISTER_MIN) & MASK) + REGISTER_MIN
        wraps += membrane != v
        spike = alive and v > threshold
        if spike:
            v = np.int64(0)
            memory.alive_at[j] = now + 1 + dead
        changed |= spike or not alive or u != memory.u[j] or v != memory.v[j]
        memory.u[j] = u
        memory.v[j] = v
        memory.train[j] = spike
        memory.pending[slot, j] = 0
        memory.some[slot, j] = 0
    memory.resting[p] = not changed and wraps == 0
    return arrived, wraps


@njit(cache=True, inline="always")
def _matrix(code, memory, j, sender):
    """The half weights of projection `j`, shape (n_pre, n_post)."""
    n_pre, n_post = code.sender[sender, 1], code.pop[code.proj[j, 1], 1]
    begin = code.proj[j, 4]
    return memory.halves[begin : begin + n_pre * n_post].reshape(n_pre, n_post)


@njit(cache=True)
def _deliver(code, memory, tally, j, sender, now, p, is_source):
    """Rule 4 for one projection whose source spiked."""
    target, connect, delay = code.proj[j, 1], code.proj[j, 2], code.proj[j, 3]
    start, size = code.pop[target, 0], code.pop[target, 1]
    slot = (now + 1 + delay) % memory.pending.shape[0]
    begin, count = code.sender[sender, 0], memory.count[sender]
    active = memory.active[begin : begin + count]
    add = code.add[j]
    if connect == ONE_TO_ONE:
        pending, some = memory.pending[slot], memory.some[slot]
        for k in range(count):
            neuron = start + active[k]
            pending[neuron] += add
            some[neuron] = 1
        memory.arrives[slot, target] |= SOME
    else:
        pending = memory.pending[slot, start : start + size]
        if connect == ALL_TO_ALL:
            for i in range(size):
                pending[i] += count * add
        else:
            total = memory.total[:size]
            rows = _matrix(code, memory, j, sender)
            sum_rows(rows, active, count, memory.partial[:size], total)
            for i in range(size):
                pending[i] += total[i] << add
        memory.arrives[slot, target] |= WHOLE
    if not is_source:
        tally.operations[p, code.proj[j, 0]] += count if connect == ONE_TO_ONE else count * size


@njit(cache=True)
def _learn(code, memory, j, sender, half_dw):
    """Rule 5 for one plastic projection whose source and target both spiked."""
    target = code.proj[j, 1]
    rows = _matrix(code, memory, j, sender)
    begin = code.sender[sender, 0]
    active = memory.active[begin : begin + memory.count[sender]]
    start, size = code.pop[target, 0], code.pop[target, 1]
    train = memory.train[start : start + size]
    change = memory.change[:size]
    for i in range(size):
        change[i] = half_dw if train[i] else 0
    for k in range(active.shape[0]):
        add_saturating(rows[active[k]], change)


@njit(cache=True, nogil=True)
def run_steps(code, memory, tally, tape, stimulus, reward, by_step, dw, first, steps, strict):
    """Execute `steps` steps from step `first`; returns OK, WRAPPED or STRAY.

    `stimulus` (rows, lines): row i is sample i of this call, or step i with `by_step`.
    `reward` holds 0 or 1 per phase, or per step with `by_step`.  `dw` is (otherwise, reward).
    """
    n_pops, n_senders = code.pop.shape[0], code.sender.shape[0]
    period, n_slots = tally.steps.shape[0], memory.pending.shape[0]
    n_neurons = memory.u.shape[0]
    for step in range(steps):
        now = first + step
        p = now % period
        slot = now % n_slots

        for i in range(n_pops):
            arrives = memory.arrives[slot, i]
            if arrives == 0 and (code.lazy[i] or memory.resting[i]):
                memory.count[i] = 0
                memory.fresh[i] = 0
                continue
            memory.fresh[i] = 1
            start, size = code.pop[i, 0], code.pop[i, 1]
            if code.pop[i, 5] == DECAY_UNIT and code.pop[i, 6] == DECAY_UNIT:
                arrived, wraps = _update_memoryless(code, memory, i, slot, now)
            else:
                arrived, wraps = _update(code, memory, i, slot, now)
            memory.arrives[slot, i] = 0
            memory.count[i] = spiking(
                memory.train[start : start + size], memory.active[start : start + size]
            )
            tally.active[p, i] += size if arrives & WHOLE else arrived
            tally.spikes[p, i] += memory.count[i]
            tally.wraps[p, i] += wraps
            if strict and wraps:
                tally.fault[0], tally.fault[1] = now, i
                return WRAPPED

        row = step if by_step else now // period - first // period
        for s in range(code.phase.shape[0]):
            k = n_pops + s
            memory.count[k] = 0
            due = code.phase[s] >= 0 and (by_step or code.phase[s] == p)
            if due and row < stimulus.shape[0]:
                start, size = code.sender[k, 0], code.sender[k, 1]
                column = start - n_neurons
                memory.count[k] = spiking(
                    stimulus[row, column : column + size], memory.active[start : start + size]
                )

        for k in range(n_senders):
            if memory.count[k]:
                for j in range(code.first[k], code.first[k + 1]):
                    _deliver(code, memory, tally, j, k, now, p, k >= n_pops)

        half_dw = np.int8(dw[reward[step if by_step else p]] // 2)
        for k in range(n_pops):
            count = memory.count[k]
            if count == 0:
                continue
            for j in range(code.first[k], code.first[k + 1]):
                if code.proj[j, 5]:
                    number, target = code.proj[j, 0], code.proj[j, 1]
                    tally.visits[p, number] += count * code.pop[target, 1]
                    if memory.count[target]:
                        _learn(code, memory, j, k, half_dw)
                        tally.updates[p, number] += count * memory.count[target]
                        if strict and not code.scheduled[j, p]:
                            tally.fault[0], tally.fault[1] = now, number
                            return STRAY
        tally.steps[p] += 1

        kept = tape.rows[step]
        if kept >= 0:
            for k in range(n_senders):
                start = code.sender[k, 0]
                column = tape.columns[0, k]
                if column >= 0:
                    for n in range(memory.count[k]):
                        tape.spikes[kept, column + memory.active[start + n]] = 1
                column = tape.columns[1, k]
                if column >= 0:
                    for n in range(code.pop[k, 1]):
                        tape.u[kept, column + n] = memory.u[start + n]
                column = tape.columns[2, k]
                if column >= 0:
                    for n in range(code.pop[k, 1]):
                        tape.v[kept, column + n] = memory.v[start + n]
    return OK


def _encode(program: Program, eager: frozenset[int]) -> tuple[Code, int]:
    """The program as arrays, and the size of all matrices; `eager` populations never skip."""
    pops = program.populations
    pop = np.array(
        [(p.start, p.size, p.bias, p.threshold, p.refractory - 1, p.du, p.dv) for p in pops],
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
            connect, begin, add = MATRIX, used, projection.shift + 1
            used += program.senders[projection.source].size * pops[projection.target].size
        rows.append((number, projection.target, connect, projection.delay, begin,
                     projection.plastic))  # fmt: skip
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
            proj=np.array(rows, np.int64).reshape(-1, 6),
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
        widest = max((p.size for p in program.populations), default=0)
        self._memory = Memory(
            u=state.u.astype(np.int32),
            v=state.v.astype(np.int32),
            alive_at=state.step + state.dead.astype(np.int64),
            pending=state.pending.astype(sum_type(program)),
            some=state.arriving.astype(np.uint8),
            arrives=np.zeros((program.n_slots, n_pops), np.uint8),
            resting=np.zeros(n_pops, np.uint8),
            fresh=np.ones(n_pops, np.uint8),
            halves=np.zeros(used, np.int8),
            train=np.zeros(n + lines, np.uint8),
            active=np.zeros(n + lines, np.uint32),
            count=np.zeros(senders, np.int64),
            partial=np.zeros(widest, np.int16),
            total=np.zeros(widest, np.int32),
            change=np.zeros(widest, np.int8),
        )
        for i, population in enumerate(program.populations):
            self._memory.arrives[:, i] = state.arriving[:, population.neurons].any(axis=1) * SOME
        for projection, begin, size in self._matrices():
            self._memory.halves[begin : begin + size] = pack(state.weights[projection.name]).ravel()
        self._dw = np.array([program.dw_otherwise, program.dw_reward], np.int64)
        self._reward = np.array(program.reward, np.int64)

    def _matrices(self):
        for number, _, connect, _, begin, _ in self._code.proj.tolist():
            if connect == MATRIX:
                projection = self.program.projections[number]
                n_pre = self.program.senders[projection.source].size
                yield projection, begin, n_pre * self.program.populations[projection.target].size

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
        dead = np.maximum(memory.alive_at - self.step, 0).astype(np.int32)
        for i, population in enumerate(program.populations):
            neurons = population.neurons
            arriving[:, neurons] |= (memory.arrives[:, i : i + 1] & WHOLE).astype(bool)
            if self._code.lazy[i] and not memory.fresh[i]:
                # A skipped population stands as one idle step leaves it.
                u[neurons] = 0
                v[neurons] = np.where(memory.alive_at[neurons] < self.step, population.bias, 0)
        weights = {}
        for projection, begin, size in self._matrices():
            rows = memory.halves[begin : begin + size]
            n_pre = program.senders[projection.source].size
            weights[projection.name] = unpack(rows.reshape(n_pre, -1))
        return State(
            self.step, weights, u, v, dead, memory.pending.astype(np.int64), arriving
        )


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
            if sender.name in names[what]:
                columns[i, k] = widths[i]
                widths[i] += sender.size
    return Tape(
        np.empty(0, np.int64), columns, np.zeros((kept, widths[0]), np.uint8),
        np.zeros((kept, widths[1]), np.int32), np.zeros((kept, widths[2]), np.int32),
    )  # fmt: skip


class Session:
    """A network kept alive in the kernels' memory over many calls of `run`."""

    def __init__(self, program: Program, state: State, record: Record = NOTHING) -> None:
        self.program = program
        eager = {*record.names(program, "u"), *record.names(program, "v")}
        self._machine = Machine(program, state, frozenset(program.index(name) for name in eager))
        self._eager = eager

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    @property
    def state(self) -> State:
        return self._machine.state

    def run(
        self,
        stimulus: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        *,
        record: Record = NOTHING,
        strict: bool = False,
    ) -> Run:
        """As `sbp.engines.reference.run`, from the state the session stands at."""
        program, first = self.program, self._machine.step
        arrays = program.check_stimulus(stimulus or {})
        steps = program.steps_of(arrays, first) if steps is None else steps
        names = {what: record.names(program, what) for what in ("spikes", "u", "v")}
        if not self._eager >= {*names["u"], *names["v"]}:
            self.__init__(program, self.state, record)
        keep = record.steps(program, first, steps)
        rows = np.full(steps, -1, np.int64)
        rows[keep] = np.arange(len(keep))
        tally, tape = _tally(program), _tape(program, names, len(keep))
        samples = len(next(iter(arrays.values()))) if arrays else 0
        lines = sum(source.size for source in program.sources)
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
            window = tape._replace(rows=rows[done : done + count])
            self._machine.advance(block, count, tally, window, strict=strict)
            done += count
        kept: dict[str, dict[str, np.ndarray]] = {"spikes": {}, "u": {}, "v": {}}
        for i, (what, array) in enumerate((("spikes", tape.spikes), ("u", tape.u), ("v", tape.v))):
            for k, sender in enumerate(program.senders):
                column = tape.columns[i, k]
                if column >= 0:
                    part = array[:, column : column + sender.size]
                    kept[what][sender.name] = part.astype(bool) if what == "spikes" else part.copy()
        result = Run(
            program, first, steps, keep, kept["spikes"], kept["u"], kept["v"],
            self.state, _counters(program, tally), NAME,
        )  # fmt: skip
        warn_once(result)
        return result


def run(
    program: Program,
    state: State,
    stimulus: Mapping[str, np.ndarray] | None = None,
    steps: int | None = None,
    *,
    record: Record = NOTHING,
    strict: bool = False,
) -> Run:
    """Run `program` from `state`; parameters and result as `sbp.engines.reference.run`."""
    return Session(program, state, record).run(stimulus, steps, record=record, strict=strict)
