"""Plain charts for lessons and results: potentials over time, curves, bars, histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from sbp.errors import SpecError
from sbp.loihi import SCALE, decay
from sbp.plots.picture import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Picture,
    listed,
    logarithmic,
    picture,
)
from sbp.plots.reading import pretty
from sbp.run import Run

LINES = (
    (BLUE, "-", "o"), (VERMILLION, "--", "s"), (GREEN, "-.", "^"), (PURPLE, ":", "D"),
    (ORANGE, "-", "v"), (SKY, "--", "P"),
)  # fmt: skip
HATCHES = ("", "//", "..", "xx", "\\\\", "++")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _titled(fig: Picture, title: str) -> None:
    fig.title = title
    fig.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")


def before_reset(run: Run, name: str) -> np.ndarray:
    """Membrane potential of a population as it was compared with the threshold.

    A run records v at the end of a step, when a neuron that fired is back at zero; here those
    entries are computed again from the step before.  Weight units, float, (n_steps, size).

    Raises
    ------
    SpecError
        If u, v and spikes of `name` were not all recorded, in steps that follow each other.
    """
    if any(name not in kept for kept in (run.u, run.v, run.spikes)):
        raise SpecError(
            f"u, v and spikes of {name!r} are needed", do=f"record them: Record({name!r}, ...)"
        )
    if len(run.recorded) and (np.diff(run.recorded) != 1).any():
        raise SpecError("steps are left out of the record", do="record all of them")
    neuron = run.program.populations[run.program.index(name)]
    v, u = run.v[name].astype(np.int64), run.u[name].astype(np.int64)
    past = np.vstack([np.zeros((1, v.shape[1]), np.int64), v[:-1]])
    return np.where(run.spikes[name], decay(past, neuron.dv) + u + neuron.bias, v) / SCALE


@picture
def potentials(
    run: Run,
    populations: Sequence[str],
    *,
    neuron: int = 0,
    title: str | None = None,
    near: bool = False,
) -> Picture:
    """Membrane potential of one neuron of each population, step by step, with its spikes.

    Parameters
    ----------
    run : Run
        With u, v and spikes of the populations recorded in every step.
    populations : sequence of str
        One panel each.
    neuron : int
        Which neuron of each population.
    title : str, optional
    near : bool
        Show what happens near the threshold: the axis ends half a threshold below zero, and a
        potential further down is an arrow at its foot, with its number where it changes.

    Notes
    -----
    Dots are the potential as it is compared with the threshold (weight units); a diamond above
    it marks a spike, after which the potential is zero again.
    """
    names = list(populations)
    fig = Picture(figsize=(8, 0.9 + 1.55 * len(names)), layout="constrained")
    _titled(fig, title or "Membrane potential, step by step")
    steps = run.first_step + run.recorded
    said = []
    panels = fig.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for ax, name in zip(panels, names, strict=True):
        v, fired = before_reset(run, name)[:, neuron], run.spikes[name][:, neuron]
        threshold = run.program.populations[run.program.index(name)].threshold / SCALE
        ax.axhline(threshold, color=VERMILLION, ls="--", lw=1.2)
        ax.annotate(f"threshold {threshold:,.0f}", (1.0, threshold), ha="right", va="bottom",
                    xycoords=("axes fraction", "data"), fontsize=8, color=VERMILLION)  # fmt: skip
        ax.axhline(0, color="#cccccc", lw=0.8, zorder=0)
        foot = -threshold / 2
        far = v < foot if near else np.zeros(len(v), bool)
        ax.vlines(steps, 0, np.where(far, foot, v), color=BLUE, lw=1.6)
        ax.plot(steps[~far], v[~far], "o", color=BLUE, ms=5, gid=f"potential {name}")
        ax.plot(steps[far], np.full(far.sum(), foot), "v", color=BLUE, ms=6, gid=f"far {name}")
        for i in np.flatnonzero(far & np.concatenate([[True], np.diff(v) != 0])):
            ax.annotate(f"{v[i]:,.0f}", (steps[i], foot), xytext=(7, 0), fontsize=8,
                        textcoords="offset points", va="center")  # fmt: skip
        low, high = min(v[~far].min(initial=0), foot if far.any() else 0), max(v.max(), threshold)
        room = high - low
        ax.plot(steps[fired], np.full(fired.sum(), high + 0.14 * room), "D", color="black", ms=6,
                gid=f"spikes {name}")  # fmt: skip
        top = int(v.argmax())
        if v.min() < v[top] and not far[top]:
            # Beside the dot, and clear of the threshold's line.
            close = abs(v[top] - threshold) < 0.12 * room
            ax.annotate(f"{v[top]:,.0f}", (steps[top], v[top]), xytext=(7, 5 if close else 0),
                        fontsize=8, textcoords="offset points",
                        va="bottom" if close else "center")  # fmt: skip
        ax.set_ylim(low - 0.08 * room, high + 0.28 * room)
        ax.set_ylabel(f"v of {pretty(name)}")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        when = [str(step) for step in steps[fired]]
        said.append(
            f"{pretty(name)} runs from {_number(v.min())} to {_number(v.max())} and "
            + (f"spikes in step{'s' if len(when) > 1 else ''} {listed(when)}" if when
               else "never spikes")
        )  # fmt: skip
    panels[-1].set_xlabel("step")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    fig.alt = (
        f"Membrane potential over {len(steps)} steps, weight units, threshold as a dashed line, "
        f"spikes as diamonds: {'; '.join(said)}."
        + (f" Drawn from {-threshold / 2:,.0f} up; what lies below is an arrow." if near else "")
    )
    return fig


@picture
def curves(
    x: Sequence[float] | np.ndarray,
    series: Mapping[str, Sequence[float] | np.ndarray],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
    marks: Mapping[str, float] | None = None,
    steps: bool = False,
    log: bool = False,
) -> Picture:
    """One or several curves over the same x, told apart by colour, line and marker.

    Parameters
    ----------
    x : sequence of float
        Ascending.
    series : mapping of str to sequence of float
        Label -> y.
    marks : mapping of str to float, optional
        Label -> x, drawn as vertical lines.
    steps : bool
        Draw stairs, a panel for each curve, for curves that are 0 or 1.
    log : bool
        Logarithmic y.
    """
    x = np.asarray(x, float)
    table = {label: np.asarray(y, float) for label, y in series.items()}
    if not table or any(y.shape != x.shape or not y.size for y in table.values()):
        raise SpecError("curves need y of the length of x", allowed=f"{x.size} values each")
    rows = len(table) if steps else 1
    fig = Picture(figsize=(8, 0.9 + 0.75 * rows if steps else 3.6), layout="constrained")
    _titled(fig, title)
    panels = fig.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for i, (label, y) in enumerate(table.items()):
        colour, line, marker = LINES[i % len(LINES)]
        ax = panels[i if steps else 0]
        if steps:
            ax.step(x, y, color=colour, lw=2, where="post", gid=f"curve {label}")
            ax.fill_between(x, y, step="post", color=colour, alpha=0.15, lw=0)
            ax.set(ylim=(-0.1, 1.15), yticks=[0, 1])
            ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11,
                          fontweight="bold", color=colour)  # fmt: skip
        else:
            ax.plot(x, y, color=colour, ls=line, marker=marker, ms=5, lw=1.8, label=label,
                    markevery=max(1, len(x) // 14), gid=f"curve {label}")  # fmt: skip
    for ax in panels:
        for value in (marks or {}).values():
            ax.axvline(value, color=GREY, ls=":", lw=1.2)
    for label, value in (marks or {}).items():
        panels[0].annotate(label, (value, 1.0), xycoords=("data", "axes fraction"), ha="center",
                           va="bottom", fontsize=8.5, color=GREY)  # fmt: skip
    if not steps:
        panels[0].set_ylabel(ylabel)
        panels[0].grid(axis="y", color="#dddddd", lw=0.6)
        if log:
            logarithmic(panels[0])
        if len(table) > 1:
            panels[0].legend(frameon=False)
    panels[-1].set_xlabel(xlabel)
    panels[-1].xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    fig.alt = (
        f"{title}. {ylabel} against {xlabel}, {_number(x[0])} to {_number(x[-1])}: "
        + "; ".join(_said(x, label, y, steps) for label, y in table.items())
        + "."
    )
    return fig


def _said(x: np.ndarray, label: str, y: np.ndarray, steps: bool) -> str:
    if not steps:
        return f"{label} goes from {_number(y[0])} to {_number(y[-1])}"
    edges = np.flatnonzero(np.diff(y)) + 1
    if not len(edges):
        return f"{label} is {_number(y[0])} throughout"
    jumps = [f"{_number(y[e])} from {_number(x[e])} on" for e in edges]
    return f"{label} is {_number(y[0])}, then {listed(jumps)}"


@picture
def bars(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]] | Sequence[float],
    *,
    ylabel: str,
    title: str,
    form: str = "{:,.0f}",
    log: bool = False,
) -> Picture:
    """Horizontal bars with their numbers, one or several to a label.

    Parameters
    ----------
    labels : sequence of str
    series : mapping of str to sequence of float, or one sequence
        Legend -> a value for each label.
    ylabel : str
        What is measured, with its unit.
    form : str
        How a number is written.
    log : bool
        Logarithmic scale; all values above zero.
    """
    table = dict(series) if isinstance(series, Mapping) else {"": series}
    if not labels or any(len(values) != len(labels) for values in table.values()):
        raise SpecError("bars need a value for each label", allowed=f"{len(labels)} values each")
    thick = 0.8 / len(table)
    fig = Picture(
        figsize=(8, 1.1 + len(labels) * max(0.34, 0.27 * len(table))), layout="constrained"
    )
    _titled(fig, title)
    ax = fig.subplots()
    for i, (name, values) in enumerate(table.items()):
        y = np.arange(len(labels)) + (i - (len(table) - 1) / 2) * thick
        colour = LINES[i % len(LINES)][0]
        drawn = ax.barh(y, values, thick * 0.92, color=colour, hatch=HATCHES[i % len(HATCHES)],
                        edgecolor="white", lw=0.5, label=name, gid=f"bars {name}")  # fmt: skip
        ax.bar_label(drawn, [form.format(value) for value in values], padding=3, fontsize=8.5)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)  # the first at the top
    ax.set_xlabel(ylabel)
    ax.margins(x=0.14)
    if log:
        logarithmic(ax, across=True)
    else:
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    if len(table) > 1:
        ax.legend(frameon=False, ncols=len(table), loc="lower left", bbox_to_anchor=(0, 1),
                  borderaxespad=0.2)  # fmt: skip
    fig.alt = f"{title}. {ylabel}: " + "; ".join(
        (f"{name}: " if name else "")
        + ", ".join(f"{a} {form.format(b)}" for a, b in zip(labels, values, strict=True))
        for name, values in table.items()
    ) + "."  # fmt: skip
    return fig


def mean_and_error(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Mean, and its standard error: the deviation (n - 1) over the root of n; 0 for one value."""
    found = np.asarray(values, float)
    if len(found) < 2:
        return float(found.mean()), 0.0
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found)))


