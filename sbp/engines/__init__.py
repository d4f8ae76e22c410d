"""Engines are peers: ``run(program, state, stimulus, ...) -> Run``.

`reference` defines what is right; `compiled` is fast; `lava` runs on Intel's framework.  All are
held equal spike for spike and weight for weight.

Another package adds an engine by an entry point of the group ``sbp.engines``, in its
``pyproject.toml``::

    [project.entry-points."sbp.engines"]
    mine = "my_package:ENGINE"

where ``ENGINE`` is an `Engine`.  From then on everything that takes the name of an engine takes
"mine", and `sbp.testing` holds it to the others.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sbp.engines.protocol import Engine, Session, check_options
from sbp.errors import SbpError, SpecError, brief
from sbp.plugins import Plugins
from sbp.program import Program, State, check_program
from sbp.spec import whole

OWN = ("reference", "compiled", "lava")  #: modules here, each with an ``ENGINE``
PLUGINS = Plugins("sbp.engines", "engine", OWN)


def names() -> tuple[str, ...]:
    """Every engine: ours, then those of other packages."""
    return PLUGINS.names


def get(name: str) -> Engine:
    """The engine called `name`.

    Raises
    ------
    SpecError
        For an unknown name, or where another package's engine cannot be loaded.
    """
    if isinstance(name, str) and name in OWN:
        return importlib.import_module(f"{__name__}.{name}").ENGINE
    found, label = PLUGINS.load(name)
    if isinstance(found, type) or not isinstance(found, Engine):
        raise SpecError(f"{label} is {found!r}", allowed="an sbp.engines.Engine")
    return found


def available() -> dict[str, str]:
    """Every engine and whether it can run here: name -> one line."""
    lines = {}
    for name in names():
        try:
            engine = get(name)
            lines[name] = engine.missing() or f"ready: {engine.description}"
        except SpecError as error:
            lines[name] = f"broken: {error}"
        except Exception as error:  # whatever a stranger's module raises
            lines[name] = f"broken: {brief(error)}"
    return lines


def session(name: str, program: Program, state: State, **options: Any) -> Session:
    """Open `program` at `state` on the engine called `name`; `options` are the engine's own.

    Raises
    ------
    SpecError
        For an unknown name, or an option that the engine does not have.
    """
    engine = get(name)
    check_options(engine, options)
    check_program(program)
    with _said_of(name):
        return engine.session(program, state, **options)


def chunk(name: str, **options: Any) -> int:
    """Samples that the engine called `name` runs at once, 1 or more.

    Raises
    ------
    SpecError
        For an unknown name, an option that the engine does not have, or no such number.
    """
    engine = get(name)
    check_options(engine, options)
    takes = inspect.signature(engine.chunk).parameters  # all of them, or none, or some
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
        options = {option: value for option, value in options.items() if option in takes}
    with _said_of(name):
        samples = engine.chunk(**options)
    return whole(f"engine {name}", "chunk", samples, 1, 2**31)


@contextmanager
def _said_of(name: str) -> Iterator[None]:
    """What an engine of others raises, in one line; ours say it themselves."""
    try:
        yield
    except Exception as error:
        if name in OWN or isinstance(error, SbpError):
            raise
        raise SpecError(f"engine {name}: {type(error).__name__}: {brief(error)}") from error


__all__ = ["Engine", "Session", "available", "chunk", "get", "names", "session"]
