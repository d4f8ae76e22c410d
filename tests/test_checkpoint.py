"""A run that is interrupted, killed or out of disk ends as if nothing had happened."""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from conftest import ENVIRONMENT, PATIENCE
from hypothesis import given, settings
from hypothesis import strategies as st

from sbp import engines
from sbp.circuits import inference_circuit, learning_circuit
from sbp.errors import FileError, SpecError
from sbp.learn import checkpoint as checkpoints
from sbp.learn import data, learners
from sbp.learn.checkpoint import Checkpoint, RunFolder
from sbp.learn.task import Task
from sbp.learn.training import Settings, fit, train
from sbp.spec import LearningRule
from sbp.weights import Weights

CHUNK = 10


def measured(result):
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in result.epochs]


def state(folder):
    """Everything the last checkpoint holds of the network."""
    with np.load(folder.newest, allow_pickle=False) as archive:
        return json.loads(str(archive["header"]))["arrays"]


@pytest.fixture
def digits(monkeypatch):
    """A few digits, looked at in chunks so small that an epoch has three."""
    monkeypatch.setattr(learners, "CHUNK", CHUNK)
    for name in engines.OWN[:2]:
        monkeypatch.setattr(type(engines.get(name)), "chunk", lambda *_, **__: CHUNK)
    return data.load("digits").take(3 * CHUNK - 4, 2 * CHUNK)


class SignalAfter:
    """Progress that signals this process after `chunks` chunks of learning."""

    def __init__(self, chunks, number=signal.SIGINT):
        self.left, self.number = chunks, number

    def __call__(self, epoch, done, n, history):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


#: What is trained, and by what: one layer, the paper's two, and three.
RUNS = [
    ("algebra", 8, None), ("reference", 8, None), ("compiled", 8, None),
    ("compiled", (8, 7), None), ("compiled", (), "single_layer"),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "hidden", "circuit"), RUNS)
def test_interrupted_after_every_chunk(digits, engine, hidden, circuit, tmp_path):
    chosen = Settings(engine, hidden, epochs=2, seed=3, circuit=circuit)
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    expected = train(digits, chosen, folder=whole)
    stops = []
    while len(stops) < 99:
        try:
            result = train(digits, chosen, folder=parts, resume=True, progress=SignalAfter(1))
            break
        except KeyboardInterrupt as stop:
            whole_weights = stop.result.weights == parts.saved().weights
            stops.append((len(stop.result.epochs), stop.result.finished, whole_weights))
    # Three chunks an epoch, and a stop after its evaluation: after the last there is none left.
    assert stops == [(epochs, epochs == 2, True) for epochs in (0, 0, 0, 1, 1, 1, 1, 2)]
    assert result.digest == expected.digest
    assert measured(result) == measured(expected)
    assert result.counters == expected.counters
    assert result.faults == expected.faults
    assert state(parts) == state(whole)
    assert parts.saved().weights == whole.saved().weights == expected.weights


def test_an_interrupt_waits_for_the_samples_under_way(digits, tmp_path, monkeypatch):
    """Whenever Ctrl-C comes, what is saved is a moment between two samples."""
    expected = train(digits, Settings("compiled", 8, 2))
    folder, learn = RunFolder(tmp_path), learners.CircuitLearner.learn
    at_work, delays = threading.Semaphore(), itertools.cycle([0, 0, 0.001, 0.03])

    def interrupted(self, inputs, targets):
        with at_work:
            # From this thread, as a terminal does from another process: as the thread starts, or
            # in mid-chunk.
            time.sleep(next(delays))
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            learn(self, inputs, targets)
            time.sleep(0.05)

    monkeypatch.setattr(learners.CircuitLearner, "learn", interrupted)
    learned = []
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt) as caught:
            train(digits, Settings("compiled", 8, 2), folder=folder, resume=True)
        assert at_work.acquire(blocking=False), "it learns on"
        at_work.release()
        learned.append(caught.value.result.samples)
        assert caught.value.result.counters.steps.sum() == 12 * learned[-1]
    # What the interrupt came into was done, and is not done again: a chunk each time.
    epoch = 3 * CHUNK - 4
    assert learned == [CHUNK, 2 * CHUNK, epoch, epoch + CHUNK, epoch + 2 * CHUNK]
    monkeypatch.undo()
    assert train(digits, Settings("compiled", 8, 2), folder=folder, resume=True).digest == (
        expected.digest
    )


