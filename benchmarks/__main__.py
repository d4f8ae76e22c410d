"""Time every engine side by side in one process, interleaved.

    make bench                      everything, about four minutes
    make bench ARGS="--rounds 3"    quicker, rougher
    make bench ARGS="--out /tmp"    leave results/ alone

Writes results/speed.* (samples of whole networks) and results/conformance-speed.* (the conformance
cases on every engine, Lava's layouts included).  benchmarks/README.md says what is compared with
what.
"""

import argparse
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks import conformance, dense
from sbp.algebra import Network
from sbp.engines import compiled, reference
from sbp.files import write_atomic, write_json
from sbp.learn.data import best_mnist, load
from sbp.learn.task import Task
from sbp.learn.training import one_hot
from sbp.reproduce.provenance import machine, versions

PAPER, DEEP = (400, 400, 10), (400, 400, 400, 10)
SIZES = ((64, 100, 10), PAPER, DEEP, (784, 1000, 10), (784, 2000, 10))
CHIP = {"training": 667, "inference": 5900}  # samples a second, Renner et al. 2024, Table 1
WARM_UP = 5000  # samples learned first, so that the activity is that of a trained network


def samples(n_in):
    """Inputs, targets and where they come from, for a network of `n_in` inputs."""
    name = "digits" if n_in == 64 else best_mnist()
    data = load(name, crop={784: 0, 400: 4}.get(n_in))
    rows = np.resize(np.arange(len(data.x_train)), WARM_UP)
    return data.x_train[rows], one_hot(data.y_train[rows], 10), data.name


class Contestants:
    """The things to be timed, at one size; each is called with a number of samples."""

    def __init__(self, sizes):
        self.inputs, self.targets, self.source = samples(sizes[0])
        task = Task.of(sizes)
        network = Network(task.start(0))
        network.train(self.inputs, self.targets)
        self.weights = network.weights
        self.network = network
        self.learning, reading = task.learning_program, task.reading_program
        self.circuit = compiled.Session(self.learning, self.learning.state(self.weights))
        self.reader = compiled.Session(reading, reading.state(self.weights))
        self.matrices = [matrix.astype(float) for matrix in self.weights.values()]
        # contestant -> (what it does, samples a round)
        self.calls = {
            "algebra": (self.algebra, 2000),
            "compiled": (self.compiled, 400),
            "compiled, inference": (self.compiled_inference, 1000),
            "dense NumPy": (self.dense, 100 if sizes[1] < 1000 else 20),
            "reference": (self.reference, 4),
        }

    def shown(self, n):
        return {"input": self.inputs[:n], "target": self.targets[:n]}

    def algebra(self, n):
        self.network.train(self.inputs[:n], self.targets[:n])

    def compiled(self, n):
        self.circuit.run(self.shown(n))

    def compiled_inference(self, n):
        self.reader.run({"input": self.inputs[:n]})

    def dense(self, n):
        dense.train(self.matrices, self.inputs[:n], self.targets[:n])

    def reference(self, n):
        reference.run(self.learning, self.learning.state(self.weights), self.shown(n))

    def synaptic_operations(self):
        """Synapses the circuit reads for a sample."""
        run = self.circuit.run(self.shown(400))
        return float(run.counters.synaptic_operations.sum()) / 400

    def traffic(self):
        """Bytes of weights the algebra must read and write for a sample, half a weight a byte.

        The rows of spiking inputs forward; what an error reaches backward, in the neurons whose
        derivative lets it; and where it arrives, the rows of spiking inputs again, read and
        written.
        """
        n, total = 400, 0.0
        spikes, target = self.inputs[:n].astype(np.int32), self.targets[:n].astype(bool)
        layers, boxes = [spikes], []
        matrices = [matrix.astype(np.int32) for matrix in Network(self.weights).weights.values()]
        for matrix in matrices:
            sums = layers[-1] @ matrix.T
            total += layers[-1].sum() * len(matrix)
            layers.append((sums > 512).astype(np.int32))
            boxes.append((sums > 0) & (sums <= 1024))
        o = layers[-1].astype(bool)
        wrong = ((target & ~o & (sums > 0)) | (o & ~target & (sums <= 1024))).astype(np.int32)
        error = wrong * np.where(target, 1, -1)
        for k in range(len(matrices) - 1, -1, -1):
            reached = (error != 0).any(axis=1)
            total += 2 * layers[k][reached].sum() * len(matrices[k])
            if k:
                total += (boxes[k - 1].sum(axis=1) * (error != 0).sum(axis=1)).sum()
                error = np.sign(error @ matrices[k]) * boxes[k - 1]
        return total / n


def bandwidth(n_bytes):
    """Measured copy bandwidth (bytes read plus written a second) for a buffer of that size."""
    source, target = np.ones(n_bytes, np.int8), np.empty(n_bytes, np.int8)
    times = []
    for _ in range(200):
        began = time.perf_counter()
        target[:] = source
        times.append(time.perf_counter() - began)
    return 2 * n_bytes / float(np.median(times))


