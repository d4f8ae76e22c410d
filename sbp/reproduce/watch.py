"""Train the circuit and the algebra side by side, and watch where the circuit's domain ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from sbp import algebra, engines
from sbp.circuits import learning_circuit
from sbp.circuits.gating import CLOSE, CLOSED_LIMIT
from sbp.files import arrays_digest
from sbp.learn.data import Dataset
from sbp.learn.training import Measures, circuit_outputs, epoch_order, initial_weights, one_hot
from sbp.loihi import REGISTER_MIN, SCALE, WEIGHT_MAX, WEIGHT_MIN
from sbp.program import NO_MATRIX, Program, State, lower
from sbp.run import Counters, Record, Run

CHUNK = 4000  #: samples between two comparisons

# h is closed at p = 8, o at p = 0, 6 and 10; h may fire without a gate at p = 0.
CLOSED_AT = {"h": (8,), "o": (0, 6, 10)}
RECORD = Record(spikes=("h", "o"), u=("h", "o"), phases=(0, 6, 8, 10))


@dataclass
class Watched:
    """A training of the circuit with the algebra beside it.

    Attributes
    ----------
    epochs : list of dict
        Per epoch: "circuit" and "algebra" (measures on the test set), "differing" (weights),
        "ungated" (samples in which h fired at p = 0), "past_gate" (samples in which any closed
        neuron of h or o fired), "largest_h", "largest_o" (largest input while closed, in weight
        units).
    parted : dict or None
        Where the weights first differed: "epoch", "samples_before" it, "differing" weights by
        matrix, and what was found in that sample: "largest_h" and "largest_o" (inputs while
        closed) against "limit", "h_past_gate" and "o_past_gate" (spikes while closed),
        "copies_apart" (synapses whose negated copy is 2 beside).
    counters : Counters
        Of the last epoch.
    first_counters : Counters
        Of the first epoch.
    total : Counters
        Of all epochs.
    state : State
        Of the circuit after the last sample.
    program : Program
    weights : dict
        Of the circuit.
    algebra : dict
        Weights of the algebra.
    """

    program: Program
    epochs: list[dict[str, Any]] = field(default_factory=list)
    parted: dict[str, Any] | None = None
    counters: Counters = None  # type: ignore[assignment]
    first_counters: Counters = None  # type: ignore[assignment]
    total: Counters = None  # type: ignore[assignment]
    state: State = None  # type: ignore[assignment]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    algebra: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the circuit's final weights."""
        return arrays_digest(self.weights)


