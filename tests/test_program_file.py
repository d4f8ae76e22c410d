import hashlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from broken_programs import BROKEN, PROGRAM
from conftest import ROOT
from hypothesis import HealthCheck, given, settings

from sbp.app import lab
from sbp.circuits import learning_circuit
from sbp.errors import FileError, SpecError
from sbp.files import plain, program_file
from sbp.learn import pretrained
from sbp.program import lower
from sbp.spec import Circuit, Neuron, Phase, Population, Projection
from sbp.testing.strategies import circuits

TEXT = program_file.dumps(PROGRAM)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(circuits())
def test_any_program_comes_back(circuit):
    program = lower(circuit)
    read = program_file.loads(program_file.dumps(program))
    assert read == program
    assert read.digest == program.digest
    kinds = [projection.kind for projection in read.circuit.projections]
    assert kinds == [projection.kind for projection in circuit.projections]


def test_labels_come_back_and_are_no_part_of_the_digest():
    program = lower(learning_circuit((6, 5, 3)))
    read = program_file.loads(program_file.dumps(program))
    for label in ("name", "note"):
        texts = [getattr(phase, label) for phase in program.circuit.phases]
        assert [getattr(phase, label) for phase in read.circuit.phases] == texts
        assert "W2 grows" in texts[5]
    text = program_file.dumps(program).replace("kind copy", "kind relay of one spike", 1)
    assert program_file.loads(text).digest == program.digest


def test_the_lab_is_given_the_same_of_a_file():
    program = lower(learning_circuit((6, 5, 3)))
    read = program_file.loads(program_file.dumps(program))
    assert lab.encode_program(read) == lab.encode_program(program)


def test_a_reader_of_ten_lines_finds_the_same():
    """The documented rules, followed by hand: every number, and the digest from the text alone."""
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    rows = {word: [] for word in ("population", "source", "parameter", "projection", "phase")}
    head = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        rest = re.sub(" (kind|name) .*", "", rest)
        if word in rows:
            name, *pairs = rest.split(" ")
            values = [[int(n) for n in v.split(",")] if "," in v else v for v in pairs[1::2]]
            rows[word].append([name, *([] if v == "-" else v for v in values)])
        else:
            head[word] = rest.split(" ")

    def integers(value):
        return [integers(v) for v in value] if isinstance(value, list) else int(value)

    parts = [[[name, *integers(v)] for name, *v in rows[word]]
             for word in ("population", "source", "projection", "parameter")]  # fmt: skip
    for projection in parts[2]:
        last = projection[-1]
        projection[-1] = last if isinstance(last, list) else [last]
    fires = [integers(f if isinstance(f, list) else [f]) for _, _, f in rows["phase"]]
    document = [
        " ".join(head["circuit"]), integers(head["sizes"][0].split(",")), int(head["period"][0]),
        *parts, [int(reward) for _, reward, _ in rows["phase"]], fires,
        int(head["rule"][1]), int(head["rule"][3]),
    ]  # fmt: skip
    text = json.dumps(document, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == head["digest"][0] == PROGRAM.digest
    assert lines[-1] == "end"


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_in_one_line(case):
    change, named = BROKEN[case]
    with pytest.raises(FileError) as caught:
        program_file.loads(change(TEXT), "net.sbp")
    assert str(caught.value).startswith("net.sbp")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_no_changed_number_goes_unnoticed():
    """Every number of a file but the version, one at a time: refused, with its line."""
    numbers = list(re.finditer(r"(?<=[ ,])-?\d+(?=[ ,\n])", TEXT))[1:]
    body = [n for n in numbers if TEXT[TEXT.rindex("\n", 0, n.start()) + 1] != "#"]
    body = [n for n in body if " name " not in TEXT[TEXT.rindex("\n", 0, n.start()) : n.start()]]
    body = [n for n in body if not TEXT[: n.start()].endswith("labels weight_exponent ")]
    assert len(body) > 600
    rng = np.random.default_rng(3)
    for match in rng.choice(np.array(body, object), 150, replace=False):
        value = int(match[0]) + int(rng.choice([-1, 1, 2, 64]))
        changed = TEXT[: match.start()] + str(value) + TEXT[match.end() :]
        with pytest.raises(FileError, match=r"^net\.sbp"):
            program_file.loads(changed, "net.sbp")


def test_no_truncated_file_is_taken_for_whole():
    body = TEXT.rstrip("\n")
    for end in range(0, len(body), 37):
        with pytest.raises(FileError):
            program_file.loads(body[:end])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n", "it is not text"),
        (b"PK\x03\x04", "is no program file: its first line is not 'sbp-program 1'"),
        (b"sbp-program 1\n" * (1 << 21), "more than 16 MiB"),
        (TEXT.encode() + b"more\n", "'more' after the end"),
        (TEXT.replace("digest 3a6e", "digest 3a6f").encode(), "the digest is 3a6f"),
        (
            TEXT.replace("count populations 14", "count populations 999999999").encode(),
            "population",
        ),
        (TEXT.replace("scheduled -", "scheduled 3", 1).encode(), "without a matrix"),
    ],
)
def test_files_that_are_none(tmp_path, data, message):
    path = tmp_path / "net.sbp"
    path.write_bytes(data)
    with pytest.raises(FileError) as caught:
        program_file.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_bytes_changed_at_random_are_refused_or_harmless():
    """Never another exception, and never another program."""
    rng = np.random.default_rng(9)
    data, messages = TEXT.encode(), []
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(changed)))
            kind = rng.integers(3)
            if kind == 0:
                changed[at] = rng.choice(list(b"0123456789 -\n#ax\x00\xff"))
            elif kind == 1:
                del changed[at : at + int(rng.integers(1, 60))]
            else:
                changed[at:at] = changed[at : at + int(rng.integers(1, 60))]
        try:
            found = program_file.loads(changed.decode(errors="replace"), "net.sbp")
        except FileError as error:
            messages.append(str(error))
        else:
            assert found == PROGRAM
    assert len(messages) > 100
    assert not any("\n" in message for message in messages)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileError, match="does not exist; give the path of a program file"):
        program_file.read(tmp_path / "net.sbp")
    with pytest.raises(FileError, match="cannot be read"):
        program_file.read(tmp_path)


