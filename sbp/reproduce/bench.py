"""What the measuring functions work with: data, shared trainings, seeds, scale and progress."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sbp.errors import DataError
from sbp.learn import data
from sbp.learn.data import Dataset
from sbp.learn.parallel import in_threads
from sbp.learn.training import Result, Settings, train
from sbp.reproduce.claims import PRESETS, Claim
from sbp.reproduce.watch import Watched, watch

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
LINE_EVERY = 10.0  #: seconds between two lines of progress where there is no terminal


@dataclass(frozen=True)
class Scale:
    """How much a preset runs.

    Attributes
    ----------
    epochs : int
        Of a training on MNIST or Fashion-MNIST.
    watch_epochs : int
        Of a training watched on the circuit.
    seeds : int or None
        At most this many for claims of a stronger preset; None: as many as they ask for.
    n_train, n_test : int or None
        First samples of MNIST and Fashion-MNIST that are used; None: all.
    watch_train : int or None
        The same for a training watched on the circuit.
    """

    epochs: int = 60
    watch_epochs: int = 60
    seeds: int | None = None
    n_train: int | None = None
    n_test: int | None = None
    watch_train: int | None = None


SCALES = {
    "smoke": Scale(epochs=10, watch_epochs=1, seeds=1, watch_train=2000),
    "paper": Scale(),
}


class NotMeasured(Exception):
    """A claim could not be measured; the message says why, and what to do."""


class Missing(NotMeasured):
    """A data set, or an optional package, is not here; the message says how to get it."""


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
        Where results go; the sweep keeps its jobs below it.
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
    ) -> None:
        self.preset, self.engine, self.root, self.folder = preset, engine, root, folder
        self.scale = scale or SCALES[preset]
        self._seeds = seeds
        self._data: dict[str, Dataset | Missing] = {}
        self._trained: dict[tuple[str, str, int, int], Result] = {}
        self._watched: dict[tuple[str, int, int, int], Watched] = {}
        self._cost: dict[Hashable, float] = {}
        self._reused = 0.0

    def seeds(self, claim: Claim) -> list[int]:
        """Seeds 0, 1, ... of a claim: its own number, or as many as the user or the scale say."""
        if self._seeds is not None:
            return list(range(self._seeds))
        return list(range(min(claim.seeds, self._limit(claim))))

    def _limit(self, claim: Claim) -> int:
        weaker = PRESETS.index(self.preset) < PRESETS.index(claim.preset)
        return self.scale.seeds or claim.seeds if weaker else claim.seeds

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
        try:
            dataset = data.load(name, root=self.root)
        except DataError as error:
            if here:
                raise
            return Missing(
                f"data missing: {error}; to get it: connect to the network and run again, or name "
                "a folder that has it with --data-dir or SBP_DATA"
            )
        if name == "digits":
            return dataset
        n_train, n_test = self.scale.n_train, self.scale.n_test
        return dataset.take(n_train, n_test) if n_train or n_test else dataset

    def watch_dataset(self, name: str) -> Dataset:
        """The data set of trainings that are watched."""
        dataset = self.dataset(name)
        limit = self.scale.watch_train
        return dataset.take(min(limit, len(dataset.x_train))) if limit else dataset

    def trainings(self, name: str, seeds: Iterable[int], epochs: int | None = None) -> list[Result]:
        """Train 400 hidden neurons on a data set, a result per seed; each is trained once."""
        dataset = self.dataset(name)
        epochs = epochs or self.scale.epochs
        engine = self.engine or "algebra"
        keys = [(name, engine, epochs, seed) for seed in seeds]

        def one(key: tuple[str, str, int, int], advance: Callable[[int], None]) -> Result:
            settings = Settings(engine=engine, epochs=epochs, seed=key[3])
            last = 0

            def progress(epoch: int, done: int, n: int, history: list[dict[str, float]]) -> None:
                nonlocal last
                now = (epoch - 1) * n + done
                advance(now - last)
                last = now

            return train(dataset, settings, progress=progress, options=options)

        # Lava's own threads and processes do not bear company.
        options, workers = ({"layout": "fused"}, 1) if engine == "lava" else ({}, None)
        todo = self._missing(keys, self._trained)
        total = epochs * len(dataset.x_train)
        with self._timing(todo):
            self._trained |= self.parallel(f"training on {name}", todo, one, total, workers)
        return [self._trained[key] for key in keys]

    def watched(
        self, name: str, seeds: Iterable[int], hidden: int = 400, epochs: int | None = None
    ) -> list[Watched]:
        """Circuit and algebra side by side, a result per seed; each is trained once."""
        dataset = self.watch_dataset(name)
        epochs = min(epochs or self.scale.watch_epochs, self.scale.watch_epochs)
        keys = [(name, hidden, epochs, seed) for seed in seeds]

        def one(key: tuple[str, int, int, int], advance: Callable[[int], None]) -> Watched:
            return watch(dataset, hidden=hidden, epochs=epochs, seed=key[3], progress=advance)

        todo = self._missing(keys, self._watched)
        total = epochs * len(dataset.x_train)
        with self._timing(todo):
            self._watched |= self.parallel(f"circuit and algebra on {name}", todo, one, total)
        return [self._watched[key] for key in keys]

    def _missing(self, keys: list[Key], known: Mapping[Key, object]) -> list[Key]:
        """Those of `keys` that are not `known`; what the others took counts for this claim too."""
        self._reused += sum(self._cost[key] for key in keys if key in known)
        return [key for key in keys if key not in known]

    @contextmanager
    def _timing(self, keys: list[Key]) -> Iterator[None]:
        """Remember how long trainings took, for the claims that use them again."""
        began = time.perf_counter()
        yield
        self._cost |= dict.fromkeys(keys, (time.perf_counter() - began) / max(len(keys), 1))

    def take_reused(self) -> float:
        """Seconds that the trainings took which were used again since the last call."""
        reused, self._reused = self._reused, 0.0
        return reused

    def parallel(
        self,
        what: str,
        keys: list[Key],
        one: Callable[[Key, Callable[[int], None]], Value],
        total: int,
        workers: int | None = None,
    ) -> dict[Key, Value]:
        """``{key: one(key, advance)}``, a thread per core; `total` is the work of one key."""
        if not keys:
            return {}
        with self._bar(what, total * len(keys)) as advance:

            def run(key: Key, check: Callable[[], None]) -> Value:
                def step(done: int) -> None:
                    check()
                    advance(done)

                return one(key, step)

            return in_threads(run, keys, workers=workers)

    @contextmanager
    def _bar(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Progress on standard error: a bar in a terminal, a line now and then elsewhere."""
        console = Console(stderr=True)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TimeRemainingColumn(),
            )  # fmt: skip
            with Progress(*columns, console=console, transient=True) as bar:
                task = bar.add_task(what, total=total)
                yield lambda steps: bar.update(task, advance=steps)
            return
        began = shown = time.monotonic()
        done = 0
        lock = threading.Lock()

        def line(steps: int) -> None:
            nonlocal done, shown
            with lock:
                done += steps
                now = time.monotonic()
                if now - shown > LINE_EVERY:
                    shown = now
                    left = (now - began) * (total - done) / max(done, 1)
                    print(f"{what}: {done / total:.0%}, {left:.0f} s left", file=sys.stderr)

        yield line
