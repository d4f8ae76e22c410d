"""The two models behind the Fashion-MNIST claims, held to others: NumPy's own, and the circuit."""

from __future__ import annotations

import numpy as np
import pytest

from sbp import algebra, engines
from sbp.circuits import learning_circuit
from sbp.learn.training import one_hot
from sbp.program import lower
from sbp.reproduce import numpy_model, past_gate
from sbp.reproduce.numpy_model import AUTHORS, CIRCUIT, Rules
from sbp.weights import Weights


def pictures(n: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, side * side)), rng.integers(0, 10, n).astype(np.uint8)


def by_numpy(
    x: np.ndarray, labels: np.ndarray, rules: Rules, w1: np.ndarray, w2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The step as the description says it, with floats and whole matrices."""
    w1, w2, end = w1.astype(float), w2.astype(float), 1024 if rules.open_end else 1025
    for row, label in zip(x.astype(float), labels, strict=True):
        a1 = row @ w1
        h = (a1 > 512).astype(float)
        a2 = h @ w2
        o, t = a2 > 512, np.arange(10) == label
        d = (t & ~o & (a2 > 0)).astype(float) - (o & ~t & (a2 < end))
        later = w2
        w2 = np.clip(w2 + 2 * np.outer(h, d), rules.lowest, 254)
        e = (w2 if rules.update_first else later) @ d
        change = np.sign(e) * ((a1 > 0) & (a1 < end))
        w1 = np.clip(w1 + 2 * np.outer(row, change), rules.lowest, 254)
    return w1, w2


@pytest.mark.parametrize(
    "rules",
    [AUTHORS, CIRCUIT, *(AUTHORS._replace(**{n: getattr(CIRCUIT, n)}) for n in Rules._fields)],
)
def test_numpy_model_is_the_model_described(rules: Rules) -> None:
    train, test = pictures(400, 7, 1), pictures(50, 7, 2)
    figures, weights = numpy_model.run(train, test, 0.6, rules=rules, epochs=2)
    w1, w2 = (w.astype(float) for w in numpy_model.initial_weights(49))
    order = None
    for epoch in (1, 2):
        order = numpy_model.order_of(epoch, order, 400)
        shown = numpy_model.spikes(train[0][order], 0.6)
        w1, w2 = by_numpy(shown, train[1][order], rules, w1, w2)
    assert np.array_equal(weights["W1"], w1.T)
    assert np.array_equal(weights["W2"], w2.T)
    assert 0 <= figures[-1].loss <= 1


def test_numpy_model_notices_each_of_its_rules() -> None:
    """Weights near the bounds and sums at the end of the derivative: no rule is idle."""
    train, test = pictures(600, 20, 3), pictures(10, 20, 4)
    found = [
        numpy_model.run(train, test, 0.5, rules=rules, epochs=6)[1]
        for rules in (AUTHORS, *(AUTHORS._replace(**{n: getattr(CIRCUIT, n)}) for n in
                                 ("update_first", "open_end")))
    ]  # fmt: skip
    for other in found[1:]:
        assert any((other[name] != found[0][name]).any() for name in other)


def test_numpy_model_at_the_circuit_s_rules_is_the_algebra() -> None:
    train, test = pictures(500, 8, 5), pictures(20, 8, 6)
    _, weights = numpy_model.run(train, test, 0.5, rules=CIRCUIT, epochs=1)
    w1, w2 = numpy_model.initial_weights(64)
    network = algebra.Network(
        {"W1": np.ascontiguousarray(w1.T), "W2": np.ascontiguousarray(w2.T)}, copies=False
    )
    order = numpy_model.order_of(1, None, 500)
    network.train(numpy_model.spikes(train[0], 0.5), one_hot(train[1], 10), order)
    for name, matrix in network.weights.items():
        assert np.array_equal(matrix, weights[name])


def test_order_is_that_of_the_global_generator() -> None:
    """As a script would do it: seed, permute, then seed and shuffle inputs and targets alike."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(43)  # noqa: NPY002
        permuted = np.random.permutation(300)  # noqa: NPY002
        inputs, targets = np.repeat(permuted[:, None], 5, axis=1) > 150, np.eye(300)[permuted]
        order = None
        for epoch in (1, 2, 3):
            for array in (inputs, targets):
                np.random.seed(43 + epoch - 1)  # noqa: NPY002
                np.random.shuffle(array)  # noqa: NPY002
            order = numpy_model.order_of(epoch, order, 300)
            assert np.array_equal(targets.argmax(axis=1), order)
            assert np.array_equal(inputs[:, 0], order > 150)
        np.random.seed(44)  # noqa: NPY002
        drawn = np.random.randn(20, 400)  # noqa: NPY002
    finally:
        np.random.set_state(state)  # noqa: NPY002
    w1, _ = numpy_model.initial_weights(20)
    assert np.abs(w1 - np.clip(drawn * np.sqrt(2 / 420) * 1024, -240, 240)).max() < 2


def test_pixels_are_divided_by_255_twice() -> None:
    # round(128 / 255 * 256 / 255, 2) is 0.50, which is not above 0.5: as for the circuit, 129 is.
    assert numpy_model.spikes(np.arange(256), 0.5).argmax() == 129
    for threshold in (0.4, 0.5, 0.6):
        spikes = numpy_model.spikes(np.arange(256), threshold)
        expected = [round(p / 255 / 255 * 256, 2) > threshold for p in range(256)]
        assert spikes.tolist() == expected


@pytest.mark.parametrize(("dead", "heard"), [(True, True), (False, False)])
def test_past_the_gate_the_explanation_is_the_circuit(dead: bool, heard: bool) -> None:
    """Sums around 17,344, weights at both bounds: the circuit, spike by spike, and without."""
    rng = np.random.default_rng(8)
    sizes = (96, 30, 10)
    x = (rng.random((600, 96)) < rng.uniform(0.6, 0.95, (600, 1))).astype(np.uint8)
    y = rng.integers(0, 10, 600).astype(np.uint8)
    start = Weights.random(sizes, 4)
    w1 = start["W1"].copy()
    w1[:12] = 2 * rng.integers(90, 128, (12, 96))
    start = {"W1": w1, "W2": start["W2"]}
    program, order = lower(learning_circuit(sizes)), np.arange(600)
    network = past_gate.Network(start, dead=dead, heard=heard)
    network.train(x, y, order)
    assert (x @ w1.T.astype(int)).max() > 17_344
    if dead:
        with engines.session("compiled", program, program.state(start)) as session:
            expected = session.run({"input": x, "target": one_hot(y, 10)}).weights
    else:
        plain = algebra.Network(start)
        plain.train(x, one_hot(y, 10), order)
        expected = plain.weights
    for name, matrix in network.weights.items():
        assert np.array_equal(matrix, expected[name])


def test_each_part_of_the_explanation_changes_the_weights() -> None:
    rng = np.random.default_rng(9)
    sizes = (96, 30, 10)
    x = (rng.random((600, 96)) < 0.9).astype(np.uint8)
    y = rng.integers(0, 10, 600).astype(np.uint8)
    start = dict(Weights.random(sizes, 4))
    start["W1"] = start["W1"].copy()
    start["W1"][:12] = 240
    found = {}
    for parts in ((False, False), (True, False), (False, True), (True, True)):
        network = past_gate.Network(start, dead=parts[0], heard=parts[1])
        network.train(x, y, np.arange(600))
        found[parts] = network.weights["W2"].tobytes()
    assert len(set(found.values())) == 4
