"""When the wiring opens a population: what the circuits declare, and what is left of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sbp.circuits import (
    deep_circuit,
    gating_chain,
    inference_circuit,
    learning_circuit,
    single_layer_circuit,
)
from sbp.circuits.timing import timing
from sbp.engines import compiled
from sbp.plots import circuit_diagram, phase_diagram, raster
from sbp.program import lower
from sbp.run import ALL_SPIKES

CIRCUITS = {
    "learning": learning_circuit((12, 7, 4)),
    "before-august-2024": learning_circuit((12, 7, 4), parameters="before-august-2024"),
    "finer": learning_circuit((12, 7, 4), weight_exponent=-2),
    "single": single_layer_circuit((9, 3)),
    "chain": gating_chain(4, 3),
    "short ring": gating_chain(4, 6, 2),
    "inference": inference_circuit((9, 8, 3)),
    "deep": deep_circuit((9, 5, 4, 4, 3)),
}


def without(circuit, source, target, kind=None):
    kept = tuple(
        p
        for p in circuit.projections
        if (p.source, p.target) != (source, target) or (kind and p.kind != kind)
    )
    assert len(kept) < len(circuit.projections)
    return replace(circuit, projections=kept)


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_whole_circuits_are_open_where_they_declare(circuit):
    found = timing(circuit)
    opened = set(found.opened) | {(g, p) for g, phases in found.gates.items() for p in phases}
    assert opened == {(n, p) for p, phase in enumerate(circuit.phases) for n in phase.fires}
    assert found.lasts


@pytest.mark.parametrize("name", ["learning", "single", "deep"])
def test_without_any_one_opening_gate_its_population_is_closed_there(name):
    circuit = CIRCUITS[name]
    gates = timing(circuit).gates
    whole = timing(circuit)
    for p in circuit.projections:
        if p.source not in gates or p.kind not in ("gate", "gate_gt"):
            continue
        left = timing(without(circuit, p.source, p.target, p.kind))
        (phase,) = ((q + 1 + p.delay) % circuit.period for q in gates[p.source])
        assert whole.is_open(p.target, phase)
        assert not left.is_open(p.target, phase), (p.source, p.target)


def test_a_cut_ring_opens_nothing_behind_the_cut():
    cut = timing(without(gating_chain(4, 4), "g2", "g3"))
    assert sorted(cut.opened) == [("s1", 1), ("s2", 2)]
    assert not cut.lasts


def opened_in(fig, gid):
    """The drawn boxes of a kind of gid: how many for each name."""
    drawn = [a.get_gid() for a in fig.findobj() if (a.get_gid() or "").startswith(f"{gid} ")]
    return sorted(drawn)


def test_pictures_draw_a_removed_gate_shut():
    chain = without(gating_chain(25, 4), "g2", "s2")
    program = lower(chain)
    stimulus = {"input": np.ones((2, 25), int)}
    run = compiled.run(program, program.state(), stimulus, record=ALL_SPIKES)
    assert opened_in(raster(run), "open") == ["open s1", "open s3", "open s4"]
    assert opened_in(phase_diagram(chain), "fires") == ["fires s1 1", "fires s3 3", "fires s4 4"]
    assert "Phase 2:" not in phase_diagram(chain).alt
    said = " ".join(text.get_text() for text in raster(run).findobj() if hasattr(text, "get_text"))
    assert "s2" not in [text.get_text() for text in circuit_diagram(chain).texts]
    assert "s3" in said


def test_a_ring_that_stops_opens_nothing_in_the_next_sample():
    program = lower(without(gating_chain(4, 2), "g2", "g0"))
    run = compiled.run(program, program.state(), {"input": np.ones((2, 4), int)}, record=ALL_SPIKES)
    assert opened_in(raster(run, samples=0), "open") == ["open s1", "open s2"]
    assert opened_in(raster(run, samples=1), "open") == []


def test_a_lesion_of_the_learning_circuit_is_seen_in_every_picture():
    circuit = without(learning_circuit((12, 7, 4)), "g6", "h_box")
    shown = opened_in(phase_diagram(circuit), "fires")
    assert "fires h_box 6" not in shown
    # h_box opened h: with it, the hidden layer can no longer be told the error.
    assert "fires h 7" not in shown
    assert "fires h 5" in shown
