"""Pictures of a run: its spikes, and its operations counted by phase."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle

from sbp.circuits.timing import Timing, timing
from sbp.errors import SpecError
from sbp.plots.picture import GREY, SKY, YELLOW, Picture, blank, inked, listed, mixed, picture
from sbp.plots.reading import (
    GATES,
    Window,
    change,
    colour_of,
    folded,
    groups_of,
    meaning,
    meeting,
    phase_label,
    pretty,
    said_of,
    windows_of,
)
from sbp.run import Run
from sbp.spec import Circuit

ROWS_AT_MOST = 16  #: larger populations are laid out as a small image in every step
GRID_SAMPLES = 2  #: ... unless more samples than these share the width
COLUMNS_AT_MOST, BANDS_AT_MOST = 1200, 80
GROUP_GAP, BAND_GAP = 0.16, 0.05  # inches
CELL = 0.44  # half width of what is drawn in a step, in steps


@dataclass(frozen=True)
class Band:
    """The strip of one population: `rows` x `columns` places from `top` (inches) down."""

    name: str
    size: int
    group: str
    top: float
    height: float
    rows: int
    columns: int
    start: float = -CELL  # where its marks begin and end in a step
    end: float = CELL

    def corners(self, step: np.ndarray, neuron: np.ndarray) -> np.ndarray:
        """The rectangles of spikes, shape (n, 4, 2): steps across, inches down."""
        pitch = np.array([(self.end - self.start) / self.columns, self.height / self.rows])
        place = np.stack([neuron % self.columns, neuron // self.columns], axis=1)
        start = place * pitch + np.stack([step + self.start, np.full(len(step), self.top)], axis=1)
        gap = 0.12 if self.columns > 1 else 0.0
        unit = np.array([[gap, 0.12], [1 - gap, 0.12], [1 - gap, 0.88], [gap, 0.88]])
        return start[:, None, :] + unit * pitch


def _bands(
    sizes: dict[str, int], groups: dict[str, str], n_samples: int, inch: float
) -> tuple[list[Band], float]:
    bands: list[Band] = []
    gates = sum(size for name, size in sizes.items() if groups[name] == GATES)
    top, previous = 0.0, None
    for name, size in sizes.items():
        group = groups[name]
        if group == GATES:
            height, rows, columns = size * min(0.08, 2.4 / gates), size, 1
        else:
            height = min(max(0.058 * math.sqrt(size), 0.3), 0.55)
            rows, columns = size, 1
            if n_samples <= GRID_SAMPLES and size > ROWS_AT_MOST:
                rows = math.isqrt(size)
                columns = math.ceil(size / rows)
        if previous is not None:
            top += GROUP_GAP if group != previous else 0.0 if group == GATES else BAND_GAP
        half = min(CELL, height / rows * columns * inch / 2) if columns > 1 else CELL
        # A single sample leaves room to write which neuron fired.
        end = 0.2 if columns == 1 and n_samples == 1 and size <= ROWS_AT_MOST else half
        bands.append(Band(name, size, group, top, height, rows, columns, -half, end))
        top, previous = top + height, group
    return bands, top + 0.03


@picture
def raster(
    run: Run,
    *,
    samples: int | slice = slice(0, 1),
    populations: Iterable[str] | None = None,
    title: str | None = None,
    first: int = 0,
) -> Picture:
    """Spikes of one sample or several, with the phases, gates and learning steps marked.

    Time runs to the right, one column for each step.  A population has one row for each neuron;
    where one or two samples are shown, a population of more than 16 neurons is laid out as a
    small image in every step, row by row, so that a picture given as input can be seen.

    Parameters
    ----------
    run : Run
        With recorded spikes (``record=ALL_SPIKES``).
    samples : int or slice
        Samples of the run, counted from its first; negative counts from its end.
    populations : iterable of str, optional
        What to show, in this order; by default every recorded population, gates first, and no
        source.  Of more than three hidden layers only the first and the last are shown then.
    title : str, optional
    first : int
        Number of the run's first sample, where samples are named.

    Returns
    -------
    Picture
        Spikes are `PolyCollection` s whose gid is ``spikes <population>``; phase bands are
        patches whose gid is ``phase <p>``.

    Raises
    ------
    SpecError
        If no spikes were recorded, or a sample or population is not in the run.
    """
    circuit, period = run.program.circuit, run.program.period
    chosen = _samples(run, samples)
    groups = groups_of(circuit)
    names = _recorded(run, populations, groups)
    left_out = said_of(folded(groups)) if populations is None else ""
    n = len(chosen)
    columns = n * period
    _check_size(columns, [name for name in names if groups[name] != GATES])
    # Column of every recorded step, or -1 where its sample is not shown.
    held = _held(run)
    place = np.full(held.max() + 1, -1)
    place[chosen] = np.arange(n)
    column = np.where(place[held] < 0, -1, place[held] * period + run.phases)

    left, right, bottom = 1.42, 0.1, 0.42
    header = (0.62 if n == 1 else 0.45) + 0.12
    width = min(max(8.0, left + (0.52 if n == 1 else 0.14) * columns), 16.0)
    inch = columns / (width - left - right)  # steps in an inch
    sizes = {name: run.spikes[name].shape[1] for name in names}
    bands, height = _bands(sizes, groups, n, inch)
    fig, ax = blank(width, height + header + bottom + 0.42, left, right, header + 0.42, bottom)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(height, 0))
    fig.title = title or _title(run, chosen)
    fig.suptitle(
        fig.title, x=0.12 / width, y=1 - 0.12 / fig.get_figheight(), ha="left", va="top",
        fontsize=13, fontweight="bold",
    )  # fmt: skip

    known = set(column[column >= 0].tolist())
    _phase_bands(ax, circuit, n, height, known)
    if n == 1:
        _phase_heads(ax, circuit, inch)
    else:
        _sample_heads(ax, circuit, [first + sample for sample in chosen], inch)
    windows, opened = windows_of(circuit), timing(circuit)
    ended = not opened.lasts  # the ring: nothing opens after the first sample
    learned = [set(meeting(circuit, p)) for p in range(period)]
    _labels(ax, bands, inch)
    if left_out:
        _gap(ax, bands, left_out, columns, inch)
    shown = column >= 0
    for band in bands:
        for i, sample in enumerate(chosen):
            if not (ended and run.first_step // period + sample):
                _windows(ax, band, opened, windows, learned, i * period, 1.7 if n == 1 else 1.0)
        at, neuron = np.nonzero(run.spikes[band.name][shown])
        marks = PolyCollection(
            list(band.corners(column[shown][at], neuron)), facecolor=colour_of(band.group),
            linewidth=0, gid=f"spikes {band.name}", zorder=3,
        )  # fmt: skip
        marks.set_rasterized(len(at) > 20_000)
        ax.add_collection(marks, autolim=False)
        if n == 1 and inch < 72 / 28:
            _numbers(ax, band, column[shown][at], neuron)
    for i, p in ((i, p) for i in range(n) for p in range(period)):
        if circuit.phases[p].reward:
            ax.plot(i * period + p, -0.08, marker="*", ms=11 if n == 1 else 6, mfc=YELLOW,
                    mec="black", mew=0.7, clip_on=False, gid=f"reward {i * period + p}",
                    zorder=5)  # fmt: skip
    _key(fig, circuit)
    fig.alt = _raster_alt(run, chosen, bands, column, columns - len(known), first, left_out)
    return fig


def _held(run: Run) -> np.ndarray:
    """The sample of every recorded step, counted from the run's first."""
    return (run.first_step % run.program.period + run.recorded) // run.program.period


