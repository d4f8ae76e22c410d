"""Claims are measured, judged, and found out when anything about a result has changed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PATIENCE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbp import algebra, reproduce
from sbp.circuits import learning_circuit
from sbp.engines import reference
from sbp.errors import DataError, FileError, SpecError
from sbp.files import shipped
from sbp.learn import data
from sbp.learn.training import Settings, initial_weights, one_hot, train
from sbp.program import lower
from sbp.reproduce import baseline, courses, page, provenance, status, watch
from sbp.reproduce.bench import SCALES, Bench, Scale
from sbp.reproduce.claim import Measurement
from sbp.reproduce.claims import CLAIMS, Quantity, select
from sbp.reproduce.status import Known
from sbp.reproduce.watch import Watch
from sbp.run import ALL_SPIKES

RESULTS = Path(__file__).resolve().parents[1] / "results"
QUICK = ["circuit-sizes", "steps-per-sample", "digits"]
PACKAGE = provenance.PACKAGE
KNOWN = Known()

Doctor = Callable[[Callable[[dict[str, Any]], object]], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of three quick claims."""
    folder = tmp_path_factory.mktemp("results")
    assert reproduce.main(QUICK, seeds=2, out=folder) == 0
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    """A copy of them to spoil."""
    return Path(shutil.copytree(made, tmp_path / "results"))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def rewrite(path: Path, change: Callable[[dict[str, Any]], object], *, seal: bool) -> None:
    """Change a result file, with (`seal`) or without checksums that fit."""
    record = read(path)
    change(record)
    if seal:
        record["computed"] = provenance.computed({**dict.fromkeys(provenance.COMPUTED), **record})
        provenance.write_record(path, record)
    else:
        path.write_text(json.dumps(record))


def judge(folder: Path, name: str, known: Known | None = None) -> status.Verdict:
    (verdict,) = status.read_verdicts(folder, select([name]), known)
    return verdict


def test_a_result_says_what_made_it(made: Path) -> None:
    record = read(made / "digits.json")
    digits = data.load("digits")
    assert record["data"]["digits"]["checksum"] == digits.checksum
    (circuit,) = record["circuits"]
    assert circuit["sizes"] == [64, 400, 10]
    assert circuit["digest"] == lower(learning_circuit((64, 400, 10))).digest
    assert record["seeds"] == [0, 1]
    for seed, membrane in zip(record["seeds"], record["values"]["membrane"], strict=True):
        trained = train(digits, Settings(engine="algebra", epochs=30, seed=seed))
        assert record["weights"][str(seed)] == trained.digest
        assert membrane == pytest.approx(100 * trained.epochs[-1]["membrane"], abs=1e-4)
    assert record["versions"]["numpy"] == np.__version__
    assert record["machine"]["cores"] == os.cpu_count()
    assert record["seconds"] > 0
    assert platform.node() not in (made / "digits.json").read_text()
    for name in QUICK:
        assert (made / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert judge(made, name).status in (status.AGREES, status.REPORTED)
    assert reproduce.show_status(made, ids=QUICK) == 0


def test_status_page_has_every_claim_explained(made: Path) -> None:
    page = (made / "status.md").read_text()
    for claim in CLAIMS:
        assert f"## {claim.id}\n\n{claim.statement}\n" in page
        assert f"[{claim.id}](#{claim.id})" in page
    assert page.count("**not run**: no result yet") == len(CLAIMS) - len(QUICK)
    row = "| [circuit-sizes](#circuit-sizes): neurons, learning | 3,282 (authors' code) | 3,282 |"
    assert f"{row} **agrees** |" in page
    assert "| synapses, inference | 165,215 (derived) | 165,215 |" in page
    assert "](circuit-sizes.png)" in page


def test_rerun_reproduces_every_digest(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = read(results / "digits.json")
    assert reproduce.main(["digits"], seeds=2, out=results, figures=False) == 0
    after = read(results / "digits.json")
    assert after["weights"] == before["weights"]
    assert after["values"] == before["values"]
    # An earlier file that claims other weights for the same making is told of.
    rewrite(results / "digits.json", lambda r: r["weights"].update({"1": "0" * 64}), seal=True)
    capsys.readouterr()
    assert reproduce.main(["digits"], seeds=2, out=results, figures=False) == 1
    assert "digits: not reproducible" in capsys.readouterr().err


def test_doctored_value_is_found_by_the_checksum(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(results / "digits.json", lambda r: r["values"].update(spike=[99.9, 99.9]), seal=False)
    verdict = judge(results, "digits")
    assert (verdict.status, verdict.why) == (
        status.STALE, ["the file was altered: its checksum does not fit"],
    )  # fmt: skip
    assert reproduce.show_status(results) == 1
    assert "digits: stale: the file was altered" in capsys.readouterr().out


def test_doctored_value_with_its_checksum_made_anew_still_disagrees(results: Path) -> None:
    change = {"neurons, learning": [3281.0]}
    rewrite(results / "circuit-sizes.json", lambda r: r["values"].update(change), seal=True)
    verdict = judge(results, "circuit-sizes")
    assert verdict.status == status.DIFFERS
    assert verdict.why == ["neurons, learning: 3,281 against 3,282 +- 0"]
    assert reproduce.show_status(results, ids=["circuit-sizes"]) == 1


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("digits", lambda r: r["circuits"][0].update(digest="0" * 64),
         "the learning circuit has changed"),
        ("digits", lambda r: r["data"]["digits"].update(checksum="0" * 64),
         "the data set digits has changed"),
        ("digits", lambda r: r["code"]["modules"].update({"sbp.algebra": "0" * 16}),
         "sbp.algebra has changed"),
        ("digits", lambda r: r["code"]["modules"].pop("sbp.reproduce.courses"),
         "sbp.reproduce.courses has changed"),
        ("steps-per-sample", lambda r: r.update(values=None),
         "no result of this version: values is null"),
        ("steps-per-sample", lambda r: r.update(id="digits"),
         "it is no result of steps-per-sample"),
        ("digits", lambda r: r.pop("seeds"), "no result of this version: seeds is missing"),
        ("digits", lambda r: r["values"].update(spike=[True]), "values of 'spike' hold true or"),
        ("digits", lambda r: r["values"].update(spike=["97"]), "values of 'spike' hold a text"),
        ("digits", lambda r: r["details"].update(halves=3), "no result of this version ("),
        ("digits", lambda r: r["circuits"][0].update(sizes=[64]), "no result of this version: "),
        ("digits", lambda r: r["circuits"][0].update(circuit="x"), "no circuit is called 'x'"),
        ("digits", lambda r: r.update(figure={"file": "../x", "alt": "", "sha256": ""}),
         "figure is in another folder"),
    ],
)  # fmt: skip
def test_what_makes_a_result_stale(results: Path, name: str, change: Any, reason: str) -> None:
    rewrite(results / f"{name}.json", change, seal=True)
    verdict = judge(results, name)
    assert verdict.status == status.STALE
    assert reason in verdict.why[0]
    assert verdict.record is None, "nothing of it is shown"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["values"].update(spike=[99.9, 99.9]),
        lambda r: r["values"].update(spike=r["values"]["spike"][:1]),
        lambda r: r["details"]["halves"]["spike"][0].append(0.99),
        lambda r: r["values"].pop("spike"),
    ],
)
def test_a_value_altered_with_its_checksums_is_found_by_its_own_details(
    results: Path, change: Any
) -> None:
    rewrite(results / "digits.json", change, seal=True)
    verdict = judge(results, "digits")
    assert verdict.status == status.STALE
    assert verdict.why == ["spike does not follow from its details"]
    assert reproduce.show_status(results, ids=["digits"]) == 1


