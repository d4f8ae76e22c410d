"""Weights: what is refused, the rounding rules and the random start worked out by hand."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbp.errors import SpecError
from sbp.weights import Weights, nearest, on_grid, toward_zero


def test_the_rounding_rules_by_hand():
    values = np.array([3.9, -3.9, 1.0, -1.0, 3.0, -3.0, 5.0, 239.99, 0.0])
    # Towards zero: the even number on zero's side.  Nearest: of two equally near (1 is between 0
    # and 2, 3 between 2 and 4, 5 between 4 and 6) the multiple of four.
    assert toward_zero(values).tolist() == [2, -2, 0, 0, 2, -2, 4, 238, 0]
    assert nearest(values).tolist() == [4, -4, 0, 0, 4, -4, 4, 240, 0]
    assert on_grid(np.array([300.0, -300.0, 254.9, -257.0])).tolist() == [254, -256, 254, -256]
    assert on_grid(np.array([255.9]), toward_zero).tolist() == [254]
    assert on_grid(values).dtype == np.int16


def test_numbers_that_are_none_have_no_place():
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(SpecError, match="not finite"):
            on_grid(np.array([[1.0, bad]]))


def test_the_random_start_by_hand():
    """Sizes 2-2-1-2, seed 0: NumPy's generator for the seed [0, 0] begins with these normals."""
    drawn = np.random.default_rng([0, 0]).normal(size=8)
    assert drawn.round(4).tolist() == [
        0.1257, -0.1321, 0.6404, 0.1049, -0.5357, 0.3616, 1.304, 0.9471,
    ]  # fmt: skip
    # W1 is 2x2: sqrt(2 / 4) * 1024 = 724.08; W2 is 1x2 and W3 2x1: sqrt(2 / 3) * 1024 = 836.09.
    # 0.1257 * 724.08 = 91.04 -> 90; -0.1321 * 724.08 = -95.65 -> -94; 0.6404 * 724.08 is beyond
    # 240; 0.1049 * 724.08 = 75.96 -> 74; the other four are all beyond +-240.
    weights = Weights.random((2, 2, 1, 2), seed=0)
    assert weights["W1"].tolist() == [[90, -94], [240, 74]]
    assert weights["W2"].tolist() == [[-240, 240]]
    assert weights["W3"].tolist() == [[240], [240]]
    # Depth only draws on: the first matrices do not know what follows.
    assert Weights.random((2, 2), 0)["W1"].tolist() == weights["W1"].tolist()
    assert Weights.random((2, 2), 0, names=("W",))["W"].tolist() == weights["W1"].tolist()


def test_the_random_start_of_the_paper_s_network_stays_what_it_was():
    # Digest and four numbers of the weights that all committed results begin with.
    weights = Weights.random((400, 400, 10), seed=0)
    assert weights["W1"][0, :4].tolist() == [6, -6, 32, 4]
    assert weights.digest == "b1ebda35eb9ab61df15fa60eb5709705dd9c258669ce6ace38ea4eb0415a8d38"
    assert max(np.abs(m).max() for m in weights.values()) <= 240


def test_they_do_not_change():
    original = {"W1": np.full((3, 2), 4), "W2": np.full((2, 3), -6)}
    weights = Weights.chain(original)
    original["W1"][:] = 8
    assert weights["W1"].tolist() == [[4, 4]] * 3
    with pytest.raises(ValueError, match="read-only"):
        weights["W1"][0, 0] = 2
    with pytest.raises(TypeError):
        weights["W1"] = original["W1"]
    free = weights.copy()
    free["W1"][0, 0] = 2
    assert weights["W1"][0, 0] == 4
    again = pickle.loads(pickle.dumps(weights))  # noqa: S301 - what a process pool does
    assert again == weights
    assert not again["W1"].flags.writeable


