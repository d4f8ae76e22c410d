"""A figure that can say what it shows, its palette, and how it is saved.

Figures are made without pyplot: nothing global changes, and no display is needed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from sbp.errors import SpecError
from sbp.files import write_atomic

#: Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), distinct for colour-blind readers.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
#: Secondary text; 7:1 contrast with white.
GREY = "#595959"

FORMATS = ("png", "svg", "pdf")

#: A fixed style, so that a picture does not depend on the user's matplotlibrc; the salt makes
#: the identifiers in an SVG the same every time.  Text is text: a name or a title with dollar
#: signs is no formula.
STYLE: list[Any] = ["default", {"svg.hashsalt": "sbp", "font.size": 9, "axes.titlesize": 11,
                     "axes.spines.top": False, "axes.spines.right": False,
                     "text.parse_math": False}]  # fmt: skip

#: What no font draws and no SVG may hold: control characters, halves of letters.
NOT_TEXT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

Arguments = ParamSpec("Arguments")


class Picture(Figure):
    """A matplotlib figure with an alternative text.

    Attributes
    ----------
    title : str
        A few words.
    alt : str
        What the picture shows and what to notice, drawn from the data.
    """

    title: str = ""
    alt: str = ""

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        # Notebooks show the picture by itself, without pyplot, and keep its alternative text.
        width, height = (round(inches * 96) for inches in self.get_size_inches())
        return (
            {"image/png": _rendered(self, "png", 150), "text/plain": self.alt},
            {"image/png": {"alt": self.alt, "width": width, "height": height}},
        )


def picture(draw: Callable[Arguments, Picture]) -> Callable[Arguments, Picture]:
    """Decorate a drawing function: the fixed style holds while it draws."""

    @wraps(draw)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Picture:
        with _style():
            return draw(*args, **kwargs)

    return styled


def alt_text(fig: Figure) -> str:
    """Say in words what `fig`, made by this package, shows and what to notice.

    Raises
    ------
    SpecError
        If the figure comes from elsewhere and has no such text.
    """
    text = getattr(fig, "alt", "")
    if not text:
        raise SpecError("this figure has no alternative text", do="use a figure of sbp.plots")
    return text


def format_of(path: str | Path) -> str:
    """The format that a file name chooses: "png", "svg" or "pdf".

    Raises
    ------
    SpecError
        For another ending.
    """
    ending = Path(path).suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise SpecError(
            f"cannot draw into {Path(path).name!r}", allowed="names ending in .png, .svg or .pdf"
        )
    return ending


def save(fig: Figure, path: str | Path, *, dpi: int = 150) -> Path:
    """Write `fig` to a PNG, SVG or PDF file, whole or not at all.

    The alternative text travels in the file: as ``Description`` in a PNG or SVG, as ``Subject``
    in a PDF.  The same figure gives the same bytes, with the same version of matplotlib.

    Parameters
    ----------
    path : path
        Its ending chooses the format: .png, .svg or .pdf.
    dpi : int
        Dots per inch of a PNG, 10 .. 1200.  Most figures are 8 inches wide.

    Raises
    ------
    SpecError
        For another ending, or dots per inch out of range.
    FileError
        If the file cannot be written.
    """
    path = Path(path)
    ending = format_of(path)
    if not 10 <= dpi <= 1200:
        raise SpecError(f"dpi is {dpi}", allowed="10 to 1200")
    data = _rendered(fig, ending, dpi)
    return write_atomic(path, lambda stream: stream.write(data))


def readable(text: str) -> str:
    """`text` with what cannot be drawn written as escapes, as Python would write it."""
    return NOT_TEXT.sub(lambda found: ascii(found[0])[1:-1], text)


def logarithmic(ax: Axes, *, across: bool = False) -> None:
    """Make y, or x (`across`), logarithmic, with plain numbers: 1, 10, 100, 1,000."""
    axis = ax.xaxis if across else ax.yaxis
    ax.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_formatter(LogFormatter())


def _rendered(fig: Figure, ending: str, dpi: int) -> bytes:
    for text in fig.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(readable(text.get_text()))
    title, alt = (readable(getattr(fig, name, "")) for name in ("title", "alt"))
    # None keeps the date, the one thing that would differ from run to run, out of the file.
    about: dict[str, dict[str, Any]] = {
        "png": {"Title": title, "Description": alt},
        "svg": {"Title": title, "Description": alt, "Date": None},
        "pdf": {"Title": title, "Subject": alt, "CreationDate": None},
    }
    buffer = io.BytesIO()
    with _style():
        fig.savefig(buffer, format=ending, dpi=dpi, metadata=about[ending])
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    with mpl.style.context(STYLE):
        yield


def blank(
    width: float, height: float, left: float, right: float, top: float, bottom: float
) -> tuple[Picture, Axes]:
    """A picture of `width` x `height` inches with one bare axes inside the margins (inches)."""
    fig = Picture(figsize=(width, height))
    ax = fig.add_axes(
        (left / width, bottom / height, (width - left - right) / width,
         (height - top - bottom) / height)
    )  # fmt: skip
    ax.set_axis_off()
    return fig, ax


def mixed(colour: str, other: str, share: float) -> tuple[float, float, float]:
    """`colour` with `share` (0 .. 1) of `other` mixed in."""
    a, b = mpl.colors.to_rgb(colour), mpl.colors.to_rgb(other)
    red, green, blue = ((1 - share) * x + share * y for x, y in zip(a, b, strict=True))
    return red, green, blue


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def inked(colour: str) -> tuple[float, float, float]:
    """`colour` made as dark as words on white or a light tint have to be (5:1)."""
    share = 0.2
    while 1.05 / (_luminance(mixed(colour, "black", share)) + 0.05) < 5.2:
        share += 0.02
    return mixed(colour, "black", share)


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance, 0 .. 1, as the guidelines for accessible pages define it."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
