"""The numbers of the circuits: what each kind of synapse weighs at every weight exponent."""

import numpy as np
import pytest

from sbp.checks.difference import first_difference
from sbp.circuits import (
    deep_circuit,
    gating_chain,
    inference_circuit,
    learning_circuit,
    registry,
    single_layer_circuit,
)
from sbp.circuits.gating import BEFORE_AUGUST_2024, RELEASED, Wiring, parameter_set, ring_phases
from sbp.engines import compiled
from sbp.errors import SpecError
from sbp.loihi import mantissa_exponent
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import MatrixWeight, Phase

DIGESTS = {
    ("learning", (400, 400, 10)): "ff7d9b49cfbd13d5a6f48f96c7ccded5",
    ("learning", (7, 5, 3)): "63d4664174138a71dc3bfb738e3f5a12",
    ("inference", (400, 400, 10)): "879fb79f1cbe2c0526ee4c6951362fa3",
    ("inference", (7, 5, 3)): "8d35acb50e60f44303f341ab2d9afe2c",
    ("single_layer", (400, 10)): "2f5c9fefd520c0a4703fd2ee22530e7d",
    ("single_layer", (7, 3)): "f983dcb023fa41fdb510281ab4b7f595",
    ("gating_chain", (20,) * 6): "63a6093c8c38693f6fb3eca981b924e0",
}  # their first half


@pytest.mark.parametrize(("name", "sizes"), DIGESTS)
def test_digests_that_results_were_made_with(name, sizes):
    assert lower(registry.build(name, sizes)).digest[:32] == DIGESTS[name, sizes]


# Worked out by hand from threshold T = 1024 * 2**e: ring 8192 + T + 64, gate 8192 + T / 2,
# gate_lt T / 2, gate_gt 8192, close -8128, copy T / 2 + 8, veto its negative.
NUMBERS = {
    0: (9280, 8704, 512, 8192, -8128, 520, -520),
    -1: (8768, 8448, 256, 8192, -8128, 264, -264),
    -2: (8512, 8320, 128, 8192, -8128, 136, -136),
    -3: (8384, 8256, 64, 8192, -8128, 72, -72),
}


@pytest.mark.parametrize("exponent", NUMBERS)
def test_the_kinds_by_hand(exponent):
    numbers = parameter_set("released", exponent)
    assert tuple(weight for weight, _ in numbers.kinds.values()) == NUMBERS[exponent]
    assert numbers.threshold == 1024 >> -exponent
    assert numbers.relay.bias == -8192 * 64


def test_where_closed_populations_end_in_mantissas():
    # (T + 8192) / 2**e without a gate, (T + 16320) / 2**e closed.
    limits = {e: (RELEASED if e == 0 else parameter_set("released", e)) for e in NUMBERS}
    assert [n.ungated_limit for n in limits.values()] == [9216, 17408, 33792, 66560]
    assert [n.closed_limit for n in limits.values()] == [17344, 33664, 66304, 131584]
    assert BEFORE_AUGUST_2024.closed_limit == 25_472


def test_one_exponent_further_no_gate_fits():
    # 8192 + 64 / 2 = 8224 = 257 * 32, and 257 needs nine bits.
    assert mantissa_exponent(8224) is None
    for exponent in (-4, 1, 0.0, True, None):
        with pytest.raises(SpecError, match=r"weight exponent .* from -3 to 0 \(below, "):
            parameter_set("released", exponent)
    with pytest.raises(SpecError, match="weight exponent 1;"):
        learning_circuit((4, 3, 2), weight_exponent=1)
    assert learning_circuit((4, 3, 2), np.int64(-1)).weight_exponent == -1


def test_only_the_exponent_of_matrices_and_the_scaled_kinds_change():
    plain, scaled = learning_circuit((7, 5, 3)), learning_circuit((7, 5, 3), -2)
    for before, after in zip(plain.projections, scaled.projections, strict=True):
        assert (before.source, before.target, before.kind, before.delay) == (
            after.source, after.target, after.kind, after.delay,
        )  # fmt: skip
        if isinstance(before.weight, MatrixWeight):
            assert (before.weight.exponent, after.weight.exponent) == (0, -2)
    assert {p.neuron.bias for p in scaled.populations} == {0, -8192 * 64}
    assert {p.neuron.threshold for p in scaled.populations} == {256}
    assert plain.phases == scaled.phases
    program = lower(scaled)
    assert {p.shift for p in program.projections if p.plastic} == {4}


