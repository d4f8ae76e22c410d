"""The chip once more, a neuron at a time, in plain Python."""

from collections import defaultdict

import numpy as np

from sbp.engines import Engine, Session
from sbp.program import NO_MATRIX, ONE_TO_ONE, State
from sbp.replay import counters_from_spikes, source_trains
from sbp.run import NOTHING, Run, planned, strict_error, warn_once


def wrap(value):
    return (value + 2**23) % 2**24 - 2**23


def decay(value, rate):
    kept = abs(value) * (4096 - rate) // 4096
    return kept if value >= 0 else -kept


class GuestSession(Session):
    """Keeps what is on its way in a dictionary: (step, neuron) -> register units."""

    def __init__(self, program, state, refractory=True):
        program.check_state(state)
        self.program, self._refractory = program, refractory
        self._open(state)

    def _open(self, state):
        program = self.program
        self._state = state.copy()
        self._u, self._v = state.u.tolist(), state.v.tolist()
        self._dead = state.dead.tolist()
        self._on_their_way = defaultdict(int)
        self._arriving = set()
        for slot in range(program.n_slots):
            step = state.step + (slot - state.step) % program.n_slots
            for neuron in np.flatnonzero(state.pending[slot]):
                self._on_their_way[step, int(neuron)] = int(state.pending[slot, neuron])
            self._arriving |= {(step, int(n)) for n in np.flatnonzero(state.arriving[slot])}
        self._weights = {name: matrix.tolist() for name, matrix in state.weights.items()}
        self._step = state.step

    @property
    def state(self):
        program = self.program
        shape = (program.n_slots, program.n_neurons)
        pending, arriving = np.zeros(shape, np.int64), np.zeros(shape, bool)
        for (step, neuron), value in self._on_their_way.items():
            pending[step % program.n_slots, neuron] = value
        for step, neuron in self._arriving:
            arriving[step % program.n_slots, neuron] = True
        weights = {name: np.array(rows, np.int16) for name, rows in self._weights.items()}
        registers = (np.array(x, np.int32) for x in (self._u, self._v, self._dead))
        return State(self._step, weights, *registers, pending, arriving)

    def _fire(self, population, step, wraps):
        """Rules 1-3 for one population; the numbers of the neurons that spiked."""
        spiked = []
        for neuron in range(population.start, population.start + population.size):
            u = decay(self._u[neuron], population.du) + self._on_their_way.pop((step, neuron), 0)
            wraps += u != wrap(u)
            self._u[neuron], v = wrap(u), 0
            if not self._dead[neuron]:
                v = decay(self._v[neuron], population.dv) + wrap(u) + population.bias
            wraps += v != wrap(v)
            v = wrap(v)
            if not self._dead[neuron] and v > population.threshold:
                spiked.append(neuron - population.start)
                v, self._dead[neuron] = 0, (population.refractory - 1) * self._refractory
            else:
                self._dead[neuron] = max(self._dead[neuron] - 1, 0)
            self._v[neuron] = v
            self._arriving.discard((step, neuron))
        return spiked, wraps

    def _send(self, projection, spiked, step):
        """Rule 4 for one projection."""
        target = self.program.populations[projection.target]
        then = step + 1 + projection.delay
        matrix = self._weights.get(projection.name)
        for post in range(target.size):
            if projection.connect == ONE_TO_ONE:
                weights = [projection.mantissa] * (post in spiked)
            elif projection.matrix == NO_MATRIX:
                weights = [projection.mantissa] * len(spiked)
            else:
                weights = [matrix[post][pre] for pre in spiked]
            if weights:
                add = sum(weights) << projection.shift
                self._on_their_way[then, target.start + post] += add
                self._arriving.add((then, target.start + post))

    def _learn(self, projection, pre, post, dw):
        """Rule 5 for one projection."""
        rows = self._weights[projection.name]
        for j in post:
            for i in pre:
                rows[j][i] = min(max(rows[j][i] + dw, -256), 254)

    def run(self, stimulus=None, steps=None, *, record=NOTHING, strict=False):
        program, first = self.program, self._step
        arrays, _, steps, keep = planned(program, first, stimulus, steps, record)
        kept = record.allocate(program, len(keep))
        before = self.state
        trains = {p.name: np.zeros((steps, p.size), bool) for p in program.populations}
        trains |= source_trains(program, arrays, first, steps)
        wraps = np.zeros((program.period, len(program.populations)), np.int64)
        rows = {int(step): row for row, step in enumerate(keep)}
        for now in range(steps):
            step, p = first + now, (first + now) % program.period
            for i, population in enumerate(program.populations):
                spiked, wraps[p, i] = self._fire(population, step, wraps[p, i])
                trains[population.name][now, spiked] = True
                if strict and wraps[p, i]:
                    self._open(before)
                    where = f"population {population.name}"
                    raise strict_error(program, step, "register wrap", where)
            fired = [np.flatnonzero(trains[s.name][now]).tolist() if s.name in trains else []
                     for s in program.senders]  # fmt: skip
            for projection in program.projections:
                if fired[projection.source]:
                    self._send(projection, set(fired[projection.source]), step)
            dw = program.dw_reward if program.reward[p] else program.dw_otherwise
            for projection in program.projections:
                pre = fired[projection.source]
                post = fired[projection.target]
                if projection.plastic and pre and post:
                    if strict and p not in projection.scheduled:
                        self._open(before)
                        raise strict_error(program, step, "unscheduled learning", projection.name)
                    self._learn(projection, pre, post, dw)
            self._step += 1
            if now in rows:
                for name, array in kept["spikes"].items():
                    array[rows[now]] = trains[name][now]
                for what, register in (("u", self._u), ("v", self._v)):
                    for name, array in kept[what].items():
                        array[rows[now]] = register[
                            program.populations[program.index(name)].neurons
                        ]
        counters = counters_from_spikes(program, trains, before, wraps)
        run = Run(program, first, steps, keep, **kept, state=self.state, counters=counters,
                  engine="guest")  # fmt: skip
        warn_once(run)
        return run


class Guest(Engine):
    """An engine as anyone could write it."""

    name = "guest"
    description = "plain Python, a neuron at a time"
    modules = (__name__,)
    refractory = True

    def chunk(self, **_):
        return 1

    def session(self, program, state, *, tired=True):
        return GuestSession(program, state, self.refractory and tired)


class Hasty(Guest):
    """The same with a mistake that no circuit of the paper would show within its domain."""

    name = "guest-hasty"
    refractory = False


class Idle(Guest):
    """It takes no samples at once, so that nothing would ever end."""

    name = "guest-idle"

    def chunk(self, **_):
        return 0


ENGINE, HASTY, IDLE, NOT_AN_ENGINE = Guest(), Hasty(), Idle(), "a string"
