"""Pictures show what is in the data: marks, cells, arrows and words are read back and compared."""

import hashlib
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.backends.backend_agg
import numpy as np
import pytest
from cases import chain, inference, learning, single_layer
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as HPhase
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import confusion_matrix as sklearn_confusion

from sbp import plots
from sbp.circuits import (
    deep_circuit,
    gating_chain,
    inference_circuit,
    learning_circuit,
    lines,
    single_layer_circuit,
)
from sbp.engines import reference
from sbp.errors import FileError, SpecError
from sbp.plots import charts
from sbp.plots.reading import arrivals, groups_of, windows_of
from sbp.program import lower
from sbp.run import ALL_SPIKES, Record
from sbp.spec import Circuit, Neuron, Phase, Population, Projection
from sbp.testing import EVERYTHING
from sbp.testing.strategies import circuits, random_stimulus, random_weights
from sbp.weights import Weights

ROOT = Path(__file__).parent.parent
CIRCUITS = {
    "learning": learning_circuit(),
    "inference": inference_circuit(),
    "single layer": single_layer_circuit(),
    "chain": gating_chain(16, 5),
    "two gates": gating_chain(3, 9, 2),
    "one stage": gating_chain(1, 1),
    **{f"deep, {len(sizes) - 1} matrices": deep_circuit(sizes) for sizes in (
        (64, 10), (64, 32, 10), (400, 400, 400, 10), (64, 32, 24, 16, 12, 10), (8,) * 11,
    )},
    "deep inference": inference_circuit((64, 32, 24, 16, 12, 10)),
}  # fmt: skip

#: Those whose layers are all drawn.
WHOLE = {name: c for name, c in CIRCUITS.items() if len(c.sizes) <= 5 or "deep" not in name}


def deep_run(sizes, samples=2):
    """Random weights and pictures; what fires is in every layer."""
    program = lower(deep_circuit(sizes))
    rng = np.random.default_rng(2)
    stimulus = {
        "input": rng.integers(0, 2, (samples, sizes[0])),
        "target": np.eye(sizes[-1], dtype=int)[:samples],
    }
    state = program.state(Weights.random(sizes, 3))
    return reference.run(program, state, stimulus, record=ALL_SPIKES)


def run_of(case, record=ALL_SPIKES):
    return reference.run(case.program, case.state, case.stimulus, record=record)


@pytest.fixture(scope="module")
def run():
    """Eight samples of a learning run, after 40 others."""
    case = learning(24, samples=48)
    first = {name: array[:40] for name, array in case.stimulus.items()}
    rest = {name: array[40:] for name, array in case.stimulus.items()}
    state = reference.run(case.program, case.state, first).state
    return reference.run(case.program, state, rest, record=ALL_SPIKES)


@pytest.fixture(scope="module")
def history():
    rng = np.random.default_rng(0)
    return [
        [
            {"epoch": e, "exact": v - 0.1, "spike": v - 0.05, "membrane": v, "mse": 0.2 / e}
            for e, v in enumerate(0.9 - 0.3 / np.arange(1, 9) + 0.02 * rng.random(8), start=1)
        ]
        for _ in range(3)
    ]


@pytest.fixture(scope="module")
def pictures(run, history):
    """One of each kind, and the awkward ones."""
    rng = np.random.default_rng(1)
    weights = {
        "W1": 2 * rng.integers(-128, 128, (70, 64)),
        "W2": 2 * rng.integers(-128, 128, (10, 70)),
    }
    labels = rng.integers(0, 10, 50)
    return {
        "raster": plots.raster(run, samples=2),
        "raster of five": plots.raster(run, samples=slice(0, 5)),
        "raster of chain": plots.raster(run_of(chain())),
        "raster of single layer": plots.raster(run_of(single_layer(3))),
        "raster of inference": plots.raster(run_of(inference(samples=3))),
        **{f"circuit {name}": plots.circuit_diagram(c) for name, c in CIRCUITS.items()},
        **{f"phases {name}": plots.phase_diagram(c) for name, c in CIRCUITS.items()},
        "raster of three matrices": plots.raster(deep_run((64, 32, 24, 10))),
        "raster of five matrices": plots.raster(deep_run((64, 32, 24, 16, 12, 10))),
        "rasters of five matrices": plots.raster(
            deep_run((64, 32, 24, 16, 12, 10)), samples=slice(0, 2)
        ),
        "counters of five matrices": plots.counters_by_phase(deep_run((64, 32, 24, 16, 12, 10))),
        "deep weights": plots.weight_images(Weights.random((64, 32, 24, 16, 10), 1)),
        "curves": plots.learning_curves({"a": history, "_b": history[:1], "64-9-10, x": history}),
        "weights": plots.weight_images(weights),
        "curve": plots.learning_curve(history, published={"spike": 0.963, "membrane": 0.975}),
        "curve of one": plots.learning_curve([history[0][:1]]),
        "confusion": plots.confusion_matrix(labels, rng.integers(0, 10, 50)),
        "digits": plots.digits(rng.integers(0, 2, (50, 64)), labels, rng.integers(0, 10, 50)),
        "counters": plots.counters_by_phase(run),
        "points": charts.points(
            {"intact": [80.0, 88.5, 84.0], "a < b": [11.0, 12.0, 10.5], "none": [50.0]},
            groups={"intact": "whole", "a < b": "worse", "none": "worse"},
            lines={"untrained": 9.9}, xlabel="accuracy, %", title="Without",
        ),
    }  # fmt: skip


