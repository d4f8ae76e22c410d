"""The network of the circuit in floats: ``h = [W1 x > threshold]``, ``o = [W2 h > threshold]``.

What trains off the chip shares these sums.  Matrices have a row per source, and sums are taken
source by source, always in this order: results are the same on every machine.
"""

from __future__ import annotations

import numpy as np

from sbp.kernels import jit


@jit(nogil=True)
def forward(x, w1, w2, threshold, active, fired, a1, a2):
    """Sums of one sample into `a1` (n_h,) and `a2` (n_o,); numbers of what spikes, in and hidden.

    `active` (n_in,) and `fired` (n_h,) begin with the indices of what spikes.
    """
    n_active, n_fired = 0, 0
    for i in range(x.shape[0]):
        active[n_active] = i
        n_active += x[i] != 0
    a1[:] = 0
    for k in range(n_active):
        row = w1[active[k]]
        for j in range(a1.shape[0]):
            a1[j] += row[j]
    for j in range(a1.shape[0]):
        fired[n_fired] = j
        n_fired += a1[j] > threshold
    a2[:] = 0
    for k in range(n_fired):
        row = w2[fired[k]]
        for j in range(a2.shape[0]):
            a2[j] += row[j]
    return n_active, n_fired


@jit(nogil=True)
def output_sums(x, w1, w2, threshold):
    """a_2 (n, n_o) of inputs x (n, n_in), of the matrices' type."""
    found = np.empty((x.shape[0], w2.shape[1]), w2.dtype)
    a1 = np.empty(w1.shape[1], w1.dtype)
    active, fired = np.empty(w1.shape[0], np.int64), np.empty(w1.shape[1], np.int64)
    for n in range(x.shape[0]):
        forward(x[n], w1, w2, threshold, active, fired, a1, found[n])
    return found
