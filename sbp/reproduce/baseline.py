"""Off-chip baseline: the same binary network, trained with batches and float shadow weights.

The network is the inference circuit's: ``h = [W1 x > 512]``, ``o = [W2 h > 512]`` (weight units,
no biases).  Training keeps float32 *shadow weights* in units of 1024 and follows what is usual
for binary networks: a straight-through derivative (1 where the sum lies between 0 and 1024), a
squared hinge around the threshold of the outputs, Adam, batches.  Afterwards the shadow weights
are rounded to the chip's grid, even integers in -256 .. 254.

Everything the on-chip rule may not use is used here: batches, floats, the size of the error, a
learning rate that decays.

Float sums depend on their order, and a linear-algebra library chooses another one for another
processor.  Here every sum has one order, and only the four operations and the square root are
used, which are the same on every machine: so are the results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sbp.kernels import jit
from sbp.learn.data import Dataset
from sbp.learn.training import Measures, epoch_order, evaluate, initial_weights, one_hot
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN
from sbp.reproduce.binary import forward, output_sums
from sbp.weights import Weights, nearest, on_grid

UNIT = 1024  #: weight units in 1.0 of a shadow weight
THRESHOLD = 0.5  #: of every neuron, shadow units (512)
MARGIN = 0.5  #: the hinge wants an output's sum this far beyond its threshold
RATE = 2e-3  #: Adam's step at the start; it falls to zero evenly
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
LOWEST, HIGHEST = np.float32(WEIGHT_MIN / UNIT), np.float32(WEIGHT_MAX / UNIT)


@dataclass
class Baseline:
    """A network trained off the chip.

    Attributes
    ----------
    shadow : dict of str to ndarray of float32
        W1 (n_in, n_h) and W2 (n_h, n_o), a row per source, units of 1024.
    weights : dict of str to ndarray of int16
        The same on the chip's grid.
    epochs : list of dict
        Of each epoch, the measures with float weights ("float") and on the grid ("grid").
    """

    shadow: dict[str, np.ndarray]
    weights: Weights
    epochs: list[dict[str, Measures]]


class Adam:
    """Adam (Kingma and Ba, 2015) for one matrix, in place."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._mean, self._square = np.zeros_like(matrix), np.zeros_like(matrix)
        self._scratch = np.empty_like(matrix)
        self._left1 = self._left2 = 1.0  # BETA1 and BETA2 to the number of steps

    def step(self, matrix: np.ndarray, slope: np.ndarray, rate: float) -> None:
        """``matrix -= rate * mean / (sqrt(square) + epsilon)``, both with their start corrected."""
        self._left1, self._left2 = self._left1 * BETA1, self._left2 * BETA2
        scratch = self._scratch
        self._mean *= BETA1
        np.multiply(slope, 1 - BETA1, out=scratch)
        self._mean += scratch
        self._square *= BETA2
        np.multiply(slope, slope, out=scratch)
        scratch *= 1 - BETA2
        self._square += scratch
        np.sqrt(self._square, out=scratch)
        scratch /= math.sqrt(1 - self._left2)
        scratch += EPSILON
        np.divide(self._mean, scratch, out=scratch)
        scratch *= rate / (1 - self._left1)
        matrix -= scratch


def to_grid(shadow: dict[str, np.ndarray]) -> Weights:
    """Shadow weights to the nearest even integers in -256 .. 254: int16, (n_post, n_pre)."""
    return Weights({name: on_grid(matrix.T * UNIT, nearest) for name, matrix in shadow.items()})