def measure(sizes, rounds, say):
    """Interleaved rounds at one size; microseconds a sample, median and quartiles."""
    contestants = Contestants(sizes)
    times = {name: [] for name in contestants.calls}
    for call, n in contestants.calls.values():
        call(min(n, 20))  # compile, touch the memory
    for number in range(rounds):
        for name, (call, n) in contestants.calls.items():
            began = time.perf_counter()
            call(n)
            times[name].append((time.perf_counter() - began) / n * 1e6)
        say(f"  round {number + 1} of {rounds}")
    speed = bandwidth(sum(w.size for w in contestants.weights.values()))
    operations = contestants.synaptic_operations()
    row = {
        "sizes": list(sizes), "samples": contestants.source, "copy_bytes_per_second": speed,
        "synaptic_operations": round(operations),
    }  # fmt: skip
    for name, values in times.items():
        low, middle, high = np.percentile(values, [25, 50, 75])
        ratio = np.median(np.array(times["reference"]) / np.array(values))
        entry = {
            "microseconds": [round(float(v), 3) for v in (low, middle, high)],
            "samples_per_second": round(1e6 / middle),
            "times_reference": round(float(ratio), 1),
            "times_dense_numpy": round(
                float(np.median(np.array(times["dense NumPy"]) / np.array(values))), 2
            ),
        }
        kind = "inference" if "inference" in name else "training"
        if sizes == PAPER:
            entry["times_chip"] = round(1e6 / middle / CHIP[kind], 1)
        if name == "algebra":
            floor = contestants.traffic() / speed * 1e6
            entry["traffic_floor_microseconds"] = round(floor, 3)
            entry["times_floor"] = round(middle / floor, 1)
        if name == "compiled":
            entry["nanoseconds_a_synaptic_operation"] = round(1e3 * middle / operations, 4)
        row[name] = entry
    return row


def compare_depths(rows):
    """Time of a synaptic operation at every size, over that of the paper's network."""
    cost = "nanoseconds_a_synaptic_operation"
    paper = next(row for row in rows if tuple(row["sizes"]) == PAPER)["compiled"][cost]
    for row in rows:
        entry = row["compiled"]
        entry["times_paper_a_synaptic_operation"] = round(entry[cost] / paper, 2)


def short(number):
    """A number in four digits, or whole."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def unbroken(text):
    """The text as it is not broken at the end of a line."""
    return text.replace("-", "\N{NON-BREAKING HYPHEN}").replace(" ", "\N{NO-BREAK SPACE}")


def table(rows):
    """The results as Markdown."""
    lines = [
        "| sizes | engine | us a sample, median (quartiles) | x reference "
        "| x dense NumPy | x chip | x traffic floor | x 400-400-10, a synaptic operation |",
        f"|---|---|{'--:|' * 6}",
    ]
    for row in rows:
        for name in row:
            if isinstance(row[name], dict):
                e = row[name]
                low, middle, high = map(short, e["microseconds"])
                lines.append(
                    f"| {unbroken('-'.join(map(str, row['sizes'])))} | {name} "
                    f"| {middle} {unbroken(f'({low} .. {high})')} "
                    f"| {short(e['times_reference'])} | {short(e['times_dense_numpy'])} "
                    f"| {e.get('times_chip', '')} | {e.get('times_floor', '')} "
                    f"| {e.get('times_paper_a_synaptic_operation', '')} |"
                )
    return "\n".join(lines) + "\n"


def plot(rows):
    """Cost against number of plastic parameters, one line per engine."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    weights = [sum(a * b for a, b in pairwise(row["sizes"])) for row in rows]
    colours = ["#0072B2", "#D55E00", "#E69F00", "#009E73", "#555555"]
    names = [name for name in rows[0] if isinstance(rows[0][name], dict)]
    for name, colour in zip(names, colours, strict=True):
        middle = [row[name]["microseconds"][1] for row in rows]
        axes.loglog(weights, middle, "o-", color=colour)
        axes.annotate(f" {name}", (weights[-1], middle[-1]), color=colour, va="center")
    for kind, rate in CHIP.items():
        axes.axhline(1e6 / rate, color="#999999", linestyle=":")
        axes.annotate(f"Loihi, {kind} (published, 400-400-10)", (weights[-1] * 8, 1e6 / rate),
                      color="#666666", va="bottom", ha="right", fontsize=8)  # fmt: skip
    axes.set(xlabel="weights of the network", ylabel="microseconds a sample")
    axes.set_xlim(right=weights[-1] * 8)
    # The last two stand close together.
    names = ["\n" * (i % 2) + "-".join(map(str, row["sizes"])) for i, row in enumerate(rows)]
    axes.set_xticks(weights, names, fontsize=8)
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=("speed", "conformance"), help="one of the two")
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}; allowed: 1 or more")

    def say(text):
        print(text, file=sys.stderr)

    if arguments.only != "conformance":
        rows = []
        for sizes in SIZES:
            say("-".join(map(str, sizes)))
            rows.append(measure(sizes, arguments.rounds, say))
        rows.sort(key=lambda row: sum(a * b for a, b in pairwise(row["sizes"])))
        compare_depths(rows)
        keep(arguments.out / "speed", rows, table(rows))
        write_atomic(arguments.out / "speed.png",
                     lambda stream: plot(rows).savefig(stream, dpi=150, format="png"))  # fmt: skip
    if arguments.only != "speed":
        rows = conformance.time_engines(samples, min(arguments.rounds, 5), say)
        keep(arguments.out / "conformance-speed", rows, conformance.table(rows))
    say(f"written to {arguments.out}")


def keep(path, rows, text):
    """Write the rows as JSON and as Markdown, and print them."""
    write_json(path.with_suffix(".json"),
               {"machine": machine(), "versions": versions(), "rows": rows})  # fmt: skip
    write_atomic(path.with_suffix(".md"), lambda stream: stream.write(text.encode()))
    print(text)


if __name__ == "__main__":
    main()
