"""What an engine returns: recorded spikes and potentials, final state, and counters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sbp.errors import ChipError, SpecError
from sbp.program import NO_MATRIX, Program, State
from sbp.weights import Weights


@dataclass(frozen=True)
class Record:
    """What to keep of a run.

    Parameters
    ----------
    spikes, u, v : "all" or iterable of str
        Populations whose spikes, currents or membrane potentials (after reset) are kept;
        `spikes` may name sources too.
    start, stop : int
        Window in steps of this run; `stop` None means to its end.
    phases : iterable of int, optional
        Keep only these phases of each sample.
    """

    spikes: str | Iterable[str] = ()
    u: str | Iterable[str] = ()
    v: str | Iterable[str] = ()
    start: int = 0
    stop: int | None = None
    phases: Iterable[int] | None = None

    def names(self, program: Program, what: str) -> tuple[str, ...]:
        """The populations of which `what` is kept, checked against `program`."""
        allowed = [population.name for population in program.populations]
        if what == "spikes":
            allowed += [source.name for source in program.sources if source.phase >= 0]
        chosen = getattr(self, what)
        if chosen == "all":
            return tuple(allowed)
        chosen = (chosen,) if isinstance(chosen, str) else tuple(chosen)
        for name in chosen:
            if name not in allowed:
                raise SpecError(
                    f"record {what}: no population is called {name!r}", allowed=", ".join(allowed)
                )
        return chosen

    def steps(self, program: Program, first: int, count: int) -> np.ndarray:
        """The recorded steps, counted from this run's first; int64, ascending."""
        if not any(self.names(program, what) for what in ("spikes", "u", "v")):
            return np.empty(0, np.int64)
        stop = count if self.stop is None else min(self.stop, count)
        steps = np.arange(max(self.start, 0), max(stop, 0), dtype=np.int64)
        if self.phases is None:
            return steps
        return steps[np.isin((first + steps) % program.period, list(self.phases))]

    def allocate(self, program: Program, n_rows: int) -> dict[str, dict[str, np.ndarray]]:
        """Empty arrays for `n_rows` recorded steps: "spikes", "u", "v", each by population."""
        sizes = {sender.name: sender.size for sender in program.senders}
        types = {"spikes": bool, "u": np.int32, "v": np.int32}
        return {
            what: {
                name: np.zeros((n_rows, sizes[name]), dtype) for name in self.names(program, what)
            }
            for what, dtype in types.items()
        }


ALL_SPIKES = Record(spikes="all")
NOTHING = Record()


