"""What spike trains imply: operation counts, registers, and whether the chip would agree.

An engine that reports every spike of a run can be checked without its help.  `counters_from_spikes`
counts operations from the trains alone, all steps at once; no weight enters.  `replay` follows the
trains step by step with the chip's rules, forcing the given spikes, and reports every spike that
the rules would not have given after the same history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sbp.errors import SpecError
from sbp.loihi import clip_weight, decay, wrap
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program, ProjectionCode, State
from sbp.run import Counters, strict_error

if TYPE_CHECKING:
    from jaxtyping import Bool, Int64, UInt8


def source_trains(
    program: Program,
    stimulus: Mapping[str, UInt8[np.ndarray, "n _"]],
    first: int,
    steps: int,
    start: int = 0,
) -> dict[str, Bool[np.ndarray, "{steps} _"]]:
    """What the sources emit in a run: bool, (steps, size), for every source but the kick.

    Parameters
    ----------
    stimulus : mapping of str to ndarray of uint8, shape (n_samples, size)
        As `Program.check_stimulus` returns it.
    first : int
        Step of the network at which the run begins.
    steps, start : int
        How many steps are wanted, and from which of this run.
    """
    trains = {}
    now = first + start + np.arange(steps)
    sample = now // program.period - first // program.period
    for source in program.sources:
        if source.phase < 0:
            continue
        rows = stimulus[source.name]
        due = (now % program.period == source.phase) & (sample < len(rows))
        train = np.zeros((steps, source.size), bool)
        train[due] = rows[sample[due]]
        trains[source.name] = train
    return trains


def _steps(program: Program, trains: Mapping[str, np.ndarray]) -> int:
    """Number of steps of `trains`; SpecError unless every sender but the kick is there."""
    lengths = set()
    for sender in program.senders:
        if sender.name in trains:
            if np.ndim(trains[sender.name]) != 2 or trains[sender.name].shape[1] != sender.size:
                raise SpecError(
                    f"spikes of {sender.name} have shape {np.shape(trains[sender.name])}",
                    allowed=f"(n_steps, {sender.size})",
                )
            lengths.add(len(trains[sender.name]))
        elif getattr(sender, "phase", 0) >= 0:
            raise SpecError(f"spikes of {sender.name} are missing", do="record 'all' spikes")
    if len(lengths) != 1:
        raise SpecError(f"spike trains differ in length: {sorted(lengths)} steps")
    return lengths.pop()


def counters_from_spikes(
    program: Program,
    trains: Mapping[str, Bool[np.ndarray, "n_steps _"]],
    state: State | None = None,
    wraps: Int64[np.ndarray, "period n_populations"] | None = None,
) -> Counters:
    """Count the operations of a run from its spike trains.

    Parameters
    ----------
    program : Program
    trains : mapping of str to ndarray of bool, shape (n_steps, size)
        Spikes of every population, and of every source but the kick.
    state : State, optional
        The network before the first of these steps, for its step number and for what was on its
        way; default: at rest before the very first step, the kick on its way.
    wraps : ndarray of int64, shape (period, n_populations), optional
        Register wraps, which depend on weights, from `replay`; default: none.

    Returns
    -------
    Counters
    """
    steps = _steps(program, trains)
    first = 0 if state is None else state.step
    phases = (first + np.arange(steps)) % program.period
    executed = np.bincount(phases, minlength=program.period).astype(np.int64)
    n_pops = len(program.populations)
    silent = np.zeros((steps, 1), bool)
    spikes = [trains.get(sender.name, silent) for sender in program.senders]
    numbers = np.array([train.sum(axis=1) for train in spikes], np.int64)

    def by_phase(per_step: np.ndarray) -> np.ndarray:
        """Sums over the steps of each phase: (things, steps) -> (period, things)."""
        return np.stack(
            [per_step[:, phases == p].sum(axis=1) for p in range(program.period)]
        ).astype(np.int64)

    operations = np.zeros((len(program.projections), steps), np.int64)
    visits, updates = np.zeros_like(operations), np.zeros_like(operations)
    arrived = [np.zeros((steps, p.size), bool) for p in program.populations]
    for i, projection in enumerate(program.projections):
        target = program.populations[projection.target]
        one_to_one = projection.connect == ONE_TO_ONE
        count = numbers[projection.source]
        if projection.source < n_pops:
            operations[i] = count * (1 if one_to_one else target.size)
        if projection.plastic:
            visits[i] = count * target.size
            updates[i] = count * numbers[projection.target]
        lag = 1 + projection.delay
        if lag < steps:
            reached = spikes[projection.source] if one_to_one else (count > 0)[:, np.newaxis]
            arrived[projection.target][lag:] |= reached[:-lag]
    arriving = _coming(program, state, steps)
    for population, train in zip(program.populations, arrived, strict=True):
        train[: len(arriving)] |= arriving[:, population.neurons]
    active = np.array([train.sum(axis=1) for train in arrived], np.int64)
    sizes = np.array([p.size for p in program.populations], np.int64)
    return Counters(
        steps=executed,
        spikes=by_phase(numbers[:n_pops]),
        neuron_updates=executed[:, np.newaxis] * sizes,
        active_updates=by_phase(active),
        wraps=np.zeros((program.period, n_pops), np.int64) if wraps is None else wraps,
        synaptic_operations=by_phase(operations),
        learning_visits=by_phase(visits),
        synaptic_updates=by_phase(updates),
    )


def _coming(program: Program, state: State | None, steps: int) -> np.ndarray:
    """Where something was already on its way, a row for each coming step."""
    if state is None:
        state = program.state({n: np.zeros((r, c), int) for n, r, c in program.parameters})
    rows = (state.step + np.arange(min(program.n_slots, steps))) % program.n_slots
    return state.arriving[rows]


@dataclass
class Replay:
    """What `replay` found.

    Attributes
    ----------
    state : State
        The chip after the last step, had it sent the given spikes.
    wraps : ndarray of int64, shape (period, n_populations)
        Additions that left a register.
    differing : int
        Spikes given or missing against the chip's rule.
    first : tuple (step, population, neuron) or None
        The earliest of them.
    dead : ndarray of bool, shape (n_neurons,)
        Neurons in their refractory time during the last step.
    """

    state: State
    wraps: Int64[np.ndarray, "period n_populations"]
    differing: int
    first: tuple[int, str, int] | None
    dead: Bool[np.ndarray, "n_neurons"]


def replay(
    program: Program,
    state: State,
    trains: Mapping[str, Bool[np.ndarray, "n_steps _"]],
    strict: bool = False,
) -> Replay:
    """Follow `trains` from `state` with the chip's rules, the given spikes forced.

    Parameters
    ----------
    program : Program
    state : State
        Left unchanged.
    trains : mapping of str to ndarray of bool, shape (n_steps, size)
        Spikes of every population, and of every source but the kick.
    strict : bool
        Raise ChipError on a register wrap, or a coincidence outside the learning phases.

    Returns
    -------
    Replay
    """
    steps = _steps(program, trains)
    state = state.copy()
    first = state.step
    pops, n_pops, slots = program.populations, len(program.populations), program.n_slots
    sizes = [p.size for p in pops]

    def per_neuron(name: str) -> np.ndarray:
        return np.repeat(np.array([getattr(p, name) for p in pops], np.int64), sizes)

    bias, threshold, dead_steps = (per_neuron(n) for n in ("bias", "threshold", "refractory"))
    dead_steps = dead_steps - 1
    du, dv = per_neuron("du"), per_neuron("dv")
    given = np.concatenate([trains[p.name] for p in pops], axis=1)
    silent = np.zeros((steps, 0), bool)  # the kick, which was before the first step
    indices = [
        [np.flatnonzero(row) for row in trains.get(sender.name, silent)]
        for sender in program.senders
    ]
    outgoing: list[list[ProjectionCode]] = [[] for _ in program.senders]
    for projection in program.projections:
        outgoing[projection.source].append(projection)

    found = Replay(state, np.zeros((program.period, n_pops), np.int64), 0, None,
                   np.zeros(program.n_neurons, bool))  # fmt: skip
    starts = [p.start for p in pops]
    u, v, dead = (a.astype(np.int64) for a in (state.u, state.v, state.dead))
    pending, arriving = state.pending, state.arriving
    for step in range(steps):
        now = first + step
        p, slot = now % program.period, now % slots
        found.dead = dead > 0
        current = decay(u, du) + pending[slot]
        u = wrap(current)
        membrane = np.where(found.dead, 0, decay(v, dv) + u + bias)
        v = wrap(membrane)
        wrapped = (current != u).astype(np.int64) + (membrane != v)
        if wrapped.any():
            found.wraps[p] += np.add.reduceat(wrapped, starts)
            if strict:
                name, _ = _neuron(program, int(np.argmax(wrapped)))
                raise strict_error(program, now, "register wrap", f"population {name}")
        spikes = given[step]
        differ = spikes != (~found.dead & (v > threshold))
        if differ.any():
            found.differing += int(differ.sum())
            if found.first is None:
                found.first = (now, *_neuron(program, int(np.argmax(differ))))
        v[spikes] = 0
        dead = np.where(spikes, dead_steps, np.maximum(dead - 1, 0))
        pending[slot], arriving[slot] = 0, False
        for spiked, projections in zip(indices, outgoing, strict=True):
            if spiked[step].size:
                for projection in projections:
                    _deliver(program, state, projection, spiked[step], now)
        dw = program.dw_reward if program.reward[p] else program.dw_otherwise
        for projection in program.projections:
            if projection.plastic:
                pre, post = indices[projection.source][step], indices[projection.target][step]
                if pre.size and post.size:
                    if strict and p not in projection.scheduled:
                        raise strict_error(program, now, "unscheduled learning", projection.name)
                    pairs = np.ix_(post, pre)
                    matrix = state.weights[projection.name]
                    matrix[pairs] = clip_weight(matrix[pairs] + dw)
    state.step = first + steps
    state.u, state.v, state.dead = (a.astype(np.int32) for a in (u, v, dead))
    return found


def _deliver(
    program: Program, state: State, projection: ProjectionCode, senders: np.ndarray, now: int
) -> None:
    target = program.populations[projection.target]
    slot = (now + 1 + projection.delay) % program.n_slots
    pending = state.pending[slot, target.neurons]
    arriving = state.arriving[slot, target.neurons]
    if projection.connect == ONE_TO_ONE:
        pending[senders] += projection.mantissa << projection.shift
        arriving[senders] = True
        return
    if projection.matrix == NO_MATRIX:
        pending += senders.size * projection.mantissa << projection.shift
    else:
        matrix = state.weights[projection.name]
        pending += matrix[:, senders].sum(axis=1, dtype=np.int64) << projection.shift
    arriving[:] = True


def _neuron(program: Program, number: int) -> tuple[str, int]:
    """Population and index of neuron `number` of the program."""
    for population in program.populations:
        if number < population.start + population.size:
            return population.name, number - population.start
    raise IndexError(number)
