"""What other systems lack: modules, signals, letters; and Ctrl-C before anything is imported."""

import ast
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ENVIRONMENT
from test_cli import SMALL

import sbp as package
from sbp.app.cli import main

# Read by Python at its start.  What the standard library itself needs on this system stays.
LIKE_WINDOWS = """
import os, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline"):
    sys.modules[name] = None
for name in dir(signal):
    if name.startswith("SIG") and name not in {
        "SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN"
    } or name in ("pthread_sigmask", "setitimer", "alarm", "pause", "sigwait"):
        delattr(signal, name)
for name in (
    "chown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg",
    "getpgid", "getpriority", "killpg", "mkfifo", "nice", "sched_getaffinity",
    "setgid", "setpgid", "setsid", "setuid", "fchmod", "posix_fallocate",
):
    if hasattr(os, name):
        delattr(os, name)
"""

COMMANDS = [
    ["--version"],
    ["info"],
    ["summary"],
    ["check"],
    ["train", *SMALL, "--epochs", "2", "--out", "run", "--json", "run.json"],
    ["train", *SMALL, "--epochs", "3", "--out", "run", "--resume", "--engine", "algebra"],
    ["evaluate", "run", "--test-samples", "9"],
    ["export", "run", "run.nir"],
    ["import", "run.nir", "--out", "imported"],
    ["trace", "--out", "t.npz", "--samples", "2", "--hidden", "4"],
    ["verify", "t.npz"],
    ["plot", "weights", "run", "--units", "2"],
    ["plot", "phases"],
    ["plot", "curve", "run"],
    ["plot", "raster", "--hidden", "4", "--epochs", "1"],
]


def test_every_command_runs_where_windows_lacks_what_linux_has(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(LIKE_WINDOWS)
    program = (
        "import json, sys\n"
        "from sbp.app.start import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    sys.argv[1:] = command\n"
        "    print('code', main(), *command[:2])\n"
    )
    typed = json.dumps([list(map(str, command)) for command in COMMANDS])
    paths = os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-c", program, typed],
        env=ENVIRONMENT | {"PYTHONPATH": paths}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    codes = [line for line in done.stdout.splitlines() if line.startswith("code")]
    assert codes == [f"code 0 {' '.join(command[:2])}" for command in COMMANDS], done.stderr
    assert "Traceback" not in done.stderr


def in_encoding(monkeypatch, encoding, *words):
    """Run the command line with such streams: exit code, standard output, standard error."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", streams[0])
        patched.setattr(sys, "stderr", streams[1])
        code = main(list(map(str, words)))
    for stream in streams:
        stream.flush()
    return code, *(s.buffer.getvalue().decode(encoding, "surrogateescape") for s in streams)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp437", "ascii", "utf-8"])
def test_any_name_in_any_encoding(tmp_path, monkeypatch, encoding):
    """Names of the user's that the terminal cannot write, and our own signs."""
    folder = tmp_path / "Ελληνικά 数字"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*words):
        return in_encoding(monkeypatch, encoding, *words)

    # All of them once; what differs between encodings is at the border.
    for words in COMMANDS if encoding == "cp1252" else COMMANDS[4:5] + COMMANDS[-3:-2]:
        named = [re.sub(r"^(run|imported|t)(?=[.]|$)", "Ж½\\1", str(word)) for word in words]
        if words[0] == "plot":
            named += ["--out", "Ж−.png", "--title", "½ − ¬ Ж"]
        code, _, err = run(*named)
        assert code == 0, (named, err)
    assert {"Ж½run", "Ж½run.json", "Ж−.png"} <= set(os.listdir())
    code, _, err = run("evaluate", folder / "Ж-missing")
    assert code == 2
    if encoding == "utf-8":
        assert f"'{folder}/Ж-missing' does not exist" in err
    assert "-missing' does not exist" in err
    code, out, _ = run("plot", "phases", "--title", "o−", "--out", "p.png")
    assert code == 0
    if encoding == "cp437":
        assert "o-" in out


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_name_that_is_no_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"n\xff.npz")
    x, y = np.eye(8, dtype=np.uint8), np.arange(8)
    np.savez(name, x_train=x, y_train=y, x_test=x, y_test=y)
    for typed in (
        "train --hidden 4 --epochs 1 --dataset NAME --out run --json j.json",
        "evaluate run --dataset NAME",
        "plot curve run --out c.png",
        "trace --out t.npz --dataset NAME --samples 2",
        "verify t.npz",
        "plot raster --dataset NAME --hidden 4 --out r.svg",
        "export run NAME.csv",
        "train --hidden 4 --epochs 1 --samples 9 --out NAME.run --quiet",
        "evaluate NAME.run",
        "export NAME.run NAME.nir",
        "import NAME.nir --out NAME.import",
        "sweep --dataset NAME --hidden 4 --epochs 1 --out NAME.sweep",
    ):
        words = [word.replace("NAME", name) for word in typed.split()]
        code, _, err = in_encoding(monkeypatch, "utf-8", *words)
        assert (code, "Traceback" in err) == (0, False), err
    assert json.loads(Path("j.json").read_text())["dataset"] == r"n\udcff"
    assert "'n\\udcff.npz/x'" in in_encoding(monkeypatch, "utf-8", "evaluate", f"{name}/x")[2]


# Sends itself SIGINT when a module is first imported, and makes of the exception what C code does
# that knows of failed imports only.
INTERRUPTS = """
import os, signal, sys
name, sys.argv[1:] = sys.argv[1], sys.argv[2:]

class Finder:
    def find_spec(self, found, path=None, target=None):
        global name
        if found == name:
            name = None
            try:
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000):
                    pass
            except KeyboardInterrupt:
                raise ImportError("failed to import") from None

sys.meta_path.insert(0, Finder())
from sbp.app.start import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["click", "numpy", "numba", "llvmlite", "sbp.learn.training"])
def test_ctrl_c_while_modules_are_imported(module):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTS, module, "train", *map(str, SMALL)],
        env=ENVIRONMENT, capture_output=True, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "sbp: interrupted\n")


def heed_interrupts():
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_one_who_ignores_interrupts_goes_on_ignoring_them():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTS, "numpy", "summary"],
        env=ENVIRONMENT, capture_output=True, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_package_imports_what_is_asked_for():
    code = (
        "import sys, sbp\n"
        "assert not {'numpy', 'numba'} & sys.modules.keys()\n"
        "assert sbp.SbpError and 'numpy' not in sys.modules\n"
        "assert sbp.engines.get and sbp.lower(sbp.learning_circuit((3, 2, 2))).period == 12\n"
        "from sbp import *\n"
        "assert set(sbp.__all__) <= set(globals()) & set(dir(sbp))\n"
    )
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True)
    with pytest.raises(AttributeError, match="module 'sbp' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_types_of_the_package_are_those_of_its_names():
    """``__init__.pyi`` says to tools what ``__init__.py`` does."""
    stub = ast.parse(Path(package.__file__).with_name("__init__.pyi").read_text())
    modules = {place for name, place in package._PLACE.items() if place.endswith(f".{name}")}
    imported = {
        (
            place if (place := f"{node.module}.{alias.name}") in modules else node.module,
            alias.asname,
        )
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert modules & {place for place, _ in imported}
    assert imported == {(place, name) for name, place in package._PLACE.items()}
