"""What commands print on standard output."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterable, Sequence

import click

from sbp.learn.progress import percent

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


def shown(name: str, value: float) -> str:
    """A measure for people."""
    return f"{value:.4f}" if name == "mse" else percent(value)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column and the last to the left, those between to the right."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    click.secho(title, bold=True)
    for number, line in enumerate(lines):
        cells = [
            text.rjust(width) if 0 < column < len(line) - 1 else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        last = click.style(cells[-1].rstrip(), dim=True)
        text = click.style("   ".join(cells[:-1]), bold=number == 0)
        click.echo(f"  {text}   {last}".rstrip())
