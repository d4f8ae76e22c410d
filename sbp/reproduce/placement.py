"""Which core of the chip holds which neuron: the rule of the authors' released code.

Populations that plastic synapses reach are spread over cores 2 to 80, gates over cores 40 to 95,
all others over cores 16 to 95, each population from the start of its range, with as many neurons
to a core as it takes to fit:  ``core = start + i // ceil(size / (end - start))``.  For 400-400-10
that takes exactly 81 cores, 2 to 82, as the paper says, learning and inference alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sbp import loihi
from sbp.program import NO_MATRIX, Program

#: First and last core, by what a population is.
PLASTIC, GATES, OTHERS = (2, 80), (40, 95), (16, 95)


def _cores(numbers: np.ndarray, size: int, first_last: tuple[int, int]) -> np.ndarray:
    start, end = first_last
    return start + numbers // -(-size // (end - start))


def is_gate(name: str) -> bool:
    """Whether a population is a gate of the ring: g0, g1, ..."""
    return name[:1] == "g" and name[1:].isdigit()


def cores_of(program: Program) -> dict[str, np.ndarray]:
    """The core of every neuron: population -> ndarray of int, shape (size,)."""
    reached = {p.target for p in program.projections if p.matrix != NO_MATRIX}
    gates = [p.name for p in program.populations if is_gate(p.name)]
    placed = {}
    for number, population in enumerate(program.populations):
        own, size = np.arange(population.size), population.size
        if population.name in gates:
            own, size, where = own + gates.index(population.name), len(gates), GATES
        else:
            where = PLASTIC if number in reached else OTHERS
        placed[population.name] = _cores(own, size, where)
    return placed


class Load(NamedTuple):
    """What a placement asks of the chip.

    Attributes
    ----------
    cores : int
        Cores that hold a neuron.
    neurons : int
        In the fullest core.
    bits : int
        Weights of matrices in the core that holds most of them, at 8 bits each.
    fits : bool
        Whether all cores exist, and none holds more neurons or weights than a core can.
    """

    cores: int
    neurons: int
    bits: int
    fits: bool


def load(program: Program) -> Load:
    """What the released placement asks of the chip, weights counted at 8 bits each."""
    placed = cores_of(program)
    last = max(int(cores.max()) for cores in placed.values())
    neurons, bits = np.zeros(last + 1, np.int64), np.zeros(last + 1, np.int64)
    for cores in placed.values():
        np.add.at(neurons, cores, 1)
    for projection in program.projections:
        if projection.matrix != NO_MATRIX:
            cores = placed[program.populations[projection.target].name]
            np.add.at(bits, cores, 8 * program.senders[projection.source].size)
    fits = (
        last < loihi.CORES
        and neurons.max() <= loihi.NEURONS_PER_CORE
        and bits.max() <= loihi.SYNAPTIC_BITS_PER_CORE
    )
    return Load(int((neurons > 0).sum()), int(neurons.max()), int(bits.max()), bool(fits))


def shares(program: Program) -> np.ndarray:
    """Share of every population in every core: float, shape (n_populations, cores)."""
    placed = cores_of(program)
    found = np.zeros((len(program.populations), max(int(c.max()) for c in placed.values()) + 1))
    for row, population in zip(found, program.populations, strict=True):
        np.add.at(row, placed[population.name], 1 / population.size)
    return found


def work_by_core(program: Program, counters: Any, times: dict[str, float]) -> np.ndarray:
    """Mean work of a sample: ns, shape (period, cores).

    Parameters
    ----------
    counters : sbp.run.Counters
        Of whole samples.
    times : dict of str to float
        ns of one operation by kind; see `sbp.reproduce.energy.COSTS`.

    Notes
    -----
    A synaptic operation is done where the synapse is, in the core of its target, when the spike
    arrives; activity is taken to be spread evenly over the neurons of a population.
    """
    share = shares(program)
    samples = int(counters.steps[0])
    work = np.zeros((program.period, share.shape[1]))
    for number, projection in enumerate(program.projections):
        target = share[projection.target]
        # Spikes of phase p arrive in the next one, or later by the delay.
        arriving = np.roll(counters.synaptic_operations[:, number], 1 + projection.delay)
        work += np.outer(arriving * times["synaptic operation"], target)
        updates = counters.synaptic_updates[:, number] * times["synaptic update"]
        work += np.outer(updates, target)
    idle = counters.neuron_updates - counters.active_updates
    work += (counters.active_updates * times["active neuron update"]) @ share
    work += (idle * times["inactive neuron update"]) @ share
    return work / samples
