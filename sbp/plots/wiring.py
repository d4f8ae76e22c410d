"""The wiring of a circuit: populations as boxes, projections as arrows, the ring of gates."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from sbp.circuits.timing import ring_of
from sbp.plots.picture import (
    BLUE,
    GREY,
    PURPLE,
    VERMILLION,
    Picture,
    blank,
    inked,
    listed,
    mixed,
    picture,
)
from sbp.plots.reading import (
    ERROR,
    GATES,
    circuit_of,
    colour_of,
    firing,
    folded,
    groups_of,
    part_of,
    phase_label,
    pretty,
    said_of,
)
from sbp.program import Program
from sbp.spec import Circuit, MatrixWeight

#: Offset from the middle of its column, and height (inches), of a population by its name, where
#: "h" is any hidden layer, and "..." the hidden layers that are left out.
PLACES = {
    "input": (0.0, 1.64), "x": (0.0, 1.64), "x_mem": (0.0, 4.1),
    "h>": (0.0, 0.0), "h<": (0.0, 0.82), "h": (0.0, 1.64),
    "h_box": (-0.8, 2.95), "h_mem": (0.8, 2.95), "hT": (0.0, 4.1), "h-": (0.0, 5.2),
    "...": (0.0, 0.82), "...T": (0.0, 4.1),
    "o>": (0.0, 0.0), "o<": (0.0, 0.82), "o": (0.0, 1.64), "o-": (0.0, 4.1),
    "d+": (0.0, 0.0), "t": (0.0, 0.82), "d-": (0.0, 1.64), "target": (0.0, 0.82),
}  # fmt: skip
#: Columns from left to right, with the space before each, inches.
SPACES = {"input": 0.75, "x": 1.55, "h": 2.35, "...": 1.75, "o": 2.55, "d": 2.25, "target": 1.5}
BETWEEN_HIDDEN = 4.3
#: How far the middle of an arrow is pulled right and down, inches, to keep clear of boxes.
PULLS = {
    ("h<", "h_box"): (-0.55, 0.1), ("h>", "h_box"): (-0.9, -0.35), ("d+", "o-"): (-0.2, -0.52),
    ("d+", "o o< o>"): (0.0, -0.75), ("d-", "o o< o>"): (0.0, 0.8), ("o", "hT"): (0.75, 0.2),
    ("h", "hT"): (0.8, -0.5), ("h_box", "h-"): (-0.55, 0.0), ("...T", "hT"): (0.0, 0.0),
    ("h", "...T"): (-0.7, -0.35),
}  # fmt: skip
BOX = 1.16, 0.52
TALL, TAGS_IN_A_ROW = 0.7, 6  #: height of the boxes where one is marked with more gates than that
ROW, IN_A_ROW = 1.25, 6  # generic layout: rows of boxes
SHOWN = 14  #: gates or boxes beyond these are left out, with a gap and a number

#: Colour, width, line style, arrow head and meaning of the kinds of synapses.
KINDS: dict[str, tuple[str, float, Any, str, str]] = {
    "plastic": (VERMILLION, 3.0, "-", "-|>", "plastic weights"),
    "matrix": (VERMILLION, 3.0, "-", "-|>", "fixed weights"),
    "copy": ("#222222", 1.3, "-", "-|>", "copy"),
    "veto": (PURPLE, 1.8, "-", "|-|,widthA=0,widthB=0.45", "veto: cancels a copy"),
    "gate": (BLUE, 1.5, (0, (4, 1.5)), "-|>", "gate, neuron by neuron"),
    "ring": ("black", 1.3, "-", "-|>", "ring"),
}


@dataclass(frozen=True)
class Arrow:
    """Projections drawn as one arrow: from `source` to all of `targets`."""

    source: str
    targets: tuple[str, ...]
    kind: str
    delays: tuple[int, ...]
    label: str

    @property
    def gid(self) -> str:
        """The name of the drawn arrow."""
        return f"edge {self.source} -> {' '.join(self.targets)} : {self.kind}"


def _families(circuit: Circuit) -> list[tuple[str, ...]]:
    """The populations that share a parameter and a source: drawn in one frame."""
    sharing: dict[tuple[str, str, bool, bool], list[str]] = defaultdict(list)
    for p in circuit.projections:
        if isinstance(p.weight, MatrixWeight):
            w = p.weight
            sharing[p.source, w.parameter, w.transpose, w.negate].append(p.target)
    return list(dict.fromkeys(tuple(names) for names in sharing.values() if len(names) > 1))


def _arrows(circuit: Circuit, families: list[tuple[str, ...]]) -> list[Arrow]:
    """Every projection but those from gates, bundled where it goes to a whole family."""
    gates = set(ring_of(circuit))
    found: dict[tuple[str, str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for p in circuit.projections:
        if p.source in gates or p.target in gates:
            continue
        label = ""
        if isinstance(w := p.weight, MatrixWeight):
            label = f"{'−' if w.negate else ''}{w.parameter}{'ᵀ' if w.transpose else ''}"
        found[p.source, p.kind, label][p.target].add(p.delay)
    arrows = []
    for (source, kind, label), targets in found.items():
        left = dict(targets)
        for family in families:
            if source in family or not set(family) <= set(left):
                continue
            if len({frozenset(left[n]) for n in family}) == 1:
                arrows.append(Arrow(source, family, kind, tuple(sorted(left[family[0]])), label))
                left = {name: delays for name, delays in left.items() if name not in family}
        arrows += [Arrow(source, (n,), kind, tuple(sorted(d)), label) for n, d in left.items()]
    return arrows


def _kind(name: str) -> str:
    """A name of a population with "h" for any hidden layer."""
    return re.sub(r"^h\d+", "h", name)


def _layered(names: Iterable[str]) -> bool:
    """Whether all have places of their own, as in the paper's circuits and the deep ones."""
    return all(_kind(name) in PLACES for name in names)


