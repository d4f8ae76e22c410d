"""The conformance cases: every engine runs them, the benchmarks time them.

A case is a program with weights and a stimulus, made from the embedded digits or from a seed.
"""

from dataclasses import dataclass

import numpy as np

from sbp.circuits import (
    gating_chain,
    inference_circuit,
    learning_circuit,
    single_layer_circuit,
)
from sbp.learn.data import load
from sbp.learn.training import initial_weights, one_hot
from sbp.program import Program, State, lower


@dataclass
class Case:
    name: str
    program: Program
    state: State
    stimulus: dict[str, np.ndarray]


def digits(n):
    """The first `n` training digits: inputs (n, 64) and one-hot targets (n, 10)."""
    data = load("digits").take(n, 1)
    return data.x_train, one_hot(data.y_train, 10)


def learning(n_h=24, samples=20, seed=1):
    x, t = digits(samples)
    program = lower(learning_circuit((64, n_h, 10)))
    state = program.state(initial_weights((64, n_h, 10), seed))
    return Case("learning", program, state, {"input": x, "target": t})


def inference(n_h=24, samples=20, seed=1):
    x, _ = digits(samples)
    program = lower(inference_circuit((64, n_h, 10)))
    return Case("inference", program, program.state(initial_weights((64, n_h, 10), seed)),
                {"input": x})  # fmt: skip


def single_layer(samples=50, seed=1):
    x, t = digits(samples)
    program = lower(single_layer_circuit((64, 10)))
    weights = {"W": initial_weights((64, 10, 10), seed)["W1"]}
    return Case("single_layer", program, program.state(weights), {"input": x, "target": t})


def chain(samples=12, stages=7, ring=4, seed=1):
    rng = np.random.default_rng(seed)
    program = lower(gating_chain(16, stages, ring))
    return Case("gating_chain", program, program.state(),
                {"input": rng.integers(0, 2, (samples, 16))})  # fmt: skip


CASES = {case.__name__: case for case in (chain, single_layer, inference, learning)}
