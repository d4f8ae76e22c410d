"""Lowering: a readable `Circuit` becomes a `Program`, integers only, as the chip would hold it.

``Circuit`` --`lower`--> ``Program``;  ``Program.state(weights)`` is the network before the first
step.  Engines take a program, a state and a stimulus, and return a `sbp.run.Run`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sbp import loihi
from sbp.errors import SpecError, check_kind, check_name
from sbp.html import html_table
from sbp.spec import (
    Circuit,
    LearningRule,
    MatrixWeight,
    Neuron,
    Parameter,
    Phase,
    Population,
    Projection,
    Source,
    as_array,
    whole,
)
from sbp.weights import Weights, check_weights

if TYPE_CHECKING:
    from jaxtyping import Bool, Int16, Int32, Int64, Integer, Shaped, UInt8

NO_MATRIX = -1  #: a projection whose synapses share one fixed weight
MAX_STEP = 2**62  #: so that no engine counts beyond 64 bits
ONE_TO_ONE, ALL_TO_ALL = 0, 1


class PopulationCode(NamedTuple):
    """One population in integers; neurons ``start .. start + size - 1`` of the program."""

    name: str
    start: int
    size: int
    bias: int  #: register units
    threshold: int  #: register units, 64 * vth
    refractory: int
    du: int
    dv: int

    @property
    def neurons(self) -> slice:
        """Where its neurons stand in an array over all neurons."""
        return slice(self.start, self.start + self.size)

    @property
    def memoryless(self) -> bool:
        """Whether nothing of u and v is carried into the next step."""
        return self.du == self.dv == loihi.DECAY_UNIT


class SourceCode(NamedTuple):
    """One external source; lines follow the neurons in the numbering of senders."""

    name: str
    start: int
    size: int
    phase: int  #: -1 for the kick, which spikes once, in the step before the first


class ProjectionCode(NamedTuple):
    """One projection in integers.

    `source` counts populations first and sources after them; `target` counts populations.
    A synapse adds ``weight << shift`` register units; for a projection with a matrix `weight`
    is the matrix entry, otherwise `mantissa`.
    """

    name: str
    source: int
    target: int
    connect: int  #: ONE_TO_ONE or ALL_TO_ALL
    delay: int
    mantissa: int
    exponent: int
    matrix: int  #: index of the parameter, or NO_MATRIX
    transpose: int
    negate: int
    plastic: int
    scheduled: tuple[int, ...]  #: phases in which it is meant to learn

    @property
    def shift(self) -> int:
        """6 + exponent: 64 register units to a weight unit, times 2**exponent."""
        return 6 + self.exponent


@dataclass
class State:
    """Everything that changes while a program runs.

    Attributes
    ----------
    step : int
        The next step to execute, counted from the start of the ring.
    weights : dict of str to ndarray of int16, shape (n_post, n_pre)
        One matrix per projection that has one, by the projection's name.
    u, v : ndarray of int32, shape (n_neurons,)
        Current and membrane potential, register units.
    dead : ndarray of int32, shape (n_neurons,)
        Remaining dead (refractory) steps.
    pending : ndarray of int64, shape (n_slots, n_neurons)
        What arrives in the coming steps, register units; step s reads row ``s % n_slots``.
    arriving : ndarray of bool, shape (n_slots, n_neurons)
        Whether any spike arrives, be its weight zero or cancelled by another.
    """

    step: int
    weights: dict[str, Int16[np.ndarray, "_ _"]]
    u: Int32[np.ndarray, "n_neurons"]
    v: Int32[np.ndarray, "n_neurons"]
    dead: Int32[np.ndarray, "n_neurons"]
    pending: Int64[np.ndarray, "n_slots n_neurons"]
    arriving: Bool[np.ndarray, "n_slots n_neurons"]

    def copy(self) -> State:
        """Return an independent state with the same numbers."""
        return State(
            self.step,
            {name: matrix.copy() for name, matrix in self.weights.items()},
            *(array.copy() for array in (self.u, self.v, self.dead, self.pending, self.arriving)),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The state as named arrays, for a file; `Program.state_from` reads them back."""
        own = {name: getattr(self, name) for name in ("u", "v", "dead", "pending", "arriving")}
        weights = {f"weights:{name}": matrix for name, matrix in self.weights.items()}
        return {"step": np.int64(self.step), **own, **weights}

    def same_as(self, other: State) -> bool:
        """Whether every number of the two states is equal."""
        mine, others = self.arrays(), other.arrays()
        return mine.keys() == others.keys() and all(
            np.array_equal(mine[name], others[name]) for name in mine
        )


