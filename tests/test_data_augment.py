"""Shifted training pictures."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from data_files import one_line, write_npz
from hypothesis import given
from hypothesis import strategies as st

from sbp.errors import DataError
from sbp.learn import data
from sbp.learn.augment import Shifts, shifted, shifts_of


def test_zero_shift_is_the_crop():
    whole = data.load("digits", crop=0).take(50)
    pictures = whole.x_train.reshape(-1, 8, 8)
    zero = np.zeros(50, int)
    cropped = data.load("digits", crop=2).take(50)
    assert np.array_equal(shifted(pictures, 2, zero, zero), cropped.x_train)
    assert np.array_equal(Shifts.of(cropped, 0, seed=1)(1), cropped.x_train)


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 3))
def test_shifted_equals_a_loop_over_pictures(seed, crop, largest):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 2, (6, 9, 8), dtype=np.uint8)
    rows, columns = rng.integers(-min(crop, largest), min(crop, largest) + 1, (2, 6))
    expected = [
        picture[crop + r : 9 - crop + r, crop + c : 8 - crop + c].ravel()
        for picture, r, c in zip(pictures, rows, columns, strict=True)
    ]
    assert np.array_equal(shifted(pictures, crop, rows, columns), expected)


def test_shifts_are_new_in_every_epoch_and_the_same_for_a_seed():
    digits = data.load("digits", crop=1).take(100)
    inputs, again, other = (Shifts.of(digits, 1, seed) for seed in (0, 0, 1))
    assert np.array_equal(inputs(1), again(1))
    assert not np.array_equal(inputs(1), inputs(2))
    assert not np.array_equal(inputs(1), other(1))
    for drawn in shifts_of(0, 1, 9000, 1):
        # Each of -1, 0, 1 about 3,000 times; 5 standard deviations are 224.
        assert np.abs(np.bincount(drawn + 1, minlength=3) - 3000).max() < 224


@pytest.mark.parametrize(
    ("name", "crop", "largest", "seed", "epoch", "expected"),
    [("digits", 1, 1, 3, 2, "77b85e29790dbb8b"), ("mnist-5k", 4, 2, 0, 1, "dfda8e1435e0864b")],
)
def test_the_shifts_that_results_were_made_with_stay(name, crop, largest, seed, epoch, expected):
    inputs = Shifts.of(data.load(name, crop=crop), largest, seed)(epoch)
    assert hashlib.sha256(inputs).hexdigest().startswith(expected)


def test_pictures_of_ones_own_are_shifted_too(tmp_path):
    grey = np.random.default_rng(5).integers(0, 256, (5, 6, 7), dtype=np.uint8)
    path = write_npz(tmp_path / "own.npz", x_train=grey, x_test=grey[:3])
    own = data.load(path, crop=2, threshold=100)
    rows, columns = shifts_of(9, 1, 5, 2)
    expected = [
        [
            int(grey[n][2 + rows[n] + r][2 + columns[n] + c] >= 100)
            for r in range(2)
            for c in range(3)
        ]
        for n in range(5)
    ]
    assert Shifts.of(own, 2, seed=9)(1).tolist() == expected


def test_a_window_that_would_leave_the_picture_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        Shifts.of(data.load("digits", crop=1), 2, seed=0)
    one_line(caught, "shift is 2 with crop 1", "0 to the crop")
    for uncropped in (data.load("digits"), data.load(write_npz(tmp_path / "own.npz"))):
        with pytest.raises(DataError) as caught:
            Shifts.of(uncropped, 1, seed=0)
        one_line(caught, "is not cropped")
