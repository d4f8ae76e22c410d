"""Modelled energy: counts and costs, against sums made in another way."""

from __future__ import annotations

import numpy as np
import pytest

from sbp.circuits import inference_circuit, learning_circuit
from sbp.engines import reference
from sbp.errors import SpecError
from sbp.learn.training import initial_weights, one_hot
from sbp.program import lower
from sbp.reproduce import energy
from sbp.run import ALL_SPIKES, Counters

SIZES = (12, 9, 4)


@pytest.fixture(scope="module")
def run():
    rng = np.random.default_rng(3)
    program = lower(learning_circuit(SIZES))
    labels = rng.integers(0, SIZES[2], 20)
    stimulus = {
        "input": rng.integers(0, 2, (20, SIZES[0])),
        "target": one_hot(labels, SIZES[2]),
    }
    state = program.state(initial_weights(SIZES, 3))
    return reference.run(program, state, stimulus, record=ALL_SPIKES)


def test_costs_are_the_published_ones() -> None:
    # Davies et al. 2018, Table 2: pJ and ns.
    assert energy.COSTS == {
        "synaptic operation": (23.6, 3.5),
        "synaptic update": (120, 6.1),
        "active neuron update": (81, 8.4),
        "inactive neuron update": (52, 5.3),
        "spike": (1.7, 0),
    }


def test_operations_equal_a_count_from_the_recorded_spikes(run) -> None:
    program, model = run.program, energy.estimate(run.program, run.counters)
    spikes = np.zeros(12)
    operations, updates = np.zeros(12), np.zeros(12)
    for step, p in enumerate(run.phases):
        spikes[p] += sum(run.spikes[q.name][step].sum() for q in program.populations)
        for projection in program.projections:
            if projection.source >= len(program.populations):
                continue  # external sources are apart
            pre = run.spikes[program.senders[projection.source].name][step]
            post = run.spikes[program.populations[projection.target].name][step]
            dense = bool(projection.connect)
            operations[p] += pre.sum() * (len(post) if dense else 1)
            if projection.plastic:
                updates[p] += pre.sum() * post.sum()
    assert np.array_equal(20 * model.operations["spike"], spikes)
    assert np.allclose(20 * model.operations["synaptic operation"], operations)
    assert np.allclose(20 * model.operations["synaptic update"], updates)
    assert updates.sum() > 0
    # Every neuron is updated in every step, active or not.
    neurons = model.operations["active neuron update"] + model.operations["inactive neuron update"]
    assert np.array_equal(neurons, np.full(12, program.n_neurons))


def test_energy_and_latency_are_the_dot_products(run) -> None:
    model = energy.estimate(run.program, run.counters)
    total = {kind: count.sum() for kind, count in model.operations.items()}
    picojoules = (
        23.6 * total["synaptic operation"] + 120 * total["synaptic update"]
        + 81 * total["active neuron update"] + 52 * total["inactive neuron update"]
        + 1.7 * total["spike"]
    )  # fmt: skip
    nanoseconds = (
        3.5 * total["synaptic operation"] + 6.1 * total["synaptic update"]
        + 8.4 * total["active neuron update"] + 5.3 * total["inactive neuron update"]
    )  # fmt: skip
    assert model.millijoules == pytest.approx(picojoules * 1e-9)
    assert model.milliseconds == pytest.approx(nanoseconds * 1e-6)
    assert model.product == pytest.approx(picojoules * 1e-9 * model.placed)
    assert 0 < model.placed < model.milliseconds


def test_learning_engine_lies_between_visits_and_every_synapse(run) -> None:
    program = run.program
    least, most = energy.learning_engine(program, run.counters)
    visits = 0
    for projection in program.projections:
        if projection.plastic:
            pre = run.spikes[program.senders[projection.source].name].sum()
            visits += pre * program.populations[projection.target].size
    assert least == pytest.approx(120 * visits / 20)
    # 3 copies of W1, 5 of W2, in each of 12 steps.
    assert most == 120 * 12 * (3 * 12 * 9 + 5 * 9 * 4)


def test_one_sample_costs_the_same_however_many_are_counted(run) -> None:
    once = energy.estimate(run.program, run.counters)
    twice = energy.estimate(run.program, run.counters + run.counters)
    assert twice.samples == 2 * once.samples == 40
    assert twice.millijoules == pytest.approx(once.millijoules, rel=1e-12)


def test_fewest_cores() -> None:
    # 3,282 neurons need 4 cores of 1,024; 500,000 weights of 8 bits need 3.8 of 128 KiB.
    assert energy.fewest_cores(learning_circuit((400, 400, 10))) == 4
    # 814 neurons would fit one core; 164,000 weights need 1.25.
    assert energy.fewest_cores(inference_circuit((400, 400, 10))) == 2
    assert energy.matrix_bits(learning_circuit((400, 400, 10))) == 4_000_000


@pytest.mark.parametrize("phase", [None, 5])
def test_counts_of_broken_samples_are_refused(run, phase: int | None) -> None:
    counters = Counters.zeros(run.program)
    if phase is not None:
        counters = run.counters + counters
        counters.steps[phase] += 1
    with pytest.raises(SpecError, match="whole samples"):
        energy.estimate(run.program, counters)
