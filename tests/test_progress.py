"""Progress is counted once, whatever draws it."""

import threading

import pytest

from sbp.learn import progress
from sbp.learn.progress import Lines, Progress, Silence, span


class Seen:
    """A view that remembers what it was told."""

    every = 0.0

    def __init__(self):
        self.calls = []

    def draw(self, what, share, left, note):
        self.calls.append((what, share, left, note))

    def close(self):
        self.calls.append("closed")


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_does_not_count_what_came_before_the_first_call(clock):
    """A compiler that works for a minute, or epochs that an earlier run learned."""
    with Progress(100, "learning", Seen()) as bar:
        clock[0] += 60
        bar(10, "first")
        clock[0] += 5
        bar(20)
        clock[0] += 5
        bar.add(20)
        bar(100, "done")
    assert bar.view.calls == [
        ("learning", 0.1, None, "first"), ("learning", 0.2, 40.0, ""), ("learning", 0.4, 20.0, ""),
        ("learning", 1.0, 0.0, "done"), "closed",
    ]  # fmt: skip


def test_lines_come_now_and_then(clock, capsys):
    bar = Progress(1000, "circuit", Lines())
    for _ in range(40):
        clock[0] += 1
        bar.add(10)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "circuit: 11%, 89 s left", "circuit: 21%, 79 s left", "circuit: 31%, 69 s left",
    ]  # fmt: skip


def test_threads_lose_no_step():
    bar = Progress(8000, "work", Silence())
    threads = [threading.Thread(target=lambda: [bar.add(1) for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bar.done == 8000


def test_a_bar_takes_text_as_text(monkeypatch, capsys):
    """`[/red]` in the name of a data set is no markup."""
    bar = progress.Bar()
    bar.draw("[/red] epoch", 0.5, 3.0, "note")
    bar.close()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00451, "4.51 ms"), (12.34, "12.3 s"), (1234.5, "1,234 s"), (0, "0 s")]
)
def test_span(seconds, text):
    assert span(seconds) == text
