r"""The same learning step without spikes: the second oracle, and the fast path.

For one sample (Renner et al. 2024, Methods; bit for bit what the circuit computes)

.. math::

    a_1 &= W_1 x, \quad h = [a_1 > 512], \quad h_< = [a_1 > 0], \quad h_> = [a_1 > 1024]

    a_2 &= W_2 h, \quad o, o_<, o_> \text{ likewise}

    d_+ &= t \wedge \neg o \wedge o_<, \quad d_- = o \wedge \neg t \wedge \neg o_>

    e &= W_2^T (d_+ - d_-)

    W_2 &\leftarrow \mathrm{clip}(W_2 + 2 (d_+ - d_-) h^T)

    W_1 &\leftarrow \mathrm{clip}(W_1 + 2 (\mathrm{sign}(e) \, h_< \neg h_>) x^T)

with both signs of e taken from the weights before the update, and clip to -256 .. 254.

How it is made fast
-------------------
Weights are even and live in -256 .. 254, so *half a weight is exactly an int8* and the chip's
clip is exactly int8 saturation.  Matrices are stored with one contiguous row per *input*
neuron, because only the rows of spiking inputs are read or written; sums of up to 248 rows fit
an int16.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbp.errors import SpecError
from sbp.kernels import jit
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN
from sbp.program import check_spikes
from sbp.weights import check_weights

NAME = "algebra"

HALF_THRESHOLD, HALF_ABOVE = 256, 512  # 512 and 1024 weight units, in half weights
HALF_MIN, HALF_MAX = WEIGHT_MIN // 2, WEIGHT_MAX // 2
BLOCK = 8  # rows added at once, so that the sums stay in vector registers
LANES = 16  # int16 numbers in a vector register
FLUSH = 31 * BLOCK  # rows whose sum surely fits an int16: 248 * 128 < 2**15


def padded(n: int) -> int:
    """`n` rounded up to whole vector registers."""
    return -(-n // LANES) * LANES


def pack(matrix: np.ndarray) -> np.ndarray:
    """Weights (n_post, n_pre) -> half weights (n_pre, padded(n_post)), int8.

    A row per source neuron; the padding is zero, and stays zero because nothing there spikes.
    """
    n_post, n_pre = matrix.shape
    rows = np.zeros((n_pre, padded(n_post)), np.int8)
    rows[:, :n_post] = matrix.T >> 1
    return rows


def unpack(rows: np.ndarray, n_post: int) -> np.ndarray:
    """Inverse of `pack`: int16, (n_post, n_pre)."""
    halves = np.ascontiguousarray(rows[:, :n_post].T)  # turned while it is small
    return halves.astype(np.int16) * 2


@jit(inline="always")
def spiking(train, active):
    """Write the indices of the nonzero entries of `train` into `active`; return their number."""
    count = 0
    for i in range(train.shape[0]):
        active[count] = i
        count += train[i] != 0
    return count


@jit
def sum_rows(rows, active, count, partial, total):
    """``total[j] = sum of rows[active[k], j] for k < count``; `partial` is int16 scratch."""
    n = total.shape[0]
    for j in range(n):
        total[j] = 0
    start = 0
    while start < count:
        stop = min(start + FLUSH, count)
        for j in range(n):
            partial[j] = 0
        k = start
        while k + BLOCK <= stop:
            r0, r1, r2, r3 = active[k], active[k + 1], active[k + 2], active[k + 3]
            r4, r5, r6, r7 = active[k + 4], active[k + 5], active[k + 6], active[k + 7]
            for j in range(n):
                partial[j] += np.int16(
                    np.int16(rows[r0, j]) + np.int16(rows[r1, j])
                    + np.int16(rows[r2, j]) + np.int16(rows[r3, j])
                    + np.int16(rows[r4, j]) + np.int16(rows[r5, j])
                    + np.int16(rows[r6, j]) + np.int16(rows[r7, j])
                )  # fmt: skip
            k += BLOCK
        while k < stop:
            r0 = active[k]
            for j in range(n):
                partial[j] += np.int16(rows[r0, j])
            k += 1
        for j in range(n):
            total[j] += partial[j]
        start = stop


@jit(inline="always")
def add_saturating(row, change):
    """``row += change``, saturating at the ends of int8: the chip's clip to -256 .. 254."""
    for j in range(row.shape[0]):
        changed = np.int16(row[j]) + np.int16(change[j])
        row[j] = np.int8(min(max(changed, np.int16(HALF_MIN)), np.int16(HALF_MAX)))


