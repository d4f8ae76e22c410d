"""Claims about what a sample costs: spikes, operations, modelled energy and latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sbp import engines
from sbp.circuits import inference_circuit
from sbp.program import Program, lower
from sbp.reproduce import energy
from sbp.reproduce.claim import OURS, Circuits, Claim, Measurement, Quantity, claim
from sbp.reproduce.claims.watching import chosen, measurement
from sbp.reproduce.energy import MEASURED
from sbp.reproduce.watch import Watched, watched
from sbp.run import Counters

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


def per_sample(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Totals of each seed divided by its samples."""
    values: dict[str, list[float]] = {quantity.name: [] for quantity in claim.quantities}
    for row in details["totals"]:
        samples = row["samples"]
        values["spikes per sample"].append(round(row["spikes"] / samples, 3))
        values["spikes per neuron and sample"].append(
            round(row["spikes"] / samples / details["neurons"], 5)
        )
        for name in ("synaptic operations", "synaptic updates"):
            values[f"{name} per sample"].append(round(row[name] / samples, 1))
    return values


@claim(
    "spike-counts",
    "Spikes per sample and per neuron, by population, while learning.",
    source="This package",
    origin="ours",
    quantities=(
        Quantity("spikes per sample"),
        Quantity("spikes per neuron and sample"),
        Quantity("synaptic operations per sample"),
        Quantity("synaptic updates per sample"),
    ),
    how="Counters of the compiled engine over the last epoch of training on MNIST.  A synaptic "
    "update is a plastic synapse that changes: of 500,000, these are the ones a lesson reaches.",
    why=OURS,
    seeds=3,
    engine="compiled",
    data=("mnist",),
    summary=per_sample,
)
def spike_counts(claim: Claim, bench: Bench) -> Measurement:
    """Spikes of every population, and the operations they cause."""
    found = watched(bench, "mnist", bench.seeds(claim))
    totals = [
        {
            "samples": int(one.counters.steps[0]),
            "spikes": int(one.counters.spikes.sum()),
            "synaptic operations": int(one.counters.synaptic_operations.sum()),
            "synaptic updates": int(one.counters.synaptic_updates.sum()),
        }
        for one in found
    ]
    one = found[0]
    last = one.counters.spikes / totals[0]["samples"]
    first = one.first_counters.spikes.sum(axis=0) / int(one.first_counters.steps[0])
    populations = {
        population.name: {
            "neurons": population.size,
            "spikes per sample": round(float(last[:, i].sum()), 4),
            "in the first epoch": round(float(first[i]), 4),
            "by phase": [round(float(n), 4) for n in last[:, i]],
        }
        for i, population in enumerate(one.program.populations)
    }
    return measurement(
        claim, bench, found, totals=totals, neurons=one.program.n_neurons, populations=populations
    )


