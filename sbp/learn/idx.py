"""MNIST and Fashion-MNIST as idx files: find them, fetch them, check them, read them.

The files lie below a *data root* in torchvision's layout,
``ROOT/MNIST/raw/train-images-idx3-ubyte`` and so on, unpacked or as ``.gz``.  They are only
taken with the md5 checksum of the published ones.  Absent files are fetched as ``.gz``.  In a
root that the user named, a file that exists is never fetched again, changed or deleted: a bad
one raises `DataError`.  In the user's cache a bad one is fetched anew.

``SBP_MIRRORS`` holds one or more base URLs, separated by commas, that replace the public
mirrors.  A mirror serves the same layout as a data root,
``BASE/MNIST/raw/train-images-idx3-ubyte.gz``: any web server over a root that was fetched by
this module is one.  Without it, and with torchvision installed, torchvision fetches into the
cache.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sbp.errors import DataError, FileError
from sbp.learn.fetch import fetch, fetch_with_torchvision, import_pooch

#: The idx file each array is in; the same names for MNIST and Fashion-MNIST.
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


@dataclass(frozen=True)
class IdxSource:
    """A published data set of idx files.

    Attributes
    ----------
    folder : str
        Folder below the data root, and the class in ``torchvision.datasets``.
    image_shape : (int, int)
        Rows and columns of a picture.
    crop : int
        Pixels cut off at every side unless the caller says otherwise.
    threshold : int
        Least value, 1..255, of a pixel that spikes.
    raw_md5, gz_md5 : mapping of str to str
        md5 of each idx file as it is, and of the published ``.gz``.
    mirrors : tuple of str
        Public base URLs of the ``.gz`` files, tried in this order.
    """

    folder: str
    image_shape: tuple[int, int]
    crop: int
    threshold: int
    raw_md5: Mapping[str, str]
    gz_md5: Mapping[str, str]
    mirrors: tuple[str, ...]


def _by_file(*values: str) -> dict[str, str]:
    return dict(zip(IDX_FILES.values(), values, strict=True))


#: The published idx data sets by name.
SOURCES = {
    "mnist": IdxSource(
        folder="MNIST",
        image_shape=(28, 28),
        crop=4,
        threshold=129,
        raw_md5=_by_file(
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
        gz_md5=_by_file(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
    ),
    "fashion-mnist": IdxSource(
        folder="FashionMNIST",
        image_shape=(28, 28),
        crop=0,
        threshold=129,
        raw_md5=_by_file(
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
        gz_md5=_by_file(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ),
    ),
}


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The data root: the option, else ``SBP_DATA``, else the user's cache."""
    chosen = root or os.environ.get("SBP_DATA")
    if chosen:
        return Path(os.path.expanduser(chosen))
    return Path(import_pooch().os_cache("sbp"))


