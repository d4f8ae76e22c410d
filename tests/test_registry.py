"""A family of circuits from a package outside: found by name, trained, traced; or refused."""

import subprocess
import sys

import pytest
from conftest import ENVIRONMENT

MODULE = '''
from dataclasses import replace
from sbp.circuits import deep_circuit

def slow_circuit(sizes, weight_exponent=0):
    """The deep circuit under another name."""
    return replace(deep_circuit(sizes, weight_exponent), name="slow")

def nothing(sizes):
    return None

BROKEN = 7
'''

ENTRIES = """[sbp.circuits]
slow = slowly:slow_circuit
learning = slowly:nothing
empty = slowly:nothing
number = slowly:BROKEN
missing = slowly:not_there
"""

USE = """
import sys
import numpy as np
import sbp
from sbp.errors import SbpError

assert sbp.families()[5:] == ("empty", "missing", "number", "slow"), sbp.families()
circuit = sbp.build("slow", (6, 5, 4, 3), weight_exponent=-1)
assert (circuit.name, circuit.period, circuit.weight_exponent) == ("slow", 17, -1)
assert sbp.build("learning", (4, 3, 2)).name == "learning"  # ours, not theirs

task = sbp.Task.of((6, 5, 4, 3), circuit="slow")
start = task.start(1)
x = np.random.default_rng(0).integers(0, 2, (9, 6))
t = np.eye(3, dtype=int)[[0, 1, 2] * 3]
made = sbp.trace.record(circuit, task.stimulus(x, t), start)
path = sbp.trace.write(made, sys.argv[1])
again = sbp.trace.read(path)
assert sbp.trace.verify(again, "compiled") is None

for name, options in (("empty", {}), ("number", {}), ("missing", {}), ("slow", {"ring": 3}),
                      ("slow", {"parameters": "before-august-2024"})):
    try:
        sbp.build(name, (3, 2), **options)
    except SbpError as error:
        print(error)
"""


@pytest.fixture
def site(tmp_path):
    """A folder as an installer would leave it."""
    info = tmp_path / "site" / "slowly-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slowly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "site" / "slowly.py").write_text(MODULE)
    return tmp_path / "site"


def test_a_family_of_another_package(site, tmp_path):
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{site}:{ENVIRONMENT['PYTHONPATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "t.npz")], env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if "Warning" in line]
    assert len(warned) == 1
    assert warned[0].endswith("the circuit learning (slowly:nothing) is not used: sbp's own is")
    messages = done.stdout.splitlines()
    for message, text in zip(
        messages,
        (
            "the circuit empty is None; allowed: a Circuit",
            "the circuit number (slowly:BROKEN) is 7; allowed: a function of the layer sizes",
            "the circuit missing (slowly:not_there) cannot be loaded: module 'slowly' has no",
            "slow circuit: a ring of 3 gates; allowed: its own 7",
            "slow circuit: parameters is 'before-august-2024'; allowed: only 'released'",
        ),
        strict=True,
    ):
        assert message.startswith(text), message
