"""The algebra as one would first write it: dense NumPy, one sample after the other.

The yardstick that `sbp.algebra` and the engines are compared with.  It does what a plain
simulation of the learning step does: whole matrices, floating-point BLAS, outer products.
"""

import numpy as np


def train(w1, w2, inputs, targets):
    """Learn every row of `inputs` in place; float64 matrices holding even integers."""
    for x, t in zip(inputs, targets, strict=True):
        a1 = w1 @ x
        h = (a1 > 512).astype(float)
        a2 = w2 @ h
        o = a2 > 512
        d = ((t == 1) & ~o & (a2 > 0)).astype(float) - (o & (t == 0) & (a2 <= 1024))
        e = w2.T @ d
        w2 += 2 * np.outer(d, h)
        w1 += 2 * np.outer(np.sign(e) * ((a1 > 0) & (a1 <= 1024)), x)
        np.clip(w2, -256, 254, out=w2)
        np.clip(w1, -256, 254, out=w1)
