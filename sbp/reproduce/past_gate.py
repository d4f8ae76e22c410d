"""What the circuit computes once h passes its closing gate: the algebra with three things added.

`sbp.reproduce.watch` says what happens in phases 8 and 9 where W1 x exceeds the gate.  Here it is
written without spikes, so that each part can be taken away and its share in the collapse be seen:

- *dead*: a hidden neuron that fired in phase 8 is dead in phase 9, and the decreases of its W2 are
  not made;
- *heard*: the outputs hear that spike in phase 9, so that a negative error is lost or an output
  fires without one.

W2 and its two copies for the way back then part, and are carried by themselves.  With both parts
it equals the circuit in every weight, which the claim checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sbp import algebra
from sbp.circuits.gating import CLOSED_LIMIT, COPY
from sbp.kernels import jit
from sbp.learn.measures import Measures
from sbp.learn.training import epoch_order
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN
from sbp.reproduce.courses import NAMES, note
from sbp.weights import Weights

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench, Work

HALF, WHOLE = 512, 1024
CHUNK = 4000
LOWEST, HIGHEST = np.int16(WEIGHT_MIN), np.int16(WEIGHT_MAX)


@jit(inline="always")
def _add(weights, row, change):
    """``weights[row] += change``, kept to the range of a synapse."""
    for j in range(change.shape[0]):
        weights[row, j] = min(max(weights[row, j] + change[j], LOWEST), HIGHEST)


@jit(nogil=True)
def _train(w1, w2, back, negated, inputs, labels, order, dead, heard):
    """Learn; every matrix has a row per hidden neuron or input, (n_in, n_h) or (n_h, n_o)."""
    n_in, n_h = w1.shape
    n_o = w2.shape[1]
    active = np.empty(n_in, np.int64)
    a1, a2 = np.empty(n_h, np.int32), np.empty(n_o, np.int32)
    h, past, box = np.empty(n_h, np.bool_), np.empty(n_h, np.bool_), np.empty(n_h, np.bool_)
    plus, minus = np.zeros(n_o, np.int16), np.zeros(n_o, np.int16)
    ninth, change = np.zeros(n_o, np.int16), np.zeros(n_h, np.int16)
    for sample in order:
        n_active = 0
        for i in range(n_in):
            active[n_active] = i
            n_active += inputs[sample, i]
        a1[:] = 0
        for k in range(n_active):
            row = w1[active[k]]
            for j in range(n_h):
                a1[j] += row[j]
        for j in range(n_h):
            h[j] = a1[j] > HALF
            box[j] = 0 < a1[j] <= WHOLE
            past[j] = a1[j] > CLOSED_LIMIT
        a2[:] = 0
        for j in range(n_h):
            if h[j]:
                for k in range(n_o):
                    a2[k] += w2[j, k]
        for k in range(n_o):
            o, t = a2[k] > HALF, labels[sample] == k
            plus[k] = 2 * (t and not o and a2[k] > 0)
            minus[k] = 2 * (o and not t and a2[k] <= WHOLE)
        # Phases 5 and 6: increases of W2, and where the error sent back is positive.
        for j in range(n_h):
            e = 0
            if box[j]:
                for k in range(n_o):
                    e += plus[k] * np.int64(back[j, k]) + minus[k] * np.int64(negated[j, k])
            change[j] = 2 * (e > 0)
        for j in range(n_h):
            if h[j]:
                _add(w2, j, plus)
                _add(back, j, plus)
                _add(negated, j, minus)
        # Phase 9: the negative error, and what the spikes of phase 8 do to it.
        for k in range(n_o):
            drive = COPY * (minus[k] > 0)
            if heard:
                for j in range(n_h):
                    if past[j]:
                        drive += w2[j, k]
            ninth[k] = 2 * (drive > HALF)
        # Phase 10 reads before phase 9 has learned; phase 7 changes W1 only.
        for j in range(n_h):
            e = 0
            if box[j]:
                for k in range(n_o):
                    e += ninth[k] * np.int64(back[j, k]) + plus[k] * np.int64(negated[j, k])
            down = e > 0
            if change[j] != 0 or down:
                for i in range(n_active):
                    row = active[i]
                    w1[row, j] = min(w1[row, j] + change[j], HIGHEST)
                    w1[row, j] = max(w1[row, j] - 2 * down, LOWEST)
        for k in range(n_o):
            ninth[k], plus[k] = -ninth[k], -plus[k]
        for j in range(n_h):
            if h[j]:
                if not (dead and past[j]):
                    _add(w2, j, ninth)
                _add(back, j, ninth)
                _add(negated, j, plus)


class Network:
    """The algebra past the gate; see the module.

    Parameters
    ----------
    weights : mapping
        "W1" (n_h, n_in) and "W2" (n_o, n_h).
    dead, heard : bool
        Which parts act; neither: the algebra, its copies carried.
    """

    def __init__(
        self, weights: Mapping[str, np.ndarray], *, dead: bool = True, heard: bool = True
    ) -> None:
        self._w1 = np.ascontiguousarray(weights["W1"].T, np.int16)
        self._w2 = np.ascontiguousarray(weights["W2"].T, np.int16)
        self._back = self._w2.copy()
        self._negated = np.clip(-self._w2.astype(np.int32), LOWEST, HIGHEST).astype(np.int16)
        self._dead, self._heard = dead, heard

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """W1 (n_h, n_in) and W2 (n_o, n_h) of the way up."""
        return {"W1": self._w1.T.copy(), "W2": self._w2.T.copy()}

    def train(
        self,
        inputs: np.ndarray,
        labels: np.ndarray,
        order: np.ndarray,
        advance: Callable[[int], None] | None = None,
    ) -> None:
        """Learn rows `order` of inputs (n, n_in) with labels (n,)."""
        for start in range(0, len(order), CHUNK):
            rows = order[start : start + CHUNK]
            _train(self._w1, self._w2, self._back, self._negated, inputs, labels, rows,
                   self._dead, self._heard)  # fmt: skip
            if advance:
                advance(len(rows))


class Variant(NamedTuple):
    """One training: what it is made of, beside its data; see `Network`."""

    dead: bool
    heard: bool
    epochs: int
    seed: int
    hidden: int = 400


def trainings(bench: Bench, name: str, keys: Sequence[Variant]) -> list[Work]:
    """Curves by epochs (facts) and final weights (arrays) of each; each is trained once."""
    from sbp.reproduce.bench import Work

    dataset = bench.watch_dataset(name)

    def one(key: Variant, advance: Callable[[int], None]) -> Work:
        sizes = (dataset.n_inputs, key.hidden, dataset.n_classes)
        network = Network(Weights.random(sizes, key.seed), dead=key.dead, heard=key.heard)
        curves: dict[str, list[float]] = {measure: [] for measure in NAMES}
        for epoch in range(1, key.epochs + 1):
            order = epoch_order(key.seed, epoch, len(dataset.x_train))
            network.train(dataset.x_train, dataset.y_train, order, advance)
            now = algebra.Network(network.weights)
            note(curves, Measures.of(*now.outputs(dataset.x_test), dataset.y_test))
        return Work({"curves": curves}, network.weights)

    return bench.shared(
        f"past the closing gate on {name}", keys, one,
        lambda key: key.epochs * len(dataset.x_train),
        module=__name__, checksums=(dataset.checksum,),
    )  # fmt: skip
