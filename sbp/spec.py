"""A circuit as frozen, validated, printable data: what the paper says, in its own names.

Nothing here computes.  A `Circuit` is built by `sbp.circuits` (or by you), lowered to integers
by `sbp.program.lower`, and run by an engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeGuard

import numpy as np

from sbp import loihi
from sbp.errors import SpecError, check_kind, check_name, shown
from sbp.html import html_table

Connect = Literal["one-to-one", "all-to-all"]

MAX_SIZE = 1 << 16  #: neurons of the widest layer


def is_whole(value: object) -> TypeGuard[int]:
    """Whether `value` is a whole number: Python's or NumPy's integers.

    bool is an int in Python, but True as a size is always a slip.
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def whole(owner: str, name: str, value: object, low: int, high: int) -> int:
    """Return `value` as a plain int if it is whole and in low .. high, or raise SpecError."""
    if is_whole(value) and low <= value <= high:
        return int(value)
    raise SpecError(
        f"{owner}: {name} is {shown(value)}", allowed=f"a whole number from {low} to {high}"
    )


def parts(what: str, given: object, kind: type) -> tuple[Any, ...]:
    """`given` as a tuple of things of the type `kind`, or SpecError."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SpecError(f"{what} are {shown(given)}", allowed=f"a sequence of {kind.__name__}")
    found = tuple(given)
    for part in found:
        check_kind(f"{what}: one of them", part, kind)
    return found


def as_array(what: str, given: object) -> np.ndarray:
    """`given` as an array, or SpecError where its rows differ in length."""
    try:
        return np.asarray(given)
    except ValueError:
        raise SpecError(f"{what}: rows of unequal length", allowed="an array") from None


def check_sizes(
    sizes: Iterable[int], layers: tuple[int, int | None], what: str, why: str | None = None
) -> tuple[int, ...]:
    """Return layer `sizes` as a tuple of positive ints, or raise SpecError.

    Parameters
    ----------
    sizes : iterable of int
        1 .. 65536 each.
    layers : (int, int or None)
        How many there may be, at least and at most.
    what : str
        Whose sizes they are, for the message.
    why : str, optional
        Why not more.
    """
    least, most = layers
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise SpecError(
            f"{what}: layer sizes {shown(sizes)}", allowed="a sequence, for example 400, 400, 10"
        )
    given = tuple(sizes)
    if len(given) < least or (most is not None and len(given) > most):
        allowed = f"exactly {least}" if least == most else f"{least} or more"
        allowed = allowed if most in (None, least) else f"{least} to {most}"
        text = "-".join(map(str, given)) or "none"
        raise SpecError(
            f"{what}: {len(given)} layer sizes, {text}",
            allowed=allowed,
            do=why if len(given) > least else None,
        )
    for size in given:
        if not is_whole(size) or not 1 <= size <= MAX_SIZE:
            allowed = f"whole numbers from 1 to {MAX_SIZE}"
            raise SpecError(f"{what}: layer size {shown(size)}", allowed=allowed)
    return tuple(map(int, given))


def _set(part: object, name: str, value: object) -> None:
    """Put a checked value in place of the given one; for `__post_init__` of frozen parts."""
    object.__setattr__(part, name, value)


def _check_name(what: str, name: object) -> None:
    """Refuse names that a projection's name, "source->target#2", could not be read back from."""
    if not isinstance(name, str) or not name or any(c.isspace() or c == "#" for c in name):
        raise SpecError(f"{what}: the name is {name!r}", allowed="a text without spaces and '#'")
    if "->" in name:
        raise SpecError(f"{what}: the name is {name!r}", allowed="a text without '->'")


@dataclass(frozen=True)
class Neuron:
    r"""A leaky integrate-and-fire neuron of the chip, in integers.

    Per step, with :math:`a` the sum of arriving weights:
    :math:`u \leftarrow D(u, d_u) + 64 a`, :math:`v \leftarrow D(v, d_v) + u + b`, spike if
    :math:`v > 64\,\theta`.

    Parameters
    ----------
    bias : int
        b, register units (64 to a weight unit); a 13-bit mantissa times 2**0..7.
    threshold : int
        θ, weight units, 0 .. 131071.
    refractory : int
        Refractory delay, 1 .. 63 steps; the neuron is dead for ``refractory - 1`` steps after
        a spike.
    du, dv : int
        Effective decay of current and membrane, 0 .. 4096; 4096 forgets everything.
    """

    bias: int = 0
    threshold: int = 1024
    refractory: int = 1
    du: int = loihi.DECAY_UNIT
    dv: int = loihi.DECAY_UNIT

    def __post_init__(self) -> None:
        for field_name, name, low, high in (
            ("bias", "bias", -(4096 << 7), 4095 << 7),
            ("threshold", "threshold", 0, loihi.THRESHOLD_MAX),
            ("refractory", "refractory delay", loihi.REFRACTORY_MIN, loihi.REFRACTORY_MAX),
            ("du", "current decay du", 0, loihi.DECAY_UNIT),
            ("dv", "voltage decay dv", 0, loihi.DECAY_UNIT),
        ):
            _set(self, field_name, whole("neuron", name, getattr(self, field_name), low, high))
        if loihi.bias_mantissa_exponent(self.bias) is None:
            raise SpecError(
                f"neuron: bias is {self.bias}",
                allowed="a 13-bit mantissa (-4096 .. 4095) times 2**0 .. 2**7",
            )

    @property
    def memoryless(self) -> bool:
        """Whether nothing of u and v is carried into the next step."""
        return self.du == self.dv == loihi.DECAY_UNIT


