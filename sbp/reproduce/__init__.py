"""Claim by claim: what was published, what this code measures, and whether they agree.

claim (`claims`) -> measuring function (`registry`, ``*_claims``) -> ``results/<id>.json`` with its
provenance (`provenance`) -> verdict and status table (`status`) -> status page (`page`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sbp.app.progress import output
from sbp.errors import FileError, SpecError
from sbp.files import read_json, write_atomic
from sbp.learn.training import ENGINES
from sbp.program import lower
from sbp.reproduce import accuracy_claims, circuit_claims, cost_claims, provenance  # noqa: F401
from sbp.reproduce.bench import Bench, Missing, NotMeasured, Scale
from sbp.reproduce.claims import CLAIMS, PRESETS, Claim, select
from sbp.reproduce.page import markdown
from sbp.reproduce.registry import FUNCTIONS, MODULES, Measurement
from sbp.reproduce.status import (
    DIFFERS,
    FORMAT,
    NO_RESULT,
    NOT_RUN,
    STALE,
    STYLES,
    Known,
    Verdict,
    read_verdicts,
    table,
    verdict,
)

__all__ = ["main", "run_claim", "show_status"]

#: Where results go: those of the paper preset are kept with the package, smoke's are not.
FOLDERS = {"smoke": Path("build/reproduce"), "paper": Path("results")}


def main(
    ids: Sequence[str] = (),
    preset: str = "smoke",
    seeds: int | None = None,
    engine: str | None = None,
    out: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    *,
    figures: bool = True,
    scale: Scale | None = None,
) -> int:
    """Measure claims, write ``<id>.json`` and ``status.md``, and print the status table.

    Parameters
    ----------
    ids : sequence of str
        Claims to measure; none: all that the preset runs.
    preset : {"smoke", "paper"}
    seeds : int, optional
        Seeds of every claim that has any, 1 .. 1000, instead of the claim's own number.
    engine : str, optional
        Engine of the trainings that need only weights (default: the algebra).
    out : path, optional
        Folder of the results; default ``results`` for the paper preset, ``build/reproduce``
        for smoke.
    root : path, optional
        Data root; see `sbp.learn.data`.
    figures : bool
        Draw a figure of the same name beside each result.
    scale : Scale, optional
        How much to run, instead of what the preset says (for tests).

    Returns
    -------
    int
        0; or 1 if a claim that was run disagrees with its tolerance, if a rerun with the same
        code, data and seeds gave other weights, or if jobs of the sweep failed.

    Raises
    ------
    SpecError, DataError, FileError
        For an unknown claim, preset or engine, a bad data file, or an unwritable folder.
    """
    claims = select(tuple(ids))
    if preset not in PRESETS:
        raise SpecError(f"no preset is called {preset!r}", allowed=", ".join(PRESETS))
    if engine is not None and engine not in ENGINES:
        raise SpecError(f"no engine is called {engine!r}", allowed=", ".join(ENGINES))
    if seeds is not None and (isinstance(seeds, bool) or not 1 <= seeds <= 1000):
        raise SpecError(f"seeds is {seeds!r}", allowed="a whole number, 1 to 1000")
    folder = Path(out) if out is not None else FOLDERS[preset]
    _check_writable(folder)
    bench = Bench(preset, seeds=seeds, engine=engine, root=root, scale=scale, folder=folder)
    known = Known(root)
    chosen = [c for c in claims if ids or preset == "paper" or c.in_smoke]
    ran: dict[str, Verdict] = {}
    other_weights, failed = [], False
    for number, claim in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {claim.id}", file=sys.stderr)
        path = folder / f"{claim.id}.json"
        before = _earlier(path)
        try:
            record = run_claim(claim, bench)
        except NotMeasured as reason:
            ran[claim.id] = Verdict(claim, NOT_RUN, [str(reason)])
            failed |= not isinstance(reason, Missing)
            continue
        # First of all, so that a figure that cannot be drawn costs nothing but itself.
        provenance.write_record(path, record)
        if figures:
            record["figure"] = _draw(claim, record, folder)
            provenance.write_record(path, record)
        record = read_json(path, "result file")
        ran[claim.id] = verdict(claim, record, known)
        if before and len(before.get("seeds", ())) > len(record["seeds"]):
            print(f"{claim.id}: takes the place of a result over {len(before['seeds'])} seeds",
                  file=sys.stderr)  # fmt: skip
        if before and _same_making(before, record) and before.get("weights") != record["weights"]:
            other_weights.append(claim.id)
    found = {row.claim.id: row for row in read_verdicts(folder, CLAIMS, known)}
    write_status(folder, [ran.get(c.id, found[c.id]) for c in CLAIMS])
    shown = [ran.get(claim.id, found[claim.id]) for claim in (claims if ids else CLAIMS)]
    _print(shown, f"Published beside measured, {preset} preset", folder)
    for name in other_weights:
        print(f"{name}: not reproducible: an earlier run of the same code, data and seeds ended "
              "with other weights", file=sys.stderr)  # fmt: skip
    bad = [row for row in ran.values() if row.status in (DIFFERS, STALE)]
    return 1 if bad or other_weights or failed else 0


def show_status(
    out: str | os.PathLike[str] = FOLDERS["paper"],
    root: str | os.PathLike[str] | None = None,
    ids: Sequence[str] = (),
) -> int:
    """Judge the results in a folder again, without running anything; print the table.

    Returns
    -------
    int
        0; or 1 if any result disagrees with its tolerance or is stale.
    """
    folder = Path(out)
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder", do="give the folder of the results with --out")
    verdicts = read_verdicts(folder, select(tuple(ids)), Known(root))
    _print(verdicts, f"Published beside measured, results in {folder}", folder)
    return 1 if any(row.status in (DIFFERS, STALE) for row in verdicts) else 0


def run_claim(claim: Claim, bench: Bench) -> dict[str, Any]:
    """Measure one claim; the record of its result file, without the checksum.

    Raises
    ------
    Missing
        If a data set it needs is not here and cannot be fetched.
    """
    began = time.perf_counter()
    bench.take_reused()  # what a claim that was not measured left behind
    found: Measurement = FUNCTIONS[claim.id](claim, bench)
    further = (*found.further, MODULES[claim.id], "reproduce/bench.py")
    engine = claim.engine
    if engine == "algebra":
        engine = bench.engine or "algebra"
    return {
        "format": FORMAT,
        "id": claim.id,
        "statement": claim.statement,
        "preset": bench.preset,
        "seeds": found.seeds,
        "values": found.values,
        "details": found.details,
        "weights": found.weights,
        "exact": found.exact,
        "circuits": [
            {"circuit": c.name, "sizes": list(c.sizes), "digest": lower(c).digest}
            for c in found.circuits
        ],
        "data": {
            name: {
                "checksum": dataset.checksum,
                "n_train": len(dataset.x_train),
                "n_test": len(dataset.x_test),
            }
            for name, dataset in found.data.items()
        },
        "code": {
            "engine": engine,
            "further": list(further),
            "modules": provenance.code_hashes(engine, further),
        },
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "seconds": round(time.perf_counter() - began + bench.take_reused(), 2),
    }


def write_status(folder: Path, verdicts: Sequence[Verdict]) -> Path:
    """Write ``status.md``."""
    text = markdown(verdicts)
    return write_atomic(folder / "status.md", lambda stream: stream.write(text.encode()))


def _earlier(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path, "result file")
    except FileError:
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def _same_making(first: dict[str, Any], second: dict[str, Any]) -> bool:
    keys = ("preset", "seeds", "circuits", "data", "code")
    return second["exact"] and all(first.get(key) == second[key] for key in keys)


def _check_writable(folder: Path) -> None:
    # Found out before minutes of computing, not after.
    probe = folder / ".writable"
    write_atomic(probe, lambda stream: stream.write(b""))
    probe.unlink()


def _draw(claim: Claim, record: dict[str, Any], folder: Path) -> dict[str, str]:
    from sbp.reproduce import figures

    name = f"{claim.id}.png"
    figure = figures.draw(claim, record)
    figures.save(figure, folder / name, dpi=100)
    return {"file": name, "alt": figure.alt}


def _print(verdicts: Sequence[Verdict], title: str, folder: Path) -> None:
    console = output()
    console.print(table(verdicts, title))
    silent = [row for row in verdicts if row.status == NOT_RUN and row.why == [NO_RESULT]]
    for row in verdicts:
        if row.why and row not in silent:
            console.print(f"{row.claim.id}: {row.status}: {'; '.join(row.why)}", soft_wrap=True,
                          markup=False)  # fmt: skip
    if silent:
        console.print(
            f"{len(silent)} of {len(verdicts)} claims: no result in {folder}; run `make "
            "reproduce-paper`, or `sbp reproduce ID --preset paper`", markup=False, soft_wrap=True,
        )  # fmt: skip
    counts = [f"{word} {sum(row.status == word for row in verdicts)}" for word in STYLES]
    console.print(f"{', '.join(counts)} of {len(verdicts)} claims", markup=False)
    console.print(f"results and status.md: {folder}", markup=False, soft_wrap=True)
