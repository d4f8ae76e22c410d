"""Time the conformance cases, and larger networks, on every engine that runs spikes.

Milliseconds of a step, everything included that a call of `run` does.  Networks start from their
initial weights.  "lava network" is one operating-system process for each population, projection,
source and recorder; "stock" is the same with Lava's own learning model; "lava fused" is one process
for the circuit.  Where Lava is not installed, its rows are left out.
"""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from sbp import engines
from sbp.learn.task import Task

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from cases import CASES, Case

#: engine -> what opens it, and how many samples of a case it is given
ENGINES = {
    "reference": ("reference", {}, 4),
    "compiled": ("compiled", {}, 1000),
    "lava fused": ("lava", {"layout": "fused"}, 50),
    "lava network": ("lava", {"layout": "network"}, 2),
    "lava network, stock": ("lava", {"layout": "network", "learning": "stock"}, 2),
}
SIZES = ((64, 100, 10), (400, 400, 10), (400, 400, 400, 10), (784, 1000, 10))
FUSED_ONLY = (400, 400, 10)  #: from this size on: a network of processes would take minutes


def cases(samples):
    """Every case, and the engines that time it."""
    for make in CASES.values():
        case = make()
        learns = any(projection.plastic for projection in case.program.projections)
        yield case, [name for name in ENGINES if learns or "stock" not in name]
    for sizes in SIZES:
        inputs, targets, _ = samples(sizes[0])
        task = Task.of(sizes)
        program = task.learning_program
        state = program.state(task.start(0))
        few = [name for name in ENGINES if "stock" not in name]
        if sizes >= FUSED_ONLY:
            few.remove("lava network")
        name = f"{program.name} {'-'.join(map(str, sizes))}"
        yield Case(name, program, state, {"input": inputs, "target": targets}), few


def measure(case, names, rounds, say):
    """One row for each engine: open it, then run all of them once in every round."""
    program, rows, running = case.program, [], []
    have = len(case.stimulus["input"])
    with ExitStack() as stack:
        for name in names:
            engine, options, count = ENGINES[name]
            picked = np.resize(np.arange(have), min(count, 20 * have))
            stimulus = {source: train[picked] for source, train in case.stimulus.items()}
            began = time.perf_counter()
            session = engines.session(engine, program, case.state, **options)
            session = stack.enter_context(session)
            session.run({source: train[:1] for source, train in stimulus.items()})
            rows.append({
                "case": case.name, "sizes": list(program.sizes), "engine": name,
                "processes": getattr(session, "n_processes", 0),
                "seconds_to_first_sample": round(time.perf_counter() - began, 2),
            })  # fmt: skip
            running.append((session, stimulus, len(picked), []))
        for number in range(rounds):
            for session, stimulus, count, times in running:
                began = time.perf_counter()
                session.run(stimulus)
                times.append((time.perf_counter() - began) / count)
            say(f"  round {number + 1} of {rounds}")
    all_times = {name: np.array(times) for name, (*_, times) in zip(names, running, strict=True)}
    for row in rows:
        times = all_times[row["engine"]]
        low, middle, high = np.percentile(times, [25, 50, 75]) / program.period * 1e3
        row["milliseconds_a_step"] = [round(float(value), 5) for value in (low, middle, high)]
        row["samples_per_second"] = round(1 / float(np.median(times)), 2)
        ratio = float(np.median(all_times["reference"] / times))
        row["times_reference"] = float(f"{ratio:.3g}")
    return rows


def time_engines(samples, rounds, say):
    """The rows of all cases."""
    lava = engines.available()["lava"].startswith("ready")
    rows = []
    for case, names in cases(samples):
        say(case.name)
        names = [name for name in names if lava or not name.startswith("lava")]
        rows += measure(case, names, rounds, say)
    return rows


def table(rows):
    """The results as Markdown."""
    lines = [
        "| case | engine | ms a step, median (quartiles) | samples/s | x reference | processes "
        "| s to first sample |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, middle, high = row["milliseconds_a_step"]
        sizes = sorted(set(row["sizes"]), key=row["sizes"].index)
        case = row["case"] if row["case"].endswith("10") else (
            f"{row['case'].replace('_', ' ')} {'-'.join(map(str, sizes))}")  # fmt: skip
        rate = row["samples_per_second"]
        lines.append(
            f"| {case} | {row['engine']} | {middle:.3g} ({low:.3g} .. {high:.3g}) "
            f"| {f'{rate:,.0f}' if rate >= 100 else f'{rate:.3g}'} | {row['times_reference']:g} "
            f"| {row['processes'] or ''} | {row['seconds_to_first_sample']:g} |"
        )
    return "\n".join(lines) + "\n"
