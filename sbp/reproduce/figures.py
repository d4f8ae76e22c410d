"""The figure of a result, drawn from its record alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sbp.plots import learning_curve, save
from sbp.plots.picture import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, Picture, picture
from sbp.reproduce.claims import Claim
from sbp.reproduce.status import expected, number, shown

__all__ = ["draw", "save"]

MEASURES = ("exact", "spike", "membrane", "mse")
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, BLACK)
HATCHES = ("", "//", "xx", "..", "\\\\")


def draw(claim: Claim, record: Mapping[str, Any]) -> Picture:
    """The figure of `record`, a result file of `claim`."""
    details = record["details"]
    if claim.id == "fashion-mnist-circuit":
        return parting(claim, details)
    if "on-chip" in details:
        return beside_off_chip(claim, details)
    if "jobs" in details:
        return widths(claim, details)
    if "curves" in details:
        published = {
            q.name.partition(",")[0]: q.expected / 100
            for q in claim.quantities
            if q.expected is not None and q.unit == "%"
        }
        names = ", ".join(record["data"])
        return learning_curve(
            histories(details["curves"]), published=published, title=f"{claim.id} ({names})"
        )
    if claim.id == "mnist-closing-gate":
        return closing_gate(claim, details)
    if "energy, pJ" in details:
        return energy_by_phase(claim, details)
    if "populations" in details:
        return spikes_by_population(claim, details)
    return values(claim, record)


def histories(curves: Mapping[str, Sequence[Sequence[float]]]) -> list[list[dict[str, float]]]:
    """Curves by measure, seed and epoch -> a list of epochs for each seed."""
    names = [name for name in MEASURES if name in curves]
    return [
        [
            {"epoch": epoch, **{name: curves[name][seed][epoch - 1] for name in names}}
            for epoch in range(1, len(curves[names[0]][seed]) + 1)
        ]
        for seed in range(len(curves[names[0]]))
    ]


def _titled(claim: Claim, height: float) -> Picture:
    fig = Picture(figsize=(8, height), layout="constrained")
    fig.title = claim.id
    fig.suptitle(claim.id, fontsize=12, fontweight="bold", x=0.01, ha="left")
    return fig


@picture
def values(claim: Claim, record: Mapping[str, Any]) -> Picture:
    """A row for each quantity: a dot for each seed, the published value and its tolerance."""
    fig = _titled(claim, 0.8 + 0.75 * len(claim.quantities))
    rows = fig.subplots(len(claim.quantities), 1, squeeze=False)[:, 0]
    said = []
    for ax, quantity in zip(rows, claim.quantities, strict=True):
        found = record["values"].get(quantity.name, [])
        if quantity.expected is not None:
            ax.axvspan(quantity.expected - quantity.tolerance,
                       quantity.expected + quantity.tolerance, color=GREEN, alpha=0.2)  # fmt: skip
            ax.axvline(quantity.expected, color=GREEN, lw=1.5, gid="expected")
        ax.plot(found, np.zeros(len(found)), "o", color=BLUE, alpha=0.7, gid="measured")
        around = [*found, *([] if quantity.expected is None else [quantity.expected])] or [0.0]
        room = max(0.15 * (max(around) - min(around)), 2 * quantity.tolerance,
                   0.02 * max(map(abs, around)), 0.5)  # fmt: skip
        ax.set_xlim(min(around) - room, max(around) + room)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(lambda value, _: number(round(value, 6)))
        text = f"{quantity.name}: {shown(found, quantity)}"
        if quantity.expected is not None:
            text += f"; expected {expected(claim, quantity)}"
        ax.set_title(text, loc="left", fontsize=9)
        said.append(text)
    fig.alt = f"One row of dots for each quantity. {'. '.join(said)}."
    return fig


def _mean_line(
    ax: Axes, rows: Sequence[Sequence[float]], colour: str, style: str, label: str
) -> np.ndarray:
    """Mean over seeds by epoch, and the range of the seeds."""
    array = np.array(rows, float)
    epochs = np.arange(1, array.shape[1] + 1)
    ax.plot(epochs, array.mean(axis=0), style, color=colour, label=label, lw=1.8)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(array) > 1:
        ax.fill_between(epochs, array.min(axis=0), array.max(axis=0), color=colour, alpha=0.2, lw=0)
    return array


def _limit(ax: Axes, limit: float) -> None:
    ax.axhline(limit, color=BLACK, ls=":", lw=1.4)
    ax.margins(y=0.15)
    ax.text(1, limit, f"closing gate holds up to {limit:,.0f}", va="bottom", fontsize=8, color=GREY)


@picture
def closing_gate(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Largest closed inputs by epoch under the gate's limit; ungated samples below."""
    fig = _titled(claim, 4.8)
    above, below = fig.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    h = _mean_line(above, details["largest_h"], VERMILLION, "-", "h (p = 8)")
    o = _mean_line(above, details["largest_o"], GREEN, "--", "o (p = 0, 6, 10)")
    _limit(above, details["limit"])
    above.set_ylabel("largest input\nwhile closed")
    above.set_ylim(bottom=min(0, o.min()))
    above.legend(frameon=False, loc="center right")
    ungated = _mean_line(below, details["ungated"], BLUE, "-", "")
    below.set_ylabel("ungated\nsamples")
    below.set_ylim(bottom=0, top=max(1.0, below.get_ylim()[1]))
    below.set_xlabel("epoch")
    fig.alt = (
        f"Largest synaptic input while a gate is closed, by epoch: h reaches {h.max():,.0f}, o "
        f"{o.max():,.0f}; the gate holds up to {details['limit']:,}. Below: samples of an epoch in "
        f"which h fires without a gate, from {ungated[:, 0].mean():,.0f} to "
        f"{ungated[:, -1].mean():,.0f}."
    )
    return fig


