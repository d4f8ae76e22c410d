"""Idx files: the format, and MNIST and Fashion-MNIST, which are published in it.

The files lie below a *data root* in torchvision's layout,
``ROOT/MNIST/raw/train-images-idx3-ubyte`` and so on, unpacked or as ``.gz``.  Files that lie a
little beside are found too: the root may be the folder ``MNIST`` or ``raw`` itself, ``raw`` may
be left out, and a name may have a dot where the published one has a hyphen
(``train-images.idx3-ubyte``).  A file is taken by its content alone, that is with the md5 of the
published one once unpacked, wherever it came from; of several copies the first good one.

Absent files are fetched as ``.gz``.  In a root that the user named, a file that exists is never
fetched again, changed or deleted: a bad one raises `DataError`.  In the user's cache a bad one is
fetched anew.

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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from warnings import warn

import numpy as np
from platformdirs import user_cache_dir

from sbp.errors import DataError, FileError, brief
from sbp.files import unpacked_limit
from sbp.learn.dataset import Pictures, Root
from sbp.learn.fetch import Wanted, fetch, fetch_with_torchvision, tidy

#: The idx file each array is in; the same names for MNIST and Fashion-MNIST.
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
#: Folders of data sets in torchvision's layout.
FOLDERS = ("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST")
#: Types of values: the format's code -> NumPy's.
TYPES = {0x08: ">u1", 0x0C: ">i4"}
#: Most rows, and most columns, of a picture.
LARGEST_PICTURE = 1 << 12


def data_root(root: Root = None) -> Path:
    """The data root: the option, else ``SBP_DATA``, else the user's cache."""
    chosen = root or os.environ.get("SBP_DATA")
    return Path(os.path.expanduser(chosen) if chosen else user_cache_dir("sbp", appauthor=False))


def is_named(root: Root) -> bool:
    """Whether the data root is the user's own choice and not our cache."""
    return bool(root or os.environ.get("SBP_DATA"))


# --- the format


def read_idx(
    path: Path,
    *dims: int,
    md5: str | None = None,
    shape: tuple[int, ...] | None = None,
    types: tuple[int, ...] = (0x08,),
) -> np.ndarray:
    """Read an idx file, as it is or packed with gzip.

    The sizes in its head are compared with what is known before anything else is read or
    unpacked, and no more is read than they say.

    Parameters
    ----------
    path : Path
    *dims : int
        Numbers of dimensions that are allowed: 3 for images, 1 for labels.
    md5 : str, optional
        Checksum of the (unpacked) file; anything else is refused.
    shape : tuple of int, optional
        The shape the file has to have.
    types : tuple of int
        Codes of the types that are allowed, of `TYPES`.

    Returns
    -------
    ndarray of uint8 (or int32, big-endian), read-only

    Raises
    ------
    DataError
        For any other content.
    FileError
        If the file cannot be read.

    Notes
    -----
    The format, all numbers big-endian: two zero bytes, the type (8 = unsigned byte, 12 = 32-bit
    integer), the number of dimensions, a 32-bit size for each, and the values with the last
    index fastest.
    """
    with open_unpacked(path) as (stream, packed):
        magic = stream.read(4)
        allowed = [bytes((0, 0, kind, n)) for kind in types for n in dims]
        if magic not in allowed:
            kinds = " or ".join(str(n) for n in dims)
            raise DataError(
                f"data file {path} begins with the bytes {magic.hex() or '(none)'}",
                allowed=f"{' or '.join(one.hex() for one in allowed)}, an idx file of "
                f"{kinds} dimension(s)",
            )
        kind, n_dims = magic[2:]
        dtype = np.dtype(TYPES[kind])
        head = stream.read(4 * n_dims)
        found = tuple(int.from_bytes(head[i : i + 4], "big") for i in range(0, len(head), 4))
        if len(head) < 4 * n_dims:
            raise _wrong_length(path, 4 + len(head), 4 + 4 * n_dims)
        _check_shape(path, found, shape)
        size = dtype.itemsize * math.prod(found)
        expected = 4 + len(head) + size
        if packed:
            most = unpacked_limit(packed)
            if expected > most:
                raise DataError(
                    f"data file {path} would unpack to {expected:,} bytes",
                    allowed=f"{most:,} for a file of its size",
                    do="unpack it by hand if it is right",
                )
            values = stream.read(size + 1)
            length = 4 + len(head) + len(values)
        else:
            length = os.stat(path).st_size
            values = stream.read(size) if length == expected else b""
        if length != expected:
            raise _wrong_length(path, length, expected)
    if md5 is not None:
        digest = hashlib.md5(magic + head, usedforsecurity=False)
        digest.update(values)
        if digest.hexdigest() != md5:
            raise DataError(
                f"data file {path} is corrupted or another file: unpacked md5 {digest.hexdigest()}",
                allowed=f"md5 {md5}, the published file",
            )
    return np.frombuffer(values, dtype).reshape(found)


