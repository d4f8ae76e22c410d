"""What `sbp.checks.domain` proves never happens, and what it says must happen always does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sbp
import sbp.algebra
from sbp import loihi
from sbp.checks import domain
from sbp.checks.domain import Fires, analyse, limits
from sbp.circuits import deep_circuit
from sbp.engines import reference
from sbp.errors import SpecError
from sbp.run import Record
from sbp.spec import Projection
from sbp.testing.strategies import circuits, random_stimulus, random_weights


def check_against(found: domain.Domain, run: sbp.Run) -> None:
    """Every spike and every sum of `run` is one that `found` allows."""
    program = found.program
    for i, population in enumerate(program.populations):
        train, u = run.spikes[population.name], run.u[population.name]
        fires = found.fires[run.phases, i]
        assert not train[fires == Fires.CANNOT].any(), population.name
        assert train[fires == Fires.MUST].all(), population.name
        if population.du == loihi.DECAY_UNIT and not run.counters.wraps[:, i].any():
            assert (u <= loihi.SCALE * found.most[run.phases, i][:, None]).all(), population.name
            assert (u >= loihi.SCALE * found.least[run.phases, i][:, None]).all(), population.name
    assert not found.decided or found.coincidences or not run.counters.coincidences(program).any()


pytestmark = pytest.mark.filterwarnings("ignore:.* (register wraps|coincidences):RuntimeWarning")
ALL = Record(spikes="all", u="all")


@given(circuits(), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=80, deadline=None)
def test_nothing_forbidden_fires_in_any_circuit(circuit, seed, memoryless):
    if memoryless:  # so that there is something to prove
        pops = tuple(
            replace(p, neuron=replace(p.neuron, du=4096, dv=4096)) for p in circuit.populations
        )
        circuit = replace(circuit, populations=pops)
    program, rng = sbp.lower(circuit), np.random.default_rng(seed)
    state = program.state(random_weights(circuit, rng))
    stimulus = random_stimulus(program, 3, rng)
    run = reference.run(program, state, stimulus, 4 * program.period, record=ALL)
    check_against(analyse(program), run)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.2, 0.6, 1.0]),
    st.sampled_from([(60, 40, 3), (8, 6, 3), (50, 60, 40, 3), (60, 3)]),
    st.integers(-3, 0),
)
@settings(max_examples=40, deadline=None)
def test_nothing_forbidden_fires_in_circuits_that_learn(seed, density, sizes, exponent):
    """With the bound that the very weights of a run keep, which hold far more than fan-ins do."""
    rng = np.random.default_rng(seed)
    build = sbp.learning_circuit if len(sizes) == 3 else deep_circuit
    circuit = build(sizes, weight_exponent=exponent)
    program = sbp.lower(circuit)
    start = random_weights(circuit, rng)
    x = (rng.random((6, sizes[0])) < density).astype(np.uint8)
    target = np.eye(3, dtype=np.uint8)[rng.integers(0, 3, 6)]
    run = reference.run(program, program.state(start), {"input": x, "target": target}, record=ALL)
    # Every copy moves by 2 at most in each of its learning phases, six times.
    bound = {}
    for name, matrix in start.items():
        largest = (np.abs(matrix.astype(int)) + 24).clip(max=256)
        bound[name] = int(max(largest.sum(axis=0).max(), largest.sum(axis=1).max()))
    check_against(analyse(program, bound), run)


def test_limits_of_the_released_circuit():
    # 1024 + 8192, and 8128 more where a gate is closed.
    found = limits(sbp.lower(sbp.learning_circuit((400, 400, 10))))
    assert found.decided
    assert found.table.bound == 9216
    assert (found.table.first.phase, found.table.first.where) == (0, "h")
    # h is closed in phase 8; o is not, and has to be alive in phase 9.
    assert found.learning["W1"].bound == 17344
    assert (found.learning["W1"].first.phase, found.learning["W1"].first.where) == (9, "h")
    assert found.learning["W2"].bound == 9216
    assert (found.learning["W2"].first.phase, found.learning["W2"].first.where) == (9, "o")
    # 400 inputs of 256 and the two gates of h<: 64 * 111,360 is inside the register.
    assert found.register.bound is None


@pytest.mark.parametrize(
    ("exponent", "parameters", "table", "w1"),
    [
        (-1, "released", 17_408, 33_664),  # (512 + 8192) * 2, (512 + 16320) * 2
        (-2, "released", 33_792, 66_304),
        # There h is held in phases 0, 6 and 10 too, and every limit is 1024 + 8192 + 16256.
        (0, "before-august-2024", 25_472, 25_472),
    ],
)
def test_limits_of_other_parameters(exponent, parameters, table, w1):
    circuit = sbp.learning_circuit((400, 400, 10), weight_exponent=exponent, parameters=parameters)
    found = limits(sbp.lower(circuit))
    assert found.table.bound == table
    assert found.learning["W1"].bound == w1


@pytest.mark.parametrize(("exponent", "limit"), [(0, 16_824), (-1, 33_136), (-2, 65_760)])
def test_limits_of_the_deep_circuit(exponent, limit):
    """One replayed copy below the closing gate of the paper's circuit, wherever it is used."""
    found = limits(sbp.lower(deep_circuit((300, 300, 300, 10), exponent)))
    assert found.table.bound == limit
    assert found.learning["W2"].bound == limit
    small = analyse(sbp.lower(deep_circuit((30, 20, 15, 10, 8, 6), exponent)))
    assert small.holds_table
    assert small.holds_learning
    assert small.silent == ()


