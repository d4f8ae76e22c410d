"""Training: any depth, any circuit, any engine, epoch by epoch."""

import subprocess
import sys
import tracemalloc
import warnings
from dataclasses import asdict, replace

import numpy as np
import pytest
from conftest import ENVIRONMENT, PATIENCE

from sbp import engines
from sbp.circuits import inference_circuit, learning_circuit
from sbp.errors import SpecError
from sbp.learn import data, learners
from sbp.learn.augment import Shifts
from sbp.learn.checkpoint import RunFolder, load_history, load_weights
from sbp.learn.measures import Measures, evaluate, one_hot, outputs, silent_layer, task_of
from sbp.learn.task import Task
from sbp.learn.training import Settings, Training, epoch_order, fit, train, train_seeds
from sbp.weights import Weights


@pytest.fixture(scope="module")
def digits():
    return data.load("digits").take(120, 60)


# --- an oracle: the algebra, sample by sample, in whole numbers -----------------------------------


def clip(matrix):
    return np.clip(matrix, -256, 254)


def forward(weights, x):
    """Sums and spikes of every layer."""
    sums, layers = [], [x.astype(np.int64)]
    for matrix in weights:
        sums.append(matrix @ layers[-1])
        layers.append((sums[-1] > 512).astype(np.int64))
    return sums, layers


def learn(weights, negated, x, target):
    """One sample of the deep circuit's step, in place."""
    sums, layers = forward(weights, x)
    a, o, t = sums[-1], layers[-1] > 0, target > 0
    plus, minus = [None] * len(weights), [None] * len(weights)
    plus[-1] = (t & ~o & (a > 0)).astype(np.int64)
    minus[-1] = (o & ~t & ~(a > 1024)).astype(np.int64)
    for k in reversed(range(len(weights) - 1)):
        box = (sums[k] > 0) & ~(sums[k] > 1024)
        above, copy = weights[k + 1].T, negated[k + 1].T
        plus[k] = ((above @ plus[k + 1] + copy @ minus[k + 1] > 0) & box).astype(np.int64)
        minus[k] = ((above @ minus[k + 1] + copy @ plus[k + 1] > 0) & box).astype(np.int64)
    for k in range(len(weights)):
        up, down = np.outer(plus[k], layers[k]), np.outer(minus[k], layers[k])
        weights[k][:] = clip(clip(weights[k] + 2 * up) - 2 * down)
        negated[k][:] = clip(clip(negated[k] + 2 * down) - 2 * up)


def oracle(dataset, task, epochs, seed, equal_copies=False, start=None):
    """Weights after every epoch."""
    start = start or task.start(seed)
    weights = [matrix.astype(np.int64) for matrix in start.values()]
    negated = [clip(-matrix) for matrix in weights]
    targets, found = np.eye(dataset.n_classes, dtype=np.int64)[dataset.y_train], []
    for epoch in range(1, epochs + 1):
        for row in epoch_order(seed, epoch, len(targets)):
            learn(weights, negated, dataset.x_train[row], targets[row])
        if equal_copies:
            negated = [clip(-matrix) for matrix in weights]
        found.append(Weights(dict(zip(task.names, [m.copy() for m in weights], strict=True))))
    return found


TASKS = {
    "the paper's": Task.of((64, 20, 10)),
    "three layers": Task.of((64, 20, 16, 10)),
    "four layers": Task.of((64, 20, 18, 16, 10)),
    "one layer": Task.of((64, 10)),
    "single-layer circuit": Task.of((64, 10), circuit="single_layer"),
    "exponent -1": Task.of((64, 20, 10), -1),
    "deep, exponent -2": Task.of((64, 20, 16, 10), -2),
    "of before August 2024": Task.of((64, 20, 10), parameters="before-august-2024"),
}


