"""What the tests of data share: files, small data sets, and servers that misbehave as told."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import http.server
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sbp.learn import data, embedded, fetch, idx  # noqa: F401 (embedded: before MNIST is replaced)

REPOSITORY = Path(__file__).parents[1]
FILES = tuple(idx.IDX_FILES.values())
RAW = Path("MNIST", "raw")


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
    """Bytes and time of change of every file below a folder, but for locks."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != fetch.LOCK
    }


def md5(raw: bytes) -> str:
    return hashlib.md5(raw).hexdigest()


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A small data set in place of MNIST: 12x12 pictures, so 4x4 after the crop."""

    raw: dict[str, bytes]
    gz: dict[str, bytes]
    source: idx.IdxPictures

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
        idx.MNIST,
        image_shape=(12, 12),
        counts=(300, 40),
        md5={stem: md5(content) for stem, content in raw.items()},
        mirrors=("http://127.0.0.1:9/no-such-mirror",),
    )
    monkeypatch.setattr(idx, "MNIST", source)
    return Tiny(raw, gz, source)


@pytest.fixture
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
    `endless[path]` sends zeros without end, and says that length if it is a number;
    `drip[path]` takes so many seconds a byte.  `sent[path]` counts the bytes of a body.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, list[int]] = {}
        self.status: dict[str, int] = {}
        self.ranges = True
        self.endless: dict[str, int | None] = {}
        self.drip: dict[str, float] = {}
        self.sent: Counter[str] = Counter()
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
        if self.path in server.endless:
            self.send_response(200)
            if length := server.endless[self.path]:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            with suppress(OSError):
                while True:
                    server.sent[self.path] += self.wfile.write(bytes(1 << 16))
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
        if seconds := server.drip.get(self.path):
            with suppress(OSError):
                for i in range(len(rest)):
                    self.wfile.write(rest[i : i + 1])
                    time.sleep(seconds)
            return
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
        f"idx.MNIST = idx.IdxPictures(**json.loads({fields!r}))\n"
    ) + then


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


def write_npz(path: Path, **changes: object) -> Path:
    own = dataset()
    arrays = {key: getattr(own, key) for key in data.ARRAYS} | changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def put_set(folder: Path, names: str, seed: int = 0, classes: int = 3, **changes: bytes) -> dict:
    """Four idx files of 6 x 4 pictures; names as of the training images, "{}" for the part."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    found = {}
    for part, n in (("train", 9), ("test", 6)):
        x = rng.integers(0, 256, (n, 6, 4), dtype=np.uint8)
        y = (np.arange(n) % classes).astype(np.uint8)
        found |= {f"x_{part}": x, f"y_{part}": y}
        for kind, array in (("images", x), ("labels", y)):
            name = names.format(part, kind=kind, n=array.ndim)
            raw = changes.get(f"{part}_{kind}", idx_bytes(array))
            (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return found


def real_root() -> Path | None:
    """Where MNIST and Fashion-MNIST are, if they are: SBP_DATA, or beside the repository."""
    for place in (os.environ.get("SBP_DATA"), REPOSITORY.parent / "shared" / "data"):
        if place and all(
            any(idx.spellings(Path(place, source.folder, "raw"), stem))
            for source in map(data.source, data.PUBLISHED)
            for stem in FILES
        ):
            return Path(place)
    return None


def real_bytes(folder: Path, stem: str) -> bytes:
    with idx.open_unpacked(next(idx.spellings(folder, stem))) as (stream, _):
        return stream.read()


REAL = real_root()
needs_real = pytest.mark.skipif(
    REAL is None, reason="MNIST and Fashion-MNIST are not here: set SBP_DATA to their directory"
)
