"""The compiled engine equals the reference engine: every spike, register, weight and counter."""

import copy
import dataclasses
import importlib.util
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import strategies
from cases import CASES, chain, learning
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import circuits, random_stimulus, random_weights

import sbp.run
from sbp import engines
from sbp.rows import pack, sum_rows
from sbp.difference import first_difference
from sbp.engines import compiled, reference
from sbp.errors import ChipError, SpecError
from sbp.program import lower
from sbp.run import Record, copies_parted
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


def one_fault_each():
    """Both populations fire in every step, and every projection learns where it must not."""
    excited = Neuron(bias=64, threshold=0)
    return Circuit(
        name="several",
        sizes=(1,),
        sources=(),
        populations=(Population("a", 1, excited), Population("b", 1, excited)),
        projections=(
            Projection("b", "a", "plastic", MatrixWeight("W"), "all-to-all"),
            Projection("a", "b", "plastic", MatrixWeight("W"), "all-to-all"),
        ),
        phases=(Phase(),),
        parameters=(Parameter("W", 1, 1),),
    )


def test_strict_mode_names_the_same_of_several_faults():
    program = lower(one_fault_each())
    for engine in ("reference", "compiled"):
        with pytest.raises(ChipError, match="unscheduled learning in b->a at step 0"):
            engines.get(engine).run(program, program.state({"W": [[0]]}), steps=1, strict=True)