def _samples(run: Run, samples: int | slice) -> list[int]:
    if not run.spikes or not run.recorded.size:
        raise SpecError("the run holds no recorded spikes", do="run it with record=ALL_SPIKES")
    every = np.unique(_held(run))
    total = int(every[-1]) + 1
    if isinstance(samples, slice):
        chosen = [i for i in range(total)[samples] if i in every]
    else:
        chosen = [i for i in range(total)[samples : samples + 1 or None] if i in every]
    if not chosen:
        raise SpecError(
            f"samples {samples} are not in the run",
            allowed=f"recorded samples from {every[0]} to {every[-1]}",
        )
    return chosen


def _check_size(columns: int, names: list[str]) -> None:
    if columns > COLUMNS_AT_MOST:
        raise SpecError(
            f"{columns} steps to draw", allowed=f"{COLUMNS_AT_MOST}", do="fewer samples"
        )
    if len(names) > BANDS_AT_MOST:
        raise SpecError(
            f"{len(names)} populations to draw", allowed=f"{BANDS_AT_MOST}", do="name some of them"
        )


def _recorded(run: Run, populations: Iterable[str] | None, groups: dict[str, str]) -> list[str]:
    if populations is None:
        sources = [source.name for source in run.program.sources]
        hidden = {*sources, *(name for name, group in groups.items() if group in folded(groups))}
        names = [name for name in run.spikes if name not in hidden]
        order = list(dict.fromkeys((GATES, *(groups[name] for name in names))))
        return sorted(names, key=lambda name: order.index(groups[name]))
    names = [populations] if isinstance(populations, str) else list(populations)
    for name in names:
        if name not in run.spikes:
            raise SpecError(
                f"no spikes of a population {name!r} were recorded", allowed=", ".join(run.spikes)
            )
    if not names:
        raise SpecError("no populations to show", allowed=", ".join(run.spikes))
    return names


