"""Every way to open a chapter: Jupyter's own server, a real JupyterLab, papermill, a copy."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
from book_build import NOTEBOOKS, ROOT
from conftest import ENVIRONMENT, wait_for

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupyter_server")
pytestmark = pytest.mark.book

BIN = Path(sys.executable).parent
TOKEN = "a-token-for-the-tests"


def environment(home: Path) -> dict[str, str]:
    """A user who has nothing yet, with the commands of this environment."""
    kept = {k: v for k, v in ENVIRONMENT.items() if not k.startswith(("JUPYTER", "IPYTHON"))}
    return kept | {"HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An empty home."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def clone(server, request):
    """What of a fresh clone the chapters and Binder need, under the server's root."""
    folder = server.root / request.node.name.translate(str.maketrans("[]' ", "____"))
    (folder / "notebooks").mkdir(parents=True)
    for path in [*NOTEBOOKS, ROOT / "notebooks" / "jupytext.toml"]:
        shutil.copyfile(path, folder / "notebooks" / path.name)  # with a new date, as git does
    # What Binder does besides is to install the package, which stands here already.
    text = (ROOT / "postBuild").read_text("utf-8")
    install = "python -m pip install --quiet --no-deps --editable .\n"
    assert install in text
    (folder / "postBuild").write_text(text.replace(install, ""), "utf-8")
    return folder


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def get(url: str):
    """JSON from the server, or the text of its refusal."""
    separator = "&" if "?" in url else "?"
    try:
        with urllib.request.urlopen(f"{url}{separator}token={TOKEN}", timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.loads(error.read())["message"]
    except OSError:
        return None


@contextmanager
def served(command, folder, home):
    """Start a Jupyter server with `command` and wait until it answers; yields its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser"]
    log = home / "server.log"
    with open(log, "w") as stream:
        process = subprocess.Popen(
            command(options), cwd=folder, env=environment(home), stdout=stream, stderr=stream
        )
        try:
            wait_for(lambda: process.poll() is not None or get(f"{address}/api"), 120)
            assert process.poll() is None, log.read_text()
            yield address
        finally:
            process.terminate()
            process.wait()


class Server(NamedTuple):
    """A running Jupyter server, and the folder it shows."""

    address: str
    root: Path

    def contents(self, path):
        """Address of a file in the server's contents."""
        return f"{self.address}/api/contents/{quote(str(path.relative_to(self.root)))}"


@pytest.fixture(scope="module")
def server(tmp_path_factory, home):
    """Jupyter's own server, as Binder and JupyterLab use it."""
    root = tmp_path_factory.mktemp("served")

    def command(options):
        return [BIN / "jupyter", "server", "--allow-root", "--ServerApp.root_dir=.", *options]

    with served(command, root, home) as address:
        yield Server(address, root)


PREPARED = {
    "Binder's postBuild": ["bash", "postBuild"],
    "converted": ["sh", "-c", "jupytext --quiet --to ipynb notebooks/*.py"],
    "nothing done": ["true"],
}


@pytest.mark.parametrize("how", PREPARED)
def test_jupyter_opens_every_chapter(how, clone, home, server):
    subprocess.run(PREPARED[how], cwd=clone, env=environment(home), check=True)
    # Jupyter refuses a pair whose notebook is newer than its text and says something else.
    for path in (clone / "notebooks").glob("*.py"):
        os.utime(path, (time.time() - 3600,) * 2)
    found = sorted((clone / "notebooks").glob("[0-9]*"))
    assert len(found) == (len(NOTEBOOKS) if how == "nothing done" else 2 * len(NOTEBOOKS))
    kernels = get(f"{server.address}/api/kernelspecs")["kernelspecs"]
    for path in found:
        got = get(f"{server.contents(path)}?type=notebook&content=1")
        assert isinstance(got, dict), got
        kernel = got["content"]["metadata"]["kernelspec"]
        assert kernel["name"] in kernels
        assert kernel["language"] == "python"
    for path in NOTEBOOKS:  # opening changed nothing
        assert (clone / "notebooks" / path.name).read_bytes() == path.read_bytes()


def test_what_is_saved_in_jupyter_comes_back_to_the_text(clone, home, server):
    subprocess.run(["bash", "postBuild"], cwd=clone, env=environment(home), check=True)
    url = server.contents(clone / "notebooks" / "01_neuron.ipynb")
    model = get(f"{url}?type=notebook&content=1")
    # As JupyterLab saves it: with what the kernel says of itself, and with outputs.
    model["content"]["metadata"]["language_info"] = {"name": "python", "version": "3.10.0"}
    code = next(cell for cell in model["content"]["cells"] if "STEPS = 18" in cell["source"])
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    code["source"] = code["source"].replace("STEPS = 18", "STEPS = 19")
    body = json.dumps(model).encode()
    request = urllib.request.Request(f"{url}?token={TOKEN}", body, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    assert isinstance(get(f"{url}?type=notebook&content=1"), dict)
    before = (ROOT / "notebooks" / "01_neuron.py").read_text("utf-8")
    after = (clone / "notebooks" / "01_neuron.py").read_text("utf-8")
    assert after == before.replace("STEPS = 18", "STEPS = 19")


@pytest.mark.slow
def test_papermill_as_documented(clone, home):
    command = (
        "jupytext --quiet --to ipynb notebooks/01_neuron.py && "
        "papermill notebooks/01_neuron.ipynb executed.ipynb -p STEPS 12"
    )
    done = subprocess.run(
        command, shell=True, cwd=clone, env=environment(home), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(clone / "executed.ipynb", as_version=4)
    assert "STEPS = 12" in "".join(cell.source for cell in executed.cells)


def test_pip_users_get_notebooks(tmp_path, home):
    command = [sys.executable, "-m", "sbp", "notebooks"]
    run = {"cwd": tmp_path, "env": environment(home), "capture_output": True, "text": True}
    done = subprocess.run(command, **run)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "sbp-notebooks"
    assert sorted(p.stem for p in folder.iterdir()) == [p.stem for p in NOTEBOOKS]
    for path in folder.iterdir():
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"
        assert "jupytext" not in notebook.metadata  # or Jupyter would look for a text beside it
        text = "".join(c.source for c in notebook.cells if c.cell_type == "markdown")
        for link in set(re.findall(r"\]\(\s*([^)#\s]+)", text)):
            assert link.startswith("https://") or (folder / link).is_file(), link
    first = folder / "01_neuron.ipynb"
    first.write_text("mine")
    done = subprocess.run(command, **run)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert first.read_text() == "mine"
    assert subprocess.run([*command, "--force"], **run).returncode == 0
    assert first.read_text() != "mine"


def test_handouts_have_the_questions_and_no_solutions(tmp_path, sbp):
    assert sbp("notebooks", tmp_path, "--no-solutions")[0] == 0
    for path in NOTEBOOKS:
        cells = nbformat.read(tmp_path / f"{path.stem}.ipynb", as_version=4).cells
        whole = jupytext.read(path, fmt="py:percent").cells
        kept = [c for c in whole if "hide-cell" not in c.metadata.get("tags", [])]
        code = [c.source for c in kept if c.cell_type == "code"]
        assert [c.source for c in cells if c.cell_type == "code"] == code
        assert len(cells) == len(kept) < len(whole)
        text = "".join(c.source for c in cells)
        assert "# Solutions" not in text
        assert "@title Solution" not in text
        assert text.count("answer = ...") >= 2


@pytest.mark.slow
def test_slides_show_every_figure_of_a_chapter(tmp_path, sbp, home):
    assert sbp("notebooks", tmp_path, "--slides")[0] == 0
    whole = jupytext.read(ROOT / "notebooks" / "02_gating_chain.py", fmt="py:percent").cells
    kept = [cell for cell in whole if "hide-cell" not in cell.metadata.get("tags", [])]
    figures = sum(bool(re.search(r"^show\(", cell.source, re.MULTILINE)) for cell in kept)
    assert figures >= 4
    words = "nbconvert --to slides --execute --no-input 02_gating_chain.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", *words.split()],
        cwd=tmp_path, env=environment(home), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "02_gating_chain.slides.html").read_text(encoding="utf-8")
    body = page[page.index('<div class="reveal">') :]
    # A slide for each figure, and the title, the exercises and the summary.
    assert len(re.findall(r"<section><section", re.sub(r">\s+<", "><", body))) == figures + 3
    assert body.count("data:image/png;base64") == figures
    assert '<aside class="notes">' in body
    assert "Solution" not in body
    assert "Exercises" in body


def test_slides_have_no_solutions_to_leave_out(refused, tmp_path):
    assert "leave --no-solutions out" in refused(
        "notebooks", tmp_path / "n", "--slides", "--no-solutions"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_solutions_are_folded_and_have_a_place_to_answer(path):
    cells = jupytext.read(path, fmt="py:percent").cells
    solutions = [n for n, cell in enumerate(cells) if "hide-cell" in cell.metadata.get("tags", [])]
    assert len(solutions) >= 2
    for count, n in enumerate(solutions, 1):
        assert cells[n].metadata["jupyter"] == {"source_hidden": True}  # JupyterLab
        assert cells[n].metadata["cellView"] == "form"  # Colab
        # What a folded cell shows: it must not give the answer away.
        assert cells[n].source.splitlines()[0] == f"# @title Solution {count}"
        assert cells[n - 1].metadata["tags"] == ["answer"]
        stub = cells[n - 1].source
        assert stub.startswith(f"# Exercise {count}: ")
        assert "answer = ..." in stub
        assert re.search(r"^check\(", stub, re.MULTILINE)


# -- a real JupyterLab ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """What `make lab` starts; the address of its first chapter."""
    home = tmp_path_factory.mktemp("home")

    def make(options):
        return ["make", "--silent", "lab", f"ARGS={' '.join(options)}"]

    with served(make, ROOT, home) as address:
        yield address


@pytest.fixture
def desk(chromium, lab):
    """JupyterLab as `make lab` opens it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{lab}/lab/tree/notebooks/01_neuron.ipynb?token={TOKEN}&reset")
    yield page
    context.close()


def run_all(page, path):
    """Run > Run All Cells, and wait until all of them were saved with a number."""
    idle = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
    page.locator(f".jp-NotebookPanel:visible {idle}").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def executed():
        page.keyboard.press("Control+s")
        time.sleep(1)
        try:
            notebook = nbformat.read(path, as_version=4)
        except nbformat.reader.NotJSONError:
            return None  # it is being written
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        errors = [o for cell in code for o in cell.outputs if o.output_type == "error"]
        assert errors == []
        return all(cell.execution_count for cell in code) and code

    return wait_for(executed, 300)


@pytest.mark.browser
def test_a_real_jupyterlab_opens_and_runs_two_chapters(desk):
    before = {path: path.read_bytes() for path in NOTEBOOKS}
    panel = desk.locator(".jp-NotebookPanel:visible")
    panel.get_by_role("heading", name="The Loihi neuron").wait_for()
    # The kernel is there without a question.
    desk.locator(".jp-NotebookPanel:visible .jp-Toolbar-kernelName").get_by_text(
        "Python 3 (ipykernel)"
    ).wait_for()
    code = run_all(desk, ROOT / "notebooks" / "01_neuron.ipynb")
    assert any("image/png" in o.get("data", {}) for cell in code for o in cell.outputs)
    # The last cell leads to the next chapter.
    panel.locator(".jp-Cell").last.scroll_into_view_if_needed()
    panel.get_by_role("link", name="who sends the gate spikes?").click()
    second = desk.locator(".jp-NotebookPanel:visible").get_by_role("heading")
    second.get_by_text("The gating chain", exact=False).first.wait_for()
    run_all(desk, ROOT / "notebooks" / "02_gating_chain.ipynb")
    assert {path: path.read_bytes() for path in NOTEBOOKS} == before


@pytest.mark.browser
def test_a_double_click_opens_a_chapter_with_its_solutions_folded(desk):
    desk.locator(".jp-DirListing-item", has_text="03_copy_and_memory.ipynb").dblclick()
    panel = desk.locator(".jp-NotebookPanel:visible")
    panel.get_by_role("heading", name="A copy, a memory and two thresholds").wait_for()
    desk.keyboard.press("Escape")
    panel.locator(".jp-Cell").first.click()
    for _ in range(60):
        if panel.locator(".jp-InputPlaceholder", has_text="Solution 2").count():
            break
        desk.mouse.wheel(0, 600)
        time.sleep(0.2)
    panel.locator(".jp-InputPlaceholder", has_text="Solution 2").wait_for()
    assert panel.get_by_text("One spike must be above 0").count() == 0
