"""More training pictures than there are: each one moved by a few pixels, anew in every epoch.

The window that the crop leaves moves over the picture, so that a shift is at most as large as the
crop and nothing has to be filled in.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import numpy as np

from sbp.errors import DataError
from sbp.learn import data

if TYPE_CHECKING:
    from jaxtyping import Int, Int64, UInt8


class Shifts:
    """The training inputs of every epoch, shifted at random.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, height, width)
        Uncropped, 0 and 1.
    crop : int
        Pixels cut off at every side by the window in the middle.
    largest : int
        Pictures move by up to this many pixels in both directions, 0..crop.
    seed : int
        With the number of the epoch it fixes all shifts.

    Raises
    ------
    DataError
        If the window would leave the picture.
    """

    def __init__(
        self, pictures: UInt8[np.ndarray, "n height width"], crop: int, largest: int, seed: int
    ) -> None:
        if not 0 <= largest <= crop:
            raise DataError(
                f"shift is {largest} with crop {crop}",
                allowed="0 to the crop",
                do="a shifted window has to stay inside the picture",
            )
        self.pictures, self.crop, self.largest, self.seed = pictures, crop, largest, seed

    @classmethod
    def of(
        cls,
        dataset: data.Dataset,
        largest: int,
        seed: int,
        *,
        root: str | os.PathLike[str] | None = None,
    ) -> Shifts:
        """Shifts of the training part of a data set that is cropped.

        Its pictures are loaded once more, uncropped, from `root`.
        """
        if not dataset.crop:
            raise DataError(
                f"shift is {largest}, but data set {dataset.name} is not cropped",
                allowed="a crop of at least the shift",
                do="a shifted window has to stay inside the picture",
            )
        whole = data.load(
            dataset.path or dataset.name, root=root, crop=0, threshold=dataset.threshold
        ).take(len(dataset.x_train))
        assert whole.image_shape is not None
        pictures = whole.x_train.reshape(-1, *whole.image_shape)
        return cls(pictures, dataset.crop, largest, seed)

    def __call__(self, epoch: int) -> UInt8[np.ndarray, "n n_0"]:
        """Inputs of an epoch, counted from 1: uint8, (n, n_in)."""
        rows, columns = shifts_of(self.seed, epoch, len(self.pictures), self.largest)
        return shifted(self.pictures, self.crop, rows, columns)


def shifts_of(
    seed: int, epoch: int, n: int, largest: int
) -> tuple[Int64[np.ndarray, "{n}"], Int64[np.ndarray, "{n}"]]:
    """Rows and columns by which each picture's window moves: int64 (n,), -largest .. largest."""
    drawn = np.random.default_rng([seed, 2, epoch]).integers(-largest, largest + 1, (2, n))
    return drawn[0], drawn[1]


def shifted(
    pictures: UInt8[np.ndarray, "n height width"],
    crop: int,
    rows: Int[np.ndarray, "n"],
    columns: Int[np.ndarray, "n"],
) -> UInt8[np.ndarray, "n n_0"]:
    """Crop every picture with a window moved by its own (row, column).

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, height, width)
    crop : int
        Pixels cut off at every side by the window in the middle.
    rows, columns : ndarray of int, shape (n,)
        -crop .. crop.

    Returns
    -------
    ndarray of uint8, shape (n, (height - 2 * crop) * (width - 2 * crop))
    """
    n, height, width = pictures.shape
    high, wide = height - 2 * crop, width - 2 * crop
    found = np.empty((n, high, wide), np.uint8)
    for row, column in itertools.product(np.unique(rows), np.unique(columns)):
        own = (rows == row) & (columns == column)
        top, left = crop + row, crop + column
        found[own] = pictures[own, top : top + high, left : left + wide]
    return found.reshape(n, -1)
