"""The exercises of the book: what is asked, and a check that runs the machine and tells.

In a notebook::

    from sbp.app.exercises import check

    answer = 300
    check("and", answer)

A *puzzle* is a question whose answer is a circuit, or a number in one.  It is judged by running
that circuit on a few cases.  The pages of the book judge the same puzzles with the same cases in
the reader's browser (`sbp.app.figures` hands them over), so that there is one source for both.
Every other exercise is a function with the decorator `exercise`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from sbp.circuits import deep_circuit, learning_circuit, lines, single_layer_circuit
from sbp.circuits.gating import RELAY
from sbp.engines import compiled, reference
from sbp.errors import SbpError, SpecError, check_name
from sbp.program import lower
from sbp.run import ALL_SPIKES, Run
from sbp.spec import Circuit, Parameter, Phase
from sbp.weights import Weights

PATTERN = "0101001010000001000101110"  #: the smile of the gating chain, row by row


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and what the machine says of it; a notebook shows the text."""

    right: bool
    text: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.text


class NotAnAnswer(Exception):
    """What was given cannot be judged; says what an answer is."""


# -- puzzles: judged by the same cases here and on the page --------------------------------------


@dataclass(frozen=True)
class Case:
    """What a circuit must do with what it is given.

    Attributes
    ----------
    given : sequence of mapping of str to sequence of int
        For each sample, source -> a 0 or 1 for each of its lines; a source left out is silent.
    sample, phase : int
        When to look.  A phase may lie beyond the sample.
    population : str
    fires : tuple of int
        The neurons that must fire there, and no others.
    hint : str
        What to tell if they do not.
    """

    given: Sequence[Mapping[str, Sequence[int]]]
    sample: int
    phase: int
    population: str
    fires: tuple[int, ...]
    hint: str