def found(fig, pattern, kind=object):
    """Artists whose gid matches, by gid (a list each)."""
    artists = {}
    for artist in fig.findobj(lambda a: isinstance(a, kind) and bool(a.get_gid())):
        if re.fullmatch(pattern, artist.get_gid()):
            artists.setdefault(artist.get_gid(), []).append(artist)
    return artists


def words(fig):
    """The texts of a picture, tick labels apart (those outside the limits are never drawn)."""
    ticks = {
        text
        for ax in fig.axes
        for axis in (ax.xaxis, ax.yaxis)
        for tick in (*axis.majorTicks, *axis.minorTicks)
        for text in (tick.label1, tick.label2)
    }
    texts = fig.findobj(mpl.text.Text)
    return [text for text in texts if text.get_text().strip() and text not in ticks]


# ---------------------------------------------------------------------------------- raster


def corners(fig, name):
    """The rectangles drawn for a population: left, top, right, bottom; a row each."""
    (marks,) = found(fig, re.escape(f"spikes {name}"))[f"spikes {name}"]
    boxes = [path.vertices for path in marks.get_paths()]
    return np.array([[*box.min(axis=0), *box.max(axis=0)] for box in boxes]).reshape(-1, 4)


def test_the_digit_can_be_seen_in_every_phase_in_which_x_fires(run):
    fig = plots.raster(run, samples=3)
    digit = run.at_phase("x", 1)[3].reshape(8, 8)
    boxes = corners(fig, "x")
    step = np.round((boxes[:, 0] + boxes[:, 2]) / 2).astype(int)
    assert set(step) == {1, 7, 11}
    ends = boxes.reshape(-1, 2, 2)
    for phase in (1, 7, 11):
        middle = ends[step == phase].mean(axis=1) - [phase, 0]
        seen = np.zeros((8, 8), bool)
        # Equal pitch: the places of the marks, counted from the first row and column used.
        rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
        pitch = np.ptp(middle, axis=0) / [np.ptp(columns), np.ptp(rows)]
        place = np.round((middle - middle.min(axis=0)) / pitch).astype(int)
        seen[place[:, 1] + rows[0], place[:, 0] + columns[0]] = True
        assert np.array_equal(seen, digit)
        assert len(middle) == digit.sum()


