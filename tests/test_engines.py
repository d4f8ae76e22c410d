"""The compiled engine equals the reference engine: every spike, register, weight and counter."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, learning
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import circuits, random_stimulus, random_weights

import sbp.run
from sbp import engines
from sbp.engines import compiled, reference
from sbp.errors import ChipError, SpecError
from sbp.program import lower
from sbp.run import Record, copies_parted, first_difference
from sbp.spec import (
    Circuit,
    MatrixWeight,
    Neuron,
    Parameter,
    Phase,
    Population,
    Projection,
    Source,
)

EVERYTHING = Record(spikes="all", u="all", v="all")
EXAMPLES = int(os.environ.get("SBP_EXAMPLES", "300"))


@pytest.fixture(autouse=True)
def _expect_faults():
    # Random circuits wrap and learn out of turn all the time; the counters are compared.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def assert_equal(expected, found):
    difference = first_difference(expected.spikes, found.spikes, expected.program.period)
    assert difference is None, str(difference)
    for what in ("u", "v"):
        for name, register in getattr(expected, what).items():
            assert np.array_equal(register, getattr(found, what)[name]), (what, name)
    for name in expected.counters.names():
        ours, theirs = getattr(expected.counters, name), getattr(found.counters, name)
        assert np.array_equal(ours, theirs), (name, ours, theirs)
    for name, array in expected.state.arrays().items():
        assert np.array_equal(array, found.state.arrays()[name]), name
    assert expected.faults() == found.faults()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(circuits(), st.integers(0, 2**32 - 1), st.integers(1, 8), st.data())
def test_random_circuits(circuit, seed, samples, data):
    rng = np.random.default_rng(seed)
    program = lower(circuit)
    state = program.state(random_weights(circuit, rng))
    stimulus = random_stimulus(program, samples, rng)
    steps = data.draw(st.sampled_from([None, 7, 70]))
    expected = reference.run(program, state, stimulus, steps, record=EVERYTHING)
    found = compiled.run(program, state, stimulus, steps, record=EVERYTHING)
    assert_equal(expected, found)

    # Without recording the compiled engine may skip more: the end must be the same.
    bare = compiled.run(program, state, stimulus, steps)
    assert bare.state.same_as(expected.state)
    assert bare.counters == expected.counters

    # Stopping anywhere and going on changes nothing.
    if expected.n_steps > 1 and steps is not None:
        cut = data.draw(st.integers(1, expected.n_steps - 1))
        first = compiled.run(program, state, stimulus, cut)
        left = {n: s[cut // program.period :] for n, s in stimulus.items()}
        second = compiled.run(program, first.state, left, expected.n_steps - cut)
        assert second.state.same_as(expected.state)
        assert first.counters + second.counters == expected.counters


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_conformance_cases(case):
    case = case()
    expected = reference.run(case.program, case.state, case.stimulus, record=EVERYTHING)
    found = compiled.run(case.program, case.state, case.stimulus, record=EVERYTHING)
    assert expected.counters.spikes.sum() > 0
    assert_equal(expected, found)


def test_session_continues_where_it_stopped():
    case = learning(samples=30)
    whole = reference.run(case.program, case.state, case.stimulus)
    for name in ("reference", "compiled"):
        with engines.session(name, case.program, case.state) as session:
            for rows in np.array_split(np.arange(30), [7, 8, 20]):
                session.run({n: s[rows] for n, s in case.stimulus.items()})
            assert session.state.same_as(whole.state), name


def test_window_and_phases_are_recorded_and_nothing_else():
    case = learning(samples=6)
    full = compiled.run(case.program, case.state, case.stimulus, record=EVERYTHING)
    record = Record(spikes=("h", "input"), u="o", start=13, stop=50, phases=(0, 2, 3))
    some = compiled.run(case.program, case.state, case.stimulus, record=record)
    assert set(some.spikes) == {"h", "input"}
    assert set(some.u) == {"o"}
    assert some.v == {}
    expected = [s for s in range(13, 50) if s % 12 in (0, 2, 3)]
    assert some.recorded.tolist() == expected
    assert np.array_equal(some.spikes["h"], full.spikes["h"][expected])
    assert np.array_equal(some.spikes["input"], full.spikes["input"][expected])
    assert np.array_equal(some.u["o"], full.u["o"][expected])


def wrapping_case():

    # 20 lines * 255 * 2**7 weight units * 64 leave 24 bits.
    circuit = Circuit(
        name="wrapping",
        sizes=(20, 1),
        sources=(Source("input", 20, 0),),
        populations=(Population("p", 1, Neuron()),),
        projections=(Projection("input", "p", "f", 255 << 7, "all-to-all"),),
        phases=(Phase(fires=("p",)), Phase(fires=("p",))),
    )
    program = lower(circuit)
    return program, program.state(), {"input": np.ones((3, 20), int)}


def stray_case():
    excited = Neuron(bias=4000 << 5, threshold=1)  # fires in every step
    circuit = Circuit(
        name="stray",
        sizes=(3, 2),
        sources=(Source("input", 3, 0),),
        populations=(Population("a", 3, excited), Population("b", 2, excited)),
        projections=(Projection("a", "b", "plastic", MatrixWeight("W"), "all-to-all"),),
        phases=(Phase(fires=("a", "b"), learns=("W",)), Phase(fires=("a", "b"))),
        parameters=(Parameter("W", 2, 3),),
    )
    program = lower(circuit)
    return program, program.state({"W": np.zeros((2, 3), int)}), {}


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_strict_mode_raises_and_names_the_place(engine):
    run = engines.get(engine).run
    program, state, stimulus = wrapping_case()
    with pytest.raises(ChipError, match=r"register wrap in population p.* at step 1 \(phase 1\)"):
        run(program, state, stimulus, strict=True)
    assert run(program, state, stimulus).faults()["register wraps"] == 3

    program, state, stimulus = stray_case()
    with pytest.raises(ChipError, match=r"unscheduled learning in a->b at step 1 \(phase 1\)"):
        run(program, state, stimulus, 6, strict=True)
    found = run(program, state, stimulus, 6)
    # 3 steps in phase 1, 6 synapses each; 6 steps of -2 from 0.
    assert found.faults()["coincidences outside the learning phases"] == 18
    assert (found.weights["W"] == -12).all()


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("make", [wrapping_case, stray_case])
def test_after_an_error_of_strict_mode_a_session_stands_where_it_stood(engine, make):
    program, state, stimulus = make()
    silent = {name: 0 * train for name, train in stimulus.items()}
    with engines.session(engine, program, state) as session:
        session.run({name: train[:1] for name, train in silent.items()})
        before = session.state
        shown = stimulus or {"input": np.ones((2, 3), int)}
        with pytest.raises(ChipError):
            session.run(shown, strict=True)
        assert session.state.same_as(before)
        expected = reference.run(program, before, silent)
        assert session.run(silent).state.same_as(expected.state)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_state_of_another_program_is_refused(engine):
    small, large = learning(n_h=4), learning(n_h=5)
    with pytest.raises(SpecError, match=r"the state's .* has shape"):
        engines.get(engine).run(small.program, large.state, small.stimulus)
    cut = small.state.copy()
    cut.pending = cut.pending[:-1]
    with pytest.raises(SpecError, match="the state's pending has shape"):
        engines.get(engine).run(small.program, cut, small.stimulus)
    for steps in (-3, 2.0, True):
        with pytest.raises(SpecError, match="steps is"):
            engines.get(engine).run(small.program, small.state, steps=steps)


def test_a_parameter_of_which_only_copies_are_there_is_found_in_them():
    matrix = np.array([[2, 4, 6], [-8, 0, 254]], np.int16)
    for transpose, negate in ((False, True), (True, False), (True, True)):
        pre, post = (2, 3) if transpose else (3, 2)
        circuit = Circuit(
            name="copies",
            sizes=(3, 2),
            sources=(Source("input", pre, 0),),
            populations=(Population("a", pre, Neuron()), Population("b", post, Neuron())),
            projections=(
                Projection("input", "a", "f", 1032),
                Projection("a", "b", "m", MatrixWeight("W", transpose, negate), "all-to-all"),
            ),
            phases=(Phase(fires=("a", "b")), Phase(fires=("a", "b"))),
            parameters=(Parameter("W", 2, 3),),
        )
        program = lower(circuit)
        assert np.array_equal(program.weights(program.state({"W": matrix}))["W"], matrix)


def test_a_session_is_warned_once():
    sbp.run._warned.clear()
    program, state, stimulus = wrapping_case()
    with pytest.warns(RuntimeWarning, match="3 register wraps"):
        compiled.run(program, state, stimulus)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled.run(program, state, stimulus)


def test_parted_copies_are_counted():
    case = learning(n_h=4)
    low = np.full((10, 4), -256)
    state = case.program.state({"W1": np.zeros((4, 64), int), "W2": low})
    # The negative of -256 is held as 254: all 40 synapses of the one negated copy differ.
    assert (state.weights["o-->hT"] == 254).all()
    assert copies_parted(case.program, state) == {"W1": 0, "W2": 40}


def test_stimulus_that_does_not_fit_is_refused():
    case = learning()
    for stimulus, message in (
        ({"inputs": case.stimulus["input"]}, "no source is called 'inputs'; allowed: input, targ"),
        ({"input": case.stimulus["input"][:, :-1]}, r"shape \(20, 63\); allowed: \(n_samples, 64"),
        ({"input": 2 * case.stimulus["input"]}, "other than 0 and 1"),
        ({**case.stimulus, "target": case.stimulus["target"][:3]}, "samples differ"),
    ):
        for engine in (reference, compiled):
            with pytest.raises(SpecError, match=message):
                engine.run(case.program, case.state, stimulus)


def test_sums_are_wide_where_they_must_be():
    assert compiled.sum_type(learning().program) is np.int32

    wide = Circuit(
        name="wide",
        sizes=(2000, 1),
        sources=(Source("input", 2000, 0),),
        populations=(Population("p", 1, Neuron()),),
        projections=(Projection("input", "p", "f", 255 << 7, "all-to-all"),),
        phases=(Phase(fires=("p",)),),
    )
    program = lower(wide)
    assert compiled.sum_type(program) is np.int64
    stimulus = {"input": np.ones((2, 2000), int)}
    assert_equal(
        reference.run(program, program.state(), stimulus, record=EVERYTHING),
        compiled.run(program, program.state(), stimulus, record=EVERYTHING),
    )


def test_memory_is_flat():
    """An epoch of 60,000 samples peaks no higher than 1,000 samples do."""
    script = """
import resource, numpy as np
from cases import learning
from sbp.engines.compiled import Session
case = learning()
rows = np.resize(np.arange(20), 60_000)
stimulus = {name: np.ascontiguousarray(train[rows]) for name, train in case.stimulus.items()}
session = Session(case.program, case.state)
def peak(n):
    session.run({name: train[:n] for name, train in stimulus.items()})
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak(1_000), peak(60_000))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )  # fmt: skip
    small, large = map(int, done.stdout.split())
    assert large - small < 512, f"peak grew from {small} to {large} kB"


def test_kernels_with_the_jit_off():
    """The same properties in plain Python, where coverage can see the kernels."""
    here = Path(__file__)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "SBP_EXAMPLES": "15"}
    chosen = [f"{here}::test_random_circuits", f"{here.parent / 'test_algebra.py'}::test_circuit"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        env=environment, capture_output=True, text=True, cwd=here.parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
