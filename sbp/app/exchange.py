"""A trained network in other people's formats, above all the field's common one, NIR.

The inference network is ``h = [W1 x > 512]``, ``o = [W2 h > 512]`` (`sbp.algebra`).  As a graph of
the Neuromorphic Intermediate Representation it is ::

    input -> W1 (Affine) -> h (CubaLIF) -> W2 (Affine) -> o (CubaLIF) -> output

* **CubaLIF**, a neuron with synaptic current and membrane potential, is what a compartment of
  the chip is.  Both its time constants are one step of `STEP` seconds: Euler's rule then carries
  nothing over from one step to the next, which is the chip's decay of 4096/4096.
* **The threshold is 513**, not 512: weights are even, so no sum lies between 512 and 514, and a
  receiver that tests ``v >= threshold``, or whose Euler factor dt / tau is off by a rounding
  error, fires exactly when the chip does.
* **Numbers are float32**, exact for every sum below 2**24 weight units.
* **Gating.** In the circuit a ring of gates decides in which step a layer may fire.  Neurons that
  forget everything need no gate for that, because the order of the layers says it: the graph is
  the network as the gates let it act.  The ring itself is left out; see `NOT_SAID`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sbp import __version__
from sbp.errors import FileError, MissingDependency, SpecError
from sbp.files import arrays_digest, write_atomic, write_npz
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN
from sbp.weights import check_weights, nearest

FORMATS = ("nir", "npz", "csv")

STEP = 1e-4  #: seconds; snnTorch reads every file with this step, others are told theirs
THRESHOLD = 513.0  #: weight units, in the middle between not firing (512) and firing (514)
SAME_THRESHOLD = (512.0, 514.0)  #: on even weights, any threshold from ... to below ... is the same

#: What the file cannot say, and what a receiver therefore does not do; it travels as metadata.
NOT_SAID = {
    "learning rule": "the weights are constants; the sum-of-products rule, the reward and the "
    "error circuit are not in the file",
    "register width": "real numbers do not wrap at 24 bits, nor saturate at -256 and 254",
    "refractory delay": "in the circuit a relay is silent for one step after a spike, here never; "
    "no difference there, where a sample takes four steps",
    "bias gating": "a bias of -8192 holds every relay shut until a spike of the ring of gates "
    "lifts it; here a neuron fires whenever its input exceeds the threshold",
}


def _nir() -> ModuleType:
    try:
        import nir
    except ImportError:
        raise MissingDependency(
            "NIR files need the package nir, which is not installed",
            do="run: pip install 'spiking-backprop[nir]'",
        ) from None
    return nir


def check(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """W1 (n_h, n_in) and W2 (n_o, n_h) as int16; SpecError if a chip could not hold them."""
    n_h, n_in = weights["W1"].shape
    return {
        "W1": check_weights("W1", weights["W1"], (n_h, n_in)),
        "W2": check_weights("W2", weights["W2"], (len(weights["W2"]), n_h)),
    }


def facts(weights: Mapping[str, np.ndarray], about: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata of an exported network: texts by name."""
    sizes = (weights["W1"].shape[1], *map(len, (weights["W1"], weights["W2"])))
    return {
        "made_by": f"sbp {__version__}",
        "source": "doi.org/10.1038/s41467-024-53827-9",
        "sizes": "-".join(map(str, sizes)),
        "weights_digest": arrays_digest(check(weights)),
        "computes": "h = [W1 x > 512], o = [W2 h > 512], x of 0 and 1, weights even integers",
        **(about or {}),
    }