def test_two_claims_about_one_training_have_to_tell_the_same_weights(results: Path) -> None:
    record = read(results / "digits.json")
    rows = [judge(results, "digits"), status.Verdict(CLAIMS[0], status.REPORTED, record=record)]
    assert status.conflicts(rows) == {}
    other = {**record, "weights": {**record["weights"], "1": "0" * 64}}
    rows[1] = status.Verdict(CLAIMS[0], status.REPORTED, record=other)
    assert status.conflicts(rows) == {
        "circuit-sizes": "its weights of seed 1 are not those of digits"
    }


def test_what_a_result_file_says_is_text_and_never_markup(results: Path) -> None:
    bad = "<script>alert(1)</script> **x** [a](b) | `c` \x1b[31m"

    def change(record: dict[str, Any]) -> None:
        record["machine"]["cpu"] = bad
        record["figure"]["alt"] = bad

    rewrite(results / "digits.json", change, seal=True)
    text = page.markdown(status.read_verdicts(results))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text
    assert r"\*\*x\*\* \[a\](b) \| \`c\`" in text
    # A file that is refused says why, and its own words are no markup either.
    rewrite(results / "steps-per-sample.json", lambda r: r.update(preset="<b>"), seal=True)
    assert "<b>" not in page.markdown(status.read_verdicts(results))


def test_deeply_nested_json_is_refused(results: Path) -> None:
    (results / "digits.json").write_text("[" * 100_000 + "]" * 100_000)
    assert judge(results, "digits").status == status.STALE
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    rewrite(results / "circuit-sizes.json", lambda r: r["details"].update(x=deep), seal=True)
    assert judge(results, "circuit-sizes").why == [
        "circuit-sizes.json is no result of this version: nested too deeply"
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_altered_result_file_ends_in_a_traceback(made: Path, draw: Any) -> None:
    """Any entry, at any depth, replaced by something else: a verdict all the same."""
    record = read(made / "digits.json")
    place: Any = record
    for _ in range(draw.draw(st.integers(0, 4))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key]:
            break
        place = place[key]
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    others = st.sampled_from([None, True, -1, 2**70, 1e308, "", "x" * 99, [], {}, [[1]], {"a": 1}])
    place[draw.draw(st.sampled_from(keys))] = draw.draw(others)
    record["computed"] = provenance.computed({**dict.fromkeys(provenance.COMPUTED), **record})
    with tempfile.TemporaryDirectory() as name:
        provenance.write_record(Path(name) / "digits.json", record)
        rows = status.read_verdicts(Path(name), select(["digits"]), KNOWN)
        page.markdown(rows)
        status.table(rows, None, "title")


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"id": "digits"}', '"digits"', '{"id":"digits","values":{}}']
)
def test_a_broken_result_file_is_stale_not_a_traceback(results: Path, text: str) -> None:
    (results / "digits.json").write_text(text)
    assert judge(results, "digits").status == status.STALE


