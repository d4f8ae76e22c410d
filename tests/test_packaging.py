"""The set-up files agree with each other, and the repository holds nothing that it should not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import yaml

from sbp.app import chapters
from sbp.learn.checkpoint import LOCK, RunFolder

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSION = PROJECT["version"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
NOT_PINNED = {"torchvision"}  # a download of several GB that no result needs


def normal(name: str) -> str:
    """Return the name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.!+]+)(?: ; (?P<marker>[^\\]+?))?"
    r"(?P<hashes>(?: \\\n {4}--hash=sha256:[0-9a-f]{64})+)\n"
)


def pins() -> list[re.Match]:
    """Return the pins of requirements.txt; anything but comments and pins with hashes fails."""
    text = (ROOT / "requirements.txt").read_text("utf-8")
    found = list(PIN.finditer(text))
    rest = PIN.sub("", text).splitlines()
    assert [line for line in rest if not line.startswith("#")] == []
    return found


def pinned() -> list[str]:
    """Return the pins without their hashes, as constraints."""
    return [
        f"{pin['name']}=={pin['version']}" + (f" ; {pin['marker']}" if pin["marker"] else "")
        for pin in pins()
    ]


def requirements() -> set[str]:
    """Return the names that requirements.txt pins."""
    return {normal(pin["name"]) for pin in pins()}


def direct_dependencies() -> set[str]:
    """Return the names that pyproject.toml asks for in the reference environment."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"]]
    lines += [line for extra in extras.keys() - NOT_PINNED for line in extras[extra]]
    return {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines}


def repository_files() -> list[Path]:
    """Return the files that are, or would be, committed; outside a git clone, the sources."""
    if not (ROOT / ".git").exists():
        built = re.compile(
            r"\.venv.*|\.boot|\..*_cache|\.hypothesis|__pycache__|_build|node_modules"
        )
        files = [file for file in ROOT.rglob("*") if file.is_file()]
        return [f for f in files if not any(map(built.fullmatch, f.relative_to(ROOT).parts))]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


@pytest.mark.skipif(not sys.prefix.endswith("-lowest"), reason="what make test-lowest holds")
def test_the_oldest_packages_are_those_that_are_declared() -> None:
    """Another package can need a newer one: then nobody runs the bound that is written here."""
    extras = PROJECT["optional-dependencies"]
    declared = sum(
        (extras[name] for name in ("distributed", "nir", "dev")), PROJECT["dependencies"]
    )
    bounds = [re.match(r"([\w-]+)>=([\d.]+)", line) for line in declared]
    assert all(bounds)
    found = {bound[1]: (bound[2], metadata.version(bound[1])) for bound in bounds if bound}
    assert {
        name: pair for name, pair in found.items() if not f"{pair[1]}.".startswith(f"{pair[0]}.")
    } == {}


def test_the_lists_of_dependencies_agree() -> None:
    assert direct_dependencies() - requirements() == set(), "run `make requirements`"
    conda = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    (from_pip,) = (entry["pip"] for entry in conda if isinstance(entry, dict))
    assert from_pip == ["--requirement requirements.txt"]
    python = (ROOT / ".python-version").read_text("utf-8").strip()
    assert f"python={python}" in conda


def test_the_pins_hold_for_every_python_and_system() -> None:
    from packaging.markers import Marker

    for minor in range(10, 14):
        for system, name in (("linux", "posix"), ("darwin", "posix"), ("win32", "nt")):
            here = {
                "python_version": f"3.{minor}",
                "python_full_version": f"3.{minor}.4",
                "sys_platform": system,
                "os_name": name,
            }
            chosen = [
                normal(pin["name"])
                for pin in pins()
                if not pin["marker"] or Marker(pin["marker"]).evaluate(here)
            ]
            twice = {name for name in chosen if chosen.count(name) > 1}
            assert twice == set()
            lava = {"lava-nc"} if minor > 10 else set()
            assert direct_dependencies() - {"tomli"} - lava <= set(chosen)


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
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", CHANGELOG, re.MULTILINE)
    assert citation["version"] == VERSION
    assert released[0] == VERSION
    assert "## [Unreleased]" in CHANGELOG


def test_commands_in_the_readme_are_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))
    named = {}
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text("utf-8")
        named[document] = set(re.findall(r"(?:^|`|&& )make ([a-z][a-z-]*)", text, re.MULTILINE))
        assert named[document] <= targets, document
    assert named["README.md"] >= {"reproduce", "test"}


def test_no_training_run_is_left_in_the_repository() -> None:
    """A script that is tried out in a clone leaves one behind, and `git add` takes it along."""
    left = {path.name for path in RunFolder(ROOT).files} | {LOCK}
    assert not [file for file in repository_files() if file.name in left]


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
def tree(tmp_path: Path) -> Path:
    """Return what `make env` needs of a clone, on a machine whose uv is this one's."""
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    return tmp_path


