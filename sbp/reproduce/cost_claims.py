"""Claims about what a sample costs: spikes, operations, modelled energy and latency."""

from __future__ import annotations

from typing import Any

from sbp import engines
from sbp.circuits import inference_circuit
from sbp.program import Program, lower
from sbp.reproduce import energy
from sbp.reproduce.bench import Bench
from sbp.reproduce.circuit_claims import watched_of
from sbp.reproduce.claims import MEASURED, Claim
from sbp.reproduce.registry import Measurement, measures
from sbp.reproduce.watch import Watched
from sbp.run import Counters


@measures("spike-counts")
def spike_counts(claim: Claim, bench: Bench) -> Measurement:
    """Spikes of every population, and the operations they cause."""
    found, watched = watched_of(claim, bench)
    values = found.values = {quantity.name: [] for quantity in claim.quantities}
    for seed, one in zip(found.seeds, watched, strict=True):
        samples = int(one.counters.steps[0])
        spikes = one.counters.spikes / samples
        values["spikes per sample"].append(round(float(spikes.sum()), 3))
        values["spikes per neuron and sample"].append(
            round(float(spikes.sum()) / one.program.n_neurons, 5)
        )
        for name in ("synaptic_operations", "synaptic_updates"):
            total = getattr(one.counters, name).sum() / samples
            values[f"{name.replace('_', ' ')} per sample"].append(round(float(total), 1))
        if seed == found.seeds[0]:
            first = one.first_counters.spikes.sum(axis=0) / int(one.first_counters.steps[0])
            found.details["populations"] = {
                population.name: {
                    "neurons": population.size,
                    "spikes per sample": round(float(spikes[:, i].sum()), 4),
                    "in the first epoch": round(float(first[i]), 4),
                    "by phase": [round(float(n), 4) for n in spikes[:, i]],
                }
                for i, population in enumerate(one.program.populations)
            }
    return found


def _energy_details(program: Program, counters: Counters) -> tuple[energy.Estimate, dict[str, Any]]:
    found = energy.estimate(program, counters)
    return found, {
        "samples": found.samples,
        "fewest cores": found.cores,
        "operations": {k: [round(float(n), 4) for n in v] for k, v in found.operations.items()},
        "energy, pJ": {k: [round(float(n), 2) for n in v] for k, v in found.energy.items()},
        "work, ns": {k: [round(float(n), 2) for n in v] for k, v in found.time.items()},
        "left out": list(energy.LEFT_OUT),
    }


@measures("energy-learning", "energy-inference")
def modelled_energy(claim: Claim, bench: Bench) -> Measurement:
    """Energy and latency modelled from the counters."""
    found, watched = watched_of(claim, bench)
    mode = claim.id.removeprefix("energy-")
    values = found.values = {quantity.name: [] for quantity in claim.quantities}
    program = watched[0].program
    if mode == "inference":
        program = lower(inference_circuit(program.sizes))
    for one in watched:
        counters = one.counters
        if mode == "inference":
            counters = _test_set_counters(bench, claim, program, one)
        model, details = _energy_details(program, counters)
        row = (
            model.millijoules, model.milliseconds(), model.milliseconds(model.cores),
            model.product(),
        )  # fmt: skip
        for name, value in zip(values, row, strict=True):
            values[name].append(float(f"{value:.5g}"))
        found.details |= details
    published = MEASURED[mode]
    found.details["measured by the authors"] = {
        "energy, mJ": published.energy,
        "latency, ms": published.latency,
        "energy-delay product, uJ s": float(f"{published.product:.4g}"),
    }
    found.circuits = (program.circuit,)
    found.further = (*found.further, "reproduce/energy.py")
    return found


def _test_set_counters(bench: Bench, claim: Claim, program: Program, one: Watched) -> Counters:
    inputs = bench.dataset(claim.data[0]).x_test
    counters = Counters.zeros(program)
    with engines.session(claim.engine, program, program.state(one.weights)) as session:
        for start in range(0, len(inputs), 1000):
            counters = counters + session.run({"input": inputs[start : start + 1000]}).counters
    return counters
