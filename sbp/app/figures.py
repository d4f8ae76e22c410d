"""The data of the book's figures, which run circuits in the reader's browser.

``write(path)`` writes one script that sets ``window.SBP_FIGURES``: the programs, as `sbp.app.lab`
encodes them, and what they are shown.  ``write_traces(path, folder)`` writes golden traces as
``window.SBP_TRACES``, for the page on which the reader replays them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sbp import algebra
from sbp.app.exercises import puzzles
from sbp.app.lab import encode, encode_program, encode_weights, write_script
from sbp.circuits import deep_circuit, gating_chain, learning_circuit, lines, single_layer_circuit
from sbp.circuits.gating import RELAY
from sbp.engines import compiled
from sbp.files import trace
from sbp.learn.data import load
from sbp.learn.training import epoch_order, one_hot
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import Circuit, Neuron, Phase, Population, Projection, Source
from sbp.weights import Weights

SHOWN = 60  #: digits that the figures have
TURN = (64, 24, 10)
DEPTHS = range(1, 6)
SEEDS = 40  #: random starts from which the liveliest deep one is taken


def _neuron() -> Circuit:
    """One neuron that keeps 7/8 of its potential, and a line of spikes from outside."""
    return Circuit(
        "neuron", (1,), (Source("input", 1, phase=0),),
        (Population("neuron", 1, Neuron(threshold=1024, dv=512)),),
        (Projection("input", "neuron", "spike", 300),), (Phase(("neuron",)),),
    )  # fmt: skip


def _thresholds() -> Circuit:
    """h, h< and h> with a gate each, and one sum for all of them."""
    names, kinds = ("h", "h<", "h>"), (("gate", 8704), ("sum", 512))
    projections = [
        Projection("input", name, kind, weight) for name in names for kind, weight in kinds
    ]
    return Circuit(
        "thresholds", (1,), (Source("input", 1, phase=0),),
        tuple(Population(name, 1, RELAY) for name in names), tuple(projections),
        (Phase(), Phase(names)),
    )  # fmt: skip


def wiring_circuit() -> Circuit:
    """What the lines with which the page on wiring begins mean."""
    puzzle = puzzles()["later"]
    return lines.circuit(
        puzzle.text, sizes=puzzle.sizes, sources=puzzle.sources, ring=puzzle.ring,
        phases=[], layers=(25,),
    )  # fmt: skip


def _digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    data = load("digits")
    return data.x_train[:n], data.y_train[:n]


def _trained() -> Weights:
    """A small network that has learned the digits, so that its errors are few and telling."""
    data = load("digits")
    network = algebra.Network(Weights.random(TURN, 1))
    targets = one_hot(data.y_train, 10)
    for epoch in range(1, 4):
        network.train(data.x_train, targets, epoch_order(1, epoch, len(targets)))
    return Weights.chain(network.weights)


def _deep(layers: int) -> dict[str, Any]:
    """A deep circuit with a sample in which as many populations fire as in any of `SEEDS`."""
    sizes = (36, *[18] * (layers - 1), 6)
    circuit = deep_circuit(sizes)
    program = lower(circuit)
    best: tuple[int, Any, Any] = (-1, None, None)
    for seed in range(SEEDS):
        rng = np.random.default_rng([layers, seed])
        weights = Weights.random(sizes, seed)
        sample = {
            "input": (rng.random((1, sizes[0])) < 0.5).astype(np.uint8),
            "target": np.eye(sizes[-1], dtype=np.uint8)[rng.integers(0, sizes[-1], 1)],
        }
        run = compiled.run(program, program.state(weights), sample, record=ALL_SPIKES)
        lively = int((run.counters.spikes > 0).sum())
        if lively > best[0]:
            best = lively, weights, sample
    _, weights, sample = best
    return {
        "program": encode_program(program),
        "weights": encode_weights(weights),
        "input": sample["input"][0].tolist(),
        "target": sample["target"][0].tolist(),
    }


def figures_data() -> dict[str, Any]:
    """All that the figures are given; JSON types only."""
    inputs, labels = _digits(SHOWN)
    single = single_layer_circuit((64, 10))
    return {
        "neuron": encode_program(lower(_neuron())),
        "chain": encode_program(lower(gating_chain(25, 4))),
        "thresholds": encode_program(lower(_thresholds())),
        "single": {
            "program": encode_program(lower(single)),
            "weights": encode_weights(Weights.random((64, 10), 0, ("W",))),
        },
        "turn": {
            "program": encode_program(lower(learning_circuit(TURN))),
            "weights": encode_weights(_trained()),
        },
        "deep": {str(layers): _deep(layers) for layers in DEPTHS},
        "digits": {
            "inputs": encode(np.packbits(inputs, axis=1)),
            "labels": "".join(map(str, labels.tolist())),
        },
        "puzzles": {name: puzzle.code() for name, puzzle in puzzles().items()},
    }


def traces_data(files: Iterable[Path]) -> list[dict[str, Any]]:
    """Golden traces with their programs; JSON types only."""
    found = []
    for file in files:
        shown = trace.read(file)
        found.append(
            {
                "name": file.stem,
                "program": encode_program(shown.program),
                "weights": encode_weights(Weights(shown.initial)),
                "samples": shown.n_samples,
                "stimulus": {
                    name: encode(np.packbits(x, axis=1)) for name, x in shown.stimulus.items()
                },
                "spikes": {
                    name: encode(np.packbits(x, axis=1)) for name, x in shown.spikes.items()
                },
            }
        )
    return found


def write(path: str | Path) -> Path:
    """Write the data of the figures as a script; FileError if it cannot be written."""
    return write_script(path, "SBP_FIGURES", figures_data)


def write_traces(path: str | Path, folder: str | Path) -> Path:
    """Write the golden traces of `folder` as a script; FileError if it cannot be written."""
    return write_script(path, "SBP_TRACES", lambda: traces_data(sorted(Path(folder).glob("*.npz"))))
