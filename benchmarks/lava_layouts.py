"""Time the two Lava layouts beside our engines, interleaved, and write results/lava-speed.json.

    python -m benchmarks.lava_layouts                 about two minutes
    python -m benchmarks.lava_layouts --rounds 1      quicker, rougher
    python -m benchmarks.lava_layouts --out /tmp      leave results/ alone

Milliseconds of a step, median of the rounds, everything included that a call of `run` does.  Every
network learns from its initial weights.  `network` is one operating-system process for each
population, projection, source and recorder; `stock` is the same with Lava's own learning model;
`fused` is one process for the circuit.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.__main__ import samples
from sbp.circuits import learning_circuit, single_layer_circuit
from sbp.engines import compiled, lava, reference
from sbp.files import write_json
from sbp.program import lower
from sbp.provenance import machine, versions
from sbp.training import initial_weights

#: circuit, sizes, and what runs: contestant -> samples a round
CASES = (
    ("single layer", (64, 10), {"network": 3, "stock": 3, "fused": 60}),
    ("learning", (64, 24, 10), {"network": 2, "stock": 1, "fused": 60}),
    ("learning", (64, 100, 10), {"network": 1, "fused": 60}),
    ("learning", (400, 400, 10), {"fused": 40}),
    ("learning", (784, 1000, 10), {"fused": 20}),
)
OTHERS = {"compiled": 60, "reference": 2}


class Reference:
    """The reference engine as a session."""

    def __init__(self, program, state):
        self.program, self.state = program, state

    def run(self, stimulus):
        result = reference.run(self.program, self.state, stimulus)
        self.state = result.state
        return result


def open_session(name, program, state, stack):
    """The contestant `name`, and how many processes it is."""
    if name == "reference":
        return Reference(program, state), 0
    if name == "compiled":
        return compiled.Session(program, state), 0
    layout = "fused" if name == "fused" else "network"
    learning = "stock" if name == "stock" else "exact"
    session = lava.Session(program, state, layout=layout, learning=learning)
    return stack.enter_context(session), session.n_processes


def measure(circuit, sizes, contestants, rounds, say):
    """One row for each contestant at one size."""
    n_in, n_out = sizes[0], sizes[-1]
    inputs, targets, source = samples(n_in)
    if circuit == "single layer":
        program = lower(single_layer_circuit(sizes))
        weights = {"W": initial_weights((n_in, n_out, 1), 0)["W1"]}
    else:
        program, weights = lower(learning_circuit(sizes)), initial_weights(sizes, 0)
    state = program.state(weights)
    rows = []
    with ExitStack() as stack:
        running = []
        for name, count in (contestants | OTHERS).items():
            began = time.perf_counter()
            session, processes = open_session(name, program, state, stack)
            stimulus = {"input": inputs[:count], "target": targets[:count]}
            session.run({key: rows[:1] for key, rows in stimulus.items()})
            opened = time.perf_counter() - began
            running.append((name, session, stimulus, count * program.period, []))
            rows.append({"circuit": circuit, "sizes": list(sizes), "samples": source,
                         "contestant": name, "processes": processes,
                         "seconds_to_first_sample": round(opened, 2)})  # fmt: skip
        for number in range(rounds):
            for _, session, stimulus, steps, times in running:
                began = time.perf_counter()
                session.run(stimulus)
                times.append((time.perf_counter() - began) / steps * 1e3)
            say(f"  round {number + 1} of {rounds}")
    for row, (*_, times) in zip(rows, running, strict=True):
        row["milliseconds_a_step"] = [
            round(float(value), 5) for value in np.percentile(times, [25, 50, 75])
        ]
    return rows


def table(rows):
    """The results as Markdown."""
    lines = [
        "| circuit | engine | ms a step, median (quartiles) | processes | s to first sample |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        low, middle, high = row["milliseconds_a_step"]
        sizes = "-".join(map(str, row["sizes"]))
        lava_name = {"network": "Lava, network", "fused": "Lava, fused",
                     "stock": "Lava, network, stock learning"}  # fmt: skip
        lines.append(
            f"| {row['circuit']} {sizes} | {lava_name.get(row['contestant'], row['contestant'])} "
            f"| {middle:.3g} ({low:.3g} .. {high:.3g}) | {row['processes'] or ''} "
            f"| {row['seconds_to_first_sample']:g} |"
        )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lava_layouts", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    rows = []
    for circuit, sizes, contestants in CASES:
        print(f"{circuit} {'-'.join(map(str, sizes))}", file=sys.stderr)
        rows += measure(circuit, sizes, contestants, arguments.rounds,
                        lambda text: print(text, file=sys.stderr))  # fmt: skip
    write_json(arguments.out / "lava-speed.json",
               {"machine": machine(), "versions": versions(), "rows": rows})  # fmt: skip
    print(table(rows))


if __name__ == "__main__":
    main()
