"""Reading a network from a file of the Neuromorphic Intermediate Representation."""

from __future__ import annotations

import contextlib
import inspect
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from sbp.app.exchange.grid import Loss, quantise
from sbp.errors import FileError, MissingDependency, SpecError, brief
from sbp.weights import Weights, layer_names

NEURONS = ("CubaLIF", "LIF", "IF", "Threshold")
SYNAPSES = ("Affine", "Linear")
SHAPES = ("Flatten",)  #: nodes that change nothing but the shape
KINDS = ("Input", *SYNAPSES, "Scale", *SHAPES, *NEURONS, "NIRGraph", "Output")
ORDER = "the chain Input, then Affine or Linear and neurons for every layer, Output"

LARGEST = 1 << 30  #: bytes of numbers that a file may declare
DENSEST = 1000  #: declared bytes for each that is stored, in a file of a real network
PATIENCE = 120  #: seconds that reading a file may take
FREE = 1 << 24  #: bytes that may be declared whatever is stored


class Step(NamedTuple):
    """One node of the chain, by its name in the file."""

    name: str
    kind: str
    node: Any


def package() -> ModuleType:
    """The package nir."""
    try:
        import nir
    except ModuleNotFoundError as error:
        if error.name != "nir":
            raise MissingDependency(f"the package nir cannot be imported: {brief(error)}") from None
        raise MissingDependency(
            "NIR files need the package nir, which is not installed",
            do="run: pip install 'spiking-backprop[nir]'",
        ) from None
    return nir


def read(path: str | Path) -> tuple[Weights, dict[str, Loss], dict[str, str]]:
    """Read a network from a NIR file and put its weights on the chip's grid.

    The nodes must be a chain: Input, then for every layer Affine or Linear and neurons, Output,
    where neurons are Threshold, IF, LIF or CubaLIF.  Flatten may stand anywhere, a Scale before
    or after a matrix is folded into it, and a part of the chain may be a graph of its own.  The
    chip's neurons are memoryless, so of a node only the condition survives under which a constant
    input makes it fire (for an IF: fire at once), ``w_in r (W x + b) + v_leak > v_threshold``.

    Returns
    -------
    weights : Weights
        W1 .. WL.
    losses : dict of str to Loss
        For every matrix.
    about : dict of str to str
        The file's metadata, as far as they are texts.

    Raises
    ------
    FileError
        If the file is missing, is no NIR file, holds another kind of network, or other weights
        than the digest in it says.
    SpecError
        If a number in it has no place on the chip.
    MissingDependency
        If the package nir is not installed.
    """
    path = Path(path)
    _try_outside(path)
    graph = _read_graph(path)
    chain = _chain(path, graph)
    matrices, losses = {}, {}
    layers = list(_layers(path, chain))
    for name, (matrix, threshold) in zip(layer_names(len(layers)), layers, strict=True):
        matrices[name], losses[name] = quantise(matrix, threshold)
    _check_sizes(path, chain, [matrix for matrix, _ in layers])
    weights = Weights.chain(matrices, str(path))
    metadata = getattr(graph, "metadata", None) or {}
    about = {k: v for k, v in metadata.items() if isinstance(v, str)}
    said = about.get("weights_digest", weights.digest)
    if said != weights.digest:
        raise FileError(
            f"{path}: the weights are not those that were exported: their digest is "
            f"{weights.digest[:12]}, the file says {said[:12]}",
            do="export them again; where they were changed on purpose, remove weights_digest from "
            "the file's metadata",
        )
    return weights, losses, about


def _try_outside(path: Path) -> None:
    """Read the file in a process of its own first.

    On some damaged files the HDF5 library ends the whole process instead of raising, or never ends.
    """
    package()
    order = f"import sys; sys.path = {sys.path!r}; from {__name__} import _try; _try(sys.argv[1])"
    words = [sys.executable, "-c", order, str(path)]
    try:
        ended = subprocess.run(words, capture_output=True, timeout=PATIENCE).returncode
    except subprocess.TimeoutExpired:
        ended, how = -1, f"has not ended after {PATIENCE} seconds"
    else:
        how = "crashes"
    if ended < 0 or ended > 255:  # by a signal, or as Windows says it
        raise FileError(
            f"{path} is damaged: the HDF5 library {how} when it reads it",
            do="give a file that nir.write, or a simulator's export, has written",
        )


def _try(path: str) -> None:
    with contextlib.suppress(Exception):  # the caller will meet it again, and tell it
        _read_graph(Path(path))


