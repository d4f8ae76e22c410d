"""What a sample costs on a public model of the chip, SANA-FE.  Run by ``make cost``.

The trained network reads images, and reads and learns them with its weights held, in two
placements on the chip: the one of the authors' code and one packed into as few cores as hold it.
Beside it stand the published measurement and our own counts of operations.  SANA-FE (GPL-3) runs
in an environment of its own; it does not model plasticity, and what the learning engine may take
stands as a range.  All but the published values is modelled.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import outside

from sbp import loihi
from sbp.circuits import inference_circuit, learning_circuit
from sbp.engines import compiled
from sbp.errors import SbpError
from sbp.files import program_file, trace, write_atomic
from sbp.files.plain import write_trace
from sbp.learn import data, pretrained
from sbp.learn.training import one_hot
from sbp.program import NO_MATRIX, Program, lower
from sbp.reproduce import energy, placement, provenance
from sbp.spec import Circuit, MatrixWeight

ROOT = outside.ROOT
BUILD = ROOT / "build" / "cost"
ROUNDS = (("sanafe==2.2.9", "numpy"),)
SIZES = (400, 400, 10)


def held(circuit: Circuit) -> Circuit:
    """The same circuit with weights that do not change."""
    fixed = tuple(
        replace(p, weight=replace(p.weight, plastic=False))
        if isinstance(p.weight, MatrixWeight)
        else p
        for p in circuit.projections
    )
    return replace(circuit, projections=fixed)


def packed(program: Program) -> dict[str, list[int]]:
    """Cores filled one after the other, with 1,024 neurons or 128 KiB of weights at most."""
    fan_in = dict.fromkeys(range(len(program.populations)), 0)
    for p in program.projections:
        size = program.senders[p.source].size
        fan_in[p.target] += size if p.matrix != NO_MATRIX else 1
    placed: dict[str, list[int]] = {}
    core = neurons = bits = 0
    for number, population in enumerate(program.populations):
        placed[population.name] = []
        for _ in range(population.size):
            more = 8 * fan_in[number]
            if neurons == loihi.NEURONS_PER_CORE or bits + more > loihi.SYNAPTIC_BITS_PER_CORE:
                core, neurons, bits = core + 1, 0, 0
            placed[population.name].append(core)
            neurons, bits = neurons + 1, bits + more
    return placed


def simulate(name: str, program: Program, shown: trace.Trace, where: str) -> dict[str, Any]:
    """One circuit in one placement."""
    python = outside.environment(BUILD / "environment", ROUNDS, (11, 13), 40)
    cores = (
        {name: cores.tolist() for name, cores in placement.cores_of(program).items()}
        if where == "authors"
        else packed(program)
    )
    stem = BUILD / f"{name}-{where}"
    files = [BUILD / f"{name}.sbp", BUILD / f"{name}.txt", stem.with_suffix(".json")]
    place = BUILD / f"{name}-{where}-cores.json"
    place.write_text(json.dumps(cores), "utf-8")
    outside.run(python, ROOT / "witnesses" / "run_sanafe.py", [*files, place],
                stem.with_suffix(".log"))  # fmt: skip
    answer = json.loads(files[2].read_text("utf-8"))
    used = {core for each in cores.values() for core in each}
    return {**answer, "cores": len(used), "tiles": len({core // 4 for core in used})}


def measure(mode: str, samples: int, root: Path | None) -> dict[str, Any]:
    """Both placements of one circuit, and our counts of the same samples."""
    images = data.load(data.best_mnist(root), root=root)
    inputs, labels = images.x_test[:samples], images.y_test[:samples]
    learning = mode == "learning"
    circuit = learning_circuit(SIZES) if learning else inference_circuit(SIZES)
    stimulus = {"input": inputs}
    if learning:
        stimulus["target"] = one_hot(labels, SIZES[-1])
    weights = pretrained.load()
    still = held(circuit)
    shown = trace.record(still, stimulus, weights, engine="compiled")
    program = lower(still)
    program_file.write(program, BUILD / f"{mode}.sbp")
    write_trace(shown, BUILD / f"{mode}.txt")
    found = {where: simulate(mode, program, shown, where) for where in ("authors", "packed")}
    own = lower(circuit)
    counted = energy.estimate(own, compiled.run(own, own.state(weights), stimulus).counters)
    published = energy.MEASURED[mode]
    return {
        "dataset": images.name,
        "data_checksum": images.checksum,
        "samples": samples,
        "weights": weights.digest,
        "sanafe": found,
        "counts": {
            "energy": 1e3 * counted.millijoules,
            "time": 1e3 * counted.placed,
            "learning engine": [1e-6 * value for value in counted.learning],
        },
        "published": {"energy": 1e3 * published.energy, "time": 1e3 * published.latency},
    }


def total(row: dict[str, Any]) -> tuple[float, float]:
    """Energy (uJ) and time (us) of a sample."""
    return sum(map(sum, row["energy"].values())), sum(row["time"])


def markdown(record: dict[str, Any]) -> str:
    """The tables that the book shows."""
    lines = ["| | published (measured) | SANA-FE, authors' placement | SANA-FE, packed "
             "| our operation counts |", "|---|--:|--:|--:|--:|"]  # fmt: skip
    for mode, found in record["modes"].items():
        rows = [found["sanafe"][where] for where in ("authors", "packed")]
        both = [total(row) for row in rows]
        counts, published = found["counts"], found["published"]
        lines += [
            f"| {mode}: energy, uJ | {published['energy']:g} | "
            + " | ".join(
                f"{e:.2f} ± {row['energy_sd']:.2f}" for (e, _), row in zip(both, rows, strict=True)
            )
            + f" | {counts['energy']:.2f} |",
            f"| {mode}: time, us | {published['time']:,.0f} | "
            + " | ".join(
                f"{t:.1f} ± {row['time_sd']:.1f}" for (_, t), row in zip(both, rows, strict=True)
            )
            + f" | {counts['time']:.1f} |",
            f"| {mode}: cores (tiles) | {'81' if mode == 'learning' else ''} | "
            + " | ".join(f"{row['cores']} ({row['tiles']})" for row in rows) + " | |",
        ]  # fmt: skip
    low, high = record["modes"]["learning"]["counts"]["learning engine"]
    lines += [
        f"| the learning engine, uJ, a range | | not modelled | not modelled "
        f"| {low:.0f} to {high:.0f} |",
        "",
    ]
    for mode, found in record["modes"].items():
        row = found["sanafe"]["authors"]
        kinds = list(row["energy"])
        lines += [
            f"{mode.capitalize()}, authors' placement, by phase (energy in nJ):", "",
            f"| phase | {' | '.join(kinds)} | time, us |", "|--:|" + "--:|" * (len(kinds) + 1),
        ]  # fmt: skip
        for phase, time in enumerate(row["time"]):
            cells = " | ".join(f"{1e3 * row['energy'][kind][phase]:.1f}" for kind in kinds)
            lines.append(f"| {phase} | {cells} | {time:.2f} |")
        lines.append("")
    shown = record["modes"]["learning"]
    compared = sum(
        row["spikes_differing"] for m in record["modes"].values() for row in m["sanafe"].values()
    )
    lines += [
        "Modelled, but for the first column.  The trained network on test images of "
        f"{shown['dataset']}: {record['modes']['inference']['samples']} read and "
        f"{shown['samples']} learned, its weights held; {compared} of all spikes differ "
        "from ours.  (The claims `energy-inference` and `energy-learning` count operations over "
        "10,000 and 60,000 images, hence their somewhat larger numbers.)  In none of the models: "
        "static power, the x86 cores, the host; in SANA-FE: plasticity, whose range stands "
        "beside.  Written by `make cost`.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    """Exit code 1 if a spike differs."""
    parser = argparse.ArgumentParser(prog="make cost ARGS=...", description=__doc__)
    parser.add_argument("--inference", type=int, default=500, metavar="N", help="images")
    parser.add_argument("--learning", type=int, default=50, metavar="N", help="samples")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST is")
    parser.add_argument("--out", type=Path, default=ROOT / "results", metavar="DIR")
    options = parser.parse_args()
    if min(options.inference, options.learning) < 2:
        parser.error("two samples or more, for a deviation")
    outside.pip_timeouts()
    BUILD.mkdir(parents=True, exist_ok=True)
    modes = {}
    for mode in ("inference", "learning"):
        print(f"cost: {mode}, {getattr(options, mode)} samples, two placements", file=sys.stderr)
        modes[mode] = measure(mode, getattr(options, mode), options.data_dir)
    record = {
        "id": "cost", "modes": modes, "commit": provenance.commit(),
        "versions": provenance.versions(), "machine": provenance.machine(),
    }  # fmt: skip
    table = markdown(record)
    provenance.write_record(options.out / "cost.json", record)
    write_atomic(options.out / "cost.md", lambda stream: stream.write(table.encode()))
    print(table)
    differing = [row["spikes_differing"] for m in modes.values() for row in m["sanafe"].values()]
    return int(bool(np.any(differing)))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SbpError, subprocess.CalledProcessError) as error:
        print(f"cost: error: {error}", file=sys.stderr)
        sys.exit(2)
