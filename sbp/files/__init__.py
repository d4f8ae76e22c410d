"""Files written whole or not at all, and read without trust; beside it, the formats of our own.

`sbp.files.program_file` and `sbp.files.trace` are a program and a run as files, `sbp.files.plain`
weights and traces as lines of text, `sbp.files.shipped` what comes with the package.
"""

from __future__ import annotations

import io
import json
import math
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sbp.errors import FileError, brief, shown

TEMPORARY = ".sbp-tmp-"  #: the name of every half-written file begins so, and of no other

# What a file may unpack to.  Spikes and weights shrink to a tenth; only zeros shrink to a
# thousandth, and a small file of those is made to fill the memory.
ALWAYS, TIMES = 1 << 29, 64  # bytes; times the bytes on disk
LARGEST_JSON = 1 << 26  # bytes
DEEPEST_JSON = 64  # levels of lists and objects


def as_path(path: str | os.PathLike[str]) -> Path:
    """`path`, or FileError for what is none: a number would be read as an open file's."""
    if not isinstance(path, (str, os.PathLike)):
        raise FileError(f"{shown(path)} is no path", allowed="a text or a Path")
    return Path(path)


def unpacked_limit(packed: int) -> int:
    """Bytes that a file of `packed` bytes may unpack to."""
    return max(ALWAYS, TIMES * packed)


def _umask() -> int:
    # Python can only set it, which other threads would see: Linux says it without that.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.split("\nUmask:")[1].split()[0], 8)
    except (OSError, IndexError, ValueError):
        return 0o022


def _check_folder(path: Path) -> None:
    if path.parent.exists() and not path.parent.is_dir():
        raise FileError(f"{path.parent} is not a folder", do="choose another one")


def write_atomic(
    path: str | Path,
    write: Callable[[BinaryIO], object],
    before: Callable[[], object] | None = None,
) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    A pipe or a device at `path` is written to as it is.

    Parameters
    ----------
    before : callable, optional
        Called when the temporary file is whole, just before the move.

    Raises
    ------
    FileError
        If the folder or the disk does not let us; an older file at `path` is then unchanged.
    """
    path = as_path(path)
    temporary = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with open(path, "wb") as stream:
                write(stream)
            return path
        _check_folder(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        if before is not None:
            before()
        os.replace(temporary, path)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            f"cannot write {path}: {error.strerror or error}",
            do="choose a folder you can write to, with free space",
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
    return path


def tidy(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`."""
    for path in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            path.unlink()


def check_writable(path: str | Path) -> None:
    """Raise FileError now if `path` could not be written later, after hours of work.

    Nothing is left behind: a folder that is not there yet is made when there is something to
    write into it.
    """
    path = as_path(path)
    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a folder", do="give the name of a file")
    if path.exists() and not path.is_file():
        return  # a pipe or a device
    made: list[Path] = []
    try:
        _check_folder(path)
        made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
        os.close(handle)
        os.unlink(temporary)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            f"cannot write {path}: {error.strerror or error}", do="choose a folder you can write to"
        ) from error
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


# --- npz -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """What an array of an npz file has to be.

    Parameters
    ----------
    kinds : str
        Kinds of type that are allowed, as NumPy writes them: "b" bool, "i" and "u" integers,
        "f" floats, "U" text.
    ndim : int or None
        Number of axes; None: any.
    low, high : int, optional
        Least and greatest value.
    allowed : str, optional
        What would have been accepted, for the message.
    needed : bool
        Whether a file without it is refused.
    """

    kinds: str = "biufU"
    ndim: int | None = None
    low: int | None = None
    high: int | None = None
    allowed: str | None = None
    needed: bool = True

    def refuses(self, shape: tuple[int, ...], dtype: np.dtype) -> str | None:
        """Why an array of this shape and type is not wanted; None if it is."""
        if dtype.kind not in self.kinds:
            return f"is of type {dtype}"
        if self.ndim is not None and len(shape) != self.ndim:
            return f"has shape {shape}"
        return None

    def refuses_values(self, array: np.ndarray) -> str | None:
        """Why these values are not wanted; None if they are."""
        if array.size == 0:
            return None
        if self.low is not None and (least := array.min()) < self.low:
            return f"holds {least}"
        if self.high is not None and (greatest := array.max()) > self.high:
            return f"holds {greatest}"
        return None


TEXT = Member("U", 0)
ANYTHING = {"*": Member(needed=False)}


def read_npz(
    path: str | Path, what: str, members: Mapping[str, Member] = ANYTHING
) -> dict[str, np.ndarray]:
    """Read arrays of an npz; nothing is unpickled, and nothing is read that is not asked for.

    Parameters
    ----------
    what : str
        What the file should be ("trace", "weights file"), for the message.
    members : mapping of str to Member
        The arrays to read, by name or by a pattern such as ``"array:*"``; others are not looked
        at.  Default: all.

    Raises
    ------
    FileError
        If it does not exist, is truncated or corrupted, is no npz, holds pickles, lacks a needed
        array, holds one of another kind, or would unpack to more than `TIMES` its own size (and
        more than `ALWAYS` bytes).
    """
    path = as_path(path)
    with _reading(path, what), open(path, "rb") as stream:
        _check_zip(stream, path, what)
        with zipfile.ZipFile(stream) as archive:
            wanted = _wanted(archive, path, what, members)
            allowed = unpacked_limit(os.fstat(stream.fileno()).st_size)
            total = 0
            for name, (info, member) in wanted.items():
                with archive.open(info) as entry:
                    shape, dtype = _header(entry, f"{path} is no {what}: {name}")
                    declared = entry.tell() + dtype.itemsize * math.prod(shape)
                if (why := member.refuses(shape, dtype)) is not None:
                    raise FileError(f"{path} is no {what}: {name} {why}", allowed=member.allowed)
                if declared != info.file_size:
                    raise FileError(f"{path} is damaged: {name} is cut off or too long")
                total += declared
            if total > allowed:
                raise FileError(
                    f"{path} would unpack to {total:,} bytes",
                    allowed=f"{allowed:,} for a file of its size",
                    do="save it uncompressed (np.savez), or smaller, as uint8",
                )
            arrays = {}
            for name, (info, member) in wanted.items():
                with archive.open(info) as entry:
                    arrays[name] = np.lib.format.read_array(entry, allow_pickle=False)
                if (why := member.refuses_values(arrays[name])) is not None:
                    raise FileError(f"{path} is no {what}: {name} {why}", allowed=member.allowed)
            return arrays


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Whatever goes wrong while `path` is read is one line that says so."""
    try:
        yield
    except FileError:
        raise
    except FileNotFoundError:
        raise FileError(f"{path} does not exist", do=f"give the path of a {what}") from None
    except IsADirectoryError:
        raise FileError(f"{path} is a folder", do=f"give the path of a {what}") from None
    except PermissionError:
        raise FileError(f"{path} cannot be read: permission denied") from None
    except (MemoryError, KeyboardInterrupt):
        raise
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise FileError(
            f"{path} is no {what}, or is truncated or corrupted ({brief(error)})"
        ) from None
    except Exception as error:  # zlib.error and friends: a damaged member
        raise FileError(f"{path} is damaged ({brief(error)})") from None


