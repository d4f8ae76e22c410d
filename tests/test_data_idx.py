"""Idx files: the format, the published ones, and the user's own."""

from __future__ import annotations

import gzip
import shutil
import struct
import zlib
from pathlib import Path

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
    put_set,
    python,
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


# ---------------------------------------------------------------------------- memory


def peak_memory(code: str) -> tuple[int, str]:
    """Kilobytes that a process takes more than it took before `code`, and what it printed."""
    done = python(
        "import resource, numpy\n"
        "from sbp.learn import data, idx\n"
        "from sbp.errors import SbpError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try:\n    {code}\nexcept SbpError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    assert done.returncode == 0, done.stderr
    *lines, kilobytes = done.stdout.splitlines()
    return int(kilobytes), "\n".join(lines)


def bomb(head: bytes, megabytes: int) -> bytes:
    """A small gzip file that begins with `head` and goes on with zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(head)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(megabytes)]
    return b"".join([*parts, packer.flush()])


def test_a_packed_bomb_is_refused_by_what_it_declares_and_not_unpacked(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    # It says 671 MB, and holds them, in two thirds of a megabyte.
    path.write_bytes(bomb(struct.pack(">HBB3I", 0, 8, 3, 640, 1024, 1024), 640))
    assert path.stat().st_size < 1_000_000
    kilobytes, message = peak_memory(f"idx.read_idx(idx.Path({str(path)!r}), 3)")
    assert "would unpack to 671,088,656 bytes; allowed: 536,870,912" in message
    assert kilobytes < 30_000
    # It says 28 x 28, and holds 335 MB.
    path.write_bytes(bomb(struct.pack(">HBB3I", 0, 8, 3, 1, 28, 28), 320))
    kilobytes, message = peak_memory(f"idx.read_idx(idx.Path({str(path)!r}), 3)")
    assert "is too long" in message
    assert kilobytes < 30_000


def test_a_bomb_in_place_of_a_published_file_is_refused_by_the_published_size(tiny, tmp_path):
    folder = tiny.put(tmp_path)
    (folder / FILES[0]).unlink()
    head = struct.pack(">HBB3I", 0, 8, 3, 200, 1024, 1024)  # 200 MB: allowed for a file unknown
    (folder / f"{FILES[0]}.gz").write_bytes(bomb(head, 200))
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path)
    one_line(caught, "200 x 1024 x 1024 values: another file", "allowed: 300 x 12 x 12")


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((0, 2**32 - 1, 2**32 - 1), "0 x 4294967295 x 4294967295"),  # its product is 0
        ((2**32 - 1, 2**32 - 1, 2**32 - 1), "4294967295 x 4294967295 x 4294967295"),
        ((2**32 - 1, 28, 28), "is truncated: 16 bytes; allowed: 3367254359296 bytes"),
        ((1, 2**13, 1), "at most 4096 rows and columns"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_head_with_a_huge_count_is_refused(tmp_path, shape, says, packed):
    path = tmp_path / "train-images-idx3-ubyte"
    raw = struct.pack(">HBB3I", 0, 8, 3, *shape)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    with pytest.raises(DataError) as caught:
        idx.read_idx(path, 3)
    if packed and "truncated" in says:
        says = "would unpack to 3,367,254,359,296 bytes"
    one_line(caught, path, says, "allowed:")


# ---------------------------------------------------------------------------- near misses

#: Where people have the files: a folder below the root that they name, and the names in it.
LAYOUTS = {
    "torchvision": ("MNIST/raw", "{stem}", "."),
    "raw left out": ("MNIST", "{stem}", "."),
    "all in one folder": (".", "{stem}", "."),
    "names with a dot": ("MNIST/raw", "{dotted}", "."),
    "packed, with a dot": ("MNIST/raw", "{dotted}.gz", "."),
    "folders of the files' names": ("MNIST/raw", "{stem}/{stem}", "."),
    "the same with a dot": (".", "{dotted}/{dotted}", "."),
    "the root is MNIST": ("MNIST/raw", "{stem}", "MNIST"),
    "the root is raw": ("MNIST/raw", "{stem}.gz", "MNIST/raw"),
    "the root is MNIST, without raw": ("MNIST", "{dotted}", "MNIST"),
    "the root is another data set's folder": ("MNIST/raw", "{stem}", "FashionMNIST"),
    "the root is another data set's raw": ("MNIST/raw", "{stem}", "FashionMNIST/raw"),
    "a root called MNIST": ("MNIST/MNIST/raw", "{stem}", "MNIST"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("by", ["option", "variable"])
def test_files_are_found_where_people_have_them(tiny, mirror, tmp_path, monkeypatch, layout, by):
    folder, name, root = LAYOUTS[layout]
    (tmp_path / root).mkdir(parents=True, exist_ok=True)
    for stem in FILES:
        file = tmp_path / folder / name.format(stem=stem, dotted=stem.replace("-idx", ".idx"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((tiny.gz if name.endswith(".gz") else tiny.raw)[stem])
    before = contents(tmp_path)
    if by == "variable":
        monkeypatch.setenv("SBP_DATA", str(tmp_path / root))
    options = {"root": tmp_path / root} if by == "option" else {}
    assert data.available(options.get("root"))["mnist"].startswith(f"found in {tmp_path}")
    assert data.best_mnist(options.get("root")) == "mnist"
    assert set(data.inputs("mnist", options.get("root"))) == {tmp_path / name for name in before}
    tiny.check(load_quietly(**options))
    assert contents(tmp_path) == before
    assert mirror.requests == []


@pytest.mark.parametrize("root", ["MNIST", "MNIST/raw"])
def test_what_is_missing_comes_beside_what_is_there(tiny, mirror, tmp_path, root):
    folder = tiny.put(tmp_path)
    (folder / FILES[2]).unlink()
    tiny.check(load_quietly(root=tmp_path / root))
    assert [path for path, _ in mirror.requests] == [f"/{RAW.as_posix()}/{FILES[2]}.gz"]
    assert (folder / f"{FILES[2]}.gz").read_bytes() == tiny.gz[FILES[2]]


def test_nothing_is_fetched_outside_the_folder_that_was_named(tiny, mirror, tmp_path):
    root = tmp_path / "FashionMNIST"
    root.mkdir()
    tiny.check(load_quietly(root=root))
    assert len(mirror.requests) == 4
    assert list(contents(tmp_path)) == [
        f"FashionMNIST/MNIST/raw/{stem}.gz" for stem in sorted(FILES)
    ]


@pytest.mark.parametrize("bad", ["truncated", "another file", "a folder"])
def test_of_two_copies_the_good_one_is_taken_and_the_other_named(tiny, mirror, tmp_path, bad):
    folder = tiny.put(tmp_path)
    first, copy = folder / FILES[0], folder / f"{FILES[0]}.gz"
    copy.write_bytes(tiny.gz[FILES[0]])
    first.unlink()
    if bad == "a folder":
        first.mkdir()
    else:
        raw = tiny.raw[FILES[0]]
        first.write_bytes(raw[:-9] if bad == "truncated" else raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.warns(RuntimeWarning) as caught:
        tiny.check(load_quietly(root=tmp_path))
    (message,) = (str(warning.message) for warning in caught)
    assert str(first) in message
    assert message.endswith(f"; took {copy} instead")
    assert mirror.requests == []


def test_files_of_another_data_set_in_the_folder_are_not_taken_for_these(tiny, mirror, tmp_path):
    for stem in FILES:  # the same names, as KMNIST's and Fashion-MNIST's are
        raw = tiny.raw[stem]
        (tmp_path / stem).write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert data.available(tmp_path)["mnist"].startswith("not here: 4 of 4")
    tiny.check(load_quietly(root=tmp_path))
    assert len(mirror.requests) == 4


def test_what_was_seen_is_said(tiny, tmp_path):
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / "archive.zip").touch()
    (tmp_path / ".hidden").touch()
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path, download=False)
    message = one_line(caught, "4 of 4", f"seen: {tmp_path / 'MNIST' / 'archive.zip'}")
    assert ".hidden" not in message
    # Where a file is there and bad, but not in the place where it would be fetched to, so is that.
    (tmp_path / "MNIST" / FILES[1]).write_bytes(tiny.raw[FILES[1]][:-1])
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path)
    one_line(caught, f"seen: data file {tmp_path / 'MNIST' / FILES[1]} is truncated", "SBP_MIRRORS")


# ---------------------------------------------------------------------------- the user's own


#: As they are published: names of the files, the folder, what is asked for, and the name it gets.
OWN_SETS = {
    "KMNIST": ("{}-{kind}-idx{n}-ubyte.gz", "KMNIST/raw", "KMNIST", "KMNIST"),
    "KMNIST's raw": ("{}-{kind}-idx{n}-ubyte.gz", "KMNIST/raw", "KMNIST/raw", "KMNIST"),
    "unpacked by 7-zip": ("{}-{kind}.idx{n}-ubyte", "kuzushiji", "kuzushiji", "kuzushiji"),
    "one of the files": ("{}-{kind}-idx{n}-ubyte", "k", "k/train-images-idx3-ubyte", "k"),
    "QMNIST": ("qmnist-{}-{kind}-idx{n}-ubyte.gz", "q", "q", "qmnist"),
    "EMNIST's letters": ("emnist-letters-{}-{kind}-idx{n}-ubyte.gz", "gzip", "gzip/emnist-letters",
                         "emnist-letters"),
}  # fmt: skip


@pytest.mark.parametrize("case", OWN_SETS)
@pytest.mark.parametrize("test_part", ["test", "t10k"])
def test_a_folder_of_idx_files_is_a_data_set(tmp_path, monkeypatch, case, test_part):
    names, folder, asked, name = OWN_SETS[case]
    images = put_set(tmp_path / folder, names)
    for file in list((tmp_path / folder).iterdir()):
        file.rename(file.with_name(file.name.replace("test-", f"{test_part}-")))
    if case == "EMNIST's letters":
        put_set(tmp_path / folder, names.replace("letters", "digits"), seed=1)
    monkeypatch.chdir(tmp_path)
    for path in (asked, Path(asked), tmp_path / asked):
        if isinstance(path, str) and "/" not in path:
            path = f"./{path}" if case == "QMNIST" else path  # a bare word that is a folder will do
        loaded = data.load(path, crop=1, threshold=100)
        assert loaded.name == name
        for part in ("train", "test"):
            x = images[f"x_{part}"]
            if "EMNIST" in case:  # stored column by column
                x = x.transpose(0, 2, 1)
            expected = slow_binarise(x.tolist(), 1, 100)
            assert getattr(loaded, f"x_{part}").tolist() == expected
            assert np.array_equal(getattr(loaded, f"y_{part}"), images[f"y_{part}"])
        assert loaded.image_shape == ((2, 4) if "EMNIST" in case else (4, 2))
        assert len(data.inputs(path)) == 4
        assert data.recall(loaded.facts).checksum == loaded.checksum
    assert data.load(asked).threshold == 129


def test_labels_of_qmnist_are_rows_of_which_the_first_number_is_the_class(tmp_path):
    rows = {
        f"{part}_labels": struct.pack(">HBB2I", 0, 0x0C, 2, n, 8)
        + np.array([[i % 3, *range(10**6, 10**6 + 7)] for i in range(n)], ">i4").tobytes()
        for part, n in (("train", 9), ("test", 6))
    }
    images = put_set(tmp_path, "qmnist-{}-{kind}-idx{n}-ubyte", **rows)
    for part in ("train", "test"):
        labels = tmp_path / f"qmnist-{part}-labels-idx1-ubyte"
        labels.rename(tmp_path / f"qmnist-{part}-labels-idx2-int")
    loaded = data.load(tmp_path)
    assert np.array_equal(loaded.y_train, images["y_train"])
    assert np.array_equal(loaded.y_test, images["y_test"])


def test_labels_that_start_at_1_are_told_here_too(tmp_path):
    letters = idx_bytes(1 + np.arange(9, dtype=np.uint8) % 3)
    put_set(tmp_path, "{}-{kind}-idx{n}-ubyte", train_labels=letters)
    with pytest.warns(RuntimeWarning, match="no training sample has the label 0,"):
        data.load(tmp_path)


def test_a_path_to_the_published_files_is_that_data_set(tiny, tmp_path):
    folder = tiny.put(tmp_path)
    for path in (folder, folder.parent, f"{folder}/"):
        loaded = data.load(path)
        tiny.check(loaded)
        assert (loaded.name, loaded.crop) == ("mnist", 4)
        tiny.check(data.recall(loaded.facts))  # from there, without SBP_DATA
    assert data.load(folder, crop=0).image_shape == (12, 12)


def test_other_pictures_to_the_published_labels_are_ones_own(tiny, mirror, tmp_path):
    """Noisy and corrupted versions of MNIST keep its labels and its names."""
    folder = tiny.put(tmp_path / "noisy")
    for stem in (FILES[0], FILES[2]):
        raw = (folder / stem).read_bytes()
        (folder / stem).write_bytes(raw[:-1] + bytes([raw[-1] ^ 255]))
    assert (
        data.load(folder.parent).name == "mnist (own)" or data.load(folder.parent).name == "MNIST"
    )
    assert data.load(folder).image_shape == (12, 12)
    assert data.best_mnist(folder.parent.parent / "nothing") == "mnist-5k"
    flat = folder.rename(tmp_path / "flat")
    assert data.available(flat)["mnist"].startswith("not here: 4 of 4")
    assert mirror.requests == []


def test_a_folder_that_holds_several_data_sets_says_their_names(tmp_path):
    for name in ("balanced", "letters"):
        put_set(tmp_path, f"emnist-{name}-{{}}-{{kind}}-idx{{n}}-ubyte")
    with pytest.raises(DataError) as caught:
        data.load(tmp_path)
    choices = (f"{tmp_path}/emnist-{name}" for name in ("balanced", "letters"))
    one_line(caught, "holds 2 data sets", ", ".join(choices))


def test_a_folder_that_is_no_data_set_says_what_was_seen(tmp_path, monkeypatch):
    put_set(tmp_path, "{}-{kind}-idx{n}-ubyte")
    (tmp_path / "test-labels-idx1-ubyte").rename(tmp_path / "labels")
    with pytest.raises(DataError) as caught:
        data.load(tmp_path)
    one_line(caught, tmp_path, "y_test is missing", "seen: test-images-idx3-ubyte, ", *FILES)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "pictures.tar").touch()
    monkeypatch.chdir(tmp_path)
    for name in ("empty", Path("empty"), "./empty"):
        with pytest.raises(DataError) as caught:
            data.load(name)
        one_line(caught, "there are no idx files", "seen: pictures.tar")
    for name in ("./nowhere", Path("nowhere"), "nowhere/emnist-letters"):
        with pytest.raises(DataError) as caught:
            data.load(name)
        one_line(caught, "nowhere", "does not exist", "FILE.npz")
    with pytest.raises(DataError) as caught:
        data.load("./empty/pictures.tar")
    one_line(caught, "empty/pictures.tar", "neither a FILE.npz nor a folder")


def test_pictures_of_two_sizes_are_refused(tmp_path):
    other = idx_bytes(np.zeros((6, 4, 6), np.uint8))
    put_set(tmp_path, "{}-{kind}-idx{n}-ubyte", test_images=other)
    with pytest.raises(DataError) as caught:
        data.load(tmp_path)
    one_line(caught, tmp_path, "6 x 4 for training and 4 x 6 for testing")


@pytest.mark.parametrize("part", ["train_images", "test_labels"])
def test_a_bad_file_of_ones_own_is_named(tmp_path, part):
    put_set(tmp_path, "{}-{kind}-idx{n}-ubyte", **{part: b"<html>"})
    with pytest.raises(DataError) as caught:
        data.load(tmp_path)
    one_line(caught, tmp_path / f"{part.replace('_', '-')}-idx", "begins with the bytes 3c68746d")


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
