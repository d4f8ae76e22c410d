"""What the witnesses are shown and how their answers are judged; the witnesses run by themselves.

`make witnesses`, `make cost` and `make interop` run the tools of others, in their environments.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, tool

from sbp.circuits import learning_circuit
from sbp.files import program_file, trace
from sbp.files.plain import write_trace
from sbp.program import lower

#: A witness that replays the trace by the rules of the program file, with NumPy alone; one of its
#: arguments is what it gets wrong.
WITNESS = """
import sys
import numpy as np
from case import given

case = given()
fault = sys.argv.pop(4) if len(sys.argv) > 4 else ""
slots = 2 + max(p.delay for p in case.projections)
coming = np.zeros((slots, case.neurons), int)
dead = np.zeros(case.neurons, int)
bias, theta, refractory = (
    np.concatenate([np.full(p.size, getattr(p, name)) for p in case.populations])
    for name in ("bias", "threshold", "refractory")
)
weights = {name: matrix.copy() for name, matrix in case.start.items()}
spikes = np.zeros((case.steps, case.neurons), bool)


def send(step, fired):
    for p in case.projections:
        train = fired[p.pre]
        there = coming[(step + 1 + p.delay) % slots][case.neurons_of(p.post)]
        unit = 64 * 2.0**p.exponent
        if p.matrix >= 0:
            there += (weights[p.name][:, train].sum(axis=1) * unit).astype(int)
        elif p.connect == 0:
            there += (train * p.mantissa * unit).astype(int)
        else:
            there += int(train.sum() * p.mantissa * unit)


none = {s.name: np.zeros(s.size, bool) for s in (*case.sources, *case.populations)}
send(-1, none | {s.name: np.ones(s.size, bool) for s in case.sources if s.phase < 0})
for step in range(case.steps):
    u = coming[step % slots].copy()
    coming[step % slots] = 0
    spikes[step] = (dead == 0) & (u + bias > theta)
    dead = np.where(spikes[step], refractory - 1, np.maximum(dead - 1, 0))
    if fault == "learns first":
        case.learn(spikes[step], weights, step)
    fired = none | {s: x[step] for s, x in case.external.items()}
    send(step, fired | {p.name: spikes[step, case.neurons_of(p.name)] for p in case.populations})
    if fault != "learns first":
        case.learn(spikes[step], weights, step)
if fault == "one weight":
    next(iter(weights.values()))[0, 0] += 2
if fault == "one spike":
    spikes[7, 3] ^= True
case.report(spikes, weights, "told", "numpy")
"""


@pytest.fixture
def shown(tmp_path):
    """A run with weights strong enough to tell the order of reading and learning, as text."""
    rng = np.random.default_rng(3)
    sizes = (60, 40, 5)
    program = lower(learning_circuit(sizes))
    weights = {
        "W1": (2 * rng.integers(-40, 60, (40, 60))).astype(np.int16),
        "W2": (2 * rng.integers(0, 4, (5, 40))).astype(np.int16),  # a change can turn a sign
    }
    stimulus = {
        "input": (rng.random((10, 60)) < 0.4).astype(np.uint8),
        "target": np.eye(5, dtype=np.uint8)[rng.integers(0, 5, 10)],
    }
    made = trace.record(program, stimulus, weights, engine="reference")
    program_file.write(program, tmp_path / "p.sbp")
    write_trace(made, tmp_path / "t.txt")
    (tmp_path / "run.py").write_text(WITNESS, "utf-8")
    return made, tmp_path


def ask(folder: Path, *fault: str) -> dict:
    """Run that witness as the driver runs the others: a process that has only case.py."""
    command = [sys.executable, "run.py", "p.sbp", "t.txt", "answer.json", *fault]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT / "witnesses")}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "answer.json").read_text("utf-8"))


def test_a_faithful_witness_differs_in_nothing(shown):
    made, folder = shown
    answer = ask(folder)
    assert answer["spikes_differing"] == answer["weights_differing"] == 0
    assert answer["spikes"] == sum(int(made.spikes[p.name].sum()) for p in made.program.populations)
    assert answer["weights_moved"] > 100
    assert answer["samples"] == 10
    assert "numpy" in answer["versions"]


def test_a_witness_with_a_fault_is_told_where(shown):
    _, folder = shown
    one = ask(folder, "one spike")
    assert one["spikes_differing"] == 1
    assert one["first_difference"] == "step 7 (phase 7), population x, neuron 3"
    assert ask(folder, "one weight")["weights_differing"] == 1
    assert ask(folder, "learns first")["spikes_differing"] > 0


def test_an_environment_that_fails_leaves_nothing(tmp_path, monkeypatch, capsys):
    outside = tool("outside")
    monkeypatch.setattr(outside, "ROOT", tmp_path)
    monkeypatch.setattr(outside, "python_of", lambda *_: sys.executable)
    folder = tmp_path / "env"
    with pytest.raises(outside.SbpError, match="has been removed"):
        outside.environment(folder, [["--no-index", "no-such-package-anywhere"]], (10, 13), 7)
    assert not folder.exists()
    assert "no-such-package-anywhere (about 7 MB)" in capsys.readouterr().err


def test_packed_and_released_placements_hold_every_neuron():
    cost = tool("cost")
    program = lower(cost.held(learning_circuit((400, 400, 10))))
    packed = cost.packed(program)
    assert {name: len(cores) for name, cores in packed.items()} == {
        p.name: p.size for p in program.populations
    }
    assert len({core for cores in packed.values() for core in cores}) == 6
    assert not any(p.plastic for p in program.projections)


@pytest.mark.parametrize("name", ["witnesses", "cost"])
def test_committed_tables_are_of_their_records(name):
    record = json.loads((ROOT / "results" / f"{name}.json").read_text("utf-8"))
    table = (ROOT / "results" / f"{name}.md").read_text("utf-8")
    assert tool(name).markdown(record) == table
