"""Arguments of another type than is asked for: one line that says so, whatever is called.

Every function and class of `import sbp` is called with good arguments first, and then with each
of them replaced by things it cannot be.
"""

import inspect
import signal

import numpy as np
import pytest

import sbp
from sbp.circuits import registry
from sbp.circuits.gating import Wiring
from sbp.errors import SbpError
from sbp.files import program_file
from sbp.learn import checkpoint, data, measures
from sbp.learn.training import Settings, train

WRONG = (
    None, 3, -1, 1.5, True, "x", b"x", [1, 2], ["a", "b"], (), {}, {"a": 1}, {1: 2}, object(),
    float("nan"), [[1], [1, 2]], [None], 10**30,
)  # fmt: skip
NUMBER = {"weight_exponent": 0}
FAMILY = {**NUMBER, "parameters": "released"}


def calls(folder):
    """What is called, and with what: name -> (function, arguments, keyword arguments)."""
    digits = data.load("digits").take(20, 10)
    circuit = sbp.learning_circuit((64, 8, 10))
    program, task = sbp.lower(circuit), sbp.Task.of((64, 8, 10))
    weights, wiring = task.start(0), Wiring()
    state, settings = program.state(weights), Settings(hidden=4, epochs=1)
    x = digits.x_train[:2]
    stimulus = task.stimulus(x, measures.one_hot(digits.y_train[:2], 10))
    record = sbp.Record(spikes="all")
    run = sbp.engines.get("compiled").run(program, state, stimulus, record=record)
    trace = sbp.trace.record(circuit, stimulus, weights)
    saved = sbp.trace.write(trace, folder / "trace.npz")
    network = sbp.algebra.Network(weights)
    parts = ("name", "sizes", "sources", "populations", "projections", "phases", "parameters",
             "rule", "weight_exponent", "parameter_set")  # fmt: skip
    run_options = {"stimulus": stimulus, "steps": 3, "record": record}
    # Labels and flags are what anyone calls them.
    return {
        "learning_circuit": (sbp.learning_circuit, [(4, 3, 2)], FAMILY),
        "inference_circuit": (sbp.inference_circuit, [(4, 3, 2)], {**FAMILY, "names": ["a", "b"]}),
        "deep_circuit": (sbp.deep_circuit, [(4, 3, 3, 2)], NUMBER),
        "single_layer_circuit": (sbp.single_layer_circuit, [(4, 2)], NUMBER),
        "gating_chain": (sbp.gating_chain, [3, 2], {**NUMBER, "ring": 3}),
        "build": (sbp.build, ["learning", (4, 3, 2)], {**FAMILY, "ring": 12}),
        "build with names": (sbp.build, ["inference", (4, 3)], {"names": ["a"]}),
        "usual": (registry.usual, [3], {}),
        "lower": (sbp.lower, [circuit], {}),
        "Neuron": (sbp.Neuron, [0, 512, 1, 4096, 4096], {}),
        "Population": (sbp.Population, ["a", 3, sbp.RELAY], {}),
        "Source": (sbp.Source, ["a", 3, 0], {}),
        "Parameter": (sbp.Parameter, ["W1", 3, 2], {}),
        "Phase": (sbp.Phase, [("a",), ("W1",)], {}),
        "Projection": (sbp.Projection, ["a", "b", "copy", 520, "one-to-one", 0], {}),
        "MatrixWeight": (sbp.MatrixWeight, ["W1"], {"exponent": 0}),
        "LearningRule": (sbp.LearningRule, [2, -2], {}),
        "Circuit": (sbp.Circuit, [], {name: getattr(circuit, name) for name in parts}),
        "Weights": (sbp.Weights, [dict(weights)], {}),
        "Weights.chain": (sbp.Weights.chain, [dict(weights)], {}),
        "Weights.random": (sbp.Weights.random, [(4, 3, 2)], {"seed": 0, "names": ["a", "b"]}),
        "Weights.of_halves": (sbp.Weights.of_halves, [weights.halves], {}),
        "Weights.differing": (weights.differing, [weights], {}),
        "Program.state": (program.state, [weights], {}),
        "Program.weights": (program.weights, [state], {}),
        "Program.state_from": (program.state_from, [state.arrays()], {}),
        "Program.check_state": (program.check_state, [state], {}),
        "Program.check_stimulus": (program.check_stimulus, [stimulus], {}),
        "Program.index": (program.index, ["x"], {}),
        "Record": (sbp.Record, ["all", ("x",), ("x",), 0, 5, (1,)], {}),
        "reference": (sbp.engines.get("reference").run, [program, state], run_options),
        "compiled": (sbp.engines.get("compiled").run, [program, state], run_options),
        "engines.get": (sbp.engines.get, ["compiled"], {}),
        "engines.session": (sbp.engines.session, ["compiled", program, state], {}),
        "engines.chunk": (sbp.engines.chunk, ["compiled"], {}),
        "first_difference": (sbp.first_difference, [run, run], {}),
        "copies_parted": (sbp.copies_parted, [program, state], {}),
        "Run.at_phase": (run.at_phase, ["x", 1, "spikes"], {}),
        "Task": (sbp.Task, [task.learning, task.reading, task.answer, task.phase], {}),
        "Task.of": (sbp.Task.of, [(4, 3, 2)], {**FAMILY, "circuit": "learning"}),
        "Task.start": (task.start, [0], {}),
        "Task.check": (task.check, [weights], {}),
        "fit": (lambda *a, **k: next(sbp.fit(*a, **k)), [task, digits, "algebra"],
                {"epochs": 1, "seed": 0, "weights": weights, "inputs": None, "evaluations": 1}),
        "Settings": (Settings, ["algebra", 4, 1, 0],
                     {**FAMILY, "circuit": None, "evaluations": 1, "shift": 0}),
        "train": (train, [digits, settings],
                  dict.fromkeys(("task", "inputs", "progress", "options", "facts"))),
        "train into": (lambda to: train(digits, settings, folder=to), [folder / "run"], {}),
        "outputs": (measures.outputs, [x, weights, "algebra"], {"n_classes": 10, "task": None}),
        "evaluate": (measures.evaluate, [digits, weights, "algebra"], {"task": None}),
        "one_hot": (measures.one_hot, [digits.y_train, 10], {}),
        "load": (data.load, ["digits"], {"crop": 0, "threshold": 8}),
        "take": (digits.take, [5, 5], {}),
        "domain.limits": (sbp.domain.limits, [program], {}),
        "trace.record": (sbp.trace.record, [circuit, stimulus, weights], {}),
        "trace.write": (sbp.trace.write, [trace, saved], {}),
        "trace.read": (sbp.trace.read, [saved], {}),
        "trace.verify": (sbp.trace.verify, [trace, "compiled"], {}),
        "program_file": (lambda to: program_file.read(program_file.write(program, to)),
                         [folder / "p.sbp"], {}),
        "load_weights": (lambda to: checkpoint.load_weights(to), [folder / "run"], {}),
        "Network": (sbp.algebra.Network, [weights], {}),
        "Network.train": (network.train, list(stimulus.values()), {}),
        "Network.outputs": (network.outputs, [x], {}),
        "Wiring": (wiring.connect, ["a", "b", "copy", 0], {}),
        "Wiring.plastic": (wiring.plastic, ["a", "b", sbp.MatrixWeight("W1")], {}),
        "Wiring.ring": (wiring.ring, [3], {}),
        "ring_phases": (sbp.ring_phases, [3, {}], {}),
        "parameter_set": (sbp.parameter_set, ["released", 0], {}),
    }  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return calls(tmp_path_factory.mktemp("types"))


