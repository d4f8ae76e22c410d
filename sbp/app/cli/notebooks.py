"""``sbp notebooks``."""

from __future__ import annotations

from pathlib import Path

import click

from sbp.app.cli.options import examples
from sbp.app.cli.paths import WritesFolder, command
from sbp.learn.progress import say


@command(
    epilog=examples(
        "sbp notebooks                 into ./sbp-notebooks",
        "sbp notebooks ~/spikes --open",
        "sbp notebooks handout --no-solutions",
        "sbp notebooks slides --slides",
    )
)
@click.argument("folder", metavar="[DIR]", type=WritesFolder(), default="sbp-notebooks")
@click.option("--force", is_flag=True, help="Write over notebooks that are there already.")
@click.option("--no-solutions", is_flag=True, help="Leave the solutions of the exercises out.")
@click.option(
    "--slides",
    is_flag=True,
    help="As slides: a heading and a figure each, the text as the speaker's notes.",
)
@click.option("--open", "opened", is_flag=True, help="Open the first chapter in JupyterLab.")
def notebooks(folder: Path, force: bool, no_solutions: bool, slides: bool, opened: bool) -> None:
    """Copy the book's chapters as Jupyter notebooks.

    They go into DIR, to run and to change.
    """
    if slides and no_solutions:
        raise click.UsageError("--slides have no solutions anyway: leave --no-solutions out")
    import importlib.util
    import shlex
    import subprocess
    import sys

    from sbp.app import chapters
    from sbp.errors import MissingDependency

    lab = importlib.util.find_spec("jupyterlab") is not None
    if opened and not lab:
        raise MissingDependency(
            "JupyterLab is not installed", do="python -m pip install jupyterlab ipykernel"
        )
    written = chapters.write(folder, force, solutions=not no_solutions, slides=slides)
    say(f"{len(written)} chapters in {folder}; begin with {written[0]}")
    if not opened:
        first = shlex.quote(str(written[0]))
        if slides:
            say(f"jupyter nbconvert --to slides --execute --no-input {first}")
            return
        how = f"jupyter lab {first}" if lab else "pip install jupyterlab ipykernel"
        say(f"open it with VS Code or JupyterLab ({how})")
        return
    subprocess.run([sys.executable, "-m", "jupyterlab", str(written[0])], check=False)