@dataclass(frozen=True, repr=False)
class Program:
    """A circuit in integers.  Immutable; `digest` names every result made with it."""

    name: str
    sizes: tuple[int, ...]
    period: int
    populations: tuple[PopulationCode, ...]
    sources: tuple[SourceCode, ...]
    projections: tuple[ProjectionCode, ...]
    parameters: tuple[tuple[str, int, int], ...]  #: (name, n_post, n_pre)
    reward: tuple[int, ...]  #: 1 in the phases with a reward spike
    fires: tuple[tuple[int, ...], ...]  #: per phase, the populations scheduled to fire
    dw_reward: int
    dw_otherwise: int
    # Labels for people, outside the digest.
    kinds: tuple[str, ...] = field(default=(), repr=False, compare=False)  #: of each projection
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)  #: of each phase
    phase_names: tuple[str, ...] = field(default=(), repr=False, compare=False)
    weight_exponent: int = field(default=0, repr=False, compare=False)
    parameter_set: str = field(default="released", repr=False, compare=False)

    def __repr__(self) -> str:
        return (
            f"<Program {self.name} {'-'.join(map(str, self.sizes))}: {self.period} steps a sample, "
            f"{self.n_neurons:,} neurons, {len(self.projections)} projections, "
            f"digest {self.digest[:12]}>"
        )

    def _repr_html_(self) -> str:
        learned = [f"{name} ({n_post} by {n_pre})" for name, n_post, n_pre in self.parameters]
        rows = [
            ("neurons", f"{self.n_neurons:,} in {len(self.populations)} populations"),
            ("projections", f"{len(self.projections)}"),
            ("steps a sample", f"{self.period}"),
            ("parameters", ", ".join(learned) or "none"),
            ("longest delay", f"{self.n_slots - 1} steps"),
            ("digest", self.digest),
        ]
        return html_table(f"Program of the {self.name} circuit", rows)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over every integer and name of the program."""
        parts = (
            self.name, self.sizes, self.period, self.populations, self.sources, self.projections,
            self.parameters, self.reward, self.fires, self.dw_reward, self.dw_otherwise,
        )  # fmt: skip
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()

    @cached_property
    def circuit(self) -> Circuit:
        """The circuit that these integers and labels say: what `lower` makes this program of.

        Populations fire in the order in which they are declared, whatever the order in the phases
        of the circuit that was lowered; where labels are missing, kinds are called after weights.
        """
        return _raised(self)

    @cached_property
    def n_neurons(self) -> int:
        """Neurons of all populations; external sources are not neurons."""
        return sum(population.size for population in self.populations)

    @cached_property
    def may_fire(self) -> Bool[np.ndarray, "period n_populations"]:
        """Whether a population is scheduled to fire: bool, (period, n_populations)."""
        table = np.zeros((self.period, len(self.populations)), bool)
        for p, populations in enumerate(self.fires):
            table[p, list(populations)] = True
        return table

    @cached_property
    def may_learn(self) -> Bool[np.ndarray, "period n_projections"]:
        """Whether a projection is scheduled to learn: bool, (period, n_projections)."""
        table = np.zeros((self.period, len(self.projections)), bool)
        for i, projection in enumerate(self.projections):
            table[list(projection.scheduled), i] = True
        return table

    @cached_property
    def n_slots(self) -> int:
        """Rows of the delay line: the longest delay and the one step every spike takes."""
        return 1 + max((projection.delay for projection in self.projections), default=0)

    @cached_property
    def senders(self) -> tuple[PopulationCode | SourceCode, ...]:
        """What a projection's `source` counts: populations, then sources."""
        return (*self.populations, *self.sources)

    def index(self, name: str) -> int:
        """Number of the population called `name`; SpecError if there is none."""
        names = [population.name for population in self.populations]
        check_name("population", name, names, owner=f"{self.name} circuit")
        return names.index(name)

    def state(self, weights: Mapping[str, np.ndarray] | None = None) -> State:
        """The network at rest before the first step, the kick on its way.

        Parameters
        ----------
        weights : mapping of str to integer array, shape (n_post, n_pre)
            A matrix for each parameter, even integers in -256 .. 254.

        Raises
        ------
        SpecError
            For a missing or unknown name, or a matrix `check_weights` refuses.
        """
        checked = Weights.fitting(
            {} if weights is None else weights, self.parameters, f"{self.name} circuit"
        )
        matrices = tuple(checked.values())
        state = State(
            step=0,
            weights={p.name: initial_copy(p, matrices[p.matrix])
                     for p in self.projections if p.matrix != NO_MATRIX},
            u=np.zeros(self.n_neurons, np.int32),
            v=np.zeros(self.n_neurons, np.int32),
            dead=np.zeros(self.n_neurons, np.int32),
            pending=np.zeros((self.n_slots, self.n_neurons), np.int64),
            arriving=np.zeros((self.n_slots, self.n_neurons), bool),
        )  # fmt: skip
        for projection in self.projections:
            sender = self.senders[projection.source]
            if isinstance(sender, SourceCode) and sender.phase < 0:
                self._kick(state, projection, sender)
        return state

    def _kick(self, state: State, projection: ProjectionCode, source: SourceCode) -> None:
        target = self.populations[projection.target].neurons
        if projection.matrix != NO_MATRIX:
            sums = state.weights[projection.name].sum(axis=1, dtype=np.int64)
        else:
            each = source.size if projection.connect == ALL_TO_ALL else 1
            sums = np.int64(each * projection.mantissa)
        state.pending[projection.delay, target] += sums << projection.shift
        state.arriving[projection.delay, target] = True

    def weights(self, state: State) -> Weights:
        """Each parameter as its first copy in `state` implies it: int16, (n_post, n_pre).

        A copy of the parameter itself goes before one of its transpose, and that before one of
        its negative.
        """
        check_kind(f"{self.name} circuit: state", state, State)
        found: dict[str, np.ndarray] = {}
        copies = [projection for projection in self.projections if projection.matrix != NO_MATRIX]
        for projection in sorted(copies, key=lambda copy: (copy.negate, copy.transpose)):
            name = self.parameters[projection.matrix][0]
            if name not in found:
                matrix = state.weights[projection.name]
                matrix = matrix.T if projection.transpose else matrix
                matrix = -matrix if projection.negate else matrix
                found[name] = np.array(loihi.clip_weight(matrix), np.int16, order="C")
        return Weights({name: found[name] for name, _, _ in self.parameters if name in found})

    def state_from(self, arrays: Mapping[str, np.ndarray]) -> State:
        """Read back `State.arrays`; SpecError where a name or shape does not fit this program."""
        check_kind("state", arrays, Mapping)
        expected = self.state({name: np.zeros((r, c), int) for name, r, c in self.parameters})
        for name, array in expected.arrays().items():
            if name not in arrays or np.shape(arrays[name]) != np.shape(array):
                raise SpecError(f"state: {name} is missing or has another shape")
            if not np.can_cast(np.asarray(arrays[name]).dtype, np.asarray(array).dtype):
                raise SpecError(f"state: {name} is of another type")
        for projection in self.projections:
            if projection.matrix != NO_MATRIX:
                matrix = arrays[f"weights:{projection.name}"]
                check_weights(projection.name, matrix, (len(matrix), matrix.shape[1]))
        return State(
            int(arrays["step"]),
            {name: np.array(arrays[f"weights:{name}"]) for name in expected.weights},
            *(np.array(arrays[key]) for key in ("u", "v", "dead", "pending", "arriving")),
        )

    def check_state(self, state: State) -> None:
        """Raise SpecError where `state` cannot be one of this program's."""
        check_kind(f"{self.name} circuit: state", state, State, "program.state(weights) makes one")
        whole(f"{self.name} circuit's state", "step", state.step, 0, MAX_STEP)
        flat, slots = (self.n_neurons,), (self.n_slots, self.n_neurons)
        expected = {"u": flat, "v": flat, "dead": flat, "pending": slots, "arriving": slots}
        found = {name: getattr(state, name).shape for name in expected}
        for p in self.projections:
            if p.matrix != NO_MATRIX:
                expected[p.name] = self.populations[p.target].size, self.senders[p.source].size
        found |= {name: matrix.shape for name, matrix in state.weights.items()}
        for name in expected.keys() | found.keys():
            if expected.get(name) != found.get(name):
                raise SpecError(
                    f"{self.name} circuit: the state's {name} has shape {found.get(name)}",
                    allowed=str(expected.get(name, "no such array")),
                    do="take a state of this very program",
                )

    def steps_of(
        self, stimulus: Mapping[str, np.ndarray], first: int, steps: int | None = None
    ) -> int:
        """Steps from `first` to the end of the last sample of `stimulus`; or `steps`, checked."""
        if steps is not None:
            return whole(f"{self.name} circuit", "steps", steps, 0, MAX_STEP)
        samples = len(next(iter(stimulus.values()))) if stimulus else 0
        return max(samples * self.period - first % self.period, 0)

    def check_stimulus(
        self, stimulus: Mapping[str, Shaped[np.ndarray, "n _"]]
    ) -> dict[str, UInt8[np.ndarray, "n _"]]:
        """Return `stimulus` as C-contiguous uint8 arrays, one per source but the kick.

        Each has shape (n_samples, size), entries 0 or 1; row i is emitted at step
        ``i * period + phase``.  A source that is left out stays silent.

        Raises
        ------
        SpecError
            For an unknown source, a wrong width, other entries, or unequal numbers of samples.
        """
        sources = {source.name: source for source in self.sources if source.phase >= 0}
        if not isinstance(stimulus, Mapping):
            raise SpecError(
                f"{self.name} circuit: the stimulus is {type(stimulus).__name__}",
                allowed="a mapping of source to spikes",
            )
        for name in stimulus:
            check_name("source", name, sources, owner=f"{self.name} circuit")
        arrays = {}
        for name, given in stimulus.items():
            arrays[name] = check_spikes(f"stimulus {name!r}", given, sources[name].size)
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise SpecError(f"stimulus: numbers of samples differ: {lengths}")
        samples = next(iter(lengths.values()), 0)
        for name, source in sources.items():
            arrays.setdefault(name, np.zeros((samples, source.size), np.uint8))
        return arrays


