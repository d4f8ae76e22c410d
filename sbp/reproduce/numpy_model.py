"""The authors' NumPy model of Fashion-MNIST, run again to the last digit.

It is not the circuit's algebra.  Three things differ, and each can be changed here by itself
(`Rules`), so that its cost can be told:

- the second layer is updated *before* the error goes back through it;
- the derivative ends *at* 1 (a >= 1024), not beyond it (a > 1024);
- weights are clipped at +-254, not at -256 and 254.

The random numbers are NumPy's legacy generator, ``numpy.random.RandomState``, whose stream is
frozen for good; the arithmetic is in whole numbers.  So the figures are the same everywhere.

Source: the authors' code, ``lanl/spikingBackprop``, ``SFC_backprop/numpy_simulation.py``: seeds,
order of the samples, initial weights, epochs, and what is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sbp.kernels import jit

SEED = 43  #: of the authors' run
EPOCHS = 15
HIDDEN = 400
WINDOW = 5000  #: samples of the running accuracy and loss
CHECKPOINT = 55_000  #: the last sample at which they were printed


class Rules(NamedTuple):
    """What the model does its own way.

    Attributes
    ----------
    update_first : bool
        Whether W2 is updated before the error goes back (the circuit: after).
    lowest : int
        Least weight, -254 (the chip: -256).
    open_end : bool
        Whether the derivative is 0 at a = 1024 already (the circuit: beyond it).
    """

    update_first: bool = True
    lowest: int = -254
    open_end: bool = True


AUTHORS = Rules()
CIRCUIT = Rules(update_first=False, lowest=-256, open_end=False)  #: the algebra of `sbp.algebra`


@dataclass(frozen=True)
class Figures:
    """What the authors' script prints in an epoch.

    Attributes
    ----------
    accuracy, loss : float
        Share of exact answers among the 5,000 samples before sample 55,000, and the mean squared
        error of the first 4,999 of them: fractions.
    train : float
        Share of exact answers over the epoch.
    exact, spike, membrane : float
        Over the test set, after the epoch.
    """

    accuracy: float
    loss: float
    train: float
    exact: float
    spike: float
    membrane: float


def spikes(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Pixels 0 .. 255 of any shape to 0 and 1, uint8: the authors divide by 255 twice.

    A pixel spikes iff ``threshold < round(pixel / 255 * 256 / 255, 2)``.
    """
    values = np.round(np.arange(256) / 255.0 / 255.0 * 256, 2)
    return (threshold < values).astype(np.uint8)[pixels]


