from sbp import engines as engines
from sbp.circuits import gating_chain as gating_chain
from sbp.circuits import inference_circuit as inference_circuit
from sbp.circuits import learning_circuit as learning_circuit
from sbp.circuits import single_layer_circuit as single_layer_circuit
from sbp.difference import first_difference as first_difference
from sbp.errors import SbpError as SbpError
from sbp.program import Program as Program
from sbp.program import State as State
from sbp.program import lower as lower
from sbp.run import ALL_SPIKES as ALL_SPIKES
from sbp.run import NOTHING as NOTHING
from sbp.run import Counters as Counters
from sbp.run import Record as Record
from sbp.run import Run as Run
from sbp.run import copies_parted as copies_parted
from sbp.spec import Circuit as Circuit
from sbp.spec import LearningRule as LearningRule
from sbp.spec import MatrixWeight as MatrixWeight
from sbp.spec import Neuron as Neuron
from sbp.spec import Parameter as Parameter
from sbp.spec import Phase as Phase
from sbp.spec import Population as Population
from sbp.spec import Projection as Projection
from sbp.spec import Source as Source

__version__: str
__all__: list[str]
