"""Circuits written as lines of text, as on the pages of the book and in its figures.

::

    input  x       copy          # neuron i of input to neuron i of x
    x      x_mem   copy 4        # four steps later than usual; "copy 0 4": both
    x      h h< h> W1            # a matrix, the same for three populations
    o      hT      W2^T          # ... transposed; -W2^T is its negative
    g2     h h<    gate          # gate g2 of the ring opens both
    o<     d+      gate one-to-one
    two    n       300           # every neuron to every neuron, with a weight of one's own

A line names a source, one or more targets, a kind of synapse, and extra delays.  The kinds are
those of `sbp.circuits.gating.ParameterSet`; ``#`` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sbp.circuits.gating import KICK, RELAY, RELEASED, Wiring, ring_phases
from sbp.circuits.timing import timing
from sbp.errors import SpecError, did_you_mean, shown
from sbp.loihi import DELAY_MAX
from sbp.spec import (
    Circuit,
    Connect,
    MatrixWeight,
    Neuron,
    Parameter,
    Phase,
    Population,
    Projection,
    Source,
    parts,
)

MATRIX = re.compile(r"(-?)(\w+?)(\^T)?")


def circuit(
    text: str,
    *,
    sizes: Mapping[str, int],
    sources: Mapping[str, tuple[int, int]],
    ring: int = 0,
    matrices: Sequence[Parameter] = (),
    weights: Mapping[str, MatrixWeight] | None = None,
    neurons: Mapping[str, Neuron] | None = None,
    phases: Sequence[Phase] | None = None,
    layers: Iterable[int] | None = None,
    name: str = "mine",
) -> Circuit:
    """The circuit that `text` describes.

    Parameters
    ----------
    text : str
        One line for each source and kind of synapse, as above.
    sizes : mapping of str to int
        Population -> its neurons, in the circuit's order.
    sources : mapping of str to (int, int)
        What is given from outside -> its lines, and the phase in which they are sent.
    ring : int
        Gates of the ring, ``g0`` and so on, and so the steps of a sample; 0 for none: then every
        step is a sample.
    matrices : sequence of Parameter
        The weight matrices that lines may name.
    weights : mapping of str to MatrixWeight, optional
        How a matrix is held; by default plastic, with exponent 0.
    neurons : mapping of str to Neuron, optional
        What is no relay.
    phases : sequence of Phase, optional
        What is meant to happen, the ring's own spikes apart; by default what the wiring opens.
    layers : iterable of int, optional
        The circuit's ``sizes``; by default those of the populations.
    name : str

    Raises
    ------
    SpecError
        Naming the line, for one that cannot be read; as `Circuit`, for what does not fit.
    """
    for source, where in sources.items():
        if len(parts(f"source {source}: lines and phase", where, object)) != 2:
            raise SpecError(f"source {source}: {shown(where)}", allowed="its lines, and the phase")
    wiring, held = Wiring(), dict(weights or {})
    known = {*sizes, *sources, *(f"g{k}" for k in range(ring))}
    own = {parameter.name: parameter for parameter in matrices}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            _connect(wiring, words, known, own, held, {*sources})
        except SpecError as error:
            raise SpecError(f"line {number}: {error}") from None
    gates = wiring.ring(ring) if ring else ()
    built = Circuit(
        name=name,
        sizes=tuple(sizes.values() if layers is None else layers),
        sources=(
            *(Source(source, *where) for source, where in sources.items()),
            *((KICK,) if ring else ()),
        ),
        populations=(
            *(Population(n, size, (neurons or {}).get(n, RELAY)) for n, size in sizes.items()),
            *gates,
        ),
        projections=tuple(wiring.projections),
        phases=_phases(ring, phases, sizes),
        parameters=tuple(matrices),
    )
    if phases is not None or not ring:
        return built
    found = timing(built, declared=False)
    return replace(
        built,
        phases=tuple(
            replace(phase, fires=(*(n for n in sizes if found.is_open(n, p)), *phase.fires))
            for p, phase in enumerate(built.phases)
        ),
    )


def _phases(
    ring: int, given: Sequence[Phase] | None, sizes: Mapping[str, int]
) -> tuple[Phase, ...]:
    if not ring:
        return tuple(given or [Phase(fires=tuple(sizes))])
    return ring_phases(ring, dict(enumerate(given or [])))


def _connect(
    wiring: Wiring,
    words: list[str],
    known: set[str],
    matrices: Mapping[str, Parameter],
    held: Mapping[str, MatrixWeight],
    sources: set[str],
) -> None:
    """Add what one line says."""
    kinds = [*RELEASED.kinds, *matrices]

    def is_kind(word: str) -> bool:
        found = MATRIX.fullmatch(word)
        return (
            word in RELEASED.kinds
            or bool(found and found[2] in matrices)
            or bool(re.fullmatch(r"-?\d+", word))
        )

    at = next((i for i, word in enumerate(words) if i >= 2 and is_kind(word)), None)
    if at is None:
        raise SpecError(
            f'"{" ".join(words)}" needs a source, a target and a kind', allowed=", ".join(kinds)
        )
    source, *targets = words[:at]
    for name in (source, *targets):
        if name not in known:
            raise SpecError(
                f"no population is called {name}",
                allowed=", ".join(sorted(known)),
                do=did_you_mean(name, known),
            )
    if told := sources & set(targets):
        raise SpecError(f"{min(told)} only sends")
    rest = [word for word in words[at + 1 :] if word != "one-to-one"]
    if not all(re.fullmatch(r"\d+", word) and int(word) <= DELAY_MAX for word in rest):
        raise SpecError(f"delays are whole numbers from 0 to {DELAY_MAX}")
    delays, one_to_one = [int(word) for word in rest], "one-to-one" in words[at:]
    kind = words[at]
    if kind in RELEASED.kinds:
        wiring.connect(source, " ".join(targets), kind, *delays, one_to_one=one_to_one)
    elif re.fullmatch(r"-?\d+", kind):
        connect: Connect = "one-to-one" if one_to_one else "all-to-all"
        for target in targets:
            for delay in delays or (0,):
                wiring.projections.append(
                    Projection(source, target, kind, int(kind), connect, delay)
                )
    else:
        found = MATRIX.fullmatch(kind)
        assert found is not None
        weight = held.get(found[2], MatrixWeight(found[2]))
        weight = replace(weight, transpose=bool(found[3]), negate=bool(found[1]))
        wiring.plastic(source, " ".join(targets), weight)
