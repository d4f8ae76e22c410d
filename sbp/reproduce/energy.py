"""Modelled energy and latency: operation counts times published costs of an operation.

Everything from here is *modelled*.  The counts are exact (`sbp.run.Counters`); the costs are
those of Davies et al., *Loihi: a neuromorphic manycore processor with on-chip learning*, IEEE
Micro 38(1), 2018, Table 2 (pre-silicon circuit simulation, by its title); what the sum leaves
out is in `LEFT_OUT`.  The paper's measured values are in `MEASURED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sbp import loihi
from sbp.errors import SpecError
from sbp.program import NO_MATRIX, Program, lower
from sbp.reproduce.placement import work_by_core
from sbp.run import Counters
from sbp.spec import Circuit


class Cost(NamedTuple):
    """Energy (pJ) and time (ns) of one operation."""

    energy: float
    time: float


#: Published costs by kind of operation.  A spike's time passes between cores, while they compute.
COSTS = {
    "synaptic operation": Cost(23.6, 3.5),  # given as the least energy and the longest time
    "synaptic update": Cost(120.0, 6.1),  # given for pairwise STDP
    "active neuron update": Cost(81.0, 8.4),
    "inactive neuron update": Cost(52.0, 5.3),
    "spike": Cost(1.7, 0.0),  # within a tile: the shortest way
}
KINDS = tuple(COSTS)

#: What the model leaves out; most of it makes the modelled energy smaller than the chip's.
LEFT_OUT = (
    "static power (leakage) of the chip, also of the cores that hold nothing, for as long as a "
    "sample takes",
    "the chip's x86 cores, which hand in the images, labels and reward, and the way in and out of "
    "the chip",
    "hops of spikes between tiles (3 to 4 pJ each), and the message that each spike sends to every "
    "core it reaches",
    "learning visits: plastic synapses whose source spiked and whose target did not are fetched "
    "and evaluated too, at a cost that is not published by itself",
    "the learning engine's pass over pre- and postsynaptic traces in every learning step: what "
    "that may cost stands beside, as a range",
    "the barrier that ends every time step over the whole mesh, and waiting for the slowest core",
    "synaptic operations may cost more than the published least value",
)


class Measured(NamedTuple):
    """The authors' measurement of one sample on Loihi (Table 1), and what follows from it.

    10,000 samples, no probes but those of energy and time, board ncl-ext-ghrd-01; time and energy
    of the phases spiking, learning and management, without the host's (the authors' code).
    """

    energy: float  #: mJ
    latency: float  #: ms
    steps: int

    @property
    def product(self) -> float:
        """Energy-delay product, uJ s."""
        return self.energy * self.latency

    @property
    def power(self) -> float:
        """Average power, mW."""
        return 1e3 * self.energy / self.latency

    @property
    def step(self) -> float:
        """Time of a step, us."""
        return 1e3 * self.latency / self.steps


MEASURED = {"learning": Measured(0.59, 1.5, 12), "inference": Measured(0.0025, 0.17, 4)}


def kinds_of(program: Program, counters: Counters) -> dict[str, np.ndarray]:
    """Operations of each kind by phase: kind -> int64 (period,).

    Spikes of external sources and the kick are not counted: what hands them in is not modelled.
    """
    active = counters.active_updates.sum(axis=1)
    return {
        "synaptic operation": counters.synaptic_operations.sum(axis=1),
        "synaptic update": counters.synaptic_updates.sum(axis=1),
        "active neuron update": active,
        "inactive neuron update": counters.neuron_updates.sum(axis=1) - active,
        "spike": counters.spikes.sum(axis=1),
    }


def fewest_cores(circuit: Circuit) -> int:
    """The least number of cores that could hold `circuit`; no placement need reach it.

    Neurons: 1,024 a core.  Synaptic memory: 128 KiB a core, at 8 bits for each weight of a
    matrix, without the addresses and headers that the chip stores beside them.
    """
    by_neurons = -(-circuit.n_neurons // loihi.NEURONS_PER_CORE)
    return max(by_neurons, -(-matrix_bits(circuit) // loihi.SYNAPTIC_BITS_PER_CORE))


def matrix_bits(circuit: Circuit) -> int:
    """Bits of the weights of all matrices, 8 each: a lower bound of the synaptic memory."""
    program = lower(circuit)
    return 8 * sum(
        program.senders[p.source].size * program.populations[p.target].size
        for p in program.projections
        if p.matrix != NO_MATRIX
    )


@dataclass(frozen=True)
class Estimate:
    """Modelled cost of one sample, mean over the samples counted.

    Attributes
    ----------
    samples : int
        Samples the counters were summed over.
    operations : dict of str to ndarray of float, shape (period,)
        Operations of each kind in each phase.
    energy : dict of str to ndarray of float, shape (period,)
        pJ.
    time : dict of str to ndarray of float, shape (period,)
        ns of work, all cores together.
    cores : int
        `fewest_cores` of the circuit.
    fullest : ndarray of float, shape (period,)
        ns of work in the core that has most, by phase, for the released placement.
    learning : tuple of float
        pJ that the learning engine may take: if it looks at plastic synapses whose source spiked
        only, and if it looks at every plastic synapse in every step.
    """

    samples: int
    operations: dict[str, np.ndarray]
    energy: dict[str, np.ndarray]
    time: dict[str, np.ndarray]
    cores: int
    fullest: np.ndarray
    learning: tuple[float, float]

    @property
    def placed(self) -> float:
        """Latency, ms: every step lasts as long as the fullest core works, and no longer."""
        return 1e-6 * float(self.fullest.sum())

    @property
    def millijoules(self) -> float:
        """Energy, mJ."""
        return 1e-9 * float(sum(part.sum() for part in self.energy.values()))

    @property
    def milliseconds(self) -> float:
        """Time of all work, ms, as though one core did it in turn: no core is so slow."""
        return 1e-6 * float(sum(part.sum() for part in self.time.values()))

    @property
    def product(self) -> float:
        """Energy-delay product for the released placement, uJ s."""
        return self.millijoules * self.placed


def estimate(program: Program, counters: Counters) -> Estimate:
    """Model the cost of a sample from the counters of a run of whole samples.

    Parameters
    ----------
    program : Program
    counters : Counters
        Of a whole number of samples, one at least.

    Raises
    ------
    SpecError
        If some phases were executed more often than others, or none at all.
    """
    samples = int(counters.steps[0])
    if samples < 1 or (counters.steps != samples).any():
        raise SpecError(
            f"energy: the steps counted in each phase are {counters.steps.tolist()}",
            allowed="the same number in every phase, 1 or more",
            do="count whole samples",
        )
    operations = {kind: count / samples for kind, count in kinds_of(program, counters).items()}
    return Estimate(
        samples,
        operations,
        {kind: count * COSTS[kind].energy for kind, count in operations.items()},
        {kind: count * COSTS[kind].time for kind, count in operations.items()},
        fewest_cores(program.circuit),
        work_by_core(program, counters, {k: c.time for k, c in COSTS.items()}).max(axis=1),
        learning_engine(program, counters),
    )


def learning_engine(program: Program, counters: Counters) -> tuple[float, float]:
    """What the learning engine may take for a sample, pJ: least and most of our range.

    The cost of an update is published, that of looking at a synapse that then does not change is
    not.  Taken at the cost of an update: every plastic synapse whose source spiked, or every
    plastic synapse in every step, since the authors' rule has a learning epoch of one step.
    """
    plastic = sum(
        program.senders[p.source].size * program.populations[p.target].size
        for p in program.projections if p.plastic
    )  # fmt: skip
    each = COSTS["synaptic update"].energy
    visits = float(counters.learning_visits.sum()) / int(counters.steps[0])
    return each * visits, each * plastic * program.period
