"""Text of the user's is text: no formula, no colour, no markup, wherever it goes."""

import json
import os
import select
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from sbp import plots
from sbp.plots import charts

#: What matplotlib, the library of tables, a browser and a Markdown page take for markup.
NASTY = [r"$\frac$", "[/red]", "<script>alert(1)<\\/script>", "**_`a|b`_**", "_hidden", "100 % & 5"]


def texts(path):
    """The words of an SVG, which has to be XML."""
    root = ElementTree.parse(path).getroot()
    return [element.text or "" for element in root.iter() if element.tag.endswith("title")]


@pytest.mark.parametrize("title", NASTY)
def test_titles_of_pictures(sbp, tmp_path, title):
    path = tmp_path / "p.svg"
    for words in (("circuit", "single_layer"), ("phases", "gating_chain"), ("weights",)):
        code, _, err = sbp("plot", *words, f"--title={title}", "--out", path)
        assert (code, err) == (0, "")
        assert title in texts(path)
    for ending in (".png", ".pdf"):
        made = tmp_path / f"p{ending}"
        assert sbp("plot", "phases", "gating_chain", f"--title={title}", "--out", made)[0] == 0


@pytest.mark.parametrize("name", NASTY)
def test_every_chart_takes_any_text(tmp_path, name):
    history = [{"epoch": n, "spike": n / 4, "mse": 0.1} for n in (1, 2, 3)]
    made = [
        charts.curves([1, 2], {name: [1, 2], "b": [3, 4]}, xlabel=name, ylabel=name, title=name,
                      marks={name: 1.5}, log=True),
        charts.bars([name, "b"], {name: [1, 20]}, ylabel=name, title=name, log=True),
        charts.histogram({name: np.arange(9)}, xlabel=name, title=name, limits={name: 4}),
        plots.learning_curves({name: [history], "b": [history, history]}, title=name),
        plots.learning_curve([history], title=name),
    ]  # fmt: skip
    for number, picture in enumerate(made):
        path = plots.save(picture, tmp_path / f"{number}.svg")
        assert name in texts(path)[0]
        plots.save(picture, tmp_path / f"{number}.png", dpi=30)
    # In a legend too, where matplotlib leaves out what begins with an underscore.
    legends = [text.get_text() for text in made[3].legends[0].get_texts()]
    assert legends == [name, "b (2 seeds)"]


@pytest.mark.parametrize("name", [r"$\frac$", "[red]", "<script>", "_hidden"])
def test_names_of_files_and_folders(sbp, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    x, y = np.eye(8, dtype=np.uint8).repeat(5, 0), np.arange(8).repeat(5)
    np.savez(f"{name}.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    run = ("--hidden", 4, "--epochs", 1)
    assert sbp("train", *run, "--dataset", f"{name}.npz", "--out", name)[0] == 0
    assert json.loads(Path(name, "history.json").read_text())["dataset"] == name
    for words in (
        ("evaluate", name),
        ("plot", "raster", name, "--dpi", 30),
        ("plot", "curve", name, "--dpi", 30),
        ("trace", name, "--samples", 1),
        ("sweep", *run, "--workers", 1, "--dataset", f"{name}.npz", "--out", f"{name}-sweep"),
    ):
        code, out, err = sbp(*words)
        assert (code, "Traceback" in err) == (0, False), err
        assert name in out + err, words
    Path("results", name).mkdir(parents=True)
    code, out, _ = sbp("reproduce", "--status", "--out", f"results/{name}")
    assert code == 0
    assert f"results/{name}" in out
    code, _, err = sbp("evaluate", f"{name}/{name}")
    assert (code, f"{name}/{name} does not exist" in err) == (2, True)


@pytest.mark.parametrize("name", [r"$\frac$", "[red]"])
def test_names_in_a_live_bar(start, tmp_path, name):
    pty = pytest.importorskip("pty")
    x, y = np.eye(8, dtype=np.uint8).repeat(50, 0), np.arange(8).repeat(50)
    np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    leader, follower = pty.openpty()
    process = start(
        "sweep", "--hidden", "60,70", "--epochs", 400, "--workers", 1,
        "--dataset", tmp_path / f"{name}.npz", "--out", tmp_path / "out", stderr=follower,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(leader)
    assert process.wait(60) == 0, seen.decode()
    assert b"Traceback" not in seen


def test_a_population_may_have_a_dollar_in_its_name(tmp_path):
    from sbp.spec import Circuit, Neuron, Phase, Population, Projection, Source

    circuit = Circuit(
        "$a$b$", (2,), (Source("input", 2, phase=0),),
        (Population("$x$", 2, Neuron()), Population("<b>", 2, Neuron())),
        (Projection("input", "$x$", "copy", 520), Projection("$x$", "<b>", "copy", 520)),
        (Phase(), Phase(("$x$",)), Phase(("<b>",))),
    )  # fmt: skip
    for draw in (plots.circuit_diagram, plots.phase_diagram):
        path = plots.save(draw(circuit), tmp_path / "p.svg")
        ElementTree.parse(path)
        assert "$x$" in Path(path).read_text("utf-8")


def test_a_card_and_a_table_of_notebooks_escape(tmp_path):
    """See test_reproduce for the status page."""
    from sbp.reproduce.page import safe

    assert "<script>" not in safe("<script>")
