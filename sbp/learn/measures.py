"""What a trained network answers, and how good that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sbp import algebra, engines
from sbp.errors import SpecError, check_kind, check_name
from sbp.learn.data import Dataset
from sbp.learn.task import Task
from sbp.run import Record
from sbp.spec import MAX_SIZE, as_array, whole
from sbp.weights import Weights

if TYPE_CHECKING:
    from jaxtyping import Bool, Int32, Integer, Real, UInt8

THRESHOLD = 512  #: weight units; a gated neuron fires above it
LOOKED_AT = 1000  #: samples that say which layer is silent

Watch = Callable[[int, int], object]  #: called as watch(done, n) while samples are evaluated


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
        argmax of a_L (membrane input of the output layer) is the label.
    mse : float
        Mean over samples and outputs of (t - o)**2.
    """

    exact: float
    spike: float
    membrane: float
    mse: float

    @classmethod
    def of(
        cls,
        spikes: Bool[np.ndarray, "n n_L"],
        sums: Real[np.ndarray, "n n_L"],
        labels: Integer[np.ndarray, "n"],
    ) -> Measures:
        """From output spikes (n, n_o) bool, sums a_L (n, n_o) and labels (n,)."""
        target = one_hot(labels, spikes.shape[1]).astype(bool)
        return cls(
            exact=float((spikes == target).all(axis=1).mean()),
            spike=float((spikes.argmax(axis=1) == labels).mean()),
            membrane=float((sums.argmax(axis=1) == labels).mean()),
            mse=float((spikes != target).mean()),
        )


