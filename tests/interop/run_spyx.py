"""Spyx, which is written in JAX, reads the file and runs the images; see common.py."""

import numpy as np
from common import DT, done, inputs
from spyx.nir import from_nir

graph, stimulus = inputs()
_, outputs = from_nir(graph, stimulus[:, None], dt=DT)
done(np.asarray(outputs)[:, 0], "spyx", "jax", "flax")
