"""The core in Verilog against the reference engine: golden traces, random circuits, faults."""

import json
import re
import shutil
import warnings

import numpy as np
import pytest
from conftest import ROOT, tool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbp.app import images
from sbp.circuits import learning_circuit
from sbp.errors import FileError, SbpError
from sbp.files import trace
from sbp.program import lower
from sbp.testing.strategies import circuits, random_stimulus, random_weights

rtl = tool("rtl")

TRACES = ROOT / "tests" / "traces"

pytestmark = pytest.mark.rtl


@pytest.fixture(autouse=True, scope="module")
def _simulators():
    for command in ("iverilog", "verilator"):
        assert shutil.which(command), (
            f"{command} is not installed; leave these out with -m 'not rtl'"
        )


def small(samples=4, low=-256, high=254):
    """A trace of a 12-7-4 network whose weights are at the bounds and near zero."""
    rng = np.random.default_rng(5)
    weights = {"W1": rng.choice([low, -2, 0, 120, high], (7, 12)),
               "W2": rng.choice([low, -2, 0, 2, high], (4, 7))}  # fmt: skip
    stimulus = {
        "input": rng.integers(0, 2, (samples, 12)),
        "target": np.eye(4, dtype=int)[rng.integers(0, 4, samples)],
    }
    return trace.record(learning_circuit((12, 7, 4)), stimulus, weights)


def visits(made):
    """Spikes of neurons and lines, and synapses behind them."""
    state = made.program.state(made.initial)
    senders = images.synapses(made.program, state.weights)["sender"]
    size = sum(part.size for part in made.program.senders)
    fan_out = np.bincount(senders, minlength=size)
    spikes = reads = 0
    for sender in made.program.senders:
        if sender.name in made.spikes:
            train = made.spikes[sender.name]
            spikes += int(train.sum())
            reads += int((train * fan_out[sender.start : sender.start + sender.size]).sum())
    return spikes, reads


def assert_equal(made, folder):
    found = rtl.replay(made, folder)
    program = made.program
    fired = sum(int(made.spikes[p.name].sum()) for p in program.populations)
    assert found["first"] == ""
    assert (found["spikes differing"], found["weights differing"]) == (0, 0)
    assert (found["steps"], found["spikes"]) == (made.n_steps, fired)
    spikes, reads = visits(made)
    clocks = made.n_steps * (program.n_neurons + 3) + 3 * spikes + 2 * reads
    assert found["cycles"] == clocks, "rtl/README.md says how long a step takes"
    return found


@pytest.mark.parametrize(
    "name", ["inference_64_24_10", "single_layer_64_10", "deep_8_44_42_10_errors"]
)
def test_golden_traces(tmp_path, name):
    found = assert_equal(trace.read(TRACES / f"{name}.npz"), tmp_path / "rtl")
    assert (found["weights moved"] > 0) == (not name.startswith("inference"))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(circuits(), st.integers(0, 2**32 - 1))
def test_random_circuits(tmp_path, circuit, seed):
    """Decays, refractory times, delays up to 62, wraps of the register, rules of any size."""
    rng = np.random.default_rng(seed)
    program = lower(circuit)
    stimulus = program.check_stimulus(random_stimulus(program, 4, rng))
    if not any(map(len, stimulus.values())):
        return  # without a pattern nothing says how long it runs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        made = trace.record(program, stimulus, random_weights(circuit, rng))
    assert_equal(made, tmp_path / "rtl")


