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

from sbp.errors import FileError, SbpError
from sbp.files import TEXT, Member, parse_json, read_npz, write_npz
from sbp.weights import Weights

NAME = "pretrained"
FILE = "mnist-400-400-10.npz"


def path() -> Path:
    """Where the file is."""
    return Path(str(resources.files("sbp"))) / "assets" / FILE


def load() -> Weights:
    """W1 (400, 400) and W2 (10, 400).

    Raises
    ------
    FileError
        If the installed package is damaged.
    """
    return _read()[0]


def about() -> dict[str, Any]:
    """How the network was made: settings, data checksum, and its measures on the test set."""
    return _read()[1]


def save(
    weights: Mapping[str, np.ndarray], about: Mapping[str, Any], to: str | Path | None = None
) -> Path:
    """Write `weights` and how they were made; by default over the file in the package."""
    text = np.array(json.dumps(about, indent=1))
    return write_npz(to or path(), {**Weights(weights).halves, "about": text})


def _read() -> tuple[Weights, dict[str, Any]]:
    members = {"W*": Member("i", 2, -128, 127), "about": TEXT}
    try:
        stored = read_npz(path(), "weights file", members)
        about = parse_json(str(stored.pop("about")), f"{path()} is damaged")
        weights = Weights.of_halves(stored)
        if about.get("digest", weights.digest) != weights.digest:
            raise FileError(f"{path()} is damaged: its checksum does not fit")
    except SbpError as error:
        raise FileError(str(error), do="reinstall spiking-backprop") from error
    return weights, about
