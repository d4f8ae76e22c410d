"""Mutation run: break the code in one small way at a time, and see whether a test notices.

    make mutants                         all of them; a quarter of an hour on two cores
    make mutants ARGS="step reference"   those whose name contains one of the words, anew
    make mutants ARGS=--list             say what there is

A mutant is a file, a piece of its text that stands there exactly once, what takes its place, and
the tests that should fail.  It is applied to a copy of the package; the tests are run there, and
stop at the first failure.  A mutant that no test notices survives: that is a test to be written.
`tests/mutants/*.toml` hold the mutants, and a test keeps them in step with the code.

The score goes to `results/mutants.json` and `results/mutants.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 600.0  #: seconds; a mutant that hangs is noticed


@dataclass(frozen=True)
class Mutant:
    """One small mistake.

    Attributes
    ----------
    name : str
    file : str
        Below the root of the repository.
    old, new : str
    tests : tuple of str
        What pytest is asked to run.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> None:
        """Make the mistake in the copy at `root`."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise SystemExit(
                f"mutant {self.name}: {self.old!r} stands {text.count(self.old)} times in "
                f"{self.file}, not once; bring tests/mutants up to date"
            )
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


def read(folder: Path = ROOT / "tests" / "mutants") -> list[Mutant]:
    """All mutants."""
    mutants = []
    for file in sorted(folder.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        for name, entry in content["mutants"].items():
            mutants.append(
                Mutant(
                    f"{file.stem}: {name}", entry.get("file", content["file"]), entry["old"],
                    entry["new"], tuple(entry.get("tests", content["tests"])),
                )
            )  # fmt: skip
    return mutants


def notice(mutant: Mutant) -> dict[str, object]:
    """Run the tests of one mutant; which of them noticed, or none."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for part in ("sbp", "tests", "tools", "benchmarks", "book", "results"):
            shutil.copytree(ROOT / part, copy / part,
                            ignore=shutil.ignore_patterns("__pycache__", "_build"))  # fmt: skip
        for part in ("pyproject.toml", "README.md", "CHANGELOG.md"):
            shutil.copy(ROOT / part, copy / part)
        mutant.apply(copy)
        environment = os.environ | {
            "PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(copy / "kernels"),
            "PYTHONDONTWRITEBYTECODE": "1", "SBP_EXAMPLES": "100",
        }  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
                   "-p", "no:randomly", "--tb=no", *mutant.tests]  # fmt: skip
        try:
            done = subprocess.run(command, cwd=copy, env=environment, capture_output=True,
                                  text=True, timeout=LIMIT)  # fmt: skip
            code, said = done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            code, said = 1, "FAILED (no end)"
    if code not in (0, 1):
        raise SystemExit(f"mutant {mutant.name}: pytest ended with {code}\n{said[-2000:]}")
    failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    by = failed[0].split(" - ")[0].partition(" ")[2] if failed else ""
    return {
        **asdict(mutant), "noticed": code == 1, "by": by if code else "",
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def table(rows: list[dict[str, object]]) -> str:
    """The score as Markdown."""
    noticed = sum(bool(row["noticed"]) for row in rows)
    lines = [f"{noticed} of {len(rows)} mutants are noticed.", "",
             "| mutant | noticed by |", "|---|---|"]  # fmt: skip
    for row in rows:
        by = f"`{row['by']}`" if row["noticed"] else "**nothing**"
        lines.append(f"| {row['name']} | {by} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the mutants; 1 if one survives."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="only mutants whose name contains one of these")
    parser.add_argument("--list", action="store_true", help="name them and run nothing")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    chosen = [m for m in read() if not arguments.words or any(w in m.name for w in arguments.words)]
    if arguments.list:
        print("\n".join(mutant.name for mutant in chosen))
        return 0
    rows = []
    with ThreadPoolExecutor(arguments.workers) as pool:
        for row in pool.map(notice, chosen):
            rows.append(row)
            print(f"{'noticed ' if row['noticed'] else 'SURVIVES'} {row['name']}  "
                  f"({row['seconds']} s) {row['by']}", flush=True)  # fmt: skip
    file, scored = arguments.out / "mutants.json", {row["name"]: row for row in rows}
    if arguments.words and file.exists():  # the others' rows stay
        before = {row["name"]: row for row in json.loads(file.read_text(encoding="utf-8"))}
        scored = before | scored
    names = [mutant.name for mutant in read()]
    if set(names) <= scored.keys():  # a part is no score
        from sbp.files import write_atomic, write_json

        rows = [scored[name] for name in names]
        write_json(arguments.out / "mutants.json", rows)
        write_atomic(
            arguments.out / "mutants.md", lambda stream: stream.write(table(rows).encode())
        )
    survivors = [row["name"] for row in rows if not row["noticed"]]
    print(f"{len(rows) - len(survivors)} of {len(rows)} noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