@pytest.mark.parametrize("engine", ["algebra", "compiled"])
@pytest.mark.parametrize("name", TASKS)
def test_every_task_trains_as_the_algebra_says(digits, name, engine):
    task, epochs = TASKS[name], 2
    expected = oracle(digits, task, epochs, seed=3)
    found = list(fit(task, digits, engine, epochs=epochs, seed=3))
    assert [epoch.epoch for epoch in found] == [1, 2]
    for epoch, weights in zip(found, expected, strict=True):
        assert epoch.weights == weights
        layers = [forward(list(weights.values()), x) for x in digits.x_test.astype(np.int64)]
        sums = np.array([a[-1] for a, _ in layers])
        measures = Measures.of(sums > 512, sums, digits.y_test)
        assert {m: getattr(epoch, m) for m in asdict(measures)} == asdict(measures)
        assert epoch.seconds > 0


def test_a_circuit_of_one_s_own_trains_and_its_weights_have_its_names(digits, tmp_path):
    """The paper's circuit with parameters of other names, as an outsider might write it."""
    names = {"W1": "first", "W2": "second"}

    def renamed(circuit):
        return replace(
            circuit,
            name=f"my {circuit.name}",
            parameters=tuple(replace(p, name=names[p.name]) for p in circuit.parameters),
            projections=tuple(
                replace(p, weight=replace(p.weight, parameter=names[p.weight.parameter]))
                if hasattr(p.weight, "parameter") else p
                for p in circuit.projections
            ),
            phases=tuple(
                replace(p, learns=tuple(names[n] for n in p.learns)) for p in circuit.phases
            ),
        )  # fmt: skip

    sizes = (64, 12, 10)
    mine = Task(renamed(learning_circuit(sizes)), renamed(inference_circuit(sizes)))
    ours = train(digits, Settings("compiled", 12, 2, 5))
    folder = RunFolder(tmp_path / "run")
    found = train(digits, Settings("compiled", 12, 2, 5), task=mine, folder=folder)
    assert found.weights.names == ("first", "second")
    assert [dict(e, seconds=0) for e in found.epochs] == [dict(e, seconds=0) for e in ours.epochs]
    assert list(map(np.ndarray.tolist, found.weights.values())) == list(
        map(np.ndarray.tolist, ours.weights.values())
    )
    assert load_weights(folder.path) == load_weights(folder.weights) == found.weights
    more = train(digits, Settings("compiled", 12, 3, 5), task=mine, folder=folder, resume=True)
    assert [e["epoch"] for e in more.epochs] == [1, 2, 3]
    with pytest.raises(SpecError, match="the algebra does not compute what the my learning"):
        train(digits, Settings("algebra", 12, 2, 5), task=mine)


def test_an_engine_of_others_trains(digits, monkeypatch):
    """Whatever `sbp.engines` knows by name."""
    monkeypatch.setattr("sbp.learn.training.ENGINES", ("mine",))
    monkeypatch.setattr(engines, "get", lambda name, real=engines.get: real("compiled"))
    (epoch,) = fit(TASKS["the paper's"], digits, "mine", epochs=1)
    assert epoch.weights == oracle(digits, TASKS["the paper's"], 1, 0)[0]


