"""Claim by claim: what was published, what this code measures, and whether they agree.

claim (`claim`, `claims`) -> its function -> ``results/<id>.json`` with what made it (`provenance`)
-> read and checked (`schema`) -> verdict and tables (`status`) -> status page (`page`).

Results come in two kinds: those *committed* with the package (`kept_results`), and those measured
*here*, which stand beside them and are compared with them, bit for bit.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from sbp import engines
from sbp.circuits import registry
from sbp.errors import FileError, SbpError, brief, check_name
from sbp.files import shipped, write_atomic
from sbp.learn.progress import output, say, span, tell
from sbp.program import lower
from sbp.reproduce import provenance
from sbp.reproduce.bench import Bench, Missing, NotMeasured, Scale
from sbp.reproduce.claims import BROKEN, CLAIMS, PRESETS, Claim, Measurement, select
from sbp.reproduce.page import markdown
from sbp.reproduce.schema import FORMAT, fault_of, read_record
from sbp.reproduce.status import (
    AGREES,
    DIFFERS,
    EQUAL,
    NO_RESULT,
    NOT_RUN,
    REPORTED,
    SHORTER,
    STALE,
    Known,
    Verdict,
    by_origin,
    old_figures,
    plain,
    read_verdicts,
    so_far,
    table,
    verdict,
)
from sbp.spec import whole

__all__ = ["kept_results", "main", "redraw", "run_claim", "show_claims", "show_status"]

#: Where results go: beside the committed ones, in the working directory.
FOLDERS = {"smoke": Path("build/reproduce"), "paper": Path("build/reproduce-paper")}
OTHER = "other numbers"


def kept_results() -> Path:
    """The folder of the committed results: in a clone beside the package, else inside it.

    Raises
    ------
    FileError
        If it is not there.
    """
    return shipped.folder("results")


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
    workers: int | None = None,
    again: bool = False,
    compare: bool = False,
) -> int:
    """Measure claims, write ``<id>.json`` and ``status.md``, and print them beside the committed.

    With the paper preset, what is present and current in `out` is not measured again, and an
    interrupted run goes on where it was.

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
        Folder of the results; default ``build/reproduce``, or ``build/reproduce-paper``.
    root : path, optional
        Data root; see `sbp.learn.data`.
    figures : bool
        Draw a figure of the same name beside each result.
    scale : Scale, optional
        How much to run, instead of what the preset says (for tests).
    workers : int, optional
        Trainings at a time, 1 .. 1024; default one per core.
    again : bool
        Measure what is present and current too.
    compare : bool
        A result that is not equal to the committed one, bit for bit, makes the exit code 1.

    Returns
    -------
    int
        0; or 1 if a claim that was run disagrees with its tolerance, if a rerun with the same
        code, data and seeds gave other numbers, or if jobs of the sweep failed.

    Raises
    ------
    SpecError, DataError, FileError
        For an unknown claim, preset or engine, a bad data file, or an unwritable folder.
    """
    claims = select(tuple(ids))
    _check(preset, engine, seeds, workers)
    folder = Path(out) if out is not None else FOLDERS[preset]
    _check_writable(folder)
    bench = Bench(
        preset, seeds=seeds, engine=engine, root=root, scale=scale, folder=folder, workers=workers,
        download=bool(ids) or preset == "paper",
    )  # fmt: skip
    known = Known(root)
    committed = _committed()
    chosen = [c for c in claims if ids or preset == "paper" or c.in_smoke]
    ran: dict[str, Verdict] = {}
    missing: dict[str, list[str]] = {}
    differing, failed, skipped = [], False, []
    began = time.monotonic()
    _announce(chosen, preset, committed)
    for number, claim in enumerate(chosen, 1):
        path = folder / f"{claim.id}.json"
        before = _earlier(path, claim)
        if preset == "paper" and not again and before and _current(claim, before, bench, known):
            skipped.append(claim.id)
            ran[claim.id] = verdict(claim, before, known)
            continue
        tell(f"[{number}/{len(chosen)}] {claim.id}")
        try:
            record = _run(claim, bench)
        except Missing as reason:
            missing.setdefault(str(reason), []).append(claim.id)
            continue
        except NotMeasured as reason:
            ran[claim.id] = Verdict(claim, NOT_RUN, [str(reason)])
            failed = True
            continue
        # First of all, so that a figure that cannot be drawn costs nothing but itself.
        provenance.write_record(path, record)
        if figures:
            try:
                record["figure"] = _draw(claim, record, folder)
            except Exception as error:
                if _ours(claim):
                    raise
                tell(f"{claim.id}: no picture: {type(error).__name__}: {brief(error)}")
            provenance.write_record(path, record)
        record = read_record(path, claim.id)
        ran[claim.id] = verdict(claim, record, known)
        if before and len(before["seeds"]) > len(record["seeds"]):
            print(f"{claim.id}: takes the place of a result over {len(before['seeds'])} seeds",
                  file=sys.stderr)  # fmt: skip
        if before and _same_making(before, record) and before["computed"] != record["computed"]:
            differing.append(claim.id)
    # Of the files alone, so that whoever judges them again comes to the same page.
    write_status(folder, read_verdicts(folder, CLAIMS, known))
    if not failed and not missing and not ids:
        bench.tidy()
    if skipped:
        tell(f"already measured, and current: {', '.join(skipped)}")
    compared = _compared(ran, committed)
    _print_run(list(ran.values()), committed, compared, missing, preset, folder,
               time.monotonic() - began)  # fmt: skip
    for name in differing:
        print(f"{name}: not reproducible: an earlier run of the same code, data and seeds ended "
              "with other numbers", file=sys.stderr)  # fmt: skip
    unequal = [id for id, word in compared.items() if word == OTHER] if compare else []
    bad = [row for row in ran.values() if row.status in (DIFFERS, STALE)]
    return 1 if bad or differing or failed or unequal else 0


def _check(preset: str, engine: str | None, seeds: int | None, workers: int | None) -> None:
    check_name("preset", preset, PRESETS)
    if engine is not None:
        check_name("engine", engine, ("algebra", *engines.names()))
    for name, value, most in (("seeds", seeds, 1000), ("workers", workers, 1024)):
        if value is not None:
            whole("reproduce", name, value, 1, most)


def show_status(
    out: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    ids: Sequence[str] = (),
) -> int:
    """Judge the results in a folder again, without running anything; print the table.

    Parameters
    ----------
    out : path, optional
        Default: the committed results, `kept_results`.

    Returns
    -------
    int
        0; or 1 if any result disagrees with its tolerance or is stale, or if a picture or the
        status page is not what the results and the code make of them.
    """
    folder = _results_in(out)
    known, all_of = Known(root), read_verdicts(folder, CLAIMS, Known(root))
    wanted = {claim.id for claim in select(tuple(ids))}
    rows = [row for row in all_of if row.claim.id in wanted]
    asked = [row for row in rows if ids or row.why != [NO_RESULT]]
    console = output()
    console.print(table(asked, None, f"Expected beside measured, results in {folder}"))
    _print_reasons(asked)
    _print_silent(len(rows) - len(asked), folder)
    old = old_figures(folder, asked, drawing_code(known.package))
    page = folder / "status.md"
    if old:
        said = f"pictures older than their code, or altered: {', '.join(old)}"
        say(f"{said}; `sbp reproduce --redraw` draws them again")
    stale_page = not ids and page.is_file() and page.read_bytes() != markdown(all_of).encode()
    if stale_page:
        say(f"{page} is not what the results say; `sbp reproduce --redraw` writes it again")
    _print_counts(rows)
    say(f"results and status.md: {folder}")
    bad = any(row.status in (DIFFERS, STALE) for row in rows)
    return 1 if bad or old or stale_page else 0


def _results_in(out: str | os.PathLike[str] | None) -> Path:
    """The folder of results that was named, else that of the committed ones."""
    folder = Path(out) if out is not None else kept_results()
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder", do="give the folder of the results with --out")
    return folder


def redraw(
    out: str | os.PathLike[str] | None = None, root: str | os.PathLike[str] | None = None
) -> int:
    """Draw every picture and write the status page again, from the results in a folder.

    Returns
    -------
    int
        0.
    """
    folder = _results_in(out)
    _check_writable(folder)
    known, drawn = Known(root), 0
    for row in read_verdicts(folder, CLAIMS, known):
        if row.record is not None:
            record = {key: value for key, value in row.record.items() if key != "checksum"}
            record["figure"] = _draw(row.claim, record, folder)
            provenance.write_record(folder / f"{row.claim.id}.json", record)
            drawn += 1
    write_status(folder, read_verdicts(folder, CLAIMS, known))
    say(f"{drawn} pictures and status.md: {folder}")
    return 0


def show_claims() -> int:
    """Print a line for every claim: its id, and what is claimed."""
    committed = _committed()
    for claim in CLAIMS:
        row = committed.get(claim.id)
        took = f" ({span(row.record['seconds'])})" if row and row.record else ""
        say(f"{claim.id}{took}: {claim.statement}")
    for name, reason in BROKEN.items():
        say(f"{name}: cannot be used: {plain(reason)}")
    return 0


def run_claim(claim: Claim, bench: Bench) -> dict[str, Any]:
    """Measure one claim; the record of its result file, without the checksum.

    Raises
    ------
    Missing
        If a data set it needs is not here and cannot be fetched.
    """
    began = time.perf_counter()
    bench.take_reused()  # what a claim that was not measured left behind
    found: Measurement = claim.measure(claim, bench)
    values = claim.summary(claim, found.details) if claim.summary else found.values
    engine = claim.engine
    if engine == "algebra":
        engine = bench.engine or "algebra"
    record = {
        "format": FORMAT,
        "id": claim.id,
        "statement": claim.statement,
        "preset": bench.preset,
        "scale": asdict(bench.scale),
        "seeds": found.seeds,
        "values": values,
        "details": found.details,
        "weights": found.weights,
        "circuits": [
            c.facts | {"digest": lower(registry.build(c.family, c.sizes, **c.options)).digest}
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
            "modules": provenance.code_hashes(claim.module, (engine, *claim.engines)),
        },
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "seconds": round(time.perf_counter() - began + bench.take_reused(), 2),
    }
    return record | {"computed": provenance.computed(record)}


def _ours(claim: Claim) -> bool:
    """Whether a claim is of this package: an exception that nobody foresaw is then to be seen."""
    return claim.module.partition(".")[0] == "sbp"


def _run(claim: Claim, bench: Bench) -> dict[str, Any]:
    """`run_claim`, where a claim of another package that fails is not measured, and ours go on."""
    try:
        record = run_claim(claim, bench)
    except (SbpError, NotMeasured):
        raise
    except Exception as error:
        if _ours(claim):
            raise
        raise NotMeasured(f"it failed: {type(error).__name__}: {brief(error)}") from error
    if fault := fault_of(record | {"checksum": ""}, claim.id):
        raise NotMeasured(f"it gave no result: {fault}")
    return record


def write_status(folder: Path, verdicts: Sequence[Verdict]) -> Path:
    """Write ``status.md``."""
    text = markdown(verdicts)
    return write_atomic(folder / "status.md", lambda stream: stream.write(text.encode()))


def _committed() -> dict[str, Verdict]:
    """Verdicts of the committed results, by claim; none where they are not found."""
    try:
        folder = kept_results()
    except FileError:
        return {}
    return {row.claim.id: row for row in read_verdicts(folder, CLAIMS, _Remembered())}


class _Remembered(Known):
    """Takes data and code as they were: whatever is committed is shown as it is committed."""

    def data_checksum(self, name: str, n_train: int, n_test: int) -> str | None:
        return None


def _earlier(path: Path, claim: Claim) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return read_record(path, claim.id)
    except FileError:
        return None


def _current(claim: Claim, record: dict[str, Any], bench: Bench, known: Known) -> bool:
    """Whether a result is what this run would measure again."""
    asked = (bench.preset, asdict(bench.scale))
    seeds = bench.seeds(claim)
    return (
        (record["preset"], record["scale"]) == asked
        and (not record["seeds"] or record["seeds"] == seeds)
        and verdict(claim, record, known).status in (AGREES, DIFFERS, REPORTED)
    )


def _same_making(first: dict[str, Any], second: dict[str, Any]) -> bool:
    keys = ("preset", "scale", "seeds", "circuits", "data", "code")
    return all(first.get(key) == second[key] for key in keys)


def _check_writable(folder: Path) -> None:
    # Found out before minutes of computing, not after.
    probe = folder / f".writable-{os.getpid()}"
    write_atomic(probe, lambda stream: stream.write(b""))
    probe.unlink()


@lru_cache(maxsize=4)
def drawing_code(package: Path = provenance.PACKAGE) -> dict[str, str]:
    """Fingerprint of what draws the pictures of results."""
    names = ["sbp.reproduce.figures", "sbp.plots.results", "sbp.plots.picture"]
    return provenance.sources(package).closure(names, apart=("sbp.reproduce", "sbp.errors"))


def _draw(claim: Claim, record: dict[str, Any], folder: Path) -> dict[str, Any]:
    from sbp.reproduce import figures

    path = folder / f"{claim.id}.png"
    figure = figures.draw(claim, record)
    figures.save(figure, path, dpi=100)
    return {
        "file": path.name,
        "alt": figure.alt,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "modules": drawing_code(),
    }


def _announce(chosen: Sequence[Claim], preset: str, committed: dict[str, Verdict]) -> None:
    """What is about to be run, and how long the committed results took."""
    for name, reason in BROKEN.items():
        print(f"claims of {name} cannot be used: {plain(reason)}", file=sys.stderr)
    records = [row.record for c in chosen if (row := committed.get(c.id)) and row.record]
    if preset != "paper" or not records:
        return
    cores = records[0]["machine"]["cores"]
    seconds = sum(record["seconds"] for record in records)
    tell(
        f"{len(chosen)} claims; the committed results took {span(seconds)} at most on {cores} "
        "cores, less what claims share"
    )


def _compared(ran: dict[str, Verdict], committed: dict[str, Verdict]) -> dict[str, str]:
    """How each result stands to the committed one."""
    found = {}
    for id, row in ran.items():
        theirs = committed.get(id)
        if row.record and theirs and theirs.record:
            found[id] = so_far(row.record, theirs.record)
    return found


def _print_run(
    rows: Sequence[Verdict],
    committed: dict[str, Verdict],
    compared: dict[str, str],
    missing: dict[str, list[str]],
    preset: str,
    folder: Path,
    seconds: float,
) -> None:
    console = output()
    if rows:
        console.print(table(rows, committed, f"Expected, committed and here: {preset} preset",
                            compared))  # fmt: skip
        _print_reasons(rows)
    for reason, ids in missing.items():
        name = _data_of(ids)
        first = f"{name} is not here, so {len(ids)} claim{'s' * (len(ids) > 1)} must wait: "
        say(first + ", ".join(ids) + ".")
        advice = f"`sbp reproduce {ids[0]}` fetches it" if reason == name else plain(reason)
        say(f"{advice}; or name a folder that has it with --data-dir or SBP_DATA.")
    waiting = len(CLAIMS) - len(rows) - sum(map(len, missing.values()))
    if waiting > 0:
        say(
            f"{waiting} further claims were not asked for; `make reproduce-paper` measures all, "
            "`sbp reproduce --list` names them, `sbp reproduce --status` shows what is committed."
        )
    _print_counts(rows)
    say(f"results and status.md: {folder}")
    say(_in_words(rows, compared, seconds), bold=True)


def _data_of(ids: Sequence[str]) -> str:
    from sbp.learn import data

    here = data.available()
    names = {name for claim in select(tuple(ids)) for name in claim.data}
    return " and ".join(sorted(n for n in names if here.get(n, "").startswith("not here")) or
                        sorted(names))  # fmt: skip


def _in_words(rows: Sequence[Verdict], compared: dict[str, str], seconds: float) -> str:
    """The run in a sentence or two, for whoever sees this for the first time."""
    by_id = {row.claim.id: row for row in rows}
    said = []
    learned = by_id.get("mnist-60-epochs") or by_id.get("mnist-5k") or by_id.get("digits")
    for row in (by_id.get("mnist-5k"), learned):
        values = row.values.get("membrane") if row else None
        if row and values:
            taken = span((row.record or {}).get("seconds", seconds))
            said.append(
                "This machine trained the paper's network of spiking neurons on handwritten digits "
                f"in {taken}, and it reads {sum(values) / len(values):.0f} of 100 "
                "digits right that it has never seen."
                if row.claim.id == "mnist-5k" else
                f"A network of spiking neurons learned {', '.join(row.claim.data)} and reads "
                f"{sum(values) / len(values):.0f} of 100 test pictures right."
            )  # fmt: skip
            break
    bad = [row.claim.id for row in rows if row.status in (DIFFERS, STALE)]
    equal = [id for id, word in compared.items() if word.startswith(EQUAL)]
    other = [id for id, word in compared.items() if word == OTHER]
    if equal and not other:
        said.append(
            f"All {len(equal)} results that can be compared with the committed ones are equal to "
            "them, bit for bit."
        )
    elif other:
        said.append(f"Other than the committed numbers: {', '.join(other)}.")
    if bad:
        said.append(f"Not as expected: {', '.join(bad)}.")
    elif any(row.status == AGREES for row in rows):
        said.append("Every number that has an expected value agrees with it.")
    return " ".join(said) or f"{len(rows)} claims measured in {span(seconds)}."


def _print_reasons(rows: Sequence[Verdict]) -> None:
    for row in rows:
        if row.why and row.status != SHORTER and row.why != [NO_RESULT]:
            said = f"{row.claim.id}: {row.status}: {'; '.join(row.why)}"
            say(plain(said))


def _print_silent(count: int, folder: Path) -> None:
    if count:
        say(
            f"{count} of {len(CLAIMS)} claims: no result in {folder}; run `make reproduce-paper`, "
            "or `sbp reproduce ID --preset paper`"
        )


def _print_counts(rows: Sequence[Verdict]) -> None:
    """How many claims agree, and how many expected values of each origin."""
    words = (AGREES, DIFFERS, REPORTED, SHORTER, STALE, NOT_RUN)
    counts = {word: sum(row.status == word for row in rows) for word in words}
    said = ", ".join(f"{word} {n}" for word, n in counts.items() if n or word == DIFFERS)
    origins = ", ".join(f"{n} {name}" for name, n in by_origin(rows).items() if n)
    agree = f"; expected values that agree: {origins}" if origins else ""
    say(f"claims: {said}{agree}")
