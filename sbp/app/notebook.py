"""What only notebooks need: captioned pictures, a plain progress bar, and which digits to use.

Pictures keep their alternative text, captions are ordinary Markdown, and the bar is text: a
saved notebook shows them anywhere and loads nothing from elsewhere.
"""

from __future__ import annotations

from typing import Any

from sbp.learn import data
from sbp.learn.data import Dataset
from sbp.learn.progress import Progress, Text
from sbp.plots import Picture, alt_text

CAPTION = "sbp-caption"  #: key of a caption output's metadata, by which the book finds it


def _display(bundle: dict[str, str], metadata: dict[str, Any] | None = None, **more: Any) -> Any:
    from IPython.display import display

    return display(bundle, raw=True, metadata=metadata or {}, **more)


def show(fig: Picture, caption: str) -> None:
    """Show a picture with a caption under it (Markdown); the book numbers it as a figure.

    Raises
    ------
    SpecError
        If the figure has no alternative text, because it was not made by `sbp.plots`.
    """
    from IPython.display import display

    alt_text(fig)
    display(fig)
    _display({"text/markdown": f"*{caption}*", "text/plain": caption}, metadata={CAPTION: caption})


class ProgressBar(Progress):
    """A bar of plain text that is drawn over itself.

    Parameters
    ----------
    total : int
        What `bar(done)` reaches in the end.
    what : str
        A few words before the bar.
    """

    def __init__(self, total: int, what: str = "") -> None:
        super().__init__(total, what, Text())


class TrainingBar:
    """A `ProgressBar` to hand to `sbp.learn.training.train` as its `progress`."""

    def __init__(self, epochs: int, what: str = "training") -> None:
        self.epochs, self.what = epochs, what
        self._bar: ProgressBar | None = None

    def __call__(self, epoch: int, done: int, n: int, history: list[dict[str, float]]) -> None:
        """Draw the state of the training; see `sbp.learn.training.train`."""
        if self._bar is None:
            self._bar = ProgressBar(self.epochs * n, self.what)
        note = f"epoch {epoch} of {self.epochs}"
        if history:
            note += f", membrane accuracy {100 * history[-1]['membrane']:.1f} %"
        finished = bool(history) and history[-1]["epoch"] == self.epochs
        # Full only once the last evaluation is done.
        self._bar(self.epochs * n if finished else min((epoch - 1) * n + done, self.epochs * n - 1),
                  note)  # fmt: skip


def mnist_or_digits() -> Dataset:
    """MNIST if its files are on this machine, else the embedded digits; say which in the page."""
    here = data.available()["mnist"].startswith("found")
    dataset = data.load("mnist" if here else "digits")
    text = (
        "**This page ran on MNIST**: 60,000 training and 10,000 test images, 20 x 20 pixels."
        if here
        else "**This page did not run on MNIST.** Its files were not on this machine, so it ran "
        "on scikit-learn's 8 x 8 digits instead (1,415 training and 382 test images): expect "
        "lower accuracies, and other pictures. To run it on MNIST, set `SBP_DATA` to a folder "
        "with the files, or fetch them once with `sbp train --dataset mnist`."
    )
    _display({"text/markdown": text, "text/plain": text})
    return dataset
