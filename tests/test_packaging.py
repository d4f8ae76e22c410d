"""The set-up files agree with each other, and the repository holds nothing that it should not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def requirements() -> dict[str, set[str]]:
    """Return the pins of requirements.txt, each with its hashes; anything else fails."""
    pins: dict[str, set[str]] = {}
    text = (ROOT / "requirements.txt").read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        pin = re.fullmatch(
            r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+]+)( ; [^-]*?)?((?: +--hash=sha256:[0-9a-f]{64})+)",
            line.rstrip(),
        )
        assert pin, f"requirements.txt: {line[:80]!r} is not NAME==VERSION with its hashes"
        pins.setdefault(normal(pin[1]), set()).add(pin[2])
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
    assert from_pip == ["--requirement requirements.txt"]
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


def test_the_search_for_a_python_gives_one_that_runs() -> None:
    command = ["sh", "tools/env.sh", "find"]
    minor = str(sys.version_info.minor)
    found = subprocess.run(
        [*command, minor, minor], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    said = subprocess.run([found, "-c", "import sys; print(sys.version_info.minor)"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert said.stdout.strip() == minor
    none = subprocess.run([*command, "98", "99"], cwd=ROOT, capture_output=True, check=False)
    assert none.returncode == 1