def one_hot(labels: Integer[np.ndarray, "k"], n: int) -> UInt8[np.ndarray, "k {n}"]:
    """Labels (k,) to targets (k, n), uint8.

    Raises
    ------
    SpecError
        For a label that is not a whole number from 0 to n - 1.
    """
    labels = as_array("labels", labels)
    n = whole("targets", "classes", n, 1, MAX_SIZE)
    if labels.ndim != 1 or not (np.issubdtype(labels.dtype, np.integer) or not labels.size):
        raise SpecError(
            f"labels are {labels.dtype} of shape {labels.shape}", allowed="whole numbers, (n,)"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < n:
        raise SpecError(f"labels are {labels.min()} to {labels.max()}", allowed=f"0 to {n - 1}")
    return np.eye(n, dtype=np.uint8)[labels.astype(np.intp)]


def task_of(weights: Mapping[str, np.ndarray], history: Mapping[str, Any] | None = None) -> Task:
    """The task of a trained network; its `history` tells weight exponent and circuit, if any.

    Raises
    ------
    SpecError
        For weights that are not a network's, or a history that names another circuit than was
        trained.
    """
    known = history or {}
    circuit = known.get("circuit")
    if circuit and "sizes" in known:
        sizes = known["sizes"]
    else:
        chain = Weights.chain(weights)
        sizes, circuit = chain.sizes, circuit or ("single_layer" if "W" in chain else None)
    task = Task.of(
        sizes, known.get("weight_exponent", 0), circuit, known.get("parameters", "released")
    )
    digest = task.learning_program.digest
    if known.get("program_digest", digest) != digest:
        raise SpecError(
            f"this network was trained in another circuit than {task.learning.name} "
            f"{'-'.join(map(str, sizes))}",
            do="give the task that it was trained with: task=...",
        )
    return task


def check_backpropagation(task: Task) -> None:
    """Raise SpecError unless the algebra computes what the circuits of `task` do."""
    learning = task.learning
    if learning.name in algebra.CIRCUITS:
        ours = Task.of(
            learning.sizes, learning.weight_exponent, learning.name, learning.parameter_set
        )
        if _said(ours) == _said(task):
            return
    raise SpecError(
        f"the algebra does not compute what the {learning.name} circuit of this task does, "
        "or how it is read",
        allowed=f"the circuits {', '.join(algebra.CIRCUITS)}",
        do="use an engine, such as compiled",
    )


def _said(task: Task) -> tuple[str, str, str, int]:
    """What a task computes."""
    programs = task.learning_program, task.reading_program
    return programs[0].digest, programs[1].digest, task.answer, task.phase


def circuit_outputs(
    engine: str,
    task: Task,
    weights: Mapping[str, np.ndarray],
    inputs: UInt8[np.ndarray, "n n_0"],
    watch: Watch | None = None,
    **options: Any,
) -> tuple[Bool[np.ndarray, "n n_L"], Int32[np.ndarray, "n n_L"]]:
    """Run `inputs` through the reading circuit of `task`; `options` are for the engine.

    Returns
    -------
    spikes : ndarray of bool, shape (n, n_o)
        Output spikes.
    sums : ndarray of int32, shape (n, n_o)
        a_L, read from the output layer's synaptic current (weight units).
    """
    chunk = engines.chunk(engine, **options)
    program = task.reading_program
    answer, phase = task.answer, task.phase
    record = Record(spikes=(answer,), u=(answer,), phases=(phase,))
    spikes = np.zeros((len(inputs), task.n_classes), bool)
    sums = np.zeros((len(inputs), task.n_classes), np.int32)
    with engines.session(engine, program, program.state(weights), **options) as session:
        for start in range(0, len(inputs), chunk):
            part = slice(start, start + chunk)
            run = session.run({"input": inputs[part]}, record=record)
            spikes[part], sums[part] = run.spikes[answer], task.sums(run.u[answer])
            if watch:
                watch(min(start + chunk, len(inputs)), len(inputs))
    return spikes, sums


def outputs(
    inputs: UInt8[np.ndarray, "n n_0"],
    weights: Mapping[str, np.ndarray],
    engine: str = "algebra",
    n_classes: int | None = None,
    watch: Watch | None = None,
    *,
    task: Task | None = None,
    **options: Any,
) -> tuple[Bool[np.ndarray, "n n_L"], Int32[np.ndarray, "n n_L"]]:
    """Output spikes (n, n_o) bool and sums a_L (n, n_o) int32 of a trained network.

    Parameters
    ----------
    inputs : ndarray of uint8, shape (n, n_in)
    weights : mapping
        W1 .. WL (or W), as `sbp.weights.Weights`.
    engine : str
        "algebra", or an engine that runs the reading circuit.
    n_classes : int, optional
        Outputs that there have to be.
    watch : callable, optional
        Called as ``watch(done, n)`` after every chunk of samples; circuit engines only.
    task : Task, optional
        Whose reading circuit runs; default: that of `task_of`.
    **options
        For the engine.

    Raises
    ------
    SpecError
        If the weights do not fit the inputs, the task or the chip; for an engine or an option
        that there is not, or a task that the algebra does not compute.
    """
    if task is not None:
        check_kind("task", task, Task)
    check_kind("engine", engine, str)
    if engine == "algebra":
        for option in options:
            check_name("option", option, (), owner="the algebra")
        if task is not None:
            check_backpropagation(task)
    task = task or task_of(weights)
    weights = task.check(weights)
    inputs = as_array("inputs", inputs)
    if inputs.ndim != 2:
        raise SpecError(f"inputs have shape {inputs.shape}", allowed=f"(n, {task.n_inputs})")
    if inputs.shape[1] != task.n_inputs or n_classes not in (None, task.n_classes):
        raise SpecError(
            f"the network is {'-'.join(map(str, task.sizes))}, the data has {inputs.shape[1]} "
            f"inputs" + (f" and {n_classes} classes" if n_classes else ""),
            do="evaluate with the data set the network was trained on",
        )
    if engine == "algebra":
        return algebra.Network(weights).outputs(inputs)
    return circuit_outputs(engine, task, weights, inputs, watch, **options)


def evaluate(
    dataset: Dataset,
    weights: Mapping[str, np.ndarray],
    engine: str = "algebra",
    *,
    watch: Watch | None = None,
    task: Task | None = None,
    **options: Any,
) -> Measures:
    """Measure `weights` on the test set of `dataset`; the parameters are those of `outputs`."""
    check_kind("dataset", dataset, Dataset, "sbp.learn.data.load(name) makes one")
    answers = outputs(
        dataset.x_test, weights, engine, dataset.n_classes, watch, task=task, **options
    )
    return Measures.of(*answers, dataset.y_test)


def silent_layer(
    weights: Mapping[str, np.ndarray], inputs: UInt8[np.ndarray, "n n_0"]
) -> int | None:
    """The lowest layer (1 .. L) of a chain that none of `inputs` makes fire; None if all fire.

    Parameters
    ----------
    weights : mapping of str to ndarray, shape (n_post, n_pre)
        From the input to the output.
    inputs : ndarray of uint8, shape (n, n_in)
        The first `LOOKED_AT` of them are looked at.
    """
    # In float32 for its speed, and exact: 65,536 inputs times 256 are 2**24.
    spikes = inputs[:LOOKED_AT].astype(np.float32)
    for layer, matrix in enumerate(weights.values(), 1):
        spikes = (spikes @ matrix.T.astype(np.float32) > THRESHOLD).astype(np.float32)
        if not spikes.any():
            return layer
    return None