@pytest.mark.parametrize("samples", [slice(0, 1), slice(1, 3), slice(2, 7, 2), -1])
def test_every_spike_is_one_mark_in_its_step_and_at_its_neuron(run, samples):
    fig = plots.raster(run, samples=samples)
    # Where each neuron of each step lies: the same picture of a run in which all of them spike.
    full = replace(run, spikes={name: np.ones_like(s) for name, s in run.spikes.items()})
    reference_fig = plots.raster(full, samples=samples)
    held = run.recorded // 12
    chosen = np.arange(held.max() + 1)[samples if isinstance(samples, slice) else [samples]]
    shown = np.isin(held, chosen)
    for name in (p.name for p in run.program.populations):
        everything, marks = corners(reference_fig, name), corners(fig, name)
        assert len(everything) == run.spikes[name][shown].size
        step = np.round((everything[:, 0] + everything[:, 2]) / 2)
        assert np.array_equal(step, np.repeat(np.arange(shown.sum()), run.spikes[name].shape[1]))
        assert np.allclose(everything[run.spikes[name][shown].ravel()], marks)
        one_step = everything[step == 0]
        for a, b in combinations(one_step, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (name, a, b)


def test_phase_bands_rewards_open_and_shut_cells_are_the_circuit_s(run):
    circuit = run.program.circuit
    fig = plots.raster(run)
    bands = found(fig, r"phase \d+")
    assert len(bands) == 12
    assert all(len(patches) == 1 for patches in bands.values())
    tints = {p: bands[f"phase {p}"][0].get_facecolor() for p in range(12)}
    assert tints[5] == tints[7] != tints[9] == tints[11]
    assert len({tints[5], tints[9]} | {tints[p] for p in range(12) if p not in (5, 7, 9, 11)}) == 4
    assert set(found(fig, r"reward \d+")) == {"reward 5", "reward 7"}
    for name in (p.name for p in circuit.populations if not re.fullmatch(r"g\d+", p.name)):
        cells = found(fig, re.escape(f"open {name}")).get(f"open {name}", [])
        assert [round(cell.get_x() + 0.5) for cell in cells] == [
            p for p, phase in enumerate(circuit.phases) if name in phase.fires
        ]
    shut = {
        (gid.removeprefix("shut "), round(cell.get_x() + 0.5))
        for gid, cells in found(fig, r"shut .*").items()
        for cell in cells
    }
    assert shut == {
        *((h, 8) for h in ("h", "h<", "h>")), ("hT", 4), ("o-", 4),
        *((o, p) for o in ("o", "o<", "o>") for p in (0, 6, 10)),
    }  # fmt: skip


def test_bold_frames_mark_where_weights_are_learned(run):
    fig = plots.raster(run)
    bold = {
        (gid.removeprefix("open "), round(cell.get_x() + 0.5))
        for gid, cells in found(fig, r"open .*").items()
        for cell in cells
        if cell.get_linewidth() > 1
    }
    assert bold == {
        *((name, p) for name in ("h", "o", "o<", "o>") for p in (5, 9)),
        *((name, p) for name in ("x", "h", "h<", "h>") for p in (7, 11)),
    }


def test_every_phase_says_what_happens(run):
    texts = [text.get_text() for text in words(plots.raster(run))]
    assert [t for t in texts if re.fullmatch(r"\d+", t)][:12] == [str(p) for p in range(12)]
    for label in ("W2\ngrows", "W1\ngrows", "W2\nshrinks", "W1\nshrinks", "error", "shut"):
        assert label in texts


def test_raster_alt_names_what_fired_and_what_did_not(run):
    for sample in range(8):
        text = plots.alt_text(plots.raster(run, samples=sample))
        for name in (p.name for p in run.program.populations if p.name[0] != "g"):
            trains = run.spikes[name][12 * sample : 12 * (sample + 1)]
            phases = [str(p) for p in np.flatnonzero(trains.any(axis=1))]
            printed = re.escape(name.replace("-", "−"))
            said = re.search(
                rf"(?<![\w]){printed} fires in phases? ([\d, and]+), (\d+) spike", text
            )
            if not phases:
                assert said is None
                assert re.search(rf"(?<![\w]){printed}(,| and .+)? .*stays? silent", text)
            else:
                assert re.findall(r"\d+", said[1]) == phases
                assert int(said[2]) == trains.sum()
        label = np.flatnonzero(run.spikes["t"][12 * sample + 3])
        assert f"Target neurons firing: {label[0]};" in text


def test_raster_alt_reports_a_stray_spike(run):
    stray = {name: train.copy() for name, train in run.spikes.items()}
    stray["h"][12, 5] = True
    assert "ungated" not in plots.alt_text(plots.raster(run, samples=1))
    text = plots.alt_text(plots.raster(replace(run, spikes=stray), samples=1))
    assert re.search(r"h fires in phases 0, .* spikes, ungated in 0\.", text)


def test_unrecorded_steps_are_marked_and_not_shown_as_silence():
    run = run_of(learning(8, samples=3), Record(spikes=("x", "h"), phases=(1, 2, 7)))
    fig = plots.raster(run, samples=1)
    (patches,) = found(fig, "not recorded").values()
    assert [round(p.get_x() + 0.5) for p in patches] == [0, 3, 4, 5, 6, 8, 9, 10, 11]
    assert "9 steps were not recorded" in plots.alt_text(fig)


def test_populations_are_drawn_in_the_order_asked_for(run):
    fig = plots.raster(run, populations=["o", "input", "x"])
    assert list(found(fig, "spikes .*")) == ["spikes o", "spikes input", "spikes x"]
    assert len(corners(fig, "input")) == run.at_phase("input", 0)[0].sum()


# ---------------------------------------------------------------------------------- circuits


@pytest.mark.parametrize("name", WHOLE)
def test_diagram_has_every_population_and_every_projection(name):
    circuit = CIRCUITS[name]
    fig = plots.circuit_diagram(circuit)
    nodes = {gid.removeprefix("node ") for gid in found(fig, "node .*")}
    sources = {s.name for s in circuit.sources if s.phase is not None}
    assert nodes == {p.name for p in circuit.populations} | sources
    drawn = [
        (source, target, kind)
        for gid, artists in found(fig, "edge .*").items()
        for _ in artists
        for source, targets, kinds in [re.fullmatch(r"edge (\S+) -> (.+) : (.+)", gid).groups()]
        for target in targets.split()
        for kind in kinds.split()
    ]
    assert len(drawn) == len(set(drawn)) or name == "learning"  # o and o- reach hT by two matrices
    assert set(drawn) == {(p.source, p.target, p.kind) for p in circuit.projections}


@pytest.mark.parametrize("name", WHOLE)
def test_boxes_lie_apart_and_no_arrow_runs_through_a_third(name):
    circuit = CIRCUITS[name]
    fig = plots.circuit_diagram(circuit)
    boxes = {
        gid.removeprefix("node "): box.get_window_extent()
        for gid, (box,) in found(fig, "node .*").items()
    }
    for (a, one), (b, two) in combinations(boxes.items(), 2):
        assert not one.overlaps(two), (a, b)
    for gid, artists in found(fig, "edge .*", mpl.patches.FancyArrowPatch).items():
        source, targets, _ = re.fullmatch(r"edge (\S+) -> (.+) : (.+)", gid).groups()
        if source == "kick" or re.fullmatch(r"g\d+", source):
            continue
        for artist in artists:
            curve = artist.get_transform().transform_path(artist._path_original)
            points = curve.interpolated(40).vertices if len(curve) < 3 else _bezier(curve.vertices)
            for other in set(boxes) - {source, *targets.split()}:
                inside = [tuple(p) for p in points if boxes[other].padded(-1).contains(*p)]
                assert not inside, f"{gid} runs through {other}"


def _bezier(points):
    t = np.linspace(0, 1, 60)[:, None]
    a, b, c = points
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c


def test_a_very_long_chain_is_shortened_and_says_so_in_numbers():
    circuit = gating_chain(4, 300, 200)
    fig = plots.circuit_diagram(circuit)
    assert len(found(fig, "node .*")) < 50
    assert {"node s1", "node s300", "node g0", "node g199"} <= set(found(fig, "node .*"))
    assert "300 populations" in plots.alt_text(fig)
    assert "ring of 200 gates" in plots.alt_text(fig)
    assert max(fig.get_size_inches()) < 20


def test_diagram_alt_tells_the_way_of_the_weights():
    text = plots.alt_text(plots.circuit_diagram(learning_circuit()))
    assert "3,282 neurons" in text
    for part in ("W1 from x to h, h< and h>", "W2 from h to o, o< and o>", "W2ᵀ from o to hT",
                 "−W2ᵀ from o− to hT", "ring of 12 gates"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("name", WHOLE)
def test_timetable_cells_are_the_schedule(name):
    circuit = CIRCUITS[name]
    fig = plots.phase_diagram(circuit)
    gates = {f"g{i}" for i in range(circuit.period)}
    expected = {f"fires {n} {p}" for p, phase in enumerate(circuit.phases) for n in phase.fires} - {
        f"fires {g} {p}" for g in gates for p in range(circuit.period)
    }
    expected |= {f"learns {n} {p}" for p, phase in enumerate(circuit.phases) for n in phase.learns}
    drawn = set(found(fig, "(fires|learns) .*"))
    assert drawn == expected
    changes = {gid: text.get_text() for gid, (text,) in found(fig, "learns .*").items()}
    if name == "learning":
        assert changes == {"learns W2 5": "+2", "learns W1 7": "+2", "learns W2 9": "−2",
                           "learns W1 11": "−2"}  # fmt: skip


def test_what_reaches_the_open_cells_is_the_specification_s_table():
    circuit = learning_circuit((5, 4, 3))
    table = {
        ("x", 1): "input", ("h", 2): "x", ("h>", 2): "x", ("o", 3): "h", ("t", 3): "target",
        ("h_mem", 3): "h", ("d+", 4): "o< ¬o t", ("d-", 4): "o< ¬o> o ¬t", ("h", 5): "h_mem",
        ("hT", 5): "h_mem", ("o", 5): "d+", ("o-", 5): "d−", ("hT", 6): "o o−", ("x_mem", 6): "x",
        ("h_box", 6): "h< ¬h>", ("x", 7): "x_mem", ("h", 7): "hT h_box", ("h", 9): "h_mem",
        ("o", 9): "d−", ("o-", 9): "d+", ("hT", 10): "o o−", ("x", 11): "x_mem",
        ("h<", 11): "hT h_box",
    }  # fmt: skip
    assert {key: " ".join(arrivals(circuit, *key)) for key in table} == table
    needs = {("h", 2): 0.5, ("h<", 2): 0.0, ("h>", 2): 1.0, ("hT", 6): 0.0, ("hT", 5): 0.5,
             ("o<", 3): 0.0, ("o", 5): 0.5, ("o<", 5): 0.5}  # fmt: skip
    windows = windows_of(circuit)
    assert {key: windows[key].needs for key in needs} == needs


def test_layers_are_found_from_the_wiring():
    groups = groups_of(learning_circuit((7, 7, 7)))  # equal sizes give nothing away
    assert {n for n, g in groups.items() if g == "input"} == {"input", "x", "x_mem"}
    assert {n for n, g in groups.items() if g == "hidden"} == {
        "h", "h<", "h>", "h_mem", "h_box", "hT",
    }  # fmt: skip
    assert {n for n, g in groups.items() if g == "output"} == {"o", "o<", "o>", "o-", "target"}
    assert {n for n, g in groups.items() if g == "target and error"} == {"t", "d+", "d-"}
    assert {n for n, g in groups.items() if g == "gates"} == {f"g{i}" for i in range(12)}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow],
          phases=[HPhase.explicit, HPhase.reuse, HPhase.generate])  # fmt: skip
