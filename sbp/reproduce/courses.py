"""Trainings whose weights alone count, measured every half epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sbp import algebra, engines
from sbp.circuits import learning_circuit
from sbp.files import arrays_digest
from sbp.learn.data import Dataset
from sbp.learn.training import Measures, circuit_outputs, epoch_order, initial_weights, one_hot
from sbp.program import Program, lower
from sbp.task import Task

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench, Work

CHUNK = 4000  #: samples between two looks at Ctrl-C
NAMES = ("exact", "spike", "membrane", "mse")


class Course(NamedTuple):
    """One training: what it is made of, beside its data."""

    engine: str
    hidden: int
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
    sizes: tuple[int, int, int]

    def epochs(self, name: str) -> list[float]:
        """A measure after every whole epoch."""
        return self.halves[name][1::2]


def halves_of(order: np.ndarray) -> Sequence[np.ndarray]:
    """The order of an epoch in two parts; the first is the shorter one."""
    middle = len(order) // 2
    return order[:middle], order[middle:]


def note(halves: dict[str, list[float]], measures: Measures) -> None:
    """Append the measures, rounded to what the counts of a test set can tell apart."""
    for name, value in asdict(measures).items():
        halves[name].append(round(value, 6))


def follow(
    course: Course, dataset: Dataset, advance: Callable[[int], None]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Train; the curves by half epochs with the digest of the weights, and the weights."""
    sizes = (dataset.n_inputs, course.hidden, dataset.n_classes)
    start, targets = initial_weights(sizes, course.seed), one_hot(dataset.y_train, sizes[2])
    halves: dict[str, list[float]] = {name: [] for name in NAMES}
    with _learner(course.engine, sizes, start) as learner:
        for epoch in range(1, course.epochs + 1):
            for part in halves_of(epoch_order(course.seed, epoch, len(targets))):
                for begin in range(0, len(part), CHUNK):
                    rows = part[begin : begin + CHUNK]
                    learner.learn(dataset.x_train[rows], targets[rows])
                    advance(len(rows))
                note(halves, Measures.of(*learner.outputs(dataset.x_test), dataset.y_test))
        weights = dict(learner.weights())
    return {"halves": halves, "digest": arrays_digest(weights), "sizes": list(sizes)}, weights


class _Algebra:
    """Learns without spikes."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._network = algebra.Network(weights, copies=False)

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        self._network.train(inputs, targets)

    def outputs(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._network.outputs(inputs)

    def weights(self) -> Mapping[str, np.ndarray]:
        return self._network.weights


class _Circuit:
    """Learns on an engine, and is tested there."""

    def __init__(self, engine: str, program: Program, session: engines.Session, **options: Any):
        self._engine, self._program, self._session = engine, program, session
        self._options = options
        self._task = Task.of(program.sizes)

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        self._session.run({"input": inputs, "target": targets})

    def outputs(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return circuit_outputs(self._engine, self._task, self.weights(), inputs, **self._options)

    def weights(self) -> Mapping[str, np.ndarray]:
        return self._program.weights(self._session.state)


@contextmanager
def _learner(
    engine: str, sizes: tuple[int, int, int], start: Mapping[str, np.ndarray]
) -> Iterator[_Algebra | _Circuit]:
    if engine == "algebra":
        yield _Algebra(start)
        return
    program = lower(learning_circuit(sizes))
    with engines.session(engine, program, program.state(start)) as session:
        yield _Circuit(engine, program, session)


def trainings(
    bench: Bench, name: str, seeds: Sequence[int], *, hidden: int = 400, epochs: int | None = None
) -> list[Trained]:
    """Train on a data set, a result for each seed; each is trained once in a run."""
    from sbp.reproduce.bench import Work

    dataset = bench.dataset(name)
    engine = bench.engine or "algebra"
    keys = [Course(engine, hidden, bench.epochs(name, epochs), seed) for seed in seeds]

    def one(course: Course, advance: Callable[[int], None]) -> Work:
        return Work(*follow(course, dataset, advance))

    found = bench.shared(
        f"training on {name}", keys, one, keys[0].epochs * len(dataset.x_train),
        module=__name__, engines=(engine,), checksums=(dataset.checksum,),
    )  # fmt: skip
    return [
        Trained(work.facts["halves"], work.facts["digest"], tuple(work.facts["sizes"]))
        for work in found
    ]
