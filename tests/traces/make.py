"""Make golden traces: ``python tests/traces/make.py [NAME ...]``.

Those of the deep circuit notice together the absence of any single projection: `bounds` has sums
between the ungated and the closing limit, o> firing and copies that part; `crowded` has such sums
sent back and in the output; in `errors` whole hidden layers err at once.

The three smallest are chosen by what they see: `order` every fault of the paper's circuit inside
its domain, first of all learning before reading; `beyond` the dead time and the closing gates
too, since its sums go beyond what these hold; `neurons` what our circuits never use.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from sbp.circuits import deep_circuit, learning_circuit
from sbp.files import trace
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
from sbp.weights import Weights

HERE = Path(__file__).resolve().parent


def digits(n):
    """The first `n` training digits: inputs (n, 64) and one-hot targets (n, 10)."""
    from sbp.learn.data import load

    data = load("digits").take(n, 1)
    return {"input": data.x_train, "target": np.eye(10, dtype=np.uint8)[data.y_train]}


def noise(sizes, n, inputs, targets, seed):
    """Random inputs and targets; `targets` None gives one line of the target each time."""
    rng = np.random.default_rng([seed, 1])
    x = (rng.random((n, sizes[0])) < inputs).astype(np.uint8)
    if targets is None:
        t = np.eye(sizes[-1], dtype=np.uint8)[rng.integers(0, sizes[-1], n)]
    else:
        t = (rng.random((n, sizes[-1])) < targets).astype(np.uint8)
    return {"input": x, "target": t}


def near_the_bounds(sizes, seed, *layers):
    """For each layer the shares at +254 and at -256; of `strong`, every second neuron at +254."""
    rng = np.random.default_rng([seed, 0])
    matrices = {}
    for k, (n_pre, n_post) in enumerate(pairwise(sizes), 1):
        high, low, strong = layers[k - 1]
        matrix = 2 * rng.integers(-128, 128, (n_post, n_pre))
        matrix[rng.random(matrix.shape) < high] = 254
        matrix[rng.random(matrix.shape) < low] = -256
        if strong:
            matrix[::2][rng.random(matrix[::2].shape) < 0.95] = 254
        matrices[f"W{k}"] = matrix
    return Weights.chain(matrices)


def all_err(sizes):
    """A network whose hidden layers are nearly silent, and all err at once.

    Of 4 inputs with weight 200, h1[0..2] get 800 and fire; the other h1 get 400 and do not.
    h2[0..2] get 3 * 254 = 762 and fire; the other h2 get 2 * 254 - 256 = 252 and do not.  Half of
    the outputs get 2 * 254 = 508, just not enough: d+ where the target is 1; the other half get
    3 * 254 = 762: d- where it is 0.  Every a lies between 0 and 1024, so every neuron of h2, and
    every one of h1 but h1[2], has an error.  More than 36 of them fire together, and what they
    bring to the layer above, over 9,216, must be held shut.
    """
    n_in, n_1, n_2, n_o = sizes
    w1, w2, w3 = np.full((n_1, n_in), 100), np.full((n_2, n_1), 254), np.full((n_o, n_2), 254)
    w1[:3] = 200
    w2[3:, 2] = -256
    w3[: n_o // 2, 2] = 0
    inputs = np.tile(np.arange(n_in) % 2, (3, 1)).astype(np.uint8)  # 4 of 8
    targets = np.zeros((3, n_o), np.uint8)
    targets[0], targets[2, 0] = 1, 1
    return Weights.chain({"W1": w1, "W2": w2, "W3": w3}), {"input": inputs, "target": targets}


def order():
    """Weights of W2 at the bounds and, in two columns, near zero."""
    rng = np.random.default_rng(3)
    n_in, n_h, n_o = 16, 8, 4
    w1 = np.clip(2 * np.round(rng.normal(size=(n_h, n_in)) * 100), -256, 254).astype(int)
    w2 = (2 * np.round(rng.normal(size=(n_o, n_h)) * 60)).clip(-256, 254).astype(int)
    w2[rng.random(w2.shape) < 0.3] = 254
    w2[rng.random(w2.shape) < 0.3] = -256
    w2[:, rng.random(n_h) < 0.4] //= 32
    x = (rng.random((30, n_in)) < 0.5).astype(np.uint8)
    t = np.eye(n_o, dtype=np.uint8)[rng.integers(0, n_o, 30)]
    return Weights.chain({"W1": w1, "W2": w2 // 2 * 2}), {"input": x, "target": t}


def beyond():
    """The first hidden neuron gets about 77 * 254 = 19,558, more than the closing gate holds."""
    rng = np.random.default_rng(1)
    n_in, n_h, n_o = 96, 8, 4
    w1 = np.clip(2 * np.round(rng.normal(size=(n_h, n_in)) * 60), -256, 254).astype(int)
    w1[0] = 254
    w1[1, rng.random(n_in) < 0.75] = 254
    w1[2, rng.random(n_in) < 0.6] = -256
    w2 = (2 * np.round(rng.normal(size=(n_o, n_h)) * 60)).clip(-256, 254).astype(int)
    w2[0, :3], w2[1, :3] = 254, -256
    x = (rng.random((24, n_in)) < 0.8).astype(np.uint8)
    t = np.eye(n_o, dtype=np.uint8)[rng.integers(0, n_o, 24)]
    return Weights.chain({"W1": w1, "W2": w2}), {"input": x, "target": t}


def neurons_circuit():
    """Decays, long dead times, every exponent's end, long delays, a wrap of the register."""
    slow = Neuron(bias=-640, threshold=300, refractory=3, du=700, dv=90)
    keeps = Neuron(bias=96, threshold=900, refractory=5, du=4096, dv=0)
    wide = Neuron(bias=4095 << 7, threshold=120_000, refractory=2, du=2048, dv=1024)
    flat = {"plastic": False}
    return Circuit(
        name="neurons",
        sizes=(12, 8, 6),
        sources=(Source("input", 12, 0), Source("late", 8, 3), Source("kick", 2, None)),
        populations=(
            Population("slow", 8, slow),
            Population("keeps", 6, keeps),
            Population("wide", 5, wide),
            Population("relay", 8, Neuron(threshold=400)),
        ),
        projections=(
            Projection("input", "slow", "matrix", MatrixWeight("A", exponent=1, **flat)),
            Projection("input", "wide", "matrix", MatrixWeight("B", exponent=7, **flat), delay=2),
            Projection("late", "relay", "copy", 520, delay=17),
            Projection("late", "slow", "veto", -130, delay=1),
            Projection("slow", "relay", "copy", 640, delay=62),
            Projection("slow", "keeps", "plastic", MatrixWeight("C", exponent=-2)),
            Projection("keeps", "slow", "plastic", MatrixWeight("C", True, True), delay=4),
            Projection("relay", "keeps", "all", 96, "all-to-all"),
            Projection("keeps", "relay", "all", -48, "all-to-all", 1),
            Projection("wide", "relay", "all", -260, "all-to-all", 3),
            Projection("kick", "wide", "all", 2048, "all-to-all", 9),
        ),
        phases=(Phase(("slow",)), Phase(), Phase(reward=True, learns=("C",)), Phase(), Phase()),
        parameters=(Parameter("A", 8, 12), Parameter("B", 5, 12), Parameter("C", 6, 8)),
        rule=LearningRule(6, -4),
    )