@dataclass(frozen=True)
class Puzzle:
    """A question whose answer is a circuit.

    Attributes
    ----------
    name, question, right : str
        `right` is told if all cases hold.
    form : str
        What an answer is: "number" (put into `text` for ``{answer}``), "choice" (of `texts`),
        "lines" (instead of `text`) or "timetable" (row -> phases, `rows` say which lines each
        adds to `text`).
    ring : int
        Of the circuit; 0 if the answer is the ring itself.
    fewest : str
        If not empty, the least choice that passes, or the fewest entries of a timetable, is
        wanted, and this is told of more.
    """

    name: str
    question: str
    form: str
    sizes: Mapping[str, int]
    sources: Mapping[str, tuple[int, int]]
    ring: int
    cases: tuple[Case, ...]
    right: str
    text: str = ""
    span: tuple[int, int, int] = (0, 0, 1)  #: least, largest and step of a number on the page
    texts: Mapping[int, str] = field(default_factory=dict)
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fewest: str = ""
    entries: int = 0
    matrix: tuple[tuple[int, ...], ...] = ()

    def lines_of(self, answer: Any) -> tuple[int, str]:
        """The ring's length and the lines that `answer` makes; NotAnAnswer if it makes none."""
        if self.form == "lines":
            if not isinstance(answer, str):
                raise NotAnAnswer("An answer is a text: the lines of the circuit.")
            return self.ring, answer
        if self.form == "timetable":
            return self.ring, self._timetable(answer)
        number = _whole(answer)
        if self.form == "number":
            return self.ring, self.text.format(answer=number)
        if number not in self.texts:
            raise NotAnAnswer(f"An answer is a number from {min(self.texts)} to {max(self.texts)}.")
        return self.ring or number, self.texts[number]

    def _timetable(self, answer: Any) -> str:
        wanted = f"An answer is a dict: {', '.join(map(repr, self.rows))} -> a list of phases."
        if not isinstance(answer, Mapping) or set(answer) != set(self.rows):
            raise NotAnAnswer(wanted)
        added = []
        for row, phases in answer.items():
            try:
                chosen = sorted({_whole(p) for p in phases})
            except TypeError:
                raise NotAnAnswer(wanted) from None
            if any(not 0 <= p < self.ring for p in chosen):
                raise NotAnAnswer(f"{row}: phases go from 0 to {self.ring - 1}.")
            added += [line.format(p=p) for p in chosen for line in self.rows[row]]
        return "\n".join([self.text, *added])

    def run(self, answer: Any, given: Sequence[Mapping[str, Sequence[int]]]) -> Run:
        """The circuit that `answer` makes, with the samples `given`."""
        ring, text = self.lines_of(answer)
        matrices = [Parameter("W", len(self.matrix), len(self.matrix[0]))] if self.matrix else []
        program = lower(
            lines.circuit(
                text, sizes=self.sizes, sources=self.sources, ring=ring, matrices=matrices,
                phases=self.learning, name=self.name,
            )
        )  # fmt: skip
        weights = {"W": np.array(self.matrix, np.int16)} if self.matrix else None
        stimulus = {
            name: np.array([sample.get(name, [0] * size) for sample in given])
            for name, (size, _) in self.sources.items()
        }
        return reference.run(program, program.state(weights), stimulus, record=ALL_SPIKES)

    @property
    def learning(self) -> list[Phase]:
        """The phases, as far as they learn: a single layer's, where there is a matrix."""
        if not self.matrix:
            return []
        return [Phase(learns=("W",) * (p in (4, 6)), reward=p == 4) for p in range(self.ring)]

    def fails(self, answer: Any) -> str:
        """The hint of the first case that does not hold; "" if all do."""
        runs: list[tuple[Any, Run]] = []
        for case in self.cases:
            run = next((run for given, run in runs if given is case.given), None)
            if run is None:
                run = self.run(answer, case.given)
                runs.append((case.given, run))
            step = case.sample * run.program.period + case.phase
            if tuple(np.flatnonzero(run.spikes[case.population][step]).tolist()) != case.fires:
                return case.hint
        return ""

    def judge(self, answer: Any) -> Verdict:
        """Run it and say what was seen."""
        try:
            hint = self.fails(answer)
            more = not hint and self.fewest and self._more(answer)
        except SpecError as error:
            return Verdict(False, f"This is no circuit: {error}.")
        if hint or more:
            return Verdict(False, hint or self.fewest)
        return Verdict(True, f"Right. {self.right}")

    def _more(self, answer: Any) -> bool:
        """Whether less would have done."""
        if self.form == "timetable":
            return sum(len(set(phases)) for phases in answer.values()) > self.entries
        less = _whole(answer) - 1
        return less in self.texts and not self.fails(less)

    def code(self) -> dict[str, Any]:
        """All of it in JSON types, for the page."""
        return {
            "name": self.name, "question": self.question, "form": self.form, "ring": self.ring,
            "sizes": dict(self.sizes), "right": f"Right. {self.right}", "text": self.text,
            "sources": [{"name": n, "size": s, "phase": p} for n, (s, p) in self.sources.items()],
            "layers": list(self.sizes.values()), "span": list(self.span),
            "texts": {str(n): text for n, text in self.texts.items()},
            "rows": {name: list(rows) for name, rows in self.rows.items()},
            "fewest": self.fewest, "entries": self.entries,
            "matrix": [list(row) for row in self.matrix],
            "phases": [{"learns": list(p.learns), "reward": p.reward} for p in self.learning],
            "cases": [{**vars(case), "given": [dict(s) for s in case.given]}
                      for case in self.cases],
        }  # fmt: skip


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer, float, np.floating)):
        raise NotAnAnswer(f"An answer is a whole number; this is {value!r}.")
    if value != int(value):
        raise NotAnAnswer(f"An answer is a whole number; this is {value}.")
    return int(value)


def _and() -> Puzzle:
    one, two = [{"input": [1, 0]}], [{"input": [1, 1]}]
    return Puzzle(
        "and",
        "A gate has lifted the relay r to 512 of 1024. Choose a weight such that two spikes fire "
        "it, and one does not.",
        "number", {"r": 1}, {"input": (2, 0)}, 4,
        (
            Case(one, 0, 1, "r", (), "One spike alone fires it: 512 + w is above 1024."),
            Case(two, 0, 1, "r", (0,),
                 "Two spikes do not fire it: 512 + 2 w is not above 1024 (equal is not enough)."),
        ),
        "512 + w is at most 1024, and 512 + 2 w is more: so any even number does, 256 < w <= 512. "
        "(Odd ones so large are no eight bits times a power of two.)",
        text="input r {answer}\ng1 r gate", span=(0, 800, 4),
    )  # fmt: skip


def _veto() -> Puzzle:
    given = [{"input": [1], "veto": [1]}]
    return Puzzle(
        "veto",
        "An open relay receives one veto (-520). How many copies (520 each) does it take at least "
        "to fire it all the same?",
        "choice", {"r": 1}, {"input": (1, 0), "veto": (1, 0)}, 4,
        (Case(given, 0, 1, "r", (0,),
              "Silent: 512 from the gate, and the copies that the veto leaves over are too few."),),
        "512 + 2 x 520 - 520 = 1032 is above 1024; with one copy 512 are left.",
        texts={n: "input r copy\n" * n + "veto r veto\ng1 r gate" for n in range(1, 5)},
        fewest="It fires. So it does with one copy less: try fewer.",
    )  # fmt: skip


