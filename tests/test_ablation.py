"""Rules between the chip's and the textbook's, each beside an oracle that was written anew."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbp import algebra, reproduce
from sbp.learn import data
from sbp.learn.data import Dataset
from sbp.learn.training import Settings, epoch_order, initial_weights, one_hot, train
from sbp.reproduce import ablation, figures, page
from sbp.reproduce.ablation import CHIP, TEXTBOOK, Rule, Step
from sbp.reproduce.bench import Bench, Scale
from sbp.reproduce.claims import idealisations, select

MEASURES = ("membrane", "spike")
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"


def small(seed: int, n_in: int = 12, classes: int = 3, n: int = 60) -> Dataset:
    """Random patterns whose class can be learned, and a test set of the same kind."""
    rng = np.random.default_rng(seed)
    kinds = rng.random((classes, n_in)) < 0.6
    labels = rng.integers(0, classes, 2 * n).astype(np.uint8)
    x = (kinds[labels] ^ (rng.random((2 * n, n_in)) < 0.1)).astype(np.uint8)
    return Dataset("small", x[:n], labels[:n], x[n:], labels[n:], None, classes, "made here")


def by_hand(
    dataset: Dataset, rule: Rule, step: Step, seed: int, epochs: int, hidden: int
) -> dict[str, np.ndarray]:
    """Every rule but those that round at random, sample by sample, in float64."""
    start = initial_weights((dataset.n_inputs, hidden, dataset.n_classes), seed)
    w1, w2 = (start[name].astype(float) for name in ("W1", "W2"))
    targets = one_hot(dataset.y_train, dataset.n_classes)
    total, done = epochs * len(targets), 0
    for epoch in range(1, epochs + 1):
        for sample in epoch_order(seed, epoch, len(targets)):
            x, t = dataset.x_train[sample].astype(float), targets[sample].astype(float)
            a1 = w1 @ x
            h = (a1 > 512).astype(float)
            a2 = w2 @ h
            answer = (a2 > 512) if rule.ternary else np.clip(a2 / 1024, 0, 1)
            d2 = (t - answer) * ((a2 > 0) & (a2 <= 1024))
            back = w2.T @ d2
            back = np.sign(back) if rule.sign else back / 1024
            d1 = back * ((a1 > 0) & (a1 <= 1024))
            rate = 2 * (1 if rule.constant else 1 - done / total)
            w2 = w2 + rate * step.output * np.outer(d2, h)
            w1 = w1 + rate * step.hidden * np.outer(d1, x)
            if rule.bounds:
                w1, w2 = np.clip(w1, -256, 254), np.clip(w2, -256, 254)
            done += 1
    return {"W1": w1, "W2": w2}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40))
def test_with_every_idealisation_it_is_the_algebra_bit_for_bit(
    seed: int, n_in: int, hidden: int
) -> None:
    dataset = small(seed, n_in, classes=2 + seed % 4)
    found = ablation.train(dataset, CHIP, Step(), seed=seed, epochs=4, hidden=hidden)
    network = algebra.Network(
        initial_weights((n_in, hidden, dataset.n_classes), seed), copies=False
    )
    targets = one_hot(dataset.y_train, dataset.n_classes)
    for epoch in range(1, 5):
        network.train(dataset.x_train, targets, epoch_order(seed, epoch, len(targets)))
    for name, matrix in network.weights.items():
        assert (found.weights[name] == matrix).all()


def test_on_real_digits_it_is_the_training_of_the_paper() -> None:
    dataset = data.load("mnist-5k")
    trained = train(dataset, Settings(epochs=2, seed=3))
    found = ablation.train(dataset, CHIP, Step(), seed=3, epochs=2)
    for name, matrix in trained.weights.items():
        assert (found.weights[name] == matrix).all()
    for name in ("exact", "spike", "membrane", "mse"):
        assert getattr(found.measures, name) == pytest.approx(trained.epochs[-1][name])


@pytest.mark.parametrize(
    "rule",
    [Rule(s, False, *rest) for s, *rest in product((True, False), repeat=4)],
    ids=lambda rule: "".join(str(int(flag)) for flag in rule),
)
def test_every_rule_off_the_grid_is_the_one_written_down(rule: Rule) -> None:
    dataset, step = small(5), Step(1.5, 2.5)
    found = ablation.train(dataset, rule, step, seed=1, epochs=2, hidden=8)
    expected = by_hand(dataset, rule, step, 1, 2, 8)
    start = initial_weights((12, 8, 3), 1)
    for name, matrix in expected.items():
        assert (found.weights[name] != start[name]).any(), "something is learned at all"
        assert found.weights[name] == pytest.approx(matrix, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_rounding_at_random_keeps_the_mean_and_goes_to_a_neighbour(seed: int) -> None:
    rng = np.random.default_rng(seed)
    changes = np.concatenate([rng.normal(0, 3, 20), [-4, -2, 0, 2, 4]]).astype(np.float32)
    state = np.array([seed + 1], np.uint64)
    total, n = np.zeros(len(changes)), 20_000
    for _ in range(n):
        rounded = changes.copy()
        ablation.round_at_random(rounded, state)
        assert (rounded % 2 == 0).all()
        assert (abs(rounded - changes) < 2).all()
        total += rounded
    assert total / n == pytest.approx(changes, abs=5 * 1 / np.sqrt(n))
    assert (total[-5:] / n == changes[-5:]).all(), "what is whole stays"


@pytest.mark.parametrize("name", Rule._fields)
def test_weights_keep_to_the_grid_and_the_bounds_where_they_have_to(name: str) -> None:
    dataset = small(7, n=400)
    for rule in (CHIP.changed(name), TEXTBOOK.changed(name)):
        found = ablation.train(dataset, rule, Step(1.5, 1.5), seed=2, epochs=12, hidden=6)
        values = np.concatenate([matrix.ravel() for matrix in found.weights.values()])
        assert ((values % 2 == 0).all()) == rule.grid
        if rule.bounds:
            assert values.min() >= -256
            assert values.max() <= 254
        again = ablation.train(dataset, rule, Step(1.5, 1.5), seed=2, epochs=12, hidden=6)
        assert all((again.weights[n] == found.weights[n]).all() for n in found.weights)


def test_a_lost_class_is_told() -> None:
    """No picture of class 2 makes its output's input positive: it can have no error."""
    dataset = small(3)
    found = ablation.train(dataset, CHIP, Step(), seed=0, epochs=3, hidden=10)
    h = dataset.x_test @ found.weights["W1"].T > 512
    sums = h @ found.weights["W2"].T
    lost = [k for k in range(3) if (sums[dataset.y_test == k, k] <= 0).all()]
    assert found.lost == lost
    nothing = replace(dataset, x_test=np.zeros_like(dataset.x_test))
    assert ablation.train(nothing, CHIP, Step(), seed=0, epochs=1, hidden=10).lost == [0, 1, 2]


