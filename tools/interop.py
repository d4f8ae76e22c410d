"""Does a network exported by ``sbp export`` compute the same elsewhere?  Run by ``make interop``.

Every receiver is a simulator of others, in an environment of its own under build/interop, made
with pip on first use.  It reads the exported file, runs the same images, and its output spikes
are compared with those of our circuit, image by image.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from sbp.errors import SbpError
from sbp.files import arrays_digest, write_atomic, write_npz
from sbp.learn import data, pretrained, training
from sbp.reproduce import provenance

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "interop"
SCRIPTS = ROOT / "tests" / "interop"

#: Name of the distribution -> rounds of pip.  torch 2.13 is what they were tried with; Norse asks
#: for torchvision, which only its data sets need, hence its round without dependencies.
RECEIVERS = {
    "snntorch": (["torch==2.13.0"], ["snntorch==1.0.0", "nir==1.0.8", "nirtorch==2.6"]),
    "norse": (
        ["torch==2.13.0"],
        ["nir==1.0.8", "nirtorch==2.6", "numpy"],
        ["--no-deps", "norse==1.1.0"],
    ),
    "spyx": (["spyx==1.0.0", "nir==1.0.8"],),
}


def environment(name: str) -> Path:
    """The Python of a receiver's environment, made if it is not there or asks for other pins."""
    folder = BUILD / name
    python, stamp, pins = folder / "bin" / "python", folder / ".pins", json.dumps(RECEIVERS[name])
    if stamp.exists() and stamp.read_text("utf-8") == pins:
        return python
    find = ["sh", "tools/find-python.sh"]
    for range_ in (("11", "11"), ("11", "13")):  # 3.11 is what all of them were tried with
        found = subprocess.run([*find, *range_], cwd=ROOT, capture_output=True, text=True)
        if found.returncode == 0:
            break
    else:
        raise SbpError("the receivers need Python 3.11 to 3.13, and none was found")
    print(f"making the environment of {name} in {folder.relative_to(ROOT)}", flush=True)
    subprocess.run([found.stdout.strip(), "-m", "venv", "--clear", str(folder)], check=True)
    for arguments in RECEIVERS[name]:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *arguments], check=True)
    stamp.write_text(pins, "utf-8")
    return python


def network(root: Path | None, images: int) -> tuple[str, data.Dataset]:
    """What is exported, and its test images: MNIST if it is here, else the embedded digits."""
    if data.available(root)["mnist"].startswith("found"):
        everything = data.load("mnist", root=root, download=False)
        return pretrained.NAME, everything.take(n_test=min(images, len(everything.x_test)))
    everything = data.load("digits")
    run = BUILD / "digits"
    sbp("train", "--epochs", "20", "--out", str(run), "--force", "--quiet")
    return str(run), everything.take(n_test=min(images, len(everything.x_test)))


def sbp(*arguments: str) -> None:
    """Run the command line as a user does."""
    subprocess.run([sys.executable, "-m", "sbp", *arguments], cwd=ROOT, check=True)


def receive(name: str, file: Path, images: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Spike counts (n, n_o) and versions, from a receiver that knows nothing of us."""
    out = BUILD / f"{name}.npz"
    out.unlink(missing_ok=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [environment(name), SCRIPTS / f"run_{name}.py", file, images, out]
    log = BUILD / f"{name}.log"
    with open(log, "w", encoding="utf-8") as stream:
        ran = subprocess.run(command, env=clean, cwd=BUILD, stdout=stream, stderr=stream)
    if ran.returncode:
        raise SbpError(f"{name} failed: {log.read_text('utf-8').splitlines()[-1]}", do=f"see {log}")
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
    head = "| receiver | version | images | equal predictions | equal output spikes | differing |"
    lines = [head, "|---|---|--:|--:|--:|---|"]
    for name, row in record["receivers"].items():
        with_ = next(n for n in ("torch", "jax") if n in row["versions"])
        why = ", ".join(
            f"image {d['image']}: {d['theirs']} for {d['ours']}" for d in row["differing"][:5]
        )
        lines.append(
            f"| {name} | {row['versions'][name]} ({with_} {row['versions'][with_]}) "
            f"| {row['images']:,} | {row['equal_predictions']:,} | {row['equal_spikes']:,} "
            f"| {len(row['differing'])}{': ' + why if why else ''} |"
        )
    about = (
        f"Measured: the {record['sizes']} network on the first {record['images']:,} test images "
        f"of {record['dataset']}, against the spikes of the inference circuit on the compiled "
        "engine.  Written by `make interop`."
    )
    return "\n".join([*lines, "", about, ""])


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
    where, dataset = network(options.data_dir, options.images)
    file, images = BUILD / "network.nir", BUILD / "images.npz"
    sbp("export", where, "--to", "nir", str(file))
    write_npz(images, {"x": dataset.x_test})
    from sbp.app.cli.options import load_weights

    weights = load_weights(where)
    spikes, _ = training.outputs(dataset.x_test, weights, "compiled", dataset.n_classes)
    rows = {}
    for name in options.receivers or RECEIVERS:
        counts, versions = receive(name, file, images)
        rows[name] = {"versions": versions, **compare(counts, spikes)}
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