def test_commit_versions_and_machine_are_information_only(results: Path) -> None:
    def elsewhere(record: dict[str, Any]) -> None:
        record["commit"], record["seconds"] = "f" * 40, 1e6
        record["machine"] = {"cpu": "another", "cores": 1, "system": "Other"}
        record["versions"]["python"] = "3.99"

    rewrite(results / "digits.json", elsewhere, seal=True)
    assert judge(results, "digits").status == status.REPORTED


def changed_package(folder: Path, module: str, old: str, new: str) -> Path:
    """A copy of the package with one place of one module changed."""
    copy = folder / "sbp"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    text = (copy / module).read_text()
    assert text.count(old) == 1
    (copy / module).write_text(text.replace(old, new))
    return copy


def test_adding_or_changing_a_claim_makes_no_other_stale(made: Path, tmp_path: Path) -> None:
    copy = changed_package(tmp_path, "reproduce/claims/steps.py", "steps=60", "steps=72")
    (copy / "reproduce" / "claims" / "another.py").write_text("X = 1\n")
    init = copy / "reproduce" / "claims" / "__init__.py"
    init.write_text(init.read_text().replace('"sizes",', '"another", "sizes",', 1))
    rows = {r.claim.id: r for r in status.read_verdicts(made, CLAIMS, Known(package=copy))}
    assert rows["steps-per-sample"].why == ["sbp.reproduce.claims.steps has changed"]
    assert [name for name in QUICK if rows[name].status == status.STALE] == ["steps-per-sample"]


def test_fingerprint_is_what_is_imported_and_no_more(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from pack.one import f as f\nfrom pack.apart import g as g\n",
        "one.py": "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
                  "from . import two\nif TYPE_CHECKING:\n    from pack.types import T\n"
                  "def f():\n    from .sub import deep\n    return deep\n",
        "two.py": "import numpy\n",
        "types.py": "T = int\n",
        "apart.py": "def g(): pass\n",
        "sub/__init__.py": "from pack.sub.inner import deep as deep\nfrom pack.apart import g\n",
        "sub/inner.py": "deep = 1\n",
        "user.py": "from pack import f\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / "pack" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pack" / name).write_text(text)
    sources = provenance.Sources({"pack": tmp_path / "pack"})
    # The names that __init__ passes on are followed to where they are defined.
    assert list(sources.closure(["pack.user"])) == [
        "pack.one", "pack.sub.inner", "pack.two", "pack.user",
    ]  # fmt: skip
    assert list(sources.closure(["pack.user"], apart=["pack.sub"])) == [
        "pack.one", "pack.two", "pack.user",
    ]  # fmt: skip


def test_changed_kernel_is_stale_and_a_changed_comment_is_not(
    results: Path, tmp_path: Path
) -> None:
    rewritten = changed_package(
        tmp_path / "comment", "algebra.py", "256, 512  # 512 and 1024", "256, 512  # 512, or 1024"
    )
    assert judge(results, "digits", Known(package=rewritten)).status == status.REPORTED
    changed = changed_package(
        tmp_path / "kernel", "algebra.py", "HALF_THRESHOLD, HALF_ABOVE = 256, 512",
        "HALF_THRESHOLD, HALF_ABOVE = 258, 512",
    )  # fmt: skip
    verdict = judge(results, "digits", Known(package=changed))
    assert (verdict.status, verdict.why) == (status.STALE, ["sbp.algebra has changed"])
    # What the algebra computes does not depend on another engine.
    other = changed_package(
        tmp_path / "engine", "engines/compiled/__init__.py", '    name = "compiled"',
        '    name = "other"',
    )  # fmt: skip
    assert judge(results, "digits", Known(package=other)).status == status.REPORTED


def test_changed_kernel_is_caught_by_the_command_that_users_run(
    results: Path, tmp_path: Path
) -> None:
    """A network whose sign is wrong: old results are stale, and a new run disagrees."""
    changed = changed_package(
        tmp_path,
        "algebra.py",
        "np.int8(plus > 0) - np.int8(minus > 0)",
        "np.int8(minus > 0) - np.int8(plus > 0)",
    )
    script = (
        "import sys; from sbp import reproduce\n"
        f"print('status', reproduce.show_status({str(results)!r}, ids=['digits']))\n"
        "print('run', reproduce.main(['digits-circuit-equals-algebra'],\n"
        f"      out={str(tmp_path / 'out')!r}, figures=False))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(changed.parent), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True,
                          check=True, cwd=tmp_path)  # fmt: skip
    assert "digits: stale: sbp.algebra has changed" in done.stdout
    assert "status 1" in done.stdout
    assert "digits-circuit-equals-algebra: differs: " in done.stdout
    assert "run 1" in done.stdout