def _ring() -> Puzzle:
    patterns = ([1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1])
    given = [{"input": p} for p in patterns] + [{"input": [0, 0, 0]}] * 4
    cases = tuple(
        Case(given, k, 3, "s3", tuple(np.flatnonzero(p).tolist()),
             "A pattern is lost. A relay is dead for one step after a spike: in this ring it "
             "would have to fire in two steps in a row.")
        for k, p in enumerate(patterns)
    )  # fmt: skip
    texts = {}
    for n in range(1, 7):
        gates = "".join(f"g{k % n} s{k} gate\n" for k in range(1, 4))
        texts[n] = f"input s1 copy\ns1 s2 copy\ns2 s3 copy\n{gates}"
    return Puzzle(
        "ring",
        "A new pattern enters a chain of three stages in every turn of the ring. How many gates "
        "has the shortest ring that carries all of them whole?",
        "choice", {"s1": 3, "s2": 3, "s3": 3}, {"input": (3, 0)}, 0, cases,
        "With two gates a relay fires in every second step, and rests in between.",
        texts=texts, fewest="It carries them. So does a ring with one gate less.",
    )  # fmt: skip


def _mend() -> Puzzle:
    pattern = [int(c) for c in PATTERN]
    lit, given = tuple(np.flatnonzero(pattern).tolist()), [{"input": pattern}]
    cases = tuple(
        Case(given, 0, k, f"s{k}", lit, f"s{k} does not have the picture in phase {k}.")
        for k in range(1, 5)
    )
    return Puzzle(
        "mend",
        "The picture should be in stage k in phase k, and it is lost on the way. One of these "
        "lines is wrong: mend it.",
        "lines", {f"s{k}": 25 for k in range(1, 5)}, {"input": (25, 0)}, 5, cases,
        "Stage 3 is opened by gate 3. A gate too early or too late is no gate.",
        text="input  s1  copy\ns1     s2  copy\ns2     s3  copy\ns3     s4  copy\n"
        "g1     s1  gate\ng2     s2  gate\ng1     s3  gate\ng4     s4  gate\n",
    )  # fmt: skip


def _later() -> Puzzle:
    pattern = (np.random.default_rng(4).random(25) < 0.4).astype(int).tolist()
    lit, given = tuple(np.flatnonzero(pattern).tolist()), [{"input": pattern}]
    return Puzzle(
        "later",
        "The pattern is in s in phase 2. Make it arrive in phase 3 instead, whole, with one number "
        "and one gate changed.",
        "lines", {"x": 25, "s": 25}, {"input": (25, 0)}, 4,
        (
            Case(given, 0, 2, "s", (), "s still fires in phase 2."),
            Case(given, 0, 1, "x", lit, "x no longer has the pattern in phase 1."),
            Case(given, 0, 3, "s", lit, "s does not have the pattern in phase 3: either its spikes "
                 "are not there, or its gate is not open."),
        ),
        "One more delay, and the gate of the next phase.",
        text="input  x  copy\nx      s  copy\ng1     x  gate\ng2     s  gate\n",
    )  # fmt: skip


def _xor() -> Puzzle:
    cases = tuple(
        Case([{"one": [a], "two": [b]}], 0, 2, "h_box", (0,) if a ^ b else (), hint)
        for a, b, hint in (
            (0, 0, "It fires without any input."),
            (1, 0, "One spike must be above 0 and not above 1024; with this weight it is not."),
            (0, 1, "One spike must be above 0 and not above 1024; with this weight it is not."),
            (1, 1, "Two spikes must be above 1024, so that h> vetoes; with this weight they "
                   "are not."),
        )
    )  # fmt: skip
    return Puzzle(
        "xor",
        "h_box fires if h< does (above 0) and h> does not (above 1024). Choose the weight of both "
        "inputs such that it tells whether exactly one of them fires.",
        "number", {"h<": 1, "h>": 1, "h_box": 1}, {"one": (1, 0), "two": (1, 0)}, 4, cases,
        "w is at most 1024 and 2 w is more: so any multiple of 4 does, 512 < w <= 1024, and the "
        "copy's 520 is one.",
        text="one h< h> {answer}\ntwo h< h> {answer}\nh< h_box copy\nh> h_box veto\n"
        "g1 h< gate\ng1 h< gate_lt\ng1 h> gate_gt\ng2 h_box gate",
        span=(0, 1400, 8),
    )  # fmt: skip