def test_an_interrupt_is_no_exception_that_a_loop_swallows(digits):
    """`except Exception` around each run of a script does not go on after Ctrl-C."""
    tried = []

    def script():
        for seed in range(3):
            tried.append(seed)
            with suppress(Exception):
                train(digits, Settings("algebra", 4, 1, seed), progress=SignalAfter(1))

    with pytest.raises(KeyboardInterrupt):
        script()
    assert tried == [0]


SCRIPT = """
import os, signal, sys
from sbp.learn import data
from sbp.learn.training import Settings, train

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
digits = data.load("digits").take(50)
stop = getattr(signal, sys.argv[1])
for seed in range(3):
    try:
        train(digits, Settings("algebra", 4, 3, seed),
              progress=lambda *_: os.kill(os.getpid(), stop))
    except Exception:
        print("swallowed")
print("went on")
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", -signal.SIGINT), ("SIGTERM", 143)])
def test_a_script_ends_as_scripts_do(name, code):
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], env=ENVIRONMENT, text=True,
                          capture_output=True, timeout=PATIENCE, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (code, "")


def test_exiting_and_asking_for_more_epochs(digits, tmp_path):
    folder = RunFolder(tmp_path)

    def leave(*_):
        raise SystemExit(143)

    with pytest.raises(SystemExit) as caught:
        train(digits, Settings("compiled", 8, 1), folder=folder, progress=leave)
    assert caught.value.code == 143
    assert caught.value.result.epochs == []
    train(digits, Settings("compiled", 8, 1), folder=folder, resume=True)
    result = train(digits, Settings("compiled", 8, 3), folder=folder, resume=True)
    assert result.digest == train(digits, Settings("algebra", 8, 3)).digest


def test_interrupted_while_the_test_set_is_evaluated(digits, tmp_path, monkeypatch):
    evaluate, folder = learners.circuit_outputs, RunFolder(tmp_path)

    def interrupted(*args, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return evaluate(*args, **options)

    monkeypatch.setattr(learners, "circuit_outputs", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        train(digits, Settings("reference", 4, 1), folder=folder)
    assert caught.value.result.epochs == []
    monkeypatch.setattr(learners, "circuit_outputs", evaluate)
    calls = []
    result = train(digits, Settings("reference", 4, 1), folder=folder, resume=True,
                   progress=lambda *call: calls.append(call[:2]))  # fmt: skip
    assert calls == [(1, len(digits.x_train))], "learned again what was saved"
    assert measured(result) == measured(train(digits, Settings("reference", 4, 1)))


def test_no_signal_handler_is_installed(digits):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen = set()
    train(digits, Settings("algebra", 4, 2), progress=lambda *_: seen.add(
        (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))))  # fmt: skip
    assert seen == {before}


def test_training_outside_the_main_thread(digits):
    results = []
    thread = threading.Thread(
        target=lambda: results.append(train(digits, Settings("algebra", 4, 1)))
    )
    thread.start()
    thread.join()
    assert results[0].digest == train(digits, Settings("algebra", 4, 1)).digest


def test_a_run_past_the_epochs_asked_for_is_refused(digits, tmp_path):
    folder = RunFolder(tmp_path)
    train(digits, Settings("algebra", 4, 2), folder=folder)
    kept = folder.weights.read_bytes()
    with pytest.raises(SpecError, match="epochs is 1: the saved run is in epoch 2; allowed: 2 or"):
        train(digits, Settings("algebra", 4, 1), folder=folder, resume=True)
    with pytest.raises(KeyboardInterrupt):
        train(digits, Settings("algebra", 4, 9), folder=folder, resume=True,
              progress=SignalAfter(1))  # fmt: skip
    # In the middle of epoch 3 the weights of epoch 2 are gone from the checkpoint.
    with pytest.raises(SpecError, match="epochs is 2: the saved run is in epoch 3"):
        train(digits, Settings("algebra", 4, 2), folder=folder, resume=True)
    assert folder.weights.read_bytes() == kept


# --- files ---------------------------------------------------------------------------------------

IDENTITY = {"engine": "algebra", "seed": 1, "sizes": [4, 3, 2]}


def checkpoint(number, **identity):
    arrays = {"W1": np.full((3, 4), 2 * number, np.int16), "W2": np.zeros((2, 3), np.int16)}
    epochs = [{"epoch": n + 1, "spike": n / 10} for n in range(number)]
    return Checkpoint(IDENTITY | identity, epochs, 7, 0.25, arrays)


def equal(a, b):
    return (a.identity, a.epochs, a.position, a.seconds) == (
        b.identity, b.epochs, b.position, b.seconds,
    ) and all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "run")
    for number in (1, 2, 3):
        made.save(checkpoint(number))
    return made


def test_what_was_saved_is_loaded(folder):
    assert equal(folder.load(IDENTITY), checkpoint(3))
    assert RunFolder(folder.path.parent / "none").load(IDENTITY) is None
    assert sorted(p.name for p in folder.path.iterdir()) == [
        "checkpoint.npz", "checkpoint.previous.npz",
    ]  # fmt: skip


def test_between_the_two_moves_of_a_save_one_is_there(folder):
    os.replace(folder.newest, folder.previous)
    assert equal(folder.load(IDENTITY), checkpoint(3))


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), how=st.sampled_from(["truncate", "flip"]))
def test_damage_anywhere_never_goes_unnoticed(tmp_path_factory, at, how):
    made = RunFolder(tmp_path_factory.mktemp("run"))
    made.save(checkpoint(2))
    made.save(checkpoint(3))
    content = bytearray(made.newest.read_bytes())
    place = int(at * len(content))
    if how == "truncate":
        del content[place:]
    else:
        content[place] ^= 0x10
    made.newest.write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = made.load(IDENTITY)
    if caught:
        assert equal(loaded, checkpoint(2))
        assert "checkpoint.npz" in str(caught[0].message)
        assert "going on from checkpoint.previous.npz, epoch 2" in str(caught[0].message)
    else:
        # Dates and the like inside the archive carry nothing.
        assert how == "flip"
        assert equal(loaded, checkpoint(3))


def forged(path, **members):
    """Write an archive again with other members, and leave its checksums as they are."""
    with np.load(path, allow_pickle=False) as archive:
        content = dict(archive) | members
    np.savez(path, **content)


def header_of(path, **entries):
    """The header of a checkpoint with other entries."""
    with np.load(path, allow_pickle=False) as archive:
        return np.array(json.dumps(json.loads(str(archive["header"])) | entries))


@pytest.mark.parametrize("part", ["header", "array:W1", "array:W2", "checksum"])
def test_a_checksum_is_looked_at(folder, part):
    """Whole archives with another number in them: only the SHA-256 tells."""
    other = {
        "header": header_of(folder.newest, position=8),
        "array:W1": checkpoint(2).arrays["W1"],
        "array:W2": checkpoint(2).arrays["W2"] + 2,
        "checksum": np.array("0" * 64),
    }
    forged(folder.newest, **{part: other[part]})
    with pytest.warns(RuntimeWarning, match=r"checkpoint.npz is damaged: its checksum does not"):
        assert equal(folder.load(IDENTITY), checkpoint(2))


def test_the_checksum_of_final_weights_is_looked_at(folder):
    last = checkpoint(3)
    folder.finish(last.arrays, last.epochs, {})
    forged(folder.weights, W1=last.arrays["W1"] - 2)
    with pytest.raises(FileError, match=r"weights.npz is damaged: its checksum does not fit"):
        folder.final()


@pytest.mark.parametrize("names", [("W2", "W1"), ("about", "file"), ("*", "matrix:W1")])
def test_matrices_may_be_called_anything(tmp_path, names):
    """Also what archives and chains call their own."""
    first, folder = checkpoint(2), RunFolder(tmp_path)
    weights = Weights(dict(zip(names, first.arrays.values(), strict=True)))
    folder.save(replace(first, arrays=checkpoints.named(weights)))
    assert folder.saved().weights == weights
    folder.finish(weights, first.epochs, {})
    assert folder.final().weights == weights
    assert checkpoints.load_weights(folder.weights) == weights


def test_checkpoints_of_another_version_are_refused(folder):
    text = header_of(folder.newest, format="sbp checkpoint 0")
    checksum = hashlib.sha256(str(text).encode()).hexdigest()
    forged(folder.newest, header=text, checksum=np.array(checksum))
    with pytest.warns(RuntimeWarning, match="of this version: its format is 'sbp checkpoint 0'"):
        assert equal(folder.load(IDENTITY), checkpoint(2))


def test_a_new_run_takes_the_place_of_the_old_one(folder):
    last = checkpoint(3)
    folder.finish(last.arrays, last.epochs, {})
    old = {path: path.read_bytes() for path in folder.files}
    again = RunFolder(folder.path)
    again.save(checkpoint(1))
    assert [path.exists() for path in folder.files] == [True, False, False, False]
    assert equal(again.load(IDENTITY), checkpoint(1))
    # Killed before it had removed them: what is left of the old run is known by its number.
    for path in (folder.previous, folder.weights, folder.history):
        path.write_bytes(old[path])
    assert not RunFolder(folder.path).saved().finished
    assert len(RunFolder(folder.path).saved().history["epochs"]) == 1


def test_what_is_older_than_the_weights_beside_it_is_not_gone_on_with(folder):
    """A run is finished at once, and killed before it has removed the old one's checkpoints."""
    old = {path: path.read_bytes() for path in (folder.newest, folder.previous)}
    last, again = checkpoint(4), RunFolder(folder.path)
    again.finish(last.arrays, last.epochs, {})
    assert not folder.newest.exists()
    assert not folder.previous.exists()
    for path, content in old.items():
        path.write_bytes(content)
    with pytest.raises(FileError, match=r"checkpoint.npz is older than the weights beside it"):
        RunFolder(folder.path).load(IDENTITY)
    assert RunFolder(folder.path).saved().finished


