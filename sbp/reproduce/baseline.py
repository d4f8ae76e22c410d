"""Off-chip baseline: the same binary network, trained with batches and float shadow weights.

The network is the inference circuit's: ``h = [W1 x > 512]``, ``o = [W2 h > 512]`` (weight units,
no biases).  Training keeps float32 *shadow weights* in units of 1024 and follows what is usual
for binary networks: a straight-through derivative (1 where the sum lies between 0 and 1024), a
squared hinge around the threshold of the outputs, Adam, batches.  Afterwards the shadow weights
are rounded to the chip's grid, even integers in -256 .. 254.

Everything the on-chip rule may not use is used here: batches, floats, the size of the error, a
learning rate that decays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sbp.learn.data import Dataset
from sbp.learn.training import Measures, Weights, epoch_order, evaluate, initial_weights, one_hot
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN
from sbp.weights import nearest, on_grid

UNIT = 1024  #: weight units in 1.0 of a shadow weight
THRESHOLD = 0.5  #: of every neuron, shadow units (512)
MARGIN = 0.5  #: the hinge wants an output's sum this far beyond its threshold
RATE = 2e-3  #: Adam's step at the start; it falls to zero along a half cosine
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
LOWEST, HIGHEST = np.float32(WEIGHT_MIN / UNIT), np.float32(WEIGHT_MAX / UNIT)
CHUNK = 5000  # test samples at once


@dataclass
class Baseline:
    """A network trained off the chip.

    Attributes
    ----------
    shadow : dict of str to ndarray of float32
        W1 (n_h, n_in) and W2 (n_o, n_h), units of 1024.
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
        self._steps = 0

    def step(self, matrix: np.ndarray, slope: np.ndarray, rate: float) -> None:
        """``matrix -= rate * mean / (sqrt(square) + epsilon)``, both with their start corrected."""
        self._steps += 1
        scratch = self._scratch
        self._mean *= BETA1
        np.multiply(slope, 1 - BETA1, out=scratch)
        self._mean += scratch
        self._square *= BETA2
        np.multiply(slope, slope, out=scratch)
        scratch *= 1 - BETA2
        self._square += scratch
        np.sqrt(self._square, out=scratch)
        scratch /= np.sqrt(1 - BETA2**self._steps)
        scratch += EPSILON
        np.divide(self._mean, scratch, out=scratch)
        scratch *= rate / (1 - BETA1**self._steps)
        matrix -= scratch


def to_grid(shadow: dict[str, np.ndarray]) -> Weights:
    """Shadow weights to the nearest even integers in -256 .. 254, int16."""
    return {name: on_grid(matrix * UNIT, nearest) for name, matrix in shadow.items()}


def forward(
    x: np.ndarray, shadow: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hidden sums, hidden spikes and output sums of inputs x (n, n_in), all float32."""
    a1 = x @ shadow["W1"].T
    h = (a1 > THRESHOLD).astype(np.float32)
    return a1, h, h @ shadow["W2"].T


def gradients(x: np.ndarray, t: np.ndarray, shadow: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gradient of the mean squared hinge loss with the straight-through derivative.

    Parameters
    ----------
    x : ndarray of float32, shape (n, n_in)
        0 or 1.
    t : ndarray of float32, shape (n, n_o)
        Targets, -1 or +1.
    """
    a1, h, a2 = forward(x, shadow)
    hinge = np.maximum(MARGIN - t * (a2 - THRESHOLD), 0)
    d2 = -2 * t * hinge / len(x)
    d1 = (d2 @ shadow["W2"]) * ((a1 > 0) & (a1 <= 1))
    return {"W1": d1.T @ x, "W2": d2.T @ h}


def loss(x: np.ndarray, t: np.ndarray, shadow: dict[str, np.ndarray]) -> float:
    """Mean over samples of the summed squared hinge."""
    _, _, a2 = forward(x, shadow)
    return float((np.maximum(MARGIN - t * (a2 - THRESHOLD), 0) ** 2).sum() / len(x))


def measures(dataset: Dataset, shadow: dict[str, np.ndarray]) -> Measures:
    """The three accuracies and the mse on the test set with float weights."""
    sums = np.concatenate(
        [
            forward(dataset.x_test[i : i + CHUNK].astype(np.float32), shadow)[2]
            for i in range(0, len(dataset.x_test), CHUNK)
        ]
    )
    return Measures.of(sums > THRESHOLD, sums, dataset.y_test)


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
        name: matrix.astype(np.float32) / UNIT
        for name, matrix in initial_weights(sizes, seed).items()
    }
    adam = {name: Adam(matrix) for name, matrix in shadow.items()}
    inputs = dataset.x_train.astype(np.float32)
    targets = 2 * one_hot(dataset.y_train, dataset.n_classes).astype(np.float32) - 1
    steps = epochs * -(-len(inputs) // batch)
    step, history = 0, []
    for epoch in range(1, epochs + 1):
        order = epoch_order(seed, epoch, len(inputs))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            step += 1
            rate = RATE / 2 * (1 + np.cos(np.pi * step / steps))
            for name, slope in gradients(inputs[rows], targets[rows], shadow).items():
                adam[name].step(shadow[name], slope, rate)
                np.clip(shadow[name], LOWEST, HIGHEST, out=shadow[name])
        grid = evaluate(dataset, to_grid(shadow))
        history.append({"float": measures(dataset, shadow), "grid": grid})
        if progress:
            progress(epoch)
    return Baseline(shadow, to_grid(shadow), history)
