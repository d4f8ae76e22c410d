"""What the receivers share.  Needs numpy and nir only: nothing of sbp, which they must not know.

Usage of a receiver: ``python run_NAME.py NETWORK.nir IMAGES.npz SPIKES.npz``.  All images are one
long stimulus: an image in one step, then two silent ones, and the state is carried from image to
image.  The output spikes are those of an image's three steps, so that it does not matter whether
a simulator passes a spike to the next layer in the same step or in the one after.
"""

import json
import platform
import sys
from importlib import metadata

import nir
import numpy as np

DT = 1e-4  # seconds: the file's time constants, so that nothing is carried over
STEPS = 3


def inputs():
    """The graph and the stimulus (3 n, n_in), float32."""
    x = np.load(sys.argv[2], allow_pickle=False)["x"]
    stimulus = np.zeros((STEPS * len(x), x.shape[1]), np.float32)
    stimulus[::STEPS] = x
    return nir.read(sys.argv[1]), stimulus


def done(outputs, *distributions):
    """Write spike counts (n, n_o) of `outputs` (3 n, n_o), and the versions of what computed."""
    outputs = np.asarray(outputs)
    counts = outputs.reshape(-1, STEPS, outputs.shape[-1]).sum(axis=1)
    versions = {name: metadata.version(name) for name in (*distributions, "nir")}
    versions["python"] = platform.python_version()
    np.savez_compressed(sys.argv[3], counts=counts, versions=json.dumps(versions))


def run_torch(network, stimulus):
    """Step a torch module ``(input, state) -> (output, state)`` through the stimulus."""
    import torch

    torch.set_num_threads(1)
    state, outputs = None, []
    with torch.no_grad():
        for step in torch.from_numpy(stimulus):
            output, state = network(step[None], state)
            outputs.append(output[0].numpy().copy())
    return np.array(outputs)