# --- what is measured, and when ------------------------------------------------------------------


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_parts_of_epochs_are_measured_and_change_nothing(digits, parts, tmp_path):
    task = TASKS["the paper's"]
    whole = list(fit(task, digits, epochs=2))
    found = list(fit(task, digits, epochs=2, evaluations=parts))
    assert np.allclose([e.epoch for e in found], np.arange(1, 2 * parts + 1) / parts, atol=1e-6)
    assert [type(e.epoch) for e in found[parts - 1 :: parts]] == [int, int]
    for one, other in zip(whole, found[parts - 1 :: parts], strict=True):
        assert replace(one, seconds=0) == replace(other, seconds=0)
    # The first part by hand.
    (first,) = fit(task, _first(digits, len(digits.x_train) // parts), epochs=1)
    assert first.weights == found[0].weights


def _first(dataset, n):
    """The first `n` samples of the first epoch, in an order that the seed leaves as it is."""
    order = epoch_order(0, 1, len(dataset.x_train))[:n]
    undone = np.argsort(epoch_order(0, 1, n))
    return replace(dataset, x_train=dataset.x_train[order][undone],
                   y_train=dataset.y_train[order][undone])  # fmt: skip


def test_more_or_fewer_parts_after_an_interruption(digits, tmp_path):
    """How often is measured is no part of what a run is."""
    folder = RunFolder(tmp_path)

    def stop(epoch, done, n, history):
        if epoch == 2 and done > n // 2:
            raise KeyboardInterrupt

    learners_chunk = replace(Settings("compiled", 8, 3), evaluations=2)
    with pytest.raises(KeyboardInterrupt):
        train(digits, replace(learners_chunk, evaluations=4), folder=folder, progress=stop)
    passed = [e["epoch"] for e in RunFolder(tmp_path).saved().history["epochs"]]
    assert passed == [0.25, 0.5, 0.75, 1, 1.25, 1.5]
    found = train(digits, learners_chunk, folder=folder, resume=True)
    assert [e["epoch"] for e in found.epochs] == [*passed, 2, 2.5, 3]
    assert found.digest == train(digits, Settings("compiled", 8, 3)).digest


def test_equal_copies(digits):
    """The copies are made equal after every epoch: only then do the weights go another way."""
    task = TASKS["the paper's"]
    rng = np.random.default_rng(0)
    # Many weights at the bounds, where copies part.
    start = task.check({
        name: rng.choice([-256, -254, 2, 252, 254], matrix.shape)
        for name, matrix in task.start(0).items()
    })  # fmt: skip
    expected = {equal: oracle(digits, task, 3, 0, equal, start)[-1] for equal in (False, True)}
    assert expected[False] != expected[True], "an example that shows nothing"
    for engine in ("algebra", "compiled"):
        for equal, weights in expected.items():
            *_, last = fit(task, digits, engine, epochs=3, weights=start, equal_copies=equal)
            assert last.weights == weights, (engine, equal)


def test_equal_copies_are_part_of_what_a_run_is(digits, tmp_path):
    folder = RunFolder(tmp_path)
    chosen = Settings("compiled", 8, 2, equal_copies=True)

    def stop(epoch, done, n, history):
        if len(history) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(digits, chosen, folder=folder, progress=stop)
    with pytest.raises(OSError, match="equal_copies is True there and False here"):
        train(digits, replace(chosen, equal_copies=False, epochs=3), folder=RunFolder(tmp_path),
              resume=True)  # fmt: skip
    assert train(digits, chosen, folder=folder, resume=True).digest == train(digits, chosen).digest


# --- silence -------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["algebra", "compiled"])
@pytest.mark.parametrize("layer", [1, 2])
def test_a_layer_that_falls_silent_is_told_once_while_training(digits, layer, engine):
    task = TASKS["three layers"]
    weights = task.start(0).copy()
    weights[f"W{layer}"][:] = -2
    training = fit(task, digits, engine, epochs=2, weights=weights)
    with pytest.warns(RuntimeWarning, match=f"hidden layer {layer} has fallen silent by epoch 1"):
        next(training)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(training)


def test_a_network_that_learns_is_not_called_silent(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(fit(TASKS["four layers"], digits, epochs=1))
        # Outputs that do not fire yet are no silence: their sums are there.
        weights = TASKS["the paper's"].start(0).copy()
        weights["W2"][:] = 2
        list(fit(TASKS["the paper's"], digits, epochs=1, weights=weights))


def test_silent_layer():
    weights = {name: np.full((9, 9), 254, np.int16) for name in ("W1", "W2", "W3")}
    inputs = np.ones((5, 9), np.uint8)
    assert silent_layer(weights, inputs) is None
    for layer in (3, 2, 1):
        weights[f"W{layer}"][:] = 56  # 9 * 56 = 504, not above 512
        assert silent_layer(weights, inputs) == layer
    # Exact in float32 too: 65,536 inputs of 254 and one of -256 less.
    wide = np.full((1, 1 << 16), 254, np.int16)
    assert silent_layer({"W1": wide}, np.ones((1, 1 << 16), np.uint8)) is None


# --- data, settings and helpers ------------------------------------------------------------------


def test_shifts(tmp_path):
    digits = data.load("digits", crop=1).take(100, 40)
    chosen = Settings("algebra", 10, 3, seed=2, shift=1)
    found = train(digits, chosen)
    *_, last = fit(
        chosen.task(digits), digits, epochs=3, seed=2, inputs=Shifts.of(digits, 1, seed=2)
    )
    assert found.digest == last.weights.digest != train(digits, replace(chosen, shift=0)).digest
    folder = RunFolder(tmp_path)

    def stop(epoch, done, n, history):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(digits, chosen, folder=folder, progress=stop)
    assert train(digits, chosen, folder=folder, resume=True).digest == found.digest


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden": (4, 0)}, "hidden is 0; allowed: a whole number from 1 to 65536"),
        ({"hidden": "40"}, "hidden is '40'"),
        ({"hidden": (4, True)}, "hidden is True"),
        ({"epochs": 0}, "epochs is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"weight_exponent": 1}, "weight_exponent is 1; allowed: a whole number from -3 to 0"),
        ({"evaluations": 0}, "evaluations is 0"),
        ({"shift": -1}, "shift is -1"),
        ({"engine": "gpu"}, "no engine is called 'gpu'"),
    ],
)
def test_settings_that_make_no_sense(fields, message):
    with pytest.raises(SpecError, match=message):
        Settings(**fields)


def test_settings_take_numpy_s_numbers():
    assert Settings(hidden=(np.int64(4), np.uint8(5)), epochs=np.int32(2)).layers == (4, 5)
    assert Settings(hidden=(7,)) == Settings(hidden=7)
    assert Settings(hidden=()).layers == ()


def test_task_and_data_have_to_fit(digits):
    with pytest.raises(SpecError, match="the network is 60-20-10, data set digits has 64 inputs"):
        next(fit(Task.of((60, 20, 10)), digits))
    with pytest.raises(SpecError, match="the weights W2 are missing"):
        next(fit(Task.of((64, 20, 10)), digits, weights={"W1": np.zeros((20, 64), int)}))
    with pytest.raises(SpecError, match="allowed: 2 to 13"):
        Settings(hidden=(4,) * 13).task(digits)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([-1], "labels are -1 to -1; allowed: 0 to 9"), ([10], "labels are 10 to 10"),
     ([1.5], "labels are float64"), ([[1]], r"of shape \(1, 1\)"), ([True], "labels are bool")],
)  # fmt: skip
def test_one_hot_wraps_nothing(labels, message):
    with pytest.raises(SpecError, match=message):
        one_hot(np.array(labels), 10)
    assert one_hot(np.array([], int), 3).shape == (0, 3)
    assert one_hot(np.array([2, 0], np.uint8), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_network_is_read_with_its_own_exponent_and_circuit(digits):
    task = Task.of((64, 20, 10), -2)
    weights = task.start(1)
    sums = {
        engine: outputs(digits.x_test, weights, engine, task=task)[1]
        for engine in ("algebra", "compiled")
    }
    assert np.array_equal(sums["algebra"], sums["compiled"])
    assert task_of(weights, {"weight_exponent": -2}) == task
    single = Task.of((64, 10), circuit="single_layer")
    assert task_of(single.start(0)) == single
    assert evaluate(digits, weights) == evaluate(digits, weights, "compiled", task=task)


def test_seeds_in_threads_equal_seeds_one_by_one(digits):
    settings = Settings("compiled", (20, 18), 2)
    done = []
    found = train_seeds(digits, settings, [4, 1, 2], workers=2,
                        progress=lambda n, result: done.append(n))  # fmt: skip
    assert done == [1, 2, 3]
    assert [r.digest for r in found] == [
        train(digits, replace(settings, seed=seed)).digest for seed in (4, 1, 2)
    ]


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("engine", ["algebra", "compiled"])
def test_memory_does_not_grow_with_the_samples(engine, monkeypatch):
    """Ten times the samples, the same peak, but for the order in which they are learned."""
    monkeypatch.setattr(learners, "CHUNK", 100)
    monkeypatch.setattr(type(engines.get("compiled")), "chunk", lambda *_: 100)
    rng = np.random.default_rng(0)

    def peak(n):
        x, y = rng.integers(0, 2, (n, 400), np.uint8), rng.integers(0, 10, n).astype(np.uint8)
        few = data.Dataset("noise", x, y, x[:10], y[:10], None, 10, "random")
        training = Training(Task.of((400, 30, 10)), few, Settings(engine, 30, 1))
        training.advance()
        tracemalloc.start()
        while not training.advance():
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        training.close()
        return found

    # The order is drawn anew for each epoch: eight bytes a sample.
    assert peak(20_000) < peak(2_000) + 18_000 * 8 + 50_000


# --- the command ---------------------------------------------------------------------------------

SMALL = ("--samples", 60, "--test-samples", 30, "--quiet")


def test_a_run_goes_on_with_the_folder_alone(sbp, tmp_path):
    own = data.load("digits", crop=1).take(90, 40)
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(tmp_path / "mine.npz", **{name: getattr(own, name) for name in names})
    run = tmp_path / "run"
    arguments = ("train", "--dataset", tmp_path / "mine.npz", "--engine", "compiled", "--hidden",
                 "9,8", "--seed", 4, "--weight-exponent", -1, "--epochs", 2, "--half-epochs",
                 "--equal-copies", *SMALL)  # fmt: skip
    assert sbp(*arguments, "--out", run)[0] == 0
    code, out, err = sbp("train", "--out", run, "--resume")
    assert (code, "this run has finished its 2 epochs; nothing to do" in err) == (0, True)
    assert sbp("train", "--out", run, "--resume", "--epochs", 3)[0] == 0
    found = load_history(run)
    assert [e["epoch"] for e in found["epochs"]] == [0.5, 1, 1.5, 2, 2.5, 3]
    assert (found["sizes"], found["seed"], found["n_train"]) == ([36, 9, 8, 10], 4, 60)
    assert sbp(*arguments[:-1], "--epochs", 3, "--out", tmp_path / "whole")[0] == 0
    assert load_weights(tmp_path / "whole") == load_weights(run)
    code, out, _ = sbp("evaluate", run, "--test-samples", 30)
    assert code == 0
    assert f"{100 * found['epochs'][-1]['membrane']:.2f} %" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seed", 1), "belongs to another run: seed is 0 there and 1 here"),
        (("--hidden", "8"), r"hidden is 7 there and 8 here"),
        (("--weight-exponent", -1), "program_digest is"),
        (("--equal-copies",), "equal_copies is False there and True here"),
        (("--epochs", 1), "epochs is 1: the saved run is in epoch 2"),
        (("--engine", "algebra"), "engine is 'compiled' there and 'algebra' here"),
    ],
)
def test_options_that_contradict_the_run_are_refused(refused, sbp, tmp_path, arguments, message):
    assert sbp("train", "--hidden", 7, "--epochs", 2, "--engine", "compiled", "--out", tmp_path,
               *SMALL)[0] == 0  # fmt: skip
    assert message in refused("train", "--out", tmp_path, "--resume", *arguments)


