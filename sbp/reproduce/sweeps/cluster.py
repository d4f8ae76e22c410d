"""Hand jobs to Dask workers, and keep what they find."""

from __future__ import annotations

import logging
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sbp.errors import FileError, MissingDependency, SbpError, SpecError
from sbp.files import read_json, write_atomic
from sbp.reproduce import provenance
from sbp.reproduce.sweeps.job import FORMAT, Job, checksums, code, run_job
from sbp.spec import whole

CONNECT = "10s"  #: how long a scheduler may take to answer


def finished(job: Job, out: Path, present: dict[str, str], checksum: str) -> dict[str, Any] | None:
    """The job's record in `out`, if it is whole and of the present code and data; else None."""
    try:
        record = read_json(out / f"{job.id}.json", "sweep result")
    except FileError:
        return None
    good = (
        isinstance(record, dict)
        and record.get("format") == FORMAT
        and record.get("job") == asdict(job)
        and record.get("code") == present
        and record.get("data") == checksum
        and record.get("checksum") == provenance.checksum(record)
    )
    return record if good else None


def _work(job: Job, base: str, root: str | None, out: str, token: str) -> dict[str, Any]:
    """On a worker: run the job, and write its file if this is the driver's folder.

    A relative FILE.npz counts from `base`, the folder that the driver runs in.
    """
    record = run_job(job, root, base)
    folder = Path(out)
    with suppress(OSError, SbpError):  # else the driver writes it
        if (folder / ".sweep").read_text(encoding="utf-8") == token:
            provenance.write_record(folder / f"{job.id}.json", record)
    return record


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that start here do not hear Ctrl-C: the driver ends them, and one voice speaks."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Any]:
    try:
        import distributed
    except ImportError:
        raise MissingDependency(
            "sweeps run on Dask, which is not installed",
            do="pip install 'spiking-backprop[distributed]'",
        ) from None
    if scheduler is not None:
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
        return
    with _deaf():
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", memory_limit=0, silence_logs=logging.ERROR,
        )  # fmt: skip
    with cluster, distributed.Client(cluster) as client:
        yield client


def run(
    jobs: Sequence[Job],
    out: str | os.PathLike[str],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    root: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int, Job, dict[str, Any] | None, str], None] | None = None,
) -> list[dict[str, Any] | None]:
    """Run the jobs whose results are not in `out` yet.

    Parameters
    ----------
    jobs : sequence of Job
    out : path
        Folder of the results, a JSON file per job; made if it does not exist.
    scheduler : str, optional
        Address of a Dask scheduler; default: local worker processes.
    workers : int, optional
        Local worker processes; default one per core.
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
        If Dask is not installed and there is something to do.
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
    done = len(records) - len(todo)
    if not todo:
        return [records[job] for job in jobs]
    token = uuid.uuid4().hex
    write_atomic(out / ".sweep", lambda stream: stream.write(token.encode()))
    try:
        with _client(scheduler, min(workers or os.cpu_count() or 1, len(todo))) as client:
            from distributed import as_completed

            futures = {
                client.submit(_work, job, str(Path.cwd()), place, str(out.resolve()), token,
                              key=f"{job.id}-{token}", pure=False): job
                for job in todo
            }  # fmt: skip
            for future in as_completed(futures):
                job, done = futures[future], done + 1
                record, problem = None, ""
                try:
                    record = future.result()
                except Exception as error:
                    problem = _problem(error)
                else:
                    if record["code"] != present:
                        record, problem = None, "the worker runs another version of sbp"
                    elif record["data"] != sums[job]:
                        record, problem = None, "the worker has other data"
                if record is not None and finished(job, out, present, sums[job]) is None:
                    provenance.write_record(out / f"{job.id}.json", record)
                records[job] = record
                if progress:
                    progress(done, len(records), job, record, problem)
    finally:
        with suppress(OSError):
            (out / ".sweep").unlink()
    return [records[job] for job in jobs]


def _problem(error: Exception) -> str:
    if type(error).__name__ == "KilledWorker":
        return "its worker died again and again; too little memory?"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
