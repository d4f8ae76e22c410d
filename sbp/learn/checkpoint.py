"""The folder of a training run: checkpoints, final weights and history, written atomically.

At every moment, whatever kills the process, the folder holds a whole run: the newest is moved
over what was there before anything is removed, and loading looks at every file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from glob import escape
from operator import itemgetter
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from sbp.errors import FileError
from sbp.files import (
    TEMPORARY,
    TEXT,
    Member,
    as_path,
    check_writable,
    parse_json,
    read_json,
    read_npz,
    tidy,
    write_json,
    write_npz,
)
from sbp.learn.schema import Epoch, Header, History, check
from sbp.weights import LIMITS, Weights, arrays_digest, check_names, is_chain

FORMAT = "sbp checkpoint 1"
LOCK = ".sbp-lock"
_HEADER = {"header": TEXT, "checksum": TEXT}
_ARRAYS = _HEADER | {"array:*": Member("biu", needed=False)}
_MATRIX = Member("iu", 2, allowed=f"{LIMITS}, (n_post, n_pre)", needed=False)
_ABOUT = Member("U", 0, needed=False)


@dataclass
class Checkpoint:
    """A training run in the middle.

    Attributes
    ----------
    identity : dict
        Settings and data the run belongs to; a checkpoint of another run is refused.
    epochs : list of dict
        What was measured so far.
    position : int
        Samples learned of the epoch under way.  With the seed in `identity` and the number of
        finished epochs it is the whole random state: every epoch's order is drawn afresh from
        (seed, epoch).
    seconds : float
        Learning time spent in the epoch under way.
    arrays : dict of str to ndarray
        The learner's state.
    facts : dict
        What else is needed to go on with the run, or to tell how it was made.
    path : Path or None
        Where it was read.
    """

    identity: dict[str, Any]
    epochs: list[dict[str, float]]
    position: int
    seconds: float
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any] = field(default_factory=dict)
    path: Path | None = field(default=None, compare=False)


@dataclass
class Saved:
    """What a run folder holds.

    Attributes
    ----------
    weights : Weights
    history : dict
        "epochs" (a list of measures), and how the run was made.
    finished : bool
    """

    weights: Weights
    history: dict[str, Any]
    finished: bool


class RunFolder:
    """A folder with weights.npz, history.json, checkpoint.npz and checkpoint.previous.npz.

    Each run that begins in the folder has the next number, which its files carry: where files
    of two runs lie side by side, because a process was killed, the later run counts.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = as_path(path)
        self.newest = self.path / "checkpoint.npz"
        self.previous = self.path / "checkpoint.previous.npz"
        self.weights = self.path / "weights.npz"
        self.history = self.path / "history.json"
        self._lock = filelock.FileLock(self.path / LOCK, timeout=0)
        self._run: int | None = None  # number of the run that is gone on with or written
        self._newest_is_bad = False  # found by `load`

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
        """Whether final weights are here."""
        return self.weights.exists()

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint, good or not."""
        return self.newest.exists() or self.previous.exists()

    def check(self) -> None:
        """Raise FileError unless files can be written here."""
        if self.path.exists() and not self.path.is_dir():
            raise FileError(f"{self.path} is not a folder", do="choose another one")
        check_writable(self.newest)

    def begin(self) -> None:
        """Let the next thing written begin a new run, which takes the place of what is here."""
        self._run, self._newest_is_bad = None, False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, keep other processes from writing a run into it, and tidy it.

        A killed process keeps no lock, and a folder that stays empty is removed.

        Raises
        ------
        FileError
            If another process is at it, or the folder cannot be made.
        """
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout:
            raise FileError(
                f"another process is writing a run into {self.path}",
                do="wait for it, or choose another --out",
            ) from None
        except OSError as error:
            raise FileError(f"cannot write into {self.path}: {error.strerror or error}") from error
        try:
            tidy(self.path)
            yield
        finally:
            self._lock.release()
            if made and not self.used and not self._lock.is_locked:
                with suppress(OSError):
                    (self.path / LOCK).unlink()
                    for folder in made:
                        folder.rmdir()

    # --- writing ---------------------------------------------------------------------------------

    def save(self, checkpoint: Checkpoint) -> None:
        """Write `checkpoint`; the good one before it is kept beside it.

        What is saved first, with nothing loaded from here, begins a new run.
        """
        begins = self._run is None
        run = self._next() if self._run is None else self._run
        header = {
            "format": FORMAT,
            "identity": checkpoint.identity,
            "epochs": checkpoint.epochs,
            "position": checkpoint.position,
            "seconds": checkpoint.seconds,
            "arrays": arrays_digest(checkpoint.arrays),
            "facts": checkpoint.facts,
            "run": run,
        }
        text = json.dumps(header)
        arrays = {f"array:{name}": array for name, array in checkpoint.arrays.items()}
        arrays["header"] = np.array(text)
        arrays["checksum"] = np.array(hashlib.sha256(text.encode()).hexdigest())
        keep = not begins and not self._newest_is_bad and self.newest.exists()
        write_npz(self.newest, arrays, self._keep_newest if keep else None)
        if begins:
            _remove(self.previous, self.history, self.weights)
        self._run, self._newest_is_bad = run, False

    def _keep_newest(self) -> None:
        # A second name, before the new one takes its place: at every moment checkpoint.npz is
        # there, and whole.
        second = self.path / f"{TEMPORARY}{self.previous.name}"
        second.unlink(missing_ok=True)
        try:
            os.link(self.newest, second)
        except OSError:  # a file system without hard links
            shutil.copyfile(self.newest, second)
        os.replace(second, self.previous)
        second.unlink(missing_ok=True)  # names of one file already: then the move does nothing

    def _next(self) -> int:
        found = [0, self._final_run()]
        for path in (self.newest, self.previous):
            with suppress(FileError):
                found.append(_header(path).run)
        return 1 + max(found)

    def _final_run(self) -> int:
        try:
            return self.final().history.get("run", 0)
        except FileError:
            return 0

    def finish(
        self, weights: Mapping[str, np.ndarray], epochs: list[dict[str, float]], facts: dict
    ) -> None:
        """Write the final weights and the history.

        The weights carry the history too, so that one move makes both the new ones.
        """
        begins = self._run is None
        run = self._next() if self._run is None else self._run
        history = {**facts, "digest": arrays_digest(weights), "run": run, "epochs": epochs}
        if not is_chain(weights):
            history["matrices"] = list(weights)
        write_weights(self.weights, weights, history)
        self._run = run
        write_json(self.history, history)
        if begins:
            _remove(self.newest, self.previous)

    # --- reading ---------------------------------------------------------------------------------

    def load(self, identity: Mapping[str, Any]) -> Checkpoint | None:
        """The newest good checkpoint of the run `identity`; None if there is no checkpoint.

        Raises
        ------
        FileError
            If there are checkpoints and none can be used.
        """
        problems, final = [], self._final_run()
        for path in (self.newest, self.previous):
            if not path.exists():
                continue
            try:
                header, checkpoint = _read(path)
                _check_identity(path, header.identity, identity)
                if header.run < final:
                    raise FileError(f"{path} is older than the weights beside it")
            except FileError as error:
                problems.append(str(error))
                continue
            self._run, self._newest_is_bad = header.run, bool(problems)
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

    def begun(self) -> Checkpoint | None:
        """The newest good checkpoint without its arrays, of whatever run; None if there is none."""
        for path in (self.newest, self.previous):
            with suppress(FileError):
                return _without_arrays(_header(path))
        return None

    def saved(self) -> Saved:
        """Weights and history as they stand: of the finished run, or of the newest checkpoint.

        Raises
        ------
        FileError
            If there are none, or none can be read.
        """
        found: list[tuple[tuple[int, float, int], Callable[[], Saved]]] = []
        problems: list[FileError] = []
        try:
            final = self.final()
            epochs = final.history.get("epochs", [])
            place = final.history.get("run", 0), epochs[-1]["epoch"] if epochs else 0, 1
            found.append((place, lambda: final))
        except FileError as error:
            problems += [error] if self.weights.exists() else []
        for path in (self.newest, self.previous):
            try:
                header = _header(path)
                done = int(header.epochs[-1]["epoch"]) if header.epochs else 0
                begun = header.position / (1 + header.position)  # grows, and stays below 1
                found.append(((header.run, done + begun, 0), partial(_standing, path)))
            except FileError as error:
                problems += [error] if path.exists() else []
        for _, read in sorted(found, key=itemgetter(0), reverse=True):
            try:
                return read()
            except FileError as error:
                problems.append(error)
        if problems:
            raise problems[0]
        raise FileError(f"{self.path} holds no weights.npz", do="give the folder of a training run")

    def final(self) -> Saved:
        """What the last finished run left; FileError if there is none."""
        return read_final(self.weights, self.history)


