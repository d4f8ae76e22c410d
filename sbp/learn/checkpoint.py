"""The folder of a training run: checkpoints, final weights and history, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sbp.errors import FileError
from sbp.files import arrays_digest, check_writable, read_json, read_npz, write_json, write_npz
from sbp.weights import check_weights

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = "sbp checkpoint 1"


@dataclass
class Checkpoint:
    """A training run in the middle.

    Attributes
    ----------
    identity : dict
        Settings and data the run belongs to; a checkpoint of another run is refused.
    epochs : list of dict
        History of the finished epochs.
    position : int
        Samples learned of the epoch under way.  With the seed in `identity` and the number of
        finished epochs it is the whole random state: every epoch's order is drawn afresh from
        (seed, epoch).
    seconds : float
        Learning time spent in the epoch under way.
    arrays : dict of str to ndarray
        The learner's state.
    """

    identity: dict[str, Any]
    epochs: list[dict[str, float]]
    position: int
    seconds: float
    arrays: dict[str, np.ndarray]


class RunFolder:
    """A folder with weights.npz, history.json, checkpoint.npz and checkpoint.previous.npz."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.newest = self.path / "checkpoint.npz"
        self.previous = self.path / "checkpoint.previous.npz"
        self.weights = self.path / "weights.npz"
        self.history = self.path / "history.json"
        self._newest_is_bad = False  # found by `load`
        self._replaced = False  # see `replace`

    @property
    def files(self) -> tuple[Path, ...]:
        """What a run leaves here."""
        return self.newest, self.previous, self.weights, self.history

    @property
    def used(self) -> bool:
        """Whether a run, or a part of one, is already saved here."""
        return any(path.exists() for path in self.files)

    @property
    def finished(self) -> bool:
        """Whether final weights and history are here."""
        return self.weights.exists() and self.history.exists()

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint, good or not."""
        return self.newest.exists() or self.previous.exists()

    def check(self) -> None:
        """Raise FileError unless files can be written here; the folder is made if need be."""
        if self.path.exists() and not self.path.is_dir():
            raise FileError(f"{self.path} is not a folder", do="choose another one")
        check_writable(self.newest)

    def replace(self) -> None:
        """Let the next `save` take the place of the run that is here, which stays until then."""
        self._replaced = True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training into this folder; a killed one keeps no lock.

        Raises
        ------
        FileError
            If another process is at it.
        """
        if fcntl is None:  # Windows
            yield
            return
        handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FileError(
                    f"another training run is writing into {self.path}",
                    do="wait for it, or choose another --out",
                ) from None
            except OSError:  # a file system without locks
                pass
            yield
        finally:
            os.close(handle)

    def tidy(self) -> None:
        """Remove what a killed process left half-written."""
        (self.path / "checkpoint.old.npz").unlink(missing_ok=True)
        for name in ("checkpoint.new.npz", self.weights.name, self.history.name):
            for path in self.path.glob(f".{name}.*"):
                path.unlink(missing_ok=True)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint`; the good one before it is kept beside it."""
        header = {
            "format": FORMAT,
            "identity": checkpoint.identity,
            "epochs": checkpoint.epochs,
            "position": checkpoint.position,
            "seconds": checkpoint.seconds,
            "arrays": arrays_digest(checkpoint.arrays),
        }
        text = json.dumps(header)
        arrays = {f"array:{name}": array for name, array in checkpoint.arrays.items()}
        arrays["header"] = np.array(text)
        arrays["checksum"] = np.array(hashlib.sha256(text.encode()).hexdigest())
        # The old one gets a second name before the new one takes its place: at every moment
        # checkpoint.npz is there, and whole.
        fresh, old = self.path / "checkpoint.new.npz", self.path / "checkpoint.old.npz"
        write_npz(fresh, arrays)
        if self._replaced:
            for path in self.files:
                path.unlink(missing_ok=True)
        if self.newest.exists() and not self._newest_is_bad:
            old.unlink(missing_ok=True)
            try:
                os.link(self.newest, old)
            except OSError:  # a file system without hard links
                shutil.copyfile(self.newest, old)
            os.replace(old, self.previous)
        os.replace(fresh, self.newest)
        self._newest_is_bad = self._replaced = False

    def load(self, identity: Mapping[str, Any]) -> Checkpoint | None:
        """The newest good checkpoint of the run `identity`; None if there is no checkpoint.

        Raises
        ------
        FileError
            If there are checkpoints and none can be used.
        """
        problems = []
        for path in (self.newest, self.previous):
            if not path.exists():
                continue
            try:
                checkpoint = self._read(path, identity)
            except FileError as error:
                problems.append(str(error))
                continue
            self._newest_is_bad = bool(problems)
            for problem in problems:
                warnings.warn(
                    f"{problem}; going on from {path.name}, epoch {len(checkpoint.epochs)}",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return checkpoint
        if problems:
            raise FileError(
                problems[0], do="no earlier checkpoint can be used: start afresh in another folder"
            )
        return None

    def _read(self, path: Path, identity: Mapping[str, Any]) -> Checkpoint:
        stored = read_npz(path, "checkpoint")
        try:
            text = str(stored.pop("header"))
            checksum = str(stored.pop("checksum"))
            header = json.loads(text)
            arrays = {name.removeprefix("array:"): array for name, array in stored.items()}
            good = (
                header["format"] == FORMAT
                and hashlib.sha256(text.encode()).hexdigest() == checksum
                and header["arrays"] == arrays_digest(arrays)
            )
        except (KeyError, ValueError, TypeError) as error:
            raise FileError(f"{path} is no checkpoint of this version ({error!r})") from None
        if not good:
            raise FileError(f"{path} is damaged: its checksum does not fit")
        for name, value in identity.items():
            if header["identity"].get(name) != value:
                raise FileError(
                    f"{path} belongs to another run: {name} is "
                    f"{header['identity'].get(name)!r} there and {value!r} here"
                )
        return Checkpoint(
            header["identity"], header["epochs"], header["position"], header["seconds"], arrays
        )

    def finish(
        self, weights: Mapping[str, np.ndarray], epochs: list[dict[str, float]], facts: dict
    ) -> None:
        """Write the final weights and the history."""
        write_npz(self.weights, weights)
        write_json(self.history, {**facts, "epochs": epochs})


def _say_if_unfinished(path: Path) -> None:
    if RunFolder(path).resumable:
        raise FileError(
            f"{path} holds an unfinished run", do=f"sbp train --out {path} --resume goes on with it"
        )


def load_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Read W1 (n_h, n_in) and W2 (n_o, n_h), int16, from a run folder or a weights file.

    Raises
    ------
    FileError
        If the file is missing or is no weights file.
    SpecError
        If a weight is odd, out of range, or the shapes do not fit each other.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "weights.npz").exists():
            _say_if_unfinished(path)
            raise FileError(
                f"{path} holds no weights.npz", do="give the folder of a finished training run"
            )
        path = path / "weights.npz"
    stored = read_npz(path, "weights file")
    for name in ("W1", "W2"):
        if name not in stored or stored[name].ndim != 2:
            raise FileError(f"{path} is no weights file: it has no matrix {name}")
    n_h = len(stored["W1"])
    return {
        "W1": check_weights("W1", stored["W1"], (n_h, stored["W1"].shape[1])),
        "W2": check_weights("W2", stored["W2"], (len(stored["W2"]), n_h)),
    }


def load_history(path: str | Path) -> dict[str, Any]:
    """The ``history.json`` of a run folder, or a JSON file written by ``sbp train --json``.

    Raises
    ------
    FileError
        If it is missing, or its "epochs" are no list of measures.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "history.json").exists():
            _say_if_unfinished(path)
        path = path / "history.json"
    value = read_json(path, "training history")
    if not isinstance(value, dict) or not isinstance(value.get("epochs"), list):
        raise FileError(f"{path} is no training history: it has no list of epochs")
    for place, row in enumerate(value["epochs"], 1):
        good = (
            isinstance(row, dict)
            and type(row.get("epoch")) is int
            and all(type(number) in (int, float) for number in row.values())
        )
        if not good:
            raise FileError(
                f"{path} is no training history: entry {place} of its epochs is {str(row)[:60]}",
                allowed='{"epoch": 1, "exact": 0.9, ...}, numbers only',
            )
    return value
