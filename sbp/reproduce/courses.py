"""Trainings whose weights alone count, measured every half epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sbp.learn.data import Dataset
from sbp.learn.measures import Measures
from sbp.learn.task import Task
from sbp.learn.training import Settings, Training

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench, Work

NAMES = ("exact", "spike", "membrane", "mse")
HALVES = 2  #: evaluations in an epoch


class Course(NamedTuple):
    """One training: what it is made of, beside its data."""

    engine: str
    hidden: tuple[int, ...]
    epochs: int
    seed: int


class Trained(NamedTuple):
    """What a training found.

    Attributes
    ----------
    halves : dict of str to list of float
        Each measure after every half epoch, on the test set: entry 2 k - 1 is that after epoch k.
    digest : str
        Of the final weights.
    sizes : tuple of int
    """

    halves: dict[str, list[float]]
    digest: str
    sizes: tuple[int, ...]

    def epochs(self, name: str) -> list[float]:
        """A measure after every whole epoch."""
        return self.halves[name][1::2]


def halves_of(order: np.ndarray) -> Sequence[np.ndarray]:
    """The order of an epoch in two parts; the first is the shorter one."""
    middle = len(order) // 2
    return order[:middle], order[middle:]


def note(curves: dict[str, list[float]], measures: Measures) -> None:
    """Append the measures, rounded to what the counts of a test set can tell apart."""
    for name, value in asdict(measures).items():
        curves[name].append(round(value, 6))


def follow(
    course: Course,
    dataset: Dataset,
    advance: Callable[[int], None],
    *,
    evaluations: int = HALVES,
    inputs: Callable[[int], np.ndarray] | None = None,
) -> Training:
    """Train to the end.

    Parameters
    ----------
    advance : callable
        Called with the samples learned since its last call.
    evaluations : int
        In an epoch.
    inputs : callable, optional
        Training inputs of an epoch, if not those of `dataset`.
    """
    task = Task.of((dataset.n_inputs, *course.hidden, dataset.n_classes))
    settings = Settings(course.engine, epochs=course.epochs, seed=course.seed,
                        evaluations=evaluations)  # fmt: skip
    done = 0
    with Training(task, dataset, settings, inputs=inputs) as training:
        while not training.finished:
            training.advance()
            advance(training.samples - done)
            done = training.samples
    return training


def curves_of(training: Training) -> dict[str, list[float]]:
    """Each measure of every evaluation."""
    return {name: [round(row[name], 6) for row in training.history] for name in NAMES}


def trainings(
    bench: Bench, name: str, seeds: Sequence[int], *, hidden: int = 400, epochs: int | None = None
) -> list[Trained]:
    """Train on a data set, a result for each seed; each is trained once in a run."""
    from sbp.reproduce.bench import Work

    dataset = bench.dataset(name)
    engine = bench.engine or "algebra"
    keys = [Course(engine, (hidden,), bench.epochs(name, epochs), seed) for seed in seeds]

    def one(course: Course, advance: Callable[[int], None]) -> Work:
        training = follow(course, dataset, advance)
        facts: dict[str, Any] = {
            "halves": curves_of(training),
            "digest": training.learner.weights().digest,
            "sizes": list(training.task.sizes),
        }
        return Work(facts, {})

    found = bench.shared(
        f"training on {name}", keys, one, keys[0].epochs * len(dataset.x_train),
        module=__name__, engines=(engine,), checksums=(dataset.checksum,),
    )  # fmt: skip
    return [
        Trained(work.facts["halves"], work.facts["digest"], tuple(work.facts["sizes"]))
        for work in found
    ]
