"""The reference engine: one statement for each rule of the chip.  The definition of the others.

NumPy on whole-network vectors; any `Circuit`, slow on purpose, short enough to print.  `step` is
the machine; `Session.run` repeats it, counts and records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sbp.engines import protocol
from sbp.loihi import clip_weight, decay, wrap
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program, State
from sbp.run import NOTHING, Counters, Record, Run, planned, strict_error, warn_once


class Constants(NamedTuple):
    """What never changes of each neuron: int64, shape (n_neurons,)."""

    bias: np.ndarray
    threshold: np.ndarray
    refractory: np.ndarray
    du: np.ndarray
    dv: np.ndarray

    @classmethod
    def of(cls, program: Program) -> Constants:
        """Spread what each population declares over its neurons."""
        sizes = [population.size for population in program.populations]
        columns = ([getattr(p, name) for p in program.populations] for name in cls._fields)
        return cls(*(np.repeat(np.array(column, np.int64), sizes) for column in columns))


class Events(NamedTuple):
    """What happened in one step."""

    trains: list[np.ndarray]  #: spikes of each population, then of each source; bool
    active: np.ndarray  #: whether anything arrived at a neuron; bool
    wraps: np.ndarray  #: register wraps of each neuron; int64


def step(
    program: Program,
    constants: Constants,
    state: State,
    external: list[np.ndarray],
) -> Events:
    """Advance `state` by one step, in place; `external` are the spikes of each source."""
    p, slot = state.step % program.period, state.step % program.n_slots
    bias, threshold, refractory, du, dv = constants
    alive = state.dead == 0

    # (1) synaptic current; (2) membrane potential, outside the refractory time
    current = decay(state.u, du) + state.pending[slot]
    state.u = wrap(current)
    membrane = np.where(alive, decay(state.v, dv) + state.u + bias, 0)
    state.v = wrap(membrane)
    wraps = np.add(current != state.u, membrane != state.v, dtype=np.int64)

    # (3) spike, reset, refractory time
    spiked = alive & (state.v > threshold)
    state.v[spiked] = 0
    state.dead = np.where(spiked, refractory - 1, np.maximum(state.dead - 1, 0))
    active = state.arriving[slot].copy()
    state.pending[slot], state.arriving[slot] = 0, False
    trains = [spiked[population.neurons] for population in program.populations] + external

    # (4) spikes go onto their synapses with the weight of this moment
    for projection in program.projections:
        train = trains[projection.source]
        if not train.any():
            continue
        target = program.populations[projection.target].neurons
        then = (state.step + 1 + projection.delay) % program.n_slots
        if projection.matrix != NO_MATRIX:
            arrival = state.weights[projection.name][:, train].sum(axis=1, dtype=np.int64)
        elif projection.connect == ONE_TO_ONE:
            arrival = train * np.int64(projection.mantissa)
        else:
            arrival = train.sum() * np.int64(projection.mantissa)
        state.pending[then, target] += arrival << projection.shift
        state.arriving[then, target] |= train if projection.connect == ONE_TO_ONE else True

    # (5) learning: every plastic synapse whose two neurons spiked in this step
    dw = program.dw_reward if program.reward[p] else program.dw_otherwise
    for projection in program.projections:
        if projection.plastic:
            pairs = np.ix_(trains[projection.target], trains[projection.source])
            matrix = state.weights[projection.name]
            matrix[pairs] = clip_weight(matrix[pairs] + dw)

    state.step += 1
    return Events(trains, active, wraps)


def _count(program: Program, counters: Counters, p: int, events: Events) -> None:
    counters.steps[p] += 1
    spikes = [int(train.sum()) for train in events.trains]
    for i, population in enumerate(program.populations):
        counters.spikes[p, i] += spikes[i]
        counters.neuron_updates[p, i] += population.size
        counters.active_updates[p, i] += events.active[population.neurons].sum()
        counters.wraps[p, i] += events.wraps[population.neurons].sum()
    for i, projection in enumerate(program.projections):
        if projection.source >= len(program.populations):
            continue  # external sources are not the chip's work
        sent, n_post = spikes[projection.source], len(events.trains[projection.target])
        fan_out = 1 if projection.connect == ONE_TO_ONE else n_post
        counters.synaptic_operations[p, i] += sent * fan_out
        if projection.plastic:
            counters.learning_visits[p, i] += sent * n_post
            counters.synaptic_updates[p, i] += sent * spikes[projection.target]


def _check(program: Program, now: int, events: Events) -> None:
    """Strict mode: raise for a register wrap, or learning that is not scheduled."""
    for population in program.populations:
        wraps = events.wraps[population.neurons]
        if wraps.any():
            raise strict_error(program, now, "register wrap", f"population {population.name}")
    for projection in program.projections:
        if projection.plastic and now % program.period not in projection.scheduled:
            pre, post = events.trains[projection.source], events.trains[projection.target]
            if pre.any() and post.any():
                raise strict_error(program, now, "unscheduled learning", projection.name)


class Session(protocol.Session):
    """A network advanced by `step`; see `sbp.engines.Session`."""

    def __init__(self, program: Program, state: State) -> None:
        program.check_state(state)
        self.program, self._state = program, state.copy()
        self._constants = Constants.of(program)

    @property
    def state(self) -> State:
        """The network after the last call, a copy."""
        return self._state.copy()

    def run(
        self,
        stimulus: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        *,
        record: Record = NOTHING,
        strict: bool = False,
    ) -> Run:
        """As `sbp.engines.Session.run`; where strict mode raises, `state` stays as it was."""
        program, state = self.program, self.state
        first = state.step
        stimulus, samples, steps, keep = planned(program, first, stimulus, steps, record)
        counters = Counters.zeros(program)
        state.u, state.v = state.u.astype(np.int64), state.v.astype(np.int64)
        kept = record.allocate(program, len(keep))
        row = 0
        for now in range(first, first + steps):
            p, sample = now % program.period, now // program.period - first // program.period
            external = [
                stimulus[source.name][sample].astype(bool)
                if source.phase == p and sample < samples
                else np.zeros(source.size, bool)
                for source in program.sources
            ]
            events = step(program, self._constants, state, external)
            _count(program, counters, p, events)
            if strict:
                _check(program, now, events)
            if row < len(keep) and keep[row] == now - first:
                _keep(program, kept, row, events, state)
                row += 1
        state.u, state.v = state.u.astype(np.int32), state.v.astype(np.int32)
        state.dead = state.dead.astype(np.int32)
        self._state = state
        result = Run(
            program, first, steps, keep, **kept, state=state.copy(), counters=counters,
            engine=ENGINE.name,
        )  # fmt: skip
        warn_once(result)
        return result


def _keep(
    program: Program,
    kept: dict[str, dict[str, np.ndarray]],
    row: int,
    events: Events,
    state: State,
) -> None:
    for sender, train in zip(program.senders, events.trains, strict=True):
        if sender.name in kept["spikes"]:
            kept["spikes"][sender.name][row] = train
    for what, register in (("u", state.u), ("v", state.v)):
        for name in kept[what]:
            kept[what][name][row] = register[program.populations[program.index(name)].neurons]


class Reference(protocol.Engine):
    """The engine `reference`."""

    name = "reference"
    description = "NumPy, one statement per chip rule; defines what is right"
    modules = (__name__,)

    def chunk(self) -> int:
        """A few hundred steps a second."""
        return 10

    def session(self, program: Program, state: State) -> Session:
        """Open `program` at `state`."""
        return Session(program, state)


ENGINE = Reference()
run = ENGINE.run
