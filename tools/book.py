"""From notebook sources to the book.

    python tools/book.py notebooks|html [--quick] [--whole]

    notebooks/NN.py --jupytext--> .ipynb --papermill--> executed .ipynb --Jupyter Book--> pages

Executed notebooks are kept in ``_build/executed`` and executed again only when their source, the
package, the data or what they were run with changes.  The book is built from exactly those, with
execution off and warnings as errors, always from nothing: an incremental build hides what broke.
``--quick`` runs with the small parameters that each notebook names in its parameters cell
(``quick={...}``) and keeps everything in ``_build/quick``; the tests use it.  ``--whole`` refuses
to run where MNIST or Fashion-MNIST is missing, as for the published site.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks"
PAGES = ROOT / "book"
SCRIPTS = ROOT / "lab" / "static"  # what the pages run, served from their _static
TIMEOUT = 900  # seconds for one cell
STARTS = 3  #: of a kernel that does not answer
NOT_STARTED = re.compile("Kernel didn.t respond|Kernel died before replying")
#: In place of Jupyter Book's redirection, which has neither a title nor a link; and browsers ask
#: for an icon, which the redirection would cut off: an empty one is there at once.
START = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url=book/index.html">
<p><a href="book/index.html">{title}</a></p>
</html>
"""
NO_STATUS = """# Status of the reproduction

No claim has been measured yet: `make reproduce-paper` does it, and writes this page.
"""
NOT_ON_COLAB = ("07_lava",)  # Colab has no Python 3.10, and so no Lava
CAPTION, DATA = "sbp-caption", "sbp-data"  # as in sbp.app.notebook
#: What the first page says of the data that the others ran on.
WHOLE = "The pages that need MNIST{also} ran on the whole of it: 70,000 pictures."
PART = """:::{{admonition}} This copy was built without {missing}
:class: warning

{pages} ran on {instead}. Accuracies are lower than those of the published book, whose pages run on
everything. [How to run](how_to_run.md#data) tells how to have it here.
:::"""

Notebook = Any


class BookError(Exception):
    """Something to tell in one line."""


def names() -> list[str]:
    """The notebooks, in order."""
    return sorted(path.stem for path in SOURCES.glob("[0-9][0-9]_*.py"))


def base(quick: bool) -> Path:
    """Where everything built is kept."""
    return ROOT / "_build" / "quick" if quick else ROOT / "_build"


# -- data ---------------------------------------------------------------------------------------


def missing_data() -> list[str]:
    """The data sets that some page wants and that are not on this machine."""
    from sbp.learn import data

    here = data.available()
    wanted = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
    return [label for name, label in wanted.items() if not here[name].startswith("found")]


def tell_data(whole: bool) -> None:
    """Say what the pages will run on, before anything else."""
    missing = missing_data()
    if not missing:
        say("data: the whole of MNIST and Fashion-MNIST")
        return
    if whole:
        raise BookError(f"{' and '.join(missing)} not here, and --whole wants all; set SBP_DATA")
    instead = {
        "MNIST": "the pages run on 5,000 of its pictures (sbp train --dataset mnist fetches all)",
        "Fashion-MNIST": "page 8 leaves it out (sbp train --dataset fashion-mnist fetches it)",
    }
    for label in missing:
        say(f"data: {label} IS NOT HERE; {instead[label]}")


def used_data(executed: Path) -> dict[str, set[str]]:
    """Chapter -> what its executed notebook says it ran on."""
    import nbformat

    used: dict[str, set[str]] = {}
    for name in names():
        notebook = nbformat.read(executed / f"{name}.ipynb", as_version=4)
        outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
        if found := {o["metadata"][DATA] for o in outputs if DATA in o.get("metadata", {})}:
            used[name] = found
    return used


def data_note(executed: Path) -> str:
    """What the first page says of the data, in Markdown."""
    used = used_data(executed)
    part = [name for name, found in used.items() if "mnist-5k" in found]
    without = [name for name, found in used.items() if "no fashion-mnist" in found]
    if not used:
        return ""
    if not part and not without:
        return WHOLE.format(also=" or Fashion-MNIST")
    pages = [f"[{int(name[:2])}](../notebooks/{name}.ipynb)" for name in part or without]
    listed = f"Pages {', '.join(pages)}" if len(pages) > 1 else f"Page {pages[0]}"
    if not part:
        return PART.format(missing="Fashion-MNIST", pages=listed, instead="MNIST alone")
    missing = "the whole of MNIST" + (" and without Fashion-MNIST" if without else "")
    return PART.format(missing=missing, pages=listed, instead="5,000 of its 70,000 pictures")