def test_two_truncated_checkpoints_are_an_error(folder):
    for path in (folder.newest, folder.previous):
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FileError, match=r"checkpoint.npz .*; no earlier checkpoint can be used"):
        folder.load(IDENTITY)


@pytest.mark.parametrize(("name", "value"), [("seed", 2), ("engine", "lava"), ("sizes", [4, 3, 9])])
def test_foreign_checkpoints_are_refused(folder, name, value):
    with pytest.raises(FileError) as caught:
        folder.load(IDENTITY | {name: value})
    assert "belongs to another run" in str(caught.value)
    assert f"{name} is {IDENTITY[name]!r} there and {value!r} here" in str(caught.value)


def test_the_one_before_a_foreign_checkpoint_is_used(folder):
    folder.save(checkpoint(9, seed=2))
    with pytest.warns(RuntimeWarning, match="another run: seed is 2 there and 1 here; going on"):
        assert equal(folder.load(IDENTITY), checkpoint(3))


def test_a_bad_newest_never_takes_the_place_of_a_good_one(folder, monkeypatch):
    folder.newest.write_bytes(b"damaged")
    with pytest.warns(RuntimeWarning, match="going on from checkpoint.previous.npz"):
        folder.load(IDENTITY)
    # Killed before the last move of the next save.
    moves = iter([OSError("killed")])
    real = os.replace

    def move(source, target):
        if target == folder.newest:
            raise next(moves)
        real(source, target)

    monkeypatch.setattr(os, "replace", move)
    with pytest.raises(OSError, match="killed"):
        folder.save(checkpoint(4))
    monkeypatch.undo()
    with pytest.warns(RuntimeWarning, match="going on from checkpoint.previous.npz"):
        assert equal(RunFolder(folder.path).load(IDENTITY), checkpoint(2))
    folder.save(checkpoint(4))
    folder.save(checkpoint(5))
    assert equal(folder.load(IDENTITY), checkpoint(5))
    folder.newest.unlink()
    assert equal(folder.load(IDENTITY), checkpoint(4))


