"""Rules between the chip's and the textbook's: one network, one idealisation more or less.

The network is always the same: ``h = [W1 x > 512]``, ``o = [W2 h > 512]`` (weight units, no
biases), and so are its start, the order of the samples, and the derivative b = 1 where a sum lies
in 0 .. 1024, else 0.  What differs is how a sample changes the weights.  With y = o on the chip,
and y = a_2 / 1024 in the textbook, where that is between 0 and 1::

    d_2 = (t - y) b_2                        d_1 = f(W2^T d_2) b_1
    W2 += 2 r c_2 d_2 h^T                    W1 += 2 r c_1 d_1 x^T

================  ==================================  =============================================
idealisation      on the chip                         in the textbook
================  ==================================  =============================================
sign              f is the sign                       f(e) = e / 1024, the gradient
grid              weights are even integers           weights are float32
ternary           y is the spike: d_2 is -1, 0, 1     y is the membrane potential
constant          r = 1                               r falls evenly from 1 to 0
bounds            weights end at -256 and 254         weights have no end
================  ==================================  =============================================

c_1 and c_2 are 1 on the chip.  A rule that can choose its step has them from a few tries on
training pictures that were held out; see `sbp.reproduce.claims.idealisations`.

On the grid a change that is no whole number of steps of 2 is rounded at random, up or down so that
its mean is right, the same way for all weights of a neuron: what a neuron would do that sends whole
spikes.  The chip's own changes are whole, so nothing of that touches the chip's rule, which is that
of `sbp.algebra` without the negated copies, bit for bit.

Every sum has one order, and only the four operations are used: results are the same on every
machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sbp.kernels import jit
from sbp.learn.data import Dataset
from sbp.learn.measures import Measures, one_hot
from sbp.learn.training import epoch_order, initial_weights
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN
from sbp.reproduce.binary import forward, output_sums

CHUNK = 2000  #: samples between two looks at Ctrl-C
THRESHOLD, TOP = np.float32(512), np.float32(1024)  #: weight units
RANDOM = 24  #: bits of a random number


class Rule(NamedTuple):
    """Which idealisations hold; all of them: the chip's rule."""

    sign: bool = True
    grid: bool = True
    ternary: bool = True
    constant: bool = True
    bounds: bool = True

    def changed(self, name: str) -> Rule:
        """The same rule, but for one idealisation."""
        return self._replace(**{name: not getattr(self, name)})


CHIP, TEXTBOOK = Rule(), Rule(False, False, False, False, False)


class Step(NamedTuple):
    """c_2 and c_1: how far the two matrices go, against the chip."""

    output: float = 1.0
    hidden: float = 1.0


@jit(nogil=True)
def _inside(a):
    return (a > 0) & (a <= TOP)


@jit(nogil=True)
def round_at_random(change, state):
    """Round to whole steps of 2 in place, keeping the mean; `state` is that of a generator.

    The generator is the xorshift of Marsaglia (2003) with 64 bits.
    """
    for i in range(change.shape[0]):
        if change[i] != 0:
            bits = state[0]
            bits ^= bits << np.uint64(13)
            bits ^= bits >> np.uint64(7)
            bits ^= bits << np.uint64(17)
            state[0] = bits
            share = np.float64(bits >> np.uint64(64 - RANDOM)) / 2.0**RANDOM
            change[i] = 2 * np.floor(np.float64(change[i]) / 2 + share)


@jit(nogil=True)
def _add(rows, active, count, change, low, high):
    changes = False
    for i in range(change.shape[0]):
        changes |= change[i] != 0
    if changes:
        for k in range(count):
            row = rows[active[k]]
            for i in range(row.shape[0]):
                row[i] = min(max(row[i] + change[i], low), high)