def check_program(program: object) -> Program:
    """Return `program`, or raise SpecError for a circuit that was not lowered, or anything else."""
    check_kind("program", program, Program, "sbp.lower(circuit) makes one")
    return program  # type: ignore[return-value]


def check_spikes(
    what: str, given: Shaped[np.ndarray, "n {size}"], size: int
) -> UInt8[np.ndarray, "n {size}"]:
    """Return `given` as C-contiguous uint8 (n_samples, size) if it holds 0 and 1 only.

    Raises
    ------
    SpecError
        For another shape or another value; the message begins with `what`.
    """
    array = as_array(what, given)
    if array.ndim != 2 or array.shape[1] != size:
        raise SpecError(f"{what} has shape {array.shape}", allowed=f"(n_samples, {size})")
    # No temporary array: a stimulus can be the largest thing in memory.
    if array.dtype == np.uint8:
        binary = array.max(initial=0) <= 1
    else:
        binary = array.dtype == bool or not ((array != 0) & (array != 1)).any()
    if not binary:
        raise SpecError(f"{what} holds values other than 0 and 1")
    return np.ascontiguousarray(array, np.uint8)


def initial_copy(
    projection: ProjectionCode, parameter: Integer[np.ndarray, "_ _"]
) -> Int16[np.ndarray, "_ _"]:
    """The matrix `projection` starts with; the negative of -256 saturates at 254."""
    matrix = parameter.T if projection.transpose else parameter
    matrix = -matrix.astype(np.int32) if projection.negate else matrix
    return np.ascontiguousarray(loihi.clip_weight(matrix), np.int16)


