"""Bad input: one line that names the thing, the value, what is allowed and what to do; exit 2.

`refused` (see conftest) runs the command line, checks the exit code and that there is one line of
error and no traceback, and returns that line.
"""

import gzip
import os
import re
import struct

import numpy as np
import pytest

from sbp import circuits, engines, spec
from sbp.errors import SbpError, SpecError
from sbp.learn import data
from sbp.learn.training import Settings, initial_weights
from sbp.program import lower
from sbp.run import Record

# Arguments, and parts of the message: what was wrong, what is allowed, what to do.
COMMAND_LINES = {
    "unknown command": ("trian", "No such command 'trian'", "train"),
    "unknown option": ("train --hiden 3", "No such option", "--hidden"),
    "unknown data set": ("train --dataset cifar", "'cifar'", "digits", "mnist-5k", "mnist"),
    "unknown engine": ("train --engine gpu", "'gpu'", "reference", "algebra", "compiled", "lava"),
    "no spikes to verify": ("verify t.npz --engine algebra", "'algebra'", "compiled"),
    "unknown layout": ("train --engine lava --layout wide", "'wide'", "network", "fused"),
    "curve of the shipped network": ("plot curve pretrained", "comes without its curve"),
    "option of no engine": ("train --engine compiled --option speed=3", "'speed'", "allowed: none"),
    "option of the algebra": ("train --option speed=3", "'speed'", "allowed: copies"),
    "option that is no bool": ("train --option copies=no", "copies is of type str", "bool"),
    "option given twice": ("train --engine lava --layout fused --option layout=network", "twice"),
    "option without a value": ("train --option speed", "'speed' is no option", "layout=network"),
    "layout of another engine": ("train --layout fused", "--layout fused", "--engine lava"),
    "unknown circuit": ("summary reservoir", "'reservoir'", "learning", "gating_chain"),
    "unknown picture": ("plot pie", "No such command 'pie'", "sbp plot --help"),
    "unknown preset": ("reproduce --preset large", "'large'", "smoke", "paper"),
    "list of sizes": ("sweep --hidden 100,x", "'100,x'", "100,400"),
    "sweep over no seeds": ("sweep --seeds 0", "--seeds", "0 is not in the range"),
    "unknown claim": ("reproduce nonsense", "nonsense"),
    "no hidden neurons": ("train --hidden 0", "--hidden", "'0'", "1 to 65536"),
    "size beyond, plot": ("plot raster --epochs 0 --hidden 99999999999999999999", "1 to 65536"),
    "size beyond, trace": ("trace --hidden 99999999999999999", "--hidden", "1 to 65536"),
    "ring, plot": ("plot circuit learning --ring 5", "ring of 5", "its own 12"),
    "ring, trace": ("trace --circuit learning --ring 5", "ring of 5", "its own 12"),
    "empty path": ("train --out=", "--out", "it is empty"),
    "hidden beside a run": ("trace pretrained --hidden 7", "--hidden has no"),
    "hidden beside sizes": ("trace --sizes 64-4-10 --hidden 7", "--hidden has no"),
    "hidden of a chain": ("trace --circuit gating_chain --hidden 7", "--hidden has no"),
    "sizes of other data": ("trace --sizes 65-4-10", "65 lines of input", "digits has 64"),
    "classes of other data": ("trace --sizes 64-4-9", "9 lines of target", "digits has 10"),
    "epochs beside a run": ("plot raster pretrained --epochs 7", "--epochs has no"),
    "control characters": ("plot phases --title a\x01b", "--title", "cannot be drawn"),
    "negative size": ("train --hidden -5", "--hidden", "'-5'", "1 to 65536"),
    "size is no number": ("train --hidden 4-many", "--hidden", "'4-many'", "1 to 65536"),
    "too large a size": ("train --hidden 70000", "--hidden", "70000", "1 to 65536"),
    "size of many digits": (f"train --hidden {'9' * 5000}", "--hidden", "1 to 65536"),
    "sizes of many digits": (f"summary --sizes {'9' * 5000}-2", "no list of layer sizes"),
    "samples of many digits": (f"trace --samples {'9' * 5000}", "no range of samples"),
    "sweep of many digits": (f"sweep --hidden {'9' * 5000}", "1 to 65536"),
    "crops of many digits": (f"sweep --crop {'9' * 5000}", "no list of whole numbers"),
    "ring beside a run": ("trace pretrained --ring 7", "--ring has no"),
    "status beside redraw": ("reproduce --status --redraw", "--status beside --redraw"),
    "seeds of a status": ("reproduce --status --seeds 3", "--seeds has no effect"),
    "figures of a list": ("reproduce --list --no-figures", "--no-figures has no effect"),
    "a claim of a list": ("reproduce --list cores", "cores", "all claims"),
    "redraw nothing": ("reproduce --redraw --out nowhere", "nowhere is no folder"),
    "program by its ending": ("program write learning x.csv", "x.csv ends in .csv", ".sbp"),
    "tables of two layers": ("topology a.py b.py --sizes 10-10", "three layers"),
    "no epochs": ("train --epochs 0", "--epochs", "0 is not in the range"),
    "too many epochs": ("train --epochs 100001", "epochs is 100001", "100000"),
    "no samples": ("train --samples 0", "--samples", "0 is not in the range"),
    "more samples than there are": ("train --samples 9999", "9999 train samples", "1 to 1415"),
    "more test samples": ("train --test-samples 999", "999 test samples", "1 to 382"),
    "negative seed": ("train --seed -1", "--seed", "-1"),
    "seed beyond": ("train --seed 9223372036854775808", "seed is 9223372036854775808"),
    "crop": ("train --crop 4", "crop is 4", "0 to 3"),
    "threshold": ("train --threshold 17", "threshold is 17", "1 to 16"),
    "strict without a circuit": ("train --strict", "--strict", "another engine"),
    "resume nothing": ("train --resume", "--resume needs --out DIR"),
    "force nothing": ("train --force", "--force needs --out DIR"),
    "resume and force": ("train --resume --force --out x", "choose one"),
    "no argument": ("evaluate", "Missing argument 'RUN'", "sbp evaluate --help"),
    "no run": ("evaluate nowhere", "nowhere does not exist", "weights.npz", "pretrained"),
    "no trace": ("verify nowhere.npz", "nowhere.npz does not exist"),
    "no history": ("plot curve nowhere", "nowhere does not exist"),
    "network of another size": (
        "evaluate pretrained --dataset digits", "400-400-10", "64 inputs", "trained on",
    ),
    "zero layer": ("summary --sizes 4-0-3", "'4-0-3'", "400-400-10"),
    "negative layer": ("summary --sizes 4--1-3", "'4--1-3'"),
    "too deep": ("summary --sizes 4-4-4-4", "4 layer sizes", "exactly 3", "deep circuit"),
    "unequal chain": ("summary gating_chain --sizes 4-5", "4-5", "one size"),
    "ring of another circuit": ("summary inference --ring 5", "ring of 5", "gating chain"),
    "ring too short": ("summary gating_chain --ring 1", "--ring", "x>=2"),
    "range of samples": ("trace --samples 9:3", "'9:3'", "100:110"),
    "range beyond": ("trace --samples 1410:1420", "1,415 train samples"),
    "states of no population": ("trace --states h,q", "'q'", "h_mem"),
    "run of another circuit": (
        "trace pretrained --circuit single_layer", "400-400-10", "exactly 2",
    ),
    "sample beyond": ("plot raster --sample 400 --epochs 0", "--sample 400", "382"),
    "population that is not there": (
        "plot raster --epochs 0 --hidden 4 --populations x,q --out r.png", "'q'", "x_mem",
    ),
    "picture format": ("plot circuit --out c.gif", "c.gif ends in .gif", ".png", ".svg", ".pdf"),
    "rows": ("plot weights --rows 7", "--rows 7", "400 inputs"),
}  # fmt: skip


