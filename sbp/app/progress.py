"""What a long command says on standard error while it works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sbp.learn.progress import Bar, Progress, Silence, live, percent, span, tell

Epoch = dict[str, float]

COMPILING = "compiling the kernels for this machine, this once: some seconds ..."


@contextmanager
def announce_compilation() -> Iterator[None]:
    """Say so, once, if compiling kernels takes more than a second (they are then cached)."""
    from numba.core import event

    timer = threading.Timer(1.0, tell, [COMPILING])
    timer.daemon = True

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            if timer.ident is None:
                timer.start()

        def on_end(self, event: Any) -> None:
            pass

    try:
        # Numba tells of compilations only, not of kernels that it finds in its cache.
        with event.install_listener("numba:compile", Listener()):
            yield
    finally:
        timer.cancel()


class TrainingProgress:
    """A live bar on a terminal, one plain line for each evaluation elsewhere.

    Use as a context manager; call it as `sbp.learn.training.train` calls its `progress`.

    Parameters
    ----------
    epochs : int
        Epochs of the whole run.

    Attributes
    ----------
    untouched : bool
        Whether nothing was learned: a resumed run had finished before.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs, self.untouched = epochs, True
        self._live = live()
        self._progress: Progress | None = None
        self._lines = 0

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.view.close()

    def __call__(self, epoch: int, done: int, n: int, history: list[Epoch]) -> None:
        """Show that `done` of `n` samples of `epoch` are learned; `history` as it stands."""
        if self.untouched:
            self.untouched = False
            self._lines = len(history)  # what a resumed run starts from is no progress of this one
        if self._live:
            self._progress = self._progress or Progress(self.epochs * n)
            self._progress.what = f"epoch {epoch}/{self.epochs}"
            self._progress((epoch - 1) * n + done, accuracies(history, ("spike", "membrane")))
        else:
            for entry in history[self._lines :]:
                tell(self._line(entry))
        self._lines = len(history)

    def _line(self, entry: Epoch) -> str:
        measures = accuracies([entry], ("exact", "spike", "membrane"))
        return (
            f"epoch {entry['epoch']:{len(str(self.epochs))}g}/{self.epochs}  {measures}  "
            f"mse {entry['mse']:.4f}  {span(entry['seconds'])}"
        )


def accuracies(history: list[Epoch], names: tuple[str, ...]) -> str:
    """The last of the measures; before there are any, what to wait for."""
    if not history:
        return "first accuracy after this epoch"
    return "  ".join(f"{name} {percent(history[-1][name])}" for name in names)


class EvaluationProgress:
    """A live bar on a terminal, nothing elsewhere; call it with samples done and in all."""

    def __init__(self) -> None:
        self._progress = Progress(1, "evaluating", Bar() if live() else Silence())

    def __enter__(self) -> EvaluationProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.view.close()

    def __call__(self, done: int, n: int) -> None:
        """Show that `done` of `n` samples are evaluated."""
        self._progress.total = max(n, 1)
        self._progress(done)
