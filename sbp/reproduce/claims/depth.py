"""What depth brings: one to four hidden layers, of equal width and of equal synapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sbp.circuits.registry import usual
from sbp.reproduce.claim import Circuits, Claim, Measurement, Quantity, claim
from sbp.reproduce.deep_courses import EXPONENT, Deep, equal_synapses, trainings

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench

WIDTH = 400
LAYERS = (1, 2, 3, 4)
EPOCHS = 20
SHIFTS = (0, 1)
SAME_WIDTH, SAME_SYNAPSES = f"{WIDTH} each", "equal synapses"


def networks(n_in: int, n_out: int) -> dict[tuple[int, ...], list[str]]:
    """Hidden sizes, and what they are examples of."""
    found: dict[tuple[int, ...], list[str]] = {}
    for layers in LAYERS:
        found.setdefault((WIDTH,) * layers, []).append(SAME_WIDTH)
        width = equal_synapses(n_in, layers, n_out, WIDTH)
        found.setdefault((width,) * layers, []).append(SAME_SYNAPSES)
    return found


def _names(layers: int) -> tuple[str, str, str, str]:
    said = f"{layers} hidden layer{'s' * (layers > 1)}"
    return (
        f"spike, {said} of {WIDTH}",
        f"spike, {said} of {WIDTH}, shifts",
        f"spike, {said}, equal synapses",
        f"spike, {said}, equal synapses, shifts",
    )


def summary(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """The last epoch, per seed, by depth."""
    values: dict[str, list[float]] = {
        "weights that differ from the algebra": [
            float(row["cost"]["differing weights"]) for row in details["networks"]
        ],
        "silent layers": [
            float(sum(map(len, row["silent layers"]))) for row in details["networks"]
        ],
    }
    for row in details["networks"]:
        names = _names(len(row["sizes"]) - 2)
        for family in row["families"]:
            name = names[(2 if family == SAME_SYNAPSES else 0) + row["shift"]]
            values[name] = [round(100 * value, 4) for value in row["spike"]]
    return {quantity.name: values.get(quantity.name, []) for quantity in claim.quantities}


QUANTITIES = (
    *(
        Quantity(_names(layers)[which], unit="%")
        for which in range(4)
        for layers in LAYERS
        if which < 2 or layers > 1
    ),
    Quantity("silent layers"),
    Quantity("weights that differ from the algebra", 0, 0, origin="derived"),
)
_ABOUT: dict[str, Any] = {
    "source": "This package: the circuit of any depth, 5 L + 2 steps a sample",
    "origin": "ours",
    "quantities": QUANTITIES,
    "how": f"{EPOCHS} epochs by the algebra of 1 to 4 hidden layers, {WIDTH} neurons each, or as "
    "wide as keeps the number of weights; with and without shifts of the training pictures by up "
    "to 1 pixel.  Last epoch, 5 seeds.  The circuit (compiled engine, weight exponent -2) then "
    "learns 500 further samples beside the algebra: cost in steps, spikes and modelled energy, and "
    "weights that differ.",
    "why": "Nothing was published about deeper networks; that the circuit equals the algebra is "
    "exact.",
    "seeds": 5,
    "engine": "algebra",
    "engines": ("compiled",),
    "epochs": EPOCHS,
    "summary": summary,
}


def measured(claim: Claim, bench: Bench) -> Measurement:
    """Every network with every seed."""
    (name,) = claim.data
    dataset, seeds = bench.dataset(name), bench.seeds(claim)
    epochs = min(EPOCHS, bench.scale.epochs)
    shapes = networks(dataset.n_inputs, dataset.n_classes)
    keys = [
        Deep(hidden, epochs, seed, shift, check=seed == seeds[0])
        for hidden in shapes for shift in SHIFTS for seed in seeds
    ]  # fmt: skip
    found = dict(zip(keys, trainings(bench, name, keys), strict=True))
    rows, weights = [], {}
    for hidden, families in shapes.items():
        for shift in SHIFTS:
            own = [found[key] for key in keys if key.hidden == hidden and key.shift == shift]
            rows.append({
                "sizes": own[0]["sizes"], "families": families, "shift": shift,
                **{n: [one["curves"][n][-1] for one in own] for n in own[0]["curves"]},
                "silent layers": [one["silent"] for one in own], "cost": own[0]["cost"],
            })  # fmt: skip
            for seed, one in zip(seeds, own, strict=True):
                shape = "-".join(map(str, one["sizes"]))
                weights[f"{shape}, shift {shift}, seed {seed}"] = one["digest"]
    circuits = [
        Circuits(usual(len(row["sizes"])), tuple(row["sizes"]), {"weight_exponent": EXPONENT})
        for row in rows if not row["shift"]
    ]  # fmt: skip
    return Measurement(
        details={"epochs": epochs, "networks": rows}, circuits=tuple(circuits), seeds=seeds,
        weights=weights, data={name: dataset},
    )  # fmt: skip


claim(
    "mnist-depth",
    "What one to four hidden layers bring on MNIST, and what they cost.",
    data=("mnist",),
    **_ABOUT,
)(measured)

claim(
    "fashion-mnist-depth",
    "What one to four hidden layers bring on Fashion-MNIST, and what they cost.",
    data=("fashion-mnist",),
    **_ABOUT,
)(measured)
