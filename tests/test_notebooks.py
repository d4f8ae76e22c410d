"""The notebooks: their sources, and what executing them gives."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from book_build import NOTEBOOKS, ROOT, executed, run_book  # noqa: F401

from sbp.learn import data

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
pytestmark = pytest.mark.book

BY_NAME = {"argvalues": NOTEBOOKS, "ids": [path.stem for path in NOTEBOOKS]}


def cells(path, kind=None):
    """Cells of a source."""
    notebook = jupytext.read(path, fmt="py:percent")
    return [cell for cell in notebook.cells if kind in (None, cell.cell_type)]


def tagged(path, tag):
    """Cells of a source that have `tag`."""
    return [cell for cell in cells(path) if tag in cell.metadata.get("tags", [])]


def test_they_are_numbered_in_order():
    assert [path.name[:2] for path in NOTEBOOKS] == [
        f"{n:02d}" for n in range(1, len(NOTEBOOKS) + 1)
    ]
    assert len(NOTEBOOKS) >= 11


def test_sources_are_what_jupytext_makes_of_their_notebooks(tmp_path):
    for path in [*NOTEBOOKS, ROOT / "notebooks" / "jupytext.toml"]:
        shutil.copy(path, tmp_path)
    command = [sys.executable, "-m", "jupytext", "--quiet", "--to"]
    names = [path.stem for path in NOTEBOOKS]
    subprocess.run([*command, "ipynb", *(f"{n}.py" for n in names)], cwd=tmp_path, check=True)
    for path in NOTEBOOKS:
        (tmp_path / path.name).unlink()
    subprocess.run([*command, "py", *(f"{n}.ipynb" for n in names)], cwd=tmp_path, check=True)
    for path in NOTEBOOKS:
        assert (tmp_path / path.name).read_text("utf-8") == path.read_text("utf-8"), path.name


def test_no_notebook_with_outputs_is_kept():
    kept = subprocess.run(
        ["git", "ls-files", "*.ipynb"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert kept.stdout == ""


@pytest.mark.parametrize("path", **BY_NAME)
def test_each_has_the_same_parts(path):
    markdown = [cell.source for cell in cells(path, "markdown")]
    assert re.match(r"# \w", markdown[0])
    for part in ("**You will**", "**You need**", "**Running time:**"):
        assert part in " ".join(markdown[0].split()), part
    assert any("## Exercises" in text for text in markdown)
    assert markdown[-1].startswith("## Summary")
    assert len(tagged(path, "parameters")) == 1
    assert len(tagged(path, "hide-cell")) >= 2  # solutions
    code = "\n".join(cell.source for cell in cells(path, "code"))
    assert code.count("assert ") >= 4
    assert all("assert " in cell.source for cell in tagged(path, "hide-cell"))


@pytest.mark.parametrize("path", **BY_NAME)
def test_the_stated_reading_time_is_that_of_its_words(path):
    """200 words a minute, 25 lines of code, half a minute for a figure; solutions apart."""
    apart = {"hide-cell", "answer"}
    words = sum(
        len(re.sub(r"\]\([^)]*\)", "]", cell.source).split()) for cell in cells(path, "markdown")
    )
    code = [c.source for c in cells(path, "code") if not apart & set(c.metadata.get("tags", []))]
    lines = sum(bool(line.strip()) for source in code for line in source.splitlines())
    minutes = words / 200 + lines / 25 + sum(source.count("show(\n") for source in code) / 2
    first = " ".join(cells(path, "markdown")[0].source.split())
    stated = int(re.search(r"\*\*Reading time:\*\* (\d+) minutes", first)[1])
    assert abs(stated - minutes) <= 4


GLOSSARY = ROOT / "book" / "notation.md"


def glossary():
    """The anchors of the glossary's terms."""
    text = GLOSSARY.read_text("utf-8").split(":::{glossary}")[1].split(":::")[0]
    terms = re.findall(r"^(\S.*)$", text, flags=re.MULTILINE)
    return {"term-" + re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-") for term in terms}


@pytest.mark.parametrize("path", **BY_NAME)
def test_terms_are_links_where_they_are_used_first(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    linked = re.findall(r"\.\./book/notation\.md#([\w-]+)\)", text)
    assert len(linked) >= 2
    assert len(set(linked)) == len(linked)  # once, where it is first used
    assert set(linked) <= glossary()


@pytest.mark.parametrize("path", **BY_NAME)
def test_quick_parameters_are_parameters(path):
    (cell,) = tagged(path, "parameters")
    assigned = re.findall(r"^(\w+) = ", cell.source, flags=re.MULTILINE)
    assert set(cell.metadata.get("quick", {})) <= set(assigned)


@pytest.mark.lava
@pytest.mark.slow
@pytest.mark.parametrize("path", **BY_NAME)
def test_it_runs_and_is_a_page(path, executed):  # noqa: F811
    notebook = nbformat.read(executed / f"{path.stem}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    figures = 0
    for cell in code:
        assert cell.execution_count, cell.source  # it was executed
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.get("text")
            if "image/png" in output.get("data", {}):
                figures += 1
                page = cell.metadata["mystnb"]
                assert len(page["figure"]["caption"]) > 40
                assert len(page["image"]["alt"]) > 40
            told = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            assert not re.search(r"/(tmp|root|home|work)/", told), told
    assert figures >= 1
    assert "papermill" not in notebook.metadata


@pytest.mark.lava
@pytest.mark.slow
@pytest.mark.parametrize("name", ["05_full_circuit", "06_training", "09_speed_and_energy"])
def test_a_page_says_what_it_ran_on(name, executed):  # noqa: F811
    text = (executed / f"{name}.ipynb").read_text(encoding="utf-8")
    here = data.best_mnist() == "mnist"
    assert ("**This page ran on the whole of MNIST**" in text) == here
    assert ("**This page did not run on the whole of MNIST.**" in text) != here
    assert ("Pictures: MNIST." in text) == here
    assert ("Pictures: 5,000 of MNIST's." in text) != here


@pytest.mark.slow
def test_without_the_whole_of_mnist_the_book_says_so_everywhere(tmp_path):
    root = tmp_path / "copy"
    copy_pipeline(root)
    shutil.copy(ROOT / "notebooks" / "09_speed_and_energy.py", root / "notebooks")
    (root / "book").mkdir()
    (root / "book" / "index.md").write_text("# A book\n\nText.\n")
    for part in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / part, root / "book" / part)
    shutil.copytree(ROOT / "lab" / "static", root / "lab" / "static")
    shutil.copy(ROOT / "book" / "how_to_run.md", root / "book")
    shutil.copy(ROOT / "book" / "references.bib", root / "book")
    shutil.copy(ROOT / "_config.yml", root)
    (root / "CHANGELOG.md").write_text("# Changelog\n")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n"
        "- file: book/how_to_run\n- file: notebooks/09_speed_and_energy\n"
    )
    # Only the links between the pages of this small book can be followed.
    for page in (root / "book" / "how_to_run.md", root / "notebooks" / "09_speed_and_energy.py"):
        text = page.read_text("utf-8")
        text = re.sub(r"\[([^]]*)\]\((?:[./]*\w+/)*\w+\.(?:md|ipynb)(?:#[\w-]+)?\)", r"\1", text)
        text = re.sub(r"\{term\}`([\w ]+?)(?: <[\w ]+>)?`", r"\1", text)  # it has no glossary
        page.write_text(re.sub(r"\{cite\}`\w+`", "", text), "utf-8")
    empty = tmp_path / "nothing"
    empty.mkdir()
    without = os.environ | {"SBP_DATA": str(empty)}
    done = run_book("notebooks", "--quick", root=root, env=without)
    assert done.returncode == 0, done.stderr
    assert "data: MNIST IS NOT HERE" in done.stderr.splitlines()[0]
    assert "data: Fashion-MNIST IS NOT HERE" in done.stderr
    text = (root / "_build/quick/executed/09_speed_and_energy.ipynb").read_text(encoding="utf-8")
    assert "**This page did not run on the whole of MNIST.**" in text
    done = run_book("html", "--quick", root=root, env=without)
    assert done.returncode == 0, done.stderr
    assert "data: MNIST IS NOT HERE" in done.stderr.splitlines()[0]
    first = (root / "_build/quick/_build/html/book/index.html").read_text(encoding="utf-8")
    assert "This copy was built without the whole of MNIST" in first
    assert "5,000 of its 70,000 pictures" in first
    # And what is published has all of it, or is not built.
    done = run_book("html", "--quick", "--whole", root=root, env=without)
    assert done.returncode == 1
    assert "MNIST and Fashion-MNIST not here, and --whole wants all" in done.stderr


def copy_pipeline(root):
    """A folder in which tools/book.py can run notebooks of the test's own."""
    (root / "tools").mkdir(parents=True)
    (root / "notebooks").mkdir()
    shutil.copy(ROOT / "tools" / "book.py", root / "tools")
    (root / "sbp").symlink_to(ROOT / "sbp")


@pytest.mark.slow
def test_a_failing_assertion_fails_the_build_and_keeps_nothing(tmp_path):
    copy_pipeline(tmp_path)
    source = (ROOT / "notebooks" / "01_neuron.py").read_text(encoding="utf-8")
    broken = source.replace("[5, 10]", "[5, 11]")
    assert broken != source
    (tmp_path / "notebooks" / "01_neuron.py").write_text(broken, encoding="utf-8")
    done = run_book("notebooks", "--quick", root=tmp_path)
    assert done.returncode == 1
    assert "01_neuron.py: cell" in done.stderr
    assert "AssertionError" in done.stderr
    folder = tmp_path / "_build" / "quick" / "executed"
    assert not (folder / "01_neuron.ipynb").exists()
    assert "AssertionError" in (folder / "01_neuron.failed.ipynb").read_text(encoding="utf-8")
    # A second try must not take it for done, and the mended source must pass.
    assert run_book("notebooks", "--quick", root=tmp_path).returncode == 1
    (tmp_path / "notebooks" / "01_neuron.py").write_text(source, encoding="utf-8")
    assert run_book("notebooks", "--quick", root=tmp_path).returncode == 0
    again = run_book("notebooks", "--quick", root=tmp_path)
    assert "1 of 1 notebooks are up to date" in again.stderr


def test_an_unknown_notebook_is_named():
    done = run_book("notebooks", "--quick", "11_missing")
    assert done.returncode == 1
    assert "no notebook is called 11_missing" in done.stderr
    assert "Traceback" not in done.stderr