@pytest.mark.parametrize(
    "hidden",
    ["", "4,", "4,,5", "4-", "4,x", "0", "4,65537", "-4", "4.5", "none,4", "\u0664,\u00b2"],
)
def test_hidden_layers_that_are_none(refused, hidden):
    line = refused("train", f"--hidden={hidden}")
    assert f"{hidden!r} is no number of hidden neurons; allowed: 1 to 65536" in line


def test_depth_has_an_end(refused):
    line = refused("train", "--hidden", ",".join(["4"] * 13), *SMALL)
    assert "15 layer sizes" in line
    assert "2 to 13" in line


def test_training_in_a_notebook_s_thread(digits):
    """Some front ends run cells outside the main thread."""
    script = (
        "import threading\n"
        "from sbp.learn import data\n"
        "from sbp.learn.training import Settings, train\n"
        "few = data.load('digits').take(50)\n"
        "def cell():\n"
        "    print(train(few, Settings('compiled', 4, 1)).digest)\n"
        "t = threading.Thread(target=cell)\n"
        "t.start()\n"
        "t.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True,
                          text=True, check=False, timeout=PATIENCE)  # fmt: skip
    few = data.load("digits").take(50)
    assert done.stdout.strip() == train(few, Settings("algebra", 4, 1)).digest