def make_env(tree: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run tools/env.sh."""
    command = ["sh", "tools/env.sh", *arguments]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_", "SBP_"))}
    return subprocess.run(
        command, cwd=tree, env=kept | variables, capture_output=True, text=True, check=False
    )


def add_python(file: Path, script: str) -> None:
    """Write a stand-in for an interpreter: `script` is what it does, whatever it is asked."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    file.chmod(0o755)


def test_search_finds_what_a_version_file_hides_and_passes_over_what_is_dead(tree: Path) -> None:
    (tree / ".boot").symlink_to(ROOT / ".boot")
    minor = sys.version_info.minor
    versions = tree / "pyenv" / "versions"
    add_python(versions / f"3.{minor}.0" / "bin" / f"python3.{minor}", "exit 127")
    only = {"PATH": "/usr/bin:/bin", "PYENV_ROOT": str(tree / "pyenv"), "HOME": str(tree)}
    assert make_env(tree, "find", "99", "99", **only).returncode == 1
    real = Path(sys.base_prefix, "bin", f"python3.{minor}")
    add_python(versions / f"3.{minor}.1" / "bin" / f"python3.{minor}", f'exec "{real}" "$@"')
    found = make_env(tree, "find", str(minor), str(minor), **only)
    assert found.returncode == 0, found.stderr
    asked = [found.stdout.strip(), "-c", "import sys; print(sys.version_info.minor)"]
    assert subprocess.run(asked, capture_output=True, text=True).stdout.strip() == str(minor)


@pytest.mark.parametrize("known", [False, True], ids=["no uv yet", "uv is here"])
def test_without_a_network_one_line_says_so(tree: Path, known: bool) -> None:
    if known:
        (tree / ".boot").symlink_to(ROOT / ".boot")
    nowhere = "http://127.0.0.1:9/"
    done = make_env(
        tree, ".venv", "reference", SBP_PYTHON=sys.executable,
        PIP_INDEX_URL=nowhere, PIP_RETRIES="0", UV_DEFAULT_INDEX=nowhere, UV_HTTP_RETRIES="0",
        UV_NO_CACHE="1", HOME=str(tree),
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("sbp: no network: the package index cannot be reached")
    assert len(done.stderr.splitlines()) <= 2
    assert done.stdout == ""


def test_citation_and_archive_say_the_same() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    archive = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    assert archive["title"] == citation["title"]
    assert archive["license"] == citation["license"] == PROJECT["license"]
    assert archive["keywords"] == citation["keywords"]
    paper = citation["preferred-citation"]
    assert paper == citation["references"][0]
    assert paper["doi"] == "10.1038/s41467-024-53827-9"
    named = {row["identifier"] for row in archive["related_identifiers"]}
    others = citation["references"][1]["repository-code"]
    assert named == {paper["doi"], others, citation["repository-code"]}
    released = re.search(rf"^## \[{VERSION}\] - (\S+)", CHANGELOG, re.MULTILINE)
    assert str(citation["date-released"]) == released[1]
    site = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    urls = PROJECT["urls"]
    assert citation["repository-code"] == site["repository"]["url"] == urls["Source"]
    owner, name = urls["Source"].split("/")[-2:]
    assert citation["url"] == urls["Book"] == chapters.BOOK == f"https://{owner}.github.io/{name}"
    assert f"/{owner}/{name}/" in chapters.COLAB