def _title(run: Run, chosen: list[int]) -> str:
    what = "One sample" if len(chosen) == 1 else f"{len(chosen)} samples"
    name = run.program.name.replace("_", " ")
    return f"{what} through the {name} circuit, spike by spike"


def _phase_bands(ax: Axes, circuit: Circuit, n: int, height: float, known: set[int]) -> None:
    for k in range(n * circuit.period):
        p = k % circuit.period
        phase = circuit.phases[p]
        colour: object = "#ececec" if k % 2 else "#f7f7f7"
        if phase.learns:
            colour = mixed(YELLOW if change(circuit, p) > 0 else SKY, "white", 0.62)
        ax.add_patch(Rectangle((k - 0.5, 0), 1, height, fc=colour, ec="none", zorder=0,
                               gid=f"phase {p}"))  # fmt: skip
        if k not in known:
            ax.add_patch(Rectangle((k - 0.5, 0), 1, height, fc="none", ec="#999999", hatch="xx",
                                   lw=0, zorder=4, gid="not recorded"))  # fmt: skip


def _phase_heads(ax: Axes, circuit: Circuit, inch: float) -> None:
    wide = 72 / inch  # points of a column
    size = min(8.5, wide / 4.4)  # about 8 letters must fit
    for p in range(0, circuit.period, math.ceil(16 / wide)):
        ax.text(p, -0.5, f"{p}", ha="center", va="bottom", fontsize=12 if wide > 28 else 8,
                fontweight="bold")  # fmt: skip
        if wide < 28:
            continue
        bold = "bold" if circuit.phases[p].learns else "normal"
        ax.text(p, -0.47, phase_label(circuit, p), ha="center", va="top", fontsize=size,
                fontweight=bold, linespacing=1.05)  # fmt: skip
    ax.text(-0.5 - 0.12 * inch, -0.5, "phase p", ha="right", va="bottom", fontsize=10.5,
            fontweight="bold")  # fmt: skip


def _sample_heads(ax: Axes, circuit: Circuit, chosen: list[int], inch: float) -> None:
    period = circuit.period
    wide = 72 / inch  # points of a column
    every = 1 if wide > 11 else 3 if wide > 4.5 else period
    for i, sample in enumerate(chosen):
        start, end = i * period - 0.5, (i + 1) * period - 0.5
        ax.plot([start + 0.1, end - 0.1], [-0.36, -0.36], color="black", lw=1, clip_on=False)
        if i % math.ceil(24 / (wide * period)) == 0:
            ax.text((start + end) / 2, -0.38, f"{sample}", ha="center", va="bottom", fontsize=10,
                    fontweight="bold")  # fmt: skip
        for p in range(0, period, every):
            ax.text(i * period + p, -0.33, f"{p}", ha="center", va="top", fontsize=7)
        if i:
            ax.axvline(start, color="black", lw=min(1, wide / 8), zorder=4)
    edge = -0.5 - 0.12 * inch
    ax.text(edge, -0.38, "sample", ha="right", va="bottom", fontsize=10, fontweight="bold")
    ax.text(edge, -0.33, "phase p", ha="right", va="top", fontsize=8)


