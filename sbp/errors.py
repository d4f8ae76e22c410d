"""The exceptions a user of sbp can meet.

Every message is one line that names the thing, the value found, what is allowed and what to
do.  The command line prints that line and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SbpError(Exception):
    """Base of all errors that sbp raises on purpose.

    Parameters
    ----------
    message : str
        One clear line.
    allowed : str, optional
        What would have been accepted.
    do : str, optional
        What the user can do about it.
    """

    def __init__(self, message: str, *, allowed: str | None = None, do: str | None = None) -> None:
        parts = [message]
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        if do is not None:
            parts.append(do)
        super().__init__("; ".join(parts))


class SpecError(SbpError, ValueError):
    """A circuit, program, stimulus or weight matrix breaks a rule of the chip or of its shape."""


class ChipError(SbpError, ArithmeticError):
    """Strict mode only: a register wrapped, or a synapse learned outside its phases."""


class DataError(SbpError, ValueError):
    """A data set is missing, truncated, corrupted or of the wrong kind."""


class FileError(SbpError, OSError):
    """A file or folder cannot be read or written, or does not hold what it should."""


class MissingDependency(SbpError, ImportError):
    """An optional package is needed and not installed, or cannot work here."""


def shown(value: object) -> str:
    """A value for a message: on one line, and no longer than needed."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_kind(what: str, value: object, kind: type, do: str | None = None) -> None:
    """Raise SpecError unless `value` is of the type `kind`."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise SpecError(
            f"{what} is of type {type(value).__name__}", allowed=f"{article} {kind.__name__}", do=do
        )


def check_name(
    what: str,
    name: object,
    names: Iterable[str],
    *,
    owner: str = "",
    or_else: str = "",
    do: str | None = None,
    error: type[SbpError] = SpecError,
) -> None:
    """Raise `error` unless `name` is one of `names`; `what` is called so, and is `owner`'s.

    `or_else` says what would do besides a name.
    """
    known = tuple(names)
    if not isinstance(name, str) or name not in known:
        raise error(
            f"{owner}{': ' * bool(owner)}no {what} is called {shown(name)}",
            allowed=(", ".join(known) or "none") + or_else,
            do=do or did_you_mean(name, known),
        )


def did_you_mean(name: object, names: Iterable[str]) -> str | None:
    """What to do about an unknown `name`: try the one of `names` that it is nearly; else None."""
    if not isinstance(name, str):
        return None
    close = get_close_matches(name.lower(), list(names), n=1, cutoff=0.55)
    return f"did you mean {close[0]}?" if close else None


def brief(error: BaseException) -> str:
    """What somebody else's exception says, for a message of ours: one line, no longer than needed.

    Some paste all they have read into their message.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."
