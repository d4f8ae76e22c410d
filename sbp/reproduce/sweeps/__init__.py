"""Sweeps: independent trainings on many cores or machines, none of which is lost or done twice.

A `Job` is one training by the algebra.  Jobs go to threads, one per core, or to the workers of a
Dask cluster.  Each result is two files of its own, a history and the weights, written when the
job ends, by the worker itself where it sees the folder and else by the driver.  So a lost worker
costs the job it was at (Dask gives it to another), a killed driver costs the jobs under way, and
a rerun does only what is missing or was made by other code.

What a job leaves is a run like any other: ``sbp evaluate FOLDER/JOB.npz``, ``sbp plot curve
FOLDER/JOB.json``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from sbp.errors import SpecError
from sbp.learn.progress import output, sheet, tell
from sbp.reproduce.sweeps.cluster import run
from sbp.reproduce.sweeps.job import BEYOND, Job, grid, run_job
from sbp.spec import whole

__all__ = [
    "BEYOND", "Job", "grid", "main", "print_progress", "report", "run", "run_job",
    "summary",
]  # fmt: skip


def summary(records: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Group the records by everything but the seed: mean and range of the last epoch.

    Returns
    -------
    list of dict
        "job" (without its seed), "seeds", "exact", "spike", "membrane" (fractions, one per seed),
        "dead outputs" (a list for each seed), "sizes", "chip", "check" (that of the seed with the
        largest input).
    """
    groups: dict[str, dict[str, Any]] = {}
    for record in records:
        if record is None:
            continue
        job = {key: value for key, value in record["job"].items() if key != "seed"}
        key = json.dumps(job, sort_keys=True)
        group = groups.setdefault(key, {
            "job": job, "seeds": [], "sizes": record["sizes"], "chip": record["chip"],
            "check": record["check"], "exact": [], "spike": [], "membrane": [], "dead outputs": [],
        })  # fmt: skip
        group["seeds"].append(record["job"]["seed"])
        group["dead outputs"].append(record["dead_outputs"])
        for name in ("exact", "spike", "membrane"):
            group[name].append(record["epochs"][-1][name])
        largest = "largest input of closed h"
        if (record["check"][largest] or 0) > (group["check"][largest] or 0):
            group["check"] = record["check"]
    return list(groups.values())


def report(groups: Sequence[dict[str, Any]]) -> Table:
    """The summary as a table for the terminal; a value a line where that is too narrow."""
    # What is the same for all stands in the title.
    varying = [key for key in ("crop", "shift", "threshold")
               if len({group["job"][key] for group in groups}) > 1]  # fmt: skip
    epochs, seeds = groups[0]["job"]["epochs"], max(len(group["seeds"]) for group in groups)
    view = sheet(
        f"Sweep: after {epochs} epoch{'s' * (epochs > 1)}, mean over {seeds} "
        f"seed{'s' * (seeds > 1)}"
    )
    headings = (
        "network", *varying, "exact %", "spike %", "membrane %", "closed h (limit)",
        "chip's memory",
    )  # fmt: skip
    rows = []
    for group in groups:
        job, check = group["job"], group["check"]
        parted = check["differing weights"]
        rows.append((
            "-".join(map(str, group["sizes"])),
            *("-" if job[key] is None else str(job[key]) for key in varying),
            *(f"{100 * sum(group[name]) / len(group[name]):.2f}"
              for name in ("exact", "spike", "membrane")),
            _largest(check) + (f" ({parted:,} differ)" if parted else ""),
            f"{100 * group['chip']['share of synaptic memory']:.1f} %",
        ))  # fmt: skip
    widest = [max(map(len, column)) + 1 for column in zip(headings, *rows, strict=True)]
    if sum(widest) > output().width:
        view.show_header = False
        for row in rows:
            for heading, value in zip(headings, row, strict=True):
                view.add_row(heading, value)
            view.add_section()
        return view
    for heading in headings:
        view.add_column(heading, justify="right", overflow="fold")
    for row in rows:
        view.add_row(*row)
    return view


def _largest(check: dict[str, Any]) -> str:
    largest = check["largest input of closed h"]
    return "-" if largest is None else f"{largest:,} ({check['limit']:,})"


def main(
    dataset: str = "mnist",
    *,
    hidden: Sequence[int | tuple[int, ...]] = (400,),
    seeds: int = 1,
    crops: Sequence[int | None] = (None,),
    thresholds: Sequence[float | None] = (None,),
    shifts: Sequence[int] = (0,),
    epochs: int = 40,
    samples: int | None = None,
    weight_exponent: int = 0,
    out: str | os.PathLike[str] = "runs/sweep",
    scheduler: str | None = None,
    workers: int | None = None,
    root: str | os.PathLike[str] | None = None,
) -> int:
    """Run every combination of the options as a job of its own, and print a table.

    Parameters
    ----------
    dataset : str
        Name of a data set, or a FILE.npz.
    hidden, crops, shifts : sequence of int
        Values to combine; of `hidden` one may be a tuple, for several layers.
    thresholds : sequence of int or float
        As well.
    seeds : int
        Seeds 0 .. seeds - 1 of every combination.
    epochs : int
    samples : int, optional
        Training samples; default all.
    weight_exponent : int
        Of every job.
    out, scheduler, workers, root
        See `run`.

    Returns
    -------
    int
        0; or 1 if a job failed (run again to repeat only that).
    """
    seeds = whole("sweep", "seeds", seeds, 1, 1000)
    jobs = grid(
        dataset, hidden=hidden, seeds=range(seeds), crops=crops, thresholds=thresholds,
        shifts=shifts, epochs=epochs, n_train=samples, weight_exponent=weight_exponent,
    )  # fmt: skip
    if not jobs:
        raise SpecError("the sweep has no jobs", do="give a crop at least as large as the shift")
    left_out = sorted(set(shifts) - {job.shift for job in jobs})
    if left_out:
        print(f"left out: shift {', '.join(map(str, left_out))}, larger than every crop (--crop)",
              file=sys.stderr)  # fmt: skip
    records = run(
        jobs, out, scheduler=scheduler, workers=workers, root=root, progress=print_progress
    )
    if groups := summary(records):
        output().print(report(groups))
    failed = sum(record is None for record in records)
    if failed:
        kept = f"the others are in {out}; " if failed < len(jobs) else ""
        print(f"{failed} of {len(jobs)} jobs failed; {kept}run the same command again to repeat "
              "what is missing", file=sys.stderr)  # fmt: skip
    return 1 if failed else 0


def print_progress(
    done: int, total: int, job: Job, record: dict[str, Any] | None, problem: str
) -> None:
    """One line on standard error."""
    if record is None:
        text = f"failed: {problem}"
    else:
        last = record["epochs"][-1]
        text = (
            f"spike {100 * last['spike']:.2f} %, membrane {100 * last['membrane']:.2f} %, "
            f"{record['seconds']:.0f} s"
        )
    tell(f"[{done}/{total}] {job.id}: {text}")
