"""What a long command says on standard error while it works."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Epoch = dict[str, float]

COMPILING = "compiling the kernels for this machine, this once: some seconds ..."


def output() -> Console:
    """Where tables go: standard output, 140 columns where it is no terminal."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise  # not rich's exit code 1: the command line has its own

    console = Output(highlight=False)
    return console if console.is_terminal else Output(width=140, highlight=False)


def percent(fraction: float) -> str:
    """0.9634 -> "96.34 %"."""
    return f"{100 * fraction:.2f} %"


def span(seconds: float) -> str:
    """0.00451 -> "4.51 ms"; 12.34 -> "12.3 s"; 1234.5 -> "1,234 s"."""
    if 0 < seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


@contextmanager
def announce_compilation(quiet: bool = False) -> Iterator[None]:
    """Say so, once, if compiling kernels takes more than a second (they are then cached)."""
    from numba.core import event

    timer = threading.Timer(1.0, click.echo, [COMPILING], {"err": True})
    timer.daemon = True

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            if timer.ident is None and not quiet:
                timer.start()

        def on_end(self, event: Any) -> None:
            pass

    try:
        # Numba tells of compilations only, not of kernels that it finds in its cache.
        with event.install_listener("numba:compile", Listener()):
            yield
    finally:
        timer.cancel()


def _bar(*columns: Any) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        *(TextColumn(f"{{task.fields[{name}]}}", style=style) for name, style in columns),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True, highlight=False),
    )


class TrainingProgress:
    """A live bar on a terminal, one plain line for each epoch elsewhere.

    Use as a context manager; call it as `sbp.learn.training.train` calls its `progress`.

    Parameters
    ----------
    epochs : int
        Epochs of the whole run.
    quiet : bool
        Show nothing.

    Attributes
    ----------
    untouched : bool
        Whether nothing was learned: a resumed run had finished before.
    """

    def __init__(self, epochs: int, quiet: bool = False) -> None:
        self.epochs, self.quiet, self.untouched = epochs, quiet, True
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._lines, self._first, self._began = 0, 0, 0.0

    def __enter__(self) -> TrainingProgress:
        if sys.stderr.isatty() and not self.quiet:
            self._progress = _bar(("accuracy", "bold"), ("rate", "dim"))
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, epoch: int, done: int, n: int, history: list[Epoch]) -> None:
        """Show that `done` of `n` samples of `epoch` are learned; `history` as it stands."""
        position = (epoch - 1) * n + done
        if self.untouched:
            self.untouched = False
            # What a resumed run starts from is no progress of this one.
            self._lines, self._first, self._began = len(history), position, time.monotonic()
        if self._progress is not None:
            self._draw(epoch, position, n, history)
        elif not self.quiet:
            for entry in history[self._lines :]:
                click.echo(self._line(entry), err=True)
        self._lines = len(history)

    def _draw(self, epoch: int, position: int, n: int, history: list[Epoch]) -> None:
        assert self._progress is not None
        shown = f"epoch {epoch}/{self.epochs}"
        if self._task is None:
            self._task = self._progress.add_task(
                shown, total=self.epochs * n, completed=self._first, accuracy="", rate=""
            )
        accuracy = "first accuracy after this epoch"
        if history:
            accuracy = "  ".join(f"{m} {percent(history[-1][m])}" for m in ("spike", "membrane"))
        elapsed = time.monotonic() - self._began
        learned = position - self._first
        rate = f"{learned / elapsed:,.0f}/s" if learned and elapsed > 0.05 else ""
        self._progress.update(
            self._task, description=shown, completed=position, accuracy=accuracy, rate=rate
        )

    def _line(self, entry: Epoch) -> str:
        measures = "  ".join(f"{m} {percent(entry[m])}" for m in ("exact", "spike", "membrane"))
        return (
            f"epoch {entry['epoch']:{len(str(self.epochs))}d}/{self.epochs}  {measures}  "
            f"mse {entry['mse']:.4f}  {span(entry['seconds'])}"
        )


class EvaluationProgress:
    """A live bar on a terminal, nothing elsewhere; call it with samples done and in all."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def __enter__(self) -> EvaluationProgress:
        if sys.stderr.isatty():
            self._progress = _bar()
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, done: int, n: int) -> None:
        """Show that `done` of `n` samples are evaluated."""
        if self._progress is not None:
            if not self._progress.tasks:
                self._progress.add_task("evaluating", total=n)
            self._progress.update(self._progress.tasks[0].id, completed=done)
