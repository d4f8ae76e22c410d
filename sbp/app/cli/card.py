"""``sbp card``."""

from __future__ import annotations

from pathlib import Path

import click

from sbp.app.cli.options import examples
from sbp.app.cli.paths import WritesFolder, command


@command(epilog=examples("sbp card", "sbp card ~/chip"))
@click.argument(
    "folder",
    metavar="[DIR]",
    type=WritesFolder("card.json", "card.md", "*.sbp", "*.sbp.weights", mark="card.json"),
    default="build/card",
)
def card(folder: Path) -> None:
    """Write the benchmark card for builders of other chips.

    It says what a chip has to be told, and what it has to give.

    DIR (default build/card) then holds the card as a page and as JSON, and what it names: the
    learning and the inference circuit as program files, a random start and the trained network as
    plain text.
    """
    from sbp.reproduce import card as benchmark

    for path in benchmark.write(folder):
        click.echo(f"{path}: {path.stat().st_size / 1000:,.1f} kB")
