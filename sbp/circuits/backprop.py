"""The paper's learning circuit: backpropagation in twelve steps.

Source: Renner et al. 2024, Fig. 1 and 2, Methods (topology and parameter tables).  Names follow
the paper: ``<`` means "above 0", ``>`` means "above 1" (1024 weight units), so the derivative of
the truncated ReLU is ``h< and not h>``.
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

RING_LENGTH = 12

W1, W2 = MatrixWeight("W1"), MatrixWeight("W2")
W2_BACK = MatrixWeight("W2", transpose=True)
W2_BACK_NEGATIVE = MatrixWeight("W2", transpose=True, negate=True)

H, O = "h h< h>", "o o< o>"

LEARNING_PHASES = {
    0: Phase(name="input", note="The input pattern is on its way to x."),
    1: Phase(("x",), name="x", note="x fires with the input pattern."),
    2: Phase(
        ("h", "h<", "h>"),
        name="forward h",
        note="Hidden layer: W1 x against 512, 0 and 1024.",
    ),
    3: Phase(
        ("o", "o<", "o>", "t", "h_mem"),
        name="forward o",
        note="Output layer: W2 h against 512, 0 and 1024; the target arrives; h is remembered.",
    ),
    4: Phase(("d+", "d-"), name="error", note="The error, one population for each sign."),
    5: Phase(
        ("h", "hT", "o", "o<", "o>", "o-"),
        learns=("W2",),
        reward=True,
        name="W2 grows",
        note="h again, hT = h; o = d+, o- = d-: W2 grows where h and d+ meet.",
    ),
    6: Phase(
        ("hT", "x_mem", "h_box"),
        name="back +",
        note="hT is where W2 backward of (d+ - d-) is positive; the derivative waits in h_box.",
    ),
    7: Phase(
        ("x", "h", "h<", "h>"),
        learns=("W1",),
        reward=True,
        name="W1 grows",
        note="x again; h = hT and h_box: W1 grows where x and h meet.",
    ),
    8: Phase(name="shut", note="The hidden layer is held shut."),
    9: Phase(
        ("h", "hT", "o", "o<", "o>", "o-"),
        learns=("W2",),
        name="W2 shrinks",
        note="h again, hT = h; o = d-, o- = d+: W2 shrinks where h and d- meet.",
    ),
    10: Phase(("hT",), name="back -", note="hT is where W2 backward of (d+ - d-) is negative."),
    11: Phase(
        ("x", "h", "h<", "h>"),
        learns=("W1",),
        name="W1 shrinks",
        note="x again; h = hT and h_box: W1 shrinks where x and h meet.",
    ),
}


def learning_circuit(
    sizes: Iterable[int] = (400, 400, 10),
    weight_exponent: int = 0,
    parameters: str = "released",
) -> Circuit:
    """The circuit that learns: one sample in 12 steps.

    Parameters
    ----------
    sizes : sequence of three int
        (n_in, n_h, n_o); the paper's network is (400, 400, 10).
    weight_exponent : int
        A plastic synapse delivers mantissa * 2**weight_exponent, -3 .. 0.
    parameters : str
        A name of `sbp.circuits.gating.PARAMETER_SETS`.

    Returns
    -------
    Circuit
        3,282 neurons and 517,203 synapses, 500,000 of them plastic, at the paper's sizes.

    Raises
    ------
    SpecError
        Unless there are exactly three positive sizes; for an exponent or a parameter set that
        does not exist.
    """
    n_in, n_h, n_o = sizes = check_sizes(
        sizes, (3, 3), "learning circuit (n_in, n_h, n_o)", "the deep circuit takes 2 to 13 sizes"
    )
    numbers = parameter_set(parameters, weight_exponent)
    closed_by = dict(numbers.closings)
    wiring = Wiring(numbers)
    connect = wiring.connect

    # Forward pass, p = 0 .. 3.
    connect("input", "x", "copy")
    connect("x", "x_mem", "copy", 4)
    wiring.plastic("x", H, W1)
    connect("h", "h_mem", "copy")
    wiring.plastic("h", O, W2)
    connect("target", "t", "copy")

    # The error, p = 4: d+ = t and not o and o<;  d- = o and not t and not o>.
    connect("o<", "d+ d-", "gate", one_to_one=True)
    connect("o>", "d-", "veto")
    connect("o", "d-", "copy")
    connect("o", "d+", "veto")
    connect("t", "d-", "veto")
    connect("t", "d+", "copy")

    # It returns to the output layer, d+ at p = 5 and d- at p = 9, and o- takes the other one.
    connect("d+", O, "copy")
    connect("d+", "o-", "copy", 4)
    connect("d-", O, "copy", 4)
    connect("d-", "o-", "copy")

    # Where it meets the remembered h, p = 5 and 9, and goes back through W2, p = 6 and 10.
    connect("h_mem", "h hT", "copy", 1, 5)
    wiring.plastic("o", "hT", W2_BACK)
    wiring.plastic("o-", "hT", W2_BACK_NEGATIVE)

    # The hidden error, where the derivative lets it, meets the remembered x, p = 7 and 11.
    connect("hT", H, "copy")
    connect("x_mem", "x", "copy", 0, 4)
    connect("h<", "h_box", "copy", 3)
    connect("h>", "h_box", "veto", 3)
    connect("h_box", H, "gate", 0, 4, one_to_one=True)

    # The ring opens and closes the gates: what g(p) touches acts in phase p.
    connect("g1", "x", "gate")
    connect("g2", "h h<", "gate")
    connect("g2", "h<", "gate_lt")
    connect("g2", "h>", "gate_gt")
    connect("g3", "o o< t h_mem", "gate")
    connect("g3", "o<", "gate_lt")
    connect("g3", "o>", "gate_gt")
    connect("g4", closed_by["g4"], "close")
    connect("g5", "h hT o- o o< o>", "gate")
    connect("g6", "hT x_mem h_box", "gate")
    connect("g6", "hT", "gate_lt")
    connect("g6", closed_by["g6"], "close")
    connect("g7", "x", "gate")
    connect("g8", closed_by["g8"], "close")
    connect("g9", "h hT o- o o< o>", "gate")
    connect("g10", "hT", "gate")
    connect("g10", "hT", "gate_lt")
    connect("g10", closed_by["g10"], "close")
    connect("g11", "x", "gate")
    connect("g0", closed_by["g0"], "close")
    gates = wiring.ring(RING_LENGTH)

    def relays(names: str, size: int) -> list[Population]:
        return [
            Population(name, size, numbers.relay_no_refractory if name == "hT" else numbers.relay)
            for name in names.split()
        ]

    return Circuit(
        name="learning",
        sizes=sizes,
        sources=(Source("input", n_in, phase=0), Source("target", n_o, phase=2), KICK),
        populations=(
            *relays("x x_mem", n_in),
            *relays("h h< h> h_mem h_box hT", n_h),
            *relays("o o< o> t d+ d- o-", n_o),
            *gates,
        ),
        projections=tuple(wiring.projections),
        phases=ring_phases(RING_LENGTH, LEARNING_PHASES),
        parameters=(Parameter("W1", n_h, n_in), Parameter("W2", n_o, n_h)),
        rule=LearningRule(with_reward=+2, without=-2),
        weight_exponent=numbers.weight_exponent,
        parameter_set=numbers.name,
    )
