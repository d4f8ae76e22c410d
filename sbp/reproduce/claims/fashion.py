"""Fashion-MNIST: the algebra, the circuit in three settings, and the collapse of a fourth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sbp.reproduce import past_gate
from sbp.reproduce.claim import MEASURES, OURS, Circuits, Claim, Measurement, Quantity, claim
from sbp.reproduce.claims.accuracy import measurement as of_trainings
from sbp.reproduce.claims.watching import (
    chosen,
    largest,
    paths,
    per_epoch,
    percent,
    samples_before,
    total,
)
from sbp.reproduce.courses import NAMES, trainings
from sbp.reproduce.past_gate import Variant
from sbp.reproduce.watch import Watch, Watched, differing, options, watched_all

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench

FASHION = "fashion-mnist"
#: Settings of the circuit that the wider pictures fit: name, exponent, parameter set.
SETTINGS = (
    ("exponent -1", -1, "released"),
    ("exponent -2", -2, "released"),
    ("parameters before August 2024", 0, "before-august-2024"),
)


def best_and_last(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Each measure at its best half epoch and at the end."""
    values = {}
    for name in MEASURES:
        curves = details["halves"][name]
        values[f"{name}, last epoch"] = percent([curve[-1] for curve in curves])
        values[f"{name}, best"] = percent([max(curve) for curve in curves])
    return chosen(claim, values)


@claim(
    "fashion-mnist",
    "What the algebra of the circuit learns of Fashion-MNIST with 784-400-10.",
    source="This package; against the authors' figures stand fashion-mnist-on-chip and "
    "fashion-mnist-numpy",
    origin="ours",
    quantities=(
        *(Quantity(f"{name}, last epoch", unit="%") for name in MEASURES),
        *(Quantity(f"{name}, best", unit="%") for name in MEASURES),
    ),
    how="Test accuracy after the 60th epoch, and at the best half epoch of 60 epochs; weights "
    "clipped at -256 and 254 as on the chip.",
    why=OURS,
    seeds=10,
    engine="algebra",
    data=(FASHION,),
    summary=best_and_last,
)
def fashion(claim: Claim, bench: Bench) -> Measurement:
    """Trainings by the algebra."""
    return of_trainings(claim, bench, trainings(bench, FASHION, bench.seeds(claim)))


def _kept(found: Sequence[Watched]) -> dict[str, Any]:
    """What is kept of the trainings in one setting."""
    return {
        "limit": found[0].parted["limit"] if found[0].parted else None,
        "paths": paths(found),
        "halves": {name: [one.halves[name] for one in found] for name in NAMES},
        "before": samples_before(found),
        "parted": [one.parted for one in found],
        "differing copies": [one.epochs[-1]["differing_copies"] for one in found],
        "apart": [one.symmetry["negated"] for one in found],
        **per_epoch(
            found, "differing", "largest_h", "largest_o", "past_gate", "past_gate_h",
            "fired_closed", "lost", "missing", "spurious",
        ),
    }  # fmt: skip


def _measurement(
    claim: Claim, bench: Bench, groups: Mapping[str, Sequence[Watched]], details: dict[str, Any]
) -> Measurement:
    sizes = next(iter(groups.values()))[0].program.sizes
    return Measurement(
        details={"epochs": len(next(iter(groups.values()))[0].epochs), **details},
        circuits=tuple(
            Circuits("learning", sizes, options(exponent, parameters))
            for name, exponent, parameters in (("exponent 0", 0, "released"), *SETTINGS)
            if name in groups
        ),
        seeds=bench.seeds(claim),
        weights={
            f"{name}, seed {seed}": one.digest
            for name, group in groups.items()
            for seed, one in enumerate(group)
        },
        data={FASHION: bench.watch_dataset(FASHION)},
    )


