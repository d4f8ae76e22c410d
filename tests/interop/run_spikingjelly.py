"""SpikingJelly reads the file and runs the images; see common.py."""

import numpy as np
import torch
from common import DT, done, inputs
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.nir_exchange import import_from_nir

graph, stimulus = inputs()
network = import_from_nir(graph, dt=DT)
functional.reset_net(network)
torch.set_num_threads(1)
outputs = []
with torch.no_grad():
    for step in torch.from_numpy(stimulus):
        output = network(step[None])
        output = output[0] if isinstance(output, tuple) else output
        outputs.append(output[0].numpy().copy())
done(np.array(outputs), "spikingjelly", "torch", "nirtorch")