# -- executing ----------------------------------------------------------------------------------


def quick_parameters(notebook: Notebook) -> dict[str, Any]:
    """What the parameters cell names for a quick run."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            return dict(cell.metadata.get("quick", {}))
    raise BookError("there is no cell with the tag 'parameters'")


def hash_of(*parts: Iterable[Path] | str) -> str:
    """SHA-256 over strings and the contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        for item in [part] if isinstance(part, str) else part:
            content = item if isinstance(item, str) else f"{item.name}\0{item.stat().st_size}\0"
            digest.update(content.encode())
            if isinstance(item, Path):
                digest.update(item.read_bytes())
    return digest.hexdigest()


def package_files() -> list[Path]:
    """What an executed notebook depends on besides its source."""
    return sorted(p for p in (ROOT / "sbp").rglob("*") if p.suffix in (".py", ".npz", ".json"))


def key_of(source: Path, quick: bool) -> str:
    """Changes when executing `source` could give something else."""
    from sbp.learn import data

    text = source.read_text(encoding="utf-8")
    versions = [f"{p} {metadata.version(p)}" for p in ("numpy", "numba", "matplotlib", "jupytext")]
    results = sorted((ROOT / "results").glob("*")) if "results" in text else []
    return hash_of(
        text, f"quick {quick}", platform.python_version(), *versions, json.dumps(data.available()),
        package_files(), [Path(__file__)], [path for path in results if path.is_file()],
    )  # fmt: skip


