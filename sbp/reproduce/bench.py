"""What the measuring functions work with: data, seeds, scale, shared work and progress."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sbp.errors import DataError, FileError
from sbp.files import read_npz, write_npz
from sbp.learn import data
from sbp.learn.data import Dataset
from sbp.learn.parallel import in_threads
from sbp.learn.progress import Progress
from sbp.reproduce import provenance
from sbp.reproduce.claim import PRESETS, Claim

Key = TypeVar("Key", bound=tuple[Any, ...])
WORK = "work"  #: folder below the results, where unfinished measurements are kept


@dataclass(frozen=True)
class Scale:
    """How much a preset runs.

    Attributes
    ----------
    epochs : int
        Of a training by the algebra on MNIST or Fashion-MNIST.
    watch_epochs : int
        Of a training watched on the circuit.
    seeds : int or None
        At most this many for claims of a stronger preset; None: as many as they ask for.
    n_train, n_test : int or None
        First samples of MNIST and Fashion-MNIST that are used; None: all.
    watch_train : int or None
        The same for a training watched on the circuit.
    embedded_epochs : int or None
        At most this many on an embedded data set, which is never cut down otherwise.
    """

    epochs: int = 60
    watch_epochs: int = 60
    seeds: int | None = None
    n_train: int | None = None
    n_test: int | None = None
    watch_train: int | None = None
    embedded_epochs: int | None = None


SCALES = {
    "smoke": Scale(epochs=10, watch_epochs=1, seeds=1, watch_train=2000),
    "paper": Scale(),
}
#: Data sets that come with the package: small, and never cut down.
EMBEDDED = ("digits", "mnist-5k")


class NotMeasured(Exception):
    """A claim could not be measured; the message says why, and what to do."""


class Missing(NotMeasured):
    """A data set, or an optional package, is not here; the message says how to get it."""


class Work(NamedTuple):
    """What a training leaves behind, as it is kept on the disk.

    Attributes
    ----------
    facts : dict
        Whatever JSON holds.
    arrays : dict of str to ndarray
    """

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Bench:
    """One call of ``sbp reproduce``: everything that several claims share.

    Parameters
    ----------
    preset : {"smoke", "paper"}
    seeds : int, optional
        Seeds of every claim that has any, instead of the claim's own number.
    engine : str, optional
        Engine of the trainings that need only weights, instead of the algebra.
    root : path, optional
        Data root; see `sbp.learn.data`.
    scale : Scale, optional
        Instead of the preset's.
    folder : path
        Where results go; unfinished work is kept below it.
    workers : int, optional
        Trainings at a time; default one per core.
    download : bool
        Whether to fetch a data set that is not here.
    """

    def __init__(
        self,
        preset: str,
        *,
        seeds: int | None = None,
        engine: str | None = None,
        root: str | os.PathLike[str] | None = None,
        scale: Scale | None = None,
        folder: Path = Path("results"),
        workers: int | None = None,
        download: bool = True,
    ) -> None:
        self.preset, self.engine, self.root, self.folder = preset, engine, root, folder
        self.scale = scale or SCALES[preset]
        self.workers, self.download = workers, download
        self._seeds = seeds
        self._data: dict[str, Dataset | Missing] = {}
        self._found: dict[str, Work] = {}
        self._cost: dict[str, float] = {}
        self._reused = 0.0

    def seeds(self, claim: Claim) -> list[int]:
        """Seeds 0, 1, ... of a claim: its own number, or as many as the user or the scale say."""
        if not claim.seeds:
            return []
        if self._seeds is not None:
            return list(range(self._seeds))
        weaker = PRESETS.index(self.preset) < PRESETS.index(claim.preset)
        return list(range(min(claim.seeds, self.scale.seeds or claim.seeds if weaker
                              else claim.seeds)))  # fmt: skip

    def dataset(self, name: str) -> Dataset:
        """Load a data set, once.

        Raises
        ------
        Missing
            If it is not here and cannot be fetched.
        DataError
            If it is here and bad.
        """
        if name not in self._data:
            self._data[name] = self._load(name)
        found = self._data[name]
        if isinstance(found, Missing):
            raise found
        return found

    def _load(self, name: str) -> Dataset | Missing:
        here = not data.available(self.root)[name].startswith("not here")
        if not here and not self.download:
            return Missing(name)
        try:
            dataset = data.load(name, root=self.root)
        except DataError as error:
            if here:
                raise
            return Missing(f"data missing: {error}")
        if name in EMBEDDED:
            return dataset
        n_train, n_test = self.scale.n_train, self.scale.n_test
        return dataset.take(n_train, n_test) if n_train or n_test else dataset

    def epochs(self, name: str, asked: int | None, *, watched: bool = False) -> int:
        """Epochs of a training on a data set: those asked for, as far as the scale lets them."""
        if name in EMBEDDED:
            most = self.scale.embedded_epochs
            return min(asked or 60, most) if most else asked or 60
        most = self.scale.watch_epochs if watched else self.scale.epochs
        return min(asked or most, most)

    def watch_dataset(self, name: str) -> Dataset:
        """The data set of trainings that are watched."""
        dataset = self.dataset(name)
        limit = self.scale.watch_train if name not in EMBEDDED else None
        return dataset.take(min(limit, len(dataset.x_train))) if limit else dataset

    def shared(
        self,
        what: str,
        keys: Sequence[Key],
        one: Callable[[Key, Callable[[int], None]], Work],
        total: int | Callable[[Key], int],
        *,
        module: str,
        engines: Sequence[str] = (),
        checksums: Sequence[str] = (),
    ) -> list[Work]:
        """``[one(key, advance) for key in keys]``, several at a time, each done once.

        What is done is kept on the disk until the whole run has ended, so that nothing is lost
        with an interruption and no claim repeats what another needed.

        Parameters
        ----------
        what : str
            For people.
        keys : sequence of tuple
            Numbers, strings and tuples of them: all that makes a training beside its code and
            data.
        one : callable
            Has to call ``advance(done)`` every second or so.
        total : int or callable
            The work of one key, in the unit of `done`.
        module, engines
            Whose code it is; see `provenance.code_hashes`.
        checksums : sequence of str
            Of the data.
        """
        code = [provenance.code_hashes(module, engines), list(checksums)]
        names = {key: _digest([what, list(key), code]) for key in dict.fromkeys(keys)}
        for name in names.values():
            if name not in self._found and (kept := self._read(name)) is not None:
                self._found[name] = kept
        todo = [key for key, name in names.items() if name not in self._found]
        self._reused += sum(self._cost.get(n, 0.0) for k, n in names.items() if k not in todo)
        began = time.perf_counter()

        def run(key: Key, advance: Callable[[int], None]) -> Work:
            work = one(key, advance)
            self._write(names[key], work)
            return work

        size = total if callable(total) else lambda key: total
        found = self.parallel(what, todo, run, size)
        self._found |= {names[key]: work for key, work in found.items()}
        spent = (time.perf_counter() - began) / max(len(todo), 1)
        self._cost |= {names[key]: spent for key in todo}
        return [self._found[names[key]] for key in keys]

    def _read(self, name: str) -> Work | None:
        path = self.folder / WORK / f"{name}.npz"
        if not path.exists():
            return None
        try:
            arrays = read_npz(path, "kept training")
            facts = json.loads(bytes(arrays.pop("facts")).decode())
        except (FileError, KeyError, ValueError):
            return None  # broken off: it is done again
        return Work(facts, arrays)

    def _write(self, name: str, work: Work) -> None:
        facts = np.frombuffer(json.dumps(work.facts).encode(), np.uint8)
        write_npz(self.folder / WORK / f"{name}.npz", {**work.arrays, "facts": facts})

    def tidy(self) -> None:
        """Remove the work that is kept for a run that was interrupted."""
        shutil.rmtree(self.folder / WORK, ignore_errors=True)

    def take_reused(self) -> float:
        """Seconds that the trainings took which were used again since the last call."""
        reused, self._reused = self._reused, 0.0
        return reused

    def parallel(
        self,
        what: str,
        keys: Sequence[Key],
        one: Callable[[Key, Callable[[int], None]], Work],
        size: Callable[[Key], int],
    ) -> Mapping[Key, Work]:
        """``{key: one(key, advance)}``, a thread per core."""
        if not keys:
            return {}
        with Progress(sum(map(size, keys)), what) as progress:

            def run(key: Key, check: Callable[[], None]) -> Work:
                def step(done: int) -> None:
                    check()
                    progress.add(done)

                return one(key, step)

            # Lava's own threads and processes do not bear company.
            workers = 1 if self.engine == "lava" else self.workers
            return in_threads(run, keys, workers=workers)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]
