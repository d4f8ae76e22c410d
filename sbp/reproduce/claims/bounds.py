"""What happens where weights meet the ends of their range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sbp.reproduce.claim import EXACT, Claim, Measurement, Quantity, claim
from sbp.reproduce.claims.watching import chosen, measurement, paths, percent, samples_before
from sbp.reproduce.watch import watched

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


def summary(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Copies at the end, when the two learners part, and what becomes of the accuracy."""
    rows, equal = details["symmetry"], details["equal copies"]
    return chosen(claim, {
        "parted copies of W1": [float(row["W1"]) for row in rows],
        "parted copies of W2, same sign": [float(row["W2"]) for row in rows],
        "largest distance of the negated copy": [float(row["distance"]) for row in rows],
        "parted synapses of the negated copy of W2": [float(row["negated"]) for row in rows],
        "samples before circuit and algebra part": [float(n) for n in details["before"]],
        "membrane, circuit": percent([c[-1] for c in details["paths"]["circuit"]["membrane"]]),
        "membrane, algebra": percent([c[-1] for c in details["paths"]["algebra"]["membrane"]]),
        "parted synapses, copies made equal each epoch": [
            float(row["negated"]) for row in equal["symmetry"]
        ],
        "membrane, circuit, copies made equal each epoch": percent(
            [curve[-1] for curve in equal["membrane"]]
        ),
    })  # fmt: skip


@claim(
    "digits-weight-bounds",
    "Where a weight of W2 reaches a bound (-256 or 254), its negated copy stops beside it, 2 "
    "apart for good; from then on the circuit need not equal the algebra.",
    source="The paper's learning rule and the chip's weight range, -256 .. 254",
    origin="derived",
    quantities=(
        Quantity("parted copies of W1", 0),
        Quantity("parted copies of W2, same sign", 0),
        Quantity("largest distance of the negated copy", 2, 0, "weight units"),
        Quantity("parted synapses of the negated copy of W2"),
        Quantity("samples before circuit and algebra part"),
        Quantity("membrane, circuit", unit="%"),
        Quantity("membrane, algebra", unit="%"),
        Quantity("parted synapses, copies made equal each epoch"),
        Quantity("membrane, circuit, copies made equal each epoch", unit="%"),
    ),
    how="A network so narrow that its weights start near the bounds: 64-24-10 on the embedded "
    "digits, 30 epochs on the compiled engine, the algebra beside it; and once more with all "
    "copies made equal again after every epoch, as the authors' script does.",
    why=EXACT,
    seeds=3,
    engine="compiled",
    data=("digits",),
    summary=summary,
)
def weight_bounds(claim: Claim, bench: Bench) -> Measurement:
    """Two trainings of each seed: copies left alone, and made equal after every epoch."""
    seeds = bench.seeds(claim)
    found = watched(bench, "digits", seeds, hidden=24, epochs=30)
    equal = watched(bench, "digits", seeds, hidden=24, epochs=30, equal_copies=True)
    return measurement(
        claim, bench, found, paths=paths(found), before=samples_before(found),
        symmetry=[one.symmetry for one in found], parted=[one.parted for one in found],
        **{"equal copies": {
            "symmetry": [one.symmetry for one in equal],
            "membrane": [one.halves["membrane"] for one in equal],
        }},
    )  # fmt: skip
