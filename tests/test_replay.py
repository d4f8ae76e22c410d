"""Spike trains alone give the counters, registers and final state of every engine.

`sbp.replay` shares no loop with the engines: it counts all steps at once, and follows the neurons
with the spikes forced.  So it checks the engines, and they check it.
"""

import warnings

import numpy as np
import pytest
from cases import CASES, learning
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbp.engines import compiled, reference
from sbp.errors import ChipError, SpecError
from sbp.program import lower
from sbp.replay import counters_from_spikes, replay, source_trains
from sbp.run import ALL_SPIKES
from sbp.testing.strategies import circuits, random_stimulus, random_weights


@pytest.fixture(autouse=True)
def _expect_faults():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def assert_implied(run, before):
    """Everything in `run` follows from its spikes and the state `before` it."""
    found = replay(run.program, before, run.spikes)
    assert (found.differing, found.first) == (0, None)
    for name, array in run.state.arrays().items():
        assert np.array_equal(array, found.state.arrays()[name]), name
    counted = counters_from_spikes(run.program, run.spikes, before, found.wraps)
    for name in counted.names():
        assert np.array_equal(getattr(counted, name), getattr(run.counters, name)), name


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(circuits(), st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 9))
def test_random_circuits(circuit, seed, samples, lead):
    rng = np.random.default_rng(seed)
    program = lower(circuit)
    before = reference.run(program, program.state(random_weights(circuit, rng)), steps=lead).state
    stimulus = random_stimulus(program, samples, rng)
    for engine in (reference, compiled):
        run = engine.run(program, before, stimulus, record=ALL_SPIKES)
        assert_implied(run, before)
        emitted = source_trains(
            program, program.check_stimulus(stimulus), run.first_step, run.n_steps
        )
        for name, train in emitted.items():
            assert np.array_equal(train, run.spikes[name]), name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_conformance_cases(case):
    case = case()
    run = compiled.run(case.program, case.state, case.stimulus, record=ALL_SPIKES)
    assert_implied(run, case.state)


def test_one_changed_spike_is_found_where_it_is():
    case = learning(n_h=6, samples=2)
    run = reference.run(case.program, case.state, case.stimulus, record=ALL_SPIKES)
    rng = np.random.default_rng(1)
    for _ in range(30):
        population = case.program.populations[rng.integers(len(case.program.populations))]
        step, neuron = int(rng.integers(run.n_steps)), int(rng.integers(population.size))
        train = run.spikes[population.name]
        train[step, neuron] ^= True
        found = replay(case.program, case.state, run.spikes)
        assert found.first == (step, population.name, neuron)
        train[step, neuron] ^= True


def test_without_a_state_the_network_starts_at_rest_with_the_kick():
    case = CASES["chain"]()
    run = reference.run(case.program, case.state, case.stimulus, record=ALL_SPIKES)
    assert counters_from_spikes(case.program, run.spikes) == run.counters


def test_strict_raises_as_the_engines_do():
    case = learning(samples=1)
    run = reference.run(case.program, case.state, case.stimulus, record=ALL_SPIKES)
    for name in ("x", "h"):
        run.spikes[name][3] = True  # x and h spike together, in a phase in which nothing learns
    with pytest.raises(ChipError, match=r"unscheduled learning in x->h at step 3 \(phase 3\)"):
        replay(case.program, case.state, run.spikes, strict=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spikes: spikes.pop("h"), "spikes of h are missing"),
        (lambda spikes: spikes.update(h=spikes["h"][:, :-1]), r"spikes of h have shape \(24, 23\)"),
        (lambda spikes: spikes.update(h=spikes["h"][:-1]), "spike trains differ in length"),
    ],
)
def test_incomplete_trains_are_refused(change, message):
    case = learning(samples=2)
    run = reference.run(case.program, case.state, case.stimulus, record=ALL_SPIKES)
    change(run.spikes)
    with pytest.raises(SpecError, match=message):
        counters_from_spikes(case.program, run.spikes)
    with pytest.raises(SpecError, match=message):
        replay(case.program, case.state, run.spikes)