@dataclass
class Counters:
    """Operations of a run, summed over samples for each phase.

    Attributes
    ----------
    steps : ndarray of int64, shape (period,)
        Steps executed in each phase.
    spikes : ndarray of int64, shape (period, n_populations)
    neuron_updates, active_updates : ndarray of int64, shape (period, n_populations)
        One neuron in one step; active if anything arrived.
    wraps : ndarray of int64, shape (period, n_populations)
        Additions that left the 24-bit register (current and membrane counted alike).
    synaptic_operations : ndarray of int64, shape (period, n_projections)
        Synapses read because their source spiked, counted at emission; external sources apart.
    learning_visits : ndarray of int64, shape (period, n_projections)
        Plastic synapses whose source spiked.
    synaptic_updates : ndarray of int64, shape (period, n_projections)
        Plastic synapses whose source and target both spiked in the step.
    """

    steps: np.ndarray
    spikes: np.ndarray
    neuron_updates: np.ndarray
    active_updates: np.ndarray
    wraps: np.ndarray
    synaptic_operations: np.ndarray
    learning_visits: np.ndarray
    synaptic_updates: np.ndarray

    @classmethod
    def zeros(cls, program: Program) -> Counters:
        """Nothing counted yet."""
        by_population = (program.period, len(program.populations))
        by_projection = (program.period, len(program.projections))
        return cls(
            np.zeros(program.period, np.int64),
            *(np.zeros(by_population, np.int64) for _ in range(4)),
            *(np.zeros(by_projection, np.int64) for _ in range(3)),
        )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the counters, in order."""
        return tuple(cls.__dataclass_fields__)

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, n) + getattr(other, n) for n in self.names()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counters) and all(
            np.array_equal(getattr(self, n), getattr(other, n)) for n in self.names()
        )

    def ungated(self, program: Program) -> np.ndarray:
        """Spikes outside the phase table, shape (period, n_populations)."""
        scheduled = np.zeros(self.spikes.shape, bool)
        for p, populations in enumerate(program.fires):
            scheduled[p, list(populations)] = True
        return np.where(scheduled, 0, self.spikes)

    def coincidences(self, program: Program) -> np.ndarray:
        """Learning outside the scheduled phases, shape (period, n_projections)."""
        scheduled = np.zeros(self.synaptic_updates.shape, bool)
        for i, projection in enumerate(program.projections):
            scheduled[list(projection.scheduled), i] = True
        return np.where(scheduled, 0, self.synaptic_updates)

    def per_population(self, program: Program, name: str) -> np.ndarray:
        """Counter `name`, shape (period, n_populations).

        Synaptic operations and learning visits are summed by source population, synaptic
        updates by target population.
        """
        values = getattr(self, name)
        if values.shape[1:] != (len(program.projections),):
            return values
        out = np.zeros_like(self.spikes)
        for i, projection in enumerate(program.projections):
            owner = projection.target if name == "synaptic_updates" else projection.source
            if owner < len(program.populations):
                out[:, owner] += values[:, i]
        return out


def copies_parted(program: Program, state: State) -> dict[str, int]:
    """For each parameter, the synapses that differ from what its first copy implies.

    They part only at the bounds: the negative of -256 is held as 254, and the copy of a weight
    pushed against one bound reaches the other.
    """
    first = program.weights(state)
    parted = dict.fromkeys(first, 0)
    for projection in program.projections:
        if projection.matrix == NO_MATRIX:
            continue
        name = program.parameters[projection.matrix][0]
        if name in first:
            # Not the saturated copy: -(-256) = 256 is what the first copy implies.
            implied = first[name].astype(np.int32) * (-1 if projection.negate else 1)
            implied = implied.T if projection.transpose else implied
            parted[name] += int((implied != state.weights[projection.name]).sum())
    return parted


@dataclass
class Run:
    """The result of running a program.

    Attributes
    ----------
    program : Program
    first_step, n_steps : int
    recorded : ndarray of int64
        The recorded steps, counted from this run's first.
    spikes : dict of str to ndarray of bool, shape (n_recorded, size)
    u, v : dict of str to ndarray of int32, shape (n_recorded, size)
        Register units, as they stand at the end of the step.
    state : State
        After the last step.
    counters : Counters
    engine : str
    """

    program: Program
    first_step: int
    n_steps: int
    recorded: np.ndarray
    spikes: dict[str, np.ndarray]
    u: dict[str, np.ndarray]
    v: dict[str, np.ndarray]
    state: State
    counters: Counters
    engine: str = field(default="reference", compare=False)

    @property
    def weights(self) -> Weights:
        """Each parameter as its first copy holds it: int16, (n_post, n_pre)."""
        return self.program.weights(self.state)

    @property
    def phases(self) -> np.ndarray:
        """Phase of every recorded step."""
        return (self.first_step + self.recorded) % self.program.period

    def at_phase(self, name: str, phase: int, what: str = "spikes") -> np.ndarray:
        """Recorded `what` ("spikes", "u" or "v") of a population at one phase, row per sample."""
        return getattr(self, what)[name][self.phases == phase]

    def faults(self) -> dict[str, int]:
        """Totals of what should not happen: wraps, coincidences, ungated spikes, parted copies."""
        return {
            "register wraps": int(self.counters.wraps.sum()),
            "coincidences outside the learning phases": int(
                self.counters.coincidences(self.program).sum()
            ),
            "ungated spikes": int(self.counters.ungated(self.program).sum()),
            "synapses whose copies have parted": sum(
                copies_parted(self.program, self.state).values()
            ),
        }


def strict_error(program: Program, step: int, what: str, where: str) -> ChipError:
    """The error strict mode raises, worded alike by every engine."""
    return ChipError(
        f"{what} in {where} at step {step} (phase {step % program.period})",
        do="run without strict mode to count such events instead",
    )


_warned: set[str] = set()


def warn_once(run: Run) -> None:
    """Warn about wraps and stray coincidences, once a session for each kind."""
    counts = {
        "register wraps": int(run.counters.wraps.sum()),
        "coincidences outside the learning phases": int(
            run.counters.coincidences(run.program).sum()
        ),
    }
    for what, count in counts.items():
        if count and what not in _warned:
            _warned.add(what)
            warnings.warn(
                f"{count} {what} in the {run.program.name} circuit "
                "(counted in run.counters; strict=True raises; not warned again)",
                RuntimeWarning,
                stacklevel=3,
            )


@dataclass(frozen=True)
class Difference:
    """The first place where two runs differ, and how many there are in all."""

    what: str
    step: int
    phase: int
    population: str
    index: tuple[int, ...]
    values: tuple[int, int]
    total: int

    def __str__(self) -> str:
        place = (
            f"step {self.step} (phase {self.phase}), population {self.population}, "
            f"neuron {self.index[0]}"
            if self.what == "spikes"
            else f"after the last step, weights {self.population}{list(self.index)}"
        )
        return (
            f"first difference: {place}: {self.values[0]} against {self.values[1]}; "
            f"{self.total} differing {'spikes' if self.what == 'spikes' else 'weights'} in all"
        )


def first_difference(
    expected: dict[str, np.ndarray], found: dict[str, np.ndarray], period: int
) -> Difference | None:
    """Compare spike trains, earliest step first; None if they are equal.

    Parameters
    ----------
    expected, found : dict of str to ndarray of bool, shape (n_steps, size)
        `found` holds at least the populations of `expected`.
    period : int
        Steps of a sample, to name the phase.
    """
    best: tuple[int, str, int] | None = None
    total = 0
    for name, train in expected.items():
        if train.shape != found[name].shape:
            raise SpecError(
                f"spikes of {name} have shape {found[name].shape}", allowed=str(train.shape)
            )
        differ = np.argwhere(train != found[name])
        total += len(differ)
        if len(differ) and (best is None or differ[0][0] < best[0]):
            best = int(differ[0][0]), name, int(differ[0][1])
    if best is None:
        return None
    step, name, neuron = best
    values = int(expected[name][step, neuron]), int(found[name][step, neuron])
    return Difference("spikes", step, step % period, name, (neuron,), values, total)


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
