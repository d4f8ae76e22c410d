"""The layout ``network`` on a Loihi 2 board: the same graph, Lava's hardware run configuration.

Nothing in this module was ever run on a chip.  What was run is its code with Lava's simulation
configuration in the place of the hardware one.  Known to be open on a board:

- sources and recorders are Python processes and must reach the cores through the spike adapters
  of lava-loihi, which is not public;
- a membrane decay of 4096 (`dv`, nothing is kept) is one more than a 12-bit register holds;
- the learning rule takes the reward as the third factor y1, set from outside in every step;
- Lava's LIF has no refractory time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.utils import loihi as board

from sbp.engines.lava import graph
from sbp.engines.lava.host import building
from sbp.engines.lava.result import LavaRun
from sbp.errors import MissingDependency, SpecError
from sbp.program import Program, State
from sbp.replay import counters_from_spikes, replay, source_trains
from sbp.run import Record


def check_board() -> None:
    """Say exactly what a run on a board lacks here.

    Raises
    ------
    MissingDependency
    """
    missing = []
    if not board.is_installed():
        missing.append(
            "Intel's extension lava-loihi (no module lava.utils.loihi2_profiler), given to members "
            "of Intel's Neuromorphic Research Community"
        )
    if board.host is None:
        missing.append(
            "a Loihi 2 board (neither lava.utils.loihi.use_slurm_host nor use_ethernet_host was "
            "called)"
        )
    if missing:
        raise MissingDependency(
            f"target 'loihi2' lacks {' and '.join(missing)}",
            do="the graph of processes is built and complete; target='cpu' simulates it",
        )


def check_start(program: Program, state: State) -> None:
    """Refuse a state from which only a simulation can start.

    A chip cannot be given spikes that are already on their way.  So the kick is emitted as a
    spike in one step before the first, in which all neurons must stay at rest.

    Raises
    ------
    SpecError
    """
    parameters = {n: np.zeros((r, c), int) for n, r, c in program.parameters}
    rest = program.state(parameters)
    same = all(
        np.array_equal(getattr(state, name), getattr(rest, name))
        for name in ("step", "u", "v", "dead", "pending")
    )
    if not same:
        raise SpecError(
            f"target 'loihi2': the state stands at step {state.step}",
            allowed="a network before its first step, from Program.state(weights)",
        )
    for population in program.populations:
        if population.bias > population.threshold or (
            population.bias and not population.memoryless
        ):
            raise SpecError(
                f"target 'loihi2': population {population.name} does not rest by itself",
                allowed="a bias up to the threshold, and bias 0 where something is carried over",
            )


class Board:
    """A `Program` on stock Lava processes, run once by Lava's own runtime.

    Parameters
    ----------
    program : Program
    state : State
        From `Program.state`; left unchanged.
    config : RunConfig
        ``Loihi2HwCfg``; with a simulation configuration the same code runs on the CPU.
    """

    def __init__(self, program: Program, state: State, config: RunConfig) -> None:
        check_start(program, state)
        graph.check(program)
        self.program, self.state, self._config = program, state.copy(), config

    n_processes = 0  # between runs

    def close(self) -> None:
        """Nothing is kept running."""

    def run(
        self, stimulus: Mapping[str, np.ndarray], steps: int, record: Record, strict: bool
    ) -> LavaRun:
        """Run `steps` steps; see `sbp.engines.lava.run`."""
        program, first = self.program, self.state
        check_start(program, first)
        keep = record.steps(program, 0, steps)
        if record.names(program, "u") or record.names(program, "v"):
            raise SpecError(
                "target 'loihi2': u and v cannot be recorded", do="record spikes, or use 'cpu'"
            )
        sources = source_trains(program, stimulus, 0, steps)
        with building():
            built = graph.build(program, first, steps + 1, stimulus=sources)
            some = next(iter(built.neurons.values()))
            try:
                some.run(RunSteps(num_steps=steps + 1), run_cfg=self._config)
                trains = sources | {
                    name: recorder.data.get()[:, 1:].T.astype(bool)
                    for name, recorder in built.sinks.items()
                }
                weights = {
                    name: built.synapses[name].weights.get().astype(np.int16)
                    for name in built.weights
                }
            finally:
                some.stop()
        found = replay(program, first, trains, strict)
        differing = sum(int((weights[n] != found.state.weights[n]).sum()) for n in weights)
        self.state = found.state
        self.state.weights.update(weights)
        return LavaRun(
            program, 0, steps, keep,
            {name: trains[name][keep] for name in record.names(program, "spikes")}, {}, {},
            self.state.copy(), counters_from_spikes(program, trains, first, found.wraps), "lava",
            layout="network", departures={"spikes": found.differing, "weights": differing},
        )  # fmt: skip
