"""Trainings at any depth, with shifted pictures, and what a sample then costs on the circuit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sbp import algebra, engines
from sbp.circuits import registry
from sbp.learn import data
from sbp.learn.augment import Shifts
from sbp.learn.data import Dataset
from sbp.learn.measures import one_hot
from sbp.learn.training import epoch_order
from sbp.program import Program, lower
from sbp.reproduce import energy, placement
from sbp.reproduce.courses import Course, curves_of, follow
from sbp.run import Counters
from sbp.weights import Weights

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench, Work

CHECKED = 500  #: further samples that the circuit learns beside the algebra
ENGINE = "compiled"
#: At exponent 0 the error of many hidden neurons can lift an output that no gate holds (9,216 is
#: passed with 2,000 of them), and Fashion-MNIST passes the closing gates; here 33,792 and more.
EXPONENT = -2


class Deep(NamedTuple):
    """One training: what it is made of, beside its data.

    `shift` moves the training pictures by up to so many pixels, anew in every epoch; `check` runs
    the circuit at the end.
    """

    hidden: tuple[int, ...]
    epochs: int
    seed: int
    shift: int = 0
    check: bool = False


def equal_synapses(n_in: int, layers: int, n_out: int, width: int) -> int:
    """Width of `layers` hidden layers with as many weights as one of `width` has."""
    total = width * (n_in + n_out)
    candidates = range(1, width + 1)
    return min(candidates, key=lambda w: abs(w * (n_in + n_out) + (layers - 1) * w * w - total))


def program_of(sizes: tuple[int, ...]) -> Program:
    """The circuit that learns, at a weight exponent that holds sums so large."""
    return lower(registry.build(registry.usual(len(sizes)), sizes, weight_exponent=EXPONENT))


def silent_layers(weights: Weights, inputs: np.ndarray) -> list[int]:
    """Hidden layers, from 1, none of whose neurons fires for any of the inputs."""
    fired, found = inputs.astype(np.float32), []
    for number, matrix in enumerate(list(weights.values())[:-1], 1):
        fired = (fired @ matrix.T.astype(np.float32) > 512).astype(np.float32)
        found += [] if fired.any() else [number]
    return found


def measured(
    key: Deep, dataset: Dataset, pictures: np.ndarray | None, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Train; curves by epochs, digest of the weights, silent layers, and the circuit's check.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, rows, columns), or None
        Spikes of the training pictures, wider than the data set's by the shift at every side.
    """
    inputs: Callable[[int], np.ndarray] = lambda epoch: dataset.x_train  # noqa: E731
    if pictures is not None:
        assert dataset.image_shape is not None
        margin = (pictures.shape[1] - dataset.image_shape[0]) // 2
        inputs = Shifts(pictures, margin, key.shift, key.seed)
    course = Course("algebra", key.hidden, key.epochs, key.seed)
    training = follow(course, dataset, advance, evaluations=1, inputs=inputs)
    weights = training.learner.weights()
    found = {
        "curves": curves_of(training),
        "digest": weights.digest,
        "sizes": list(weights.sizes),
        "silent": silent_layers(weights, dataset.x_test[:2000]),
    }
    if key.check:
        rows = epoch_order(key.seed, key.epochs + 1, len(dataset.y_train))[:CHECKED]
        targets = one_hot(dataset.y_train[rows], dataset.n_classes)
        found["cost"] = cost_of(weights, inputs(key.epochs + 1)[rows], targets)
    return found


def cost_of(weights: Weights, inputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Learn further samples by circuit and algebra: what a sample costs, and what differs."""
    program = program_of(weights.sizes)
    counters = Counters.zeros(program)
    begun = algebra.Network(weights)  # both begin with copies that have not parted
    with engines.session(ENGINE, program, program.state(weights)) as session:
        for start in range(0, len(inputs), 100):
            part = slice(start, start + 100)
            run = session.run({"input": inputs[part], "target": targets[part]})
            counters = counters + run.counters
        begun.train(inputs, targets)
        learned = begun.weights
        differing = sum(int((run.weights[n] != learned[n]).sum()) for n in learned)
    model, load = energy.estimate(program, counters), placement.load(program)
    return {
        "samples": len(inputs),
        "differing weights": differing,
        "steps": program.period,
        "neurons": program.n_neurons,
        "spikes": round(float(counters.spikes.sum()) / len(inputs), 2),
        "energy, mJ": float(f"{model.millijoules:.5g}"),
        "cores": load.cores,
        "fits": load.fits,
    }


def pictures_of(bench: Bench, name: str, dataset: Dataset, shift: int) -> np.ndarray:
    """Training pictures with a margin to shift into: the picture's own, or empty where it ends."""
    whole = data.load(name, root=bench.root, crop=0, threshold=dataset.threshold, download=False)
    assert whole.image_shape is not None
    pictures = whole.x_train[: len(dataset.x_train)].reshape(-1, *whole.image_shape)
    room = max(shift - (dataset.crop or 0), 0)
    return np.pad(pictures, ((0, 0), (room, room), (room, room)))


def trainings(bench: Bench, name: str, keys: Sequence[Deep]) -> list[dict[str, Any]]:
    """What `measured` finds for each key; each is trained once in a run."""
    from sbp.reproduce.bench import Work

    dataset = bench.dataset(name)
    wider = {
        shift: pictures_of(bench, name, dataset, shift) for shift in {k.shift for k in keys} - {0}
    }

    def one(key: Deep, advance: Callable[[int], None]) -> Work:
        return Work(measured(key, dataset, wider.get(key.shift), advance), {})

    with warnings.catch_warnings():
        # It is counted, and said in the result.
        warnings.filterwarnings("ignore", message=".*has fallen silent", category=RuntimeWarning)
        found = bench.shared(
            f"networks of any depth on {name}", keys, one,
            lambda key: key.epochs * len(dataset.x_train),
            module=__name__, engines=(ENGINE,), checksums=(dataset.checksum,),
        )  # fmt: skip
    return [work.facts for work in found]