@dataclass(frozen=True)
class Population:
    """`size` neurons of one kind, addressed by `name`."""

    name: str
    size: int
    neuron: Neuron

    def __post_init__(self) -> None:
        _check_name("population", self.name)
        check_kind(f"population {self.name!r}: neuron", self.neuron, Neuron)
        _set(self, "size", whole(f"population {self.name!r}", "size", self.size, 1, 1 << 20))


@dataclass(frozen=True)
class Source:
    """External spikes.

    Parameters
    ----------
    name : str
    size : int
        Number of lines.
    phase : int or None
        Step of every sample in which the sample's pattern is emitted.  None is the *kick*: all
        lines spike once, in the step before the first, and never again.
    """

    name: str
    size: int
    phase: int | None

    def __post_init__(self) -> None:
        _check_name("source", self.name)
        owner = f"source {self.name!r}"
        _set(self, "size", whole(owner, "size", self.size, 1, 1 << 20))
        if self.phase is not None:
            _set(self, "phase", whole(owner, "phase", self.phase, 0, 1 << 20))


@dataclass(frozen=True)
class Parameter:
    """A named weight matrix, shape (n_post, n_pre), that one or more projections carry.

    On the chip every projection holds a copy of its own; the copies stay equal as long as they
    see the same coincidences, and `sbp.run.copies_parted` counts where they do not.
    """

    name: str
    n_post: int
    n_pre: int

    def __post_init__(self) -> None:
        _check_name("parameter", self.name)
        for name in ("n_post", "n_pre"):
            value = whole(f"parameter {self.name!r}", name, getattr(self, name), 1, 1 << 20)
            _set(self, name, value)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_post, n_pre)."""
        return self.n_post, self.n_pre


@dataclass(frozen=True)
class MatrixWeight:
    """The weights of a projection that carries `parameter`, one synapse per pair of neurons.

    Parameters
    ----------
    parameter : str
    transpose, negate : bool
        Carry the transpose, the negative, or both (initial weights; learning acts on each copy
        by itself).
    exponent : int
        Synaptic weight is mantissa * 2**exponent, -6 .. 7.
    plastic : bool
        Whether the circuit's learning rule acts on it.
    """

    parameter: str
    transpose: bool = False
    negate: bool = False
    exponent: int = 0
    plastic: bool = True

    def __post_init__(self) -> None:
        low, high = loihi.EXPONENT_MIN, loihi.EXPONENT_MAX
        owner = f"weights {self.parameter!r}"
        _set(self, "exponent", whole(owner, "exponent", self.exponent, low, high))


@dataclass(frozen=True)
class Projection:
    """Synapses from one population (or source) to another.

    A spike at step s acts at step ``s + 1 + delay``, with the weight read at s before that
    step's learning.

    Parameters
    ----------
    source, target : str
    kind : str
        What the synapses are for: "copy", "gate", ... ; a label for people.
    weight : int or MatrixWeight
        One fixed weight for every synapse (weight units), or a matrix.
    connect : {"one-to-one", "all-to-all"}
        Which pairs have a synapse; a matrix is always all-to-all.
    delay : int
        Extra steps, 0 .. 62.
    """

    source: str
    target: str
    kind: str
    weight: int | MatrixWeight
    connect: Connect = "one-to-one"
    delay: int = 0

    def __post_init__(self) -> None:
        label = f"projection {self.source} -> {self.target}"
        _set(self, "delay", whole(label, "delay", self.delay, 0, loihi.DELAY_MAX))
        if not isinstance(self.connect, str) or self.connect not in ("one-to-one", "all-to-all"):
            raise SpecError(
                f"{label}: connect is {self.connect!r}", allowed="'one-to-one' or 'all-to-all'"
            )
        if isinstance(self.weight, MatrixWeight):
            _set(self, "connect", "all-to-all")
            return
        _set(self, "weight", whole(label, "weight", self.weight, -256 << 7, 255 << 7))
        if loihi.mantissa_exponent(self.weight) is None:
            raise SpecError(
                f"{label}: weight is {self.weight}",
                allowed="an 8-bit mantissa times 2**0 .. 2**7, for example 520 = 130 * 4",
            )


@dataclass(frozen=True)
class LearningRule:
    """``dw = y0 * x0 * (without + (with_reward - without) * r1)``, then clip to -256 .. 254.

    x0, y0: pre and post spiked in this step; r1: the reward signal of this step.  The paper's
    ``4*y0*x0*r1 - 2*y0*x0`` (Methods, learning rule) is ``LearningRule(+2, -2)``.
    """

    with_reward: int = 2
    without: int = -2

    def __post_init__(self) -> None:
        for name in ("with_reward", "without"):
            value = whole("learning rule", name, getattr(self, name), -254, 254)
            _set(self, name, value)
            if value % loihi.WEIGHT_STEP:
                raise SpecError(f"learning rule: {name} is {value}", allowed="even numbers")

    def __str__(self) -> str:
        slope = self.with_reward - self.without
        return f"dw = {slope}*y0*x0*r1 {'-' if self.without < 0 else '+'} {abs(self.without)}*y0*x0"


@dataclass(frozen=True)
class Phase:
    """One step of a sample.

    Parameters
    ----------
    fires : tuple of str
        Populations that are scheduled to fire; any other spike is counted as ungated.
    learns : tuple of str
        Parameters whose synapses are scheduled to change; any other coincidence is a fault.
    reward : bool
        Whether the global reward spike is given.
    note : str
        One sentence for people.
    name : str
        What happens, in a word or two: "forward h", "W2 grows".
    """

    fires: tuple[str, ...] = ()
    learns: tuple[str, ...] = ()
    reward: bool = False
    note: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        for name in ("fires", "learns"):
            _set(self, name, parts(f"names of what {name} in a phase", getattr(self, name), str))


@dataclass(frozen=True, repr=False)
class Circuit:
    """Populations, projections and the schedule of one sample.

    Parameters
    ----------
    name : str
        Of its family.
    sizes : tuple of int
        Layers from the input to the output.
    sources, populations, projections, phases, parameters, rule
        What it is made of.
    weight_exponent : int
        How the family scaled it; a label, the projections hold the scaled numbers.
    parameter_set : str
        Whose numbers they are; a label too.

    Raises
    ------
    SpecError
        Where a name is unknown or used twice, shapes do not fit, or a phase does not exist.
    """

    name: str
    sizes: tuple[int, ...]
    sources: tuple[Source, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    phases: tuple[Phase, ...]
    parameters: tuple[Parameter, ...] = ()
    rule: LearningRule = field(default_factory=LearningRule)
    weight_exponent: int = 0
    parameter_set: str = "released"

    def __post_init__(self) -> None:
        label = f"circuit {self.name!r}"
        for name, kind in (
            ("sources", Source), ("populations", Population), ("projections", Projection),
            ("phases", Phase), ("parameters", Parameter),
        ):  # fmt: skip
            _set(self, name, parts(f"{label}: {name}", getattr(self, name), kind))
        check_kind(f"{label}: rule", self.rule, LearningRule)
        if not self.phases:
            raise SpecError(f"{label} has no phases", allowed="one or more")
        senders = [source.name for source in self.sources]
        senders += [population.name for population in self.populations]
        for names in (senders, [parameter.name for parameter in self.parameters]):
            for name, count in Counter(names).items():
                if count > 1:
                    raise SpecError(f"circuit {self.name!r}: the name {name!r} is used twice")
        _set(self, "sizes", check_sizes(self.sizes, (1, None), label))
        low, high = loihi.EXPONENT_MIN, loihi.EXPONENT_MAX
        exponent = whole(label, "weight exponent", self.weight_exponent, low, high)
        _set(self, "weight_exponent", exponent)
        for source in self.sources:
            if source.phase is not None:
                whole(f"source {source.name!r}", "phase", source.phase, 0, self.period - 1)
        for projection in self.projections:
            self._check_projection(projection)
        for phase in self.phases:
            self._known(phase.fires, self._populations, "population")
            self._known(phase.learns, self._parameters, "parameter")

    def _known(self, names: Iterable[str], allowed: Mapping[str, object], what: str) -> None:
        for name in names:
            check_name(what, name, allowed, owner=f"circuit {self.name!r}")

    def _check_projection(self, projection: Projection) -> None:
        self._known([projection.source], self._sizes, "population or source")
        self._known([projection.target], self._populations, "population")
        n_pre, n_post = self._sizes[projection.source], self._sizes[projection.target]
        label = f"projection {projection.source} -> {projection.target}"
        weight = projection.weight
        if isinstance(weight, MatrixWeight):
            shape = self.parameter(weight.parameter).shape
            if (shape[::-1] if weight.transpose else shape) != (n_post, n_pre):
                raise SpecError(
                    f"{label}: {weight.parameter} has shape {shape}"
                    f"{', transposed' if weight.transpose else ''}",
                    allowed=f"(n_post, n_pre) = ({n_post}, {n_pre})",
                )
            if weight.plastic and projection.source not in self._populations:
                raise SpecError(
                    f"{label}: an external source has no learning synapses",
                    do="relay it through a population",
                )
        elif projection.connect == "one-to-one" and n_pre != n_post:
            raise SpecError(
                f"{label}: one-to-one between {n_pre} and {n_post} neurons", allowed="equal sizes"
            )

    @cached_property
    def _populations(self) -> dict[str, Population]:
        return {population.name: population for population in self.populations}

    @cached_property
    def _parameters(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    @cached_property
    def _sizes(self) -> dict[str, int]:
        parts: list[Source | Population] = [*self.sources, *self.populations]
        return {part.name: part.size for part in parts}

    @property
    def period(self) -> int:
        """Steps of one sample."""
        return len(self.phases)

    @property
    def n_neurons(self) -> int:
        """Neurons of all populations; external sources are not neurons."""
        return sum(population.size for population in self.populations)

    def population(self, name: str) -> Population:
        """The population called `name`; SpecError if there is none."""
        self._known([name], self._populations, "population")
        return self._populations[name]

    def parameter(self, name: str) -> Parameter:
        """The parameter called `name`; SpecError if there is none."""
        self._known([name], self._parameters, "parameter")
        return self._parameters[name]

    def n_synapses(self, *, plastic_only: bool = False) -> int:
        """Number of synapses, those of external sources and of the kick included."""
        return sum(
            self._count(projection)
            for projection in self.projections
            if not plastic_only
            or (isinstance(projection.weight, MatrixWeight) and projection.weight.plastic)
        )

    def _count(self, projection: Projection) -> int:
        n_pre, n_post = self._sizes[projection.source], self._sizes[projection.target]
        one_to_one = projection.connect == "one-to-one"
        return n_pre if one_to_one else n_pre * n_post

    def __repr__(self) -> str:
        return (
            f"<Circuit {self.name} {'-'.join(map(str, self.sizes))}: {self.period} steps a sample, "
            f"{self.n_neurons:,} neurons in {len(self.populations)} populations, "
            f"{self.n_synapses():,} synapses in {len(self.projections)} projections>"
        )

    def _repr_html_(self) -> str:
        plastic = self.n_synapses(plastic_only=True)
        rows = [
            ("neurons", f"{self.n_neurons:,} in {len(self.populations)} populations"),
            ("synapses", f"{self.n_synapses():,}, {plastic:,} of them plastic"),
            ("steps a sample", f"{self.period}"),
        ]
        rows += [
            (f"phase {p}", f"{phase.name}: {', '.join(phase.fires) or '-'}".removeprefix(": "))
            for p, phase in enumerate(self.phases)
        ]
        return html_table(f"{self.name} circuit {'-'.join(map(str, self.sizes))}", rows)

    def summary(self) -> str:
        """Populations, neurons, synapses and phases as text for people."""
        learns = self.n_synapses(plastic_only=True) > 0
        of = "" if self.parameter_set == "released" else f", parameters {self.parameter_set}"
        of += f", weight exponent {self.weight_exponent}" if self.weight_exponent else ""
        lines = [
            f"{self.name} circuit, sizes {'-'.join(map(str, self.sizes))}{of}",
            f"  {self.n_neurons:,} neurons in {len(self.populations)} populations, "
            f"{self.n_synapses():,} synapses in {len(self.projections)} projections, "
            f"{self.n_synapses(plastic_only=True):,} of them plastic",
            f"  {self.period} steps a sample{f'; learning rule {self.rule}' * learns}",
            "  populations: "
            + ", ".join(f"{part.name} ({part.size})" for part in self.populations),
            "  sources: "
            + ", ".join(
                f"{source.name} ({source.size}) "
                + ("once, before the first step" if source.phase is None else f"at {source.phase}")
                for source in self.sources
            ),
            "  phases:",
        ]
        wide = max(len(phase.name) for phase in self.phases)
        for number, phase in enumerate(self.phases):
            title = f"{phase.name:<{wide}}  " if wide else ""
            line = f"    {number:2d}  {title}{', '.join(phase.fires) or '-'}"
            if phase.learns:
                line += f"; {', '.join(phase.learns)} {'+' if phase.reward else '-'}"
            lines.append(line)
        return "\n".join(lines)
