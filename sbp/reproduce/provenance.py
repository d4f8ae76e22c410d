"""What made a result: code, data, versions, machine, commit, and a checksum over all of it.

**The fingerprint of a claim** is one hash for each module that decides its numbers: the module of
its measuring function, the engines it runs on, and every module of the package these import,
found by reading the code, not by running it.  What counts are statements; comments, docstrings,
type annotations and blank lines do not.  Left out, with all that only they import, are the modules
in `APART`.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path
from typing import Any, TypeGuard

import sbp
from sbp.engines import get as get_engine
from sbp.files import write_atomic

PACKAGE = Path(sbp.__file__).resolve().parent
HINTS = ("jaxtyping", "typing")  #: what is imported from there computes nothing
VERSIONS = ("numpy", "numba", "scikit-learn")  #: distributions a number could depend on

#: Modules that are no part of a fingerprint, and why.
APART = {
    "sbp.errors": "words only",
    "sbp.html": "words only",
    "sbp.files": "reads and writes",
    "sbp.kernels": "compiles",
    "sbp.plugins": "finds",
    "sbp.engines.protocol": "what an engine is, not what it computes",
    "sbp.spec": "what a circuit is made of is in the digest of the program",
    "sbp.learn.data": "what is learned is in the checksum of the data",
    "sbp.learn.dataset": "the same",
    "sbp.learn.embedded": "the same",
    "sbp.learn.own": "the same",
    "sbp.learn.idx": "the same",
    "sbp.learn.fetch": "the same",
    "sbp.learn.checkpoint": "reads and writes",
    "sbp.learn.schema": "reads and writes",
    "sbp.learn.parallel": "which thread does it",
    "sbp.app": "words only",
    "sbp.plots": "pictures have a fingerprint of their own",
    "sbp.reproduce.bench": "how much is run is in the seeds, the checksum and the details",
    "sbp.reproduce.claim": "what is claimed, not what is measured",
    "sbp.reproduce.provenance": "what stands here",
}


def statements(source: str) -> str:
    """Python source without what computes nothing, one hash for every version of Python.

    Left out are comments, docstrings, blank lines, trailing space, and type annotations with what
    is imported for them, from `HINTS` or for the type checker; how a signature is broken into lines
    does not count either.  Nor does what is claimed, the arguments of a decorator ``@claim(...)``:
    that is judged anew each time.  The rest is kept as written.
    """
    text = _Text(source)
    for node in ast.walk(ast.parse(source)):
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "claim":
                text.drop_lines(decorator)
        hints = isinstance(node, ast.ImportFrom) and node.module in HINTS
        if hints or (for_checker(node) and not node.orelse):
            text.drop_lines(node)
        elif isinstance(node, ast.AnnAssign):
            text.drop_hint(node.target, node.annotation)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            text.shorten_signature(node)
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text.drop_lines(body[0])
    return text.rest()


def for_checker(node: ast.AST) -> TypeGuard[ast.If]:
    """Whether a statement is for the type checker alone."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


Place = tuple[int, int]  #: line, from 1, and column, from 0
END = sys.maxsize  #: the column where any line has ended


class _Text:
    """A source, out of which things are taken; what stays, stays as it is written."""

    def __init__(self, source: str) -> None:
        self._lines = source.splitlines()
        self._cuts: list[tuple[Place, Place]] = []
        self._signatures: dict[int, str] = {}  # by the row they begin in
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        self._tokens = [token for token in tokens if token.type != tokenize.NL]
        for token in self._tokens:
            if token.type == tokenize.COMMENT:
                self._cuts.append((token.start, token.end))

    def _span(self, node: Any) -> tuple[Place, Place]:
        """Where a node stands: the tree counts columns in bytes, the tokens in characters."""

        def place(row: int, byte: int) -> Place:
            return row, len(self._lines[row - 1].encode()[:byte].decode())

        return (place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset))

    def drop_lines(self, node: Any) -> None:
        self._cuts.append(((node.lineno, 0), (node.end_lineno, END)))

    def drop_hint(self, target: Any, hint: Any) -> None:
        """The hint of a variable or a field, and its colon."""
        self._cuts.append((self._span(target)[1], self._span(hint)[1]))

    def shorten_signature(self, function: Any) -> None:
        """A signature on one line, without hints and without space."""
        first = function.body[0]
        begin, stop = self._span(function)[0], self._span(first)[0]
        if decorators := getattr(first, "decorator_list", None):
            stop = decorators[0].lineno, stop[1]
        given = function.args
        hints = [self._span(function.returns)] if function.returns else []
        for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg,
                         given.kwarg):  # fmt: skip
            if argument is not None and argument.annotation is not None:
                (row, column), end = self._span(argument)
                hints.append(((row, column + len(argument.arg)), end))
        kept = ""
        for token in self._tokens:
            if token.start < begin:
                continue
            if token.start >= stop or token.type == tokenize.NEWLINE:
                break
            hint = any(start <= token.start < end for start, end in hints)
            if not hint and token.string != "->" and token.type != tokenize.COMMENT:
                kept += token.string + " " * (token.string in ("async", "def"))
        self._signatures[begin[0]] = " " * begin[1] + re.sub(r",\):$", "):", kept)
        own_line = not self._lines[stop[0] - 1][: stop[1]].strip()
        self._cuts.append((begin, (stop[0] - 1, END) if own_line else stop))

    def rest(self) -> str:
        lines = ["", *self._lines]
        for (first, start), (last, end) in sorted(self._cuts, reverse=True):
            rest = lines[last][end:]
            for row in range(first, last + 1):
                lines[row] = lines[row][:start] if row == first else ""
            lines[first] += rest
        written = []
        for row, line in enumerate(lines):
            written += [self._signatures.get(row, ""), line.rstrip()]
        return "".join(f"{line}\n" for line in written if line.strip())


