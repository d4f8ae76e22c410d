"""The algebra as one would first write it: dense NumPy, one sample after the other.

The yardstick that `sbp.algebra` and the engines are compared with.  It does what a plain
simulation of the learning step does: whole matrices, floating-point BLAS, outer products.
"""

import numpy as np


def train(weights, inputs, targets):
    """Learn every row of `inputs` in place; W1 .. WL, float64 matrices holding even integers."""
    for x, t in zip(inputs, targets, strict=True):
        layers, sums = [x], []
        for matrix in weights:
            sums.append(matrix @ layers[-1])
            layers.append((sums[-1] > 512).astype(float))
        o = layers[-1] > 0
        d = ((t == 1) & ~o & (sums[-1] > 0)).astype(float) - (o & (t == 0) & (sums[-1] <= 1024))
        changes = []
        for k in range(len(weights) - 1, -1, -1):
            changes.append(2 * np.outer(d, layers[k]))
            if k:
                error = weights[k].T @ d
                d = np.sign(error) * ((sums[k - 1] > 0) & (sums[k - 1] <= 1024))
        for matrix, change in zip(weights, reversed(changes), strict=True):
            matrix += change
            np.clip(matrix, -256, 254, out=matrix)
