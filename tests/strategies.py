"""Hypothesis strategies: circuits nobody thought of, with the chip's limits favoured."""

import numpy as np
from hypothesis import strategies as st

from sbp import loihi
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


@st.composite
def biases(draw):
    mantissa = draw(st.one_of(st.sampled_from([0, -4096, 4095]), st.integers(-4096, 4095)))
    return mantissa << draw(st.integers(0, 7))


@st.composite
def neurons(draw):
    return Neuron(
        bias=draw(biases()),
        threshold=draw(st.one_of(st.integers(0, 2000), st.just(loihi.THRESHOLD_MAX))),
        refractory=draw(st.sampled_from([1, 1, 2, 3, 63])),
        du=draw(decays),
        dv=draw(decays),
    )


@st.composite
def fixed_weights(draw):
    mantissa = draw(st.one_of(st.sampled_from([255, -255, -256]), st.integers(-255, 255)))
    return mantissa << draw(st.integers(0, 7))


@st.composite
def circuits(draw):
    """Any circuit the specification allows: self-loops, parallel projections, odd schedules."""
    period = draw(st.integers(1, 6))
    sizes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    populations = [Population(f"p{i}", n, draw(neurons())) for i, n in enumerate(sizes)]
    sources = [
        Source(f"s{i}", draw(st.integers(1, 20)), draw(st.integers(0, period - 1)))
        for i in range(draw(st.integers(0, 2)))
    ]
    if draw(st.booleans()):
        sources.append(Source("kick", draw(st.integers(1, 3)), None))
    parameters: dict[tuple[int, int], Parameter] = {}
    projections = []
    for _ in range(draw(st.integers(0, 8))):
        source = draw(st.sampled_from([*populations, *sources]))
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
                negate=draw(st.booleans()),
                exponent=draw(st.sampled_from([0, 0, -6, 7])),
                plastic=isinstance(source, Population) and draw(st.booleans()),
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


def random_weights(circuit, rng):
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


def random_stimulus(program, samples, rng):
    """Spikes of random density for some of the sources (a silent one is left out)."""
    return {
        source.name: (rng.random((samples, source.size)) < rng.choice([0.1, 0.5, 1.0])).astype(int)
        for source in program.sources
        if source.phase >= 0 and rng.random() < 0.9
    }
