"""The circuit of any depth: its timetable, its traces, and a second machine that agrees."""

import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT
from naive import simulate

from sbp.checks.difference import first_difference
from sbp.circuits import deep_circuit, inference_circuit, learning_circuit, single_layer_circuit
from sbp.engines import compiled
from sbp.errors import SpecError
from sbp.files import trace
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import MatrixWeight
from sbp.weights import Weights

TRACES = ROOT / "tests" / "traces"
DEEP = sorted(TRACES.glob("deep_*.npz"))

# What fires when, three layers of weights, gates apart.
TIMETABLE = """
 0 -                           1 x               2 h1 h1< h1> x_mem       3 h2 h2< h2> h1_mem h1_box
 4 o o< o> t h2_mem h2_box     5 d+ d-
 6 o o< o> o- h2 h2T           7 h2T             8 o o< o> o- h2 h2T      9 h2T
10 h2 h2< h2> h2- h1 h1T      11 h1T            12 h2 h2< h2> h2- h1 h1T 13 h1T
14 h1 h1< h1> x               15 -              16 h1 h1< h1> x
"""


def fires(circuit):
    """What fires in each phase, gates apart, sorted."""
    gates = {f"g{p}" for p in range(circuit.period)}
    return [sorted(set(phase.fires) - gates) for phase in circuit.phases]


def test_the_timetable_of_three_layers():
    rows = re.split(r"\b\d+ ", TIMETABLE)[1:]  # phase 0, phase 1, ...
    rows = [[] if row.split() == ["-"] else sorted(row.split()) for row in rows]
    circuit = deep_circuit((7, 6, 5, 4))
    assert fires(circuit) == rows
    learns = {p: phase.learns for p, phase in enumerate(circuit.phases) if phase.learns}
    assert learns == {6: ("W3",), 8: ("W3",), 10: ("W2",), 12: ("W2",), 14: ("W1",), 16: ("W1",)}
    assert [p for p, phase in enumerate(circuit.phases) if phase.reward] == [6, 10, 14]
    assert [(s.name, s.phase) for s in circuit.sources] == [
        ("input", 0), ("target", 3), ("kick", None),
    ]  # fmt: skip


