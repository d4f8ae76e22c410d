"""Single-layer learning: the delta rule with spikes, in the shortest ring that keeps it clean.

Seven populations (x, o, o<, o>, t, d+, d-) and seven gates learn
``W += 2 (d+ - d-) x^T`` with ``d+ = t and not o and o<``, ``d- = o and not t and not o>``.

Why the ring has seven gates
----------------------------
1. x fires at p = 1, o and t at p = 2, the error d+, d- at p = 3: each is one synapse after the
   other, so none can be earlier.
2. Learning needs x and o = d+ in the same step, and d+ reaches o at p = 4 at the earliest.
3. Depression needs x and o = d- in one other step, without reward.  x has one dead step after
   a spike, so p = 5 is out: p = 6.
4. In the next sample x must fire again, with the new input.  After p = 6 it is dead in the next
   step, so the new input can be relayed 8 steps after p = 0 at the earliest: that is p = 1 of a
   ring of 7.  In a ring of 6 the x of depression (p = 6, that is p = 0) leaves x dead at p = 1
   and the next input is lost.

Pre and post meet nowhere else: x fires at 1, 4, 6 and o at 2, 4, 6.  What x at p = 4 and 6 sends
through W reaches o ungated at p = 5 and at p = 0 of the next sample; closing gates hold it there,
else a strong input (above 9216) would leave o dead in p = 6, or send a false error.
"""

from __future__ import annotations

from collections.abc import Iterable

from sbp.circuits.gating import KICK, Wiring, parameter_set, ring_phases
from sbp.spec import (
    Circuit,
    LearningRule,
    MatrixWeight,
    Parameter,
    Phase,
    Population,
    Source,
    check_sizes,
)

RING_LENGTH = 7

PHASES = {
    0: Phase(
        name="input", note="The input pattern is on its way to x; the output layer is held shut."
    ),
    1: Phase(("x",), name="x", note="x fires with the input pattern."),
    2: Phase(
        ("o", "o<", "o>", "t"),
        name="forward o",
        note="Output: W x against 512, 0, 1024; the target.",
    ),
    3: Phase(("d+", "d-"), name="error", note="The error, one population for each sign."),
    4: Phase(
        ("x", "o", "o<", "o>"),
        learns=("W",),
        reward=True,
        name="W grows",
        note="x again; o = d+: W grows.",
    ),
    5: Phase(name="shut", note="The output layer is held shut."),
    6: Phase(
        ("x", "o", "o<", "o>"), learns=("W",), name="W shrinks", note="x again; o = d-: W shrinks."
    ),
}


def single_layer_circuit(sizes: Iterable[int] = (400, 10), weight_exponent: int = 0) -> Circuit:
    """The delta rule with spikes: one sample in 7 steps.

    Parameters
    ----------
    sizes : sequence of two int
        (n_in, n_o).
    weight_exponent : int
        A plastic synapse delivers mantissa * 2**weight_exponent, -3 .. 0.

    Raises
    ------
    SpecError
        Unless there are exactly two positive sizes; for an exponent that does not exist.
    """
    n_in, n_o = sizes = check_sizes(sizes, (2, 2), "single-layer circuit (n_in, n_o)")
    numbers = parameter_set("released", weight_exponent)
    wiring = Wiring(numbers)
    connect = wiring.connect
    outputs = "o o< o>"

    connect("input", "x", "copy", 0, 3, 5)  # at p = 1, and again for learning at 4 and 6
    wiring.plastic("x", outputs, MatrixWeight("W"))
    connect("target", "t", "copy")

    connect("o<", "d+ d-", "gate", one_to_one=True)
    connect("o>", "d-", "veto")
    connect("o", "d-", "copy")
    connect("o", "d+", "veto")
    connect("t", "d-", "veto")
    connect("t", "d+", "copy")
    connect("d+", outputs, "copy")  # at p = 4
    connect("d-", outputs, "copy", 2)  # at p = 6

    connect("g1", "x", "gate")
    connect("g2", "o o< t", "gate")
    connect("g2", "o<", "gate_lt")
    connect("g2", "o>", "gate_gt")
    connect("g4", "x", "gate")
    connect("g4", outputs, "gate")
    connect("g5", outputs, "close")
    connect("g6", "x", "gate")
    connect("g6", outputs, "gate")
    connect("g0", outputs, "close")
    gates = wiring.ring(RING_LENGTH)

    return Circuit(
        name="single_layer",
        sizes=sizes,
        sources=(Source("input", n_in, phase=0), Source("target", n_o, phase=1), KICK),
        populations=(
            Population("x", n_in, numbers.relay),
            *(Population(name, n_o, numbers.relay) for name in "o o< o> t d+ d-".split()),
            *gates,
        ),
        projections=tuple(wiring.projections),
        phases=ring_phases(RING_LENGTH, PHASES),
        parameters=(Parameter("W", n_o, n_in),),
        rule=LearningRule(with_reward=+2, without=-2),
        weight_exponent=numbers.weight_exponent,
    )
