"""What travels with the package besides its code, in a clone and in an installed wheel alike."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from sbp.errors import FileError

#: What it is called -> where it stands in a clone.  A wheel has each under ``sbp/assets``, as
#: pyproject.toml says.
IN_A_CLONE = {"notebooks": "notebooks", "results": "results", "traces": "tests/traces"}


def folder(name: str) -> Path:
    """Folder of the chapters' sources, the committed results, or the golden traces.

    Parameters
    ----------
    name : str
        ``notebooks``, ``results`` or ``traces``.

    Returns
    -------
    Path
        A folder to read from; in an installed package nobody should write there.

    Raises
    ------
    FileError
        If the package was put together without it.
    """
    package = Path(str(resources.files("sbp")))
    installed, clone = package / "assets" / name, package.parent / IN_A_CLONE[name]
    if installed.is_dir():
        return installed
    if clone.is_dir() and (package.parent / "pyproject.toml").is_file():
        return clone
    raise FileError(
        f"the {name} that come with the package are not in {installed}",
        do="reinstall spiking-backprop",
    )
