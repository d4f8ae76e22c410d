"""The circuits as data: what the paper counts, what lowering keeps, what is refused."""

import pickle
import re
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sbp
from sbp import loihi
from sbp.circuits import (
    deep_circuit,
    gating_chain,
    inference_circuit,
    learning_circuit,
    single_layer_circuit,
)
from sbp.engines import reference
from sbp.errors import SbpError, SpecError
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import (
    Circuit,
    LearningRule,
    MatrixWeight,
    Neuron,
    Parameter,
    Phase,
    Population,
    Projection,
    Source,
)
from sbp.testing.strategies import circuits

FOUR = [
    learning_circuit((7, 5, 3)),
    inference_circuit((7, 5, 3)),
    single_layer_circuit((7, 3)),
    gating_chain(4, stages=9, ring=4),
]
ALL = [
    *FOUR,
    learning_circuit((7, 5, 3), parameters="before-august-2024"),
    inference_circuit((7, 5, 4, 3)),
    *(deep_circuit((7, 6, 5, 4, 4, 3)[:n], -1) for n in range(2, 7)),
]


def test_the_paper_s_sizes():
    learning = learning_circuit()
    assert learning.n_neurons == 3282
    assert learning.n_synapses() == 517_203
    assert learning.n_synapses(plastic_only=True) == 500_000
    plastic = [p for p in learning.projections if isinstance(p.weight, MatrixWeight)]
    assert len(plastic) == 8
    inference = inference_circuit()
    assert inference.n_neurons == 814
    assert inference.n_synapses() == 165_215
    assert (learning.period, inference.period) == (12, 4)
    assert "3,282 neurons" in learning.summary()
    assert "517,203 synapses" in learning.summary()
    assert "dw = 4*y0*x0*r1 - 2*y0*x0" in learning.summary()


@pytest.mark.parametrize("circuit", ALL, ids=lambda c: f"{c.name}-{len(c.sizes)}")
def test_every_scheduled_spike_has_its_gate(circuit):
    """The declared phase table follows from the wiring: who is scheduled was opened a step ago."""
    opened = {p: set() for p in range(circuit.period)}
    for projection in circuit.projections:
        if projection.kind in ("gate", "gate_gt", "ring") and projection.source != "kick":
            for p, phase in enumerate(circuit.phases):
                if projection.source in phase.fires:
                    opened[(p + 1 + projection.delay) % circuit.period].add(projection.target)
    for p, phase in enumerate(circuit.phases):
        assert set(phase.fires) <= opened[p], p


def test_learning_is_scheduled_only_where_pre_and_post_fire():
    for circuit in ALL:
        for projection in circuit.projections:
            if isinstance(projection.weight, MatrixWeight) and projection.weight.plastic:
                meet = {
                    p
                    for p, phase in enumerate(circuit.phases)
                    if {projection.source, projection.target} <= set(phase.fires)
                }
                scheduled = {
                    p
                    for p, phase in enumerate(circuit.phases)
                    if projection.weight.parameter in phase.learns
                }
                assert meet == scheduled, projection


def test_seven_gates_are_the_least_for_single_layer_learning():
    """Search every schedule: x at 1, p, q (potentiation and depression), then 1 of the next."""

    def possible(ring):
        for p, q in combinations(range(2, ring + 2), 2):
            x = (1, p, q, ring + 1)
            relays_rest = all(b - a >= 2 for a, b in pairwise(x))
            error_is_there = p >= 4  # x 1, o 2, d 3, back at o 4
            if relays_rest and error_is_there:
                return True
        return False

    assert [ring for ring in range(2, 12) if possible(ring)] == list(range(7, 12))
    assert single_layer_circuit((3, 2)).period == 7


@pytest.mark.parametrize(("stages", "ring"), [(1, 2), (5, 2), (3, 4), (9, 4), (12, 12), (20, 7)])
def test_chain_relays_one_stage_a_step(stages, ring):
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2, (6, 8))
    program = lower(gating_chain(8, stages, ring))
    steps = 6 * ring + stages
    run = reference.run(program, program.state(), {"input": patterns}, steps, record=ALL_SPIKES)
    for i, pattern in enumerate(patterns):
        for k in range(1, stages + 1):
            assert np.array_equal(run.spikes[f"s{k}"][i * ring + k], pattern.astype(bool)), (i, k)
    assert sum(run.spikes[f"s{stages}"].sum(axis=1) > 0) <= 6
    assert run.faults()["ungated spikes"] == 0


