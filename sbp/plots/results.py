"""Pictures of what was learned: weights, learning curves, confusions, digits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from sbp.errors import SpecError
from sbp.plots.charts import LINES
from sbp.plots.picture import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    Picture,
    inked,
    listed,
    picture,
)

SETTINGS_AT_MOST = 12  #: lines of a panel
DIVERGING = "RdBu_r"  #: negative blue, zero white, positive red
#: The three accuracies: colour, line style, marker, what is counted as right.
MEASURES = {
    "membrane": (BLUE, "-", "o", "membrane: largest potential"),
    "spike": (VERMILLION, "--", "s", "spike: lowest output that spikes"),
    "exact": (GREEN, "-.", "^", "exact: all outputs right"),
}


def _shape_of(n: int, image_shape: tuple[int, int] | None) -> tuple[int, int]:
    if image_shape is not None:
        rows, columns = (int(side) for side in image_shape)
        if rows * columns != n:
            raise SpecError(
                f"image shape {rows} x {columns} does not fit {n} inputs",
                allowed=f"two numbers whose product is {n}",
            )
        return rows, columns
    side = math.isqrt(n)
    if side * side != n:
        raise SpecError(f"{n} inputs are no square picture", do="give image_shape=(rows, columns)")
    return side, side


@picture
def weight_images(
    weights: Mapping[str, np.ndarray],
    image_shape: tuple[int, int] | None = None,
    *,
    n: int = 60,
    title: str | None = None,
    about: str | None = None,
) -> Picture:
    """What the first layer looks for, as pictures, and the further matrices as they are.

    Parameters
    ----------
    weights : mapping of str to ndarray, shape (n_post, n_pre)
        In the order of the layers: "W1", "W2".  The rows of the first are drawn as pictures.
    image_shape : (rows, columns), optional
        Of the input; square by default.
    n : int
        Units drawn at most, the first ones, 1 .. 400.
    title : str, optional
    about : str, optional
        What the pictures are, where they are not the weights of each unit.

    Notes
    -----
    One colour scale for each matrix, symmetric about zero (white).
    """
    matrices = {name: np.asarray(matrix) for name, matrix in weights.items()}
    if not matrices or any(m.ndim != 2 or not m.size for m in matrices.values()):
        raise SpecError("no weight matrices to show", allowed="a mapping of two-dimensional arrays")
    if not 1 <= n <= 400:
        raise SpecError(f"n is {n}", allowed="1 to 400 units")
    (first, images), *rest = matrices.items()
    shape = _shape_of(images.shape[1], image_shape)
    shown = images[:n]
    across = min(len(shown), 12 if len(shown) > 40 else 10)
    down = math.ceil(len(shown) / across)
    side = 7.4 / across
    tall = down * side * shape[0] / shape[1]
    below = [min(max(7.0 / m.shape[1], 0.14) * m.shape[0], 3.5) + 0.8 for _, m in rest]
    height = 0.68 + tall + 0.2 + sum(below)
    fig = Picture(figsize=(8, height))
    fig.title = title or "What the network has learned"
    fig.suptitle(fig.title, x=0.02, y=1 - 0.1 / height, ha="left", va="top", fontsize=13,
                 fontweight="bold")  # fmt: skip
    units = f"the first {len(shown)} of {len(images)}" if len(shown) < len(images) else "all"
    text = about or f"{first}: weights from the input to each unit ({units})"
    fig.text(0.02, 1 - 0.5 / height, text, fontsize=9.5, va="center")
    # One image with gaps between the units, so that they share an axes and a scale.
    board = np.full((down * (shape[0] + 1) - 1, across * (shape[1] + 1) - 1), np.nan)
    for i, row in enumerate(shown):
        y, x = (i // across) * (shape[0] + 1), (i % across) * (shape[1] + 1)
        board[y : y + shape[0], x : x + shape[1]] = row.reshape(shape)
    scale = max(1, int(np.abs(shown).max()))
    top = height - 0.68
    ax = fig.add_axes((0.02, (top - tall) / height, 0.87, tall / height), anchor="NW")
    ax.set_axis_off()
    image = ax.imshow(board, cmap=DIVERGING, vmin=-scale, vmax=scale, gid=f"weights {first}",
                      interpolation="nearest")  # fmt: skip
    for i in range(len(shown)):
        y, x = (i // across) * (shape[0] + 1), (i % across) * (shape[1] + 1)
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), shape[1], shape[0], fc="none", ec="#aaaaaa",
                               lw=0.5, clip_on=False))  # fmt: skip
    tall = min(tall, 2.5)
    fig.colorbar(image, cax=fig.add_axes((0.91, (top - tall) / height, 0.018, tall / height)),
                 ticks=[-scale, 0, scale])  # fmt: skip
    bottom = top - down * side * shape[0] / shape[1] - 0.1
    texts = [_weights_alt(first, images)]
    for number, ((name, matrix), room) in enumerate(zip(rest, below, strict=True), 1):
        bottom -= room
        ax = fig.add_axes((0.075, (bottom + 0.45) / height, 0.815, (room - 0.8) / height))
        bound = max(1, int(np.abs(matrix).max()))
        image = ax.imshow(matrix, cmap=DIVERGING, vmin=-bound, vmax=bound, aspect="auto",
                          interpolation="nearest", gid=f"weights {name}")  # fmt: skip
        source = "each unit" if len(rest) == 1 else f"each unit of hidden layer {number}"
        target = "each output" if number == len(rest) else f"each of hidden layer {number + 1}"
        ax.set_title(f"{name}: from {source} (across) to {target} (down)", loc="left",
                     fontsize=9.5)  # fmt: skip
        ax.set_yticks(range(0, len(matrix), 1 if len(matrix) <= 10 else math.ceil(len(matrix) / 5)))
        ax.tick_params(labelsize=8)
        ax.set_xlabel("unit", labelpad=1)
        fig.colorbar(image, ticks=[-bound, 0, bound], cax=fig.add_axes(
            (0.91, (bottom + 0.45) / height, 0.018, (room - 0.8) / height)))  # fmt: skip
        texts.append(_weights_alt(name, matrix))
    fig.alt = (
        f"Weights as colours, red positive, blue negative, white zero: {units} rows of {first} as "
        f"{shape[0]} by {shape[1]} pictures"
        + (f", and {listed([name for name, _ in rest])} as a matrix. " if rest else ". ")
        + (f"{about} " if about else "")
        + " ".join(texts)
    )
    return fig


def _weights_alt(name: str, matrix: np.ndarray) -> str:
    return (
        f"{name} ({matrix.shape[0]} by {matrix.shape[1]}) runs from {int(matrix.min())} to "
        f"{int(matrix.max())}, mean {matrix.mean():.1f}, standard deviation {matrix.std():.1f}."
    )


@picture
def learning_curve(
    histories: Sequence[Sequence[Mapping[str, float]]],
    *,
    published: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Picture:
    """Accuracy by the three measures, and mse, after every epoch; mean and sd over seeds.

    Parameters
    ----------
    histories : list of list of dict
        One list for each seed: dicts with "epoch" and "exact", "spike", "membrane", "mse" (as far
        as they were measured), fractions 0 .. 1.  Epochs that not all seeds have are left out.
    published : mapping of str to float, optional
        Published values (fractions) by measure, drawn as dotted lines labelled "published".
    title : str, optional

    Notes
    -----
    Shaded: one standard deviation (n - 1) to each side, where there are two seeds or more.
    """
    epochs, values = _measured(histories)
    published = dict(published or {})
    for name, value in published.items():
        if name not in (*MEASURES, "mse") or not 0 <= value <= 1:
            raise SpecError(
                f"published {name} is {value}",
                allowed=f"fractions 0 .. 1 for {', '.join((*MEASURES, 'mse'))}",
            )
    has_mse, runs = "mse" in values, list(histories)
    fig = Picture(figsize=(8, 4.9 if has_mse else 3.8), layout="constrained")
    seeds = f"{len(runs)} seed{'' if len(runs) == 1 else 's'}"
    fig.title = title or "Learning curve on the test set"
    fig.suptitle(f"{fig.title}, {seeds}", fontsize=12, fontweight="bold", x=0.01, ha="left")
    panels = fig.subplots(2 if has_mse else 1, 1, sharex=True, squeeze=False,
                          height_ratios=[2.6, 1] if has_mse else [1])[:, 0]  # fmt: skip
    ends: list[tuple[float, str, str]] = []
    for name, table in values.items():
        colour, line, marker, label = MEASURES.get(name, (BLACK, "-", "D", ""))
        ax, factor = (panels[1], 1.0) if name == "mse" else (panels[0], 100.0)
        mean = factor * table.mean(axis=0)
        every = max(1, len(epochs) // 12)
        ax.plot(epochs, mean, color=colour, ls=line, marker=marker, ms=4.5, markevery=every, lw=1.8,
                gid=f"mean {name}", zorder=3)  # fmt: skip
        if len(runs) > 1:
            sd = factor * table.std(axis=0, ddof=1)
            if len(epochs) == 1:
                ax.errorbar(epochs, mean, sd, color=colour, capsize=4)
            ax.fill_between(epochs, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0,
                            gid=f"sd {name}")  # fmt: skip
        if name != "mse":
            head, about = label.split(": ")
            ends.append((mean[-1], f"{head} {mean[-1]:.1f} %\n({about})", colour))
    for i, (name, value) in enumerate(published.items()):
        ax, factor = (panels[-1], 1.0) if name == "mse" else (panels[0], 100.0)
        if name == "mse" and not has_mse:
            continue
        ax.axhline(factor * value, color=MEASURES.get(name, (BLACK,))[0], ls=":", lw=1.4,
                   gid=f"published {name}")  # fmt: skip
        unit = "" if name == "mse" else " %"
        # Side by side, because published values lie close together.
        ax.text(0.02 + 0.33 * (i % 3), factor * value, va="center_baseline", color=GREY,
                s=f"published: {name} {factor * value:g}{unit}", fontsize=8,
                transform=ax.get_yaxis_transform(),
                bbox={"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none"})  # fmt: skip
    panels[0].set_ylabel("accuracy, %")
    if has_mse:
        panels[1].set_ylabel("mse")
        panels[1].set_ylim(0, 1.1 * panels[1].get_ylim()[1])
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for ax in panels:
        ax.grid(axis="y", color="#dddddd", lw=0.6)
    _end_labels(panels[0], epochs[-1], ends)
    fig.alt = _curve_alt(values, epochs, published, seeds)
    return fig


def _measured(
    histories: Sequence[Sequence[Mapping[str, float]]],
) -> tuple[list[float], dict[str, np.ndarray]]:
    """The epochs that all histories have, and each measure, shape (histories, epochs)."""
    runs = [{row["epoch"]: row for row in history} for history in histories]
    epochs = sorted(set.intersection(*map(set, runs))) if runs else []
    if not epochs:
        raise SpecError("no epochs to draw", do="give histories that have an epoch in common")
    measured = [m for m in (*MEASURES, "mse") if all(m in run[e] for run in runs for e in epochs)]
    if not set(measured) & set(MEASURES):
        raise SpecError("the histories hold no accuracy", allowed=", ".join(MEASURES))
    return epochs, {m: np.array([[run[e][m] for e in epochs] for run in runs]) for m in measured}


@picture
def learning_curves(
    groups: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], *, title: str | None = None
) -> Picture:
    """Learning curves of several settings beside each other: a panel a measure, a line a setting.

    Parameters
    ----------
    groups : mapping of str to list of list of dict
        What tells a setting from the others, "hidden 100" -> its histories, one for each seed, as
        for `learning_curve`.  1 .. 12 settings, which may have different epochs.
    title : str, optional

    Notes
    -----
    Lines are means over the seeds of a setting; shaded: one standard deviation (n - 1) to each
    side, where there are two seeds or more.
    """
    if not 1 <= len(groups) <= SETTINGS_AT_MOST:
        raise SpecError(
            f"{len(groups)} settings to draw", allowed=f"1 to {SETTINGS_AT_MOST}", do="draw fewer"
        )
    found = {label: _measured(histories) for label, histories in groups.items()}
    measures = [m for m in (*MEASURES, "mse") if all(m in values for _, values in found.values())]
    fig = Picture(figsize=(8, 5.4 + 0.22 * ((len(groups) + 1) // 2)), layout="constrained")
    fig.title = title or "Learning curves on the test set"
    fig.suptitle(fig.title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    rows = (len(measures) + 1) // 2
    panels = fig.subplots(rows, 2, sharex=True, squeeze=False).ravel()
    for ax, name in zip(panels, measures, strict=False):
        factor = 1.0 if name == "mse" else 100.0
        for i, (label, (epochs, values)) in enumerate(found.items()):
            colour, line, marker = LINES[i % len(LINES)]
            mean = factor * values[name].mean(axis=0)
            ax.plot(epochs, mean, color=colour, ls=line, marker=marker, ms=4, lw=1.6,
                    mfc=colour if i < len(LINES) else "white", markevery=max(1, len(epochs) // 9),
                    gid=f"mean {name} {label}")  # fmt: skip
            if len(values[name]) > 1:
                sd = factor * values[name].std(axis=0, ddof=1)
                ax.fill_between(epochs, mean - sd, mean + sd, color=colour, alpha=0.15, lw=0,
                                gid=f"sd {name} {label}")  # fmt: skip
        about = f"{MEASURES[name][3]}, %" if name in MEASURES else "mse"
        ax.set_title(about, loc="left", fontsize=9.5)
        ax.grid(axis="y", color="#dddddd", lw=0.6)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.tick_params(labelbottom=True)
    for ax in panels[len(measures) :]:
        ax.set_axis_off()
    for ax in panels[max(0, len(measures) - 2) : len(measures)]:
        ax.set_xlabel("epoch")
    # Given by hand: a label that begins with _ would be left out.
    labels = [_with_seeds(label, len(values[measures[0]])) for label, (_, values) in found.items()]
    fig.legend(
        panels[0].get_lines(), labels, loc="outside lower left", frameon=False, fontsize=9,
        ncols=2 if max(map(len, labels)) < 45 else 1, handlelength=3.2,
    )  # fmt: skip
    fig.alt = _curves_alt(found, measures)
    return fig


def _with_seeds(label: str, seeds: int) -> str:
    return f"{label} ({seeds} seeds)" if seeds > 1 else label


def _curves_alt(
    found: Mapping[str, tuple[list[float], dict[str, np.ndarray]]], measures: list[str]
) -> str:
    text = [f"Learning curves of {len(found)} settings, a panel for each measure."]
    for label, (epochs, values) in found.items():
        ends = [
            f"{name} {values[name][:, -1].mean():.4f}" if name == "mse"
            else f"{name} {100 * values[name][:, -1].mean():.1f} %"
            for name in measures
        ]  # fmt: skip
        seeds = len(values[measures[0]])
        text.append(f"{_with_seeds(label, seeds)} after epoch {epochs[-1]:g}: {listed(ends)}.")
    return " ".join(text)


def _end_labels(ax: Axes, epoch: float, ends: list[tuple[float, str, str]]) -> None:
    """Label the curves at their right ends, pushed apart, up and down alike."""
    low, high = ax.get_ylim()
    room = 0.125 * (high - low)
    places: list[float] = []
    for y, _, _ in sorted(ends):
        places.append(max(y, places[-1] + room if places else y))
    shift = sum(places) / len(ends) - sum(y for y, _, _ in ends) / len(ends)
    for (y, text, colour), place in zip(sorted(ends), places, strict=True):
        ax.annotate(text, (epoch, y), xytext=(1.015, (place - shift - low) / (high - low)),
                    textcoords="axes fraction", color=inked(colour), fontsize=8.5,
                    va="center", linespacing=1.0, annotation_clip=False)  # fmt: skip


def _curve_alt(
    values: Mapping[str, np.ndarray],
    epochs: list[float],
    published: Mapping[str, float],
    seeds: str,
) -> str:
    text = [f"Learning curve, epochs {epochs[0]:g} to {epochs[-1]:g}, {seeds}."]
    for name, table in values.items():
        a, b = table.mean(axis=0)[[0, -1]]
        spread = f" (sd {100 * table[:, -1].std(ddof=1):.2f} points)" if len(table) > 1 else ""
        if name == "mse":
            text.append(f"mse goes from {a:.4f} to {b:.4f}.")
        else:
            best = table.mean(axis=0).argmax()
            text.append(
                f"{name.capitalize()} accuracy goes from {100 * a:.1f} % to {100 * b:.1f} %{spread}"
                f", at best {100 * table.mean(axis=0)[best]:.1f} % in epoch {epochs[best]:g}."
            )
    for name, value in published.items():
        text.append(f"Published {name}: {value:g}.")
    return " ".join(text)


def _labels(what: str, values: np.ndarray | Sequence[int], count: int | None = None) -> np.ndarray:
    array = np.asarray(values)
    wrong = array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or (array < 0).any()
    if wrong or (count is not None and len(array) != count):
        raise SpecError(
            f"{what} of shape {array.shape} and type {array.dtype}",
            allowed=f"{'a list' if count is None else count} of whole numbers, 0 or more",
        )
    return array.astype(np.int64)


@picture
def confusion_matrix(
    labels: np.ndarray | Sequence[int],
    predictions: np.ndarray | Sequence[int],
    *,
    title: str | None = None,
) -> Picture:
    """How often each true class (row) was answered with each class (column).

    Parameters
    ----------
    labels, predictions : sequence of int, shape (n,)
        0 or more.
    title : str, optional

    Notes
    -----
    Numbers are counts; the shade is the share of the row.
    """
    true = _labels("labels", labels)
    said = _labels("predictions", predictions, len(true))
    if not len(true):
        raise SpecError("no samples to compare", allowed="one or more")
    n = int(max(true.max(), said.max())) + 1
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (true, said), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = float((true == said).mean())
    side = max(4.6, 0.52 * n + 1.2)
    fig = Picture(figsize=(side, side), layout="constrained")
    fig.title = title or f"{100 * right:.1f} % of {len(true):,} samples right"
    ax = fig.subplots()
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, gid="confusion")
    ax.spines[:].set_visible(False)
    for row, column in np.argwhere(counts):
        ax.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=8.5,
                color="white" if share[row, column] > 0.72 else "black",
                fontweight="bold" if row == column else "normal")  # fmt: skip
    ax.set_xticks(range(n))
    ax.set_yticks(range(n))
    ax.tick_params(length=0)
    ax.set(xlabel="answered", ylabel="true class")
    ax.set_title(fig.title, loc="left", fontweight="bold")
    wrong = counts - np.diag(np.diag(counts))
    text = [f"Confusion matrix of {len(true):,} samples, {100 * right:.1f} % right."]
    if wrong.any():
        order = np.argsort(wrong, axis=None)[::-1][: min(3, int((wrong > 0).sum()))]
        pairs = [divmod(int(i), n) for i in order]
        text.append(
            "Most frequent confusions: "
            + listed([f"{a} taken for {b} ({wrong[a, b]} times)" for a, b in pairs]) + "."
        )  # fmt: skip
    fig.alt = " ".join(text)
    return fig


@picture
def digits(
    images: np.ndarray,
    labels: np.ndarray | Sequence[int] | None = None,
    predictions: np.ndarray | Sequence[int] | None = None,
    *,
    image_shape: tuple[int, int] | None = None,
    n: int = 40,
    title: str | None = None,
) -> Picture:
    """Input patterns as pictures, with true class and answer below; wrong answers are framed.

    Parameters
    ----------
    images : ndarray, shape (n_samples, n_in) or (n_samples, rows, columns)
    labels, predictions : sequence of int, shape (n_samples,), optional
    image_shape : (rows, columns), optional
        Of flat images; square by default.
    n : int
        Pictures drawn at most, the first ones, 1 .. 400.
    title : str, optional
    """
    images = np.asarray(images)
    if images.ndim not in (2, 3) or not images.size:
        raise SpecError(
            f"images have shape {images.shape}",
            allowed="(n_samples, n_in) or (n_samples, rows, columns)",
        )
    if not 1 <= n <= 400:
        raise SpecError(f"n is {n}", allowed="1 to 400 pictures")
    if images.ndim == 2:
        images = images.reshape(-1, *_shape_of(images.shape[1], image_shape))
    true = None if labels is None else _labels("labels", labels, len(images))
    said = None if predictions is None else _labels("predictions", predictions, len(images))
    total, images = len(images), images[:n]
    across = min(len(images), 10)
    down = math.ceil(len(images) / across)
    width = max(0.8 * across, 4.0)
    text = 0.0 if true is None and said is None else 0.24
    cell = 0.8 * images.shape[1] / images.shape[2] + text
    height = 0.5 + down * cell + 0.1
    fig = Picture(figsize=(width, height))
    of = f" of {total:,}" if total > len(images) else ""
    fig.title = title or f"{len(images)} sample{'' if total == 1 else 's'}{of}"
    fig.suptitle(fig.title, x=0.1 / width, y=1 - 0.1 / height, ha="left", va="top", fontsize=12,
                 fontweight="bold")  # fmt: skip
    for i, picture_ in enumerate(images):
        x, y = 0.8 * (i % across), height - 0.5 - cell * (i // across + 1)
        ax = fig.add_axes((
            (x + 0.05) / width, (y + text + 0.04) / height, 0.7 / width,
            (cell - text - 0.08) / height,
        ))  # fmt: skip
        ax.imshow(picture_, cmap="Greys", vmin=0, interpolation="nearest", gid=f"digit {i}")
        ax.set(xticks=[], yticks=[])
        wrong = true is not None and said is not None and true[i] != said[i]
        ax.spines[:].set(visible=True, color=VERMILLION if wrong else "#bbbbbb",
                         linewidth=2.2 if wrong else 0.6)  # fmt: skip
        parts = [f"{values[i]}" for values in (true, said) if values is not None]
        if len(parts) == 2 and not wrong:
            parts = parts[:1]
        ax.set_xlabel(" → ".join(parts), fontsize=9.5, labelpad=2,
                      fontweight="bold" if wrong else "normal",
                      color=inked(VERMILLION) if wrong else "black")  # fmt: skip
    fig.alt = _digits_alt(images, true, said)
    return fig


def _digits_alt(images: np.ndarray, true: np.ndarray | None, said: np.ndarray | None) -> str:
    n = len(images)
    text = [f"{n} pictures of {images.shape[1]} by {images.shape[2]} pixels."]
    if true is not None:
        text.append(f"True classes, row by row: {', '.join(map(str, true[:n]))}.")
    if true is not None and said is not None:
        wrong = np.flatnonzero(true[:n] != said[:n])
        text.append(
            f"{n - len(wrong)} are answered right"
            + (f"; wrong and framed: {listed([f'{true[i]} taken for {said[i]}' for i in wrong])}."
               if len(wrong) else ".")
        )  # fmt: skip
    elif said is not None:
        text.append(f"Answers, row by row: {', '.join(map(str, said[:n]))}.")
    return " ".join(text)