def _timetable() -> Puzzle:
    x, t = [1, 1, 1, 1, 0, 0], [0, 1, 0]
    on = (0, 1, 2, 3)
    given = [{"input": x, "target": t}] * 2

    def case(phase: int, population: str, fires: tuple[int, ...], hint: str) -> Case:
        return Case(given, 0, phase, population, fires, hint)

    return Puzzle(
        "timetable",
        "Fill in the timetable of single-layer learning: when does the ring open x, the outputs "
        "to answer, the target, and the outputs to carry the error? The synapses are there, with "
        "their delays; the error fires in phase 3.",
        "timetable",
        {"x": 6, **dict.fromkeys(("o", "o<", "o>", "t", "d+", "d-"), 3)},
        {"input": (6, 0), "target": (3, 1)}, 7,
        (
            case(1, "x", on, "The input is sent in phase 0 and x does not fire in phase 1."),
            case(2, "o", (0,), "The outputs hear x one step after it; they do not answer then."),
            case(2, "t", (1,), "The target is sent in phase 1; t does not fire one step later."),
            case(3, "d+", (1,), "d+ does not fire in phase 3: it needs t and o< one step before."),
            case(3, "d-", (0,), "d- does not fire in phase 3 where it should."),
            case(4, "o", (1,), "d+ reaches the outputs in phase 4; they do not carry it."),
            case(4, "x", on, "The outputs carry d+ in phase 4, and x is not there to meet it."),
            case(5, "o", (), "The outputs fire in phase 5, where nothing should."),
            case(6, "o", (0,), "d- reaches the outputs in phase 6, two steps late; they do not "
                 "carry it."),
            case(6, "x", on, "The outputs carry d- in phase 6, and x is not there to meet it."),
            Case(given, 1, 1, "x", on, "In the next sample x is dead when its input comes."),
        ),
        "x at 1, 4 and 6; the answer and the target at 2; the error at 4 and 6. Seven phases, "
        "and none of them can be spared.",
        text="input x copy 0 3 5\nx o o< o> W\ntarget t copy\no< d+ d- gate one-to-one\n"
        "o> d- veto\no d- copy\no d+ veto\nt d- veto\nt d+ copy\nd+ o o< o> copy\n"
        "d- o o< o> copy 2\ng5 o o< o> close\ng0 o o< o> close",
        rows={
            "x": ("g{p} x gate",),
            "answer": ("g{p} o o< gate", "g{p} o< gate_lt", "g{p} o> gate_gt"),
            "target": ("g{p} t gate",),
            "error": ("g{p} o o< o> gate",),
        },
        fewest="It learns. But a gate opens where nothing arrives: it can be spared.",
        entries=7,
        matrix=((160,) * 6, (50,) * 6, (-60,) * 6),
    )  # fmt: skip


@cache
def puzzles() -> dict[str, Puzzle]:
    """Every puzzle by name."""
    made = (_and(), _veto(), _ring(), _mend(), _later(), _xor(), _timetable())
    return {puzzle.name: puzzle for puzzle in made}


# -- exercises that are no circuit of the reader's ------------------------------------------------

Check = Callable[..., Verdict]
EXERCISES: dict[str, Check] = {}


def exercise(name: str) -> Callable[[Check], Check]:
    """Register a check under `name`; it is called with the answer and what the chapter made."""

    def register(function: Check) -> Check:
        EXERCISES[name] = function
        return function

    return register


def check(name: str, answer: Any = ..., **made: Any) -> Verdict:
    """Judge the answer to the exercise `name`.

    Parameters
    ----------
    name : str
        As the chapter gives it.
    answer : object
        What the exercise asks for.  With the dots that stand in the empty cell, or None, it says
        that there is nothing to judge yet.
    **made
        What the chapter has computed and the check needs, as the chapter shows.

    Returns
    -------
    Verdict
        True or false, and a text that a notebook shows.

    Raises
    ------
    SbpError
        If there is no such exercise.
    """
    every = {**{n: p.judge for n, p in puzzles().items()}, **EXERCISES}
    check_name("exercise", name, sorted(every), error=SbpError)
    if answer is ... or answer is None:
        return Verdict(False, "Not answered yet: put your answer in the place of the dots.")
    try:
        return every[name](answer, **made)
    except NotAnAnswer as error:
        return Verdict(False, str(error))


