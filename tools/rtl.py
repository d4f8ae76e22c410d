"""Replays traces on the core in Verilog, `rtl`.  Run by ``make rtl``.

Without options, every trace of tests/traces on Icarus Verilog: a minute.  A trace of one's own
needs no more than its file, unless it is plain text or of a circuit of one's own: then its program
file too.  What is not installed and can be had from the system's packages is named, and installed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from sbp.app import images
from sbp.errors import SbpError
from sbp.files import program_file, trace, write_atomic
from sbp.reproduce import provenance
from sbp.weights import Weights

ROOT = Path(__file__).resolve().parents[1]
RTL = ROOT / "rtl"
BUILD = ROOT / "build" / "rtl"
CORE = [RTL / f"sbp_{name}.v" for name in ("core", "neuron", "decay", "ram")]
BENCH = RTL / "sbp_tb.v"
PACKAGES = {
    "iverilog": "iverilog",
    "verilator": "verilator",
    "yosys": "yosys",
}  #: command -> Debian's
SIZES = (400, 400, 10)
FOUND = re.compile(
    r"(\d+) steps, (\d+) spikes, (\d+) differ; "
    r"(\d+) weights, (\d+) moved, (\d+) differ; (\d+) cycles"
)


def need(*commands: str) -> None:
    """Install what is missing of `commands` from the system's packages, and say so first."""
    missing = [PACKAGES[command] for command in commands if not shutil.which(command)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise SbpError(f"not installed: {', '.join(missing)}", do="install them and try again")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    command = [*as_root, "apt-get", "install", "--yes", "--no-install-recommends", *missing]
    print(f"{', '.join(missing)} not installed, so: {' '.join(command)}", flush=True)
    subprocess.run([*as_root, "apt-get", "update", "-qq"], check=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run(*command: object, cwd: Path) -> str:
    """What a command prints, both streams; SbpError with its last line if it fails."""
    ran = subprocess.run(
        list(map(str, command)), cwd=cwd, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if ran.returncode:
        said = ran.stdout.strip().splitlines() or ["no message"]
        raise SbpError(f"{Path(str(command[0])).name} failed: {said[-1]}")
    return ran.stdout


def replay(recorded: trace.Trace, folder: Path, simulator: str = "iverilog") -> dict[str, Any]:
    """Replay a trace on the core.

    Parameters
    ----------
    recorded : Trace
    folder : Path
        For the memory images and what is built; removed if anything fails.
    simulator : {"iverilog", "verilator"}

    Returns
    -------
    dict
        "steps", "spikes", "spikes differing", "weights", "weights moved", "weights differing",
        "cycles", and "first": the line that names the first difference, or "".

    Raises
    ------
    SbpError
        If the simulator fails, or the test bench does not come to its end.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        images.write(recorded.program, recorded.initial, folder, recorded)
        if simulator == "iverilog":
            run("iverilog", "-g2005", "-Wall", "-I.", "-o", "tb", *CORE, BENCH, cwd=folder)
            said = run("vvp", "-n", "tb", cwd=folder)
        else:
            options = ("--binary", "--timing", "-O3", "-Wall", "-I.", "--top-module", "sbp_tb")
            run("verilator", *options, "--Mdir", "obj", *CORE, BENCH, cwd=folder)
            said = run(folder / "obj" / "Vsbp_tb", cwd=folder)
        match = FOUND.search(said)
        if match is None:
            raise SbpError(f"the test bench ended early: {said.strip().splitlines()[-1:]}")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    names = (
        "steps", "spikes", "spikes differing", "weights", "weights moved", "weights differing",
        "cycles",
    )  # fmt: skip
    first = said.split("\n", 1)[0] if int(match[3]) else ""
    return {**dict(zip(names, map(int, match.groups()), strict=True)), "first": first}


def parameters(counts: dict[str, int]) -> dict[str, int]:
    """The parameters of the core's top module."""
    return {name: value for name, value in counts.items() if name != "PERIOD"}


def lint(counts: dict[str, int]) -> None:
    """Verilator's lint with all warnings, as errors, at the sizes of a program."""
    given = [f"-G{name}={value}" for name, value in parameters(counts).items()]
    options = ("--lint-only", "-Wall", "--top-module", "sbp_core")
    run("verilator", *options, *given, *CORE, cwd=RTL)


def cells(counts: dict[str, int], folder: Path) -> dict[str, int]:
    """Cells by kind that Yosys makes of the core for a Lattice ECP5, with its memories filled.

    Parameters
    ----------
    counts : dict
        `sbp.app.images.counts` of the program.
    folder : Path
        With the program's images.
    """
    given = " ".join(  # Yosys takes no minus sign there
        f"-set {name} 32'd{value % (1 << 32)}" for name, value in parameters(counts).items()
    )
    script = (
        f"read_verilog {' '.join(map(str, CORE))}; chparam {given} sbp_core; "
        "synth_ecp5 -top sbp_core; tee -o cells.txt stat"
    )
    run("yosys", "-q", "-p", script, cwd=folder)
    text = (folder / "cells.txt").read_text("utf-8")
    return {name: int(n) for name, n in re.findall(r"^ {5}(\w+) +(\d+)$", text, re.MULTILINE)}


def whole() -> trace.Trace:
    """The learning circuit at the paper's size on real digits, from a random start."""
    from sbp.circuits import learning_circuit
    from sbp.learn import data
    from sbp.learn.training import one_hot

    found = data.load(data.best_mnist()).take(40, 1)
    stimulus = {"input": found.x_train, "target": one_hot(found.y_train, SIZES[-1])}
    about = {"dataset": found.name, "samples": "0:40"}
    return trace.record(
        learning_circuit(SIZES), stimulus, Weights.random(SIZES, 1), engine="compiled", about=about
    )


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The rows of what was replayed, as Markdown."""
    lines = [
        "| trace | simulator | steps | spikes | differing | synapses | moved | differing "
        "| clocks a step |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in rows.items():
        numbers = ("steps", "spikes", "spikes differing", "weights", "weights moved",
                   "weights differing")  # fmt: skip
        counted = " | ".join(f"{row[key]:,}" for key in numbers)
        clocks = row["cycles"] / row["steps"]
        lines.append(f"| {name} | {row['simulator']} | {counted} | {clocks:,.0f} |")
    return lines


def main() -> int:
    """Exit code 1 if a spike or a weight differs."""
    parser = argparse.ArgumentParser(prog="make rtl ARGS=...", description=__doc__)
    parser.add_argument("--trace", type=Path, metavar="FILE", help="replay this one only")
    parser.add_argument("--program", type=Path, metavar="FILE", help="its program file")
    parser.add_argument(
        "--whole", action="store_true", help="400-400-10 too, 40 digits, on Verilator"
    )
    parser.add_argument("--lint", action="store_true", help="Verilator's lint, all warnings")
    parser.add_argument("--cells", action="store_true", help="count cells at 64-24-10 with Yosys")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write rtl.json and rtl.md there")
    options = parser.parse_args()
    need(
        "iverilog",
        *["verilator"] * (options.whole or options.lint),
        *["yosys"] * options.cells,
    )
    jobs: list[tuple[str, str, trace.Trace]] = []
    if options.trace:
        given = program_file.read(options.program) if options.program else None
        simulator = "verilator" if options.whole else "iverilog"
        jobs.append((options.trace.stem, simulator, trace.read(options.trace, given)))
    else:
        paths = sorted((ROOT / "tests" / "traces").glob("*.npz"))
        jobs += [(path.stem, "iverilog", trace.read(path)) for path in paths]
        if options.whole:
            jobs.append(("learning 400-400-10, 40 digits", "verilator", whole()))
    rows: dict[str, dict[str, Any]] = {}
    for name, simulator, recorded in jobs:
        folder = BUILD / re.sub(r"[^\w.-]+", "_", name)
        row = replay(recorded, folder, simulator)
        rows[name] = {"simulator": simulator, **row}
        print(
            f"{name}: {row['steps']:,} steps, {row['spikes']:,} spikes, "
            f"{row['spikes differing']:,} differ; {row['weights']:,} weights, "
            f"{row['weights differing']:,} differ{'; ' + row['first'] if row['first'] else ''}",
            flush=True,
        )
    record: dict[str, Any] = {"id": "rtl", "sources": sources(), "traces": rows}
    small = trace.read(ROOT / "tests" / "traces" / "learning_64_24_10.npz")
    counted = images.counts(small.program)
    if options.lint:
        lint(counted)
        print("lint: no warnings")
    if options.cells:
        folder = BUILD / "cells"
        images.write(small.program, small.initial, folder)
        record["cells"] = {"target": "Lattice ECP5", "sizes": "64-24-10", **cells(counted, folder)}
        print(f"cells: {record['cells']}")
    if options.out:
        write(record, options.out)
    return int(any(r["spikes differing"] or r["weights differing"] for r in rows.values()))


def markdown(record: dict[str, Any]) -> str:
    """What rtl.md says."""
    lines = table(record["traces"])
    if "cells" in record:
        kinds = {k: v for k, v in record["cells"].items() if k not in ("target", "sizes")}
        lines += [
            "",
            f"Synthesised by Yosys for a {record['cells']['target']} at "
            f"{record['cells']['sizes']}, memories included (a figure, no claim): "
            + ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
            + ".",
        ]
    lines += ["", 'Measured; written by `make rtl ARGS="--whole --lint --cells --out results"`.']
    return "\n".join([*lines, ""])


def write(record: dict[str, Any], folder: Path) -> None:
    """Write rtl.json and rtl.md."""
    text = markdown(record)
    record |= {"commit": provenance.commit(), "versions": tools()}
    provenance.write_record(folder / "rtl.json", record)
    write_atomic(folder / "rtl.md", lambda stream: stream.write(text.encode()))
    print(f"written: {folder / 'rtl.json'}, {folder / 'rtl.md'}")


def sources() -> dict[str, str]:
    """SHA-256 (hex) of every file in Verilog."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (*CORE, BENCH)}


def tools() -> dict[str, str]:
    """Versions of the tools that are here."""
    asked = {"iverilog": "-V", "verilator": "--version", "yosys": "-V"}
    return {
        name: run(name, option, cwd=ROOT).splitlines()[0]
        for name, option in asked.items()
        if shutil.which(name)
    }


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SbpError, subprocess.CalledProcessError) as error:
        print(f"rtl: error: {error}", file=sys.stderr)
        sys.exit(2)