@given(circuits(), st.integers(0, 2**32 - 1))
@pytest.mark.filterwarnings("ignore:.*in the random circuit:RuntimeWarning")
def test_any_circuit_can_be_drawn(circuit, seed):
    rng = np.random.default_rng(seed)
    program = lower(circuit)
    state = program.state(random_weights(circuit, rng))
    stimulus = random_stimulus(program, 3, rng)
    run = reference.run(program, state, stimulus, 3 * circuit.period, record=ALL_SPIKES)
    fig = plots.raster(run, samples=slice(None))
    for name, train in run.spikes.items():
        if name in {p.name for p in program.populations}:
            assert len(corners(fig, name)) == train.sum()
    for picture in (fig, plots.circuit_diagram(circuit), plots.phase_diagram(circuit),
                plots.counters_by_phase(run)):  # fmt: skip
        assert plots.alt_text(picture)
        picture.savefig(io.BytesIO(), dpi=20)
    names = {p.name for p in circuit.populations}
    assert {f"node {name}" for name in names} <= set(
        found(plots.circuit_diagram(circuit), "node .*")
    )


# ---------------------------------------------------------------------------------- results


def test_learning_curve_is_the_mean_with_one_standard_deviation(history):
    fig = plots.learning_curve(history, published={"spike": 0.963})
    for name, factor in (("exact", 100), ("spike", 100), ("membrane", 100), ("mse", 1)):
        values = factor * np.array([[row[name] for row in rows] for rows in history])
        ((line,),) = found(fig, f"mean {name}").values()
        assert np.array_equal(line.get_xdata(), np.arange(1, 9))
        assert np.allclose(line.get_ydata(), values.mean(axis=0))
        ((band,),) = found(fig, f"sd {name}").values()
        edge = band.get_paths()[0].vertices
        sd = np.sqrt(((values - values.mean(axis=0)) ** 2).sum(axis=0) / 2)
        for epoch in range(8):
            y = edge[edge[:, 0] == epoch + 1, 1]
            assert np.isclose(y.max() - y.min(), 2 * sd[epoch])
    ((line,),) = found(fig, "published spike").values()
    assert line.get_ydata()[0] == pytest.approx(96.3)
    assert any(text.get_text() == "published: spike 96.3 %" for text in words(fig))
    final = 100 * np.mean([rows[-1]["membrane"] for rows in history])
    assert f"to {final:.1f} %" in plots.alt_text(fig)