def test_a_result_is_a_line(digits):
    result = train(digits, Settings("algebra", 8, epochs=1))
    assert repr(result) == (
        f"<Result: 64-8-10 on algebra, epoch 1, finished, weights {result.digest[:12]}>"
    )


@pytest.mark.parametrize(
    "task",
    [Task.of((64, 8, 10), circuit="deep"), Task.of((64, 8, 10), -1),
     Task.of((64, 8, 10), parameters="before-august-2024")],
    ids=["deep", "finer", "older"],
)  # fmt: skip
def test_a_run_remembers_the_task_it_was_given(digits, task, tmp_path):
    train(digits, Settings("compiled", 8, 1), task=task, folder=RunFolder(tmp_path))
    found = task_of(load_weights(tmp_path), load_history(tmp_path))
    assert found.learning_program.digest == task.learning_program.digest
    told = load_history(tmp_path) | {"weight_exponent": -3}
    with pytest.raises(SpecError, match=r"trained in another circuit than \w+ 64-8-10; give the"):
        task_of(load_weights(tmp_path), told)


def test_the_algebra_reads_as_the_task_does_or_not_at_all(digits):
    """A reading circuit of one's own is not passed over."""
    usual = Task.of((64, 8, 10))
    reading = usual.reading
    shut = replace(
        reading,
        populations=tuple(
            replace(p, neuron=replace(p.neuron, threshold=100_000)) if p.name == "o" else p
            for p in reading.populations
        ),
    )
    weights, own = usual.start(1), Task(usual.learning, shut)
    assert evaluate(digits, weights, "compiled", task=own).spike == np.mean(digits.y_test == 0)
    assert evaluate(digits, weights, task=usual) == evaluate(digits, weights)
    for refused in (
        lambda: evaluate(digits, weights, task=own),
        lambda: next(fit(own, digits, "algebra", epochs=1)),
    ):
        with pytest.raises(SpecError, match="does not compute what the learning circuit of this t"):
            refused()


