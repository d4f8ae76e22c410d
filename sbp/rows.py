"""Matrices the way the fast paths hold them: half weights, one row for each source neuron.

Weights are even and live in -256 .. 254, so *half a weight is exactly an int8* and the chip's clip
is exactly int8 saturation.  A row holds what one source neuron brings to all of its targets: only
the rows of spiking neurons are read or written.  Rows are padded to whole vector registers; the
padding is zero, and stays zero because nothing there spikes.  Sums of up to 248 rows fit an int16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sbp.kernels import jit
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP

if TYPE_CHECKING:
    from jaxtyping import Int8, Int16

HALF_MIN, HALF_MAX = WEIGHT_MIN // WEIGHT_STEP, WEIGHT_MAX // WEIGHT_STEP
BLOCK = 8  # rows added at once, so that the sums stay in vector registers
LANES = 16  # int16 numbers in a vector register
FLUSH = 31 * BLOCK  # rows whose sum surely fits an int16: 248 * 128 < 2**15


def padded(n: int) -> int:
    """`n` rounded up to whole vector registers."""
    return -(-n // LANES) * LANES


def pack(matrix: Int16[np.ndarray, "n_post n_pre"]) -> Int8[np.ndarray, "n_pre wide"]:
    """Weights (n_post, n_pre) -> half weights (n_pre, padded(n_post)), int8."""
    n_post, n_pre = matrix.shape
    rows = np.zeros((n_pre, padded(n_post)), np.int8)
    rows[:, :n_post] = matrix.T >> 1
    return rows


def unpack(
    rows: Int8[np.ndarray, "n_pre wide"], n_post: int
) -> Int16[np.ndarray, "{n_post} n_pre"]:
    """Inverse of `pack`: int16, (n_post, n_pre)."""
    halves = np.ascontiguousarray(rows[:, :n_post].T)  # turned while they are small
    return halves.astype(np.int16) * WEIGHT_STEP


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
    start = 0
    while True:
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
        if k + BLOCK // 2 <= stop:
            r0, r1, r2, r3 = active[k], active[k + 1], active[k + 2], active[k + 3]
            for j in range(n):
                partial[j] += np.int16(
                    np.int16(rows[r0, j]) + np.int16(rows[r1, j])
                    + np.int16(rows[r2, j]) + np.int16(rows[r3, j])
                )  # fmt: skip
            k += BLOCK // 2
        while k < stop:
            r0 = active[k]
            for j in range(n):
                partial[j] += np.int16(rows[r0, j])
            k += 1
        if start == 0:
            for j in range(n):
                total[j] = partial[j]
        else:
            for j in range(n):
                total[j] += partial[j]
        start = stop
        if start >= count:
            return


@jit(inline="always")
def add_saturating(row, change):
    """``row += change``, saturating at the ends of int8: the chip's clip to -256 .. 254."""
    for j in range(row.shape[0]):
        changed = np.int16(row[j]) + np.int16(change[j])
        row[j] = np.int8(min(max(changed, np.int16(HALF_MIN)), np.int16(HALF_MAX)))
