"""What learns: the algebra, or the spiking circuit on any engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from sbp import algebra, engines
from sbp.errors import SpecError
from sbp.learn.checkpoint import matrices, named
from sbp.learn.measures import Watch, check_backpropagation, circuit_outputs
from sbp.learn.task import Task
from sbp.program import Program
from sbp.run import Counters, faults
from sbp.weights import Weights

CHUNK = 4000  #: samples the algebra learns between two looks at the clock


class Learner(Protocol):
    """What training asks of it.

    Attributes
    ----------
    program : Program or None
        The learning program; None for the algebra.
    counters : Counters or None
        Of all learning so far; None for the algebra.
    chunk : int
        Samples it learns in about a second, at most.
    """

    program: Program | None
    counters: Counters | None
    chunk: int

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Learn the samples one after the other."""

    def outputs(self, inputs: np.ndarray, watch: Watch | None) -> tuple[np.ndarray, np.ndarray]:
        """Output spikes (n, n_o) and sums a_L (n, n_o) with the present weights."""
        ...

    def equalise(self) -> None:
        """Begin anew with the present weights, of which all copies are equal then."""

    def weights(self) -> Weights:
        """The weights as they stand."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything a checkpoint needs to go on; "matrix:NAME" is a matrix of `weights`."""
        ...

    def faults(self) -> dict[str, int] | None:
        """`sbp.run.faults` of all learning so far; None for the algebra."""

    def close(self) -> None:
        """End what runs for it."""


class AlgebraLearner:
    """Learning by `sbp.algebra`.

    Parameters
    ----------
    task : Task
        Of a circuit that learns layer upon layer by backpropagation.
    weights : Weights
    arrays : mapping, optional
        What `arrays` gave, to go on from there.
    copies : bool
        Carry the negated copies of the weights that the chip learns with: what the circuit
        computes, to the bit.  Without them it is plain backpropagation, from which the circuit
        parts once a copy meets a bound.
    """

    program: Program | None = None
    counters: Counters | None = None

    def __init__(
        self,
        task: Task,
        weights: Weights,
        arrays: Mapping[str, np.ndarray] | None = None,
        *,
        copies: bool = True,
    ) -> None:
        check_backpropagation(task)
        self.chunk = CHUNK
        if arrays is None:
            self._network = algebra.Network(weights, copies)
        else:
            others = {n: a for n, a in arrays.items() if n == "silent" or n.startswith("parted:")}
            learned = task.check(matrices(arrays))
            self._network = algebra.Network.from_arrays({**learned, **others}, copies)
        # No samples: the kernels are compiled or loaded here, outside the timing of epochs.
        self.learn(np.zeros((0, task.n_inputs), np.uint8), np.zeros((0, task.n_classes), np.uint8))

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:  # noqa: D102
        self._network.train(inputs, targets)

    def outputs(  # noqa: D102
        self, inputs: np.ndarray, watch: Watch | None
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._network.outputs(inputs)

    def equalise(self) -> None:  # noqa: D102
        self._network = algebra.Network(self._network.weights, self._network.copies)

    def weights(self) -> Weights:  # noqa: D102
        return self._network.weights

    def arrays(self) -> dict[str, np.ndarray]:  # noqa: D102
        others = {n: a for n, a in self._network.arrays().items() if n not in self._network.names}
        return {**named(self._network.weights), **others}

    def faults(self) -> None:  # noqa: D102
        return None

    def close(self) -> None:  # noqa: D102
        pass


class CircuitLearner:
    """Learning by the spiking circuit of a task on one of the engines.

    Parameters
    ----------
    engine : str
    task : Task
    weights : Weights
    strict : bool
        Raise on a register wrap or stray learning.
    arrays : mapping, optional
        What `arrays` gave, to go on from there.
    learned : int
        Samples that were learned before `arrays` were taken, or since `equalise`.
    options : mapping
        For the engine.
    """

    def __init__(
        self,
        engine: str,
        task: Task,
        weights: Weights,
        strict: bool = False,
        arrays: Mapping[str, np.ndarray] | None = None,
        learned: int = 0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.engine, self.task, self.strict, self.options = engine, task, strict, options or {}
        self.program: Program | None = task.learning_program
        self._program = task.learning_program
        self.chunk = engines.chunk(engine, **self.options)
        self.counters: Counters | None = Counters.zeros(self._program)
        state = self._program.state(weights)
        if arrays is not None:
            state = self._program.state_from(arrays)
            self.counters = _counters(self._program, arrays)
            if state.step != learned * self._program.period:
                raise SpecError(
                    f"state: step is {state.step}",
                    allowed=f"{learned * self._program.period}, after {learned} samples",
                )
        self._session = engines.session(engine, self._program, state, **self.options)

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:  # noqa: D102
        run = self._session.run(self.task.stimulus(inputs, targets), strict=self.strict)
        assert self.counters is not None
        self.counters = self.counters + run.counters

    def outputs(  # noqa: D102
        self, inputs: np.ndarray, watch: Watch | None
    ) -> tuple[np.ndarray, np.ndarray]:
        return circuit_outputs(
            self.engine, self.task, self.weights(), inputs, watch, **self.options
        )

    def equalise(self) -> None:  # noqa: D102
        # As when a new process reads the weights: the ring starts anew, and nothing is pending.
        state = self._program.state(self.weights())
        self._session.close()
        self._session = engines.session(self.engine, self._program, state, **self.options)

    def weights(self) -> Weights:  # noqa: D102
        return self.task.check(self._program.weights(self._session.state))

    def arrays(self) -> dict[str, np.ndarray]:  # noqa: D102
        counters = {f"counter:{n}": getattr(self.counters, n) for n in Counters.names()}
        return {**named(self.weights()), **self._session.state.arrays(), **counters}

    def faults(self) -> dict[str, int]:  # noqa: D102
        assert self.counters is not None
        return faults(self._program, self._session.state, self.counters)

    def close(self) -> None:  # noqa: D102
        self._session.close()


def _counters(program: Program, arrays: Mapping[str, np.ndarray]) -> Counters:
    """Read back the counters of a checkpoint; SpecError where they are not this program's."""
    found = {}
    for name, zeros in vars(Counters.zeros(program)).items():
        array = arrays.get(f"counter:{name}")
        if array is None or array.shape != zeros.shape or array.dtype != zeros.dtype:
            raise SpecError(f"state: counter:{name} is missing or has another shape or type")
        if array.size and array.min() < 0:
            raise SpecError(f"state: counter:{name} holds {array.min()}", allowed="0 or more")
        found[name] = array
    return Counters(**found)
