"""No command writes over what it reads, however the same file is spelled."""

import itertools
import os
from pathlib import Path

import click
import numpy as np
import pytest
from test_cli import SMALL, commands

from sbp.app.cli.paths import (
    Command,
    DataFolder,
    DatasetName,
    PathType,
    Reads,
    Run,
    Writes,
    WritesFolder,
    WritesRun,
)
from sbp.learn.checkpoint import RunFolder

COMMANDS = [(path, command) for path, command in commands() if not isinstance(command, click.Group)]

#: Parameters that are text and name no file.
TEXT = {"title", "populations", "states", "scheduler", "ids", "circuit"}


def is_text(parameter):
    return type(parameter.type) in (click.types.StringParamType, click.types.UnprocessedParamType)


def test_every_command_declares_what_it_reads_and_writes():
    assert len(COMMANDS) >= 14
    for path, command in COMMANDS:
        assert isinstance(command, Command), path
        for parameter in command.params:
            assert not isinstance(parameter.type, (click.Path, click.File)), (path, parameter.name)
            assert type(parameter.type) is not PathType, (path, parameter.name)
            if is_text(parameter):
                assert parameter.name in TEXT, f"{path} {parameter.name}: is it a path?"


def ending(parameter):
    return parameter.type.endings[0] if parameter.type.endings else ""


def words(parameter, value):
    return [parameter.opts[0], str(value)] if isinstance(parameter, click.Option) else [str(value)]


def required(command, *given):
    """Words for the arguments and options that a command cannot do without."""
    found = []
    for parameter in command.params:
        if parameter.required and parameter not in given:
            name = f"other-{parameter.name}{ending(parameter) if is_output(parameter) else ''}"
            if isinstance(parameter.type, click.Choice):
                name = parameter.type.choices[0]
            elif parameter.name == "circuit":
                name = "learning"
            found.append((parameter, name))
    return found


def is_output(parameter):
    return isinstance(parameter.type, Writes)


def line(command, **values):
    """The command line; arguments in their order."""
    chosen = {p: v for p in command.params for n, v in values.items() if p.name == n}
    chosen |= dict(required(command, *chosen))
    arguments = [p for p in command.params if not isinstance(p, click.Option) and p in chosen]
    opts = [p for p in chosen if isinstance(p, click.Option)]
    return [word for p in (*opts, *arguments) for word in words(p, chosen[p])]


def spellings(path):
    """Other names of a file that is there."""
    yield path
    yield path.parent / ".." / path.parent.name / path.name
    yield Path(os.path.relpath(path))
    yield Path(f"~/{os.path.relpath(path, Path.home())}")
    for make in (os.symlink, os.link):
        other = path.parent / f"{make.__name__}{path.suffix}"
        make(path, other)
        yield other
        other.unlink()
    folder = path.parent.parent / "elsewhere"
    folder.symlink_to(path.parent)
    yield folder / path.name
    folder.unlink()


def a_run(folder):
    folder.mkdir(parents=True)
    for path in RunFolder(folder).files:
        path.write_text(f"this is {path.name}")
    return folder


