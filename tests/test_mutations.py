"""Every kind of file the package reads, damaged or lying: refused in one line, or read right.

`SBP_MUTATIONS=N` reads N mutations of each kind, of slow ones fewer; `make mutations` sets it.
A file that ends in anything else is kept in the folder that the failure names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import mutations
import numpy as np
import pytest
from data_files import idx_bytes

from sbp import algebra
from sbp.app import exchange
from sbp.circuits import learning_circuit
from sbp.errors import SbpError
from sbp.files import plain, program_file, trace
from sbp.learn import data, pretrained
from sbp.learn.checkpoint import RunFolder, load_history, load_weights
from sbp.learn.training import Settings, train
from sbp.plots import learning_curve
from sbp.program import lower
from sbp.reproduce import provenance, status, sweeps
from sbp.reproduce.claims import select
from sbp.reproduce.sweeps import cluster, job
from sbp.weights import Weights, arrays_digest

COUNT = int(os.environ.get("SBP_MUTATIONS", "40"))
SIZES = (64, 5, 10)
PROGRAM = lower(learning_circuit((6, 5, 3)))
DIGITS = data.load("digits").take(26, 10)

Mutate = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of file: how one is made, how it is changed, and what is done with it."""

    make: Callable[[Path], Path]  #: into an empty folder; returns the file that is changed
    use: Callable[[Path], object]  #: reads the file, and works with what was read
    lie: Mutate | None = None  #: changes it so that checksums of the container fit
    slow: int = 1  #: this many times fewer are tried


# --- what is made of a file -----------------------------------------------------------------------


def weights_are_good(weights: Weights) -> None:
    network = algebra.Network(weights)
    network.outputs(np.ones((2, weights.sizes[0]), np.uint8))
    assert Weights(dict(weights)).digest == weights.digest


def use_weights(path: Path) -> None:
    weights_are_good(load_weights(path))


def use_history(path: Path) -> None:
    learning_curve([load_history(path)["epochs"]])


def use_checkpoint(path: Path) -> None:
    folder = RunFolder(path.parent)
    for engine in ("compiled", "algebra"):
        if engine in path.parent.name:
            chosen = Settings(engine, 5, 2)
            result = train(DIGITS, chosen, folder=folder, resume=True)
            weights_are_good(result.weights)


def use_unfinished(path: Path) -> None:
    saved = RunFolder(path.parent).saved()
    weights_are_good(saved.weights)
    learning_curve([saved.history["epochs"]])


def use_trace(path: Path) -> None:
    found = trace.read(path)
    trace.verify(found, "compiled")
    trace.write_csv(found, path.with_suffix(".csv"))


def use_plain_trace(path: Path) -> None:
    trace.verify(plain.read_trace(path, PROGRAM), "compiled")


def use_data(path: Path) -> None:
    dataset = data.load(str(path))
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        assert x.shape == (len(y), dataset.n_inputs)
        assert set(np.unique(x)) <= {0, 1}
        assert not y.size or 0 <= y.min() <= y.max() < dataset.n_classes
    assert dataset.image_shape is None or np.prod(dataset.image_shape) == dataset.n_inputs


def use_idx(path: Path) -> None:
    use_data(path.parent)


def use_program(path: Path) -> None:
    program = program_file.read(path)
    assert program.digest == PROGRAM.digest


def use_nir(path: Path) -> None:
    weights_are_good(exchange.read(path)[0])


def use_result(path: Path) -> None:
    rows = status.read_verdicts(path.parent, select(["digits"]), KNOWN)
    status.table(rows, None, "title")
    assert rows[0].status != status.NOT_RUN


def use_job(path: Path) -> None:
    found = cluster.finished(JOB, path.parent, job.code(), DATA_CHECKSUM)
    if found is not None:
        sweeps.report(sweeps.summary([found]))


# --- lies -----------------------------------------------------------------------------------------


def lie_json(content: bytes, rng: np.random.Generator) -> bytes:
    return json.dumps(mutations.lie_json(json.loads(content), rng)).encode()


def lie_record(content: bytes, rng: np.random.Generator) -> bytes:
    """A result whose checksums fit what it says now."""
    record = mutations.lie_json(json.loads(content), rng)
    if isinstance(record, dict):
        if "computed" in record:
            record["computed"] = provenance.computed(dict.fromkeys(provenance.COMPUTED) | record)
        record["checksum"] = provenance.checksum(record)
    return json.dumps(record).encode()