def test_wide_data_can_wrap_a_register():
    found = limits(sbp.lower(sbp.learning_circuit((784, 400, 10)))).register
    # h<: (2**23 - 1) / 64 = 131,071 less the gate of 9,216 and one hT of 520 and h_box of 8704
    assert found.bound is not None
    assert found.bound < 784 * 256
    assert (
        analyse(sbp.lower(sbp.learning_circuit((784, 400, 10))), found.bound).register_margin >= 0
    )


def test_small_circuits_hold_for_any_weights():
    program = sbp.lower(sbp.learning_circuit((20, 10, 4)))
    found = limits(program)
    assert found.table.bound is None
    assert all(limit.bound is None for limit in found.learning.values())
    assert analyse(program).holds_table
    assert analyse(program).silent == ()
    for circuit in (sbp.inference_circuit(), sbp.gating_chain(5, 4), sbp.gating_chain(5, 4, 2)):
        assert analyse(sbp.lower(circuit)).holds_table, circuit.name


def test_gates_must_fire_one_by_one():
    program = sbp.lower(sbp.learning_circuit((20, 10, 4)))
    found = analyse(program)
    for p in range(12):
        for k in range(12):
            expected = Fires.MUST if k == (p + 1) % 12 else Fires.CANNOT
            assert found.state(f"g{k}", p) == expected


def without(circuit, source, target, kind):
    kept = tuple(
        p for p in circuit.projections if (p.source, p.target, p.kind) != (source, target, kind)
    )
    assert len(kept) < len(circuit.projections)
    return replace(circuit, projections=kept)


@pytest.mark.parametrize(
    ("source", "target", "kind", "place"),
    [
        ("g8", "h", "close", "phase 9: h may be dead, having fired in phase 8"),
        ("g6", "o", "close", "phase 6: o->hT may learn, which the table does not say"),
        ("g0", "o", "close", "phase 0: h->o may learn, which the table does not say"),
    ],
)
def test_a_missing_closing_gate_is_told_where(source, target, kind, place):
    good = sbp.learning_circuit((400, 400, 10))
    bad = sbp.lower(without(good, source, target, kind))
    bound = {"W1": 17344, "W2": 9216} if source == "g8" else 17344
    before = {*map(str, _all(analyse(sbp.lower(good), bound)))}
    after = {*map(str, _all(analyse(bad, bound)))}
    assert place not in before
    assert place in after


