"""From result files to a verdict for every claim, and the tables of the terminal."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from sbp.circuits import registry
from sbp.errors import FileError, SbpError
from sbp.learn import data
from sbp.learn.progress import sheet
from sbp.program import lower
from sbp.reproduce.bench import SCALES
from sbp.reproduce.claim import ORIGINS, PRESETS, Claim, Quantity
from sbp.reproduce.claims import CLAIMS
from sbp.reproduce.provenance import PACKAGE, checksum, code_hashes, computed
from sbp.reproduce.schema import read_record

AGREES, DIFFERS, REPORTED = "agrees", "differs", "reported"
STALE, SHORTER, NOT_RUN = "stale", "shorter", "not run"
NO_RESULT = "no result yet"
STYLES = {
    AGREES: "green", DIFFERS: "bold red", REPORTED: "cyan", STALE: "yellow", SHORTER: "dim",
    NOT_RUN: "dim",
}  # fmt: skip
MEANING = {
    AGREES: "every expected value that has a tolerance is met; one without stands beside",
    DIFFERS: "one does not",
    REPORTED: "measured or modelled; there is nothing to decide by",
    STALE: "the result was made by other code, data or circuit than the present, or was altered",
    SHORTER: "run, but with fewer epochs, samples or seeds than would decide it",
    NOT_RUN: "there is no result",
}
EQUAL = "equal"


@dataclass
class Verdict:
    """What is known of a claim.

    Attributes
    ----------
    status : str
        One of the six words above.
    why : list of str
        Reasons, for people.
    values : dict of str to list of float
        Per seed, from the result file.
    record : dict or None
        The result file, unless it is stale.
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
        self._digests: dict[str, str] = {}

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

    def code(self, module: str, engines: Iterable[str]) -> dict[str, str]:
        """`code_hashes` of the present modules."""
        key = module, tuple(engines)
        if key not in self._code:
            self._code[key] = code_hashes(module, key[1], self.package)
        return self._code[key]

    def digest(self, circuit: Mapping[str, Any]) -> str:
        """Digest of the present circuit of the same family, sizes and options."""
        key = repr(sorted(circuit.items(), key=lambda item: item[0]))
        if key not in self._digests:
            options = circuit.get("options", {})
            built = registry.build(circuit["circuit"], tuple(circuit["sizes"]), **options)
            self._digests[key] = lower(built).digest
        return self._digests[key]


def stale(claim: Claim, record: Mapping[str, Any], known: Known) -> list[str]:
    """Why `record` does not stand for the present code, circuits and data; empty if it does."""
    if record["checksum"] != checksum(record):
        return ["the file was altered: its checksum does not fit"]
    if record["computed"] != computed(record):
        return ["the file was altered: what it computed has another checksum"]
    reasons = []
    for circuit in record["circuits"]:
        if known.digest(circuit) != circuit["digest"]:
            reasons.append(f"the {circuit['circuit']} circuit has changed")
    for name, entry in record["data"].items():
        now = known.data_checksum(name, entry["n_train"], entry["n_test"])
        if now not in (None, entry["checksum"]):
            reasons.append(f"the data set {name} has changed")
    engine = record["code"]["engine"]
    if engine != claim.engine and claim.engine != "algebra":
        reasons.append(f"made with the engine {engine or 'of none'}, not {claim.engine or 'none'}")
    now_code = known.code(claim.module, (record["code"]["engine"], *claim.engines))
    then = record["code"]["modules"]
    for name in sorted(now_code.keys() | then.keys()):
        if now_code.get(name) != then.get(name):
            reasons.append(f"{name} has changed")
    return reasons


def altered(claim: Claim, record: Mapping[str, Any]) -> list[str]:
    """Values that do not follow from the details beside them."""
    if claim.summary is None:
        return []
    made = claim.summary(claim, record["details"])
    return [
        f"{name} does not follow from its details"
        for name in sorted(made.keys() | record["values"].keys())
        if not _same(made.get(name), record["values"].get(name))
    ]


