"""Circuits from lines of text: equal to those of the package, and plain about what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from sbp.circuits import gating_chain, learning_circuit, lines, single_layer_circuit
from sbp.circuits.gating import RELEASED
from sbp.engines import reference
from sbp.errors import SpecError
from sbp.program import lower
from sbp.run import ALL_SPIKES
from sbp.spec import MatrixWeight, Neuron, Parameter, Phase


def text_of(circuit):
    """A circuit as lines, one for each projection but the ring's."""
    found = []
    for p in circuit.projections:
        if p.kind == "ring":
            continue
        if isinstance(p.weight, MatrixWeight):
            name = ("-" if p.weight.negate else "") + p.weight.parameter
            found.append(f"{p.source} {p.target} {name}{'^T' if p.weight.transpose else ''}")
            continue
        odd = p.connect == "one-to-one" and p.kind == "gate"
        found.append(f"{p.source} {p.target} {p.kind} {p.delay}{' one-to-one' if odd else ''}")
    return "\n".join(found)


def again(circuit, **changes):
    """The circuit made anew from its lines."""
    gates = {f"g{k}" for k in range(circuit.period)}
    given = {
        "sizes": {p.name: p.size for p in circuit.populations if p.name not in gates},
        "sources": {s.name: (s.size, s.phase) for s in circuit.sources if s.phase is not None},
        "ring": circuit.period,
        "matrices": circuit.parameters,
        "neurons": {"hT": RELEASED.relay_no_refractory},
        "phases": [
            Phase(tuple(n for n in p.fires if n not in gates), p.learns, p.reward)
            for p in circuit.phases
        ],
        "name": circuit.name,
        "layers": circuit.sizes,
    }
    return lines.circuit(text_of(circuit), **(given | changes))


CIRCUITS = {
    "learning": learning_circuit((12, 7, 4)),
    "single": single_layer_circuit((9, 3)),
    "chain": gating_chain(6, 3, 2),
}


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_the_circuits_of_the_package_from_their_lines(circuit):
    assert lower(again(circuit)).digest == lower(circuit).digest


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_phases_that_are_not_given_are_those_the_wiring_opens(circuit):
    for derived, declared in zip(again(circuit, phases=None).phases, circuit.phases, strict=True):
        assert set(declared.fires) <= set(derived.fires)
        # What populations open in each other may be more than what fires in the end.
        assert set(derived.fires) - set(declared.fires) <= {"d+", "d-", "h", "h<", "h>"}


def test_weights_of_ones_own_and_neurons_without_a_ring():
    circuit = lines.circuit(
        "input n 300  # a comment\n\n", sizes={"n": 1}, sources={"input": (1, 0)},
        neurons={"n": Neuron(threshold=1024, dv=512)},
    )  # fmt: skip
    program = lower(circuit)
    given = {"input": np.ones((12, 1), int)}
    run = reference.run(program, program.state(), given, record=ALL_SPIKES)
    assert np.flatnonzero(run.spikes["n"][:, 0]).tolist() == [5, 10]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x s", 'line 1: "x s" needs a source, a target and a kind'),
        ("x nowhere copy", "line 1: no population is called nowhere"),
        ("input x copy\n\nx s copy 63", "line 3: delays are whole numbers from 0 to 62"),
        ("x s copy -1", "delays are whole numbers"),
        ("x input copy", "input only sends"),
        ("x s copi", "needs a source"),
        ("g9 x gate", "no population is called g9"),
        ("g1 x copy", "one-to-one"),
    ],
)
def test_what_is_wrong_is_said(text, told):
    with pytest.raises(SpecError, match=".*".join(told.split('"')).replace("+", r"\+")):
        lines.circuit(text, sizes={"x": 25, "s": 25}, sources={"input": (25, 0)}, ring=4)


def test_matrices_are_held_as_asked():
    circuit = lines.circuit(
        "input n W", sizes={"n": 2}, sources={"input": (1, 0)}, matrices=[Parameter("W", 2, 1)],
        weights={"W": MatrixWeight("W", exponent=3, plastic=False)}, ring=3,
    )  # fmt: skip
    (p,) = (p for p in circuit.projections if p.source == "input")
    assert (p.weight.exponent, p.weight.plastic, p.kind) == (3, False, "matrix")
