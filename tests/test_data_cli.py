"""Data on the command line: own files that are found again, and what a score is worth."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from data_files import put_set, tiny, write_npz  # noqa: F401

from sbp.learn import data


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty present folder, on a machine without MNIST."""
    monkeypatch.setenv("SBP_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def grey(here):
    """Pictures of 6 x 4 in fractions, as the user's file."""
    rng = np.random.default_rng(2)
    return write_npz(
        here / "grey.npz", x_train=rng.random((5, 1, 6, 4)), x_test=rng.random((3, 6, 4))
    )


def train(sbp, *options):
    code, _, err = sbp("train", "--hidden", 4, "--epochs", 1, *options, "--out", "run", "--quiet")
    assert code == 0, err


def test_a_run_remembers_where_its_data_were(sbp, here, tiny):  # noqa: F811
    tiny.put(here / "elsewhere")
    train(sbp, "--dataset", "mnist", "--data-dir", "elsewhere")
    saved = json.loads((here / "run" / "history.json").read_text())
    assert saved["data_dir"] == str(here / "elsewhere")
    for line in (("evaluate", "run"), ("trace", "run", "--samples", 1, "--out", "t.npz"),
                 ("train", "--out", "run", "--resume", "--epochs", 2, "--quiet")):  # fmt: skip
        code, _, err = sbp(*line)
        assert code == 0, err
    # Where they are not there any more, they are looked for in the usual place.
    (here / "elsewhere").rename(here.parent / "data2")
    code, _, err = sbp("evaluate", "run")
    assert code == 2
    assert "cannot fetch" in err
    assert sbp("evaluate", "run", "--data-dir", here.parent / "data2")[0] == 0


def test_a_run_on_ones_own_file_needs_no_more_to_be_evaluated_and_drawn(sbp, here, grey):
    train(sbp, "--dataset", "grey.npz", "--crop", 1, "--threshold", 0.5)
    history = json.loads((here / "run" / "history.json").read_text())
    assert history["data_path"] == str(grey)
    assert (history["image_shape"], history["crop"], history["threshold"]) == ([4, 2], 1, 0.5)
    assert history["data_checksum"] == data.load(grey, crop=1, threshold=0.5).checksum
    code, first, err = sbp("evaluate", "run", "--engine", "algebra")
    assert code == 0, err
    assert "8-4-3 on 3 test samples of grey" in first
    code, _, err = sbp("plot", "raster", "run", "--out", "r.png")
    assert code == 0, err
    code, out, err = sbp("plot", "weights", "run", "--out", "w.svg")  # 8 inputs are no square
    assert code == 0, err
    assert "4 by 2 pictures" in out
    # Elsewhere, and moved along with its run.
    os.makedirs("elsewhere")
    for name in ("grey.npz", "run"):
        os.rename(name, f"elsewhere/{name}")
    code, second, err = sbp("evaluate", "elsewhere/run", "--engine", "algebra")
    assert code == 0, err
    assert second.splitlines()[1:5] == first.splitlines()[1:5]


def test_ones_own_file_that_is_gone_or_has_changed_is_told(sbp, refused, here, grey):
    train(sbp, "--dataset", "grey.npz", "--threshold", 0.5)
    write_npz(grey, x_train=np.ones((5, 6, 4)), x_test=np.zeros((3, 6, 4)), image_shape=None)
    assert "threshold is 0.5, the values of x_train are 1.0 to 1.0" in refused("evaluate", "run")
    other = np.random.default_rng(3).random((5, 6, 4))
    write_npz(grey, x_train=other, x_test=other[:3])
    code, _, err = sbp("evaluate", "run", "--engine", "algebra")
    assert code == 0
    assert f"sbp: warning: {grey} has changed since run was trained on it" in err
    grey.unlink()
    message = refused("evaluate", "run")
    assert f"{grey}, are not there any more; name them with --dataset" in message


def test_a_folder_of_idx_files_is_found_again(sbp, here):
    put_set(here / "KMNIST" / "raw", "{}-{kind}-idx{n}-ubyte.gz")
    train(sbp, "--dataset", "KMNIST", "--crop", 1)
    code, out, err = sbp("evaluate", "run", "--engine", "algebra")
    assert code == 0, err
    assert "8-4-3 on 6 test samples of KMNIST" in out


def test_no_output_goes_over_the_files_of_a_data_set(sbp, refused, here):
    put_set(here / "k", "kuzushiji-{}-{kind}-idx{n}-ubyte")
    before = (here / "k" / "kuzushiji-test-labels-idx1-ubyte").read_bytes()
    os.symlink("k/kuzushiji-test-labels-idx1-ubyte", "result.json")
    message = refused("train", "--dataset", "k/kuzushiji", "--json", "result.json")
    assert "would be written over" in message
    assert (here / "k" / "kuzushiji-test-labels-idx1-ubyte").read_bytes() == before


def test_what_a_score_is_worth_is_said_with_it(sbp, here):
    code, out, err = sbp("evaluate", "pretrained", "--engine", "algebra", "--json", "p.json")
    assert code == 0, err  # without MNIST, on the 5,000 of it that are here
    assert "1,000 test samples of mnist-5k" in out
    assert "mnist-5k: 4,000 + 1,000 digits of MNIST's training part" in out
    assert "no test score: the network was trained on mnist" in err
    assert json.loads((here / "p.json").read_text())["no_test_score"].startswith("no test score")
    train(sbp, "--dataset", "mnist-5k", "--samples", 50)
    code, out, err = sbp("evaluate", "run", "--engine", "algebra")
    assert code == 0, err
    assert "no test score" not in out + err
    code, out, err = sbp("train", "--hidden", 4, "--epochs", 1)
    assert code == 0, err
    assert "MLPClassifier with 400 hidden units reaches 87 %" in out


@pytest.mark.parametrize("value", ["nan", "inf", "many"])
def test_a_threshold_that_is_no_number(refused, here, value):
    assert value in refused("train", "--threshold", value)
