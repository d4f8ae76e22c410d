"""Training on any engine, with seeds, measures, checkpoints and resume.

The same seed gives the same initial weights and the same order of samples on every engine, so
that equal digests mean equal machines.  `fit` trains any task and keeps nothing; `train` makes
the task from settings, keeps what is learned in a folder and goes on from there.

Ctrl-C is a KeyboardInterrupt here as everywhere in Python, in a notebook too, and nothing in this
module handles signals: an interrupt waits for the samples under way, so that what is saved and
what is returned is a moment between two samples.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from sbp import engines
from sbp.errors import FileError, SpecError, check_kind, check_name
from sbp.learn.augment import Shifts
from sbp.learn.checkpoint import Checkpoint, RunFolder
from sbp.learn.data import Dataset
from sbp.learn.learners import AlgebraLearner, CircuitLearner, Learner
from sbp.learn.measures import (
    Measures,
    circuit_outputs,
    evaluate,
    one_hot,
    outputs,
    silent_layer,
    task_of,
)
from sbp.learn.parallel import in_threads, uninterrupted
from sbp.learn.task import Task
from sbp.program import Program, check_spikes
from sbp.run import Counters
from sbp.spec import MAX_SIZE, whole
from sbp.weights import Weights, is_chain

__all__ = [
    "ENGINES", "Epoch", "Measures", "Result", "Settings", "Training", "circuit_outputs",
    "epoch_order", "evaluate", "fit", "one_hot", "outputs", "task_of", "train", "train_seeds",
]  # fmt: skip

ENGINES = ("algebra", *engines.names())
CHECKPOINT_EVERY = 60.0  #: seconds between checkpoints inside an epoch
MOST_EPOCHS, LARGEST_SEED, MOST_EVALUATIONS = 100_000, 2**63 - 1, 1000

History = list[dict[str, float]]
Inputs = Callable[[int], np.ndarray]  #: training inputs (n, n_in) of an epoch, counted from 1
Progress = Callable[[int, int, int, History], object]


@dataclass(frozen=True)
class Settings:
    """What a training run is made of; the data set is given beside it.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    hidden : int or sequence of int
        Neurons of the hidden layer, or of each: n_1 .. n_(L-1), 1 .. 65536 each; () for none.
    epochs : int
    seed : int
        Fixes the initial weights and the order of samples of every epoch.
    strict : bool
        Raise on a register wrap or stray learning (circuit engines only).
    weight_exponent : int
        A plastic synapse delivers mantissa * 2**weight_exponent, -3 .. 0.
    circuit : str, optional
        A family of `sbp.circuits.registry`; default: the paper's for one hidden layer, else the
        deep one.
    parameters : str
        Which of the circuit's sets of parameters.
    equal_copies : bool
        Make all copies of each matrix equal after every epoch, as the authors' script does when it
        loads the weights anew.
    evaluations : int
        How often in an epoch the test set is measured, evenly spread; 2 for half epochs.
    shift : int
        Training pictures move by up to this many pixels, anew in every epoch; at most the crop.
    """

    engine: str = "algebra"
    hidden: int | tuple[int, ...] = 400
    epochs: int = 10
    seed: int = 0
    strict: bool = False
    weight_exponent: int = 0
    circuit: str | None = None
    parameters: str = "released"
    equal_copies: bool = False
    evaluations: int = 1
    shift: int = 0

    def __post_init__(self) -> None:
        _check_engine(self.engine)
        if self.strict and self.engine == "algebra":
            raise SpecError("strict watches a circuit", do="choose another engine than algebra")
        several = isinstance(self.hidden, Sequence) and not isinstance(self.hidden, str)
        layers = [
            whole("training", "hidden", size, 1, MAX_SIZE)
            for size in (self.hidden if several else (self.hidden,))  # type: ignore[union-attr]
        ]
        # One layer is a number, so that runs of before go on.
        object.__setattr__(self, "hidden", layers[0] if len(layers) == 1 else tuple(layers))
        for name, low, high in (
            ("epochs", 1, MOST_EPOCHS),
            ("seed", 0, LARGEST_SEED),
            ("weight_exponent", -3, 0),
            ("evaluations", 1, MOST_EVALUATIONS),
            ("shift", 0, MAX_SIZE),
        ):
            object.__setattr__(self, name, whole("training", name, getattr(self, name), low, high))

    @property
    def layers(self) -> tuple[int, ...]:
        """The hidden layers, n_1 .. n_(L-1)."""
        return self.hidden if isinstance(self.hidden, tuple) else (self.hidden,)

    def task(self, dataset: Dataset) -> Task:
        """What is learned of `dataset` with these settings."""
        sizes = (dataset.n_inputs, *self.layers, dataset.n_classes)
        return Task.of(sizes, self.weight_exponent, self.circuit, self.parameters)


@dataclass(frozen=True)
class Epoch:
    """What `fit` gives after an epoch, or after each part of one that is measured.

    Attributes
    ----------
    epoch : int or float
        Passes over the training samples so far.
    exact, spike, membrane, mse : float
        `Measures` of the test set.
    seconds : float
        Spent learning since the one before.
    weights : Weights
    """

    epoch: float
    exact: float
    spike: float
    membrane: float
    mse: float
    seconds: float
    weights: Weights = field(repr=False)


@dataclass(repr=False)
class Result:
    """A training run, finished or interrupted.

    Attributes
    ----------
    settings : Settings
    sizes : tuple of int
    epochs : list of dict
        One per evaluation: epoch, exact, spike, membrane, mse (test set), seconds.
    weights : Weights
    counters : Counters or None
        Of all learning so far; None for the algebra.
    program : Program or None
        The learning program; None for the algebra.
    faults : dict of str to int or None
        `Run.faults` of all learning so far; None for the algebra.
    finished : bool
    samples : int
        Learned in all.
    provenance : dict
        How it was made: settings, data and program, as JSON allows it.
    """

    settings: Settings
    sizes: tuple[int, ...]
    epochs: History
    weights: Weights
    counters: Counters | None = None
    program: Program | None = None
    faults: dict[str, int] | None = None
    finished: bool = False
    samples: int = 0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        epochs = self.epochs[-1]["epoch"] if self.epochs else 0
        how = "finished" if self.finished else f"stopped after {self.samples:,} samples"
        return (
            f"<Result: {'-'.join(map(str, self.sizes))} on {self.settings.engine}, "
            f"epoch {epochs:g}, {how}, weights {self.digest[:12]}>"
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the final weights."""
        return self.weights.digest


