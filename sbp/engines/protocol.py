"""What an engine is: the two protocols that ours and everyone else's fulfil.

An `Engine` says what it is and opens sessions; a `Session` is a network kept alive over many runs.
The bodies here are defaults: a class that names the protocol as its base inherits them, a class
that does not brings its own.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from sbp.errors import SpecError, check_name, shown
from sbp.program import Program, State, check_program
from sbp.run import NOTHING, Record, Run

SessionType = TypeVar("SessionType", bound="Session")


@runtime_checkable
class Session(Protocol):
    """A network kept alive over many calls of `run`; a context manager.

    Attributes
    ----------
    program : Program
    """

    program: Program

    @property
    def state(self) -> State:
        """The network after the last call, a copy."""
        ...

    def run(
        self,
        stimulus: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        *,
        record: Record = NOTHING,
        strict: bool = False,
    ) -> Run:
        """Go on from `state`.

        Parameters
        ----------
        stimulus : mapping of str to ndarray, shape (n_samples, size)
            Entries 0 or 1 for each source; row i is emitted at step ``i * period + phase``,
            counted from the sample in which the run starts.  Sources left out stay silent.
        steps : int, optional
            Default: to the end of the last sample of `stimulus`.
        record : Record
            What to keep; nothing by default.
        strict : bool
            Raise on a register wrap or a coincidence outside the scheduled learning phases: at the
            first such step, wraps before coincidences, each in the order of the program.  `state`
            is then what it was before the call, or the session has ended.

        Raises
        ------
        SpecError
            For a stimulus, record or number of steps that does not fit; nothing has run.
        ChipError
            In strict mode only.
        """
        ...

    def close(self) -> None:
        """End what runs for this session; safe to call more than once."""
        return None

    def __enter__(self: SessionType) -> SessionType:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@runtime_checkable
class Engine(Protocol):
    """Something that runs programs.

    Attributes
    ----------
    name : str
        What people call it by.
    description : str
        One line for people.
    modules : tuple of str
        Modules in which its arithmetic is written: what these import, directly or through
        others, is what a result depends on.
    """

    name: str
    description: str
    modules: tuple[str, ...]

    def missing(self) -> str | None:
        """Why it cannot run here, and what to do; None where it can.  Costs next to nothing."""
        return None

    def chunk(self, *_: Any, **options: Any) -> int:
        """Samples to run between two looks at the clock, so that a call takes about a second."""
        ...

    def session(self, program: Program, state: State, *_: Any, **options: Any) -> Session:
        """Open `program` at `state`, which is left unchanged.

        Parameters
        ----------
        program : Program
        state : State
        **options
            The engine's own, named in its signature.

        Raises
        ------
        SpecError
            For a state of another program, or an option that does not fit.
        MissingDependency
            Where something the engine needs is not here.
        """
        ...

    def run(
        self,
        program: Program,
        state: State,
        stimulus: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        *,
        record: Record = NOTHING,
        strict: bool = False,
        **options: Any,
    ) -> Run:
        """Open a session, run once, and end it; as `Session.run`."""
        check_options(self, options)
        check_program(program)
        with self.session(program, state, **options) as session:
            return session.run(stimulus, steps, record=record, strict=bool(strict))


def options_of(engine: Engine) -> list[str]:
    """The engine's own options, as the signature of its `session` names them."""
    parameters = inspect.signature(engine.session).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def check_options(engine: Engine, options: Mapping[str, Any]) -> None:
    """Raise SpecError for an option that is not in the signature of `engine.session`."""
    parameters = inspect.signature(engine.session).parameters.values()
    known = options_of(engine)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        given = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        known += [option for option in options if option not in given]
    for option in options:
        check_name("option", option, known, owner=f"engine {engine.name}")


def parse_option(text: str) -> tuple[str, Any]:
    """An engine's option as it is typed, NAME=VALUE; a number, true or false, or a text.

    Raises
    ------
    SpecError
        For what is no such thing.
    """
    name, given, value = text.partition("=")
    if not given or not name.isidentifier():
        raise SpecError(f"{shown(text)} is no option", allowed="NAME=VALUE, as in layout=network")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            if math.isfinite(number := kind(value)):
                return name, number
    return name, value