def test_a_run_of_another_circuit_is_not_gone_on_with(digits, tmp_path):
    folder = RunFolder(tmp_path)
    other = replace(learning_circuit((64, 4, 10)), rule=LearningRule(4, -4))
    task = Task(other, inference_circuit((64, 4, 10)))
    train(digits, Settings("compiled", 4, 1), folder=folder)
    with pytest.raises(FileError, match="belongs to another run: program_digest is"):
        train(digits, Settings("compiled", 4, 2), task=task, folder=folder, resume=True)
    with pytest.raises(
        SpecError, match="the algebra does not compute what the learning circuit of"
    ):
        next(fit(task, digits, "algebra"))


def test_files_of_another_kind_are_refused(folder):
    folder.previous.unlink()
    np.savez(folder.newest, W1=np.zeros(3))
    with pytest.raises(FileError, match="is no checkpoint: it lacks header; it has W1"):
        folder.load(IDENTITY)
    np.savez(folder.newest, header=np.array([{}], object), checksum=np.array(""))
    with pytest.raises(FileError, match="holds pickled objects"):
        folder.load(IDENTITY)


def changed(folder, header=None, **arrays):
    """Write the newest checkpoint again, with other contents and checksums that fit."""
    _, saved = checkpoints._read(folder.newest)
    for name, array in arrays.items():
        if array is None:
            del saved.arrays[name]
        else:
            saved.arrays[name] = np.asarray(array)
    again = RunFolder(folder.path)
    again.save(replace(saved, **header or {}))
    return again


