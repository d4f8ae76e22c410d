"""Claims about the circuit itself, and about trainings of the circuit beside the algebra."""

from __future__ import annotations

import numpy as np

from sbp import algebra, engines
from sbp.circuits import inference_circuit, learning_circuit
from sbp.circuits.gating import CLOSED_LIMIT
from sbp.files import arrays_digest
from sbp.learn.training import initial_weights, one_hot
from sbp.program import Program, lower
from sbp.reproduce.bench import Bench
from sbp.reproduce.claims import Claim
from sbp.reproduce.registry import MEASURES, Measurement, measures
from sbp.reproduce.watch import Watched, symmetry
from sbp.run import Record

PAPER_SIZES = (400, 400, 10)


@measures("circuit-sizes")
def circuit_sizes(claim: Claim, bench: Bench) -> Measurement:
    """Count neurons and synapses of the lowered programs."""
    circuits = learning_circuit(PAPER_SIZES), inference_circuit(PAPER_SIZES)
    values = {}
    for circuit in circuits:
        program = lower(circuit)
        values[f"neurons, {circuit.name}"] = [float(program.n_neurons)]
        values[f"synapses, {circuit.name}"] = [float(_synapses(program))]
    values["plastic synapses"] = [float(_synapses(lower(circuits[0]), plastic_only=True))]
    return Measurement(values, circuits=circuits)


def _synapses(program: Program, plastic_only: bool = False) -> int:
    count = 0
    for projection in program.projections:
        n_pre = program.senders[projection.source].size
        n_post = program.populations[projection.target].size
        if projection.plastic or not plastic_only:
            count += n_pre * (n_post if projection.connect else 1)
    return count


@measures("steps-per-sample")
def steps_per_sample(claim: Claim, bench: Bench) -> Measurement:
    """Time the ring: run it and see when g0 fires."""
    values, circuits = {}, (learning_circuit((4, 3, 2)), inference_circuit((4, 3, 2)))
    for circuit in circuits:
        program = lower(circuit)
        state = program.state({n: np.zeros((r, c), int) for n, r, c in program.parameters})
        run = engines.get("reference").run(program, state, steps=60, record=Record(spikes=("g0",)))
        gaps = np.diff(np.flatnonzero(run.spikes["g0"][:, 0]))
        values[circuit.name] = [float(gap) for gap in np.unique(gaps)]
    return Measurement(values, circuits=circuits, further=("engines/reference.py",))


@measures("digits-circuit-equals-algebra")
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
        (circuit,), [0], {"0": arrays_digest(run.weights)}, {"digits": dataset},
    )  # fmt: skip


