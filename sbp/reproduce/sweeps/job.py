"""One training of a sweep: what it is made of, and running it.

The jobs may shift their training images at random, anew in every epoch; see `sbp.learn.augment`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sbp import algebra, engines, loihi
from sbp.circuits import learning_circuit
from sbp.circuits.gating import CLOSED_LIMIT
from sbp.errors import SpecError
from sbp.files import arrays_digest
from sbp.learn import data
from sbp.learn.augment import Shifts
from sbp.learn.data import Dataset
from sbp.learn.training import Measures, epoch_order, initial_weights, one_hot, sizes_of
from sbp.program import lower
from sbp.reproduce import energy, provenance
from sbp.reproduce.watch import RECORD, differing, largest_closed
from sbp.spec import is_whole, whole

FORMAT = "sbp sweep job 2"
CHECKED = 2000  #: further samples on which circuit and algebra are compared at the end


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes
    ----------
    dataset : str
        Name, or path of the user's FILE.npz (then without crop, threshold and shift).
    hidden : int
    seed : int
    epochs : int
    crop, threshold : int or None
        As `sbp.learn.data.load` takes them; None: the data set's own.
    shift : int
        Training images move by up to this many pixels, 0 .. crop.
    n_train, n_test : int or None
        First samples only; None: all.
    """

    dataset: str = "mnist"
    hidden: int = 400
    seed: int = 0
    epochs: int = 40
    crop: int | None = None
    threshold: int | None = None
    shift: int = 0
    n_train: int | None = None
    n_test: int | None = None

    def __post_init__(self) -> None:
        limits = {
            "hidden": (1, 1 << 16), "seed": (0, 2**63 - 1), "epochs": (1, 100_000),
            "shift": (0, 13),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            object.__setattr__(self, name, whole("job", name, getattr(self, name), low, high))
        for name in ("crop", "threshold", "n_train", "n_test"):
            if is_whole(value := getattr(self, name)):
                object.__setattr__(self, name, int(value))
        if self.shift and (self.crop is None or self.shift > self.crop):
            raise SpecError(
                f"shift is {self.shift} with crop {self.crop}",
                allowed="0 to the crop, which must be given",
                do="a shifted window has to stay inside the picture",
            )

    @property
    def id(self) -> str:
        """A readable name, with a digest of everything that makes the job."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:8]
        parts = [Path(self.dataset).stem, f"h{self.hidden}"]
        parts += [f"crop{self.crop}"] if self.crop is not None else []
        parts += [f"th{self.threshold}"] if self.threshold is not None else []
        parts += [f"shift{self.shift}"] if self.shift else []
        return "-".join([*parts, f"e{self.epochs}", f"seed{self.seed}", digest])


def grid(
    dataset: str = "mnist",
    *,
    hidden: Iterable[int] = (400,),
    seeds: Iterable[int] = (0,),
    crops: Iterable[int | None] = (None,),
    thresholds: Iterable[int | None] = (None,),
    shifts: Iterable[int] = (0,),
    epochs: int = 40,
    n_train: int | None = None,
    n_test: int | None = None,
) -> list[Job]:
    """Every combination as a job, once; a shift larger than the crop is left out."""
    return list(dict.fromkeys(
        Job(dataset, h, seed, epochs, crop, threshold, shift, n_train, n_test)
        for crop, shift, threshold, h, seed in itertools.product(
            crops, shifts, thresholds, hidden, seeds
        )
        if not shift or (crop is not None and shift <= crop)
    ))  # fmt: skip


#: What the claim "beyond-the-paper" runs for each seed: widths, crops and shifts.
BEYOND: dict[str, Any] = {"hidden": (200, 400, 800, 2000), "crops": (4, 2), "shifts": (0, 1)}


def images_of(
    job: Job, root: str | None, base: str = ""
) -> tuple[Dataset, Callable[[int], np.ndarray]]:
    """The job's data set, and the training inputs of an epoch.

    Returns
    -------
    dataset : Dataset
        Cropped, not shifted: what is tested on.
    inputs : callable
        Epoch (from 1) -> ndarray of uint8, shape (n_train, n_in).
    """
    name = job.dataset
    if base and name.endswith(".npz"):
        name = str(Path(base, Path(name).expanduser()))
    dataset = data.load(name, root=root, crop=job.crop, threshold=job.threshold)
    dataset = dataset.take(job.n_train, job.n_test)
    if not job.shift:
        return dataset, lambda epoch: dataset.x_train
    return dataset, Shifts.of(dataset, job.shift, job.seed, root=root)


def checksums(jobs: Iterable[Job], root: str | None) -> dict[Job, str]:
    """Checksum of the data of every job; every data set is loaded once.

    Raises
    ------
    DataError
        For a data set, crop, threshold or number of samples that does not exist.
    """
    found: dict[tuple[Any, ...], str] = {}
    sums = {}
    for job in jobs:
        key = job.dataset, job.crop, job.threshold, job.n_train, job.n_test
        if key not in found:
            dataset = data.load(job.dataset, root=root, crop=job.crop, threshold=job.threshold)
            found[key] = dataset.take(job.n_train, job.n_test).checksum
        sums[job] = found[key]
    return sums


def chip_limits(sizes: tuple[int, int, int]) -> dict[str, float]:
    """How much of one Loihi the learning circuit of `sizes` takes.

    Returns
    -------
    dict
        "neurons", "synapses" and "fewest cores"; "share of neurons" (of 128 * 1,024) and "share
        of synaptic memory" (of 128 * 128 KiB, at 8 bits for each weight of a matrix): the second
        is a lower bound, since addresses and headers are stored beside the weights.
    """
    circuit = learning_circuit(sizes)
    memory = loihi.CORES * loihi.SYNAPTIC_BITS_PER_CORE
    return {
        "neurons": circuit.n_neurons,
        "synapses": circuit.n_synapses(),
        "fewest cores": energy.fewest_cores(circuit),
        "share of neurons": circuit.n_neurons / (loihi.CORES * loihi.NEURONS_PER_CORE),
        "share of synaptic memory": energy.matrix_bits(circuit) / memory,
    }


def check_circuit(
    weights: dict[str, np.ndarray], inputs: np.ndarray, targets: np.ndarray
) -> dict[str, int]:
    """Learn further samples by the spiking circuit and by the algebra, and compare.

    Returns
    -------
    dict
        "samples", "differing weights", "largest input of closed h" (weight units), "limit".
    """
    program, network = lower(learning_circuit(sizes_of(weights))), algebra.Network(weights)
    largest = loihi.REGISTER_MIN
    with engines.session("compiled", program, program.state(weights)) as session:
        for start in range(0, len(inputs), 500):
            part = slice(start, start + 500)
            run = session.run({"input": inputs[part], "target": targets[part]}, record=RECORD)
            network.train(inputs[part], targets[part])
            largest = max(largest, largest_closed(run, "h"))
    return {
        "samples": len(inputs),
        "differing weights": differing(run.weights, network.weights),
        "largest input of closed h": largest,
        "limit": CLOSED_LIMIT,
    }


def dead_outputs(sums: np.ndarray, labels: np.ndarray) -> list[int]:
    """Outputs that can not learn to fire: a2 is 0 or below for all samples of their class.

    Parameters
    ----------
    sums : ndarray, shape (n, n_o)
        a2, membrane input of the output layer, weight units.
    labels : ndarray of int, shape (n,)

    Notes
    -----
    There the derivative is 0, so that d+ stays silent: nothing brings the output back.
    """
    return [k for k in np.unique(labels).tolist() if (sums[labels == k, k] <= 0).all()]


def run_job(job: Job, root: str | None = None, base: str = "") -> dict[str, Any]:
    """Train; the record of the job's result file.

    `root` is the data root, and a relative FILE.npz counts from the folder `base`.
    ``shift=0`` gives the weights that `sbp.learn.training.train` gives.
    """
    began = time.perf_counter()
    dataset, inputs = images_of(job, root, base)
    sizes = (dataset.n_inputs, job.hidden, dataset.n_classes)
    targets = one_hot(dataset.y_train, dataset.n_classes)
    network = algebra.Network(initial_weights(sizes, job.seed))
    curves: dict[str, list[float]] = {name: [] for name in Measures.__dataclass_fields__}
    for epoch in range(1, job.epochs + 1):
        shown = inputs(epoch)
        network.train(shown, targets, epoch_order(job.seed, epoch, len(shown)))
        measured = Measures.of(*network.outputs(dataset.x_test), dataset.y_test)
        for name, value in asdict(measured).items():
            curves[name].append(round(value, 6))
    weights = network.weights
    rows = epoch_order(job.seed, job.epochs + 1, len(shown))[:CHECKED]
    return {
        "format": FORMAT,
        "job": asdict(job),
        "sizes": list(sizes),
        "curves": curves,
        "weights": arrays_digest(weights),
        "chip": chip_limits(sizes),
        "check": check_circuit(weights, shown[rows], targets[rows]),
        "dead outputs": dead_outputs(network.outputs(shown)[1], dataset.y_train),
        "data": dataset.checksum,
        "code": code(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "seconds": round(time.perf_counter() - began, 2),
    }


def code() -> dict[str, str]:
    """Hashes of the modules a job depends on."""
    return provenance.code_hashes(__name__, ("compiled",))