def test_missed_gate_stops_the_chain():
    """Without the kick nothing is ever relayed."""
    circuit = gating_chain(8, 5)
    silent = Circuit(
        circuit.name, circuit.sizes, circuit.sources, circuit.populations,
        tuple(p for p in circuit.projections if p.source != "kick"), circuit.phases,
    )  # fmt: skip
    program = lower(silent)
    run = reference.run(program, program.state(), {"input": np.ones((5, 8), int)},
                        record=ALL_SPIKES)  # fmt: skip
    assert all(not train.any() for name, train in run.spikes.items() if name != "input")


def test_digest_names_the_integers():
    one, same = lower(learning_circuit((7, 5, 3))), lower(learning_circuit((7, 5, 3)))
    assert one.digest == same.digest
    others = {lower(c).digest for c in (learning_circuit((7, 5, 2)), *FOUR)}
    assert len(others) == 5
    # A change that makes any integer different makes the digest different.
    wider = learning_circuit((7, 5, 3))
    delays = [Projection(p.source, p.target, p.kind, p.weight, p.connect, p.delay + (i == 3))
              for i, p in enumerate(wider.projections)]  # fmt: skip
    changed = Circuit(wider.name, wider.sizes, wider.sources, wider.populations, tuple(delays),
                      wider.phases, wider.parameters, wider.rule)  # fmt: skip
    assert lower(changed).digest != one.digest


@pytest.mark.parametrize("circuit", ALL, ids=lambda c: f"{c.name}-{len(c.sizes)}")
def test_a_program_says_its_circuit(circuit):
    """Nothing refers back: the circuit is read from the integers and labels of the program."""
    program = lower(circuit)
    again = pickle.loads(pickle.dumps(program)).circuit  # noqa: S301
    assert lower(again) == program
    assert lower(again).digest == program.digest
    # Equal in everything but the order in which a phase names what fires.
    order = [population.name for population in circuit.populations]
    sorted_phases = tuple(
        replace(phase, fires=tuple(sorted(phase.fires, key=order.index)))
        for phase in circuit.phases
    )
    assert again == replace(circuit, phases=sorted_phases)
    assert again.summary().split("phases:")[0] == circuit.summary().split("phases:")[0]


@settings(max_examples=60, deadline=None)
@given(circuits())
def test_any_circuit_survives_lowering(circuit):
    program = lower(circuit)
    bare = replace(program, kinds=(), notes=(), phase_names=())
    assert lower(program.circuit).digest == lower(bare.circuit).digest == program.digest


def test_names_that_could_make_two_matrices_one_are_refused():
    """a -> b twice is a->b and a->b#2, which a -> b#2 would be called too."""
    for name, message in (
        ("b#2", "the name is 'b#2'; allowed: a text without spaces and '#'"),
        ("a->b", "the name is 'a->b'; allowed: a text without '->'"),
        ("b 2", "the name is 'b 2'"),
        ("", "the name is ''"),
        (7, "the name is 7"),
    ):
        for make in (Population, Source):
            with pytest.raises(SpecError, match=re.escape(message)):
                make(name, 2, None)
        with pytest.raises(SpecError, match=re.escape(message)):
            Parameter(name, 2, 2)
    # Where one name ends in "-" and another begins with ">", "->" stands at one place only.
    odd = circuit(
        populations=tuple(Population(name, 2, NEURON) for name in ("o-", "o", ">b", "-")),
        parameters=(Parameter("W", 2, 2),),
        projections=tuple(
            Projection(source, target, "plastic", MatrixWeight("W"))
            for source in ("o-", "o", "-") for target in (">b", "o", "-")
        ),
    )  # fmt: skip
    names = [projection.name for projection in lower(odd).projections]
    assert len(set(names)) == len(names) == 9


