"""When the wiring itself opens each population: read from the synapses, not from declared phases.

A circuit says in its phases what it is meant to do.  Take a gate's synapse away and it still says
so.  What a picture shows as open is worked out here, from the kick along the ring to every gate,
and from there to the populations.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

from sbp.loihi import SCALE
from sbp.spec import Circuit, Projection

GATING = ("gate", "gate_lt", "gate_gt")  #: kinds by which populations open each other


@dataclass(frozen=True)
class Timing:
    """When gates fire and populations are open, in a circuit as it is wired.

    Attributes
    ----------
    gates : mapping of str to frozenset of int
        Gate of the ring -> phases in which it fires.
    opened : mapping of (str, int) to float
        (population, phase) -> the input, in thresholds, beyond which it fires; only where that is
        1 or less.  What needs no gate is open in the phases that the circuit declares, and what
        others open, neuron by neuron, in no phases but those: which spikes a veto cancels, the
        wiring alone does not tell.
    lasts : bool
        Whether the ring is whole.  If not, all of this holds for the first sample alone.
    """

    gates: dict[str, frozenset[int]]
    opened: dict[tuple[str, int], float]
    lasts: bool

    def is_open(self, name: str, phase: int) -> bool:
        """Whether `name` may fire in `phase`."""
        return (name, phase) in self.opened


@lru_cache(maxsize=16)  # a picture asks for every phase and every row
def timing(circuit: Circuit, declared: bool = True) -> Timing:
    """When gates fire and populations are open in `circuit`, from its synapses.

    Parameters
    ----------
    circuit : Circuit
    declared : bool
        Whether populations that open each other may do so only where the circuit declares it; if
        not, they do wherever the one that opens is open itself.
    """
    ring = [p for p in circuit.projections if p.kind == "ring"]
    members = ring_of(circuit)
    if not ring:  # nothing tells the time: what is declared has to do
        meant = {(n, p): 0.5 for p, phase in enumerate(circuit.phases) for n in phase.fires}
        return Timing({}, meant, True)
    fires, lasts = _round(circuit, ring)
    opened: dict[tuple[str, int], float] = {}
    for population in circuit.populations:
        neuron = population.neuron
        if population.name not in members and neuron.bias >= 0:
            for p, phase in enumerate(circuit.phases):
                if population.name in phase.fires:
                    opened[population.name, p] = 1 - neuron.bias / SCALE / (neuron.threshold or 1)
    while True:  # populations that open each other may form chains: until nothing is new
        found = _opened(circuit, fires, opened, declared)
        if found.keys() <= opened.keys():
            return Timing(fires, opened | found, lasts)
        opened |= found


def ring_of(circuit: Circuit) -> list[str]:
    """The gates of the ring, in the circuit's order; also those that a cut has left without one."""
    ends = {name for p in circuit.projections if p.kind == "ring" for name in (p.source, p.target)}
    return [p.name for p in circuit.populations if p.name in ends]


def _opened(
    circuit: Circuit,
    fires: dict[str, frozenset[int]],
    opened: dict[tuple[str, int], float],
    declared: bool,
) -> dict[tuple[str, int], float]:
    """What gates of the ring open, and what the populations open that are open already."""
    sends = dict(fires)
    for name, phase in opened:
        sends[name] = sends.get(name, frozenset()) | {phase}
    lift: dict[tuple[str, int], int] = defaultdict(int)
    by_others = set()
    for p in circuit.projections:
        if p.target in fires:
            continue
        at = {(p.target, (q + 1 + p.delay) % circuit.period) for q in sends.get(p.source, ())}
        if isinstance(p.weight, int) and (p.source in fires or p.kind in GATING):
            for place in at:
                lift[place] += p.weight
            if p.source not in fires:
                by_others |= at
    found = {}
    for (name, phase), weight in lift.items():
        neuron = circuit.population(name).neuron
        needs = (neuron.threshold - neuron.bias / SCALE - weight) / (neuron.threshold or 1)
        trusted = not declared or name in circuit.phases[phase].fires
        if needs <= 1 and (trusted or (name, phase) not in by_others):
            found[name, phase] = needs
    return found


def _round(circuit: Circuit, ring: list[Projection]) -> tuple[dict[str, frozenset[int]], bool]:
    """The phases in which each gate fires, from the kick on; whether the spike goes round."""
    once = {source.name for source in circuit.sources if source.phase is None}
    todo = [(p.target, p.delay % circuit.period) for p in ring if p.source in once]
    found: dict[str, set[int]] = {name: set() for name in ring_of(circuit)}
    lasts = False
    while todo:
        gate, phase = todo.pop()
        if phase in found[gate]:
            lasts = True
            continue
        found[gate].add(phase)
        todo += [
            (p.target, (phase + 1 + p.delay) % circuit.period) for p in ring if p.source == gate
        ]
    return {gate: frozenset(phases) for gate, phases in found.items()}, lasts
