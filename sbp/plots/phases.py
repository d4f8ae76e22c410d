"""A circuit phase by phase: its timetable, and the operations of a run counted by phase."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from sbp.circuits.timing import Timing, timing
from sbp.errors import SpecError
from sbp.plots.picture import GREY, SKY, YELLOW, Picture, blank, inked, listed, mixed, picture
from sbp.plots.reading import (
    GATES,
    Window,
    arrivals,
    change,
    circuit_of,
    colour_of,
    folded,
    groups_of,
    meaning,
    phase_label,
    pretty,
    said_of,
    windows_of,
)
from sbp.program import Program
from sbp.run import Run
from sbp.spec import Circuit

PHASES_AT_MOST, ROWS_AT_MOST = 64, 128  #: of a timetable


@picture
def phase_diagram(circuit: Circuit | Program, *, title: str | None = None) -> Picture:
    """The timetable: which population is open in which phase, what reaches it, what is learned.

    A coloured cell is scheduled to fire; it names the populations whose spikes arrive, and how
    much input it needs, in thresholds (">½", ">0", ">1"), where the ring opened it.  A hatched
    cell is held shut.  The last rows give the reward and the change of each weight matrix.

    Parameters
    ----------
    circuit : Circuit or Program
    title : str, optional

    Returns
    -------
    Picture
        Cells have the gid ``fires <population> <p>``, ``shut <population> <p>`` or
        ``learns <parameter> <p>``.
    """
    circuit = circuit_of(circuit)
    groups, windows, period = groups_of(circuit), windows_of(circuit), circuit.period
    opened = timing(circuit)
    left_out = folded(groups)
    names = [p.name for p in circuit.populations if groups[p.name] != GATES]
    hidden = [name for name in names if groups[name] in left_out]
    names = [name for name in names if name not in hidden]
    columns = _columns(circuit, names, hidden)
    order = list(dict.fromkeys(groups[p.name] for p in circuit.populations))
    if len(columns) > PHASES_AT_MOST or len(names) > ROWS_AT_MOST:
        raise SpecError(
            f"timetable of {period} phases and {len(names)} populations",
            allowed=f"at most {PHASES_AT_MOST} phases and {ROWS_AT_MOST} populations",
        )
    names.sort(key=lambda name: order.index(groups[name]))
    parameters = list(dict.fromkeys(
        n for p in columns if p is not None for n in circuit.phases[p].learns
    ))  # fmt: skip
    rows: list[str | None] = [*names]  # None: the layers that are left out
    if hidden:
        rows.insert(next(i for i, name in enumerate(names) if order.index(groups[name]) >
                         order.index(left_out[-1])), None)  # fmt: skip
    cell = 0.4
    wide = max(6.5 / period, 0.66)
    left, right, top, foot = 1.35, 0.15, 1.35, 0.45
    below = (0.26 * (len(parameters) + 1) + 0.12) if parameters else 0.0
    width = left + right + wide * len(columns)
    fig, ax = blank(width, top + len(rows) * cell + below + foot, left, right, top, foot)
    end = len(columns) - 0.5
    ax.set(xlim=(-0.5, end), ylim=(len(rows) * cell + below, 0))
    fig.title = title or f"The {circuit.name.replace('_', ' ')} circuit, phase by phase"
    fig.suptitle(fig.title, x=0.12 / width, y=1 - 0.12 / fig.get_figheight(), ha="left", va="top",
                 fontsize=13, fontweight="bold")  # fmt: skip
    inch = 1 / wide
    at = {p: x for x, p in enumerate(columns) if p is not None}
    for p, x in at.items():
        ax.text(x, -0.56, f"{p}", ha="center", va="bottom", fontsize=12, fontweight="bold")
        bold = "bold" if circuit.phases[p].learns else "normal"
        ax.text(x, -0.53, phase_label(circuit, p), ha="center", va="top", fontsize=8,
                linespacing=1.05, fontweight=bold)  # fmt: skip
        if circuit.phases[p].learns:
            tint = mixed(YELLOW if change(circuit, p) > 0 else SKY, "white", 0.62)
            ax.add_patch(Rectangle((x - 0.5, 0), 1, len(rows) * cell + below, fc=tint, ec="none"))
    gaps = [x for x, p in enumerate(columns) if p is None]
    for x in gaps:
        ax.text(x, -0.5, "...", ha="center", va="bottom", fontsize=14)
    for x in gaps[:1]:
        said = f"{said_of(left_out)}: the same, one layer at a time"
        room = max(14, int(len(rows) * cell / 0.075))  # characters of that size
        ax.text(x, (len(rows) * cell) / 2, textwrap.fill(said, room), rotation=90, ha="center",
                va="center", fontsize=9, color=GREY)  # fmt: skip
    ax.text(-0.5 - 0.1 * inch, -0.56, "phase p", ha="right", va="bottom", fontsize=10,
            fontweight="bold")  # fmt: skip
    previous = None
    for i, name in enumerate(rows):
        y, group = i * cell, said_of(left_out) if name is None else groups[name]
        colour = GREY if name is None else colour_of(group)
        strong = group != previous
        previous = group
        ax.plot([-0.5 - (left - 0.12) * inch, end], [y, y], lw=1.2 if strong else 0.4,
                color="#555555" if strong else "#bbbbbb", clip_on=False)  # fmt: skip
        label, about = ("...", f"{group}, alike") if name is None else (pretty(name), meaning(name))
        ax.text(-0.5 - 0.1 * inch, y + cell / 2 - 0.01, label, ha="right", va="baseline",
                fontsize=10.5, fontweight="bold", color=inked(colour))  # fmt: skip
        ax.text(-0.5 - 0.1 * inch, y + cell / 2 + 0.03, about, ha="right", va="top", fontsize=7,
                color=GREY)  # fmt: skip
        if name is not None:
            for p, x in at.items():
                _cell(ax, circuit, opened, windows, name, p, (x, y, cell), colour)
    y = len(rows) * cell + 0.12
    for row, name in enumerate([*parameters, "reward"] if parameters else []):
        ax.text(-0.5 - 0.1 * inch, y + 0.26 * row + 0.1, name, ha="right", va="center_baseline",
                fontsize=10, fontweight="bold")  # fmt: skip
        for p, x in at.items():
            phase, place = circuit.phases[p], (x, y + 0.26 * row + 0.1)
            if name == "reward" and phase.reward:
                ax.plot(*place, marker="*", ms=11, mfc=YELLOW, mec="black", mew=0.7)
            elif name in phase.learns:
                ax.text(*place, f"{change(circuit, p):+d}".replace("-", "−"), ha="center",
                        va="center_baseline", fontsize=11, fontweight="bold",
                        gid=f"learns {name} {p}")  # fmt: skip
    _phase_key(fig, any(window.shut for window in windows.values()))
    fig.alt = _phase_alt(circuit, names, said_of(left_out))
    return fig


def _columns(circuit: Circuit, names: list[str], hidden: list[str]) -> list[int | None]:
    """The phases to draw; None for neighbours in which only hidden populations fire."""
    columns: list[int | None] = []
    for p, phase in enumerate(circuit.phases):
        own = set(phase.fires) & set(names)
        if own or not set(phase.fires) & set(hidden):
            columns.append(p)
        elif not columns or columns[-1] is not None:
            columns.append(None)
    return columns


def _cell(ax: Axes, circuit: Circuit, opened: Timing, windows: dict[tuple[str, int], Window],
          name: str, p: int, place: tuple[float, float, float], colour: str
          ) -> None:  # fmt: skip
    x, y, cell = place
    window = windows.get((name, p))
    box = (x - 0.46, y + 0.03), 0.92, cell - 0.06
    if opened.is_open(name, p):
        ax.add_patch(Rectangle(*box, fc=mixed(colour, "white", 0.72), ec=colour, lw=0.9,
                               gid=f"fires {name} {p}", zorder=2))  # fmt: skip
        parts = arrivals(circuit, name, p)
        lines = [parts] if window or len(parts) < 4 else [parts[: len(parts) // 2],
                                                          parts[len(parts) // 2 :]]  # fmt: skip
        senders = "\n".join(" ".join(line) for line in lines)
        longest = max(len(line) for line in senders.split("\n"))
        small = 9 if longest <= 8 else 7.5 if longest <= 11 else 6.5
        ax.text(x, y + (0.15 if window else cell / 2), senders, ha="center", va="center",
                fontsize=small, zorder=3)  # fmt: skip
        if window:
            needs = {0.5: "½", 0.0: "0", 1.0: "1"}.get(window.needs, f"{window.needs:.3g}")
            ax.text(x, y + 0.29, f"> {needs}", ha="center", va="center", fontsize=7,
                    color="#333333", zorder=3)  # fmt: skip
    elif window is not None and window.shut:
        ax.add_patch(Rectangle(*box, fc="none", ec="#8a8a8a", lw=0, hatch="/////", zorder=2,
                               gid=f"shut {name} {p}"))  # fmt: skip


def _phase_key(fig: Picture, shut: bool) -> None:
    width, height = fig.get_size_inches()
    ax = fig.add_axes((0, 0, 1, 0.38 / height))
    ax.set(xlim=(0, width), ylim=(0, 0.38))
    ax.set_axis_off()
    ax.add_patch(Rectangle((0.25, 0.1), 0.5, 0.2, fc="#dddddd", ec="black", lw=0.8))
    ax.text(0.5, 0.2, "x", ha="center", va="center_baseline", fontsize=9)
    about = "may fire, with spikes from x (¬x: if x is silent);  > ½: input needed, in thresholds"
    ax.text(0.83, 0.2, about, va="center_baseline", fontsize=8.5)  # fmt: skip
    if shut:
        ax.add_patch(Rectangle((6.35, 0.1), 0.4, 0.2, fc="none", ec="#8a8a8a", lw=0, hatch="/////"))
        ax.text(6.83, 0.2, "held shut", va="center_baseline", fontsize=8.5)


def _phase_alt(circuit: Circuit, names: list[str], left_out: str) -> str:
    text = [f"Timetable of the {circuit.name.replace('_', ' ')} circuit, {circuit.period} phases."]
    if left_out:
        text.append(f"Left out, because they are like the others: {left_out}.")
    windows, opened = windows_of(circuit), timing(circuit)
    for p, phase in enumerate(circuit.phases):
        order = [*phase.fires, *(name for name in names if name not in phase.fires)]
        fires = [pretty(n) for n in order if n in names and opened.is_open(n, p)]
        shut = [pretty(n) for (n, q), window in windows.items() if q == p and window.shut]
        said = [f"{listed(fires[:8])} fire{'s' if len(fires) == 1 else ''}"] if fires else []
        said += [f"{listed(shut)} held shut"] if shut else []
        said += [f"{n} changes by {change(circuit, p):+d}" for n in phase.learns]
        if said and p < 24:
            text.append(f"Phase {p}: {'; '.join(said)}.")
    return " ".join(text)


@picture
def counters_by_phase(run: Run, *, title: str | None = None) -> Picture:
    """Spikes and synaptic operations of each phase, a sample's mean, stacked by group.

    Parameters
    ----------
    run : Run
        Counters are kept by every run; spikes need not be recorded.
    title : str, optional

    Notes
    -----
    A synaptic operation is one synapse read because its source spiked, counted at emission;
    external sources are left out.
    """
    program, circuit, counters = run.program, run.program.circuit, run.counters
    if not counters.steps.any():
        raise SpecError("the run has no steps to count", do="run at least one sample")
    groups = groups_of(circuit)
    order = list(dict.fromkeys(groups[population.name] for population in program.populations))
    times = np.maximum(counters.steps, 1)[:, None]
    fig = Picture(figsize=(max(8.0, 1.4 + 0.5 * program.period), 5.6), layout="constrained")
    fig.title = title or (
        f"Where the {circuit.name.replace('_', ' ')} circuit spends: mean of a sample, "
        f"{int(counters.steps.max()):,} samples"
    )
    fig.suptitle(fig.title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    panels = fig.subplots(2, 1, sharex=True)
    texts = []
    hatches = {"input": "", "output": "//", "target and error": "xx", GATES: ""}
    for ax, what, label in zip(
        panels, ("spikes", "synaptic_operations"), ("spikes", "synaptic operations"), strict=True
    ):
        values = counters.per_population(program, what) / times
        base = np.zeros(program.period)
        for group in order:
            own = [i for i, q in enumerate(program.populations) if groups[q.name] == group]
            height = values[:, own].sum(axis=1)
            ax.bar(range(program.period), height, bottom=base, color=colour_of(group), width=0.8,
                   edgecolor="white", linewidth=0.5, hatch=hatches.get(group, "\\\\"),
                   label=group, gid=f"{what} {group}")  # fmt: skip
            base += height
        ax.set_ylabel(label)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.margins(y=0.12)
        if base.max() < 10:
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        for p in np.argsort(base)[-1:]:
            ax.text(p, base[p], f"{base[p]:,.1f}".removesuffix(".0"), ha="center", va="bottom",
                    fontsize=8)  # fmt: skip
        busiest = int(base.argmax())
        texts.append(
            f"{base.sum():,.1f} {label} a sample, most in phase {busiest} ({base[busiest]:,.1f})"
        )
    panels[0].legend(frameon=False, ncols=len(order), loc="lower left", bbox_to_anchor=(0, 1),
                     handlelength=1.2, borderaxespad=0.2)  # fmt: skip
    labels = [f"{p}\n{phase_label(circuit, p)}" for p in range(program.period)]
    panels[1].set_xticks(range(program.period), labels, fontsize=7.5)
    panels[1].set_xlabel("phase p")
    fig.alt = (
        f"Bars for each of the {program.period} phases of the {circuit.name.replace('_', ' ')} "
        f"circuit, stacked by {listed(order)}: {listed(texts)}."
    )
    return fig