def to_nir(weights: Mapping[str, np.ndarray], about: Mapping[str, str] | None = None) -> Any:
    """The inference network as a ``nir.NIRGraph``; see the head of this module.

    Parameters
    ----------
    weights : mapping
        "W1" (n_h, n_in) and "W2" (n_o, n_h), even integers in -256 .. 254.
    about : mapping of str to str, optional
        More metadata.

    Raises
    ------
    SpecError
        If a weight is odd, out of range, or the shapes do not fit each other.
    MissingDependency
        If the package nir is not installed.
    """
    nir = _nir()
    weights = check(weights)

    def synapses(matrix: np.ndarray) -> Any:
        # Affine without bias rather than Linear: every receiver reads it.
        return nir.Affine(matrix.astype(np.float32), np.zeros(len(matrix), np.float32))

    def neurons(n: int) -> Any:
        one, zero = np.ones(n, np.float32), np.zeros(n, np.float32)
        step = np.full(n, STEP)
        return nir.CubaLIF(
            tau_syn=step, tau_mem=step, r=one, v_leak=zero,
            v_threshold=np.full(n, THRESHOLD, np.float32), v_reset=zero, w_in=one,
        )  # fmt: skip

    n_h, n_in = weights["W1"].shape
    n_o = len(weights["W2"])
    lost = {f"not in this file, {name}": text for name, text in NOT_SAID.items()}
    return nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([n_in])),
            "W1": synapses(weights["W1"]),
            "h": neurons(n_h),
            "W2": synapses(weights["W2"]),
            "o": neurons(n_o),
            "output": nir.Output(np.array([n_o])),
        },
        edges=[("input", "W1"), ("W1", "h"), ("h", "W2"), ("W2", "o"), ("o", "output")],
        metadata={**facts(weights, about), "step": f"{STEP} s", **lost},
    )


def write(
    path: str | Path,
    weights: Mapping[str, np.ndarray],
    form: str = "nir",
    about: Mapping[str, str] | None = None,
) -> Path:
    """Write a trained network, whole or not at all.

    Parameters
    ----------
    path : path
    weights : mapping
        "W1" (n_h, n_in) and "W2" (n_o, n_h), even integers in -256 .. 254.
    form : str
        "nir": see the head of this module.  "npz": arrays W1 and W2 (int16), threshold (512) and
        the metadata as texts.  "csv": a line "matrix,target,source,weight" for every synapse.
    about : mapping of str to str, optional
        More metadata (not in a csv).

    Raises
    ------
    SpecError, FileError, MissingDependency
        See `to_nir`; or if the file cannot be written.
    """
    if form == "nir":
        graph, stream = to_nir(weights, about), io.BytesIO()
        _nir().write(stream, graph)
        return write_atomic(path, lambda file: file.write(stream.getbuffer()))
    weights = check(weights)
    if form == "npz":
        texts = {name: np.array(text) for name, text in facts(weights, about).items()}
        return write_npz(path, {**weights, "threshold": np.array(512), **texts})
    if form == "csv":
        lines = ["matrix,target,source,weight\n"]
        for name, matrix in weights.items():
            for (target, source), weight in np.ndenumerate(matrix):
                lines.append(f"{name},{target},{source},{weight}\n")
        return write_atomic(path, lambda file: file.write("".join(lines).encode("ascii")))
    raise SpecError(f"no format is called {form!r}", allowed=", ".join(FORMATS))


@dataclass(frozen=True)
class Loss:
    """What the chip's grid did to one matrix, in weight units.

    Attributes
    ----------
    scale : (float, float)
        Least and largest factor that brought a neuron's threshold to the chip's.
    largest, rms : float
        Rounding error of the weights that did not saturate.
    saturated : int
        Weights beyond -256 .. 254, clipped.
    furthest : float
        How far the furthest of them lay beyond.
    weights : int
        All weights.
    """

    scale: tuple[float, float]
    largest: float
    rms: float
    saturated: int
    furthest: float
    weights: int