def _outputs_then_learn(
    network: algebra.Network, inputs: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    spikes, _ = network.outputs(inputs)
    network.train(inputs, targets)
    return spikes


def watched_of(
    claim: Claim, bench: Bench, hidden: int = 400, epochs: int | None = None
) -> tuple[Measurement, list[Watched]]:
    """The claim's watched trainings, and a measurement that says what they were made of."""
    (name,) = claim.data
    seeds = bench.seeds(claim)
    watched = bench.watched(name, seeds, hidden, epochs)
    digests = {str(seed): one.digest for seed, one in zip(seeds, watched, strict=True)}
    return Measurement(
        {}, {"epochs": len(watched[0].epochs)}, (watched[0].program.circuit,), seeds, digests,
        {name: bench.watch_dataset(name)}, ("reproduce/watch.py",),
    ), watched  # fmt: skip


@measures("mnist-learning-curve")
def learning_curve(claim: Claim, bench: Bench) -> Measurement:
    """Accuracy and mse of the circuit after every epoch."""
    found, watched = watched_of(claim, bench)
    curves = {
        name: [[round(row["circuit"][name], 6) for row in one.epochs] for one in watched]
        for name in (*MEASURES, "mse")
    }
    values = found.values
    for label, index in (("epoch 1", 0), ("epoch 10", 9), ("last epoch", -1)):
        rows = [one for one in curves["spike"] if index < len(one)]
        values[f"spike, {label}"] = [round(100 * row[index], 4) for row in rows]
        values[f"mse, {label}"] = [row[index] for row in curves["mse"] if index < len(row)]
    found.details["curves"] = curves
    return found


@measures("mnist-circuit-equals-algebra")
def circuit_equals_algebra(claim: Claim, bench: Bench) -> Measurement:
    """Weights of the circuit against those of the algebra over a whole training."""
    found, watched = watched_of(claim, bench)
    found.values = {
        "differing weights": [float(one.epochs[-1]["differing"]) for one in watched],
        "unscheduled learning": [
            float(one.total.coincidences(one.program).sum()) for one in watched
        ],
        "register wraps": [float(one.total.wraps.sum()) for one in watched],
    }
    found.details |= {
        "differing": [[row["differing"] for row in one.epochs] for one in watched],
        "parted": [one.parted for one in watched],
        "samples": [int(one.total.steps[0]) for one in watched],
        "digest of the algebra": {
            str(seed): arrays_digest(one.algebra)
            for seed, one in zip(found.seeds, watched, strict=True)
        },
    }
    return found


@measures("mnist-closing-gate")
def closing_gate(claim: Claim, bench: Bench) -> Measurement:
    """How near the inputs of closed populations come to the gate's limit."""
    found, watched = watched_of(claim, bench)

    def per_epoch(name: str) -> list[list[int]]:
        return [[row[name] for row in one.epochs] for one in watched]

    ungated = per_epoch("ungated")
    found.values = {
        "samples past a closing gate": [float(sum(row)) for row in per_epoch("past_gate")],
        "largest input of h when closed": [float(max(row)) for row in per_epoch("largest_h")],
        "largest input of o when closed": [float(max(row)) for row in per_epoch("largest_o")],
        "ungated samples by epoch 10": [float(sum(row[:10])) for row in ungated],
        "ungated samples in all": [float(sum(row)) for row in ungated],
    }
    found.details |= {
        "limit": CLOSED_LIMIT,
        "largest_h": per_epoch("largest_h"),
        "largest_o": per_epoch("largest_o"),
        "ungated": ungated,
    }
    return found


@measures("mnist-weight-symmetry", "digits-weight-bounds")
def weight_symmetry(claim: Claim, bench: Bench) -> Measurement:
    """How far the copies of the weights have parted at the end."""
    if claim.id == "digits-weight-bounds":
        found, watched = watched_of(claim, bench, hidden=24, epochs=30)
    else:
        found, watched = watched_of(claim, bench)
    rows = [symmetry(one.program, one.state) for one in watched]
    values = {
        "parted copies of W1": [float(row["W1"]) for row in rows],
        "parted copies of W2, same sign": [float(row["W2"]) for row in rows],
        "parted synapses of the negated copy of W2": [float(row["negated"]) for row in rows],
        "largest distance of the negated copy": [float(row["distance"]) for row in rows],
        "weights of W2 at a bound": [round(100 * row["bound"], 4) for row in rows],
        "samples before circuit and algebra part": _before_parting(watched),
        **{
            f"membrane, {path}": [
                round(100 * one.epochs[-1][path]["membrane"], 4) for one in watched
            ]
            for path in ("circuit", "algebra")
        },
    }
    found.values = {quantity.name: values[quantity.name] for quantity in claim.quantities}
    found.details["parted"] = [one.parted for one in watched]
    return found


def _before_parting(watched: list[Watched]) -> list[float]:
    """Samples before the weights first differed; all of them where they never did."""
    return [
        float(one.parted["samples_before"] if one.parted else one.total.steps[0]) for one in watched
    ]


@measures("fashion-mnist-circuit")
def fashion_circuit(claim: Claim, bench: Bench) -> Measurement:
    """Where circuit and algebra part, and what becomes of the accuracy."""
    found, watched = watched_of(claim, bench)
    found.values = {
        "samples before they part": _before_parting(watched),
        "largest input of h when closed": [
            float(max(row["largest_h"] for row in one.epochs)) for one in watched
        ],
        "samples past the gate": [
            float(sum(row["past_gate"] for row in one.epochs)) for one in watched
        ],
    }
    for measure in ("spike", "membrane"):
        for path in ("circuit", "algebra"):
            found.values[f"{measure}, {path}"] = [
                round(100 * max(row[path][measure] for row in one.epochs), 4) for one in watched
            ]
    found.details |= {
        "limit": CLOSED_LIMIT,
        "parted": [one.parted for one in watched],
        "curves": {
            path: {
                name: [[round(row[path][name], 6) for row in one.epochs] for one in watched]
                for name in (*MEASURES, "mse")
            }
            for path in ("circuit", "algebra")
        },
        **{
            name: [[row[name] for row in one.epochs] for one in watched]
            for name in ("differing", "largest_h", "past_gate")
        },
    }
    return found
