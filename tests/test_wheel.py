"""What a person has who installs the wheel: built, installed for real, used outside the clone."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile

import pytest
from test_packaging import ROOT, pinned

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="paths of sh")]

UV = ROOT / ".boot" / "bin" / "uv"
#: What a command may take long over, or what asks for more than is installed with the wheel.
NOT_HERE = ("--engine lava",)


def run(*command, cwd, **variables):
    """Run a command with nothing of this environment; returns the finished process."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SBP_", "VIRTUAL"))}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=kept | variables, capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree."""
    assert UV.exists(), "run `make env`"
    out = tmp_path_factory.mktemp("dist")
    build = [UV, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", out, ROOT]
    done = run(*build, cwd=out)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


class Machine:
    """An environment with the wheel, an empty home and an empty folder to work in."""

    def __init__(self, folder, wheel):
        self.home, self.here = folder / "home", folder / "here"
        self.venv, self.wheel = folder / "venv", wheel
        self.home.mkdir()
        self.here.mkdir()
        pins = folder / "pins.txt"
        pins.write_text("\n".join(pinned()), "utf-8")
        done = run(
            UV, "venv", "--quiet", "--seed", "--python", sys.executable, self.venv, cwd=folder
        )
        assert done.returncode == 0, done.stderr
        self.install(wheel, "--constraint", pins)

    def install(self, *arguments):
        done = run(UV, "pip", "install", "--quiet", "--python", self.python, *arguments,
                   cwd=self.here)  # fmt: skip
        assert done.returncode == 0, done.stderr

    @property
    def python(self):
        return self.venv / "bin" / "python"

    @property
    def packages(self):
        (folder,) = self.venv.glob("lib/python3.*/site-packages")
        return folder

    def sbp(self, line):
        """Run a command line of `sbp` as a shell would."""
        return run("sh", "-c", line, cwd=self.here, HOME=str(self.home), TERM="dumb",
                   PATH=f"{self.venv / 'bin'}{os.pathsep}{os.environ['PATH']}")  # fmt: skip


def test_the_core_alone_is_small_and_runs(wheel, tmp_path):
    venv = tmp_path / "venv"
    assert (
        run(UV, "venv", "--quiet", "--python", sys.executable, venv, cwd=tmp_path).returncode == 0
    )
    pip = [UV, "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    assert run(*pip, "numpy", "numba", cwd=tmp_path).returncode == 0
    assert run(*pip, "--no-deps", wheel, cwd=tmp_path).returncode == 0
    files = [path for path in venv.rglob("*") if not path.is_symlink()]
    megabytes = sum(path.lstat().st_size for path in files) / 2**20
    assert megabytes < 250, f"{megabytes:.0f} MB, of which nine tenths are LLVM and NumPy"
    program = "import sbp; print(sbp.lower(sbp.learning_circuit((400, 400, 10))).digest)"
    done = run(venv / "bin" / "python", "-c", program, cwd=tmp_path)
    assert re.fullmatch(r"[0-9a-f]{64}\n", done.stdout), done.stderr


@pytest.fixture(scope="module")
def machine(wheel, tmp_path_factory):
    return Machine(tmp_path_factory.mktemp("machine"), wheel)


def test_the_wheel_holds_what_a_reader_needs_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assets = {name.removeprefix("sbp/assets/") for name in names if name.startswith("sbp/assets/")}
    for folder, ending in (("notebooks", "py"), ("results", "json"), ("tests/traces", "npz")):
        place = folder.removeprefix("tests/")
        ours = {
            f"{place}/{p.name}" for p in (ROOT / folder).glob(f"*.{ending}") if p.name[0] != "r"
        }
        ours -= {"traces/make.py"}
        assert ours <= assets, ours - assets
    assert "results/status.md" in assets
    assert "mnist-400-400-10.npz" in assets
    allowed = re.compile(
        r"sbp/.*\.(py|pyi|typed|npz|json|md|png|svg|txt)|spiking_backprop-[\d.]+\.dist-info/.*"
    )
    assert {name for name in names if not allowed.fullmatch(name)} == set()
    assert not any("make.py" in name or ".ipynb" in name for name in names)
    assert any(name.endswith("licenses/THIRD_PARTY.md") for name in names)
    assert wheel.stat().st_size < 4_000_000


def readme_commands():
    """The command lines of `sbp` that the README shows."""
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = [line.split("#")[0].strip() for line in blocks.splitlines()]
    return [line for line in lines if line.startswith("sbp ")]


def test_the_readme_shows_commands():
    assert len(readme_commands()) >= 5


@pytest.mark.parametrize("line", readme_commands())
def test_what_the_readme_promises_works_outside_a_clone(line, machine):
    if any(part in line for part in NOT_HERE):
        line = re.sub(r" --engine \w+( --layout \w+)?", "", line)
    done = machine.sbp(line)
    # `--status` ends with 1 where a result is stale, which other tests ask for.
    assert done.returncode in ((0, 1) if "--status" in line else (0,)), done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_the_committed_results_are_judged_outside_a_clone(machine):
    done = machine.sbp("sbp reproduce --status")
    assert "circuit-sizes" in done.stdout
    assert "96.3" in done.stdout


def test_a_trace_that_is_not_there_names_those_that_are(machine):
    done = machine.sbp("sbp verify lerning_16_8_4_order")
    assert done.returncode == 2
    assert "learning_64_24_10" in done.stderr
    assert "did you mean learning_16_8_4_order?" in done.stderr


def record_line(name, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


@pytest.fixture
def other_sbp(tmp_path):
    """A wheel of another project that is called sbp, as the package index has one."""
    files = {
        "sbp/__init__.py": b"__version__ = '6.5.2'\n",
        "sbp/msg.py": b"",
        "sbp-6.5.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: sbp\nVersion: 6.5.2\n",
        "sbp-6.5.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    path = tmp_path / "sbp-6.5.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        record = "".join(record_line(*item) for item in files.items())
        archive.writestr("sbp-6.5.2.dist-info/RECORD", f"{record}sbp-6.5.2.dist-info/RECORD,,\n")
    return path


def test_another_project_called_sbp_is_told_and_mended_and_nothing_is_left(machine, other_sbp):
    machine.install("--no-deps", other_sbp)
    done = machine.sbp("sbp info")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "sbp 6.5.2 (Swift Binary Protocol) is installed over this package" in line
    pip = [UV, "pip", "uninstall", "--quiet", "--python", machine.python]
    assert run(*pip, "sbp", cwd=machine.here).returncode == 0
    done = machine.sbp("sbp info")
    assert done.returncode == 2
    assert "has lost files" in done.stderr
    # What the message says to do:
    machine.install("--reinstall-package", "spiking-backprop", "--no-deps", machine.wheel)
    done = machine.sbp("sbp info")
    assert done.returncode == 0, done.stderr
    # And after it was used, uninstalling takes all of it.
    done = run(machine.python, "-m", "pip", "uninstall", "--yes", "spiking-backprop",
               cwd=machine.here)  # fmt: skip
    assert done.returncode == 0, done.stderr
    left = [
        p for p in machine.packages.rglob("*") if "sbp" in p.relative_to(machine.packages).parts
    ]
    assert left == []
    assert not (machine.venv / "bin" / "sbp").exists()
    # Outside it, only the user's cache was written, where `sbp info` says.
    written = {path.relative_to(machine.home).parts[:3] for path in machine.home.rglob("*.nb?")}
    assert written <= {(".cache", "sbp", "kernels"), (".cache", "sbp")} | {
        parts for parts in written if parts[:2] == (".cache", "sbp")
    }


def test_the_readme_s_lava_line_says_something(sbp):
    pytest.importorskip("lava")
    (line,) = [line for line in readme_commands() if "--engine lava" in line]
    code, out, err = sbp(*line.split()[1:])
    assert code == 0, err
    assert "identical on lava" in out
    assert "final weights" in out  # learning, not only spikes


test_the_readme_s_lava_line_says_something.pytestmark = [pytest.mark.lava, pytest.mark.slow]
