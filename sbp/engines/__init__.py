"""Engines are peers: ``run(program, state, stimulus, ...) -> Run``.

`reference` defines what is right; `compiled` is fast; `lava` runs on Intel's framework.  All are
held equal spike for spike and weight for weight.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from sbp.errors import SpecError
from sbp.program import Program, State
from sbp.run import NOTHING, Record, Run

NAMES = ("reference", "compiled", "lava")


def get(name: str) -> ModuleType:
    """The engine called `name`, a module with ``run``.

    Raises
    ------
    SpecError
        For an unknown name.
    MissingDependency
        Where the engine needs a package that is not here.
    """
    if name not in NAMES:
        raise SpecError(f"no engine is called {name!r}", allowed=", ".join(NAMES))
    return importlib.import_module(f"sbp.engines.{name}")


def available() -> dict[str, str]:
    """Every engine and whether it can run here: name -> one line."""
    lines = {
        "reference": "ready: NumPy, one statement per chip rule; defines what is right",
        "compiled": "ready: Numba kernels, event-driven; every spike, faster than the chip",
    }
    if importlib.util.find_spec("lava") is not None:
        lines["lava"] = "ready: Intel's Lava, CPU simulation"
    elif sys.version_info >= (3, 11):
        lines["lava"] = "not here: lava-nc exists for Python 3.10 only"
    else:
        lines["lava"] = "not installed: pip install 'spiking-backprop[lava]'"
    return lines


class Session:
    """A network kept alive over many calls; engines with a cheaper way override it.

    Use as a context manager; `state` is the network after the last call.
    """

    def __init__(self, engine: ModuleType, program: Program, state: State) -> None:
        self.engine, self.program, self.state = engine, program, state

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def run(
        self,
        stimulus: Mapping[str, np.ndarray],
        *,
        record: Record = NOTHING,
        strict: bool = False,
    ) -> Run:
        """Run all samples of `stimulus` and keep the state."""
        result = self.engine.run(self.program, self.state, stimulus, record=record, strict=strict)
        self.state = result.state
        return result


def session(name: str, program: Program, state: State, **options: Any) -> Session:
    """Open `program` at `state` on the engine called `name`; `options` are the engine's own."""
    engine = get(name)
    if hasattr(engine, "Session"):
        return engine.Session(program, state, **options)
    return Session(engine, program, state, **options)
