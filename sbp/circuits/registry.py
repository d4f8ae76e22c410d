"""Every family of circuits by name, ours and those that other packages bring.

A family is a function ``build(sizes, **options) -> Circuit``.  Its keyword arguments say which
options it takes; these have one meaning for all families:

``weight_exponent``
    A plastic synapse delivers mantissa * 2**weight_exponent.
``ring``
    Gates in the ring, where it can be chosen.
``parameters``
    Which of the named parameter sets.
``names``
    Of the weight matrices, where they can be chosen.

Another package adds a family by an entry point of the group ``sbp.circuits``, in its
``pyproject.toml``::

    [project.entry-points."sbp.circuits"]
    my_family = "my_package:my_circuit"

From then on ``build("my_family", sizes)`` finds it, and so does everything that takes the name of
a circuit: training, traces, plots, the command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from sbp.circuits.backprop import learning_circuit
from sbp.circuits.deep import deep_circuit
from sbp.circuits.gating import gating_chain
from sbp.circuits.inference import inference_circuit
from sbp.circuits.single_layer import single_layer_circuit
from sbp.errors import SbpError, SpecError, brief
from sbp.plugins import Plugins
from sbp.spec import Circuit, check_sizes, parts

DEFAULTS = {"weight_exponent": 0, "ring": None, "parameters": "released", "names": None}


def _gating_chain(
    sizes: Iterable[int], *, ring: int | None = None, weight_exponent: int = 0
) -> Circuit:
    """A pattern handed from stage to stage; sizes are those of the input and of every stage."""
    sizes = check_sizes(sizes, (2, None), "gating chain")
    if len(set(sizes)) != 1:
        raise SpecError(
            f"gating chain: sizes {'-'.join(map(str, sizes))}",
            allowed="one size for the input and every stage, for example 20-20-20",
        )
    return gating_chain(sizes[0], len(sizes) - 1, ring, weight_exponent)


OWN: dict[str, Callable[..., Circuit]] = {
    "learning": learning_circuit,
    "inference": inference_circuit,
    "single_layer": single_layer_circuit,
    "gating_chain": _gating_chain,
    "deep": deep_circuit,
}


PLUGINS = Plugins("sbp.circuits", "circuit", OWN)


def families() -> tuple[str, ...]:
    """Names of all families: ours, then those of other packages."""
    return PLUGINS.names


def usual(layers: int) -> str:
    """The family that learns where none is named: the paper's for three layers, else the deep."""
    return "learning" if layers == 3 else "deep"


def family(name: str) -> Callable[..., Circuit]:
    """The function that builds circuits of the family `name`.

    Raises
    ------
    SpecError
        For an unknown name, or where another package's family cannot be loaded.
    """
    if isinstance(name, str) and name in OWN:
        return OWN[name]
    found, label = PLUGINS.load(name)
    if not callable(found):
        raise SpecError(
            f"{label} is {found!r}", allowed="a function of the layer sizes that gives a Circuit"
        )
    return found


def build(
    name: str,
    sizes: Iterable[int],
    *,
    weight_exponent: int = 0,
    ring: int | None = None,
    parameters: str = "released",
    names: Iterable[str] | None = None,
) -> Circuit:
    """The circuit of the family `name` with these layer sizes.

    Parameters
    ----------
    name : str
        One of `families`.
    sizes : sequence of int
        Layer sizes from the input to the output; the equal sizes of input and stages for a
        gating chain.
    weight_exponent : int
        See the head of this module; 0 for families that have none.
    ring : int, optional
        Gates in the ring; families whose ring is given by their sizes take only that.
    parameters : str
        Name of a parameter set, for families that have several.
    names : iterable of str, optional
        Of the weight matrices, for families that have a choice.

    Raises
    ------
    SpecError
        For an unknown name, an option that the family does not take, or sizes or values that it
        refuses.
    """
    builder = family(name)
    options: dict[str, Any] = {
        "weight_exponent": weight_exponent, "ring": ring, "parameters": parameters,
        "names": None if names is None else parts("names", names, str),
    }  # fmt: skip
    taken = inspect.signature(builder).parameters
    given = {
        option: value
        for option, value in options.items()
        if getattr(value, "ndim", 0) or value != DEFAULTS[option]
    }
    fixed_ring = given.pop("ring", None) if "ring" not in taken else None
    for option in given:
        if option not in taken:
            raise SpecError(
                f"{name} circuit: {option} is {given[option]!r}",
                allowed=f"only {DEFAULTS[option]!r}: this circuit has no choice there",
            )
    try:
        circuit = builder(sizes, **given)
    except Exception as error:
        if name in OWN or isinstance(error, SbpError):
            raise
        raise SpecError(
            f"the circuit {name} cannot be built: {type(error).__name__}: {brief(error)}"
        ) from error
    if not isinstance(circuit, Circuit):
        raise SpecError(f"the circuit {name} is {circuit!r}", allowed="a Circuit")
    if fixed_ring not in (None, circuit.period):
        raise SpecError(
            f"{name} circuit: a ring of {fixed_ring} gates",
            allowed=f"its own {circuit.period}; only a gating chain's ring can be chosen",
        )
    return circuit
