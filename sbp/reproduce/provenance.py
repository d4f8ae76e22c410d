"""What made a result: code, data, versions, machine, commit, and a checksum over all of it."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import tokenize
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import sbp
from sbp.files import write_atomic

PACKAGE = Path(sbp.__file__).resolve().parent
VERSIONS = ("numpy", "numba", "scikit-learn")  #: distributions a number could depend on

#: The modules whose statements decide what is computed, whatever the engine.  What `sbp.spec` and
#: `sbp.learn.data` decide is in the digest of the program and in the checksum of the data.
COMPUTING = (
    "loihi.py", "circuits/gating.py", "circuits/backprop.py", "program.py", "run.py",
    "algebra.py", "learn/training.py",
)  # fmt: skip
#: ... and those of one engine.
ENGINE = {
    "": (),
    "algebra": (),
    "reference": ("engines/reference.py",),
    "compiled": ("engines/compiled.py",),
    "lava": ("engines/lava",),
}


def statements(source: str) -> str:
    """Python source without comments, docstrings, blank lines and trailing space.

    The rest is kept as written, so that the hash is the same for every version of Python.
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            for row in range(body[0].lineno - 1, body[0].end_lineno or body[0].lineno):
                lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip()) + "\n"


def code_hashes(
    engine: str, further: tuple[str, ...] = (), package: Path = PACKAGE
) -> dict[str, str]:
    """SHA-256 (first 16 hex digits) of the `statements` of every computing module.

    Parameters
    ----------
    engine : str
        The engine that computes, or "".
    further : tuple of str
        More modules a result depends on, paths inside the package.
    """
    hashes = {}
    for name in (*COMPUTING, *ENGINE[engine], *further):
        path = package / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            text = statements(file.read_text(encoding="utf-8"))
            key = file.relative_to(package).as_posix()
            hashes[key] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return hashes


def machine() -> dict[str, Any]:
    """Processor model, cores and operating system; nothing that names the machine."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.system()}


def versions() -> dict[str, str]:
    """Versions of Python, this package and what its numbers could depend on."""
    found = {"python": platform.python_version()}
    for name in ("spiking-backprop", *VERSIONS):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str | None:
    """The commit of the clone this package runs from; None elsewhere.

    "-dirty" is added if a tracked file has changed, results apart: those a run rewrites itself.
    """
    folder = PACKAGE.parent
    if not (folder / ".git").exists():
        return None
    try:
        head, changed = (
            subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10,
                check=True,
            ).stdout.strip()
            for arguments in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no", "--", ".", ":!results"],
            )
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return head + "-dirty" * bool(changed)


def checksum(record: Mapping[str, Any]) -> str:
    """SHA-256 over everything in `record` but its own checksum."""
    content = {key: value for key, value in record.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write `record` with its checksum, whole or not at all; a list of numbers on one line."""
    text = json.dumps({**record, "checksum": checksum(record)}, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\n\s*([^][{}\"]*?)\s*\]", _on_one_line, text) + "\n"
    write_atomic(path, lambda stream: stream.write(text.encode()))


def _on_one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r"\s+", " ", found[1]) + "]"
