import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import ENVIRONMENT, PATIENCE, wait_for

from sbp import engines
from sbp.app.cli import cli, main, options
from sbp.circuits import registry
from sbp.errors import SpecError
from sbp.learn import data, pretrained, training
from sbp.learn.training import Settings, train
from sbp.weights import arrays_digest

SMALL = ("--hidden", 8, "--samples", 60, "--test-samples", 30)
MEASURES = ("exact", "spike", "membrane", "mse")


def keys(value):
    """Every key at every depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def group_lives(number):
    """Whether any process of a group is left."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def commands(group=cli, path=("sbp",)):
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize(("path", "command"), [pytest.param(*c, id=c[0][-1]) for c in commands()])
def test_every_command_has_help_with_examples(sbp, path, command):
    code, out, err = sbp(*path[1:], "--help")
    assert (code, err) == (0, "")
    lines = out.partition("Examples:")[2].splitlines()
    examples = [line for line in lines if line.strip().startswith(" ".join(path))]
    assert examples, "no example"
    for parameter in command.params:
        assert parameter.param_type_name == "argument" or parameter.help, parameter.name
    for example in examples:
        # What the help shows can be typed: names of options and commands are known.
        words = re.split(r"\s{3,}", example.strip())[0].split()[1:]
        assert {w for w in words if w.startswith("--")} <= {
            name for _, known in commands() for p in known.params for name in p.opts
        }


