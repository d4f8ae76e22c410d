"""What a measuring function returns, and the register of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sbp.learn.data import Dataset
from sbp.reproduce.bench import Bench
from sbp.reproduce.claims import Claim
from sbp.spec import Circuit

MEASURES = ("exact", "spike", "membrane")


@dataclass
class Measurement:
    """What a measuring function found.

    Attributes
    ----------
    values : dict of str to list of float
        For every quantity of the claim, one value per seed (one in all where nothing is random).
    details : dict
        Further numbers, for the figure and for readers.
    circuits : tuple of Circuit
        The circuits the numbers stand for.
    seeds : list of int
    weights : dict of str to str
        Seed -> digest of the final weights.
    data : dict of str to Dataset
        Data sets used, as far as they were used.
    further : tuple of str
        Modules the numbers depend on beside those every result depends on.
    exact : bool
        Whether the same code, data and seeds give the same weights on every machine: all but the
        float arithmetic of the off-chip baseline.
    """

    values: dict[str, list[float]]
    details: dict[str, Any] = field(default_factory=dict)
    circuits: tuple[Circuit, ...] = ()
    seeds: list[int] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)
    data: dict[str, Dataset] = field(default_factory=dict)
    further: tuple[str, ...] = ()
    exact: bool = True


Function = Callable[[Claim, Bench], Measurement]
FUNCTIONS: dict[str, Function] = {}
MODULES: dict[str, str] = {}  #: claim -> the module that measures it, path inside the package


def measures(*ids: str) -> Callable[[Function], Function]:
    """Register a function as what measures the claims `ids`."""

    def register(function: Function) -> Function:
        FUNCTIONS.update(dict.fromkeys(ids, function))
        module = function.__module__.removeprefix("sbp.").replace(".", "/")
        MODULES.update(dict.fromkeys(ids, f"{module}.py"))
        return function

    return register
