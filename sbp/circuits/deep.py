"""Backpropagation through any number of layers, one sample in 5 L + 2 steps.

L layers of weights between L + 1 layers of neurons l_0 .. l_L, called x, h1, h2, .., o.

The paper needs both signs of the output error at once to send it back, but makes the hidden error
one sign after the other, so its order of phases ends with one hidden layer.  Here every layer k
holds both signs at once, l_k the one and l_k- the other, when its turn comes at A_k:

=========  ========================================================================================
A_k        l_k holds the positive error, l_k- the negative one; the layer below and its T replay
           their activity: W_k grows where they meet
A_k + 1    T of the layer below is where the error sent back through W_k is positive
A_k + 2    roles swapped: W_k shrinks where the negative error meets the same activity
A_k + 3    T of the layer below is where the error sent back is negative
A_k + 4    both signs have arrived below (the positive one waited on its synapse): A_(k-1)
=========  ========================================================================================

A_L = L + 3: the forward pass ends at L + 1 and the error fires at L + 2.  The last phase is
A_1 + 2 = 5 L + 1, and since x has one dead step after a spike the next sample can be relayed one
step after that at the earliest: the ring has 5 L + 2 gates.

The rows of W_k that A_k changes are not the rows that A_k + 2 reads (those of the other sign), so
both signs are sent back with the weights of before the sample.

The single-layer circuit and this one with L = 1 compute the same in the same 7 steps, but are two
circuits: there the source repeats the input, here x_mem remembers it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sbp.circuits.gating import KICK, Wiring, parameter_set, ring_phases
from sbp.circuits.inference import layer_labels
from sbp.loihi import DELAY_MAX
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

MOST_LAYERS = (DELAY_MAX + 2) // 5  #: of weights: x_mem waits 5 L - 2 steps for its turn


def deep_circuit(sizes: Iterable[int] = (400, 400, 400, 10), weight_exponent: int = 0) -> Circuit:
    """The circuit that learns at any depth.

    Parameters
    ----------
    sizes : sequence of int
        n_0 .. n_L, 2 to 13 sizes.
    weight_exponent : int
        A plastic synapse delivers mantissa * 2**weight_exponent, -3 .. 0.

    Returns
    -------
    Circuit

    Raises
    ------
    SpecError
        For fewer or more sizes, or an exponent that does not exist.
    """
    sizes = check_sizes(
        sizes,
        (2, MOST_LAYERS + 1),
        "deep circuit",
        f"x waits 5 L - 2 steps for its turn, and a synapse delays by {DELAY_MAX} at most",
    )
    numbers = parameter_set("released", weight_exponent)
    last = len(sizes) - 1
    label = layer_labels(last)
    turn = {k: last + 3 + 4 * (last - k) for k in range(1, last + 1)}  # A_k
    length = 5 * last + 2
    wiring = Wiring(numbers)
    connect = wiring.connect

    def trio(k: int) -> str:
        return f"{label[k]} {label[k]}< {label[k]}>"

    def also(condition: bool, name: str) -> str:
        return f" {name}" if condition else ""

    # Forward, and what each layer keeps for its turn: its activity, and its derivative.
    connect("input", "x", "copy")
    connect("target", "t", "copy")
    for k, layer in enumerate(label):
        if k > 0:
            wiring.plastic(label[k - 1], trio(k), MatrixWeight(f"W{k}"))
        if k < last:
            wait = turn[k + 1] - (k + 2) - 1
            connect(layer, f"{layer}_mem", "copy")
            connect(f"{layer}_mem", layer + also(k > 0, f"{layer}T"), "copy", wait, wait + 2)
        if 0 < k < last:
            wait = turn[k] - (k + 2) - 1
            connect(f"{layer}<", f"{layer}_box", "copy")
            connect(f"{layer}>", f"{layer}_box", "veto")
            gated = trio(k) + also(k > 1, f"{layer}-")
            connect(f"{layer}_box", gated, "gate", wait, wait + 2, one_to_one=True)

    # The error: d+ = t and not o and o<;  d- = o and not t and not o>.  Both signs to the output.
    connect("o<", "d+ d-", "gate", one_to_one=True)
    connect("o>", "d-", "veto")
    connect("o", "d-", "copy")
    connect("o", "d+", "veto")
    connect("t", "d-", "veto")
    connect("t", "d+", "copy")
    connect("d+", trio(last), "copy")
    connect("d-", trio(last), "copy", 2)
    if last > 1:
        connect("d-", "o-", "copy")
        connect("d+", "o-", "copy", 2)

    # Backward: both signs of layer k to T below, and from there to both populations of that layer.
    for k in range(2, last + 1):
        layer, below = label[k], label[k - 1]
        wiring.plastic(layer, f"{below}T", MatrixWeight(f"W{k}", transpose=True))
        wiring.plastic(f"{layer}-", f"{below}T", MatrixWeight(f"W{k}", transpose=True, negate=True))
        connect(f"{below}T", trio(k - 1), "copy", 2)
        if k > 2:
            connect(f"{below}T", f"{below}-", "copy", 0, 4)

    # The ring opens and closes the gates: what g(p) touches acts in phase p.
    def gate(p: int, targets: str, kind: str = "gate") -> None:
        connect(f"g{p % length}", targets, kind)

    gate(1, "x")
    for k in range(1, last + 1):
        layer = label[k]
        gate(k + 1, f"{layer} {layer}<" + also(k == last, "t"))
        gate(k + 1, f"{layer}<", "gate_lt")
        gate(k + 1, f"{layer}>", "gate_gt")
    for k in range(last):
        gate(k + 2, f"{label[k]}_mem" + also(k > 0, f"{label[k]}_box"))
    for k in range(1, last + 1):
        below = label[k - 1]
        for p in (turn[k], turn[k] + 2):
            gate(p, below + also(k > 1, f"{below}T"))
            if k == last:
                gate(p, trio(k) + also(k > 1, "o-"))
            if k > 1:
                gate(p + 1, f"{below}T")
                gate(p + 1, f"{below}T", "gate_lt")
        for wait in (1, 3, 5, 7) if k > 1 else (1, 3):
            gate(turn[k] + wait, trio(k), "close")
        if k > 1:
            for p in (k + 2, turn[k] - 3, turn[k] - 1) if k < last else (k + 2,):
                gate(p, f"{below}T", "close")
    gates = wiring.ring(length)

    populations: list[Population] = []
    for k, (layer, size) in enumerate(zip(label, sizes, strict=True)):
        names = [layer]
        names += [f"{layer}<", f"{layer}>"] if k > 0 else []
        names += [f"{layer}_mem"] if k < last else []
        names += [f"{layer}_box"] if 0 < k < last else []
        names += [f"{layer}-"] if k > 1 else []
        names += ["t", "d+", "d-"] if k == last else []
        populations += [Population(name, size, numbers.relay) for name in names]
        if 0 < k < last:
            populations.append(Population(f"{layer}T", size, numbers.relay_no_refractory))
    return Circuit(
        name="deep",
        sizes=sizes,
        sources=(
            Source("input", sizes[0], phase=0),
            Source("target", sizes[last], phase=last),
            KICK,
        ),
        populations=(*populations, *gates),
        projections=tuple(wiring.projections),
        phases=ring_phases(length, _phases(label, turn)),
        parameters=tuple(Parameter(f"W{k}", sizes[k], sizes[k - 1]) for k in turn),
        rule=LearningRule(with_reward=+2, without=-2),
        weight_exponent=numbers.weight_exponent,
    )


def _phases(label: tuple[str, ...], turn: dict[int, int]) -> dict[int, Phase]:
    """What fires and learns when, and why."""
    last = len(label) - 1
    phases = {
        0: Phase(name="input", note="The input pattern is on its way to x."),
        1: Phase(("x",), name="x", note="x fires with the input pattern."),
        last + 2: Phase(
            ("d+", "d-"), name="error", note="The error, one population for each sign."
        ),
    }
    for k in range(1, last + 1):
        layer, below = label[k], label[k - 1]
        kept = (f"{below}_mem", f"{below}_box") if k > 1 else (f"{below}_mem",)
        phases[k + 1] = Phase(
            (layer, f"{layer}<", f"{layer}>", *(("t",) if k == last else ()), *kept),
            name=f"forward {layer}",
            note=f"W{k} {below} against 512, 0 and 1024; {below}"
            + (" and its derivative are remembered." if k > 1 else " is remembered.")
            + (" The target arrives." if k == last else ""),
        )
        held = (layer, f"{layer}<", f"{layer}>", *((f"{layer}-",) if k > 1 else ()))
        again = (below, f"{below}T") if k > 1 else (below,)
        for grows, p in ((True, turn[k]), (False, turn[k] + 2)):
            sign, other = ("+", "-") if grows else ("-", "+")
            verb = "grows" if grows else "shrinks"
            phases[p] = Phase(
                (*held, *again),
                learns=(f"W{k}",),
                reward=grows,
                name=f"W{k} {verb}",
                note=f"{layer} is its error {sign}"
                + (f", {layer}- its error {other}" if k > 1 else "")
                + f"; {below} again: W{k} {verb} where the two meet.",
            )
            phases[p + 1] = (
                Phase(
                    (f"{below}T",),
                    name=f"back {below} {sign}",
                    note=f"{below}T is where the error sent back through W{k} is "
                    + ("positive." if grows else "negative."),
                )
                if k > 1
                else Phase(name="shut", note=f"{layer} is held shut.")
            )
    del phases[turn[1] + 3]  # phase 0 of the next sample
    return phases