def lies(saved):
    """Changes of a checkpoint of one epoch of 26 samples, and what is said of them."""
    x, counted = saved.arrays["weights:x->h"], saved.arrays["counter:spikes"]
    epoch = saved.epochs[0]
    return [
        ({}, {"weights:x->h": x + 1}, r"weights x->h\[0, 0\] is"),
        ({}, {"weights:x->h": x[1:]}, "weights:x->h is missing or has another shape"),
        ({}, {"v": saved.arrays["v"][1:]}, "v is missing or has another shape"),
        ({}, {"u": None}, "u is missing"),
        ({}, {"u": saved.arrays["u"].astype(float)}, "array:u is of type float64"),
        ({}, {"step": 2**63 - 2}, r"step is 9223372036854775806; allowed: 312, after 26 samples"),
        ({}, {"step": 311}, "step is 311; allowed: 312"),
        ({}, {"step": np.zeros(2, np.int64)}, "step is missing or has another shape"),
        ({}, {"counter:wraps": None}, "counter:wraps is missing"),
        ({}, {"counter:spikes": counted[1:]}, "counter:spikes is missing or has another shape"),
        ({}, {"counter:spikes": counted.astype(bool)}, "counter:spikes is missing or has another"),
        ({}, {"counter:spikes": counted - 1}, "counter:spikes holds -1"),
        ({"position": 10**12}, {}, "position is 1000000000000; allowed: 0 to 26"),
        ({"position": 27}, {}, "position is 27; allowed: 0 to 26"),
        ({"position": -1}, {}, r"Expected `int` >= 0 - at `\$.position`"),
        ({"position": 3}, {}, "step is 312; allowed: 348, after 29 samples"),
        ({"position": "0"}, {}, "Expected `int`, got `str`"),
        ({"seconds": "long"}, {}, "Expected `float`, got `str`"),
        ({"seconds": -1.0}, {}, "Expected `float` >= 0"),
        ({"identity": []}, {}, "Expected `object`, got `array`"),
        ({"epochs": {}}, {}, "Expected `array`, got `object`"),
        ({"epochs": [3]}, {}, "Expected `object`, got `int`"),
        ({"epochs": [{**epoch, "epoch": 2}]}, {}, r"epochs are \[2\]; allowed: 1, 2, 3"),
        ({"epochs": [epoch, epoch]}, {}, r"epochs are \[1, 1\]"),
        ({"epochs": [{**epoch, "spike": 1.5}]}, {}, "Expected `float` <= 1.0"),
        ({"epochs": [{**epoch, "spike": None}]}, {}, "Expected `float`, got `null`"),
        ({"epochs": []}, {}, "step is 312; allowed: 0, after 0 samples"),
    ]


