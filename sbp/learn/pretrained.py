"""The network that ships with the package: 400-400-10, trained on MNIST.

A file of half weights: weights are even and live in -256 .. 254, so half a weight is exactly
an int8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from sbp.errors import FileError
from sbp.files import read_npz, write_npz

NAME = "pretrained"
FILE = "mnist-400-400-10.npz"


def path() -> Path:
    """Where the file is."""
    return Path(str(resources.files("sbp"))) / "assets" / FILE


def load() -> dict[str, np.ndarray]:
    """W1 (400, 400) and W2 (10, 400), int16, even integers in -256 .. 254.

    Raises
    ------
    FileError
        If the installed package is damaged.
    """
    return {name: 2 * _read(name, "i").astype(np.int16) for name in ("W1", "W2")}


def about() -> dict[str, Any]:
    """How the network was made: settings, data checksum, and its measures on the test set."""
    return json.loads(str(_read("about", "U")))


def save(
    weights: Mapping[str, np.ndarray], about: Mapping[str, Any], to: str | Path | None = None
) -> Path:
    """Write `weights` and how they were made; by default over the file in the package."""
    halves = {name: (np.asarray(matrix) // 2).astype(np.int8) for name, matrix in weights.items()}
    text = np.array(json.dumps(about, indent=1))
    return write_npz(to or path(), {**halves, "about": text})


def _read(name: str, kind: str) -> np.ndarray:
    arrays = read_npz(path(), "weights file")
    if name not in arrays or arrays[name].dtype.kind != kind:
        raise FileError(f"{path()} is damaged", do="reinstall spiking-backprop")
    return arrays[name]
