"""A task: which circuits fit each other, and how the answer is read."""

from dataclasses import replace

import numpy as np
import pytest

from sbp.circuits import (
    deep_circuit,
    gating_chain,
    inference_circuit,
    learning_circuit,
    single_layer_circuit,
)
from sbp.engines import get
from sbp.errors import SpecError
from sbp.learn.task import Task
from sbp.program import lower
from sbp.run import Record
from sbp.spec import Parameter
from sbp.weights import Weights


def test_what_the_sizes_choose():
    paper = Task.of((400, 400, 10))
    assert paper.learning == learning_circuit()
    assert paper.reading == inference_circuit()
    assert (paper.answer, paper.phase, paper.names) == ("o", 3, ("W1", "W2"))
    assert (paper.n_inputs, paper.n_classes, paper.sizes) == (400, 10, (400, 400, 10))
    deep = Task.of((20, 15, 12, 10), -1)
    assert deep.learning == deep_circuit((20, 15, 12, 10), -1)
    assert deep.reading == inference_circuit((20, 15, 12, 10), -1)
    assert (deep.phase, deep.names) == (4, ("W1", "W2", "W3"))
    assert Task.of((20, 10)).learning == deep_circuit((20, 10))
    assert Task.of((20, 15, 10), circuit="deep").learning == deep_circuit((20, 15, 10))
    single = Task.of((20, 10), circuit="single_layer")
    assert single.learning == single_layer_circuit((20, 10))
    assert (single.names, single.reading.parameters) == (("W",), (Parameter("W", 10, 20),))
    old = Task.of((20, 15, 10), parameters="before-august-2024")
    assert old.learning.parameter_set == old.reading.parameter_set == "before-august-2024"


@pytest.mark.parametrize(
    ("sizes", "exponent", "family"),
    [
        ((30, 20, 7), 0, None), ((30, 20, 7), -3, None), ((30, 20, 16, 7), -2, None),
        ((30, 7), 0, "single_layer"), ((30, 7), -1, "deep"),
    ],
)  # fmt: skip
def test_answers_and_sums(sizes, exponent, family):
    """a_L in mantissas, whatever the depth and the exponent."""
    rng = np.random.default_rng(len(sizes))
    task = Task.of(sizes, exponent, family)
    weights = task.check({n: 2 * rng.integers(-80, 128, m.shape) for n, m in task.start().items()})
    x = rng.integers(0, 2, (20, sizes[0]))
    program = lower(task.reading)
    record = Record(spikes=task.answer, u=task.answer, phases=(task.phase,))
    run = get("compiled").run(program, program.state(weights), {"input": x}, record=record)
    layer = x
    for matrix in weights.values():
        sums = layer @ matrix.astype(int).T
        layer = sums > 512
    assert np.array_equal(task.sums(run.u["o"]), sums)
    assert np.array_equal(run.spikes["o"], layer)
    assert sums.min() < 0 < sums.max()


def test_the_start():
    assert Task.of((30, 20, 7)).start(3) == Weights.random((30, 20, 7), 3)
    assert Task.of((30, 7), circuit="single_layer").start(3)["W"].shape == (7, 30)
    learning = replace(learning_circuit((30, 20, 7)), sizes=(30, 21, 7))
    odd = Task(learning, inference_circuit((30, 20, 7)))
    with pytest.raises(SpecError, match=r"no layers of 30-21-7: W1 \(20, 30\), W2 \(7, 20\); give"):
        odd.start()


LEARNING, READING = learning_circuit((6, 5, 4)), inference_circuit((6, 5, 4))


def read_by(*sizes, **options):
    return lambda: Task(LEARNING, inference_circuit(sizes, **options))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Task(LEARNING, inference_circuit((6, 5, 3))),
            "target and answer .* 3; allowed: 4",
        ),
        (read_by(7, 5, 4), "input .*: 7; allowed: 6"),
        (
            lambda: Task(LEARNING, inference_circuit((6, 9, 4))),
            r"W1 \(9, 6\).* allowed: W1 \(5, 6\)",
        ),
        (
            lambda: Task(LEARNING, inference_circuit((6, 5, 4), names=["A", "B"])),
            r"parameters A \(5, 6\)",
        ),
        (lambda: Task(LEARNING, READING, "p"), "no population is called 'p'"),
        (lambda: Task(LEARNING, READING, phase=4), "phase of the answer is 4; .* 0 to 3"),
        (lambda: Task(READING, READING), "the inference circuit has no source 'target'"),
        (
            lambda: Task(LEARNING, LEARNING),
            "nothing is given to the source 'target'",
        ),
        (
            lambda: Task.of((6, 6), circuit="gating_chain"),
            "gating_chain circuit does not learn",
        ),
        (lambda: Task.of((6, 5, 4), circuit="inference"), "the inference circuit does not learn"),
        (lambda: Task.of((6,)), "deep circuit: 1 layer sizes"),
        (
            lambda: Task.of((6, 5, 4, 3), circuit="learning"),
            "4 layer sizes, 6-5-4-3; allowed: ex",
        ),
        (lambda: Task.of((6, 5), parameters="before-august-2024"), "deep circuit: parameters is"),
        (lambda: Task.of((6, 5), weight_exponent=-4), "weight exponent -4"),
        (lambda: Task.of((6, 5)).check({"W": np.zeros((5, 6), int)}), "no weights are called 'W'"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(SpecError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_circuit_of_one_s_own():
    """Any pair of circuits that fit; here the paper's under another name, read from its own h."""
    learning = replace(LEARNING, name="mine")
    task = Task(learning, replace(READING, name="my reading"))
    assert task.learning_program.name == "mine"
    assert task.start(1) == Weights.random((6, 5, 4), 1)
    assert task.reading_program.period == 4
    chain = gating_chain(6, 2)
    with pytest.raises(SpecError, match="has no source 'target'"):
        Task(chain, chain, "s2", 2)


def test_a_task_is_made_of_circuits_that_answer():
    learning, reading = learning_circuit((12, 7, 4)), inference_circuit((12, 7, 4))
    with pytest.raises(SpecError, match=r"circuits is of type str; allowed: a Circuit; Task\.of"):
        Task("learning", reading)
    with pytest.raises(SpecError, match="is of type Program; allowed: a Circuit"):
        Task(learning, lower(reading))
    for phase in (0, 1, 2):
        with pytest.raises(SpecError, match=f"o does not fire in phase {phase} .*; allowed: pha"):
            Task(learning, reading, phase=phase)
    assert Task(learning, reading) == Task(learning, reading, "o", 3)
