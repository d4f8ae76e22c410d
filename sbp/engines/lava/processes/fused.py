"""A whole circuit as one Lava process, stepped by the kernels of `sbp.engines.compiled`."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from sbp.engines.compiled.layout import Memory, Tally, Tape
from sbp.engines.compiled.session import Machine, new_tally
from sbp.engines.lava.memory import shared, shared_zeros
from sbp.errors import SpecError
from sbp.program import Program, State
from sbp.run import Counters


class FusedCircuit(AbstractProcess):
    """A circuit in one Lava process, to run long or to embed in a larger Lava application.

    What arrives at the ports in a step is what the sources emit in that step; the output port
    sends the spikes of the same step.  Ports may be left unconnected: then the sources emit what
    stands in `stimulus`, and the reward is given in the program's phases.

    Ports
    -----
    input : InPort, shape (size of the first source,)
        0 or 1 for each line.
    target : InPort, shape (size of the second source,), or (1,) where there is none
    reward : InPort, shape (1,)
        The signal r1 of the learning rule, 0 or 1.
    output : OutPort, shape (size of the population `output`,)

    Parameters
    ----------
    program : Program
        With at most two sources beside the kick.
    state : State
        Where to start; left unchanged.
    output : str, optional
        The population that the output port sends; default "o", or without one the last
        population that is as wide as the circuit's last layer.
    length : int
        Rows of `stimulus` and of the recording.

    Attributes
    ----------
    stimulus : ndarray of uint8, shape (length, lines)
        What the sources emit where no port is connected, side by side in the order of the
        program; row ``step % length``, steps counted from the first that Lava runs.

    Notes
    -----
    The network lives in memory shared with the process that built it, so `read_state` and
    `read_counters` work there between runs at no cost.  Start and end it with Lava's own
    ``run`` and ``stop``, or better with `sbp.engines.lava.host.Host`.
    """

    def __init__(
        self, program: Program, state: State, output: str | None = None, length: int = 1
    ) -> None:
        super().__init__(circuit=self)
        self.program, self.length = program, length
        self.lines = [source for source in program.sources if source.phase >= 0]
        if len(self.lines) > 2:
            raise SpecError(
                f"fused Lava process: the {program.name} circuit has {len(self.lines)} sources",
                allowed="an input and a target",
                do="use layout='network', which has a process for every source",
            )
        self.sent = _output(program, output)
        widths = [source.size for source in self.lines] + [1, 1]
        self.input = InPort(shape=(widths[0],))
        self.target = InPort(shape=(widths[1],))
        self.reward = InPort(shape=(1,))
        self.output = OutPort(shape=(program.populations[self.sent].size,))

        machine = self.machine = Machine(program, state)
        machine.memory = Memory(*map(shared, machine.memory))
        self.tally = Tally(*map(shared, new_tally(program)))
        neurons, senders = program.n_neurons, sum(sender.size for sender in program.senders)
        self.tape = Tape(
            rows=shared(np.full(length, -1, np.int64)),
            columns=shared(np.full((3, len(program.senders)), -1, np.int64)),
            spikes=shared_zeros((length, senders), np.uint8),
            u=shared_zeros((length, neurons), np.int32),
            v=shared_zeros((length, neurons), np.int32),
        )
        self.stimulus = shared_zeros((length, senders - neurons), np.uint8)
        self.clock = shared(np.array([state.step], np.int64))
        self.strict = shared_zeros(1, np.int64)
        # Compiled here once, the kernels need not be compiled in the process that runs them.
        machine.advance(self.stimulus[:1], 0, self.tally, self.tape, reward=np.zeros(1, np.int64))

    def read_state(self) -> State:
        """A copy of the network as it stands; not while it runs."""
        self.machine.step = int(self.clock[0])
        return self.machine.state

    def read_counters(self) -> Counters:
        """Operations since the network was built or `clear_counters` was called."""
        return self.machine.counters(Tally(*(array.copy() for array in self.tally)))

    def clear_counters(self) -> None:
        """Count from zero again."""
        for array in self.tally:
            array[...] = 0


def _output(program: Program, name: str | None) -> int:
    names = [population.name for population in program.populations]
    if name is None and "o" in names:
        name = "o"
    if name is not None:
        return program.index(name)
    wide = [i for i, p in enumerate(program.populations) if p.size == program.sizes[-1]]
    return wide[-1] if wide else len(names) - 1


@implements(proc=FusedCircuit, protocol=LoihiProtocol)
@requires(CPU)
class FusedModel(PyLoihiProcessModel):
    """Steps the compiled kernels, one step of the circuit in each step of Lava."""

    input: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    target: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    reward: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    output: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: dict) -> None:
        super().__init__(proc_params)
        circuit = self._circuit = proc_params["circuit"]
        program = circuit.program
        self._machine = circuit.machine
        starts = [source.start - program.n_neurons for source in circuit.lines]
        self._columns = [slice(start, start + source.size)
                         for start, source in zip(starts, circuit.lines, strict=True)]  # fmt: skip
        self._r1 = np.zeros(1, np.int64)

    def run_spk(self) -> None:
        """One step: receive what the sources emit, execute, send the output spikes."""
        circuit, program = self._circuit, self._circuit.program
        row = (self.time_step - 1) % circuit.length
        lines = circuit.stimulus[row : row + 1]
        for port, columns in zip((self.input, self.target), self._columns, strict=False):
            if port.csp_ports:
                lines[0, columns] = port.recv() != 0
        if self.reward.csp_ports:
            self._r1[0] = self.reward.recv()[0] != 0
        else:
            self._r1[0] = program.reward[self._machine.step % program.period]
        self._machine.advance(
            lines, 1, circuit.tally,
            circuit.tape._replace(rows=circuit.tape.rows[row : row + 1]),
            reward=self._r1, strict=bool(circuit.strict[0]),
        )  # fmt: skip
        circuit.clock[0] = self._machine.step
        if self.output.csp_ports:
            self.output.send(self._machine.spikes(circuit.sent).astype(np.int32))
