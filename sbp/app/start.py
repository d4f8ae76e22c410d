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


def main() -> int:
    """``sbp``: run the command line of this process; return the exit code."""
    # One who ignores the signal (nohup) goes on ignoring it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    from sbp.app.cli import main as run  # which handles it from there on

    return run()


if __name__ == "__main__":
    sys.exit(main())
