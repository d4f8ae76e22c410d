"""Do simulators that nobody here wrote run the circuit alike?  Run by ``make witnesses``.

Each witness gets a program file and a golden trace as plain text, in an environment of its own
under build/witnesses, and says how many spikes and weights of its run differ from the trace.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import outside

from sbp.errors import SbpError
from sbp.files import program_file, trace, write_atomic
from sbp.files.plain import write_trace
from sbp.reproduce import provenance

ROOT = outside.ROOT
BUILD = ROOT / "build" / "witnesses"
SCRIPTS = ROOT / "witnesses"
TRACES = ROOT / "tests" / "traces"


class Witness(NamedTuple):
    """Where a witness comes from, and what it can be shown."""

    rounds: tuple[tuple[str, ...], ...]  #: of pip
    pythons: tuple[int, int]  #: oldest and newest minor version
    megabytes: int
    what: str
    learning: bool = True  #: whether it can be shown circuits that learn
    differs: tuple[str, ...] = ()  #: traces that it cannot run exactly
    why: str = ""


WITNESSES = {
    "brian2_loihi": Witness(
        (("brian2==2.9.0", "brian2-loihi==0.5.2", "numpy<2", "setuptools<81"),), (10, 10), 180,
        "emulator of Loihi, checked against the chip by its authors",
        differs=("deep_64_20_16_12_10_e-2",),
        why="it rounds what a synapse delivers down to whole weight units, and an even weight at "
        "weight exponent -2 delivers halves of one",
    ),
    "nengo_loihi": Witness(
        (("nengo-loihi==1.1.0", "nengo==3.2.0", "numpy<2", "scipy", "setuptools<81"),), (10, 11),
        250, "emulator of Loihi, checked against the chip by its authors",
    ),
    "nest": Witness(
        (("nest-simulator==3.10.0",),), (11, 11), 300, "simulator of large spiking networks",
    ),
    "brian2": Witness(
        (("brian2==2.10.1", "setuptools<81"),), (12, 12), 200, "simulator of spiking networks",
    ),
}  # fmt: skip

SHORT = ("learning_64_24_10",)  #: the trace of a short run, cut to SHORT_SAMPLES
SHORT_SAMPLES = 20
#: Traces of a whole run.
WHOLE = (
    "learning_64_24_10", "trained_64_6_10", "inference_64_24_10", "single_layer_64_10",
    "gating_chain_64_ring_2", "learning_16_8_4_order", "learning_96_8_4_beyond",
    "learning_64_16_10_before-august-2024_e-1", "deep_64_24_16_10", "deep_64_20_16_12_10_e-2",
)  # fmt: skip


def cases(short: bool) -> dict[str, tuple[Path, Path]]:
    """Write the program and the trace of every case as plain text: name -> the two files."""
    found = {}
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in SHORT if short else WHOLE:
        source = TRACES / f"{name}.npz"
        shown = trace.read(source)
        if short:
            shown = trace.record(
                shown.program, {n: x[:SHORT_SAMPLES] for n, x in shown.stimulus.items()},
                shown.initial, engine="compiled",
            )  # fmt: skip
        files = BUILD / f"{name}.sbp", BUILD / f"{name}.txt"
        program_file.write(shown.program, files[0])
        write_trace(shown, files[1])
        found[name] = files
    return found


def ask(name: str, case: str, files: tuple[Path, Path]) -> dict[str, Any]:
    """What one witness found in one case."""
    witness = WITNESSES[name]
    python = outside.environment(
        BUILD / "environments" / name, witness.rounds, witness.pythons, witness.megabytes
    )
    answer, log = BUILD / f"{name}-{case}.json", BUILD / f"{name}-{case}.log"
    answer.unlink(missing_ok=True)
    outside.run(python, SCRIPTS / f"run_{name}.py", [*files, answer], log)
    return json.loads(answer.read_text("utf-8"))


def markdown(record: dict[str, Any]) -> str:
    """The tables that the book shows: who they are, and in how much they differ."""
    found = record["witnesses"]
    packages = []
    lines = ["| witness | what it is | learns |", "|---|---|---|"]
    for name, rows in found.items():
        package, version = next(iter(next(iter(rows.values()))["versions"].items()))
        packages.append(package)
        learns = sorted({row["learns"] for row in rows.values() if row["weights_moved"]})
        lines.append(
            f"| {package} {version} | {WITNESSES[name].what} | {', '.join(learns) or '-'} |"
        )
    lines += [
        "", "Spikes and weights that differ, of those of the trace:", "",
        f"| trace | samples | spikes | weights | {' | '.join(packages)} |",
        f"|---|{'--:|' * (3 + len(packages))}",
    ]  # fmt: skip
    for case in next(iter(found.values())):
        answers = [rows[case] for rows in found.values()]
        row = answers[0]
        weights = f"{row['weights_compared']:,}" if row["weights_moved"] else "fixed"
        differing = [
            f"{answer['spikes_differing']:,} and {answer['weights_differing']:,}"
            if answer["spikes_differing"] or answer["weights_differing"]
            else "0"
            for answer in answers
        ]
        lines.append(
            f"| {case} | {row['samples']:,} | {row['spikes']:,} | {weights} "
            f"| {' | '.join(differing)} |"
        )
    about = (
        f"Measured on {record['date']}: every spike of every neuron, and every weight of every "
        "plastic copy after the last step, against the golden traces of `tests/traces`.  *By "
        "itself*: the tool's own learning changed the weights; *told*: the rule was applied to "
        "them from the tool's own spikes.  Written by `make witnesses`."
    )
    notes = [
        f"Known: {name.replace('_', '-')} differs in {', '.join(witness.differs)}: {witness.why}."
        for name, witness in WITNESSES.items()
        if set(witness.differs) & set(record["witnesses"].get(name, ()))
    ]
    return "\n".join([*lines, "", about, *notes, ""])


def main() -> int:
    """Exit code 1 if a witness differs where it need not, or no longer where it has to."""
    parser = argparse.ArgumentParser(prog="make witnesses ARGS=...", description=__doc__)
    parser.add_argument("--short", action="store_true", help=f"one trace, {SHORT_SAMPLES} samples")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default results; --short: none")
    parser.add_argument("witnesses", nargs="*", metavar="WITNESS", help=", ".join(WITNESSES))
    options = parser.parse_args()
    if not set(options.witnesses) <= set(WITNESSES):
        parser.error(f"allowed witnesses: {', '.join(WITNESSES)}")
    outside.pip_timeouts()
    found: dict[str, dict[str, Any]] = {}
    unexpected = 0
    shown = cases(options.short)
    for name in options.witnesses or WITNESSES:
        for case, files in shown.items():
            row = found.setdefault(name, {})[case] = ask(name, case, files)
            wrong = row["spikes_differing"] + row["weights_differing"]
            known = case in WITNESSES[name].differs
            unexpected += bool(wrong) != known
            print(
                f"{name:13s} {case:26s} {row['samples']:4d} samples, {row['spikes']:7,} spikes "
                f"({row['spikes_differing']} differ), {row['weights_compared']:7,} weights "
                f"({row['weights_differing']} differ), learns {row['learns']}, "
                f"{row['seconds']:.0f} s", flush=True,
            )  # fmt: skip
            if wrong:
                print(f"  first: {row['first_difference'] or 'weights only'}", flush=True)
            if known:
                print(f"  known: {WITNESSES[name].why}", flush=True)
    out = options.out or (None if options.short else ROOT / "results")
    if out is not None and not options.witnesses:
        record = {
            "id": "witnesses", "date": time.strftime("%Y-%m-%d", time.gmtime()), "witnesses": found,
            "commit": provenance.commit(), "machine": provenance.machine(),
        }  # fmt: skip
        provenance.write_record(out / "witnesses.json", record)
        table = markdown(record)
        write_atomic(out / "witnesses.md", lambda stream: stream.write(table.encode()))
        print(f"written: {out / 'witnesses.json'}, {out / 'witnesses.md'}")
    return int(unexpected > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SbpError, subprocess.CalledProcessError) as error:
        print(f"witnesses: error: {error}", file=sys.stderr)
        sys.exit(2)