def _fixed(projection: Projection) -> tuple[int, int]:
    assert not isinstance(projection.weight, MatrixWeight)
    code = loihi.mantissa_exponent(projection.weight)
    assert code is not None, "Projection validates its weight"
    return code


def lower(circuit: Circuit) -> Program:
    """Turn `circuit` into integers.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    Program

    Raises
    ------
    SpecError
        For anything but a circuit.
    """
    check_kind("circuit", circuit, Circuit, "sbp.build(family, sizes) makes one")
    populations, start = [], 0
    for population in circuit.populations:
        neuron = population.neuron
        populations.append(
            PopulationCode(
                population.name, start, population.size, neuron.bias,
                neuron.threshold * loihi.SCALE, neuron.refractory, neuron.du, neuron.dv,
            )
        )  # fmt: skip
        start += population.size
    sources = []
    for source in circuit.sources:
        phase = -1 if source.phase is None else source.phase
        sources.append(SourceCode(source.name, start, source.size, phase))
        start += source.size

    senders = [p.name for p in circuit.populations] + [s.name for s in circuit.sources]
    number = {name: i for i, name in enumerate(senders)}
    parameter = {p.name: i for i, p in enumerate(circuit.parameters)}
    projections: list[ProjectionCode] = []
    names: dict[str, int] = {}
    for projection in circuit.projections:
        name = f"{projection.source}->{projection.target}"
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name = f"{name}#{names[name]}"
        weight = projection.weight
        if isinstance(weight, MatrixWeight):
            scheduled = tuple(
                p for p, phase in enumerate(circuit.phases) if weight.parameter in phase.learns
            )
            code = (
                ALL_TO_ALL, projection.delay, 0, weight.exponent, parameter[weight.parameter],
                int(weight.transpose), int(weight.negate), int(weight.plastic), scheduled,
            )  # fmt: skip
        else:
            connect = ONE_TO_ONE if projection.connect == "one-to-one" else ALL_TO_ALL
            code = (connect, projection.delay, *_fixed(projection), NO_MATRIX, 0, 0, 0, ())
        projections.append(
            ProjectionCode(name, number[projection.source], number[projection.target], *code)
        )
    return Program(
        name=circuit.name,
        sizes=tuple(circuit.sizes),
        period=circuit.period,
        populations=tuple(populations),
        sources=tuple(sources),
        projections=tuple(projections),
        parameters=tuple((p.name, p.n_post, p.n_pre) for p in circuit.parameters),
        reward=tuple(int(phase.reward) for phase in circuit.phases),
        fires=tuple(tuple(sorted(number[n] for n in phase.fires)) for phase in circuit.phases),
        dw_reward=circuit.rule.with_reward,
        dw_otherwise=circuit.rule.without,
        kinds=tuple(projection.kind for projection in circuit.projections),
        notes=tuple(phase.note for phase in circuit.phases),
        phase_names=tuple(phase.name for phase in circuit.phases),
        weight_exponent=circuit.weight_exponent,
        parameter_set=circuit.parameter_set,
    )


