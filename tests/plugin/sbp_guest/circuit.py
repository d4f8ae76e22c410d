"""A circuit as anyone could write it: every input comes out two steps later."""

from sbp.circuits.gating import KICK, RELEASED, Wiring, ring_phases
from sbp.spec import Circuit, Phase, Population, Source, check_sizes


def relay_circuit(sizes):
    n_in, n_out = check_sizes(sizes, (2, 2), "guest relay")
    wiring, relay = Wiring(), RELEASED.relay
    wiring.connect("input", "x", "copy")
    wiring.connect("x", "o", "copy")
    wiring.connect("g1", "x", "gate")
    wiring.connect("g2", "o", "gate")
    gates = wiring.ring(3)
    return Circuit(
        name="guest_relay",
        sizes=(n_in, n_out),
        sources=(Source("input", n_in, 0), KICK),
        populations=(Population("x", n_in, relay), Population("o", n_out, relay), *gates),
        projections=tuple(wiring.projections),
        phases=ring_phases(3, {1: Phase(("x",)), 2: Phase(("o",))}),
    )
