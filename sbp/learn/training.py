"""Training and evaluation on any engine, with seeds, measures, checkpoints and resume.

The same seed gives the same initial weights and the same order of samples on every engine, so
that equal digests mean equal machines.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from sbp import algebra, engines
from sbp.circuits import inference_circuit, learning_circuit
from sbp.circuits.gating import GATE
from sbp.errors import SpecError
from sbp.files import arrays_digest
from sbp.learn.checkpoint import Checkpoint, RunFolder
from sbp.learn.data import Dataset
from sbp.learn.parallel import in_threads
from sbp.loihi import SCALE
from sbp.program import Program, lower
from sbp.run import Counters, Record, faults
from sbp.spec import check_sizes
from sbp.weights import Weights as _Weights

ENGINES = ("algebra", *engines.names())

CHUNK = 4000  #: samples the algebra learns between two looks at the clock and at Ctrl-C
CHECKPOINT_EVERY = 60.0  #: seconds between checkpoints inside an epoch

Weights = Mapping[str, np.ndarray]


def _check_engine(name: str) -> None:
    if name not in ENGINES:
        raise SpecError(f"no engine is called {name!r}", allowed=", ".join(ENGINES))


@dataclass(frozen=True)
class Settings:
    """What a training run is made of; the data set is given beside it.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    hidden : int
        n_h, 1 .. 65536.
    epochs : int
    seed : int
        Fixes the initial weights and the order of samples of every epoch.
    strict : bool
        Raise on a register wrap or stray learning (circuit engines only).
    """

    engine: str = "algebra"
    hidden: int = 400
    epochs: int = 10
    seed: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        _check_engine(self.engine)
        limits = {"hidden": (1, 1 << 16), "epochs": (1, 100_000), "seed": (0, 2**63 - 1)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise SpecError(f"{name} is {value!r}", allowed=f"a whole number, {low} to {high}")


@dataclass(frozen=True)
class Measures:
    """The three accuracy measures and the loss, over a data set (fractions 0 .. 1).

    Attributes
    ----------
    exact : float
        Output spikes equal the one-hot target.
    spike : float
        argmax of output spikes is the label, ties to the lowest index.
    membrane : float
        argmax of a2 (membrane input of the output layer) is the label.
    mse : float
        Mean over samples and outputs of (t - o)**2.
    """

    exact: float
    spike: float
    membrane: float
    mse: float

    @classmethod
    def of(cls, spikes: np.ndarray, sums: np.ndarray, labels: np.ndarray) -> Measures:
        """From output spikes (n, n_o) bool, sums a2 (n, n_o) and labels (n,)."""
        target = one_hot(labels, spikes.shape[1]).astype(bool)
        return cls(
            exact=float((spikes == target).all(axis=1).mean()),
            spike=float((spikes.argmax(axis=1) == labels).mean()),
            membrane=float((sums.argmax(axis=1) == labels).mean()),
            mse=float((spikes != target).mean()),
        )


@dataclass
class Result:
    """A training run, finished or interrupted.

    Attributes
    ----------
    settings : Settings
    sizes : tuple of int
    epochs : list of dict
        One per finished epoch: epoch, exact, spike, membrane, mse (test set), seconds.
    weights : dict of str to ndarray of int16
    counters : Counters or None
        Of all learning so far; None for the algebra.
    program : Program or None
        The learning program; None for the algebra.
    faults : dict of str to int or None
        `Run.faults` of all learning so far; None for the algebra.
    finished : bool
    """

    settings: Settings
    sizes: tuple[int, int, int]
    epochs: list[dict[str, float]]
    weights: Weights
    counters: Counters | None = None
    program: Program | None = None
    faults: dict[str, int] | None = None
    finished: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the final weights."""
        return arrays_digest(self.weights)


