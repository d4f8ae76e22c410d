"""Train the circuit and the algebra side by side, and watch where the circuit's domain ends.

**What happens beyond it**, step by step.  In phase 7 x replays the sample, so that W1 x reaches h
in phase 8 once more, where a closing gate should hold it.  If W1 x is larger than the gate can
hold, h fires all the same, and two things follow in phase 9, when the negative error is there.

- The neuron is dead.  Its decreases of W2 are *missing*, while its increases, in phase 5, are
  always made, and while the copies of W2 for the way back are decreased (hT remembers the answer).
  So the weights of the neurons that answer most strongly only grow, and part from their copies.
- Its spike has gone up through W2, and the outputs hear it.  They wait for the negative error, a
  copy of 520 against a threshold of 512: one weight of -10 takes it away, and the error is *lost*;
  large positive weights make an output fire without an error (*spurious*).

All three are counted here.  `sbp.reproduce.past_gate` shows what each of the two does by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sbp import algebra, engines
from sbp.circuits import inference_circuit, learning_circuit
from sbp.learn.data import Dataset
from sbp.learn.measures import Measures, one_hot
from sbp.learn.training import epoch_order
from sbp.loihi import REGISTER_MIN, SCALE, WEIGHT_MAX, WEIGHT_MIN
from sbp.program import NO_MATRIX, Program, State, lower
from sbp.reproduce.courses import NAMES, halves_of, note
from sbp.run import Counters, Record, Run
from sbp.weights import Weights, arrays_digest

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench, Work

CHUNK = 4000  #: samples between two comparisons
ENGINE = "compiled"

# The answer and the error, then what a closing gate should have held, then the same error again.
RECORD = Record(spikes=("h", "o", "d-"), u=("h", "o"), phases=(0, 2, 4, 6, 8, 9, 10))


class Watch(NamedTuple):
    """One watched training: what it is made of, beside its data.

    `weight_exponent` and `parameters` are those of `sbp.circuits.learning_circuit`; with
    `equal_copies` all copies of the weights are made equal again after every epoch.
    """

    hidden: int
    epochs: int
    seed: int
    weight_exponent: int = 0
    parameters: str = "released"
    equal_copies: bool = False


@dataclass
class Watched:
    """A training of the circuit with the algebra beside it.

    Attributes
    ----------
    program : Program
    epochs : list of dict
        Per epoch: "circuit" and "algebra" (measures on the test set), "differing" (weights, from
        plain backpropagation), "differing_copies" (weights, from the algebra that carries the
        chip's negated copies, and so holds at the bounds too),
        "ungated" (samples in which h fired at p = 0), "past_gate" (samples in which any closed
        neuron of h or o fired), "past_gate_h" (samples in which one of h did), "fired_closed"
        (spikes of h at p = 8), "lost" (errors d- of p = 4 that are not in o at p = 9), "missing"
        (spikes of h at p = 2 that are not there at p = 9), "spurious" (spikes of o at p = 9
        without an error), "largest_h", "largest_o" (largest input while closed, in weight
        mantissas).
    halves : dict of str to list of float
        Measures of the circuit after every half epoch.
    parted : dict or None
        Where the weights first differed: "epoch", "samples_before" it, "differing" weights by
        matrix, and what was found in that sample: "largest_h" and "largest_o" (inputs while
        closed) against "limit", "h_past_gate" and "o_past_gate" (spikes while closed),
        "lost", "missing" and "spurious" (as above), "copies_apart" (synapses whose negated copy is
        2 beside).
    symmetry : dict
        `symmetry` of the copies at the end.
    counters : Counters
        Of the last epoch.
    first_counters : Counters
        Of the first epoch.
    total : Counters
        Of all epochs.
    weights : dict
        Of the circuit.
    algebra : dict
        Weights of the algebra.
    """

    program: Program
    epochs: list[dict[str, Any]] = field(default_factory=list)
    halves: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in NAMES})
    parted: dict[str, Any] | None = None
    symmetry: dict[str, float] = field(default_factory=dict)
    counters: Counters = None  # type: ignore[assignment]
    first_counters: Counters = None  # type: ignore[assignment]
    total: Counters = None  # type: ignore[assignment]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    algebra: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the circuit's final weights."""
        return arrays_digest(self.weights)

    def kept(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Facts and arrays from which `of` makes it anew."""
        facts = {name: getattr(self, name) for name in ("epochs", "halves", "parted", "symmetry")}
        arrays = {f"weights {name}": matrix for name, matrix in self.weights.items()}
        arrays |= {f"algebra {name}": matrix for name, matrix in self.algebra.items()}
        for which in _COUNTERS:
            counters = getattr(self, which)
            arrays |= {f"{which} {name}": getattr(counters, name) for name in Counters.names()}
        return facts, arrays

    @classmethod
    def of(
        cls, program: Program, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> Watched:
        """The inverse of `kept`."""

        def part(prefix: str) -> dict[str, np.ndarray]:
            start = f"{prefix} "
            return {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}

        counters = {which: Counters(**part(which)) for which in _COUNTERS}
        everything: dict[str, Any] = {**facts, **counters}
        return cls(program, weights=part("weights"), algebra=part("algebra"), **everything)


_COUNTERS = ("counters", "first_counters", "total")


def options(weight_exponent: int, parameters: str) -> dict[str, Any]:
    """What is not the default of `sbp.circuits.learning_circuit`."""
    chosen: dict[str, Any] = {"weight_exponent": weight_exponent} if weight_exponent else {}
    return chosen | ({"parameters": parameters} if parameters != "released" else {})


def circuits_of(key: Watch, dataset: Dataset) -> tuple[Program, Program]:
    """The learning and the inference program of a watched training."""
    sizes = (dataset.n_inputs, key.hidden, dataset.n_classes)
    chosen = options(key.weight_exponent, key.parameters)
    return lower(learning_circuit(sizes, **chosen)), lower(inference_circuit(sizes, **chosen))


def read_out(program: Program, weights: Mapping[str, np.ndarray], dataset: Dataset) -> Measures:
    """The test set through an inference program: a2 is read from the output's current."""
    record = Record(spikes=("o",), u=("o",), phases=(program.period - 1,))
    parts = []
    with engines.session(ENGINE, program, program.state(weights)) as session:
        for start in range(0, len(dataset.x_test), CHUNK):
            run = session.run({"input": dataset.x_test[start : start + CHUNK]}, record=record)
            parts.append((run.spikes["o"], run.u["o"]))
    spikes, sums = map(np.concatenate, zip(*parts, strict=True))
    return Measures.of(spikes, sums, dataset.y_test)  # of a sum only its place counts


class Closing(NamedTuple):
    """How a population is held shut: in which phases, and what it holds, in mantissas."""

    phases: tuple[int, ...]
    limit: int  #: largest sum of mantissas that does not fire it
    close: int  #: weight units
    exponent: int


def closing(program: Program, name: str) -> Closing:
    """The closing gates of a population, read from the program."""
    population = program.populations[program.index(name)]
    phases, close = [], 0
    for projection in program.projections:
        gate = program.senders[projection.source].name
        if program.populations[projection.target].name == name and gate[1:].isdigit():
            weight = projection.mantissa << projection.exponent
            if weight < 0:
                close = weight
                # g_k fires in phase k - 1 and acts in phase k.
                phases.append((int(gate[1:]) + projection.delay) % program.period)
    exponent = exponent_of(program)
    hold = (population.threshold - population.bias) // SCALE - close
    return Closing(tuple(sorted(phases)), int(hold / 2.0**exponent), close, exponent)


def exponent_of(program: Program) -> int:
    """The weight exponent of the plastic synapses."""
    return next(p.exponent for p in program.projections if p.plastic)


def differing(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> int:
    """Weights that are not equal."""
    return sum(int((first[name] != second[name]).sum()) for name in first)


def largest_closed(run: Run, name: str) -> int:
    """Largest synaptic input of a population while a closing gate held it, mantissas."""
    shut = closing(run.program, name)
    # The ring starts at g1: in the very first step g0 has closed nothing.
    rows = np.isin(run.phases, shut.phases) & (run.first_step + run.recorded > 0)
    largest = int(run.u[name][rows].max(initial=REGISTER_MIN)) // SCALE - shut.close
    return int(largest / 2.0**shut.exponent)


def fired_closed(run: Run, name: str) -> np.ndarray:
    """Samples (bool) in which a neuron of a population fired while a closing gate held it."""
    fired = [run.at_phase(name, phase).any(axis=1) for phase in closing(run.program, name).phases]
    return np.any(fired, axis=0)


def samples_past_gate(run: Run) -> int:
    """Samples in which a neuron of h or o fired while a closing gate held it."""
    return int((fired_closed(run, "h") | fired_closed(run, "o")).sum())


def lost(run: Run) -> int:
    """Negative errors of phase 4 that are not in o in phase 9."""
    return int((run.at_phase("d-", 4) & ~run.at_phase("o", 9)).sum())


def missing(run: Run) -> int:
    """Spikes of h in phase 2 that are not there in phase 9, when the negative error is."""
    return int((run.at_phase("h", 2) & ~run.at_phase("h", 9)).sum())


def spurious(run: Run) -> int:
    """Spikes of o in phase 9 that no negative error of phase 4 explains."""
    return int((run.at_phase("o", 9) & ~run.at_phase("d-", 4)).sum())


def watch(dataset: Dataset, key: Watch, progress: Callable[[int], None] | None = None) -> Watched:
    """Train circuit and algebra from the same weights on the same samples.

    Parameters
    ----------
    progress : callable, optional
        Called with the samples learned since its last call.
    """
    program, reader = circuits_of(key, dataset)
    start = Weights.random(program.sizes, key.seed)
    network, exact = plain_backpropagation(start), algebra.Network(start)
    targets = one_hot(dataset.y_train, dataset.n_classes)
    found = Watched(program, total=Counters.zeros(program))
    state = program.state(start)
    for epoch in range(1, key.epochs + 1):
        with engines.session(ENGINE, program, state) as session:
            counters, row = _epoch(
                found, key, epoch, dataset, targets, session, reader, (network, exact), progress
            )
            state = session.state
        found.weights, found.algebra = program.weights(state), dict(network.weights)
        row["circuit"] = {name: found.halves[name][-1] for name in NAMES}
        row["algebra"] = _measured(network.outputs(dataset.x_test), dataset)
        row["differing"] = differing(found.weights, found.algebra)
        row["differing_copies"] = differing(found.weights, exact.weights)
        found.epochs.append(row)
        found.counters, found.total = counters, found.total + counters
        if epoch == 1:
            found.first_counters = counters
        found.symmetry = symmetry(program, state)
        if key.equal_copies:
            # As when a new process reads the weights: the ring starts anew, and nothing is pending.
            state, exact = program.state(found.weights), algebra.Network(found.weights)
    return found


def plain_backpropagation(weights: Mapping[str, np.ndarray]) -> algebra.Network:
    """The algebra without copies of its own: what a person means by backpropagation."""
    return algebra.Network(weights, copies=False)


def _measured(answers: tuple[np.ndarray, np.ndarray], dataset: Dataset) -> dict[str, float]:
    return {k: round(v, 6) for k, v in asdict(Measures.of(*answers, dataset.y_test)).items()}


def _epoch(
    found: Watched,
    key: Watch,
    epoch: int,
    dataset: Dataset,
    targets: np.ndarray,
    session: engines.Session,
    reader: Program,
    networks: tuple[algebra.Network, algebra.Network],
    progress: Callable[[int], None] | None,
) -> tuple[Counters, dict[str, Any]]:
    """One epoch: its counters, and what was counted in it."""
    program, (network, exact) = found.program, networks
    order = epoch_order(key.seed, epoch, len(dataset.x_train))
    counters = Counters.zeros(program)
    row: dict[str, Any] = {
        "epoch": epoch, "ungated": 0, "past_gate": 0, "past_gate_h": 0, "fired_closed": 0,
        "lost": 0, "missing": 0, "spurious": 0,
        "largest_h": REGISTER_MIN, "largest_o": REGISTER_MIN,
    }  # fmt: skip
    done = (epoch - 1) * len(order)
    for part in halves_of(order):
        for begin in range(0, len(part), CHUNK):
            rows = part[begin : begin + CHUNK]
            inputs, aims = dataset.x_train[rows], targets[rows]
            before = session.state if found.parted is None else None
            old = dict(network.weights) if before is not None else {}
            run = session.run({"input": inputs, "target": aims}, record=RECORD)
            counters = counters + run.counters
            row["ungated"] += int(run.at_phase("h", 0).any(axis=1).sum())
            row["past_gate"] += samples_past_gate(run)
            row["past_gate_h"] += int(fired_closed(run, "h").sum())
            row["fired_closed"] += int(run.at_phase("h", 8).sum())
            row["lost"] += lost(run)
            row["missing"] += missing(run)
            row["spurious"] += spurious(run)
            row["largest_h"] = max(row["largest_h"], largest_closed(run, "h"))
            row["largest_o"] = max(row["largest_o"], largest_closed(run, "o"))
            network.train(inputs, aims)
            exact.train(inputs, aims)
            if before is not None and differing(run.weights, network.weights):
                where = _first_parting(program, before, old, inputs, aims)
                found.parted = {"epoch": epoch, "samples_before": done + where.pop("row"), **where}
            done += len(rows)
            if progress:
                progress(len(rows))
        note(found.halves, read_out(reader, program.weights(session.state), dataset))
    return counters, row


def _first_parting(
    program: Program,
    state: State,
    weights: Mapping[str, np.ndarray],
    inputs: np.ndarray,
    targets: np.ndarray,
) -> dict[str, Any]:
    """Step through a chunk sample by sample to the first after which the weights differ."""
    network = plain_backpropagation(weights)
    with engines.session(ENGINE, program, state) as session:
        for row in range(len(inputs)):
            one = slice(row, row + 1)
            run = session.run({"input": inputs[one], "target": targets[one]}, record=RECORD)
            network.train(inputs[one], targets[one])
            differs = {
                name: int((run.weights[name] != network.weights[name]).sum())
                for name in run.weights
            }
            if any(differs.values()):
                return {
                    "row": row,
                    "differing": differs,
                    "largest_h": largest_closed(run, "h"),
                    "largest_o": largest_closed(run, "o"),
                    "limit": closing(program, "h").limit,
                    **{
                        f"{name}_past_gate": sum(
                            int(run.at_phase(name, p).sum()) for p in closing(program, name).phases
                        )
                        for name in ("h", "o")
                    },
                    "lost": lost(run),
                    "missing": missing(run),
                    "spurious": spurious(run),
                    "copies_apart": symmetry(program, run.state)["negated"],
                }
    raise AssertionError("the chunk differed as a whole")


def symmetry(program: Program, state: State) -> dict[str, float]:
    """How far the copies of each parameter have parted, and how much of W2 is at a bound.

    Returns
    -------
    dict
        "W1": parted synapses of all copies of W1; "W2": of the copies of W2 of its own sign;
        "negated": synapses in which the negated copy of W2 is not -W2; "distance": the largest
        such distance, weight mantissas; "bound": share of W2 at -256 or 254.
    """
    first = program.weights(state)
    parted = {"W1": 0, "W2": 0, "negated": 0, "distance": 0}
    for projection in program.projections:
        if projection.matrix == NO_MATRIX:
            continue
        name = program.parameters[projection.matrix][0]
        implied = first[name].astype(np.int32) * (-1 if projection.negate else 1)
        implied = implied.T if projection.transpose else implied
        distance = np.abs(implied - state.weights[projection.name])
        parted["negated" if projection.negate else name] += int((distance > 0).sum())
        if projection.negate:
            parted["distance"] = max(parted["distance"], int(distance.max()))
    at_bound = (first["W2"] == WEIGHT_MIN) | (first["W2"] == WEIGHT_MAX)
    return {**parted, "bound": float(at_bound.mean())}


def watched(
    bench: Bench,
    name: str,
    seeds: Sequence[int],
    *,
    hidden: int = 400,
    epochs: int | None = None,
    **further: Any,
) -> list[Watched]:
    """Circuit and algebra side by side, a result for each seed; each is trained once in a run.

    `further` are further fields of `Watch`.
    """
    epochs = bench.epochs(name, epochs, watched=True)
    return watched_all(bench, name, [Watch(hidden, epochs, seed, **further) for seed in seeds])


def watched_all(bench: Bench, name: str, keys: Sequence[Watch]) -> list[Watched]:
    """The same for any trainings on one data set, several at a time."""
    from sbp.reproduce.bench import Work

    dataset = bench.watch_dataset(name)

    def one(key: Watch, advance: Callable[[int], None]) -> Work:
        return Work(*watch(dataset, key, advance).kept())

    found = bench.shared(
        f"circuit and algebra on {name}", keys, one,
        lambda key: key.epochs * len(dataset.x_train),
        module=__name__, engines=(ENGINE,), checksums=(dataset.checksum,),
    )  # fmt: skip
    programs = {key: circuits_of(key, dataset)[0] for key in keys}
    return [Watched.of(programs[key], *work) for key, work in zip(keys, found, strict=True)]
