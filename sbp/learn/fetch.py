"""Fetch files over HTTP: checked, resumable, from the first mirror that delivers.

requests speaks HTTP.  What it leaves to its callers is here: going on where a transfer broke off
(a part file, HTTP ``Range``), the mirrors in their order, an end to servers that never end or
hardly move, and one line for every failure.  This is also the only place that knows how to let
torchvision do the work.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import filelock

from sbp.errors import DataError, FileError, brief

#: Seconds to wait for a connection, and for the next bytes once connected.
TIMEOUT = (10.0, 30.0)
#: The least bytes a second, over the last so many seconds: a slower mirror is given up.
LEAST_SPEED, WINDOW = 2_000, 20.0
#: Transfers that broke off are resumed this often before the next mirror is tried.
ATTEMPTS = 3
#: Bytes read at a time.
CHUNK = 1 << 16
#: How the names begin of what is not finished; nothing else begins so.
PART, TORCHVISION = ".sbp-part-", ".sbp-torchvision-"
LOCK = ".sbp-lock"  #: stays, as lock files have to

Advance = Callable[[str, int, "int | None"], None]


@dataclass(frozen=True)
class Wanted:
    """A file to fetch.

    Attributes
    ----------
    name : str
    largest : int
        Bytes that it cannot exceed; whoever sends more is cut off.
    check : callable
        Called with the path of the whole file; raises DataError if it is the wrong one.
    """

    name: str
    largest: int
    check: Callable[[Path], object]


class _GaveUp(Exception):
    """A mirror did not deliver; `again` if what arrived is kept and asking again may help."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def fetch(
    folder: Path, files: Sequence[Wanted], mirrors: Sequence[str], *, progress: bool = True
) -> None:
    """Fetch files that are absent from a folder; files that exist are never touched.

    Parameters
    ----------
    folder : Path
        Where the files go; made if it does not exist.
    files : sequence of Wanted
    mirrors : sequence of str
        Base URLs, tried in this order for each file: ``BASE/FILE``.
    progress : bool
        Show a progress bar on standard error (one plain line per file when that is not a
        terminal).

    Raises
    ------
    DataError
        No mirror delivered a file with the right content.
    FileError
        The folder cannot be made or written, or the disk is full.
    """
    make_folder(folder)
    with _locked(folder), _progress(progress) as advance:
        _remove_leftovers(folder, [wanted.name for wanted in files])
        for wanted in files:
            if not os.path.lexists(folder / wanted.name):  # another process may have fetched it
                _fetch_file(folder, wanted, mirrors, advance)


def fetch_with_torchvision(
    folder: Path, files: Sequence[str], dataset: str, *, progress: bool = True
) -> bool:
    """Let torchvision fetch a data set, and keep those files that the folder lacks.

    torchvision runs in a process of its own: it would import tqdm (after which Lava cannot be
    imported), print to standard output, and unpack over files that exist.

    Parameters
    ----------
    folder : Path
        Where the files go; made if it does not exist.
    files : sequence of str
        Names of the files wanted, as torchvision leaves them in its ``raw`` folder.
    dataset : str
        The class in ``torchvision.datasets``, e.g. ``"MNIST"``.
    progress : bool
        Let torchvision show its progress on standard error.

    Returns
    -------
    bool
        True when all the files are there now; False when torchvision is not installed or
        failed, and something else has to fetch them.
    """
    if importlib.util.find_spec("torchvision") is None:
        return False
    make_folder(folder)
    script = (
        "import socket, sys, torchvision\n"
        f"socket.setdefaulttimeout({TIMEOUT[1]})\n"
        "getattr(torchvision.datasets, sys.argv[2])(sys.argv[1], download=True)\n"
    )
    with _locked(folder), tempfile.TemporaryDirectory(dir=folder, prefix=TORCHVISION) as tmp:
        _remove_leftovers(folder, files, but=tmp)
        subprocess.run(
            [sys.executable, "-c", script, tmp, dataset],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if progress else subprocess.DEVNULL,
            check=False,
        )
        for name in files:
            fetched = Path(tmp, dataset, "raw", name)
            if fetched.is_file() and not os.path.lexists(folder / name):
                os.replace(fetched, folder / name)
    return all((folder / name).is_file() for name in files)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; FileError if that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def tidy(folder: Path) -> None:
    """Remove what killed processes left unfinished, once nothing is missing any more.

    Nothing happens where another process is fetching into the folder.
    """
    if _leftovers(folder):
        with suppress(filelock.Timeout, FileError), _locked(folder, wait=False):
            _remove_leftovers(folder)


def _leftovers(folder: Path) -> list[Path]:
    return [*folder.glob(f"{PART}*"), *folder.glob(f"{TORCHVISION}*")]


