"""Several outputs for a class: the same circuit, whose answers are counted.

With m outputs for each class, all with the same target, the network has 10 m outputs.  They start
from different weights and err in different samples, so that counting their spikes tells more than
one spike can: the answer is the class with the most output spikes (ties to the lowest class), or
with the largest sum of their inputs.  Every neuron, synapse and step is the circuit's own; only the
reading of the answer counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sbp import algebra
from sbp.learn import data
from sbp.learn.augment import Shifts
from sbp.learn.data import Dataset
from sbp.learn.measures import Measures, one_hot
from sbp.learn.training import epoch_order
from sbp.reproduce.courses import NAMES, note
from sbp.reproduce.deep_courses import CHECKED, ENGINE, cost_of
from sbp.weights import Weights

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench, Work

CHUNK = 2000  #: samples between two looks at Ctrl-C


class Voting(NamedTuple):
    """One training: what it is made of, beside its data.

    The crop leaves the window of the data set; training pictures are shifted by up to `shift`
    pixels, anew in every epoch; `check` runs the circuit at the end.
    """

    hidden: tuple[int, ...]
    per_class: int
    epochs: int
    seed: int
    crop: int
    shift: int
    check: bool = False


def votes(
    network: algebra.Network, inputs: np.ndarray, per_class: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Output spikes (n, n_o), and for every class the number of spikes and the sum of inputs."""
    spikes, sums = network.outputs(inputs)
    groups = len(inputs), -1, per_class
    return spikes, spikes.reshape(groups).sum(axis=2), sums.reshape(groups).sum(axis=2)


def targets_of(labels: np.ndarray, n_classes: int, per_class: int) -> np.ndarray:
    """Labels (n,) to targets (n, n_classes * per_class), uint8."""
    return np.repeat(one_hot(labels, n_classes), per_class, axis=1)


def measures(network: algebra.Network, dataset: Dataset, per_class: int) -> Measures:
    """The three accuracies and the mse on the test set."""
    spikes, counts, sums = votes(network, dataset.x_test, per_class)
    labels = dataset.y_test
    target = targets_of(labels, dataset.n_classes, per_class).astype(bool)
    return Measures(
        exact=float((spikes == target).all(axis=1).mean()),
        spike=float((counts.argmax(axis=1) == labels).mean()),
        membrane=float((sums.argmax(axis=1) == labels).mean()),
        mse=float((spikes != target).mean()),
    )


def follow(
    key: Voting,
    dataset: Dataset,
    inputs: Callable[[int], np.ndarray],
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """Train; curves by epochs, digest of the weights, and the circuit's check."""
    sizes = (dataset.n_inputs, *key.hidden, dataset.n_classes * key.per_class)
    network = algebra.Network(Weights.random(sizes, key.seed), copies=False)
    targets = targets_of(dataset.y_train, dataset.n_classes, key.per_class)
    curves: dict[str, list[float]] = {name: [] for name in NAMES}
    for epoch in range(1, key.epochs + 1):
        shown, order = inputs(epoch), epoch_order(key.seed, epoch, len(targets))
        for start in range(0, len(order), CHUNK):
            rows = order[start : start + CHUNK]
            network.train(shown, targets, rows)
            advance(len(rows))
        note(curves, measures(network, dataset, key.per_class))
    found = {"curves": curves, "digest": network.weights.digest, "sizes": list(sizes)}
    if key.check:
        rows = epoch_order(key.seed, key.epochs + 1, len(targets))[:CHECKED]
        found["cost"] = cost_of(network.weights, inputs(key.epochs + 1)[rows], targets[rows])
    return found


def trainings(bench: Bench, name: str, keys: Sequence[Voting]) -> list[dict[str, Any]]:
    """What `follow` finds for each key; each is trained once in a run."""
    from sbp.reproduce.bench import Work

    usual = bench.dataset(name)
    sets = {
        crop: data.load(name, root=bench.root, crop=crop, download=False).take(
            len(usual.x_train), len(usual.x_test)
        )
        for crop in {key.crop for key in keys}
    }

    def one(key: Voting, advance: Callable[[int], None]) -> Work:
        dataset = sets[key.crop]
        inputs = Shifts.of(dataset, key.shift, key.seed, root=bench.root)
        return Work(follow(key, dataset, inputs, advance), {})

    found = bench.shared(
        f"several outputs a class on {name}", keys, one,
        lambda key: key.epochs * len(usual.x_train),
        module=__name__, engines=(ENGINE,), checksums=(usual.checksum,),
    )  # fmt: skip
    return [work.facts for work in found]