def _read_graph(path: Path) -> Any:
    nir = package()
    import h5py

    try:
        with open(path, "rb") as stream:
            stream.read(1)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        with h5py.File(path, "r") as file:
            kinds = dict(_kinds(file["node"]))
            declared, stored = _sizes(file)
    except Exception as error:
        raise FileError(
            f"{path} is no NIR file, or is truncated or corrupted ({brief(error)})",
            do="give a file that nir.write, or a simulator's export, has written",
        ) from None
    if declared > LARGEST or (declared > FREE and declared > DENSEST * stored):
        raise FileError(
            f"{path} declares {declared:,} bytes of numbers and holds {stored:,}",
            allowed=f"{LARGEST:,} bytes, and not a thousand times what is stored",
        )
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise FileError(
                f"{path}: node {name!r} is a {kind}, which has no place in a network of fully "
                "connected layers of binary neurons",
                allowed=", ".join(KINDS),
            )
    options = (
        {"type_check": False} if "type_check" in inspect.signature(nir.read).parameters else {}
    )
    try:
        return nir.read(str(path), **options)
    except Exception as error:  # assertions and whatever else a damaged node raises
        raise FileError(
            f"{path}: nir {getattr(nir, 'version', '')} cannot read it ({brief(error)})"
        ) from None


