"""Threads over the cores, for kernels that release the interpreter lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from typing import TypeVar

from sbp.errors import SpecError
from sbp.spec import is_whole

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cancelled(Exception):
    """Another thread failed, or the user stopped the run."""


def cores() -> int:
    """Cores that this process may use: those of the job, where a scheduler gives it some."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def uninterrupted(work: Callable[[], Value]) -> Value:
    """Do `work` to its end, or not at all.

    An interrupt of the main thread that comes meanwhile is raised after it; a second one at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()  # Python raises interrupts in the main thread alone
    outcome: Future[Value] = Future()

    def thread() -> None:
        if not outcome.set_running_or_notify_cancel():
            return
        try:
            outcome.set_result(work())
        except BaseException as error:  # told in the main thread
            outcome.set_exception(error)

    try:
        threading.Thread(target=thread).start()
        return outcome.result()
    except BaseException:
        # It may have come before the thread began, or while it did.
        if not outcome.cancel():
            wait([outcome])
        raise


def in_threads(
    one: Callable[[Key, Callable[[], None]], Value],
    keys: Iterable[Key],
    *,
    workers: int | None = None,
    finished: Callable[[Key, Value], object] | None = None,
) -> dict[Key, Value]:
    """``{key: one(key, check)}``, several keys at a time.

    Parameters
    ----------
    one : callable
        Has to call its second argument, ``check()``, every second or so: after Ctrl-C, or an
        error in another thread, that raises `Cancelled`.
    keys : iterable
        Each different.
    workers : int, optional
        Threads; default one per core of the job.
    finished : callable, optional
        Called as ``finished(key, value)`` as keys finish, from one thread.

    Returns
    -------
    dict
        In the order of `keys`.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Cancelled

    keys = list(keys)
    found: dict[Key, Value] = {}
    if workers is not None and not (is_whole(workers) and workers >= 1):
        raise SpecError(f"workers is {workers!r}", allowed="whole numbers from 1 on")
    with ThreadPoolExecutor(workers or cores()) as pool:
        try:
            # An interrupt may come while a thread starts: it runs, and the pool has not noted it.
            futures = {pool.submit(one, key, check): key for key in keys}
            for future in as_completed(futures):
                key = futures[future]
                found[key] = future.result()
                if finished:
                    finished(key, found[key])
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return {key: found[key] for key in keys}