def test_state_round_trip_and_refusals():
    program = lower(learning_circuit((7, 5, 3)))
    weights = {"W1": np.full((5, 7), 4), "W2": np.full((3, 5), -256)}
    state = program.state(weights)
    assert program.state_from(state.arrays()).same_as(state)
    assert np.array_equal(program.weights(state)["W2"], weights["W2"])
    for name, matrix, message in (
        ("W1", np.full((5, 7), 3), r"W1\[0, 0\] is 3 \(35 such\); allowed: even integers from -2"),
        ("W1", np.full((5, 7), 256), "is 256"),
        ("W1", np.full((5, 7), -258), "is -258"),
        ("W1", np.full((7, 5), 2), r"shape \(7, 5\); allowed: \(n_post, n_pre\) = \(5, 7\)"),
        ("W2", np.zeros((3, 5)), "type float64"),
        ("W3", np.zeros((3, 5), int), "no weights are called 'W3'; allowed: W1, W2"),
    ):
        with pytest.raises(SpecError, match=message):
            program.state({**weights, name: matrix})
    with pytest.raises(SpecError, match="the weights W2 are missing"):
        program.state({"W1": weights["W1"]})


NEURON = Neuron()
POPULATIONS = (Population("a", 3, NEURON), Population("b", 2, NEURON))