class Interrupted(Exception):
    """A signal asked the training to stop; `result` holds what there is."""

    def __init__(self, result: Result, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.result, self.number = result, number


def chunk_of(engine: str, options: Mapping[str, Any]) -> int:
    """Samples between two looks at the clock, with these options of the engine."""
    _check_engine(engine)
    return CHUNK if engine == "algebra" else engines.get(engine).chunk(**options)


def one_hot(labels: np.ndarray, n: int) -> np.ndarray:
    """Labels (k,) to targets (k, n), uint8."""
    return np.eye(n, dtype=np.uint8)[labels]


def initial_weights(sizes: tuple[int, int, int], seed: int) -> Weights:
    """The paper's random start, `sbp.weights.Weights.random`, of a network of three layers."""
    return _Weights.random(check_sizes(sizes, (3, 3), "network"), seed)


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order of samples in `epoch` (counted from 1): a permutation of 0 .. n-1, int64."""
    return np.random.default_rng([seed, 1, epoch]).permutation(n)


Watch = Callable[[int, int], object]  #: called as watch(done, n) while samples are evaluated


class Learner(Protocol):
    """What training asks of an engine."""

    @property
    def counters(self) -> Counters | None:
        """Of all learning so far; None for the algebra."""

    @property
    def program(self) -> Program | None:
        """The learning program; None for the algebra."""

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Learn the samples one after the other."""

    def outputs(self, inputs: np.ndarray, watch: Watch) -> tuple[np.ndarray, np.ndarray]:
        """Output spikes (n, n_o) and sums a2 (n, n_o) with the present weights."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything a checkpoint needs to go on."""
        ...

    def weights(self) -> Weights:
        """W1 and W2 as they stand."""
        ...

    def faults(self) -> dict[str, int] | None:
        """`Run.faults` of all learning so far; None for the algebra."""


class AlgebraLearner:
    """Learning by `sbp.algebra`."""

    program = None
    counters = None

    def __init__(self, weights: Weights) -> None:
        self._network = algebra.Network(weights)
        sizes = sizes_of(weights)
        # No samples: the kernels are compiled or loaded here, outside the timing of epochs.
        self.learn(np.zeros((0, sizes[0]), np.uint8), np.zeros((0, sizes[2]), np.uint8))

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:  # noqa: D102
        self._network.train(inputs, targets)

    def outputs(  # noqa: D102
        self, inputs: np.ndarray, watch: Watch
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._network.outputs(inputs)

    def weights(self) -> Weights:  # noqa: D102
        return self._network.weights

    def arrays(self) -> dict[str, np.ndarray]:  # noqa: D102
        return dict(self.weights())

    def faults(self) -> None:  # noqa: D102
        return None


class CircuitLearner:
    """Learning by the spiking circuit on one of the engines."""

    def __init__(
        self,
        engine: str,
        sizes: tuple[int, int, int],
        weights: Weights,
        strict: bool,
        arrays: Mapping[str, np.ndarray] | None,
        options: Mapping[str, Any],
        stack: ExitStack,
    ) -> None:
        self.engine, self.sizes, self.strict, self.options = engine, sizes, strict, options
        self.program = lower(learning_circuit(sizes))
        state = self.program.state(weights) if arrays is None else self.program.state_from(arrays)
        self._session = stack.enter_context(engines.session(engine, self.program, state, **options))
        self.counters = Counters.zeros(self.program)
        if arrays is not None:
            self.counters = Counters(*(arrays[f"counter:{n}"] for n in Counters.names()))

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:  # noqa: D102
        run = self._session.run({"input": inputs, "target": targets}, strict=self.strict)
        self.counters = self.counters + run.counters

    def outputs(  # noqa: D102
        self, inputs: np.ndarray, watch: Watch
    ) -> tuple[np.ndarray, np.ndarray]:
        return circuit_outputs(
            self.engine, self.sizes, self.weights(), inputs, watch, **self.options
        )

    def weights(self) -> Weights:  # noqa: D102
        return self.program.weights(self._session.state)

    def arrays(self) -> dict[str, np.ndarray]:  # noqa: D102
        counters = {f"counter:{n}": getattr(self.counters, n) for n in Counters.names()}
        return {**self._session.state.arrays(), **counters}

    def faults(self) -> dict[str, int]:  # noqa: D102
        return faults(self.program, self._session.state, self.counters)


def circuit_outputs(
    engine: str,
    sizes: tuple[int, int, int],
    weights: Weights,
    inputs: np.ndarray,
    watch: Watch | None = None,
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Run `inputs` through the inference circuit; `options` are for the engine.

    Returns
    -------
    spikes : ndarray of bool, shape (n, n_o)
        Output spikes (phase 3).
    sums : ndarray of int32, shape (n, n_o)
        a2, read from the output layer's synaptic current (weight units).
    """
    chunk = chunk_of(engine, options)
    program = lower(inference_circuit(sizes))
    record = Record(spikes=("o",), u=("o",), phases=(3,))
    spikes = np.zeros((len(inputs), sizes[2]), bool)
    sums = np.zeros((len(inputs), sizes[2]), np.int32)
    with engines.session(engine, program, program.state(weights), **options) as session:
        for start in range(0, len(inputs), chunk):
            part = slice(start, start + chunk)
            run = session.run({"input": inputs[part]}, record=record)
            spikes[part], sums[part] = run.spikes["o"], run.u["o"] // SCALE - GATE
            if watch:
                watch(min(start + chunk, len(inputs)), len(inputs))
    return spikes, sums


def evaluate(
    dataset: Dataset,
    weights: Weights,
    engine: str = "algebra",
    *,
    watch: Watch | None = None,
    **options: Any,
) -> Measures:
    """Measure `weights` on the test set of `dataset`.

    Parameters
    ----------
    dataset : Dataset
    weights : dict
        "W1" (n_h, n_in), "W2" (n_o, n_h).
    engine : str
        "algebra", or an engine that runs the inference circuit.
    watch : callable, optional
        Called as ``watch(done, n)`` after every chunk of samples; circuit engines only.
    **options
        For the engine.

    Raises
    ------
    SpecError
        If the weights do not fit the data set or the chip.
    """
    answers = outputs(dataset.x_test, weights, engine, dataset.n_classes, watch, **options)
    return Measures.of(*answers, dataset.y_test)


def outputs(
    inputs: np.ndarray,
    weights: Weights,
    engine: str = "algebra",
    n_classes: int | None = None,
    watch: Watch | None = None,
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Output spikes (n, n_o) bool and sums a2 (n, n_o) int32 of a trained network."""
    network = algebra.Network(weights)  # checks the weights, whatever the engine
    sizes = sizes_of(weights)
    if inputs.shape[1] != sizes[0] or n_classes not in (None, sizes[2]):
        raise SpecError(
            f"the network is {'-'.join(map(str, sizes))}, the data has {inputs.shape[1]} inputs"
            + (f" and {n_classes} classes" if n_classes else ""),
            do="evaluate with the data set the network was trained on",
        )
    if engine == "algebra":
        return network.outputs(inputs)
    return circuit_outputs(engine, sizes, weights, inputs, watch, **options)


def sizes_of(weights: Weights) -> tuple[int, int, int]:
    """(n_in, n_h, n_o) of a weights dict."""
    return weights["W1"].shape[1], weights["W1"].shape[0], weights["W2"].shape[0]


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying, so that a checkpoint can be written.

    A second signal acts at once.  Outside the main thread Python allows no handlers.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    old: dict[int, Any] = {}

    def handler(number: int, frame: object) -> None:
        caught.append(number)
        signal.signal(number, old[number] or signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        old[number] = signal.getsignal(number)
        signal.signal(number, handler)
    try:
        yield caught
    finally:
        for which, previous in old.items():
            signal.signal(which, previous or signal.SIG_DFL)


Progress = Callable[[int, int, int, list[dict[str, float]]], None]


def train(
    dataset: Dataset,
    settings: Settings,
    *,
    folder: RunFolder | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Train a network; the measures after each epoch are of the whole test set.

    Parameters
    ----------
    dataset : Dataset
        ``dataset.take(n_train, n_test)`` trains on fewer samples.
    settings : Settings
    folder : RunFolder, optional
        Where a checkpoint is written after every epoch, every minute and on a signal, and the
        weights and history at the end.
    resume : bool
        Go on from the checkpoint in `folder`, if there is one.
    progress : callable, optional
        Called as ``progress(epoch, done, n_samples, epochs)`` after every chunk.
    options : mapping, optional
        For the engine.

    Raises
    ------
    Interrupted
        After SIGINT or SIGTERM, with the checkpoint written.
    SpecError
        If the saved run is past the epochs asked for.
    FileError
        If the folder cannot be written, or its checkpoints cannot be used.
    """
    sizes = (dataset.n_inputs, settings.hidden, dataset.n_classes)
    identity = {
        **{k: v for k, v in asdict(settings).items() if k != "epochs"},
        "dataset": dataset.name,
        "data_checksum": dataset.checksum,
        "sizes": list(sizes),
        "n_train": len(dataset.x_train),
        # The circuit stands for the arithmetic of every engine.
        "program_digest": lower(learning_circuit(sizes)).digest,
    }
    facts = {"crop": dataset.crop, "threshold": dataset.threshold}
    saved: Checkpoint | None = None
    if folder is not None:
        folder.begin()
        saved = folder.load(identity) if resume else None
    if saved is not None and (len(saved.epochs), saved.position) > (settings.epochs, 0):
        # Its weights are those of a later moment: they cannot be had for this epoch any more.
        begun = len(saved.epochs) + bool(saved.position)
        raise SpecError(
            f"epochs is {settings.epochs}: the saved run is in epoch {begun}",
            allowed=f"{begun} or more to go on",
            do="or start afresh in another folder",
        )
    inputs, targets = dataset.x_train, one_hot(dataset.y_train, dataset.n_classes)
    history = list(saved.epochs) if saved else []
    position, spent = (saved.position, saved.seconds) if saved else (0, 0.0)
    chunk = chunk_of(settings.engine, options or {})

    with ExitStack() as stack:
        learner: Learner
        if settings.engine == "algebra":
            start = saved.arrays if saved else initial_weights(sizes, settings.seed)
            learner = AlgebraLearner({name: start[name] for name in ("W1", "W2")})
        else:
            learner = CircuitLearner(
                settings.engine, sizes, initial_weights(sizes, settings.seed), settings.strict,
                saved.arrays if saved else None, options or {}, stack,
            )  # fmt: skip
        signals = stack.enter_context(_signals())

        def result(finished: bool) -> Result:
            return Result(
                settings, sizes, history, learner.weights(), learner.counters, learner.program,
                learner.faults(), finished,
                {**identity, **facts, "epochs_asked": settings.epochs},
            )  # fmt: skip

        def save() -> None:
            if folder is not None:
                folder.save(Checkpoint(identity, history, position, spent, learner.arrays()))

        def stop_if_asked(*_: int) -> None:
            if signals:
                # In the middle of an evaluation too: the epoch's learning is done and saved.
                save()
                raise Interrupted(result(False), signals[0])

        saved_at = time.monotonic()
        while len(history) < settings.epochs:
            epoch = len(history) + 1
            order = epoch_order(settings.seed, epoch, len(inputs))
            while position < len(order):
                rows = order[position : position + chunk]
                began = time.perf_counter()
                learner.learn(inputs[rows], targets[rows])
                spent += time.perf_counter() - began
                position += len(rows)
                if progress:
                    progress(epoch, position, len(order), history)
                stop_if_asked()
                if time.monotonic() - saved_at > CHECKPOINT_EVERY:
                    save()
                    saved_at = time.monotonic()
            measures = Measures.of(*learner.outputs(dataset.x_test, stop_if_asked), dataset.y_test)
            history.append({"epoch": epoch, **asdict(measures), "seconds": spent})
            position, spent = 0, 0.0
            save()
            saved_at = time.monotonic()
            if progress:
                progress(epoch, len(order), len(order), history)
            stop_if_asked()
        final = result(True)
    if folder is not None:
        folder.finish(final.weights, history, final.provenance)
    return final


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
        Threads; default one per core.
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
