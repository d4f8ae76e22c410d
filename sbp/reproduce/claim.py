"""What a claim is: a function that measures, with what is claimed written beside it.

::

    @claim(
        "steps-per-sample",
        "Learning takes 12 time steps a sample, inference 4.",
        source="The paper, Fig. 2 and Methods",
        origin="published",
        quantities=(Quantity("learning", 12, 0, "steps"), Quantity("inference", 4, 0, "steps")),
        how="...", why="...",
    )
    def steps(claim, bench):
        ...
        return Measurement({"learning": [12.0], "inference": [4.0]})

The module of the function, and all that it imports of its own package and of this one, is the
claim's *fingerprint* (see `sbp.reproduce.provenance`): a result is stale once a statement of it has
changed.  So a claim stands beside as little as it needs, and adding one makes no other stale.

Claims of other packages are found by the entry-point group ``sbp.claims``: each entry names a
module in which such functions stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sbp.errors import SpecError
from sbp.spec import whole

if TYPE_CHECKING:
    from sbp.learn.data import Dataset
    from sbp.reproduce.bench import Bench

Origin = Literal["published", "derived", "authors", "ours"]
#: Where an expected value is from, in words.
ORIGINS = {
    "published": "published",
    "derived": "derived",
    "authors": "authors' code",
    "ours": "our own",
}

#: Presets, weakest first.  A claim is decided by a run at its own preset or a stronger one.
PRESETS = ("smoke", "paper")

MEASURES = ("exact", "spike", "membrane")
EXACT = "A count: no tolerance."
OURS = "Nothing was published to compare it with."


class Circuits(NamedTuple):
    """A circuit that numbers stand for: family, sizes and options of `sbp.circuits.registry`."""

    family: str
    sizes: tuple[int, ...]
    options: Mapping[str, Any] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a result file says of it, its digest apart."""
        found: dict[str, Any] = {"circuit": self.family, "sizes": list(self.sizes)}
        return found | ({"options": dict(self.options)} if self.options else {})


class Quantity(NamedTuple):
    """One number of a claim.

    Attributes
    ----------
    name : str
    expected : float or None
        Published or derived value; None where there is none, and then nothing is decided.
    tolerance : float or None
        Largest accepted distance between `expected` and the mean of what was measured, in `unit`;
        None: `expected` is shown beside and decides nothing.
    unit : str
    origin : str
        Where `expected` is from, if not from where the claim is.
    """

    name: str
    expected: float | None = None
    tolerance: float | None = 0.0
    unit: str = ""
    origin: str = ""

    @property
    def decides(self) -> bool:
        """Whether it can agree or differ."""
        return self.expected is not None and self.tolerance is not None


@dataclass
class Measurement:
    """What a measuring function found.

    Attributes
    ----------
    values : dict of str to list of float
        For every quantity of the claim, one value per seed (or one in all, or one for each group
        of seeds).  Left empty by a claim with a `Claim.summary`, which makes them of the details.
    details : dict
        Further numbers, for the figure and for readers.
    circuits : tuple of Circuits
        The circuits the numbers stand for.
    seeds : list of int
    weights : dict of str to str
        Training, or seed, to the digest of the final weights.
    data : dict of str to Dataset
        Data sets used, as far as they were used.
    """

    values: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    circuits: tuple[Circuits, ...] = ()
    seeds: list[int] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)
    data: dict[str, Dataset] = field(default_factory=dict)


Measure = Callable[["Claim", "Bench"], Measurement]
#: Details of a result to the values of its quantities.
Summary = Callable[["Claim", Mapping[str, Any]], dict[str, list[float]]]