def lie_checkpoint(content: bytes, rng: np.random.Generator) -> bytes:
    """A checkpoint with an entry of its header or an array changed, and checksums that fit."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(str(arrays.pop("header")))
    del arrays["checksum"]
    if rng.random() < 0.5:
        name = list(arrays)[rng.integers(len(arrays))]
        arrays[name] = mutations.lie_array(arrays[name], rng)
    else:
        header = mutations.lie_json(header, rng)
    if isinstance(header, dict) and "arrays" in header:
        named = {name.removeprefix("array:"): array for name, array in arrays.items()}
        header["arrays"] = arrays_digest(named)
    text = json.dumps(header)
    arrays["header"] = np.array(text)
    arrays["checksum"] = np.array(hashlib.sha256(text.encode()).hexdigest())
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def lie_gzip(content: bytes, rng: np.random.Generator) -> bytes:
    return gzip.compress(mutations.damage(gzip.decompress(content), rng), 1)


# --- what is made ---------------------------------------------------------------------------------


def make_run(engine: str, epochs: int, name: str, folder: Path) -> Path:
    run = RunFolder(folder / engine)
    train(DIGITS, Settings(engine, 5, epochs), folder=run)
    if name == "checkpoint.npz":
        for path in (run.weights, run.history, run.previous):
            path.unlink(missing_ok=True)
    return run.path / name


def make_trace(folder: Path, plain_text: bool = False) -> Path:
    rng = np.random.default_rng(3)
    stimulus = {"input": rng.integers(0, 2, (2, 6)), "target": np.eye(3, dtype=int)[:2]}
    found = trace.record(PROGRAM, stimulus, Weights.random(PROGRAM.sizes, 1), states=("h",))
    if plain_text:
        return plain.write_trace(replace(found, u={}, v={}), folder / "t.trace")
    return trace.write(found, folder / "t.npz")


def make_weights(folder: Path) -> Path:
    np.savez(folder / "w.npz", **Weights.random(SIZES, 0))
    return folder / "w.npz"


def make_pretrained(folder: Path) -> Path:
    return pretrained.save(Weights.random(SIZES, 0), {"note": "é"}, folder / "p.npz")


def make_own(folder: Path) -> Path:
    x = DIGITS.x_train.reshape(-1, 8, 8)[:12]
    np.savez(folder / "own.npz", x_train=x, y_train=np.arange(12) % 3, x_test=x[:3],
             y_test=np.arange(3), image_shape=np.array([8, 8]))  # fmt: skip
    return folder / "own.npz"


def make_idx(name: str, folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, n in (("train", 12), ("t10k", 4)):
        pictures = rng.integers(0, 256, (n, 5, 4), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 3
        for kind, array in (("images-idx3", pictures), ("labels-idx1", labels)):
            path = folder / f"{part}-{kind}-ubyte"
            content = idx_bytes(array)
            if name == f"{path.name}.gz":
                path, content = folder / name, gzip.compress(content)
            path.write_bytes(content)
    return folder / name


def make_job(folder: Path) -> Path:
    cluster.keep(JOB, sweeps.run_job(JOB), folder)
    return folder / f"{JOB.id}.json"


def make_result(folder: Path) -> Path:
    from sbp.reproduce import main

    assert main(["digits"], seeds=1, out=folder, figures=False) == 0
    return folder / "digits.json"


JOB = sweeps.Job(dataset="digits", hidden=5, epochs=2, n_train=30, n_test=10)
(DATA_CHECKSUM,) = job.checksums([JOB], None).values()
KNOWN = status.Known()

ZIP, RECORD = mutations.lie_npz, lie_record
KINDS = {
    "weights": Kind(make_weights, use_weights, ZIP),
    "weights of a run": Kind(partial(make_run, "algebra", 2, "weights.npz"), use_weights, ZIP),
    "weights of a run's folder": Kind(
        partial(make_run, "algebra", 2, "weights.npz"), lambda path: use_weights(path.parent), ZIP
    ),
    "history": Kind(partial(make_run, "algebra", 2, "history.json"), use_history, lie_json),
    "checkpoint of the circuit": Kind(
        partial(make_run, "compiled", 1, "checkpoint.npz"), use_checkpoint, lie_checkpoint, slow=2
    ),
    "checkpoint of the algebra": Kind(
        partial(make_run, "algebra", 1, "checkpoint.npz"), use_checkpoint, lie_checkpoint, slow=2
    ),
    "checkpoint of an unfinished run": Kind(
        partial(make_run, "algebra", 1, "checkpoint.npz"), use_unfinished, lie_checkpoint
    ),
    "trace": Kind(make_trace, use_trace, ZIP),
    "trace in plain text": Kind(partial(make_trace, plain_text=True), use_plain_trace),
    "weights in plain text": Kind(
        lambda folder: plain.write_weights(
            Weights.random(PROGRAM.sizes, 0), PROGRAM, folder / "w.weights"
        ),
        lambda path: weights_are_good(Weights(plain.read_weights(path, PROGRAM))),
    ),
    "program": Kind(lambda folder: program_file.write(PROGRAM, folder / "net.sbp"), use_program),
    "own data": Kind(make_own, use_data, ZIP),
    "pictures": Kind(partial(make_idx, "train-images-idx3-ubyte"), use_idx),
    "labels": Kind(partial(make_idx, "t10k-labels-idx1-ubyte"), use_idx),
    "packed pictures": Kind(partial(make_idx, "train-images-idx3-ubyte.gz"), use_idx, lie_gzip),
    "NIR": Kind(
        lambda folder: exchange.write(folder / "n.nir", Weights.random((4, 3, 2), 0)),
        use_nir,
        slow=40,
    ),
    "result": Kind(make_result, use_result, RECORD),
    "result of a sweep": Kind(make_job, use_job, RECORD),
}


@pytest.mark.parametrize("name", KINDS)
def test_it_is_refused_or_read(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    path = kind.make(tmp_path)
    good = path.read_bytes()
    kind.use(path)
    files = {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    rng = np.random.default_rng(list(name.encode()))
    messages = []
    for number in range(max(COUNT // kind.slow, 3)):
        for file in path.parent.iterdir():
            if file.is_file() and file not in files:
                file.unlink()
        for file, content in files.items():
            if not file.exists() or file.read_bytes() != content:
                file.write_bytes(content)
        mutate = kind.lie if kind.lie and number % 2 else mutations.damage
        changed = mutate(good, rng)
        path.write_bytes(changed)
        try:
            with warnings.catch_warnings(), np.errstate(all="raise"):
                warnings.simplefilter("ignore", RuntimeWarning)
                kind.use(path)
        except SbpError as error:
            messages.append(str(error))
        except BaseException as error:
            kept = tmp_path / f"mutation-{number}"
            kept.write_bytes(changed)
            error.args = (f"{name}, mutation {number}, kept as {kept}: {error}",)
            raise
    assert messages or name.startswith("result"), "nothing was damaged"
    assert [text for text in messages if "\n" in text or len(text) > 1000] == []
