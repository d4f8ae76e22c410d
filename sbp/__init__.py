"""Backpropagation by spiking neurons on a neuromorphic chip.

The system of Renner, Sheldon, Zlotnik, Tao and Sornborger, *The backpropagation algorithm
implemented on spiking neuromorphic hardware*, Nature Communications 15, 9691 (2024): its circuits
as data, exact engines that run them, the algebra they compute, and every published number as a
command.

>>> import sbp
>>> program = sbp.lower(sbp.learning_circuit((400, 400, 10)))
>>> program.period
12
"""

from sbp import engines
from sbp.circuits import gating_chain, inference_circuit, learning_circuit, single_layer_circuit
from sbp.difference import first_difference
from sbp.errors import SbpError
from sbp.program import Program, State, lower
from sbp.run import ALL_SPIKES, NOTHING, Counters, Record, Run, copies_parted
from sbp.spec import (
    Circuit,
    LearningRule,
    MatrixWeight,
    Neuron,
    Parameter,
    Phase,
    Population,
    Projection,
    Source,
)

__version__ = "0.1.0"

__all__ = [
    "ALL_SPIKES",
    "NOTHING",
    "Circuit",
    "Counters",
    "LearningRule",
    "MatrixWeight",
    "Neuron",
    "Parameter",
    "Phase",
    "Population",
    "Program",
    "Projection",
    "Record",
    "Run",
    "SbpError",
    "Source",
    "State",
    "copies_parted",
    "engines",
    "first_difference",
    "gating_chain",
    "inference_circuit",
    "learning_circuit",
    "lower",
    "single_layer_circuit",
]
