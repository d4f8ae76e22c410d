"""The paper's circuits, parametric in their sizes."""

from sbp.circuits.backprop import inference_circuit, learning_circuit
from sbp.circuits.gating import gating_chain
from sbp.circuits.single_layer import single_layer_circuit

__all__ = ["gating_chain", "inference_circuit", "learning_circuit", "single_layer_circuit"]
