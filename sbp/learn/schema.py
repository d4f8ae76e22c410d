"""What the JSON of a training run has to look like: types and ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sbp.errors import FileError, brief

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Passes = Annotated[float, Meta(gt=0, le=1e6)]  #: over the training samples
Count = Annotated[int, Meta(ge=0, le=2**53)]
Size = Annotated[int, Meta(ge=1, le=2**53)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

Form = TypeVar("Form")


class Epoch(msgspec.Struct):
    """What was measured at the end of an epoch, or at a part of one."""

    epoch: Passes
    exact: Share | UnsetType = UNSET
    spike: Share | UnsetType = UNSET
    membrane: Share | UnsetType = UNSET
    mse: Share | UnsetType = UNSET
    seconds: Seconds | UnsetType = UNSET


class History(msgspec.Struct):
    """``history.json``, and what ``sbp train --json`` writes; it may say more."""

    epochs: Sequence[Epoch]
    digest: Digest | UnsetType = UNSET
    dataset: str | UnsetType = UNSET
    data_path: str | None = None
    data_checksum: Digest | None = None
    image_shape: Annotated[list[Size], Meta(min_length=2, max_length=2)] | None = None
    crop: Count | None = None
    threshold: float | None = None
    n_train: Size | None = None
    n_test: Size | None = None
    data_dir: str | None = None
    seed: int | None = None
    circuit: str | None = None
    run: Count = 0
    matrices: list[str] = []  # of a circuit of one's own, whose names are not W1 .. WL


class Header(msgspec.Struct):
    """What a checkpoint says beside its arrays."""

    format: str
    identity: dict[str, Any]
    epochs: list[dict[str, Any]]  # each an Epoch; kept as it is
    position: Count
    seconds: Seconds
    arrays: Digest
    facts: dict[str, Any] = {}
    run: Count = 0


def check(value: Any, form: type[Form], place: str) -> Form:
    """`value`, read from JSON, as a `form`.

    Raises
    ------
    FileError
        Where it has another shape, type or range; the message begins with `place`.
    """
    try:
        return msgspec.convert(value, form)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # a key that is no text
        raise FileError(f"{place}: {brief(error)}") from None