def _kinds(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and kinds of the nodes of an HDF5 graph, those of graphs inside it too."""
    for name, child in node["nodes"].items():
        kind = _text(child["type"][()])
        yield prefix + name, kind
        if kind == "NIRGraph":
            yield from _kinds(child, f"{prefix}{name}.")


def _sizes(file: Any) -> tuple[int, int]:
    """Bytes that the data sets of an HDF5 file declare, and bytes it stores for them."""
    declared = stored = 0

    def add(_: str, item: Any) -> None:
        nonlocal declared, stored
        if hasattr(item, "shape") and item.shape:
            declared += math.prod(item.shape) * max(item.dtype.itemsize, 1)
            stored += item.id.get_storage_size()

    file.visititems(add)
    return declared, stored


def _flat(graph: Any, prefix: str = "") -> tuple[dict[str, Step], list[tuple[str, str]]]:
    """The nodes and edges of a graph, with those of the graphs inside it in their place."""
    steps: dict[str, Step] = {}
    edges: list[tuple[str, str]] = []
    ends: dict[str, tuple[str, str]] = {}  # of an inner graph: the names of its two ends
    for name, node in graph.nodes.items():
        kind, full = type(node).__name__, prefix + name
        if kind == "NIRGraph":
            inner, inner_edges = _flat(node, f"{full}.")
            steps, edges = steps | inner, edges + inner_edges
            found = [
                [
                    n
                    for n, s in inner.items()
                    if s.kind == end and n.count(".") == full.count(".") + 1
                ]
                for end in ("Input", "Output")
            ]
            first, last = (names[0] if len(names) == 1 else full for names in found)
            ends[name] = first, last
        else:
            steps[full] = Step(full, kind, node)
    for source, target in graph.edges:
        a = ends[source][1] if source in ends else prefix + source
        b = ends[target][0] if target in ends else prefix + target
        edges.append((a, b))
    return steps, edges


def _chain(path: Path, graph: Any) -> list[Step]:
    """The nodes from the input to the output, without those that change only the shape."""
    steps, edges = _flat(graph)
    after: dict[str, list[str]] = {name: [] for name in steps}
    for source, target in edges:
        for end in (source, target):
            if end not in steps:
                raise FileError(f"{path}: an edge names the node {end!r}, which is not there")
        after[source].append(target)
    starts = [name for name, step in steps.items() if step.kind == "Input" and "." not in name]
    chain = starts[:1]
    while chain and len(after[chain[-1]]) == 1 and len(chain) <= len(steps):
        chain += after[chain[-1]]
    whole = len(set(chain)) == len(chain) == len(steps) and len(edges) == len(steps) - 1
    if len(starts) != 1 or not whole or steps[chain[-1]].kind != "Output":
        listed = ", ".join(f"{name} ({step.kind})" for name, step in steps.items())
        raise FileError(
            f"{path} is no chain of layers: {len(steps)} nodes, {len(edges)} edges: "
            + (listed if len(listed) < 300 else f"{listed[:300]}..."),
            allowed=ORDER,
        )
    inner = [name for name in chain[1:-1] if steps[name].kind not in ("Input", "Output", *SHAPES)]
    return [steps[name] for name in (chain[0], *inner, chain[-1])]


def _layers(path: Path, chain: list[Step]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weights (n_post, n_pre) and thresholds (n_post,) of every layer, in the file's own unit."""
    rest = chain[1:-1]
    if not rest:
        raise FileError(f"{path} holds no layer", allowed=ORDER)
    while rest:
        layer: list[Step] = []
        while (rest and not layer[-1:]) or (rest and layer[-1].kind not in NEURONS):
            layer.append(rest.pop(0))
        kinds = [step.kind for step in layer]
        synapses = [step for step in layer if step.kind in SYNAPSES]
        if kinds[-1] not in NEURONS or len(synapses) != 1:
            said = ", ".join(f"{step.name} ({step.kind})" for step in layer)
            raise FileError(f"{path}: {said} is no layer", allowed=ORDER)
        place = kinds.index(synapses[0].kind)
        before, behind = layer[:place], layer[place + 1 : -1]
        yield _layer(path, synapses[0], layer[-1], before, behind)


def _check_sizes(path: Path, chain: list[Step], matrices: list[np.ndarray]) -> None:
    given = _size(chain[0].node.input_type), _size(chain[-1].node.output_type)
    widths = [given[0], *(len(matrix) for matrix in matrices)]
    fit = [matrix.shape[1] for matrix in matrices] == widths[:-1] and widths[-1] == given[1]
    if not fit:
        shapes = [str(matrix.shape) for matrix in matrices]
        names = [step.name for step in chain if step.kind in SYNAPSES]
        said = ", ".join(f"{n} {s}" for n, s in zip(names, shapes, strict=True))
        raise FileError(
            f"{path}: the shapes do not fit each other: {chain[0].name} {given[0]}, {said}, "
            f"{chain[-1].name} {given[1]}",
            allowed="n_in, (n_h, n_in), (n_o, n_h), n_o, and alike for more layers",
        )


def _layer(
    path: Path, synapses: Step, neurons: Step, before: list[Step], behind: list[Step]
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and thresholds of one layer; `before` and `behind` are the scales at its matrix."""
    matrix = _numbers(path, synapses.name, "weight", synapses.node.weight)
    if matrix.ndim != 2 or not matrix.size:
        raise FileError(
            f"{path}: {synapses.name}.weight has shape {matrix.shape}", allowed="(n_post, n_pre)"
        )
    node = neurons.node

    def parameter(name: str, default: float) -> np.ndarray:
        if not hasattr(node, name):
            return np.full(len(matrix), default)
        return values(neurons.name, name, getattr(node, name))

    def values(owner: str, name: str, given: Any) -> np.ndarray:
        array = _numbers(path, owner, name, given)
        if array.size != 1 and array.shape != (len(matrix),):
            raise FileError(
                f"{path}: {owner}.{name} has shape {array.shape}",
                allowed=f"({len(matrix)},), one for each row of {synapses.name}.weight",
            )
        return np.broadcast_to(array.reshape(-1), len(matrix))

    with np.errstate(over="ignore", under="ignore"):
        gain = parameter("w_in", 1.0) * parameter("r", 1.0)
    wrong = ~((gain > 0) & np.isfinite(gain))
    if wrong.any():
        neuron = int(wrong.argmax())
        raise SpecError(
            f"{path}: neuron {neuron} of {neurons.name} takes its input times "
            f"{gain[neuron]:g} (w_in r)",
            allowed="factors above 0",
        )
    name = "threshold" if hasattr(node, "threshold") else "v_threshold"
    with np.errstate(over="ignore"):
        limit = (parameter(name, 0.0) - parameter("v_leak", 0.0)) / gain
    for step in before:
        factor = _numbers(path, step.name, "scale", step.node.scale).reshape(-1)
        if factor.size not in (1, matrix.shape[1]):
            raise FileError(
                f"{path}: {step.name}.scale has {factor.size} numbers",
                allowed=f"{matrix.shape[1]}, one for each column of {synapses.name}.weight",
            )
        matrix = matrix * factor
    bias = np.zeros(len(matrix))
    if hasattr(synapses.node, "bias"):
        bias = values(synapses.name, "bias", synapses.node.bias)
    for step in behind:
        factor = values(step.name, "scale", step.node.scale)
        matrix, bias = matrix * factor[:, None], bias * factor
    limit = limit - bias
    wrong = ~((limit > 0) & np.isfinite(limit))
    if wrong.any():
        neuron = int(wrong.argmax())
        raise SpecError(
            f"{path}: neuron {neuron} of {neurons.name} has the threshold {limit[neuron]:g}, "
            "less leak and bias",
            allowed="finite and above 0: the chip's neurons never fire without input",
        )
    return matrix, limit


def _numbers(path: Path, node: str, name: str, given: Any) -> np.ndarray:
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise FileError(f"{path}: {node}.{name} holds no numbers but {array.dtype}")
    array = array.astype(np.float64)
    wrong = np.argwhere(~np.isfinite(array))
    if wrong.size:
        index = ", ".join(map(str, wrong[0]))
        raise SpecError(f"{path}: {node}.{name}[{index}] is {array[tuple(wrong[0])]}")
    return array


def _size(types: Any) -> int:
    """The number of neurons that an Input or Output names; -1 if it names none."""
    try:
        return int(np.prod([np.prod(np.asarray(shape)) for shape in types.values()]))
    except (AttributeError, TypeError, ValueError, OverflowError):
        return -1


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