def test_held_out_pictures_are_no_test_pictures_and_not_learned() -> None:
    dataset = small(1)
    chosen = idealisations.part(dataset, held_out=True)
    assert (np.concatenate([chosen.x_train, chosen.x_test]) == dataset.x_train).all()
    assert len(chosen.x_test) == 10
    assert idealisations.part(dataset, held_out=False) is dataset


def test_the_best_step_is_the_one_with_most_right_answers() -> None:
    rule = CHIP.changed("grid")
    tried = [
        {"step": [1, 1], "membrane": [0.9, 0.8], "spike": [0.7, 0.7]},
        {"step": [0.5, 0.5], "membrane": [0.8, 0.8], "spike": [0.9, 0.9]},
    ]
    assert idealisations.best(rule, tried) == Step(0.5, 0.5)
    assert idealisations.best(CHIP, []) == Step(1, 1)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The claim on few digits."""
    folder = tmp_path_factory.mktemp("results")
    digits = data.load("digits").take(300, 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "_load", lambda self, name: replace(digits, name=name))
        reproduce.main(["idealisations"], seeds=2, out=folder, scale=Scale(embedded_epochs=2))
    return json.loads((folder / "idealisations.json").read_text())


def test_prices_are_differences_seed_by_seed(record: dict) -> None:
    rows = {tuple(row["rule"]): row for row in record["details"]["rules"]}
    assert len(rows) == 12
    values, chip, textbook = record["values"], rows[tuple(CHIP)], rows[tuple(TEXTBOOK)]
    for seed in range(2):
        assert values["spike, 8 bits, beside the others"][seed] == pytest.approx(
            100 * (rows[(True, False, True, True, True)]["spike"][seed] - chip["spike"][seed])
        )
        assert values["membrane, hard bounds, alone"][seed] == pytest.approx(
            100 * (textbook["membrane"][seed]
                   - rows[(False, False, False, False, True)]["membrane"][seed])
        )  # fmt: skip
    assert all(row["step"] in [one["step"] for one in row["tried"]]
               for row in rows.values() if row["tried"])  # fmt: skip


@pytest.mark.parametrize(("measure", "chip"), list(product(MEASURES, (True, False))))
def test_the_picture_s_prices_are_those_of_the_claim(
    record: dict, measure: str, chip: bool
) -> None:
    rows = figures.prices_of(record["details"], measure, chip)
    where = "beside the others" if chip else "alone"
    for words in idealisations.WORDS.values():
        expected = record["values"][f"{measure}, {words}, {where}"]
        assert rows[words][0] == pytest.approx(expected, abs=1e-3)
    if chip:
        expected = record["values"][f"{measure}, all of them"]
        assert rows["all five"][0] == pytest.approx(expected, abs=1e-3)


def test_the_picture_shows_every_run_and_says_means_with_and_without_lost_classes() -> None:
    (claim,) = select(["idealisations"])
    record = json.loads((RESULTS / "idealisations.json").read_text())
    fig = figures.draw(claim, record)
    rows = {tuple(row["rule"]): row for row in record["details"]["rules"]}
    chip, less = rows[tuple(CHIP)], rows[tuple(CHIP.changed("ternary"))]
    prices = 100 * (np.array(less["spike"]) - np.array(chip["spike"]))
    whole = [not a and not b for a, b in
             zip(less["lost classes"], chip["lost classes"], strict=True)]  # fmt: skip
    drawn = [line for line in fig.axes[1].lines if line.get_gid() == "values ternary output error"]
    assert [list(line.get_xdata()) for line in drawn] == [
        pytest.approx(prices), pytest.approx(prices[whole])
    ]  # fmt: skip
    for values, what in ((prices, "all runs"), (prices[whole], "runs that lost no class")):
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        said = f"{what}, {len(values)}: {np.mean(values):.2f} ± {error:.2f}"
        assert f"spike, ternary output error, taken from the chip's rule, {said}" in fig.alt


def test_the_committed_steps_and_what_the_book_says_of_lost_classes_follow_from_it() -> None:
    details = json.loads((RESULTS / "idealisations.json").read_text())["details"]
    rows = {tuple(row["rule"]): row for row in details["rules"]}
    for rule, row in rows.items():
        assert list(idealisations.best(Rule(*rule), row["tried"])) == row["step"]

    def lost(rule: Rule) -> int:
        return sum(map(bool, rows[tuple(rule)]["lost classes"]))

    text = (ROOT / "book" / "meaning.md").read_text()
    for name, words in idealisations.WORDS.items():
        said = re.search(rf"^\| {words} \|.*$", text, re.MULTILINE)
        assert said, words
        assert re.findall(r"(\d) of 8 \|", said[0]) == [
            str(lost(CHIP.changed(name))), str(lost(TEXTBOOK.changed(name)))
        ]  # fmt: skip
    assert (lost(CHIP), lost(TEXTBOOK), lost(CHIP.changed("ternary"))) == (1, 3, 6)
    assert "loses a\nclass in one of eight runs" in text
    assert "loses one in three of eight" in text
    assert "six of eight runs lose a class" in text
    assert lost(TEXTBOOK.changed("ternary")) == 0
    for chip, measure in product((True, False), ("membrane", "spike")):
        for name, (values, gone) in figures.prices_of(details, measure, chip).items():
            if not gone.all() and (chip or name != "hard bounds"):
                assert abs(values[~gone].mean()) < 1, "every mean is below a point"


def test_the_status_page_has_a_row_for_every_rule(record: dict) -> None:
    lines = page._details(record["details"])
    rows = [line for line in lines if line.startswith(("| yes", "| no"))]
    assert len(rows) == 12
    assert rows[0].startswith("| yes | yes | yes | yes | yes | 1 and 1 |")
    for line, row in zip(rows, record["details"]["rules"], strict=True):
        assert line.endswith(f"| {sum(map(bool, row['lost classes']))} of 2 |")
