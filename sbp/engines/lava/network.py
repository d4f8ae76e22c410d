"""Running the layout ``network``: stock Lava processes, kept alive over many samples."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg, RunConfig
from lava.proc.dense.process import LearningDense

from sbp.engines.lava import graph
from sbp.engines.lava.host import Host, building
from sbp.engines.lava.processes.plastic import ExactLearningDense
from sbp.engines.lava.result import LavaRun
from sbp.errors import ChipError
from sbp.program import Program, State
from sbp.replay import counters_from_spikes, replay, source_trains
from sbp.run import Counters, Record

LENGTH = 768  #: steps of one Lava run, and columns of what sources and recorders hold


def run_config(target: str, learning: str = "stock") -> RunConfig:
    """Which model of each process runs: on a chip, or the exact or the stock one on the CPU."""
    if target == "loihi2":
        return Loihi2HwCfg(select_tag="fixed_pt")
    exact = {LearningDense: ExactLearningDense} if learning == "exact" else None
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=exact)


class Network:
    """A `Program` on stock Lava processes.

    Parameters
    ----------
    program : Program
    state : State
        Where to start; left unchanged.
    learning : {"exact", "stock"}
        Model of LearningDense.
    """

    def __init__(self, program: Program, state: State, learning: str) -> None:
        self.program, self.learning = program, learning
        self.state = state.copy()
        with building():
            self._graph = graph.build(program, state, LENGTH)
            in_memory = dict(self._graph.in_memory)
            if learning == "stock":
                # It replaces its array in every step, so that there is nothing to share.
                for name in self._graph.weights:
                    del in_memory[self._graph.synapses[name]]
            self._host = Host(self._graph.processes, run_config("cpu", learning), in_memory)
        self._done = 0
        self._warned = False

    @property
    def n_processes(self) -> int:
        """Operating-system processes, Lava's runtime service included."""
        return self._host.n_processes

    def close(self) -> None:
        """End all processes."""
        self._host.close()

    def run(
        self,
        stimulus: Mapping[str, np.ndarray],
        steps: int,
        record: Record,
        strict: bool,
    ) -> LavaRun:
        """Run `steps` steps; see `sbp.engines.lava.run`."""
        program, first = self.program, self.state.step
        keep = record.steps(program, first, steps)
        kept = record.allocate(program, len(keep))
        registers = bool(kept["u"] or kept["v"])
        counters = Counters.zeros(program)
        departures = {"spikes": 0, "registers": 0, "weights": 0}
        where: tuple[int, str, int] | None = None
        done = 0
        while done < steps:
            # To see u and v of every step one has to stop after every step.
            count = 1 if registers else min(LENGTH, steps - done)
            trains = source_trains(program, stimulus, first, count, done)
            self._advance(trains, count)
            before, trains = self.state, trains | self._read_spikes(count)
            found = replay(program, before, trains, strict)
            self.state = found.state
            counters += counters_from_spikes(program, trains, before, found.wraps)
            where = where or found.first
            departures["spikes"] += found.differing
            for kind, number in self._read_state(found.dead).items():
                departures[kind] += number
            if any(departures.values()):
                self._departed(departures, where, strict)
            rows = np.flatnonzero((keep >= done) & (keep < done + count))
            for name, array in kept["spikes"].items():
                array[rows] = trains[name][keep[rows] - done]
            for what in ("u", "v"):
                for name, array in kept[what].items():
                    neurons = program.populations[program.index(name)].neurons
                    array[rows] = getattr(self.state, what)[neurons]
            done += count
        return LavaRun(
            program, first, steps, keep, kept["spikes"], kept["u"], kept["v"],
            self.state.copy(), counters, "lava", layout="network", departures=departures,
        )  # fmt: skip

    def _columns(self, count: int) -> np.ndarray:
        return (self._done + np.arange(count)) % LENGTH

    def _advance(self, sources: Mapping[str, np.ndarray], count: int) -> None:
        columns = self._columns(count)
        for name, train in sources.items():
            self._graph.stimulus[name][:, columns] = train.T
        self._host.advance(count)

    def _read_spikes(self, count: int) -> dict[str, np.ndarray]:
        columns = self._columns(count)
        self._done += count
        return {name: data[:, columns].T.astype(bool) for name, data in self._graph.spikes.items()}

    def _read_state(self, dead: np.ndarray) -> dict[str, int]:
        """Put what Lava holds into `self.state`; count what the chip would hold differently."""
        u = np.concatenate([self._graph.u[p.name] for p in self.program.populations])
        v = np.concatenate([self._graph.v[p.name] for p in self.program.populations])
        # Lava's LIF has no refractory time: there its v goes on, and the chip's stays 0.
        v = np.where(dead, 0, v)
        differing = {
            "registers": int((u != self.state.u).sum() + (v != self.state.v).sum()),
            "weights": 0,
        }
        self.state.u, self.state.v = u.astype(np.int32), v.astype(np.int32)
        for name, array in self._graph.weights.items():
            held = array
            if self.learning == "stock":
                held = self._graph.synapses[name].weights.get().astype(np.int32)
            differing["weights"] += int((held != self.state.weights[name]).sum())
            self.state.weights[name] = held.astype(np.int16)
        return differing

    def _departed(
        self, departures: dict[str, int], where: tuple[int, str, int] | None, strict: bool
    ) -> None:
        counts = ", ".join(f"{number} {kind}" for kind, number in departures.items() if number)
        text = f"Lava departed from the chip in {counts}"
        if where is not None:
            step, population, neuron = where
            phase = step % self.program.period
            text += f", first at step {step} (phase {phase}), population {population}[{neuron}]"
        if departures["spikes"] or departures["registers"]:
            text += "; Lava's LIF has no refractory time and clips v where the chip wraps it"
        if strict:
            raise ChipError(text, do="use layout='fused' or another engine for this run")
        if not self._warned:
            self._warned = True
            warnings.warn(f"{text} (counted in run.departures)", RuntimeWarning, stacklevel=5)
