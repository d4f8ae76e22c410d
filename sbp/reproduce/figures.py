"""The figure of a result, drawn from its record alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sbp.plots import save
from sbp.plots.charts import mean_and_error
from sbp.plots.picture import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, Picture, picture
from sbp.reproduce.claim import Claim
from sbp.reproduce.claims.idealisations import WORDS
from sbp.reproduce.status import expected, number, shown

__all__ = ["draw", "save"]

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, BLACK)
HATCHES = ("", "//", "xx", "..", "\\\\")


def draw(claim: Claim, record: Mapping[str, Any]) -> Picture:
    """The figure of `record`, a result file of `claim`."""
    details = record["details"]
    for mark, function in BY_DETAIL.items():
        if mark in details:
            return function(claim, details)
    if "halves" in details and not {"differing", "symmetry"} & details.keys():
        return half_epochs(claim, record)
    return values(claim, record)


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
        tolerance = quantity.tolerance or 0.0
        if quantity.expected is not None:
            ax.axvspan(quantity.expected - tolerance, quantity.expected + tolerance, color=GREEN,
                       alpha=0.2)  # fmt: skip
            ax.axvline(quantity.expected, color=GREEN, lw=1.5, gid="expected")
        ax.plot(found, np.zeros(len(found)), "o", color=BLUE, alpha=0.7, gid="measured")
        around = [*found, *([] if quantity.expected is None else [quantity.expected])] or [0.0]
        room = max(0.15 * (max(around) - min(around)), 2 * tolerance,
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


@picture
def half_epochs(claim: Claim, record: Mapping[str, Any]) -> Picture:
    """As the paper draws it: a fine line of dots for each run, a thick one for their mean."""
    curves = record["details"]["halves"]
    fig = _titled(claim, 5.2)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[2.4, 1])
    said = []
    for name, colour, marker in (
        ("membrane", BLUE, "o"), ("spike", VERMILLION, "s"), ("exact", GREEN, "^"),
        ("mse", BLACK, "D"),
    ):  # fmt: skip
        ax, factor = (bottom, 1) if name == "mse" else (top, 100)
        rows = factor * np.array(curves[name], float)
        halves = np.arange(1, rows.shape[1] + 1) / 2
        for row in rows:
            ax.plot(halves, row, color=colour, lw=0.5, marker=marker, ms=1.5, alpha=0.6)
        ax.plot(halves, rows.mean(axis=0), color=colour, lw=2, label=f"{name}, mean")
        last = rows[:, -1].mean()
        if name == "mse":
            said.append(f"mse ends at {last:.4f}")
        else:
            said.append(f"{name} accuracy ends at {last:.2f} %, the best of any run in any half "
                        f"epoch is {rows.max():.2f} %")  # fmt: skip
    for name, colour in (("membrane", BLUE), ("spike", VERMILLION)):
        for quantity in claim.quantities:
            if quantity.name == name and quantity.expected is not None:
                top.axhline(quantity.expected, color=colour, ls=":", lw=1.2)
                said.append(f"a dotted line: the published {name} {quantity.expected:g} %")
    low = min(float(np.min(curves[name])) for name in ("spike", "membrane"))
    top.set_ylim(bottom=max(0.0, 100 * low - 1))
    top.set_ylabel("accuracy, %")
    top.legend(frameon=False, loc="lower right", ncols=3)
    bottom.set_ylabel("mse")
    bottom.set_xlabel("epoch, measured every half")
    for ax in (top, bottom):
        ax.grid(axis="y", color="#dddddd", lw=0.6)
    runs = len(curves["mse"])
    who = f"{runs} runs by half epochs and their mean" if runs > 1 else "One run by half epochs"
    fig.alt = f"{who}: {'; '.join(said)}."
    return fig


@picture
def settings(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Spike accuracy of the circuit by half epochs, a panel for each setting."""
    kept = details["settings"]
    fig = _titled(claim, 3.4)
    panels = fig.subplots(1, len(kept), sharey=True, squeeze=False)[0]
    said = []
    aim = next(q.expected for q in claim.quantities if q.expected is not None)
    for ax, (name, one) in zip(panels, kept.items(), strict=True):
        rows = 100 * np.array(one["halves"]["spike"], float)
        halves = np.arange(1, rows.shape[1] + 1) / 2
        for row in rows:
            ax.plot(halves, row, color=VERMILLION, lw=0.5, alpha=0.7)
        ax.plot(halves, rows.mean(axis=0), color=VERMILLION, lw=1.8)
        ax.axhline(aim, color=BLACK, ls=":", lw=1.2)
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("epoch")
        said.append(f"{name}: best {rows.max():.1f} %, last {rows[:, -1].mean():.1f} %")
    panels[0].set_ylabel("spike accuracy, %")
    fig.alt = (
        "Spike accuracy of the circuit by half epochs, fine lines for the runs, a thick one for "
        f"their mean, dotted the published {aim:g} %. {'; '.join(said)}."
    )
    return fig