@jit(nogil=True)
def _learn(w1, w2, x, t, order, sign, grid, ternary, c1, c2, rates, low, high, state):
    """Learn ``x[order[0]], x[order[1]], ...`` in place.

    Parameters
    ----------
    w1, w2 : ndarray of float32, shapes (n_in, n_h) and (n_h, n_o)
    c1, c2, low, high : float32
    rates : ndarray of float32
        r of each sample.
    state : ndarray of uint64, shape (1,)
    """
    n_h, n_o = w2.shape
    a1, a2 = np.empty(n_h, np.float32), np.empty(n_o, np.float32)
    d1, d2 = np.empty(n_h, np.float32), np.empty(n_o, np.float32)
    active, fired = np.empty(x.shape[1], np.int64), np.empty(n_h, np.int64)
    for place in range(order.shape[0]):
        sample = order[place]
        n_active, n_fired = forward(x[sample], w1, w2, THRESHOLD, active, fired, a1, a2)
        wrong = False
        for i in range(n_o):
            d2[i] = 0
            if _inside(a2[i]):
                y = np.float32(a2[i] > THRESHOLD) if ternary else a2[i] / TOP
                d2[i] = np.float32(t[sample, i] != 0) - y
                wrong |= d2[i] != 0
        if not wrong:
            continue
        step = np.float32(2) * rates[place]
        for j in range(n_h):
            d1[j] = 0
            if _inside(a1[j]):
                e = np.float32(0)
                for i in range(n_o):
                    e += w2[j, i] * d2[i]
                if sign:
                    d1[j] = np.float32(e > 0) - np.float32(e < 0)
                else:
                    d1[j] = e / TOP
                d1[j] *= c1 * step
        for i in range(n_o):
            d2[i] *= c2 * step
        if grid:
            round_at_random(d2, state)
            round_at_random(d1, state)
        _add(w2, fired, n_fired, d2, low, high)
        _add(w1, active, n_active, d1, low, high)


class Ablated(NamedTuple):
    """A training by some rule.

    Attributes
    ----------
    weights : dict of str to ndarray of float32
        W1 (n_h, n_in) and W2 (n_o, n_h), weight units.
    measures : Measures
        On the test set, after the last epoch.
    lost : list of int
        Classes whose output has an input of 0 or below for every test picture of the class: there
        the derivative is 0, and no error of their own can bring them back.
    """

    weights: dict[str, np.ndarray]
    measures: Measures
    lost: list[int]


def train(
    dataset: Dataset,
    rule: Rule,
    step: Step,
    *,
    seed: int,
    epochs: int,
    hidden: int = 400,
    advance: Callable[[int], None] | None = None,
) -> Ablated:
    """Train by `rule`; start and order of samples are those of `sbp.learn.training` for `seed`.

    Parameters
    ----------
    advance : callable, optional
        Called with the samples learned since its last call.
    """
    start = initial_weights((dataset.n_inputs, hidden, dataset.n_classes), seed)
    w1, w2 = (np.ascontiguousarray(start[n].T.astype(np.float32)) for n in ("W1", "W2"))
    low, high = (WEIGHT_MIN, WEIGHT_MAX) if rule.bounds else (-np.inf, np.inf)
    state = np.random.default_rng([seed, 4]).integers(1, 2**63, 1).astype(np.uint64)
    inputs, targets = dataset.x_train, one_hot(dataset.y_train, dataset.n_classes)
    done, total = 0, epochs * len(inputs)
    for epoch in range(1, epochs + 1):
        order = epoch_order(seed, epoch, len(inputs))
        for first in range(0, len(order), CHUNK):
            rows = order[first : first + CHUNK]
            passed = 0.0 if rule.constant else (done + np.arange(len(rows))) / total
            rates = np.broadcast_to(1 - passed, len(rows)).astype(np.float32)
            _learn(
                w1, w2, inputs, targets, rows, rule.sign, rule.grid, rule.ternary,
                np.float32(step.hidden), np.float32(step.output), rates,
                np.float32(low), np.float32(high), state,
            )  # fmt: skip
            done += len(rows)
            if advance:
                advance(len(rows))
    found = output_sums(dataset.x_test, w1, w2, THRESHOLD)
    labels = dataset.y_test
    lost = [k for k in range(dataset.n_classes) if not (found[labels == k, k] > 0).any()]
    measures = Measures.of(found > THRESHOLD, found, labels)
    return Ablated({"W1": w1.T.copy(), "W2": w2.T.copy()}, measures, lost)