def test_hash_ignores_comments_and_docstrings_only() -> None:
    source = (
        '"""Doc."""\nX = "#no"  # yes\n\n\ndef f():\n    """Doc\n\n    more."""\n    return 1\n'
    )
    assert provenance.statements(source) == 'X = "#no"\ndef f():\n    return 1\n'
    assert provenance.statements("X = 1\n") != provenance.statements("X = 2\n")
    assert provenance.statements("if a:\n    b\nc\n") != provenance.statements(
        "if a:\n    b\n    c\n"
    )


def test_hash_ignores_annotations_and_how_a_signature_is_broken() -> None:
    plain = (
        "import x\nclass A:\n    a = 3\n    b\n    def f(self,n,*more,c=(1,)):\n        q = [4]\n"
        "        return q\n    def g(self):\n        @x\n        def h(k):\n            pass\n"
    )
    hinted = (
        "from typing import Any\nimport x\nif TYPE_CHECKING:\n    from y import Z\n\nclass A:\n"
        '    a: int = 3  # "a: 4"\n    b: dict[\n        str, "Z é"\n    ]\n'
        '    def f(\n        self, n: Z[A, "n k"], *more: int,  # n\n        c: Any = (1,),\n'
        '    ) -> "Z | None":\n        """Doc."""\n        q: list[int] = [4]\n        return q\n'
        "    def g(self) -> None:\n        @x\n        def h(k: int) -> None:\n            pass\n"
    )
    assert provenance.statements(hinted) == plain
    assert provenance.statements(plain.replace("    def f", "    def  f")) == plain
    for change in (("(1,)", "(1)"), ("self, n", "self, m"), ("[4]", "[5]"), ("@x", "@y")):
        assert provenance.statements(hinted.replace(*change)) != plain


def test_missing_data_is_said_and_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SBP_MIRRORS", "http://127.0.0.1:9")  # nobody answers there
    root, out = tmp_path / "data", tmp_path / "out"
    root.mkdir()
    ids = ["circuit-sizes", "mnist-best-checkpoint", "fashion-mnist"]
    assert reproduce.main(ids, out=out, root=root, figures=False) == 0
    text = capsys.readouterr().out
    for name in ids[1:]:
        assert not (out / f"{name}.json").exists()
    # Told once for each data set, in two lines.
    lines = [line for line in text.splitlines() if "must wait" in line or "data missing" in line]
    assert len(lines) == 4
    assert "mnist is not here, so 1 claim must wait: mnist-best-checkpoint." in text
    assert text.count("or name a folder that has it with --data-dir or SBP_DATA.") == 2
    assert (out / "circuit-sizes.json").exists()


def test_a_figure_that_cannot_be_drawn_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "steps-per-sample.png").mkdir()
    with pytest.raises(FileError, match=r"steps-per-sample\.png"):
        reproduce.main(["steps-per-sample"], out=tmp_path)
    assert judge(tmp_path, "steps-per-sample").status == status.AGREES


def test_a_result_names_the_modules_that_measured_it(made: Path) -> None:
    modules = read(made / "steps-per-sample.json")["code"]["modules"]
    expected = {"sbp.engines.reference", "sbp.run", "sbp.reproduce.claims.steps"}
    assert expected <= modules.keys()
    assert "sbp.algebra" not in modules
    modules = read(made / "digits.json")["code"]["modules"]
    assert {"sbp.algebra", "sbp.reproduce.courses"} <= modules.keys()
    assert not {"sbp.files", "sbp.app.progress", "sbp.reproduce.bench"} & modules.keys()


def test_the_results_that_are_kept_stand_for_the_present_code() -> None:
    """All claims of the paper preset, none stale, none in disagreement."""
    for row in status.read_verdicts(RESULTS):
        assert row.status in (status.AGREES, status.REPORTED), (
            f"{row.claim.id} is {row.status}: {row.why}; after a change of what is computed, run "
            "make reproduce-paper and commit its results"
        )


def test_status_looks_at_the_results_that_are_kept(
    monkeypatch: pytest.MonkeyPatch, sbp: Any, tmp_path: Path
) -> None:
    """Whatever the working directory."""
    monkeypatch.chdir(tmp_path)
    code, out, _ = sbp("reproduce", "--status", "circuit-sizes")
    assert code == 0
    assert str(RESULTS) in out
    assert reproduce.kept_results() == RESULTS


def test_where_committed_results_are_not_the_folder_looked_in_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipped.resources, "files", lambda name: tmp_path / "lib" / name)
    with pytest.raises(FileError, match=r"lib/sbp/assets/results"):
        reproduce.show_status()


