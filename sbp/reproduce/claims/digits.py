"""The circuit equals the algebra, digit by digit, on the engine that defines what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sbp import algebra, engines
from sbp.circuits import learning_circuit
from sbp.learn.training import initial_weights, one_hot
from sbp.program import lower
from sbp.reproduce.claim import EXACT, Circuits, Claim, Measurement, Quantity, claim
from sbp.run import Record
from sbp.weights import arrays_digest

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


@claim(
    "digits-circuit-equals-algebra",
    "What the spiking circuit computes is exactly the backpropagation step of the algebra.",
    source="The paper's Methods, written out in sbp.algebra",
    origin="derived",
    quantities=(
        Quantity("differing output spikes", 0),
        Quantity("differing weights", 0),
        Quantity("unscheduled learning", 0),
    ),
    how="300 embedded digits through the learning circuit 64-32-10 on the reference engine and "
    "through the algebra, from the same random weights.",
    why=EXACT,
    preset="smoke",
    seeds=1,
    engine="reference",
    data=("digits",),
    in_smoke=True,
)
def digits_circuit(claim: Claim, bench: Bench) -> Measurement:
    """Circuit against algebra, digit by digit."""
    dataset = bench.dataset("digits").take(300)
    circuit = learning_circuit((dataset.n_inputs, 32, dataset.n_classes))
    program = lower(circuit)
    weights = initial_weights((dataset.n_inputs, 32, dataset.n_classes), 0)
    targets = one_hot(dataset.y_train, dataset.n_classes)
    network = algebra.Network(weights)
    expected = np.concatenate(
        [
            _outputs_then_learn(network, dataset.x_train[i : i + 1], targets[i : i + 1])
            for i in range(len(targets))
        ]
    )
    run = engines.get(claim.engine).run(
        program, program.state(weights), {"input": dataset.x_train, "target": targets},
        record=Record(spikes=("o",), phases=(3,)),
    )  # fmt: skip
    return Measurement(
        {
            "differing output spikes": [float((run.spikes["o"] != expected).sum())],
            "differing weights": [
                float(sum((run.weights[n] != network.weights[n]).sum() for n in weights))
            ],
            "unscheduled learning": [float(run.counters.coincidences(program).sum())],
        },
        {"samples": len(targets), "output spikes": int(expected.sum())},
        (Circuits("learning", circuit.sizes),), [0], {"0": arrays_digest(run.weights)},
        {"digits": dataset},
    )  # fmt: skip


def _outputs_then_learn(
    network: algebra.Network, inputs: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    spikes, _ = network.outputs(inputs)
    network.train(inputs, targets)
    return spikes
