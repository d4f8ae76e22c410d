"""Cores of the chip: the paper's network, and what else would fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sbp import loihi
from sbp.circuits import inference_circuit, learning_circuit, registry
from sbp.program import lower
from sbp.reproduce import placement
from sbp.reproduce.claim import EXACT, Circuits, Claim, Measurement, Quantity, claim

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench

PAPER_SIZES = (400, 400, 10)
#: Networks of the table, wider and deeper until the chip ends.
SIZES = (
    (400, 400, 10), (784, 400, 10), (400, 800, 10), (400, 2000, 10), (400, 4000, 10),
    (784, 2000, 10), (784, 4000, 10),
    (400, 400, 400, 10), (400, 400, 400, 400, 10), (400, 400, 400, 400, 400, 10),
    (784, 400, 400, 10), (576, 1000, 500, 10), (784, 1000, 1000, 10), (784, 2000, 2000, 10),
)  # fmt: skip


@claim(
    "cores",
    "400-400-10 takes 81 of the chip's 128 cores, learning and inference.",
    source="The paper (as quoted); the rule is that of the authors' code",
    origin="published",
    quantities=(
        Quantity("cores, learning", 81),
        Quantity("cores, inference", 81, origin="authors"),
        Quantity("neurons of the fullest core"),
        Quantity("synaptic memory of the fullest core, at least", unit="%"),
    ),
    how="The core of every neuron by the rule of the released code (sbp.reproduce.placement), for "
    "this network and for wider and deeper ones.  A network fits if the rule names no core that "
    "the chip does not have and puts no more than 1,024 neurons and 128 KiB of weights (8 bits "
    "each, without the headers beside them) into one.",
    why=EXACT,
    preset="smoke",
    in_smoke=True,
)
def cores(claim: Claim, bench: Bench) -> Measurement:
    """Place the circuits, and count."""
    circuits = learning_circuit(PAPER_SIZES), inference_circuit(PAPER_SIZES)
    learning, inference = (placement.load(lower(circuit)) for circuit in circuits)
    share = 100 * learning.bits / loihi.SYNAPTIC_BITS_PER_CORE
    return Measurement(
        {
            "cores, learning": [float(learning.cores)],
            "cores, inference": [float(inference.cores)],
            "neurons of the fullest core": [float(learning.neurons)],
            "synaptic memory of the fullest core, at least": [round(share, 2)],
        },
        {"fits": [_row(s) for s in SIZES if len(s) == 3 or "deep" in registry.families()]},
        (Circuits("learning", PAPER_SIZES), Circuits("inference", PAPER_SIZES)),
    )


def _row(sizes: tuple[int, ...]) -> dict[str, Any]:
    circuit = registry.build(registry.usual(len(sizes)), sizes)
    program = lower(circuit)
    found = placement.load(program)
    return {
        "sizes": list(sizes),
        "steps": program.period,
        "neurons": program.n_neurons,
        "synapses": circuit.n_synapses(),
        "cores": found.cores,
        "neurons of the fullest core": found.neurons,
        "memory of the fullest core, %": round(100 * found.bits / loihi.SYNAPTIC_BITS_PER_CORE, 1),
        "fits": found.fits,
    }