def _labels(ax: Axes, bands: list[Band], inch: float) -> None:
    edge = -0.5 - 0.09 * inch
    for group, members in groupby(bands, key=lambda band: band.group):
        own = list(members)
        top, end = own[0].top, own[-1].top + own[-1].height
        colour = inked(colour_of(group))
        x = edge - 0.95 * inch
        ax.plot([x, x], [top, end], color=colour, lw=3, clip_on=False, solid_capstyle="butt")
        text = group if end - top > 0.09 * len(group) else group.replace(" and ", "\nand ")
        size = min(10.0, (end - top) / (0.0095 * max(map(len, text.split("\n")))))
        if size > 5:
            ax.text(x - 0.06 * inch, (top + end) / 2, text, rotation=90, ha="right", va="center",
                    fontsize=size if text == group else min(size, 8.5), fontweight="bold",
                    color=colour, linespacing=0.95)  # fmt: skip
        if group == GATES:
            own = [Band("ring", 0, group, top, end - top, 1, 1)]
        for band in own:
            middle = band.top + band.height / 2
            ax.text(edge, middle - 0.005, pretty(band.name), ha="right", va="baseline",
                    fontsize=10.5, fontweight="bold", color=colour)  # fmt: skip
            about = "one spike\ngoes round" if group == GATES else meaning(band.name)
            ax.text(edge, middle + 0.03, about or f"{band.size} neurons", ha="right", va="top",
                    fontsize=7.5, color=GREY, linespacing=1.0)  # fmt: skip


def _gap(ax: Axes, bands: list[Band], left_out: str, columns: int, inch: float) -> None:
    """Say between the first and the last hidden layer what is not there."""
    hidden = [group for band in bands if (group := band.group).startswith("hidden")]
    last = next(band for band in bands if band.group == hidden[-1])
    y = last.top - GROUP_GAP / 2
    ax.plot([-0.5, columns - 0.5], [y, y], color=GREY, lw=1, ls=(0, (1, 3)), zorder=5)
    ax.text(-0.5 - 0.09 * inch, y, f"... {left_out}", ha="right", va="center", fontsize=7.5,
            color=GREY)  # fmt: skip


def _numbers(ax: Axes, band: Band, step: np.ndarray, neuron: np.ndarray) -> None:
    """Write which neuron fired beside its mark, where there is room for it."""
    gates = band.group == GATES
    if band.columns > 1 or not (gates or 3 <= band.size <= ROWS_AT_MOST):
        return
    pitch = band.height / band.rows
    for at in np.unique(step):
        rows = np.sort(neuron[step == at])
        if len(rows) <= 3 and (len(rows) == 1 or np.diff(rows).min() * pitch > 0.09):
            for row in rows:
                y = min(max(band.top + (row + 0.5) * pitch, band.top + 0.05),
                        band.top + band.height - 0.05)  # fmt: skip
                ax.text(at + 0.23, y, pretty(band.name) if gates else f"{row}", ha="left",
                        va="center_baseline", fontsize=7, color="black", zorder=4)  # fmt: skip


def _windows(
    ax: Axes,
    band: Band,
    opened: Timing,
    windows: dict[tuple[str, int], Window],
    learned: list[set[str]],
    start: int,
    thick: float,
) -> None:
    for p in range(len(learned)):
        box = ((start + p - 0.5, band.top - 0.015), 1, band.height + 0.03)
        if opened.is_open(band.name, p) and band.group != GATES:
            ax.add_patch(Rectangle(
                *box, fc=mixed(colour_of(band.group), "white", 0.86), ec=colour_of(band.group),
                lw=thick if band.name in learned[p] else 0.5, clip_on=False, zorder=1,
                gid=f"open {band.name}",
            ))  # fmt: skip
        elif (band.name, p) in windows and windows[band.name, p].shut:
            ax.add_patch(Rectangle(*box, fc="none", ec="#8a8a8a", lw=0, hatch="/////", zorder=1,
                                   gid=f"shut {band.name}"))  # fmt: skip


