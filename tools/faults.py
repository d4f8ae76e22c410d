"""Which fault does each golden trace see?  Run by ``make faults``.

Whoever checks a chip or a simulator with a trace wants to know what would have escaped it.  So the
reference engine is run with one rule changed at a time, on every trace, and what it does is
compared with the trace: every spike, and at the end every weight of every copy.  A fault of the
machine is a change in the text of `sbp.engines.reference`, which is the definition; a fault of the
network is a change of the program.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sbp import loihi
from sbp.engines import reference
from sbp.errors import SbpError
from sbp.files import trace, write_atomic
from sbp.program import NO_MATRIX, Program, ProjectionCode, State
from sbp.reproduce import provenance

ROOT = Path(__file__).resolve().parents[1]
TRACES = ROOT / "tests" / "traces"

Codes = Callable[[ProjectionCode, str], "ProjectionCode | None"]


@dataclass(frozen=True)
class Fault:
    """One wrong rule.

    Attributes
    ----------
    name : str
        What the faulty machine does.
    text : tuple of (str, str)
        Changes of the reference engine's source; each first part stands in it once.
    functions : dict
        What stands in the place of functions of `sbp.loihi`.
    codes : callable, optional
        Projection and kind of synapse -> the projection that the faulty network has, or None.
    state : callable, optional
        Changes the state before the first step.
    """

    name: str
    text: tuple[tuple[str, str], ...] = ()
    functions: tuple[tuple[str, Callable[..., Any]], ...] = ()
    codes: Codes | None = None
    state: Callable[[Program, State], None] | None = None

    def machine(self) -> ModuleType:
        """The reference engine with this fault."""
        source = inspect.getsource(reference)
        for old, new in self.text:
            if source.count(old) != 1:
                raise SbpError(f"fault {self.name!r}: {old!r} is not once in the reference engine")
            source = source.replace(old, new)
        module = ModuleType("faulty")
        # NamedTuples look their module up while they are made.
        sys.modules["faulty"] = module
        try:
            exec(compile(source, f"<{self.name}>", "exec"), vars(module))
        finally:
            del sys.modules["faulty"]
        vars(module).update(self.functions)
        return module

    def of(self, program: Program) -> Program:
        """`program` with this fault."""
        if self.codes is None:
            return program
        pairs = zip(program.projections, program.kinds, strict=True)
        changed = [(self.codes(code, kind), kind) for code, kind in pairs]
        kept = [(code, kind) for code, kind in changed if code is not None]
        return replace(
            program,
            projections=tuple(code for code, _ in kept),
            kinds=tuple(kind for _, kind in kept),
        )


def without(*kinds: str, onto: str = "") -> Codes:
    """Leave out the projections of these kinds, or only those onto populations that end so."""

    def codes(code: ProjectionCode, kind: str) -> ProjectionCode | None:
        target = code.name.partition("->")[2].partition("#")[0]
        return None if kind in kinds and target.endswith(onto) else code

    return codes


def no_exponents(code: ProjectionCode, kind: str) -> ProjectionCode:
    """Plastic weights are taken for whole weight units."""
    return code if code.matrix == NO_MATRIX else code._replace(exponent=0)


def negated(program: Program, state: State) -> Iterator[np.ndarray]:
    """The copies that start as the negative of their parameter."""
    for code in program.projections:
        if code.matrix != NO_MATRIX and code.negate:
            yield state.weights[code.name]


def mirrored(program: Program, state: State) -> None:
    """The negative of 254 is -254, but that of -256 is taken for -256."""
    for matrix in negated(program, state):
        matrix[matrix == loihi.WEIGHT_MAX] = loihi.WEIGHT_MIN


def forgotten_sign(program: Program, state: State) -> None:
    """Negated copies start as the parameter itself."""
    for matrix in negated(program, state):
        matrix[:] = loihi.clip_weight(-matrix)


def late_kick(program: Program, state: State) -> None:
    """The kick comes a step late."""
    state.pending[:] = np.roll(state.pending, 1, axis=0)
    state.arriving[:] = np.roll(state.arriving, 1, axis=0)


def saturate(value: np.ndarray) -> np.ndarray:
    """Stop at the ends of the register."""
    return np.clip(value, loihi.REGISTER_MIN, loihi.REGISTER_MAX)


def round_down(value: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """A decay that rounds negative numbers away from zero."""
    return value * (loihi.DECAY_UNIT - rate) >> 12


def narrow(value: np.ndarray) -> np.ndarray:
    """A register of 20 bits."""
    return ((value + (1 << 19)) & ((1 << 20) - 1)) - (1 << 19)


def _learning_first() -> tuple[tuple[str, str], ...]:
    """Parts (4) and (5) of the step change places."""
    source = inspect.getsource(reference.step)
    read, learn, end = (
        source.index(part) for part in ("    # (4)", "    # (5)", "    state.step +=")
    )
    return ((source[read:end], source[learn:end] + source[read:learn]),)


PAIRS = "np.ix_(trains[projection.target], trains[projection.source])"
CHANGE, REWARD = "clip_weight(matrix[pairs] + dw)", "program.dw_reward if program.reward[p] else"
DEAD, CONSTANTS = (
    "np.where(spiked, refractory - 1,",
    "bias, threshold, refractory, du, dv = constants",
)
THEN = "(state.step + 1 + projection.delay)"

FAULTS = (
    # the order of a step, and the rule
    Fault("learns before it reads", _learning_first()),
    Fault(
        "learns from the spikes of the step before",
        (
            (
                "    # (5)",
                "    last = getattr(step, 'last', trains)\n    step.last = trains\n    # (5)",
            ),
            (PAIRS, PAIRS.replace("trains", "last")),
        ),
    ),
    Fault("takes the reward of the step before", ((REWARD, REWARD.replace("[p]", "[p - 1]")),)),
    Fault("gets no reward", ((REWARD, "program.dw_reward if False else"),)),
    Fault("gets a reward in every step", ((REWARD, "program.dw_reward if True else"),)),
    Fault("changes a weight by half of it", ((CHANGE, CHANGE.replace("dw", "dw // 2")),)),
    # the range of a weight, and the copies
    Fault("clips weights at -254", functions=(("clip_weight", lambda w: np.clip(w, -254, 254)),)),
    Fault("clips no weight", functions=(("clip_weight", lambda w: w),)),
    Fault(
        "weights wrap from 254 to -256",
        functions=(("clip_weight", lambda w: (w + 256) % 512 - 256),),
    ),
    Fault("a negated copy starts with -256 for 254", state=mirrored),
    Fault("a negated copy starts as the matrix itself", state=forgotten_sign),
    Fault(
        "a negated copy learns with the other sign",
        ((CHANGE, CHANGE.replace("dw", "(-dw if projection.negate else dw)")),),
    ),
    Fault(
        "transposed copies do not learn",
        (
            (
                "if projection.plastic:\n            pairs",
                "if projection.plastic and not projection.transpose:\n            pairs",
            ),
        ),
    ),
    # the neuron
    Fault("fires at the threshold", (("state.v > threshold", "state.v >= threshold"),)),
    Fault("has no dead time", ((DEAD, "np.where(spiked, 0,"),)),
    Fault("has a dead step too many", ((DEAD, "np.where(spiked, refractory,"),)),
    Fault(
        "keeps what arrives in the dead time",
        (
            (
                "decay(state.v, dv) + state.u + bias, 0)",
                "decay(state.v, dv) + state.u + bias, state.u)",
            ),
        ),
    ),
    Fault("its membrane forgets nothing", ((CONSTANTS, f"{CONSTANTS}\n    dv = 0"),)),
    Fault("its current forgets nothing", ((CONSTANTS, f"{CONSTANTS}\n    du = 0"),)),
    Fault("decays round down, not toward zero", functions=(("decay", round_down),)),
    Fault("has no bias", (("+ state.u + bias, 0)", "+ state.u, 0)"),)),
    Fault("registers stop at their ends", functions=(("wrap", saturate),)),
    Fault("registers have 20 bits", functions=(("wrap", narrow),)),
    # synapses and the ring
    Fault("has no delays", ((THEN, "(state.step + 1)"),)),
    Fault(
        "has delays up to 3",
        ((THEN, THEN.replace("projection.delay", "min(projection.delay, 3)")),),
    ),
    Fault("the kick comes a step late", state=late_kick),
    Fault("ignores the weight exponent", codes=no_exponents),
    Fault("holds nothing shut", codes=without("close")),
    Fault("has no veto", codes=without("veto")),
    Fault("has no second gate for <", codes=without("gate_lt")),
    Fault("has no gate for o>", codes=without("gate", "gate_gt", onto="o>")),
)


def compare(fault: Fault, recorded: trace.Trace) -> tuple[int, int, int]:
    """Spikes, values of u and v, and final weights of all copies that differ from the trace."""
    machine, program = fault.machine(), fault.of(recorded.program)
    state = program.state(recorded.initial)
    if fault.state is not None:
        fault.state(program, state)
    constants = machine.Constants.of(program)
    state.u, state.v = state.u.astype(np.int64), state.v.astype(np.int64)
    spikes = registers = 0
    for now in range(recorded.n_steps):
        sample, p = divmod(now, program.period)
        external = [
            recorded.stimulus[source.name][sample].astype(bool)
            if source.phase == p
            else np.zeros(source.size, bool)
            for source in program.sources
        ]
        trains = machine.step(program, constants, state, external).trains
        for population, train in zip(program.populations, trains, strict=False):
            spikes += int((recorded.spikes[population.name][now] != train).sum())
            for kept, held in ((recorded.u, state.u), (recorded.v, state.v)):
                if population.name in kept:
                    differ = kept[population.name][now] != held[population.neurons]
                    registers += int(differ.sum())
    expected = trace.implied_copies(recorded)
    weights = sum(int((expected[name] != matrix).sum()) for name, matrix in state.weights.items())
    return spikes, registers, weights


def measure(paths: list[Path]) -> dict[str, Any]:
    """Every fault on every trace: name of the fault -> name of the trace -> what differs."""
    traces = {path.stem: trace.read(path) for path in paths}
    for name, recorded in traces.items():
        found = compare(Fault("nothing"), recorded)
        if any(found):
            raise SbpError(f"the reference engine does not give the trace {name}: {found}")
    seen: dict[str, dict[str, tuple[int, int, int]]] = {}
    for fault in FAULTS:
        seen[fault.name] = {name: compare(fault, found) for name, found in traces.items()}
        print(f"{fault.name}: {sum(map(any, seen[fault.name].values()))} traces", flush=True)
    return {
        "id": "faults",
        "traces": {path.stem: digest(path) for path in paths},
        "seen": seen,
    }


def digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def markdown(record: dict[str, Any]) -> str:
    """The table: a row for each fault, a column for each trace."""
    names = list(record["traces"])
    head = "".join(f" {chr(ord('A') + i)} |" for i in range(len(names)))
    lines = [f"| the machine |{head}", f"|---|{':-:|' * len(names)}"]
    for fault, row in record["seen"].items():
        marks = ("●" if row[n][0] else "◐" if row[n][1] else "○" * any(row[n]) for n in names)
        lines.append(f"| {fault} | {' | '.join(marks)} |")
    title = (
        "The golden traces of `tests/traces` were replayed by "
        "machines that are wrong in one rule each. Whoever checks a chip or a simulator with one "
        "trace can read here what may have escaped it.\n\n"
    )
    legend = "\n".join(f"- **{chr(ord('A') + i)}** `{name}`" for i, name in enumerate(names))
    return (
        title
        + "\n".join(lines)
        + "\n\n● spikes differ; ◐ only values of u and v, where the trace has them; ○ only "
        + "weights, at the end; else the trace cannot tell."
        + f"\n\n{legend}\n\nMeasured; written by `make faults`.\n"
    )


def main() -> int:
    """Write the table; exit code 1 if a fault is seen by no trace."""
    parser = argparse.ArgumentParser(prog="make faults ARGS=...", description=__doc__)
    parser.add_argument("traces", type=Path, nargs="*", metavar="TRACE", help="default: our own")
    parser.add_argument("--out", type=Path, default=ROOT / "results", metavar="DIR")
    options = parser.parse_args()
    paths = options.traces or sorted(TRACES.glob("*.npz"))
    record = measure(paths)
    table = markdown(record)
    record |= {"commit": provenance.commit(), "versions": provenance.versions()}
    provenance.write_record(options.out / "faults.json", record)
    write_atomic(options.out / "faults.md", lambda stream: stream.write(table.encode()))
    print(table)
    return int(any(not any(map(any, row.values())) for row in record["seen"].values()))


if __name__ == "__main__":
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            sys.exit(main())
    except SbpError as error:
        print(f"faults: error: {error}", file=sys.stderr)
        sys.exit(2)