@jit(nogil=True)
def _slopes(x, t, w1, w2, slope1, slope2):
    """Add up the gradient over the samples of x (n, n_in) and t (n, n_o), in their order."""
    n_h, n_o = w2.shape
    back = w2.T.copy()
    a1, a2 = np.empty(n_h, w1.dtype), np.empty(n_o, w2.dtype)
    d1, d2 = np.empty(n_h, w1.dtype), np.empty(n_o, w2.dtype)
    active, fired = np.empty(w1.shape[0], np.int64), np.empty(n_h, np.int64)
    two, margin, threshold = w1.dtype.type(2), w1.dtype.type(MARGIN), w1.dtype.type(THRESHOLD)
    share = two / w1.dtype.type(x.shape[0])
    for n in range(x.shape[0]):
        n_active, n_fired = forward(x[n], w1, w2, THRESHOLD, active, fired, a1, a2)
        d1[:] = 0
        wrong = False
        for k in range(n_o):
            hinge = margin - t[n, k] * (a2[k] - threshold)
            d2[k] = -share * t[n, k] * hinge if hinge > 0 else 0
            if hinge > 0:
                wrong = True
                for j in range(n_h):
                    d1[j] += d2[k] * back[k, j]
        if not wrong:
            continue
        for j in range(n_h):
            if not 0 < a1[j] <= 1:
                d1[j] = 0
        for k in range(n_active):
            row = slope1[active[k]]
            for j in range(n_h):
                row[j] += d1[j]
        for k in range(n_fired):
            row = slope2[fired[k]]
            for j in range(n_o):
                row[j] += d2[j]


def sums(x: np.ndarray, shadow: dict[str, np.ndarray]) -> np.ndarray:
    """Output sums, shadow units, of inputs x (n, n_in): (n, n_o)."""
    return output_sums(x, shadow["W1"], shadow["W2"], THRESHOLD)


def gradients(x: np.ndarray, t: np.ndarray, shadow: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gradient of the mean squared hinge loss with the straight-through derivative.

    Parameters
    ----------
    x : ndarray, shape (n, n_in)
        0 or 1.
    t : ndarray of the type of `shadow`, shape (n, n_o)
        Targets, -1 or +1.
    shadow : dict of str to ndarray
        "W1" (n_in, n_h) and "W2" (n_h, n_o): a row per source.
    """
    found = {name: np.zeros_like(matrix) for name, matrix in shadow.items()}
    _slopes(x, t, shadow["W1"], shadow["W2"], found["W1"], found["W2"])
    return found


def loss(x: np.ndarray, t: np.ndarray, shadow: dict[str, np.ndarray]) -> float:
    """Mean over samples of the summed squared hinge."""
    hinge = np.maximum(MARGIN - t * (sums(x, shadow) - THRESHOLD), 0)
    return float((hinge**2).sum() / len(x))


def measures(dataset: Dataset, shadow: dict[str, np.ndarray]) -> Measures:
    """The three accuracies and the mse on the test set with float weights."""
    found = sums(dataset.x_test, shadow)
    return Measures.of(found > THRESHOLD, found, dataset.y_test)


def train(
    dataset: Dataset,
    *,
    hidden: int = 400,
    epochs: int = 60,
    batch: int = 100,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Baseline:
    """Train off the chip; start and order of samples are those of `sbp.learn.training` for `seed`.

    Parameters
    ----------
    progress : callable, optional
        Called with the number of finished epochs.
    """
    sizes = (dataset.n_inputs, hidden, dataset.n_classes)
    shadow = {
        name: np.ascontiguousarray(matrix.T.astype(np.float32) / UNIT)
        for name, matrix in initial_weights(sizes, seed).items()
    }
    adam = {name: Adam(matrix) for name, matrix in shadow.items()}
    inputs = dataset.x_train
    targets = 2 * one_hot(dataset.y_train, dataset.n_classes).astype(np.float32) - 1
    steps = epochs * -(-len(inputs) // batch)
    step, history = 0, []
    for epoch in range(1, epochs + 1):
        order = epoch_order(seed, epoch, len(inputs))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            step += 1
            rate = RATE * (1 - step / steps)
            for name, slope in gradients(inputs[rows], targets[rows], shadow).items():
                adam[name].step(shadow[name], slope, rate)
                np.clip(shadow[name], LOWEST, HIGHEST, out=shadow[name])
        grid = evaluate(dataset, to_grid(shadow))
        history.append({"float": measures(dataset, shadow), "grid": grid})
        if progress:
            progress(epoch)
    return Baseline(shadow, to_grid(shadow), history)