def _key(fig: Picture, circuit: Circuit) -> None:
    width, height = fig.get_size_inches()
    ax = fig.add_axes((0, 0, 1, 0.36 / height))
    ax.set(xlim=(0, width), ylim=(0, 0.36))
    ax.set_axis_off()
    x = 0.25
    shown: list[tuple[str, dict[str, Any]]] = [
        ("spike", {"fc": "black", "ec": "none"}),
        ("gate open: may fire", {"fc": "#dddddd", "ec": "black", "lw": 0.5}),
    ]
    if any(phase.learns for phase in circuit.phases):
        shown.append(("open, learning", {"fc": "#dddddd", "ec": "black", "lw": 1.8}))
    if any(window.shut for window in windows_of(circuit).values()):
        shown.append(("held shut", {"fc": "none", "ec": "#8a8a8a", "lw": 0, "hatch": "/////"}))
    for text, style in shown:
        side = 0.07 if text == "spike" else 0.16
        ax.add_patch(Rectangle((x + (0.16 - side) / 2, 0.18 - side / 2), side, side, **style))
        ax.text(x + 0.24, 0.18, text, va="center_baseline", fontsize=8.5)
        x += 0.24 + 0.068 * len(text) + 0.26
    if any(phase.reward for phase in circuit.phases):
        ax.plot(x + 0.08, 0.18, marker="*", ms=10, mfc=YELLOW, mec="black", mew=0.7)
        ax.text(x + 0.24, 0.18, "reward", va="center_baseline", fontsize=8.5)


def _spikes(count: int) -> str:
    return f"{count:,} spike{'' if count == 1 else 's'}"


def _raster_alt(
    run: Run,
    chosen: list[int],
    bands: list[Band],
    column: np.ndarray,
    missing: int,
    first: int,
    left_out: str,
) -> str:
    circuit, period = run.program.circuit, run.program.period
    shown = column >= 0
    which = f"sample {first + chosen[0]}" if len(chosen) == 1 else f"{len(chosen)} samples"
    text = [
        f"Spike raster of {which} in the {circuit.name.replace('_', ' ')} circuit: {period} phases "
        f"{'' if len(chosen) == 1 else 'a sample '}from left to right, populations from top to "
        "bottom."
    ]
    if left_out:
        text.append(f"Left out, because they are like the others: {left_out}.")
    if any(band.group == GATES for band in bands):
        text.append("The ring of gates passes one spike on in every step.")
    text += _answer(run, chosen, [band.name for band in bands])
    silent, opened = [], timing(circuit)
    for band in (band for band in bands if band.group != GATES):
        trains = run.spikes[band.name][shown]
        phases = sorted(set((column[shown][trains.any(axis=1)] % period).tolist()))
        if not phases:
            silent.append(pretty(band.name))
            continue
        open_in = [p for p in range(period) if opened.is_open(band.name, p)]
        stray = [p for p in phases if p not in open_in]
        text.append(
            f"{pretty(band.name)} fires in phase{'s' if len(phases) > 1 else ''} "
            f"{listed([str(p) for p in phases])}, {_spikes(int(trains.sum()))}"
            + (f", ungated in {listed([str(p) for p in stray])}." if stray else ".")
        )
    if silent:
        text.append(f"{listed(silent)} {'stays' if len(silent) == 1 else 'stay'} silent.")
    for p, phase in enumerate(circuit.phases):
        if phase.learns:
            text.append(
                f"In phase {p} {' '.join(phase.learns)} changes by {change(circuit, p):+d} where "
                f"spikes meet{', under reward' if phase.reward else ''}."
            )
    if missing:
        text.append(f"{missing} steps were not recorded.")
    return " ".join(text)


def _answer(run: Run, chosen: list[int], names: list[str]) -> list[str]:
    """Target and answer of a single sample, where t and o are shown."""
    phases = run.program.circuit.phases
    if len(chosen) > 1 or not {"t", "o"} <= set(names):
        return []
    held = _held(run) == chosen[0]
    said = []
    for name in ("t", "o"):
        p = next((p for p, phase in enumerate(phases) if name in phase.fires), None)
        fired = run.spikes[name][held & (run.phases == p)]
        said.append(listed([str(i) for i in np.flatnonzero(fired.any(axis=0))] or ["none"]))
    return [f"Target neurons firing: {said[0]}; output neurons answering: {said[1]}."]