def test_learning_curve_uses_the_epochs_that_all_seeds_have(history):
    fig = plots.learning_curve([history[0], history[1][2:5]])
    ((line,),) = found(fig, "mean spike").values()
    assert np.array_equal(line.get_xdata(), [3, 4, 5])
    assert "3 to 5, 2 seeds" in plots.alt_text(fig)


def test_weight_images_hold_the_weights():
    rng = np.random.default_rng(0)
    weights = {
        "W1": 2 * rng.integers(-128, 128, (13, 15)),
        "W2": 2 * rng.integers(-50, 50, (4, 13)),
    }
    fig = plots.weight_images(weights, (3, 5))
    ((board,),) = found(fig, "weights W1").values()
    array = board.get_array()
    for unit, row in enumerate(weights["W1"]):
        y, x = 4 * (unit // 10), 6 * (unit % 10)
        assert np.array_equal(array[y : y + 3, x : x + 5], row.reshape(3, 5))
    assert np.ma.count(np.ma.masked_invalid(array)) == weights["W1"].size
    ((matrix,),) = found(fig, "weights W2").values()
    assert np.array_equal(matrix.get_array(), weights["W2"])
    for image, name in ((board, "W1"), (matrix, "W2")):
        assert image.norm.vmax == -image.norm.vmin == np.abs(weights[name]).max()
    white = board.cmap(board.norm(0))[:3]
    assert min(white) > 0.95


def test_confusion_matrix_counts():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 200)
    answers = np.where(rng.random(200) < 0.6, labels, rng.integers(0, 7, 200))
    fig = plots.confusion_matrix(labels, answers)
    counts = np.zeros((7, 7), int)
    for text in fig.axes[0].texts:
        column, row = map(int, text.get_position())
        counts[row, column] = int(text.get_text())
    expected = sklearn_confusion(labels, answers)
    assert np.array_equal(counts, expected)
    ((image,),) = found(fig, "confusion").values()
    assert np.allclose(image.get_array(), expected / expected.sum(axis=1, keepdims=True))
    off = expected - np.diag(np.diag(expected))
    a, b = np.unravel_index(off.argmax(), off.shape)
    assert f"({off.max()} times)" in plots.alt_text(fig)
    assert off[a, b] > 0


def test_digits_are_shown_and_wrong_answers_framed():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 2, (12, 6)), np.arange(12) % 10
    answers = labels.copy()
    answers[[3, 7]] = 0
    fig = plots.digits(images, labels, answers, image_shape=(2, 3))
    for i, image in enumerate(images):
        ((drawn,),) = found(fig, f"digit {i}").values()
        assert np.array_equal(drawn.get_array(), image.reshape(2, 3))
        assert (drawn.axes.spines["top"].get_linewidth() > 1) == (i in (3, 7))
        assert drawn.axes.get_xlabel() == (f"{labels[i]} → 0" if i in (3, 7) else f"{labels[i]}")
    assert "10 are answered right; wrong and framed: 3 taken for 0 and 7 taken for 0." in fig.alt


def test_points_are_the_values_with_their_mean_and_its_standard_error():
    rows = {"a": [1.0, 2.0, 6.0], "b": [4.0]}
    fig = charts.points(
        rows, xlabel="%", title="T", groups={"a": "x", "b": "y"}, lines={"none": 0.5}, form="{:.3f}"
    )
    (ax,) = fig.axes
    for place, (label, values) in enumerate(rows.items()):
        (dots,) = found(fig, f"values {label}")[f"values {label}"]
        assert list(dots.get_xdata()) == values
        assert list(dots.get_ydata()) == [place] * len(values)
    error = np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    bars = [c.lines[2][0].get_segments()[0] for c in ax.containers]
    assert bars[0][:, 0] == pytest.approx([3 - error, 3 + error])
    assert bars[1][:, 0] == pytest.approx([4, 4]), "one value has no spread that is known"
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert f"x: a 3.000 ± {error:.3f}; y: b 4.000 ± 0.000." in fig.alt
    assert "A line at 0.500: none." in fig.alt
    for nothing in ({}, {"a": []}):
        with pytest.raises(SpecError, match="no points to draw"):
            charts.points(nothing, xlabel="%", title="T")