@picture
def replayed(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """The three test figures of the NumPy model by epochs, for each threshold."""
    fig = _titled(claim, 3.6)
    panels = fig.subplots(1, len(details["figures"]), sharey=True, squeeze=False)[0]
    said = []
    for ax, (threshold, rows) in zip(panels, details["figures"].items(), strict=True):
        table = 100 * np.array(rows, float)
        epochs = np.arange(1, len(table) + 1)
        for column, name, colour, style in (
            (3, "exact", GREEN, "-."), (4, "spike", VERMILLION, "--"), (5, "membrane", BLUE, "-"),
        ):  # fmt: skip
            ax.plot(epochs, table[:, column], style, color=colour, label=name)
            for quantity in claim.quantities:
                named = quantity.name == f"{name}, threshold {threshold}"
                if named and quantity.expected is not None:
                    ax.plot(
                        claim.epochs, 100 * quantity.expected, "o", color=colour, mfc="none", ms=9
                    )
        ax.set_title(f"threshold {threshold}", fontsize=9)
        ax.set_xlabel("epoch")
        said.append(f"threshold {threshold}: exact {table[-1, 3]:.2f} %, spike "
                    f"{table[-1, 4]:.2f} %, membrane {table[-1, 5]:.2f} %")  # fmt: skip
    panels[0].set_ylabel("test accuracy, %")
    panels[0].legend(frameon=False, fontsize=8, loc="lower right")
    fig.alt = (
        "Test accuracy of the replayed model by epochs; circles: what the authors' code prints in "
        f"epoch {claim.epochs}. At the end: {'; '.join(said)}."
    )
    return fig


@picture
def systems(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Energy of a sample against accuracy, every row of Table 1, and ours."""
    fig = _titled(claim, 4.6)
    panels = fig.subplots(1, 2, sharey=True)
    best = 100 * max(max(curve) for curve in details["halves"]["spike"])
    said = []
    for ax, mode in zip(panels, ("learning", "inference"), strict=True):
        for row in details["rows"][mode]:
            if row["energy"] is None:
                continue
            paper = row["work"] == "this paper"
            ax.plot(row["energy"], row["accuracy"], "D" if paper else "o",
                    color=VERMILLION if paper else GREY, ms=7 if paper else 5)  # fmt: skip
            ax.annotate(row["work"], (row["energy"], row["accuracy"]), fontsize=7,
                        xytext=(4, -10 if paper else 4), textcoords="offset points",
                        fontweight="bold" if paper else None)  # fmt: skip
            said.append(f"{row['work']}, {mode}: {row['energy']:g} mJ, {row['accuracy']:g} %")
        modelled = details["energy, mJ"][mode]
        ax.plot(modelled, best, "*", color=BLUE, ms=13, mfc="none", mew=1.5)
        ax.annotate("here: accuracy measured,\nenergy modelled", (modelled, best), fontsize=7,
                    color=BLUE, xytext=(-6, -20), textcoords="offset points")  # fmt: skip
        said.append(f"here, {mode}: modelled {modelled:.3g} mJ, {best:.2f} %")
        ax.set_xscale("log")
        ax.margins(x=0.2)
        low, high = (int(np.floor(np.log10(end))) for end in ax.get_xlim())
        decades = [10.0**power for power in range(low + 1, high + 1, 2)]
        ax.set_xticks(decades, [f"{value:g}" for value in decades])
        ax.minorticks_off()
        ax.set_xlabel(f"energy of one sample, {mode}, mJ")
        ax.grid(color="#eeeeee", lw=0.6)
    panels[0].set_ylabel("MNIST test accuracy, %")
    fig.alt = f"Energy of a sample against accuracy on MNIST. {'; '.join(said)}."
    return fig


@picture
def depths(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Accuracy by the number of hidden layers, for equal width and for equal synapses."""
    fig = _titled(claim, 4.2)
    panels = fig.subplots(1, 2, sharey=True)
    said = []
    for ax, measure in zip(panels, ("spike", "membrane"), strict=True):
        lines: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in details["networks"]:
            for family in row["families"]:
                lines.setdefault((family, row["shift"]), []).append(row)
        for ((family, shift), rows), colour, marker in zip(
            lines.items(), COLOURS, "osD^vP", strict=False
        ):
            hidden = [len(row["sizes"]) - 2 for row in rows]
            means = [100 * float(np.mean(row[measure])) for row in rows]
            label = f"{family}{', shifts' if shift else ''}"
            ax.plot(hidden, means, marker=marker, color=colour, label=label)
            for n, row in zip(hidden, rows, strict=True):
                ax.plot([n] * len(row[measure]), [100 * v for v in row[measure]], ".",
                        color=colour, alpha=0.5, ms=5)  # fmt: skip
            means_said = ", ".join(f"{mean:.2f}" for mean in means)
            said.append(f"{measure}, {label}, 1 to {hidden[-1]} hidden layers: {means_said} %")
        ax.set_xlabel("hidden layers")
        ax.set_title(measure, fontsize=9)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(axis="y", color="#dddddd", lw=0.6)
    panels[0].set_ylabel("accuracy, %")
    panels[0].legend(frameon=False, fontsize=8)
    fig.alt = f"Accuracy by depth, lines for the means, dots for the seeds. {'; '.join(said)}."
    return fig


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
            rows = 100 * np.array(details["paths"][path][measure])
            _mean_line(top, rows.tolist(), colour, style, f"{measure}, {path}")
            said.append(f"{measure} accuracy of the {path} ends at {rows[:, -1].mean():.1f} %")
    top.set_ylabel("accuracy, %")
    top.legend(frameon=False, ncols=2, loc="center right")
    spurious = _mean_line(middle, details["spurious"], VERMILLION, "-", "outputs without an error")
    gone = _mean_line(middle, details["lost"], PURPLE, "--", "errors lost")
    middle.set_ylabel("phase 9, spikes\nin an epoch")
    middle.legend(frameon=False, loc="center right")
    past = _mean_line(bottom, details["past_gate_h"], GREEN, "-", "")
    bottom.set_ylabel("samples past\nthe gate")
    bottom.set_ylim(bottom=0, top=max(1.0, bottom.get_ylim()[1]))
    bottom.set_xlabel("epoch")
    fig.alt = (
        f"Circuit and algebra trained side by side: {'; '.join(said)}. In the last epoch h fires "
        f"past the closing gate in {past[:, -1].mean():,.0f} samples; in phase 9 "
        f"{spurious[:, -1].mean():,.0f} outputs fire without an error and "
        f"{gone[:, -1].mean():,.0f} errors are lost."
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
        ("off-chip, on the chip's grid", details["grid"], "--"),
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
def price_list(claim: Claim, details: Mapping[str, Any]) -> Picture:
    """Prices, seed by seed: an idealisation less in the chip's rule, one in the textbook's."""
    fig = _titled(claim, 6.4)
    panels = fig.subplots(2, 2, sharex=True, sharey="row")
    said = []
    for column, measure in zip(panels.T, ("membrane", "spike"), strict=True):
        for ax, where in zip(column, TITLES, strict=True):
            rows = prices_of(details, measure, where)
            for y, (name, (values, lost)) in enumerate(rows.items()):
                for down, colour, marker, whole in ((-0.17, VERMILLION, "s", True),
                                                    (0.17, BLUE, "o", False)):  # fmt: skip
                    own = values[~lost | whole]
                    ax.plot(own, np.full(len(own), y + down), ".", color=colour, alpha=0.45, ms=5,
                            gid=f"values {name}")  # fmt: skip
                    if not len(own):
                        continue
                    mean, error = mean_and_error(own)
                    label = TOLD[whole] if y == 0 else None
                    ax.errorbar(mean, y + down, xerr=error, fmt=marker, color=colour, ms=5.5,
                                capsize=3, mfc="white", mew=1.4, label=label)  # fmt: skip
                    said.append(f"{measure}, {name}, {TITLES[where]}, {TOLD[whole]}, {len(own)}: "
                                f"{mean:.2f} ± {error:.2f}")  # fmt: skip
            ax.set_yticks(range(len(rows)), list(rows))
            ax.set_ylim(len(rows) - 0.5, -0.5)
            ax.axvline(0, color=GREY, ls=":", lw=1.2, zorder=0)
            ax.set_xscale("symlog", linthresh=1, linscale=1)
            ax.set_xticks([-10, -1, -0.5, 0, 0.5, 1, 10, 30])
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.minorticks_off()
            ax.tick_params(axis="x", labelsize=8)
            ax.grid(axis="x", color="#eeeeee", lw=0.6)
            ax.set_title(f"{measure}, {TITLES[where]}", fontsize=9, loc="left")
    for ax in panels[1]:
        ax.set_xlabel("price, points of accuracy")
    fig.legend(*panels[0, 0].get_legend_handles_labels(), frameon=False, ncols=2,
               loc="outside lower center")  # fmt: skip
    fig.alt = (
        "What each idealisation costs in points of accuracy, taken from the chip's rule and put "
        "into the textbook's; dots for the seeds, mean and standard error, over all pairs of runs "
        f"and over those in which no class was lost. {'; '.join(said)}."
    )
    return fig


#: Where each idealisation is, above the panels.
TITLES = {True: "taken from the chip's rule", False: "put into the textbook's"}
TOLD = {True: "all runs", False: "runs that lost no class"}


def prices_of(
    details: Mapping[str, Any], measure: str, chip: bool
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each idealisation, in the chip's rule or the textbook's, a price for each seed.

    In points: the accuracy without it minus that with it; and whether either run lost a class.
    """
    rows = {tuple(row["rule"]): row for row in details["rules"]}
    base = (chip,) * len(WORDS)
    others = {
        name: tuple(flag ^ (k == i) for i, flag in enumerate(base))
        for k, name in enumerate(WORDS.values())
    }
    if chip:
        others["all five"] = (False,) * len(WORDS)
    found = {}
    for name, rule in others.items():
        without, held = (rows[rule], rows[base])[:: 1 if chip else -1]
        found[name] = (
            100 * (np.array(without[measure], float) - np.array(held[measure], float)),
            np.array([bool(a or b) for a, b in
                      zip(without["lost classes"], held["lost classes"], strict=True)]),
        )  # fmt: skip
    return found


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


#: What in the details says which picture it is; the first that is there counts.
BY_DETAIL: dict[str, Callable[[Claim, Mapping[str, Any]], Picture]] = {
    "settings": settings,
    "spurious": parting,
    "on-chip": beside_off_chip,
    "rules": price_list,
    "jobs": widths,
    "networks": depths,
    "rows": systems,
    "largest_h": closing_gate,
    "energy, pJ": energy_by_phase,
    "populations": spikes_by_population,
    "figures": replayed,
}