def _check_engine(name: str) -> None:
    check_name("engine", name, ENGINES)


def initial_weights(sizes: Sequence[int], seed: int) -> Weights:
    """The paper's random start, `sbp.weights.Weights.random`."""
    return Weights.random(sizes, seed)


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order of samples in `epoch` (counted from 1): a permutation of 0 .. n-1, int64."""
    return np.random.default_rng([seed, 1, epoch]).permutation(n)


def sizes_of(weights: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """(n_0, .., n_L) of a network's weights."""
    return Weights.chain(weights).sizes


@dataclass(frozen=True)
class _Place:
    """Where a training stands; replaced as a whole, so that no interrupt falls in between."""

    history: tuple[dict[str, float], ...] = ()
    position: int = 0  #: samples learned of the epoch under way
    seconds: float = 0.0  #: spent learning since the last evaluation

    @property
    def measured(self) -> float:
        """Epochs at the last evaluation."""
        return self.history[-1]["epoch"] if self.history else 0

    @property
    def finished(self) -> int:
        """Whole epochs."""
        return int(self.measured)


class Training:
    """A training under way, moved on by `advance`; close it, or use it as a context manager.

    Parameters
    ----------
    task : Task
    dataset : Dataset
    settings : Settings
        Of these the engine, epochs, seed, strict, equal_copies and evaluations count here; the
        others are in the task.
    weights : mapping, optional
        To begin with; default the task's random start.
    inputs : callable, optional
        Gives the training inputs of an epoch, instead of those of the data set.
    saved : Checkpoint, optional
        To go on from there.
    options : mapping, optional
        For the engine.
    """

    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        settings: Settings,
        *,
        weights: Mapping[str, np.ndarray] | None = None,
        inputs: Inputs | None = None,
        saved: Checkpoint | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        _check(task=task, dataset=dataset, settings=settings, options=options)
        if (task.n_inputs, task.n_classes) != (dataset.n_inputs, dataset.n_classes):
            raise SpecError(
                f"the network is {'-'.join(map(str, task.sizes))}, data set {dataset.name} has "
                f"{dataset.n_inputs} inputs and {dataset.n_classes} classes",
                do="give the network the sizes of the data",
            )
        if inputs is not None and not callable(inputs):
            raise SpecError("inputs is no function", allowed="one that is given an epoch's number")
        self.task, self.dataset, self.settings = task, dataset, settings
        self.at = _Place()
        self._inputs, self._drawn = inputs, (0, dataset.x_train, np.empty(0, np.int64))
        self._targets = one_hot(dataset.y_train, dataset.n_classes)
        self._silent = False
        if saved is not None:
            self.at = _place(saved, len(dataset.x_train))
        start = task.start(settings.seed) if weights is None else task.check(weights)
        arrays = saved.arrays if saved else None
        self.learner: Learner
        try:
            if settings.engine == "algebra":
                self.learner = AlgebraLearner(task, start, arrays, **_algebra_options(options))
            else:
                running = self.at.position if settings.equal_copies else self.samples
                self.learner = CircuitLearner(
                    settings.engine, task, start, settings.strict, arrays, running, options
                )
        except SpecError as error:
            if saved is None:
                raise
            raise FileError(f"{saved.path} cannot be gone on with: {error}") from None

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End what runs for it."""
        self.learner.close()

    @property
    def history(self) -> History:
        """What was measured so far."""
        return list(self.at.history)

    @property
    def finished(self) -> bool:
        """Whether all epochs are learned and measured."""
        return self.at.finished >= self.settings.epochs

    @property
    def samples(self) -> int:
        """Samples learned in all."""
        return self.at.finished * len(self.dataset.x_train) + self.at.position

    def advance(self) -> bool:
        """Learn about a second's samples, or measure the test set where that is due.

        Returns
        -------
        bool
            Whether the test set was measured.

        Raises
        ------
        KeyboardInterrupt, SystemExit
            Where that interrupts it; the training then stands between two samples.
        """
        n, per_epoch = len(self.dataset.x_train), self.settings.evaluations
        epoch, position = self.at.finished + 1, self.at.position
        # Evaluations are counted through all epochs; some are passed if there were fewer before.
        due = int(self.at.measured * per_epoch + 1e-3) + 1
        while (until := n * (due - per_epoch * (epoch - 1)) // per_epoch) < position:
            due += 1
        if position < until:
            stop = min(position + self.learner.chunk, until)
            uninterrupted(lambda: self._learn(epoch, position, stop))
            return False
        answers = self.learner.outputs(self.dataset.x_test, None)
        measures = Measures.of(*answers, self.dataset.y_test)
        self._tell_silence(answers[1], due / per_epoch)
        whole_epoch = due % per_epoch == 0
        entry = {
            "epoch": due // per_epoch if whole_epoch else round(due / per_epoch, 6),
            **asdict(measures),
            "seconds": self.at.seconds,
        }
        place = _Place((*self.at.history, entry), 0 if whole_epoch else position)
        uninterrupted(lambda: self._measured(place, whole_epoch))
        return True

    def _learn(self, epoch: int, start: int, stop: int) -> None:
        inputs, order = self._epoch(epoch)
        rows = order[start:stop]
        began = time.perf_counter()
        self.learner.learn(inputs[rows], self._targets[rows])
        seconds = self.at.seconds + time.perf_counter() - began
        self.at = replace(self.at, position=stop, seconds=seconds)

    def _measured(self, place: _Place, whole_epoch: bool) -> None:
        if whole_epoch and self.settings.equal_copies:
            self.learner.equalise()
        self.at = place

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs of an epoch and the order in which they are learned."""
        if self._drawn[0] != epoch:
            n = len(self.dataset.x_train)
            inputs = self.dataset.x_train
            if self._inputs:
                inputs = check_spikes(f"epoch {epoch}", self._inputs(epoch), self.task.n_inputs)
            if len(inputs) != n:
                raise SpecError(f"epoch {epoch}: {len(inputs)} inputs", allowed=f"{n}")
            order = epoch_order(self.settings.seed, epoch, n)
            self._drawn = epoch, inputs, order
        return self._drawn[1:]

    def _tell_silence(self, sums: np.ndarray, epoch: float) -> None:
        """Warn, once, if nothing reaches the output any more."""
        if sums.any():
            self._silent = False
        elif not self._silent:
            self._silent = True
            layer = None
            if is_chain(self.task.names):
                layer = silent_layer(self.learner.weights(), self.dataset.x_test)
            name = f"hidden layer {layer}" if layer else "the network"
            warnings.warn(
                f"{name} has fallen silent by epoch {epoch:g}: no test sample makes it fire, and "
                "so no error comes back to the layers below; try wider layers or another seed",
                RuntimeWarning,
                stacklevel=3,
            )

    def checkpoint(self, identity: dict[str, Any], facts: dict[str, Any]) -> Checkpoint:
        """The training as it stands."""
        at = self.at
        return Checkpoint(
            identity, list(at.history), at.position, at.seconds, self.learner.arrays(), facts
        )

    def result(self, provenance: dict[str, Any]) -> Result:
        """The training as it stands."""
        learner = self.learner
        return Result(
            self.settings, self.task.sizes, self.history, learner.weights(), learner.counters,
            learner.program, learner.faults(), self.finished, self.samples, provenance,
        )  # fmt: skip


