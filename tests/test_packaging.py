"""The set-up files agree with each other, and the repository holds nothing that it should not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSION = PROJECT["version"]
NOT_PINNED = {"torchvision"}  # a download of several GB that no result needs


def normal(name: str) -> str:
    """Return the name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> dict[str, str]:
    """Return the pins of requirements.txt; any line but a comment or a plain pin fails."""
    pins = {}
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        pin = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+]+)", line)
        assert pin, f"requirements.txt: {line!r} is not NAME==VERSION"
        pins[normal(pin[1])] = pin[2]
    return pins


def direct_dependencies() -> set[str]:
    """Return the names that pyproject.toml asks for in the reference environment."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"]]
    lines += [line for extra in extras.keys() - NOT_PINNED for line in extras[extra]]
    return {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines}


def repository_files() -> list[Path]:
    """Return the files that are, or would be, committed; outside a git clone, the sources."""
    if not (ROOT / ".git").exists():
        built = re.compile(r"\.venv.*|\.boot|\..*_cache|\.hypothesis|__pycache__|_build")
        files = [file for file in ROOT.rglob("*") if file.is_file()]
        return [f for f in files if not any(map(built.fullmatch, f.relative_to(ROOT).parts))]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def test_the_lists_of_dependencies_agree() -> None:
    assert direct_dependencies() - requirements().keys() == set(), "run `make requirements`"
    conda = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    (from_pip,) = (entry["pip"] for entry in conda if isinstance(entry, dict))
    assert from_pip == ["--requirement requirements.txt", "--editable ."]
    python = (ROOT / ".python-version").read_text("utf-8").strip()
    assert f"python={python}" in conda


def test_every_dependency_states_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    table = text.partition("\ndependencies = [")[2].partition("\n[project.scripts]")[0]
    entries = [line.strip() for line in table.splitlines() if line.strip().startswith('"')]
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    assert [entry.split('"')[1] for entry in entries] == wanted
    for entry in entries:
        assert re.search(r'",\s+# \w.{3,}', entry), f"pyproject.toml: no reason beside {entry}"


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert citation["version"] == VERSION
    assert released[0] == VERSION
    assert "## [Unreleased]" in changelog


def test_commands_in_the_readme_are_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))
    named = {}
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text("utf-8")
        named[document] = set(re.findall(r"(?:^|`|&& )make ([a-z][a-z-]*)", text, re.MULTILINE))
        assert named[document] <= targets, document
    assert named["README.md"] >= {"reproduce", "test"}


def test_no_file_names_a_path_of_one_machine() -> None:
    roots = "|".join(["home", "Users", "root", "work", "mnt", "scratch"])
    path = re.compile(rf"(?<![\w.~$)}}\]/*-])/(?:{roots})/[\w.-]+|[A-Z]:\\Users\\".encode())
    found = []
    for file in repository_files():
        content = file.read_bytes()
        if b"\0" not in content:  # text
            hits = path.findall(content)
            found += [f"{file.relative_to(ROOT)}: {hit.decode()}" for hit in hits]
    assert found == []


def test_no_file_holds_a_pickle() -> None:
    for file in repository_files():
        assert file.suffix not in {".pkl", ".pickle", ".joblib", ".pt", ".pth"}, file
        assert not re.match(rb"\x80[\x02-\x05]", file.read_bytes()[:2]), f"{file} is a pickle"
        if file.suffix in {".npz", ".npy"}:
            loaded = np.load(file, allow_pickle=False)
            for array in loaded.values() if file.suffix == ".npz" else [loaded]:
                assert array.dtype != object, file


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a folder that stands for a machine's PATH: a few tools, and no Python yet."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "awk", "sed", "sort", "grep"):
        (tools / name).symlink_to(shutil.which(name))
    return tools


def find_python(tools: Path, oldest: int, newest: int) -> tuple[int, str]:
    """Search that machine for Python 3.oldest to 3.newest; return the exit code and the answer."""
    command = ["sh", str(ROOT / "tools/find-python.sh"), str(oldest), str(newest)]
    environment = {"PATH": str(tools), "HOME": str(tools.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def add_python(file: Path, script: str) -> None:
    """Write a stand-in for an interpreter: `script` is what it does, whatever it is asked."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    file.chmod(0o755)


def test_search_passes_over_an_interpreter_that_does_not_run(machine: Path) -> None:
    minor = sys.version_info.minor
    add_python(machine / f"python3.{minor}", "echo 'command not found' >&2; exit 127")
    assert find_python(machine, minor, minor) == (1, "")
    real = Path(sys.base_prefix, "bin", "python3")
    add_python(machine / "python3", f'exec "{real}" "$@"')
    code, found = find_python(machine, minor, minor)
    assert code == 0
    assert os.path.samefile(found, real)
    assert find_python(machine, minor + 1, 99) == (1, "")


def test_search_finds_the_newest_that_a_version_file_hides(machine: Path) -> None:
    versions = machine.parent / ".pyenv" / "versions"
    for minor, micro in ((9, 18), (10, 2), (10, 13), (12, 1)):
        file = versions / f"3.{minor}.{micro}" / "bin" / "python3"
        add_python(file, f"echo 3 {minor} {micro} {file}")
    assert find_python(machine, 10, 10) == (0, f"{versions}/3.10.13/bin/python3")
    assert find_python(machine, 11, 99) == (0, f"{versions}/3.12.1/bin/python3")
    assert find_python(machine, 13, 99) == (1, "")
