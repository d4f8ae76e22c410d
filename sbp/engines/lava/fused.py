"""Running the layout ``fused``: the whole circuit in one Lava process."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg

from sbp.engines.lava.host import Host, building
from sbp.engines.lava.processes.fused import FusedCircuit
from sbp.engines.lava.result import LavaRun
from sbp.program import Program, State
from sbp.replay import source_trains
from sbp.run import Record

LENGTH = 1536  #: steps of one Lava run, and columns of what sources and recordings hold


class Fused:
    """A `Program` in one Lava process, fed through shared memory.

    Parameters
    ----------
    program : Program
    state : State
        Where to start; left unchanged.
    """

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        with building():
            self._circuit = FusedCircuit(program, state, length=LENGTH)
            self._host = Host([self._circuit], Loihi2SimCfg(select_tag="fixed_pt"), {})
        self._done = 0

    @property
    def n_processes(self) -> int:
        """Operating-system processes, Lava's runtime service included."""
        return self._host.n_processes

    def close(self) -> None:
        """End all processes."""
        self._host.close()

    @property
    def state(self) -> State:
        """A copy of the network as it stands."""
        return self._circuit.read_state()

    def run(
        self, stimulus: Mapping[str, np.ndarray], steps: int, record: Record, strict: bool
    ) -> LavaRun:
        """Run `steps` steps; see `sbp.engines.lava.run`."""
        program, circuit, tape = self.program, self._circuit, self._circuit.tape
        first = int(circuit.clock[0])
        keep = record.steps(program, first, steps)
        names = {what: record.names(program, what) for what in ("spikes", "u", "v")}
        senders = program.senders
        for i, what in enumerate(("spikes", "u", "v")):
            tape.columns[i] = [s.start if s.name in names[what] else -1 for s in senders]
        circuit.strict[0] = strict
        circuit.clear_counters()
        kept = record.allocate(program, len(keep))
        arrays = {"spikes": tape.spikes, "u": tape.u, "v": tape.v}
        done = 0
        while done < steps:
            count = min(LENGTH, steps - done)
            rows = (self._done + np.arange(count)) % LENGTH
            sources = source_trains(program, stimulus, first, count, done)
            for lines in circuit.lines:
                start = lines.start - program.n_neurons
                columns = slice(start, start + lines.size)
                circuit.stimulus[rows, columns] = sources[lines.name]
            here = np.flatnonzero((keep >= done) & (keep < done + count))
            tape.rows[:] = -1
            tape.rows[rows[keep[here] - done]] = np.arange(len(here))
            self._host.advance(count)
            for what, trains in kept.items():
                for sender in senders:
                    if sender.name in trains:
                        place = slice(sender.start, sender.start + sender.size)
                        trains[sender.name][here] = arrays[what][: len(here), place]
                arrays[what][: len(here)] = 0  # what is zero is not written
            self._done += count
            done += count
        return LavaRun(
            program, first, steps, keep, kept["spikes"], kept["u"], kept["v"], self.state,
            circuit.read_counters(), "lava", layout="fused",
        )  # fmt: skip