def test_what_a_training_cannot_take_is_refused(digits):
    task = Task.of((64, 8, 10))
    x, n = digits.x_train, len(digits.x_train)
    for refused, message in (
        (
            lambda: next(fit((64, 8, 10), digits)),
            "task is of type tuple; allowed: a Task",
        ),
        (lambda: next(fit(task, "digits")), "dataset is of type str; allowed: a Dataset"),
        (lambda: next(fit(task, digits, inputs=x)), "inputs is no function"),
        (lambda: next(fit(task, digits, inputs=lambda e: x[:5])), f"5 inputs; allowed: {n}"),
        (lambda: next(fit(task, digits, weights=[1, 2])), "the weights are list; allowed: a map"),
        (lambda: next(fit(task, digits, "algebra", strict=True)), "strict watches a circuit"),
        (lambda: evaluate(digits, task.start(0), speed=3), "the algebra: no option is called"),
        (lambda: evaluate(digits, task.start(0), "compiled", speed=3), "no option is called 'spe"),
        (lambda: next(fit(task, digits, "compiled", speed=3)), "no option is called 'speed'"),
        (
            lambda: engines.get("compiled").run(task.learning, None),
            "program is of type Circuit",
        ),
        (lambda: engines.session("compiled", task.learning, None), "sbp.lower.circuit. makes one"),
        (lambda: task.learning_program.check_stimulus(x), "the stimulus is ndarray; allowed: a m"),
    ):
        with pytest.raises(SpecError, match=message):
            refused()
