"""From result files to a verdict for every claim, and the status table of the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from sbp import circuits
from sbp.errors import FileError, SbpError
from sbp.files import read_json
from sbp.learn import data
from sbp.program import lower
from sbp.reproduce.claims import CLAIMS, MEASURED, PRESETS, Claim, Quantity
from sbp.reproduce.provenance import PACKAGE, checksum, code_hashes

FORMAT = "sbp result 1"

AGREES, DIFFERS, REPORTED = "agrees", "differs", "reported"
STALE, NOT_RUN = "stale", "not run"
NO_RESULT = "no result yet"
STYLES = {AGREES: "green", DIFFERS: "bold red", REPORTED: "cyan", STALE: "yellow", NOT_RUN: "dim"}
MEANING = {
    AGREES: "every number with an expected value lies within its tolerance",
    DIFFERS: "one does not",
    REPORTED: "measured or modelled; there is no expected value to decide by",
    STALE: "the result was made by other code, data or circuit than the present, or was altered",
    NOT_RUN: "there is no result of the claim's own preset",
}


@dataclass
class Verdict:
    """What is known of a claim.

    Attributes
    ----------
    status : str
        One of the five words above.
    why : list of str
        Reasons, for people.
    values : dict of str to list of float
        Per seed, from the result file.
    record : dict or None
        The result file.
    """

    claim: Claim
    status: str
    why: list[str] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    record: dict[str, Any] | None = None


class Known:
    """The present circuits and data sets, each looked at once.

    Parameters
    ----------
    root : path, optional
        Data root.
    package : Path
        Where the modules are whose hashes count.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, package: Path = PACKAGE) -> None:
        self.root, self.package = root, package
        self._data: dict[tuple[str, Any, Any], str | None] = {}
        self._code: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}

    def data_checksum(self, name: str, n_train: int, n_test: int) -> str | None:
        """Checksum of the first samples of a data set; None if it is not here."""
        key = name, n_train, n_test
        if key not in self._data:
            here = not data.available(self.root)[name].startswith("not here")
            self._data[key] = (
                data.load(name, root=self.root, download=False).take(n_train, n_test).checksum
                if here
                else None
            )
        return self._data[key]

    def code(self, engine: str, further: tuple[str, ...]) -> dict[str, str]:
        """`code_hashes` of the present modules."""
        key = engine, further
        if key not in self._code:
            self._code[key] = code_hashes(engine, further, self.package)
        return self._code[key]


def stale(record: Mapping[str, Any], known: Known) -> list[str]:
    """Why `record` does not stand for the present code, circuits and data; empty if it does."""
    reasons = []
    if record.get("checksum") != checksum(record):
        return ["the file was altered: its checksum does not fit"]
    for row in record["circuits"]:
        build = getattr(circuits, f"{row['circuit']}_circuit")
        if lower(build(tuple(row["sizes"]))).digest != row["digest"]:
            reasons.append(f"the {row['circuit']} circuit has changed")
    for name, row in record["data"].items():
        now = known.data_checksum(name, row["n_train"], row["n_test"])
        if now is not None and now != row["checksum"]:
            reasons.append(f"the data set {name} has changed")
    code = record["code"]
    now_code = known.code(code["engine"], tuple(code["further"]))
    for module in sorted(code["modules"].keys() | now_code.keys()):
        if code["modules"].get(module) != now_code.get(module):
            reasons.append(f"sbp/{module} has changed")
    return reasons


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1; 0 for one value)."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def decide(claim: Claim, values: Mapping[str, Sequence[float]]) -> tuple[str, list[str]]:
    """Compare the mean of each quantity with what is expected."""
    decided, why = False, []
    for quantity in claim.quantities:
        if quantity.expected is None:
            continue
        found = values.get(quantity.name, ())
        if not found or not all(map(math.isfinite, found)):
            return DIFFERS, [f"{quantity.name}: no value"]
        decided = True
        distance = abs(mean_and_deviation(found)[0] - quantity.expected)
        if distance > quantity.tolerance * (1 + 1e-9):
            why.append(
                f"{quantity.name}: {shown(found, quantity)} against "
                f"{number(quantity.expected)} +- {number(quantity.tolerance)}"
            )
    if why:
        return DIFFERS, why
    return (AGREES if decided else REPORTED), []


