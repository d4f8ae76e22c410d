"""Hypothesis strategies: circuits nobody thought of, with the chip's limits favoured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sbp import loihi
from sbp.program import Program
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
)

decays = st.one_of(st.sampled_from([4096, 4096, 4096, 0, 1, 4095]), st.integers(0, 4096))
delays = st.one_of(st.sampled_from([0, 0, 1, 2, loihi.DELAY_MAX]), st.integers(0, loihi.DELAY_MAX))


Draw = Callable[..., Any]


@st.composite
def biases(draw: Draw) -> int:
    """Mantissa times power of two, the ends of the mantissa favoured."""
    mantissa = draw(st.one_of(st.sampled_from([0, -4096, 4095]), st.integers(-4096, 4095)))
    return mantissa << draw(st.integers(0, 7))


@st.composite
def neurons(draw: Draw) -> Neuron:
    """Any neuron of the chip."""
    return Neuron(
        bias=draw(biases()),
        threshold=draw(st.one_of(st.integers(0, 2000), st.just(loihi.THRESHOLD_MAX))),
        refractory=draw(st.sampled_from([1, 1, 2, 3, 63])),
        du=draw(decays),
        dv=draw(decays),
    )


@st.composite
def fixed_weights(draw: Draw) -> int:
    """Mantissa times power of two, the ends of the mantissa favoured."""
    mantissa = draw(st.one_of(st.sampled_from([255, -255, -256]), st.integers(-255, 255)))
    return mantissa << draw(st.integers(0, 7))


@st.composite
def circuits(draw: Draw) -> Circuit:
    """Any circuit the specification allows: self-loops, parallel projections, odd schedules."""
    period = draw(st.integers(1, 6))
    # Populations of one size and kind are frequent: their synapses may carry one parameter.
    common = st.sampled_from(draw(st.lists(st.integers(1, 20), min_size=1, max_size=2)))
    sizes = draw(st.lists(st.one_of(common, st.integers(1, 20)), min_size=1, max_size=5))
    kinds = st.sampled_from(draw(st.lists(neurons(), min_size=1, max_size=2)))
    populations = [
        Population(f"p{i}", n, draw(st.one_of(kinds, neurons()))) for i, n in enumerate(sizes)
    ]
    sources = [
        Source(f"s{i}", draw(st.integers(1, 20)), draw(st.integers(0, period - 1)))
        for i in range(draw(st.integers(0, 2)))
    ]
    if draw(st.booleans()):
        sources.append(Source("kick", draw(st.integers(1, 3)), None))
    parameters: dict[tuple[int, int], Parameter] = {}
    projections = []
    often = draw(st.sampled_from(populations))
    for _ in range(draw(st.integers(0, 10))):
        source = draw(st.one_of(st.just(often), st.sampled_from([*populations, *sources])))
        target = draw(st.sampled_from(populations))
        delay = draw(delays)
        if draw(st.booleans()):
            transpose = draw(st.booleans())
            shape = (target.size, source.size)
            shape = shape[::-1] if transpose else shape
            parameter = parameters.setdefault(shape, Parameter(f"W{len(parameters)}", *shape))
            weight = MatrixWeight(
                parameter.name,
                transpose=transpose,
                negate=draw(st.sampled_from([False, False, True])),
                exponent=draw(st.sampled_from([0, 0, -6, 7])),
                plastic=isinstance(source, Population) and draw(st.integers(0, 2)) > 0,
            )
            projections.append(Projection(source.name, target.name, "m", weight, delay=delay))
        else:
            same = source.size == target.size
            connect = draw(st.sampled_from(["one-to-one", "all-to-all"][not same :]))
            weight = draw(fixed_weights())
            projections.append(Projection(source.name, target.name, "f", weight, connect, delay))
    names = [p.name for p in populations]
    parameter_names = [p.name for p in parameters.values()]
    phases = [
        Phase(
            fires=tuple(n for n in names if draw(st.booleans())),
            learns=tuple(n for n in parameter_names if draw(st.booleans())),
            reward=draw(st.booleans()),
        )
        for _ in range(period)
    ]
    even = st.integers(-127, 127).map(lambda n: 2 * n)
    return Circuit(
        name="random",
        sizes=tuple(sizes),
        sources=tuple(sources),
        populations=tuple(populations),
        projections=tuple(projections),
        phases=tuple(phases),
        parameters=tuple(parameters.values()),
        rule=LearningRule(draw(even), draw(even)),
    )


@st.composite
def twins(draw: Draw) -> Circuit:
    """Circuits in which several synapses carry one parameter, learn alike for a while, and part."""
    period = draw(st.integers(1, 4))
    size, n_pre = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    lively = Neuron(threshold=1000, refractory=draw(st.sampled_from([1, 2])))
    targets = [f"t{i}" for i in range(draw(st.integers(2, 4)))]
    # Targets learn when they fire together with `a`: mostly everything comes at one moment.
    moments = st.tuples(st.integers(0, period - 1), st.sampled_from([0, 1, period]))
    together, strays = draw(moments), draw(st.sampled_from([False, False, False, True]))

    def arrival(source: str, width: int, into: list[str]) -> None:
        phase, delay = draw(moments) if strays else together
        sources.append(Source(source, width, phase))
        projections.extend(Projection(source, t, "f", 2000, delay=delay) for t in into)

    sources: list[Source] = []
    projections: list[Projection] = []
    arrival("first", n_pre, ["a"])
    arrival("all", size, targets)
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        arrival(f"one{len(sources)}", size, [draw(st.sampled_from(targets))])
    for target in targets:
        weight = MatrixWeight(
            "W",
            negate=draw(st.sampled_from([False, False, False, True])),
            exponent=draw(st.sampled_from([0, 0, 1])),
            plastic=draw(st.sampled_from([True, True, True, False])),
        )
        delay = draw(st.sampled_from([0, 0, 0, 1, 3]))
        projections.append(Projection("a", target, "m", weight, "all-to-all", delay))
    populations = [Population("a", n_pre, lively), *(Population(t, size, lively) for t in targets)]
    return Circuit(
        name="twins",
        sizes=(n_pre, size),
        sources=tuple(sources),
        populations=tuple(draw(st.permutations(populations))),
        projections=tuple(draw(st.permutations(projections))),
        phases=tuple(Phase(reward=draw(st.booleans())) for _ in range(period)),
        parameters=(Parameter("W", size, n_pre),),
        rule=LearningRule(draw(st.sampled_from([2, 40])), draw(st.sampled_from([-2, -254]))),
    )


def random_weights(circuit: Circuit, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Even weights, with whole matrices at either bound now and then."""
    weights = {}
    for parameter in circuit.parameters:
        kind = rng.integers(4)
        if kind == 0:
            matrix = np.full(parameter.shape, rng.choice([loihi.WEIGHT_MIN, loihi.WEIGHT_MAX]))
        else:
            matrix = 2 * rng.integers(-128, 128, parameter.shape)
        weights[parameter.name] = matrix.astype(np.int16)
    return weights


def random_stimulus(
    program: Program, samples: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Spikes of random density for some of the sources (a silent one is left out)."""
    return {
        source.name: (rng.random((samples, source.size)) < rng.choice([0.1, 0.5, 1.0])).astype(int)
        for source in program.sources
        if source.phase >= 0 and rng.random() < 0.9
    }