@jit(nogil=True)
def train_rows(rows1, rows2, inputs, targets, order):
    """Learn ``inputs[order[0]], inputs[order[1]], ...`` in place; return the exact answers."""
    n_in, wide_h = rows1.shape
    n_h, wide_o = rows2.shape
    n_o = targets.shape[1]
    active_in, active_h = np.empty(n_in, np.uint32), np.empty(n_h, np.uint32)
    partial1, partial2 = np.empty(wide_h, np.int16), np.empty(wide_o, np.int16)
    a1, a2 = np.empty(wide_h, np.int32), np.empty(wide_o, np.int32)
    h = np.empty(n_h, np.uint8)
    d, change = np.zeros(wide_o, np.int8), np.zeros(wide_h, np.int8)
    exact = 0
    for sample in order:
        target = targets[sample]
        n_active = spiking(inputs[sample], active_in)
        sum_rows(rows1, active_in, n_active, partial1, a1)
        for j in range(n_h):
            h[j] = a1[j] > HALF_THRESHOLD
        n_spikes = spiking(h, active_h)
        sum_rows(rows2, active_h, n_spikes, partial2, a2)

        errors, right = 0, True
        for k in range(n_o):
            o = a2[k] > HALF_THRESHOLD
            t = target[k] != 0
            right &= o == t
            d[k] = np.int8(t and not o and a2[k] > 0) - np.int8(o and not t and a2[k] <= HALF_ABOVE)
            errors += d[k] != 0
        exact += right
        if errors == 0:
            continue

        for j in range(n_h):
            e = 0
            if 0 < a1[j] <= HALF_ABOVE:
                for k in range(n_o):
                    e += np.int32(d[k]) * np.int32(rows2[j, k])  # type: ignore[assignment]
            change[j] = np.int8(e > 0) - np.int8(e < 0)
        for k in range(n_spikes):
            add_saturating(rows2[active_h[k]], d)
        for k in range(n_active):
            add_saturating(rows1[active_in[k]], change)
    return exact


@jit(nogil=True)
def forward_rows(rows1, rows2, inputs, out_spikes, out_sums):
    """Outputs of every input row: spikes (n, n_o) uint8 and half sums a2 / 2 (n, n_o) int32."""
    n_in, wide_h = rows1.shape
    n_h, wide_o = rows2.shape
    active_in, active_h = np.empty(n_in, np.uint32), np.empty(n_h, np.uint32)
    partial1, partial2 = np.empty(wide_h, np.int16), np.empty(wide_o, np.int16)
    a1, a2 = np.empty(wide_h, np.int32), np.empty(wide_o, np.int32)
    h = np.empty(n_h, np.uint8)
    for sample in range(inputs.shape[0]):
        n_active = spiking(inputs[sample], active_in)
        sum_rows(rows1, active_in, n_active, partial1, a1)
        for j in range(n_h):
            h[j] = a1[j] > HALF_THRESHOLD
        n_spikes = spiking(h, active_h)
        sum_rows(rows2, active_h, n_spikes, partial2, a2)
        for k in range(out_spikes.shape[1]):
            out_spikes[sample, k] = a2[k] > HALF_THRESHOLD
            out_sums[sample, k] = a2[k]


def _rows(weights: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    for name in ("W1", "W2"):
        if name not in weights:
            raise SpecError(f"the weights {name} are missing")
    w1, w2 = np.asarray(weights["W1"]), np.asarray(weights["W2"])
    n_h = w1.shape[0] if w1.ndim == 2 else 0
    w1 = check_weights("W1", w1, (n_h, w1.shape[-1]))
    return pack(w1), pack(check_weights("W2", w2, (w2.shape[0], n_h)))


class Network:
    """A three-layer network that learns by the algebra, weights packed for speed.

    Parameters
    ----------
    weights : mapping
        "W1" (n_h, n_in) and "W2" (n_o, n_h), even integers in -256 .. 254.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._rows1, self._rows2 = _rows(weights)
        self._n_h, self._n_o = len(self._rows2), len(weights["W2"])

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """W1 (n_h, n_in) and W2 (n_o, n_h), int16."""
        return {
            "W1": unpack(self._rows1, self._n_h),
            "W2": unpack(self._rows2, self._n_o),
        }

    def train(
        self, inputs: np.ndarray, targets: np.ndarray, order: np.ndarray | None = None
    ) -> int:
        """Learn samples one after the other.

        Parameters
        ----------
        inputs : ndarray of uint8, shape (n, n_in)
            0 or 1.
        targets : ndarray of uint8, shape (n, n_o)
            0 or 1.
        order : ndarray of int64, optional
            Row numbers in the order of learning; default all rows once.

        Returns
        -------
        int
            Samples whose outputs equalled the target before the update.

        Raises
        ------
        SpecError
            For a shape or a value that does not fit, or a row that is not there.
        """
        # The kernels look at no bounds.
        inputs = check_spikes("inputs", inputs, len(self._rows1))
        targets = check_spikes("targets", targets, self._n_o)
        if len(targets) != len(inputs):
            raise SpecError(f"{len(targets)} targets", allowed=f"{len(inputs)}, one for each input")
        order = np.arange(len(inputs)) if order is None else np.asarray(order)
        if order.ndim != 1 or not np.issubdtype(order.dtype, np.integer):
            raise SpecError(f"order is {order.dtype} of shape {order.shape}",
                            allowed="a list of row numbers")  # fmt: skip
        order = order.astype(np.int64)
        if len(order) and not 0 <= order.min() <= order.max() < len(inputs):
            raise SpecError(f"order holds rows {order.min()} to {order.max()}",
                            allowed=f"0 to {len(inputs) - 1}")  # fmt: skip
        return int(train_rows(self._rows1, self._rows2, inputs, targets, order))

    def outputs(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Output spikes (n, n_o) bool and sums a2 (n, n_o) int32, weight units."""
        inputs, n_o = check_spikes("inputs", inputs, len(self._rows1)), self._n_o
        spikes = np.empty((len(inputs), n_o), np.uint8)
        half_sums = np.empty((len(inputs), n_o), np.int32)
        forward_rows(self._rows1, self._rows2, inputs, spikes, half_sums)
        return spikes.astype(bool), 2 * half_sums
