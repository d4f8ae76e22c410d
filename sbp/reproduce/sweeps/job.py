"""One training of a sweep: what it is made of, and running it.

The jobs may shift their training images at random, anew in every epoch; see `sbp.learn.augment`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from sbp import algebra, engines, loihi
from sbp.circuits.gating import parameter_set
from sbp.errors import SpecError
from sbp.learn import data
from sbp.learn.augment import Shifts
from sbp.learn.data import Dataset
from sbp.learn.measures import outputs
from sbp.learn.schema import Count, Digest, Epoch, History, Share
from sbp.learn.task import Task
from sbp.learn.training import MOST_EPOCHS, epoch_order, fit, one_hot
from sbp.reproduce import energy, provenance
from sbp.reproduce.watch import closing, differing, largest_closed
from sbp.run import Record
from sbp.spec import MAX_SIZE, is_whole, whole
from sbp.weights import Weights

FORMAT = "sbp sweep job 3"
Portion = Annotated[float, Meta(ge=0, le=1e6)]  #: of a chip; above 1 it takes several
Mantissa = Annotated[int, Meta(ge=-(2**31), le=2**31)]
CHECKED = 2000  #: further samples on which circuit and algebra are compared at the end


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes
    ----------
    dataset : str
        Name, or path of the user's FILE.npz (then without shift).
    hidden : int or tuple of int
        Neurons of the hidden layer, or of each.
    seed : int
    epochs : int
    crop : int or None
    threshold : int, float or None
        As `sbp.learn.data.load` takes them; None: the data set's own.
    shift : int
        Training images move by up to this many pixels, 0 .. crop.
    n_train, n_test : int or None
        First samples only; None: all.
    weight_exponent : int
        A plastic synapse delivers mantissa * 2**weight_exponent, -3 .. 0.
    """

    dataset: str = "mnist"
    hidden: int | tuple[int, ...] = 400
    seed: int = 0
    epochs: int = 40
    crop: int | None = None
    threshold: float | None = None
    shift: int = 0
    n_train: int | None = None
    n_test: int | None = None
    weight_exponent: int = 0

    def __post_init__(self) -> None:
        layers = [
            whole("job", "hidden", size, 1, MAX_SIZE)
            for size in (self.hidden if isinstance(self.hidden, Sequence) else (self.hidden,))
        ]
        object.__setattr__(self, "hidden", layers[0] if len(layers) == 1 else tuple(layers))
        limits = {
            "seed": (0, 2**63 - 1), "epochs": (1, MOST_EPOCHS), "shift": (0, MAX_SIZE),
            "weight_exponent": (-3, 0),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            object.__setattr__(self, name, whole("job", name, getattr(self, name), low, high))
        for name in ("crop", "n_train", "n_test"):
            if is_whole(value := getattr(self, name)):
                object.__setattr__(self, name, int(value))
        if isinstance(value := self.threshold, Real) and not isinstance(value, bool):
            number = float(value)
            object.__setattr__(self, "threshold", int(number) if number.is_integer() else number)
        if self.shift and (self.crop is None or self.shift > self.crop):
            raise SpecError(
                f"shift is {self.shift} with crop {self.crop}",
                allowed="0 to the crop, which must be given",
                do="a shifted window has to stay inside the picture",
            )

    @property
    def layers(self) -> tuple[int, ...]:
        """The hidden layers."""
        return self.hidden if isinstance(self.hidden, tuple) else (self.hidden,)

    @property
    def facts(self) -> dict[str, Any]:
        """The job as JSON says it."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def id(self) -> str:
        """A readable name, with a digest of everything that makes the job."""
        digest = hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()[:8]
        parts = [Path(self.dataset).stem, f"h{'-'.join(map(str, self.layers))}"]
        parts += [f"crop{self.crop}"] if self.crop is not None else []
        parts += [f"th{self.threshold}"] if self.threshold is not None else []
        parts += [f"shift{self.shift}"] if self.shift else []
        parts += [f"we{self.weight_exponent}"] if self.weight_exponent else []
        return "-".join([*parts, f"e{self.epochs}", f"seed{self.seed}", digest])

    def task(self, dataset: Dataset) -> Task:
        """What the job learns of `dataset`."""
        sizes = (dataset.n_inputs, *self.layers, dataset.n_classes)
        return Task.of(sizes, self.weight_exponent)


class Part(msgspec.Struct, rename=lambda name: name.replace("_", " ")):
    """A part of a record whose keys are words."""


class Chip(Part):
    """What `chip_limits` says."""

    neurons: Count
    synapses: Count
    fewest_cores: Count
    share_of_neurons: Portion
    share_of_synaptic_memory: Portion


class Check(Part):
    """What `check_circuit` says."""

    samples: Count
    differing_weights: Count
    largest_input_of_closed_h: Mantissa | None
    limit: Mantissa | None


class Measured(Epoch, kw_only=True):
    """An epoch of a job: with the measures that are averaged over seeds."""

    exact: Share
    spike: Share
    membrane: Share


class JobRecord(History, kw_only=True):
    """What the file of a job has to look like: a history that says more."""

    epochs: Annotated[Sequence[Measured], Meta(min_length=1)]
    format: str
    job: dict[str, Any]
    sizes: list[Count]
    chip: Chip
    check: Check
    digest: Digest
    data_checksum: Digest
    code: dict[str, str]
    checksum: Digest
    dead_outputs: list[Count]


class Outcome(NamedTuple):
    """What a job found: the record of its result file, and the weights."""

    record: dict[str, Any]
    weights: Weights


def grid(
    dataset: str = "mnist",
    *,
    hidden: Iterable[int | tuple[int, ...]] = (400,),
    seeds: Iterable[int] = (0,),
    crops: Iterable[int | None] = (None,),
    thresholds: Iterable[float | None] = (None,),
    shifts: Iterable[int] = (0,),
    epochs: int = 40,
    n_train: int | None = None,
    n_test: int | None = None,
    weight_exponent: int = 0,
) -> list[Job]:
    """Every combination as a job, once; a shift larger than the crop is left out."""
    return list(dict.fromkeys(
        Job(dataset, h, seed, epochs, crop, threshold, shift, n_train, n_test, weight_exponent)
        for crop, shift, threshold, h, seed in itertools.product(
            crops, shifts, thresholds, hidden, seeds
        )
        if not shift or (crop is not None and shift <= crop)
    ))  # fmt: skip


#: What the claim "beyond-the-paper" runs for each seed: widths, crops and shifts.
BEYOND: dict[str, Any] = {"hidden": (200, 400, 800, 2000), "crops": (4, 2), "shifts": (0, 1)}


@lru_cache(maxsize=4)  # the jobs of a sweep share few
def _load(
    name: str, root: str | None, crop: int | None, threshold: float | None, changed: int
) -> Dataset:
    return data.load(name, root=root, crop=crop, threshold=threshold)


def dataset_of(job: Job, root: str | None, base: str = "") -> Dataset:
    """The job's data; a relative path of one's own counts from the folder `base`."""
    name, changed = job.dataset, 0
    if name not in data.names():
        path = Path(base, Path(name).expanduser())
        name, changed = str(path), path.stat().st_mtime_ns if path.exists() else 0
    return _load(name, root, job.crop, job.threshold, changed).take(job.n_train, job.n_test)


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
    dataset = dataset_of(job, root, base)
    if not job.shift:
        return dataset, lambda epoch: dataset.x_train
    return dataset, Shifts.of(dataset, job.shift, job.seed, root=root)


def checksums(jobs: Iterable[Job], root: str | None) -> dict[Job, str]:
    """Checksum of the data of every job.

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
            found[key] = dataset_of(job, root).checksum
        sums[job] = found[key]
    return sums


def chip_limits(task: Task) -> dict[str, float]:
    """How much of one Loihi the learning circuit of `task` takes.

    Returns
    -------
    dict
        "neurons", "synapses" and "fewest cores"; "share of neurons" (of 128 * 1,024) and "share
        of synaptic memory" (of 128 * 128 KiB, at 8 bits for each weight of a matrix): the second
        is a lower bound, since addresses and headers are stored beside the weights.
    """
    circuit = task.learning
    memory = loihi.CORES * loihi.SYNAPTIC_BITS_PER_CORE
    return {
        "neurons": circuit.n_neurons,
        "synapses": circuit.n_synapses(),
        "fewest cores": energy.fewest_cores(circuit),
        "share of neurons": circuit.n_neurons / (loihi.CORES * loihi.NEURONS_PER_CORE),
        "share of synaptic memory": energy.matrix_bits(circuit) / memory,
    }


def check_circuit(
    task: Task, weights: Mapping[str, np.ndarray], inputs: np.ndarray, targets: np.ndarray
) -> dict[str, int | None]:
    """Learn further samples by the spiking circuit and by the algebra, and compare.

    Returns
    -------
    dict
        "samples", "differing weights", "largest input of closed h" (mantissas, over all hidden
        layers; None without any), "limit".
    """
    program, network = task.learning_program, algebra.Network(weights)
    hidden = [name for name in ("h", *(f"h{k}" for k in range(1, 13)))
              if name in {population.name for population in program.populations}]  # fmt: skip
    phases = {phase for name in hidden for phase in closing(program, name).phases}
    record = Record(u=hidden, phases=phases)
    largest = loihi.REGISTER_MIN
    with engines.session("compiled", program, program.state(weights)) as session:
        for start in range(0, len(inputs), 500):
            part = slice(start, start + 500)
            run = session.run(task.stimulus(inputs[part], targets[part]), record=record)
            network.train(inputs[part], targets[part])
            largest = max(largest, *(largest_closed(run, name) for name in hidden), largest)
    return {
        "samples": len(inputs),
        "differing weights": differing(run.weights, network.weights),
        "largest input of closed h": largest if hidden else None,
        "limit": _closed_limit(task, hidden),
    }


def _closed_limit(task: Task, hidden: Sequence[str]) -> int | None:
    """The largest input with which a closed hidden neuron stays silent."""
    if not hidden:
        return None
    limit = min(closing(task.learning_program, name).limit for name in hidden)
    if task.learning.name == "learning":
        return limit
    # In the deep circuit a replayed copy reaches a hidden neuron while it is closed.
    exponent = task.learning.weight_exponent
    copy = parameter_set(task.learning.parameter_set, exponent).copy
    return limit - int(copy / 2.0**exponent)


def dead_outputs(sums: np.ndarray, labels: np.ndarray) -> list[int]:
    """Outputs that can not learn to fire: a_L is 0 or below for all samples of their class.

    Parameters
    ----------
    sums : ndarray, shape (n, n_o)
        a_L, membrane input of the output layer, weight units.
    labels : ndarray of int, shape (n,)

    Notes
    -----
    There the derivative is 0, so that d+ stays silent: nothing brings the output back.
    """
    return [k for k in np.unique(labels).tolist() if (sums[labels == k, k] <= 0).all()]


def run_job(
    job: Job,
    root: str | None = None,
    base: str = "",
    check: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train; what the job's result files hold.

    Parameters
    ----------
    job : Job
    root : str, optional
        The data root.
    base : str
        The folder that a relative FILE.npz counts from.
    check : callable
        Called after every epoch; what it raises ends the job.

    Notes
    -----
    ``shift=0`` gives the weights that `sbp.learn.training.train` gives.
    """
    began = time.perf_counter()
    dataset, inputs = images_of(job, root, base)
    task = job.task(dataset)
    epochs, weights = [], task.start(job.seed)
    for epoch in fit(task, dataset, epochs=job.epochs, seed=job.seed, inputs=inputs):
        check()
        measures = {name: round(getattr(epoch, name), 6) for name in NAMES}
        epochs.append({"epoch": epoch.epoch, **measures})
        weights = epoch.weights
    shown, targets = inputs(job.epochs), one_hot(dataset.y_train, dataset.n_classes)
    rows = epoch_order(job.seed, job.epochs + 1, len(shown))[:CHECKED]
    record = {
        "format": FORMAT,
        "job": job.facts,
        **dataset.facts,
        "seed": job.seed,
        "weight_exponent": job.weight_exponent,
        "sizes": list(task.sizes),
        "epochs": epochs,
        "digest": weights.digest,
        "chip": chip_limits(task),
        "check": check_circuit(task, weights, shown[rows], targets[rows]),
        "dead_outputs": dead_outputs(outputs(shown, weights)[1], dataset.y_train),
        "code": code(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "seconds": round(time.perf_counter() - began, 2),
    }
    return Outcome(record, weights)


NAMES = ("exact", "spike", "membrane", "mse")


def code() -> dict[str, str]:
    """Hashes of the modules a job depends on."""
    return provenance.code_hashes(__name__, ("compiled",))
