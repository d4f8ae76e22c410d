"""What a run returns: comparison, display, warnings, counters."""

import copy
import dataclasses
import re
import warnings

import numpy as np
import pytest
from cases import learning

import sbp.run
from sbp.checks.difference import first_difference
from sbp.engines import compiled, reference
from sbp.errors import SpecError
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
from sbp.testing import EVERYTHING


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


def test_a_record_keeps_what_there_is_and_refuses_the_rest():
    case = learning()
    period = case.program.period
    record = Record(spikes=["o", "h"], phases=iter([3, 5]))
    run = reference.run(case.program, case.state, case.stimulus, record=record)
    assert set(run.phases) == {3, 5}
    assert list(run.spikes) == ["o", "h"]
    assert run.at_phase("o", 3).tolist() == run.spikes["o"][run.phases == 3].tolist()
    for made, message in (
        (lambda: Record(phases=[-1]), "phase is -1"),
        (lambda: Record(phases="5"), "record phases is '5'; allowed: phases, for example"),
        (lambda: Record(start=1.5), "record: start is 1.5"),
        (lambda: Record(stop=-1), "record: stop is -1"),
        (lambda: run.at_phase("nope", 3), "population with recorded spikes is called 'nope'"),
        (lambda: run.at_phase("x", 3), "called 'x'; allowed: o, h"),
        (lambda: run.at_phase("o", period), f"phase is {period}; allowed: .* from 0 to 11"),
        (lambda: run.at_phase("o", 3, "w"), "no record is called 'w'; allowed: spikes, u, v"),
    ):
        with pytest.raises(SpecError, match=message):
            made()
    late = Record(spikes="all", phases=[period])
    for engine in (reference, compiled):
        with pytest.raises(SpecError, match=f"record of the learning circuit: phase is {period}"):
            engine.run(case.program, case.state, case.stimulus, record=late)


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