def _same(first: Sequence[float] | None, second: Sequence[float] | None) -> bool:
    if first is None or second is None or len(first) != len(second):
        return False
    return all(abs(a - b) <= 1e-9 * max(1, abs(a)) for a, b in zip(first, second, strict=True))


def conflicts(rows: Sequence[Verdict]) -> dict[str, str]:
    """Claims whose weights differ from those of another claim about the same training."""
    seen: dict[str, tuple[str, str]] = {}
    found = {}
    for row in rows:
        record = row.record
        if record is None or not record["weights"]:
            continue
        made = {k: record[k] for k in ("circuits", "data", "preset", "scale")}
        about = checksum({**made, "engine": record["code"]["engine"],
                          "epochs": record["details"].get("epochs")})  # fmt: skip
        for training, digest in record["weights"].items():
            if not training.isdigit():
                continue
            other, theirs = seen.setdefault(f"{about} {training}", (row.claim.id, digest))
            if theirs != digest and "off-chip" not in row.claim.id + other:
                found[row.claim.id] = f"its weights of seed {training} are not those of {other}"
    return found


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and standard deviation with n - 1 (0 for a single value)."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def decide(claim: Claim, values: Mapping[str, Sequence[float]]) -> tuple[str, list[str]]:
    """Compare the mean of every quantity with its expected value."""
    why, decided = [], False
    for quantity in claim.quantities:
        if not quantity.decides:
            continue
        assert quantity.expected is not None
        assert quantity.tolerance is not None
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
        reasons = stale(claim, record, known) or altered(claim, record)
        if reasons:
            return Verdict(claim, STALE, reasons)
        values = record["values"]
        weaker = PRESETS.index(record["preset"]) < PRESETS.index(claim.preset)
        if weaker or (claim.preset == "paper" and record["scale"] != asdict(SCALES["paper"])):
            return Verdict(claim, SHORTER, [shortened(claim, record)], values, record)
        status, why_not = decide(claim, values)
    except SbpError as error:
        return Verdict(claim, STALE, [f"no result of this version: {error}"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        return Verdict(claim, STALE, [f"no result of this version ({error!r})"])
    return Verdict(claim, status, why_not, values, record)


def shortened(claim: Claim, record: Mapping[str, Any]) -> str:
    """How much less was run than decides it: "10 of 60 epochs, 1 of 10 seeds"."""
    said = []
    epochs = record["details"].get("epochs")
    if isinstance(epochs, int) and epochs < claim.epochs:
        said.append(f"{epochs} of {claim.epochs} epochs")
    if record["seeds"] and len(record["seeds"]) < claim.seeds:
        said.append(f"{len(record['seeds'])} of {claim.seeds} seeds")
    return ", ".join(said) or f"{record['preset']} preset"


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
            found.append(verdict(claim, read_record(path, claim.id), known))
        except FileError as error:
            found.append(Verdict(claim, STALE, [str(error)]))
    for id, reason in conflicts(found).items():
        i = next(i for i, row in enumerate(found) if row.claim.id == id)
        found[i] = Verdict(found[i].claim, STALE, [reason])
    return found


def old_figures(folder: Path, rows: Iterable[Verdict], drawing: Mapping[str, str]) -> list[str]:
    """Claims whose picture is missing, was altered, or is older than the code that draws it."""
    found = []
    for row in rows:
        if row.record is None or "figure" not in row.record:
            continue
        figure = row.record["figure"]
        path = folder / figure["file"]
        drawn = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest()
        if drawn != figure["sha256"] or figure.get("modules") != dict(drawing):
            found.append(row.claim.id)
    return found


def so_far(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """How a result stands to the committed one: `EQUAL`, "equal so far", "" or what differs."""
    if mine["computed"] == theirs["computed"]:
        return EQUAL
    if mine["data"] != theirs["data"]:
        return ""  # fewer samples: nothing can be compared
    first, second = mine["details"].get("halves"), theirs["details"].get("halves")
    if mine["preset"] == theirs["preset"] and mine["seeds"] == theirs["seeds"]:
        return "other numbers"
    if not isinstance(first, dict) or not isinstance(second, dict):
        return ""
    for name, curves in first.items():
        for one, other in zip(curves, second.get(name, []), strict=False):
            if one != other[: len(one)]:
                return "other numbers"
    return "equal so far"


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
    elif quantity.decides and quantity.tolerance == 0 and not deviation:
        text, spread = exactly(mean), ""
    else:
        text, spread = number(mean), f" +- {number(float(f'{deviation:.2g}'))}"
    return text + (spread if len(values) > 1 and deviation else "") + unit


def exactly(value: float) -> str:
    """A number with every digit it has."""
    return f"{value:,.0f}" if float(value).is_integer() else repr(float(value))


def expected(claim: Claim, quantity: Quantity, *, origin: bool = True) -> str:
    """The expected value with its unit, and where it is from; "" if there is none."""
    if quantity.expected is None:
        return ""
    unit = f" {quantity.unit}" if quantity.unit else ""
    value = exactly(quantity.expected) if quantity.tolerance == 0 else number(quantity.expected)
    return f"{value}{unit}" + (f" ({claim.origin_of(quantity)})" if origin else "")


def shown_quantities(row: Verdict) -> list[Quantity]:
    """The quantities of which there is something to show: a value, or an expected one.

    None of a claim that was not asked for: it takes one line.
    """
    if row.why == [NO_RESULT]:
        return []
    return [q for q in row.claim.quantities if row.values.get(q.name) or expected(row.claim, q)]


def plain(text: str) -> str:
    """Text from a file without what moves a terminal's cursor."""
    return re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f]", " ", text)


def by_origin(rows: Iterable[Verdict]) -> dict[str, int]:
    """Expected values that agree, by where they are from: published, derived, authors' code."""
    counts = dict.fromkeys(ORIGINS.values(), 0)
    for row in rows:
        if row.status == AGREES:
            for quantity in row.claim.quantities:
                if quantity.decides:
                    counts[row.claim.origin_of(quantity)] += 1
    return counts


def table(
    here: Sequence[Verdict],
    committed: Mapping[str, Verdict] | None,
    title: str,
    compared: Mapping[str, str] | None = None,
) -> Table:
    """The table of the terminal: expected, committed (if given) and here.

    Parameters
    ----------
    here : sequence of Verdict
    committed : mapping of str to Verdict, or None
        By claim; None where the committed results themselves are shown.
    compared : mapping of str to str, optional
        `so_far` by claim.
    """
    view = sheet(title)
    # As wide as the longest name, which is one word; the other columns share what is left.
    longest = min(max([14, *(len(row.claim.id) for row in here)]), 30)
    view.add_column("claim, its quantities", overflow="fold", width=longest)
    for heading in ("expected", *(["committed"] if committed is not None else []), "here"):
        view.add_column(heading, overflow="fold")

    def word(row: Verdict) -> str:
        said = row.why[0] if row.status == SHORTER and row.why else row.status
        return f"[{STYLES[row.status]}]{escape(plain(said))}[/]"

    for row in here:
        other = (committed or {}).get(row.claim.id)
        equality = (compared or {}).get(row.claim.id, "")
        state = word(row) + (f", {equality}" if equality else "")
        cells = [f"[bold]{escape(row.claim.id)}[/]", ""]
        quantities = shown_quantities(row)
        if committed is not None:
            cells.append(word(other) if other else "-")
        view.add_row(*cells, state, end_section=not quantities)
        for quantity in quantities:
            cells = [f" {escape(quantity.name)}", escape(expected(row.claim, quantity)) or "-"]
            if committed is not None:
                theirs = other.values.get(quantity.name, ()) if other else ()
                cells.append(shown(theirs, quantity))
            cells.append(shown(row.values.get(quantity.name, ()), quantity))
            view.add_row(*cells, end_section=quantity is quantities[-1])
    return view