def quantise(matrix: np.ndarray, threshold: np.ndarray) -> tuple[np.ndarray, Loss]:
    """Real weights of neurons with real thresholds, on the chip's grid.

    Each row is scaled so that its neuron's threshold becomes 513, the middle of the gap in which
    the chip's lies; a row whose threshold is 512 or up to 514 already keeps its scale.  Then
    weights are rounded to the nearest even integer and clipped to -256 .. 254.

    Parameters
    ----------
    matrix : ndarray of float, shape (n_post, n_pre)
    threshold : ndarray of float, shape (n_post,)
        Positive.

    Returns
    -------
    matrix : ndarray of int16, shape (n_post, n_pre)
    loss : Loss

    Raises
    ------
    SpecError
        If a threshold is so small beside the weights that scaling overflows.
    """
    low, high = SAME_THRESHOLD
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.where((threshold >= low) & (threshold < high), 1.0, THRESHOLD / threshold)
        wanted = matrix * scale[:, None]
    if not np.isfinite(wanted).all():
        raise SpecError(
            f"the threshold {threshold.min():g} cannot be scaled to {THRESHOLD:g}: too small"
        )
    rounded = nearest(wanted)
    clipped = np.clip(rounded, WEIGHT_MIN, WEIGHT_MAX)
    error = np.abs(clipped - wanted)
    saturated = clipped != rounded
    fine = error[~saturated]
    return clipped.astype(np.int16), Loss(
        scale=(float(scale.min()), float(scale.max())),
        largest=float(fine.max(initial=0)),
        rms=float(np.sqrt(np.square(fine).mean())) if fine.size else 0.0,
        saturated=int(saturated.sum()),
        furthest=float(error[saturated].max(initial=0)),
        weights=matrix.size,
    )


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Loss], dict[str, str]]:
    """Read a network of three layers from a NIR file and put its weights on the chip's grid.

    The nodes must be a chain: Input, Affine or Linear, neurons, Affine or Linear, neurons, Output,
    where neurons are Threshold, IF, LIF or CubaLIF.  The chip's neurons are memoryless, so of a
    node only the condition survives under which a constant input makes it fire (for an IF: fire
    at once), ``w_in r (W x + b) + v_leak > v_threshold``.

    Returns
    -------
    weights : dict
        "W1" (n_h, n_in) and "W2" (n_o, n_h), int16.
    losses : dict of str to Loss
        For W1 and W2.
    about : dict of str to str
        The file's metadata, as far as they are texts.

    Raises
    ------
    FileError
        If the file is missing, is no NIR file, or holds another kind of network.
    SpecError
        If a number in it has no place on the chip.
    MissingDependency
        If the package nir is not installed.
    """
    path = Path(path)
    graph = _read_graph(path)
    chain = _chain(path, graph)
    weights, losses = {}, {}
    for name, (synapses, neurons) in (("W1", chain[1:3]), ("W2", chain[3:5])):
        matrix, threshold = _layer(path, graph, synapses, neurons)
        weights[name], losses[name] = quantise(matrix, threshold)
    n_in, n_h, n_o = weights["W1"].shape[1], len(weights["W1"]), len(weights["W2"])
    given = _size(graph.nodes[chain[0]].input_type), _size(graph.nodes[chain[5]].output_type)
    if weights["W2"].shape[1] != n_h or given != (n_in, n_o):
        raise FileError(
            f"{path}: the shapes do not fit each other: {chain[0]} {given[0]}, "
            f"{chain[1]} {weights['W1'].shape}, {chain[3]} {weights['W2'].shape}, "
            f"{chain[5]} {given[1]}",
            allowed="n_in, (n_h, n_in), (n_o, n_h), n_o",
        )
    texts = {k: v for k, v in graph.metadata.items() if isinstance(v, str)}
    return weights, losses, texts


NEURONS = ("CubaLIF", "LIF", "IF", "Threshold")
SYNAPSES = ("Affine", "Linear")
KINDS = ("Input", *SYNAPSES, *NEURONS, "Output")