def test_bad_data_ends_the_run(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{stem}-ubyte").write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        reproduce.main(["mnist-best-checkpoint"], out=tmp_path / "out", root=tmp_path)


def test_below_its_own_preset_a_claim_is_not_run_and_never_disagrees(made: Path) -> None:
    record = read(made / "digits.json")
    claim = replace(
        select(["mnist-best-checkpoint"])[0],
        quantities=(Quantity("spike", 96.3, 0.4, "%"),),
    )
    record["values"], record["seeds"] = {"spike": [11.0]}, [0]
    claim = replace(claim, summary=None, measure=select(["digits"])[0].measure, engines=())
    record["details"]["epochs"] = 10
    for preset, word in (("smoke", status.SHORTER), ("paper", status.DIFFERS)):
        record["preset"], record["scale"] = preset, asdict(SCALES[preset])
        record["computed"] = provenance.computed(record)
        record["checksum"] = provenance.checksum(record)
        verdict = status.verdict(claim, record, Known())
        assert verdict.status == word
        if word == status.SHORTER:
            assert verdict.why == ["10 of 60 epochs, 1 of 10 seeds"]


def test_a_disagreement_of_a_claim_that_ran_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Measurement({"learning": [13.0], "inference": [4.0]})
    (claim,) = select(["steps-per-sample"])

    def measure(claim: object, bench: object) -> Measurement:
        return wrong

    measure.__module__ = claim.module
    faulty = replace(claim, measure=measure)
    monkeypatch.setattr(reproduce, "select", lambda ids: (faulty,))
    assert reproduce.main(["steps-per-sample"], out=tmp_path, figures=False) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ids": ["table-9"]}, "no claim is called 'table-9'; allowed: circuit-sizes, "),
        ({"preset": "full"}, "no preset is called 'full'; allowed: smoke, paper"),
        ({"engine": "gpu"}, "no engine is called 'gpu'; allowed: algebra, "),
        ({"seeds": 0}, "seeds is 0; allowed: a whole number from 1 to 1000"),
        ({"seeds": True}, "seeds is True"),
        ({"workers": 0}, "workers is 0; allowed: a whole number from 1 to 1024"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        reproduce.main(**{"ids": QUICK, "out": tmp_path, **arguments})


def test_unwritable_folder_is_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, "run_claim", lambda *_: pytest.fail("it ran"))
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"cannot write .*file"):
        reproduce.main(QUICK, out=tmp_path / "file" / "out")
    with pytest.raises(FileError, match="is no folder"):
        reproduce.show_status(tmp_path / "nowhere")


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e3),
)
def test_decision_is_the_distance_of_the_mean(
    values: list[float], expected: float, tolerance: float
) -> None:
    claim = replace(CLAIMS[0], quantities=(Quantity("q", expected, tolerance),))
    beside = replace(CLAIMS[0], quantities=(Quantity("q", expected, None),))
    assert status.decide(beside, {"q": values}) == (status.REPORTED, [])
    distance = abs(float(np.mean(values)) - expected)
    if abs(distance - tolerance) > 1e-6:
        word = status.AGREES if distance < tolerance else status.DIFFERS
        assert status.decide(claim, {"q": values})[0] == word


@pytest.mark.parametrize("values", [{}, {"q": []}, {"q": [float("nan")]}, {"q": [1, float("inf")]}])
def test_no_value_never_agrees(values: dict[str, list[float]]) -> None:
    claim = replace(CLAIMS[0], quantities=(Quantity("q", 1.0, 0.5), Quantity("other")))
    assert status.decide(claim, values) == (status.DIFFERS, ["q: no value"])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
def test_mean_and_deviation(values: list[float]) -> None:
    mean, deviation = status.mean_and_deviation(values)
    assert mean == pytest.approx(np.mean(values), abs=1e-6)
    assert deviation == pytest.approx(np.std(values, ddof=1), abs=1e-6)


def test_circuit_claims_run_on_a_small_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every claim about a watched training, on the digits in place of MNIST's files."""
    digits = data.load("digits").take(400, 100)
    monkeypatch.setattr(Bench, "_load", lambda self, name: digits)
    monkeypatch.delenv("SBP_DATA", raising=False)  # else it is stale beside the real MNIST
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    without = {"mnist-5k", "fashion-mnist-on-chip"}
    ids = [c.id for c in CLAIMS if c.engine == "compiled" and c.id not in without]
    scale = Scale(epochs=1, watch_epochs=2, embedded_epochs=2)
    assert reproduce.main(ids, "smoke", seeds=1, out=tmp_path, scale=scale) == 0
    found = {name: read(tmp_path / f"{name}.json") for name in ids}
    assert found["mnist-circuit-equals-algebra"]["values"]["differing weights"] == [0]
    # All of them stand on one and the same training, but for the one on a narrow network.
    assert found["digits-weight-bounds"]["circuits"][0]["sizes"] == [64, 24, 10]
    others = [record for name, record in found.items() if name != "digits-weight-bounds"]
    assert len({digest for record in others for digest in record["weights"].values()}) == 1
    gates = found["spike-counts"]["details"]["populations"]
    assert all(gates[f"g{k}"]["spikes per sample"] == 1 for k in range(12))
    for name in ids:
        assert (tmp_path / f"{name}.png").exists()