def verdict(claim: Claim, record: dict[str, Any] | None, known: Known) -> Verdict:
    """The verdict of one claim, from its result file (None: there is none)."""
    if record is None:
        return Verdict(claim, NOT_RUN, [NO_RESULT])
    try:
        values = record["values"]
        reasons = stale(record, known)
        if reasons:
            return Verdict(claim, STALE, reasons, values, record)
        if PRESETS.index(record["preset"]) < PRESETS.index(claim.preset):
            return Verdict(claim, NOT_RUN, [_weaker(claim, record)], values, record)
        status, why_not = decide(claim, values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, SbpError):
            raise
        return Verdict(claim, STALE, [f"not a result of this version ({error!r})"])
    return Verdict(claim, status, why_not, values, record)


def _weaker(claim: Claim, record: Mapping[str, Any]) -> str:
    what = [f"{record['preset']} preset"]
    if "epochs" in record["details"]:
        what.append(f"{record['details']['epochs']} epochs")
    if record["seeds"]:
        what.append(f"{len(record['seeds'])} of {claim.seeds} seeds")
    return f"decided by the {claim.preset} preset only; shown here: {', '.join(what)}"


def read_verdicts(
    folder: Path, claims: Sequence[Claim] = CLAIMS, known: Known | None = None
) -> list[Verdict]:
    """Judge the result files in `folder`."""
    known, found = known or Known(), []
    for claim in claims:
        path = folder / f"{claim.id}.json"
        if not path.exists():
            found.append(Verdict(claim, NOT_RUN, [NO_RESULT]))
            continue
        try:
            record = read_json(path, "result file")
        except FileError as error:
            found.append(Verdict(claim, STALE, [str(error)]))
            continue
        if not isinstance(record, dict) or record.get("id") != claim.id:
            found.append(Verdict(claim, STALE, [f"{path.name} is no result of this claim"]))
        else:
            found.append(verdict(claim, record, known))
    return found


def number(value: float) -> str:
    """A number for people: thousands separated, no more digits than it has."""
    if (float(value).is_integer() and abs(value) < 1e15) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def shown(values: Sequence[float], quantity: Quantity) -> str:
    """Mean, and standard deviation where there are several values, with the unit."""
    if not values:
        return "-"
    mean, deviation = mean_and_deviation(values)
    unit = f" {quantity.unit}" if quantity.unit else ""
    if quantity.unit in ("%", "points"):
        text = f"{mean:.2f}"
        spread = f" +- {deviation:.2f}"
    else:
        text, spread = number(mean), f" +- {number(float(f'{deviation:.2g}'))}"
    return text + (spread if len(values) > 1 and deviation else "") + unit


def expected(claim: Claim, quantity: Quantity) -> str:
    """The published or derived value with its unit, or what stands in its place; "" if none."""
    if quantity.expected is not None:
        unit = f" {quantity.unit}" if quantity.unit else ""
        derived = " (derived)" if claim.origin == "derived" else ""
        return f"{number(quantity.expected)}{unit}{derived}"
    mode = claim.id.removeprefix("energy-")
    if mode in MEASURED and mode != claim.id:
        measured = MEASURED[mode]
        if quantity.name.startswith("energy, "):
            return f"{measured.energy} mJ (measured)"
        if quantity.name.startswith("latency"):
            return f"{measured.latency} ms (measured)"
        return f"{measured.product:.3g} uJ s (product)"
    return ""


def shown_quantities(row: Verdict) -> list[Quantity]:
    """The quantities of which there is something to show: a value, or an expected one.

    None of a claim that was not asked for: it takes one line.
    """
    if row.why == [NO_RESULT]:
        return []
    return [q for q in row.claim.quantities if row.values.get(q.name) or expected(row.claim, q)]


def table(verdicts: Sequence[Verdict], title: str) -> Table:
    """The status table for the terminal."""
    view = Table(title=title, title_justify="left")
    view.add_column("claim, its quantities", min_width=max(len(row.claim.id) for row in verdicts))
    for heading in ("published", "measured", "status"):
        view.add_column(heading)
    for row in verdicts:
        seeds = len(row.record["seeds"]) if row.record else 0
        view.add_row(
            f"[bold]{row.claim.id}[/]", "", f"{seeds} seeds" if seeds > 1 else "",
            f"[{STYLES[row.status]}]{row.status}[/]",
            end_section=not (quantities := shown_quantities(row)),
        )  # fmt: skip
        for quantity in quantities:
            view.add_row(
                f"  {quantity.name}",
                expected(row.claim, quantity) or "-",
                shown(row.values.get(quantity.name, ()), quantity),
                end_section=quantity is quantities[-1],
            )
    return view