def test_dots_are_means_with_the_range_of_what_was_measured():
    fig = charts.dots(
        ["ours", "theirs"], [[1.0, 2.0, 6.0], [4.0]], ours=[True, False], xlabel="%", title="T"
    )
    for place, (label, mean) in enumerate({"ours": 3.0, "theirs": 4.0}.items()):
        (dot,) = found(fig, f"dot {label}")[f"dot {label}"]
        assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([mean], [place])
        assert (dot.get_markerfacecolor() == "white") == (label == "theirs")
    (spread,) = found(fig, "range .*")["range ours"]
    assert list(spread.get_xdata()) == [1, 6]
    assert "ours 3.0 (1.0 to 6.0), theirs 4.0." in fig.alt
    for labels, values in (([], []), (["a"], []), (["a"], [[]])):
        with pytest.raises(SpecError, match="dots need values"):
            charts.dots(labels, values, xlabel="%", title="T")


def test_potentials_near_the_threshold_put_what_is_far_below_on_an_arrow():
    """A neuron that goes far below zero, below it, and above."""
    circuit = lines.circuit(
        "s a 200\nn a -250",
        sizes={"a": 1},
        sources={"s": (3, 0), "n": (4, 0)},
        neurons={"a": Neuron()},
    )
    program = lower(circuit)
    foot = -program.populations[0].threshold / 128  # half of it, in weight units
    s, n = np.array([[1, 0], [0, 1], [1, 1], [1, 0]]).T
    fires = {"s": s[:, None].repeat(3, axis=1), "n": n[:, None].repeat(4, axis=1)}
    run = reference.run(program, program.state(), fires, 6, record=EVERYTHING)
    v = charts.before_reset(run, "a")[:, 0]
    assert v.min() < foot < 0 < v.max(), "the run goes there"
    for near in (False, True):
        fig = charts.potentials(run, ["a"], near=near)
        (dots,) = found(fig, "potential a")["potential a"]
        (arrows,) = found(fig, "far a")["far a"]
        far = v < foot if near else np.zeros(len(v), bool)
        assert list(dots.get_ydata()) == list(v[~far])
        assert list(arrows.get_xdata()) == list(np.flatnonzero(far))
        assert set(arrows.get_ydata()) == ({foot} if near else set())
        numbers = {text.get_text() for text in fig.axes[0].texts}
        assert (f"{v.min():,.0f}" in numbers) == near
        assert ("what lies below is an arrow" in fig.alt) == near
        assert fig.axes[0].get_ylim()[0] < (foot if near else v.min())


def test_pictures_of_weights_say_what_they_are():
    plain = plots.weight_images({"W1": np.ones((2, 4), int)})
    told = plots.weight_images({"W1": np.ones((2, 4), int)}, about="Changes of one lesson.")
    usual = "W1: weights from the input to each unit (all)"
    for fig, said in ((plain, usual), (told, "Changes of one lesson.")):
        assert {text.get_text() for text in fig.texts} & {usual, "Changes of one lesson."} == {said}
    assert "Changes of one lesson." in told.alt


def test_counters_by_phase_add_up(run):
    fig = plots.counters_by_phase(run)
    for what in ("spikes", "synaptic_operations"):
        total = np.zeros(12)
        for bars in found(fig, f"{what} .*", mpl.patches.Rectangle).values():
            total += [bar.get_height() for bar in bars]
        assert np.allclose(total, getattr(run.counters, what).sum(axis=1) / 8)
    assert len(found(fig, "spikes .*", mpl.patches.Rectangle)) == 5


# ---------------------------------------------------------------------------------- every picture


def luminance(colour):
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


def test_all_words_are_inside_the_picture_apart_and_dark_enough(pictures):
    for name, fig in pictures.items():
        canvas = mpl.backends.backend_agg.FigureCanvasAgg(fig)
        canvas.draw()
        width, height = canvas.get_width_height()
        boxes = []
        for text in words(fig):
            box = text.get_window_extent()
            if not text.get_visible() or not box.width:
                continue
            where = f"{name}: {text.get_text()!r}"
            assert -1 <= box.x0 <= box.x1 <= width + 1, where
            assert -1 <= box.y0 <= box.y1 <= height + 1, where
            shade = luminance(text.get_color())
            if shade < 0.9:  # white words stand on dark ground
                assert 1.05 / (shade + 0.05) >= 4.5, where
            boxes.append((text.get_text(), box))
        for (a, one), (b, two) in combinations(boxes, 2):
            assert not one.padded(-1.5).overlaps(two.padded(-1.5)), f"{name}: {a!r} on {b!r}"


