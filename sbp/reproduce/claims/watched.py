"""Claims about whole trainings of the spiking circuit on MNIST, the algebra beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sbp.reproduce.claim import EXACT, Claim, Measurement, Quantity, claim
from sbp.reproduce.claims.watching import largest, measurement, per_epoch, total
from sbp.reproduce.watch import closing, watched
from sbp.weights import arrays_digest

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


def curve_points(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Points of the curves: after the first half epoch, and after epochs 1, 10 and the last."""
    halves, values = details["halves"], {}
    for label, index in (("half an epoch", 0), ("epoch 1", 1), ("epoch 10", 19), ("last", -1)):
        point = "last epoch" if label == "last" else label
        rows = [curve[index] for curve in halves["spike"] if index < len(curve)]
        values[f"spike, {point}"] = [round(100 * value, 4) for value in rows]
        values[f"mse, {point}"] = [curve[index] for curve in halves["mse"] if index < len(curve)]
    values["membrane, last epoch"] = [round(100 * c[-1], 4) for c in halves["membrane"]]
    return {quantity.name: values[quantity.name] for quantity in claim.quantities}


@claim(
    "mnist-learning-curve",
    "Accuracy and mean squared error by half epochs of on-chip training, three runs and their "
    "mean.",
    source="The paper, Fig. 3",
    origin="published",
    quantities=(
        Quantity("spike, half an epoch", unit="%"),
        Quantity("spike, epoch 1", unit="%"),
        Quantity("spike, epoch 10", unit="%"),
        Quantity("spike, last epoch", unit="%"),
        Quantity("membrane, last epoch", unit="%"),
        Quantity("mse, epoch 1"),
        Quantity("mse, epoch 10"),
        Quantity("mse, last epoch"),
    ),
    how="Three runs of the spiking circuit on the compiled engine (random initial weights and "
    "order); after each half epoch the test set goes through the inference circuit: accuracy and "
    "mse from spikes, top-1 from membranes.",
    why="Published as a picture; its numbers are not known to us, so nothing is decided.",
    seeds=3,
    engine="compiled",
    data=("mnist",),
    summary=curve_points,
)
def learning_curve(claim: Claim, bench: Bench) -> Measurement:
    """Accuracy and mse of the circuit after every half epoch."""
    return measurement(claim, bench, watched(bench, "mnist", bench.seeds(claim)))


def equality(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """What differs at the end."""
    return {
        "differing weights": [float(row[-1]) for row in details["differing"]],
        "unscheduled learning": [float(n) for n in details["unscheduled"]],
        "register wraps": [float(n) for n in details["wraps"]],
    }


@claim(
    "mnist-circuit-equals-algebra",
    "Over a whole training the circuit and the algebra stay equal, bit for bit.",
    source="The paper's Methods, written out in sbp.algebra",
    origin="derived",
    quantities=(
        Quantity("differing weights", 0),
        Quantity("unscheduled learning", 0),
        Quantity("register wraps", 0),
    ),
    how="60 epochs of 60,000 samples, same seed: every weight of the circuit (compiled engine) "
    "against every weight of the algebra, compared after every 4,000 samples.",
    why=EXACT,
    seeds=3,
    engine="compiled",
    data=("mnist",),
    summary=equality,
)
def circuit_equals_algebra(claim: Claim, bench: Bench) -> Measurement:
    """Weights of the circuit against those of the algebra over a whole training."""
    found = watched(bench, "mnist", bench.seeds(claim))
    seeds = bench.seeds(claim)
    return measurement(
        claim, bench, found, **per_epoch(found, "differing"),
        unscheduled=[int(one.total.coincidences(one.program).sum()) for one in found],
        wraps=[int(one.total.wraps.sum()) for one in found],
        parted=[one.parted for one in found],
        samples=[int(one.total.steps[0]) for one in found],
        algebra={str(s): arrays_digest(one.algebra) for s, one in zip(seeds, found, strict=True)},
    )  # fmt: skip


def margins(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Largest inputs, and samples in which something fired without a gate."""
    return {
        "samples past a closing gate": total(details["past_gate"]),
        "largest input of h when closed": largest(details["largest_h"]),
        "largest input of o when closed": largest(details["largest_o"]),
        "ungated samples by epoch 10": total(details["ungated"], 10),
        "ungated samples in all": total(details["ungated"]),
    }


@claim(
    "mnist-closing-gate",
    "On MNIST with 400-400-10 no input gets past a closing gate (17,344 weight units).",
    source="The authors' code of August 2024: 1024 + 8192 + 8128",
    origin="derived",
    quantities=(
        Quantity("samples past a closing gate", 0),
        Quantity("largest input of h when closed", unit="weight units"),
        Quantity("largest input of o when closed", unit="weight units"),
        Quantity("ungated samples by epoch 10"),
        Quantity("ungated samples in all"),
    ),
    how="Synaptic current of h at p = 8 and of o at p = 0, 6 and 10, every sample of 60 epochs.  "
    "A sample is ungated if h fires at p = 0 without a gate: nothing learns from it.",
    why="Beyond the limit h is dead when it should learn, and circuit and algebra part.",
    seeds=3,
    engine="compiled",
    data=("mnist",),
    summary=margins,
)
def closing_gate(claim: Claim, bench: Bench) -> Measurement:
    """How near the inputs of closed populations come to the gate's limit."""
    found = watched(bench, "mnist", bench.seeds(claim))
    rows = per_epoch(found, "past_gate", "largest_h", "largest_o", "ungated")
    limit = closing(found[0].program, "h").limit
    return measurement(claim, bench, found, limit=limit, **rows)


def symmetry(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """How far copies have parted."""
    rows = details["symmetry"]
    return {
        "parted copies of W1": [float(row["W1"]) for row in rows],
        "parted copies of W2, same sign": [float(row["W2"]) for row in rows],
        "parted synapses of the negated copy of W2": [float(row["negated"]) for row in rows],
        "largest distance of the negated copy": [float(row["distance"]) for row in rows],
        "weights of W2 at a bound": [round(100 * row["bound"], 4) for row in rows],
    }


@claim(
    "mnist-weight-symmetry",
    "The copies of the weights, each learning by itself, stay equal over a whole training.",
    source="The paper's learning rule: equal copies see equal coincidences",
    origin="derived",
    quantities=(
        Quantity("parted copies of W1", 0),
        Quantity("parted copies of W2, same sign", 0),
        Quantity("parted synapses of the negated copy of W2"),
        Quantity("largest distance of the negated copy", unit="weight units"),
        Quantity("weights of W2 at a bound", unit="%"),
    ),
    how="All eight matrices of the learning circuit after 60 epochs on MNIST.",
    why="Counts: no tolerance.  The negated copy of W2 may part where a weight reaches a bound, "
    "so nothing is expected of it.",
    seeds=3,
    engine="compiled",
    data=("mnist",),
    summary=symmetry,
    remark="The authors' script makes all copies equal again after every epoch, by starting a new "
    "process that reads W1 and W2.  Where no copy parts, that changes nothing.",
)
def weight_symmetry(claim: Claim, bench: Bench) -> Measurement:
    """How far the copies of the weights have parted at the end."""
    found = watched(bench, "mnist", bench.seeds(claim))
    rows = [one.symmetry for one in found]
    return measurement(claim, bench, found, symmetry=rows, parted=[one.parted for one in found])