@pytest.mark.parametrize("case", COMMAND_LINES)
def test_command_line(refused, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    line, *parts = COMMAND_LINES[case]
    message = refused(*line.split())
    for part in parts:
        assert part in message, message
    assert os.listdir(tmp_path) == [], "a refused command left something behind"


def weights_file(path, **changed):
    weights = initial_weights((64, 6, 10), 0) | changed
    np.savez(path, **{name: array for name, array in weights.items() if array is not None})
    return path


def changed(name, place, value):
    array = initial_weights((64, 6, 10), 0)[name].copy()
    array[place] = value
    return {name: array}


WEIGHTS = {
    "above": (changed("W1", (2, 3), 256), "W1[2, 3] is 256", "-256 to 254"),
    "below": (changed("W2", (9, 5), -258), "W2[9, 5] is -258", "-256 to 254"),
    "odd": (changed("W1", (0, 63), 7), "W1[0, 63] is 7", "even integers"),
    "float": ({"W2": np.zeros((10, 6))}, "W2", "float64", "even integers"),
    "shape": ({"W2": np.zeros((10, 7), int)}, "W2 have shape (10, 7)", "(10, 6)"),
    "missing": ({"W2": None}, "the network is 64-6", "10 classes"),
    "extra": ({"W3": np.zeros((10, 11), int)}, "W3", "(10, 11)"),
    "misplaced": ({"W4": np.zeros((10, 10), int)}, "no weights are called 'W4'"),
    "one-dimensional": ({"W1": np.zeros(64, int)}, "W1 has shape (64,)", "(n_post, n_pre)"),
    "other inputs": ({"W1": np.zeros((6, 65), int)}, "65-6-10", "64 inputs"),
    "pickle": ({"W1": np.array([[None]], object)}, "pickled objects"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights(refused, tmp_path, case):
    change, *parts = WEIGHTS[case]
    path = weights_file(tmp_path / "w.npz", **change)
    message = refused("evaluate", path, "--dataset", "digits")
    for part in parts:
        assert part in message, message


def test_weights_that_do_not_say_their_data_set(refused, tmp_path):
    message = refused("evaluate", weights_file(tmp_path / "w.npz"))
    assert "name them with --dataset" in message
    assert "holds no weights.npz" in refused("evaluate", tmp_path / "..", "--dataset", "digits")


@pytest.mark.parametrize("command", [["verify"], ["evaluate", "--dataset", "digits"]])
@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "array", "pickle", "folder"])
def test_files_that_are_not_what_they_should_be(refused, tmp_path, command, kind):
    path = tmp_path / "f.npz"
    if kind == "text":
        path.write_text("x = 3\n")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        weights_file(path)
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "pickle":
        np.savez(path, x=np.array([{"a": 1}], object), W1=np.array([{}], object))
    else:
        path.mkdir()
    message = refused(command[0], path, *command[1:])
    assert str(path) in message
    if kind == "array":
        assert "a single array" in message


@pytest.mark.parametrize(
    "epochs",
    ["7", "[1, 2]", '[{"epoch": "a", "exact": 0.5}]', '[{"exact": 0.5}]',
     '[{"epoch": 1, "exact": "many"}]', '[{"epoch": 1, "exact": null}]', "[]",
     '[{"epoch": 1, "seconds": 2.0}]'],
)  # fmt: skip
def test_histories_that_are_none(refused, tmp_path, epochs):
    path = tmp_path / "h.json"
    path.write_text(f'{{"epochs": {epochs}}}')
    refused("plot", "curve", path, "--out", tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


def idx(magic, *shape):
    return struct.pack(f">{1 + len(shape)}i", magic, *shape) + bytes(int(np.prod(shape)))


@pytest.mark.parametrize("kind", ["truncated", "magic", "corrupted", "gzip", "empty"])
def test_data_files(refused, tmp_path, kind):
    """A file in a folder that the user named is never fetched again or overwritten."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    good = {
        "train-images-idx3-ubyte": idx(0x803, 60, 28, 28),
        "train-labels-idx1-ubyte": idx(0x801, 60),
        "t10k-images-idx3-ubyte": idx(0x803, 10, 28, 28),
        "t10k-labels-idx1-ubyte": idx(0x801, 10),
    }
    content = good["train-images-idx3-ubyte"]
    bad = {
        "truncated": content[:-100],
        "magic": idx(0x777, 60, 28, 28),
        "corrupted": content[:-1] + b"\7",
        "gzip": b"\x1f\x8b" + content[2:],
        "empty": b"",
    }[kind]
    for name, good_content in good.items():
        (raw / name).write_bytes(good_content)
    suffix = ".gz" if kind == "gzip" else ""
    path = raw / f"train-images-idx3-ubyte{suffix}"
    if suffix:
        path.with_suffix("").unlink()
    path.write_bytes(bad)
    message = refused("train", "--dataset", "mnist", "--data-dir", tmp_path)
    assert "train-images-idx3-ubyte" in message
    assert path.read_bytes() == bad
    (raw / "t10k-labels-idx1-ubyte").write_bytes(gzip.compress(good["t10k-labels-idx1-ubyte"]))
    refused("train", "--dataset", "mnist", "--data-dir", tmp_path)


def test_own_data_that_is_not_binary(refused, tmp_path):
    x, y = np.zeros((4, 3)), np.zeros(4, int)
    x[1, 2] = 0.5
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x * 0, y_test=y)
    message = refused("train", "--dataset", tmp_path / "d.npz")
    for part in ("x_train[1, 2] is 0.5", "0 and 1", "--threshold"):
        assert part in message


@pytest.mark.parametrize("command", ["train", "trace", "plot", "json"])
def test_places_that_cannot_be_written(refused, tmp_path, command):
    """A file stands where a folder should be: nobody can write there, whoever runs this."""
    (tmp_path / "file").write_text("kept")
    target = tmp_path / "file" / "sub" / "out"
    arguments = {
        "train": ("train", "--out", target),
        "json": ("train", "--json", target),
        "trace": ("trace", "--out", target, "--samples", 1),
        "plot": ("plot", "circuit", "--out", target.with_suffix(".png")),
    }[command]
    message = refused(*arguments)
    assert "cannot write" in message
    assert str(target) in message
    assert "Not a directory" in message
    assert "choose a folder" in message
    assert (tmp_path / "file").read_text() == "kept"


def test_places_of_the_wrong_kind(refused, tmp_path):
    (tmp_path / "file").write_text("kept")
    assert "is not a folder" in refused("train", "--out", tmp_path / "file")
    message = refused("train", "--json", tmp_path)
    assert "it is a folder; give the name of a file" in message


def test_a_folder_without_permission(refused, tmp_path):
    tmp_path.chmod(0o555)
    root = os.geteuid() == 0
    if root:  # who may write everywhere; nobody may not
        os.seteuid(65534)
    try:
        message = refused("train", "--out", tmp_path / "run")
    finally:
        if root:
            os.seteuid(0)
    assert "Permission denied" in message
    assert str(tmp_path / "run") in message


def test_unwritable_places_are_noticed_before_the_training(refused, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("trained for nothing")

    monkeypatch.setattr("sbp.learn.training.train", never)
    (tmp_path / "file").write_text("")
    refused("train", "--out", tmp_path / "file" / "run")
    refused("train", "--json", tmp_path / "file" / "run.json")


# What a circuit refuses has no option on the command line: the same errors, by the API.
def relay(**changes):
    neuron = spec.Neuron()
    parts = {
        "name": "relay",
        "sizes": (2,),
        "sources": (spec.Source("input", 2, phase=0),),
        "populations": (spec.Population("a", 2, neuron), spec.Population("b", 3, neuron)),
        "projections": (spec.Projection("input", "a", "copy", 520),),
        "phases": (spec.Phase(), spec.Phase(("a",))),
    }
    return spec.Circuit(**(parts | changes))


API = {
    "negative delay": (
        lambda: spec.Projection("x", "h", "copy", 520, delay=-1),
        "projection x -> h: delay is -1", "0 to 62",
    ),
    "delay beyond": (
        lambda: spec.Projection("x", "h", "copy", 520, delay=63), "delay is 63", "0 to 62",
    ),
    "projection to no population": (
        lambda: relay(projections=(spec.Projection("a", "c", "copy", 520),)),
        "no population is called 'c'", "a, b",
    ),
    "projection from no population": (
        lambda: relay(projections=(spec.Projection("q", "a", "copy", 520),)),
        "no population or source is called 'q'", "a, b",
    ),
    "one-to-one between unequal sizes": (
        lambda: relay(projections=(spec.Projection("a", "b", "copy", 520),)),
        "one-to-one between 2 and 3 neurons", "equal sizes",
    ),
    "population of no neurons": (
        lambda: spec.Population("a", 0, spec.Neuron()), "population 'a': size is 0", "1 to",
    ),
    "negative layer": (
        lambda: circuits.learning_circuit((4, -1, 2)), "layer size -1", "1 to 65536",
    ),
    "record of no population": (
        lambda: Record(spikes=("q",)).names(lower(relay()), "spikes"), "'q'", "a, b, input",
    ),
    "weights of no parameter": (
        lambda: lower(relay()).state({"W1": np.zeros((2, 2), int)}), "'W1'", "none",
    ),
    "stimulus for no source": (
        lambda: lower(relay()).check_stimulus({"target": np.ones((1, 2), int)}),
        "'target'", "input",
    ),
    "stimulus that is not binary": (
        lambda: lower(relay()).check_stimulus({"input": np.full((1, 2), 2)}), "0 and 1",
    ),
    "unknown engine": (lambda: engines.get("gpu"), "'gpu'", "reference, compiled, lava"),
    "unknown setting": (lambda: Settings(engine="gpu"), "'gpu'", "algebra, reference"),
    "number of another type": (lambda: Settings(hidden=True), "hidden is True", "whole number"),
    "unknown data set": (lambda: data.load("cifar"), "'cifar'", "digits", "mnist-5k", "mnist"),
}  # fmt: skip


@pytest.mark.parametrize("case", API)
def test_api(case):
    call, *parts = API[case]
    with pytest.raises(SbpError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_states_of_another_program_are_refused():
    program = lower(circuits.learning_circuit((5, 4, 3)))
    state = program.state(initial_weights((5, 4, 3), 0))
    arrays = state.arrays()
    with pytest.raises(SpecError, match="state: v is missing or has another shape"):
        program.state_from({**arrays, "v": arrays["v"][1:]})


def test_a_program_for_a_circuit_and_the_other_way_round():
    from sbp import plots
    from sbp.checks import domain
    from sbp.files import program_file

    circuit = circuits.learning_circuit((6, 3, 2))
    program = lower(circuit)
    for call in (domain.limits, program_file.dumps):
        with pytest.raises(SpecError, match=r"program is of type Circuit; .*; sbp\.lower\(circuit"):
            call(circuit)
    for drawn in (plots.circuit_diagram, plots.phase_diagram):
        words = [sorted(re.split(r"[ ,.]+", drawn(given).alt)) for given in (program, circuit)]
        assert words[0] == words[1]  # a program's populations fire in the order of their numbers
        with pytest.raises(SpecError, match="what is drawn is of type str; allowed: a Circuit"):
            drawn("learning")


def test_data_of_no_kind():
    with pytest.raises(SbpError, match="data set None; allowed: a name or a path"):
        data.load(None)
    with pytest.raises(SbpError, match=r"1\.5 train samples"):
        data.load("digits").take(1.5)


@pytest.mark.parametrize("facts", ['"seed": [1]', '"circuit": 3', '"threshold": "x"'])
def test_a_history_with_facts_of_another_kind(refused, tmp_path, facts):
    path = tmp_path / "h.json"
    path.write_text(f'{{"epochs": [{{"epoch": 1, "spike": 0.5}}], {facts}}}')
    message = refused("plot", "curve", path, "--out", tmp_path / "h.png")
    assert "h.json is no training history" in message