#: What a training is given -> its type, and what makes one.
KINDS: dict[str, tuple[type, str | None]] = {
    "task": (Task, "Task.of(sizes) makes one"),
    "dataset": (Dataset, "sbp.learn.data.load(name) makes one"),
    "settings": (Settings, None),
    "options": (Mapping, None),
    "facts": (Mapping, None),
}


def _check(**given: object) -> None:
    for name, value in given.items():
        kind, makes = KINDS[name]
        if value is not None or kind is not Mapping:
            check_kind(f"training: {name}", value, kind, makes)


def _algebra_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    for name in options or {}:
        check_name("option", name, ["copies"], owner="the algebra")
    check_kind("the algebra: copies", (options or {}).get("copies", True), bool)
    return dict(options or {})


def _place(saved: Checkpoint, n: int) -> _Place:
    """Where `saved` stands, if a training on `n` samples can stand there."""
    place = _Place(tuple(saved.epochs), saved.position, saved.seconds)
    passes = [entry["epoch"] for entry in saved.epochs]
    rising = all(a < b for a, b in zip([0, *passes], passes, strict=False))
    whole_epochs = {int(p) for p in passes if p == int(p)}
    if not rising or whole_epochs != set(range(1, place.finished + 1)):
        raise FileError(f"{saved.path}: its epochs are {str(passes)[:60]}", allowed="1, 2, 3, ...")
    at_least = n * (place.measured - place.finished)
    if not int(at_least) <= saved.position <= n:
        raise FileError(
            f"{saved.path}: its position is {saved.position}", allowed=f"{int(at_least)} to {n}"
        )
    return place


