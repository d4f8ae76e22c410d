"""What a picture needs to know of a circuit, read from its populations, projections and phases."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from dataclasses import dataclass

from sbp.circuits.timing import ring_of, timing
from sbp.errors import check_kind
from sbp.loihi import SCALE
from sbp.plots.picture import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from sbp.program import Program
from sbp.spec import Circuit, MatrixWeight, Projection

#: What the paper's populations stand for, in a word or two.
MEANING = {
    "input": "the picture", "target": "the label", "x": "input", "x_mem": "x remembered",
    "h": "above ½", "h<": "above 0", "h>": "above 1", "h_mem": "h remembered",
    "h_box": "derivative", "hT": "h, then error", "o": "above ½", "o<": "above 0",
    "o>": "above 1", "t": "target", "d+": "should fire", "d-": "should not",
    "o-": "the other error", "h-": "the other error",
}  # fmt: skip
#: Layer and part in the name of a population, as the paper's circuits and the deep ones have them.
NAME = re.compile(r"(x|h\d*|o)(<|>|_mem|_box|T|-)?")
HIDDEN_AT_MOST = 3  #: hidden layers that are drawn; of more, the first and the last
ERROR = ("t", "d+", "d-")
GATES, ERRORS, RELAYS, OTHER = "gates", "target and error", "relays", "other"
COLOURS = {"input": BLUE, "output": GREEN, ERRORS: PURPLE, GATES: BLACK, RELAYS: BLUE,
           OTHER: ORANGE}  # fmt: skip
HIDDEN_COLOURS = (VERMILLION, ORANGE, SKY)


def circuit_of(given: Circuit | Program) -> Circuit:
    """The circuit that is to be drawn; that of a program."""
    circuit = given.circuit if isinstance(given, Program) else given
    check_kind("what is drawn", circuit, Circuit, "or a Program")
    return circuit


def part_of(name: str) -> tuple[str, str] | None:
    """Layer and part of a population, "h2", "_mem"; None where the name does not say them."""
    found = NAME.fullmatch(name)
    return (found[1], found[2] or "") if found else None


def meaning(name: str) -> str:
    """What a population stands for, in a word or two; "" if its name does not say."""
    part = part_of(name)
    if name in MEANING or part is None:
        return MEANING.get(name, "")
    layer, rest = part
    return re.sub(rf"^{layer[0]}\b", layer, MEANING.get(layer[0] + rest, ""))


def folded(groups: dict[str, str]) -> list[str]:
    """The groups of hidden layers that are left out, because there are many and they are alike."""
    hidden = list(dict.fromkeys(g for g in groups.values() if g.startswith("hidden")))
    return hidden[1:-1] if len(hidden) > HIDDEN_AT_MOST else []


def said_of(left_out: list[str]) -> str:
    """The groups in words: "hidden 2 to 4"; nothing if none is left out."""
    if len(left_out) < 2:
        return "".join(left_out)
    return f"{left_out[0]} to {left_out[-1].split()[-1]}"


def pretty(name: str) -> str:
    """A population's name for print: a true minus sign."""
    return name.replace("-", "−")


def colour_of(group: str) -> str:
    """The colour of a group of populations."""
    if group.startswith("hidden"):
        number = group.removeprefix("hidden").strip()
        return HIDDEN_COLOURS[(int(number) - 1 if number else 0) % len(HIDDEN_COLOURS)]
    return COLOURS[group]


def groups_of(circuit: Circuit) -> dict[str, str]:
    """The group ("input", "hidden", "output", ...) of every population and source.

    Populations joined one to one belong to one layer; matrices order the layers.
    """
    gates = set(ring_of(circuit))
    names = [source.name for source in circuit.sources]
    names += [p.name for p in circuit.populations if p.name not in gates]
    root = {name: name for name in names}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for p in circuit.projections:
        dense = isinstance(p.weight, MatrixWeight)
        if not dense and p.connect == "one-to-one" and {p.source, p.target} <= set(names):
            root[find(p.source)] = find(p.target)
    ahead: dict[str, set[str]] = defaultdict(set)
    for p in circuit.projections:
        if isinstance(p.weight, MatrixWeight) and not p.weight.transpose and p.source in root:
            ahead[find(p.source)].add(find(p.target))
    depth = _depths(ahead)
    deepest = max(depth.values(), default=0)
    hidden = deepest - 1

    def group(name: str) -> str:
        if not ahead:
            return RELAYS
        if name not in root or find(name) not in depth:
            return OTHER
        level = depth[find(name)]
        if level == deepest:
            return ERRORS if name in ERROR else "output"
        if level == 0:
            return "input"
        return "hidden" if hidden == 1 else f"hidden {level}"

    return dict.fromkeys(gates, GATES) | {name: group(name) for name in names}


