"""Run a chapter cell by cell in an IPython shell of this process: quicker than with a kernel."""

from __future__ import annotations

import ast
import os
import re
import warnings
from contextlib import contextmanager
from pathlib import Path

import jupytext

RANGE = re.compile(r"^(\w+) = (\S+)  # (\d[\d_]*) to (\d[\d_]*): \w", re.MULTILINE)


def code(path: Path) -> list:
    """The code cells of a chapter."""
    cells = jupytext.read(path, fmt="py:percent").cells
    return [cell for cell in cells if cell.cell_type == "code"]


def parameters_cell(path: Path):
    """The cell in which readers change numbers."""
    (cell,) = [c for c in code(path) if "parameters" in c.metadata.get("tags", [])]
    return cell


def ranges(path: Path) -> dict[str, tuple[int, int, int]]:
    """Parameter -> (value on the page, least, largest), as the comment beside it states."""
    found = RANGE.findall(parameters_cell(path).source)
    return {name: tuple(map(ast.literal_eval, numbers)) for name, *numbers in found}


def quick(path: Path) -> dict[str, int]:
    """The small values with which the tests run a chapter."""
    return dict(parameters_cell(path).metadata.get("quick", {}))


@contextmanager
def in_folder(folder: Path):
    """`contextlib.chdir`, which Python 3.10 lacks."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run_chapter(path: Path, parameters: dict[str, int], cwd: Path) -> str:
    """Run all cells, the parameters replaced; the last line of the first fault, or "".

    Raises nothing: a fault names the cell and the parameters, as a reader would report it.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance(history_manager=None)
    try:
        with in_folder(cwd), warnings.catch_warnings():
            for number, cell in enumerate(code(path)):
                source = cell.source
                if "parameters" in cell.metadata.get("tags", []):
                    source += "\n" + "\n".join(f"{k} = {v}" for k, v in parameters.items())
                with capture_output():
                    result = shell.run_cell(source, store_history=False)
                if (error := result.error_before_exec or result.error_in_exec) is not None:
                    first = cell.source.strip().splitlines()[0]
                    return f"{parameters}: cell {number} ({first}): {type(error).__name__} {error}"
        return ""
    finally:
        shell.reset()
        InteractiveShell.clear_instance()