def _remove(*paths: Path) -> None:
    # Of an earlier run, which its number tells: one that stays does no harm.
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


# --- checkpoints ----------------------------------------------------------------------------------


def _header(path: Path, stored: Mapping[str, np.ndarray] | None = None) -> Header:
    stored = stored or read_npz(path, "checkpoint", _HEADER)
    text, what = str(stored["header"]), f"{path} is no checkpoint of this version"
    header = check(parse_json(text, what), Header, what)
    check(header.epochs, list[Epoch], what)
    if header.format != FORMAT:
        raise FileError(f"{what}: its format is {header.format!r}", allowed=FORMAT)
    if hashlib.sha256(text.encode()).hexdigest() != str(stored["checksum"]):
        raise FileError(f"{path} is damaged: its checksum does not fit")
    return header


def _without_arrays(header: Header) -> Checkpoint:
    return Checkpoint(
        header.identity, header.epochs, header.position, header.seconds, {}, header.facts
    )


def _read(path: Path) -> tuple[Header, Checkpoint]:
    stored = read_npz(path, "checkpoint", _ARRAYS)
    header = _header(path, stored)
    arrays = {
        name.removeprefix("array:"): array
        for name, array in stored.items()
        if name.startswith("array:")
    }
    if header.arrays != arrays_digest(arrays):
        raise FileError(f"{path} is damaged: its checksum does not fit")
    return header, replace(_without_arrays(header), arrays=arrays, path=path)


