"""The paper's circuits and their kin, parametric in their sizes."""

from sbp.circuits.backprop import learning_circuit
from sbp.circuits.deep import deep_circuit
from sbp.circuits.gating import gating_chain
from sbp.circuits.inference import inference_circuit
from sbp.circuits.single_layer import single_layer_circuit

__all__ = [
    "deep_circuit",
    "gating_chain",
    "inference_circuit",
    "learning_circuit",
    "single_layer_circuit",
]
