"""Kernels work whatever becomes of their cache: unwritable, full, garbled, out of date."""

import ast
import importlib
import os
import random
import shutil
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from conftest import ENVIRONMENT, ROOT

from sbp import kernels

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled"
)

CALLED = """
from sbp.kernels import jit
FACTOR = 3

@jit(inline="never")
def times(x):
    return FACTOR * x
"""
CALLER = """
from called import times
from sbp.kernels import jit

@jit
def answer(x):
    return times(x) + 1
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with a kernel that calls another's; `fresh()` is a new process, nearly."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "called.py").write_text(CALLED)
    (folder / "caller.py").write_text(CALLER)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(kernels.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    class Module:
        files = folder

        @staticmethod
        def cache(suffix):
            return sorted((tmp_path / "cache").rglob(f"caller.*.{suffix}"))

        @staticmethod
        def fresh():
            importlib.invalidate_caches()
            kernels._source_digest.cache_clear()
            for name in ("called", "caller"):
                sys.modules.pop(name, None)
            return importlib.import_module("caller").answer

    yield Module
    for name in ("called", "caller"):
        sys.modules.pop(name, None)


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


def test_the_next_process_compiles_nothing(module):
    first, second = module.fresh(), module.fresh()
    assert first(2) == 7
    assert hits(first) == 0
    assert second(2) == 7
    assert hits(second) == 1
    assert not list(module.files.rglob("*.nb?"))


def test_a_kernel_is_stale_when_what_it_calls_or_reads_has_changed(module):
    assert module.fresh()(2) == 7
    source = module.files / "called.py"
    source.write_text(CALLED.replace("FACTOR * x", "FACTOR * x + 100"))
    assert module.fresh()(2) == 107
    source.write_text(CALLED.replace("FACTOR = 3", "from factor import FACTOR"))
    for value in (4, 5):  # a constant out of a third module, whose text is not looked at
        (module.files / "factor.py").write_text(f"FACTOR = {value}")
        sys.modules.pop("factor", None)
        assert module.fresh()(2) == 2 * value + 1
    sys.modules.pop("factor", None)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_garbled_file_is_a_miss_and_is_written_again(module, suffix):
    assert module.fresh()(2) == 7
    (file,) = module.cache(suffix)
    whole = file.read_bytes()
    draw = random.Random(suffix)
    garbled = [b"", b"\x80", b"not a pickle\n", whole[:-1], whole[: len(whole) // 2], whole[1:]]
    garbled += [os.urandom(len(whole)), whole + b"\0"]
    for _ in range(8):
        place, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        garbled.append(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
    for content in garbled:
        file.write_bytes(content)
        kernel = module.fresh()
        assert kernel(2) == 7
        assert hits(kernel) == 0
        assert file.read_bytes() != content
        kernel = module.fresh()
        assert kernel(2) == 7
        assert hits(kernel) == 1


def test_files_that_are_gone_or_folders_are_misses(module):
    for suffix in ("nbi", "nbc"):
        for damage in (os.unlink, lambda file: (file.unlink(), file.mkdir())):
            assert module.fresh()(2) == 7
            (file,) = module.cache(suffix)
            damage(file)
            assert module.fresh()(2) == 7
            if file.is_dir():
                file.rmdir()


PROCESS = "import caller; print(caller.answer(2), sum(caller.answer.stats.cache_hits.values()))"


def process(module, code=PROCESS, **environment):
    """The output of a real process."""
    path = os.pathsep.join([str(module.files), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=module.files,
        env=ENVIRONMENT | {"PYTHONPATH": path} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_processes_share_the_users_cache_folder(module, tmp_path):
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "own"), "NUMBA_CACHE_DIR": ""}
    assert process(module, **home) == ["7", "0"]
    assert process(module, **home) == ["7", "1"]
    assert list((tmp_path / "own" / "sbp" / "kernels").rglob("caller.*.nbc"))


@pytest.mark.parametrize("place", ["a file", "no such user"])
def test_without_a_place_for_the_cache_kernels_work(module, tmp_path, place):
    (tmp_path / "file").write_text("no folder")
    home = {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": ""}
    code = PROCESS
    if place == "a file":
        home["HOME"] = str(tmp_path / "file")
    else:  # as in a container that runs under a number: no home, no entry in the list of users
        code = f"import os; os.environ.pop('HOME'); os.getuid = lambda: 54321\n{PROCESS}"
    for _ in range(2):
        assert process(module, code, **home) == ["7", "0"]
    assert not (module.files / "~").exists()
    status = code.replace(PROCESS, "from sbp.kernels import cache_status; print(cache_status())")
    assert process(module, status, **home)[0] == "off:"


def test_a_cache_that_can_only_be_read_is_read(module, tmp_path, monkeypatch):
    assert module.fresh()(2) == 7

    def refuse(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr(kernels._Files, "_open_for_write", refuse)
    kernel = module.fresh()
    assert kernel(2) == 7
    assert hits(kernel) == 1
    assert kernel(2.0) == 7  # another signature: compiled, and not kept
    assert module.fresh()(2.0) == 7


def test_a_full_disk_is_no_error(module, tmp_path):
    """The system refuses every byte beyond a limit, as a full disk does."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "full")}
    assert process(module, limit + PROCESS, **place) == ["7", "0"]
    assert process(module, **place) == ["7", "0"]  # what was cut off is not taken for whole
    assert process(module, **place) == ["7", "1"]
    assert not list((tmp_path / "full").rglob("*.tmp.*"))


def test_training_with_a_read_only_package_and_no_home(tmp_path):
    package = tmp_path / "lib" / "sbp"
    shutil.copytree(ROOT / "sbp", package, ignore=shutil.ignore_patterns("__pycache__"))
    folders = [package, *(path for path in package.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    (tmp_path / "home").write_text("no folder")
    environment = ENVIRONMENT | {
        "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": "",
    }  # fmt: skip
    before = sorted(package.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "sbp", "train", "--engine", "algebra", "--dataset", "digits",
         "--hidden", "4", "--epochs", "1", "--samples", "20"],
        env=environment, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(package.rglob("*")) == before
    for folder in folders:
        folder.chmod(0o755)


@kernels.borrowed
class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray


def test_what_is_borrowed_is_given_back():
    """After a call nothing holds on to the arrays."""

    @kernels.jit
    def inner(pair, k):
        return pair.first[k] + pair.second[k]

    @kernels.jit
    def outer(pair):
        total = 0
        for k in range(pair.first.shape[0]):
            total += inner(pair, k)
        return total

    pair = Pair(np.arange(5), np.ones(5, np.int32))
    assert outer(pair) == 15
    counted = [sys.getrefcount(array) for array in pair]
    for _ in range(1000):
        outer(pair)
    assert [sys.getrefcount(array) for array in pair] == counted


def test_every_kernel_comes_from_here():
    compilers = {"jit", "njit", "vectorize", "guvectorize", "stencil", "cfunc", "jit_module"}
    for file in (ROOT / "sbp").rglob("*.py"):
        if file == ROOT / "sbp" / "kernels.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba"):
                assert not compilers & {name.name for name in node.names}, file
            if isinstance(node, ast.Import):
                assert "numba" not in {name.name.partition(".")[0] for name in node.names}, file
