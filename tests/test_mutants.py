"""The mutants of `make mutants` are in step with the code."""

import json

import pytest
from conftest import ROOT, tool

mutants = tool("mutants")


def test_every_mutant_fits_the_code(tmp_path):
    found = mutants.read()
    assert len({mutant.name for mutant in found}) == len(found) > 30
    for mutant in found:
        copy = tmp_path / mutant.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / mutant.file).read_bytes())
        mutant.apply(tmp_path)
        text = copy.read_text()
        assert text != (ROOT / mutant.file).read_text(), mutant.name
        compile(text, mutant.file, "exec")
        for test in mutant.tests:
            path = test.partition("::")[0]
            assert not path.endswith(".py") or (ROOT / path).is_file(), mutant.name


def test_a_mutant_out_of_step_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    for old in ("x = 1", "y = 2"):
        with pytest.raises(SystemExit, match="bring tests/mutants up to date"):
            mutants.Mutant("m", "a.py", old, "z", ()).apply(tmp_path)


def test_the_score_is_of_these_mutants():
    """results/mutants.json names each of them, and the test that noticed it is there."""
    rows = json.loads((ROOT / "results" / "mutants.json").read_text("utf-8"))
    assert [row["name"] for row in rows] == [mutant.name for mutant in mutants.read()]
    suite = (ROOT / "sbp" / "testing" / "conformance.py").read_text("utf-8")
    for row in rows:
        assert row["noticed"], row["name"]
        file, _, test = row["by"].partition("::")
        where = (ROOT / file).read_text("utf-8") + suite  # the suite for engines is in the package
        assert not test or f"def {test.partition('[')[0]}(" in where, row["by"]
    assert (ROOT / "results" / "mutants.md").read_text("utf-8") == mutants.table(rows)