def test_other_line_ends_and_lost_blanks_do_not_matter():
    text = re.sub("name .* note The error, one population for each sign.", "name  note ", TEXT)
    stripped = "\r\n".join(line.rstrip() for line in text.split("\n"))
    read = program_file.loads(stripped)
    assert read.digest == PROGRAM.digest
    assert read.circuit.phases[3].note == read.circuit.phases[3].name == ""


def test_what_a_line_cannot_hold_is_refused(tmp_path):
    def circuit(**changes):
        parts = {"name": "own", "kind": "copy", "note": "", "label": ""} | changes
        return Circuit(
            parts["name"], (2,), (), (Population("a", 2, Neuron()),),
            (Projection("a", "a", parts["kind"], 520),),
            (Phase(note=parts["note"], name=parts["label"]),),
        )  # fmt: skip

    for label, note in (("", ""), ("", "a note b"), ("grow", ""), ("a b", "a note b é")):
        own = lower(circuit(name="my own", kind="", note=note, label=label))
        (phase,) = program_file.loads(program_file.dumps(own)).circuit.phases
        assert (phase.name, phase.note) == (label, note)
    with pytest.raises(SpecError, match="cannot hold the name 'a note'"):
        program_file.dumps(lower(circuit(label="a note")))
    for what in ("name", "kind", "note"):
        path = tmp_path / f"{what}.sbp"
        with pytest.raises(SpecError, match=f"cannot hold the {what} 'two.*lines'"):
            program_file.write(lower(circuit(**{what: "two\nlines"})), path)
        assert not path.exists()


def test_weights_beside_it(tmp_path):
    program = lower(learning_circuit((6, 5, 3)))
    rng = np.random.default_rng(0)
    weights = {"W1": 2 * rng.integers(-128, 128, (5, 6)), "W2": 2 * rng.integers(-128, 128, (3, 5))}
    path = plain.write_weights(weights, program, tmp_path / "w")
    read = plain.read_weights(path, program)
    for name, matrix in weights.items():
        np.testing.assert_array_equal(read[name], matrix)
    other = lower(learning_circuit((6, 5, 4)))
    with pytest.raises(FileError, match="line 2: it belongs to program"):
        plain.read_weights(path, other)
    for old, new, message in (
        ("matrix initial W2", "matrix initial W3", "W3 is unknown, or comes twice"),
        ("matrix initial W2", "matrix initial W1", "W1 is unknown, or comes twice"),
        ("matrix initial W2 post 3", "matrix initial W2 post 4", "W2 is 4 by 5"),
        ("matrix initial W2", "matrix final W2", "initial only"),
        ("end\n", "", "truncated"),
        ("end\n", "end\nend\n", "something follows"),
    ):
        text = (tmp_path / "w").read_text()
        assert old in text
        (tmp_path / "bad").write_text(text.replace(old, new))
        with pytest.raises(FileError, match=message):
            plain.read_weights(tmp_path / "bad", program)


