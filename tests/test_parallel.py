"""Threads over the cores end together, whenever the interrupt comes."""

import threading
import time

import pytest

from sbp.learn.parallel import in_threads

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