def test_every_function_of_the_package_is_in_the_table(table):
    called = {name.split(".")[0].split(" ")[0] for name in table}
    # Made by others, or by a program: nobody calls these.
    others = {"Counters", "Program", "ParameterSet", "Run", "SbpError", "State", "families"}
    functions = {name for name in sbp.__all__ if callable(getattr(sbp, name))}
    assert functions - others <= called, "say here how it is called"


def taken(parameters, given):
    """Names of the parameters that are given by their place."""
    return [p.name for p, _ in zip(parameters, given, strict=False)]


class Late(BaseException):
    """It went on for ten seconds; nothing that is refused for good reasons."""


def late(*_):
    raise Late


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
def test_arguments_of_another_type_are_refused_in_one_line(table, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # "x" is a good path
    before = signal.signal(signal.SIGALRM, late)
    raw, said, accepted = [], [], 0
    try:
        for name, (function, given, named) in table.items():
            parameters = inspect.signature(function).parameters.values()
            named = named | {
                p.name: p.default
                for p in parameters
                if p.default is not p.empty and p.name not in [*named, *taken(parameters, given)]
            }
            function(*given, **named)
            for place in (*range(len(given)), *named):
                for wrong in WRONG:
                    arguments, keywords = list(given), dict(named)
                    (keywords if place in named else arguments)[place] = wrong
                    signal.setitimer(signal.ITIMER_REAL, 10)
                    try:
                        function(*arguments, **keywords)
                        accepted += 1
                    except SbpError as error:
                        said.append(str(error))
                    except (Exception, Late) as error:
                        raw.append((name, place, f"{wrong!r:.20}", repr(error)))
                    finally:
                        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert raw == []
    assert [line for line in said if "\n" in line or len(line) > 800] == []
    assert accepted > 100  # a name for a name, a number for a number


def test_arrays_in_place_of_names_and_mappings(table):
    array = np.zeros((2, 2), int)
    for name in ("Program.state", "Program.check_stimulus", "engines.get", "Task.check", "Weights",
                 "Program.index", "parameter_set", "Weights.differing"):  # fmt: skip
        function, given, named = table[name]
        with pytest.raises(SbpError):
            function(array, *given[1:], **named)