def execute(source: Path, target: Path, quick: bool) -> float:
    """Run one notebook and write it with its outputs; seconds it took.

    Raises
    ------
    BookError
        A cell failed; the notebook with the traceback is kept as ``TARGET.failed.ipynb``.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    began = time.monotonic()
    # Parameters of the surrounding session must not reach the kernel, nor a user's start-up files.
    profile = target.parent / ".ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text("get_config().IPKernelApp.log_level = 50\n")
    os.environ["IPYTHONDIR"] = str(profile.parent)
    from sbp.app import chapters

    notebook = chapters.read(source)
    parameters = quick_parameters(notebook) if quick else {}
    failed = target.with_suffix(".failed.ipynb")
    failed.unlink(missing_ok=True)
    draft = target.with_suffix(".draft.ipynb")
    nbformat.write(notebook, draft)
    try:
        for left in reversed(range(STARTS)):
            try:
                papermill.execute_notebook(
                    str(draft), str(failed), parameters=parameters, cwd=str(SOURCES),
                    kernel_name="python3", progress_bar=False, log_output=False,
                    execution_timeout=TIMEOUT,
                )  # fmt: skip
                break
            except RuntimeError as error:
                # Ports are chosen before the kernel takes them: another may have come first.
                if not left or not NOT_STARTED.search(str(error)):
                    raise
    except PapermillExecutionError as error:
        raise BookError(
            f"{source.name}: cell {error.exec_count} failed with {error.ename}: "
            f"{error.evalue or 'no message'}; see {failed}"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    executed = nbformat.read(failed, as_version=4)
    prepare(executed, source.name)
    partial = target.with_suffix(".partial")
    nbformat.write(executed, partial)
    os.replace(partial, target)
    failed.unlink()
    return time.monotonic() - began


def prepare(notebook: Notebook, name: str) -> None:
    """Make an executed notebook a page: figures get caption and alt text, traces of the run go."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution", "quick"):
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags or "answer" in tags:  # a page has no place to answer
            cell.metadata["tags"] = [*tags, "remove-cell"]
        page: dict[str, Any] = {}
        if "hide-cell" in tags:
            page = {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        captions = [o for o in cell.outputs if CAPTION in o.get("metadata", {})]
        if len(pictures) != len(captions) or len(pictures) > 1:
            raise BookError(
                f"{name}: a cell shows {len(pictures)} pictures and {len(captions)} captions; "
                f"use show(fig, caption), once in a cell: {cell.source.splitlines()[0]!r}"
            )
        for output in cell.outputs:
            output.get("metadata", {}).pop("transient", None)
        displayed = [o for o in cell.outputs if o.output_type in ("display_data", "execute_result")]
        if pictures and len(displayed) > 2:
            raise BookError(f"{name}: a cell shows a picture and something else; give each its own")
        if pictures:
            caption = captions[0]["metadata"][CAPTION]
            cell.outputs.remove(captions[0])
            alt = pictures[0]["metadata"]["image/png"].pop("alt")
            pictures[0]["data"].pop("text/plain", None)
            page |= {"figure": {"caption": caption}, "image": {"alt": alt}}
        if page:
            cell.metadata["mystnb"] = page


def run_notebooks(chosen: Sequence[str], quick: bool, workers: int) -> None:
    """Execute what is not up to date, telling how it goes."""
    folder = base(quick) / "executed"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.ipynb"):
        if old.name.split(".")[0] not in names():
            old.unlink()
    todo: dict[str, str] = {}
    for name in chosen:
        key = key_of(SOURCES / f"{name}.py", quick)
        kept = folder / f"{name}.key"
        if not (folder / f"{name}.ipynb").exists() or not kept.exists() or kept.read_text() != key:
            kept.unlink(missing_ok=True)
            todo[name] = key
    say(f"{len(chosen) - len(todo)} of {len(chosen)} notebooks are up to date")
    began, faults = time.monotonic(), []
    with ProcessPoolExecutor(max_workers=workers) as pool:
        jobs = {
            pool.submit(execute, SOURCES / f"{name}.py", folder / f"{name}.ipynb", quick): name
            for name in todo
        }
        for done, job in enumerate(as_completed(jobs), 1):
            name = jobs[job]
            try:
                seconds = job.result()
            except BookError as error:
                faults.append(str(error))
                say(f"[{done}/{len(jobs)}] {name} FAILED")
            else:
                (folder / f"{name}.key").write_text(todo[name])
                say(f"[{done}/{len(jobs)}] {name}  {seconds:.1f} s")
    if faults:
        raise BookError("\n".join(faults))
    if todo:
        say(f"executed in {time.monotonic() - began:.0f} s; they are in {folder}")


# -- pages --------------------------------------------------------------------------------------


def assemble(quick: bool) -> Path:
    """Lay out what the book is built from: pages, executed notebooks, results, MathJax."""
    import nbformat

    executed, source = base(quick) / "executed", base(quick) / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md", "THIRD_PARTY.md"):
        if (ROOT / name).exists():  # the tests build smaller books
            shutil.copy(ROOT / name, source)
    shutil.copytree(PAGES, source / "book")
    status = source / "results" / "status.md"
    if (ROOT / "results").is_dir():
        shutil.copytree(ROOT / "results", status.parent)
    else:
        status.parent.mkdir()
    if not status.exists():
        status.write_text(NO_STATUS, encoding="utf-8")
    (source / "sbp" / "engines").mkdir(parents=True)  # printed on the page about engines
    shutil.copy(ROOT / "sbp" / "engines" / "reference.py", source / "sbp" / "engines")
    for shown in (
        "sbp/files/program_file.py", "sbp/files/plain.py",
        "examples/c/program.h", "examples/c/replay.c",
        "witnesses/README.md", "witnesses/run_brian2.py", "THIRD_PARTY.md",
        "tests/plugin/pyproject.toml", "tests/plugin/sbp_guest/engine.py",
        "tests/plugin/sbp_guest/circuit.py", "tests/plugin/sbp_guest/data.py",
        "tests/plugin/sbp_guest/claims.py",
    ):  # fmt: skip
        if (ROOT / shown).exists():
            (source / shown).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / shown, source / shown)
    (source / "notebooks").mkdir()
    for name in names():
        path = executed / f"{name}.ipynb"
        if not path.exists():
            raise BookError(f"{name} has not been executed; run `make notebooks` first")
        nbformat.validate(nbformat.read(path, as_version=4))
        shutil.copy(path, source / "notebooks")
    index = source / "book" / "index.md"
    text, note = index.read_text(encoding="utf-8"), data_note(executed)
    if note.startswith(":::"):  # a warning stands on top; that nothing is missing, at the end
        text = re.sub(r"^# .*\n", lambda title: f"{title[0]}\n{note}\n", text, count=1, flags=re.M)
    else:
        text = f"{text}\n{note}\n"
    index.write_text(text, encoding="utf-8")
    mathjax = importlib.util.find_spec("sphinx-mathjax-offline")
    if mathjax is None or mathjax.origin is None:
        raise BookError("sphinx-mathjax-offline is not installed; install the extra 'book'")
    from sbp.app import figures, lab

    static = source / "book" / "_static"
    lab.serve(SCRIPTS, static)
    lab.write(static / "lab" / "data.js")  # what the page of the lab runs on
    figures.write(static / "figures" / "data.js")
    figures.write_traces(static / "figures" / "traces.js", ROOT / "tests" / "traces")
    target = static / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    # One file that holds everything: nothing is loaded later, from here or elsewhere.
    shutil.copy(Path(mathjax.origin).parent / "static" / "mathjax" / "tex-svg.js", target)
    return source


