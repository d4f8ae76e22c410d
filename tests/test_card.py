"""The benchmark card: true to the circuits, the data, the traces and the results."""

import hashlib
import json
import re

import numpy as np
import pytest
from conftest import ROOT

from sbp.circuits import inference_circuit, learning_circuit
from sbp.files import plain, program_file, trace
from sbp.learn import pretrained
from sbp.program import lower
from sbp.reproduce import card
from sbp.weights import Weights


@pytest.fixture(scope="module")
def facts():
    return card.facts()


def test_the_committed_card_is_true(facts):
    """`sbp card results` brings it up to date."""
    folder = ROOT / "results"
    assert json.loads((folder / "card.json").read_text("utf-8")) == facts, "sbp card results"
    assert (folder / "card.md").read_text("utf-8") == card.markdown(facts), "sbp card results"


def test_what_the_paper_says_is_on_it(facts):
    """Written by hand from the paper and the tables of the circuit."""
    learning, inference = facts["circuits"].values()
    assert (learning["neurons"], learning["synapses"]) == (3_282, 517_203)
    assert (learning["plastic_synapses"], learning["steps_a_sample"]) == (500_000, 12)
    assert (inference["neurons"], inference["synapses"]) == (814, 165_215)
    assert inference["steps_a_sample"] == 4
    weights = {
        row["kind"]: row["mantissa"] * 2 ** row["exponent"]
        for row in facts["synapses"]
        if row["mantissa"] != "learned"
    }
    assert weights == {
        "ring": 9280, "gate": 8704, "gate_lt": 512, "gate_gt": 8192, "close": -8128, "copy": 520,
        "veto": -520,
    }  # fmt: skip
    by_name = {name: row for row in facts["populations"] for name in row["names"]}
    assert len(by_name) == 27
    assert (by_name["hT"]["refractory"], by_name["h"]["refractory"]) == (1, 2)
    assert by_name["x"]["bias"] == -8192 * 64
    assert [row["phase"] for row in facts["schedule"] if row["reward"]] == [5, 7]
    assert [row["phase"] for row in facts["schedule"] if row["learns"]] == [5, 7, 9, 11]
    outside = {s: row["phase"] for row in facts["schedule"] for s in row["from_outside"]}
    assert outside == {"input": 0, "target": 2}
    assert facts["placement"]["cores"] == 81
    measured = facts["energy_and_latency"]["measured_on_loihi"]
    assert measured["learning"] == {"energy_mj": 0.59, "time_ms": 1.5}
    assert measured["inference"] == {"energy_mj": 0.0025, "time_ms": 0.17}
    published = {
        row["name"]: row["published"] for found in facts["accuracy"][:1]
        for row in found["quantities"]
    }  # fmt: skip
    assert (published["spike"], published["membrane"]) == (96.3, 97.5)


def test_the_prepared_data_have_the_checksum(facts, shared_data):
    from sbp.learn import data

    found = data.load("mnist", root=shared_data, download=False)
    assert facts["task"]["sha256_of_prepared_arrays"] == found.checksum
    raw = shared_data / "MNIST" / "raw"
    for name, md5 in facts["task"]["md5_of_unpacked_files"].items():
        path = raw / name
        if path.exists():
            assert hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == md5


def test_the_card_and_what_it_names(sbp, tmp_path, facts):
    code, out, err = sbp("card", tmp_path)
    assert (code, err) == (0, "")
    assert out.count("\n") == 6
    assert json.loads((tmp_path / "card.json").read_text("utf-8")) == facts
    for name, build, start in (
        ("learning", learning_circuit, Weights.random((400, 400, 10), 0)),
        ("inference", inference_circuit, pretrained.load()),
    ):
        said = facts["circuits"][name]
        path = tmp_path / said["program_file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == said["program_file_sha256"]
        program = program_file.read(path)
        assert program.digest == said["program_digest"] == lower(build((400, 400, 10))).digest
        weights = plain.read_weights(path.with_name(f"{path.name}.weights"), program)
        for matrix, expected in zip(weights.values(), start.values(), strict=True):
            np.testing.assert_array_equal(matrix, expected)
    initial, trained = facts["weights"].values()
    assert initial["digests_by_seed"]["0"] == Weights.random((400, 400, 10), 0).digest
    assert trained["digest"] == pretrained.load().digest


def test_the_traces_are_those_that_are_there(facts):
    paths = sorted((ROOT / "tests" / "traces").glob("*.npz"))
    assert [row["file"] for row in facts["traces"]] == [f"tests/traces/{p.name}" for p in paths]
    for row, path in zip(facts["traces"], paths, strict=True):
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row["samples"] == trace.read(path).n_samples
    blind = {row["file"]: row["does_not_see"] for row in facts["traces"]}
    assert "learns before it reads" not in blind["tests/traces/learning_16_8_4_order.npz"]
    unseen = set.intersection(*map(set, blind.values()))
    assert unseen == set(), "a fault that no trace sees"


def test_the_page_says_every_number(facts):
    page = card.markdown(facts)
    assert page.isprintable() or "\n" in page
    for digest in facts["weights"]["initial"]["digests_by_seed"].values():
        assert digest in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert all(re.fullmatch(r"\|.*\|", line) for line in tables)
    for name in ("Task", "Circuits", "Schedule", "Readout", "Weights", "Placement", "Accuracy",
                 "Energy and latency", "Traces"):  # fmt: skip
        assert f"## {name}" in page