def initial_weights(n_in: int, n_h: int = HIDDEN, n_o: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The authors' random start: int16, a row per *source*, (n_in, n_h) and (n_h, n_o)."""
    random = np.random.RandomState(SEED + 1)
    found = []
    for n_pre, n_post in ((n_in, n_h), (n_h, n_o)):
        drawn = random.randn(n_pre, n_post) * np.sqrt(2 / (n_pre + n_post)) * 1024
        drawn = np.clip(drawn, -240, 240)
        found.append((np.floor(np.abs(drawn) / 2) * 2 * np.sign(drawn)).astype(np.int16))
    return found[0], found[1]


def order_of(epoch: int, before: np.ndarray | None, n: int) -> np.ndarray:
    """Rows in the order of an epoch, 1 .. `EPOCHS`: the order `before` it, shuffled again.

    Before the first epoch (`before` is None) the samples have been permuted once.
    """
    if before is None:
        before = np.random.RandomState(SEED).permutation(n)
    # Two dimensions, as their arrays: NumPy shuffles those on a path of its own.
    rows = before[:, None].copy()
    np.random.RandomState(SEED + epoch - 1).shuffle(rows)
    return rows[:, 0]


@jit(inline="always")
def _add(weights, rows, change, lowest):
    """``weights[row] += change`` for every row, kept to lowest .. 254."""
    for row in rows:
        for j in range(change.shape[0]):
            weights[row, j] = min(max(weights[row, j] + change[j], lowest), np.int16(254))


@jit(nogil=True)
def _train(w1, w2, inputs, labels, order, update_first, lowest, open_end, exact, errors):
    """Learn the samples in `order`; note for each whether it was exact, and its wrong outputs."""
    n_in, n_h = w1.shape
    n_o = w2.shape[1]
    active = np.empty(n_in, np.int64)
    fired = np.empty(n_h, np.int64)
    a1, a2 = np.empty(n_h, np.int32), np.empty(n_o, np.int32)
    d, change = np.zeros(n_o, np.int16), np.zeros(n_h, np.int16)
    end = 1024 if open_end else 1025  # sums are even
    for number in range(order.shape[0]):
        sample = order[number]
        n_active = 0
        for i in range(n_in):
            active[n_active] = i
            n_active += inputs[sample, i]
        a1[:] = 0
        for k in range(n_active):
            row = w1[active[k]]
            for j in range(n_h):
                a1[j] += row[j]
        n_fired = 0
        for j in range(n_h):
            fired[n_fired] = j
            n_fired += a1[j] > 512
        a2[:] = 0
        for k in range(n_fired):
            row = w2[fired[k]]
            for j in range(n_o):
                a2[j] += row[j]
        wrong, silent = 0, True
        for k in range(n_o):
            o, t = a2[k] > 512, labels[sample] == k
            wrong += o != t
            d[k] = 2 * (np.int16(t and not o and a2[k] > 0) - np.int16(o and not t and a2[k] < end))
            silent &= d[k] == 0
        exact[number], errors[number] = wrong == 0, wrong
        if silent:
            continue
        if update_first:
            _add(w2, fired[:n_fired], d, lowest)
        for j in range(n_h):
            e = np.int64(0)
            if 0 < a1[j] < end:
                for k in range(n_o):
                    e += np.int64(d[k]) * np.int64(w2[j, k])
            change[j] = 2 * (np.int16(e > 0) - np.int16(e < 0))
        if not update_first:
            _add(w2, fired[:n_fired], d, lowest)
        _add(w1, active[:n_active], change, lowest)


def _test(
    w1: np.ndarray, w2: np.ndarray, inputs: np.ndarray, labels: np.ndarray
) -> tuple[float, float, float]:
    """Exact, spike and membrane accuracy.  Sums of small whole numbers: float32 is exact."""
    hidden = inputs.astype(np.float32) @ w1.astype(np.float32) > 512
    sums = hidden.astype(np.float32) @ w2.astype(np.float32)
    answers, targets = sums > 512, np.eye(w2.shape[1], dtype=bool)[labels]
    return (
        float((answers == targets).all(axis=1).mean()),
        float((answers.argmax(axis=1) == labels).mean()),
        float((sums.argmax(axis=1) == labels).mean()),
    )


def run(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    threshold: float,
    *,
    rules: Rules = AUTHORS,
    epochs: int = EPOCHS,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Figures], dict[str, np.ndarray]]:
    """Train the model and print what the script prints, after every epoch.

    Parameters
    ----------
    train, test : (ndarray of uint8, shape (n, n_in); ndarray of uint8, shape (n,))
        Pixels 0 .. 255 and labels 0 .. 9; test pictures are always binarised at 0.5.
    threshold : float
        Of the training pictures.
    rules : Rules
    epochs : int
    progress : callable, optional
        Called with the samples learned since its last call.

    Returns
    -------
    figures : list of Figures
        One per epoch.
    weights : dict of str to ndarray of int16
        "W1" (n_h, n_in) and "W2" (n_o, n_h), at the end.
    """
    inputs, shown = spikes(train[0], threshold), spikes(test[0], 0.5)
    n, order, figures = len(inputs), None, []
    w1, w2 = initial_weights(inputs.shape[1])
    exact, errors = np.zeros(n, np.int64), np.zeros(n, np.int64)
    part = 5000
    for epoch in range(1, epochs + 1):
        order = order_of(epoch, order, n)
        for start in range(0, n, part):
            now = slice(start, start + part)
            _train(
                w1, w2, inputs, train[1], order[now], rules.update_first, np.int16(rules.lowest),
                rules.open_end, exact[now], errors[now],
            )  # fmt: skip
            if progress:
                progress(len(order[now]))
        end = min(CHECKPOINT, n)
        window = slice(max(end - WINDOW, 0), end)
        # Their accuracy is a difference of two running counts 4,999 samples apart.
        hits = exact[window][1:].sum() / WINDOW
        loss = float(np.mean(errors[window][:-1] / w2.shape[1]))
        figures.append(Figures(float(hits), loss, float(exact.mean()),
                               *_test(w1, w2, shown, test[1])))  # fmt: skip
    return figures, {"W1": w1.T.copy(), "W2": w2.T.copy()}