def site(quick: bool) -> Path:
    """Where the built pages are; Jupyter Book puts ``_build`` under the folder it is given."""
    return base(quick) / "_build" / "html" if quick else base(quick) / "html"


def build_html(quick: bool) -> None:
    """Build the site, unless nothing changed since."""
    source = assemble(quick)
    html = site(quick)
    stamp = html.parent / ".html-key"
    key = hash_of(
        (p for p in sorted(source.rglob("*")) if p.is_file()), package_files(), [Path(__file__)]
    )
    if html.is_dir() and stamp.exists() and stamp.read_text() == key:
        say(f"the book is up to date: {html / 'index.html'}")
        return
    began = time.monotonic()
    for old in (html, html.parent / ".doctrees"):
        shutil.rmtree(old, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    jupyter_book(source, quick)
    (html / "index.html").write_text(START.format(title=config()["title"]), encoding="utf-8")
    for_colab(quick)
    for_download(quick)
    stamp.write_text(key)
    say(f"built in {time.monotonic() - began:.0f} s: {html / 'index.html'}")


def jupyter_book(source: Path, quick: bool) -> None:
    """Run Jupyter Book; any warning is an error."""
    log = base(quick) / "html.log"
    command = [
        sys.executable, "-c", "from jupyter_book.cli.main import main; main()",
        "build", str(source), "--path-output",
        str(base(quick) if quick else ROOT), "--builder", "html", "--keep-going", "-W",
    ]  # fmt: skip
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}  # fmt: skip
    with open(log, "w", encoding="utf-8") as stream:
        code = subprocess.run(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False
        ).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    # Jupyter Book has been seen to exit with 0 in spite of -W.
    told = re.findall(r".*\b(?:WARNING|ERROR|CRITICAL|SEVERE):.*", text)
    warnings = list(dict.fromkeys(told))
    if code or warnings:
        shown = "\n".join(warnings or text.splitlines()[-30:])
        raise BookError(f"building html failed (exit code {code}), see {log}:\n{shown}")


def config() -> dict[str, Any]:
    """``_config.yml``."""
    import yaml

    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def for_colab(quick: bool) -> None:
    """Write the notebooks once more with a first cell that installs the package.

    They are published with the site, and are what the Colab buttons open.
    """
    import nbformat

    from sbp.app import chapters

    def address(name: str) -> str:
        published = f"{chapters.BOOK}/notebooks/{name}.html"
        return published if name in NOT_ON_COLAB else f"{chapters.COLAB}/{name}.ipynb"

    repository = config()["repository"]["url"]
    folder = site(quick) / "colab"
    folder.mkdir()
    for name in names():
        notebook = chapters.read(SOURCES / f"{name}.py")
        chapters.relink(notebook, address)
        install = nbformat.v4.new_code_cell(
            f"# Only needed where sbp is not installed yet, as on Colab.\n"
            f"%pip install --quiet git+{repository}"
        )
        install["id"] = "install"
        notebook.cells.insert(1, install)
        nbformat.write(notebook, folder / f"{name}.ipynb")


def for_download(quick: bool) -> None:
    """Let the links of the notebooks behind the download buttons lead to the published pages."""
    import nbformat

    from sbp.app import chapters

    for path in (site(quick) / "_sources" / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        chapters.relink(notebook, lambda name: f"{chapters.BOOK}/notebooks/{name}.html")
        nbformat.write(notebook, path)


def say(text: str) -> None:
    """Tell people, on standard error, at once."""
    print(f"book: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("notebooks", "html"))
    parser.add_argument("name", nargs="*", help="notebooks to execute, default all")
    parser.add_argument("--quick", action="store_true", help="small parameters, in _build/quick")
    parser.add_argument("--whole", action="store_true", help="want all data, as published")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N",
                        help="notebooks at once (default %(default)s)")  # fmt: skip
    given = parser.parse_intermixed_args(arguments)
    chosen = given.name or names()
    try:
        if unknown := sorted(set(chosen) - set(names())):
            raise BookError(f"no notebook is called {unknown[0]}; allowed: {', '.join(names())}")
        tell_data(given.whole)
        if given.what == "notebooks":
            run_notebooks(chosen, given.quick, given.jobs)
        else:
            build_html(given.quick)
    except BookError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str((ROOT / "sbp").resolve().parent))  # through a link: compiled there
    sys.exit(main())
