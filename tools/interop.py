"""Does a network exported by ``sbp export`` compute the same elsewhere?  Run by ``make interop``.

Every receiver is a simulator of others, in an environment of its own under build/interop, made
with pip on first use.  It reads the exported file, runs the same images, and its output spikes
are compared with those of our circuit, image by image.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import outside

from sbp.errors import SbpError
from sbp.files import write_atomic, write_npz
from sbp.learn import data, pretrained, training
from sbp.reproduce import provenance
from sbp.weights import arrays_digest

ROOT = outside.ROOT
BUILD = ROOT / "build" / "interop"
SCRIPTS = ROOT / "tests" / "interop"

TORCH = ("torch==2.13.0",)  # what they were tried with


class Receiver(NamedTuple):
    """A simulator of others, and the form of the file that it reads."""

    rounds: tuple[tuple[str, ...], ...]  #: of pip
    megabytes: int
    neuron: str = "cuba"
    note: str = ""


#: By the name of the distribution.  Norse asks for torchvision, which only its data sets need,
#: hence its round without dependencies; sinabs pins the nir it can read.
RECEIVERS = {
    "snntorch": Receiver((TORCH, ("snntorch==1.0.0", "nir==1.0.8", "nirtorch==2.6")), 900),
    "norse": Receiver(
        (TORCH, ("nir==1.0.8", "nirtorch==2.6", "numpy"), ("--no-deps", "norse==1.1.0")), 900
    ),
    "spyx": Receiver((("spyx==1.0.0", "nir==1.0.8"),), 700),
    "spikingjelly": Receiver(
        (TORCH, ("nir==1.0.8", "nirtorch==2.6", "numpy"),
         ("--no-deps", "spikingjelly==2.0.0"),
         ("tqdm", "matplotlib", "scipy", "loguru", "requests", "tensorboard", "SciencePlots")),
        1000,
    ),
    "sinabs": Receiver(
        (TORCH, ("sinabs==3.1.3",)), 1000, "lif", "told to give at most one spike a step"
    ),
}  # fmt: skip
#: Who reads the file and cannot compute the same, and why.
CANNOT = {
    "rockpool 3.1.0": "its neurons always keep something of their potential: no time constant of "
    "one step",
    "sinabs, CubaLIF": "knows no such node: export with --neuron lif",
    "sinabs, its default": "gives several spikes in a step where the potential is several "
    "thresholds: choose SingleSpike",
}


def network(root: Path | None, images: int) -> tuple[str, data.Dataset]:
    """What is exported, the trained network, and images: as much of MNIST as is here."""
    everything = data.load(data.best_mnist(root), root=root, download=False)
    return pretrained.NAME, everything.take(n_test=min(images, len(everything.x_test)))


def sbp(*arguments: str) -> None:
    """Run the command line as a user does."""
    subprocess.run([sys.executable, "-m", "sbp", *arguments], cwd=ROOT, check=True)


def receive(name: str, file: Path, images: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Spike counts (n, n_o) and versions, from a receiver that knows nothing of us."""
    out = BUILD / f"{name}.npz"
    out.unlink(missing_ok=True)
    receiver = RECEIVERS[name]
    python = outside.environment(BUILD / name, receiver.rounds, (11, 11), receiver.megabytes)
    outside.run(python, SCRIPTS / f"run_{name}.py", [file, images, out], BUILD / f"{name}.log")
    with np.load(out, allow_pickle=False) as answer:
        return answer["counts"], json.loads(str(answer["versions"]))


def compare(counts: np.ndarray, spikes: np.ndarray) -> dict[str, object]:
    """Image by image: predictions (first output that spikes) and every output spike."""
    theirs, ours = counts.argmax(axis=1), spikes.argmax(axis=1)
    differing = [
        {"image": int(k), "ours": int(ours[k]), "theirs": int(theirs[k])}
        for k in np.flatnonzero(theirs != ours)
    ]
    return {
        "images": len(spikes),
        "equal_predictions": int((theirs == ours).sum()),
        "equal_spikes": int((counts == spikes).all(axis=1).sum()),
        "differing": differing,
    }


def markdown(record: dict) -> str:
    """The table that the book shows."""
    lines = [
        "| receiver | version | neuron | images | equal predictions | equal output spikes "
        "| differing |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for name, row in record["receivers"].items():
        with_ = next(n for n in ("torch", "jax") if n in row["versions"])
        why = ", ".join(
            f"image {d['image']}: {d['theirs']} for {d['ours']}" for d in row["differing"][:5]
        )
        lines.append(
            f"| {name} | {row['versions'][name]} ({with_} {row['versions'][with_]}) "
            f"| {row['neuron']} | {row['images']:,} | {row['equal_predictions']:,} "
            f"| {row['equal_spikes']:,} "
            f"| {len(row['differing'])}{': ' + why if why else ''} |"
        )
    about = (
        f"Measured: the {record['sizes']} network on the first {record['images']:,} test images "
        f"of {record['dataset']}, against the spikes of the inference circuit on the compiled "
        "engine.  Written by `make interop`."
    )
    notes = [f"{name}: {receiver.note}." for name, receiver in RECEIVERS.items() if receiver.note]
    cannot = ["| cannot | why |", "|---|---|", *(f"| {n} | {why} |" for n, why in CANNOT.items())]
    return "\n".join([*lines, "", about, *notes, "", *cannot, ""])


def main() -> int:
    """Exit code 1 if a receiver differs."""
    parser = argparse.ArgumentParser(prog="make interop ARGS=...", description=__doc__)
    parser.add_argument("--images", type=int, default=1000, metavar="N", help="default 1000")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST is")
    parser.add_argument("--out", type=Path, default=ROOT / "results", metavar="DIR")
    parser.add_argument("receivers", nargs="*", metavar="RECEIVER", help=", ".join(RECEIVERS))
    options = parser.parse_args()
    if options.images < 1 or not set(options.receivers) <= set(RECEIVERS):
        parser.error(f"allowed: --images from 1 on, and the receivers {', '.join(RECEIVERS)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    outside.pip_timeouts()
    where, dataset = network(options.data_dir, options.images)
    images = BUILD / "images.npz"
    files = {model: BUILD / f"network-{model}.nir" for model in ("cuba", "lif")}
    for model, file in files.items():
        sbp("export", where, "--neuron", model, str(file))
    write_npz(images, {"x": dataset.x_test})
    from sbp.app.cli.options import load_weights

    weights = load_weights(where)
    spikes, _ = training.outputs(dataset.x_test, weights, "compiled", dataset.n_classes)
    rows = {}
    for name in options.receivers or RECEIVERS:
        counts, versions = receive(name, files[RECEIVERS[name].neuron], images)
        neuron = RECEIVERS[name].neuron
        rows[name] = {"versions": versions, "neuron": neuron, **compare(counts, spikes)}
    record = {
        "id": "interop",
        "dataset": dataset.name,
        "data_checksum": dataset.checksum,
        "images": len(dataset.x_test),
        "sizes": "-".join(map(str, training.sizes_of(weights))),
        "weights_digest": arrays_digest(weights),
        "receivers": rows,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    table = markdown(record)
    provenance.write_record(options.out / "interop.json", record)
    write_atomic(options.out / "interop.md", lambda stream: stream.write(table.encode()))
    print(table)
    print(f"written: {options.out / 'interop.json'}, {options.out / 'interop.md'}")
    return int(any(row["equal_spikes"] < row["images"] for row in rows.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SbpError, subprocess.CalledProcessError) as error:
        print(f"interop: error: {error}", file=sys.stderr)
        sys.exit(2)
