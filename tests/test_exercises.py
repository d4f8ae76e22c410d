"""Every exercise of the book: its right answer passes the check, wrong ones are told why."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT

from sbp.app.exercises import EXERCISES, PATTERN, check, puzzles
from sbp.circuits import learning_circuit
from sbp.engines import compiled
from sbp.errors import SbpError
from sbp.learn.data import load
from sbp.learn.training import one_hot
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.weights import Weights

MEND, LATER = puzzles()["mend"].text, puzzles()["later"].text
PIXEL = np.arange(25).reshape(5, 5)
TIMETABLE = {"x": [1, 4, 6], "answer": [2], "target": [2], "error": [4, 6]}
SUMS = [np.array([[3, 1], [0, 4], [5, 6]]), np.array([[1, 2], [0, 1], [9, 2]])]
LABELS = np.array([0, 1, 0])
ENERGY = {"synaptic operation": 900.0, "synaptic update": 5.0, "spike": 95.0}
BEFORE = np.zeros((50, 40), int)
AFTER = BEFORE.copy()
AFTER[:20, :10] = 2


def moved(steps, axis):
    """The matrix of weights that moves every pixel."""
    matrix = np.zeros((25, 25), int)
    matrix[np.roll(PIXEL, steps, axis).argsort(axis=None), PIXEL.ravel()] = 130
    return matrix


def strayed():
    """Right for every lit pixel of the picture; the dark ones all go to one neuron."""
    matrix = moved(1, 1)
    dark = [i for i, lit in enumerate(PATTERN) if lit == "0"]
    matrix[:, dark] = 0
    matrix[2, dark] = 130
    return matrix


def fits(answer):
    """A run, and one that differs in a spike."""
    sizes, digits = (64, 8, 10), load("digits")
    program = lower(learning_circuit(sizes))
    given = {"input": digits.x_train[:2], "target": one_hot(digits.y_train[:2], 10)}
    runs = [
        compiled.run(program, program.state(Weights.random(sizes, 0)), given, record=ALL_SPIKES)
        for _ in range(2)
    ]
    if not answer:
        runs[1].spikes["h"][2, 3] ^= True
    return tuple(runs)


#: Exercise -> (right answers, {wrong answer or its maker: words of the hint}, what else is given).
ANSWERS = {
    "and": ([260, 300, 512], {256: "Two spikes do not", 516: "One spike alone", 0.5: "whole"}, {}),
    "veto": ([2], {1: "Silent", 3: "try fewer", 9: "from 1 to 4"}, {}),
    "ring": ([2], {1: "dead for one step", 3: "one gate less", 0: "from 1 to 6"}, {}),
    "mend": ([MEND.replace("g1     s3", "g3     s3")],
             {MEND: "s3 does not have the picture", MEND.replace("g1     s3", "g2     s3"): "s3",
              "s1 s2": "needs a source, a target and a kind", 3: "a text"}, {}),
    "later": ([LATER.replace("s  copy", "s  copy 1").replace("g2", "g3")],
              {LATER: "still fires in phase 2", LATER.replace("g2", "g3"): "not there"}, {}),
    "xor": ([520, 1024], {512: "Two spikes", 1032: "One spike", "w": "whole number"}, {}),
    "timetable": ([TIMETABLE, {**TIMETABLE, "x": (6, 4, 1)}],
                  {"x": {**TIMETABLE, "x": [1, 5, 6]}, "less": {**TIMETABLE, "error": [4]},
                   "more": {**TIMETABLE, "target": [2, 3]}, "far": {**TIMETABLE, "x": [7]},
                   "not": [1, 2]}, {}),
    "shift": ([moved(1, 1)], {"left": moved(-1, 1), "down": moved(1, 0), "nothing": 0 * PIXEL,
                              "zero": 0 * moved(1, 1), "one": np.eye(25, dtype=int),
                              "stray": strayed()}, {}),
    "echo": ([[1, 7], {7, 1}], {"()": [], "one": [1], "other": [3, 7], "number": 1}, {}),
    "zero": ([0], {640: "o<", "none": "whole number"}, {}),
    "reward": (["worse"], {"better": "In three epochs", "up": "'better'"}, {}),
    "changed": ([200, 198], {500: "pixels are right", 333: "One row"},
                {"before": BEFORE, "after": AFTER}),
    "cut": ([6], {5: "When do its spikes arrive", "hT": "whole number"}, {}),
    "width": ([{25: 0.7, 50: 0.75, 100: 0.8, 200: 0.84}],
              {"few": {25: 0.7}, "percent": {25: 70, 50: 75, 100: 80, 200: 84},
               "falls": {25: 0.8, 50: 0.75, 100: 0.7, 200: 0.6}}, {}),
    "votes": ([1.0], {0.9: "Add the a2", 80: "share from 0 to 1"},
              {"sums": SUMS, "labels": LABELS}),
    "rest": (["hT"], {"h": "no two in a row", "z": "name of a population"}, {}),
    "fewest": ([37], {36: "over 9216", 40: "so do"}, {}),
    "labels": ([70.0, 82], {12: "not all", 30: "not all", 99: "leave y_test alone", -1: "0 to 100"},
               {"whole": 83.0}),
    "share": ([0.005], {0.9: "reading synapses", 0.5: "sum of all"}, {"energy": ENERGY}),
    "dearer": (["beginning"], {"end": "errs more", "never": "'beginning'"},
               {"fresh": 900.0, "trained": 50.0}),
    "run": ([(0, "out/circuit-sizes.json"), (0, "out\\circuit-sizes.json")],
            {(1, "circuit-sizes.json"): "0", (0, "status.md"): "name of the claim",
             "0": "a pair"}, {}),
    "doctored": (["stale"], {"agrees": "checksum", "wrong": "one of"}, {}),
    "gates": ([52], {57: "eleven", 50: "Five steps"}, {}),
    "silent": (["h2"], {"h1": "% of the samples", "o": "fires in 0 %", "h9": "one of"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_right_answers_pass_and_wrong_ones_are_told_why(name):
    accepted, refused, made = ANSWERS[name]
    for answer in accepted:
        verdict = check(name, answer, **made)
        assert verdict, (answer, verdict)
        assert repr(verdict).startswith("Right. ")
    for key, words in refused.items():
        answer, words = (key, words) if isinstance(words, str) else (words, "")
        verdict = check(name, answer, **made)
        assert not verdict, (answer, verdict)
        assert words in verdict.text
        assert len(verdict.text) > 15


def test_the_others():
    assert check("equal", fits(True))
    assert "population h, neuron 3: 0 against 1" in check("equal", fits(False)).text
    assert not check("equal", 3)
    pytest.importorskip("sklearn")
    assert not check("logistic", 1.0)
    assert "learned from" in check("logistic", 0.99).text
    assert "better" in check("logistic", 0.5).text


def test_all_are_tried_here():
    assert {*ANSWERS, "equal", "logistic"} == {*puzzles(), *EXERCISES}


def test_dots_and_unknown_names():
    for name in [*puzzles(), *EXERCISES]:
        assert check(name).text.startswith("Not answered yet")
        assert not check(name, ...)
    with pytest.raises(SbpError, match="did you mean timetable"):
        check("timetabel", 3)


def test_a_puzzle_is_judged_by_what_its_circuit_does():
    """The same right answer in a circuit whose gate comes a step late."""
    puzzle = puzzles()["and"]
    assert puzzle.judge(300)
    late = replace(puzzle, text="input r {answer}\ng2 r gate")
    assert "Two spikes do not fire it" in late.judge(300).text


def cells(path, tag):
    """The sources of the cells with a tag."""
    text = path.read_text(encoding="utf-8")
    return [c for c in re.split(r"^# %%", text, flags=re.M) if f'"{tag}"' in c.split("\n")[0]]


CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.py"))


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_each_exercise_has_a_place_to_answer_a_check_and_a_solution_that_passes(path):
    text = path.read_text(encoding="utf-8")
    section = text.split("## Exercises")[1].split("## Summary")[0]
    asked = re.findall(r"^# (\d+)\. \*\*", section, flags=re.M)
    stubs, solutions = cells(path, "answer"), cells(path, "hide-cell")
    assert len(asked) == len(stubs) == len(solutions) >= 2
    for number, stub, solution in zip(asked, stubs, solutions, strict=True):
        assert f"# Exercise {number}" in stub
        assert re.search(r"^answer = \.\.\.", stub, flags=re.M), stub
        (name,) = re.findall(r'check\(\s*"(\w+)"', stub)
        assert name in {*puzzles(), *EXERCISES}
        assert re.search(rf'verdict = check\(\s*"{name}"', solution), (name, solution)
        assert "assert verdict" in solution


def test_every_exercise_is_in_a_chapter():
    text = "".join(path.read_text(encoding="utf-8") for path in CHAPTERS)
    text += "".join(p.read_text(encoding="utf-8") for p in (ROOT / "book").glob("*.md"))
    text += (ROOT / "lab" / "static" / "figures" / "kinds.js").read_text(encoding="utf-8")
    for name in {*puzzles(), *EXERCISES}:
        assert f'check("{name}"' in text or f'check(\n#     "{name}"' in text or (
            f"data.puzzles.{name}" in text
        ), name  # fmt: skip