def test_every_picture_has_words_and_saves_them_in_the_file(pictures, tmp_path):
    for i, (name, fig) in enumerate(pictures.items()):
        text = plots.alt_text(fig)
        assert len(text) > 30, name
        assert text.endswith("."), name
        assert fig.title, name
        path = plots.save(fig, tmp_path / f"{i}.png", dpi=40)
        with Image.open(path) as image:
            assert image.text["Description"] == text
            assert image.text["Title"] == fig.title
            assert image.size[0] == int(40 * fig.get_figwidth())
    assert len(list(tmp_path.iterdir())) == len(pictures)


def test_svg_and_pdf_carry_the_words(pictures, tmp_path):
    fig = pictures["raster"]
    tree = ElementTree.parse(plots.save(fig, tmp_path / "a.svg"))
    description = next(tree.iter("{http://purl.org/dc/elements/1.1/}description"))
    assert description.text == fig.alt
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert "spikes h<" in ids
    pdf = plots.save(fig, tmp_path / "a.PDF").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert b"/Subject" in pdf
    assert b"CreationDate" not in pdf


@pytest.mark.parametrize("sizes", [(64, 32, 24, 10), (64, 32, 24, 16, 12, 10), (8,) * 11])
def test_drawings_of_deep_circuits_keep_to_what_is_told_apart(sizes):
    """All layers up to three hidden ones; of more the first and the last, and what is said."""
    circuit, hidden = deep_circuit(sizes), len(sizes) - 2
    shown = range(1, hidden + 1) if hidden <= 3 else (1, hidden)
    layers = ["x", *(f"h{k}" for k in shown), "o"]
    for draw in (plots.circuit_diagram, plots.phase_diagram):
        fig = draw(circuit)
        text, said = plots.alt_text(fig), {t.get_text() for t in words(fig)}
        assert {f"{layer}<" for layer in layers[1:]} <= said
        assert ("h2<" in said) == (hidden <= 3)
        folded = f"hidden 2 to {hidden - 1}"
        assert (f"Left out, because they are like the others: {folded}." in text) == (hidden > 3)
        assert any(folded in word for word in said) == (hidden > 3)
        assert fig.get_figwidth() <= 20
    fig = plots.phase_diagram(circuit)
    for gid in found(fig, r"fires .*"):
        _, name, p = gid.split()
        assert name in circuit.phases[int(p)].fires
    drawn = {tuple(gid.split()[1:]) for gid in found(fig, "fires .*")}
    kept = {str(p) for _, p in drawn}
    assert drawn == {
        (name, str(p))
        for p, phase in enumerate(circuit.phases)
        for name in phase.fires
        if str(p) in kept and not name.startswith("g")
        and (not re.match(r"h\d", name) or int(re.match(r"h(\d+)", name)[1]) in shown)
    }  # fmt: skip
    for number in range(1, len(sizes)):  # what is learned next to a layer that is shown
        learned = found(fig, f"learns W{number} .*")
        near = number in (1, 2, len(sizes) - 2, len(sizes) - 1)
        assert len(learned) == (2 if hidden <= 3 or near else 0)


def test_a_raster_of_a_deep_circuit_says_what_it_leaves_out():
    run = deep_run((64, 32, 24, 16, 12, 10))
    fig = plots.raster(run)
    marks = found(fig, "spikes .*")
    assert {"spikes h1", "spikes h4", "spikes o"} <= marks.keys()
    assert not {"spikes h2", "spikes h3T"} & marks.keys()
    assert "Left out, because they are like the others: hidden 2 to 3." in fig.alt
    named = plots.raster(run, populations=["h2", "h3T"])
    assert found(named, "spikes .*").keys() == {"spikes h2", "spikes h3T"}
    assert "Left out" not in named.alt
    assert "spikes h2" in found(plots.raster(deep_run((64, 32, 24, 10))), "spikes .*")


def test_a_notebook_shows_the_picture_with_its_words(pictures):
    data, metadata = pictures["curve"]._repr_mimebundle_()
    with Image.open(io.BytesIO(data["image/png"])) as image:
        assert image.format == "PNG"
    assert data["text/plain"] == metadata["image/png"]["alt"] == pictures["curve"].alt


DRAW = """
import hashlib, sys, matplotlib as mpl
FOLDER, SETTINGS, TESTS = VALUES
mpl.rcParams.update(SETTINGS)
sys.path.insert(0, TESTS)
from cases import learning
from sbp import plots
from sbp.circuits import learning_circuit
from sbp.engines import reference
from sbp.run import ALL_SPIKES
case = learning(8, samples=2)
run = reference.run(case.program, case.state, case.stimulus, record=ALL_SPIKES)
for fig in (plots.raster(run), plots.circuit_diagram(learning_circuit()),
            plots.counters_by_phase(run)):
    for ending in ("png", "svg", "pdf"):
        path = plots.save(fig, f"{FOLDER}/picture.{ending}")
        print(ending, hashlib.sha256(path.read_bytes()).hexdigest())
assert "matplotlib.pyplot" not in sys.modules
assert all(mpl.rcParams[key] == value for key, value in SETTINGS.items())
"""


