"""The mutants of `make mutants` are in step with the code."""

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
