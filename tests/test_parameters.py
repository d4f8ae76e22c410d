"""Every parameter of every chapter may be changed within the range that stands beside it."""

from __future__ import annotations

import os
import re

import pytest
from book_build import NOTEBOOKS

jupytext = pytest.importorskip("jupytext")
pytest.importorskip("IPython")

from chapter_run import parameters_cell, quick, ranges, run_chapter  # noqa: E402

pytestmark = pytest.mark.book

#: What readers changed when an assertion met them, and combinations at the edge.
QUICK = {
    "01_neuron": [{"STEPS": 1}, {"STEPS": 8}],
    "02_gating_chain": [{"STAGES": 2, "TURNS": 1}],
    "03_copy_and_memory": [{"UNITS": 2}],
    "04_single_layer": [{"EPOCHS": 1}, {"EPOCHS": 3, "SEED": 7}, {"EPOCHS": 10, "SEED": 8}],
    "05_full_circuit": [{"HIDDEN": 20, "PRACTICE": 0, "SEED": 3}],
    "06_training": [{"EPOCHS": 1, "HIDDEN": 20, "SEEDS": 1, "SAMPLES": 1000}],
    "08_what_breaks_it": [{"EVERY": 31, "FASHION": 1000, "FASHION_EPOCHS": 1}],
    "09_speed_and_energy": [{"SAMPLES": 100, "SLOW_SAMPLES": 1}],
    "11_as_deep_as_you_like": [{"HIDDEN": (24,), "SAMPLES": 1}, {"HIDDEN": (20,) * 4, "SEED": 0}],
}
BY_NAME = {path.stem: path for path in NOTEBOOKS}


def grid():
    """Both ends of every range, the others small, and some more seeds."""
    for name, path in BY_NAME.items():
        for parameter, (_, least, largest) in ranges(path).items():
            values = {least, largest}
            if parameter == "SEED":
                values |= {1, 2, 3, 5, 7, min(11, largest)}
            for value in sorted(values):
                marks = [pytest.mark.lava] if name == "07_lava" else []
                yield pytest.param(
                    name, {parameter: value}, id=f"{name}-{parameter}={value}", marks=marks
                )


def quick_grid():
    for name, changes in QUICK.items():
        for change in changes:
            label = ",".join(f"{k}={v}" for k, v in change.items())
            yield pytest.param(name, change, id=f"{name}-{label}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=list(BY_NAME))
def test_every_number_states_its_range(path):
    stated = ranges(path)
    assigned = re.findall(r"^(\w+) = ([\d_]+)\b", parameters_cell(path).source, re.MULTILINE)
    assert [name for name, _ in assigned] == list(stated)
    for name, (here, least, largest) in stated.items():
        assert least <= quick(path).get(name, here) <= largest, name
        assert least <= here <= largest, name
    for change in QUICK.get(path.stem, []):
        for name, value in change.items():
            if isinstance(value, tuple):
                continue
            assert stated[name][1] <= value <= stated[name][2], name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "change"), list(quick_grid()))
def test_a_changed_chapter_runs(name, change, tmp_path):
    path = BY_NAME[name]
    assert run_chapter(path, quick(path) | change, tmp_path) == ""


@pytest.mark.parameters
@pytest.mark.parametrize(("name", "change"), list(grid()))
def test_the_whole_range_runs(name, change, tmp_path):
    path = BY_NAME[name]
    assert run_chapter(path, quick(path) | change, tmp_path) == ""


@pytest.mark.slow
def test_a_changed_chapter_runs_without_the_whole_of_mnist(tmp_path, monkeypatch):
    empty = tmp_path / "no data"
    empty.mkdir()
    monkeypatch.setitem(os.environ, "SBP_DATA", str(empty))
    for name in ("05_full_circuit", "06_training", "08_what_breaks_it", "09_speed_and_energy"):
        path = BY_NAME[name]
        assert run_chapter(path, quick(path), tmp_path) == "", name


def test_a_fault_is_told(tmp_path):
    path = tmp_path / "chapter.py"
    path.write_text(
        '# %% tags=["parameters"]\nN = 3  # 1 to 5: so many\n\n# %%\nassert N < 4, f"N is {N}"\n'
    )
    assert run_chapter(path, {}, tmp_path) == ""
    told = run_chapter(path, {"N": 4}, tmp_path)
    assert "AssertionError N is 4" in told
    assert ranges(path) == {"N": (3, 1, 5)}