def _column(name: str) -> str:
    part = part_of(name)
    return part[0] if part else "..." if name == "...T" else "d" if name in ERROR else name


def _in_layers(names: list[str], left_out: set[str]) -> dict[str, tuple[float, float]]:
    """Places in columns, a layer each; dots for the layers that are left out."""
    shown = [name for name in names if name not in left_out]
    if left_out:
        shown += ["...", "...T"]
    hidden = sorted({_column(name) for name in shown} - SPACES.keys(),
                    key=lambda layer: int(layer[1:] or 0))  # fmt: skip
    if "h" in map(_column, shown):
        hidden = ["h"]
    elif left_out:
        hidden.insert(1, "...")
    order = [c for c in ("input", "x", *hidden, "o", "d", "target") if c in map(_column, shown)]
    at, x = {}, 0.0
    for before, column in zip([None, *order], order, strict=False):
        space = SPACES.get(column, SPACES["h"])
        if before in hidden and column in hidden and "..." not in (before, column):
            space = BETWEEN_HIDDEN
        x += SPACES["input"] if before is None else SPACES["..."] if before == "..." else space
        at[column] = x
    top = min(PLACES[_kind(name)][1] for name in shown)
    return {
        name: (at[_column(name)] + PLACES[_kind(name)][0], PLACES[_kind(name)][1] - top)
        for name in shown
    }


def _without(arrows: list[Arrow], left_out: set[str]) -> list[Arrow]:
    """The arrows where dots stand for the layers that are left out."""
    found: dict[str, Arrow] = {}
    for arrow in arrows:
        dots = "...T" if "ᵀ" in arrow.label else "..."
        source = dots if arrow.source in left_out else arrow.source
        targets = (dots,) if set(arrow.targets) & left_out else arrow.targets
        if source.startswith("...") and targets[0].startswith("..."):
            continue
        new = Arrow(source, targets, arrow.kind, arrow.delays, arrow.label)
        if new.gid in found and found[new.gid].label != new.label:  # W and −W
            new = replace(new, label=f"±{new.label.lstrip('−')}")
        found[new.gid] = new
    return list(found.values())


def _places(circuit: Circuit, left_out: set[str]) -> dict[str, tuple[float, float]]:
    """Centre of every box, inches from the left and down; a long chain keeps its ends only."""
    gates = set(ring_of(circuit))
    used = {p.source for p in circuit.projections if p.target not in gates}
    names = [s.name for s in circuit.sources if s.name in used]
    names += [p.name for p in circuit.populations if p.name not in gates]
    if _layered(names):
        return _in_layers(names, left_out)
    if len(names) > SHOWN + 2 * IN_A_ROW:
        names = [*names[: SHOWN + IN_A_ROW - 2], "...", *names[-3:]]
    places = {}
    for i, name in enumerate(names):  # rows that run to and fro
        row, column = divmod(i, IN_A_ROW)
        places[name] = 0.85 + 1.65 * (column if row % 2 == 0 else IN_A_ROW - 1 - column), ROW * row
    return places