@pytest.mark.parametrize("layers", range(1, 13))
def test_five_steps_a_layer_and_two(layers):
    circuit = deep_circuit((3,) * (layers + 1))
    assert circuit.period == 5 * layers + 2
    assert max(p.delay for p in circuit.projections) == max(5 * layers - 2, 2)
    # Two learning phases a layer, one up and one down, from the top to the bottom.
    learns = [(*phase.learns, phase.reward) for phase in circuit.phases if phase.learns]
    order = range(layers, 0, -1)
    assert learns == [(f"W{k}", grows) for k in order for grows in (True, False)]
    assert all(phase.name and phase.note for phase in circuit.phases)
    # Nothing but T fires in two neighbouring steps, of this sample or into the next one.
    table = fires(circuit)
    for now, then in zip(table, [*table[1:], table[0]], strict=True):
        assert all(name.endswith("T") for name in set(now) & set(then))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((4,), "1 layer sizes, 4; allowed: 2 to 13$"),
        ((3,) * 14, r"14 layer sizes, .* allowed: 2 to 13; x waits 5 L - 2 steps .* by 62 at most"),
        ((4, 0, 3), "layer size 0"),
        ((), "0 layer sizes, none; allowed: 2 to 13"),
    ],
)
def test_depths_that_do_not_exist(sizes, message):
    with pytest.raises(SpecError, match=message) as caught:
        deep_circuit(sizes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_inference_at_any_depth(layers):
    rng = np.random.default_rng(layers)
    sizes = tuple(int(n) for n in rng.integers(3, 30, layers + 1))
    weights = Weights({
        f"W{k}": 2 * rng.integers(-100, 128, (sizes[k], sizes[k - 1])) for k in range(1, layers + 1)
    })  # fmt: skip
    x = rng.integers(0, 2, (20, sizes[0]))
    for exponent in (0, -3):
        circuit = inference_circuit(sizes, exponent)
        assert circuit.period == layers + 2
        program = lower(circuit)
        run = compiled.run(program, program.state(weights), {"input": x}, record=ALL_SPIKES)
        layer = x
        for matrix in weights.values():
            layer = layer @ matrix.T > 512
        assert np.array_equal(run.at_phase("o", layers + 1), layer)
        assert run.faults()["ungated spikes"] == 0


# --- traces, and the second machine -------------------------------------------------------------


def finals(program, weights_of_projections):
    """The naive machine's final weights, by the projection's name."""
    return {program.projections[i].name: m for i, m in weights_of_projections.items()}


@pytest.mark.parametrize("path", DEEP, ids=lambda path: path.stem)
def test_the_second_machine_agrees_with_the_traces(path):
    """Every spike and every copy of every weight, with a lowering of its own."""
    read = trace.read(path)
    program = read.program
    spikes, held = simulate(program.circuit, read.initial, read.stimulus, read.n_steps)
    assert first_difference(read.spikes, spikes, program.period) is None
    implied = trace.implied_copies(read)
    for name, matrix in finals(program, held).items():
        assert np.array_equal(matrix, implied[name]), name


def test_the_traces_are_about_learning():
    """In all but the crowded one every matrix changes; both signs of the error fire, everywhere."""
    for path in DEEP:
        read = trace.read(path)
        changed = Weights(read.initial).differing(read.final)
        fired = {name: bool(train.any()) for name, train in read.spikes.items()}
        if "crowded" not in path.stem:
            assert all(count > 0 for count in changed.values()), path.stem
            assert all(fired.values()), path.stem


def test_traces_of_an_independent_simulation(golden_dir):
    for path in sorted(golden_dir.glob("deep_*.npz")):
        assert trace.verify(path, "compiled") is None, path
    assert trace.verify(golden_dir / "deep_60_30_20_10.npz") is None


THREE = ("deep_66_56_44_10_bounds", "deep_66_52_52_48_crowded", "deep_8_44_42_10_errors")


@pytest.fixture(scope="module")
def traces():
    return [trace.read(TRACES / f"{name}.npz") for name in THREE]


@pytest.fixture(scope="module")
def bounds(traces):
    return traces[0]


@pytest.mark.filterwarnings("ignore:.*coincidences outside:RuntimeWarning")
def test_the_traces_notice_the_absence_of_any_projection(traces):
    """Each gate, each closing, each delay of each copy: one of the three traces needs it."""
    kinds = set()
    for i, removed in enumerate(traces[0].program.circuit.projections):
        for recorded in traces:
            projections = recorded.program.circuit.projections
            kept = projections[:i] + projections[i + 1 :]
            mutant = lower(replace(recorded.program.circuit, projections=kept))
            run = compiled.run(
                mutant, mutant.state(recorded.initial), recorded.stimulus, record=ALL_SPIKES
            )
            if first_difference(recorded.spikes, run.spikes, mutant.period) is not None:
                break
        else:
            pytest.fail(f"{removed} is not missed")
        kinds.add(removed.kind)
    assert kinds == {"ring", "gate", "gate_lt", "gate_gt", "close", "copy", "veto", "plastic"}


@pytest.mark.filterwarnings("ignore:.*coincidences outside:RuntimeWarning")
def test_whole_kinds_that_are_missing_are_noticed(bounds):
    for removed in (
        lambda p: p.kind == "close",
        lambda p: p.kind in ("gate", "gate_gt") and p.target == "o>",
    ):
        kept = tuple(p for p in bounds.program.circuit.projections if not removed(p))
        mutant = replace(bounds, program=lower(replace(bounds.program.circuit, projections=kept)))
        assert trace.verify(mutant, "compiled").what == "spikes"


@pytest.mark.parametrize("fault", ["learn_first", "tied_copies"])
def test_a_machine_with_another_rule_is_noticed(bounds, fault):
    """Learning before reading; copies of the negated matrix that do not saturate."""
    spikes, _ = simulate(
        bounds.program.circuit, bounds.initial, bounds.stimulus, bounds.n_steps, **{fault: True}
    )
    assert first_difference(bounds.spikes, spikes, bounds.program.period) is not None


def test_a_lowering_that_confuses_the_sign_of_copies_is_noticed(bounds):
    confused = tuple(
        replace(p, weight=replace(p.weight, negate=not p.weight.negate))
        if isinstance(p.weight, MatrixWeight) and p.target == "h1T" else p
        for p in bounds.program.circuit.projections
    )  # fmt: skip
    mutant = replace(bounds, program=lower(replace(bounds.program.circuit, projections=confused)))
    assert trace.verify(mutant, "compiled").what == "spikes"


# --- one family ---------------------------------------------------------------------------------


def answers(circuit, weights, stimulus, phase):
    program = lower(circuit)
    run = compiled.run(program, program.state(weights), stimulus, record=ALL_SPIKES, strict=True)
    return run.at_phase("o", phase), run.weights


def stimulus_of(rng, sizes, n):
    return {
        "input": rng.integers(0, 2, (n, sizes[0])),
        "target": rng.integers(0, 2, (n, sizes[-1])),
    }


@pytest.mark.parametrize("seed", range(3))
def test_at_one_layer_it_computes_what_the_single_layer_circuit_does(seed):
    """Two circuits, one function: the source repeats the input there, x_mem remembers it here."""
    rng = np.random.default_rng(seed)
    matrix = 2 * rng.integers(-128, 128, (9, 40))
    stimulus = stimulus_of(rng, (40, 9), 25)
    first, learned = answers(single_layer_circuit((40, 9)), {"W": matrix}, stimulus, 2)
    second, deep = answers(deep_circuit((40, 9)), {"W1": matrix}, stimulus, 2)
    assert np.array_equal(first, second)
    assert np.array_equal(learned["W"], deep["W1"])
    assert not np.array_equal(deep["W1"], matrix)


@pytest.mark.parametrize("seed", range(3))
def test_at_two_layers_it_computes_what_the_paper_s_circuit_does(seed):
    rng = np.random.default_rng(seed)
    sizes = (30, 20, 8)
    weights = {
        "W1": 2 * rng.integers(-128, 128, (20, 30)),
        "W2": 2 * rng.integers(-128, 128, (8, 20)),
    }
    stimulus = stimulus_of(rng, sizes, 25)
    first, learned = answers(learning_circuit(sizes), weights, stimulus, 3)
    second, deep = answers(deep_circuit(sizes), weights, stimulus, 3)
    assert np.array_equal(first, second)
    assert learned == deep
    assert all(not np.array_equal(deep[name], weights[name]) for name in weights)


def test_the_summary_says_what_each_phase_does():
    text = deep_circuit((60, 30, 20, 10), -1).summary()
    assert "deep circuit, sizes 60-30-20-10, weight exponent -1" in text
    for line in ("0  input", "2  forward h1", "4  forward o", "5  error", "6  W3 grows",
                 "7  back h2 +", "12  W2 shrinks", "13  back h1 -", "15  shut"):  # fmt: skip
        assert line in text
