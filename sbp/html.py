"""How an object shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def html_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table of two columns; title and cells are text, whatever they hold."""
    lines = "".join(
        f"<tr><th scope='row' style='text-align: left'>{escape(name)}</th>"
        f"<td style='text-align: left'>{escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{lines}</tbody></table>"