@picture
def parting(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Accuracy of circuit and algebra, the input of the closed h, and differing weights."""
    fig = _titled(claim, 6.6)
    top, middle, bottom = fig.subplots(3, 1, sharex=True, height_ratios=[2, 1.2, 1.2])
    said = []
    for path, style in (("circuit", "-"), ("algebra", "--")):
        for measure, colour in (("spike", VERMILLION), ("membrane", BLUE)):
            rows = 100 * np.array(details["curves"][path][measure])
            _mean_line(top, rows.tolist(), colour, style, f"{measure}, {path}")
            said.append(f"{measure} accuracy of the {path} ends at {rows[:, -1].mean():.1f} %")
    top.set_ylabel("accuracy, %")
    top.legend(frameon=False, ncols=2, loc="center right")
    h = _mean_line(middle, details["largest_h"], VERMILLION, "-", "")
    _limit(middle, details["limit"])
    middle.set_ylabel("largest input of h\nwhile closed")
    differ = _mean_line(bottom, details["differing"], PURPLE, "-", "")
    bottom.set_ylabel("differing\nweights")
    bottom.set_ylim(bottom=0, top=max(1.0, bottom.get_ylim()[1]))
    bottom.set_xlabel("epoch")
    fig.alt = (
        f"Circuit and algebra trained side by side: {'; '.join(said)}. The input of the closed h "
        f"reaches {h.max():,.0f} (limit {details['limit']:,}); at the end "
        f"{differ[:, -1].mean():,.0f} weights differ."
    )
    return fig


@picture
def beside_off_chip(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Accuracy of the on-chip rule and of the off-chip baseline by epoch."""
    fig = _titled(claim, 4)
    ax = fig.subplots()
    said = []
    for where, curves, style in (
        ("on-chip rule", details["on-chip"], "-"),
        ("off-chip, on the chip's grid", details["curves"], "--"),
    ):
        for measure, colour in (("spike", VERMILLION), ("membrane", BLUE)):
            rows = 100 * np.array(curves[measure])
            _mean_line(ax, rows.tolist(), colour, style, f"{measure}, {where}")
            said.append(f"{measure} accuracy of the {where} ends at {rows[:, -1].mean():.1f} %")
    ax.set_ylim(bottom=max(ax.get_ylim()[0], 90 if ax.get_ylim()[1] > 95 else 0))
    ax.set_ylabel("accuracy, %")
    ax.set_xlabel("epoch")
    ax.grid(axis="y", color="#dddddd", lw=0.6)
    ax.legend(frameon=False, loc="lower right")
    fig.alt = f"Two trainings of the same network by epoch: {'; '.join(said)}."
    return fig


@picture
def widths(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Accuracy by hidden size, a line for each crop and shift, a point for each seed."""
    fig = _titled(claim, 4.4)
    panels = fig.subplots(1, 2)
    lines: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for job in details["jobs"]:
        lines.setdefault((job["job"]["crop"], job["job"]["shift"]), []).append(job)
    said = []
    for ax, measure in zip(panels, ("spike", "membrane"), strict=True):
        for ((crop, shift), jobs), colour, marker in zip(
            lines.items(), COLOURS, "osD^vP", strict=False
        ):
            jobs = sorted(jobs, key=lambda job: job["job"]["hidden"])
            hidden = [job["job"]["hidden"] for job in jobs]
            means = [100 * float(np.mean(job[measure])) for job in jobs]
            for n, job in zip(hidden, jobs, strict=True):
                seeds = [100 * value for value in job[measure]]
                ax.plot([n] * len(seeds), seeds, ".", color=colour, alpha=0.6, ms=6)
            ax.plot(hidden, means, marker=marker, color=colour,
                    label=f"crop {crop}, shift {shift}")  # fmt: skip
            said.append(f"{measure}, crop {crop}, shift {shift}: {means[0]:.1f} % with "
                        f"{hidden[0]} hidden, {means[-1]:.1f} % with {hidden[-1]}")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xticks(hidden, [f"{n:,}" for n in hidden])
        ax.minorticks_off()
        ax.set_xlabel("hidden neurons")
        ax.set_ylabel(f"{measure} accuracy, %")
        ax.grid(axis="y", color="#dddddd", lw=0.6)
    panels[0].legend(frameon=False, fontsize=8)
    fig.alt = (
        "Accuracy by hidden size, a line for the mean over seeds, points for the seeds. "
        f"{'. '.join(said)}."
    )
    return fig


@picture
def energy_by_phase(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Modelled energy of a sample, stacked by kind of operation, for each phase."""
    fig = _titled(claim, 3.8)
    ax = fig.subplots()
    kinds = details["energy, pJ"]
    base = np.zeros(len(next(iter(kinds.values()))))
    for (kind, energies), colour, hatch in zip(kinds.items(), COLOURS, HATCHES, strict=False):
        height = np.array(energies) / 1e6
        ax.bar(range(len(base)), height, bottom=base, color=colour, label=kind, width=0.8,
               edgecolor="white", linewidth=0.5, hatch=hatch)  # fmt: skip
        base += height
    ax.set_xticks(range(len(base)))
    ax.set_xlabel("phase p")
    ax.set_ylabel("modelled energy, uJ")
    ax.legend(frameon=False, fontsize=8, ncols=5, loc="lower left", bbox_to_anchor=(0, 1))
    by_kind = ", ".join(f"{kind} {sum(energies) / 1e6:.3g}" for kind, energies in kinds.items())
    measured = details["measured by the authors"]["energy, mJ"]
    fig.alt = (
        f"Modelled energy of one sample by phase, {base.sum():.3g} uJ in all, most in phase "
        f"{int(base.argmax())}; by kind of operation in uJ: {by_kind}. Measured by the authors on "
        f"the chip: {1000 * measured:g} uJ."
    )
    return fig


@picture
def spikes_by_population(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Spikes per neuron and sample for each population, first and last epoch."""
    rows = {k: v for k, v in details["populations"].items() if v["neurons"] > 1}
    fig = _titled(claim, 3.6)
    ax = fig.subplots()
    places = np.arange(len(rows))
    for shift, key, label, colour, hatch in (
        (-0.2, "in the first epoch", "first epoch", ORANGE, "//"),
        (0.2, "spikes per sample", "last epoch", BLUE, ""),
    ):
        rates = [row[key] / row["neurons"] for row in rows.values()]
        ax.bar(places + shift, rates, 0.38, color=colour, label=label, hatch=hatch,
               edgecolor="white")  # fmt: skip
    ax.set_xticks(places, [name.replace("-", "−") for name in rows])
    ax.set_ylabel("spikes per neuron\nand sample")
    ax.legend(frameon=False)
    said = ", ".join(
        f"{name} {row['spikes per sample'] / row['neurons']:.3g}" for name, row in rows.items()
    )
    fig.alt = f"Spikes per neuron and sample in the last epoch: {said}. Each gate fires once."
    return fig
