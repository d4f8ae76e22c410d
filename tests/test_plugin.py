"""A package of somebody else, installed for real, adds to everything that sbp has of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, ROOT

GUEST = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    """A folder in which the package is installed, as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--disable-pip-version-check", "--target", folder, GUEST],
        check=True, capture_output=True,
    )  # fmt: skip
    assert list(folder.glob("sbp_guest-1.0.dist-info"))
    return folder


@pytest.fixture
def python(guest, tmp_path):
    """Run Python in an environment with the package; returns (exit code, stdout, stderr)."""

    def run(*arguments):
        path = os.pathsep.join([str(guest), str(ROOT)])
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], env=ENVIRONMENT | {"PYTHONPATH": path},
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


def test_an_engine_from_outside(python):
    code, out, err = python("-c", """
import json, warnings
from sbp import engines
from sbp.errors import SpecError
from sbp.testing import CASES, EVERYTHING, assert_same
case = CASES["learning"]()
assert_same(*(engines.get(name).run(case.program, case.state, case.stimulus, record=EVERYTHING)
              for name in ("reference", "guest")))
said = {}
for name in ("guest-broken", "guest-other"):
    try:
        engines.get(name)
    except SpecError as error:
        said[name] = str(error)
print(json.dumps([engines.names(), engines.available(), said]))
""")  # fmt: skip
    assert code == 0, err
    names, lines, said = json.loads(out)
    assert names[:3] == ["reference", "compiled", "lava"]
    assert {"guest", "guest-hasty"} <= set(names)
    assert lines["guest"] == "ready: plain Python, a neuron at a time"
    assert lines["guest-broken"].startswith("broken: the engine guest-broken (sbp_guest.engine:NO_")
    assert "cannot be loaded" in said["guest-broken"]
    assert "uninstall the package that brings it" in said["guest-broken"]
    assert "is 'a string'; allowed: an sbp.engines.Engine" in said["guest-other"]


def test_the_suite_for_an_engine_from_outside(python):
    code, out, err = python("-m", "sbp.testing", "guest", "--examples", 2, "-q", "-x")
    assert code == 0, out[-3000:] + err
    assert " passed" in out


def test_the_suite_notices_a_mistake(python):
    """An engine without refractory time fails, and the first difference is named."""
    code, out, _ = python("-m", "sbp.testing", "guest-hasty", "-q", "-k", "one_neuron")
    assert code == 1
    assert "1 failed, 8 passed" in out
    assert "'01111111' == '01001001'" in out


def test_the_suite_says_what_is_missing(python):
    assert python("-m", "sbp.testing")[0] == 2
    code, _, err = python("-m", "sbp.testing", "gues")
    assert code == 2
    assert err.startswith("sbp: error: no engine is called 'gues'; allowed: reference, compiled")
    code, _, err = python("-m", "sbp.testing", "guest-broken")
    assert (code, len(err.splitlines())) == (2, 1)


def test_a_circuit_from_outside(python):
    code, out, err = python("-c", """
import numpy as np
from sbp import engines, lower
from sbp.circuits import registry
program = lower(registry.build("guest_relay", (5, 5)))
rows = np.eye(5, dtype=int)
run = engines.get("guest").run(program, program.state(), {"input": rows})
assert run.counters.spikes.sum() == 10 + 15
print("guest_relay" in registry.families())
""")  # fmt: skip
    assert (code, out) == (0, "True\n"), err