def _modelled(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """Sums over kinds and phases, and what follows from the authors' two figures."""
    energies, works = details["energy, pJ"], details["work, ns"]
    millijoules = 1e-9 * sum(map(sum, energies.values()))
    placed = 1e-6 * sum(details["fullest core, ns"])
    theirs = details["measured by the authors"]
    steps = len(details["fullest core, ns"])
    values = {
        "energy, modelled": [millijoules],
        "latency, modelled for the released placement": [placed],
        "energy-delay product, modelled": [millijoules * placed],
        "all work in one core, modelled": [1e-6 * sum(map(sum, works.values()))],
        "energy-delay product, published figures": [theirs["energy, mJ"] * theirs["latency, ms"]],
        "average power, published figures": [1e3 * theirs["energy, mJ"] / theirs["latency, ms"]],
        "time of a step, published figures": [1e3 * theirs["latency, ms"] / steps],
    }
    if "learning engine, pJ" in details:
        least, most = details["learning engine, pJ"]
        values["learning engine, spiking sources only, modelled"] = [1e-9 * least]
        values["learning engine, every synapse every step, modelled"] = [1e-9 * most]
    return chosen(claim, {n: [float(f"{v:.5g}") for v in row] for n, row in values.items()})


def _quantities(mode: str, *further: Quantity) -> tuple[Quantity, ...]:
    theirs = MEASURED[mode]
    return (
        Quantity("energy, modelled", theirs.energy, None, "mJ"),
        *further,
        Quantity("latency, modelled for the released placement", theirs.latency, None, "ms"),
        Quantity("energy-delay product, modelled", None, 0.0, "uJ s"),
        Quantity("all work in one core, modelled", None, 0.0, "ms"),
    )


_HOW = (
    "Modelled, not measured: {}, times the cost of each published for Loihi "
    "(sbp.reproduce.energy, which lists what that leaves out).  Latency: every step lasts as long "
    "as the fullest of the 81 cores of the released placement works; what that leaves of the "
    "published time, and all work done in one core, are no model of the chip.  Measured by the "
    "authors on Loihi: 10,000 samples without other probes, spiking, learning and management "
    "phases, without the host's."
)
_WHY = (
    "A model of the cores' operations beside a measurement of the system: of what is modelled "
    "nothing is decided.  What follows from the published figures is arithmetic."
)


@claim(
    "energy-learning",
    "Learning costs 0.59 mJ and 1.5 ms a sample (measured on Loihi), an energy-delay product of "
    "0.88 uJ s.",
    source="The paper, Table 1",
    origin="published",
    quantities=(
        *_quantities(
            "learning",
            Quantity("learning engine, spiking sources only, modelled", unit="mJ"),
            Quantity("learning engine, every synapse every step, modelled", unit="mJ"),
        ),
        Quantity("energy-delay product, published figures", 0.88, 0.01, "uJ s"),
        Quantity("average power, published figures", 393, 1, "mW", "derived"),
        Quantity("time of a step, published figures", 125, 0, "us", "derived"),
    ),
    how=_HOW.format("operations counted by the compiled engine in the last epoch"),
    why=_WHY,
    seeds=1,
    engine="compiled",
    data=("mnist",),
    summary=_modelled,
    remark="The paper says that the learning engine burns most of the power.  If it looked at "
    "every plastic synapse in every step, at the published cost of an update, that alone would "
    "be more than the measured total; if at those whose source spiked, a fraction of it.  That "
    "the chip works so is an inference.",
)
def energy_learning(claim: Claim, bench: Bench) -> Measurement:
    """Energy and latency modelled from the counters of the last epoch."""
    found = watched(bench, "mnist", bench.seeds(claim))
    program, counters = found[0].program, found[0].counters
    details = _details(program, counters, "learning")
    details["learning engine, pJ"] = list(energy.learning_engine(program, counters))
    return measurement(claim, bench, found, **details)


@claim(
    "energy-inference",
    "Inference costs 0.0025 mJ and 0.17 ms a sample (measured on Loihi).",
    source="The paper, Table 1",
    origin="published",
    quantities=(
        *_quantities("inference"),
        Quantity("energy-delay product, published figures", None, 0.0, "uJ s"),
        Quantity("average power, published figures", 14.7, 0.05, "mW", "derived"),
        Quantity("time of a step, published figures", 42.5, 0, "us", "derived"),
    ),
    how=_HOW.format(
        "the test set through the inference circuit with the weights of the last epoch"
    ),
    why=_WHY,
    seeds=1,
    engine="compiled",
    data=("mnist",),
    summary=_modelled,
)
def energy_inference(claim: Claim, bench: Bench) -> Measurement:
    """Energy and latency modelled from the counters of the test set."""
    found = watched(bench, "mnist", bench.seeds(claim))
    program = lower(inference_circuit(found[0].program.sizes))
    counters = test_set_counters(bench, claim, program, found[0])
    made = measurement(claim, bench, found, **_details(program, counters, "inference"))
    made.circuits = (Circuits("inference", program.sizes),)
    return made


def _details(program: Program, counters: Counters, mode: str) -> dict[str, Any]:
    found, theirs = energy.estimate(program, counters), MEASURED[mode]
    return {
        "samples": found.samples,
        "fewest cores": found.cores,
        "operations": {k: [round(float(n), 4) for n in v] for k, v in found.operations.items()},
        "energy, pJ": {k: [round(float(n), 2) for n in v] for k, v in found.energy.items()},
        "work, ns": {k: [round(float(n), 2) for n in v] for k, v in found.time.items()},
        "fullest core, ns": [round(float(n), 2) for n in found.fullest],
        "left out": list(energy.LEFT_OUT),
        "measured by the authors": {"energy, mJ": theirs.energy, "latency, ms": theirs.latency},
    }


def test_set_counters(bench: Bench, claim: Claim, program: Program, one: Watched) -> Counters:
    """Operations of the test set in the inference circuit."""
    inputs = bench.dataset(claim.data[0]).x_test
    counters = Counters.zeros(program)
    with engines.session(claim.engine, program, program.state(one.weights)) as session:
        for start in range(0, len(inputs), 1000):
            counters = counters + session.run({"input": inputs[start : start + 1000]}).counters
    return counters
