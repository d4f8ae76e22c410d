"""Real handwritten digits with the paper's network, wherever this package is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sbp.reproduce.claim import MEASURES, Claim, Measurement, Quantity, claim
from sbp.reproduce.claims.watching import measurement
from sbp.reproduce.watch import watched

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


def summary(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """After the last epoch, per seed."""
    values = {
        name: [round(100 * curve[-1], 4) for curve in details["halves"][name]] for name in MEASURES
    }
    values["weights that differ from the algebra"] = [
        float(row[-1]) for row in details["differing"]
    ]
    return values


@claim(
    "mnist-5k",
    "The paper's 400-400-10 circuit learns real MNIST digits, 4,000 of them, spike for spike.",
    source="This package; the data are 5,000 digits of MNIST's training part",
    origin="ours",
    quantities=(
        *(Quantity(name, unit="%") for name in MEASURES),
        Quantity("weights that differ from the algebra", 0, 0, origin="derived"),
    ),
    how="60 epochs of 4,000 digits through the spiking circuit (compiled engine), tested on "
    "another 1,000, the algebra beside it.",
    why="Nothing was published for so few digits; that the circuit equals the algebra is exact.",
    preset="smoke",
    seeds=3,
    engine="compiled",
    data=("mnist-5k",),
    in_smoke=True,
    summary=summary,
)
def mnist_5k(claim: Claim, bench: Bench) -> Measurement:
    """Train the circuit, and the algebra beside it."""
    found = watched(bench, "mnist-5k", bench.seeds(claim), epochs=60)
    details = {"differing": [[row["differing"] for row in one.epochs] for one in found]}
    return measurement(claim, bench, found, **details)
