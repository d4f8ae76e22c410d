"""Where the command line begins: what has to stand before anything slow is imported.

Importing NumPy and Numba takes a good part of a second, in which Ctrl-C would end in a traceback
from inside them, or be taken for a failed import.
"""

from __future__ import annotations

import os
import signal
import sys


def stop(number: int, frame: object) -> None:
    """End the process at once, in one line."""
    # Nothing was begun yet, so there is nothing to put in order.
    os.write(2, b"sbp: interrupted\n")
    os._exit(128 + number)


def overwritten() -> str | None:
    """What to tell if the files of another project lie over ours, else None.

    The package index has another project called sbp, the Swift Binary Protocol of Swift
    Navigation, with the same import name.  In one environment the later of the two writes over
    the other, and uninstalling it takes what both had.
    """
    import sbp

    if "_PLACES" in vars(sbp):
        return None
    from importlib.metadata import PackageNotFoundError, version

    mend = "pip install --force-reinstall --no-deps spiking-backprop"
    try:
        other = f"sbp {version('sbp')} (Swift Binary Protocol)"
    except PackageNotFoundError:
        return f"this package has lost files, as when another one called sbp is uninstalled; {mend}"
    return (
        f"{other} is installed over this package, which has the same import name; give each an "
        f"environment of its own, or pip uninstall sbp and then {mend}"
    )


def main() -> int:
    """``sbp``: run the command line of this process; return the exit code."""
    if said := overwritten():
        print(f"sbp: error: {said}", file=sys.stderr)
        return 2
    # One who ignores the signal (nohup) goes on ignoring it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    try:
        from sbp.app.cli import main as run  # which handles it from there on
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "sbp":
            raise
        print(f"sbp: error: the command line needs {error.name}, which is not installed; "
              "pip install spiking-backprop brings it", file=sys.stderr)  # fmt: skip
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
