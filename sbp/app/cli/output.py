"""What commands print on standard output."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click

from sbp.learn.progress import output, percent, say, sheet, silence

STANDARD_OUTPUT = Path("-")
REAL_OUTPUT = "sbp.stdout"
WORDS = 16  #: columns that a column of words needs

MEASURES = ("exact", "spike", "membrane", "mse")
MEANING = {
    "exact": "outputs spike as the target does",
    "spike": "lowest output that spikes (0 if none) is the label",
    "membrane": "largest membrane is the label",
    "mse": "mean of (target - output)^2",
}
#: How a sign is written where the encoding of the terminal or of a pipe has none.
PLAIN = {
    "−": "-", "–": "-", "½": "1/2", "±": "+-", "¬": "not ", "→": "->", "×": "x", "≥": ">=",
    "≤": "<=", "≠": "!=", "ᵀ": "^T", "θ": "theta", "µ": "u", "…": "...", "’": "'",
}  # fmt: skip
#: Control characters, as escapes.
CONTROLS = {code: ascii(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


def _in_place(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    sign, after = error.object[error.start], error.start + 1
    if "\udc80" <= sign <= "\udcff":  # a byte of a file name that is no text
        return bytes([ord(sign) & 0xFF]), after
    return PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode(), after


codecs.register_error("sbp", _in_place)


def prepare_streams() -> None:
    """Let standard output and standard error take any text, whatever their encoding."""
    # A closed stream (`>&-`) is None in Python; then nobody is told.
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="sbp")


def in_a_line(message: str, words: Sequence[str] = ()) -> str:
    """A message as one line that hides nothing.

    Parameters
    ----------
    words : sequence of str
        The command line.  What was typed with blanks or control characters in it, a path
        mostly, is quoted in the message, with escapes, as Python would write it.
    """
    typed = {part for word in words for part in (word, word.partition("=")[2])}
    typed |= {os.path.expanduser(part) for part in typed}
    for part in sorted(typed, key=len, reverse=True):
        blank = " " in part and not part.startswith(" ")
        if part.strip() and (blank or not part.isprintable()):
            quoted = repr(part).replace("\\", "\\\\")
            message = re.sub(rf"(?<!['\"\w]){re.escape(part)}(?!\w)", quoted, message)
    return re.sub(r"\s*\n\s*", " ", message.strip()).translate(CONTROLS)


def shown(name: str, value: float) -> str:
    """A measure for people."""
    return f"{value:.4f}" if name == "mse" else percent(value)


def colour() -> bool | None:
    """False where colours are unwanted or unknown; None: in a terminal only."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def facts(rows: Mapping[str, str], width: int = 0) -> None:
    """Print names with what is said of them, aligned; the names take `width` columns or more."""
    width = max([width, *map(len, rows)])
    for name, text in rows.items():
        say(f"  {name:{width}s}  {text}", hang=width + 2)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column and the last to the left, those between to the right.

    Where it is too wide, the last column, which is words, is folded; where hardly a word fits in
    it, what it says stands below the table.
    """
    from rich.text import Text

    rows, view = list(rows), sheet(title)
    taken = sum(max(map(len, column)) + 2 for column in list(zip(head, *rows, strict=True))[:-1])
    narrow = output().width - taken < WORDS
    below = {row[0]: row[-1] for row in rows} if narrow else {}
    if narrow:
        head, rows = head[:-1], [row[:-1] for row in rows]
    for place, name in enumerate(head):
        last = place == len(head) - 1 and not narrow
        view.add_column(
            Text(name),
            justify="right" if place > 0 and not last else "left",
            no_wrap=not last,
            overflow="fold",
            style="dim" if last else "",
        )
    for row in rows:
        view.add_row(*map(Text, row))
    output().print(view)
    facts(below)


def write_results(path: Path | None, results: Any) -> None:
    """Write `results` as JSON to a file, or for ``-`` to standard output; nothing for None."""
    if path is None:
        return
    if path != STANDARD_OUTPUT:
        from sbp.files import write_json

        write_json(path, results)
        return
    stream = click.get_current_context().meta[REAL_OUTPUT]
    click.echo(json.dumps(results, indent=1), file=stream)


@contextmanager
def quietly(context: click.Context, wanted: bool) -> Iterator[None]:
    """Print nothing but errors, warnings and results meanwhile, if that is `wanted`."""
    context.meta[REAL_OUTPUT] = sys.stdout
    if not wanted:
        yield
        return
    with open(os.devnull, "w", errors="sbp") as nothing, redirect_stdout(nothing), silence():
        yield