@pytest.mark.parametrize("case", range(27))
def test_a_checkpoint_that_lies_with_checksums_that_fit(digits, tmp_path, case):
    """A checkpoint is not trusted because its checksum fits: its contents are checked again."""
    folder, chosen = RunFolder(tmp_path), Settings("compiled", 4, 2)
    train(digits, replace(chosen, epochs=1), folder=folder)
    saved = checkpoints._read(folder.newest)[1]
    assert len(lies(saved)) == 27
    header, arrays, message = lies(saved)[case]
    with pytest.raises(FileError, match=f"checkpoint.npz.* {message}") as caught:
        train(digits, chosen, folder=changed(folder, header, **arrays), resume=True)
    assert "\n" not in str(caught.value)


def test_one_that_does_not_lie(digits, tmp_path):
    folder, chosen = RunFolder(tmp_path), Settings("compiled", 4, 2)
    train(digits, replace(chosen, epochs=1), folder=folder)
    result = train(digits, chosen, folder=changed(folder), resume=True)
    assert result.digest == train(digits, chosen).digest


# --- processes -----------------------------------------------------------------------------------

# Each run is a process of its own, forked after the imports, so that the moments of death fall
# into training and saving and not into two seconds of imports.
KILLER = """
import os, random, signal, sys, time
from sbp.learn import data, learners, training
from sbp.app.cli import main

arguments, landed, moments = sys.argv[1:], 0, random.Random(2024)
training.train(data.load("digits").take(10, 10), training.Settings("algebra", 4, 1))

def begin(*more):
    child = os.fork()
    if child == 0:
        os._exit(main([*arguments, *more]))
    return child

began = time.monotonic()
os.waitpid(begin("--epochs", "15", "--out", "measured"), 0)
fifteen_epochs = time.monotonic() - began  # on this machine, as busy as it is
while landed < 20:
    child = begin()
    time.sleep(moments.uniform(0.0, fifteen_epochs))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        sys.exit(f"the run ended by itself, code {os.WEXITSTATUS(status)}, after {landed} kills")
    landed += 1
"""


@pytest.mark.slow
def test_killed_at_20_random_moments(tmp_path, start):
    folder = RunFolder(tmp_path / "run")
    arguments = ["train", "--hidden", "200", "--epochs", "500", "--quiet", "--out",
                 str(folder.path), "--resume"]  # fmt: skip
    python = [sys.executable, "-W", "ignore::DeprecationWarning"]  # it warns of fork and threads
    killer = subprocess.run(
        [*python, "-c", KILLER, *arguments], env=ENVIRONMENT, capture_output=True, text=True,
        timeout=PATIENCE, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (killer.returncode, killer.stderr) == (0, "")
    with np.load(folder.newest, allow_pickle=False) as archive:
        reached = len(json.loads(str(archive["header"]))["epochs"])
    assert 10 < reached < 500, "the moments of death missed the training"
    last = start(*arguments)
    assert last.wait(timeout=PATIENCE) == 0, last.stderr.read()
    expected = train(data.load("digits"), Settings("algebra", 200, 500))
    history = json.loads(folder.history.read_text())
    assert history["digest"] == expected.digest
    assert [{k: v for k, v in e.items() if k != "seconds"} for e in history["epochs"]] == (
        measured(expected)
    )
    assert sorted(p.name for p in folder.path.iterdir()) == [
        ".sbp-lock", "checkpoint.npz", "checkpoint.previous.npz", "history.json", "weights.npz",
    ]  # fmt: skip


def wait_for_epoch(process, number):
    """Read the plain lines until epoch `number` is over."""
    for line in process.stderr:
        if line.startswith("epoch") and int(line.split()[1].split("/")[0]) >= number:
            return
    raise AssertionError("the process ended too early")


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "term")]
)
def test_ctrl_c_saves_and_resume_goes_on(tmp_path, start, sbp, number, code, word):
    run, json_file = tmp_path / "run", tmp_path / "run.json"
    common = ["--hidden", "20", "--samples", "60", "--test-samples", "20", "--out", run]
    process = start("train", "--epochs", "100000", *common, "--json", json_file)
    wait_for_epoch(process, 3)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    last = err.splitlines()[-1]
    assert last.startswith(f"sbp: {word}")
    assert last.endswith(f"saved in {run}; go on with --resume")
    assert "Traceback" not in err
    assert out == ""
    written = json.loads(json_file.read_text())
    assert written["finished"] is False
    done = len(written["epochs"])
    assert done >= 3
    assert f"after epoch {done};" in last
    total = str(done + 2)
    assert sbp("train", "--epochs", total, *common, "--resume")[0] == 0
    history = json.loads((run / "history.json").read_text())
    expected = train(data.load("digits").take(60, 20), Settings("algebra", 20, int(total)))
    assert history["digest"] == expected.digest