def _remove_leftovers(folder: Path, still_wanted: Sequence[str] = (), but: str = "") -> None:
    keep = {*(PART + name for name in still_wanted), os.path.basename(but)}
    for path in _leftovers(folder):
        if path.name not in keep:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _fetch_file(folder: Path, wanted: Wanted, mirrors: Sequence[str], advance: Advance) -> None:
    """Fetch one file from the first mirror that delivers it; see `fetch`."""
    part = folder / f"{PART}{wanted.name}"
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{wanted.name}"
        reason = "no answer"
        for _ in range(ATTEMPTS):
            had = _size(part)
            try:
                _transfer(url, part, wanted, advance)
                wanted.check(part)
                os.replace(part, folder / wanted.name)
                return
            except _GaveUp as error:
                reason = str(error)
                if not error.again or _size(part) == had:
                    break  # nothing new arrived: asking again will not help
            except DataError as error:
                part.unlink(missing_ok=True)
                reason = f"not the published file: {_without_path(error, part)}"
                if not had:
                    break  # else what an earlier try left was bad: start from zero
            except FileError:
                raise
            except OSError as error:
                raise _cannot_write(folder / wanted.name, error) from error
        failures.append(f"{url} ({reason})")
    raise DataError(f"cannot fetch {wanted.name}: tried {', '.join(failures) or 'no mirror'}")


def _transfer(url: str, part: Path, wanted: Wanted, advance: Advance) -> None:
    """Ask a mirror for what is not in the part file yet.

    Raises
    ------
    _GaveUp
        If not all of it arrived.
    """
    import requests
    import urllib3

    start = _size(part)
    if start > wanted.largest:
        part.unlink()
        start = 0
    # The bytes as they are: a packed file is to stay packed.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if start and response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # nothing is left to send: the check decides
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            length = response.headers.get("Content-Length", "")
            done = start if resumed else 0
            total = done + int(length) if length.isdigit() else None
            if total is not None and total > wanted.largest:
                raise _GaveUp(f"{total:,} bytes, more than the {wanted.largest:,} it can have")
            moves = _Moves()
            with _open_part(part, "ab" if resumed else "wb") as file:
                # Whatever is there at once: a full chunk might be an hour in coming.
                while chunk := response.raw.read1(CHUNK, decode_content=False):
                    done += len(chunk)
                    if done > wanted.largest:
                        part.unlink()
                        raise _GaveUp(f"sent more than the {wanted.largest:,} bytes it can have")
                    _write(file, part, chunk)
                    advance(url, done, total)
                    moves.check(len(chunk))
    except requests.HTTPError as error:
        raise _GaveUp(brief(error).split(" for url", 1)[0]) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
        raise _GaveUp("timed out") from error
    except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ResponseError) as error:
        raise _GaveUp(f"cut off after {_size(part)} bytes", again=True) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _GaveUp(f"no connection ({type(error).__name__})") from error
    if total is not None and done < total:
        raise _GaveUp(f"cut off after {done} of {total} bytes", again=True)


class _Moves:
    """Gives up a transfer that hardly moves."""

    def __init__(self) -> None:
        self.arrivals = deque([(time.monotonic(), 0)])
        self.bytes = 0

    def check(self, n: int) -> None:
        """Count `n` bytes that arrived now; _GaveUp if the last `WINDOW` seconds brought few."""
        now = time.monotonic()
        self.arrivals.append((now, n))
        self.bytes += n
        while now - self.arrivals[0][0] > WINDOW:
            self.bytes -= self.arrivals.popleft()[1]
            if self.bytes < LEAST_SPEED * WINDOW:
                raise _GaveUp(f"slower than {LEAST_SPEED:,} bytes a second")


@contextmanager
def _open_part(part: Path, mode: str) -> Iterator[BinaryIO]:
    """Open the part file unbuffered, so that what arrived is on disk if the process ends."""
    try:
        file = open(part, mode, buffering=0)
    except OSError as error:
        raise _cannot_write(part, error) from error
    with file:
        yield file  # type: ignore[misc]


def _write(file: BinaryIO, part: Path, chunk: bytes) -> None:
    try:
        while chunk:
            chunk = chunk[file.write(chunk) :]
    except OSError as error:
        raise _cannot_write(part, error) from error


def _without_path(error: DataError, path: Path) -> str:
    return str(error).replace(f"data file {path} ", "it ").replace(str(path), "it")


@contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold the folder's lock, so that processes started together do not fetch the same file.

    On a file system without locks nothing is held; a file spoiled by two writers is then caught
    by its check.

    Raises
    ------
    filelock.Timeout
        If another process holds it and we do not `wait`.
    """
    lock = filelock.FileLock(folder / LOCK, timeout=-1 if wait else 0)
    try:
        with suppress(NotImplementedError):
            lock.acquire()
    except filelock.Timeout:
        raise
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _progress(show: bool) -> Iterator[Advance]:
    """Yield ``advance(url, bytes done, bytes in all)``, which draws the progress bar."""
    if not show:
        yield lambda url, done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:

        def line(url: str, done: int, total: int | None) -> None:
            if done == total:
                print(f"received {url} ({done:,} bytes)", file=sys.stderr)

        yield line
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    tasks: dict[str, object] = {}
    with bar:

        def draw(url: str, done: int, total: int | None) -> None:
            if url not in tasks:
                tasks[url] = bar.add_task(url.rsplit("/", 1)[-1])
            bar.update(tasks[url], completed=done, total=total)  # type: ignore[arg-type]

        yield draw


def _size(path: Path) -> int:
    """Bytes in a file; 0 if it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _cannot_write(path: Path, error: OSError) -> FileError:
    return FileError(
        f"cannot write {path}: {error.strerror or error}",
        do=f"make room or allow writing in {path.parent}, or name another data directory",
    )
