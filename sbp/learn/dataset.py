"""What a data set is: spike patterns x (0/1) with labels, and how grey pictures become spikes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from sbp.errors import DataError
from sbp.spec import is_whole

if TYPE_CHECKING:
    from jaxtyping import Integer, Real, Shaped, UInt8

#: The four arrays of a data set, in the order of `Dataset.checksum`.
ARRAYS = ("x_train", "y_train", "x_test", "y_test")

Root = str | os.PathLike[str] | None  #: where the files of published data sets are; None: as usual


@dataclass(frozen=True, eq=False)
class Dataset:
    """Spike patterns and labels, split into a training and a test part.

    Attributes
    ----------
    name : str
        The name it was loaded by, or one made from the name of the user's file.
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
    crop : int or None
        Pixels that were cut off at every side; None if the user's file was taken as it is.
    threshold : int, float or None
        Least value of a pixel that spikes; None if x was 0 and 1 in the user's file.
    note : str
        One line that a reader of results on these data has to know; may be empty.
    seen_in : tuple of str
        Names of data sets whose training part holds the test samples of this one.
    path : Path or None
        The user's file or folder, absolute; None for data sets that have a name.

    Raises
    ------
    DataError
        The arrays break one of these rules.
    """

    name: str
    x_train: Real[np.ndarray, "n_train n_in"] = field(repr=False)
    y_train: Integer[np.ndarray, "n_train"] = field(repr=False)
    x_test: Real[np.ndarray, "n_test n_in"] = field(repr=False)
    y_test: Integer[np.ndarray, "n_test"] = field(repr=False)
    image_shape: tuple[int, int] | None
    n_classes: int
    source: str
    crop: int | None = None
    threshold: float | None = None
    note: str = ""
    seen_in: tuple[str, ...] = ()
    path: Path | None = None

    def __post_init__(self) -> None:
        checked = checked_arrays(
            f"data set {self.name}", {key: getattr(self, key) for key in ARRAYS}
        )
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

    @property
    def facts(self) -> dict[str, Any]:
        """What a training run remembers, as JSON allows it; `sbp.learn.data.recall` reads it.

        Returns
        -------
        dict
            "dataset" (the name), "data_path", "data_checksum", "image_shape", "crop",
            "threshold", "n_train", "n_test".
        """
        return {
            "dataset": self.name,
            "data_path": None if self.path is None else str(self.path),
            "data_checksum": self.checksum,
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "crop": self.crop,
            "threshold": self.threshold,
            "n_train": len(self.x_train),
            "n_test": len(self.x_test),
        }

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
            if n is not None and not (is_whole(n) and 1 <= n <= len(x)):
                raise DataError(
                    f"{n!r} {part} samples asked of data set {self.name}", allowed=f"1 to {len(x)}"
                )
            kept |= {f"x_{part}": x[:n], f"y_{part}": y[:n]}
        return replace(self, **kept)


@runtime_checkable
class Source(Protocol):
    """What stands behind the name of a data set."""

    def load(
        self,
        root: Root = None,
        *,
        crop: int | None = None,
        threshold: float | None = None,
        download: bool = True,
        progress: bool = True,
    ) -> Dataset:
        """The data set; the parameters are those of `sbp.learn.data.load`.

        Raises
        ------
        DataError
            If it cannot be had, or does not take one of the options.
        """
        ...

    def status(self, root: Root = None) -> str:
        """One line, without fetching: where it is, or "not here: " and how to get it."""
        ...


@dataclass(frozen=True)
class Pictures:
    """A data set of grey pictures, of which a subclass says where they come from.

    Attributes
    ----------
    name : str
    image_shape : (int, int)
        Rows and columns of a picture before it is cropped.
    threshold : int
        Least value, 1..largest, of a pixel that spikes, unless the caller says otherwise.
    crop : int
        Pixels cut off at every side, unless the caller says otherwise.
    largest : int
        Greatest value of a pixel.
    what : str
        What is read, for `Dataset.source`.
    n_classes : int
    note, seen_in
        As of `Dataset`.
    checksum : str
        `Dataset.checksum` of the whole, cropped and binarised as usual: what results refer to.
    """

    name: str
    image_shape: tuple[int, int]
    threshold: int
    crop: int = 0
    largest: int = 255
    what: str = ""
    n_classes: int = 10
    note: str = ""
    seen_in: tuple[str, ...] = ()
    checksum: str = ""

    def read(self, root: Root, *, download: bool, progress: bool) -> tuple[np.ndarray, ...]:
        """x_train, y_train, x_test, y_test: x of uint8, (n, rows, columns), y of uint8, (n,)."""
        raise NotImplementedError

    def status(self, root: Root = None) -> str:
        """See `Source.status`."""
        raise NotImplementedError

    def load(
        self,
        root: Root = None,
        *,
        crop: int | None = None,
        threshold: float | None = None,
        download: bool = True,
        progress: bool = True,
    ) -> Dataset:
        """See `Source.load`."""
        # Options are checked before anything is read or fetched.
        crop = option("crop", crop, self.crop, 0, (min(self.image_shape) - 1) // 2)
        threshold = option("threshold", threshold, self.threshold, 1, self.largest)
        x_train, y_train, x_test, y_test = self.read(root, download=download, progress=progress)
        rows, columns = self.image_shape
        return Dataset(
            name=self.name,
            x_train=binarise(x_train, crop, threshold),
            y_train=y_train,
            x_test=binarise(x_test, crop, threshold),
            y_test=y_test,
            image_shape=(rows - 2 * crop, columns - 2 * crop),
            n_classes=self.n_classes,
            source=f"{self.what or self.name}, {how(crop, threshold)}",
            crop=crop,
            threshold=threshold,
            note=self.note,
            seen_in=self.seen_in,
        )


def how(crop: int, threshold: float) -> str:
    """How pictures became spikes, in words."""
    return f"{crop} pixels cropped at every side, spike iff value >= {threshold}"


def binarise(
    images: Real[np.ndarray, "n rows columns"], crop: int, threshold: float
) -> UInt8[np.ndarray, "n n_in"]:
    """Cut a border off pictures and turn pixels into spikes.

    Parameters
    ----------
    images : ndarray, shape (n, rows, columns)
    crop : int
        Pixels cut off at every side.
    threshold : int or float
        Least value of a pixel that spikes.

    Returns
    -------
    ndarray of uint8, shape (n, (rows - 2 * crop) * (columns - 2 * crop))
        1 where value >= threshold, row by row.
    """
    return (cropped(images, crop) >= threshold).view(np.uint8)


def cropped(images: Real[np.ndarray, "n rows columns"], crop: int) -> Real[np.ndarray, "n n_in"]:
    """Pictures without a border of `crop` pixels, a row each."""
    n, rows, columns = images.shape
    inner = images[:, crop : rows - crop, crop : columns - crop]
    return inner.reshape(n, (rows - 2 * crop) * (columns - 2 * crop))


def option(name: str, value: float | None, usual: int, least: int, most: int) -> int:
    """The value of an option, or the usual one if it is None; DataError if out of range."""
    if value is None:
        return usual
    if not is_whole(value) or not least <= value <= most:
        raise DataError(f"{name} is {value!r}", allowed=f"integers {least} to {most}")
    return int(value)


def checked_arrays(
    where: str, arrays: Mapping[str, Shaped[np.ndarray, "..."]]
) -> dict[str, UInt8[np.ndarray, "..."]]:
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
                do="give a threshold (--threshold N): values from it on spike",
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
