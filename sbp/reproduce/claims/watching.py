"""What claims about watched trainings have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sbp.reproduce.claim import Circuits, Claim, Measurement
from sbp.reproduce.courses import NAMES
from sbp.reproduce.watch import Watched

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


def measurement(
    claim: Claim, bench: Bench, found: Sequence[Watched], **details: Any
) -> Measurement:
    """What each of them keeps: the curves of the circuit by half epochs, and the digests."""
    (name,) = claim.data
    seeds = bench.seeds(claim)
    halves = {m: [one.halves[m] for one in found] for m in NAMES}
    return Measurement(
        details={"epochs": len(found[0].epochs), "halves": halves, **details},
        circuits=(Circuits("learning", found[0].program.sizes),),
        seeds=seeds,
        weights={str(s): one.digest for s, one in zip(seeds, found, strict=True)},
        data={name: bench.watch_dataset(name)},
    )


def per_epoch(found: Sequence[Watched], *names: str) -> dict[str, list[list[Any]]]:
    """Columns of the epochs' rows: name to a list for each seed."""
    return {name: [[row[name] for row in one.epochs] for one in found] for name in names}


def samples_before(found: Sequence[Watched]) -> list[int]:
    """Samples before the weights first differed; all of them where they never did."""
    return [
        one.parted["samples_before"] if one.parted else int(one.total.steps[0]) for one in found
    ]


def paths(found: Sequence[Watched]) -> dict[str, dict[str, list[list[float]]]]:
    """Curves of circuit and algebra by epochs."""
    return {
        path: {name: [[row[path][name] for row in one.epochs] for one in found] for name in NAMES}
        for path in ("circuit", "algebra")
    }


def largest(rows: Sequence[Sequence[float]]) -> list[float]:
    """The largest of each row."""
    return [float(max(row)) for row in rows]


def total(rows: Sequence[Sequence[float]], first: int | None = None) -> list[float]:
    """The sum of each row, or of its `first` entries."""
    return [float(sum(row[:first])) for row in rows]


def percent(values: Sequence[float]) -> list[float]:
    """Fractions to percent."""
    return [round(100 * value, 4) for value in values]


def chosen(claim: Claim, values: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The values that the claim has quantities for, in its order."""
    return {quantity.name: values[quantity.name] for quantity in claim.quantities}