def test_watched_training_is_the_training_of_sbp_train() -> None:
    digits = data.load("digits").take(500, 100)
    found = watch.watch(digits, Watch(100, 3, 7))
    trained = train(digits, Settings(engine="algebra", hidden=100, epochs=3, seed=7))
    assert found.digest == trained.digest
    assert found.parted is None
    for row, epoch in zip(found.epochs, trained.epochs, strict=True):
        for measure in ("exact", "spike", "membrane", "mse"):
            assert row["circuit"][measure] == row["algebra"][measure] == round(epoch[measure], 6)
    assert (found.total.steps == 1500).all()
    assert (found.counters.steps == 500).all()
    # Every half epoch, the circuit through the inference circuit.
    assert len(found.halves["spike"]) == 6
    assert found.halves["spike"][1::2] == [round(epoch["spike"], 6) for epoch in trained.epochs]
    # What is kept on the disk is all of it.
    again = watch.Watched.of(found.program, *found.kept())
    assert again.digest == found.digest
    assert again.total == found.total
    assert again.epochs == found.epochs


def test_largest_closed_input_is_the_largest_forward_sum() -> None:
    """What h receives at p = 8 is W1 x with the weights from before the sample."""
    digits = data.load("digits").take(60, 10)
    found = watch.watch(digits, Watch(16, 1, 2))
    network = algebra.Network(initial_weights((64, 16, 10), 2))
    targets = one_hot(digits.y_train, 10)
    sums = []
    for row in watch.epoch_order(2, 1, 60):
        sums.append((network.weights["W1"].astype(int) @ digits.x_train[row]).max())
        network.train(digits.x_train[row : row + 1], targets[row : row + 1])
    assert found.epochs[0]["largest_h"] == max(sums)


def first_parting(dataset: data.Dataset, start: dict[str, np.ndarray], seed: int) -> int:
    """Samples before the weights part, on the reference engine, sample by sample."""
    sizes = dataset.n_inputs, len(start["W1"]), dataset.n_classes
    program, network = lower(learning_circuit(sizes)), algebra.Network(start, copies=False)
    state, targets = program.state(start), one_hot(dataset.y_train, dataset.n_classes)
    for number, row in enumerate(watch.epoch_order(seed, 1, len(targets))):
        one = slice(row, row + 1)
        stimulus = {"input": dataset.x_train[one], "target": targets[one]}
        run = reference.run(program, state, stimulus)
        state = run.state
        network.train(dataset.x_train[one], targets[one])
        if any((run.weights[n] != network.weights[n]).any() for n in start):
            return number
    return pytest.fail("they never parted")


def test_watch_finds_the_first_sample_past_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((12, 100)) < np.linspace(0.3, 0.9, 12)[:, None]).astype(np.uint8)
    y = rng.integers(0, 3, 12).astype(np.uint8)
    dataset = data.Dataset("strong", x, y, x[:5], y[:5], None, 3, "random")
    start = {"W1": np.full((6, 100), 254, np.int16), "W2": np.full((3, 6), 100, np.int16)}
    monkeypatch.setattr(watch.Weights, "random", lambda sizes, seed: start)
    found = watch.watch(dataset, Watch(6, 1, 0))
    number = first_parting(dataset, start, 0)
    assert found.parted is not None
    assert found.parted["samples_before"] == number > 0
    pixels = x[watch.epoch_order(0, 1, 12)[number]].sum()
    assert found.parted["largest_h"] == 254 * pixels > found.parted["limit"] == 17344
    assert found.parted["h_past_gate"] == 6
    assert found.epochs[0]["past_gate"] > 0
    assert found.epochs[0]["differing"] > 0


