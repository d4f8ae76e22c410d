"""Damage files, blindly and cunningly: what comes out may be anything, and its checksums fit.

`damage` changes bytes.  `lie` changes what the bytes say: an array of an npz file, or an entry of
a JSON text, of which the container's own checksums are made anew, as a careless program of
somebody else would write it.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

NUMBERS = (0, 1, -1, 2, 7, 255, 256, -257, 2**15, 2**31 - 1, -(2**31), 2**32, 2**53, 2**63 - 2,
           10**12, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308, 1e-320)  # fmt: skip
VALUES = (None, True, "", "x" * 99, "\ud800", "\0", "[/red]", "$\\frac$", "é", [], {}, [[1]],
          {"a": 1}, [None], "1", "NaN", *NUMBERS)  # fmt: skip
TYPES = "? i1 u1 <i2 >i2 <u2 <i4 <i8 <u8 >i8 <f2 <f8 <c16 <U3 S2 M8[s]".split()


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """`content` with one to three changes of its bytes."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if not changed:
            break
        at, n = int(rng.integers(len(changed))), int(rng.integers(1, 40))
        if rng.random() < 0.3:  # heads say most
            at = int(rng.integers(min(len(changed), 64)))
        how = rng.integers(8)
        if how == 0:
            changed[at] ^= 1 << int(rng.integers(8))
        elif how == 1:
            changed[at] = int(rng.integers(256))
        elif how == 2:
            changed[at] = rng.choice(list(b"0123456789-,. \n\r\"'[]{}#\x00\xff"))
        elif how == 3:
            del changed[at : at + n]
        elif how == 4:
            changed[at:at] = changed[at : at + n]
        elif how == 5:
            changed[at : at + n] = bytes(n)
        elif how == 6:
            changed[at : at + n] = rng.bytes(n)
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def lie_json(value: Any, rng: np.random.Generator) -> Any:
    """`value` with one entry, at any depth, replaced, removed, added or renamed."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.03:
        return _other(value, rng)
    changed = value.copy()
    keys = list(changed) if isinstance(changed, dict) else list(range(len(changed)))
    key = keys[rng.integers(len(keys))]
    how = rng.random()
    if how < 0.08:
        del changed[key]
    elif how < 0.16 and isinstance(changed, dict):
        changed[str(_other("", rng))[:20]] = changed.pop(key)
    elif how < 0.16:
        changed.insert(key, changed[key])
    else:
        changed[key] = lie_json(changed[key], rng)
    return changed


def _other(value: Any, rng: np.random.Generator) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and rng.random() < 0.5:  # near misses
        return value + int(rng.integers(-2, 3))
    return VALUES[rng.integers(len(VALUES))]


def lie_array(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`array` with other values, of another shape, or of another type."""
    how = rng.integers(6)
    if array.dtype.kind == "U" and array.ndim == 0 and how < 4:
        text = str(array)
        try:
            return np.array(json.dumps(lie_json(json.loads(text), rng)))
        except ValueError:
            raw = damage(text.encode(), rng)
            return np.array(raw.decode(errors="replace"))
    if how < 2 and array.size and array.dtype.kind in "iu":
        changed, least = array.copy(), np.iinfo(array.dtype)
        number = NUMBERS[rng.integers(12)] if rng.random() < 0.5 else int(rng.integers(-9, 9))
        place = tuple(rng.integers(n) for n in changed.shape)
        changed[place] = min(max(number, least.min), least.max)
        return changed
    if how == 2 and array.ndim:
        axis = int(rng.integers(array.ndim))
        return np.delete(array, slice(0, int(rng.integers(1, 3))), axis)
    if how == 3:
        return array[None] if rng.random() < 0.5 else array.reshape(-1)
    if how == 4 and array.ndim:
        return np.concatenate([array, array], axis=int(rng.integers(array.ndim)))
    other = np.dtype(TYPES[rng.integers(len(TYPES))])
    if array.dtype.kind in "biu" and other.kind in "biufc":
        with np.errstate(over="ignore"):
            return array.astype(other)
    return np.zeros(array.shape, other)


def lie_npz(content: bytes, rng: np.random.Generator) -> bytes:
    """An npz file with a member changed, removed, renamed, or that is no array at all."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        members = {name: archive[name] for name in archive.files}
    raw = {name: _npy(array) for name, array in members.items()}
    for _ in range(rng.integers(1, 3)):
        name = list(raw)[rng.integers(len(raw))]
        how = rng.random()
        array = members.get(name, np.arange(3))
        if how < 0.6:
            raw[name] = _npy(lie_array(array, rng))
        elif how < 0.75:
            raw[name] = damage(raw[name][:128], rng) + raw[name][128:]  # the array's head
        elif how < 0.8:
            raw[name] = raw[name][:128] + damage(raw[name][128:], rng)
        elif how < 0.85:
            raw[name] = rng.bytes(20)
        elif how < 0.9:
            raw[f"{name[: rng.integers(len(name))]}{rng.integers(9)}"] = raw[name]
        elif len(raw) > 1:
            del raw[name]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, one in raw.items():
            archive.writestr(f"{name}.npy", one)
    return packed.getvalue()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()