def _raised(program: Program) -> Circuit:
    """The inverse of `lower`."""
    parameters = tuple(Parameter(*parameter) for parameter in program.parameters)
    projections = []
    learns: list[dict[str, None]] = [{} for _ in range(program.period)]  # in order, each once
    for i, code in enumerate(program.projections):
        weight: int | MatrixWeight
        if code.matrix == NO_MATRIX:
            weight = code.mantissa << code.exponent
            kind = str(weight)
        else:
            name = parameters[code.matrix].name
            flags = (bool(flag) for flag in (code.transpose, code.negate, code.plastic))
            transpose, negate, plastic = flags
            weight = MatrixWeight(name, transpose, negate, code.exponent, plastic)
            kind = "plastic" if plastic else "matrix"
            for p in code.scheduled:
                learns[p][name] = None
        projections.append(
            Projection(
                program.senders[code.source].name,
                program.populations[code.target].name,
                program.kinds[i] if program.kinds else kind,
                weight,
                "one-to-one" if code.connect == ONE_TO_ONE else "all-to-all",
                code.delay,
            )
        )
    empty = ("",) * program.period
    phases = tuple(
        Phase(tuple(program.populations[i].name for i in fires), tuple(learn), bool(reward), *text)
        for fires, learn, reward, *text in zip(
            program.fires, learns, program.reward, program.notes or empty,
            program.phase_names or empty, strict=True,
        )
    )  # fmt: skip
    return Circuit(
        name=program.name,
        sizes=program.sizes,
        sources=tuple(
            Source(source.name, source.size, None if source.phase < 0 else source.phase)
            for source in program.sources
        ),
        populations=tuple(
            Population(
                code.name,
                code.size,
                Neuron(code.bias, code.threshold // loihi.SCALE, code.refractory, code.du, code.dv),
            )
            for code in program.populations
        ),
        projections=tuple(projections),
        phases=phases,
        parameters=parameters,
        rule=LearningRule(program.dw_reward, program.dw_otherwise),
        weight_exponent=program.weight_exponent,
        parameter_set=program.parameter_set,
    )
