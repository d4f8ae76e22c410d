"""Where a circuit does what its table of phases says: proven from the program, not from runs.

`analyse` follows, step by step from rest, what can arrive at every population: fixed synapses
exactly, and each plastic or fixed matrix as any sum within ``-bound .. bound`` weight mantissas
(never more than its fan-in allows).  From that it says which populations must, may and cannot
fire in every phase.  There are finitely many such answers, so the steps come back to one that was
seen before, and then the answer holds for any number of samples, any input, any target and any
weights within the bound.

`limits` asks how large `bound` can be before something happens that the table does not say, and
where it happens first.

What is proven
--------------
*Cannot* and *must* are proofs.  *May* is no statement: the analysis looks at each population as a
whole and at each sum by itself, so it may say "may" of what never happens.  Of neurons that keep
a current or a potential (decays below 4096) it always says "may".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np

from sbp import loihi
from sbp.errors import SpecError, check_name
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program, check_program
from sbp.spec import is_whole


class Fires(IntEnum):
    """What is known of a population in one phase; of several samples the weaker of two."""

    CANNOT = 0  #: no neuron fires
    MAY = 1  #: nothing is known
    MUST = 2  #: every neuron fires


def _either(first: int, second: int) -> int:
    return first if first == second else Fires.MAY


class Breach(NamedTuple):
    """Something the table of phases does not say, that the analysis cannot exclude."""

    phase: int
    where: str  #: population or projection
    what: str

    def __str__(self) -> str:
        return f"phase {self.phase}: {self.where} {self.what}"


@dataclass(frozen=True)
class Domain:
    """What holds for a program while no sum over a matrix leaves ``-bound .. bound``.

    Attributes
    ----------
    program : Program
    bound : mapping of str to int
        Mantissas, by parameter; of those left out the fan-in is the bound.
    fires : ndarray of int8, shape (period, n_populations)
        `Fires`.
    least, most : ndarray of int64, shape (period, n_populations)
        Weight units that can arrive at a neuron.
    unscheduled : tuple of Breach
        Populations that may fire where the table does not name them.
    silent : tuple of Breach
        Populations that the table names and that cannot fire.
    coincidences : tuple of Breach
        Plastic projections whose two ends may fire together in a phase they should not learn in.
    disturbed : tuple of Breach
        Populations that a spike outside the table may reach, or leave dead, in a phase in which
        they should fire.
    decided : bool
        False where the circuit has neurons with a memory: of those nothing is proven.
    """

    program: Program
    bound: Mapping[str, int]
    fires: np.ndarray
    least: np.ndarray
    most: np.ndarray
    unscheduled: tuple[Breach, ...]
    silent: tuple[Breach, ...]
    coincidences: tuple[Breach, ...]
    disturbed: tuple[Breach, ...]
    decided: bool

    @property
    def holds_table(self) -> bool:
        """No population fires outside the table of phases."""
        return self.decided and not self.unscheduled

    @property
    def holds_learning(self) -> bool:
        """Nothing learns outside its phases, and no stray spike touches a scheduled one."""
        return self.decided and not self.coincidences and not self.disturbed

    @property
    def register_margin(self) -> int | None:
        """Register units between the largest sum that can arise and the register's end.

        Negative where a register could wrap; None where that is not decided.
        """
        if not self.decided:
            return None
        biases = np.array([p.bias for p in self.program.populations], np.int64)
        low, high = loihi.SCALE * self.least, loihi.SCALE * self.most
        lowest = int(np.minimum(low, low + biases).min(initial=0))
        highest = int(np.maximum(high, high + biases).max(initial=0))
        return min(lowest - loihi.REGISTER_MIN, loihi.REGISTER_MAX - highest)

    def state(self, population: str, phase: int) -> Fires:
        """What is known of `population` in `phase`."""
        return Fires(int(self.fires[phase, self.program.index(population)]))


def _projections_by_target(program: Program) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in program.populations]
    for number, projection in enumerate(program.projections):
        found[projection.target].append(number)
    return found


class _Event(NamedTuple):
    """The spikes of one sender in one step: neuron i fires if ``drive_i > threshold``.

    Senders with the same `drive` are compared by their thresholds: of h, h< and h> none fires
    without the next.
    """

    fires: int  #: `Fires`
    drive: int  #: number of the drive, the same for the same sum of the same synapses
    threshold: int  #: weight units
    least: int  #: of the drive
    most: int


class _Walk:
    """The abstract machine: an `_Event` for each sender and step instead of spikes.

    Parameters
    ----------
    alike : bool
        Take copies of one matrix from one source as equal.
    """

    def __init__(self, program: Program, bound: Mapping[str, int], alike: bool) -> None:
        self.program, self.bound, self.alike = program, bound, alike
        self.incoming = _projections_by_target(program)
        self.memory = [not p.du == p.dv == loihi.DECAY_UNIT for p in program.populations]
        longest = max((p.refractory for p in program.populations), default=1)
        self.span = max(program.n_slots, longest, program.period)
        self.rows: list[list[_Event]] = []  # per step, an event for each population
        self._drives: dict[tuple[object, ...], int] = {}
        self.parted = False  # copies taken as equal that may not be

    def _drive(self, *key: object) -> int:
        return self._drives.setdefault(key, len(self._drives))

    def _of_source(self, number: int, step: int) -> _Event:
        source = self.program.sources[number]
        if source.phase < 0:
            fires = Fires.MUST if step == -1 else Fires.CANNOT
        else:
            now = step >= 0 and step % self.program.period == source.phase
            fires = Fires.MAY if now else Fires.CANNOT
        return _Event(fires, self._drive("source", number, step), 0, 0, 1)

    def _event(self, sender: int, step: int) -> _Event:
        n_pops = len(self.program.populations)
        if sender >= n_pops:
            return self._of_source(sender - n_pops, step)
        if step < 0:
            return _Event(Fires.CANNOT, -1, 0, 0, 0)
        return self.rows[step][sender]

    def _of_matrix(self, number: int, event: _Event) -> tuple[int, int, tuple[object, ...]]:
        """Least and most that arrives over a matrix, and what the sum is called."""
        projection = self.program.projections[number]
        reach = self.program.senders[projection.source].size * -loihi.WEIGHT_MIN
        name = self.program.parameters[projection.matrix][0]
        reach = min(reach, self.bound.get(name, reach))
        most = _shifted_up(reach, projection.exponent)
        matrix: tuple[int, ...] = (number,)
        if self.alike:
            matrix = (
                projection.source, projection.matrix, projection.transpose, projection.negate,
                projection.exponent, projection.plastic,
            )  # fmt: skip
        return -most, most, ("matrix", matrix, event.drive, event.threshold)

    def arrival(self, population: int, step: int) -> tuple[int, int, int, int]:
        """What can arrive at a neuron: what surely does, least and most beside it, their name."""
        sure = least = most = 0
        parts: list[tuple[object, ...]] = []
        single: dict[int, list[tuple[_Event, int]]] = {}  # by drive, neuron to neuron
        for number in self.incoming[population]:
            projection = self.program.projections[number]
            event = self._event(projection.source, step - 1 - projection.delay)
            if event.fires == Fires.CANNOT:
                continue
            if projection.matrix != NO_MATRIX:
                low, high, part = self._of_matrix(number, event)
                least, most = least + low, most + high
                parts.append(part)
                continue
            size = self.program.senders[projection.source].size
            each = int(projection.mantissa * 2**projection.exponent)
            to_one = projection.connect == ONE_TO_ONE or size == 1
            if event.fires == Fires.MUST:
                sure += each * (1 if to_one else size)
            elif to_one:
                single.setdefault(event.drive, []).append((event, each))
            else:
                low, high = min(0, each * size), max(0, each * size)
                least, most = least + low, most + high
                parts.append(("all", event.drive, event.threshold, each))
        for drive, events in single.items():
            sums = _sums(events)
            least, most = least + min(sums), most + max(sums)
            steps = sorted((event.threshold, each) for event, each in events)
            parts.append(("one", drive, *steps))
        return sure, least, most, self._drive(frozenset(Counter(parts).items()))

    def _dead(self, population: int, step: int) -> int:
        dead: int = Fires.CANNOT
        for back in range(1, self.program.populations[population].refractory):
            if step - back >= 0:
                dead = max(dead, self.rows[step - back][population].fires)
        return dead

    def decide(self, population: int, step: int) -> tuple[_Event, int, int]:
        """Whether the neurons of `population` fire in `step`; least and most that arrives."""
        code = self.program.populations[population]
        sure, least, most, drive = self.arrival(population, step)
        low, high = loihi.SCALE * (sure + least), loihi.SCALE * (sure + most)
        dead = self._dead(population, step)
        # A potential is a multiple of 64 register units but for the bias.
        threshold = (code.threshold - code.bias) // loihi.SCALE - sure
        wraps = (
            min(low, low + code.bias) < loihi.REGISTER_MIN
            or max(high, high + code.bias) > loihi.REGISTER_MAX
        )
        fires: int = Fires.MAY
        if self.memory[population]:
            pass
        elif dead == Fires.MUST:
            fires = Fires.CANNOT
        elif wraps:
            pass
        elif most <= threshold:
            fires = Fires.CANNOT
        elif least > threshold and dead == Fires.CANNOT:
            fires = Fires.MUST
        event = _Event(fires, drive, threshold, least, most)
        if dead != Fires.CANNOT or wraps or self.memory[population]:
            # Not a question of the drive alone: its spikes are like those of a source.
            event = _Event(fires, self._drive("own", population, step), 0, 0, 1)
        return event, sure + least, sure + most

    def run(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step until a sample begins as an earlier one did; join what was seen, by phase."""
        program, period = self.program, self.program.period
        n_pops = len(program.populations)
        fires = np.full((period, n_pops), -1, np.int8)
        least = np.zeros((period, n_pops), np.int64)
        most = np.zeros((period, n_pops), np.int64)
        seen: set[tuple[object, ...]] = set()
        step = 0
        while True:
            if step % period == 0 and step >= self.span:
                window = self._window()
                if window in seen:
                    return fires, least, most
                seen.add(window)
            row: list[_Event] = []
            p = step % period
            for i in range(n_pops):
                event, low, high = self.decide(i, step)
                row.append(event)
                before = int(fires[p, i])
                fires[p, i] = event.fires if before < 0 else _either(before, event.fires)
                least[p, i], most[p, i] = min(least[p, i], low), max(most[p, i], high)
            self.rows.append(row)
            self._check_copies(row)
            step += 1

    def _window(self) -> tuple[object, ...]:
        """All that the coming steps depend on, whatever the drives are numbered."""
        numbers: dict[int, int] = {}
        return tuple(
            event._replace(drive=numbers.setdefault(event.drive, len(numbers)))
            if event.fires == Fires.MAY
            else event.fires
            for row in self.rows[-self.span :]
            for event in row
        )

    def _check_copies(self, row: list[_Event]) -> None:
        """Whether copies of one matrix may see other coincidences in this step."""
        groups: dict[tuple[int, ...], set[tuple[int, int, int]]] = {}
        for projection in self.program.projections:
            if projection.plastic and row[projection.source].fires != Fires.CANNOT:
                post = row[projection.target]
                same = post.fires != Fires.MAY
                event = (post.fires, 0, 0) if same else (Fires.MAY, post.drive, post.threshold)
                groups.setdefault(
                    (projection.source, projection.matrix, projection.transpose,
                     projection.negate, projection.exponent), set()
                ).add(event)  # fmt: skip
        self.parted |= any(len(events) > 1 for events in groups.values())


