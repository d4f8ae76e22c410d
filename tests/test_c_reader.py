"""The example in C: it replays traces without Python, and refuses what is broken."""

import os
import re
import shutil
import subprocess
import warnings

import numpy as np
import pytest
from broken_programs import BROKEN, PROGRAM
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbp.files import plain, program_file, trace
from sbp.program import lower
from sbp.testing.strategies import circuits, random_stimulus, random_weights

SOURCE = ROOT / "examples" / "c"
OWN = sorted((ROOT / "tests" / "traces").glob("*.npz"))

pytestmark = pytest.mark.cc


@pytest.fixture(scope="session")
def replay(tmp_path_factory):
    """The compiled example: ``run(program file, trace file) -> (exit code, stdout, stderr)``.

    Built with checks, so that a read out of bounds ends it with another exit code.
    """
    assert shutil.which("cc"), "no C compiler: install one, or leave these out with -m 'not cc'"
    binary = tmp_path_factory.mktemp("c") / "replay"
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["cc", *flags, "-o", binary, SOURCE / "replay.c"], check=True)

    def run(*files):
        found = subprocess.run(
            [binary, *files],
            capture_output=True,
            text=True,
            errors="replace",  # a bad line is shown as it is
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
        )
        return found.returncode, found.stdout, found.stderr

    return run


def written(made, folder):
    """A trace and its program as the files that the example reads."""
    return (
        program_file.write(made.program, folder / "net.sbp"),
        plain.write_trace(made, folder / "t.txt"),
    )


def assert_equal(found, made):
    spikes = sum(int(made.spikes[p.name].sum()) for p in made.program.populations)
    weights = sum(matrix.size for matrix in trace.implied_copies(made).values())
    assert found == (
        0,
        f"{made.n_steps} steps, {spikes} spikes, 0 differ; {weights} final weights, 0 differ\n",
        "",
    )


def test_the_reader_is_short():
    for name, limit in (("program.h", 100), ("replay.c", 120)):
        lines = (SOURCE / name).read_text().splitlines()
        assert len(lines) < limit
        assert max(map(len, lines)) <= 100, name


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_own_traces(replay, tmp_path, path):
    made = trace.read(path)
    assert_equal(replay(*written(made, tmp_path)), made)


GOLDEN = (
    "mnist_40_24_10", "mnist_400_400_10", "deep_60_30_20_10", "deep_60_24_16_12_10_e-2",
    "deep_784_20_14_10_hot", "deep_784_40_30_10_notices",
)  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_traces_of_an_independent_simulation(replay, tmp_path, golden_dir, name):
    made = trace.read(golden_dir / f"{name}.npz")
    assert_equal(replay(*written(made, tmp_path)), made)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(circuits(), st.integers(0, 2**32 - 1))
def test_random_circuits(replay, tmp_path, circuit, seed):
    rng = np.random.default_rng(seed)
    program = lower(circuit)
    stimulus = program.check_stimulus(random_stimulus(program, 4, rng))
    if not any(map(len, stimulus.values())):
        return  # without a pattern nothing says how long it runs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        made = trace.record(program, stimulus, random_weights(circuit, rng))
    assert_equal(replay(*written(made, tmp_path)), made)


def test_one_changed_spike_or_weight_is_found(replay, tmp_path):
    made = trace.read(ROOT / "tests" / "traces" / "learning_64_24_10.npz")
    net, text = written(made, tmp_path)
    lines = text.read_text()
    spike = re.search(r"step 100 spikes (\d+): (\d+)", lines)
    fewer = lines.replace(spike[0] + " ", f"step 100 spikes {int(spike[1]) - 1}: ")
    text.write_text(fewer)
    code, out, err = replay(net, text)
    assert (code, err) == (1, "")
    assert out.startswith("step 100, population ")
    assert "0 in the trace, 1 here" in out
    assert " 1 differ; 5808 final weights, 0 differ" in out
    for what in ("final W1", "copy o->hT"):
        changed = re.sub(rf"(matrix {re.escape(what)} .*\n)\S+", r"\g<1>-250", lines)
        assert changed != lines
        text.write_text(changed)
        # A copy that is there is compared, and the parameter only where no copy is.
        if what.startswith("final"):
            text.write_text(re.sub(r"matrix copy x->h .*\n(.*\n){24}", "", changed))
        code, out, err = replay(net, text)
        assert (code, err) == (1, "")
        assert out.endswith(" 0 differ; 5808 final weights, 1 differ\n")


@pytest.mark.parametrize("case", BROKEN)
def test_broken_programs_are_refused_in_one_line(replay, tmp_path, case):
    change, named = BROKEN[case]
    net = tmp_path / "net.sbp"
    net.write_text(change(program_file.dumps(PROGRAM)))
    code, out, err = replay(net, net)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"{net}, line ")
    assert named in err


def test_broken_traces_are_refused_in_one_line(replay, tmp_path):
    made = trace.read(ROOT / "tests" / "traces" / "learning_64_24_10.npz")
    net, text = written(made, tmp_path)
    lines = text.read_text()
    cases = {
        lines.replace("sbp-trace 1", "sbp-trace 2"): "allowed: sbp-trace 1",
        lines.replace("program 2", "program 3", 1): "allowed: 227f6e",
        lines.replace("steps 180", "steps 181"): "steps is 181; allowed: 180",
        lines.replace("final W2 post 10 pre 24", "final W2 post 9 pre 24"): "allowed: 10",
        lines.replace("initial W2", "initial W3"): "no weights are called W3",
        lines.replace("initial W2", "final W2"): "weights of h->o are missing",
        lines.replace("step 17 ", "step 18 "): "allowed: step 17",
        re.sub(r"step 17 .*", "step 17 spikes 1: 429", lines): "spike is 429; allowed: 0 to 428",
        re.sub(r"step 17 .*", "step 17 spikes 1: x", lines): "spike is 0; allowed: 1 to 428",
        re.sub(r"step 17 .*", "step 17 spikes 2: 3", lines): "missing is 1; allowed: 0",
        lines[: lines.index("step 30")]: "the file ends",
        lines.replace("\nend", "\nmore"): "allowed: end",
    }
    for changed, message in cases.items():
        text.write_text(changed)
        code, out, err = replay(net, text)
        assert (code, out) == (2, ""), message
        assert err.count("\n") == 1
        assert message in err
    assert replay(net, tmp_path / "nowhere")[0] == 2
    assert replay(net)[0] == 2


def test_nothing_breaks_it(replay, tmp_path):
    """Bytes changed, cut and doubled at random: always one of its own three exit codes."""
    made = trace.read(ROOT / "tests" / "traces" / "single_layer_64_10.npz")
    net, text = written(made, tmp_path)
    whole = {net: net.read_bytes(), text: text.read_bytes()}
    rng = np.random.default_rng(11)
    for number in range(60):
        path = (net, text)[number % 2]
        data = bytearray(whole[path])
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(min(len(data), 6000)))
            kind = rng.integers(3)
            if kind == 0:
                data[at] = rng.choice(list(b"0123456789 -\nax\x00\xff"))
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 40))]
            else:
                data[at:at] = data[at : at + int(rng.integers(1, 40))]
        path.write_bytes(data)
        code, _, err = replay(net, text)
        assert code in (0, 1, 2), err
        path.write_bytes(whole[path])
