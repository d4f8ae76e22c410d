"""Where two runs first differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sbp.errors import SpecError, check_kind
from sbp.program import MAX_STEP, Program
from sbp.run import Run
from sbp.spec import whole

RECORDED = ("spikes", "u", "v")


@dataclass(frozen=True)
class Difference:
    """The first place where two runs differ, and how many there are in all.

    Attributes
    ----------
    what : str
        "spikes", "u" or "v" of a recorded step; "weights" or, as "final u", another array of the
        final `State`; or, as "counted spikes", a counter.
    step, phase : int
        When.  For weights and states `step` is the number of steps that were run.
    population : str
        Which; for weights and counters of synapses the name of a projection.
    index : tuple of int
        Which of its neurons or synapses; none for a counter.
    values : tuple of two int
    total : int
        How many numbers of this kind differ in all.
    """

    what: str
    step: int
    phase: int
    population: str
    index: tuple[int, ...]
    values: tuple[int, int]
    total: int

    def __str__(self) -> str:
        first, second = self.values
        if self.what in RECORDED:
            place = f"step {self.step} (phase {self.phase}), population {self.population}, "
            place += f"neuron {self.index[0]}"
            if self.what == "spikes":
                ending = f"{first} against {second}; {self.total} differing spikes in all"
            else:
                ending = f"{self.what} is {first} against {second} (register units); "
                ending += f"{self.total} differing values in all"
            return f"first difference: {place}: {ending}"
        if self.what == "weights":
            place = f"after the last step, weights {self.population}{list(self.index)}"
            kind = "weights"
        elif self.index:
            place = f"after the last step, {self.what} of population {self.population}, "
            place += f"neuron {self.index[-1]}"
            kind = "values"
        else:
            place = f"{self.what.replace('_', ' ')} of {self.population} in phase {self.phase}"
            kind = "counts"
        ending = f"{first} against {second}; {self.total} differing {kind} in all"
        return f"first difference: {place}: {ending}"


def first_difference(
    expected: Run | Mapping[str, np.ndarray],
    found: Run | Mapping[str, np.ndarray],
    period: int | None = None,
) -> Difference | None:
    """Compare two runs, or the spike trains of two runs; None if they are equal.

    Parameters
    ----------
    expected, found : Run, or mapping of str to ndarray of bool, shape (n_steps, size)
        Two runs of one program: all that both recorded, then the final states, then the counters.
        Two mappings: spike trains, where `found` holds at least the populations of `expected`.
    period : int, optional
        Steps of a sample, to name the phase of spike trains; runs know it.

    Returns
    -------
    Difference or None
        The earliest step first; in one step spikes before u and v, in the order of `expected`.

    Raises
    ------
    SpecError
        Where the two cannot be compared.
    """
    if isinstance(expected, Run) and isinstance(found, Run):
        return _of_runs(expected, found)
    if isinstance(expected, Run) or isinstance(found, Run):
        raise SpecError("a run is compared with a mapping", allowed="two runs, or two mappings")
    for given in (expected, found):
        check_kind("what is compared", given, Mapping)
    if period is not None:
        period = whole("spike trains", "period", period, 1, MAX_STEP)
    return first_recorded_difference(expected, found, "spikes", period or 1)


def first_recorded_difference(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    what: str,
    period: int,
    steps: np.ndarray | None = None,
) -> Difference | None:
    """Compare what two runs recorded, earliest step first; None if it is equal.

    Parameters
    ----------
    expected, found : mapping of str to ndarray, shape (n_recorded, size)
    what : {"spikes", "u", "v"}
    period : int
        Steps of a sample, to name the phase.
    steps : ndarray of int64, shape (n_recorded,), optional
        The step of each row; default 0, 1, 2, ...
    """
    best: tuple[int, str, int] | None = None
    total = 0
    for name, train in expected.items():
        ours, theirs = np.shape(train), np.shape(found[name]) if name in found else "none"
        if ours != theirs:
            raise SpecError(f"{what} of {name} have shape {theirs}", allowed=str(ours))
        differ = np.argwhere(np.asarray(train) != np.asarray(found[name]))
        total += len(differ)
        if len(differ) and (best is None or differ[0][0] < best[0]):
            best = int(differ[0][0]), name, int(differ[0][1])
    if best is None:
        return None
    row, name, neuron = best
    step = row if steps is None else int(steps[row])
    first, second = (int(np.asarray(given[name])[row, neuron]) for given in (expected, found))
    return Difference(what, step, step % period, name, (neuron,), (first, second), total)


def first_weight_difference(
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    steps: int,
    period: int,
) -> Difference | None:
    """Compare weight matrices after `steps` steps; None if they are equal."""
    first: tuple[str, tuple[int, ...]] | None = None
    total = 0
    for name, matrix in expected.items():
        differ = np.argwhere(matrix != found[name])
        total += len(differ)
        if len(differ) and first is None:
            first = name, tuple(map(int, differ[0]))
    if first is None:
        return None
    name, index = first
    values = int(expected[name][index]), int(found[name][index])
    return Difference("weights", steps, (steps - 1) % period, name, index, values, total)


def _of_runs(expected: Run, found: Run) -> Difference | None:
    program = expected.program
    for what, ours, theirs in (
        ("programs", program.digest[:12], found.program.digest[:12]),
        ("first steps", expected.first_step, found.first_step),
        ("numbers of steps", expected.n_steps, found.n_steps),
        ("recorded steps", expected.recorded.tolist(), found.recorded.tolist()),
    ):
        if ours != theirs:
            raise SpecError(f"runs with different {what} are compared: {ours} and {theirs}")
    steps = expected.first_step + expected.recorded
    differences = []
    for what in RECORDED:
        ours, theirs = getattr(expected, what), getattr(found, what)
        both = {name: ours[name] for name in ours if name in theirs}
        one = first_recorded_difference(both, theirs, what, program.period, steps)
        if one is not None:
            differences.append(one)
    if differences:
        return min(differences, key=lambda difference: difference.step)
    end = expected.first_step + expected.n_steps
    return (
        first_weight_difference(expected.state.weights, found.state.weights, end, program.period)
        or next(_of_states(expected, found, end), None)
        or next(_of_counters(expected, found, program), None)
    )


def _of_states(expected: Run, found: Run, end: int) -> Iterator[Difference]:
    populations = expected.program.populations
    for what in ("u", "v", "dead", "pending", "arriving"):
        ours, theirs = getattr(expected.state, what), getattr(found.state, what)
        differ = np.argwhere(ours != theirs)
        if len(differ):
            place = tuple(map(int, differ[0]))
            owner = next(p for p in populations if place[-1] < p.start + p.size)
            index = (*place[:-1], place[-1] - owner.start)
            phase = (end - 1) % expected.program.period
            values = int(ours[place]), int(theirs[place])
            # Not a recorded register: the state after the last step.
            yield Difference(f"final {what}", end, phase, owner.name, index, values, len(differ))


def _of_counters(expected: Run, found: Run, program: Program) -> Iterator[Difference]:
    for what in expected.counters.names():
        ours, theirs = getattr(expected.counters, what), getattr(found.counters, what)
        differ = np.argwhere(ours != theirs)
        if len(differ):
            place = tuple(map(int, differ[0]))
            name = "the circuit"
            if ours.ndim == 2:
                by_projection = what in expected.counters.BY_PROJECTION
                owners = program.projections if by_projection else program.populations
                name = owners[place[1]].name
            values = int(ours[place]), int(theirs[place])
            yield Difference(f"counted {what}", place[0], place[0], name, (), values, len(differ))