def _check_identity(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        # A setting that there was not yet was off.
        there = found.get(name, None if value else value)
        if there != value:
            raise FileError(
                f"{path} belongs to another run: {name} is {there!r} there and {value!r} here"
            )


def named(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`weights` as arrays of a checkpoint."""
    return {f"matrix:{name}": matrix for name, matrix in weights.items()}


def matrices(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights among the arrays of a checkpoint; W1 and W2 were once called so alone."""
    found = {n.removeprefix("matrix:"): a for n, a in arrays.items() if n.startswith("matrix:")}
    return found or {name: arrays[name] for name in ("W1", "W2") if name in arrays}


def _standing(path: Path) -> Saved:
    """The weights in a checkpoint."""
    header, checkpoint = _read(path)
    weights = matrices(checkpoint.arrays)
    if not weights:
        raise FileError(
            f"{path.parent} holds an unfinished run",
            do=f"sbp train --out {path.parent} --resume goes on with it",
        )
    history = {**header.facts, **header.identity, "run": header.run, "epochs": checkpoint.epochs}
    if not is_chain(weights):
        history["matrices"] = list(weights)
    return Saved(_weights(path, weights, history), history, False)


# --- weights and histories ------------------------------------------------------------------------


def write_weights(
    path: Path, weights: Mapping[str, np.ndarray], history: Mapping[str, Any]
) -> Path:
    """Write a weights file that says how it was trained; `history` has "epochs" at least."""
    members = weights if is_chain(weights) else named(weights)  # whatever they are called
    return write_npz(path, {**members, "about": np.array(json.dumps(history))})


def read_final(path: Path, history: Path | None = None) -> Saved:
    """A weights file, and what it says of its training; or what the file `history` says."""
    what, about = f"{path} is no weights file", None
    text = read_npz(path, "weights file", {"about": _ABOUT}).get("about")
    if text is not None:
        about = parse_json(str(text), what)
        check(about, History, what)
    elif history is not None and history.exists():
        about = read_history(history)
    names = (about or {}).get("matrices")
    stored = {}
    if names:
        found = read_npz(path, "weights file", {"matrix:*": _MATRIX})
        stored = {name.removeprefix("matrix:"): matrix for name, matrix in found.items()}
    if not stored:  # one's own names were once not marked
        members = dict.fromkeys(map(escape, names) if names else ["W*"], _MATRIX)
        stored = read_npz(path, "weights file", members)
    weights = _weights(path, stored, about or {})
    if about and about.get("digest", weights.digest) != weights.digest:
        if text is not None:
            raise FileError(f"{path} is damaged: its checksum does not fit")
        raise FileError(
            f"{history} belongs to other weights than {path.name} beside it",
            do="remove the one that is wrong",
        )
    return Saved(weights, about or {}, True)


def _weights(path: Path, stored: Mapping[str, np.ndarray], history: Mapping[str, Any]) -> Weights:
    """Those of a network; of a circuit of one's own, the history says their names."""
    if names := history.get("matrices"):
        check_names(str(path), stored, names)
        return Weights({name: stored[name] for name in names})
    return Weights.chain(stored, str(path))


def load_weights(path: str | Path) -> Weights:
    """Read the weights of a network, W1 .. WL or W, from a run folder or a weights file.

    Of an unfinished run they are those of its newest checkpoint, and a warning says so.

    Raises
    ------
    FileError
        If the file is missing or is no weights file.
    SpecError
        If a weight is odd or out of range, or names or shapes do not make a network.
    """
    path = as_path(path)
    if not path.is_dir():
        return read_final(path).weights
    saved = RunFolder(path).saved()
    if not saved.finished:
        done = len(saved.history["epochs"])
        warnings.warn(
            f"{path} is an unfinished run: its weights after {done} epochs are taken",
            RuntimeWarning,
            stacklevel=2,
        )
    return saved.weights


def load_history(path: str | Path) -> dict[str, Any]:
    """History of a run folder, of a weights file, or a JSON file written by ``sbp train --json``.

    Raises
    ------
    FileError
        If it is missing, or its "epochs" are no list of measures.
    """
    path = as_path(path)
    if path.suffix == ".npz":
        in_folder = path.name == "weights.npz"
        history = (RunFolder(path.parent).final() if in_folder else read_final(path)).history
    elif path.is_dir():
        folder = RunFolder(path)
        if not folder.finished and not folder.resumable:
            return read_history(folder.history)
        history = folder.saved().history
    else:
        return read_history(path)
    if not history:
        raise FileError(f"{path} does not say how it was trained")
    return history


def read_history(path: Path) -> dict[str, Any]:
    """A JSON file that holds a training history."""
    value = read_json(path, "training history")
    check(value, History, f"{path} is no training history")
    return value