@picture
def circuit_diagram(circuit: Circuit | Program, *, title: str | None = None) -> Picture:
    """The wiring: populations as boxes, projections as arrows, the ring of gates below.

    What a gate does is written in the box it acts on (the number of the gate: round, opens;
    square, holds shut) rather than drawn as an arrow.  Projections from one population to all
    members of a family (framed) are one arrow.  The paper's populations have places of their
    own; those of any other circuit stand in rows.

    Parameters
    ----------
    circuit : Circuit or Program
    title : str, optional

    Returns
    -------
    Picture
        Boxes have the gid ``node <population>``; arrows and gates' tags
        ``edge <source> -> <targets> : <kinds>``.
    """
    circuit = circuit_of(circuit)
    groups, gates = groups_of(circuit), ring_of(circuit)
    folds = folded(groups)
    left_out = {name for name, group in groups.items() if group in folds}
    places = _places(circuit, left_out)
    # Only in places of its own does a family stand together, so that a frame fits around it.
    families = _families(circuit) if _layered(places) else []
    arrows = (
        _without(_arrows(circuit, families), left_out) if left_out else _arrows(circuit, families)
    )
    arrows = [a for a in arrows if {a.source, *a.targets} <= set(places)]
    families = [family for family in families if set(family) <= set(places)]
    layers = len({groups[name] for name in places if name in groups}) > 1
    crowded = max((len(_tags(circuit, name)) for name in places), default=0) > TAGS_IN_A_ROW
    box = np.array([BOX[0], TALL if crowded and _layered(places) else BOX[1]])
    width = max(8.0, max(x for x, _ in places.values()) + 0.75)
    spare = width - max(x for x, _ in places.values()) - 0.75
    shift = np.array([spare / 2, 1.0 if layers else 0.4])
    centre = {name: np.array(place) + shift for name, place in places.items()}
    half = {name: box / 2 if name in groups else np.array([0.3, 0.2]) for name in places}
    frames = [_frame(family, centre, half) for family in families]
    pairs = {(a.source, " ".join(a.targets)) for a in arrows}
    middles = [_middle(arrow, centre, pairs) for arrow in arrows]
    below = max(y for _, y in [*(c + h for c, h in zip(centre.values(), half.values(),
                strict=True)), *(m - 0.3 for m in middles)]) + 0.2  # fmt: skip
    height = below + (1.45 if gates else 0.0) + 0.62
    fig, ax = blank(width, height + 0.75, 0, 0, 0.75, 0)
    ax.set(xlim=(0, width), ylim=(height, 0))
    for frame in frames:
        ax.add_patch(frame)
    name = circuit.name.replace("_", " ")
    fig.title = title or f"The {name} circuit"
    fig.suptitle(fig.title, x=0.2 / width, y=1 - 0.15 / (height + 0.75), ha="left", va="top",
                 fontsize=14, fontweight="bold")  # fmt: skip
    plastic = circuit.n_synapses(plastic_only=True)
    fig.text(0.2 / width, 1 - 0.46 / (height + 0.75),
             f"{circuit.n_neurons:,} neurons, {circuit.n_synapses():,} synapses"
             + (f", {plastic:,} of them plastic" if plastic else "")
             + f" (sizes {'-'.join(map(str, circuit.sizes[:6]))}"
             + f"{'-...' if len(circuit.sizes) > 6 else ''})",
             ha="left", va="top", fontsize=9.5, color=GREY)  # fmt: skip

    for name in places:
        _box(ax, circuit, name, centre[name], 2 * half[name], groups.get(name, GATES))
    for arrow, middle in zip(arrows, middles, strict=True):
        _arrow(ax, arrow, middle, centre, half)
    if gates:
        _ring(ax, circuit, gates, width, below)
    if layers:
        _headings(ax, groups, {name: centre[name] for name in places if name in groups})
        if folds:
            ax.text(centre["..."][0], 0.12, said_of(folds), ha="center", va="center", fontsize=11,
                    color=GREY)  # fmt: skip
    _kinds_key(ax, circuit, arrows, height - 0.52)
    fig.alt = _circuit_alt(circuit, arrows, groups, len(gates), folds)
    return fig