def snapshot(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def what_is_read(parameter, folder, name):
    """Values of a parameter, each with a file that is then read."""
    kind = parameter.type
    if isinstance(kind, Run):
        run = a_run(folder / "run")
        yield from ((run, file) for file in RunFolder(run).files)
        yield run / "weights.npz", run / "history.json"
    if isinstance(kind, DataFolder):
        raw = folder / "root" / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for file in (raw / "train-images-idx3-ubyte", raw / name):
            file.write_text("pictures")
            yield folder / "root", file
        return
    (folder / name).write_text("what the user made")
    yield folder / name, folder / name
    if isinstance(kind, DatasetName):
        (folder / "pictures").mkdir()
        (folder / "pictures" / name).write_text("pictures")
        yield folder / "pictures", folder / "pictures" / name


PAIRS = [
    pytest.param(path, command, read, write, id="-".join((*path[1:], read.name, write.name)))
    for path, command in COMMANDS
    for read in command.params
    for write in command.params
    if isinstance(read.type, Reads) and isinstance(write.type, Writes)
]


@pytest.mark.parametrize(("path", "command", "read", "write"), PAIRS)
def test_no_output_takes_the_place_of_an_input(
    refused, tmp_path, monkeypatch, path, command, read, write
):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if isinstance(write.type, WritesRun):
        names = [file.name for file in RunFolder(Path()).files]
    elif isinstance(write.type, WritesFolder):
        names = [pattern.replace("*", "a") for pattern in write.type.patterns]
    else:
        names = [f"own{ending(write)}"]
    for name in names:
        base = tmp_path / f"for-{name}"
        base.mkdir()
        found = list(what_is_read(read, base, name))
        before = snapshot(base)
        for value, file in found:
            if isinstance(write.type, WritesFolder):
                if file.name not in names:
                    continue
                targets = [file.parent, file.parent / ".." / file.parent.name]
            else:
                targets = spellings(file)
            for target in targets:
                message = refused(
                    *path[1:], *line(command, **{read.name: value, write.name: target})
                )
                expected = ["would be written over", "belongs to a training run"]
                expected += ["allowed: "] * (file.suffix not in write.type.endings)
                assert any(part in message for part in expected), message
        assert snapshot(base) == before
    assert os.listdir() == []


TWICE = [
    pytest.param(path, command, a, b, id="-".join((*path[1:], a.name, b.name)))
    for path, command in COMMANDS
    for a, b in itertools.permutations([p for p in command.params if is_output(p)], 2)
]


@pytest.mark.parametrize(("path", "command", "a", "b"), TWICE)
def test_no_two_outputs_are_one_file(refused, tmp_path, monkeypatch, path, command, a, b):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    names = ["both", "./both", "elsewhere/both"]
    if not isinstance(a.type, WritesFolder):
        names.append("both/below")  # which needs a folder where the other writes a file
    for name in names:
        message = refused(*path[1:], *line(command, **{a.name: "both", b.name: name}))
        assert "is named twice" in message
        assert os.listdir() == ["elsewhere"]


def test_the_files_that_were_lost_before(refused, sbp, tmp_path, monkeypatch):
    """Command lines that people typed."""
    monkeypatch.chdir(tmp_path)
    x, y = np.eye(8, dtype=np.uint8), np.arange(8)
    np.savez("own.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert sbp("train", *SMALL[:2], "--epochs", 1, "--dataset", "own.npz", "--out", "run")[0] == 0
    Path("w.npz").write_bytes(Path("run/weights.npz").read_bytes())
    before = snapshot(tmp_path)
    for typed in (
        "train --dataset own.npz --json own.npz",
        "train --dataset run/weights.npz --out run --force",
        "trace --out own.npz --dataset own.npz",
        "trace --out t.npz --dataset own.npz --csv own.npz",
        "evaluate w.npz --dataset own.npz --json w.npz",
        "trace w.npz --out w.npz --dataset own.npz",
        "import run/weights.npz --out run --force",
        "export w.npz ./w.npz",
    ):
        refused(*typed.split())
        assert snapshot(tmp_path) == before, typed


def test_results_may_go_into_one_pipe_and_into_devices(sbp):
    assert sbp("train", *SMALL, "--epochs", 1, "--quiet", "--json", os.devnull)[0] == 0
    code, _, _ = sbp(
        "trace", "--out", os.devnull, "--samples", 1, "--hidden", 4, "--csv", os.devnull
    )
    assert code == 0


def test_a_tilde_is_the_home_folder_in_every_path(sbp, refused, tmp_path, monkeypatch):
    """The shell leaves it alone after an equals sign."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    for path, command in COMMANDS:
        for parameter in command.params:
            if isinstance(parameter.type, PathType):
                name = f"b{ending(parameter) if is_output(parameter) else ''}"
                with click.Context(command) as context:
                    found = parameter.type.convert(f"~/a/{name}", parameter, context)
                assert str(found) == str(home / "a" / name), (path, parameter.name)
    code, _, _ = sbp("train", *SMALL, "--epochs", 1, "--out=~/run", "--json=~/j.json")
    assert code == 0
    assert sorted(os.listdir(home)) == ["j.json", "run"]
    assert sbp("evaluate", "~/run", "--test-samples", 5)[0] == 0
    message = refused("train", "--out=~nobody-of-that-name/run")
    assert "no user is called 'nobody-of-that-name'" in message
    assert "./~nobody-of-that-name/run" in message
    assert os.listdir(here) == []


@pytest.mark.parametrize(
    "typed",
    [
        "train --dataset missing.npz --out a/b/c --json d/e/f.json",
        "trace --out a/t.npz --samples 99999 --csv b/t.csv",
        "export missing a/b.nir",
        "import missing.nir --out a/b",
        "plot weights missing --out a/b/c.png",
        "sweep --dataset missing.npz --out a/b --workers 1",
    ],
)
def test_a_failing_command_leaves_no_folders(refused, tmp_path, monkeypatch, typed):
    (tmp_path / "kept").mkdir()
    monkeypatch.chdir(tmp_path)
    refused(*typed.split())
    refused(*typed.replace(" a/", " kept/a/").split())
    assert [str(path) for path in Path().rglob("*")] == ["kept"]


def test_a_name_of_another_kind_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for typed, ending in (
        ("train --json j.npz", ".json"),
        ("export pretrained w.onnx", ".nir or .npz or .csv"),
        ("trace --out t.csv", ".npz"),
        ("trace --csv t.json", ".csv"),
        ("plot circuit --out c.csv", ".png or .svg or .pdf"),
        ("plot circuit --out c.gif", ".png or .svg or .pdf"),
        ("plot circuit --out c", ".png or .svg or .pdf"),
    ):
        message = refused(*typed.split())
        assert f"allowed: {ending}" in message
    assert "name it *.nir or *.npz or *.csv" in refused("export", "pretrained", "w.weights")
    assert os.listdir() == []


def test_blanks_and_control_characters_of_a_path_are_seen(refused, tmp_path, monkeypatch):
    """What is printed of a path is the path."""
    monkeypatch.chdir(tmp_path)
    for name, shown in (
        ("a  b", "'a  b'"),
        ("run ", "'run '"),
        ("run\r", r"'run\r'"),
        ("a\nb", r"'a\nb'"),
        ("a\tb", r"'a\tb'"),
        ("it's here", '"it\'s here"'),
        ("\x1b[31mred", r"'\x1b[31mred'"),
    ):
        assert f"error: {shown} does not exist" in refused("evaluate", name)
        assert f"{shown} is neither a file nor a trace" in refused("verify", name)
        assert f" {shown} is named twice" in refused("trace", f"--out={name}", "--csv", name)
    assert "error: plain does not exist" in refused("evaluate", "plain")


def test_pictures_and_traces_go_where_the_run_is_and_beside_older_ones(sbp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        sbp("train", *SMALL, "--epochs", 1, "--seed", seed, "--out", f"run{seed}")
    small = ("--dpi", 30)
    for words, place in (
        (("weights", "run0", "--units", 1), "run0/weights.png"),
        (("curve", "run0"), "run0/curve.png"),
        (("curve", "run0", "run1"), "curve.png"),
        (("phases", "gating_chain", "--ring", 2), "phases.png"),
    ):
        assert sbp("plot", *words, *small)[1].startswith(f"{place}: ")
        before = Path(place).read_bytes()
        for number in (2, 3):
            older = place.replace(".png", f"-{number}.png")
            assert sbp("plot", *words, *small)[1].startswith(f"{older}: ")
        assert Path(place).read_bytes() == before
    assert sbp("trace", "run0", "--samples", 1)[1].startswith("run0/trace.npz: ")
    assert sbp("trace", "run0/weights.npz", "--dataset", "digits")[1].startswith("trace.npz: ")
    # A name that was given is what is written; that an older picture went is said.
    out = sbp("plot", "curve", "run0", "--out", "curve.png", *small)[1]
    assert out.startswith("curve.png (in place of an older one): ")


# --- files that nobody named ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("card .", "learning.sbp"),
        ("program images p.sbp . --trace t.npz", "trace.txt"),
        ("reproduce circuit-sizes --no-figures --out .", "status.md"),
    ],
)
def test_a_folder_is_not_filled_over_the_files_of_others(
    line, there, sbp, refused, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert sbp("program", "write", "learning", "p.sbp", "--sizes", "6-3-2")[0] == 0
    assert sbp("trace", "--sizes", "64-3-10", "--samples", "1", "--out", "t.npz")[0] == 0
    if there.endswith(".sbp"):
        (tmp_path / "p.sbp").rename(there)
    else:
        (tmp_path / there).write_text("my notes")
    before = Path(there).read_bytes()
    assert there in refused(*line.split())
    assert Path(there).read_bytes() == before


def test_a_card_is_written_over_a_card(sbp, tmp_path):
    for _ in range(2):
        assert sbp("card", tmp_path / "card")[0] == 0


def test_a_program_does_not_lie_beside_the_weights_of_another(sbp, refused, tmp_path):
    file, run = tmp_path / "p.sbp", tmp_path / "run"
    assert sbp("train", "--hidden", 5, "--epochs", 1, "--out", run, "--quiet")[0] == 0
    assert sbp("program", "write", "learning", file, "--weights", run)[0] == 0
    before = file.read_bytes()
    message = refused("program", "write", "learning", file, "--sizes", "64-6-10")
    assert "p.sbp.weights is there, and no weights of this program" in message
    assert file.read_bytes() == before
    code, out, _ = sbp("program", "write", "learning", file, "--sizes", "64-5-10")
    assert code == 0
    assert "p.sbp.weights: as it was; it fits" in out.replace(str(tmp_path), "")


def test_a_single_layer_is_written_for_reading(sbp, tmp_path):
    file, run = tmp_path / "p.sbp", tmp_path / "run"
    train = ("train", "--circuit", "single_layer", "--epochs", 1, "--out", run, "--quiet")
    assert sbp(*train)[0] == 0
    assert sbp("program", "write", "inference", file, "--weights", run)[0] == 0
    code, out, _ = sbp("program", "check", file)
    assert code == 0
    assert "W 10 by 64" in out


def test_programs_have_a_help_of_their_own(sbp):
    code, out, err = sbp("program")
    assert (code, err) == (0, "")
    assert "Examples:" in out