def read_idx(path: Path, n_dims: int, md5: str | None = None) -> np.ndarray:
    """Read an idx file of unsigned bytes, as it is or packed with gzip.

    Parameters
    ----------
    path : Path
    n_dims : int
        Dimensions expected: 3 for images, 1 for labels.
    md5 : str, optional
        Checksum of the (unpacked) file; anything else is refused.

    Returns
    -------
    ndarray of uint8, read-only

    Notes
    -----
    The format, all numbers big-endian: two zero bytes, the type (8 = unsigned byte), the
    number of dimensions, a 32-bit size for each, and the values with the last index fastest.
    """
    raw = unpacked(path)
    magic = bytes((0, 0, 8, n_dims))
    header = 4 + 4 * n_dims
    if raw[:4] != magic:
        raise DataError(
            f"data file {path} begins with the bytes {raw[:4].hex() or '(none)'}",
            allowed=f"{magic.hex()}, an idx file of unsigned bytes in {n_dims} dimension(s)",
        )
    sizes = raw[4:header]
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))
    expected = header + (math.prod(shape) if len(raw) >= header else 0)
    if len(raw) != expected:
        fault = "is truncated" if len(raw) < expected else "is too long"
        raise DataError(f"data file {path} {fault}: {len(raw)} bytes", allowed=f"{expected} bytes")
    if md5 is not None:
        found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
        if found != md5:
            raise DataError(
                f"data file {path} is corrupted or another file: unpacked md5 {found}",
                allowed=f"md5 {md5}, the published file",
            )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def read_files(
    source: IdxSource,
    root: str | os.PathLike[str] | None,
    *,
    download: bool = True,
    progress: bool = True,
) -> tuple[np.ndarray, ...]:
    """Read x_train, y_train, x_test, y_test; fetch what is absent."""
    base = data_root(root)
    folder = base / source.folder / "raw"
    named = is_named(root)
    if named and not base.is_dir():
        raise DataError(
            f"the data directory {base} does not exist or is not a directory",
            do="create it (missing files are fetched into it), or name another one",
        )
    _fetch_missing(source, folder, named, download, progress)
    arrays = []
    for key, stem in IDX_FILES.items():
        n_dims = 3 if key.startswith("x") else 1
        md5 = source.raw_md5[stem]
        path = find(folder, stem) or folder / stem
        try:
            array = read_idx(path, n_dims, md5)
        except DataError as error:
            if named or not download:
                remedy = "put the right file there, or delete this one to have it fetched"
                raise DataError(str(error), do=remedy) from None
            # The cache is ours: a file that went bad there is fetched anew, once.
            with suppress(OSError):
                path.unlink()
            _fetch_missing(source, folder, named, download, progress)
            array = read_idx(find(folder, stem) or folder / stem, n_dims, md5)
        arrays.append(array)
    return tuple(arrays)


def _fetch_missing(
    source: IdxSource, folder: Path, named: bool, download: bool, progress: bool
) -> None:
    """Fetch those idx files that are not in the folder in any form."""
    missing = [stem for stem in IDX_FILES.values() if find(folder, stem) is None]
    if not missing:
        return
    by_hand = f"put {', '.join(missing)} (unpacked or as .gz) in {folder}"
    if not download:
        raise DataError(
            f"{len(missing)} of {len(IDX_FILES)} {source.folder} files are missing in {folder}",
            do=f"allow the download, or {by_hand}",
        )
    files = {f"{stem}.gz": source.gz_md5[stem] for stem in missing}
    mirrors = _own_mirrors(source)
    by_torchvision = not named and mirrors is None
    if by_torchvision and fetch_with_torchvision(
        folder, list(files), source.folder, progress=progress
    ):
        return
    try:
        fetch(folder, files, mirrors or source.mirrors, progress=progress)
    except DataError as error:
        remedy = f"check the network, set SBP_MIRRORS to a server that has the files, or {by_hand}"
        raise DataError(str(error), do=remedy) from error


def _own_mirrors(source: IdxSource) -> tuple[str, ...] | None:
    """Base URLs made from ``SBP_MIRRORS``; None if it is not set."""
    urls = [url.strip() for url in os.environ.get("SBP_MIRRORS", "").split(",") if url.strip()]
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise DataError(
                f"SBP_MIRRORS holds {url!r}",
                allowed="base URLs that begin with http:// or https://, separated by commas",
            )
    return tuple(f"{url.rstrip('/')}/{source.folder}/raw" for url in urls) or None


def is_named(root: str | os.PathLike[str] | None) -> bool:
    """Whether the data root is the user's own choice and not our cache."""
    return bool(root or os.environ.get("SBP_DATA"))


def find(folder: Path, stem: str) -> Path | None:
    """The file as it is or as .gz; a dangling link or a folder counts, and fails on reading."""
    for path in (folder / stem, folder / f"{stem}.gz"):
        if os.path.lexists(path):
            return path
    return None


def unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked if they are gzip's, whatever the name says."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FileError(
            f"cannot read {path}: {error.strerror or error}", do="check the path and its rights"
        ) from error
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"data file {path} cannot be unpacked: {error}") from error
