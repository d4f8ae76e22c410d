"""Norse reads the file and runs the images; see common.py."""

from common import DT, done, inputs, run_torch
from norse.torch import from_nir

graph, stimulus = inputs()
done(run_torch(from_nir(graph, dt=DT), stimulus), "norse", "torch", "nirtorch")