@dataclass(frozen=True)
class Claim:
    """A statement, where it was made, and what would count as agreement.

    Attributes
    ----------
    id : str
        Names the result file and the figure.
    statement : str
        One sentence.
    source : str
        Table, figure or section.
    origin : {"published", "derived", "authors", "ours"}
        Published by the authors; derived here from what they published; from the authors' code;
        or a result of our own, with nothing to compare it with.
    quantities : tuple of Quantity
    how : str
        How it is measured here.
    why : str
        Why this tolerance; or why there is none.
    measure : callable
        Claim and bench to a `Measurement`.
    preset : {"smoke", "paper"}
        The weakest preset that decides it.
    seeds : int
        Seeds at that preset; 0 where nothing is random.
    engine : str
        The engine that trains; "" where nothing is trained.
    engines : tuple of str
        Further engines whose code the numbers depend on.
    data : tuple of str
        Data sets it needs.
    epochs : int
        Of a training, where nothing is scaled down.
    in_smoke : bool
        Whether the smoke preset runs it (scaled down, where `preset` is "paper").
    summary : callable or None
        Makes the values of the details, so that a value altered by hand is found out.
    remark : str
        What to make of the result.
    """

    id: str
    statement: str
    source: str
    origin: Origin
    quantities: tuple[Quantity, ...]
    how: str
    why: str
    measure: Measure = field(repr=False)
    preset: Literal["smoke", "paper"] = "paper"
    seeds: int = 0
    engine: str = ""
    engines: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    epochs: int = 60
    in_smoke: bool = False
    summary: Summary | None = field(default=None, repr=False)
    remark: str = ""

    def quantity(self, name: str) -> Quantity:
        """The quantity called `name`."""
        return next(quantity for quantity in self.quantities if quantity.name == name)

    def origin_of(self, quantity: Quantity) -> str:
        """Where the expected value of a quantity is from, in words."""
        return ORIGINS[quantity.origin or self.origin]

    @property
    def module(self) -> str:
        """The module that measures it: the start of its fingerprint."""
        return self.measure.__module__


def _check(made: Claim) -> None:
    """Raise SpecError for a claim that would only be found out when it is run or shown."""
    what = f"claim {made.id}"
    whole(what, "seeds", made.seeds, 0, 1000)
    whole(what, "epochs", made.epochs, 1, 10**6)
    if made.preset not in PRESETS:
        raise SpecError(f"{what}: preset {made.preset!r}", allowed=", ".join(PRESETS))
    if not isinstance(made.quantities, tuple) or not all(
        isinstance(quantity, Quantity) for quantity in made.quantities
    ):
        raise SpecError(f"{what}: quantities", allowed="a tuple of Quantity")
    for quantity in made.quantities:
        origin = quantity.origin or made.origin
        if origin not in ORIGINS:
            raise SpecError(f"{what}: origin {origin!r}", allowed=", ".join(ORIGINS))
        for name, number in (("expected", quantity.expected), ("tolerance", quantity.tolerance)):
            finite = isinstance(number, (int, float)) and isfinite(number)
            if number is not None and not (finite and (name == "expected" or number >= 0)):
                raise SpecError(f"{what}: {quantity.name}: {name} {number!r}", allowed="a number")


#: Every claim that was defined, by id, in the order of definition.
REGISTER: dict[str, Claim] = {}


def claim(id: str, statement: str, **about: Any) -> Callable[[Measure], Measure]:
    """Register a function as what measures a claim; the arguments are those of `Claim`.

    Raises
    ------
    SpecError
        If the id is taken, or no name for a file, if two quantities share a name, or an argument
        is not what `Claim` takes.
    """

    def register(measure: Measure) -> Measure:
        made = Claim(id, statement, measure=measure, **about)
        _check(made)
        if id in REGISTER and REGISTER[id].module != made.module:
            raise SpecError(f"two claims are called {id!r}", do="give one of them another id")
        if not id.isascii() or not id.replace("-", "").isalnum() or id != id.lower():
            raise SpecError(f"a claim is called {id!r}", allowed="a-z, 0-9 and -: it names a file")
        names = [quantity.name for quantity in made.quantities]
        if not names or len(set(names)) < len(names):
            raise SpecError(f"claim {id}: quantities {names}", allowed="one or more, each once")
        REGISTER[id] = made
        return measure

    return register
