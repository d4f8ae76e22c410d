"""Circuits as anyone could write them: a relay, one that learns, and one that cannot be built."""

from dataclasses import replace

from sbp.circuits import learning_circuit
from sbp.circuits.gating import KICK, RELEASED, Wiring, ring_phases
from sbp.spec import Circuit, MatrixWeight, Phase, Population, Source, check_sizes


def relay_circuit(sizes):
    """Every input comes out two steps later."""
    n_in, n_out = check_sizes(sizes, (2, 2), "guest relay")
    wiring = Wiring()
    layers = [Population("x", n_in, RELEASED.relay), Population("o", n_out, RELEASED.relay)]
    wiring.connect("input", "x", "copy")
    wiring.connect("x", "o", "copy")
    wiring.connect("g1", "x", "gate")
    wiring.connect("g2", "o", "gate")
    gates = wiring.ring(3)
    return Circuit(
        name="guest_relay",
        sizes=(n_in, n_out),
        sources=(Source("input", n_in, 0), KICK),
        populations=(*layers, *gates),
        projections=tuple(wiring.projections),
        phases=ring_phases(3, {1: Phase(("x",)), 2: Phase(("o",))}),
    )


def network_circuit(sizes):
    """The paper's circuit under another name, with matrices called as one likes."""
    names = {"W1": "lower", "W2": "upper"}
    made = learning_circuit(sizes)

    def carried(projection):
        weight = projection.weight
        if isinstance(weight, MatrixWeight):
            weight = replace(weight, parameter=names[weight.parameter])
        return replace(projection, weight=weight)

    def renamed(phase):
        return replace(phase, learns=tuple(names[name] for name in phase.learns))

    return replace(
        made,
        name="guest net",
        parameters=tuple(replace(p, name=names[p.name]) for p in made.parameters),
        projections=tuple(map(carried, made.projections)),
        phases=tuple(map(renamed, made.phases)),
    )


def no_circuit(sizes):
    return {}["sizes"]