def test_the_same_picture_is_the_same_bytes_in_every_process(tmp_path):
    """Whatever the hash seed and the user's matplotlib settings."""
    started = []
    for seed, settings_ in (("1", {}), ("2", {"font.size": 30.0, "axes.grid": True,
                                              "font.family": ["serif"]})):  # fmt: skip
        values = str(tmp_path / seed), settings_, str(ROOT / "tests")
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
        started.append(
            subprocess.Popen([sys.executable, "-c", DRAW.replace("VALUES", repr(values))], env=env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )  # fmt: skip
    said = []
    for process in started:
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        said.append(out.split())
    assert len(said[0]) == 18
    assert said[0] == said[1]


def test_saving_replaces_whole_files_only(pictures, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(FileError, match=r"cannot write|is not a folder"):
        plots.save(pictures["curve"], blocked / "picture.png")
    with pytest.raises(SpecError, match=r"cannot draw into 'picture\.jpeg'"):
        plots.save(pictures["curve"], tmp_path / "picture.jpeg")
    assert path.read_bytes() == b"old"
    first = hashlib.sha256(plots.save(pictures["curve"], path).read_bytes()).digest()
    assert hashlib.sha256(plots.save(pictures["curve"], path).read_bytes()).digest() == first
    assert {p.name for p in tmp_path.iterdir()} == {"picture.png", "file"}


# ---------------------------------------------------------------------------------- bad input

ONE = Circuit("one", (1,), (), (Population("a", 1, Neuron()),), (), (Phase(),))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda run: plots.raster(replace(run, spikes={})), "no recorded spikes; run it with"),
        (lambda run: plots.raster(run, samples=8), "samples 8 .* allowed: .* from 0 to 7"),
        (lambda run: plots.raster(run, samples=slice(3, 3)), "samples slice"),
        (lambda run: plots.raster(run, populations=["hh"]), "'hh' .* allowed: .*h_mem"),
        (lambda run: plots.raster(run, populations=[]), "no populations"),
        (lambda run: plots.counters_by_phase(reference.run(run.program, run.state)), "no steps"),
        (lambda run: plots.phase_diagram(gating_chain(2, 200)), "201 phases .* at most 64"),
        (lambda run: plots.weight_images({}), "no weight matrices"),
        (lambda run: plots.weight_images({"W1": np.zeros((2, 7))}), "give image_shape"),
        (lambda run: plots.weight_images({"W1": np.zeros((2, 6))}, (2, 4)), "product is 6"),
        (lambda run: plots.weight_images({"W1": np.zeros((2, 4))}, n=0), "n is 0; allowed: 1 to"),
        (lambda run: plots.learning_curve([]), "no epochs"),
        (lambda run: plots.learning_curve([[{"epoch": 1}], [{"epoch": 2}]]), "epoch in common"),
        (lambda run: plots.learning_curve([[{"epoch": 1, "mse": 0.1}]]), "no accuracy"),
        (
            lambda run: plots.learning_curve(
                [[{"epoch": 1, "spike": 0.5}]], published={"spike": 96}
            ),
            "published spike is 96; allowed: fractions",
        ),
        (lambda run: plots.confusion_matrix([1, 2], [1]), "predictions of shape"),
        (lambda run: plots.confusion_matrix([], []), "labels"),
        (lambda run: plots.confusion_matrix([1, -2], [1, 2]), "labels"),
        (lambda run: plots.confusion_matrix([0.5], [1]), "labels"),
        (lambda run: plots.digits(np.zeros(9)), r"shape \(9,\)"),
        (lambda run: plots.digits(np.zeros((3, 9)), [1, 2]), "labels of shape"),
        (lambda run: plots.save(plots.circuit_diagram(ONE), "a.png", dpi=1), "dpi is 1; allowed"),
        (lambda run: plots.alt_text(Figure()), "no alternative text"),
    ],
)
def test_bad_input_is_one_clear_line(run, draw, message):
    with pytest.raises(SpecError, match=message) as caught:
        draw(run)
    assert "\n" not in str(caught.value)


def test_too_much_for_one_picture_is_refused():
    program = lower(gating_chain(1, 81, 2))
    run = reference.run(
        program, program.state(), {"input": np.ones((2, 1), int)}, record=ALL_SPIKES
    )
    with pytest.raises(SpecError, match="81 populations to draw; allowed: 80; name some"):
        plots.raster(run)
    assert "s1 fires in phase 1," in plots.alt_text(plots.raster(run, populations=["s1"]))
    program = lower(gating_chain(1, 1, 2))
    run = reference.run(program, program.state(), steps=1202, record=ALL_SPIKES)
    with pytest.raises(SpecError, match="1202 steps to draw; allowed: 1200; fewer samples"):
        plots.raster(run, samples=slice(None))


def test_a_circuit_without_projections_and_one_that_feeds_itself():
    loop = Projection("a", "a", "echo", 100, "all-to-all", 1)
    fig = plots.circuit_diagram(replace(ONE, projections=(loop,)))
    assert set(found(fig, "node .*|edge .*")) == {"node a", "edge a -> a : echo"}
    assert set(found(plots.circuit_diagram(ONE), "node .*|edge .*")) == {"node a"}