def _sums(events: list[tuple[_Event, int]]) -> list[int]:
    """What arrives over synapses whose sources share a drive, for every drive there can be."""
    first = events[0][0]
    edges = sorted({event.threshold for event, _ in events})
    # One drive below all thresholds, and one above each of them.
    drives = [edges[0], *(edge + 1 for edge in edges)]
    possible = [drive for drive in drives if first.least <= drive <= first.most] or [first.least]
    return [sum(each for event, each in events if drive > event.threshold) for drive in possible]


def _shifted_up(mantissas: int, exponent: int) -> int:
    """``mantissas * 2**exponent`` in whole weight units, rounded up."""
    return mantissas << exponent if exponent >= 0 else -(-mantissas // 2**-exponent)


def analyse(program: Program, bound: int | Mapping[str, int] | None = None) -> Domain:
    """Follow what can happen in `program` while every sum over a matrix is within `bound`.

    Parameters
    ----------
    program : Program
    bound : int or mapping of str to int, optional
        Largest sum over the synapses of one matrix at one neuron in one step, in mantissas (what
        ``|W x|`` is), 0 or more: for all matrices, or by the name of the parameter they carry.
        Without one the fan-in is the bound, 256 for each synapse.

    Returns
    -------
    Domain

    Raises
    ------
    SpecError
        If a bound is negative or no whole number, or no parameter is called so.
    """
    names = [name for name, _, _ in check_program(program).parameters]
    if bound is None:
        bound = {}
    elif not isinstance(bound, Mapping):
        bound = dict.fromkeys(names, bound)
    for name, value in bound.items():
        check_name("weight matrix", name, names)
        if not is_whole(value) or value < 0:
            raise SpecError(
                f"the bound of {name} is {value!r}", allowed="a whole number, 0 or more"
            )
    bound = {name: int(value) for name, value in bound.items()}
    walk = _Walk(program, bound, alike=True)
    fires, least, most = walk.run()
    if walk.parted:
        walk = _Walk(program, bound, alike=False)
        fires, least, most = walk.run()
    populations = [population.name for population in program.populations]
    scheduled = np.zeros(fires.shape, bool)
    for p, scheduled_now in enumerate(program.fires):
        scheduled[p, list(scheduled_now)] = True
    stray = (fires != Fires.CANNOT) & ~scheduled
    unscheduled = tuple(
        Breach(int(p), populations[i], f"may fire, which the table does not say{_why(most[p, i])}")
        for p, i in np.argwhere(stray)
    )
    silent = tuple(
        Breach(int(p), populations[i], "cannot fire, though the table says so")
        for p, i in np.argwhere((fires == Fires.CANNOT) & scheduled)
    )
    return Domain(
        program, bound, fires, least, most, unscheduled, silent,
        tuple(_coincidences(program, fires)), tuple(_disturbed(program, stray, scheduled)),
        not any(walk.memory),
    )  # fmt: skip


def _why(most: int) -> str:
    return f" (up to {most:,} arrive)"


def _coincidences(program: Program, fires: np.ndarray) -> Iterable[Breach]:
    for p in range(program.period):
        for projection in program.projections:
            if not projection.plastic or p in projection.scheduled:
                continue
            if fires[p, projection.source] and fires[p, projection.target]:
                yield Breach(p, projection.name, "may learn, which the table does not say")


def _disturbed(program: Program, stray: np.ndarray, scheduled: np.ndarray) -> Iterable[Breach]:
    period, populations = program.period, program.populations
    for p, i in np.argwhere(stray):
        for back in range(1, min(populations[i].refractory, period + 1)):
            then = (int(p) + back) % period
            if scheduled[then, i]:
                what = f"may be dead, having fired in phase {p}"
                yield Breach(then, populations[i].name, what)
    for projection in program.projections:
        if projection.source >= len(populations):
            continue
        for p in np.flatnonzero(stray[:, projection.source]):
            then = (int(p) + 1 + projection.delay) % period
            if scheduled[then, projection.target]:
                what = f"may be reached by {projection.name}, whose source fires in phase {p}"
                yield Breach(then, populations[projection.target].name, what)


class Limit(NamedTuple):
    """How far a property holds.

    Attributes
    ----------
    bound : int or None
        The largest sum over a matrix, in mantissas, with which it holds; None: it holds for any
        weights; -1: it does not even hold without any.
    first : Breach or None
        What cannot be excluded one mantissa beyond it.
    """

    bound: int | None
    first: Breach | None


@dataclass(frozen=True)
class Limits:
    """How large sums over the matrices may grow.

    Attributes
    ----------
    table : Limit
        Nothing fires outside the table of phases.
    learning : dict of str to Limit
        For each parameter, while the sums over the others stay within `table`: nothing learns
        outside its phases, and no spike outside the table reaches a population, or leaves it
        dead, when that should fire.  What is learned is then what the table says.
    register : Limit
        No 24-bit register wraps.
    decided : bool
        False where nothing is proven, because neurons have a memory.
    """

    table: Limit
    learning: dict[str, Limit]
    register: Limit
    decided: bool


def _wraps(domain: Domain) -> tuple[Breach, ...]:
    margin = domain.register_margin
    if margin is None or margin >= 0:
        return ()
    reach = np.maximum(domain.most, -domain.least)
    row, column = np.unravel_index(int(reach.argmax()), reach.shape)
    name = domain.program.populations[column].name
    return (Breach(int(row), name, f"may wrap{_why(reach[row, column])}"),)


def _limit(
    at: Callable[[int], Domain],
    unbounded: Domain,
    widest: int,
    breaches: Callable[[Domain], tuple[Breach, ...]],
) -> Limit:
    """The largest argument of `at` without `breaches`; they only grow with it."""
    if not breaches(unbounded):
        return Limit(None, None)
    if found := breaches(at(0)):
        return Limit(-1, found[0])
    low, high = 0, widest  # at the fan-in itself nothing is bounded any more
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if breaches(at(middle)) else (middle, high)
    return Limit(low, breaches(at(high))[0])


def limits(program: Program) -> Limits:
    """The largest sums with which the table of phases, the learning and the registers hold.

    Parameters
    ----------
    program : Program

    Returns
    -------
    Limits
    """
    check_program(program)
    names = [name for name, _, _ in program.parameters]

    @cache
    def at(bound: int) -> Domain:
        return analyse(program, bound)

    unbounded = analyse(program)
    widest = -loihi.WEIGHT_MIN * max((max(shape) for _, *shape in program.parameters), default=0)
    table = _limit(at, unbounded, widest, lambda domain: domain.unscheduled)
    others = {} if table.bound is None else dict.fromkeys(names, max(table.bound, 0))
    learning = {
        name: _limit(
            cache(lambda bound, name=name: analyse(program, {**others, name: bound})),
            analyse(program, {n: b for n, b in others.items() if n != name}),
            widest,
            lambda domain: domain.coincidences + domain.disturbed,
        )
        for name in names
    }
    return Limits(table, learning, _limit(at, unbounded, widest, _wraps), unbounded.decided)
