"""The parts of the package: which may import which, and which packages of others each may use."""

from __future__ import annotations

import ast
import io
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
from conftest import ENVIRONMENT
from test_packaging import PROJECT, ROOT

grimp = pytest.importorskip("grimp")

#: Distribution -> what it is called in an import, where the two differ.
IMPORTED = {"scikit-learn": "sklearn", "lava-nc": "lava"}
#: Parts and what each may use besides its own: what stands below it, and extras.
BELOW = {
    "core": (),
    "checks": ("core",),
    "files": ("core", "checks"),
    "testing": ("core", "checks"),
    "lava": ("core",),
    "learn": ("core",),
    "plots": ("core",),
    "reproduce": ("core", "learn", "plots"),
    "app": ("core", "learn", "plots", "reproduce"),
}
EXTRAS = {"lava": ("lava",), "reproduce": ("distributed",), "app": ("nir",)}
#: What comes with something that is named: nbformat with jupytext, IPython with a kernel, in which
#: the helpers for notebooks are used, h5py with nir.
#: The suite for engines is run by those who have pytest.
ALONG = {
    "testing": {"pytest", "hypothesis"},
    "learn": {"IPython"},
    "app": {"nbformat", "IPython", "h5py"},
}


def lint(folder: Path) -> subprocess.CompletedProcess:
    """Run import-linter over the package in `folder`."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    environment = ENVIRONMENT | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_walls_stand_and_a_breach_is_seen(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignore = shutil.ignore_patterns("__pycache__", "assets")
    package = shutil.copytree(ROOT / "sbp", tmp_path / "sbp", ignore=ignore)
    assert lint(tmp_path).returncode == 0, lint(tmp_path).stdout
    algebra = package / "algebra.py"
    text = algebra.read_text("utf-8")
    for breach in (
        "from sbp.app import chapters",
        "import sbp.learn.data",
        "import sbp.engines.lava",
    ):
        algebra.write_text(f"{text}\n\ndef late():\n    {breach}\n", "utf-8")
        done = lint(tmp_path)
        assert done.returncode == 1, breach
        assert "sbp.algebra ->" in done.stdout
    algebra.write_text(text, "utf-8")
    (package / "room.py").write_text("", "utf-8")  # a module that no layer names
    assert lint(tmp_path).returncode == 1


def part_of(module: str) -> str:
    """The part that a module belongs to."""
    first = module.split(".")[1:2]
    if module.startswith("sbp.engines.lava"):
        return "lava"
    if first == ["__main__"]:
        return "app"
    return first[0] if first and first[0] in BELOW else "core"


def own() -> dict[str, set[str]]:
    """Part -> names under which pyproject.toml lets it import packages of others."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    table = text.partition("\ndependencies = [\n")[2].partition("\n]")[0]
    found: dict[str, set[str]] = {}
    for line in table.splitlines():
        if heading := re.fullmatch(r"    # (\w+)", line):
            part = found.setdefault(heading[1], set())
        else:
            name = re.match(r'\s*"([\w.-]+)', line)[1]
            part.add(IMPORTED.get(name, name).replace("-", "_"))
    for part, extras in EXTRAS.items():
        for extra in extras:
            for line in PROJECT["optional-dependencies"][extra]:
                name = re.match(r"[\w.-]+", line)[0]
                found.setdefault(part, set()).add(IMPORTED.get(name, name).replace("-", "_"))
    return found


def test_each_part_uses_its_own_packages_only():
    graph = grimp.build_graph("sbp", include_external_packages=True, cache_dir=None,
                             exclude_type_checking_imports=True)  # fmt: skip
    used: dict[str, set[str]] = {}
    for module in graph.modules:
        if module.partition(".")[0] == "sbp":
            for imported in graph.find_modules_directly_imported_by(module):
                name = imported.partition(".")[0]
                if name != "sbp" and name not in sys.stdlib_module_names:
                    used.setdefault(part_of(module), set()).add(name)
    listed = own()
    assert set(listed) == set(BELOW) - {"checks", "files", "testing"}
    for part, names in used.items():
        allowed = listed.get(part, set()).union(
            *(listed.get(below, set()) for below in BELOW[part])
        )
        assert names <= allowed | ALONG.get(part, set()), part
    # And what is listed for a part is used there, in an import or by name.
    for part in ("core", "learn", "plots", "app"):
        text = "".join(
            path.read_text("utf-8")
            for path in (ROOT / "sbp").rglob("*.py")
            if part_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) == part
        )
        assert {n for n in listed[part] if not re.search(rf"\b{n}\b", text)} == set(), part


def test_the_core_is_read_in_an_afternoon():
    """Its lines of code, without docstrings, comments and blank lines, and its modules."""
    lines, modules = 0, 0
    for path in sorted((ROOT / "sbp").rglob("*.py")):
        if part_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) != "core":
            continue
        text = path.read_text("utf-8")
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docstrings = {
            line
            for node in ast.walk(ast.parse(text))
            if isinstance(node, documented) and ast.get_docstring(node) is not None
            for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
        }
        code = {
            line
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
            for line in range(token.start[0], token.end[0] + 1)
        }
        lines, modules = lines + len(code - docstrings), modules + 1
    assert 3000 < lines <= 4250
    assert 20 <= modules <= 30


CORE_ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Wall(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BANNED:
            raise ModuleNotFoundError(f"no {name} here", name=name)

BANNED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Wall())
import numpy as np
import sbp
from sbp.files import shipped, trace
program = sbp.lower(sbp.learning_circuit((8, 6, 3)))
start = sbp.Weights.random((8, 6, 3), 0)
x = np.eye(8, dtype=np.uint8)[[0, 3, 5]]
t = np.eye(3, dtype=np.uint8)
run = sbp.engines.get("compiled").run(program, program.state(start), {"input": x, "target": t})
network = sbp.algebra.Network(start)
network.train(x, t)
assert all((run.weights[name] == network.weights[name]).all() for name in start)
read = trace.read(shipped.folder("traces") / "learning_16_8_4_order.npz")
assert trace.verify(read, "reference") is None
print(program.digest)
"""


def test_the_core_runs_with_numpy_and_numba_alone(tmp_path):
    everything = set().union(*own().values()) | {"scipy", "IPython", "pandas"}
    banned = ",".join(sorted(everything - own()["core"]))
    command = [sys.executable, "-c", CORE_ALONE, banned]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[0-9a-f]{64}\n", done.stdout)


IMPORT_TIME = """
import time
import numpy
began = time.process_time()
import sbp
sbp.lower(sbp.learning_circuit((4, 3, 2)))
print(time.process_time() - began)
import sys
assert "numba" not in sys.modules and "matplotlib" not in sys.modules
"""


def test_importing_the_core_takes_less_than_a_fifth_of_a_second(tmp_path):
    # Beside NumPy, whose own import takes most of it; processor time, on whatever machine.
    command = [sys.executable, "-c", IMPORT_TIME]
    times = [
        float(subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True,
                             check=True).stdout)
        for _ in range(3)
    ]  # fmt: skip
    assert min(times) < 0.2, times