def _wrong_length(path: Path, length: int, expected: int) -> DataError:
    fault = "is truncated" if length < expected else "is too long"
    return DataError(f"data file {path} {fault}: {length} bytes", allowed=f"{expected} bytes")


def _check_shape(path: Path, found: tuple[int, ...], wanted: tuple[int, ...] | None) -> None:
    said = " x ".join(map(str, found))
    if wanted is not None and found != wanted:
        raise DataError(
            f"data file {path} says that it holds {said} values: another file, or corrupted",
            allowed=" x ".join(map(str, wanted)),
        )
    if max(found[1:], default=0) > LARGEST_PICTURE:
        raise DataError(
            f"data file {path} says that it holds {said} values",
            allowed=f"at most {LARGEST_PICTURE} rows and columns",
        )


@contextmanager
def open_unpacked(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file, unpacking it if it is gzip's, whatever the name says.

    Yields
    ------
    stream : binary file
    packed : int
        Bytes of the packed file; 0 if it is not packed.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                yield raw, 0
                return
            size = os.fstat(raw.fileno()).st_size
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream, size  # type: ignore[misc]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"data file {path} cannot be unpacked: {brief(error)}") from error
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            f"cannot read {path}: {error.strerror or error}", do="check the path and its rights"
        ) from error


# --- what is published


@dataclass(frozen=True)
class IdxPictures(Pictures):
    """A published data set of idx files.

    Attributes
    ----------
    folder : str
        Folder below the data root, and the class in ``torchvision.datasets``.
    counts : (int, int)
        Samples for training and for testing.
    md5 : mapping of str to str
        md5 of each idx file, unpacked.
    mirrors : tuple of str
        Public base URLs of the ``.gz`` files, tried in this order.
    """

    folder: str = ""
    counts: tuple[int, int] = (60_000, 10_000)
    md5: Mapping[str, str] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()

    def places(self, root: Root = None) -> list[Path]:
        """Folders where the files may lie; absent ones are fetched into the first."""
        base = data_root(root)
        nested = [base / self.folder / "raw", base / self.folder]
        above = base.parent.parent if base.name == "raw" else base.parent
        beside = [above / self.folder / "raw", above / self.folder]
        if base in beside:  # the root is this very folder
            return [*nested, *beside] if nested[1].is_dir() else [*beside, *nested]
        if base in [above / folder / raw for folder in FOLDERS for raw in ("raw", "")]:
            return [*nested, *beside]  # it is that of another data set
        return [*nested, base] if self.lies_in(base) else nested

    def files(self, stem: str, places: list[Path]) -> Iterator[Path]:
        """Every file that may be `stem`, the likeliest first, good or not."""
        for place in places:
            yield from spellings(place, stem)

    def inputs(self, root: Root = None) -> list[Path]:
        """Every file that may be read."""
        places = self.places(root)
        return [file for stem in self.md5 for file in self.files(stem, places)]

    def status(self, root: Root = None) -> str:
        """Where the files are, or what is missing."""
        places = self.places(root)
        target = places[0]
        found = {stem: next(self.files(stem, places), None) for stem in self.md5}
        missing = [stem for stem, file in found.items() if file is None]
        if not missing:
            return f"found in {next(file.parent for file in found.values() if file)}"
        if is_named(root) and not data_root(root).is_dir():
            return f"not here: the data directory {data_root(root)} does not exist"
        return (
            f"not here: {len(missing)} of {len(found)} files are missing in {target}; "
            "they are fetched on first use, or put them there, unpacked or as .gz"
        )

    def read(self, root: Root, *, download: bool, progress: bool) -> tuple[np.ndarray, ...]:
        """Read x_train, y_train, x_test, y_test; fetch what is absent."""
        base, places, named = data_root(root), self.places(root), is_named(root)
        target = places[0]
        if named and not base.is_dir():
            raise DataError(
                f"the data directory {base} does not exist or is not a directory",
                do="create it (missing files are fetched into it), or name another one",
            )
        found: dict[str, np.ndarray] = {}
        beside: dict[str, list[str]] = {}  # what is missing, and faults of files that are not
        for stem in IDX_FILES.values():
            array, bad = self._first_good(stem, places)
            if array is not None:
                found[stem] = array
                continue
            beside[stem] = [str(error) for _, error in bad]
            for file, error in bad:
                if target not in file.parents:
                    continue
                if named or not download:
                    if isinstance(error, FileError):
                        raise error
                    remedy = "put the right file there, or delete this one to have it fetched"
                    raise DataError(str(error), do=remedy)
                with suppress(OSError):  # the cache is ours: what went bad there goes
                    file.unlink()
        if beside:
            self._fetch(beside, places, root, download, progress)
            found |= {stem: self._read(target / f"{stem}.gz", stem) for stem in beside}
        else:
            tidy(target)
        return tuple(found[stem] for stem in IDX_FILES.values())

    def _read(self, file: Path, stem: str) -> np.ndarray:
        n = self.counts["train" not in stem]
        shape = (n, *self.image_shape) if "images" in stem else (n,)
        return read_idx(file, len(shape), md5=self.md5[stem], shape=shape)

    def _first_good(
        self, stem: str, places: list[Path]
    ) -> tuple[np.ndarray | None, list[tuple[Path, DataError | FileError]]]:
        """The first good copy of a file, and the bad ones before it with their faults."""
        bad: list[tuple[Path, DataError | FileError]] = []
        for file in self.files(stem, places):
            try:
                array = self._read(file, stem)
            except (DataError, FileError) as error:
                bad.append((file, error))
                continue
            if bad:
                warn(f"{bad[0][1]}; took {file} instead", RuntimeWarning, stacklevel=2)
            return array, bad
        return None, bad

    def lies_in(self, folder: Path) -> bool:
        """Whether the folder itself holds these files.

        Labels are small, and tell; but others make pictures of their own to the same labels.
        """

        def is_there(*stems: str) -> bool | None:
            found = None
            for stem in stems:
                for file in spellings(folder, stem):
                    found = False
                    with suppress(DataError, FileError):
                        self._read(file, stem)
                        return True
            return found

        if not is_there(IDX_FILES["y_test"], IDX_FILES["y_train"]):
            return False
        return is_there(IDX_FILES["x_test"]) is not False

    def _fetch(
        self,
        missing: Mapping[str, list[str]],
        places: list[Path],
        root: Root,
        download: bool,
        progress: bool,
    ) -> None:
        """Fetch files; `missing` gives for each the faults of those that lie in other places."""
        folder = places[0]
        by_hand = f"put {', '.join(missing)} (unpacked or as .gz) in {folder}"
        seen = "; ".join(fault for faults in missing.values() for fault in faults)
        seen = seen or _seen([data_root(root), *places])
        if not download:
            raise DataError(
                f"{len(missing)} of {len(self.md5)} {self.folder} files are missing in {folder}"
                + (f"; seen: {seen}" if seen else ""),
                do=f"allow the download, or {by_hand}",
            )
        mirrors = _own_mirrors(self.folder)
        names = [f"{stem}.gz" for stem in missing]
        if not is_named(root) and mirrors is None and fetch_with_torchvision(
            folder, names, self.folder, progress=progress
        ):  # fmt: skip
            return
        wanted = [self._wanted(stem) for stem in missing]
        try:
            fetch(folder, wanted, mirrors or self.mirrors, progress=progress)
        except DataError as error:
            remedy = (
                "check the network, set SBP_MIRRORS to a server that has the files, or " + by_hand
            )
            raise DataError(f"{error}" + (f"; seen: {seen}" if seen else ""), do=remedy) from error

    def _wanted(self, stem: str) -> Wanted:
        n = self.counts["train" not in stem]
        pixels = math.prod(self.image_shape) if "images" in stem else 1
        # However it is packed, a .gz is hardly larger than what is in it.
        largest = 16 + n * pixels
        return Wanted(
            f"{stem}.gz",
            largest + largest // 1000 + 1024,
            lambda file: self._read(file, stem),
        )


