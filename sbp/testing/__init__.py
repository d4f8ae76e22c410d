"""Hold an engine to the others: cases, equality, and a suite for any engine.

    python -m sbp.testing my_engine

runs the suite of `sbp.testing.conformance` against the engine called ``my_engine``: every spike,
register, weight and counter, on the circuits of the paper and on random ones, must be those of the
reference engine.  It needs pytest and hypothesis.  Options of the engine and of pytest may follow::

    python -m sbp.testing my_engine --option speed=fast -x

Within one's own tests::

    pytest -p sbp.testing.plugin --pyargs sbp.testing.conformance --engine my_engine
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sbp.circuits import registry
from sbp.difference import first_difference
from sbp.program import Program, State, lower
from sbp.run import Record, Run
from sbp.weights import Weights

EVERYTHING = Record(spikes="all", u="all", v="all")


@dataclass
class Case:
    """A program, where it starts, and what it is shown."""

    name: str
    program: Program
    state: State
    stimulus: dict[str, np.ndarray]

    def part(self, samples: slice) -> dict[str, np.ndarray]:
        """The stimulus of some of the samples."""
        return {name: rows[samples] for name, rows in self.stimulus.items()}


def patterns(classes: int, inputs: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of one random pattern a class, and one-hot targets: something to learn.

    Returns
    -------
    inputs : ndarray of uint8, shape (samples, inputs)
    targets : ndarray of uint8, shape (samples, classes)
    """
    rng = np.random.default_rng(seed)
    prototypes = rng.random((classes, inputs)) < 0.3
    labels = rng.integers(0, classes, samples)
    flipped = rng.random((samples, inputs)) < 0.05
    targets = np.eye(classes, dtype=np.uint8)[labels]
    return (prototypes[labels] ^ flipped).astype(np.uint8), targets


def case(family: str, sizes: tuple[int, ...], samples: int, seed: int = 0) -> Case:
    """`samples` samples of `patterns` on a circuit of the family, from random weights."""
    program = lower(registry.build(family, sizes))
    inputs, targets = patterns(sizes[-1], sizes[0], samples, seed)
    rows = {"input": inputs, "target": targets}
    names = [source.name for source in program.sources if source.phase >= 0]
    weights = {}
    if program.parameters:
        drawn = Weights.random(sizes, seed)
        weights = {
            name: matrix
            for (name, _, _), matrix in zip(program.parameters, drawn.values(), strict=True)
        }
    return Case(family, program, program.state(weights), {name: rows[name] for name in names})


#: The circuits that come with the package, small; each is made anew by a call.
CASES: dict[str, Callable[[], Case]] = {
    "gating_chain": lambda: case("gating_chain", (12, 12, 12, 12), 10),
    "single_layer": lambda: case("single_layer", (40, 8), 40),
    "inference": lambda: case("inference", (40, 20, 8), 15),
    "learning": lambda: case("learning", (40, 20, 8), 25),
    "deep": lambda: case("deep", (40, 20, 16, 8), 20),
}


def assert_same(expected: Run, found: Run) -> None:
    """Raise AssertionError, naming the first difference, unless two runs are equal in everything.

    What was recorded, the final state with the weights of every copy, and all counters.
    """
    for what in ("spikes", "u", "v"):
        ours, theirs = set(getattr(expected, what)), set(getattr(found, what))
        assert ours == theirs, f"{what} recorded: {sorted(ours)} against {sorted(theirs)}"
    difference = first_difference(expected, found)
    assert difference is None, str(difference)
    assert expected.faults() == found.faults()
