"""Trainings at any depth, with shifted pictures and several outputs for a class.

**Several outputs for a class.**  With `per_class` = m the network has m outputs for each class, all
with the same target.  They start from different weights and err in different samples, so that
counting their spikes tells more than one spike can: an answer is the class with the most output
spikes (ties to the lowest class), or with the largest sum of their inputs.  Every neuron, synapse
and step of it is the circuit's own; only the reading of the answer counts instead of comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sbp import algebra, engines
from sbp.circuits import registry
from sbp.files import arrays_digest
from sbp.learn import data
from sbp.learn.data import Dataset
from sbp.learn.measures import Measures, one_hot
from sbp.learn.training import epoch_order
from sbp.program import Program, lower
from sbp.reproduce import energy, placement
from sbp.reproduce.courses import NAMES, note
from sbp.reproduce.sweeps.job import shifted, shifts_of
from sbp.run import Counters
from sbp.weights import Weights

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench, Work

CHUNK = 2000  #: samples between two looks at Ctrl-C
CHECKED = 500  #: further samples that the circuit learns beside the algebra
ENGINE = "compiled"


class Deep(NamedTuple):
    """One training: what it is made of, beside its data.

    `crop` is None where the data set is used as it is; `shift` moves the training pictures by up
    to so many pixels, anew in every epoch; `check` runs the circuit at the end.
    """

    hidden: tuple[int, ...]
    epochs: int
    seed: int
    shift: int = 0
    per_class: int = 1
    crop: int | None = None
    check: bool = False


def equal_synapses(n_in: int, layers: int, n_out: int, width: int) -> int:
    """Width of `layers` hidden layers with as many weights as one of `width` has."""
    total = width * (n_in + n_out)
    candidates = range(1, width + 1)
    return min(candidates, key=lambda w: abs(w * (n_in + n_out) + (layers - 1) * w * w - total))


def program_of(sizes: tuple[int, ...]) -> Program:
    """The paper's learning circuit for three sizes, the deep one for others."""
    return lower(registry.build("learning" if len(sizes) == 3 else "deep", sizes))


def answers(
    network: algebra.Network, inputs: np.ndarray, per_class: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Output spikes (n, n_o), and for every class the number of spikes and the sum of inputs."""
    spikes, sums = network.outputs(inputs)
    groups = len(inputs), -1, per_class
    return spikes, spikes.reshape(groups).sum(axis=2), sums.reshape(groups).sum(axis=2)


def measures(network: algebra.Network, dataset: Dataset, per_class: int) -> Measures:
    """The three accuracies and the mse on the test set."""
    spikes, votes, sums = answers(network, dataset.x_test, per_class)
    labels = dataset.y_test
    target = np.repeat(one_hot(labels, dataset.n_classes), per_class, axis=1).astype(bool)
    return Measures(
        exact=float((spikes == target).all(axis=1).mean()),
        spike=float((votes.argmax(axis=1) == labels).mean()),
        membrane=float((sums.argmax(axis=1) == labels).mean()),
        mse=float((spikes != target).mean()),
    )


def silent_layers(weights: Weights, inputs: np.ndarray) -> list[int]:
    """Hidden layers, from 1, none of whose neurons fires for any of the inputs."""
    fired, found = inputs.astype(np.float32), []
    for number, matrix in enumerate(list(weights.values())[:-1], 1):
        fired = (fired @ matrix.T.astype(np.float32) > 512).astype(np.float32)
        found += [] if fired.any() else [number]
    return found


def follow(
    key: Deep, dataset: Dataset, pictures: np.ndarray | None, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Train; curves by epochs, digest of the weights, silent layers, and the circuit's check.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, rows, columns), or None
        Spikes of the training pictures, wider than the data set's by the shift at every side.
    """
    sizes = (dataset.n_inputs, *key.hidden, dataset.n_classes * key.per_class)
    network = algebra.Network(Weights.random(sizes, key.seed))
    targets = np.repeat(one_hot(dataset.y_train, dataset.n_classes), key.per_class, axis=1)
    curves: dict[str, list[float]] = {name: [] for name in NAMES}

    def inputs_of(epoch: int) -> np.ndarray:
        if pictures is None:
            return dataset.x_train
        moved = shifts_of(key.seed, epoch, len(pictures), key.shift)
        return shifted(pictures, _margin(pictures, dataset), *moved)

    for epoch in range(1, key.epochs + 1):
        inputs, order = inputs_of(epoch), epoch_order(key.seed, epoch, len(targets))
        for start in range(0, len(order), CHUNK):
            rows = order[start : start + CHUNK]
            network.train(inputs, targets, rows)
            advance(len(rows))
        note(curves, measures(network, dataset, key.per_class))
    weights = network.weights
    found = {
        "curves": curves,
        "digest": arrays_digest(weights),
        "sizes": list(sizes),
        "silent": silent_layers(weights, dataset.x_test[:2000]),
    }
    if key.check:
        rows = epoch_order(key.seed, key.epochs + 1, len(targets))[:CHECKED]
        found["cost"] = cost_of(network, sizes, inputs_of(key.epochs + 1)[rows], targets[rows])
    return found


def _margin(pictures: np.ndarray, dataset: Dataset) -> int:
    assert dataset.image_shape is not None
    return (pictures.shape[1] - dataset.image_shape[0]) // 2


def cost_of(
    network: algebra.Network, sizes: tuple[int, ...], inputs: np.ndarray, targets: np.ndarray
) -> dict[str, Any]:
    """Learn further samples by circuit and algebra: what a sample costs, and what differs."""
    program = program_of(sizes)
    counters = Counters.zeros(program)
    weights = network.weights
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
    """What `follow` finds for each key; each is trained once in a run."""
    from sbp.reproduce.bench import Work

    usual = bench.dataset(name)
    sets, wider = {}, {}
    for key in keys:
        if key.crop not in sets:
            sets[key.crop] = usual if key.crop is None else data.load(
                name, root=bench.root, crop=key.crop, download=False
            ).take(len(usual.x_train), len(usual.x_test))  # fmt: skip
        if key.shift and (key.crop, key.shift) not in wider:
            wider[key.crop, key.shift] = pictures_of(bench, name, sets[key.crop], key.shift)

    def one(key: Deep, advance: Callable[[int], None]) -> Work:
        pictures = wider[key.crop, key.shift] if key.shift else None
        return Work(follow(key, sets[key.crop], pictures, advance), {})

    found = bench.shared(
        f"networks of any depth on {name}", keys, one,
        lambda key: key.epochs * len(usual.x_train),
        module=__name__, engines=(ENGINE,), checksums=(usual.checksum,),
    )  # fmt: skip
    return [work.facts for work in found]
