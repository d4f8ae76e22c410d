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

from sbp.checks.difference import first_difference
from sbp.circuits import registry
from sbp.program import Program, State, lower
from sbp.run import Record, Run

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
    prototypes = rng.random((classes, inputs)) < 0.4
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
    # Livelier than the paper's start: in layers as small as these activity would die out.
    rng = np.random.default_rng([seed, 1])
    weights = {
        name: 2 * rng.integers(-60, 120, (n_post, n_pre))
        for name, n_post, n_pre in program.parameters
    }
    return Case(family, program, program.state(weights), {name: rows[name] for name in names})


#: The circuits that come with the package, small; each is made anew by a call.
CASES: dict[str, Callable[[], Case]] = {
    "gating_chain": lambda: case("gating_chain", (12, 12, 12, 12), 10),
    "single_layer": lambda: case("single_layer", (24, 6), 20),
    "inference": lambda: case("inference", (24, 12, 6), 12),
    "learning": lambda: case("learning", (24, 12, 6), 15),
    "deep": lambda: case("deep", (20, 16, 12, 6), 12),
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
