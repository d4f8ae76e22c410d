"""Numbers in the prose that come from results/: checked, and brought up to date.

A number that was measured is followed by a comment that says where it stands:

    96.22 ± 0.08 %<!-- mnist-best-checkpoint: spike -->
    28.0<!-- speed: circuit/400-400-10/compiled; .1f -->

Before the colon the result (``results/ID.json``), after it the quantity, or a path of keys into any
other file of results.  After a semicolon the form: ``mean`` leaves the spread out,
``bare`` the unit, ``.1f`` gives digits, ``error`` the standard error of the mean for the spread.

``python tools/prose.py`` writes the present numbers; ``--check`` says which differ, exit code 1.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sbp.reproduce.claims import CLAIMS
from sbp.reproduce.status import mean_and_deviation, shown

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
UNIT = r"%|points|mJ|ms|nJ|uJ s|us|µs"
NUMBER = rf"[-−+]?\d[\d,]*(?:\.\d+)?(?: ?± ?\d[\d,.]*)?(?: (?:{UNIT}))?"
MARKED = re.compile(rf"({NUMBER})<!-- ([\w-]+): ([^;>]+?)(?:; ([^>]+?))? -->")
PERCENT = re.compile(r"\d+\.\d+ ?%")


def pages() -> list[Path]:
    """Every page that people read: README, the book, and the text of the notebooks."""
    return [
        ROOT / "README.md",
        *sorted((ROOT / "book").glob("*.md")),
        *sorted((ROOT / "notebooks").glob("*.py")),
    ]


def text_of(path: Path) -> str:
    """The text of a page; of a notebook only the lines of its text cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return "\n".join(line for line in text.splitlines() if line.startswith("#"))


def value_of(id: str, name: str, form: str, results: Path = RESULTS) -> str:
    """The number as the prose has it.

    Raises
    ------
    KeyError
        If there is no such result, quantity or path.
    """
    path = results / f"{id}.json"
    if not path.is_file():
        raise KeyError(f"no result {id}")
    record = json.loads(path.read_text(encoding="utf-8"))
    words = form.split()
    digits = next((word for word in words if word.startswith(".")), "")
    claim = next((claim for claim in CLAIMS if claim.id == id), None)
    if claim is None:
        found: Any = record
        for key in name.split("/"):
            found = found[int(key)] if isinstance(found, list) else found[key]
        return f"{found:,{digits or '.0f'}}"
    quantity, values = claim.quantity(name), record["values"][name]
    unit = f" {quantity.unit}" if quantity.unit and "bare" not in words else ""
    if digits or "error" in words:
        mean, deviation = mean_and_deviation(values)
        if "error" in words:
            digits, deviation = digits or ".2f", deviation / math.sqrt(len(values))
        spread = f" ± {deviation:{digits}}" if len(values) > 1 and "mean" not in words else ""
        return f"{mean:,{digits}}{spread}{unit}"
    said = shown(values, quantity).replace("+-", "±").removesuffix(f" {quantity.unit}")
    return (said.partition(" ±")[0] if "mean" in words else said) + unit


def marked(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Every marked number of a text, and what it should be."""
    for found in MARKED.finditer(text):
        try:
            yield found, value_of(found[2], found[3].strip(), found[4] or "")
        except (KeyError, IndexError, StopIteration, ValueError) as error:
            yield found, f"(nothing: {error!r})"


def published() -> set[str]:
    """Every percentage that was published by others: it may stand in the prose unmarked."""
    from sbp.reproduce.claims.table_1 import INFERENCE, LEARNING

    numbers = {row.accuracy for row in (*LEARNING, *INFERENCE)}
    numbers |= {
        q.expected for claim in CLAIMS for q in claim.quantities
        if q.expected is not None and q.unit == "%"
    }  # fmt: skip
    return {f"{number:.1f}" for number in numbers}


def faults() -> list[str]:
    """What is wrong with the numbers of all pages, a line each."""
    known, said = published(), []
    for path in pages():
        text, name = text_of(path), path.relative_to(ROOT)
        for found, now in marked(text):
            if found[1] != now:
                said.append(f"{name}: {found[2]}, {found[3]}: {found[1]}, but results say {now}")
        bare = MARKED.sub("", text)
        for found in PERCENT.finditer(bare):
            if found[0].rstrip(" %") not in known:
                said.append(f"{name}: {found[0]} is neither published nor marked as a result")
        for found in re.finditer(r"<!-- ([\w-]+): [^>]*-->", bare):
            if (RESULTS / f"{found[1]}.json").is_file():
                said.append(f"{name}: {found[0]} follows no number")
    return said


def write() -> int:
    """Put the present numbers into every page; how many changed."""
    changed = 0
    for path in pages():
        text = path.read_text(encoding="utf-8")

        def now(found: re.Match[str]) -> str:
            nonlocal changed
            ((_, value),) = marked(found[0])
            if value.startswith("("):
                return found[0]
            changed += value != found[1]
            return value + found[0][len(found[1]) :]

        new = MARKED.sub(now, text)
        if new != text:
            path.write_text(new, encoding="utf-8")
    return changed


def main() -> int:
    """Check the numbers, or write them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args().check:
        print(f"{write()} numbers brought up to date")
    found = faults()
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