def _depths(ahead: dict[str, set[str]]) -> dict[str, int]:
    # Longest path from a layer without a matrix before it; loops end after as many rounds.
    nodes = set(ahead) | {b for after in ahead.values() for b in after}
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for a, after in ahead.items():
            for b in after:
                depth[b] = min(max(depth[b], depth[a] + 1), len(nodes) - 1)
    return depth


@dataclass(frozen=True)
class Window:
    """What the ring does to one population in one phase.

    Attributes
    ----------
    gates : tuple of (gate, kind)
    needs : float
        Input, in thresholds, beyond which it fires: 0.5, 0 or 1 in the paper's circuits; more
        than 9 where it is held shut.
    """

    gates: tuple[tuple[str, str], ...]
    needs: float

    @property
    def shut(self) -> bool:
        """Whether the ring holds the population down."""
        return any(kind == "close" for _, kind in self.gates)


def firing(circuit: Circuit) -> dict[str, list[int]]:
    """The phases in which each population (and source) may fire, as it is wired."""
    found = timing(circuit)
    phases: dict[str, list[int]] = {p.name: [] for p in circuit.populations}
    for name, p in sorted(found.opened, key=lambda place: place[1]):
        phases[name].append(p)
    phases |= {gate: sorted(at) for gate, at in found.gates.items()}
    return phases | {s.name: [s.phase] for s in circuit.sources if s.phase is not None}


def windows_of(circuit: Circuit) -> dict[tuple[str, int], Window]:
    """Where the ring opens or shuts a population: (population, phase) -> Window."""
    gates, fires = set(ring_of(circuit)), timing(circuit).gates
    found: dict[tuple[str, int], list[Projection]] = defaultdict(list)
    for projection in circuit.projections:
        if projection.source in gates and projection.target not in gates:
            for p in fires[projection.source]:
                found[projection.target, (p + 1 + projection.delay) % circuit.period].append(
                    projection
                )
    windows = {}
    for (name, p), parts in found.items():
        neuron = circuit.population(name).neuron
        lift = sum(part.weight for part in parts if isinstance(part.weight, int))
        needs = (neuron.threshold - neuron.bias / SCALE - lift) / (neuron.threshold or 1)
        windows[name, p] = Window(tuple((part.source, part.kind) for part in parts), needs)
    return windows


def arrivals(circuit: Circuit, name: str, phase: int) -> list[str]:
    """The scheduled senders, gates apart, whose spikes reach `name` in `phase`; vetoes with ¬."""
    gates, fires = ring_of(circuit), firing(circuit)
    senders = [
        ("¬" if isinstance(p.weight, int) and p.weight < 0 else "") + pretty(p.source)
        for p in circuit.projections
        if p.target == name
        and p.source not in gates
        and any((q + 1 + p.delay) % circuit.period == phase for q in fires.get(p.source, []))
    ]
    return list(dict.fromkeys(senders))


def change(circuit: Circuit, phase: int) -> int:
    """What a coincidence adds to a weight in `phase`: the rule with or without reward."""
    rule = circuit.rule
    return rule.with_reward if circuit.phases[phase].reward else rule.without


def meeting(circuit: Circuit, phase: int) -> list[str]:
    """The populations between which weights are learned forward in `phase`."""
    learns, fires = circuit.phases[phase].learns, circuit.phases[phase].fires
    names = []
    for p in circuit.projections:
        weight = p.weight
        if not isinstance(weight, MatrixWeight) or not weight.plastic or weight.transpose:
            continue
        if weight.parameter in learns and {p.source, p.target} <= set(fires):
            names += [p.source, p.target]
    return list(dict.fromkeys(names))


def phase_label(circuit: Circuit, phase: int) -> str:
    """What happens in `phase`, in one or two short words (a line each)."""
    step = circuit.phases[phase]
    if step.name:
        return "\n".join(textwrap.wrap(pretty(step.name), 7, break_long_words=False)[:2])
    groups, opened = groups_of(circuit), timing(circuit)
    fires = [p.name for p in circuit.populations if opened.is_open(p.name, phase)]
    matrices = {  # target -> whether the error comes back by it
        p.target: p.weight.transpose
        for p in circuit.projections
        if isinstance(p.weight, MatrixWeight)
    }
    if step.learns:
        by = change(circuit, phase)
        word = "grows" if by > 0 else "shrinks" if by < 0 else "unchanged"
        return f"{' '.join(step.learns)}\n{word}"
    if any(matrices.get(name) for name in fires):
        return "error\nback"
    if set(fires) & {"d+", "d-"}:
        return "error"
    if not fires:
        shut = any(w.shut for (_, p), w in windows_of(circuit).items() if p == phase)
        emits = any(source.phase == phase for source in circuit.sources)
        return "sample\nsent" if emits else "held\nshut" if shut else ""
    if not matrices:
        return "\n".join(fires[:1] if len(fires) == 1 else [fires[0], f"+{len(fires) - 1} more"])
    order = [groups[name] for name in fires if groups[name] != ERRORS]
    computed = [groups[name] for name in fires if name in matrices]
    return (computed or order or [""])[0]
