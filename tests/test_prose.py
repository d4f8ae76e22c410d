"""Numbers in the prose are those of the results."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import prose  # noqa: E402


def test_every_measured_number_in_the_prose_is_the_one_in_the_results() -> None:
    assert prose.faults() == []


def test_prose_has_marked_numbers_at_all() -> None:
    found = [m for path in prose.pages() for m in prose.marked(prose.text_of(path))]
    assert len(found) >= 5


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one page."""
    (tmp_path / "book").mkdir()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    page = tmp_path / "README.md"
    page.write_text("")
    return page


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("3,281<!-- circuit-sizes: neurons, learning -->", "3,281, but results say 3,282"),
        ("3,282 synapses and 12.34 % of it", "12.34 % is neither published nor marked"),
        ("many<!-- circuit-sizes: neurons, learning -->", "follows no number"),
        ("3,282<!-- circuit-sizes: neurones -->", "nothing: "),
        ("7<!-- circuit-size: neurons, learning -->", "nothing: "),
    ],
)
def test_a_wrong_number_is_found(book: Path, text: str, fault: str) -> None:
    book.write_text(f"It has {text}.")
    (said,) = prose.faults()
    assert fault in said


def test_right_and_published_numbers_pass_and_wrong_ones_are_written(book: Path) -> None:
    marker = "<!-- circuit-sizes: neurons, learning -->"
    book.write_text(f"96.3 % (97.5 %); 3,282{marker}; 99{marker}.")
    assert len(prose.faults()) == 1
    assert prose.write() == 1
    assert book.read_text() == f"96.3 % (97.5 %); 3,282{marker}; 3,282{marker}."
    assert prose.faults() == []


def test_a_standard_error_is_the_deviation_over_the_root_of_the_number() -> None:
    name = "membrane, the chip's rule"
    text = (prose.RESULTS / "idealisations.json").read_text(encoding="utf-8")
    values = json.loads(text)["values"][name]
    error = statistics.stdev(values) / len(values) ** 0.5
    said = prose.value_of("idealisations", name, "error")
    assert said == f"{statistics.mean(values):.2f} ± {error:.2f} %"
    assert prose.value_of("idealisations", name, "error bare .1f").endswith(f"± {error:.1f}")
