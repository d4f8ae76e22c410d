"""Kill a command at each of its writes, or let the write fail, and see what is left.

Run by tests/test_kill_points.py, with tests/fault_at_write.c as a preload:

    python tests/kill_points.py FOLDER [EVERY]

Every command is repeated until it has been killed before, in the middle of and after each call
that changes a file, and until each of these calls has failed with "no space left on device" and
with "input/output error".  EVERY: only each so many-th of these places.
"""

import contextlib
import ctypes
import errno
import io
import json
import os
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np

from sbp.app.cli import main
from sbp.errors import SbpError
from sbp.files import TEMPORARY
from sbp.learn.checkpoint import RunFolder
from sbp.weights import arrays_digest

COUNT, BEFORE, AFTER = -1, -2, -3
HOWS = {
    "killed before": (BEFORE, 1),
    "killed after": (AFTER, 1),
    "no space": (errno.ENOSPC, 1),
    "no space from here on": (errno.ENOSPC, -1),
    "i/o error": (errno.EIO, 1),
}
FOREIGN = "checkpoint.new.npz"  # a name that this program once used, and that is nobody's now

fault = ctypes.CDLL(None)
fault.fault_last.restype = ctypes.c_char_p

TRAIN = ("train", "--hidden", "6", "--samples", "30", "--test-samples", "10", "--quiet")


def call(*arguments):
    """Run a command; returns (exit code, standard error)."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = main([str(argument) for argument in arguments])
    return code, err.getvalue()


def in_child(folder, how, n, arguments):
    """Run a command in a child with the fault; returns (status, count, standard error)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        fault.fault_arm(how, n, str(folder).encode())
        try:
            code, err = call(*arguments)
        except BaseException:
            code, err = 99, traceback.format_exc()
        count = fault.fault_count()
        fault.fault_arm(0, 0, b"")
        os.write(writer, json.dumps([count, err]).encode())
        os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    count, err = json.loads(said) if said else (0, "")
    return status, count, err


def standing(folder):
    """What the folder holds: (seed or "imported", epochs, digest of the weights); None if none."""
    try:
        saved = RunFolder(folder).saved()
    except SbpError:
        return None
    history = saved.history
    who = history.get("seed", "imported")
    return who, len(history["epochs"]), arrays_digest(saved.weights)


class Scenario:
    """A folder as it is before, and the command that is struck."""

    def __init__(self, place, name, before, command, again):
        self.name, self.command, self.again = name, command, again
        self.old = place / f"{name} before"
        self.folder = place / "run"
        self.place = place
        self._fresh()
        for arguments in before:
            assert call(*arguments)[0] == 0, arguments
        if self.folder.exists():
            (self.folder / FOREIGN).write_text("mine")
            shutil.copytree(self.folder, self.old)
        self.before = standing(self.folder)
        self.allowed = {self.before} | self._ways()
        assert call(*command)[0] == 0, command
        self.after = standing(self.folder)
        self.allowed.add(self.after)

    def _fresh(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.old.exists():
            shutil.copytree(self.old, self.folder)

    def _ways(self):
        """What an undisturbed run leaves after each of its epochs."""
        found = set()
        if "--epochs" in self.command:
            last = int(self.command[self.command.index("--epochs") + 1])
            for epochs in range(1, last):
                with contextlib.suppress(AssertionError):
                    other = self.place / "undisturbed"
                    shutil.rmtree(other, ignore_errors=True)
                    place = self.command.index("--out") + 1
                    arguments = [*self.command]
                    arguments[place] = other
                    arguments[self.command.index("--epochs") + 1] = epochs
                    arguments = [a for a in arguments if a not in ("--resume", "--force")]
                    assert call(*arguments)[0] == 0
                    found.add(standing(other))
        return found

    def places(self):
        """How many calls of the command change a file."""
        self._fresh()
        status, count, err = in_child(self.folder, COUNT, 0, self.command)
        assert (status, err) == (0, ""), err
        return count

    def strike(self, how, n):
        """Let it happen at the n-th call; what is wrong afterwards, or None."""
        self._fresh()
        code, sign = HOWS[how]
        status, _, err = in_child(self.folder, code, sign * n, self.command)
        if code < 0 and status != signal.SIGKILL:
            return f"it ended with {status}: {err}"
        if code > 0:
            # A write that may fail without harm is none of the user's business.
            if os.waitstatus_to_exitcode(status) not in (0, 2) or "Traceback" in err:
                return f"status {status}: {err}"
            if status and not err.splitlines()[-1].startswith("sbp: error: "):
                return f"it says {err}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left = standing(self.folder)
        if left not in self.allowed:
            return f"left {left}, allowed: {self.allowed}"
        code, err = call(*self.again)
        if code:
            return f"the same command again: {err}"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if standing(self.folder) != self.after:
                return f"after the same command again: {standing(self.folder)} not {self.after}"
        names = sorted(path.name for path in self.folder.iterdir())
        if any(name.startswith(TEMPORARY) for name in names):
            return f"left over: {names}"
        if self.before and (self.folder / FOREIGN).read_text() != "mine":
            return "a file that nobody named was touched"
        return None


def scenarios(place):
    """Every command that writes a run folder."""
    run = place / "run"
    nir = place / "net.nir"
    other = place / "other"
    assert call(*TRAIN, "--seed", 7, "--epochs", 1, "--out", other)[0] == 0
    assert call("export", other, nir)[0] == 0
    shutil.rmtree(other)

    def train(seed, epochs, *more):
        return [*TRAIN, "--seed", seed, "--epochs", epochs, "--out", run, *more]

    imports = ["import", nir, "--out", run]
    yield Scenario(place, "fresh", [], train(0, 3), train(0, 3, "--resume"))
    yield Scenario(place, "resume", [train(0, 2)], train(0, 4, "--resume"), train(0, 4, "--resume"))
    yield Scenario(place, "force", [train(0, 3)], train(1, 2, "--force"), train(1, 2, "--force"))
    yield Scenario(place, "same seed", [train(0, 4)], train(0, 2, "--force"),
                   train(0, 2, "--force"))  # fmt: skip
    yield Scenario(place, "over an import", [imports], train(1, 2, "--force"),
                   train(1, 2, "--force"))  # fmt: skip
    yield Scenario(place, "import", [train(0, 2)], [*imports, "--force"], [*imports, "--force"])
    yield Scenario(place, "first import", [], imports, [*imports, "--force"])


def strikes(place, every):
    """Strike everywhere; print what is wrong; returns how much was tried and what failed."""
    tried = failed = 0
    for scenario in scenarios(place):
        places = scenario.places()
        for number, how in enumerate(HOWS):
            for n in range(1 + number % every, places + 1, every):
                problem = scenario.strike(how, n)
                tried += 1
                if problem:
                    failed += 1
                    print(f"{scenario.name}, {how} {n} of {places}: {problem}")
        print(f"{scenario.name}: {places} places")
    return tried, failed


if __name__ == "__main__":
    np.zeros(0)  # everything is imported before the first fork
    root = Path(sys.argv[1]).resolve()
    tried, failed = strikes(root, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(f"{tried} strikes, {failed} with something wrong")
    sys.exit(bool(failed) or not tried)
