"""Fetch files over HTTP: checked, resumable, from the first mirror that delivers.

pooch verifies the checksums and moves finished files into place; this module gives it a
downloader that resumes (``FILE.part``, HTTP ``Range``), tries the mirrors in order, and turns
every failure into one line.  It is also the only place that knows how to let torchvision do
the work.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from sbp.errors import DataError, FileError

#: Seconds to wait for a connection, and for the next bytes once connected.
TIMEOUT = (10.0, 30.0)
#: Transfers that broke off are resumed this often before the next mirror is tried.
ATTEMPTS = 3
#: Bytes read at a time, and at most lost when a transfer breaks off.
CHUNK = 1 << 14

Advance = Callable[[str, int, "int | None"], None]


class _CutOff(Exception):
    """The connection ended before the announced length; what arrived is kept for resuming."""


def fetch(
    folder: Path, files: Mapping[str, str], mirrors: Sequence[str], *, progress: bool = True
) -> None:
    """Fetch files that are absent from a folder; files that exist are never touched.

    Parameters
    ----------
    folder : Path
        Where the files go; made if it does not exist.
    files : mapping of str to str
        File name -> md5 checksum, 32 hexadecimal digits.
    mirrors : sequence of str
        Base URLs, tried in this order for each file: ``BASE/FILE``.
    progress : bool
        Show a progress bar on standard error (one plain line per file when that is not a
        terminal).

    Raises
    ------
    DataError
        No mirror delivered a file with the right checksum.
    FileError
        The folder cannot be made or written, or the disk is full.
    """
    make_folder(folder)
    with _locked(folder), _progress(progress) as advance:
        for name, md5 in files.items():
            if not os.path.lexists(folder / name):  # another process may have fetched it
                _fetch_file(folder, name, md5, mirrors, advance)


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
    with _locked(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".torchvision-") as tmp:
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


def _fetch_file(
    folder: Path, name: str, md5: str, mirrors: Sequence[str], advance: Advance
) -> None:
    """Fetch one file from the first mirror that delivers it; see `fetch`."""
    pooch = import_pooch()
    import requests
    import urllib3

    part = folder / f"{name}.part"
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        reason = "no answer"
        for _ in range(ATTEMPTS):
            had = _size(part)
            try:
                with _quiet(pooch):
                    pooch.retrieve(
                        url,
                        known_hash=f"md5:{md5}",
                        fname=name,
                        path=folder,
                        downloader=_Resuming(part, advance),
                    )
                return
            except _CutOff as error:
                reason = str(error)
                if _size(part) <= had:
                    break  # nothing new arrived: asking again will not help
            except requests.HTTPError as error:
                reason = str(error).split(" for url", 1)[0]
                break
            except requests.Timeout:
                reason = "timed out"
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reason = f"no connection ({type(error).__name__})"
                break
            except FileError:
                raise
            except ValueError:  # from pooch, which has deleted the file
                reason = f"wrong checksum, expected md5 {md5}"
                if not had:
                    break  # else the part left by an earlier run was bad: start from zero
            except OSError as error:
                raise _cannot_write(folder / name, error) from error
        failures.append(f"{url} ({reason})")
    raise DataError(f"cannot fetch {name}: tried {', '.join(failures) or 'no mirror'}")


class _Resuming:
    """A downloader for pooch that keeps what arrived in a part file and goes on from there."""

    def __init__(self, part: Path, advance: Advance) -> None:
        self.part = part
        self.advance = advance

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        import requests
        import urllib3

        start = _size(self.part)
        # Asking for the bytes as they are: the checksum is that of the packed file.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                os.replace(self.part, output_file)  # nothing is left: the checksum decides
                return
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            length = response.headers.get("Content-Length", "")
            done = start if resumed else 0
            total = done + int(length) if length.isdigit() else None
            with _open_part(self.part, "ab" if resumed else "wb") as write:
                try:
                    for chunk in response.raw.stream(CHUNK, decode_content=False):
                        write(chunk)
                        done += len(chunk)
                        self.advance(url, done, total)
                except urllib3.exceptions.HTTPError as error:
                    raise _CutOff(f"cut off after {done} of {total or '?'} bytes") from error
        if total is not None and done < total:  # urllib3 before 2.0 does not notice
            raise _CutOff(f"cut off after {done} of {total} bytes")
        os.replace(self.part, output_file)


@contextmanager
def _open_part(part: Path, mode: str) -> Iterator[Callable[[bytes], object]]:
    """Open the part file unbuffered, so that what arrived is on disk if the process ends."""
    try:
        file = open(part, mode, buffering=0)
    except OSError as error:
        raise _cannot_write(part, error) from error

    def write(chunk: bytes) -> None:
        try:
            while chunk:
                chunk = chunk[file.write(chunk) :]
        except OSError as error:
            raise _cannot_write(part, error) from error

    with file:
        yield write


def import_pooch() -> ModuleType:
    """Import pooch, and see to it that it does not bring tqdm along.

    pooch imports tqdm where it finds it, and `import lava` fails once tqdm is loaded; the
    progress bar here is rich's.
    """
    names = ("tqdm", "tqdm.auto")
    hide = "pooch" not in sys.modules and "tqdm" not in sys.modules
    if hide:
        sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        import pooch
    finally:
        if hide:
            for name in names:
                sys.modules.pop(name, None)
    return pooch


@contextmanager
def _quiet(pooch: ModuleType) -> Iterator[None]:
    """Keep pooch's log messages off standard error while we fetch."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that processes started together do not fetch the same file.

    Where a folder cannot be locked (Windows, some network file systems) nothing is held; a
    file spoiled by two writers is then caught by its checksum.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
