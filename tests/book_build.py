"""The book as the tests see it: quick parameters, built once, kept in _build/quick."""

import fcntl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
QUICK = ROOT / "_build" / "quick"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))


def run_book(*arguments, root=ROOT, env=None):
    """``python tools/book.py ARGUMENTS`` as a real process."""
    return subprocess.run(
        [sys.executable, str(root / "tools" / "book.py"), *arguments],
        cwd=root, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def one_at_a_time():
    """Keep parallel test processes from building the same thing twice."""
    QUICK.mkdir(parents=True, exist_ok=True)
    with open(QUICK / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def executed():
    """Folder of all notebooks, executed with quick parameters."""
    with one_at_a_time():
        done = run_book("notebooks", "--quick")
    assert done.returncode == 0, done.stderr
    return QUICK / "executed"


@pytest.fixture(scope="session")
def site(executed):
    """The built pages."""
    with one_at_a_time():
        done = run_book("html", "--quick")
    assert done.returncode == 0, done.stderr
    return QUICK / "_build" / "html"
