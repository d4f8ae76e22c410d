"""Commands that write a run folder can be killed, or a write can fail, at any place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ENVIRONMENT

HERE = Path(__file__).parent
#: Every so many-th place is struck; `make kill-points` strikes at all of them.
EVERY = int(os.environ.get("SBP_KILL_EVERY", "37"))


@pytest.fixture(scope="module")
def preload(tmp_path_factory):
    library = tmp_path_factory.mktemp("preload") / "fault_at_write.so"
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1", "-o", library,
               HERE / "fault_at_write.c", "-ldl"]  # fmt: skip
    subprocess.run(command, check=True)
    return library


@pytest.mark.cc
@pytest.mark.skipif(sys.platform != "linux", reason="a preload of glibc's calls")
def test_killed_at_every_write(tmp_path, preload):
    """A whole run is left, and the same command again ends as if nothing had happened."""
    struck = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning",  # of fork and threads
         HERE / "kill_points.py", tmp_path, str(EVERY)],
        env=ENVIRONMENT | {"LD_PRELOAD": str(preload)}, capture_output=True, text=True,
        timeout=3000, check=False,
    )  # fmt: skip
    print(struck.stdout)
    assert (struck.returncode, struck.stderr) == (0, ""), struck.stdout
    assert int(struck.stdout.splitlines()[-1].split()[0]) >= 1000 // EVERY
