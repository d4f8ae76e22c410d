"""The form of a result file: read in one place, and trusted only after that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from sbp.errors import FileError
from sbp.files import read_json
from sbp.reproduce.claim import PRESETS

FORMAT = "sbp result 2"
DEPTH = 12  #: of nested lists and objects, at most

#: Every entry of a result file that must be there: its type, and of what its entries are.
FIELDS: dict[str, tuple[type | tuple[type, ...], Any]] = {
    "format": (str, None),
    "id": (str, None),
    "statement": (str, None),
    "preset": (str, None),
    "scale": (dict, None),
    "seeds": (list, int),
    "values": (dict, list),
    "details": (dict, None),
    "weights": (dict, str),
    "circuits": (list, dict),
    "data": (dict, dict),
    "code": (dict, None),
    "versions": (dict, str),
    "commit": ((str, type(None)), None),
    "machine": (dict, None),
    "seconds": ((int, float), None),
    "computed": (str, None),
    "checksum": (str, None),
}


def read_record(path: Path, id: str) -> dict[str, Any]:
    """Read the result file of a claim.

    Raises
    ------
    FileError
        If it cannot be read, is no JSON, or is no result of this version.
    """
    try:
        record = read_json(path, "result file")
    except RecursionError:
        raise FileError(f"{path} is no result file: nested too deeply") from None
    fault = fault_of(record, id)
    if fault:
        raise FileError(f"{path.name} is no result of this version: {fault}")
    found: dict[str, Any] = record
    return found


def fault_of(record: Any, id: str) -> str:
    """What keeps `record` from being a result of the claim `id`; "" if nothing does."""
    if not isinstance(record, dict):
        return "no JSON object"
    if record.get("id") != id:
        return f"it is no result of {id}"
    if record.get("format") != FORMAT:
        return f"format {str(record.get('format'))[:40]!r}, expected {FORMAT!r}"
    for name, (kind, of) in FIELDS.items():
        if name not in record:
            return f"{name} is missing"
        value = record[name]
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            return f"{name} is {_kind(value)}"
        if of is not None:
            entries: Any = value.values() if isinstance(value, dict) else value
            for entry in entries:
                if not isinstance(entry, of) or isinstance(entry, bool):
                    return f"{name} holds {_kind(entry)}"
    return _fault_inside(record)


def _fault_inside(record: dict[str, Any]) -> str:
    if record["preset"] not in PRESETS:
        return f"preset {record['preset'][:40]!r}"
    for name, found in record["values"].items():
        for value in found:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return f"values of {name[:60]!r} hold {_kind(value)}"
            if not math.isfinite(value):
                return f"values of {name[:60]!r} hold {value}"
    if record["seconds"] < 0 or not math.isfinite(record["seconds"]):
        return "seconds are no time"
    for name, entry in record["data"].items():
        if not isinstance(entry.get("checksum"), str) or not all(
            isinstance(entry.get(n), int) and entry[n] > 0 for n in ("n_train", "n_test")
        ):
            return f"data of {name[:60]!r} are not described"
    for circuit in record["circuits"]:
        if not isinstance(circuit.get("circuit"), str) or not isinstance(
            circuit.get("digest"), str
        ):
            return "circuits are not described"
        sizes = circuit.get("sizes")
        if not isinstance(sizes, list) or not all(type(n) is int and n > 0 for n in sizes):
            return "circuits are not described"
    code, machine = record["code"], record["machine"]
    if not isinstance(code.get("modules"), dict) or not isinstance(code.get("engine"), str):
        return "code is not described"
    if not isinstance(machine.get("cpu"), str) or not isinstance(machine.get("cores"), int):
        return "machine is not described"
    if "figure" in record:
        figure = record["figure"]
        if not isinstance(figure, dict) or not all(
            isinstance(figure.get(n), str) for n in ("file", "alt", "sha256")
        ):
            return "figure is not described"
        if Path(figure["file"]).name != figure["file"]:
            return "figure is in another folder"
    return "nested too deeply" if _deeper(record["details"], DEPTH) else ""


def _deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    entries = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_deeper(entry, depth - 1) for entry in entries)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false",
             int: "a number", float: "a number", type(None): "null"}  # fmt: skip
    return names.get(type(value), type(value).__name__)