def test_lists_of_commands_are_whole_at_80_columns(sbp, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for words in ((), ("plot",), ("program",)):
        listed = sbp(*words, "--help")[1].partition("Commands:")[2].partition("Examples:")[0]
        assert listed.count("\n") > 4
        assert "..." not in listed


def test_no_command_and_version(sbp):
    code, out, _ = sbp()
    assert code == 0
    for name in (
        "train",
        "evaluate",
        "plot",
        "reproduce",
        "sweep",
        "verify",
        "trace",
        "summary",
        "info",
    ):
        assert re.search(rf"^  {name} ", out, re.MULTILINE)
    assert re.fullmatch(r"sbp \d+\.\d+\.\d+\n", sbp("--version")[1])


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from sbp.app.cli import main\n"
        "main(['train', '--help'])\n"
        "heavy = {'numba', 'matplotlib', 'sklearn', 'scipy', 'rich', 'requests', 'lava'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_training_leaves_out_what_lava_cannot_stand():
    code = (
        "import sys\n"
        "from sbp.app.cli import main\n"
        "main(['train', '--hidden', '4', '--epochs', '1', '--samples', '20'])\n"
        "sys.exit(', '.join({'tqdm', 'joblib'} & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_names_written_out_for_speed_are_those_of_the_modules():
    assert sorted(options.ENGINES) == sorted(training.ENGINES)
    assert engines.names() == options.CIRCUIT_ENGINES
    assert registry.families() == options.CIRCUITS
    assert options.PRETRAINED == pretrained.NAME


@pytest.mark.parametrize("engine", ["algebra", "reference", "compiled"])
def test_train(sbp, tmp_path, engine):
    out, json_file = tmp_path / "run", tmp_path / "sub" / "run.json"
    code, printed, err = sbp("train", *SMALL, "--engine", engine, "--epochs", 3, "--seed", 7,
                             "--out", out, "--json", json_file)  # fmt: skip
    assert code == 0
    digits = data.load("digits").take(60, 30)
    expected = train(digits, Settings("algebra", 8, 3, 7))

    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 3
    written = json.loads(json_file.read_text())
    assert [set(epoch) for epoch in written["epochs"]] == [{"epoch", *MEASURES, "seconds"}] * 3
    for line, mine, epoch in zip(lines, expected.epochs, written["epochs"], strict=True):
        assert [epoch[m] for m in ("epoch", *MEASURES)] == [mine[m] for m in ("epoch", *MEASURES)]
        assert f"spike {100 * epoch['spike']:.2f} %" in line
        assert f"membrane {100 * epoch['membrane']:.2f} %" in line
        assert epoch["seconds"] > 0

    top = dict(written)
    top.pop("epochs")
    reserved = ("epochs", "epoch", *MEASURES, "seconds")
    assert [key for key in keys(top) if key.endswith(reserved)] == []
    assert (written["dataset"], written["data_checksum"]) == ("digits", digits.checksum)
    assert (written["n_train"], written["n_test"], written["seed"]) == (60, 30, 7)
    assert ("faults" in written) == (engine != "algebra")

    with np.load(out / "weights.npz", allow_pickle=False) as weights:
        matrices = {n: weights[n] for n in weights if n != "about"}
        about = json.loads(str(weights["about"]))
    assert {n: matrix.shape for n, matrix in matrices.items()} == {"W1": (8, 64), "W2": (10, 8)}
    assert all(np.issubdtype(matrix.dtype, np.integer) for matrix in matrices.values())
    assert arrays_digest(matrices) == expected.digest == written["weights_digest"]
    history = json.loads((out / "history.json").read_text())
    assert about == history
    assert history["epochs"] == written["epochs"]

    last = expected.epochs[-1]
    for measure in MEASURES[:3]:
        assert re.search(rf"{measure} +{100 * last[measure]:.2f} %", printed)
    assert "a second" in printed
    assert ("register wraps" in printed) == (engine != "algebra")
    assert str(out) in printed


@pytest.mark.parametrize("engine", ["algebra", "reference", "compiled"])
def test_evaluate_measures_what_training_did(sbp, tmp_path, engine):
    sbp("train", *SMALL, "--epochs", 2, "--out", tmp_path / "run")
    last = json.loads((tmp_path / "run" / "history.json").read_text())["epochs"][-1]
    for where in (tmp_path / "run", tmp_path / "run" / "weights.npz"):
        code, out, _ = sbp("evaluate", where, "--engine", engine, "--test-samples", 30,
                           "--json", tmp_path / "e.json")  # fmt: skip
        assert code == 0
        written = json.loads((tmp_path / "e.json").read_text())
        assert [written[m] for m in MEASURES] == [last[m] for m in MEASURES]
        assert (written["engine"], written["dataset"], written["n_test"]) == (engine, "digits", 30)
        assert re.search(rf"membrane +{100 * last['membrane']:.2f} %", out)


def test_evaluate_reads_the_data_as_training_did(sbp, tmp_path):
    sbp("train", *SMALL, "--epochs", 2, "--threshold", 4, "--crop", 1, "--out", tmp_path / "run")
    last = json.loads((tmp_path / "run" / "history.json").read_text())["epochs"][-1]
    found = tmp_path / "e.json"
    sbp("evaluate", tmp_path / "run", "--test-samples", 30, "--json", found)
    assert json.loads(found.read_text())["mse"] == last["mse"]
    sbp("evaluate", tmp_path / "run", "--test-samples", 30, "--threshold", 12, "--json", found)
    assert json.loads(found.read_text())["mse"] != last["mse"]
    code, _, _ = sbp("plot", "raster", tmp_path / "run", "--out", tmp_path / "r.png")
    assert code == 0


def test_lava_trains_in_one_process_unless_told_otherwise(monkeypatch, sbp):
    seen = []

    def train(data, settings, *, options, **_):
        seen.append(options)
        raise SpecError("stopped here")

    monkeypatch.setattr("sbp.learn.training.train", train)
    for arguments in ((), ("--layout", "network")):
        sbp("train", *SMALL, "--engine", "lava", *arguments)
    sbp("train", *SMALL, "--engine", "compiled")
    assert seen == [{}, {"layout": "network"}, {}]


def test_results_may_go_into_a_pipe(sbp, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit((tmp_path / "pipe").read_text)
        code, _, _ = sbp("train", *SMALL, "--epochs", 1, "--json", tmp_path / "pipe")
        assert code == 0
        assert len(json.loads(read.result(60))["epochs"]) == 1
    assert not (tmp_path / "pipe").is_file()


def test_an_output_never_takes_the_place_of_a_saved_run(sbp, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sbp("train", *SMALL, "--epochs", 1, "--out", "run")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    for line in (
        "train --epochs 1 --json run/history.json",
        "train --epochs 2 --out run --resume --json run/history.json",
        "evaluate run --json run/history.json",
        "export pretrained run/weights.npz --to npz",
        "trace --out run/checkpoint.previous.npz"
        if "checkpoint.previous.npz" in kept
        else "trace --out run/checkpoint.npz",
    ):
        message = refused(*line.split())
        said = ("belongs to a training run", "is named twice", "would be written over")
        assert any(part in message for part in said), message
    assert "ends in .npz" in refused("train", "--epochs", 1, "--json", "run/weights.npz")
    assert "is named twice" in refused("train", "--out", "new", "--json", "new/history.json")
    assert "is named twice" in refused("trace", "--out", "t", "--csv", "./t")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == kept
    assert sbp("export", "pretrained", "weights.npz", "--to", "npz")[0] == 0


def test_two_runs_never_train_into_one_folder(start, refused, sbp, tmp_path):
    first = start("train", "--hidden", 100, "--epochs", 100_000, "--out", tmp_path / "run")
    wait_for((tmp_path / "run" / "checkpoint.npz").exists)
    for how in ("--resume", "--force"):
        message = refused("train", "--hidden", 8, "--out", tmp_path / "run", how)
        assert "another process is writing a run into" in message
    first.kill()
    first.wait()
    assert sbp("train", *SMALL, "--epochs", 1, "--out", tmp_path / "run", "--force")[0] == 0


def test_force_keeps_the_old_run_until_the_new_one_is_saved(sbp, tmp_path, monkeypatch):
    run = tmp_path / "run"
    sbp("train", *SMALL, "--epochs", 2, "--out", run)
    kept = {path.name: path.read_bytes() for path in run.iterdir()}
    real = training.epoch_order

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "epoch_order", interrupted)
    assert sbp("train", *SMALL, "--epochs", 1, "--seed", 7, "--out", run, "--force")[0] == 130
    assert {path.name: path.read_bytes() for path in run.iterdir()} == kept
    monkeypatch.setattr(training, "epoch_order", real)
    assert sbp("train", *SMALL, "--epochs", 1, "--seed", 7, "--out", run, "--force")[0] == 0
    history = json.loads((run / "history.json").read_text())
    assert (history["seed"], len(history["epochs"])) == (7, 1)
    assert not (run / "checkpoint.previous.npz").exists()


def test_advice_fits_what_is_in_the_folder(sbp, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sbp("train", *SMALL, "--epochs", 1, "--out", "run")
    sbp("export", "run", "run.nir")
    sbp("import", "run.nir", "--out", "imported")
    message = refused("train", "--out", "imported")
    assert "no checkpoint to go on from" in message
    assert "--resume" not in message
    (tmp_path / "run" / "weights.npz").unlink()
    (tmp_path / "run" / "history.json").unlink()
    for command in (("evaluate", "run"), ("export", "run", "again.nir"), ("plot", "curve", "run")):
        code, _, err = sbp(*command)
        assert code == 0
        taken = "run is an unfinished run: its weights after 1 epochs are taken" in err
        assert taken == (command[0] != "plot")
    assert "--to csv into x.nir: name the file *.csv" in refused(
        "export", "pretrained", "--to", "csv", "x.nir"
    )
    code, out, _ = sbp("export", "pretrained", "x.csv")
    assert (code, "csv" in out) == (0, True)
    assert (tmp_path / "x.csv").read_text().startswith("matrix")


#: A shell says 130 to both.  Python ends by the signal itself where the interrupt once came while
#: a text was executed, as happens in imports that make data classes.
BY_CTRL_C = 130, -signal.SIGINT


def test_ctrl_c_in_a_picture_s_training(start, tmp_path):
    process = start("plot", "raster", "--hidden", 2000, "--epochs", 99_999, "--out",
                    tmp_path / "r.png")  # fmt: skip
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode in BY_CTRL_C
    assert err.splitlines()[-1] == "sbp: interrupted"
    assert "Traceback" not in out + err


def test_ctrl_c_in_a_terminal_ends_a_sweep_in_one_line(start, tmp_path):
    """A terminal signals the whole group of processes, the workers too."""
    process = start(
        "sweep", "--dataset", "digits", "--hidden", 400, "--epochs", 90_000, "--seeds", 2,
        "--out", tmp_path, start_new_session=True,
    )  # fmt: skip
    time.sleep(8)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode in BY_CTRL_C
    assert "Traceback" not in out + err, err
    assert err.splitlines()[-1] == "sbp: interrupted"
    wait_for(lambda: not group_lives(process.pid), seconds=PATIENCE)


def test_curves_average_seeds_and_nothing_else(sbp, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, more in (
        ("a", ("--seed", 0)),
        ("b", ("--seed", 1)),
        ("c", ("--hidden", 9)),
        ("d", ("--hidden", 9, "--engine", "compiled", "--epochs", 4)),
        ("e", ("--hidden", "8-6")),
        ("f", ("--seed", 2, "--circuit", "learning")),
    ):
        sbp("train", *SMALL, "--epochs", 2 + (name == "b"), *more, "--out", name)
    code, out, err = sbp("plot", "curve", "a", "b")
    assert (code, "2 seeds" in out) == (0, True)
    assert "the runs have 2 to 3 epochs" in err
    assert "2 seeds" in sbp("plot", "curve", "a", "f")[1]
    code, out, err = sbp("plot", "curve", "a", "b", "c", "d", "e", "--out", "c.svg")
    assert (code, "5 settings" in out, "4 settings" in out) == (0, False, True)
    for name, label in (
        ("c", "64-9-10, algebra"),
        ("d", "64-9-10, compiled"),
        ("e", "64-8-6-10, algebra"),
    ):
        last = json.loads(Path(name, "history.json").read_text())["epochs"][-1]
        assert f"{label} after epoch {last['epoch']}: " in out
        assert f"membrane {100 * last['membrane']:.1f} %" in out.partition(label)[2].split(".\n")[0]
    assert "64-8-10, algebra (2 seeds) after epoch 2: " in out
    drawn = Path("c.svg").read_text()
    assert drawn.count("mean membrane ") == 4
    assert drawn.count("sd membrane ") == 1
    assert "a and a are one experiment with one seed, 0" in refused("plot", "curve", "a", "a")


def test_a_raster_names_its_sample(sbp, tmp_path):
    _, out, _ = sbp("plot", "raster", "--epochs", 0, "--hidden", 4, "--sample", 7, "--out",
                    tmp_path / "r.png")  # fmt: skip
    assert "Spike raster of sample 7 in the learning circuit" in out


def test_a_shift_that_no_crop_allows_is_told(sbp, tmp_path):
    small = ("--hidden", 4, "--epochs", 1, "--samples", 50, "--workers", 1, "--out", tmp_path)
    code, _, err = sbp("sweep", "--dataset", "digits", "--crop", 1, "--shift", "0,3", *small)
    assert code == 0
    assert "left out: shift 3, larger than every crop" in err


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_closed_stream_is_no_error(closed, tmp_path):
    command = f'"$0" -m sbp train --samples 9 --epochs 1 --out "$1" {closed}>&-'
    done = subprocess.run(["sh", "-c", command, sys.executable, tmp_path / "run"], env=ENVIRONMENT,
                          capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert (tmp_path / "run" / "weights.npz").exists()


def test_a_table_that_nobody_reads_is_no_disagreement(tmp_path):
    command = '"$0" -m sbp reproduce --status --out "$1"; echo $? >&2'
    folder = Path(__file__).resolve().parents[1] / "results"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as pipe:
        done = subprocess.run(["sh", "-c", command, sys.executable, folder], env=ENVIRONMENT,
                              stdout=pipe, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert done.stderr.split() == ["141"]


def test_without_out_nothing_is_kept(sbp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = sbp("train", *SMALL, "--epochs", 1, "--json", "j.json")
    assert code == 0
    assert "nothing is kept but j.json: --out DIR" in out
    assert os.listdir(tmp_path) == ["j.json"]


def test_quiet(sbp, tmp_path):
    assert sbp("train", *SMALL, "--epochs", 1, "--quiet", "--json", tmp_path / "j") == (0, "", "")
    assert (tmp_path / "j").exists()


def test_a_used_folder(sbp, refused, tmp_path):
    run = tmp_path / "run"
    arguments = ("train", *SMALL, "--epochs", 2, "--out", run)
    assert sbp(*arguments, "--resume")[0] == 0  # nothing to go on from: starts afresh
    kept = {path: path.read_bytes() for path in run.iterdir()}
    digest = json.loads((run / "history.json").read_text())["digest"]

    line = refused(*arguments)
    assert f"{run} holds a finished run" in line
    assert "--resume goes on with it, --force starts afresh" in line
    line = refused(*arguments, "--resume", "--seed", 1)
    assert "belongs to another run: seed is 0 there and 1 here" in line
    assert {path: path.read_bytes() for path in run.iterdir()} == kept

    code, out, err = sbp(*arguments, "--resume", "--json", tmp_path / "j.json")
    assert code == 0
    assert f"{run}: this run has finished its 2 epochs; nothing to do" in err
    assert "epoch 2" in out
    written = json.loads((tmp_path / "j.json").read_text())
    assert written["weights_digest"] == digest
    assert len(written["epochs"]) == 2
    assert written["finished"] is True
    # The finish is written again; not one byte of it differs.
    assert {path: path.read_bytes() for path in run.iterdir()} == kept

    (run / "checkpoint.npz").unlink()
    (run / "checkpoint.previous.npz").unlink()
    assert "no checkpoint to go on from" in refused(*arguments, "--resume")
    assert sbp(*arguments, "--force", "--seed", 1)[0] == 0
    history = json.loads((run / "history.json").read_text())
    assert (history["seed"], len(history["epochs"])) == (1, 2)
    assert history["digest"] != digest


def test_resume_with_more_epochs_counts_only_the_new_ones(sbp, tmp_path):
    arguments = ("train", *SMALL, "--out", tmp_path / "run", "--epochs")
    sbp(*arguments, 2)
    code, _, err = sbp(*arguments, 4, "--resume")
    assert code == 0
    assert [line.split()[1] for line in err.splitlines() if line.startswith("epoch")] == [
        "3/4", "4/4",
    ]  # fmt: skip


def test_a_damaged_checkpoint_is_one_line_of_warning(sbp, tmp_path):
    arguments = ("train", *SMALL, "--out", tmp_path / "run", "--epochs")
    sbp(*arguments, 3)
    newest = tmp_path / "run" / "checkpoint.npz"
    newest.write_bytes(newest.read_bytes()[:-30])
    code, _, err = sbp(*arguments, 3, "--resume")
    assert code == 0
    warned = [line for line in err.splitlines() if "warning" in line]
    assert len(warned) == 1
    assert warned[0].startswith(f"sbp: warning: {newest}")
    assert warned[0].endswith("going on from checkpoint.previous.npz, epoch 2")
    digits = data.load("digits").take(60, 30)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert history["digest"] == train(digits, Settings("algebra", 8, 3)).digest


def test_strict_training_stops_at_the_first_register_wrap(sbp, refused, tmp_path):
    """One update of 65,536 synapses lifts W1 x by 131,072: the register ends at 131,071."""
    rng = np.random.default_rng(0)
    x = np.ones((20, 65_536), np.uint8)
    y = rng.integers(0, 2, 20)
    np.savez(tmp_path / "ones.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4])
    arguments = ("train", "--dataset", tmp_path / "ones.npz", "--hidden", 10, "--epochs", 2,
                 "--engine", "compiled")  # fmt: skip
    line = refused(*arguments, "--strict")
    assert re.search(r"register wrap in population h[<>]?.* at step \d+ \(phase \d", line)
    assert "run without strict mode to count such events" in line
    code, out, err = sbp(*arguments)
    assert code == 0
    assert re.search(r"register wraps +[1-9]", out)
    assert "RuntimeWarning" not in err


def test_own_data(sbp, tmp_path):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    x = (rng.random((90, 3, 4)) < 0.2) | (np.arange(3)[:, None] == y[:, None, None])
    np.savez(tmp_path / "lines.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    code, out, _ = sbp("train", "--dataset", tmp_path / "lines.npz", "--hidden", 20,
                       "--json", tmp_path / "j.json")  # fmt: skip
    assert code == 0
    written = json.loads((tmp_path / "j.json").read_text())
    assert written["sizes"] == [12, 20, 3]
    assert written["epochs"][-1]["membrane"] > 0.8, out


def test_summary(sbp):
    out = sbp("summary")[1]
    assert "3,282 neurons" in out
    assert "517,203 synapses" in out
    assert "500,000 of them plastic" in out
    out = sbp("summary", "inference")[1]
    assert "814 neurons" in out
    assert "165,215 synapses" in out
    assert "sizes 64-20-10" in sbp("summary", "learning", "--sizes", "64-20-10")[1]
    assert "  2 steps a sample" in sbp("summary", "gating_chain", "--ring", 2)[1]
    assert re.search(r"program digest [0-9a-f]{64}\n", out)


def test_info(sbp, tmp_path):
    code, out, _ = sbp("info", "--data-dir", tmp_path)
    assert code == 0
    for name in (*training.ENGINES, *data.NAMES, "python", "numpy", "numba", "kernel cache"):
        assert re.search(rf"^  {name} +\S", out, re.MULTILINE), name
    assert re.search(r"^  mnist +not here: .*" + str(tmp_path), out, re.MULTILINE)
    assert "pretrained" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        # By default a sample that is learned from: an error fires.
        (("raster", "--hidden", 12, "--epochs", 1), r"d[+−] fires in phase 4"),
        (("raster", "--circuit", "inference", "--epochs", 0, "--count", 2), "inference circuit"),
        (("circuit", "single_layer", "--sizes", "20-5"), "single layer circuit"),
        (("phases", "gating_chain", "--ring", 2), "2 phases"),
        (("weights", "--units", 4), "first 4 of 400"),
        (("weights", "pretrained", "--rows", 10, "--units", 1), "10 by 40"),
    ],
)
def test_plot(sbp, tmp_path, arguments, said):
    path = tmp_path / "p.png"
    code, out, err = sbp("plot", *arguments, "--out", path, "--dpi", 40)
    assert (code, err) == (0, "")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert out.startswith(f"{path}: ")
    assert re.search(said, out)


def test_plot_of_runs(sbp, tmp_path):
    for seed in (0, 1):
        sbp("train", *SMALL, "--epochs", 2, "--seed", seed, "--out", tmp_path / f"run{seed}",
            "--json", tmp_path / f"{seed}.json")  # fmt: skip
    code, out, _ = sbp("plot", "curve", tmp_path / "run0", tmp_path / "1.json",
                       "--out", tmp_path / "c.svg")  # fmt: skip
    assert code == 0
    assert "2 seeds" in out
    assert (tmp_path / "c.svg").read_text().startswith("<?xml")
    code, out, _ = sbp("plot", "weights", tmp_path / "run0", "--out", tmp_path / "w.pdf")
    assert code == 0
    assert (tmp_path / "w.pdf").read_bytes().startswith(b"%PDF")
    code, out, _ = sbp("plot", "raster", tmp_path / "run0", "--sample", 3,
                       "--populations", "x, h,o", "--out", tmp_path / "r.png")  # fmt: skip
    assert code == 0
    assert "x fires" in out
    assert "hT" not in out


def test_the_shipped_network_is_what_it_says():
    weights, about = pretrained.load(), pretrained.about()
    assert weights["W1"].shape == (400, 400)
    assert weights["W2"].shape == (10, 400)
    assert arrays_digest(weights) == about["digest"]
    assert (about["epochs"], about["seed"], about["engine"]) == (60, 0, "algebra")
    with np.load(pretrained.path(), allow_pickle=False) as archive:
        assert archive["W1"].nbytes + archive["W2"].nbytes == 164_000


def test_the_shipped_network_measures_on_mnist(shared_data, sbp, tmp_path):
    code, _, _ = sbp("evaluate", "pretrained", "--data-dir", shared_data, "--json", tmp_path / "j")
    assert code == 0
    written, about = json.loads((tmp_path / "j").read_text()), pretrained.about()
    assert written["data_checksum"] != ""
    assert {m: written[m] for m in MEASURES} == about["measured"]
    assert about["measured"]["membrane"] > 0.97


@pytest.mark.slow
def test_ten_epochs_of_mnist_end_where_an_independent_simulation_did(shared_data):
    """Median of five seeds; figures and margins from a simulation written by others."""
    mnist = data.load("mnist", root=shared_data, download=False)
    found = training.train_seeds(mnist, Settings(epochs=10), list(range(5)))
    last = {m: float(np.median([100 * run.epochs[-1][m] for run in found])) for m in MEASURES}
    assert abs(last["spike"] - 94.5) <= 1.0
    assert abs(last["membrane"] - 96.5) <= 0.6


def test_training_of_seeds_stops_at_once(monkeypatch):
    digits, started = data.load("digits").take(20, 20), []
    real = training.train

    def train_and_fail(dataset, settings, **more):
        started.append(settings.seed)
        if settings.seed == 1:
            raise SpecError("stop")
        return real(dataset, settings, **more)

    monkeypatch.setattr(training, "train", train_and_fail)
    with pytest.raises(SpecError, match="stop"):
        training.train_seeds(digits, Settings(hidden=4, epochs=100_000), list(range(9)), workers=2)
    assert len(started) < 9


def test_pretrained_files_round_trip(tmp_path, monkeypatch):
    weights = {"W1": np.array([[-256, 254, 0, -2]]), "W2": np.array([[2], [-256]])}
    monkeypatch.setattr(pretrained, "path", lambda: tmp_path / "p.npz")
    pretrained.save(weights, {"seed": 3})
    for name, matrix in pretrained.load().items():
        np.testing.assert_array_equal(matrix, weights[name])
    assert pretrained.about() == {"seed": 3}


def test_a_reader_that_goes_away_is_no_error(start):
    for arguments in (("summary",), ("info",), ("train", *SMALL, "--epochs", 2)):
        process = start(*arguments)
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 141
        assert "Traceback" not in err
        assert "BrokenPipe" not in err


def test_compilation_is_announced_once_and_cached(start, tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "NUMBA_CACHE_DIR", str(tmp_path))
    seen = []
    for _ in range(2):
        process = start("train", *SMALL, "--epochs", 1)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        seen.append(err.count("compiling the kernels"))
    assert seen == [1, 0]


def test_a_terminal_gets_a_live_bar(start):
    """A real pseudo-terminal: the bar is redrawn, with accuracy and time left."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    process = start("train", "--epochs", 400, "--hidden", 100, stderr=follower)
    os.close(follower)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([leader], [], [], 1)[0]:
            continue
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(leader)
    assert process.wait(timeout=PATIENCE) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"epoch \d+/400 [━╸╺ ]+ spike \d\d\.\d\d %  membrane \d\d\.\d\d %", text)
    assert re.search(r"membrane \d\d\.\d\d % [\d.,]+ m?s left", text)
    assert text.count("\r") > 2
    assert "epoch 400/400" in text
    # The plain lines are for other readers.
    assert "exact" not in text


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a defect")

    monkeypatch.setattr(training, "train", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        main(["train"])


def test_sweep(sbp, tmp_path):
    """Two jobs, two files each; the same command again has nothing left to do."""
    arguments = ("sweep", "--dataset", "digits", "--hidden", "4,6", "--epochs", 2, "--samples", 50,
                 "--workers", 2, "--out", tmp_path)  # fmt: skip
    code, out, _ = sbp(*arguments)
    assert code == 0
    assert "64-4-10" in out
    assert "64-6-10" in out
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(path.suffix for path in kept) == [".json", ".json", ".npz", ".npz"]
    assert sbp(*arguments)[0] == 0
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