FAULTS = {
    "reads after learning": (
        "sbp_core.v", "{15{weight[8]}}, weight}", "{15{learned[8]}}, learns ? learned : weight}"
    ),
    "learns without the target": ("sbp_core.v", " && target_fired", ""),
    "no upper bound": ("sbp_core.v", "moved > 254 ? 9'd254 :", ""),
    "no lower bound": ("sbp_core.v", "moved < -256 ? 9'h100 :", ""),
    "a spike at the threshold": ("sbp_neuron.v", ") > $signed(", ") >= $signed("),
    "a dead step too many": ("sbp_neuron.v", "refractory - 6'd1", "refractory"),
    "what has arrived stays": ("sbp_core.v", "updating || adding)", "adding)"),
    "a delay less": ("sbp_core.v", "slot} + 1'b1", "slot} + 1'b0"),
    "no reward": ("sbp_core.v", "rewarded <= reward", "rewarded <= 0"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_test_bench_notices_faults(tmp_path, monkeypatch, fault):
    name, old, new = FAULTS[fault]
    for path in rtl.CORE:
        text = path.read_text()
        if path.name == name:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / path.name).write_text(text)
    monkeypatch.setattr(rtl, "CORE", [tmp_path / path.name for path in rtl.CORE])
    made = small()
    if fault == "a spike at the threshold":  # no sum of ours is there: a neuron of its own is
        made = threshold_met()
    try:
        found = rtl.replay(made, tmp_path / "rtl")
    except SbpError:
        return  # the bench waits for a step that never ends, or reads beyond a memory
    assert found["spikes differing"] + found["weights differing"] > 0
    assert (found["first"] != "") == (found["spikes differing"] > 0)


def threshold_met():
    """One neuron whose membrane comes to its threshold exactly, and one that is above it."""
    from sbp.spec import Circuit, Neuron, Phase, Population, Projection, Source

    return trace.record(
        Circuit(
            "own", (2,), (Source("s", 2, 0),), (Population("a", 2, Neuron(threshold=520)),),
            (Projection("s", "a", "copy", 520), Projection("s", "a", "copy", 520, delay=1),
             Projection("s", "a", "copy", 4, delay=1)), (Phase(), Phase(), Phase()),
        ),
        {"s": np.array([[1, 0], [0, 1], [1, 1]])},
    )  # fmt: skip


def test_one_changed_spike_is_named(tmp_path):
    made = small()
    spiking = np.flatnonzero(made.spikes["o"].any(axis=1))[0]
    neuron = int(np.flatnonzero(made.spikes["o"][spiking])[0])
    made.spikes["o"][spiking, neuron] = False
    found = rtl.replay(made, tmp_path / "rtl")
    start = next(p.start for p in made.program.populations if p.name == "o")
    number = f"step {spiking}, neuron {start + neuron}: 0 in the trace, 1 here"
    assert (found["first"], found["spikes differing"]) == (number, 1)


def test_lint_is_clean_at_every_size():
    for program in (
        lower(learning_circuit((64, 24, 10))),
        lower(learning_circuit((400, 400, 10))),
        threshold_met().program,
    ):
        rtl.lint(images.counts(program))


def test_what_an_images_folder_holds(tmp_path):
    made = small(2)
    folder = tmp_path / "images"
    paths = images.write(made.program, made.initial, folder, made)
    assert sorted(path.name for path in paths) == sorted(p.name for p in folder.iterdir())
    lines = {path.name: path.read_text().split() for path in paths}
    each = images.synapses(made.program, made.program.state(made.initial).weights)
    weights = [(int(word, 16) ^ 256) - 256 for word in lines["weight.hex"]]
    assert weights == each["weight"].tolist()
    assert len(weights) == learning_circuit((12, 7, 4)).n_synapses()
    biases = [(int(word, 16) & 0xFFFFFF ^ 1 << 23) - (1 << 23) for word in lines["neuron.hex"]]
    assert biases == [p.bias for p in made.program.populations for _ in range(p.size)]
    assert lines["reward.hex"] == list(map(str, made.program.reward))
    del made.spikes["h_mem"]
    with pytest.raises(FileError, match="no spikes of h_mem"):
        images.write(made.program, made.initial, folder, made)


def test_the_committed_table_is_of_this_core():
    record = json.loads((ROOT / "results" / "rtl.json").read_text("utf-8"))
    assert record["sources"] == rtl.sources(), (
        'make rtl ARGS="--whole --lint --cells --out results"'
    )
    stems = {path.stem for path in TRACES.glob("*.npz")}
    whole = record["traces"].keys() - stems
    assert stems <= record["traces"].keys()
    assert all("400-400-10" in name for name in whole)
    assert whole
    for row in record["traces"].values():
        assert (row["spikes differing"], row["weights differing"]) == (0, 0)
    assert (ROOT / "results" / "rtl.md").read_text("utf-8") == rtl.markdown(record)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    broken = tmp_path / "broken.v"
    broken.write_text("module sbp_core; oops endmodule")
    monkeypatch.setattr(rtl, "CORE", [broken, *rtl.CORE[1:]])
    with pytest.raises(SbpError, match="iverilog failed"):
        rtl.replay(small(1), tmp_path / "rtl")
    assert not (tmp_path / "rtl").exists()


def test_the_command(tmp_path, monkeypatch, capsys):
    """`make rtl` on one trace: its line, and exit code 1 where something differs."""
    monkeypatch.setattr(rtl, "BUILD", tmp_path / "build")
    made = small(2)
    path = trace.write(made, tmp_path / "t.npz")
    made.spikes["h"][3, 2] ^= True
    other = trace.write(made, tmp_path / "other.npz")
    for file, code, differing in ((path, 0, 0), (other, 1, 1)):
        monkeypatch.setattr("sys.argv", ["rtl", "--trace", str(file)])
        assert rtl.main() == code
        found = capsys.readouterr().out
        assert re.search(rf"24 steps, [\d,]+ spikes, {differing} differ; ", found)
        assert found.count("\n") == 1
