"""What an engine returns: recorded spikes and potentials, final state, and counters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from sbp.errors import ChipError, SpecError, check_kind, check_name, shown
from sbp.html import html_table
from sbp.program import MAX_STEP, NO_MATRIX, Program, State, check_program
from sbp.spec import whole
from sbp.weights import Weights

if TYPE_CHECKING:
    from jaxtyping import Bool, Int32, Int64, Shaped, UInt8


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

    Raises
    ------
    SpecError
        For a window or phases that are no whole numbers from 0 on.
    """

    spikes: str | Iterable[str] = ()
    u: str | Iterable[str] = ()
    v: str | Iterable[str] = ()
    start: int = 0
    stop: int | None = None
    phases: Iterable[int] | None = None

    def __post_init__(self) -> None:
        for what in ("spikes", "u", "v", "phases"):
            chosen = getattr(self, what)
            if isinstance(chosen, Iterable) and not isinstance(chosen, str):
                # Looked at more than once, and an iterator gives its items once.
                object.__setattr__(self, what, tuple(chosen))
            elif not isinstance(chosen, (type(None),) if what == "phases" else str):
                kind = "phases, for example (3, 5)" if what == "phases" else "names, or 'all'"
                raise SpecError(f"record {what} is {shown(chosen)}", allowed=kind)
        window = {"start": self.start, **({} if self.stop is None else {"stop": self.stop})}
        for what, step in window.items():
            whole("record", what, step, 0, MAX_STEP)
        for phase in self.phases or ():
            whole("record", "phase", phase, 0, MAX_STEP)

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
            check_name("population", name, allowed, owner=f"record {what}")
        return chosen

    def steps(self, program: Program, first: int, count: int) -> Int64[np.ndarray, "_"]:
        """The recorded steps, counted from this run's first; int64, ascending.

        Raises
        ------
        SpecError
            For a population or a phase that `program` does not have.
        """
        for phase in self.phases or ():
            whole(f"record of the {program.name} circuit", "phase", phase, 0, program.period - 1)
        if not any(self.names(program, what) for what in ("spikes", "u", "v")):
            return np.empty(0, np.int64)
        stop = count if self.stop is None else min(self.stop, count)
        steps = np.arange(self.start, stop, dtype=np.int64)
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


class Plan(NamedTuple):
    """What a call of `Session.run` asks for, checked."""

    stimulus: dict[str, UInt8[np.ndarray, "n _"]]  #: as `Program.check_stimulus` returns it
    samples: int
    steps: int
    keep: Int64[np.ndarray, "_"]  #: recorded steps, counted from the first


def planned(
    program: Program,
    first: int,
    stimulus: Mapping[str, np.ndarray] | None,
    steps: int | None,
    record: Record,
) -> Plan:
    """What a run from step `first` has to do; the other parameters are those of `Session.run`.

    Raises
    ------
    SpecError
        For a stimulus, record or number of steps that does not fit.
    """
    check_kind("record", record, Record, 'for example Record(spikes="all")')
    arrays = program.check_stimulus({} if stimulus is None else stimulus)
    count = program.steps_of(arrays, first, steps)
    samples = len(next(iter(arrays.values()))) if arrays else 0
    return Plan(arrays, samples, count, record.steps(program, first, count))


#: What the one line of `Counters` tells.
COUNTERS_SHOWN = ("steps", "spikes", "synaptic_operations", "synaptic_updates", "wraps")


@dataclass(repr=False)
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

    steps: Int64[np.ndarray, "period"]
    spikes: Int64[np.ndarray, "period n_populations"]
    neuron_updates: Int64[np.ndarray, "period n_populations"]
    active_updates: Int64[np.ndarray, "period n_populations"]
    wraps: Int64[np.ndarray, "period n_populations"]
    synaptic_operations: Int64[np.ndarray, "period n_projections"]
    learning_visits: Int64[np.ndarray, "period n_projections"]
    synaptic_updates: Int64[np.ndarray, "period n_projections"]

    BY_PROJECTION: ClassVar = ("synaptic_operations", "learning_visits", "synaptic_updates")

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
        return tuple(field.name for field in fields(cls))

    def totals(self) -> dict[str, int]:
        """Each counter summed over phases, populations and projections."""
        return {name: int(getattr(self, name).sum()) for name in self.names()}

    def __repr__(self) -> str:
        totals = self.totals()
        parts = [f"{totals[name]:,} {name.replace('_', ' ')}" for name in COUNTERS_SHOWN]
        return f"<Counters: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        rows = [(name.replace("_", " "), f"{total:,}") for name, total in self.totals().items()]
        return html_table("Counters, all phases together", rows)

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, n) + getattr(other, n) for n in self.names()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counters) and all(
            np.array_equal(getattr(self, n), getattr(other, n)) for n in self.names()
        )

    def ungated(self, program: Program) -> Int64[np.ndarray, "period n_populations"]:
        """Spikes outside the phase table, shape (period, n_populations)."""
        return np.where(program.may_fire, 0, self.spikes)

    def coincidences(self, program: Program) -> Int64[np.ndarray, "period n_projections"]:
        """Learning outside the scheduled phases, shape (period, n_projections)."""
        return np.where(program.may_learn, 0, self.synaptic_updates)

    def per_population(
        self, program: Program, name: str
    ) -> Int64[np.ndarray, "period n_populations"]:
        """Counter `name`, shape (period, n_populations).

        Synaptic operations and learning visits are summed by source population, synaptic
        updates by target population.
        """
        values = getattr(self, name)
        if name not in self.BY_PROJECTION:
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
    first = check_program(program).weights(state)
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