def fit(
    task: Task,
    dataset: Dataset,
    engine: str = "algebra",
    *,
    epochs: int = 10,
    seed: int = 0,
    weights: Mapping[str, np.ndarray] | None = None,
    inputs: Inputs | None = None,
    strict: bool = False,
    equal_copies: bool = False,
    evaluations: int = 1,
    **options: Any,
) -> Iterator[Epoch]:
    """Train `task` on `dataset`, epoch by epoch.

    Parameters
    ----------
    task : Task
        The circuits that learn and answer, of the paper or of one's own.
    dataset : Dataset
    engine : str
        "algebra", for circuits that learn layer upon layer by backpropagation, or an engine.
    epochs, seed, strict, equal_copies, evaluations
        See `Settings`.
    weights : mapping, optional
        To begin with; default the task's random start with `seed`.
    inputs : callable, optional
        Gives the training inputs (n, n_in) of an epoch, counted from 1, for example
        `sbp.learn.augment.Shifts`; default those of the data set.
    **options
        For the engine.  That of "algebra" is `copies`; False is plain backpropagation, see
        `sbp.algebra`.

    Yields
    ------
    Epoch

    Raises
    ------
    SpecError
        If task, data, weights and engine do not fit each other.

    Examples
    --------
    >>> from sbp.learn import data
    >>> from sbp.learn.task import Task
    >>> digits = data.load("digits")
    >>> for epoch in fit(Task.of((64, 100, 10)), digits, epochs=2):
    ...     print(epoch.epoch, round(epoch.membrane, 2))
    """
    settings = Settings(
        engine, (), epochs, seed, strict, equal_copies=equal_copies, evaluations=evaluations
    )
    training = Training(task, dataset, settings, weights=weights, inputs=inputs, options=options)
    with training:
        while not training.finished:
            if training.advance():
                yield Epoch(**training.history[-1], weights=training.learner.weights())