def _frame(family: tuple[str, ...], centre: dict, half: dict) -> FancyBboxPatch:
    """The frame around a family; its centre and size join those of the boxes."""
    points = np.array([centre[name] for name in family])
    low = points.min(axis=0) - half[family[0]] - 0.1
    high = points.max(axis=0) + half[family[0]] + 0.1
    key = " ".join(family)
    centre[key], half[key] = (low + high) / 2, (high - low) / 2
    wide, tall = high - low
    return FancyBboxPatch((low[0], low[1]), wide, tall, fc="#f4f4f4",
                          boxstyle="round,pad=0,rounding_size=0.12", ec="#bbbbbb", lw=1,
                          zorder=0)  # fmt: skip


def _headings(ax: Axes, groups: dict[str, str], centre: dict) -> None:
    for group in dict.fromkeys(groups[name] for name in centre):
        x = [at[0] for name, at in centre.items() if groups[name] == group
             and name not in ("input", "target")]  # fmt: skip
        if x:
            ax.text(np.mean(x), 0.12, group, ha="center", va="center", fontsize=11,
                    fontweight="bold", color=inked(colour_of(group)))  # fmt: skip


def _box(
    ax: Axes, circuit: Circuit, name: str, at: np.ndarray, box: np.ndarray, group: str
) -> None:
    if name.startswith("..."):
        ax.text(at[0], at[1], "...", ha="center", va="center", fontsize=16)
        return
    sources = {s.name: s for s in circuit.sources}
    colour = colour_of(group)
    corner = at - box / 2
    style = "square,pad=0" if name in sources else "round,pad=0,rounding_size=0.1"
    ax.add_patch(FancyBboxPatch(
        (corner[0], corner[1]), float(box[0]), float(box[1]), boxstyle=style,
        fc="white" if name in sources else mixed(colour, "white", 0.85), ec=colour, lw=1.6,
        ls="--" if name in sources else "-", gid=f"node {name}", zorder=3,
    ))  # fmt: skip
    size = sources[name].size if name in sources else circuit.population(name).size
    tags = _tags(circuit, name)
    y = at[1] - (0.1 if tags or name in sources else 0) - (box[1] - BOX[1]) / 2
    ax.text(corner[0] + 0.09, y, pretty(name), ha="left", va="center_baseline", fontsize=11,
            fontweight="bold", color=inked(colour), zorder=4)  # fmt: skip
    ax.text(corner[0] + box[0] - 0.08, y, f"{size}", ha="right", va="center_baseline",
            fontsize=8, color=GREY, zorder=4)  # fmt: skip
    if name in sources:
        ax.text(at[0], at[1] + 0.13, f"sent at p = {sources[name].phase}", ha="center",
                va="center", fontsize=7.5, color=GREY, zorder=4)  # fmt: skip
    rows = [tags]
    if box[1] > BOX[1]:  # what opens above what holds shut
        rows = [[tag for tag in tags if ("close" in tag[1]) is shut] for shut in (False, True)]
    for row, own in enumerate(rows):
        below = 0.13 + 0.18 * (row - len(rows) / 2 + 0.5)
        for i, (gate, kinds) in enumerate(own):
            x = at[0] + (i - (len(own) - 1) / 2) * min(0.2, (box[0] - 0.05) / len(own))
            text = re.sub(r"^g(?=\d+$)", "", gate)
            text += "<" if "gate_lt" in kinds else ">" if "gate_gt" in kinds else ""
            _tag(ax, (x, at[1] + below), text, "close" in kinds,
                 f"edge {gate} -> {name} : {' '.join(kinds)}")  # fmt: skip


def _tags(circuit: Circuit, name: str) -> list[tuple[str, list[str]]]:
    """(gate, kinds) of every gate that acts on `name`, the opening ones first."""
    gates = ring_of(circuit)
    kinds: dict[str, list[str]] = defaultdict(list)
    for p in circuit.projections:
        if p.target == name and p.source in gates and p.kind not in kinds[p.source]:
            kinds[p.source].append(p.kind)
    return sorted(((g, k) for g, k in kinds.items() if k), key=lambda tag: "close" in tag[1])


