"""A task: the circuit that learns, the circuit that answers, and where its answer is.

Training, evaluation and claims take a task, so that any circuit learns the way the paper's does::

    Task.of((400, 400, 10))                      # the paper's circuits
    Task.of((400, 400, 400, 10))                 # three layers of weights: the deep circuit
    Task.of((400, 10), circuit="single_layer")
    Task(my_learning_circuit, my_reading_circuit, answer="o", phase=3)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sbp.circuits.inference import ANSWER, inference_circuit
from sbp.circuits.registry import build, usual
from sbp.errors import SpecError, check_kind
from sbp.loihi import SCALE
from sbp.program import Program, lower
from sbp.spec import (
    Circuit,
    MatrixWeight,
    Parameter,
    Population,
    Projection,
    Source,
    check_sizes,
    whole,
)
from sbp.weights import Weights

if TYPE_CHECKING:
    from jaxtyping import Int, Int32, Shaped

INPUT, TARGET = "input", "target"  #: sources of what is shown and of what is right


@dataclass(frozen=True)
class Task:
    """What is learned, and how it is asked for.

    Parameters
    ----------
    learning : Circuit
        Takes a sample from its sources "input" and "target", and changes its parameters.
    reading : Circuit
        Takes a sample from its source "input"; its parameters are those of `learning`, by name
        and shape.
    answer : str
        The population of `reading` whose spikes are the answer, as wide as the target.
    phase : int
        The phase of `reading` in which it answers, counted from 0.

    Raises
    ------
    SpecError
        Where the two circuits do not fit each other.
    """

    learning: Circuit
    reading: Circuit
    answer: str = ANSWER
    phase: int = 3

    def __post_init__(self) -> None:
        for circuit in (self.learning, self.reading):
            check_kind(
                "one of a task's two circuits",
                circuit,
                Circuit,
                "Task.of(sizes, circuit=NAME) makes a task of a family's name",
            )
        what = f"task of the {self.learning.name} circuit"
        phase = whole(what, "phase of the answer", self.phase, 0, self.reading.period - 1)
        object.__setattr__(self, "phase", phase)
        for circuit, needed in ((self.learning, (INPUT, TARGET)), (self.reading, (INPUT,))):
            names = [source.name for source in circuit.sources if source.phase is not None]
            for name in needed:
                if name not in names:
                    raise SpecError(
                        f"{what}: the {circuit.name} circuit has no source {name!r}",
                        do="call its sources 'input' and 'target'",
                    )
            if unknown := sorted(set(names) - set(needed)):
                raise SpecError(
                    f"{what}: nothing is given to the source {unknown[0]!r} of the "
                    f"{circuit.name} circuit",
                    allowed=", ".join(needed),
                )
        self.reading.population(self.answer)
        answers = [p for p, at in enumerate(self.reading.phases) if self.answer in at.fires]
        if answers and phase not in answers:
            raise SpecError(
                f"{what}: {self.answer} does not fire in phase {phase} of the "
                f"{self.reading.name} circuit",
                allowed=f"phase {', '.join(map(str, answers))}",
            )
        widths = {
            "input": (_width(self.learning, INPUT), _width(self.reading, INPUT)),
            "target and answer": (
                _width(self.learning, TARGET), self.reading.population(self.answer).size,
            ),
        }  # fmt: skip
        for name, (first, second) in widths.items():
            if first != second:
                raise SpecError(
                    f"{what}: {name} of the {self.reading.name} circuit: {second}",
                    allowed=f"{first}",
                )
        learned = {parameter.name: parameter for parameter in self.learning.parameters}
        asked = {parameter.name: parameter for parameter in self.reading.parameters}
        if learned != asked:
            raise SpecError(
                f"{what}: the {self.reading.name} circuit has the parameters {_listed(asked)}",
                allowed=_listed(learned),
            )

    @classmethod
    def of(
        cls,
        sizes: Iterable[int],
        weight_exponent: int = 0,
        circuit: str | None = None,
        parameters: str = "released",
    ) -> Task:
        """The task of a family of circuits.

        Parameters
        ----------
        sizes : sequence of int
            n_0 .. n_L.
        weight_exponent : int
            A plastic synapse delivers mantissa * 2**weight_exponent, -3 .. 0.
        circuit : str, optional
            A family of `sbp.circuits.registry` that learns; default: the paper's for three sizes,
            the deep one for any other number.
        parameters : str
            Name of a parameter set, for families that have several.

        Raises
        ------
        SpecError
            For sizes, an exponent or a parameter set that the family does not take, or a family
            that does not learn a chain of layers.
        """
        sizes = check_sizes(sizes, (1, None), "network")
        family = usual(len(sizes)) if circuit is None else circuit
        learning = build(family, sizes, weight_exponent=weight_exponent, parameters=parameters)
        names = [source.name for source in learning.sources]
        if INPUT not in names or TARGET not in names or not learning.parameters:
            raise SpecError(
                f"the {family} circuit does not learn",
                allowed="learning, deep, single_layer, or one of yours that does",
            )
        reading = inference_circuit(
            learning.sizes,
            learning.weight_exponent,
            learning.parameter_set,
            [parameter.name for parameter in learning.parameters],
        )
        return cls(learning, reading, ANSWER, reading.period - 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """n_0 .. n_L, as the learning circuit says."""
        return self.learning.sizes

    @property
    def n_inputs(self) -> int:
        """Lines of the input."""
        return _width(self.learning, INPUT)

    @property
    def n_classes(self) -> int:
        """Lines of the target, and neurons that answer."""
        return _width(self.learning, TARGET)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the weights."""
        return tuple(parameter.name for parameter in self.learning.parameters)

    @cached_property
    def learning_program(self) -> Program:
        """`learning`, lowered."""
        return lower(self.learning)

    @cached_property
    def reading_program(self) -> Program:
        """`reading`, lowered."""
        return lower(self.reading)

    def start(self, seed: int = 0) -> Weights:
        """The paper's random start, `Weights.random`, for parameters that are layer upon layer."""
        parameters = self.learning.parameters
        layers = [(n_post, n_pre) for n_pre, n_post in pairwise(self.sizes)]
        if [parameter.shape for parameter in parameters] != layers:
            raise SpecError(
                f"the parameters of the {self.learning.name} circuit are no layers of "
                f"{'-'.join(map(str, self.sizes))}: {_listed({p.name: p for p in parameters})}",
                do="give the weights to begin with",
            )
        return Weights.random(self.sizes, seed, self.names)

    def check(self, weights: Mapping[str, np.ndarray]) -> Weights:
        """`weights` as this task's; SpecError if they are another network's."""
        return Weights.fitting(
            weights,
            ((p.name, p.n_post, p.n_pre) for p in self.learning.parameters),
            f"{self.learning.name} circuit",
        )

    def stimulus(
        self, inputs: Shaped[np.ndarray, "n n_0"], targets: Shaped[np.ndarray, "n n_L"]
    ) -> dict[str, Shaped[np.ndarray, "n _"]]:
        """Inputs (n, n_inputs) and targets (n, n_classes), of 0 and 1, by source."""
        return {INPUT: inputs, TARGET: targets}

    def sums(self, currents: Int[np.ndarray, "n n_L"]) -> Int32[np.ndarray, "n n_L"]:
        """What the weights brought to the answering neurons, a_L, from their currents.

        Parameters
        ----------
        currents : ndarray of int, shape (n, n_classes)
            u of the population `answer` in the phase `phase`, register units.

        Returns
        -------
        ndarray of int32, shape (n, n_classes)
            Mantissas: weight units at weight exponent 0.
        """
        gate, exponent = self._brought
        return ((currents.astype(np.int64) - gate * SCALE) >> (6 + exponent)).astype(np.int32)

    @cached_property
    def _brought(self) -> tuple[int, int]:
        """What opens the answering population, weight units, and its matrices' exponent."""
        gate, exponents = 0, set()
        for projection in self.reading.projections:
            if projection.target != self.answer:
                continue
            if isinstance(projection.weight, MatrixWeight):
                exponents.add(projection.weight.exponent)
            elif self._acts(projection):
                gate += _width(self.reading, projection.source) * projection.weight
        if len(exponents) != 1:
            raise SpecError(
                f"{self.answer} of the {self.reading.name} circuit is reached by matrices of the "
                f"exponents {sorted(exponents)}",
                allowed="one exponent",
            )
        return gate, exponents.pop()

    def _acts(self, projection: Projection) -> bool:
        """Whether a projection of fixed weights opens the population when the answer is given."""
        sent = (self.phase - 1 - projection.delay) % self.reading.period
        opens = projection.connect == "all-to-all"
        return opens and projection.source in self.reading.phases[sent].fires


def _width(circuit: Circuit, name: str) -> int:
    parts: list[Source | Population] = [*circuit.sources, *circuit.populations]
    return next(part.size for part in parts if part.name == name)


def _listed(parameters: Mapping[str, Parameter]) -> str:
    return ", ".join(f"{name} {value.shape}" for name, value in parameters.items()) or "none"