def spellings(folder: Path, stem: str) -> Iterator[Path]:
    """Files in a folder that may be `stem`; a dangling link or a folder counts, and fails later."""
    begin, _, end = stem.partition("-idx")
    for name in (stem, f"{begin}.idx{end}"):
        for path in (folder / name, folder / f"{name}.gz"):
            if (path / path.name).is_file():
                yield path / path.name  # some archives unpack to a folder of the file's name
            elif os.path.lexists(path):
                yield path


def _seen(folders: list[Path]) -> str:
    """Names that lie in the folders, for a message; "" if there are none."""
    names: list[str] = []
    for folder in dict.fromkeys(folders):
        with suppress(OSError):
            names += [str(path) for path in sorted(folder.iterdir()) if path.is_file()]
    names = [name for name in names if not os.path.basename(name).startswith(".")]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _own_mirrors(folder: str) -> tuple[str, ...] | None:
    """Base URLs made from ``SBP_MIRRORS``; None if it is not set."""
    urls = [url.strip() for url in os.environ.get("SBP_MIRRORS", "").split(",") if url.strip()]
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise DataError(
                f"SBP_MIRRORS holds {url!r}",
                allowed="base URLs that begin with http:// or https://, separated by commas",
            )
    return tuple(f"{url.rstrip('/')}/{folder}/raw" for url in urls) or None


def _by_file(*values: str) -> dict[str, str]:
    return dict(zip(IDX_FILES.values(), values, strict=True))


MNIST = IdxPictures(
    "mnist",
    image_shape=(28, 28),
    crop=4,
    threshold=129,
    what="MNIST idx files",
    checksum="5ace26e0c783643e4c3a027838a354128d2b8a9eaa632f968b0d851aaf014950",
    folder="MNIST",
    md5=_by_file(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ),
)
FASHION_MNIST = IdxPictures(
    "fashion-mnist",
    image_shape=(28, 28),
    threshold=129,
    what="FashionMNIST idx files",
    checksum="1b0dc6258abd21b50fa24abb41827f48e9dca4bd7351640cc4f15bab14a20eb5",
    folder="FashionMNIST",
    md5=_by_file(
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
)