def test_commands(sbp, refused, tmp_path):
    net = tmp_path / "net.sbp"
    code, out, err = sbp("program", "write", "learning", "--sizes", "64-24-10", net)
    assert (code, err) == (0, "")
    program = lower(learning_circuit((64, 24, 10)))
    assert program_file.read(net).digest == program.digest
    assert "354 neurons, 102 projections, 12 steps a sample" in out
    assert program.digest[:12] in out
    assert sbp("program", "check", net)[1] == out
    assert "5,808 of them plastic" in sbp("program", "show", net)[1]
    golden = ROOT / "tests" / "traces" / "learning_64_24_10.npz"
    text, back = tmp_path / "t.txt", tmp_path / "t.npz"
    assert sbp("program", "trace", net, golden, text)[0] == 0
    assert sbp("program", "trace", net, text, back)[0] == 0
    for path, *options in ((text, "--program", net), (back,), (golden, "--program", net)):
        code, out, err = sbp("verify", path, *options)
        assert (code, err) == (0, "")
        assert "2,908 spikes of 29 populations and sources" in out
    assert "needs its program beside it" in refused("verify", text)
    net.write_text(net.read_text().replace("delay 4", "delay 63", 1))
    for line in (("program", "check", net), ("verify", text, "--program", net)):
        assert "delay is 63; allowed: a whole number from 0 to 62" in refused(*line)


def test_a_program_is_written_with_the_exponent_it_was_trained_with(sbp, tmp_path):
    run, net = tmp_path / "run", tmp_path / "net.sbp"
    assert sbp("train", "--hidden", 6, "--weight-exponent", -1, "--samples", 40, "--epochs", 1,
               "--out", run)[0] == 0  # fmt: skip
    for words, exponent in (((), -1), (("--weight-exponent", -2), -2)):
        assert sbp("program", "write", "learning", net, "--weights", run, *words)[0] == 0
        assert program_file.read(net).weight_exponent == exponent
    older = "before-august-2024"
    old = tmp_path / "older.sbp"
    assert sbp("program", "write", "learning", old, "--parameters", older)[0] == 0
    assert program_file.read(old).parameter_set == older


def test_a_trained_network_as_a_file(sbp, refused, tmp_path):
    net, header = tmp_path / "net.sbp", tmp_path / "net.h"
    assert sbp("program", "write", "inference", net, "--weights", "pretrained")[0] == 0
    read = plain.read_weights(tmp_path / "net.sbp.weights", program_file.read(net))
    for name, matrix in pretrained.load().items():
        np.testing.assert_array_equal(read[name], matrix)
    assert sbp("program", "check", net)[1].count("\n") == 2
    assert sbp("program", "header", net, header)[0] == 0
    assert header.stat().st_size > 500_000
    message = refused(
        "program", "write", "learning", "--sizes", "64-9-10", tmp_path / "a", "--weights",
        "pretrained",
    )  # fmt: skip
    assert "W1 have shape (400, 400)" in message
    assert not (tmp_path / "a").exists()
    (tmp_path / "net.sbp.weights").unlink()
    assert "--weights RUN" in refused("program", "images", net, tmp_path / "images")
    assert "would be written over" in refused("program", "header", net, net)


@pytest.mark.cc
def test_the_header_compiles_to_the_program(tmp_path):
    assert shutil.which("cc"), "no C compiler: install one, or leave these out with -m 'not cc'"
    from sbp.app import images

    program = lower(learning_circuit((6, 5, 3)))
    rng = np.random.default_rng(1)
    weights = {"W1": 2 * rng.integers(-128, 128, (5, 6)), "W2": 2 * rng.integers(-128, 128, (3, 5))}
    (tmp_path / "net.h").write_text(images.c_header(program, weights))
    (tmp_path / "show.c").write_text("""
        #include <stdio.h>
        #include "net.h"
        int main(void) {
            printf("%s %d %d ", SBP_DIGEST, SBP_NEURONS, SBP_SLOTS);
            printf("%d %d\\n", SBP_SYNAPSES, SBP_PERIOD);
            for (int i = 0; i < SBP_POPULATIONS; i++)
                printf("%s %d %d\\n", sbp_populations[i].name, sbp_populations[i].bias,
                       sbp_populations[i].refractory);
            for (int i = 0; i < SBP_PROJECTIONS; i++)
                printf("%s %d %d %d\\n", sbp_projections[i].name, sbp_projections[i].mantissa,
                       sbp_projections[i].exponent, sbp_projections[i].delay);
            for (int i = 0; i < SBP_PERIOD; i++) printf("%d ", sbp_reward[i]);
            printf("%d %d\\n", sbp_weights_W1[4][5], sbp_weights_W2[0][3]);
        }
    """)
    command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", "show", "show.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    lines = subprocess.run(["./show"], cwd=tmp_path, check=True, capture_output=True, text=True)
    expected = [
        f"{program.digest} {program.n_neurons} 6 {learning_circuit((6, 5, 3)).n_synapses()} 12"
    ]
    expected += [f"{p.name} {p.bias} {p.refractory}" for p in program.populations]
    expected += [f"{p.name} {p.mantissa} {p.exponent} {p.delay}" for p in program.projections]
    reward = " ".join(map(str, program.reward))
    expected += [f"{reward} {weights['W1'][4, 5]} {weights['W2'][0, 3]}"]
    assert lines.stdout.splitlines() == expected
