"""How large the circuits are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbp.circuits import inference_circuit, learning_circuit
from sbp.program import Program, lower
from sbp.reproduce.claim import EXACT, Circuits, Claim, Measurement, Quantity, claim

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench

PAPER_SIZES = (400, 400, 10)
BUILT = Circuits("learning", PAPER_SIZES), Circuits("inference", PAPER_SIZES)


@claim(
    "circuit-sizes",
    "The learning circuit for 400-400-10 has 3,282 neurons and 517,203 synapses, 500,000 of "
    "them plastic; the inference circuit 814 neurons and 165,215 synapses.",
    source="The authors' code: its topology script prints 3,693 neurons, 411 of them sources, and "
    "517,203 synapses; the others are summed up from its tables",
    origin="derived",
    quantities=(
        Quantity("neurons, learning", 3282, origin="authors"),
        Quantity("synapses, learning", 517_203, origin="authors"),
        Quantity("plastic synapses", 500_000),
        Quantity("neurons, inference", 814),
        Quantity("synapses, inference", 165_215),
    ),
    how="Counted in the lowered programs that the engines run: neurons without the external "
    "sources, synapses with those of the sources and the kick (411 and 401 of them).",
    why=EXACT,
    preset="smoke",
    in_smoke=True,
)
def circuit_sizes(claim: Claim, bench: Bench) -> Measurement:
    """Count neurons and synapses of the lowered programs."""
    circuits = learning_circuit(PAPER_SIZES), inference_circuit(PAPER_SIZES)
    values = {}
    for circuit in circuits:
        program = lower(circuit)
        values[f"neurons, {circuit.name}"] = [float(program.n_neurons)]
        values[f"synapses, {circuit.name}"] = [float(_synapses(program))]
    values["plastic synapses"] = [float(_synapses(lower(circuits[0]), plastic_only=True))]
    return Measurement(values, circuits=BUILT)


def _synapses(program: Program, plastic_only: bool = False) -> int:
    count = 0
    for projection in program.projections:
        n_pre = program.senders[projection.source].size
        n_post = program.populations[projection.target].size
        if projection.plastic or not plastic_only:
            count += n_pre * (n_post if projection.connect else 1)
    return count