def on_chip(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Best of the runs, and each run's best and last, by setting."""
    values = {}
    for name, kept in details["settings"].items():
        spike, membrane = kept["halves"]["spike"], kept["halves"]["membrane"]
        values[f"spike, best of the runs, {name}"] = percent([max(max(c) for c in spike)])
        values[f"spike, best of each run, {name}"] = percent([max(c) for c in spike])
        values[f"spike, last epoch, {name}"] = percent([c[-1] for c in spike])
        values[f"membrane, last epoch, {name}"] = percent([c[-1] for c in membrane])
        values[f"samples before they part, {name}"] = [float(n) for n in kept["before"]]
        values[f"weights that differ, copies carried, {name}"] = [
            float(n) for n in kept["differing copies"]
        ]
    return chosen(claim, values)


@claim(
    "fashion-mnist-on-chip",
    "On-chip training reaches 79 % on binarised Fashion-MNIST with 784-400-10.",
    source="The paper (as quoted)",
    origin="published",
    quantities=tuple(
        quantity
        for name, _, _ in SETTINGS
        for quantity in (
            Quantity(f"spike, best of the runs, {name}", unit="%"),
            Quantity(f"spike, best of each run, {name}", 79, 1.3, "%"),
            Quantity(f"spike, last epoch, {name}", unit="%"),
            Quantity(f"membrane, last epoch, {name}", unit="%"),
            Quantity(f"samples before they part, {name}"),
            Quantity(f"weights that differ, copies carried, {name}"),
        )
    ),
    how="60 epochs of the spiking circuit (compiled engine), 3 seeds in each of the three public "
    "settings that learn it: weight exponent -2, which holds every sum that occurred, exponent -1, "
    "which two of the three seeds pass now and then, and the parameters of the code of before "
    "August 2024, which all three pass, and learn all the same.  Which setting gave the published "
    "figure, at which checkpoint, and of how many runs it is the best, is not known: against it "
    "stands what one run reaches in its best half epoch, the mean of 3; the best of the 3 is "
    "beside it.",
    why="Published without a digit after the point (half a point); what one run reaches spreads "
    "by 0.4 points, taken twice.",
    seeds=3,
    engine="compiled",
    data=(FASHION,),
    summary=on_chip,
    remark="They part from plain backpropagation where a weight meets a bound and its negated copy "
    "stops 2 beside it; from the algebra that carries these copies only where h passes a closing "
    "gate.  The released parameters at exponent 0 collapse instead: fashion-mnist-circuit.",
)
def fashion_on_chip(claim: Claim, bench: Bench) -> Measurement:
    """Three settings side by side."""
    seeds, epochs = bench.seeds(claim), bench.epochs(FASHION, None, watched=True)
    keys = [
        Watch(400, epochs, seed, exponent, parameters)
        for _, exponent, parameters in SETTINGS
        for seed in seeds
    ]
    found = watched_all(bench, FASHION, keys)
    n = len(seeds)
    groups = {name: found[i * n : i * n + n] for i, (name, _, _) in enumerate(SETTINGS)}
    details = {"settings": {name: _kept(group) for name, group in groups.items()}}
    return _measurement(claim, bench, groups, details)


def collapse(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """When they part, what passes the gate, and what becomes of the accuracy."""
    values = {
        "samples before they part": [float(n) for n in details["before"]],
        "largest input of h when closed": largest(details["largest_h"]),
        "samples past the gate": total(details["past_gate"]),
        "negative errors lost, last epoch": [float(row[-1]) for row in details["lost"]],
        "outputs without an error, last epoch": [float(row[-1]) for row in details["spurious"]],
    }
    for measure in ("spike", "membrane"):
        for path in ("circuit", "algebra"):
            curves = details["paths"][path][measure]
            values[f"{measure}, {path}, best"] = percent([max(curve) for curve in curves])
            values[f"{measure}, {path}, last"] = percent([curve[-1] for curve in curves])
    values["weights that differ from the explanation"] = [float(details["unexplained"])]
    for name, curves in details["parts"].items():
        values[f"spike, {name}, last"] = percent([curves["spike"][-1]])
    return chosen(claim, values)


#: The explanation in parts: what a hidden neuron that fires in phase 8 does, each by itself.
PARTS = {
    "only the neuron dead in phase 9": (True, False),
    "only its spike heard in phase 9": (False, True),
}


@claim(
    "fashion-mnist-circuit",
    "With the released parameters at exponent 0 the circuit first learns Fashion-MNIST and then "
    "loses it all: the input of h passes the closing gate.",
    source="The authors' code of August 2024: 1024 + 8192 + 8128",
    origin="ours",
    quantities=(
        Quantity("spike, circuit, last", unit="%"),
        Quantity("spike, circuit, best", unit="%"),
        Quantity("membrane, circuit, last", unit="%"),
        Quantity("membrane, circuit, best", unit="%"),
        Quantity("spike, algebra, last", unit="%"),
        Quantity("spike, algebra, best", unit="%"),
        Quantity("membrane, algebra, last", unit="%"),
        Quantity("membrane, algebra, best", unit="%"),
        Quantity("samples before they part"),
        Quantity("largest input of h when closed", unit="weight units"),
        Quantity("samples past the gate"),
        Quantity("negative errors lost, last epoch"),
        Quantity("outputs without an error, last epoch"),
        Quantity("weights that differ from the explanation", 0, 0, origin="derived"),
        *(Quantity(f"spike, {name}, last", unit="%") for name in PARTS),
    ),
    how="60 epochs of circuit (compiled engine) and algebra side by side from the same seed; in "
    "every sample the spikes of h in phase 8, where it should be held shut, the errors d- of phase "
    "4 that are not in o in phase 9, outputs in phase 9 without an error, and spikes of h that are "
    "missing in phase 9.  The explanation, written without spikes (sbp.reproduce.past_gate), "
    "learns beside (first seed): whole, it has to equal the circuit in every weight; and each "
    "part by itself.",
    why="Nothing was published to compare it with; that the explanation is complete is exact.",
    seeds=3,
    engine="compiled",
    data=(FASHION,),
    summary=collapse,
    remark="A hidden neuron that fires in phase 8, though a gate holds it shut, is dead in phase "
    "9, when the negative error is there: its increases of W2 are made and its decreases are not, "
    "while the copies of W2 for the way back get both.  Beside that its spike is heard by the "
    "outputs in phase 9, where a weight of -10 takes the error (a copy of 520 against 512) away.  "
    "The two last quantities tell what either does alone.",
)
def fashion_circuit(claim: Claim, bench: Bench) -> Measurement:
    """Where circuit and algebra part, and what becomes of the accuracy."""
    epochs = bench.epochs(FASHION, None, watched=True)
    seeds = bench.seeds(claim)
    found = watched_all(bench, FASHION, [Watch(400, epochs, seed) for seed in seeds])
    variants = [Variant(True, True, epochs, seeds[0])]
    variants += [Variant(dead, heard, epochs, seeds[0]) for dead, heard in PARTS.values()]
    whole, *parts = past_gate.trainings(bench, FASHION, variants)
    return _measurement(claim, bench, {"exponent 0": found}, _kept(found) | {
        "unexplained": differing(found[0].weights, whole.arrays),
        "parts": {n: one.facts["curves"] for n, one in zip(PARTS, parts, strict=True)},
    })  # fmt: skip
