"""What several test modules share."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import hypothesis
import pytest
import shapes

pytest_plugins = ["data_files"]  # fixtures: data sets and servers

pytest.register_assert_rewrite("sbp.testing.conformance")

if os.environ.get("SBP_SHAPES"):  # make shapes: arrays have the shapes written beside them
    shapes.install()

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and lines would be as short as that says

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# A started process finds the package in a checkout that is not installed, and caches bytecode.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)

CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


# `nohup make test &` starts everything deaf to Ctrl-C, which is not what the tests are about.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Seconds after which a started process counts as hung.  It takes as long as that where the machine
#: is busy and all kernels are compiled anew.
PATIENCE = 300


def tool(name):
    """The module of that name in tools/, with what it imports from beside itself."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / "tools"))


def wait_for(what, seconds=PATIENCE):
    """Call `what` until it gives something true, and return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    return pytest.fail(f"waited {seconds} s in vain")


@pytest.fixture(scope="session")
def shared_data():
    """Data root with MNIST and Fashion-MNIST."""
    root = Path(os.environ.get("SBP_DATA") or SHARED / "data")
    if not (root / "MNIST").is_dir():
        pytest.skip("MNIST is not here: set SBP_DATA")
    return root


@pytest.fixture(scope="session")
def golden_dir():
    """Folder of golden traces from an independent simulation."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("the golden traces of another simulation are not here")
    return SHARED / "golden"


@pytest.fixture(scope="session")
def chromium():
    """A real browser; one for all modules, since Playwright allows one at a time in a process."""
    from playwright.sync_api import sync_playwright

    names = (os.environ.get("SBP_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if name and (found := shutil.which(name))), None)
    assert program, "no Chromium: install it, or set SBP_CHROMIUM"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def start():
    """Start ``python -m sbp ARGS`` as a real process; what still runs at the end is killed."""
    started = []

    def begin(*args, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen(
            [sys.executable, "-m", "sbp", *map(str, args)], env=ENVIRONMENT, **options
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def sbp(capsys):
    """Run the command line in this process; returns (exit code, stdout, stderr)."""
    from sbp.app.cli import main

    def run(*args):
        capsys.readouterr()
        code = main(list(map(str, args)))
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def refused(sbp):
    """Run a command line that must be refused in one line; returns that line."""

    def run(*args):
        code, out, err = sbp(*args)
        lines = err.splitlines()
        assert code == 2, (code, out, err)
        assert lines, args
        assert lines[-1].startswith("sbp: error: "), err
        assert "Traceback" not in err + out
        assert len([line for line in lines if line.startswith("sbp: error")]) == 1
        return lines[-1]

    return run


@pytest.fixture
def untraced():
    """Nothing looks on: what coverage remembers is none of the memory that a test measures."""
    here, threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    threading.settrace(threads)
    sys.settrace(here)


# A busy machine is no defect: examples have no time limit of their own.
hypothesis.settings.register_profile("sbp", deadline=None)
hypothesis.settings.load_profile("sbp")
