"""The user's FILE.npz."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from data_files import dataset, one_line, python, slow_binarise, write_npz
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sbp.errors import DataError, SbpError
from sbp.files import read_json, write_json
from sbp.learn import data
from sbp.learn.checkpoint import RunFolder, load_history
from sbp.learn.training import Settings, train

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
    "widths of pictures": ({"x_train": np.zeros((5, 2, 3)), "x_test": np.zeros((3, 7))}, "test 7"),
    "widths differ": ({"x_test": np.zeros((3, 7))}, "x_train has 6 inputs and x_test 7"),
    "shape does not fit": ({"image_shape": np.array([2, 2])}, "image_shape is [2, 2]"),
    "shape is negative": ({"image_shape": np.array([-2, -3])}, "image_shape is [-2, -3]"),
    "shape is a number": ({"image_shape": np.array(6)}, "image_shape is 6"),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_own_file_with_a_fault_is_refused_by_name(tmp_path, fault):
    changes, says = NPZ_FAULTS[fault]
    path = write_npz(tmp_path / "own.npz", **changes)
    with pytest.raises(SbpError) as caught:
        data.load(path)
    one_line(caught, path, says, "it has" if fault == "key missing" else "allowed:")


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


# ---------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("channel", [1, 3])
def test_pictures_with_one_channel_are_pictures(tmp_path, channel):
    own = dataset()
    pictures = {
        key: np.expand_dims(getattr(own, key).reshape(-1, 2, 3), channel)
        for key in ("x_train", "x_test")
    }
    loaded = data.load(write_npz(tmp_path / "a.npz", **pictures))
    assert (loaded.image_shape, loaded.checksum) == ((2, 3), own.checksum)


@pytest.mark.parametrize(
    ("shape", "says"),
    [((5, 3, 2, 1), None), ((5, 3, 2, 2), "(5, 3, 2, 2)"), ((5, 1, 1, 1, 6), "(5, 1, 1, 1, 6)")],
)
def test_pictures_with_more_channels_are_refused(tmp_path, shape, says):
    path = write_npz(tmp_path / "own.npz", x_train=np.zeros(shape, np.uint8))
    if says is None:
        assert data.load(path).image_shape == (3, 2)
        return
    with pytest.raises(DataError) as caught:
        data.load(path)
    one_line(caught, path, f"x_train has shape {says}", "one channel")


def test_pictures_of_two_sizes_are_refused(tmp_path):
    own = dataset()
    path = write_npz(
        tmp_path / "own.npz",
        x_train=own.x_train.reshape(-1, 2, 3),
        x_test=own.x_test.reshape(-1, 3, 2),
    )
    with pytest.raises(DataError) as caught:
        data.load(path)
    one_line(caught, path, "x_train are 2 x 3", "x_test 3 x 2")


@given(
    x=hnp.arrays(np.uint8, (4, 5, 6)),
    crop=st.integers(0, 2),
    threshold=st.integers(1, 255),
)
def test_grey_pictures_take_a_crop_and_a_threshold(tmp_path_factory, x, crop, threshold):
    x[0, 2, 2], x[1, 2, 2] = 0, 255  # else the threshold may part nothing
    path = write_npz(
        tmp_path_factory.mktemp("grey") / "g.npz", x_train=x[[0, 1, 2, 3, 0]], x_test=x[:3]
    )
    loaded = data.load(path, crop=crop, threshold=threshold)
    assert loaded.x_train.tolist() == slow_binarise(x[[0, 1, 2, 3, 0]].tolist(), crop, threshold)
    assert loaded.x_test.tolist() == slow_binarise(x[:3].tolist(), crop, threshold)
    assert loaded.image_shape == (5 - 2 * crop, 6 - 2 * crop)
    assert (loaded.crop, loaded.threshold) == (crop, threshold)
    assert f"{crop} pixels cropped" in loaded.source
    assert f">= {threshold}" in loaded.source


def test_grey_pictures_of_fractions_and_a_shape_beside_them(tmp_path):
    x = np.linspace(0, 1, 30).reshape(5, 6)
    path = write_npz(tmp_path / "own.npz", x_train=x, x_test=x[:3], image_shape=np.array([3, 2]))
    loaded = data.load(path, threshold=0.5)
    assert np.array_equal(loaded.x_train, x >= 0.5)
    assert (loaded.threshold, loaded.image_shape) == (0.5, (3, 2))
    assert data.load(path, threshold=np.float64(1.0)).threshold == 1


GREY_FAULTS = {
    "no threshold": ({}, {}, "x_train[0, 1] is 7", "--threshold"),
    "no pictures": ({}, {"crop": 1}, "crop is 1", "how its samples are pictures"),
    "crop too large": ({"image_shape": np.array([2, 3])}, {"crop": 1}, "crop is 1", "0 to 0"),
    "all spike": ({}, {"threshold": 0}, "threshold is 0", "values of x_train are 0 to 200"),
    "none spikes": ({}, {"threshold": 201}, "threshold is 201", "at most 200"),
    "no number": ({}, {"threshold": float("nan")}, "threshold is nan", "a number"),
    "a number beyond": ({}, {"threshold": 10**400}, "threshold is 1000", "a number"),
    "a number far off": ({}, {"threshold": 10**20}, "threshold is 1000", "at most 200"),
    "widths differ": (
        {"x_train": np.zeros((5, 2, 3)), "x_test": np.zeros((3, 7))},
        {"crop": 0},
        "x_test has 7 inputs",
    ),
    "no training samples": (
        {"x_train": np.zeros((0, 2, 3)), "y_train": np.zeros(0, int)},
        {"crop": 0},
        "x_train has shape (0, 6)",
    ),
    "no pixels": (
        {"x_train": np.zeros((5, 2, 0)), "x_test": np.zeros((3, 2, 0))},
        {"crop": 0},
        "2 x 0, without a pixel",
    ),
    "text": ({}, {"threshold": "9"}, "threshold is '9'", "a number"),
    "bool": ({}, {"threshold": True}, "threshold is True", "a number"),
    "nan in x": ({"x_test": np.full((3, 6), np.nan)}, {"threshold": 9}, "x_test[0, 0] is nan"),
    "text in x": ({"x_test": np.full((3, 6), "a")}, {"threshold": 9}, "dtype <U1"),
}


@pytest.mark.parametrize("fault", GREY_FAULTS)
def test_grey_pictures_with_a_fault_are_refused_by_name(tmp_path, fault):
    changes, options, *says = GREY_FAULTS[fault]
    grey = np.array([[0, 7, 0, 200, 1, 0]] * 5)
    path = write_npz(tmp_path / "own.npz", **({"x_train": grey, "x_test": grey[:3]} | changes))
    with pytest.raises(DataError) as caught:
        data.load(path, **options)
    said = {"no pictures": "image_shape", "no pixels": "pictures"}
    one_line(caught, *says, said.get(fault, "allowed:"))


@pytest.mark.filterwarnings("ignore:hidden layer 1 has fallen silent")
def test_nothing_cut_off_needs_no_pictures_and_a_threshold_may_be_large(tmp_path):
    path = write_npz(tmp_path / "own.npz")
    assert data.load(path, crop=0).crop is None
    x = np.array([[0, 10**15, 0, 1, 0, 10**15]] * 5)
    path = write_npz(tmp_path / "far.npz", x_train=x, x_test=x[:3])
    trained = train(data.load(path, threshold=10**14), Settings(hidden=2, epochs=1),
                    folder=RunFolder(tmp_path / "run"))  # fmt: skip
    assert load_history(tmp_path / "run")["threshold"] == 10**14
    assert len(trained.epochs) == 1


# ---------------------------------------------------------------------------- labels


def test_labels_in_a_column_are_labels(tmp_path):
    own = dataset()
    path = write_npz(tmp_path / "own.npz", y_train=own.y_train[:, None], y_test=own.y_test[:, None])
    assert data.load(path).checksum == own.checksum


LABELS = {
    # training, test: what the warning says
    "start at 1": (
        [1, 2, 3, 1, 2],
        [3, 1, 2],
        ["has the label 0: that output learns nothing", "labels start at 1: subtract 1"],
    ),
    "start at 2": (
        [2, 3, 2, 3, 2],
        [3, 2, 2],
        ["has the labels 0, 1:", "labels start at 2: subtract 2"],
    ),
    "a gap": ([0, 2, 4, 0, 2], [4, 2, 0], ["no sample has the labels 1, 3: those outputs"]),
    "only tested": ([0, 1, 0, 1, 0], [2, 3, 0], ["no training sample has the labels 2, 3,"]),
    "both": ([1, 1, 1, 1, 1], [1, 3, 1], ["has the label 3,", "has the labels 0, 2"]),
    "many": ([0, 20] * 2 + [0], [0, 0, 0], ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 9 more"]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_of_which_nothing_can_be_learned_are_told_in_one_line(tmp_path, case):
    train, test, says = LABELS[case]
    path = write_npz(tmp_path / "own.npz", y_train=np.array(train), y_test=np.array(test))
    with pytest.warns(RuntimeWarning) as caught:
        loaded = data.load(path)
    (message,) = {str(warning.message) for warning in caught}
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert all(part in message for part in says), message
    assert len(caught) == 1
    assert caught[0].filename == __file__  # the line that asked for the data
    assert loaded.n_classes == 1 + max(train + test)


def test_a_class_that_only_the_training_part_has_is_no_problem(tmp_path, recwarn):
    data.load(write_npz(tmp_path / "own.npz", y_test=np.zeros(3, int)))
    assert not recwarn.list


# ---------------------------------------------------------------------------- names and memory


@pytest.mark.parametrize(
    ("stem", "name"),
    [(b"caf\xe9", "caf\\udce9"), ("größe".encode(), "größe"), (b"a\nb", "a\\nb")],
)
def test_a_name_of_any_bytes_becomes_text_that_can_be_written(tmp_path, stem, name):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + stem + b".npz"))
    write_npz(path)
    loaded = data.load(path)
    assert loaded.name == name
    assert name in loaded.source
    (loaded.name + loaded.source).encode("utf-8")
    assert data.recall(json.loads(json.dumps(loaded.facts))).checksum == loaded.checksum
    write_json(tmp_path / "facts.json", loaded.facts)
    assert data.recall(read_json(tmp_path / "facts.json", "facts")).checksum == loaded.checksum


def test_what_is_not_needed_of_a_file_is_not_unpacked(tmp_path):
    path = tmp_path / "own.npz"
    own = dataset()
    np.savez_compressed(
        path, **{key: getattr(own, key) for key in data.ARRAYS}, unused=np.zeros(1 << 28, np.uint8)
    )
    assert path.stat().st_size < 1e6
    code = (
        "import resource, sys\n"
        "from sbp.learn import data\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"data.load({str(path)!r})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100_000  # kB; the unused array has 262,144
