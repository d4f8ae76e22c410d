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

import importlib.util
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from sbp.engines import protocol
from sbp.engines.lava.install import require
from sbp.engines.lava.result import LavaError, LavaRun
from sbp.errors import SpecError
from sbp.program import Program, State
from sbp.run import NOTHING, Record, planned, warn_once

LAYOUTS = ("network", "fused")
TARGETS = ("cpu", "loihi2")
LEARNING = ("exact", "stock")


def _layout(layout: str | None, target: str, learning: str) -> str:
    """The layout that is meant: `fused`, unless something is asked for that it does not have."""
    if layout is not None:
        return layout
    return "fused" if (target, learning) == ("cpu", "exact") else "network"


def _choose(what: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SpecError(f"lava {what} is {value!r}", allowed=", ".join(allowed))
    return value


class Session(protocol.Session):
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
    layout : {"fused", "network"}, optional
        Default: `fused`, which runs any circuit; `network` where `target` or `learning` is given,
        which only that layout has.
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
        layout: str | None = None,
        target: str = "cpu",
        learning: str = "exact",
    ) -> None:
        layout = _layout(layout, target, learning)
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
        """Go on from where the session stands; as `sbp.engines.Session.run`.

        In the layout `network` strict mode also raises where Lava's neurons depart from the chip's
        (`LavaRun.departures`); otherwise that is counted and warned about.  An error ends the
        session.

        Returns
        -------
        LavaRun
            A `Run` whose spikes and weights, and in the layout `network` u and v, were read from
            the Lava processes.  Counters are computed from the spikes; what is on its way at the
            end, which Lava does not give away, from spikes and weights: a run that goes on from
            the returned state is right.

        Raises
        ------
        LavaError
            Where a Lava process failed; the message carries its traceback.
        """
        first = self._backend.state.step
        arrays, _, steps, _ = planned(self.program, first, stimulus, steps, record)
        try:
            result = self._backend.run(arrays, steps, record, strict)
        except SpecError:
            raise  # found before the first step
        except BaseException:
            self.close()  # somewhere between two steps: there is nothing to go on from
            raise
        warn_once(result)
        return result


class Lava(protocol.Engine):
    """The engine `lava`."""

    name = "lava"
    description = "Intel's Lava, CPU simulation"
    modules = (__name__,)

    def missing(self) -> str | None:
        """Lava's last release exists for one Python only."""
        if importlib.util.find_spec("lava") is not None:
            return None
        if sys.version_info >= (3, 11):
            return "not here: lava-nc exists for Python 3.10 only"
        return "not installed: pip install 'spiking-backprop[lava]'"

    def chunk(
        self, *, layout: str | None = None, target: str = "cpu", learning: str = "exact"
    ) -> int:
        """The layout `network` takes about a tenth of a second a step."""
        return 200 if _layout(layout, target, learning) == "fused" else 10

    def session(
        self,
        program: Program,
        state: State,
        *,
        layout: str | None = None,
        target: str = "cpu",
        learning: str = "exact",
    ) -> Session:
        """Open `program` at `state`; the options are those of `Session`."""
        return Session(program, state, layout=layout, target=target, learning=learning)


ENGINE = Lava()
run = ENGINE.run


__all__ = ["ENGINE", "LAYOUTS", "LEARNING", "TARGETS", "LavaError", "LavaRun", "Session", "run"]
