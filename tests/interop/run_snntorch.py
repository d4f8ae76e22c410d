"""snnTorch reads the file and runs the images; see common.py."""

from common import done, inputs, run_torch
from snntorch.import_nir import import_from_nir

graph, stimulus = inputs()
done(run_torch(import_from_nir(graph), stimulus), "snntorch", "torch", "nirtorch")
