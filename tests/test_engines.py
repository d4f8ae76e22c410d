"""The compiled engine equals the reference engine: every spike, register, weight and counter."""

import importlib.util
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, learning
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbp import engines
from sbp.checks.difference import first_difference
from sbp.engines import compiled, reference
from sbp.errors import SpecError
from sbp.program import lower
from sbp.rows import pack, sum_rows
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
from sbp.testing import EVERYTHING, assert_same
from sbp.testing.strategies import random_stimulus, random_weights
from sbp.testing.strategies import twins as twin_circuits

EXAMPLES = int(os.environ.get("SBP_EXAMPLES", "300"))


@pytest.fixture(autouse=True)
def _expect_faults():
    # Random circuits wrap and learn out of turn all the time; the counters are compared.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_conformance_cases(case):
    case = case()
    expected = reference.run(case.program, case.state, case.stimulus, record=EVERYTHING)
    found = compiled.run(case.program, case.state, case.stimulus, record=EVERYTHING)
    assert expected.counters.spikes.sum() > 0
    assert_same(expected, found)


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


def test_options_that_an_engine_does_not_have_are_refused():
    case = learning()
    for open_it in (
        lambda: engines.session("compiled", case.program, case.state, layout="fused"),
        lambda: engines.get("reference").run(case.program, case.state, layout="fused"),
    ):
        with pytest.raises(SpecError, match="no option is called 'layout'; allowed: none"):
            open_it()
    with pytest.raises(SpecError, match="no option is called 'speed'; allowed: layout, target"):
        engines.session("lava", case.program, case.state, speed=3)


@pytest.mark.parametrize(
    "name", ["reference", "compiled", pytest.param("lava", marks=pytest.mark.lava)]
)
def test_a_step_that_no_engine_can_count_is_refused(name):
    """Beyond 64 bits one engine would wrap where another goes on."""
    case = learning()
    for step in (2**63, 2**62 + 1, -1, 0.0):
        state = case.state.copy()
        state.step = step
        with pytest.raises(SpecError, match=r"state: step is .*; allowed: a whole number from 0"):
            engines.session(name, case.program, state)
    with (
        engines.session(name, case.program, case.state) as session,
        pytest.raises(SpecError, match=r"steps is 1\d+; allowed: a whole number from 0"),
    ):
        session.run({}, 10**30)


