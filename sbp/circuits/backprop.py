"""The paper's circuits: backpropagation in twelve steps, inference in four.

Source: Renner et al. 2024, Fig. 1 and 2, Methods (topology and parameter tables).  Names follow
the paper: ``<`` means "above 0", ``>`` means "above 1" (1024 weight units), so the derivative of
the truncated ReLU is ``h< and not h>``.
"""

from __future__ import annotations

from collections.abc import Iterable

from sbp.circuits.gating import (
    KICK,
    RELAY,
    RELAY_NO_REFRACTORY,
    Wiring,
    ring_phases,
)
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
    0: Phase(note="The input pattern is on its way to x."),
    1: Phase(("x",), note="x fires with the input pattern."),
    2: Phase(("h", "h<", "h>"), note="Hidden layer: W1 x against 512, 0 and 1024."),
    3: Phase(
        ("o", "o<", "o>", "t", "h_mem"),
        note="Output layer: W2 h against 512, 0 and 1024; the target arrives; h is remembered.",
    ),
    4: Phase(("d+", "d-"), note="The error, one population for each sign."),
    5: Phase(
        ("h", "hT", "o", "o<", "o>", "o-"),
        learns=("W2",),
        reward=True,
        note="h again, hT = h; o = d+, o- = d-: W2 grows where h and d+ meet.",
    ),
    6: Phase(
        ("hT", "x_mem", "h_box"),
        note="hT is where W2 backward of (d+ - d-) is positive; the derivative waits in h_box.",
    ),
    7: Phase(
        ("x", "h", "h<", "h>"),
        learns=("W1",),
        reward=True,
        note="x again; h = hT and h_box: W1 grows where x and h meet.",
    ),
    8: Phase(note="The hidden layer is held shut."),
    9: Phase(
        ("h", "hT", "o", "o<", "o>", "o-"),
        learns=("W2",),
        note="h again, hT = h; o = d-, o- = d+: W2 shrinks where h and d- meet.",
    ),
    10: Phase(("hT",), note="hT is where W2 backward of (d+ - d-) is negative."),
    11: Phase(
        ("x", "h", "h<", "h>"),
        learns=("W1",),
        note="x again; h = hT and h_box: W1 shrinks where x and h meet.",
    ),
}

INFERENCE_PHASES = {
    0: Phase(note="The input pattern is on its way to x."),
    1: Phase(("x",), note="x fires with the input pattern."),
    2: Phase(("h",), note="Hidden layer: W1 x > 512."),
    3: Phase(("o",), note="Output layer: W2 h > 512."),
}


def _parameters(n_in: int, n_h: int, n_o: int) -> tuple[Parameter, ...]:
    return Parameter("W1", n_h, n_in), Parameter("W2", n_o, n_h)


def learning_circuit(sizes: Iterable[int] = (400, 400, 10)) -> Circuit:
    """The circuit that learns: one sample in 12 steps.

    Parameters
    ----------
    sizes : sequence of three int
        (n_in, n_h, n_o); the paper's network is (400, 400, 10).

    Returns
    -------
    Circuit
        3,282 neurons and 517,203 synapses, 500,000 of them plastic, at the paper's sizes.

    Raises
    ------
    SpecError
        Unless there are exactly three positive sizes.
    """
    n_in, n_h, n_o = sizes = check_sizes(
        sizes, (3, 3), "learning circuit (n_in, n_h, n_o)", "the deep circuit takes 2 to 13 sizes"
    )
    wiring = Wiring()
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
    connect("g4", "hT o-", "close")
    connect("g5", "h hT o- o o< o>", "gate")
    connect("g6", "hT x_mem h_box", "gate")
    connect("g6", "hT", "gate_lt")
    connect("g6", O, "close")
    connect("g7", "x", "gate")
    connect("g8", H, "close")
    connect("g9", "h hT o- o o< o>", "gate")
    connect("g10", "hT", "gate")
    connect("g10", "hT", "gate_lt")
    connect("g10", O, "close")
    connect("g11", "x", "gate")
    connect("g0", O, "close")
    gates = wiring.ring(RING_LENGTH)

    def relays(names: str, size: int) -> list[Population]:
        return [
            Population(name, size, RELAY_NO_REFRACTORY if name == "hT" else RELAY)
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
        parameters=_parameters(*sizes),
        rule=LearningRule(with_reward=+2, without=-2),
    )


def inference_circuit(sizes: Iterable[int] = (400, 400, 10)) -> Circuit:
    """The circuit that only recognises: one sample in 4 steps, fixed weights.

    Parameters
    ----------
    sizes : sequence of three int
        (n_in, n_h, n_o).

    Returns
    -------
    Circuit
        814 neurons and 165,215 synapses at the paper's sizes.

    Raises
    ------
    SpecError
        Unless there are exactly three positive sizes.
    """
    n_in, n_h, n_o = sizes = check_sizes(sizes, (3, 3), "inference circuit (n_in, n_h, n_o)")
    wiring = Wiring()
    wiring.connect("input", "x", "copy")
    wiring.plastic("x", "h", MatrixWeight("W1", plastic=False))
    wiring.plastic("h", "o", MatrixWeight("W2", plastic=False))
    wiring.connect("g1", "x", "gate")
    wiring.connect("g2", "h", "gate")
    wiring.connect("g3", "o", "gate")
    gates = wiring.ring(4)
    return Circuit(
        name="inference",
        sizes=sizes,
        sources=(Source("input", n_in, phase=0), KICK),
        populations=(
            Population("x", n_in, RELAY),
            Population("h", n_h, RELAY),
            Population("o", n_o, RELAY),
            *gates,
        ),
        projections=tuple(wiring.projections),
        phases=ring_phases(4, INFERENCE_PHASES),
        parameters=_parameters(*sizes),
    )
