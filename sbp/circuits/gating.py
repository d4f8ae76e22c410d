"""Gating: the two neurons, the synapse kinds, the ring, and a chain that relays a pattern.

A ring of gate neurons passes one spike around.  Each gate lifts chosen populations from far
below threshold to just below it for exactly one step; only then can another input fire them.
Source: Renner et al. 2024, section on synfire gating; Methods, parameter tables.

Weights are in weight units; a `ParameterSet` gives them all.  At weight exponent 0 the threshold
is 1024 and a relay's bias -8192.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from sbp.errors import SpecError, check_kind, check_name
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
    whole,
)

BIAS = -8192  #: holds an ungated relay far below threshold, whatever the weight exponent
EXPONENT_LEAST = -3  #: the gate's 8192 + 512 * 2**e = 2**(9+e) * (2**(4-e) + 1) needs 9 bits below


@dataclass(frozen=True)
class ParameterSet:
    r"""The numbers of a circuit: its neurons and what every kind of synapse weighs.

    With the threshold :math:`\theta = 1024 \cdot 2^e` all that has to do with a sum of plastic
    weights scales; the bias and the closing weight stay, so that closed populations hold larger
    sums, in mantissas, the smaller e is.

    Parameters
    ----------
    name : str
    close : int
        Weight of the kind "close", weight units.
    refractory : int
        Refractory delay of a relay; 1 means that no step is dead.
    closings : tuple of (str, str)
        Of the learning circuit: a gate, and the populations that it holds shut.
    excess : int or None
        What a copy is above half the threshold, weight units; None: the last digit of half the
        threshold as an 8-bit mantissa.
    weight_exponent : int
        e, -3 .. 0: a plastic synapse delivers mantissa * 2**e.
    """

    name: str
    close: int
    refractory: int
    closings: tuple[tuple[str, str], ...]
    excess: int | None
    weight_exponent: int = 0

    def __post_init__(self) -> None:
        if not is_whole(self.weight_exponent) or not EXPONENT_LEAST <= self.weight_exponent <= 0:
            raise SpecError(
                f"weight exponent {self.weight_exponent!r}",
                allowed=f"whole numbers from {EXPONENT_LEAST} to 0 (below, the weight of a gate "
                "does not fit 8 bits; above, sums only have less room)",
            )
        object.__setattr__(self, "weight_exponent", int(self.weight_exponent))

    def _scaled(self, weight: int) -> int:
        return weight >> -self.weight_exponent

    @property
    def threshold(self) -> int:
        """Of every neuron."""
        return self._scaled(1024)

    @property
    def gate(self) -> int:
        """Lifts a relay to half threshold: it fires if its other input exceeds half of it."""
        return -BIAS + self.threshold // 2

    @property
    def copy(self) -> int:
        """A little more than half the threshold."""
        half = self.threshold // 2
        return half + (max(half >> 7, 1) if self.excess is None else self.excess)

    @cached_property
    def kinds(self) -> dict[str, tuple[int, Connect]]:
        """Weight and connection pattern of every fixed synapse kind."""
        return {
            # gate to next gate: fires it alone
            "ring": (-BIAS + self.threshold + 64, "all-to-all"),
            "gate": (self.gate, "all-to-all"),
            # on top of a gate: fires if the other input > 0
            "gate_lt": (self.threshold // 2, "all-to-all"),
            # instead of a gate: fires if the other input > threshold
            "gate_gt": (-BIAS, "all-to-all"),
            # holds a population shut for one step
            "close": (self.close, "all-to-all"),
            # one spike relays one spike through an open gate
            "copy": (self.copy, "one-to-one"),
            # cancels one copy
            "veto": (-self.copy, "one-to-one"),
        }

    @cached_property
    def relay(self) -> Neuron:
        """Silent unless a gate lifts it."""
        return Neuron(BIAS * SCALE, self.threshold, self.refractory)

    @cached_property
    def relay_no_refractory(self) -> Neuron:
        """A relay that may fire in consecutive steps."""
        return Neuron(BIAS * SCALE, self.threshold, refractory=1)

    @cached_property
    def gate_neuron(self) -> Neuron:
        """A neuron of the ring."""
        return Neuron(0, self.threshold, refractory=1)

    @property
    def ungated_limit(self) -> int:
        """A relay without a gate fires if its input exceeds this; mantissas."""
        return (self.threshold - BIAS) << -self.weight_exponent

    @property
    def closed_limit(self) -> int:
        """... and a closed one beyond this; mantissas."""
        return (self.threshold - BIAS - self.close) << -self.weight_exponent


#: the authors' code since 15 August 2024
RELEASED = ParameterSet(
    name="released",
    close=-8128,
    refractory=2,
    closings=(
        ("g4", "hT o-"),
        ("g6", "o o< o>"),
        ("g8", "h h< h>"),
        ("g10", "o o< o>"),
        ("g0", "o o< o>"),
    ),
    excess=8,
)
#: the authors' code before that day: no refractory time, a closing weight of twice the size,
#: twelve more closing projections, none on o-, and copies of 516
BEFORE_AUGUST_2024 = ParameterSet(
    name="before-august-2024",
    close=-16256,
    refractory=1,
    closings=(
        ("g4", "hT"),
        ("g6", "o o< o> h h< h>"),
        ("g8", "h h< h> o o< o>"),
        ("g10", "o o< o> h h< h>"),
        ("g0", "o o< o> h h< h>"),
    ),
    excess=None,
)
PARAMETER_SETS = {parameters.name: parameters for parameters in (RELEASED, BEFORE_AUGUST_2024)}


def parameter_set(name: str, weight_exponent: int = 0) -> ParameterSet:
    """The parameter set called `name` at `weight_exponent`; SpecError if there is none."""
    check_name("parameter set", name, PARAMETER_SETS)
    return replace(PARAMETER_SETS[name], weight_exponent=weight_exponent)


# The released numbers at weight exponent 0, each under its own name.
THRESHOLD = RELEASED.threshold
RING, GATE, GATE_LT, GATE_GT, CLOSE, COPY, VETO = (weight for weight, _ in RELEASED.kinds.values())
RELAY, RELAY_NO_REFRACTORY = RELEASED.relay, RELEASED.relay_no_refractory
GATE_NEURON = RELEASED.gate_neuron
UNGATED_LIMIT, CLOSED_LIMIT = RELEASED.ungated_limit, RELEASED.closed_limit


@dataclass
class Wiring:
    """Collects the projections of a circuit, one readable line each.

    Parameters
    ----------
    numbers : ParameterSet
        What the kinds of synapses weigh.
    """

    numbers: ParameterSet = RELEASED
    projections: list[Projection] = field(default_factory=list)

    def connect(
        self, source: str, targets: str, kind: str, *delays: int, one_to_one: bool = False
    ) -> None:
        """Connect `source` to every population in `targets` (space-separated), once per delay.

        `kind` is a name of `ParameterSet.kinds`; `one_to_one` overrides a gate's all-to-all
        pattern, for populations that gate each other neuron by neuron.
        """
        other = "any other is a Projection with a label of its own"
        check_kind(f"what {source} sends to", targets, str, "names with spaces between them")
        check_name(
            "kind of synapse", kind, self.numbers.kinds, owner=f"{source} -> {targets}", do=other
        )
        weight, pattern = self.numbers.kinds[kind]
        if one_to_one:
            pattern = "one-to-one"
        for target in targets.split():
            for delay in delays or (0,):
                self.projections.append(Projection(source, target, kind, weight, pattern, delay))

    def plastic(self, source: str, targets: str, weight: MatrixWeight) -> None:
        """Connect `source` to every population in `targets` with the same matrix.

        The parameter set's exponent is added to its own.
        """
        check_kind(f"what {source} sends to", targets, str, "names with spaces between them")
        check_kind(f"{source} -> {targets}: the weight", weight, MatrixWeight)
        weight = replace(weight, exponent=weight.exponent + self.numbers.weight_exponent)
        for target in targets.split():
            self.projections.append(
                Projection(source, target, "plastic" if weight.plastic else "matrix", weight,
                           "all-to-all")
            )  # fmt: skip

    def ring(self, length: int) -> tuple[Population, ...]:
        """Close a ring of `length` gates g0, g1, ... and start it with the kick.

        The kick reaches g1 in the very first step, so g(p+1) fires in phase p.
        """
        whole("ring", "length", length, 1, MAX_RING)
        for k in range(length):
            self.connect(f"g{k}", f"g{(k + 1) % length}", "ring")
        self.connect("kick", f"g{1 % length}", "ring")
        return tuple(Population(f"g{k}", 1, self.numbers.gate_neuron) for k in range(length))


MAX_RING = 1 << 16  #: gates
KICK = Source("kick", 1, phase=None)


def ring_phases(
    length: int, fires: Mapping[int, Phase], note_otherwise: str = ""
) -> tuple[Phase, ...]:
    """Phases 0 .. length-1 with the ring's own firing, g(p+1) in phase p, added to each."""
    whole("ring", "length", length, 1, MAX_RING)
    check_kind("what fires in the ring's phases", fires, Mapping)
    for p, phase in fires.items():
        whole("ring", "phase", p, 0, length - 1)
        check_kind(f"phase {p}", phase, Phase)
    phases = []
    for p in range(length):
        phase = fires.get(p, Phase(note=note_otherwise))
        gate = f"g{(p + 1) % length}"
        phases.append(replace(phase, fires=(*phase.fires, gate)))
    return tuple(phases)


def gating_chain(
    size: int, stages: int, ring: int | None = None, weight_exponent: int = 0
) -> Circuit:
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
    weight_exponent : int
        Of the parameter set, -3 .. 0; a chain has no plastic weights, so only its own change.

    Notes
    -----
    Gate g(k mod ring) opens stage k.  Two gates is the least: a relay has one dead step after a
    spike, so it can relay in every second step at most.

    Raises
    ------
    SpecError
        For a number that is out of range.
    """
    (size, stages) = check_sizes((size, stages), (2, 2), "gating chain (size, stages)")
    ring = stages + 1 if ring is None else ring
    if not is_whole(ring) or not 2 <= ring <= 1 << 12:
        raise SpecError(
            f"gating chain: ring is {ring!r}",
            allowed="2 to 4096 gates (a relay is dead for one step after a spike)",
        )
    ring = int(ring)
    numbers = parameter_set("released", weight_exponent)
    wiring = Wiring(numbers)
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
        populations=(
            *(Population(f"s{k}", size, numbers.relay) for k in range(1, stages + 1)),
            *gates,
        ),
        projections=tuple(wiring.projections),
        phases=ring_phases(ring, fires),
        weight_exponent=numbers.weight_exponent,
    )