def circuit(**changes):
    parts = {
        "name": "test", "sizes": (3, 2), "sources": (Source("input", 3, 0),),
        "populations": POPULATIONS, "projections": (), "phases": (Phase(),), **changes,
    }  # fmt: skip
    return Circuit(**parts)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: learning_circuit((400, 0, 10)), "layer size 0; allowed: whole numbers from 1"),
        (lambda: learning_circuit((400, -3, 10)), "layer size -3"),
        (lambda: learning_circuit((400, 400.0, 10)), "layer size 400.0"),
        (lambda: learning_circuit((4, 3, 3, 2)), "4 layer sizes.* the deep circuit takes 2"),
        (lambda: inference_circuit((4,)), "1 layer sizes, 4; allowed: 2 or more"),
        (lambda: single_layer_circuit((4, 3, 2)), "3 layer sizes"),
        (lambda: gating_chain(4, 3, ring=1), "ring is 1; allowed: 2 to 4096"),
        (lambda: Projection("a", "b", "copy", 520, delay=-1), "a -> b: delay is -1; allowed: .* 0"),
        (lambda: Projection("a", "b", "copy", 520, delay=63), "delay is 63; .* 0 to 62"),
        (lambda: Projection("a", "b", "copy", 1001), "weight is 1001; allowed: an 8-bit mantissa"),
        (lambda: Projection("a", "b", "copy", 520, "some"), "connect is 'some'"),
        (lambda: Neuron(du=4097), "current decay du is 4097; allowed: .* 0 to 4096"),
        (lambda: Neuron(refractory=0), "refractory delay is 0; allowed: .* 1 to 63"),
        (lambda: Neuron(threshold=-1), "threshold is -1"),
        (lambda: Neuron(bias=4097), "bias is 4097"),
        (lambda: Population("a", 0, NEURON), "population 'a': size is 0"),
        (lambda: Population("a", True, NEURON), "size is True"),
        (lambda: LearningRule(with_reward=3), "with_reward is 3; allowed: even"),
        (lambda: MatrixWeight("W", exponent=8), "exponent is 8"),
        (lambda: circuit(phases=()), "has no phases"),
        (lambda: circuit(populations=(*POPULATIONS, POPULATIONS[0])), "'a' is used twice"),
        (lambda: circuit(parameters=2 * (Parameter("W", 2, 3),)), "the name 'W' is used twice"),
        (lambda: circuit(projections=(Projection("c", "b", "copy", 520),)), "called 'c'; allowed"),
        (lambda: circuit(projections=(Projection("a", "input", "copy", 520),)), "called 'input'"),
        (lambda: circuit(projections=(Projection("a", "b", "copy", 520),)), "3 and 2 neurons"),
        (lambda: circuit(phases=(Phase(fires=("z",)),)), "no population is called 'z'"),
        (lambda: circuit(phases=(Phase(learns=("W",)),)), "no parameter is called 'W'"),
        (lambda: circuit(sources=(Source("input", 3, 1),)), "source 'input': phase is 1"),
        (
            lambda: circuit(
                parameters=(Parameter("W", 3, 2),),
                projections=(Projection("a", "b", "plastic", MatrixWeight("W")),),
            ),
            r"W has shape \(3, 2\); allowed: \(n_post, n_pre\) = \(2, 3\)",
        ),
        (
            lambda: circuit(
                parameters=(Parameter("W", 2, 3),),
                projections=(Projection("input", "b", "plastic", MatrixWeight("W")),),
            ),
            "an external source has no learning synapses",
        ),
        (lambda: learning_circuit((4, 3, 2)).population("H"), "no population is called 'H'"),
    ],
)
def test_what_a_chip_cannot_hold_is_refused(make, message):
    with pytest.raises(SpecError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_sizes_of_numpy_s_integers_are_sizes():
    assert learning_circuit(np.array([4, 3, 2])) == learning_circuit((4, 3, 2))


# --- the chip's integer rules -------------------------------------------------------------------


def test_wrap_by_hand():
    # 2**23 - 1 is the largest; one more is the smallest, and 2**24 more is the same number.
    assert loihi.wrap(2**23 - 1) == 2**23 - 1
    assert loihi.wrap(2**23) == -(2**23)
    assert loihi.wrap(-(2**23) - 1) == 2**23 - 1
    assert loihi.wrap(5 + 3 * 2**24) == 5


@given(st.integers(-(2**40), 2**40))
def test_wrap_is_the_low_24_bits(value):
    as_bits = int.from_bytes((value % 2**24).to_bytes(4, "little"), "little")
    signed = as_bits - 2**24 if as_bits >= 2**23 else as_bits
    assert loihi.wrap(value) == signed


def test_decay_by_hand():
    # |-1000| * (4096 - 1024) / 4096 = 750; 5 * 1 / 4096 rounds towards zero on both sides.
    assert loihi.decay(-1000, 1024) == -750
    assert loihi.decay(5, 4095) == 0
    assert loihi.decay(-5, 4095) == 0
    assert loihi.decay(-(2**23), 0) == -(2**23)
    assert loihi.decay(2**23 - 1, 4096) == 0


@given(st.integers(-(2**23), 2**23 - 1), st.integers(0, 4096))
def test_decay_shrinks_towards_zero_exactly(value, rate):
    from fractions import Fraction
    from math import trunc

    assert loihi.decay(value, rate) == trunc(Fraction(value * (4096 - rate), 4096))


@given(st.integers(-40_000, 40_000))
def test_mantissa_exponent(weight):
    found = loihi.mantissa_exponent(weight)
    exact = [m << e for e in range(8) for m in [*range(-255, 256), -256]]
    if weight in exact:
        mantissa, exponent = found
        assert mantissa << exponent == weight
        assert -256 <= mantissa <= 255
        assert 0 <= exponent <= 7
    else:
        assert found is None


# --- the tree -----------------------------------------------------------------------------------


def test_every_error_is_one_family():
    from sbp import errors

    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    assert all(issubclass(c, SbpError) for c in classes if c.__module__ == "sbp.errors")


def test_numpys_integers_are_whole_numbers_everywhere(tmp_path):
    """In files they are plain: JSON knows no others."""
    from sbp import plots
    from sbp.checks.domain import analyse
    from sbp.files.trace import record, write
    from sbp.learn import data
    from sbp.reproduce import sweeps

    n = np.int64
    job = sweeps.Job("digits", n(4), n(1), n(1), n(1), n(8), n(1), n(20), n(20))
    same = sweeps.Job("digits", 4, 1, 1, 1, 8, 1, 20, 20)
    assert (job, job.id) == (same, same.id)
    assert all(type(value) in (int, str) for value in vars(job).values())
    digits = data.load("digits", crop=n(1), threshold=n(8)).take(n(20), n(20))
    assert type(digits.crop) is type(digits.threshold) is int
    circuit = learning_circuit((n(36), n(4), n(10)), weight_exponent=n(0))
    assert circuit == learning_circuit((36, 4, 10))
    analyse(lower(circuit), n(100))
    stimulus = {"input": digits.x_train[:2], "target": np.eye(10, dtype=np.uint8)[:2]}
    weights = {"W1": np.zeros((4, 36), np.int16), "W2": np.zeros((10, 4), np.int16)}
    write(record(circuit, stimulus, weights), tmp_path / "t.npz")
    program = lower(circuit)
    run = sbp.engines.get("reference").run(
        program, program.state(weights), stimulus, record=sbp.ALL_SPIKES
    )
    plots.raster(run, samples=n(1), first=n(0))
