"""Threads over the cores end together, whenever the interrupt comes."""

import os
import signal
import threading
import time

import pytest

from sbp.learn.parallel import in_threads, uninterrupted

START = threading.Thread.start


@pytest.mark.parametrize("nth", [1, 2])
def test_an_interrupt_while_a_thread_starts_stops_it_too(monkeypatch, nth):
    """The thread runs by then, and the pool has not noted it: nobody would wait for its end."""
    started, ended = [], threading.Semaphore(0)

    def start(thread):
        START(thread)
        started.append(thread)
        if len(started) == nth:
            raise KeyboardInterrupt

    def one(key, check):
        try:
            while True:
                check()
                time.sleep(0.01)
        finally:
            ended.release()

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        in_threads(one, range(4), workers=4)
    for _ in range(nth):
        assert ended.acquire(timeout=60), "a thread works on"


NEVER, WHOLE = (0, 0), (1, 1)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [("before it starts", [NEVER]), ("as it starts", [NEVER, WHOLE]), ("in mid-work", [WHOLE])],
)
def test_work_is_done_or_never_begins(monkeypatch, moment, allowed):
    """Whenever the interrupt comes, nothing works on behind the back of whoever gets it."""
    begun, done, started = [], [], []

    def start(thread):
        if not started:
            started.append(thread)
            if moment == "before it starts":
                raise KeyboardInterrupt
        START(thread)
        if moment == "as it starts" and started == [thread]:
            raise KeyboardInterrupt

    def work():
        begun.append(1)
        if moment == "in mid-work":
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        done.append(1)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work)
    at_once = len(begun), len(done)
    if moment != "before it starts":
        started[0].join(60)
    assert (len(begun), len(done)) == at_once
    assert at_once in allowed


def test_what_the_work_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        uninterrupted(lambda: 1 / 0)
    assert uninterrupted(lambda: 7) == 7