def test_ctrl_c_without_a_folder(start):
    process = start("train", "--epochs", "100000", "--hidden", "10", "--samples", "40")
    wait_for_epoch(process, 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 130
    assert process.stderr.read().splitlines()[-1].endswith("nothing is kept without --out")


def test_ctrl_c_while_another_command_works(start, tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPROFILEIMPORTTIME", "1")
    process = start("plot", "raster", "--epochs", "1000000", "--out", tmp_path / "r.png")
    # The list of imports tells when the command is at work.
    assert any(line.rpartition(" ")[2].startswith("sbp.plots") for line in process.stderr)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 130
    err = process.stderr.read()
    assert err.splitlines()[-1].startswith("sbp: interrupted")
    assert "Traceback" not in err
    assert not (tmp_path / "r.png").exists()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root; see the file size limit instead")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_loses_nothing_that_was_saved(tiny_disk, sbp):
    run = RunFolder(tiny_disk / "run")
    common = ["--hidden", 40, "--samples", 100, "--out", run.path]
    assert sbp("train", "--epochs", 3, *common)[0] == 0
    before = {path: path.read_bytes() for path in run.path.iterdir()}
    ballast = tiny_disk / "ballast"
    with open(ballast, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(tiny_disk).f_bavail == 0
    code, _, err = sbp("train", "--epochs", 6, *common, "--resume")
    assert code == 2
    line = err.splitlines()[-1]
    assert "sbp: error: cannot write" in line
    assert "No space left on device" in line
    assert "go on with --resume: what was saved before is kept" in line
    assert "Exception ignored" not in err
    assert {path: path.read_bytes() for path in run.path.iterdir()} == before
    ballast.unlink()
    assert sbp("train", "--epochs", 6, *common, "--resume")[0] == 0
    expected = train(data.load("digits").take(100), Settings("algebra", 40, 6))
    assert json.loads(run.history.read_text())["digest"] == expected.digest


# The kernels are there before the limit: they are files too.
LIMITED = """
import resource, sys
from sbp.app.cli import main

main(["train", "--hidden", "4", "--epochs", "1", "--samples", "9", "--quiet"])
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
sys.exit(main(sys.argv[1:]))
"""


def test_a_file_that_cannot_grow_is_no_traceback(tmp_path):
    """The limit on file sizes of a process stands for a full disk where none can be mounted."""
    arguments = ["train", "--hidden", "200", "--epochs", "2", "--samples", "50",
                 "--out", str(tmp_path / "run")]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments], env=ENVIRONMENT, capture_output=True,
        text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "sbp: error: cannot write" in done.stderr.splitlines()[-1]
    assert "File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert not (tmp_path / "run").exists()
