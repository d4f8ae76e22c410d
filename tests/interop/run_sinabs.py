"""sinabs reads the file and runs the images; see common.py.

Its neurons give several spikes in a step where their potential is several thresholds, unless they
are told to give one.
"""

import sinabs.nir
import torch
from common import done, inputs
from sinabs.activation import SingleSpike

graph, stimulus = inputs()
network = sinabs.nir.from_nir(graph, batch_size=1)
for module in network.modules():
    if hasattr(module, "spike_fn"):
        module.spike_fn = SingleSpike
torch.set_num_threads(1)
with torch.no_grad():
    outputs = network(torch.from_numpy(stimulus))
outputs = outputs[0] if isinstance(outputs, tuple) else outputs
done(outputs.numpy().reshape(len(stimulus), -1).round().astype(int), "sinabs", "torch")