def train(
    dataset: Dataset,
    settings: Settings,
    *,
    task: Task | None = None,
    inputs: Inputs | None = None,
    folder: RunFolder | str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Result:
    """Train a network; the measures after each epoch are of the whole test set.

    Parameters
    ----------
    dataset : Dataset
        ``dataset.take(n_train, n_test)`` trains on fewer samples.
    settings : Settings
    task : Task, optional
        Instead of the one that the settings name.
    inputs : callable, optional
        As for `fit`; default those that the settings say.
    folder : RunFolder or path, optional
        Where a checkpoint is written after every evaluation, every minute and at an interrupt, and
        the weights and history at the end.  It is locked meanwhile.
    resume : bool
        Go on from the checkpoint in `folder`, if there is one.
    progress : callable, optional
        Called as ``progress(epoch, done, n_samples, epochs)`` after every chunk.
    options : mapping, optional
        For the engine.
    facts : mapping, optional
        What the checkpoints and the history are to tell beside settings and data.

    Raises
    ------
    KeyboardInterrupt, SystemExit
        Where that interrupts it, with the checkpoint written and the `Result` so far as the
        exception's attribute ``result``.
    SpecError
        If the saved run is past the epochs asked for.
    FileError
        If the folder cannot be written, or its checkpoints cannot be used.
    """
    _check(dataset=dataset, settings=settings, options=options, facts=facts)
    if task is not None:
        _check(task=task)
    if progress is not None and not callable(progress):
        raise SpecError("progress is no function", allowed="one of (epoch, done, n, epochs)")
    if folder is not None and not isinstance(folder, RunFolder):
        folder = RunFolder(folder)
    circuit = settings.circuit
    if task is None:
        task = settings.task(dataset)
    elif circuit is None:
        circuit = task.learning.name
    if inputs is None and settings.shift:
        inputs = Shifts.of(dataset, settings.shift, settings.seed)
    identity = _identity(dataset, settings, task, options)
    known = {
        **dataset.facts,
        **(facts or {}),
        "epochs_asked": settings.epochs,
        "evaluations": settings.evaluations,
        "circuit": circuit,
        "weight_exponent": task.learning.weight_exponent,
        "parameters": task.learning.parameter_set,
        "options": dict(options or {}),
    }
    with ExitStack() as stack:
        saved = None
        if folder is not None:
            stack.enter_context(folder.locked())
            folder.begin()
            saved = folder.load(identity) if resume else None
        if saved is not None:
            _check_epochs(saved, settings)
        training = stack.enter_context(
            Training(task, dataset, settings, inputs=inputs, saved=saved, options=options)
        )

        def save() -> None:
            if folder is not None:
                folder.save(training.checkpoint(identity, known))

        n, saved_at = len(dataset.x_train), time.monotonic()
        try:
            while not training.finished:
                epoch = training.at.finished + 1
                measured = training.advance()
                if measured or time.monotonic() - saved_at > CHECKPOINT_EVERY:
                    save()
                    saved_at = time.monotonic()
                if progress:
                    whole_epoch = training.at.finished == epoch
                    done = n if whole_epoch else training.at.position
                    progress(epoch, done, n, training.history)
        except (KeyboardInterrupt, SystemExit) as stop:
            if training.samples:  # else what was here before stays
                save()
            stop.result = training.result({**known, **identity})  # type: ignore[union-attr]
            raise
        result = training.result({**known, **identity})
    if folder is not None:
        folder.finish(result.weights, result.epochs, result.provenance)
    return result


def _identity(
    dataset: Dataset, settings: Settings, task: Task, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What makes a run: a checkpoint of another one is refused."""
    return {
        "engine": settings.engine,
        "hidden": list(settings.layers) if len(settings.layers) != 1 else settings.hidden,
        "seed": settings.seed,
        "strict": settings.strict,
        "dataset": dataset.name,
        "data_checksum": dataset.checksum,
        "sizes": list(task.sizes),
        "n_train": len(dataset.x_train),
        # The circuit stands for the arithmetic of every engine.
        "program_digest": task.learning_program.digest,
        "equal_copies": settings.equal_copies,
        "shift": settings.shift,
        "plain": settings.engine == "algebra" and not (options or {}).get("copies", True),
    }


def _check_epochs(saved: Checkpoint, settings: Settings) -> None:
    measured = saved.epochs[-1]["epoch"] if saved.epochs else 0
    begun = int(measured) + bool(saved.position)
    if begun > settings.epochs:
        # Its weights are those of a later moment: they cannot be had for this epoch any more.
        raise SpecError(
            f"epochs is {settings.epochs}: the saved run is in epoch {begun}",
            allowed=f"{begun} or more to go on",
            do="or start afresh in another folder",
        )


def train_seeds(
    dataset: Dataset,
    settings: Settings,
    seeds: list[int],
    *,
    workers: int | None = None,
    progress: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Train several seeds in parallel over the cores (the kernels release the interpreter).

    Parameters
    ----------
    workers : int, optional
        Threads; default one per core of the job.
    progress : callable, optional
        Called as ``progress(n_done, result)`` as seeds finish.

    Returns
    -------
    list of Result
        In the order of `seeds`.
    """
    done = 0

    def one(seed: int, check: Callable[[], None]) -> Result:
        return train(dataset, replace(settings, seed=seed), progress=lambda *_: check())

    def finished(seed: int, result: Result) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, result)

    return list(in_threads(one, seeds, workers=workers, finished=finished).values())
