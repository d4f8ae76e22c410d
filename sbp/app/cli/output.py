"""What commands print on standard output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from sbp.app.progress import percent

MEASURES = ("exact", "spike", "membrane", "mse")
MEANING = {
    "exact": "outputs spike as the target does",
    "spike": "lowest output that spikes (0 if none) is the label",
    "membrane": "largest membrane is the label",
    "mse": "mean of (target - output)^2",
}


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
