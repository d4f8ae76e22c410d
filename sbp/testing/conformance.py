"""The suite that every engine passes: equal to the reference engine in everything it returns.

See `sbp.testing` for how to run it.  An engine may refuse a program that it cannot hold exactly,
with a SpecError when the session is opened; what it runs, it runs as the chip would.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sbp import engines
from sbp.engines.protocol import parse_option
from sbp.errors import ChipError, SpecError
from sbp.program import Program, State, lower
from sbp.run import Record, Run
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
from sbp.testing import CASES, EVERYTHING, Case, assert_same
from sbp.testing.strategies import circuits, random_stimulus, random_weights, twins

SEEDS = st.integers(0, 2**32 - 1)


class Subject:
    """The engine under test, or its name, with its options."""

    def __init__(self, engine: str | engines.Engine, **options: Any) -> None:
        self.engine = engines.get(engine) if isinstance(engine, str) else engine
        self.options = options

    def session(self, program: Program, state: State) -> engines.Session:
        """Open a session."""
        return self.engine.session(program, state, **self.options)

    def run(
        self, program: Program, state: State, stimulus: Any = None, steps: Any = None, **more: Any
    ) -> Run:
        """Run once."""
        return self.engine.run(program, state, stimulus, steps, **more, **self.options)

    def run_or_refuse(self, program: Program, state: State, *arguments: Any, **more: Any) -> Run:
        """Run once; a program that the engine refuses is no example."""
        try:
            return self.run(program, state, *arguments, **more)
        except SpecError:
            assume(False)
            raise


def reference(program: Program, state: State, *arguments: Any, **options: Any) -> Run:
    """What is right."""
    return engines.get("reference").run(program, state, *arguments, **options)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Subject:
    """The engine named on the command line."""
    options = dict(map(parse_option, request.config.getoption("--option")))
    return Subject(request.config.getoption("--engine"), **options)


@pytest.fixture(scope="module")
def examples(request: pytest.FixtureRequest) -> int:
    """Random circuits for each property."""
    return int(request.config.getoption("--examples"))


@pytest.fixture(autouse=True)
def _expect_faults() -> Iterator[None]:
    # Random circuits wrap and learn out of turn all the time; the counters are compared.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def for_random(examples: int, *strategies: Any) -> Callable[[Callable[..., None]], None]:
    """Call the decorated function with `examples` random examples."""

    def run(check: Callable[..., None]) -> None:
        settings(
            max_examples=examples, deadline=None, database=None,
            suppress_health_check=[
                HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much,
            ],
        )(given(*strategies)(check))()  # fmt: skip

    return run


# --- what it says about itself ------------------------------------------------------------------


def test_it_says_what_it_is(engine: Subject) -> None:
    """The attributes of `sbp.engines.Engine`."""
    tested = engine.engine
    assert isinstance(tested, engines.Engine)
    assert tested.name
    assert tested.description
    assert "\n" not in tested.description
    assert tested.missing() is None
    assert tested.chunk(**engine.options) > 0
    for module in tested.modules:
        assert importlib.util.find_spec(module), module


def test_an_option_that_it_does_not_have_is_refused(engine: Subject) -> None:
    """In one line, not with a TypeError."""
    case = CASES["gating_chain"]()
    with pytest.raises(SpecError, match="no_such_option"):
        engine.engine.run(case.program, case.state, no_such_option=1)


# --- the same numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_circuits_of_the_package(engine: Subject, name: str) -> None:
    """Spikes, u and v of every step, weights, state and counters."""
    case = CASES[name]()
    expected = reference(case.program, case.state, case.stimulus, record=EVERYTHING)
    assert expected.counters.spikes.sum() > 50
    assert_same(expected, engine.run(case.program, case.state, case.stimulus, record=EVERYTHING))
    assert_same(
        reference(case.program, case.state, case.stimulus),
        engine.run(case.program, case.state, case.stimulus),
    )


def test_random_circuits(engine: Subject, examples: int) -> None:
    """Circuits nobody thought of: self-loops, parallel projections, wraps, odd schedules."""

    @for_random(examples, circuits(), SEEDS, st.integers(1, 8), st.sampled_from([None, 7, 70]))
    def check(circuit: Circuit, seed: int, samples: int, steps: int | None) -> None:
        rng = np.random.default_rng(seed)
        program = lower(circuit)
        state = program.state(random_weights(circuit, rng))
        stimulus = random_stimulus(program, samples, rng)
        expected = reference(program, state, stimulus, steps, record=EVERYTHING)
        found = engine.run_or_refuse(program, state, stimulus, steps, record=EVERYTHING)
        assert_same(expected, found)

        # An engine may leave out what nobody looks at: the end must be the same.
        bare = engine.run(program, state, stimulus, steps)
        assert bare.state.same_as(expected.state)
        assert bare.counters == expected.counters

        # Stopping anywhere and going on changes nothing.
        if steps is not None and expected.n_steps > 1:
            cut = int(rng.integers(1, expected.n_steps))
            first = engine.run(program, state, stimulus, cut)
            left = {n: s[cut // program.period :] for n, s in stimulus.items()}
            second = engine.run(program, first.state, left, expected.n_steps - cut)
            assert second.state.same_as(expected.state)
            assert first.counters + second.counters == expected.counters


def test_copies_that_learn_alike_and_part(engine: Subject, examples: int) -> None:
    """Several synapses carry one parameter; each learns for itself."""

    @for_random(examples, twins(), SEEDS, st.integers(1, 30))
    def check(circuit: Circuit, seed: int, cut: int) -> None:
        rng = np.random.default_rng(seed)
        program = lower(circuit)
        state = program.state(random_weights(circuit, rng))
        stimulus = random_stimulus(program, 10, rng)
        try:
            session = engine.session(program, state)
        except SpecError:
            assume(False)
            raise
        with session:
            for steps in (cut, None):
                expected = reference(program, state, stimulus, steps, record=EVERYTHING)
                assert_same(expected, session.run(stimulus, steps, record=EVERYTHING))
                state = expected.state


def wide(exponent: int) -> Program:
    """700 inputs through one matrix."""
    return lower(
        Circuit(
            name="wide",
            sizes=(700, 5),
            sources=(Source("input", 700, 0), Source("drive", 5, 1)),
            populations=(
                Population("x", 700, Neuron()), Population("h", 5, Neuron(threshold=131071)),
            ),
            projections=(
                Projection("input", "x", "copy", 1032),
                Projection("drive", "h", "drive", 127 << 7),
                Projection("x", "h", "plastic", MatrixWeight("W", exponent=exponent), "all-to-all"),
            ),
            phases=(Phase(fires=("h",)), Phase(reward=True), Phase()),
            parameters=(Parameter("W", 5, 700),),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("neuron", "spikes"),
    [
        (Neuron(threshold=200), "00000000"),  # exactly at the threshold
        (Neuron(threshold=199), "01111111"),
        (Neuron(threshold=199, refractory=3), "01001001"),
        (Neuron(threshold=500, dv=0), "00010010"),  # 200, 400, 600: it adds up, and starts again
        (Neuron(threshold=500, du=0), "00011111"),  # 200, 400, 600, 800: the current goes on
        (Neuron(threshold=420, dv=2048), "00000000"),  # 200, 300, 350, ...: half is forgotten
        (Neuron(threshold=370, dv=2048), "00001000"),
        (Neuron(bias=-64 * 100, threshold=100), "00000000"),
        (Neuron(bias=64 * 100, threshold=299), "01111111"),
    ],
)
def test_one_neuron(engine: Subject, neuron: Neuron, spikes: str) -> None:
    """200 weight units in every step: the rules of a neuron, one at a time."""
    program = single(neuron, [200], period=1)
    stimulus = {"input": np.ones((8, 1), int)}
    run = engine.run(program, program.state(), stimulus, record=EVERYTHING)
    assert "".join(map(str, run.spikes["p"][:, 0].astype(int))) == spikes
    assert_same(reference(program, program.state(), stimulus, record=EVERYTHING), run)


@pytest.mark.parametrize("weight", [-256, 254, None])
def test_hundreds_of_inputs_at_the_bounds(engine: Subject, weight: int | None) -> None:
    """What Fashion-MNIST brings: up to 700 spikes at once; sums of 16 bits are too short."""
    program = wide(0)
    rng = np.random.default_rng(3)
    shares = np.array([1, 1, 0.9, 0.5, 0.36, 0.35, 0.1, 0.96])
    stimulus = {
        "input": (rng.random((8, 700)) < shares[:, None]).astype(int),
        "drive": rng.integers(0, 2, (8, 5)),
    }
    matrix = np.full((5, 700), weight) if weight else rng.choice([-256, 254], (5, 700))
    state = program.state({"W": matrix})
    assert_same(
        reference(program, state, stimulus, record=EVERYTHING),
        engine.run(program, state, stimulus, record=EVERYTHING),
    )


def single(neuron: Neuron, weights: list[int], size: int = 1, period: int = 3) -> Program:
    """One neuron, all of `size` inputs on it with every one of `weights`."""
    return lower(
        Circuit(
            name="single",
            sizes=(size, 1),
            sources=(Source("input", size, 0),),
            populations=(Population("p", 1, neuron),),
            projections=tuple(
                Projection("input", "p", "f", weight, "all-to-all") for weight in weights
            ),
            phases=(Phase(fires=("p",)),) * period,
        )
    )


@pytest.mark.parametrize("refractory", [33, 40, 63])
def test_a_neuron_stays_dead_through_a_long_silence(engine: Subject, refractory: int) -> None:
    """Whether or not anything reaches it meanwhile, it is dead for ``refractory - 1`` steps."""
    program = single(Neuron(threshold=199, refractory=refractory), [200], period=1)
    shown = np.zeros((3 * refractory, 1), int)
    # It fires; then it is reached within its dead time, in the last step of it and in the next.
    shown[[0, refractory - 3, refractory - 1, refractory, 2 * refractory, 2 * refractory + 1]] = 1
    for record in (Record(spikes=["p"]), EVERYTHING):
        found = engine.run(program, program.state(), {"input": shown}, record=record)
        assert_same(reference(program, program.state(), {"input": shown}, record=record), found)
        assert np.flatnonzero(found.spikes["p"]).tolist() == [1, 1 + refractory, 1 + 2 * refractory]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("beyond", [-64, 0, 64])
def test_the_bias_takes_a_membrane_out_of_its_register(
    engine: Subject, sign: int, beyond: int
) -> None:
    """The current fits its 24 bits, the current and the bias together do not, or just do."""
    bias = sign * (4095 << 7)
    edge = 2**23 if sign > 0 else 2**23 + 64  # the register ends at 2**23 - 1 and at -2**23
    wanted = (edge - abs(bias) + beyond) // 64  # weight units that arrive
    parts = [255 << 7] * (wanted // (255 << 7))
    rest = wanted - sum(parts)
    parts += [part for part in (rest >> 7 << 7, rest & 127) if part]
    program = single(Neuron(bias=bias, threshold=131071), [sign * part for part in parts])
    stimulus = {"input": np.array([[1], [0], [1]])}
    expected = reference(program, program.state(), stimulus, record=EVERYTHING)
    assert expected.u["p"][1, 0] == sign * 64 * wanted
    assert (expected.counters.wraps.sum() > 0) == (beyond >= 0)
    assert_same(expected, engine.run(program, program.state(), stimulus, record=EVERYTHING))
    bare = engine.run(program, program.state(), stimulus)
    assert bare.counters == expected.counters


def test_both_registers_of_a_neuron_wrap_in_one_step(engine: Subject) -> None:
    """The current just above its register, where the bias takes the membrane out below: two."""
    program = single(Neuron(bias=-(4095 << 7)), [*[255 << 7] * 4, 4 << 7, 1])
    assert sum([*[255 << 7] * 4, 4 << 7, 1]) * 64 == 2**23 + 64
    stimulus = {"input": np.ones((2, 1), int)}
    expected = reference(program, program.state(), stimulus, record=EVERYTHING)
    found = engine.run(program, program.state(), stimulus, record=EVERYTHING)
    assert_same(expected, found)
    assert found.faults()["register wraps"] == 4


def test_sums_beyond_32_bits(engine: Subject) -> None:
    """2,000 arrivals of 32,640 weight units each: 4e9 register units, which wrap."""
    program = single(Neuron(), [255 << 7], size=2000, period=1)
    stimulus = {"input": np.ones((2, 2000), int)}
    assert_same(
        reference(program, program.state(), stimulus, record=EVERYTHING),
        engine.run(program, program.state(), stimulus, record=EVERYTHING),
    )


def test_a_state_with_arrivals_that_nobody_marked(engine: Subject) -> None:
    """What is pending arrives, whether or not a spike is said to bring it."""
    case = CASES["gating_chain"]()
    state = case.program.state()
    rng = np.random.default_rng(1)
    state.pending[:] = 64 * rng.integers(-(2**16), 2**16, state.pending.shape)
    state.arriving[:] = rng.random(state.arriving.shape) < 0.1
    assert_same(
        reference(case.program, state, case.stimulus, record=EVERYTHING),
        engine.run(case.program, state, case.stimulus, record=EVERYTHING),
    )


# --- sessions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["learning", "deep"])
def test_a_session_goes_on_where_it_stood(engine: Subject, name: str) -> None:
    """Many calls of a session are one run."""
    case = CASES[name]()
    whole = reference(case.program, case.state, case.stimulus, record=EVERYTHING)
    before, parts = case.state.copy(), []
    with engine.session(case.program, case.state) as session:
        assert session.program == case.program
        for first, last in ((0, 7), (7, 7), (7, 8), (8, None)):
            parts.append(session.run(case.part(slice(first, last)), record=EVERYTHING))
            assert session.state.same_as(parts[-1].state)
        end = session.state
    assert end.same_as(whole.state)
    assert case.state.same_as(before), "the state that a session is opened with is left unchanged"
    for what in ("spikes", "u", "v"):
        for name, array in getattr(whole, what).items():
            joined = np.concatenate([getattr(part, what)[name] for part in parts])
            assert np.array_equal(array, joined), (what, name)
    counters = parts[0].counters
    for part in parts[1:]:
        counters = counters + part.counters
    assert counters == whole.counters


def test_states_are_copies(engine: Subject) -> None:
    """What a caller does with a state is nothing to the session, nor to another copy in it."""
    case = CASES["learning"]()
    with engine.session(case.program, case.state) as session:
        run = session.run(case.part(slice(0, 3)))
        expected = run.state.copy()
        session.state.u[:] = 7
        session.state.weights["x->h"][:] = 100
        run.state.pending[:] = 9
        run.state.weights["x->h"][:] = 100
        assert np.array_equal(run.state.weights["x->h<"], expected.weights["x->h<"])
        assert session.state.same_as(expected)
        later = session.run(case.part(slice(3, None)))
    assert later.state.same_as(reference(case.program, case.state, case.stimulus).state)


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_a_run_of_many_samples_that_starts_within_one(engine: Subject, start: int) -> None:
    """Samples are laid out in blocks by some engines, and cut where samples begin."""
    program = single(Neuron(threshold=1000), [2000], period=5)
    samples = 2100 if engine.engine.chunk(**engine.options) >= 200 else 60
    stimulus = {"input": np.random.default_rng(start).integers(0, 2, (samples, 1))}
    before = reference(program, program.state(), stimulus, start)
    record = Record(spikes="all", phases=(1, 2))
    expected = reference(program, before.state, stimulus, record=record)
    assert expected.n_steps == samples * 5 - start
    assert_same(expected, engine.run(program, before.state, stimulus, record=record))


def test_no_steps_change_nothing(engine: Subject) -> None:
    """Nor do they when everything is recorded."""
    case = CASES["learning"]()
    with engine.session(case.program, case.state) as session:
        session.run(case.part(slice(0, 5)))
        before = session.state
        run = session.run({}, 0, record=EVERYTHING)
        assert session.state.same_as(before)
    assert run.n_steps == 0
    assert run.spikes["h"].shape == (0, 12)


def test_windows_and_phases_are_recorded_and_nothing_else(engine: Subject) -> None:
    """The record may be made of iterators."""
    case = CASES["learning"]()
    record = Record(
        spikes=(name for name in ("h", "input")), u=iter(["o"]), start=13, stop=50,
        phases=iter((0, 2, 3)),
    )  # fmt: skip
    expected = reference(case.program, case.state, case.stimulus, record=record)
    assert expected.recorded.tolist() == [s for s in range(13, 50) if s % 12 in (0, 2, 3)]
    assert_same(expected, engine.run(case.program, case.state, case.stimulus, record=record))


# --- strict mode --------------------------------------------------------------------------------


def stray(first: str = "b") -> tuple[Program, State]:
    """Both projections of a circuit learn in a phase where they must not; `first` sends one."""
    excited = Neuron(bias=4000 << 5, threshold=1)  # fires in every step
    both = (
        Projection("b", "a", "plastic", MatrixWeight("V"), "all-to-all"),
        Projection("a", "b", "plastic", MatrixWeight("W"), "all-to-all"),
    )
    circuit = Circuit(
        name="stray",
        sizes=(3, 2),
        sources=(Source("input", 3, 0),),
        populations=(Population("a", 3, excited), Population("b", 2, excited)),
        projections=tuple(sorted(both, key=lambda projection: projection.source != first)),
        phases=(Phase(fires=("a", "b"), learns=("V", "W")), Phase(fires=("a", "b"))),
        parameters=(Parameter("V", 3, 2), Parameter("W", 2, 3)),
    )
    program = lower(circuit)
    return program, program.state({"V": np.zeros((3, 2), int), "W": np.zeros((2, 3), int)})


def wrapping() -> tuple[Program, State, dict[str, np.ndarray]]:
    """Twenty times the largest weight is more than a register holds."""
    program = single(Neuron(), [255 << 7] * 20, period=2)
    return program, program.state(), {"input": np.ones((3, 1), int)}


def test_strict_mode_names_the_first_fault(engine: Subject) -> None:
    """Of several in a step: wraps before learning, each in the order of the program."""
    program, state, stimulus = wrapping()
    with pytest.raises(ChipError, match=r"register wrap in population p at step 1 \(phase 1\)"):
        engine.run(program, state, stimulus, strict=True)
    assert engine.run(program, state, stimulus).faults()["register wraps"] == 3

    for first, named in (("a", "a->b"), ("b", "b->a")):
        program, state = stray(first)
        with pytest.raises(ChipError, match=rf"learning in {named} at step 1 \(phase 1\)"):
            engine.run(program, state, None, 6, strict=True)
    found = engine.run(program, state, None, 6)
    # 3 steps in phase 1, 6 synapses in each of two projections; 6 steps of -2 from 0.
    assert found.faults()["coincidences outside the learning phases"] == 36
    assert (found.weights["W"] == -12).all()


def test_strict_mode_ends_as_the_reference_does(engine: Subject, examples: int) -> None:
    """The same fault in the same words, or none."""

    @for_random(max(examples // 3, 1), circuits(), SEEDS)
    def check(circuit: Circuit, seed: int) -> None:
        rng = np.random.default_rng(seed)
        program = lower(circuit)
        state = program.state(random_weights(circuit, rng))
        stimulus = random_stimulus(program, 5, rng)
        said: list[object] = []
        for run in (reference, engine.run_or_refuse):
            try:
                said.append(run(program, state, stimulus, 40, strict=True).faults())
            except ChipError as error:
                said.append(str(error))
        assert said[0] == said[1]


@pytest.mark.parametrize("fault", [stray, wrapping])
def test_after_an_error_of_strict_mode(engine: Subject, fault: Callable[[], Any]) -> None:
    """The session stands where it stood before the call, or has ended and says so."""
    program, state, *shown = fault()
    stimulus = shown[0] if shown else {"input": np.ones((2, 3), int)}
    with engine.session(program, state) as session:
        session.run(steps=1)
        before = session.state
        with pytest.raises(ChipError):
            session.run(stimulus, strict=True)
        ended, after = "", None
        try:
            after = session.run(steps=3).state
        except Exception as error:
            ended = str(error)
        if after is None:
            assert "ended" in ended
        else:
            assert after.same_as(reference(program, before, steps=3).state)


# --- what does not fit --------------------------------------------------------------------------


def test_a_stimulus_that_does_not_fit_is_refused(engine: Subject) -> None:
    """Before anything has run."""
    case = CASES["learning"]()
    shown = case.stimulus
    with engine.session(case.program, case.state) as session:
        for stimulus, message in (
            ({"inputs": shown["input"]}, "no source is called 'inputs'; allowed: input, targ"),
            ({"input": shown["input"][:, :-1]}, r"shape \(15, 23\); allowed: \(n_samples, 24"),
            ({"input": 2 * shown["input"]}, "other than 0 and 1"),
            ({**shown, "target": shown["target"][:3]}, "samples differ"),
        ):
            with pytest.raises(SpecError, match=message):
                session.run(stimulus)
        for steps in (-3, 2.0, True):
            with pytest.raises(SpecError, match="steps is"):
                session.run(steps=steps)  # type: ignore[arg-type]
        with pytest.raises(SpecError, match="no population is called 'hx'"):
            session.run(shown, record=Record(spikes="hx"))
        assert session.state.same_as(case.state)


def test_a_state_of_another_program_is_refused(engine: Subject) -> None:
    """By its shapes."""
    case, other = CASES["learning"](), CASES["deep"]()
    with pytest.raises(SpecError, match=r"the state's .* has shape"):
        engine.run(case.program, other.state, case.stimulus)
    cut = case.state.copy()
    cut.pending = cut.pending[:-1]
    with pytest.raises(SpecError, match="the state's pending has shape"):
        engine.run(case.program, cut, case.stimulus)


__all__ = [name for name in dir() if name.startswith("test_")]
__all__ += ["Case", "Subject", "_expect_faults", "engine", "examples", "reference"]
