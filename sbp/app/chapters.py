"""The chapters of the book as notebook files, for readers who have no clone.

They are kept as text (``notebooks/01_neuron.py``), from which jupytext makes notebooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sbp.errors import FileError, MissingDependency
from sbp.files import shipped, write_atomic

#: Where the book is published; a link out of a lone notebook leads there.
BOOK = "https://spiking-backprop.github.io/sbp"
#: What Colab opens: ``tools/book.py`` publishes it with the book.
COLAB = "https://colab.research.google.com/github/spiking-backprop/sbp/blob/gh-pages/colab"

#: A slide is 700 high: a tall picture has to be in it with its heading and its words.
FITTING = "<style>.reveal section img { max-height: 430px; width: auto; }</style>"

Notebook = Any  # of nbformat, which has no types


def sources() -> dict[str, Path]:
    """Name of each chapter, such as ``01_neuron``, and its text, in order."""
    found = sorted(shipped.folder("notebooks").glob("[0-9][0-9]_*.py"))
    return {path.stem: path for path in found}


def read(source: Path) -> Notebook:
    """The notebook that `source` says, the same bytes each time it is written."""
    try:
        import jupytext
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"notebooks are made by jupytext, and {error.name} is not installed",
            do="python -m pip install jupytext",
        ) from None
    notebook = jupytext.read(source, fmt="py:percent")
    # What pairs it with its text would make Jupyter look for that text beside a copy.
    notebook.metadata.pop("jupytext", None)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # nbformat's are random
    return notebook


def relink(notebook: Notebook, chapter: Callable[[str], str] | None = None) -> None:
    """Let links that lead out of the notebook's folder lead to the published book.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place.
    chapter : callable, optional
        Address of a chapter, given its name; by default chapters are files beside each other.
    """

    def address(match: re.Match[str]) -> str:
        path, name, ending = match.groups()
        if ending == "md":
            return f"]({BOOK}/{path.removeprefix('../')}{name}.html"
        return f"]({chapter(name)}" if chapter else match[0]

    link = re.compile(r"\]\(\s*((?:\.\./)?(?:\w+/)*)(\w+)\.(md|ipynb)\b")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = link.sub(address, cell.source)


def drop_solutions(notebook: Notebook) -> None:
    """Leave out the solutions; the questions and the cells to answer in stay."""
    notebook.cells = [c for c in notebook.cells if "hide-cell" not in c.metadata.get("tags", [])]


def make_slides(notebook: Notebook) -> None:
    """Turn a chapter into slides: a heading and a figure each, the text as the speaker's notes.

    Exercises and summary keep their text; solutions and the cells to answer in go, and all other
    code is run unseen.  ``jupyter nbconvert --to slides`` reads what is written here.
    """
    from nbformat.v4 import new_markdown_cell

    drop_solutions(notebook)
    cells: list[Any] = []

    def add(cell: Any, kind: str) -> None:
        cell["id"] = f"slide-{len(cells)}"
        cell.metadata["slideshow"] = {"slide_type": kind}
        cells.append(cell)

    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if "answer" in cell.metadata.get("tags", []):
                continue
            shown = re.search(r"^show\(", cell.source, re.MULTILINE)
            if shown:  # each figure has a slide of its own
                add(new_markdown_cell(heading), "slide")
            add(cell, "-" if shown else "skip")
            continue
        for section in re.split(r"^(?=#+ )", cell.source, flags=re.MULTILINE):
            line, _, text = section.partition("\n")
            if line.startswith("#"):
                heading = line
            else:
                text = section
            if line.startswith("# "):
                add(new_markdown_cell(f"{section}\n{FITTING}"), "slide")
            elif line in ("## Exercises", "## Summary"):
                add(new_markdown_cell(section.partition("<div")[0]), "slide")
            elif text.strip():
                add(new_markdown_cell(text.strip()), "notes")
    notebook.cells = cells


def write(
    folder: str | Path, force: bool = False, *, solutions: bool = True, slides: bool = False
) -> list[Path]:
    """Write every chapter as an ``.ipynb`` file into `folder`, and return their paths.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    force : bool
        Write over notebooks that are there already.
    solutions : bool
        With the solutions of the exercises.
    slides : bool
        As slides, see `make_slides`.

    Raises
    ------
    FileError
        If one of them is there and `force` is not set, or the folder cannot be written.
    MissingDependency
        If jupytext is not installed.
    """
    import nbformat

    folder = Path(folder)
    targets = {name: folder / f"{name}.ipynb" for name in sources()}
    there = [path for path in targets.values() if path.exists()]
    if there and not force:
        raise FileError(
            f"{there[0]} is there already", do="choose another folder, or --force writes over it"
        )

    def copy(source: Path, target: Path) -> Path:
        notebook = read(source)
        relink(notebook)
        if slides:
            make_slides(notebook)
        elif not solutions:
            drop_solutions(notebook)
        content = (nbformat.writes(notebook) + "\n").encode()
        return write_atomic(target, lambda stream: stream.write(content))

    return [copy(source, targets[name]) for name, source in sources().items()]