class Sources:
    """The modules of one or more packages, by name, read as text and never imported.

    Parameters
    ----------
    folders : mapping of str to Path
        Name of a top-level package (or module) to its folder (or file).
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self.folders = dict(folders)
        self._hashes: dict[str, str] = {}
        self._imports: dict[str, list[tuple[str, str]]] = {}

    def file(self, module: str) -> Path | None:
        """The file of a module; None if it is none of these packages'."""
        top, *rest = module.split(".")
        if top not in self.folders:
            return None
        path = self.folders[top].joinpath(*rest) if rest else self.folders[top]
        for found in (path / "__init__.py", path.with_suffix(".py")):
            if found.is_file():
                return found
        return None

    def hash(self, module: str) -> str:
        """SHA-256 (first 16 hex digits) of the statements of a module."""
        if module not in self._hashes:
            path = self.file(module)
            text = statements(path.read_text(encoding="utf-8")) if path else ""
            self._hashes[module] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._hashes[module]

    def imports(self, module: str) -> list[tuple[str, str]]:
        """What a module imports: (module, name), name "" for all of it."""
        if module not in self._imports:
            path = self.file(module)
            found = []
            if path is not None:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                tree = ast.parse(path.read_text(encoding="utf-8"))
                found = list(_imported(tree, package))
            self._imports[module] = found
        return self._imports[module]

    def defined_in(self, module: str, name: str) -> str:
        """The module that gives `name`, which `module` may only pass on."""
        if self.file(f"{module}.{name}"):
            return f"{module}.{name}"
        path = self.file(module)
        if path is not None and path.name == "__init__.py":
            for origin, passed in self.imports(module):
                if passed == name and origin != module and self.file(origin):
                    return self.defined_in(origin, name)
        return module

    def closure(self, modules: Iterable[str], apart: Iterable[str] = APART) -> dict[str, str]:
        """The hash of each of `modules`, and of all that they import: name -> hash, sorted.

        Modules in `apart`, and what is below them, are left out unless named themselves.
        """
        modules, apart = list(modules), tuple(apart)
        found: dict[str, str] = {}
        ahead = list(modules)
        while ahead:
            module = ahead.pop()
            if module in found or self.file(module) is None:
                continue
            if module not in modules and any(f"{module}.".startswith(f"{n}.") for n in apart):
                continue
            found[module] = self.hash(module)
            ahead += [
                self.defined_in(origin, name) if name else origin
                for origin, name in self.imports(module)
            ]
        return dict(sorted(found.items()))


def _imported(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Every import of a tree, those for the type checker apart."""
    for node in ast.iter_child_nodes(tree):
        if for_checker(node):
            for other in node.orelse:
                yield from _imported(ast.Module([other], []), package)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = package.split(".")
                above = parts[: len(parts) - node.level + 1]
                origin = ".".join([*above, origin] if origin else above)
            for alias in node.names:
                yield (origin, "" if alias.name == "*" else alias.name)
        else:
            yield from _imported(node, package)


@lru_cache(maxsize=8)
def sources(package: Path = PACKAGE, *further: str) -> Sources:
    """The sources of this package, and of the top-level packages `further`."""
    folders = {"sbp": package}
    for name in further:
        spec = util.find_spec(name)
        if name != "sbp" and spec is not None and spec.origin:
            path = Path(spec.origin)
            folders[name] = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return Sources(folders)


def code_hashes(
    module: str, engines: Iterable[str] = (), package: Path = PACKAGE
) -> dict[str, str]:
    """The fingerprint of what `module` computes on `engines`: module name -> hash.

    Parameters
    ----------
    module : str
        Dotted name, of this package or of another that is installed.
    engines : iterable of str
        Names of engines; "" and "algebra" add nothing.
    package : Path
        Where the modules of this package are read.
    """
    names = [module]
    for engine in engines:
        if engine not in ("", "algebra"):
            names += get_engine(engine).modules
    tops = {name.partition(".")[0] for name in names}
    return sources(package, *sorted(tops)).closure(names)


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


#: What of a result is computed; the rest tells when, where and with what it was made.
COMPUTED = ("id", "seeds", "values", "details", "weights", "circuits", "data")


def computed(record: Mapping[str, Any]) -> str:
    """SHA-256 over what was computed: equal where two machines found the same."""
    return checksum({key: record[key] for key in COMPUTED})


def checksum(record: Mapping[str, Any]) -> str:
    """SHA-256 over everything in `record` but its own checksum."""
    content = {key: value for key, value in record.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(_bytes(text)).hexdigest()


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write `record` with its checksum, whole or not at all; a list of numbers on one line."""
    text = json.dumps({**record, "checksum": checksum(record)}, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\n\s*([^][{}\"]*?)\s*\]", _on_one_line, text) + "\n"
    write_atomic(path, lambda stream: stream.write(_bytes(text)))


def _bytes(text: str) -> bytes:
    # A file name that is no text holds lone surrogates, which JSON writes as escapes.
    return text.encode(errors="backslashreplace")


def _on_one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r"\s+", " ", found[1]) + "]"
