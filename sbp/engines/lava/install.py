"""Is Lava here, and in a state in which it can run?  Import Lava only through `require`."""

from __future__ import annotations

import importlib.util
import multiprocessing
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sbp.errors import MissingDependency

VERSION = "0.10.0"  #: the last release; what this package relies on was measured with it


def require() -> None:
    """Make Lava importable and import it.

    Raises
    ------
    MissingDependency
        On a Python for which Lava was never released, in a process that may start no others, or
        where it is not installed.
    """
    if sys.version_info[:2] != (3, 10):
        have = ".".join(map(str, sys.version_info[:2]))
        raise MissingDependency(
            f"the Lava engine cannot run on Python {have}",
            allowed=f"Python 3.10, the only one that lava-nc {VERSION}, its last release, accepts",
            do="everything else works here: use engine 'compiled' or 'reference'",
        )
    if "fork" not in multiprocessing.get_all_start_methods():
        raise MissingDependency(
            "the Lava engine needs an operating system with fork",
            allowed="Linux, macOS, or Windows with WSL",
        )
    if multiprocessing.current_process().daemon:
        raise MissingDependency(
            "the Lava engine cannot start processes in a daemonic worker process",
            allowed="a process that is not a daemon, as of concurrent.futures",
            do="or use engine 'compiled' there",
        )
    if "lava.magma" not in sys.modules and importlib.util.find_spec("lava") is None:
        raise MissingDependency(
            "the Lava engine needs lava-nc, which is not installed",
            do="run: pip install 'spiking-backprop[lava]'",
        )
    with forking(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lava's own dependencies, nothing a user can change
        importlib.import_module("lava.magma.runtime.runtime")


@contextmanager
def forking() -> Iterator[None]:
    """Let new processes start by fork, which Lava needs, and restore the setting afterwards.

    Importing Lava calls ``multiprocessing.set_start_method("fork")``, which fails wherever the
    method is already fixed, and tqdm and joblib fix it by being imported.  So the setting is
    cleared for a moment.
    """
    before = multiprocessing.get_start_method(allow_none=True)
    if "lava.magma.runtime.message_infrastructure.multiprocessing" in sys.modules:
        multiprocessing.set_start_method("fork", force=True)
    else:
        multiprocessing.set_start_method(None, force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(before, force=True)