def _read_graph(path: Path) -> Any:
    nir = _nir()
    import h5py

    try:
        with open(path, "rb") as stream:
            stream.read(1)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        with h5py.File(path, "r") as file:
            root = file["node"]
            kinds = {name: _text(node["type"][()]) for name, node in root["nodes"].items()}
    except Exception as error:
        raise FileError(
            f"{path} is no NIR file, or is truncated or corrupted ({_one_line(error)})",
            do="give a file that nir.write, or a simulator's export, has written",
        ) from None
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise FileError(f"{path}: node {name!r} is a {kind}", allowed=", ".join(KINDS))
    try:
        return nir.read(path, type_check=False)
    except Exception as error:  # assertions and whatever else a damaged node raises
        raise FileError(f"{path}: nir cannot read it ({_one_line(error)})") from None


def _chain(path: Path, graph: Any) -> list[str]:
    """The names of the six nodes in their order."""
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    wanted = (("Input",), SYNAPSES, NEURONS, SYNAPSES, NEURONS, ("Output",))
    after: dict[str, list[str]] = {name: [] for name in kinds}
    for source, target in graph.edges:
        for end in (source, target):
            if end not in kinds:
                raise FileError(f"{path}: an edge names the node {end!r}, which is not there")
        after[source].append(target)
    chain = [name for name, kind in kinds.items() if kind == "Input"][:1]
    while chain and len(after[chain[-1]]) == 1 and len(chain) <= len(kinds):
        chain += after[chain[-1]]
    found = tuple(kinds[name] for name in chain)
    fits = len(found) == len(wanted) and all(f in w for f, w in zip(found, wanted, strict=True))
    if not fits or len(kinds) != len(wanted) or len(graph.edges) != len(wanted) - 1:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise FileError(
            f"{path} is no network of three layers: {len(kinds)} nodes, {len(graph.edges)} edges: "
            + (listed if len(listed) < 300 else f"{listed[:300]}..."),
            allowed="the chain Input, Affine or Linear, neurons, Affine or Linear, neurons, Output",
        )
    return chain


def _layer(path: Path, graph: Any, synapses: str, neurons: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n_post, n_pre) and thresholds (n_post,) in the weights' own unit, float64."""
    matrix = _numbers(path, synapses, "weight", graph.nodes[synapses].weight)
    if matrix.ndim != 2 or not matrix.size:
        raise FileError(
            f"{path}: {synapses}.weight has shape {matrix.shape}", allowed="(n_post, n_pre)"
        )
    node = graph.nodes[neurons]

    def parameter(name: str, default: float) -> np.ndarray:
        if not hasattr(node, name):
            return np.full(len(matrix), default)
        return values(neurons, name, getattr(node, name))

    def values(owner: str, name: str, given: Any) -> np.ndarray:
        array = _numbers(path, owner, name, given)
        if array.size != 1 and array.shape != (len(matrix),):
            raise FileError(
                f"{path}: {owner}.{name} has shape {array.shape}",
                allowed=f"({len(matrix)},), one for each row of {synapses}.weight",
            )
        return np.broadcast_to(array.reshape(-1), len(matrix))

    with np.errstate(over="ignore", under="ignore"):
        gain = parameter("w_in", 1.0) * parameter("r", 1.0)
    wrong = ~((gain > 0) & np.isfinite(gain))
    if wrong.any():
        neuron = int(wrong.argmax())
        raise SpecError(
            f"{path}: neuron {neuron} of {neurons} takes its input times {gain[neuron]:g} (w_in r)",
            allowed="factors above 0",
        )
    name = "threshold" if hasattr(node, "threshold") else "v_threshold"
    with np.errstate(over="ignore"):
        limit = (parameter(name, 0.0) - parameter("v_leak", 0.0)) / gain
    if hasattr(graph.nodes[synapses], "bias"):
        limit = limit - values(synapses, "bias", graph.nodes[synapses].bias)
    wrong = ~((limit > 0) & np.isfinite(limit))
    if wrong.any():
        neuron = int(wrong.argmax())
        raise SpecError(
            f"{path}: neuron {neuron} of {neurons} has the threshold {limit[neuron]:g}, "
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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