def differing(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> int:
    """Weights that are not equal."""
    return sum(int((first[name] != second[name]).sum()) for name in first)


def largest_closed(run: Run, name: str) -> int:
    """Largest synaptic input of a population while a closing gate held it, weight units."""
    # The ring starts at g1: in the very first step g0 has closed nothing.
    rows = np.isin(run.phases, CLOSED_AT[name]) & (run.first_step + run.recorded > 0)
    return int(run.u[name][rows].max()) // SCALE - CLOSE


def samples_past_gate(run: Run) -> int:
    """Samples in which a neuron of h or o fired while a closing gate held it."""
    fired = [
        run.at_phase(name, phase).any(axis=1)
        for name, phases in CLOSED_AT.items()
        for phase in phases
    ]
    return int(np.any(fired, axis=0).sum())


def watch(
    dataset: Dataset,
    *,
    hidden: int = 400,
    epochs: int = 60,
    seed: int = 0,
    engine: str = "compiled",
    progress: Callable[[int], None] | None = None,
) -> Watched:
    """Train circuit and algebra from the same weights on the same samples.

    Parameters
    ----------
    progress : callable, optional
        Called with the samples learned since its last call.
    """
    sizes = (dataset.n_inputs, hidden, dataset.n_classes)
    program = lower(learning_circuit(sizes))
    start = initial_weights(sizes, seed)
    network = algebra.Network(start)
    targets = one_hot(dataset.y_train, dataset.n_classes)
    found = Watched(program, total=Counters.zeros(program))
    with engines.session(engine, program, program.state(start)) as session:
        for epoch in range(1, epochs + 1):
            order = epoch_order(seed, epoch, len(dataset.x_train))
            counters = Counters.zeros(program)
            row: dict[str, Any] = {
                "epoch": epoch, "ungated": 0, "past_gate": 0,
                "largest_h": REGISTER_MIN, "largest_o": REGISTER_MIN,
            }  # fmt: skip
            for begin in range(0, len(order), CHUNK):
                rows = order[begin : begin + CHUNK]
                before = session.state if found.parted is None else None
                run = session.run(
                    {"input": dataset.x_train[rows], "target": targets[rows]}, record=RECORD
                )
                counters = counters + run.counters
                row["ungated"] += int(run.at_phase("h", 0).any(axis=1).sum())
                row["past_gate"] += samples_past_gate(run)
                row["largest_h"] = max(row["largest_h"], largest_closed(run, "h"))
                row["largest_o"] = max(row["largest_o"], largest_closed(run, "o"))
                old = network.weights if before is not None else {}
                network.train(dataset.x_train[rows], targets[rows])
                if before is not None and differing(run.weights, network.weights):
                    found.parted = {
                        "epoch": epoch,
                        **_first_parting(
                            engine, program, before, old, dataset.x_train[rows], targets[rows]
                        ),
                    }
                    found.parted["samples_before"] = (
                        (epoch - 1) * len(order) + begin + found.parted.pop("row")
                    )
                if progress:
                    progress(len(rows))
            found.weights, found.algebra = program.weights(session.state), network.weights
            spikes, sums = circuit_outputs(engine, sizes, found.weights, dataset.x_test)
            row["circuit"] = asdict(Measures.of(spikes, sums, dataset.y_test))
            spikes, sums = network.outputs(dataset.x_test)
            row["algebra"] = asdict(Measures.of(spikes, sums, dataset.y_test))
            row["differing"] = differing(found.weights, found.algebra)
            found.epochs.append(row)
            found.counters, found.total = counters, found.total + counters
            if epoch == 1:
                found.first_counters = counters
        found.state = session.state
    return found


def _first_parting(
    engine: str,
    program: Program,
    state: State,
    weights: dict[str, np.ndarray],
    inputs: np.ndarray,
    targets: np.ndarray,
) -> dict[str, Any]:
    """Step through a chunk sample by sample to the first after which the weights differ."""
    network = algebra.Network(weights)
    with engines.session(engine, program, state) as session:
        for row in range(len(inputs)):
            one = slice(row, row + 1)
            run = session.run({"input": inputs[one], "target": targets[one]}, record=RECORD)
            network.train(inputs[one], targets[one])
            differs = {
                name: int((run.weights[name] != network.weights[name]).sum())
                for name in run.weights
            }
            if any(differs.values()):
                return {
                    "row": row,
                    "differing": differs,
                    "largest_h": largest_closed(run, "h"),
                    "largest_o": largest_closed(run, "o"),
                    "limit": CLOSED_LIMIT,
                    **{
                        f"{name}_past_gate": sum(int(run.at_phase(name, p).sum()) for p in phases)
                        for name, phases in CLOSED_AT.items()
                    },
                    "copies_apart": symmetry(program, run.state)["negated"],
                }
    raise AssertionError("the chunk differed as a whole")


def symmetry(program: Program, state: State) -> dict[str, float]:
    """How far the copies of each parameter have parted, and how much of W2 is at a bound.

    Returns
    -------
    dict
        "W1": parted synapses of all copies of W1; "W2": of the copies of W2 of its own sign;
        "negated": synapses in which the negated copy of W2 is not -W2; "distance": the largest
        such distance, weight units; "bound": share of W2 at -256 or 254.
    """
    first = program.weights(state)
    parted = {"W1": 0, "W2": 0, "negated": 0, "distance": 0}
    for projection in program.projections:
        if projection.matrix == NO_MATRIX:
            continue
        name = program.parameters[projection.matrix][0]
        implied = first[name].astype(np.int32) * (-1 if projection.negate else 1)
        implied = implied.T if projection.transpose else implied
        distance = np.abs(implied - state.weights[projection.name])
        parted["negated" if projection.negate else name] += int((distance > 0).sum())
        if projection.negate:
            parted["distance"] = max(parted["distance"], int(distance.max()))
    at_bound = (first["W2"] == WEIGHT_MIN) | (first["W2"] == WEIGHT_MAX)
    return {**parted, "bound": float(at_bound.mean())}
