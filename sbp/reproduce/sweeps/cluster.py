"""Hand jobs to threads or to Dask workers, and keep what they find."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sbp.errors import MissingDependency, SbpError, SpecError
from sbp.files import read_json, write_atomic
from sbp.learn.checkpoint import load_weights, write_weights
from sbp.learn.parallel import Cancelled, in_threads
from sbp.learn.schema import check
from sbp.reproduce import provenance
from sbp.reproduce.sweeps.job import FORMAT, Job, JobRecord, Outcome, checksums, code, run_job
from sbp.spec import whole

CONNECT = "10s"  #: how long a scheduler may take to answer

Record = dict[str, Any]
Progress = Callable[[int, int, Job, "Record | None", str], object]
Done = Callable[[Job, "Outcome | None", str], object]  #: job, what it found, or why it failed


def finished(job: Job, out: Path, present: dict[str, str], checksum: str) -> Record | None:
    """The job's record in `out`, if it is whole and of the present code and data; else None."""
    path = out / f"{job.id}.json"
    try:
        record = read_json(path, "sweep result")
        check(record, JobRecord, f"{path} is no sweep result")
        weights = load_weights(path.with_suffix(".npz"))
    except SbpError:
        return None
    good = (
        record["format"] == FORMAT
        and record["job"] == job.facts
        and record["code"] == present
        and record["data_checksum"] == checksum
        and record["checksum"] == provenance.checksum(record)
        and record["digest"] == weights.digest
    )
    return record if good else None


def keep(job: Job, found: Outcome, out: Path) -> None:
    """Write a job's two files: the weights, then the record, which says that all is there."""
    history = {key: value for key, value in found.record.items() if key not in OF_THE_SWEEP}
    write_weights(out / f"{job.id}.npz", found.weights, history)
    provenance.write_record(out / f"{job.id}.json", found.record)


#: What the record says beside the training's history.
OF_THE_SWEEP = ("format", "job", "chip", "check", "dead_outputs", "code", "versions", "machine")


def _work(job: Job, base: str, root: str | None, out: str, token: str) -> Outcome:
    """On a worker: run the job, and write its files if this is the driver's folder.

    A relative FILE.npz counts from `base`, the folder that the driver runs in.
    """
    found = run_job(job, root, base)
    folder = Path(out)
    with suppress(OSError, SbpError):  # else the driver writes them
        if (folder / ".sweep").read_text(encoding="utf-8") == token:
            keep(job, found, folder)
    return found


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    try:
        import distributed
    except ModuleNotFoundError as error:
        if error.name != "distributed":
            raise
        raise MissingDependency(
            "sweeps on several machines run on Dask, which is not installed",
            do="pip install 'spiking-backprop[distributed]'",
        ) from None
    try:
        client = distributed.Client(scheduler, timeout=CONNECT)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecError(
            f"no Dask scheduler answers at {scheduler!r} ({reason})",
            allowed="an address such as tcp://HOST:8786",
        ) from None
    with client:
        yield client


def _on_cluster(
    jobs: Sequence[Job], done: Done, scheduler: str, root: str | None, out: Path
) -> None:
    """Run `jobs` on the workers of a Dask scheduler."""
    token = uuid.uuid4().hex
    write_atomic(out / ".sweep", lambda stream: stream.write(token.encode()))
    try:
        with _client(scheduler) as client:
            from distributed import as_completed

            futures = {
                client.submit(_work, job, str(Path.cwd()), root, str(out.resolve()), token,
                              key=f"{job.id}-{token}", pure=False): job
                for job in jobs
            }  # fmt: skip
            for future in as_completed(futures):
                try:
                    found, problem = future.result(), ""
                except Exception as error:
                    found, problem = None, _problem(error)
                done(futures[future], found, problem)
    finally:
        with suppress(OSError):
            (out / ".sweep").unlink()


def _here(jobs: Sequence[Job], done: Done, workers: int | None, root: str | None) -> None:
    """Run `jobs` in threads: the kernels release the interpreter."""

    def one(job: Job, stopped: Callable[[], None]) -> Outcome | str:
        try:
            return run_job(job, root, check=stopped)
        except Cancelled:
            raise
        except Exception as error:  # whatever it is costs this job, and no other
            return _problem(error)

    def finished(job: Job, found: Outcome | str) -> None:
        done(job, *((None, found) if isinstance(found, str) else (found, "")))

    in_threads(one, jobs, workers=workers, finished=finished)


def run(
    jobs: Sequence[Job],
    out: str | os.PathLike[str],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    root: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[Record | None]:
    """Run the jobs whose results are not in `out` yet.

    Parameters
    ----------
    jobs : sequence of Job
    out : path
        Folder of the results, made if it does not exist: for each job ID.json, a training history
        that says more, and ID.npz, the weights.
    scheduler : str, optional
        Address of a Dask scheduler; default: threads of this process.
    workers : int, optional
        Jobs at a time without a scheduler; default one per core of this job.
    root : path, optional
        Data root; on a cluster it must exist on every worker, as must a FILE.npz.
    progress : callable, optional
        Called as ``progress(done, all, job, record, problem)`` after each job; `record` is None
        and `problem` says why where it failed.

    Returns
    -------
    list of (dict or None)
        Records in the order of `jobs`; None for a job that failed.

    Raises
    ------
    MissingDependency
        If a scheduler is named, and Dask is not installed.
    SpecError
        If the scheduler does not answer, or `workers` is not positive.
    DataError
        If a data set, a crop or a threshold does not exist.
    FileError
        If `out` cannot be written.
    """
    if workers is not None:
        workers = whole("sweep", "workers", workers, 1, 4096)
    out = Path(out)
    place = None if root is None else str(Path(root).resolve())
    # Here and not by every worker: a wrong option is told at once, and changed data are seen.
    present, sums = code(), checksums(jobs, place)
    records = {job: finished(job, out, present, sums[job]) for job in jobs}
    todo = [job for job, record in records.items() if record is None]
    count = len(records) - len(todo)

    def done(job: Job, found: Outcome | None, problem: str) -> None:
        nonlocal count
        count += 1
        if found is not None and found.record["code"] != present:
            found, problem = None, "the worker runs another version of sbp"
        if found is not None and found.record["data_checksum"] != sums[job]:
            found, problem = None, "the worker has other data"
        if found is not None and finished(job, out, present, sums[job]) is None:
            keep(job, found, out)
        records[job] = found.record if found else None
        if progress:
            progress(count, len(records), job, records[job], problem)

    if todo and scheduler is not None:
        _on_cluster(todo, done, scheduler, place, out)
    elif todo:
        _here(todo, done, workers, place)
    return [records[job] for job in jobs]


def _problem(error: Exception) -> str:
    if type(error).__name__ == "KilledWorker":
        return "its worker died again and again; too little memory?"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