def right(text: str) -> Verdict:
    """The verdict on a right answer."""
    return Verdict(True, f"Right. {text}")


def wrong(text: str) -> Verdict:
    """The verdict on a wrong one."""
    return Verdict(False, text)


def _fraction(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise NotAnAnswer(f"An answer is a number; this is {value!r}.") from None
    if not 0 <= number <= 1:
        raise NotAnAnswer(f"An answer is a share from 0 to 1; this is {number:g}.")
    return number


@exercise("shift")
def _shift(answer: Any) -> Verdict:
    """Chapter 2: a 25 x 25 matrix that moves each pixel one column to the right."""
    matrix = np.asarray(answer)
    if matrix.shape != (25, 25) or not np.issubdtype(matrix.dtype, np.integer):
        raise NotAnAnswer("An answer is an array of whole numbers, 25 rows and 25 columns.")
    picture = np.array([int(c) for c in PATTERN]).reshape(5, 5)
    hit = matrix @ picture.ravel()
    if not hit.any():
        return wrong("Nothing arrives at the next stage: all products are 0.")
    if (matrix < 0).any() or set(np.unique(matrix)) - {0, 130}:
        return wrong("Use 0 and 130: 130 x 2² is the 520 of a copy.")
    moved = (4 * hit > 512).reshape(5, 5)
    pixel = np.arange(25).reshape(5, 5)
    wanted = np.zeros((25, 25), int)
    wanted[pixel, np.roll(pixel, 1, axis=1)] = 130
    if (matrix == wanted).all():
        return right("Row i holds the weights onto neuron i, and each pixel goes to one neuron.")
    if (moved == np.roll(picture, -1, axis=1)).all():
        return wrong("It moves to the left. Rows are targets, columns are sources: transpose it.")
    if (moved == np.roll(picture, 1, axis=0)).all():
        return wrong("It moves one row down. Neuron i is in row i // 5 and column i % 5.")
    if (matrix.sum(axis=0) == 130).all():
        stray = np.flatnonzero((matrix != wanted).any(axis=0))[0]
        return wrong(
            "Every pixel goes somewhere, but not each one column to the right (and the last column "
            f"to the first): look at pixel {stray}."
        )
    return wrong("Each column needs one entry of 130: every pixel goes to one neuron.")


@exercise("echo")
def _echo(answer: Any) -> Verdict:
    """Chapter 3: the phases in which x fires in a sample that nothing was sent in."""
    try:
        said = sorted({_whole(p) for p in answer})
    except TypeError:
        raise NotAnAnswer("An answer is a list of phases, such as [0, 3].") from None
    circuit = lines.circuit(
        "input x copy\nx x copy 5\ng1 x gate\ng7 x gate",
        sizes={"x": 1}, sources={"input": (1, 0)}, ring=12,
    )  # fmt: skip
    program = lower(circuit)
    shown = {"input": np.array([[1], [0]])}
    run = reference.run(program, program.state(), shown, record=ALL_SPIKES)
    fired = np.flatnonzero(run.spikes["x"][12:, 0]).tolist()
    if said == fired:
        return right("The firing at 7 returns six steps later, at 1 of the next sample, and so on.")
    if not said:
        return wrong("Not silent: the firing at phase 7 also sends a copy, which waits five steps.")
    if set(said) < set(fired):
        return wrong("That is one of them. What does that firing send, and when does it return?")
    return wrong(f"Count from the firing at phase 7: 5 + 1 steps later is step {7 + 6}.")


@exercise("zero")
def _zero(answer: Any) -> Verdict:
    """Chapter 4: how many weights change in an epoch that starts from W = 0."""
    changed = _learned(single_layer_circuit((64, 10)), np.zeros((10, 64), np.int16))[0]
    if _whole(answer) == changed:
        return right("With every a = 0, o< is silent, and without it neither d+ nor d- opens.")
    return wrong(
        f"The machine changed {changed} of 640. Which of o, o<, o> can fire if every a is 0?"
    )


def _learned(circuit: Circuit, start: np.ndarray, epochs: int = 1) -> tuple[int, float]:
    """Weights that changed in training on the digits, and the membrane accuracy after it."""
    from sbp.learn import data
    from sbp.learn.training import one_hot

    digits, program = data.load("digits"), lower(circuit)
    stimulus: dict[str, Any] = {"input": digits.x_train, "target": one_hot(digits.y_train, 10)}
    state = program.state({"W": start})
    for _ in range(epochs):
        state = compiled.run(program, state, stimulus).state
    learned = program.weights(state)["W"].astype(int)
    guess = (digits.x_test.astype(int) @ learned.T).argmax(axis=1)
    return int((learned != start).sum()), float((guess == digits.y_test).mean())


@exercise("reward")
def _reward(answer: Any) -> Verdict:
    """Chapter 4: what a reward in the wrong phase does to the accuracy."""
    if answer not in ("better", "same", "worse"):
        raise NotAnAnswer("An answer is 'better', 'same' or 'worse'.")
    circuit = single_layer_circuit((64, 10))
    phases = tuple(
        replace(phase, reward=p == 6) if phase.learns else phase
        for p, phase in enumerate(circuit.phases)
    )
    start = Weights.random((64, 10), 0, ("W",))["W"]
    accuracy, turned = (
        100 * _learned(c, start, 3)[1] for c in (circuit, replace(circuit, phases=phases))
    )
    told = f"In three epochs the circuit reached {accuracy:.0f} %, the other one {turned:.0f} %."
    if answer == "worse":
        return right(f"{told} What should have fired fires less.")
    return wrong(f"{told} With the reward in 6, the error d- is what weights grow by.")


@exercise("logistic")
def _logistic(answer: Any) -> Verdict:
    """Chapter 4: the test accuracy of scikit-learn's LogisticRegression on the same pixels."""
    from sklearn.linear_model import LogisticRegression

    from sbp.learn import data

    digits, said = data.load("digits"), _fraction(answer)
    model = LogisticRegression(max_iter=2000).fit(digits.x_train, digits.y_train)
    test = float(model.score(digits.x_test, digits.y_test))
    if abs(said - test) <= 0.02:
        return right(f"{100 * test:.1f} %, with one layer too: so most of the gap is the rule's.")
    if said > test:
        return wrong("Too good. Did you score the digits that it learned from, x_train?")
    return wrong("It can do better: fit x_train, y_train, and let it iterate until it converges.")


@exercise("changed")
def _changed(answer: Any, *, before: Any, after: Any) -> Verdict:
    """Chapter 5: how many weights of W1 one sample changed."""
    before, after = (np.asarray(w).astype(int) for w in (before, after))
    count, said = int((before != after).sum()), _whole(answer)
    if abs(said - count) <= 0.02 * count:
        return right(f"{count:,} changed: neurons in their box with an error, times the pixels.")
    pixels = int((before != after).any(axis=0).sum())
    if pixels and said and said % pixels == 0:
        return wrong(
            f"The pixels are right ({pixels}). Which neurons learn: in their box, and e not 0?"
        )
    return wrong("One row for each neuron in its box with e not 0, one column for each pixel.")


@exercise("cut")
def _cut(answer: Any) -> Verdict:
    """Chapter 5: the first phase in which a circuit without the negative copy differs."""
    from sbp.learn import data
    from sbp.learn.training import one_hot

    sizes, digits = (64, 24, 10), data.load("digits")
    circuit = learning_circuit(sizes)
    kept = tuple(p for p in circuit.projections if (p.source, p.target) != ("o-", "hT"))
    programs = [lower(circuit), lower(replace(circuit, projections=kept))]
    start, targets = Weights.random(sizes, 0), one_hot(digits.y_train, 10)
    found: dict[int, set[str]] = {}
    for k in range(20):  # each digit by itself, from the same weights
        given = {"input": digits.x_train[[k]], "target": targets[[k]]}
        whole, damaged = (
            compiled.run(program, program.state(start), given, record=ALL_SPIKES).spikes
            for program in programs
        )
        for name, train in whole.items():
            for phase in np.flatnonzero((train != damaged[name]).any(axis=1)):
                found.setdefault(int(phase), set()).add(name)
    first = min(found)
    names = sorted(found[first])
    if _whole(answer) == first:
        return right(f"{', '.join(names)} in phase {first}: it no longer hears d-. W2 is not told.")
    return wrong("o- fires in phase 5. When do its spikes arrive, and where?")


@exercise("width")
def _width(answer: Any) -> Verdict:
    """Chapter 6: membrane accuracy by the size of the hidden layer."""
    if not isinstance(answer, Mapping) or not {25, 50, 100, 200} <= set(answer):
        raise NotAnAnswer("An answer is a dict: 25, 50, 100 and 200 -> membrane accuracy.")
    shares = [_fraction(answer[n]) for n in (25, 50, 100, 200)]
    if shares[-1] <= shares[0]:
        return wrong("More neurons should do better: were all trained on the same digits?")
    if min(shares) < 0.3:
        return wrong("One of them has hardly learned: give it two epochs of 10,000 digits.")
    gains = [100 * (b - a) for a, b in pairwise(shares)]
    luck = " Where one loses, that is the luck of one start each." if min(gains) < 0 else ""
    return right(f"A doubling gains {', '.join(f'{g:.1f}' for g in gains)} points.{luck}")


@exercise("votes")
def _votes(answer: Any, *, sums: Sequence[np.ndarray], labels: np.ndarray) -> Verdict:
    """Chapter 6: the accuracy of several networks whose outputs are added up."""
    said = _fraction(answer)
    together = float((np.sum(sums, axis=0).argmax(axis=1) == labels).mean())
    alone = [float((np.asarray(s).argmax(axis=1) == labels).mean()) for s in sums]
    if abs(said - together) < 5e-4:
        return right(f"{100 * (together - np.mean(alone)):+.2f} points to the mean of one.")
    if any(abs(said - a) < 5e-4 for a in alone):
        return wrong("This is what one of them does by itself. Add the a2 of all, then argmax.")
    if abs(said - np.mean(alone)) < 5e-4:
        return wrong("This is their mean. Let them vote: add the a2 of all, then argmax.")
    return wrong("Add the a2 of all networks for each digit, take argmax, compare with the labels.")


@exercise("equal")
def _equal(answer: Any) -> Verdict:
    """Chapter 7: two runs, ours and Lava's, that differ in nothing."""
    from sbp.checks.difference import first_difference

    try:
        ours, lava = answer
        period = ours.program.period
        spikes = sum(int(train.sum()) for train in ours.spikes.values())
    except (TypeError, ValueError, AttributeError):
        raise NotAnAnswer("An answer is a pair of runs: (ours, lava).") from None
    if not spikes:
        return wrong("There are no spikes to compare: run both with record=ALL_SPIKES.")
    if (found := first_difference(ours.spikes, lava.spikes, period)) is not None:
        return wrong(f"They differ, first here: {found}. Same weights, same digits?")
    if any((ours.weights[n] != lava.weights[n]).any() for n in ours.weights):
        return wrong("Spikes are equal and weights are not: did both start from the same?")
    return right(f"{spikes:,} spikes and all weights, equal.")


@exercise("rest")
def _rest(answer: Any) -> Verdict:
    """Chapter 7: the population that fires in two steps in a row."""
    circuit = learning_circuit((64, 24, 10))
    phases = circuit.phases
    if answer not in {p.name for p in circuit.populations}:
        raise NotAnAnswer("An answer is the name of a population, such as 'h'.")
    twice = [
        p.name for p in circuit.populations
        if any(p.name in phases[k].fires and p.name in phases[(k + 1) % 12].fires
               for k in range(12))
    ]  # fmt: skip
    if answer in twice:
        return right("It is made of neurons without a dead step, so nobody notices.")
    open_in = [p for p, phase in enumerate(phases) if answer in phase.fires]
    return wrong(f"{answer} fires in phases {', '.join(map(str, open_in))}: no two in a row.")


@exercise("fewest")
def _fewest(answer: Any) -> Verdict:
    """Chapter 8: the least number of spikes that fires a relay without a gate."""
    said = _whole(answer)
    fires = [RELAY.bias // 64 + 254 * n > RELAY.threshold for n in (said - 1, said)]
    if fires == [False, True]:
        return right(f"{said} x 254 = {254 * said:,} is above 9216, and one less is not.")
    if fires[1]:
        return wrong(f"{said} fire it, and so do {said - 1}: {254 * (said - 1):,} is above 9216.")
    return wrong(f"{said} spikes add {254 * said:,} at most; a relay at rest needs over 9216.")


@exercise("labels")
def _labels(answer: Any, *, whole: float) -> Verdict:
    """Chapter 8: membrane accuracy, in percent, after learning with a fifth of labels at random."""
    if isinstance(answer, bool) or not isinstance(answer, (int, float, np.number)):
        raise NotAnAnswer("An answer is the membrane accuracy in percent.")
    if not 0 <= answer <= 100:
        raise NotAnAnswer("An answer is a percentage, 0 to 100.")
    if answer < whole - 20:
        return wrong("So much is not lost: redraw a fifth of y_train, not all; train as before.")
    if answer > whole + 5:
        return wrong("Better than with right labels? Redraw y_train, and leave y_test alone.")
    return right(f"{answer:.1f} % against {whole:.1f} %: wrong labels push in all directions.")


@exercise("share")
def _share(answer: Any, *, energy: Mapping[str, float]) -> Verdict:
    """Chapter 9: the share of the energy that changes weights."""
    share = energy["synaptic update"] / sum(energy.values())
    said = _fraction(answer)
    if abs(said - share) <= 0.1 * share + 1e-9:
        return right(f"{100 * share:.2f} %: an update is dear, but there are few of them.")
    if abs(said - energy["synaptic operation"] / sum(energy.values())) < 0.02:
        return wrong("That is what reading synapses takes. Changing them is 'synaptic update'.")
    return wrong("Divide nanojoules['synaptic update'] by the sum of all kinds.")


@exercise("dearer")
def _dearer(answer: Any, *, fresh: float, trained: float) -> Verdict:
    """Chapter 9: when learning is dearer; synaptic updates of a sample then and later."""
    if answer not in ("beginning", "end"):
        raise NotAnAnswer("An answer is 'beginning' or 'end'.")
    told = f"{fresh:,.0f} synaptic updates a sample at the start, {trained:,.0f} when trained."
    if (answer == "beginning") == (fresh > trained):
        return right(told)
    return wrong(f"{told} A network that errs more sends more errors back.")


@exercise("run")
def _run(answer: Any) -> Verdict:
    """Chapter 10: exit code of `sbp reproduce circuit-sizes`, and the name of its result file."""
    try:
        code, path = answer
        name = str(path).replace("\\", "/").rpartition("/")[2]
    except (TypeError, ValueError):
        raise NotAnAnswer("An answer is a pair: (exit code, path of the result).") from None
    if code != 0:
        return wrong("What was measured agrees with what is claimed, and the code for that is 0.")
    if name != "circuit-sizes.json":
        return wrong("The result has the name of the claim, and is JSON; beside it lies a figure.")
    return right("0, and a file with the name of the claim.")


@exercise("doctored")
def _doctored(answer: Any) -> Verdict:
    """Chapter 10: what a result that somebody changed is called."""
    from sbp.reproduce.status import MEANING

    if answer not in MEANING:
        raise NotAnAnswer(f"An answer is one of {', '.join(map(repr, MEANING))}.")
    if answer == "stale":
        return right("The checksum no longer fits what is written, whatever the numbers say.")
    return wrong(f"{answer!r}: {MEANING[answer]}. But here the checksum does not fit any more.")


@exercise("gates")
def _gates(answer: Any) -> Verdict:
    """Chapter 11: gates in the ring for ten layers of weights."""
    period = deep_circuit((4,) * 11).period
    if _whole(answer) == period:
        return right("5 x 10 + 2. x_mem waits 5 L - 2 steps, and 62 is the most: L is 12 at most.")
    if _whole(answer) == 57:
        return wrong("57 is for eleven layers of weights: ten layers have eleven sizes.")
    return wrong("Five steps for each layer of weights, and two.")


@exercise("silent")
def _silent(answer: Any, *, samples: int = 200, seed: int = 1) -> Verdict:
    """Chapter 11: the first layer that fires in fewer than one of twenty samples."""
    shares = _shares(samples, seed)
    if answer not in shares:
        raise NotAnAnswer(f"An answer is one of {', '.join(map(repr, shares))}.")
    silent = [name for name, share in shares.items() if share < 0.05] or [list(shares)[-1]]
    if answer == silent[0]:
        return right(", ".join(f"{n} {100 * s:.0f} %" for n, s in shares.items()) + " of samples.")
    told = f"{answer} fires in {100 * shares[answer]:.0f} % of the samples"
    return wrong(f"{told}; look for the first that fires in fewer than 5 %, or else the last.")


def _shares(samples: int, seed: int) -> dict[str, float]:
    """Of `samples` digits that a narrow deep circuit learns, the share in which a layer fires."""
    from sbp.learn import data
    from sbp.learn.training import one_hot

    digits, sizes = data.load("digits").take(n_train=samples), (64, 12, 8, 6, 10)
    program = lower(deep_circuit(sizes))
    given = {"input": digits.x_train, "target": one_hot(digits.y_train, 10)}
    state = program.state(Weights.random(sizes, seed))
    run = compiled.run(program, state, given, record=ALL_SPIKES)
    layers = enumerate(("h1", "h2", "h3", "o"), 2)  # layer k answers in phase k + 1
    return {name: float(run.at_phase(name, k).any(axis=1).mean()) for k, name in layers}
