"""Files written whole or not at all, and read without trust."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sbp.errors import FileError


def _umask() -> int:
    # Python can only set it, which other threads would see: Linux says it without that.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.split("\nUmask:")[1].split()[0], 8)
    except (OSError, IndexError, ValueError):
        return 0o022


def _make_folder(path: Path) -> None:
    if path.parent.exists() and not path.parent.is_dir():
        raise FileError(f"{path.parent} is not a folder", do="choose another one")
    path.parent.mkdir(parents=True, exist_ok=True)


def write_atomic(path: str | Path, write: Callable[[BinaryIO], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    A pipe or a device at `path` is written to as it is.

    Raises
    ------
    FileError
        If the folder or the disk does not let us; an older file at `path` is then unchanged.
    """
    path = Path(path)
    temporary = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with open(path, "wb") as stream:
                write(stream)
            return path
        _make_folder(path)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise FileError(
            f"cannot write {path}: {error.strerror or error}",
            do="choose a folder you can write to, with free space",
        ) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
    return path


def check_writable(path: str | Path) -> None:
    """Raise FileError now if `path` could not be written later, after hours of work."""
    path = Path(path)
    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a folder", do="give the name of a file")
    if path.exists() and not path.is_file():
        return  # a pipe or a device
    try:
        _make_folder(path)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise FileError(
            f"cannot write {path}: {error.strerror or error}", do="choose a folder you can write to"
        ) from error


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write `arrays` as a compressed npz, whole or not at all."""
    # In memory first: a zip file that breaks off on a full disk complains once more when it is
    # collected, on standard error.
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    return write_atomic(path, lambda stream: stream.write(archive.getbuffer()))


def read_npz(path: str | Path, what: str) -> dict[str, np.ndarray]:
    """Read every array of an npz; pickles are refused.

    Parameters
    ----------
    what : str
        What the file should be ("trace", "weights file"), for the message.

    Raises
    ------
    FileError
        If it does not exist, is truncated or corrupted, is no npz, or holds pickles.
    """
    path = Path(path)
    try:
        # Opened here: np.load leaves its own handle open when the archive is broken.
        with open(path, "rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise FileError(f"{path} is no {what}: a single array, not an npz archive")
            with archive:
                return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise FileError(f"{path} does not exist", do=f"give the path of a {what}") from None
    except IsADirectoryError:
        raise FileError(f"{path} is a folder", do=f"give the path of a {what}") from None
    except PermissionError:
        raise FileError(f"{path} cannot be read: permission denied") from None
    except FileError:
        raise
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile) as error:
        # NumPy takes any file that is neither .npy nor .npz for a pickle.
        if "Object arrays" in str(error):
            raise FileError(f"{path} is no {what}: it holds pickled objects") from None
        if "pickle" in str(error).lower():
            raise FileError(f"{path} is no {what}: it is no npz archive") from None
        raise FileError(f"{path} is no {what}, or is truncated or corrupted ({error})") from None
    except Exception as error:  # zlib.error and friends: a damaged member
        raise FileError(f"{path} is damaged ({error})") from None


def write_json(path: str | Path, value: Any) -> Path:
    """Write `value` as indented JSON, whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    return write_atomic(path, lambda stream: stream.write(text.encode()))


def read_json(path: str | Path, what: str) -> Any:
    """Read JSON; FileError if it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise FileError(f"{path} is no {what} ({error})") from None


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 (hex) over names, types, shapes and bytes of `arrays`, by name."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