@pytest.mark.parametrize("seed", range(20, 30))
def test_samples_past_the_gate_are_those_in_which_any_closed_neuron_fires(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = lower(learning_circuit((4, 120, 2)))
    w1 = 2 * rng.integers(-128, 128, (120, 4))
    state = program.state({"W1": w1, "W2": np.stack([np.full(120, 254), np.full(120, -256)])})
    x, t = rng.integers(0, 2, (10, 4)), rng.integers(0, 2, (10, 2))
    run = reference.run(program, state, {"input": x, "target": t}, record=ALL_SPIKES)
    closed = {"h": (8,), "o": (0, 6, 10)}  # the paper's timetable
    expected = {
        step // 12
        for name, phases in closed.items()
        for step in np.flatnonzero(run.spikes[name].any(axis=1)).tolist()
        if step % 12 in phases
    }
    run = reference.run(program, state, {"input": x, "target": t}, record=watch.RECORD)
    assert watch.samples_past_gate(run) == len(expected)
    # One in which o fires at p = 0 only.
    assert seed != 28 or expected


def test_watch_tells_a_copy_at_its_bound_from_a_gate() -> None:
    """A narrow network starts with weights near the bounds, where the negated copy parts."""
    digits = data.load("digits").take(500, 20)
    found = watch.watch(digits, Watch(24, 1, 8))
    assert found.parted is not None
    assert found.parted["samples_before"] == first_parting(
        digits, initial_weights((64, 24, 10), 8), 8
    )
    assert found.parted["h_past_gate"] == found.parted["o_past_gate"] == 0
    assert found.parted["largest_h"] < found.parted["limit"]
    assert found.parted["copies_apart"] > 0


def test_symmetry_counts_each_kind_of_copy_by_itself() -> None:
    program = lower(learning_circuit((3, 2, 2)))
    w1, w2 = np.zeros((2, 3), int), np.array([[-256, 254], [4, -256]])
    state = program.state({"W1": w1, "W2": w2})
    # Fresh copies: -(-256) is held as 254, twice.
    assert watch.symmetry(program, state) == {
        "W1": 0, "W2": 0, "negated": 2, "distance": 2, "bound": 0.75,
    }  # fmt: skip
    state.weights["x->h>"][0, 0] += 2
    state.weights["o->hT"][1, 1] -= 2
    state.weights["o-->hT"][0, 0] -= 4
    found = watch.symmetry(program, state)
    assert (found["W1"], found["W2"], found["negated"], found["distance"]) == (1, 1, 2, 6)


def test_baseline_gradient_of_the_output_layer_is_the_slope_of_its_loss() -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(0, 2, (8, 6)).astype(np.float32)
    t = np.where(rng.random((8, 3)) < 0.5, -1.0, 1.0)
    shadow = {"W1": rng.normal(size=(6, 5)), "W2": rng.normal(size=(5, 3))}
    slope = baseline.gradients(x, t, shadow)["W2"]
    for k, j in np.ndindex(5, 3):
        loss = []
        for step in (1e-6, -1e-6):
            moved = {**shadow, "W2": shadow["W2"].copy()}
            moved["W2"][k, j] += step
            loss.append(baseline.loss(x, t, moved))
        assert slope[k, j] == pytest.approx((loss[0] - loss[1]) / 2e-6, abs=1e-5)


def test_baseline_hidden_gradient_is_straight_through_neuron_by_neuron() -> None:
    rng = np.random.default_rng(6)
    x = rng.integers(0, 2, (7, 6)).astype(np.float32)
    t = np.where(rng.random((7, 3)) < 0.5, -1.0, 1.0)
    shadow = {"W1": rng.normal(size=(6, 5)), "W2": rng.normal(size=(5, 3))}
    expected = np.zeros((6, 5))
    inside = 0
    for sample in range(7):
        a1 = shadow["W1"].T @ x[sample]
        h = a1 > 0.5
        a2 = shadow["W2"].T @ h
        for k in range(3):
            hinge = 0.5 - t[sample, k] * (a2[k] - 0.5)
            for j in range(5):
                if hinge > 0 and 0 < a1[j] <= 1:
                    inside += 1
                    slope = -2 * t[sample, k] * hinge * shadow["W2"][j, k]
                    expected[:, j] += slope * x[sample] / 7
    assert inside > 5
    assert baseline.gradients(x, t, shadow)["W1"] == pytest.approx(expected, abs=1e-6)


def test_baseline_adam_is_the_textbook_one() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(2, 3)).astype(np.float32)
    expected, mean, square = matrix.astype(float), np.zeros((2, 3)), np.zeros((2, 3))
    adam = baseline.Adam(matrix)
    for step in range(1, 6):
        slope = rng.normal(size=(2, 3)).astype(np.float32)
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope.astype(float) ** 2
        expected -= 0.01 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        adam.step(matrix, slope, 0.01)
        assert matrix == pytest.approx(expected, abs=2e-6)


def test_baseline_ends_on_the_chips_grid_and_beats_its_start() -> None:
    shadow = {"W": np.array([[-0.26, 0.26, 0.0009, 0.0011, 0.1]], np.float32)}
    # 0.0009 * 1024 = 0.92 -> 0;  0.0011 * 1024 = 1.13 -> 2;  0.1 * 1024 = 102.4 -> 102
    assert baseline.to_grid(shadow)["W"].T.tolist() == [[-256, 254, 0, 2, 102]]
    digits = data.load("digits")
    found = baseline.train(digits, hidden=100, epochs=10, batch=10, seed=1)
    for matrix in found.weights.values():
        assert matrix.min() >= -256
        assert matrix.max() <= 254
        assert not (matrix % 2).any()
    assert found.epochs[-1]["grid"].membrane > 0.8
    assert found.epochs[-1]["grid"].mse < found.epochs[0]["grid"].mse


def test_ctrl_c_stops_at_once_and_keeps_what_is_done(start: Any, tmp_path: Path) -> None:
    process = start("reproduce", "circuit-sizes", "digits", "--seeds", 1000, "--out", tmp_path)
    end = time.monotonic() + 60
    for line in process.stderr:  # lines come as claims begin
        if line.startswith("[2/2] digits"):
            break
        assert time.monotonic() < end
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert "interrupted" in rest
    assert judge(tmp_path, "circuit-sizes").status == status.AGREES
    assert not (tmp_path / "digits.json").exists()
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_what_is_claimed_is_no_part_of_the_fingerprint() -> None:
    source = '@claim(\n    "a",\n    "said {}",\n)\ndef f():\n    return 1\n'
    assert provenance.statements(source.format("so")) == "def f():\n    return 1\n"


