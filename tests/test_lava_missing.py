"""Without Lava everything else works, and asking for it gives one clear explanation."""

import importlib.util
import subprocess
import sys

import pytest
from cases import CASES

from sbp.engines import lava
from sbp.errors import MissingDependency


def run(**options):
    case = CASES["chain"](samples=1)
    return lava.run(case.program, case.state, case.stimulus, **options)


def test_importing_the_package_does_not_import_lava():
    code = (
        "import sys, sbp, sbp.engines.lava; from sbp.engines import available, get; get('lava'); "
        "available(); assert not [n for n in sys.modules if n.partition('.')[0] == 'lava']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("layout", lava.LAYOUTS)
def test_other_pythons(monkeypatch, layout):
    if sys.version_info[:2] == (3, 10):
        monkeypatch.setattr(sys, "version_info", (3, 13, 1, "final", 0))
    with pytest.raises(MissingDependency) as caught:
        run(layout=layout)
    message = str(caught.value)
    assert message.startswith("the Lava engine cannot run on Python 3.1")
    assert "Python 3.10, the only one that lava-nc 0.10.0, its last release, accepts" in message
    assert "use engine 'compiled' or 'reference'" in message
    assert "\n" not in message


def test_not_installed(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    for name in [name for name in sys.modules if name.partition(".")[0] == "lava"]:
        monkeypatch.delitem(sys.modules, name)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "lava" else find(name, *a)
    )
    with pytest.raises(MissingDependency, match=r"not installed; run: pip install '.*\[lava\]'"):
        run()
