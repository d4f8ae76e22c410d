"""Circuits read from tables: equal to ours, told where they are not, and nothing executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sbp
from sbp.app import topology
from sbp.app.cli import main
from sbp.errors import FileError

SIZES = (12, 8, 3)
THEIRS = {ours: theirs for theirs, ours in topology.NAMES.items()}
LAYERS = {"x": "in", "h": "hid", "o": "out", "t": "out", "d": "out", "input": "in"}

SETTINGS = """
import os
os.mkdir("executed")  # nothing may run
params = {}
params["weight_exponent"] = 0
params["threshold"] = 1024 * 2 ** params["weight_exponent"]
bias = -8192 * 64
m, e = calculate_mant_exp(params["threshold"] - bias // 64)
half = params["threshold"] // 2
relay = {"tau_v": 1, "tau_i": 1, "threshold": params["threshold"], "refractory": 2,
         "i_const": bias, "creator": os.getcwd}
twice = {"tau_v": 1, "tau_i": 1, "threshold": params["threshold"], "refractory": 0, "i_const": bias}
gate = {"tau_v": 1, "tau_i": 1, "threshold": params["threshold"], "refractory": 0, "i_const": 0}
params["neuron_types"] = {"relay": relay, "twice": twice, "gate": gate, "source": {}}
params["connection_types"] = {
    "p": {"pop_conn_type": "a:a", "params": {"weight_exponent": params["weight_exponent"],
          "delay": 0, "lr_w": "y0*x0*r1*4 - y0*x0*2"}},
    "f": {"pop_conn_type": "a:a", "params": {"weight_exponent": params["weight_exponent"],
          "delay": 0}},
    "1ge": {"pop_conn_type": "1:1", "params": {"weight": params["threshold"] - bias // 64 + 2 ** e,
            "delay": 0}},
"""


def write(folder: Path, circuit: sbp.Circuit, ending: str = "") -> tuple[Path, Path]:
    """Write `circuit` as such tables, in words of our own."""
    kinds, pairs, layers = {}, [], {}
    named = {p.name: f"g{int(p.name[1:]):02d}" for p in circuit.populations if p.name[1:].isdigit()}
    named = {**THEIRS, **named}
    for part in (*circuit.populations, *circuit.sources):
        layer = "gat" if part.name[0] in "gk" else LAYERS.get(part.name, LAYERS.get(part.name[0]))
        kind = "gate" if part.name[0] == "g" else "twice" if part.name == "hT" else "relay"
        kind = "source" if part in circuit.sources else kind
        layers[named[part.name]] = ("out" if part.name == "target" else layer, kind)
    for p in circuit.projections:
        if isinstance(p.weight, sbp.MatrixWeight):
            kind = "p" if p.weight.plastic else "f"
        elif p.kind == "ring":
            kind = "1ge"
            if p.source != "kick":
                continue
        else:
            pattern = "1:1" if p.connect == "one-to-one" else "1:a"
            kind = f"{p.kind}_{p.delay}_{pattern[2]}"
            kinds[kind] = (
                f"    {kind!r}: {{'pop_conn_type': {pattern!r}, "
                f"'params': {{'weight': {p.weight}, 'delay': {p.delay}}}}},\n"
            )
        target = "g00" if p.source == "kick" else named[p.target]
        pairs.append((named[p.source], target, kind))
    tables, settings = folder / "tables.py", folder / "settings.py"
    tables.write_text(f"connected_pairs{ending} = {pairs!r}\nlayers{ending} = {layers!r}\n")
    settings.write_text(SETTINGS + "".join(kinds.values()) + "}\n")
    return tables, settings


@pytest.mark.parametrize("name", ["learning", "inference"])
def test_tables_of_our_own_circuits_are_equal(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    circuit = getattr(sbp, f"{name}_circuit")(SIZES)
    files = write(tmp_path, circuit, "_inf" if name == "inference" else "")
    read = topology.read(*files, SIZES, inference=name == "inference")
    ours = topology.of_program(sbp.lower(circuit))
    assert read.count() == ours.count() == circuit.n_synapses()
    assert topology.differences(read, ours, ("a", "b")) == []
    assert not (tmp_path / "executed").exists()
    options = ["--inference"] if name == "inference" else []
    assert main(["topology", *map(str, files), "--sizes", "12-8-3", *options]) == 0
    assert "equal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("('o<', 'd-'", "", ""),
        ("'refractory': 2", "'refractory': 3", "dead for 2 steps"),
        ("4 - y0*x0*2", "4 - y0*x0*3", "learning rule"),
    ],
)
def test_what_differs_is_named(old, new, told, tmp_path, capsys):
    tables, settings = write(tmp_path, sbp.learning_circuit(SIZES))
    if old.startswith("("):
        text = tables.read_text()
        gone = re.search(r"\('o_copy', 'd-', '[^']*'\), ", text)
        tables.write_text(text.replace(gone[0], ""))
        told = "o< -> d-: 3 synapses of weight 8704, delay 0, only in ours"
    else:
        old = old.replace("'", '"')
        assert old in settings.read_text()
        settings.write_text(settings.read_text().replace(old, new.replace("'", '"')))
    code = main(["topology", str(tables), str(settings), "--sizes", "12-8-3"])
    out, err = capsys.readouterr()
    assert told in out + err
    assert code == (2 if told == "learning rule" else 1)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        (
            "layers = {'zz': ('in', 'relay')}\nconnected_pairs = []",
            "no population is known as 'zz'",
        ),
        ("layers = {'x': ('in', 'odd')}\nconnected_pairs = []", "neuron type 'odd'"),
        ("layers = {'x': ('in', 'relay')}\nconnected_pairs = [('x', 'h1', 'p')]", "'h1'"),
        ("layers = {'x': ('in', 'relay')}\nconnected_pairs = [('x', 'x', 'q')]", "'q'"),
        ("layers = {'x': ('in', 'relay')}\nconnected_pairs = [('x', 'x')]", "allowed: \\(source"),
        ("layers = []", "no dict called 'layers'"),
        ("layers = {", "no Python file"),
        ("layers = " + "[" * 5000, "no Python file"),
        ("a = 2 ** 2 ** 2 ** 99999999\nlayers = a", "no dict"),
    ],
)
def test_other_files_are_refused(tables, told, tmp_path):
    _, settings = write(tmp_path, sbp.learning_circuit(SIZES))
    bad = tmp_path / "bad.py"
    bad.write_text(tables)
    with pytest.raises(FileError, match=told):
        topology.read(bad, settings, SIZES)
    with pytest.raises(FileError, match="cannot be read"):
        topology.read(tmp_path / "nothing.py", settings, SIZES)


def test_numbers_and_words_of_the_wrong_kind_are_refused(tmp_path):
    tables, settings = write(tmp_path, sbp.learning_circuit(SIZES))
    text = tables.read_text()
    assert "connected_pairs" in text
    tables.write_text(f"{text}\nconnected_pairs = [(['a'], 'b', 'c')]\n")
    with pytest.raises(FileError, match="in connected_pairs; allowed"):
        topology.read(tables, settings, SIZES)
    tables.write_text(text)
    huge = settings.read_text().replace("bias = ", "m, e = calculate_mant_exp(1e400)\nbias = ")
    settings.write_text(huge)
    assert topology.read(tables, settings, SIZES).count() > 0