def _draw_points(
    ax: Axes, rows: Mapping[str, Sequence[float]], groups: Mapping[str, str] | None
) -> None:
    """A line for each row, the first at the top: a dot for each value, mean and standard error."""
    kinds = list(dict.fromkeys((groups or {}).values()))
    named: set[str] = set()
    for y, (label, values) in enumerate(rows.items()):
        kind = (groups or {}).get(label, "")
        colour, _, marker = LINES[kinds.index(kind) if kind else 0]
        mean, error = mean_and_error(values)
        ax.plot(values, [y] * len(values), ".", color=colour, alpha=0.45, ms=5,
                gid=f"values {label}")  # fmt: skip
        ax.errorbar(mean, y, xerr=error, fmt=marker, color=colour, ms=6, lw=1.6, capsize=3,
                    mfc="white", mew=1.4, label=kind if kind not in named else None,
                    gid=f"mean {label}")  # fmt: skip
        named.add(kind)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(axis="y", color="#eeeeee", lw=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")


@picture
def points(
    rows: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    title: str,
    groups: Mapping[str, str] | None = None,
    lines: Mapping[str, float] | None = None,
    form: str = "{:.1f}",
) -> Picture:
    """What was measured several times, a line for each: all values, their mean, its error.

    Parameters
    ----------
    rows : mapping of str to sequence of float
        Label -> a value for each repetition, one or more; the first label is at the top.
    xlabel : str
        What is measured, with its unit.
    groups : mapping of str to str, optional
        Label -> legend; rows of a legend share colour and marker.
    lines : mapping of str to float, optional
        Label -> x, drawn as vertical lines.
    form : str
        How a number is written.
    """
    if not rows or any(not len(values) for values in rows.values()):
        raise SpecError("no points to draw", allowed="one value or more for each label")
    fig = Picture(figsize=(8, 1.4 + 0.24 * len(rows)), layout="constrained")
    _titled(fig, title)
    ax = fig.subplots()
    _draw_points(ax, rows, groups)
    for label, value in (lines or {}).items():
        ax.axvline(value, color=GREY, ls=":", lw=1.2, zorder=0)
        ax.annotate(f"{label} {form.format(value)}", (value, 1.0), ha="center", va="bottom",
                    xycoords=("data", "axes fraction"), fontsize=8.5, color=GREY)  # fmt: skip
    ax.set_xlabel(xlabel)
    kinds = list(dict.fromkeys((groups or {}).values()))
    if kinds:
        fig.legend(*ax.get_legend_handles_labels(), frameon=False, loc="outside lower center",
                   ncols=min(len(kinds), 3))  # fmt: skip
    said = []
    for kind in kinds or [""]:
        own = [label for label in rows if (groups or {}).get(label, "") == kind]
        texts = (
            f"{label} {form.format(mean)} ± {form.format(error)}"
            for label in own
            for mean, error in (mean_and_error(rows[label]),)
        )
        said.append((f"{kind}: " if kind else "") + ", ".join(texts))
    n = len(next(iter(rows.values())))
    fig.alt = (
        f"{title}. {xlabel}, mean and standard error of {n} values each: {'; '.join(said)}."
        + "".join(f" A line at {form.format(value)}: {label}." for label, value in
                  (lines or {}).items())
    )  # fmt: skip
    return fig


@picture
def dots(
    labels: Sequence[str],
    values: Sequence[Sequence[float]],
    *,
    xlabel: str,
    title: str,
    ours: Sequence[bool] | None = None,
    form: str = "{:,.1f}",
) -> Picture:
    """One dot for each label, on an axis that need not begin at zero, with what it varies by.

    Parameters
    ----------
    labels : sequence of str
    values : sequence of sequence of float
        For each label one or several values: the dot is their mean, the bar goes from the least to
        the largest.
    ours : sequence of bool, optional
        Filled dots; the others, such as published values, are hollow.
    form : str
        How a number is written.
    """
    if not labels or len(values) != len(labels) or not all(len(row) for row in values):
        raise SpecError("dots need values for each label", allowed=f"{len(labels)} lists of them")
    filled = list(ours or [True] * len(labels))
    fig = Picture(figsize=(8, 1.1 + 0.34 * len(labels)), layout="constrained")
    _titled(fig, title)
    ax = fig.subplots()
    said = []
    for y, (label, row, own) in enumerate(zip(labels, values, filled, strict=True)):
        mean, colour = float(np.mean(row)), VERMILLION if own else BLUE
        text = form.format(mean)
        if len(row) > 1:
            ax.plot([min(row), max(row)], [y, y], "|-", color=colour, lw=1.6, ms=11, mew=1.6,
                    gid=f"range {label}")  # fmt: skip
            text += f" ({form.format(min(row))} to {form.format(max(row))})"
        ax.plot(mean, y, "o" if own else "D", color=colour, ms=6, mfc=colour if own else "white",
                mew=1.6, gid=f"dot {label}")  # fmt: skip
        ax.annotate(text, (max(row), y), xytext=(9, 0), textcoords="offset points", va="center",
                    fontsize=8.5)  # fmt: skip
        said.append(f"{label} {text}")
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)  # the first at the top
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    ax.set_xlabel(xlabel)
    ax.margins(x=0.16)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    fig.alt = f"{title}. {xlabel}: {', '.join(said)}."
    return fig