def test_engines_agree_at_the_last_step_there_is():
    case = learning()
    period = case.program.period
    state = replace(case.state, step=2**62 // period * period)
    expected = reference.run(case.program, state, case.stimulus, record=EVERYTHING)
    assert_same(compiled.run(case.program, state, case.stimulus, record=EVERYTHING), expected)


def test_engines_say_what_they_are():
    lines = engines.available()
    assert list(lines) == list(engines.names())
    for name in engines.names():
        engine = engines.get(name)
        assert engine.name == name
        assert "\n" not in engine.description
        assert engine.chunk() > 0
        for module in engine.modules:
            assert importlib.util.find_spec(module)
        assert lines[name] == (engine.missing() or f"ready: {engine.description}")


@pytest.mark.parametrize("count", [0, 1, 7, 8, 247, 248, 249, 256, 257, 496, 497, 700])
@pytest.mark.parametrize("weight", [-256, 254, None])
def test_sums_of_many_rows(count, weight):
    """16-bit sums would overflow after 255 rows at the bound: they are emptied in time."""
    rng = np.random.default_rng(count)
    matrix = (
        2 * rng.integers(-128, 128, (33, 700)) if weight is None else np.full((33, 700), weight)
    )
    rows = pack(matrix.astype(np.int16))
    active = np.sort(rng.choice(700, count, replace=False)).astype(np.uint32)
    partial, total = np.zeros(rows.shape[1], np.int16), np.ones(rows.shape[1], np.int32)
    sum_rows(rows, active, count, partial, total)
    assert np.array_equal(2 * total[:33], matrix[:, active].sum(axis=1))


def twins():
    """a -> b and a -> c carry one parameter; b and c fire alike but for what only one is sent."""
    relay = Neuron(threshold=1000)
    drive = 2000
    circuit = Circuit(
        name="twins",
        sizes=(6, 5),
        sources=(Source("input", 6, 0), *(Source(name, 5, 0) for name in ("both", "to_b", "to_c"))),
        populations=(
            Population("a", 6, relay),
            *(Population(name, 5, relay) for name in ("b", "c")),
            Population("d", 5, Neuron(threshold=10_000)),
        ),
        projections=(
            Projection("input", "a", "f", drive),
            *(Projection("both", name, "f", 127 << 7) for name in ("b", "c", "d")),
            *(Projection(f"to_{name}", name, "f", drive) for name in ("b", "c")),
            *(Projection("a", name, "m", MatrixWeight("W"), "all-to-all") for name in ("b", "c")),
            Projection("a", "d", "m", MatrixWeight("W", exponent=1), "all-to-all", 3),
        ),
        phases=(Phase(), Phase(learns=("W",), reward=True), Phase(), Phase()),
        parameters=(Parameter("W", 5, 6),),
    )
    return lower(circuit)


def places(session):
    """How many matrices the compiled engine holds apart."""
    return len(set(session._machine.memory.like.tolist()))


def test_copies_that_part_somewhere():
    """Random circuits of twins: equal in everything, stopped anywhere; and they do part."""
    seen = {"one": 0, "parted": 0}

    @settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
    @given(twin_circuits(), st.integers(0, 2**32 - 1), st.integers(1, 30))
    def check(circuit, seed, cut):
        rng = np.random.default_rng(seed)
        program = lower(circuit)
        state = program.state(random_weights(circuit, rng))
        stimulus = random_stimulus(program, 10, rng)
        with engines.session("compiled", program, state) as session:
            before = places(session)
            for steps in (cut, None):
                expected = reference.run(program, state, stimulus, steps, record=EVERYTHING)
                found = session.run(stimulus, steps, record=EVERYTHING)
                assert_same(expected, found)
                state = expected.state
            seen["one"] += before == places(session) < len(circuit.projections)
            seen["parted"] += before < places(session)

    check()
    assert min(seen.values()) > EXAMPLES // 40, seen


@pytest.mark.parametrize("to_b", [(0, 0, 0, 0, 0), (0, 0, 1, 0, 0)], ids=["more", "others"])
@pytest.mark.parametrize("weight", [0, 254, -256])
def test_copies_are_one_matrix_until_they_part(weight, to_b):
    """They part where c fires in more neurons than b, or in as many others."""
    program = twins()
    rng = np.random.default_rng(5)
    samples = 12
    stimulus = {
        "input": rng.integers(0, 2, (samples, 6)), "both": rng.integers(0, 2, (samples, 5)),
        "to_b": np.zeros((samples, 5), int), "to_c": np.zeros((samples, 5), int),
    }  # fmt: skip
    stimulus["both"][6] = 0, 1, 0, 0, 1
    stimulus["to_b"][6] = to_b
    stimulus["to_c"][6] = 1, 0, 0, 0, 0  # from here on c has learned something else
    stimulus["input"][6] = 1
    apart = 3 if any(to_b) else 2  # d fires like both, c never does again
    start = program.state({"W": np.full((5, 6), weight)})
    state = start
    with engines.session("compiled", program, state) as session:
        for sample in range(samples):
            rows = {name: train[sample : sample + 1] for name, train in stimulus.items()}
            expected = reference.run(program, state, rows)
            found = session.run(rows)
            assert first_difference(expected, found) is None
            assert found.state.same_as(expected.state)
            equal = np.array_equal(expected.state.weights["a->b"], expected.state.weights["a->c"])
            # At the upper bound what c did else changes nothing: they part for all that.
            assert equal == (sample < 6 or weight == 254)
            assert places(session) == (1 if sample < 6 else apart)
            state = expected.state
        # A state in which two copies are equal opens as one matrix.
        again = engines.session("compiled", program, state)
        assert places(again) == (1 if weight == 254 else apart)
    whole = reference.run(program, start, stimulus, record=EVERYTHING)
    assert (
        first_difference(whole, compiled.run(program, start, stimulus, record=EVERYTHING)) is None
    )


def test_a_copy_handed_out_is_nobody_elses():
    """Copies that are one matrix within the engine are several in the state."""
    program = twins()
    with engines.session(
        "compiled", program, program.state({"W": np.zeros((5, 6), int)})
    ) as session:
        run = session.run({"input": np.ones((1, 6), int)})
        run.state.weights["a->b"][:] = 100
        assert not run.state.weights["a->c"].any()
        assert not session.state.weights["a->b"].any()


def test_the_paper_circuit_holds_four_matrices():
    """x -> h, h<, h> are one, h -> o, o<, o> are one; the two ways back have their own."""
    case = learning(samples=20)
    with engines.session("compiled", case.program, case.state) as session:
        run = session.run(case.stimulus)
        assert run.counters.synaptic_updates.sum() > 1000
        assert places(session) == 4


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
    here = Path(__file__).parent
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "SBP_EXAMPLES": "15"}
    chosen = [
        f"{here / 'test_conformance.py'}::test_random_circuits[compiled]",
        f"{here / 'test_conformance.py'}::test_copies_that_learn_alike_and_part[compiled]",
        f"{here / 'test_conformance.py'}::test_circuits_of_the_package[compiled-learning]",
        f"{here / 'test_algebra.py'}::test_circuit",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        env=environment, capture_output=True, text=True, cwd=here.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
