"""The circuit that only recognises: a gated chain of layers, one sample in L + 2 steps.

For three sizes it is the paper's (Renner et al. 2024, Methods), in four steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from sbp.circuits.gating import KICK, Wiring, parameter_set, ring_phases
from sbp.errors import SpecError
from sbp.spec import Circuit, MatrixWeight, Parameter, Phase, Population, Source, check_sizes, parts
from sbp.weights import layer_names

ANSWER = "o"  #: the population whose spikes, in the last phase, are the answer


def layer_labels(layers: int) -> tuple[str, ...]:
    """Names of the layers of a network with `layers` layers of weights: x, h1, h2, .., o."""
    return ("x", *(f"h{k}" for k in range(1, layers)), ANSWER)


def inference_circuit(
    sizes: Iterable[int] = (400, 400, 10),
    weight_exponent: int = 0,
    parameters: str = "released",
    names: Iterable[str] | None = None,
) -> Circuit:
    """The circuit that only recognises, with fixed weights.

    Parameters
    ----------
    sizes : sequence of int
        n_0 .. n_L, two or more.
    weight_exponent : int
        A synapse with a matrix delivers mantissa * 2**weight_exponent, -3 .. 0.
    parameters : str
        A name of `sbp.circuits.gating.PARAMETER_SETS`.
    names : iterable of str, optional
        Of the matrices; default W1 .. WL.

    Returns
    -------
    Circuit
        814 neurons and 165,215 synapses, 4 steps a sample, at the paper's sizes.

    Raises
    ------
    SpecError
        For fewer than two sizes, or an exponent or a parameter set that does not exist.
    """
    sizes = check_sizes(sizes, (2, None), "inference circuit")
    numbers = parameter_set(parameters, weight_exponent)
    layers = len(sizes) - 1
    # The paper has one hidden layer, and calls it h.
    labels = ("x", "h", ANSWER) if layers == 2 else layer_labels(layers)
    matrices = layer_names(layers) if names is None else parts("names", names, str)
    if len(matrices) != layers:
        raise SpecError(
            f"inference circuit: {len(matrices)} names of weights",
            allowed=f"{layers}, one between each layer and the next",
        )
    wiring = Wiring(numbers)
    wiring.connect("input", "x", "copy")
    for (below, above), name in zip(pairwise(labels), matrices, strict=True):
        wiring.plastic(below, above, MatrixWeight(name, plastic=False))
    for k, label in enumerate(labels, 1):
        wiring.connect(f"g{k}", label, "gate")
    gates = wiring.ring(layers + 2)
    phases = {
        0: Phase(name="input", note="The input pattern is on its way to x."),
        1: Phase(("x",), name="x", note="x fires with the input pattern."),
    }
    for k in range(1, layers + 1):
        layer = "Output" if k == layers else "Hidden"
        phases[k + 1] = Phase(
            (labels[k],),
            name=f"forward {labels[k]}",
            note=f"{layer} layer: {matrices[k - 1]} {labels[k - 1]} > 512.",
        )
    return Circuit(
        name="inference",
        sizes=sizes,
        sources=(Source("input", sizes[0], phase=0), KICK),
        populations=(
            *(Population(*pair, numbers.relay) for pair in zip(labels, sizes, strict=True)),
            *gates,
        ),
        projections=tuple(wiring.projections),
        phases=ring_phases(layers + 2, phases),
        parameters=tuple(
            Parameter(name, n_post, n_pre)
            for name, (n_pre, n_post) in zip(matrices, pairwise(sizes), strict=True)
        ),
        weight_exponent=numbers.weight_exponent,
        parameter_set=numbers.name,
    )