@dataclass(repr=False)
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
    recorded: Int64[np.ndarray, "n_recorded"]
    spikes: dict[str, Bool[np.ndarray, "n_recorded _"]]
    u: dict[str, Int32[np.ndarray, "n_recorded _"]]
    v: dict[str, Int32[np.ndarray, "n_recorded _"]]
    state: State
    counters: Counters
    engine: str = field(default="reference", compare=False)

    def _steps(self) -> str:
        if not self.n_steps:
            return "no steps"
        return f"steps {self.first_step} to {self.first_step + self.n_steps - 1}"

    def _faults(self) -> str:
        found = [f"{count:,} {what}" for what, count in self.faults().items() if count]
        return ", ".join(found) or "none"

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.program.sizes))
        spikes = int(self.counters.spikes.sum())
        return (
            f"<Run of {self.program.name} {sizes} on {self.engine}: {self._steps()}, "
            f"{spikes:,} spikes, recorded {len(self.recorded):,} steps; faults: {self._faults()}>"
        )

    def _repr_html_(self) -> str:
        recorded = [
            f"{what} of {', '.join(names)}"
            for what, names in (("spikes", self.spikes), ("u", self.u), ("v", self.v))
            if names
        ]
        totals = self.counters.totals()
        rows = [
            ("engine", self.engine),
            ("steps", self._steps()),
            ("recorded", f"{len(self.recorded):,} steps: {'; '.join(recorded) or 'nothing'}"),
            *((name.replace("_", " "), f"{totals[name]:,}") for name in COUNTERS_SHOWN[1:]),
            ("faults", self._faults()),
        ]
        sizes = "-".join(map(str, self.program.sizes))
        return html_table(f"Run of the {self.program.name} circuit {sizes}", rows)

    @property
    def weights(self) -> Weights:
        """Each parameter as its first copy holds it: int16, (n_post, n_pre)."""
        return self.program.weights(self.state)

    @property
    def phases(self) -> Int64[np.ndarray, "n_recorded"]:
        """Phase of every recorded step."""
        return (self.first_step + self.recorded) % self.program.period

    def at_phase(
        self, name: str, phase: int, what: str = "spikes"
    ) -> Shaped[np.ndarray, "samples size"]:
        """Recorded `what` ("spikes", "u" or "v") of a population at one phase, row per sample."""
        check_name("record", what, ("spikes", "u", "v"))
        kept = getattr(self, what)
        check_name(f"population with recorded {what}", name, kept)
        whole(f"{self.program.name} circuit", "phase", phase, 0, self.program.period - 1)
        return kept[name][self.phases == phase]

    def faults(self) -> dict[str, int]:
        """As `faults` of this run."""
        return faults(self.program, self.state, self.counters)


def faults(program: Program, state: State, counters: Counters) -> dict[str, int]:
    """Totals of what should not happen: wraps, coincidences, ungated spikes, parted copies.

    Parameters
    ----------
    program : Program
    state : State
        After the last of the steps that were counted.
    counters : Counters
    """
    return {
        "register wraps": int(counters.wraps.sum()),
        "coincidences outside the learning phases": int(counters.coincidences(program).sum()),
        "ungated spikes": int(counters.ungated(program).sum()),
        "synapses whose copies have parted": sum(copies_parted(program, state).values()),
    }


def strict_error(program: Program, step: int, what: str, where: str) -> ChipError:
    """The error strict mode raises, worded alike by every engine."""
    return ChipError(
        f"{what} in {where} at step {step} (phase {step % program.period})",
        do="run without strict mode to count such events instead",
    )


_warned: set[tuple[str, str]] = set()


def warn_once(run: Run) -> None:
    """Warn about wraps and stray coincidences, once for each kind and each program."""
    counts = {
        "register wraps": int(run.counters.wraps.sum()),
        "coincidences outside the learning phases": int(
            run.counters.coincidences(run.program).sum()
        ),
    }
    for what, count in counts.items():
        if count and (run.program.digest, what) not in _warned:
            _warned.add((run.program.digest, what))
            warnings.warn(
                f"{count} {what} in the {run.program.name} circuit "
                "(counted in run.counters; strict=True raises; not warned again for this circuit)",
                RuntimeWarning,
                stacklevel=3,
            )
