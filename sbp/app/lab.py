"""The data of the lab, the page of the book that runs the circuit in the browser.

``python -m sbp.app.lab FILE.js`` writes one script that sets ``window.SBP_LAB``: the programs as
the integers that every engine runs, the trained MNIST network, a random start for the small one,
scikit-learn's digits, and 500 of them in the form of MNIST, on which the page measures what a
lesson costs.  A script and not JSON, because a page opened from disk may load the one
but not fetch the other; what it holds is packed, and ``lab/static/lab/packed.js`` unpacks it.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sbp.circuits import inference_circuit, learning_circuit
from sbp.errors import FileError, SbpError
from sbp.files import write_atomic
from sbp.learn import pretrained
from sbp.learn.data import load
from sbp.learn.embedded import DIGITS
from sbp.learn.training import initial_weights, sizes_of
from sbp.program import Program, lower
from sbp.spec import Circuit
from sbp.weights import Weights

DIGITS_SIZES = (64, 100, 10)  #: the network that the reader trains from scratch
SEED = 1  #: of its random start
EXAM = 50  #: pictures of each digit on which the page measures what a lesson costs
FINE = 8  #: parts into which each pixel of theirs is cut while they are brought to MNIST's form


def encode(array: np.ndarray) -> str:
    """The bytes of `array`, row by row, in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def encode_weights(weights: Weights) -> dict[str, str]:
    """Half of every weight as an int8, base64: weights are even and live in -256 .. 254."""
    return {name: encode((matrix // 2).astype(np.int8)) for name, matrix in weights.items()}


def encode_program(program: Program) -> dict[str, Any]:
    """Everything an engine reads of `program`, and what a reader wants to be told about it.

    Returns
    -------
    dict
        JSON types only.  Populations, sources and projections are objects whose keys are the
        fields of `sbp.program`'s tuples; a projection also has the `kind` of its synapses, and
        a phase the `note` that explains it.
    """
    projections = [
        {**code._asdict(), "kind": kind}
        for code, kind in zip(program.projections, program.kinds, strict=True)
    ]
    return {
        "name": program.name,
        "digest": program.digest,
        "sizes": program.sizes,
        "period": program.period,
        "populations": [code._asdict() for code in program.populations],
        "sources": [code._asdict() for code in program.sources],
        "projections": projections,
        "parameters": [
            {"name": name, "n_post": n_post, "n_pre": n_pre}
            for name, n_post, n_pre in program.parameters
        ],
        "reward": program.reward,
        "fires": program.fires,
        "dw": [program.dw_otherwise, program.dw_reward],
        "notes": list(program.notes),
    }


def encode_digits() -> dict[str, Any]:
    """scikit-learn's digits: one bit for each pixel, row by row, and the labels as a string."""
    data = load("digits")
    inputs = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    return {
        "n_train": len(data.y_train),
        "n_test": len(data.y_test),
        "inputs": encode(np.packbits(inputs, axis=1)),
        "labels": "".join(map(str, labels.tolist())),
    }


def in_mnist_form(picture: np.ndarray, side: int = 20) -> np.ndarray:
    """A grey picture of a digit as the network trained on MNIST knows digits.

    MNIST's own recipe: a box of `side` by `side` pixels is filled, height and width scaled alike,
    and the centre of mass comes to the middle.  The picture is enlarged by cubic convolution
    (Keys 1981), and a pixel spikes where that is at least half.

    Parameters
    ----------
    picture : ndarray of float, shape (height, width)
        0 (paper) to 1 (ink).

    Returns
    -------
    ndarray of bool, shape (side, side)
    """
    framed = np.pad(picture, 1)
    ink = np.pad(
        _cubic(framed.shape[0]) @ framed @ _cubic(framed.shape[1]).T >= 0.5, FINE * side // 2
    )
    places = np.argwhere(ink)
    pitch = (np.ptp(places, axis=0) + 1).max() / side
    centre = places.mean(axis=0) + 0.5
    at = np.floor(centre[:, None] + pitch * (np.arange(side) - (side - 1) / 2)).astype(int)
    found: np.ndarray = ink[np.ix_(*at)]
    return found


def _cubic(n: int) -> np.ndarray:
    """Cubic convolution from n samples to FINE * n, nothing beyond the ends."""
    x = np.abs((np.arange(FINE * n)[:, None] + 0.5) / FINE - 0.5 - np.arange(n))
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def encode_exam() -> dict[str, Any]:
    """The first `EXAM` of scikit-learn's pictures of each digit, in MNIST's form.

    No picture of MNIST is among them: other people wrote them, on other forms, and the network
    that the lab teaches has never seen one.
    """
    x_train, y_train, x_test, y_test = DIGITS.read(None, download=False, progress=False)
    pictures, labels = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == d)[:EXAM] for d in range(10)]))
    inputs = np.array([in_mnist_form(pictures[i] / 16).ravel() for i in chosen])
    return {
        "size": inputs.shape[1],
        "inputs": encode(np.packbits(inputs, axis=1)),
        "labels": "".join(map(str, labels[chosen].tolist())),
    }


