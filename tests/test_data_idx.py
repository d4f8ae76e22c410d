"""Idx files: the format, the published ones, and the user's own."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest
from data_files import (
    FILES,
    RAW,
    REAL,
    REPOSITORY,
    contents,
    idx_bytes,
    load_quietly,
    md5,
    needs_real,
    one_line,
    real_bytes,
    slow_binarise,
    slow_idx,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sbp.errors import DataError, FileError
from sbp.learn import data, idx

pytestmark = pytest.mark.usefixtures("cache")

# ---------------------------------------------------------------------------- idx files


@given(
    array=st.sampled_from((1, 3)).flatmap(
        lambda n: hnp.arrays(np.uint8, hnp.array_shapes(min_dims=n, max_dims=n, max_side=6))
    ),
    packed=st.booleans(),
)
def test_idx_reader_agrees_with_the_slow_one(tmp_path_factory, array, packed):
    raw = idx_bytes(array)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    found = idx.read_idx(path, array.ndim, md5=md5(raw))
    assert found.dtype == np.uint8
    assert found.tolist() == slow_idx(raw) == array.tolist()


def test_idx_reader_takes_an_empty_set(tmp_path):
    (tmp_path / "file").write_bytes(idx_bytes(np.zeros((0, 3, 2), np.uint8)))
    assert idx.read_idx(tmp_path / "file", 3).shape == (0, 3, 2)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 2)])
def test_idx_cut_anywhere_is_refused(tmp_path, shape):
    raw = idx_bytes(np.zeros(shape, np.uint8))
    path = tmp_path / "file"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(DataError) as caught:
            idx.read_idx(path, len(shape))
        one_line(caught, path, "allowed:", "begins with" if length < 4 else f"{length} bytes")


FAULTS = {
    # fault: (what the file holds instead of `raw`, what the message says)
    "html": (lambda raw: b"<html>404</html>", "begins with the bytes 3c68746d"),
    "empty": (lambda raw: b"", "begins with the bytes (none)"),
    "labels for images": (lambda raw: idx_bytes(np.zeros(9, np.uint8)), "00000801"),
    "truncated": (lambda raw: raw[:-1], "is truncated"),
    "header only": (lambda raw: raw[:16], "is truncated"),
    "too long": (lambda raw: raw + b"\0", "is too long"),
    "corrupted": (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "md5"),
    "gzip truncated": (lambda raw: gzip.compress(raw)[:-9], "cannot be unpacked"),
    "gzip corrupted": (
        lambda raw: gzip.compress(raw, 0)[:40] + b"\xff" + gzip.compress(raw, 0)[41:],
        "cannot be unpacked",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_bad_file_in_a_named_directory_is_refused_and_never_touched(
    tiny, mirror, tmp_path, monkeypatch, fault, by
):
    folder = tiny.put(tmp_path)
    spoil, says = FAULTS[fault]
    bad = folder / FILES[0]
    bad.write_bytes(spoil(tiny.raw[FILES[0]]))
    before = contents(tmp_path)
    if by == "variable":
        monkeypatch.setenv("SBP_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path if by == "option" else None)
    one_line(caught, bad, says, "delete this one")
    assert contents(tmp_path) == before
    assert mirror.requests == []


def test_an_obstacle_in_a_named_directory_is_named_and_stays(tiny, mirror, tmp_path):
    folder = tiny.put(tmp_path)
    bad = folder / FILES[2]
    bad.unlink()
    bad.mkdir()  # some archives unpack to a folder of the file's name
    (bad / "inside").write_bytes(b"kept")
    with pytest.raises(FileError) as caught:
        load_quietly(root=tmp_path)
    one_line(caught, bad, "cannot read")
    assert (bad / "inside").read_bytes() == b"kept"
    shutil.rmtree(bad)
    bad.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileError) as caught:
        load_quietly(root=tmp_path)
    one_line(caught, bad, "cannot read")
    assert bad.is_symlink()
    assert mirror.requests == []


@pytest.mark.parametrize("packed", [False, True])
def test_files_are_read_as_they_are_or_packed(tiny, mirror, tmp_path, packed):
    tiny.put(tmp_path, packed)
    before = contents(tmp_path)
    tiny.check(load_quietly(root=tmp_path))
    assert contents(tmp_path) == before
    assert mirror.requests == []


def test_the_file_as_it_is_goes_before_the_packed_one(tiny, tmp_path):
    folder = tiny.put(tmp_path)
    (folder / f"{FILES[0]}.gz").write_bytes(b"not read")
    tiny.check(load_quietly(root=tmp_path))


# ---------------------------------------------------------------------------- the real files


REAL_FACTS = {"mnist": (400, (20, 20)), "fashion-mnist": (784, (28, 28))}


@needs_real
@pytest.mark.parametrize("name", REAL_FACTS)
def test_real_files(name):
    loaded = data.load(name, root=REAL, download=False)
    n_inputs, image_shape = REAL_FACTS[name]
    assert loaded.x_train.shape == (60_000, n_inputs)
    assert loaded.x_test.shape == (10_000, n_inputs)
    assert loaded.image_shape == image_shape
    assert loaded.checksum == data.source(name).checksum
    assert len(loaded.y_train) == 60_000
    assert np.bincount(loaded.y_test).sum() == 10_000
    # The first and the last test pictures, read byte by byte.
    source = data.source(name)
    raw = real_bytes(REAL / source.folder / "raw", FILES[2])
    for sample in (0, 1, 9_999):
        pixels = raw[16 + 784 * sample : 16 + 784 * (sample + 1)]
        image = [list(pixels[28 * row : 28 * row + 28]) for row in range(28)]
        assert [loaded.x_test[sample].tolist()] == slow_binarise([image], source.crop, 129)


@needs_real
def test_mnist_5k_is_the_beginning_of_every_class_of_the_training_part():
    whole, ours = data.load("mnist", root=REAL, download=False), data.load("mnist-5k")
    for label in range(10):
        begin = whole.x_train[whole.y_train == label][:500]
        parts = ours.x_train[ours.y_train == label], ours.x_test[ours.y_test == label]
        assert np.array_equal(begin, np.concatenate(parts))


@needs_real
def test_a_flipped_bit_in_real_labels_is_found(tmp_path):
    folder = tmp_path / RAW
    folder.mkdir(parents=True)
    for stem in FILES:
        (folder / stem).write_bytes(real_bytes(REAL / RAW, stem))
    bad = folder / FILES[3]
    content = bytearray(bad.read_bytes())
    content[5000] ^= 1
    bad.write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path)
    one_line(caught, bad, md5(bytes(content)), "27ae3e4e09519cfbb04c329615203637")
    assert contents(tmp_path) == before


@needs_real
def test_samples_of_the_golden_trace_are_ours():
    path = REPOSITORY.parent / "shared" / "golden" / "mnist_400_400_10.npz"
    if not path.exists():
        pytest.skip(f"no golden traces beside the repository ({path.name})")
    with np.load(path, allow_pickle=False) as trace:
        samples = np.unpackbits(trace["x"], axis=1)[:, : int(trace["n_inputs"])]
        labels = trace["labels"]
    loaded = data.load("mnist", root=REAL, download=False)
    ours = {(x.tobytes(), y) for x, y in zip(loaded.x_train, loaded.y_train.tolist(), strict=True)}
    assert {(x.tobytes(), int(y)) for x, y in zip(samples, labels, strict=True)} <= ours
