"""The shapes in the types are looked at: a misfit is noticed, and what is refused passes."""

import jaxtyping
import numpy as np
import pytest
import shapes

from sbp import algebra, rows, weights
from sbp.errors import SpecError
from sbp.run import Counters
from sbp.weights import Weights

pack, nearest = shapes.checked(rows.pack), shapes.checked(weights.nearest)
outputs = shapes.checked(algebra.Network.outputs)
train = shapes.checked(algebra.Network.train)
counters = shapes.checked(Counters.__init__)
START = Weights.random((4, 3, 2), 0)


def test_what_a_function_takes_against_its_types_is_noticed():
    with pytest.raises(jaxtyping.TypeCheckError, match="matrix"):
        pack(np.zeros((3, 4), np.int32))
    with pytest.raises(jaxtyping.TypeCheckError, match="inputs"):
        outputs(algebra.Network(START), [[0, 0, 0, 0]])
    counted = np.zeros((2, 3), np.int64)
    with pytest.raises(jaxtyping.TypeCheckError, match="wraps"):
        counters(
            Counters.__new__(Counters),
            np.zeros(2, np.int64),
            *3 * [counted],
            counted.T,
            *3 * [counted],
        )


def test_what_it_refuses_itself_is_its_own_error():
    with pytest.raises(SpecError, match="inputs has shape"):
        outputs(algebra.Network(START), np.zeros((3, 5), np.uint8))
    with pytest.raises(SpecError, match="targets"):
        train(algebra.Network(START), np.zeros((3, 4), np.uint8), np.zeros((2, 2), np.uint8))


def test_what_it_returns_against_its_types_is_noticed(monkeypatch):
    assert nearest(np.array([3.0])).shape == (1,)
    monkeypatch.setattr(weights, "WEIGHT_STEP", np.ones((2, 1)))
    with pytest.raises(jaxtyping.TypeCheckError, match="return"):
        nearest(np.array([3.0, 1.0]))