def neurons():
    """Weights and stimulus of `neurons_circuit`."""
    rng = np.random.default_rng(0)
    shapes = {parameter.name: parameter.shape for parameter in neurons_circuit().parameters}
    weights = {name: 2 * rng.integers(-128, 128, shape) for name, shape in shapes.items()}
    return weights, {"input": rng.random((24, 12)) < 0.5, "late": rng.random((24, 8)) < 0.4}


def made():
    """Every trace by the name of its file: circuit, weights, stimulus."""
    sizes = (64, 24, 16, 10)
    yield "deep_64_24_16_10", deep_circuit(sizes), Weights.random(sizes, 1), digits(24)
    sizes, spread = (64, 20, 16, 12, 10), (0.30, 0.25, True)
    weights = near_the_bounds(sizes, 4, *[spread] * 3, (0.20, 0.30, False))
    yield "deep_64_20_16_12_10_e-2", deep_circuit(sizes, -2), weights, digits(16)
    sizes = (66, 56, 44, 10)
    weights = near_the_bounds(sizes, 2, spread, spread, (0.20, 0.30, False))
    stimulus = noise(sizes, 12, 0.85, None, 2)
    yield "deep_66_56_44_10_bounds", deep_circuit(sizes), weights, stimulus
    sizes, high = (66, 52, 52, 48), (0.90, 0.0, True)
    weights = near_the_bounds(sizes, 2, high, high, (0.85, 0.05, True))
    yield "deep_66_52_52_48_crowded", deep_circuit(sizes), weights, noise(sizes, 4, 0.95, 0.5, 2)
    sizes = (8, 44, 42, 10)
    yield "deep_8_44_42_10_errors", deep_circuit(sizes), *all_err(sizes)
    sizes = (64, 16, 10)
    old = learning_circuit(sizes, -1, "before-august-2024")
    weights = near_the_bounds(sizes, 2, spread, (0.20, 0.30, False))
    yield "learning_64_16_10_before-august-2024_e-1", old, weights, digits(15)
    yield "learning_16_8_4_order", learning_circuit((16, 8, 4)), *order()
    yield "learning_96_8_4_beyond", learning_circuit((96, 8, 4)), *beyond()
    yield "neurons", neurons_circuit(), *neurons()


if __name__ == "__main__":
    for name, circuit, weights, stimulus in made():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        about = {"made_by": "tests/traces/make.py"}
        states = "all" if name == "neurons" else ()
        recorded = trace.record(circuit, stimulus, weights, states=states, about=about)
        path = trace.write(recorded, HERE / f"{name}.npz")
        print(f"{path.name}: {recorded.n_samples} samples, {recorded.n_spikes:,} spikes, "
              f"{path.stat().st_size:,} bytes")  # fmt: skip