@picture
def histogram(
    values: Mapping[str, np.ndarray],
    *,
    xlabel: str,
    title: str,
    limits: Mapping[str, float] | None = None,
    bins: int = 60,
) -> Picture:
    """How often values occur, on a logarithmic scale, against limits drawn as vertical lines.

    Parameters
    ----------
    values : mapping of str to ndarray
        Legend -> values, any shape.
    limits : mapping of str to float, optional
        Label -> x.
    bins : int
        2 .. 400.
    """
    table = {name: np.ravel(array) for name, array in values.items()}
    if not table or not all(array.size for array in table.values()):
        raise SpecError("no values to count", allowed="one or more in each array")
    every = np.concatenate([*table.values(), list((limits or {}).values())])
    edges = np.histogram_bin_edges(every, bins)
    fig = Picture(figsize=(8, 3.5), layout="constrained")
    _titled(fig, title)
    ax = fig.subplots()
    for i, (name, array) in enumerate(table.items()):
        colour, line, _ = LINES[i % len(LINES)]
        counts, _ = np.histogram(array, edges)
        ax.stairs(counts, edges, color=colour, ls=line, lw=1.8, label=name, gid=f"counts {name}")
        ax.stairs(counts, edges, color=colour, fill=True, alpha=0.12)
    for label, value in (limits or {}).items():
        ax.axvline(value, color=VERMILLION, ls="--", lw=1.2)
        ax.annotate(f"{label}\n{value:,.0f}", (value, 0.98), xytext=(-4, 0),
                    textcoords="offset points", xycoords=("data", "axes fraction"), ha="right",
                    va="top", fontsize=8.5, color=VERMILLION)  # fmt: skip
    logarithmic(ax)
    ax.set(xlabel=xlabel, ylabel="how often")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if len(table) > 1:
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(table))
    fig.alt = (
        f"{title}. Histogram of {xlabel}, logarithmic counts: "
        + "; ".join(
            f"{name}: {array.size:,} values from {_number(array.min())} to {_number(array.max())}"
            for name, array in table.items()
        )
        + "".join(f"; limit {label} at {_number(value)}" for label, value in (limits or {}).items())
        + "."
    )
    return fig