def _all(found: domain.Domain):
    return found.coincidences + found.disturbed


def test_a_gate_at_the_wrong_time_is_told_where():
    circuit = sbp.learning_circuit((20, 10, 4))
    wrong = Projection("g0", "h", "gate", 8704, "all-to-all")
    found = analyse(sbp.lower(replace(circuit, projections=(*circuit.projections, wrong))))
    assert not found.holds_table
    assert {(b.phase, b.where) for b in found.unscheduled} >= {(0, "h")}
    lost = analyse(sbp.lower(without(circuit, "g3", "t", "gate")))
    assert ("t", 3) in {(breach.where, breach.phase) for breach in lost.silent}


def test_beyond_the_limit_of_w2_the_circuit_learns_otherwise():
    """In phase 8 the output layer has no gate: past 9,216 it fires, and is dead in phase 9."""
    n_e = 60  # hidden neurons with a derivative and no spike, whose error is positive
    w1 = np.full((n_e + 3, 3), 254, np.int16)
    w1[:n_e, 0], w1[:n_e, 1:] = 100, 0  # 100: above 0, not above 512; the last three: 762
    w2 = np.full((2, n_e + 3), 254, np.int16)
    w2[0, n_e:], w2[1, n_e:] = 100, 254  # outputs 300 and 762: target 0 is missed, 1 is wrong
    for each, same in ((150, True), (154, False)):  # 60 times 150 is 9,000; times 154, 9,240
        w2[1, :n_e] = each
        program = sbp.lower(sbp.learning_circuit((3, n_e + 3, 2)))
        run = reference.run(
            program, program.state({"W1": w1, "W2": w2}),
            {"input": np.ones((1, 3), int), "target": np.array([[1, 0]])}, record=ALL,
        )  # fmt: skip
        assert run.u["o"][8, 1] == 64 * 60 * each
        assert run.spikes["o"][8, 1] == (not same)
        network = sbp.algebra.Network({"W1": w1, "W2": w2})
        network.train(np.ones((1, 3), np.uint8), np.array([[1, 0]], np.uint8))
        assert (run.weights["W2"] == network.weights["W2"]).all() == same
        found = analyse(program, {"W1": 9216, "W2": 60 * each})
        assert found.holds_learning == same


def test_memory_is_never_called_proven():
    circuit = sbp.gating_chain(3, 2)
    slow = replace(circuit.populations[0], neuron=replace(circuit.populations[0].neuron, dv=4095))
    program = sbp.lower(replace(circuit, populations=(slow, *circuit.populations[1:])))
    found = analyse(program)
    assert (found.fires[:, 0] == Fires.MAY).all()
    assert not found.decided
    assert not found.holds_table
    assert found.register_margin is None
    assert not limits(program).decided


def test_copies_that_may_part_are_not_taken_for_one():
    """Two copies of W1 whose targets learn differently: the sums are no longer comparable."""
    circuit = sbp.learning_circuit((40, 30, 4))
    extra = Projection("g7", "h<", "close", -8128, "all-to-all")
    alike = analyse(sbp.lower(circuit))
    program = sbp.lower(replace(circuit, projections=(*circuit.projections, extra)))
    apart = analyse(program)
    # With equal copies a spike of h> implies one of h<, and the veto of h> its copy.
    assert alike.most[6, program.index("h_box")] == 8704 + 520
    assert apart.fires[7, program.index("h<")] != Fires.MUST


@pytest.mark.parametrize("bound", [-1, 1.5, True, {"W9": 3}, {"W1": -1}])
def test_bounds_that_are_none(bound):
    with pytest.raises(SpecError, match=r"bound|weight matrix"):
        analyse(sbp.lower(sbp.learning_circuit((4, 3, 2))), bound)
