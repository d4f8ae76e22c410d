"""How far long work is: counted once, and drawn in a terminal, as lines, or in a notebook."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import rich.progress
    from rich.console import Console
    from rich.table import Table


_silent = False


@contextmanager
def silence() -> Iterator[None]:
    """Show no progress meanwhile, in this process."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


def tell(text: str) -> None:
    """Say on standard error how the work goes."""
    if not _silent:
        print(text, file=sys.stderr, flush=True)


def live() -> bool:
    """Whether a bar can be drawn: standard error is a terminal that moves its cursor."""
    return not _silent and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def output() -> Console:
    """Where tables go: standard output, 140 columns where it is no terminal of a known width."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise  # not rich's exit code 1: the command line has its own

    console = Output(highlight=False)
    known = console.is_terminal or os.environ.get("COLUMNS", "").isdecimal()
    return console if known else Output(width=140, highlight=False)


def columns() -> int | None:
    """Columns of the terminal; None where lines may be of any length."""
    if not (sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()):
        return None
    return max(40, shutil.get_terminal_size().columns)


def say(text: str, hang: int = 4, *, bold: bool = False) -> None:
    """Print `text`, wrapped in a terminal, where lines after the first begin `hang` to the right.

    Each line of the text keeps its own indentation; no word is broken.
    """
    width = columns()
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()) + hang)
        lines = textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False,
            break_on_hyphens=False, replace_whitespace=False, expand_tabs=False,
        ) if width and len(line) > width else [line]  # fmt: skip
        for each in lines:
            if bold:
                from rich.text import Text

                output().print(Text(each, "bold"), soft_wrap=True)
            else:
                print(each)


def sheet(title: str) -> Table:
    """A table for `output`, without lines around it; `title` is text, not markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title, "bold"), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False,
        pad_edge=False, padding=(0, 1, 0, 0), header_style="bold",
    )  # fmt: skip


def percent(fraction: float) -> str:
    """0.9634 -> "96.34 %"."""
    return f"{100 * fraction:.2f} %"


def span(seconds: float) -> str:
    """0.00451 -> "4.51 ms"; 12.34 -> "12.3 s"; 1234.5 -> "1,234 s"."""
    if 0 < seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


class View(Protocol):
    """Draws how far work is; `every` seconds at most."""

    every: float

    def draw(self, what: str, share: float, left: float | None, note: str) -> None:
        """Show that a `share` of `what` is done, `left` seconds before its end; None: not known."""

    def close(self) -> None:
        """Stop drawing."""


class Silence:
    """Shows nothing."""

    every = float("inf")

    def draw(self, what: str, share: float, left: float | None, note: str) -> None:  # noqa: D102
        pass

    def close(self) -> None:  # noqa: D102
        pass


class Lines:
    """A line on standard error now and then."""

    every = 10.0

    def draw(self, what: str, share: float, left: float | None, note: str) -> None:  # noqa: D102
        if left is not None and share < 1:
            tell(f"{what}: {share:.0%}, {span(left)} left  {note}".rstrip())

    def close(self) -> None:  # noqa: D102
        pass


class Bar:
    """A bar on the terminal that is gone when the work is done."""

    every = 0.1

    def __init__(self) -> None:
        self._bar: rich.progress.Progress | None = None

    def draw(self, what: str, share: float, left: float | None, note: str) -> None:  # noqa: D102
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        if self._bar is None:
            columns = "{task.description}", "{task.fields[note]}", "{task.fields[left]}"
            # Names are text: a data set may be called [/red].
            first, *others = (TextColumn(text, markup=False) for text in columns)
            console = Console(stderr=True, highlight=False)
            self._bar = Progress(
                first, BarColumn(bar_width=16), *others, console=console, transient=True
            )
            self._bar.add_task("", total=1.0, note="", left="")
            self._bar.start()
        shown = "" if left is None else f"{span(left)} left"
        self._bar.update(
            self._bar.tasks[0].id, description=what, completed=share, note=note, left=shown
        )

    def close(self) -> None:  # noqa: D102
        if self._bar is not None:
            self._bar.stop()


class Text:
    """A bar of plain text in a notebook, drawn over itself; a saved notebook shows it anywhere."""

    every, width = 0.25, 30  # seconds; characters

    def __init__(self) -> None:
        self._handle: Any = None
        self._began = time.monotonic()

    def draw(self, what: str, share: float, left: float | None, note: str) -> None:  # noqa: D102
        from IPython.display import display

        full = int(self.width * share)
        text = (
            f"{what} [{'#' * full}{'.' * (self.width - full)}] "
            f"{int(100 * share):3d} %  {time.monotonic() - self._began:.1f} s  {note}"
        ).strip()
        if self._handle is None:
            self._handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": text}, raw=True)

    def close(self) -> None:  # noqa: D102
        pass


def usual_view() -> View:
    """A bar where standard error is a terminal, lines elsewhere; nothing in `silence`."""
    return Silence() if _silent else Bar() if live() else Lines()


class Progress:
    """How far a piece of work is; a context manager that several threads may call.

    Parameters
    ----------
    total : int
        What the count reaches in the end.
    what : str
        A few words that say what is done.
    view : View, optional
        Default `usual_view`.
    """

    def __init__(self, total: int, what: str = "", view: View | None = None) -> None:
        self.total, self.what = max(int(total), 1), what
        self.view = view or usual_view()
        self.done = 0
        self._lock = threading.Lock()
        self._drawn = float("-inf")
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.view.close()

    def __call__(self, done: int, note: str = "") -> None:
        """Show that `done` of the total is done, and a `note`."""
        with self._lock:
            self._show(done, note)

    def add(self, steps: int) -> None:
        """Count `steps` more."""
        with self._lock:
            self._show(self.done + steps, "")

    def _show(self, done: int, note: str) -> None:
        now = time.monotonic()
        self.done = done
        if self._first is None:
            # What is done at the first call was done before, or waited for the compiler.
            self._first = now, done
            self._drawn = now if isinstance(self.view, Lines) else self._drawn
        if now - self._drawn < self.view.every and done < self.total:
            return
        began, before = self._first
        left = None
        if done > before and now > began:
            left = (now - began) * (self.total - done) / (done - before)
        self._drawn = now
        self.view.draw(self.what, min(done / self.total, 1.0), left, note)