def test_they_are_a_mapping_in_order():
    weights = Weights.chain({"W2": np.full((2, 3), -6), "W1": np.full((3, 4), 4)})
    assert list(weights) == ["W1", "W2"]
    assert weights.sizes == (4, 3, 2)
    assert weights == {"W1": np.full((3, 4), 4), "W2": np.full((2, 3), -6)}
    assert weights != Weights({"W1": weights["W1"]})
    assert Weights({"W": np.zeros((2, 5), int)}).sizes == (5, 2)
    assert "W1 3x4, W2 2x3" in repr(weights)
    changed = weights | {"W2": np.full((2, 3), 254)}
    assert weights.differing(changed) == {"W1": 0, "W2": 6}
    assert Weights(changed).digest != weights.digest


W1, W2, W3 = np.zeros((3, 4), int), np.zeros((2, 3), int), np.zeros((5, 2), int)


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({}, "network: the weights W1 are missing"),
        ({"W2": W2}, "the weights W1 are missing"),
        ({"W1": W1, "W3": W3}, "no weights are called 'W3'; allowed: W1, W2"),
        ({"W1": W1, "W2": W2, "V": W3}, "no weights are called 'V'; allowed: W1, W2, W3"),
        ({"W": W1, "W1": W2}, "no weights are called 'W1'; allowed: W$"),
        ({"W1": W1, "W2": W2.T}, r"W2 have shape \(3, 2\); allowed: .* = \(3, 3\), since W1 has 3"),
        ({"W1": W1, "W2": W2[0]}, r"W2 have shape \(3,\)"),
        ({"W1": W1[:0]}, r"W1 have shape \(0, 4\)"),
        ({"W1": W1 + 1}, r"W1\[0, 0\] is 1 \(12 such\); allowed: even integers from -256 to 254"),
        ({"W1": W1 + 256}, r"W1\[0, 0\] is 256"),
        ({"W1": W1 - 258}, r"W1\[0, 0\] is -258"),
        ({"W1": W1 + 0.0}, "W1 are of type float64"),
        ({"W1": W1 > 0}, "W1 are of type bool"),
        ({3: W1}, "W1 are missing"),
    ],
)
def test_what_is_no_network_is_refused(matrices, message):
    with pytest.raises(SpecError, match=message) as caught:
        Weights.chain(matrices)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Weights({3: W1}), "weights are called 3"),
        (lambda: Weights.random((4,)), "1 layer sizes, 4; allowed: 2 or more"),
        (lambda: Weights.random((4, 0)), "layer size 0"),
        (lambda: Weights.random((4, True)), "layer size True"),
        (lambda: Weights.random((4, 3), names="WV"), "names are 'WV'"),
        (lambda: Weights.random((4, 3), names=["W", "V"]), "names of weights are W, V; allowed: 1"),
        (lambda: Weights.random((4, 3, 2), names=["a", "a"]), "are a, a; allowed: 2 different"),
        (lambda: Weights([np.zeros((2, 2), int)]), "network: the weights are list"),
        (lambda: Weights({"W1": [[2], [2, 4]]}), "weights W1: rows of unequal length"),
        (lambda: Weights.random(4), "layer sizes 4; allowed: a sequence"),
        (lambda: Weights.random((4, 3), seed=-1), "seed is -1"),
        (lambda: Weights.random((4, 3), seed=1.0), "seed is 1.0"),
        (lambda: Weights.of_halves({"W1": W1}), "half weights W1 are of type int64"),
    ],
)
def test_what_cannot_be_made_is_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 2**32))
def test_halves_are_lossless(sizes, seed):
    rng = np.random.default_rng(seed)
    matrices = {
        f"W{k}": 2 * rng.integers(-128, 128, (post, pre))
        for k, (pre, post) in enumerate(pairwise(sizes), 1)
    }
    matrices["W1"][0, 0], matrices["W1"][-1, -1] = -256, 254
    weights = Weights.chain(matrices)
    assert all(half.dtype == np.int8 for half in weights.halves.values())
    assert Weights.of_halves(weights.halves) == weights == matrices
    assert weights.sizes == tuple(sizes)


@given(st.floats(-400, 400))
def test_nearest_is_never_further_than_one(value):
    held = int(on_grid(np.array([value]))[0])
    assert held % 2 == 0
    assert abs(held - np.clip(value, -256, 254)) <= 1
    zeroward = int(on_grid(np.array([value]), toward_zero)[0])
    assert abs(zeroward) <= abs(value)
