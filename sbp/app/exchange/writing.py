"""Writing a trained network in other people's formats, above all the field's common one, NIR."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sbp import __version__
from sbp.app.exchange.grid import THRESHOLD
from sbp.app.exchange.reading import package
from sbp.errors import SpecError, check_name
from sbp.files import write_atomic, write_npz
from sbp.weights import Weights, arrays_digest, layer_names

FORMATS = ("nir", "npz", "csv")
MODELS = ("cuba", "lif")  #: neuron models of a NIR file

STEP = 1e-4  #: seconds; snnTorch reads every file with this step, others are told theirs

#: What the file cannot say, and what a receiver therefore does not do; it travels as metadata.
NOT_SAID = {
    "learning rule": "the weights are constants; the sum-of-products rule, the reward and the "
    "error circuit are not in the file",
    "register width": "real numbers do not wrap at 24 bits, nor saturate at -256 and 254",
    "refractory delay": "in the circuit a relay is silent for one step after a spike, here never; "
    "no difference there, where a sample takes four steps or more",
    "bias gating": "a bias of -8192 holds every relay shut until a spike of the ring of gates "
    "lifts it; here a neuron fires whenever its input exceeds the threshold",
}


def facts(weights: Mapping[str, np.ndarray], about: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata of an exported network: texts by name."""
    weights = Weights.chain(weights)
    layers = [*_layer_names(len(weights)), "o"]
    inputs = ["x", *layers[:-1]]
    computes = ", ".join(
        f"{after} = [{name} {before} > 512]"
        for name, before, after in zip(weights, inputs, layers, strict=True)
    )
    return {
        "made_by": f"sbp {__version__}",
        "source": "doi.org/10.1038/s41467-024-53827-9",
        "sizes": "-".join(map(str, weights.sizes)),
        # Under the names that reading gives them.
        "weights_digest": arrays_digest(
            dict(zip(layer_names(len(weights)), weights.values(), strict=True))
        ),
        "computes": f"{computes}, x of 0 and 1, weights even integers",
        **(about or {}),
    }


def _layer_names(layers: int) -> list[str]:
    """Names of the hidden layers: h, or h1, h2, ... where there are several."""
    return ["h"] if layers == 2 else [f"h{k}" for k in range(1, layers)]


def to_nir(
    weights: Mapping[str, np.ndarray],
    about: Mapping[str, str] | None = None,
    *,
    neuron: str = "cuba",
) -> Any:
    """The inference network as a ``nir.NIRGraph``; see the head of this package.

    Parameters
    ----------
    weights : mapping
        W1 .. WL, (n_post, n_pre) each, even integers in -256 .. 254.
    about : mapping of str to str, optional
        More metadata.
    neuron : {"cuba", "lif"}
        CubaLIF, or LIF for receivers that know no synaptic current.

    Raises
    ------
    SpecError
        If a weight is odd, out of range, the shapes do not fit each other, or matrices are
        missing or unknown.
    MissingDependency
        If the package nir is not installed.
    """
    nir = package()
    weights = Weights.chain(weights)
    check_name("neuron model", neuron, MODELS)

    def synapses(matrix: np.ndarray) -> Any:
        # Affine without bias rather than Linear: every receiver reads it.
        return nir.Affine(matrix.astype(np.float32), np.zeros(len(matrix), np.float32))

    def neurons(n: int) -> Any:
        one, zero = np.ones(n, np.float32), np.zeros(n, np.float32)
        # Not in float32: it would round to less than the step of a receiver.
        step, limit = np.full(n, STEP), np.full(n, THRESHOLD, np.float32)
        model = nir.LIF if neuron == "lif" else nir.CubaLIF
        given = {"r": one, "v_leak": zero, "v_threshold": limit, "v_reset": zero, "w_in": one}
        given |= {"tau": step, "tau_syn": step, "tau_mem": step}
        taken = inspect.signature(model.__init__).parameters  # older ones know no v_reset
        return model(**{name: value for name, value in given.items() if name in taken})

    nodes = {"input": nir.Input(np.array([weights.sizes[0]]))}
    layers = [*_layer_names(len(weights)), "o"]
    for name, layer in zip(weights, layers, strict=True):
        nodes |= {name: synapses(weights[name]), layer: neurons(len(weights[name]))}
    nodes["output"] = nir.Output(np.array([weights.sizes[-1]]))
    names = list(nodes)
    graph = nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))
    lost = {f"not in this file, {name}": text for name, text in NOT_SAID.items()}
    graph.metadata = {**facts(weights, about), "step": f"{STEP} s", **lost}
    return graph


def _nir_bytes(graph: Any) -> memoryview:
    """The graph as a file that every version of nir reads.

    Version 1.0.6 gave neurons a v_reset, which older versions do not know and which is 0 where it
    is left out.
    """
    import h5py

    stream = io.BytesIO()
    package().write(stream, graph)
    with h5py.File(stream, "r+") as file:
        for node in file["node/nodes"].values():
            if "v_reset" in node and not node["v_reset"][()].any():
                del node["v_reset"]
    return stream.getbuffer()


def write(
    path: str | Path,
    weights: Mapping[str, np.ndarray],
    form: str = "nir",
    about: Mapping[str, str] | None = None,
    *,
    neuron: str = "cuba",
) -> Path:
    """Write a trained network, whole or not at all.

    Parameters
    ----------
    path : path
    weights : mapping
        W1 .. WL, (n_post, n_pre) each, even integers in -256 .. 254.
    form : str
        "nir": see the head of this package.  "npz": arrays W1 .. WL (int16), threshold (512) and
        the metadata as texts.  "csv": a line "matrix,target,source,weight" for every synapse.
    about : mapping of str to str, optional
        More metadata (not in a csv).
    neuron : {"cuba", "lif"}
        Of a NIR file.

    Raises
    ------
    SpecError, FileError, MissingDependency
        See `to_nir`; or if the file cannot be written.
    """
    weights = Weights.chain(weights)
    if form == "nir":
        content = _nir_bytes(to_nir(weights, about, neuron=neuron))
        return write_atomic(path, lambda file: file.write(content))
    if form == "npz":
        texts = {name: np.array(text) for name, text in facts(weights, about).items()}
        return write_npz(path, {**weights, "threshold": np.array(512), **texts})
    if form == "csv":

        def lines(file: BinaryIO) -> None:
            for line in _csv_lines(weights):
                file.write(line.encode("ascii"))

        return write_atomic(path, lines)
    raise SpecError(f"no format is called {form!r}", allowed=", ".join(FORMATS))


def _csv_lines(weights: Mapping[str, np.ndarray]) -> Iterator[str]:
    yield "matrix,target,source,weight\n"
    for name, matrix in weights.items():
        for target, row in enumerate(matrix.tolist()):
            yield "".join(f"{name},{target},{source},{w}\n" for source, w in enumerate(row))
