"""The Lava engine: the circuit on Intel's framework, the way to a Loihi board.

Two layouts behind the one call ``run(program, state, stimulus, ...) -> Run``:

``network``
    Stock Lava processes, one per population and per projection.  The only layout that is
    evidence that Lava's chip simulation and the other engines are the same machine.  Slow, about
    a hundred operating-system processes: for circuits of some hundred neurons.
``fused``
    One Lava process whose model steps the kernels of `sbp.engines.compiled`.  Integration, not
    evidence: for long runs, and to embed a circuit in a larger Lava application.

Importing this package does not import Lava, which runs on Python 3.10 only and is an optional
dependency (``pip install 'spiking-backprop[lava]'``); `run` and `Session` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from sbp.engines.lava.install import require
from sbp.engines.lava.result import LavaError, LavaRun
from sbp.errors import SpecError
from sbp.program import Program, State
from sbp.run import NOTHING, Record, warn_once

NAME = "lava"
LAYOUTS = ("network", "fused")
TARGETS = ("cpu", "loihi2")
LEARNING = ("exact", "stock")


def _choose(what: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SpecError(f"lava {what} is {value!r}", allowed=", ".join(allowed))
    return value


class Session:
    """One Lava network, kept alive over many calls of `run`.

    Building a network costs seconds and a run of one sample a fraction of one, so a training
    loop opens one session and never builds another::

        with Session(program, state, layout="fused") as session:
            for epoch in range(epochs):
                for part in parts:                 # hundreds of samples at a time
                    run = session.run(part)
                save(session.state)

    Leaving the ``with`` block ends all of its processes, whatever happened.  An error in a Lava
    process is raised here with its traceback, after which the session is closed.

    Parameters
    ----------
    program : Program
    state : State
        Left unchanged.
    layout : {"network", "fused"}
    target : {"cpu", "loihi2"}
        Where the layout ``network`` runs.
    learning : {"exact", "stock"}
        On the CPU, in the layout ``network``: our exact model of Lava's LearningDense process
        or the model that comes with Lava, which is inexact at the upper bound of the weights.

    Raises
    ------
    MissingDependency
        Where Lava, or for "loihi2" what a board needs, is not here.
    SpecError
        For an option that does not exist, or a program the layout cannot hold exactly.
    """

    def __init__(
        self,
        program: Program,
        state: State,
        *,
        layout: str = "network",
        target: str = "cpu",
        learning: str = "exact",
    ) -> None:
        _choose("layout", layout, LAYOUTS)
        _choose("target", target, TARGETS)
        _choose("learning model", learning, LEARNING)
        if layout == "fused" and (target, learning) != ("cpu", "exact"):
            raise SpecError(
                f"lava layout 'fused' with target {target!r}, learning {learning!r}",
                allowed="target 'cpu' and learning 'exact': it steps our own kernels",
                do="use layout='network'",
            )
        require()
        program.check_state(state)
        self.program = program
        self._backend: Any = None
        if layout == "fused":
            from sbp.engines.lava.fused import Fused

            self._backend = Fused(program, state)
        elif target == "loihi2":
            from sbp.engines.lava import hardware, network

            backend = hardware.Board(program, state, network.run_config("loihi2"))
            hardware.check_board()
            self._backend = backend
        else:
            from sbp.engines.lava.network import Network

            self._backend = Network(program, state, learning)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def state(self) -> State:
        """The network after the last call, a copy; it stays readable after `close`."""
        return self._backend.state.copy()

    @property
    def n_processes(self) -> int:
        """Operating-system processes that run for this session."""
        return self._backend.n_processes

    def close(self) -> None:
        """End all processes; safe to call more than once."""
        if self._backend is not None:
            self._backend.close()

    def run(
        self,
        stimulus: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        *,
        record: Record = NOTHING,
        strict: bool = False,
    ) -> LavaRun:
        """Go on from where the session stands; as `sbp.engines.reference.run`."""
        arrays = self.program.check_stimulus(stimulus or {})
        steps = self.program.steps_of(arrays, self._backend.state.step, steps)
        try:
            result = self._backend.run(arrays, steps, record, strict)
        except SpecError:
            raise  # found before the first step
        except BaseException:
            self.close()  # somewhere between two steps: there is nothing to go on from
            raise
        warn_once(result)
        return result


def run(
    program: Program,
    state: State,
    stimulus: Mapping[str, np.ndarray] | None = None,
    steps: int | None = None,
    *,
    record: Record = NOTHING,
    strict: bool = False,
    layout: str = "network",
    target: str = "cpu",
    learning: str = "exact",
) -> LavaRun:
    """Run `program` from `state` on Lava.

    Builds a network, runs it once and ends it; for more than one run open a `Session`.

    Parameters
    ----------
    program, state, stimulus, steps, record, strict
        As for `sbp.engines.reference.run`.  In the layout ``network`` strict mode also raises
        where Lava's neurons depart from the chip's (`LavaRun.departures`); otherwise that is
        counted and warned about.
    layout, target, learning
        As for `Session`.

    Returns
    -------
    LavaRun
        A `Run` whose spikes and weights, and in the layout ``network`` u and v, were read from
        the Lava processes.  Counters are computed from the spikes; what is on its way at the end,
        which Lava does not give away, from spikes and weights: a run that goes on from the
        returned state is right.

    Raises
    ------
    MissingDependency, SpecError
        As `Session`.
    ChipError
        In strict mode only.
    LavaError
        Where a Lava process failed; the message carries its traceback.
    """
    with Session(program, state, layout=layout, target=target, learning=learning) as session:
        return session.run(stimulus, steps, record=record, strict=strict)


__all__ = ["LAYOUTS", "LEARNING", "NAME", "TARGETS", "LavaError", "LavaRun", "Session", "run"]
