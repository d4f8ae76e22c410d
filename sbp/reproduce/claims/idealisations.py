"""What each idealisation of the chip's rule costs: one less, and one alone in the textbook's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sbp.reproduce import ablation
from sbp.reproduce.ablation import CHIP, TEXTBOOK, Rule, Step
from sbp.reproduce.claim import OURS, Circuits, Claim, Measurement, Quantity, claim
from sbp.reproduce.claims.watching import percent
from sbp.weights import arrays_digest

if TYPE_CHECKING:
    from sbp.learn.data import Dataset
    from sbp.reproduce.bench import Bench, Work

EPOCHS = 10
HELD_OUT = 6  #: a sixth of the training pictures chooses the steps: 10,000 of MNIST's
TRIES = (100, 101)  #: seeds of the trainings that choose
MEASURES = ("membrane", "spike")

#: Idealisations in words.
WORDS = {
    "sign": "sign of the hidden error",
    "grid": "8 bits",
    "ternary": "ternary output error",
    "constant": "constant step",
    "bounds": "hard bounds",
}


def _equal(*steps: float) -> tuple[Step, ...]:
    return tuple(Step(step, step) for step in steps)


#: The steps that a rule may choose of.
STEPS: dict[Rule, tuple[Step, ...]] = {
    CHIP: _equal(1),
    CHIP.changed("sign"): tuple(Step(1, hidden) for hidden in (4, 8, 16, 32)),
    CHIP.changed("grid"): _equal(1, 1 / 2, 1 / 4),
    CHIP.changed("ternary"): tuple(Step(output, 1) for output in (1 / 4, 1 / 2, 1)),
    CHIP.changed("constant"): _equal(1, 2, 4),
    CHIP.changed("bounds"): _equal(1),
    TEXTBOOK: _equal(2, 4, 8, 16),
    TEXTBOOK.changed("sign"): tuple(
        Step(output, hidden) for output in (4, 8) for hidden in (1 / 8, 1 / 4, 1 / 2)
    ),
    TEXTBOOK.changed("grid"): _equal(1, 2, 4),
    TEXTBOOK.changed("ternary"): _equal(4, 8, 16),
    TEXTBOOK.changed("constant"): _equal(1, 2, 4, 8),
    TEXTBOOK.changed("bounds"): _equal(2, 4, 8, 16),
}


class Course(NamedTuple):
    """One training: what it is made of, beside its data."""

    rule: Rule
    step: Step
    epochs: int
    seed: int
    held_out: bool = False  #: measured on training pictures that it did not see


def part(dataset: Dataset, held_out: bool) -> Dataset:
    """The data set; or its training part alone, the last sixth of it in place of the test."""
    if not held_out:
        return dataset
    first = len(dataset.x_train) - len(dataset.x_train) // HELD_OUT
    return replace(
        dataset, x_train=dataset.x_train[:first], y_train=dataset.y_train[:first],
        x_test=dataset.x_train[first:], y_test=dataset.y_train[first:],
    )  # fmt: skip


def _trained(bench: Bench, dataset: Dataset, courses: Sequence[Course]) -> list[Work]:
    from sbp.reproduce.bench import Work

    sets = {held_out: part(dataset, held_out) for held_out in (False, True)}

    def one(course: Course, advance: Callable[[int], None]) -> Work:
        found = ablation.train(
            sets[course.held_out], course.rule, course.step, seed=course.seed,
            epochs=course.epochs, advance=advance,
        )  # fmt: skip
        measures = {name: round(getattr(found.measures, name), 6) for name in MEASURES}
        facts = {"measures": measures, "lost": found.lost, "digest": arrays_digest(found.weights)}
        return Work(facts, {})

    return bench.shared(
        f"idealisations on {dataset.name}", courses, one,
        lambda course: course.epochs * len(sets[course.held_out].x_train),
        module=__name__, checksums=(dataset.checksum,),
    )  # fmt: skip


def _tried(
    bench: Bench, dataset: Dataset, epochs: int, seeds: Sequence[int]
) -> dict[Rule, list[dict[str, Any]]]:
    """For each rule the steps it may have, and how well they do on what was held out."""
    courses = [
        Course(rule, step, epochs, seed, held_out=True)
        for rule, steps in STEPS.items() if len(steps) > 1 for step in steps for seed in seeds
    ]  # fmt: skip
    done = dict(zip(courses, _trained(bench, dataset, courses), strict=True))
    found: dict[Rule, list[dict[str, Any]]] = {rule: [] for rule in STEPS}
    for rule, steps in STEPS.items():
        for step in steps if len(steps) > 1 else ():
            runs = [done[Course(rule, step, epochs, seed, held_out=True)] for seed in seeds]
            found[rule].append({
                "step": list(step),
                **{name: [run.facts["measures"][name] for run in runs] for name in MEASURES},
            })  # fmt: skip
    return found


def best(rule: Rule, tried: Sequence[Mapping[str, Any]]) -> Step:
    """The step with the most right answers, by membrane and by spike; or the only one."""
    if not tried:
        return STEPS[rule][0]
    return Step(*max(tried, key=lambda row: sum(sum(row[name]) for name in MEASURES))["step"])


def _minus(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Differences in points, seed by seed."""
    return [round(a - b, 4) for a, b in zip(percent(first), percent(second), strict=True)]