def _network(weights: Weights) -> dict[str, Any]:
    circuits: Iterable[Circuit] = (
        f(sizes_of(weights)) for f in (learning_circuit, inference_circuit)
    )
    programs = {circuit.name: encode_program(lower(circuit)) for circuit in circuits}
    return {**programs, "weights": encode_weights(weights)}


def lab_data() -> dict[str, Any]:
    """What the lab is given: the two networks, each with both of its circuits, and the digits."""
    about: Mapping[str, Any] = pretrained.about()
    return {
        "drawn": {
            **_network(pretrained.load()),
            "measured": about["measured"],
            "exam": encode_exam(),
        },
        "scratch": {**_network(initial_weights(DIGITS_SIZES, SEED)), "digits": encode_digits()},
    }


def pack(value: Any) -> str:
    """`value` as JSON, compressed (zlib), in base 85: an ASCII text that a script can hold."""
    text = json.dumps(value, separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode("ascii")


#: A comment that has whole lines to itself, in a script or a style sheet.
COMMENT = re.compile(r"^[ \t]*(?:/\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*\n", re.DOTALL | re.MULTILINE)


def serve(source: str | Path, target: str | Path) -> None:
    """Copy the scripts and style sheets of `source` as the pages get them: without comments.

    Line breaks within the code stay, so that it can be read in the browser too.
    """
    for path in sorted(p for p in Path(source).rglob("*") if p.suffix in (".js", ".css")):
        served = Path(target, path.relative_to(source))
        served.parent.mkdir(parents=True, exist_ok=True)
        served.write_text(COMMENT.sub("", path.read_text("utf-8")), "utf-8", newline="\n")


def write_script(path: str | Path, name: str, value: Callable[[], Any]) -> Path:
    """Write a script that sets ``window[name]`` to ``pack(value())``.

    Raises
    ------
    FileError
        If it cannot be written, or is not called ``.js``.
    """
    if Path(path).suffix != ".js":
        raise FileError(f"cannot write {path}: a page's data is a script", allowed="a name in .js")
    text = f'window.{name} = "{pack(value())}";\n'
    return write_atomic(path, lambda stream: stream.write(text.encode()))


def write(path: str | Path) -> Path:
    """Write the lab's data as a script; FileError if it cannot be written."""
    return write_script(path, "SBP_LAB", lab_data)


def main(arguments: list[str]) -> int:
    """``python -m sbp.app.lab FILE.js``; returns the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m sbp.app.lab FILE.js", file=sys.stderr)
        return 2
    try:
        path = write(arguments[0])
    except SbpError as error:
        print(f"sbp.app.lab: {error}", file=sys.stderr)
        return 2
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
