"""The table of claims: its numbers are the published ones, and it hangs together."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import pytest

from sbp.errors import SpecError
from sbp.reproduce import claims
from sbp.reproduce.claims import CLAIMS, MEASURED, TABLE_1, select
from sbp.reproduce.registry import FUNCTIONS

RESULTS = Path(__file__).resolve().parents[1] / "results"

# Transcribed by hand from the paper, the preprint and the authors' code, or counted by hand from
# the topology tables; no other number may be expected anywhere.
EXPECTED = {
    "circuit-sizes": {
        # 2*400 + 6*400 + 7*10 + 12
        "neurons, learning": 3282,
        "synapses, learning": 516_792 + 400 + 10 + 1,
        # x -> h, h<, h> and h -> o, o<, o> and o, o- -> hT
        "plastic synapses": 3 * 400 * 400 + 3 * 400 * 10 + 2 * 10 * 400,
        "neurons, inference": 400 + 400 + 10 + 4,
        # W1, W2, g1 -> x, g2 -> h, g3 -> o, ring of 4, input -> x, kick
        "synapses, inference": 160_000 + 4_000 + 400 + 400 + 10 + 4 + 400 + 1,
    },
    "steps-per-sample": {"learning": 12, "inference": 4},
    "digits-circuit-equals-algebra": {
        "differing output spikes": 0, "differing weights": 0, "unscheduled learning": 0,
    },
    "mnist-best-checkpoint": {"spike": 96.3, "membrane": 97.5},
    "mnist-60-epochs": {"spike": 95.7},
    "mnist-circuit-equals-algebra": {
        "differing weights": 0, "unscheduled learning": 0, "register wraps": 0,
    },
    "mnist-closing-gate": {"samples past a closing gate": 0},
    "mnist-weight-symmetry": {
        "parted copies of W1": 0, "parted copies of W2, same sign": 0,
    },
    "digits-weight-bounds": {
        "parted copies of W1": 0, "parted copies of W2, same sign": 0,
        "largest distance of the negated copy": 2,
    },
    "fashion-mnist": {
        "exact, last epoch": 73.4, "spike, last epoch": 76.9, "membrane, last epoch": 79.9,
    },
}  # fmt: skip


def test_expected_numbers_are_the_published_ones() -> None:
    found = {
        claim.id: {q.name: q.expected for q in claim.quantities if q.expected is not None}
        for claim in CLAIMS
    }
    assert {name: row for name, row in found.items() if row} == EXPECTED


def test_table_1_and_the_measured_costs_are_the_published_ones() -> None:
    assert [re.findall(r"[\d.]+", entry.accuracy)[0] for entry in TABLE_1] == [
        "96.3", "94.7", "95.3", "84.5", "98.1",
    ]  # fmt: skip
    assert MEASURED["learning"] == (0.59, 1.5)
    assert MEASURED["inference"] == (0.0025, 0.17)
    assert MEASURED["learning"].product == pytest.approx(0.885)


def test_every_claim_is_measured_and_every_measure_has_a_claim() -> None:
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert set(FUNCTIONS) == set(ids)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claim_hangs_together(claim: claims.Claim) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", claim.id), "names a file"
    names = [quantity.name for quantity in claim.quantities]
    assert names
    assert len(set(names)) == len(names)
    for text in (claim.statement, claim.source, claim.how, claim.why):
        assert text
    for quantity in claim.quantities:
        if quantity.expected is None:
            assert quantity.tolerance == 0, "a tolerance about nothing"
        else:
            assert claim.origin != "ours", "our own results have nothing to agree with"
            # An accuracy may be off by sampling error; everything else is a count.
            assert (quantity.tolerance > 0) == (quantity.unit == "%")
    assert (claim.seeds > 0) == bool(claim.engine), "what is trained has seeds"
    if claim.preset == "smoke":
        assert claim.in_smoke
        assert set(claim.data) <= {"digits"}, "smoke claims need no download"


@pytest.mark.parametrize("name", ["mnist-best-checkpoint", "mnist-60-epochs"])
def test_mnist_tolerances_are_two_standard_errors_of_the_test_set(name: str) -> None:
    (claim,) = select([name])
    for quantity in claim.quantities:
        if quantity.expected is not None:
            p = quantity.expected / 100
            two_errors = 200 * (p * (1 - p) / 10_000) ** 0.5
            assert quantity.tolerance == pytest.approx(two_errors, abs=0.05)


def test_fashion_mnist_s_tolerances_are_two_deviations_of_the_seeds_that_are_kept() -> None:
    (claim,) = select(["fashion-mnist"])
    values = json.loads((RESULTS / "fashion-mnist.json").read_text())["values"]
    said = []
    for quantity in claim.quantities:
        if quantity.expected is not None:
            deviation = statistics.stdev(values[quantity.name])
            assert quantity.tolerance == pytest.approx(2 * deviation, abs=0.05)
            said.append(f"{deviation:.1f}")
    assert f"{said[0]}, {said[1]} and {said[2]} points" in claim.why


def test_select_keeps_the_order_of_the_table_and_names_what_is_unknown() -> None:
    assert select() == CLAIMS
    assert [c.id for c in select(["digits", "circuit-sizes"])] == ["circuit-sizes", "digits"]
    with pytest.raises(SpecError, match=r"'fig-9'.*allowed: circuit-sizes, "):
        select(["fig-9"])