def _middle(arrow: Arrow, centre: dict, pairs: set) -> np.ndarray:
    """The point that pulls an arrow aside (the middle control point of its curve)."""
    target = " ".join(arrow.targets)
    a, b = centre[arrow.source], centre[target]
    if arrow.source == target:
        return a - np.array([0.0, 0.7])
    along = (b - a) / max(np.hypot(*(b - a)), 1e-9)
    skips = along[1] == 0 and np.hypot(*(b - a)) > 3  # over the heads of its neighbours
    bow = 0.14 if (target, arrow.source) in pairs else 0.5 if skips else 0.0
    kinds = _kind(arrow.source), " ".join(map(_kind, arrow.targets))
    pull = PULLS.get(kinds, bow * np.array([along[1], -along[0]]))
    return (a + b) / 2 + 2 * np.array(pull)


def _arrow(ax: Axes, arrow: Arrow, middle: np.ndarray, centre: dict, half: dict) -> None:
    target = " ".join(arrow.targets)
    colour, lw, ls, head, _ = KINDS.get(arrow.kind, KINDS["copy"])
    a, b = centre[arrow.source], centre[target]
    if arrow.source == target:
        start, end = (a + np.array([side, -half[target][1]]) for side in (-0.2, 0.2))
    else:
        start, end = _edge(a, half[arrow.source], middle, b), _edge(b, half[target], middle, a)
    path = Path([start, middle, end], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    ax.add_patch(FancyArrowPatch(path=path, arrowstyle=head, mutation_scale=11, color=colour,
                                 lw=lw, ls=ls, gid=arrow.gid, zorder=2, joinstyle="miter",
                                 capstyle="butt"))  # fmt: skip
    text = arrow.label
    if arrow.delays != (0,):
        text += " " + ", ".join(f"+{d}" for d in arrow.delays)
    if text.strip():
        at = 0.36 * start + 0.48 * middle + 0.16 * end  # nearer the source: a pair's stay apart
        if abs(start[0] - end[0]) < 0.6 and start[1] == end[1]:
            at = np.array([(start[0] + end[0]) / 2, start[1] - 0.36])  # above a short arrow
        elif abs(start[1] - end[1]) < 0.6 and abs(start[0] - end[0]) < 0.1:
            at = np.array([start[0] + 0.3, (start[1] + end[1]) / 2])  # beside it
        ax.text(at[0], at[1], text.strip(), ha="center", va="center",
                fontsize=9 if arrow.label else 7.5, fontweight="bold",
                color=inked(colour), zorder=6,
                bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none"})  # fmt: skip


def _edge(centre: np.ndarray, half: np.ndarray, middle: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Where an arrow through `middle` to `far` leaves the box at `centre`, with a little air."""
    step = far - centre if (np.abs(middle - centre) <= half + 0.03).all() else middle - centre
    share = np.divide(half + 0.03, np.abs(step), out=np.full(2, np.inf), where=step != 0)
    return centre + share.min() * step


def _ring(ax: Axes, circuit: Circuit, gates: list[str], width: float, top: float) -> None:
    most = max(SHOWN, int((width - 1.3) / 0.75))
    shown = gates if len(gates) <= most else [*gates[: most - 3], "...", *gates[-2:]]
    pitch = min((width - 1.3) / len(shown), 1.1)
    left = (width - pitch * (len(shown) - 1)) / 2 + 0.25
    y, r = top + 0.5, 0.17
    at = {gate: left + i * pitch for i, gate in enumerate(shown)}
    fires = firing(circuit)
    for gate, x in at.items():
        if gate == "...":
            ax.text(x, y, "...", ha="center", va="center", fontsize=16)
            continue
        ax.add_patch(Circle((x, y), r, fc="black", ec="black", gid=f"node {gate}", zorder=3))
        ax.text(x, y + 0.005, gate, ha="center", va="center", color="white", fontsize=8,
                fontweight="bold", zorder=4)  # fmt: skip
        acts = [(p + 1) % circuit.period for p in fires[gate]]
        ax.text(x, y + 0.25, "\n".join(phase_label(circuit, p) for p in acts[:1]), ha="center",
                va="top", fontsize=7.5, color=GREY, linespacing=1.0)  # fmt: skip
    for p in circuit.projections:
        if p.kind != "ring" or p.target not in at:
            continue
        gid = f"edge {p.source} -> {p.target} : ring"
        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "color": "black",
                                 "lw": 1.2, "gid": gid}  # fmt: skip
        if p.source not in at:
            if p.source in {s.name for s in circuit.sources}:
                x = at[p.target]
                ax.add_patch(FancyArrowPatch((x, y - 0.5), (x, y - r - 0.02), **style))
                ax.text(x + 0.07, y - 0.42, p.source, fontsize=8, color=GREY, va="center")
        elif at[p.source] < at[p.target]:
            ax.add_patch(FancyArrowPatch((at[p.source] + r, y), (at[p.target] - r, y), **style))
        else:
            a, b = at[p.source], at[p.target]
            low = y + 0.66
            path = Path([(a + r, y), (a + r + 0.22, y), (a + r + 0.22, low), (b - r - 0.22, low),
                         (b - r - 0.22, y), (b - r, y)])  # fmt: skip
            ax.add_patch(FancyArrowPatch(path=path, joinstyle="round", **style))
    ax.text(0.2, y, "the\nring", ha="left", va="center", fontsize=10, fontweight="bold")


def _kinds_key(ax: Axes, circuit: Circuit, arrows: list[Arrow], y: float) -> None:
    x = 0.25
    for kind in dict.fromkeys([*KINDS, *(a.kind for a in arrows)]):
        if all(a.kind != kind for a in arrows):
            continue
        colour, lw, ls, head, text = KINDS.get(kind, (*KINDS["copy"][:4], kind))
        ax.add_patch(FancyArrowPatch((x, y), (x + 0.42, y), arrowstyle=head, mutation_scale=10,
                                     color=colour, lw=lw, ls=ls))  # fmt: skip
        ax.text(x + 0.5, y, text, va="center", fontsize=9)
        x += 0.5 + 0.069 * len(text) + 0.22
    if any(a.delays != (0,) for a in arrows):
        ax.text(x, y, "+4  four steps later", va="center", fontsize=9)
    used = {kind for p in circuit.populations for _, kinds in _tags(circuit, p.name)
            for kind in kinds}  # fmt: skip
    tags = (
        ("2", "gate", "gate 2 opens: fires above ½"),
        ("2<", "gate_lt", "... above 0"),
        ("2>", "gate_gt", "... above 1"),
        ("8", "close", "gate 8 holds shut"),
    )
    x, y = 0.25, y + 0.3
    for text, kind, about in tags:
        if kind in used:
            _tag(ax, (x + 0.08, y), text, kind == "close")
            ax.text(x + 0.26, y, about, va="center", fontsize=9)
            x += 0.26 + 0.069 * len(about) + 0.22


def _tag(ax: Axes, at: tuple[float, float], text: str, shut: bool, gid: str | None = None) -> None:
    style = "square,pad=0.2" if shut else "round,pad=0.2,rounding_size=0.5"
    ax.text(*at, text, ha="center", va="center", fontsize=6.8, zorder=5, gid=gid,
            color="white" if shut else "black",
            bbox={"boxstyle": style, "fc": "#444444" if shut else "white", "ec": "black",
                  "lw": 0.6})  # fmt: skip


def _circuit_alt(
    circuit: Circuit, arrows: list[Arrow], groups: dict[str, str], n_gates: int, folds: list[str]
) -> str:
    by_group: dict[str, list[str]] = defaultdict(list)
    for population in circuit.populations:
        if groups[population.name] not in (GATES, *folds):
            by_group[groups[population.name]].append(population.name)
    layers = "; ".join(
        f"{group}: "
        + (listed([pretty(n) for n in names]) if len(names) <= 12 else f"{len(names)} populations")
        for group, names in by_group.items()
    )
    learned = [a for a in arrows if a.kind in ("plastic", "matrix")]
    text = [
        f"Wiring of the {circuit.name.replace('_', ' ')} circuit, {circuit.n_neurons:,} neurons. "
        f"Boxes by layer: {layers}."
    ]
    if learned:
        text.append(
            "Weight matrices: "
            + "; ".join(
                f"{a.label} from {pretty(a.source)} to {listed([pretty(n) for n in a.targets])}"
                for a in learned
            )
            + "."
        )
    if folds:
        text.append(f"Left out, because they are like the others: {said_of(folds)}.")
    if n_gates:
        text.append(
            f"A ring of {n_gates} gates runs along the bottom; each box carries the numbers of "
            "the gates that open it or hold it shut."
        )
    return " ".join(text)
