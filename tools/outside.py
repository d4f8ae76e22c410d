"""Environments of other people's programs: made with pip on first use, each in a folder of its own.

Nothing of them is ever imported by sbp.  What is downloaded is said before, and an environment
that could not be finished is removed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sbp.errors import SbpError

ROOT = Path(__file__).resolve().parents[1]


def python_of(oldest: int, newest: int) -> str:
    """The newest Python 3.oldest .. 3.newest of this machine."""
    command = ["sh", "tools/env.sh", "find", str(oldest), str(newest)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        span = f"3.{oldest}" if oldest == newest else f"3.{oldest} to 3.{newest}"
        raise SbpError(f"Python {span} is needed, and none was found", do="install one")
    return found.stdout.strip()


def environment(
    folder: Path, rounds: Sequence[Sequence[str]], pythons: tuple[int, int], megabytes: int
) -> Path:
    """The Python of the environment in `folder`, made if it is not there or asks for other pins.

    Parameters
    ----------
    folder : Path
    rounds : sequence of sequence of str
        Arguments of ``pip install``, call by call.
    pythons : (int, int)
        Oldest and newest minor version it may have.
    megabytes : int
        About how much is downloaded and unpacked, for the message.

    Raises
    ------
    SbpError
        If there is no such Python, or pip fails.
    """
    python, stamp = folder / "bin" / "python", folder / ".pins"
    pins = json.dumps([list(arguments) for arguments in rounds])
    if stamp.exists() and stamp.read_text("utf-8") == pins:
        return python
    base = python_of(*pythons)
    listed = ", ".join(a for arguments in rounds for a in arguments if not a.startswith("-"))
    print(
        f"{folder.name}: installing {listed} (about {megabytes:,} MB) into "
        f"{folder.relative_to(ROOT)}",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    try:
        subprocess.run([base, "-m", "venv", "--clear", str(folder)], check=True)
        for arguments in rounds:
            command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
            subprocess.run(command, check=True)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, (OSError, subprocess.CalledProcessError)):
            raise SbpError(
                f"the environment of {folder.name} could not be made ({error})",
                do="it needs a network with a package index; what was begun has been removed",
            ) from None
        raise
    stamp.write_text(pins, "utf-8")
    return python


def run(python: Path, script: Path, arguments: Sequence[str | Path], log: Path) -> None:
    """Run a script in another environment, with nothing of ours on its path.

    Raises
    ------
    SbpError
        If it fails; the message is its last line.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    with open(log, "w", encoding="utf-8") as stream:
        done = subprocess.run(
            [python, script, *arguments], env=clean, cwd=log.parent, stdout=stream, stderr=stream,
            check=False,
        )  # fmt: skip
    if done.returncode:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"exit code {done.returncode}"
        raise SbpError(f"{script.name} failed: {last}", do=f"see {log}")


def pip_timeouts() -> None:
    """Let pip give up on a silent network within a minute."""
    os.environ.setdefault("PIP_DEFAULT_TIMEOUT", "20")
    os.environ.setdefault("PIP_RETRIES", "2")
    os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
