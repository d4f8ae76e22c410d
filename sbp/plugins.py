"""What other packages add by entry points: engines, circuits and data sets, beside our own."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from sbp.errors import SbpError, SpecError, brief, check_name


@dataclass(frozen=True)
class Plugins:
    """One group of entry points, and the names that are taken.

    Parameters
    ----------
    group : str
        Of entry points, for example ``sbp.engines``.
    what : str
        What such a thing is called.
    own : collection of str
        Names of ours, which nobody else's replaces.
    error : type
        What is raised.
    """

    group: str
    what: str
    own: Collection[str]
    error: type[SbpError] = SpecError

    @property
    def others(self) -> dict[str, metadata.EntryPoint]:
        """Of other packages, by name."""
        kept: dict[str, metadata.EntryPoint] = {}
        for entry in metadata.entry_points(group=self.group):
            taken = entry.name in self.own
            first = "sbp's own" if taken else kept.setdefault(entry.name, entry).value
            if first != entry.value:
                _tell(f"the {self.what} {entry.name} ({entry.value}) is not used: {first} is")
        return kept

    @property
    def names(self) -> tuple[str, ...]:
        """All names: ours, then those of other packages."""
        return (*self.own, *sorted(self.others))

    def load(self, name: str, or_else: str = "") -> tuple[object, str]:
        """What another package calls `name`, and what to call it in a message.

        Parameters
        ----------
        name : str
        or_else : str
            What would do besides a name, for the message.

        Raises
        ------
        SbpError
            For an unknown name, or what cannot be loaded; of the type `error`.
        """
        others = self.others
        names = (*self.own, *sorted(others))
        check_name(self.what, name, names, or_else=or_else, error=self.error)
        label = f"the {self.what} {name} ({others[name].value})"
        try:
            return others[name].load(), label
        except Exception as error:  # whatever a stranger's module raises
            raise self.error(
                f"{label} cannot be loaded: {brief(error)}",
                do="repair or uninstall the package that brings it",
            ) from error


@cache  # once, however often somebody asks
def _tell(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=4)