# -- interrupted, skipped, compared --

PAPER = {"preset": "paper", "figures": False, "scale": Scale(epochs=2, embedded_epochs=2)}


def test_paper_preset_skips_what_is_current_and_measures_it_with_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ["circuit-sizes", "digits"]
    assert reproduce.main(ids, seeds=2, out=tmp_path, **PAPER) == 0
    before = read(tmp_path / "digits.json")
    capsys.readouterr()
    assert reproduce.main(ids, seeds=2, out=tmp_path, **PAPER) == 0
    said = capsys.readouterr()
    assert "already measured, and current: circuit-sizes, digits" in said.err
    assert read(tmp_path / "digits.json") == before
    assert "digits" in said.out, "shown all the same"
    # Other seeds are another measurement, and so is one that is asked for again.
    assert reproduce.main(["digits"], seeds=1, out=tmp_path, **PAPER) == 0
    assert read(tmp_path / "digits.json")["seeds"] == [0]
    assert reproduce.main(["digits"], seeds=1, out=tmp_path, again=True, **PAPER) == 0
    assert "already measured" not in capsys.readouterr().err


def test_interrupted_run_goes_on_with_the_trainings_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the second of four trainings: the run that follows does two."""
    begun: list[int] = []
    follow = courses.follow

    def counted(course: Any, *arguments: Any, **options: Any) -> Any:
        begun.append(course.seed)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return follow(course, *arguments, **options)

    monkeypatch.setattr(courses, "follow", counted)
    with pytest.raises(KeyboardInterrupt):
        reproduce.main(["digits"], seeds=4, out=tmp_path, workers=1, **PAPER)
    assert not (tmp_path / "digits.json").exists()
    kept = list((tmp_path / "work").glob("*.npz"))
    assert len(kept) == 2
    kept[0].write_bytes(b"broken off")
    begun.append(-1)
    assert reproduce.main(["digits"], seeds=4, out=tmp_path, workers=1, **PAPER) == 0
    again = begun[begun.index(-1) + 1 :]
    assert len(again) == 3, "the broken one, and the two that were not begun"
    whole = read(tmp_path / "digits.json")
    assert reproduce.main(["digits"], seeds=4, out=tmp_path / "fresh", workers=1, **PAPER) == 0
    assert read(tmp_path / "fresh" / "digits.json")["computed"] == whole["computed"]


def test_here_and_committed_are_compared_bit_for_bit(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    committed = Path(shutil.copytree(made, tmp_path / "committed"))
    monkeypatch.setattr(reproduce, "kept_results", lambda: committed)
    out, options = tmp_path / "out", {"seeds": 2, "figures": False}
    assert reproduce.main(QUICK, out=out, compare=True, **options) == 0
    text = capsys.readouterr().out
    assert "reported, equal" in text
    assert "All 3 results that can be compared with the committed ones are equal" in text
    # A shorter run is equal as far as it went, and never a disagreement.
    short = Scale(embedded_epochs=10)
    assert reproduce.main(["digits"], seeds=1, out=out, scale=short, compare=True) == 0
    assert "equal so far" in capsys.readouterr().out

    def other(record: dict[str, Any]) -> None:
        for curve in record["details"]["halves"]["spike"]:
            curve[4] += 0.01

    rewrite(committed / "digits.json", other, seal=True)
    assert reproduce.main(["digits"], out=out, **options) == 0
    assert "reported, other numbers" in capsys.readouterr().out
    assert reproduce.main(["digits"], out=out, compare=True, **options) == 1
    assert "Other than the committed numbers: digits." in capsys.readouterr().out
    assert reproduce.main(["digits"], seeds=1, out=out, scale=short, compare=True) == 1


def test_old_pictures_and_an_old_status_page_are_found_and_drawn_again(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce.show_status(results) == 0
    (results / "digits.png").write_bytes(b"\x89PNG another")
    assert reproduce.show_status(results) == 1
    assert "pictures older than their code, or altered: digits;" in capsys.readouterr().out
    record = read(results / "steps-per-sample.json")
    record["figure"]["modules"]["sbp.reproduce.figures"] = "0" * 16
    provenance.write_record(results / "steps-per-sample.json", record)
    (results / "status.md").write_text("# another page\n")
    assert reproduce.show_status(results) == 1
    text = capsys.readouterr().out
    assert "altered: steps-per-sample, digits;" in text
    assert "status.md is not what the results say" in text
    assert reproduce.redraw(results) == 0
    assert reproduce.show_status(results) == 0
    assert read(results / "digits.json")["values"] == read(results / "digits.json")["values"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_table_keeps_its_words_at_any_width(made: Path, width: int) -> None:
    from rich.console import Console

    rows = status.read_verdicts(made, select(QUICK))
    console = Console(width=width, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(status.table(rows, {row.claim.id: row for row in rows}, "Title",
                                   {row.claim.id: "equal" for row in rows}))  # fmt: skip
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for word in ("agrees", "reported", "equal", "517,203", "digits", "committed", "here"):
        assert word in text
