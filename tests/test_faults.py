"""What the golden traces see: faults that escape none of them, and the committed table."""

import json
import warnings

import pytest
from conftest import ROOT, tool

from sbp.files import trace

faults = tool("faults")

NAMES = {fault.name: fault for fault in faults.FAULTS}


def compare(name, stem):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return faults.compare(NAMES[name], trace.read(faults.TRACES / f"{stem}.npz"))


def test_every_fault_changes_the_definition():
    assert len(NAMES) == len(faults.FAULTS) >= 30
    for fault in faults.FAULTS:
        machine = fault.machine()  # SbpError where the text has moved
        assert fault.text or fault.functions or fault.codes or fault.state
        for name, function in fault.functions:
            assert vars(machine)[name] is function
            assert hasattr(faults.reference, name)


def test_nothing_differs_without_a_fault():
    recorded = trace.read(faults.TRACES / "learning_16_8_4_order.npz")
    assert faults.compare(faults.Fault("nothing"), recorded) == (0, 0, 0)


def test_the_order_of_reading_and_learning_is_seen():
    """... by the trace that is there for it, and not by the one that most people would take."""
    assert compare("learns before it reads", "learning_16_8_4_order")[0] > 0
    assert compare("learns before it reads", "learning_64_24_10")[0] == 0


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("has no dead time", "learning_96_8_4_beyond"),
        ("registers stop at their ends", "neurons"),
        ("clips weights at -254", "learning_96_8_4_beyond"),
    ],
)
def test_what_only_some_traces_see(name, stem):
    assert any(compare(name, stem))
    assert not any(compare(name, "single_layer_64_10"))


def test_the_committed_table_is_of_these_traces_and_faults():
    record = json.loads((ROOT / "results" / "faults.json").read_text("utf-8"))
    table = (ROOT / "results" / "faults.md").read_text("utf-8")
    paths = sorted(faults.TRACES.glob("*.npz"))
    assert record["traces"] == {path.stem: faults.digest(path) for path in paths}, "make faults"
    assert list(record["seen"]) == list(NAMES), "make faults"
    assert all(any(map(any, row.values())) for row in record["seen"].values())
    assert table == faults.markdown(record)
    order, beyond = (
        {name for name, row in record["seen"].items() if any(row[stem])}
        for stem in ("learning_16_8_4_order", "learning_96_8_4_beyond")
    )
    assert order < beyond
