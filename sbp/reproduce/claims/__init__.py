"""Every claim that this package is held to, and those of packages that were installed beside it.

`CLAIMS` is the table of contents of the reproduction: the command line, the tests and the status
page are views of it.  Numbers under `Quantity.expected` are published, derived from what was
published, or from the authors' code; nothing is filled in where nothing was published.

Sources: Renner, Sheldon, Zlotnik, Tao, Sornborger, *The backpropagation algorithm implemented on
spiking neuromorphic hardware*, Nature Communications 15, 9691 (2024), doi
10.1038/s41467-024-53827-9 ("the paper"); arXiv 2106.07030 ("the preprint"); the authors' released
code, ``lanl/spikingBackprop`` ("the authors' code").
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module, metadata

from sbp.errors import SpecError
from sbp.reproduce.claim import MEASURES, ORIGINS, PRESETS, REGISTER, Claim, Measurement, Quantity

__all__ = [
    "BROKEN", "CLAIMS", "MEASURES", "ORIGINS", "PRESETS", "Claim", "Measurement", "Quantity",
    "select",
]  # fmt: skip

GROUP = "sbp.claims"  #: entry points of other packages: each names a module of claims

#: Our own, in the order of the table.
MODULES = (
    "sizes", "steps", "placement", "digits", "mnist_5k", "accuracy", "watched", "bounds", "fashion",
    "fashion_numpy", "off_chip", "idealisations", "costs", "table_1", "depth", "voting", "beyond",
)  # fmt: skip

BROKEN: dict[str, str] = {}  #: entry points that could not be used, and why


def _load() -> tuple[Claim, ...]:
    for name in MODULES:
        import_module(f"{__name__}.{name}")
    for entry in metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:  # whatever a stranger's module raises: ours go on
            BROKEN[entry.name] = f"{type(error).__name__}: {error}"
    return tuple(REGISTER.values())


CLAIMS = _load()


def select(ids: Sequence[str] = ()) -> tuple[Claim, ...]:
    """The claims with these ids, in the table's order; all of them if none is given.

    Raises
    ------
    SpecError
        For an unknown id.
    """
    known = [claim.id for claim in CLAIMS]
    for name in ids:
        if name not in known:
            broken = "; ".join(f"those of {n} cannot be used: {why}" for n, why in BROKEN.items())
            raise SpecError(
                f"no claim is called {name!r}", allowed=", ".join(known), do=broken or None
            )
    return tuple(claim for claim in CLAIMS if not ids or claim.id in ids)
