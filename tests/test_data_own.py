"""The user's FILE.npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_files import dataset, one_line, write_npz

from sbp.errors import DataError, SbpError
from sbp.learn import data

pytestmark = pytest.mark.usefixtures("cache")

# ---------------------------------------------------------------------------- the user's file


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float32])
def test_own_file(tmp_path, dtype):
    own = dataset()
    path = write_npz(
        tmp_path / "moons.npz",
        x_train=own.x_train.astype(dtype),
        y_train=own.y_train.astype(np.int64),
        image_shape=np.array([3, 2]),
    )
    for name in (path, str(path)):
        loaded = data.load(name)
        assert loaded.checksum == own.checksum
        assert loaded.name == "moons"
        assert loaded.n_classes == 3
        assert loaded.image_shape == (3, 2)
        assert str(tmp_path) not in loaded.source


def test_own_file_with_pictures(tmp_path):
    own = dataset()
    pictures = {key: getattr(own, key).reshape(-1, 2, 3) for key in ("x_train", "x_test")}
    loaded = data.load(write_npz(tmp_path / "a.npz", **pictures))
    assert (loaded.image_shape, loaded.checksum) == ((2, 3), own.checksum)
    assert data.load(write_npz(tmp_path / "b.npz")).image_shape is None


def test_own_file_cannot_pass_for_a_published_data_set(tmp_path):
    assert data.load(write_npz(tmp_path / "mnist.npz")).name == "mnist.npz"


NPZ_FAULTS = {
    "key missing": ({"y_test": None}, "lacks y_test; it has x_train, y_train, x_test"),
    "not binary": ({"x_test": np.array([[0, 1, 7, 0, 0, 1]] * 3)}, "x_test[0, 2] is 7"),
    "not a number": ({"x_train": np.full((5, 6), np.nan)}, "x_train[0, 0] is nan"),
    "minus one": ({"x_train": -np.eye(6, dtype=np.int8)[:5]}, "x_train[0, 0] is -1"),
    "x is text": ({"x_train": np.array([["a"] * 6] * 5)}, "x_train has shape (5, 6) and dtype <U1"),
    "x has one dimension": ({"x_test": np.zeros(3)}, "x_test has shape (3,)"),
    "no samples": ({"x_test": np.zeros((0, 6)), "y_test": np.zeros(0, int)}, "(0, 6)"),
    "no pictures": ({"x_test": np.zeros((0, 2, 3)), "y_test": np.zeros(0, int)}, "(0, 6)"),
    "negative label": ({"y_train": np.array([0, 1, -2, 1, 0])}, "y_train[2] is -2"),
    "huge label": ({"y_test": np.array([0, 1, 256])}, "y_test[2] is 256"),
    "label with a point": ({"y_train": np.zeros(5)}, "y_train has shape (5,) and dtype float64"),
    "one-hot labels": ({"y_test": np.eye(3, dtype=int)}, "y_test has shape (3, 3)"),
    "lengths differ": ({"y_train": np.zeros(4, int)}, "x_train has 5 samples and y_train 4 labels"),
    "widths differ": ({"x_test": np.zeros((3, 7))}, "x_train has 6 inputs and x_test 7"),
    "shape does not fit": ({"image_shape": np.array([2, 2])}, "image_shape is [2, 2]"),
    "shape is negative": ({"image_shape": np.array([-2, -3])}, "image_shape is [-2, -3]"),
    "shape is a number": ({"image_shape": np.array(6)}, "image_shape is 6"),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_own_file_with_a_fault_is_refused_by_name(tmp_path, fault):
    changes, says = NPZ_FAULTS[fault]
    path = write_npz(tmp_path / "own.npz", **changes)
    with pytest.raises(DataError) as caught:
        data.load(path)
    one_line(caught, path, says, "allowed:")


def test_own_file_that_holds_pickles_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = write_npz(tmp_path / "own.npz", x_train=np.array([Trap()], object))
    with pytest.raises(SbpError) as caught:
        data.load(path)
    one_line(caught, path, "pickle")
    assert not (tmp_path / "sprung").exists()


def test_own_file_cut_anywhere_is_refused(tmp_path):
    path = write_npz(tmp_path / "own.npz")
    raw = path.read_bytes()
    for length in (*range(0, len(raw), 41), len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(SbpError) as caught:
            data.load(path)
        one_line(caught, path)


def test_own_file_missing_or_not_a_file(tmp_path):
    with pytest.raises(SbpError) as caught:
        data.load(tmp_path / "none.npz")
    one_line(caught, tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(SbpError) as caught:
        data.load(tmp_path / "folder.npz")
    one_line(caught, tmp_path / "folder.npz")
