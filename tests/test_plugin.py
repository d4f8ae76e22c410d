"""A package of somebody else, installed for real, adds to everything that sbp has of its own."""

import json
import os
import re
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


def test_an_engine_s_own_options_on_the_command_line(python):
    """Typed as its signature has them, kept with the run, and refused if it has no such option."""
    train = ("-m", "sbp", "train", "--engine", "guest", "--hidden", 3, "--samples", 2,
             "--test-samples", 2, "--epochs", 1)  # fmt: skip
    code, out, err = python(*train, "--option", "tired=false", "--out", "run")
    assert code == 0, err
    code, out, err = python("-c", """
from sbp.learn import checkpoint
print(checkpoint.load_history("run")["options"])
""")  # fmt: skip
    assert (code, out) == (0, "{'tired': False}\n"), err
    code, _, err = python(*train, "--option", "sleepy=1", "--out", "other")
    assert (code, "no option is called 'sleepy'; allowed: tired" in err) == (2, True), err


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


def test_a_circuit_from_outside_learns(python):
    """Matrices of other names, in every command that takes a run; also of an unfinished one."""
    train = ("-m", "sbp", "train", "--circuit", "guest_net", "--engine", "compiled", "--hidden", 6)
    where = ("--samples", 30, "--out", "run")
    code, out, err = python(*train, "--epochs", 1, *where)
    assert code == 0, err
    for command in (
        ("evaluate", "run"), ("plot", "raster", "run"), ("plot", "weights", "run"),
        ("trace", "run", "--samples", "0:2", "--out", "t.npz"), ("verify", "t.npz"),
        ("program", "write", "guest_net", "--sizes", "64-6-10", "--weights", "run", "net.sbp"),
    ):  # fmt: skip
        code, out, err = python("-m", "sbp", *command)
        assert code == 0, (command, err)
    assert python(*train, "--epochs", 2, *where, "--resume")[0] == 0
    code, out, err = python("-c", """
from pathlib import Path
from sbp.learn.checkpoint import load_weights
finished = load_weights("run")
Path("run/weights.npz").unlink()
Path("run/history.json").unlink()
import warnings
warnings.simplefilter("ignore")
assert load_weights("run") == finished
print(*finished.names)
""")  # fmt: skip
    assert (code, out) == (0, "lower upper\n"), err
    assert python("-m", "sbp", "evaluate", "run")[0] == 0
    code, _, err = python("-m", "sbp", "train", "--circuit", "guest_fails")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "the circuit guest_fails cannot be built: KeyError: 'sizes'" in err


def test_data_from_outside(python):
    """They are found again by the name they were asked by."""
    code, _, err = python("-m", "sbp", "train", "--dataset", "guest-bars", "--hidden", 6,
                          "--epochs", 1, "--out", "bars")  # fmt: skip
    assert code == 0, err
    code, _, err = python("-m", "sbp", "evaluate", "bars")
    assert code == 0, err
    code, _, err = python("-m", "sbp", "train", "--dataset", "guest-bars-class")
    assert (code, len(err.splitlines())) == (2, 1)


def test_what_is_broken_outside_is_said_and_breaks_nothing_here(python):
    code, out, err = python("-m", "sbp", "info")
    assert code == 0, err
    said = {}
    for line in out.splitlines():
        if line.startswith("  guest"):
            said[line.split()[0]] = said.get(line.split()[0], "") + line
    for name, words in {
        "guest": "tired", "guest-class": "broken: the engine guest-class",
        "guest-bars": "drawn when it is asked for", "guest-lost": "broken: the server is down",
        "guest_net": "of sbp_guest.circuit", "guest-typo": "origin 'mine'; allowed: publi",
    }.items():  # fmt: skip
        assert words in said[name], name
    code, _, err = python("-m", "sbp", "train", "--dataset", "guest-lost")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "the data set guest-lost cannot be loaded: the server is down" in err
    code, _, err = python("-m", "sbp", "train", "--engine", "guest-idle")
    assert code == 2
    assert "engine guest-idle: chunk is 0; allowed: a whole number from 1" in err


def test_claims_from_outside(python):
    ids = ("guest-fails", "guest-gives-nothing", "guest-divides", "guest-holds", "circuit-sizes")
    code, out, err = python("-m", "sbp", "reproduce", *ids, "--out", "results")
    assert code == 1
    assert "Traceback" not in err
    for said in (
        "guest-fails: not run: it failed: ValueError: no luck",
        "guest-gives-nothing: not run: it failed: AttributeError",
        "guest-divides: not run: it gave no result: values of 'ones' hold nan",
        "claims: agrees 2, differs 0, not run 3",
    ):
        assert said in out + err, said
    code, out, err = python("-m", "sbp", "reproduce", "--status", "--out", "results")
    assert code == 0, err
    assert "1 our own" in out
    code, _, err = python("-m", "sbp", "reproduce", "guest-typo")
    assert code == 2
    assert "those of guest-typo cannot be used: SpecError: claim guest-typo: origin 'mine'" in err


def test_the_example_of_the_page_about_it_runs(capsys):
    page = (ROOT / "book" / "extending.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "extending.md", "exec"), {})
    epochs = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [epoch for epoch, _ in epochs] == ["1", "2"]
    assert 0.2 < float(epochs[1][1]) < 1


def test_the_table_of_the_reference_names_every_module_of_its_pages():
    folder = ROOT / "book" / "api"
    rows = re.findall(r"\]\((\w+\.md)\) \| (.*) \|", (folder / "index.md").read_text("utf-8"))
    assert len(rows) == 6
    for page, said in rows:
        modules = re.findall(r"^## (\S+)$", (folder / page).read_text("utf-8"), re.MULTILINE)
        assert re.findall(r"`(\S+)`", said) == modules
