"""Gating: the two neurons, the synapse kinds, the ring, and a chain that relays a pattern.

A ring of gate neurons passes one spike around.  Each gate lifts chosen populations from far
below threshold to just below it for exactly one step; only then can another input fire them.
Source: Renner et al. 2024, section on synfire gating; Methods, parameter tables.

All weights are in weight units: threshold 1024, a relay's bias -8192.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sbp.errors import SpecError
from sbp.loihi import SCALE
from sbp.spec import (
    Circuit,
    Connect,
    MatrixWeight,
    Neuron,
    Phase,
    Population,
    Projection,
    Source,
    check_sizes,
    is_whole,
)

BIAS = -8192  #: holds an ungated relay far below threshold
THRESHOLD = 1024

RING = 9280  #: gate to next gate: fires it alone
GATE = 8704  #: 8192 + 512: lifts a relay to half threshold; it fires if its other input > 512
GATE_LT = 512  #: on top of GATE: fires if the other input > 0
GATE_GT = 8192  #: instead of GATE: fires if the other input > 1024
CLOSE = -8128  #: holds a population shut for one step
COPY = 520  #: one spike relays one spike through an open gate
VETO = -520  #: cancels one copy

RELAY = Neuron(bias=BIAS * SCALE, threshold=THRESHOLD, refractory=2)
RELAY_NO_REFRACTORY = Neuron(bias=BIAS * SCALE, threshold=THRESHOLD, refractory=1)
GATE_NEURON = Neuron(bias=0, threshold=THRESHOLD, refractory=1)

#: weight and connection pattern of every fixed synapse kind
KINDS: dict[str, tuple[int, Connect]] = {
    "ring": (RING, "all-to-all"),
    "gate": (GATE, "all-to-all"),
    "gate_lt": (GATE_LT, "all-to-all"),
    "gate_gt": (GATE_GT, "all-to-all"),
    "close": (CLOSE, "all-to-all"),
    "copy": (COPY, "one-to-one"),
    "veto": (VETO, "one-to-one"),
}

UNGATED_LIMIT = THRESHOLD - BIAS  #: a relay without a gate fires if its input exceeds this (9216)
CLOSED_LIMIT = UNGATED_LIMIT - CLOSE  #: ... and a closed one beyond this (17344)


@dataclass
class Wiring:
    """Collects the projections of a circuit, one readable line each."""

    projections: list[Projection] = field(default_factory=list)

    def connect(
        self, source: str, targets: str, kind: str, *delays: int, one_to_one: bool = False
    ) -> None:
        """Connect `source` to every population in `targets` (space-separated), once per delay.

        `kind` is a name of `KINDS`; `one_to_one` overrides a gate's all-to-all pattern, for
        populations that gate each other neuron by neuron.
        """
        weight, pattern = KINDS[kind]
        if one_to_one:
            pattern = "one-to-one"
        for target in targets.split():
            for delay in delays or (0,):
                self.projections.append(Projection(source, target, kind, weight, pattern, delay))

    def plastic(self, source: str, targets: str, weight: MatrixWeight) -> None:
        """Connect `source` to every population in `targets` with the same matrix."""
        for target in targets.split():
            self.projections.append(
                Projection(source, target, "plastic" if weight.plastic else "matrix", weight,
                           "all-to-all")
            )  # fmt: skip

    def ring(self, length: int) -> tuple[Population, ...]:
        """Close a ring of `length` gates g0, g1, ... and start it with the kick.

        The kick reaches g1 in the very first step, so g(p+1) fires in phase p.
        """
        for k in range(length):
            self.connect(f"g{k}", f"g{(k + 1) % length}", "ring")
        self.connect("kick", f"g{1 % length}", "ring")
        return tuple(Population(f"g{k}", 1, GATE_NEURON) for k in range(length))


KICK = Source("kick", 1, phase=None)


def ring_phases(
    length: int, fires: dict[int, Phase], note_otherwise: str = ""
) -> tuple[Phase, ...]:
    """Phases 0 .. length-1 with the ring's own firing, g(p+1) in phase p, added to each."""
    phases = []
    for p in range(length):
        phase = fires.get(p, Phase(note=note_otherwise))
        gate = f"g{(p + 1) % length}"
        phases.append(Phase((*phase.fires, gate), phase.learns, phase.reward, phase.note))
    return tuple(phases)


def gating_chain(size: int, stages: int, ring: int | None = None) -> Circuit:
    """A pattern handed from stage to stage, one step each, by a ring of gates.

    Parameters
    ----------
    size : int
        Neurons of each stage (and lines of the source `input`).
    stages : int
        Number of relay populations s1, s2, ...; the pattern given at phase 0 of a sample is in
        stage k exactly k steps later.
    ring : int, optional
        Gates in the ring, 2 or more; default ``stages + 1``.  A ring shorter than the chain
        carries several patterns at once, one every `ring` steps.

    Notes
    -----
    Gate g(k mod ring) opens stage k.  Two gates is the least: a relay has one dead step after a
    spike, so it can relay in every second step at most.
    """
    (size, stages) = check_sizes((size, stages), (2, 2), "gating chain (size, stages)")
    ring = stages + 1 if ring is None else ring
    if not is_whole(ring) or not 2 <= ring <= 1 << 12:
        raise SpecError(
            f"gating chain: ring is {ring!r}",
            allowed="2 to 4096 gates (a relay is dead for one step after a spike)",
        )
    ring = int(ring)
    wiring = Wiring()
    wiring.connect("input", "s1", "copy")
    for k in range(1, stages):
        wiring.connect(f"s{k}", f"s{k + 1}", "copy")
    for k in range(1, stages + 1):
        wiring.connect(f"g{k % ring}", f"s{k}", "gate")
    gates = wiring.ring(ring)
    fires = {
        p: Phase(tuple(f"s{k}" for k in range(1, stages + 1) if k % ring == p)) for p in range(ring)
    }
    return Circuit(
        name="gating_chain",
        sizes=(size,) * (stages + 1),
        sources=(Source("input", size, phase=0), KICK),
        populations=(*(Population(f"s{k}", size, RELAY) for k in range(1, stages + 1)), *gates),
        projections=tuple(wiring.projections),
        phases=ring_phases(ring, fires),
    )
