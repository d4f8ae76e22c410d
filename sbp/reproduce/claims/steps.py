"""How long a sample takes, in steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sbp import engines
from sbp.circuits import inference_circuit, learning_circuit
from sbp.program import lower
from sbp.reproduce.claim import EXACT, Circuits, Claim, Measurement, Quantity, claim
from sbp.run import Record

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


@claim(
    "steps-per-sample",
    "Learning takes 12 time steps a sample, inference 4.",
    source="The paper, Fig. 2 and Methods",
    origin="published",
    quantities=(Quantity("learning", 12, 0, "steps"), Quantity("inference", 4, 0, "steps")),
    how="Time between two spikes of the first gate, g0, on the reference engine.",
    why=EXACT,
    preset="smoke",
    engines=("reference",),
    in_smoke=True,
)
def steps_per_sample(claim: Claim, bench: Bench) -> Measurement:
    """Time the ring: run it and see when g0 fires."""
    values, circuits = {}, (learning_circuit((4, 3, 2)), inference_circuit((4, 3, 2)))
    for circuit in circuits:
        program = lower(circuit)
        state = program.state({n: np.zeros((r, c), int) for n, r, c in program.parameters})
        run = engines.get("reference").run(program, state, steps=60, record=Record(spikes=("g0",)))
        gaps = np.diff(np.flatnonzero(run.spikes["g0"][:, 0]))
        values[circuit.name] = [float(gap) for gap in np.unique(gaps)]
    built = Circuits("learning", (4, 3, 2)), Circuits("inference", (4, 3, 2))
    return Measurement(values, circuits=built)
