"""What is printed fits the terminal, and is what scripts need."""

import json
import os
import re
import select
import sys

import click
import pytest
from test_cli import SMALL, commands

from sbp.app.cli.options import Name
from sbp.app.cli.output import in_a_line
from sbp.app.cli.paths import WritesResults
from sbp.learn import progress

ALL = [(path, command) for path, command in commands() if not isinstance(command, click.Group)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two runs, a trace and a program file."""
    from sbp.app.cli import main

    folder = tmp_path_factory.mktemp("place")
    before = os.getcwd()
    os.chdir(folder)
    try:
        for words in (
            ["train", *SMALL, "--epochs", 2, "--out", "run", "-q"],
            ["train", *SMALL, "--epochs", 2, "--out", "other", "--seed", 1, "-q"],
            ["trace", "--out", "t.npz", "--samples", 2, "--hidden", 4, "-q"],
            ["program", "write", "learning", "net.sbp", "--sizes", "8-4-3", "-q"],
            ["export", "run", "run.nir", "-q"],
        ):
            assert main(list(map(str, words))) == 0
    finally:
        os.chdir(before)
    return folder


#: Command lines that work in `place`, by the command's path; what is not here is in ELSEWHERE.
TYPED = {
    "train": "train --hidden 4 --samples 50 --test-samples 20 --epochs 2 --engine compiled",
    "evaluate": "evaluate run",
    "plot raster": "plot raster run --sample 3 --out o/r.png --dpi 20",
    "plot circuit": "plot circuit single_layer --out o/c.png --dpi 20",
    "plot phases": "plot phases gating_chain --out o/p.png --dpi 20",
    "plot weights": "plot weights run --units 2 --out o/w.png --dpi 20",
    "plot curve": "plot curve run other --out o/l.png --dpi 20",
    "sweep": "sweep --hidden 4,6-4 --epochs 1 --samples 40 --workers 1 --out o/sweep",
    "verify": "verify t.npz",
    "trace": "trace --samples 2 --hidden 4 --out o/t.npz --csv o/t.csv",
    "export": "export run o/run.nir",
    "import": "import run.nir --out o/imported --force",
    "summary": "summary deep --sizes 64-32-32-10",
    "check": "check learning --sizes 16-8-4",
    "info": "info",
    "program write": "program write learning o/net.sbp --sizes 8-4-3",
    "program show": "program show net.sbp",
    "program check": "program check net.sbp",
    "program header": "program header net.sbp o/net.h",
    "reproduce": "reproduce --status",
}
#: Tested with the parts that they need.
ELSEWHERE = {"topology", "notebooks", "program images", "program trace", "card", "placement"}


def name_of(path):
    return " ".join(path[1:])


@pytest.fixture
def typed(sbp, place, monkeypatch):
    """Run a command line in `place`."""

    def run(line, columns=None):
        monkeypatch.chdir(place)
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns:
            monkeypatch.setenv("COLUMNS", str(columns))
        return sbp(*line.split())

    return run


def test_every_command_is_here():
    assert {name_of(path) for path, _ in ALL} <= TYPED.keys() | ELSEWHERE


#: Words that are longer than the narrowest terminal may stand alone on a line.
def long_word(line, columns):
    return any(len(word) > columns - 20 for word in line.split())


@pytest.mark.parametrize("line", TYPED.values(), ids=TYPED)
def test_what_is_printed_fits_the_terminal_and_nothing_is_cut(typed, line):
    """The words at 60, 80 and 120 columns are those of a pipe, in their order."""
    usual, whole, _ = typed(line)
    assert usual == 0 or line.startswith("reproduce"), whole  # results may be stale
    expected = words_of(whole)
    for columns in (60,) if line.startswith("plot") else (60, 80, 120):
        code, out, _ = typed(line, columns)
        assert code == usual
        for printed in out.splitlines():
            assert len(printed) <= columns or long_word(printed, columns), (columns, printed)
        found = words_of(out)
        if line.startswith(("train", "sweep", "info", "evaluate", "plot")):
            # Times differ, and a picture that is there is said to be replaced.
            continue
        # A number of 17 digits, printed whole, goes on in the next line of a narrow column.
        found, expected = (
            sorted(word for word in words if not re.fullmatch(r"0\.\d{5,}|\d{4,}", word))
            for words in (found, expected)
        )
        assert found == expected, columns


def words_of(text):
    """The words of a text without lines of tables and colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return [word for word in text.split() if not re.fullmatch(r"[─━│┃|+=-]+", word)]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_numbers_and_verdicts_of_tables_are_whole(typed, columns):
    _, out, _ = typed(TYPED["evaluate"], columns)
    for measure in ("exact", "spike", "membrane"):
        assert re.search(rf"^ *{measure} +\d+\.\d\d %", out, re.MULTILINE)
    assert "lowest output that spikes (0 if none)" in " ".join(out.split())
    _, out, _ = typed(TYPED["train"], columns)
    assert re.search(r"^ *membrane +\d+\.\d\d % +\d+\.\d\d % +\d ", out, re.MULTILINE)
    _, out, _ = typed(TYPED["sweep"], columns)
    flat = " ".join(out.split())
    assert "64-4-10" in flat
    assert "64-6-4-10" in flat
    assert "(16,824)" in flat
    _, out, _ = typed(TYPED["reproduce"], columns)
    assert re.search(r"\b(agrees|reported|stale|not run)\b", out), out


@pytest.mark.parametrize("line", TYPED.values(), ids=TYPED)
def test_quiet_prints_nothing(typed, line):
    code, out, err = typed(f"{line} -q")
    assert (code, out) == (code if line.startswith("reproduce") else 0, "")
    assert [text for text in err.splitlines() if not text.startswith("sbp: warning: ")] == []


WITH_JSON = {
    name_of(path): TYPED[name_of(path)]
    for path, command in ALL
    if any(isinstance(parameter.type, WritesResults) for parameter in command.params)
}


@pytest.mark.parametrize("line", WITH_JSON.values(), ids=WITH_JSON)
def test_json_alone_on_standard_output(typed, place, line):
    code, out, _ = typed(f"{line} --json -")
    assert code == 0
    found = json.loads(out)
    assert found
    typed(f"{line} --json o/j.json")
    written = json.loads((place / "o" / "j.json").read_text())
    assert written.keys() == found.keys()
    assert not (place / "-").exists()


def names():
    for path, command in ALL:
        for parameter in command.params:
            if isinstance(parameter.type, Name):
                yield pytest.param(path, command, parameter, id=f"{path[-1]}-{parameter.name}")


@pytest.mark.parametrize(("path", "command", "parameter"), list(names()))
def test_did_you_mean(refused, path, command, parameter):
    """A letter too many in any choice of any command."""
    meant = parameter.type.names[0]
    wrong = f"{meant[0]}{meant}"
    if isinstance(parameter, click.Option):
        words = [parameter.opts[0], wrong]
    else:
        words = [wrong]
    message = refused(*path[1:], *words)
    assert f"no {parameter.type.what} is called '{wrong}'" in message
    assert set(parameter.type.names) <= set(re.findall(r"[\w-]+", message))
    assert f"did you mean {meant}?" in message


def test_no_choice_is_without_it():
    for path, command in ALL:
        for parameter in command.params:
            assert not isinstance(parameter.type, click.Choice), (path, parameter.name)


def test_a_command_that_is_nearly_one(refused):
    for words, meant in (("trian", "train"), ("plot rastr", "raster"), ("program wirte", "write")):
        assert re.search(rf"No such command .*[Dd]id you mean.*{meant}", refused(*words.split()))


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_or_cursor(start, place, monkeypatch, environment):
    pty = pytest.importorskip("pty")
    for name, value in ({"TERM": "xterm"} | environment).items():
        monkeypatch.setitem(conftest_environment(), name, value)
    for words in (("train", *SMALL, "--epochs", 2), ("evaluate", "nowhere")):
        leader, follower = pty.openpty()
        process = start(*words, stdout=follower, stderr=follower)
        os.close(follower)
        seen = read_all(leader)
        process.wait(60)
        colours = re.findall(r"\x1b\[[0-9;]*[1-9][0-9;]*m", seen)
        assert [code for code in colours if re.search(r"3[0-7]|9[0-7]", code)] == [], seen
        if "TERM" in environment:
            assert "\x1b" not in seen, seen
            assert words[0] != "train" or "epoch 2/2  exact" in seen


def conftest_environment():
    from conftest import ENVIRONMENT

    return ENVIRONMENT


def read_all(descriptor):
    seen = b""
    while select.select([descriptor], [], [], 60)[0]:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(descriptor)
    return seen.decode()


def test_silence_is_over_afterwards(capsys):
    with progress.silence():
        progress.tell("unheard")
        assert not progress.live()
    progress.tell("heard")
    assert capsys.readouterr() == ("", "heard\n")
    assert progress.live() == sys.stderr.isatty()


def test_where_no_word_fits_words_stand_below_the_table(sbp, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    code, out, _ = sbp("train", "--hidden", 5, "--epochs", 1)
    assert code == 0
    lines = out.splitlines()
    assert len(lines) < 25
    assert max(map(len, lines)) <= 40
    at = next(i for i, line in enumerate(lines) if line.startswith("mse"))
    assert "outputs spike as the target" in lines[at + 1]


def test_only_what_was_typed_is_quoted():
    said = "no spikes of a population 'o '; allowed: x, o, digits"
    assert in_a_line(said, ["--populations", "o "]) == said
    assert in_a_line("unknown ' digits'; allowed: digits", [" digits"]) == (
        "unknown ' digits'; allowed: digits"
    )


def test_a_message_of_several_lines_is_one():
    assert in_a_line("one\n  two\tthree\x07") == r"one two\tthree\x07"
    assert in_a_line("the file a b is 'a b'", ["--out=a b"]) == "the file 'a b' is 'a b'"
