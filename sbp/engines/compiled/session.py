"""A network in the kernels' memory, and sessions that feed it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbp.engines import protocol
from sbp.engines.compiled.layout import Tally, Tape, allocate, encode
from sbp.engines.compiled.step import OK, STRAY, run_steps
from sbp.errors import ChipError
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program, State
from sbp.rows import pack, unpack
from sbp.run import NOTHING, Counters, Record, Run, planned, strict_error, warn_once

BLOCK = 1024  #: samples whose stimulus is laid out at once, so that memory stays flat
RECORDED = ("spikes", "u", "v")


class Machine:
    """A network in the kernels' own memory, stepped in place.

    Parameters
    ----------
    program : Program
    state : State
        Copied; `Machine.state` reads it back.
    """

    def __init__(self, program: Program, state: State) -> None:
        self.program, self.step = program, state.step
        self.code = encode(program)
        self.memory = memory = allocate(program, self.code)
        self._dw = np.array([program.dw_otherwise, program.dw_reward], np.int64)
        self._reward = np.array(program.reward, np.int64)
        self._sizes = np.array([p.size for p in program.populations], np.int64)
        self._quiet = np.repeat(self.code.populations["quiet"].astype(bool), self._sizes)
        self._bias = np.repeat(self.code.populations["bias"], self._sizes)
        projections = program.projections
        self._source = np.array([p.source for p in projections], np.int64)
        self._plastic = np.array([p.plastic for p in projections], np.int64)
        self._fan_out = np.array(
            [1 if p.connect == ONE_TO_ONE else self._sizes[p.target] for p in projections], np.int64
        )
        self._fixed: dict[int, np.ndarray] = {}  # matrices that no run changes
        self._row_of = {n: m for m, n in enumerate(self.code.matrices["number"].tolist())}
        memory.u[:], memory.v[:] = state.u, state.v
        # As if written in the step before: one more than what is left now.
        memory.dead[:] = np.where(state.dead > 0, state.dead + 1, 0)
        memory.seen[:] = state.step - 1
        memory.carried[:], memory.marked[:] = state.pending, state.arriving
        for i, population in enumerate(program.populations):
            coming, carried = memory.coming[:, i], state.pending[:, population.neurons]
            arriving = state.arriving[:, population.neurons].any(axis=1) | carried.any(axis=1)
            coming["any"] = coming["carried"] = arriving
            coming["low"] = carried.min(axis=1, initial=0)
            coming["high"] = carried.max(axis=1, initial=0)
        for number, m in self._row_of.items():
            matrix = state.weights[program.projections[number].name]
            first = self.code.matrices[m]["alike"]
            held = program.projections[self.code.matrices[first]["number"]]
            if first != m and np.array_equal(matrix, state.weights[held.name]):
                memory.like[m] = first  # one matrix, for as long as they learn alike
            else:
                self._place(m)[:] = pack(matrix)

    def _place(self, m: int) -> np.ndarray:
        """Where row `m` of the matrices has its own: half weights, (n_pre, padded(n_post))."""
        row = self.code.matrices[m]
        n_pre = self.program.senders[self.program.projections[row["number"]].source].size
        place = slice(row["begin"], row["begin"] + n_pre * row["wide"])
        return self.memory.halves[place].reshape(n_pre, row["wide"])

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
            self.code, self.memory, tally, tape, stimulus,
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

    def spikes(self, number: int) -> np.ndarray:
        """Spikes of population `number` in the last step: bool, (size,)."""
        line = (self.step - 1) % len(self.memory.counts)
        fired = self.memory.counts[line, number] > 0
        return (
            self.memory.trains[line, self.program.populations[number].neurons].astype(bool) & fired
        )

    @property
    def state(self) -> State:
        """A copy of the network as it stands."""
        memory = self.memory
        since = np.repeat(self.step - 1 - memory.seen, self._sizes)
        # A population that was skipped stands as one idle step leaves it.
        idle = (since > 0) & self._quiet
        u = np.where(idle, 0, memory.u)
        v = np.where(idle, np.where(memory.dead <= since, self._bias, 0), memory.v)
        dead = np.maximum(memory.dead - since - 1, 0).astype(np.int32)
        whole = np.repeat(memory.coming["whole"], self._sizes, axis=1)
        pending, arriving = memory.carried.copy(), (memory.marked | whole).astype(bool)
        self._put_on_their_way(pending, arriving)
        return State(
            self.step, self._weights(), u.astype(np.int32), v.astype(np.int32), dead, pending,
            arriving,
        )  # fmt: skip

    def _weights(self) -> dict[str, np.ndarray]:
        held = dict(self._fixed)
        weights = {}
        for number, m in sorted(self._row_of.items()):  # in the order of the program
            projection, like = self.program.projections[number], int(self.memory.like[m])
            if like in held:
                weights[projection.name] = held[like].copy()
                continue
            n_post = self.program.populations[projection.target].size
            weights[projection.name] = held[like] = unpack(self._place(like), n_post)
            if not projection.plastic:
                self._fixed[like] = held[like].copy()
        return weights

    def _put_on_their_way(self, pending: np.ndarray, arriving: np.ndarray) -> None:
        """Add to `pending` what the spikes of the last steps still bring."""
        program, memory = self.program, self.memory
        counts = memory.counts.tolist()
        recent = set(np.flatnonzero(memory.counts.any(axis=0)).tolist())
        for number, projection in enumerate(program.projections):
            if projection.source not in recent:
                continue
            for back in range(1, projection.delay + 2):
                line = (self.step - back) % len(counts)
                count = counts[line][projection.source]
                if not count:
                    continue
                slot = (self.step - back + 1 + projection.delay) % program.n_slots
                target = program.populations[projection.target].neurons
                add = projection.mantissa << projection.shift
                if projection.connect == ONE_TO_ONE:
                    source = program.senders[projection.source]
                    train = memory.trains[line, source.start : source.start + source.size]
                    pending[slot, target] += train * np.int64(add)
                    arriving[slot, target] |= train.astype(bool)
                elif projection.matrix == NO_MATRIX:
                    pending[slot, target] += count * add
                elif projection.delay == 0:
                    row = self.code.matrices[memory.like[self._row_of[number]]]
                    total = memory.totals[row["total"] : row["total"] + target.stop - target.start]
                    pending[slot, target] += total.astype(np.int64) * (2 << projection.shift)

    def counters(self, tally: Tally) -> Counters:
        """The counters of a run; what follows from the numbers of spikes is worked out here."""
        period, sources = self.program.period, len(self.program.sources)
        # External sources are not the chip's work.
        spikes = np.concatenate([tally.spikes, np.zeros((period, sources), np.int64)], axis=1)
        sent = spikes[:, self._source]
        return Counters(
            steps=tally.steps,
            spikes=tally.spikes,
            neuron_updates=np.outer(tally.steps, self._sizes),
            active_updates=tally.active,
            wraps=tally.wraps,
            synaptic_operations=sent * self._fan_out,
            learning_visits=sent * (self._fan_out * self._plastic),
            synaptic_updates=tally.updates,
        )


def new_tally(program: Program) -> Tally:
    """Nothing counted yet."""
    zeros = Counters.zeros(program)
    return Tally(
        zeros.steps, zeros.spikes, zeros.active_updates, zeros.wraps, zeros.synaptic_updates,
        np.zeros(2, np.int64),
    )  # fmt: skip


def new_tape(program: Program, names: Mapping[str, tuple[str, ...]], kept: int) -> Tape:
    """Room for `kept` steps of what `names` names."""
    columns = np.full((3, len(program.senders)), -1, np.int64)
    widths = [0, 0, 0]
    for i, what in enumerate(RECORDED):
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
        self._machine = Machine(program, state)
        # No steps: the kernels are compiled or loaded here, and not within the first run.
        nothing = np.empty((0, 0), np.uint8)
        self._machine.advance(nothing, 0, new_tally(program), new_tape(program, {}, 0))

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
        arrays, _, steps, keep = planned(program, first, stimulus, steps, record)
        names = {what: record.names(program, what) for what in RECORDED}
        tally, tape = new_tally(program), new_tape(program, names, len(keep))
        strict = bool(strict)  # the kernels are compiled for this type
        before = self.state if strict else None
        done = 0
        while done < steps:
            # One block of samples at a time, cut at sample boundaries.
            count = min(BLOCK * program.period - (first + done) % program.period, steps - done)
            block = self._block(arrays, (first + done) // program.period - first // program.period)
            rows = np.full(count, -1, np.int64)
            low, high = np.searchsorted(keep, (done, done + count))
            rows[keep[low:high] - done] = np.arange(low, high)
            try:
                self._machine.advance(block, count, tally, tape._replace(rows=rows), strict=strict)
            except ChipError:
                assert before is not None
                self._machine = Machine(program, before)
                raise
            done += count
        kept = record.allocate(program, len(keep))
        for i, (what, array) in enumerate(
            zip(RECORDED, (tape.spikes, tape.u, tape.v), strict=True)
        ):
            for k, sender in enumerate(program.senders):
                column = tape.columns[i, k]
                if column >= 0:
                    kept[what][sender.name][:] = array[:, column : column + sender.size]
        result = Run(
            program, first, steps, keep, **kept, state=self.state,
            counters=self._machine.counters(tally), engine="compiled",
        )  # fmt: skip
        warn_once(result)
        return result

    def _block(self, arrays: Mapping[str, np.ndarray], begin: int) -> np.ndarray:
        """All sources side by side, for the samples from `begin` on."""
        program = self.program
        samples = len(next(iter(arrays.values()))) if arrays else 0
        lines = sum(source.size for source in program.sources)
        block = np.zeros((max(min(BLOCK, samples - begin), 0), lines), np.uint8)
        for source in program.sources:
            if source.phase >= 0:
                column = source.start - program.n_neurons
                part = arrays[source.name][begin : begin + len(block)]
                block[:, column : column + source.size] = part
        return block