@settings(max_examples=EXAMPLES // 3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(circuits(), st.integers(0, 2**32 - 1))
def test_strict_mode_ends_alike(circuit, seed):
    rng = np.random.default_rng(seed)
    program = lower(circuit)
    state, stimulus = (
        program.state(random_weights(circuit, rng)),
        random_stimulus(program, 5, rng),
    )
    said = []
    for engine in ("reference", "compiled"):
        try:
            run = engines.get(engine).run(program, state, stimulus, 40, strict=True)
            said.append(run.faults())
        except ChipError as error:
            said.append(str(error))
    assert said[0] == said[1]


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


def test_a_program_is_warned_about_once_and_another_again():
    sbp.run._warned.clear()
    program, state, stimulus = wrapping_case()
    with pytest.warns(RuntimeWarning, match="3 register wraps"):
        compiled.run(program, state, stimulus)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled.run(program, state, stimulus)
    other = lower(dataclasses.replace(program.circuit, name="another"))
    with pytest.warns(RuntimeWarning, match="3 register wraps in the another circuit"):
        reference.run(other, state, stimulus)


def test_parted_copies_are_counted():
    case = learning(n_h=4)
    low = np.full((10, 4), -256)
    state = case.program.state({"W1": np.zeros((4, 64), int), "W2": low})
    # The negative of -256 is held as 254: all 40 synapses of the one negated copy differ.
    assert (state.weights["o-->hT"] == 254).all()
    assert copies_parted(case.program, state) == {"W1": 0, "W2": 40}


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_what_to_record_may_be_an_iterator(engine):
    case = learning(samples=2)
    record = Record(
        spikes=(n for n in ("h", "o")), u=iter(["o"]), v=map(str, "x"), phases=iter(range(2, 4))
    )
    run = engines.get(engine).run(case.program, case.state, case.stimulus, record=record)
    assert (list(run.spikes), list(run.u), list(run.v)) == (["h", "o"], ["o"], ["x"])
    assert run.recorded.tolist() == [2, 3, 14, 15]
    assert run.spikes["h"].any()


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


def altered(run, what):
    """A copy of `run` in which one number differs."""
    run = copy.deepcopy(run)
    if what in ("spikes", "u", "v"):
        array = getattr(run, what)["h"]
        array[40, 3] ^= True
    elif what == "weights":
        run.state.weights["x->h"][2, 5] += 2
    elif what.startswith("final"):
        getattr(run.state, what[6:])[..., 70] ^= 1
    else:
        counter = getattr(run.counters, what.removeprefix("counted "))
        counter[3 if counter.ndim == 1 else (3, 2)] += 1
    return run


def test_the_first_difference_of_two_runs():
    case = learning(samples=5)
    run = reference.run(case.program, case.state, case.stimulus, record=EVERYTHING)
    assert first_difference(run, copy.deepcopy(run)) is None
    for what, place in (
        ("spikes", r"step 40 \(phase 4\), population h, neuron 3: \d against \d; 1 differing sp"),
        ("u", r"step 40 \(phase 4\), population h, neuron 3: u is -?\d+ against -?\d+ \(reg"),
        ("v", r"step 40 \(phase 4\), population h, neuron 3: v is"),
        ("weights", r"after the last step, weights x->h\[2, 5\]: .*; 1 differing weights in all"),
        ("final dead", r"after the last step, final dead of population x_mem, neuron 6: "),
        ("final pending", r"final pending of population x_mem, neuron 6: .*; 6 differing values"),
        (
            "counted steps",
            r"counted steps of the circuit in phase 3: 5 against 6; 1 differing counts",
        ),
        ("counted spikes", r": counted spikes of h in phase 3: "),
        ("counted synaptic_updates", r"counted synaptic updates of x->h in phase 3: "),
    ):
        found = first_difference(run, altered(run, what))
        assert re.search(place, str(found)), str(found)
    # The earliest of several, whatever it is found in.
    both = altered(altered(run, "u"), "weights")
    both.spikes["o"][50, 0] ^= True
    assert first_difference(run, both).what == "u"


def test_runs_that_cannot_be_compared_are_refused():
    case = learning(samples=3)
    run = reference.run(case.program, case.state, case.stimulus, record=EVERYTHING)
    shorter = reference.run(case.program, case.state, case.stimulus, 30, record=EVERYTHING)
    later = reference.run(case.program, run.state, case.stimulus, record=EVERYTHING)
    window = reference.run(case.program, case.state, case.stimulus, record=Record("all", stop=9))
    another = learning(n_h=5, samples=3)
    another = reference.run(another.program, another.state, another.stimulus)
    for other, message in (
        (shorter, "numbers of steps"), (later, "first steps"), (window, "recorded steps"),
        (another, "programs"), (run.spikes, "two runs, or two mappings"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=message):
            first_difference(run, other)


def test_runs_and_counters_show_themselves_in_short():
    case = learning(samples=2)
    run = compiled.run(case.program, case.state, case.stimulus, record=Record(spikes=("h", "o")))
    for shown in (run, run.counters):
        assert "\n" not in repr(shown)
        assert len(repr(shown)) < 250
        assert shown._repr_html_().count("<tr>") == shown._repr_html_().count("</tr>") > 5
    assert repr(run).startswith("<Run of learning 64-24-10 on compiled: steps 0 to 23, ")
    assert f"{run.counters.spikes.sum():,} spikes" in repr(run)
    assert "spikes of h, o" in run._repr_html_()
    hostile = dataclasses.replace(run, program=dataclasses.replace(run.program, name="<b>&"))
    assert "&lt;b&gt;&amp;" in hostile._repr_html_()


def test_counters_by_population_with_as_many_projections():
    """What belongs to projections is told by its name: their number may be that of populations."""
    circuit = dataclasses.replace(
        one_fault_each(), phases=(Phase(fires=("a", "b"), learns=("W",)),)
    )
    program = lower(circuit)
    run = reference.run(program, program.state({"W": [[0]]}), steps=4)
    run.counters.spikes[0] = 3, 5
    assert run.counters.per_population(program, "spikes").tolist() == [[3, 5]]
    run.counters.synaptic_operations[0] = 7, 9  # b->a, a->b
    assert run.counters.per_population(program, "synaptic_operations").tolist() == [[9, 7]]


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


def test_sums_beyond_32_bits():
    """2,000 arrivals of 32,640 weight units each: 4e9 register units, which wrap."""
    wide = Circuit(
        name="wide",
        sizes=(2000, 1),
        sources=(Source("input", 2000, 0),),
        populations=(Population("p", 1, Neuron()),),
        projections=(Projection("input", "p", "f", 255 << 7, "all-to-all"),),
        phases=(Phase(fires=("p",)),),
    )
    program = lower(wide)
    stimulus = {"input": np.ones((2, 2000), int)}
    assert_equal(
        reference.run(program, program.state(), stimulus, record=EVERYTHING),
        compiled.run(program, program.state(), stimulus, record=EVERYTHING),
    )


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


@pytest.mark.parametrize("exponent", [-2, 0, 1])
def test_hundreds_of_inputs_at_the_bounds(exponent):
    """What Fashion-MNIST brings: up to 700 spikes at once, all weights at their bounds."""
    matrix = MatrixWeight("W", exponent=exponent)
    circuit = Circuit(
        name="many",
        sizes=(700, 5),
        sources=(Source("input", 700, 0), Source("drive", 5, 1)),
        populations=(
            Population("x", 700, Neuron()), Population("h", 5, Neuron(threshold=131071, dv=2048)),
        ),
        projections=(
            Projection("input", "x", "copy", 1032),
            Projection("drive", "h", "drive", 127 << 7),
            Projection("x", "h", "plastic", matrix, "all-to-all"),
        ),
        phases=(Phase(fires=("h",)), Phase(reward=True), Phase()),
        parameters=(Parameter("W", 5, 700),),
    )  # fmt: skip
    program = lower(circuit)
    rng = np.random.default_rng(3)
    inputs = (rng.random((8, 700)) < np.array([1, 1, 0.9, 0.5, 0.36, 0.35, 0.1, 0.96])[:, None]) * 1
    stimulus = {"input": inputs, "drive": rng.integers(0, 2, (8, 5))}
    for weights in (np.full((5, 700), -256), np.full((5, 700), 254),
                    rng.choice([-256, 254], (5, 700))):  # fmt: skip
        state = program.state({"W": weights})
        assert_equal(
            reference.run(program, state, stimulus, record=EVERYTHING),
            compiled.run(program, state, stimulus, record=EVERYTHING),
        )


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("beyond", [-64, 0, 64])
def test_the_bias_takes_a_membrane_out_of_its_register(sign, beyond):
    """The current fits its 24 bits, the current and the bias together do not, or just do."""
    bias = sign * (4095 << 7)
    edge = 2**23 if sign > 0 else 2**23 + 64  # the register ends at 2**23 - 1 and at -2**23
    wanted = (edge - abs(bias) + beyond) // 64  # weight units that arrive
    parts = [255 << 7] * (wanted // (255 << 7))
    rest = wanted - sum(parts)
    parts += [(rest >> 7) << 7, rest & 127]
    assert sum(parts) == wanted
    circuit = Circuit(
        name="edge",
        sizes=(1,),
        sources=(Source("input", 1, 0),),
        populations=(Population("p", 1, Neuron(bias=bias, threshold=131071)),),
        projections=tuple(Projection("input", "p", "f", sign * part) for part in parts if part),
        phases=(Phase(), Phase(), Phase()),
    )
    program = lower(circuit)
    stimulus = {"input": np.array([[1], [0], [1]])}
    expected = reference.run(program, program.state(), stimulus, record=EVERYTHING)
    assert expected.u["p"][1, 0] == sign * 64 * wanted
    assert (expected.counters.wraps.sum() > 0) == (beyond >= 0)
    assert_equal(expected, compiled.run(program, program.state(), stimulus, record=EVERYTHING))
    bare = compiled.run(program, program.state(), stimulus)
    assert bare.counters == expected.counters


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_a_run_of_many_samples_that_starts_within_one(start):
    """The compiled engine lays out 1,024 samples at a time, cut at sample boundaries."""
    case = chain(samples=2100, stages=2, ring=5)
    before = reference.run(case.program, case.state, case.stimulus, start)
    record = Record(spikes="all", phases=(1, 2))
    expected = reference.run(case.program, before.state, case.stimulus, record=record)
    found = compiled.run(case.program, before.state, case.stimulus, record=record)
    assert expected.n_steps == 2100 * 5 - start
    assert first_difference(expected, found) is None


def twins():
    """a -> b and a -> c carry one parameter, and b and c fire alike unless `apart` comes in."""
    relay = Neuron(threshold=1000)
    drive = 2000
    circuit = Circuit(
        name="twins",
        sizes=(6, 5),
        sources=(Source("input", 6, 0), Source("both", 5, 0), Source("apart", 5, 0)),
        populations=(
            Population("a", 6, relay),
            *(Population(name, 5, relay) for name in ("b", "c")),
            Population("d", 5, Neuron(threshold=10_000)),
        ),
        projections=(
            Projection("input", "a", "f", drive),
            *(Projection("both", name, "f", 127 << 7) for name in ("b", "c", "d")),
            Projection("apart", "c", "f", drive),
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
    @given(strategies.twins(), st.integers(0, 2**32 - 1), st.integers(1, 30))
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
                assert_equal(expected, found)
                state = expected.state
            seen["one"] += before == places(session) < len(circuit.projections)
            seen["parted"] += before < places(session)

    check()
    assert min(seen.values()) > EXAMPLES // 20, seen


@pytest.mark.parametrize("weight", [0, 254, -256])
def test_copies_are_one_matrix_until_they_part(weight):
    program = twins()
    rng = np.random.default_rng(5)
    samples = 12
    stimulus = {
        "input": rng.integers(0, 2, (samples, 6)), "both": rng.integers(0, 2, (samples, 5)),
        "apart": np.zeros((samples, 5), int),
    }  # fmt: skip
    stimulus["both"][6] = 0, 1, 0, 0, 1
    stimulus["apart"][6] = 1, 0, 0, 0, 0  # from here on c has learned something else
    stimulus["input"][6] = 1
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
            # At the lower bound what c did more changes nothing: they part for all that.
            assert equal == (sample < 6 or weight == 254)
            assert places(session) == (1 if sample < 6 else 2)
            state = expected.state
        # A state in which two copies are equal opens as one matrix.
        again = engines.session("compiled", program, state)
        assert places(again) == (1 if weight == 254 else 2)
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


def test_a_state_with_arrivals_that_nobody_marked():
    """What is pending arrives, whether or not a spike is said to bring it."""
    case = chain(samples=3)
    state = case.program.state()
    rng = np.random.default_rng(1)
    state.pending[:] = rng.integers(-(2**22), 2**22, state.pending.shape)
    state.arriving[:] = rng.random(state.arriving.shape) < 0.1
    assert first_difference(
        reference.run(case.program, state, case.stimulus, record=EVERYTHING),
        compiled.run(case.program, state, case.stimulus, record=EVERYTHING),
    ) is None  # fmt: skip


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