@pytest.mark.parametrize("exponent", [-1, -2, -3])
@pytest.mark.parametrize(
    "make",
    [
        lambda e: learning_circuit((30, 20, 8), e),
        lambda e: inference_circuit((30, 20, 20, 8), e),
        lambda e: single_layer_circuit((30, 8), e),
        lambda e: deep_circuit((30, 20, 12, 8), e),
        lambda e: gating_chain(9, 5, 3, e),
    ],
    ids=["learning", "inference", "single_layer", "deep", "gating_chain"],
)
def test_inside_the_domain_the_exponent_changes_no_spike(make, exponent):
    """30 inputs of 256 are 7,680, below the 9,216 that fire an ungated relay at exponent 0."""
    rng = np.random.default_rng(4)
    plain, scaled = lower(make(0)), lower(make(exponent))
    weights = {n: 2 * rng.integers(-128, 128, (r, c)) for n, r, c in plain.parameters}
    stimulus = {
        source.name: rng.integers(0, 2, (15, source.size))
        for source in plain.sources
        if source.phase >= 0
    }
    runs = [
        compiled.run(p, p.state(weights), stimulus, record=ALL_SPIKES, strict=True)
        for p in (plain, scaled)
    ]
    assert first_difference(runs[0].spikes, runs[1].spikes, plain.period) is None
    assert runs[0].weights == runs[1].weights
    assert plain.digest != scaled.digest


def test_the_authors_code_before_august_2024():
    """16,256 for closing, no dead step, twelve closing projections more, and none on o-."""
    new, old = learning_circuit(), learning_circuit(parameters="before-august-2024")

    def closings(circuit):
        return {(p.source, p.target) for p in circuit.projections if p.kind == "close"}

    more = closings(old) - closings(new)
    hidden, output = ("h", "h<", "h>"), ("o", "o<", "o>")
    assert more == {(g, h) for g in ("g6", "g10", "g0") for h in hidden} | {
        ("g8", o) for o in output
    }
    assert len(more) == 12
    assert closings(new) - closings(old) == {("g4", "o-")}
    assert {p.weight for p in old.projections if p.kind == "close"} == {-16256}
    assert {p.neuron.refractory for p in old.populations} == {1}
    assert (new.parameter_set, old.parameter_set) == ("released", "before-august-2024")
    assert "parameters before-august-2024" in old.summary()
    others = [
        [(p.source, p.target, p.kind, p.delay) for p in c.projections if p.kind != "close"]
        for c in (new, old)
    ]
    assert others[0] == others[1]


def test_the_older_set_holds_what_the_released_one_lets_through():
    """W1 x = 70 * 254 = 17,780: beyond 17,344, and below the older set's 25,472."""
    weights = {"W1": np.full((4, 70), 254), "W2": np.full((2, 4), 254)}
    weights["W2"][0] = 200
    stimulus = {"input": np.ones((3, 70), int), "target": np.array([[0, 1]] * 3)}
    broke = {}
    for name in ("released", "before-august-2024"):
        program = lower(learning_circuit((70, 4, 2), parameters=name))
        run = compiled.run(program, program.state(weights), stimulus, record=ALL_SPIKES)
        broke[name] = int(run.counters.ungated(program).sum())
    assert broke["released"] > 0
    assert broke["before-august-2024"] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parameter_set("newest"), "no parameter set is called 'newest'; allowed: released"),
        (lambda: registry.build("deap", (3, 2)), "no circuit is called 'deap'; allowed: learning"),
        (
            lambda: registry.build("deep", (3, 2), parameters="before-august-2024"),
            "deep circuit: parameters is 'before-august-2024'; allowed: only 'released'",
        ),
        (lambda: registry.build("deep", (3, 2), ring=8), "a ring of 8 gates; allowed: its own 7"),
        (lambda: registry.build("gating_chain", (3, 2)), "sizes 3-2; allowed: one size"),
        (lambda: inference_circuit((3,)), "1 layer sizes, 3; allowed: 2 or more"),
        (lambda: inference_circuit((3, 2), names=("A", "B")), "2 names of weights; allowed: 1"),
    ],
)
def test_what_no_family_builds(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_every_family_by_name():
    assert registry.families()[:5] == (
        "learning", "inference", "single_layer", "gating_chain", "deep",
    )  # fmt: skip
    assert registry.build("learning", (5, 4, 3), weight_exponent=-1) == learning_circuit(
        (5, 4, 3), -1
    )
    assert registry.build("deep", [5, 4, 3, 2], ring=17) == deep_circuit((5, 4, 3, 2))
    assert registry.build("gating_chain", (6, 6, 6), ring=2) == gating_chain(6, 2, 2)


def test_what_the_building_blocks_refuse():
    with pytest.raises(SpecError, match="x -> s: no kind of synapse is called 'inhibit'; allowed"):
        Wiring().connect("x", "s", "inhibit")
    for phase in (3, -1):
        with pytest.raises(SpecError, match=f"phase is {phase}; allowed: a whole number from 0 to"):
            ring_phases(3, {phase: Phase()})
