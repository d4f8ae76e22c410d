"""The reference engine: one statement for each rule of the chip.  The definition of the others.

NumPy on whole-network vectors; any `Circuit`, slow on purpose, short enough to print.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbp.loihi import clip_weight, decay, wrap
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program, State
from sbp.run import NOTHING, Counters, Record, Run, strict_error, warn_once

NAME = "reference"


def run(
    program: Program,
    state: State,
    stimulus: Mapping[str, np.ndarray] | None = None,
    steps: int | None = None,
    *,
    record: Record = NOTHING,
    strict: bool = False,
) -> Run:
    """Run `program` from `state`.

    Parameters
    ----------
    program : Program
    state : State
        Left unchanged; the run's own `state` is a new one.
    stimulus : mapping of str to ndarray, shape (n_samples, size)
        Entries 0 or 1 for each source; row i is emitted at step ``i * period + phase``, counted
        from the sample in which the run starts.  Sources left out stay silent.
    steps : int, optional
        Default: to the end of the last sample of `stimulus`.
    record : Record
        What to keep; nothing by default.
    strict : bool
        Raise on a register wrap or a coincidence outside the scheduled learning phases.

    Returns
    -------
    Run

    Raises
    ------
    SpecError
        For a stimulus, state or record that does not fit.
    ChipError
        In strict mode only.
    """
    stimulus = program.check_stimulus(stimulus or {})
    samples = len(next(iter(stimulus.values()))) if stimulus else 0
    state, first = state.copy(), state.step
    steps = program.steps_of(stimulus, first) if steps is None else steps
    counters = Counters.zeros(program)
    keep = record.steps(program, first, steps)
    kept = {what: {n: [] for n in record.names(program, what)} for what in ("spikes", "u", "v")}
    wanted = set(keep.tolist())

    def per_neuron(field: str) -> np.ndarray:
        values = [getattr(population, field) for population in program.populations]
        return np.repeat(np.array(values, np.int64), [p.size for p in program.populations])

    bias, threshold, refractory = map(per_neuron, ("bias", "threshold", "refractory"))
    du, dv = map(per_neuron, ("du", "dv"))
    u, v, dead = (a.astype(np.int64) for a in (state.u, state.v, state.dead))
    pending, arriving, weights = state.pending, state.arriving, state.weights

    for step in range(steps):
        now = first + step
        p, slot = now % program.period, now % program.n_slots
        alive = dead == 0

        # (1) synaptic current, (2) membrane potential outside the refractory time
        current = decay(u, du) + pending[slot]
        u = wrap(current)
        membrane = np.where(alive, decay(v, dv) + u + bias, 0)
        v = wrap(membrane)
        wraps = np.add((current != u), (membrane != v), dtype=np.int64)

        # (3) spike, reset, refractory time
        spiked = alive & (v > threshold)
        v[spiked] = 0
        dead = np.where(spiked, refractory - 1, np.maximum(dead - 1, 0))
        active = arriving[slot].copy()
        pending[slot], arriving[slot] = 0, False

        trains = [spiked[population.neurons] for population in program.populations]
        sample = now // program.period - first // program.period
        trains += [
            stimulus[source.name][sample].astype(bool)
            if p == source.phase and sample < samples
            else np.zeros(source.size, bool)
            for source in program.sources
        ]

        # (4) spikes go onto their synapses with the weight of this moment
        for projection in program.projections:
            train = trains[projection.source]
            if train.any():
                target = program.populations[projection.target].neurons
                then = (now + 1 + projection.delay) % program.n_slots
                if projection.matrix != NO_MATRIX:
                    arrival = weights[projection.name][:, train].sum(axis=1, dtype=np.int64)
                elif projection.connect == ONE_TO_ONE:
                    arrival = train * np.int64(projection.mantissa)
                else:
                    arrival = train.sum() * np.int64(projection.mantissa)
                pending[then, target] += arrival << projection.shift
                arriving[then, target] |= train if projection.connect == ONE_TO_ONE else True

        # (5) learning: every plastic synapse whose two neurons spiked in this step
        dw = program.dw_reward if program.reward[p] else program.dw_otherwise
        for i, projection in enumerate(program.projections):
            pre = trains[projection.source]
            if projection.source < len(program.populations):
                fan_out = 1
                if projection.connect != ONE_TO_ONE:
                    fan_out = program.populations[projection.target].size
                counters.synaptic_operations[p, i] += pre.sum() * fan_out
            if projection.plastic:
                post = trains[projection.target]
                pairs = np.ix_(post, pre)
                matrix = weights[projection.name]
                matrix[pairs] = clip_weight(matrix[pairs] + dw)
                counters.learning_visits[p, i] += pre.sum() * len(post)
                counters.synaptic_updates[p, i] += pre.sum() * post.sum()
                if strict and pre.any() and post.any() and p not in projection.scheduled:
                    raise strict_error(program, now, "unscheduled learning", projection.name)

        counters.steps[p] += 1
        for i, population in enumerate(program.populations):
            counters.spikes[p, i] += trains[i].sum()
            counters.neuron_updates[p, i] += population.size
            counters.active_updates[p, i] += active[population.neurons].sum()
            counters.wraps[p, i] += wraps[population.neurons].sum()
            if strict and wraps[population.neurons].any():
                neuron = int(np.argmax(wraps[population.neurons]))
                where = f"population {population.name}, neuron {neuron}"
                raise strict_error(program, now, "register wrap", where)
        if step in wanted:
            for number, sender in enumerate(program.senders):
                if sender.name in kept["spikes"]:
                    kept["spikes"][sender.name].append(trains[number])
            for what, register in (("u", u), ("v", v)):
                for name, rows in kept[what].items():
                    rows.append(register[program.populations[program.index(name)].neurons].copy())

    state.step = first + steps
    state.u, state.v, state.dead = (a.astype(np.int32) for a in (u, v, dead))
    sizes = {sender.name: sender.size for sender in program.senders}

    def stack(what: str, dtype: type) -> dict[str, np.ndarray]:
        return {
            name: np.array(rows, dtype).reshape(len(keep), sizes[name])
            for name, rows in kept[what].items()
        }

    result = Run(
        program, first, steps, keep, stack("spikes", bool), stack("u", np.int32),
        stack("v", np.int32), state, counters, NAME,
    )  # fmt: skip
    warn_once(result)
    return result