def _check_zip(stream: BinaryIO, path: Path, what: str) -> None:
    begin = stream.read(6)
    stream.seek(0)
    if begin == np.lib.format.MAGIC_PREFIX:
        raise FileError(f"{path} is no {what}: a single array, not an npz archive")
    if not begin.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise FileError(f"{path} is no {what}: it is no npz archive")


def _wanted(
    archive: zipfile.ZipFile, path: Path, what: str, members: Mapping[str, Member]
) -> dict[str, tuple[zipfile.ZipInfo, Member]]:
    """The entries to read, by name, in the order of the file."""
    entries = Counter(info.filename.removesuffix(".npy") for info in archive.infolist())
    wanted = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        for pattern, member in members.items():
            if fnmatchcase(name, pattern):
                wanted[name] = info, member
                if entries[name] > 1:
                    raise FileError(f"{path} is damaged: it holds {name} twice")
                break
    for pattern, member in members.items():
        if member.needed and not any(fnmatchcase(name, pattern) for name in entries):
            has = ", ".join(entries) or "nothing"
            raise FileError(f"{path} is no {what}: it lacks {pattern}; it has {has[:200]}")
    return wanted


def _header(entry: Any, place: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that an array in a file declares."""
    form = np.lib.format
    try:
        version = form.read_magic(entry)
    except ValueError:
        raise FileError(f"{place} is no array") from None
    if version not in ((1, 0), (2, 0)):
        raise FileError(f"{place} is no plain array")
    read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, _, dtype = read(entry)
    if dtype.hasobject:
        raise FileError(f"{place.partition(':')[0]}: it holds pickled objects")
    if min(shape, default=0) < 0:
        raise FileError(f"{place} has shape {shape}")
    return shape, dtype


def write_npz(
    path: str | Path,
    arrays: Mapping[str, np.ndarray],
    before: Callable[[], object] | None = None,
) -> Path:
    """Write `arrays` as a compressed npz, whole or not at all; `before` as in `write_atomic`.

    Where it would shrink so far that `read_npz` refused it, it is not compressed.
    """
    # In memory first: a zip file that breaks off on a full disk complains once more when it is
    # collected, on standard error.
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    total = sum(np.asarray(array).nbytes for array in arrays.values())
    if total > unpacked_limit(archive.tell()) * 0.99:  # headers count too
        archive = io.BytesIO()
        np.savez(archive, **arrays)
    return write_atomic(path, lambda stream: stream.write(archive.getbuffer()), before)


# --- JSON ----------------------------------------------------------------------------------------


def write_json(path: str | Path, value: Any) -> Path:
    """Write `value` as indented JSON, whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    # A file name that is no text holds lone surrogates, which JSON writes as escapes.
    raw = text.encode(errors="backslashreplace")
    return write_atomic(path, lambda stream: stream.write(raw))


def read_json(path: str | Path, what: str) -> Any:
    """Read JSON.

    Raises
    ------
    FileError
        If the file is missing, is no JSON, is larger than `LARGEST_JSON` bytes, or is nested
        deeper than `DEEPEST_JSON`.
    """
    path = as_path(path)
    with _reading(path, what), open(path, "rb") as stream:
        content = stream.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise FileError(f"{path} is no {what}: it is larger than {LARGEST_JSON:,} bytes")
    return parse_json(content, f"{path} is no {what}")


def parse_json(text: str | bytes, place: str) -> Any:
    """JSON that came with something else; the message of a FileError begins with `place`."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise FileError(f"{place}: it is nested too deeply", allowed=f"{DEEPEST_JSON}") from None
    except ValueError as error:
        raise FileError(f"{place} ({brief(error)})") from None
    level, depth = [value], 0
    while level := [item for outer in level for item in _items(outer) if _items(item)]:
        depth += 1
        if depth == DEEPEST_JSON:
            raise FileError(f"{place}: it is nested too deeply", allowed=f"{DEEPEST_JSON}")
    return value


def _items(value: Any) -> Collection[Any]:
    """What a list or an object holds; nothing of anything else."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