def prices(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Accuracy without minus accuracy with an idealisation, seed by seed."""
    rows = {Rule(*row["rule"]): row for row in details["rules"]}
    values: dict[str, list[float]] = {}
    for measure in MEASURES:
        chip, textbook = rows[CHIP][measure], rows[TEXTBOOK][measure]
        values[f"{measure}, the chip's rule"] = percent(chip)
        values[f"{measure}, the textbook's rule"] = percent(textbook)
        values[f"{measure}, all of them"] = _minus(textbook, chip)
        for name, words in WORDS.items():
            less, alone = rows[CHIP.changed(name)][measure], rows[TEXTBOOK.changed(name)][measure]
            values[f"{measure}, {words}, beside the others"] = _minus(less, chip)
            values[f"{measure}, {words}, alone"] = _minus(textbook, alone)
    return {quantity.name: values[quantity.name] for quantity in claim.quantities}


@claim(
    "idealisations",
    "What each idealisation of the chip's rule costs: sign of the hidden error, 8 bits, ternary "
    "output error, constant step, hard bounds.",
    source="This package (sbp.reproduce.ablation)",
    origin="ours",
    quantities=tuple(
        quantity
        for measure in MEASURES
        for quantity in (
            Quantity(f"{measure}, the chip's rule", unit="%"),
            Quantity(f"{measure}, the textbook's rule", unit="%"),
            Quantity(f"{measure}, all of them", unit="points"),
            *(
                Quantity(f"{measure}, {words}, {how}", unit="points")
                for words in WORDS.values()
                for how in ("beside the others", "alone")
            ),
        )
    ),
    how="400-400-10, 10 epochs, one sample at a time, 8 seeds, last epoch.  A price is the "
    "accuracy without an idealisation minus that with it, seed by seed: *beside the others* it is "
    "taken from the chip's rule, *alone* it is put into the textbook's (float weights, plain "
    "gradient descent on the squared error with a straight-through derivative, a step that falls "
    "to zero).  Whoever may choose a step has the best of a few, by 2 seeds on the last sixth of "
    "the training pictures.  The smoke preset does all of it on mnist-5k, with one seed.",
    why=OURS,
    remark="Large differences are lost classes: an output whose input is 0 or below for all "
    "pictures of its class has no derivative, in any of these rules, and seldom comes back.  Where "
    "no class is lost, no price is more than a point, but for hard bounds in the textbook's rule.",
    seeds=8,
    epochs=EPOCHS,
    engine="algebra",
    data=("mnist",),
    summary=prices,
)
def idealisations(claim: Claim, bench: Bench) -> Measurement:
    """Choose the steps, then train by every rule with every seed."""
    dataset = bench.dataset("mnist" if bench.preset == "paper" else "mnist-5k")
    seeds, epochs = bench.seeds(claim), bench.epochs(dataset.name, EPOCHS)
    tried = _tried(bench, dataset, epochs, TRIES[: len(seeds)])
    steps = {rule: best(rule, tried[rule]) for rule in STEPS}
    courses = [Course(rule, steps[rule], epochs, seed) for rule in STEPS for seed in seeds]
    found = dict(zip(courses, _trained(bench, dataset, courses), strict=True))
    rows, weights = [], {}
    for rule, step in steps.items():
        runs = [found[Course(rule, step, epochs, seed)] for seed in seeds]
        rows.append({
            "rule": list(rule), "step": list(step), "tried": tried[rule],
            **{name: [run.facts["measures"][name] for run in runs] for name in MEASURES},
            "lost classes": [run.facts["lost"] for run in runs],
        })  # fmt: skip
        kept = ", ".join(WORDS[name] for name in WORDS if getattr(rule, name)) or "none"
        for seed, run in zip(seeds, runs, strict=True):
            weights[f"{kept}; seed {seed}"] = run.facts["digest"]
    return Measurement(
        details={"epochs": epochs, "rules": rows},
        circuits=(Circuits("learning", (dataset.n_inputs, 400, dataset.n_classes)),),
        seeds=seeds,
        weights=weights,
        data={dataset.name: dataset},
    )
