"""Exchange files: what a receiver computes, the round trip, and files that must be refused.

The oracle reads the HDF5 file by itself and integrates the equations that NIR publishes for its
nodes, with Euler's rule; it knows neither `sbp.app.exchange` nor the package nir.
"""

import json
import re
import shutil
from itertools import pairwise

import h5py
import nir
import numpy as np
import pytest
from conftest import ROOT, tool
from hypothesis import given, settings
from hypothesis import strategies as st

from sbp import algebra
from sbp.app import exchange
from sbp.app.cli import exchange as command
from sbp.app.exchange import reading
from sbp.errors import FileError, SbpError
from sbp.learn import checkpoint, data, pretrained
from sbp.learn.training import initial_weights
from sbp.weights import Weights, arrays_digest

SIZES = (64, 20, 10)


@pytest.fixture
def weights():
    return initial_weights(SIZES, 3)


@pytest.fixture
def run(tmp_path, weights):
    """A weights file that is not of a named data set."""
    path = tmp_path / "run" / "weights.npz"
    path.parent.mkdir()
    np.savez(path, **weights)
    return path


def simulate(path, stimulus, dt, fires=np.greater):
    """Output of an exported file, (steps, n_o): Euler steps of NIR's equations, in float32."""
    with h5py.File(path, "r") as file:
        nodes = {
            name: {key: value[()] for key, value in node.items() if isinstance(value, h5py.Dataset)}
            for name, node in file["node/nodes"].items()
        }
        after = {a.decode(): b.decode() for a, b in file["node/edges"][()]}
    current = {n: np.zeros_like(p["v_leak"]) for n, p in nodes.items() if b"LIF" in p["type"]}
    voltage = {n: np.zeros_like(v) for n, v in current.items()}
    outputs = []
    for y in stimulus.astype(np.float32):
        name = "input"
        while (name := after[name]) != "output":
            p = nodes[name]
            if p["type"] == b"Affine":
                y = p["weight"] @ y + p["bias"]
                continue
            i, v = current[name], voltage[name]
            if p["type"] == b"CubaLIF":
                i = i + dt / p["tau_syn"] * (-i + p["w_in"] * y)
                v = v + dt / p["tau_mem"] * (p["v_leak"] - v + p["r"] * i)
            else:
                v = v + dt / p["tau"] * (p["v_leak"] - v + p["r"] * y)
            y = fires(v, p["v_threshold"]).astype(np.float32)
            current[name], voltage[name] = i, np.where(y > 0, p.get("v_reset", 0), v)
        outputs.append(y)
    return np.array(outputs)


@pytest.mark.parametrize("fires", [np.greater, np.greater_equal])
@pytest.mark.parametrize("slip", [1.0, 1 - 3e-7, 1 + 3e-7])
@pytest.mark.parametrize(("neuron", "sizes"), [("cuba", SIZES), ("lif", (64, 40, 30, 20, 10))])
def test_equations_of_the_file_give_the_spikes_of_the_circuit(tmp_path, fires, slip, neuron, sizes):
    x = data.load("digits").x_test[:100]
    network = Weights.random(sizes, 5)
    file = exchange.write(tmp_path / "n.nir", network, neuron=neuron)
    spikes = x
    for matrix in network.values():
        spikes = spikes @ matrix.astype(int).T > 512
    assert spikes.any(axis=0).sum() > 1
    # All samples are one stimulus: nothing may be carried from one to the next.
    assert np.array_equal(simulate(file, x, exchange.STEP * slip, fires), spikes)


def test_sums_beside_the_threshold(tmp_path):
    """W1 x is 510, 512 and 514: only the last may fire."""
    w1 = np.array([[254, 254, 2], [254, 254, 4], [254, 254, 6]], np.int16)
    w2 = np.diag([254, 254, 254]).astype(np.int16)
    w2 = np.concatenate([w2, w2, w2], axis=1)
    w1 = np.concatenate([w1, w1, w1])
    file = exchange.write(tmp_path / "n.nir", {"W1": w1, "W2": w2})
    for fires in (np.greater, np.greater_equal):
        out = simulate(file, np.ones((2, 3)), exchange.STEP, fires)
        assert out.tolist() == [[0, 0, 1]] * 2  # three h of 254 each: 762 > 512


def test_every_version_of_nir_can_read_the_file(tmp_path, weights):
    """1.0.6 brought v_reset, which older ones refuse and which is 0 where it is left out."""
    for neuron in exchange.MODELS:
        path = exchange.write(tmp_path / "n.nir", weights, neuron=neuron)
        with h5py.File(path, "r") as file:
            assert all("v_reset" not in node for node in file["node/nodes"].values())
        read = nir.read(path).nodes["h"]
        assert not np.any(getattr(read, "v_reset", 0))


def test_the_network_that_ships_comes_back_identical(sbp, tmp_path):
    file, out = tmp_path / "mnist.nir", tmp_path / "back"
    code, printed, _ = sbp("export", "pretrained", "--to", "nir", file)
    assert code == 0
    for lost in ("learning rule", "register width", "refractory delay", "bias gating"):
        assert lost in printed
    code, printed, _ = sbp("import", file, "--out", out)
    assert code == 0
    assert printed.count("rounding error at most 0, rms 0; 0 saturated") == 2
    assert arrays_digest(checkpoint.load_weights(out)) == arrays_digest(pretrained.load())
    assert checkpoint.load_history(out)["dataset"] == "mnist"


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=6),
    neuron=st.sampled_from(exchange.MODELS),
)
@settings(max_examples=8, deadline=None)
def test_round_trip(tmp_path_factory, seed, sizes, neuron):
    rng = np.random.default_rng(seed)
    network = {
        f"W{k}": (2 * rng.integers(-128, 128, (n_post, n_pre))).astype(np.int16)
        for k, (n_pre, n_post) in enumerate(pairwise(sizes), 1)
    }
    path = tmp_path_factory.mktemp("round") / "n.nir"
    back, losses, _ = exchange.read(exchange.write(path, network, neuron=neuron))
    assert back.keys() == network.keys()
    assert all(np.array_equal(back[name], network[name]) for name in network)
    assert [(x.largest, x.rms, x.saturated, x.scale) for x in losses.values()] == [
        (0, 0, 0, (1, 1))
    ] * len(network)


def test_the_package_nir_accepts_the_file(tmp_path, weights):
    graph = nir.read(exchange.write(tmp_path / "n.nir", weights, about={"dataset": "digits"}))
    assert graph.check_types()
    assert list(graph.inputs) == ["input"]
    assert graph.metadata["dataset"] == "digits"
    assert graph.metadata["sizes"] == "64-20-10"
    for name in exchange.NOT_SAID:
        assert graph.metadata[f"not in this file, {name}"]


def test_csv_and_npz(sbp, run, tmp_path, weights):
    assert sbp("export", run, tmp_path / "w.csv", "--to", "csv")[0] == 0
    head, *lines = (tmp_path / "w.csv").read_text().splitlines()
    assert head == "matrix,target,source,weight"
    back = {name: np.full_like(matrix, 1) for name, matrix in weights.items()}
    for name, target, source, weight in (line.split(",") for line in lines):
        back[name][int(target), int(source)] = int(weight)
    assert arrays_digest(back) == arrays_digest(weights)
    assert len(lines) == 64 * 20 + 20 * 10

    assert sbp("export", run, tmp_path / "w.npz", "--to", "npz")[0] == 0
    assert arrays_digest(checkpoint.load_weights(tmp_path / "w.npz")) == arrays_digest(weights)


def test_an_imported_network_can_be_evaluated(sbp, run, tmp_path, weights):
    sbp("export", run, tmp_path / "n.nir")
    assert sbp("import", tmp_path / "n.nir", "--out", tmp_path / "in")[0] == 0
    results = []
    for where in (run, tmp_path / "in"):
        assert sbp("evaluate", where, "--dataset", "digits", "--json", tmp_path / "e.json")[0] == 0
        measured = json.loads((tmp_path / "e.json").read_text())
        results.append([measured[m] for m in ("exact", "spike", "membrane", "mse")])
    assert results[0] == results[1]


def chain(*nodes):
    return nir.NIRGraph.from_list(*nodes, type_check=False)


def lif(n, threshold=1.0, **others):
    one = np.ones(n)
    given = {"tau": 2e-3 * one, "r": one, "v_leak": 0 * one, "v_threshold": threshold * one}
    return nir.LIF(**given | others)


def network_of(w1=None, w2=None, h=None, o=None):
    w1 = nir.Linear(np.full((3, 4), 0.25)) if w1 is None else w1
    w2 = nir.Linear(np.full((2, 3), 0.25)) if w2 is None else w2
    return chain(
        nir.Input(np.array([4])), w1, h or lif(3), w2, o or lif(2), nir.Output(np.array([2]))
    )


def imported(tmp_path, graph):
    nir.write(tmp_path / "n.nir", graph)
    return exchange.read(tmp_path / "n.nir")


def test_real_weights_are_scaled_rounded_and_clipped(tmp_path):
    # threshold 1 -> 513: 0.25 -> 128.25 -> 128, 0.5 -> 256.5 -> 256 -> 254, -1 -> -513 -> -256
    w1 = np.array([[0.25, 0.5, -1, 0.001]] * 3)
    weights, losses, _ = imported(tmp_path, network_of(nir.Linear(w1)))
    assert weights["W1"].tolist() == [[128, 254, -256, 0]] * 3
    loss = losses["W1"]
    assert loss.scale == (513, 513)
    assert (loss.saturated, loss.weights) == (6, 12)
    assert loss.furthest == 513 - 256
    assert loss.largest == pytest.approx(0.513, abs=1e-12)
    assert loss.rms == pytest.approx(np.sqrt((0.25**2 + 0.513**2) / 2), abs=1e-12)


@pytest.mark.parametrize("kind", ["Threshold", "IF", "LIF", "CubaLIF"])
def test_thresholds_of_every_neuron_bias_leak_and_gain(tmp_path, kind):
    """A neuron of the file and of the chip fire for the same inputs, well away from the edge."""
    rng = np.random.default_rng(8)
    limit = np.array([0.5, 1.0, 2.0])
    one = np.ones(3)
    w_in, r, leak = (2 * one, 4 * one, 0.1 * one)
    h, gain = {
        "Threshold": (nir.Threshold(limit), 1),
        "IF": (nir.IF(r=r, v_threshold=limit), 4),
        "LIF": (nir.LIF(tau=one, r=r, v_leak=leak, v_threshold=limit), 4),
        "CubaLIF": (
            nir.CubaLIF(tau_syn=one, tau_mem=one, r=r, v_leak=leak, v_threshold=limit, w_in=w_in),
            8,
        ),
    }[kind]
    offset = 0.1 if "LIF" in kind else 0.0
    bias = np.array([0.02, -0.02, 0.01]) / gain
    # Up to 0.45 of a threshold: four of them can pass it, and none saturates.
    matrix = rng.uniform(-0.1, 0.45, (3, 4)) * (limit - offset - 0.02)[:, None] / gain
    graph = network_of(nir.Affine(matrix, bias), h=h)
    weights, losses, _ = imported(tmp_path, graph)
    assert losses["W1"].saturated == 0
    checked = 0
    for bits in range(16):
        x = np.array([bits >> k & 1 for k in range(4)])
        distance = gain * (matrix @ x + bias) + offset - limit
        sure = np.abs(distance) > 4 * gain * losses["W1"].largest / min(losses["W1"].scale)
        assert np.array_equal((weights["W1"] @ x > 512)[sure], (distance > 0)[sure])
        checked += sure.sum()
    assert checked > 24


def test_weights_on_the_chips_grid_stay_whatever_side_the_threshold_is(tmp_path):
    w1 = 2 * np.arange(-6, 6).reshape(3, 4)
    for threshold in (512, 512.5, 513, 513.9):
        graph = network_of(nir.Linear(w1.astype(float)), h=lif(3, threshold))
        weights, losses, _ = imported(tmp_path, graph)
        assert weights["W1"].tolist() == w1.tolist()
        assert losses["W1"].largest == 0


def flatten(n):
    return nir.Flatten({"input": np.array([n])}, 0, -1)


def test_shape_only_nodes_are_passed_over(tmp_path):
    """As in the example that NIR documents for snnTorch, which begins with a Flatten."""
    rng = np.random.default_rng(3)
    w1, w2 = rng.normal(size=(3, 4)), rng.normal(size=(2, 3))
    plain, _, _ = imported(tmp_path, network_of(nir.Linear(w1), nir.Linear(w2)))
    shape = np.array([1, 2, 2])
    graph = chain(
        nir.Input(shape), nir.Flatten({"input": shape}, 0, -1), nir.Linear(w1), lif(3), flatten(3),
        nir.Linear(w2), lif(2), nir.Output(np.array([2])),
    )  # fmt: skip
    assert imported(tmp_path, graph)[0] == plain


def test_scales_are_folded_into_the_weights(tmp_path):
    """x -> s0 x -> W1 -> s1 -> h: the matrix is diag(s1) W1 diag(s0), the bias s1 b."""
    rng = np.random.default_rng(4)
    w1, b, s0, s1 = rng.normal(size=(3, 4)), np.array([0.1, -0.2, 0.1]), 0.5, rng.uniform(1, 2, 3)
    factors = s0 * np.ones(4)
    graph = chain(
        nir.Input(np.array([4])), nir.Scale(factors), nir.Affine(w1, b), nir.Scale(s1), lif(3),
        nir.Linear(np.full((2, 3), 0.25)), lif(2), nir.Output(np.array([2])),
    )  # fmt: skip
    folded = network_of(nir.Affine(s1[:, None] * w1 * s0, s1 * b))
    assert imported(tmp_path, graph)[0] == imported(tmp_path, folded)[0]


def test_a_graph_inside_the_graph_is_part_of_the_chain(tmp_path):
    rng = np.random.default_rng(5)
    w1, w2, w3 = rng.normal(size=(3, 4)), rng.normal(size=(3, 3)), rng.normal(size=(2, 3))
    inner = chain(
        nir.Input(np.array([3])), nir.Linear(w2), lif(3), flatten(3), nir.Output(np.array([3]))
    )
    nodes = {
        "input": nir.Input(np.array([4])), "a": nir.Linear(w1), "b": lif(3), "block": inner,
        "c": nir.Linear(w3), "d": lif(2), "output": nir.Output(np.array([2])),
    }  # fmt: skip
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)
    flat = chain(
        nir.Input(np.array([4])), nir.Linear(w1), lif(3), nir.Linear(w2), lif(3), nir.Linear(w3),
        lif(2), nir.Output(np.array([2])),
    )  # fmt: skip
    weights = imported(tmp_path, graph)[0]
    assert weights.sizes == (4, 3, 3, 2)
    assert weights == imported(tmp_path, flat)[0]


def test_what_vanishes_is_told(sbp, tmp_path):
    small = network_of(nir.Linear(np.full((3, 4), 1e-3)))  # 0.5 of 2 on the chip: rounds to 0
    nir.write(tmp_path / "n.nir", small)
    code, printed, told = sbp("import", tmp_path / "n.nir", "--out", tmp_path / "out")
    assert code == 0
    assert "12 became 0; relative error 1e+02 %" in printed
    assert "warning: most of W1 is lost" in told
    assert "12 of 12 weights became 0" in told
    assert "most of W2" not in told


def test_a_digest_that_does_not_fit_is_refused(refused, tmp_path, weights):
    path = exchange.write(tmp_path / "n.nir", weights)
    with h5py.File(path, "r+") as file:
        matrix = file["node/nodes/W2/weight"]
        matrix[0, 0] = matrix[0, 0] + 2
    line = refused("import", path, "--out", tmp_path / "out")
    assert "digest" in line
    assert not (tmp_path / "out").exists() or not [*(tmp_path / "out").iterdir()]


def test_three_matrices_go_out_whole(sbp, tmp_path):
    network = Weights.random((64, 12, 8, 10), 1)
    np.savez(tmp_path / "w.npz", **network)
    for form in exchange.FORMATS:
        file = tmp_path / f"w.{form}"
        if form == "npz":
            file = tmp_path / "other.npz"
        assert sbp("export", tmp_path / "w.npz", file)[0] == 0
        if form == "csv":
            assert len(file.read_text().splitlines()) == 1 + 64 * 12 + 12 * 8 + 8 * 10
        elif form == "nir":
            assert exchange.read(file)[0] == network
        else:
            assert checkpoint.load_weights(file) == network


BAD = {
    "unknown node": (
        lambda: chain(
            nir.Input(np.array([4])), nir.Linear(np.ones((3, 4))), nir.I(np.ones(3)),
            nir.Output(np.array([3])),
        ),
        "node 'i' is a I", "fully connected layers", "allowed: Input, Affine",
    ),
    "no neurons": (
        lambda: chain(nir.Input(np.array([4])), nir.Linear(np.ones((3, 4))),
                      nir.Output(np.array([3]))),
        "linear (Linear) is no layer", "allowed: the chain",
    ),
    "two matrices": (
        lambda: chain(nir.Input(np.array([4])), nir.Linear(np.ones((3, 4))),
                      nir.Linear(np.ones((3, 3))), lif(3), nir.Output(np.array([3]))),
        "is no layer", "allowed: the chain",
    ),
    "recurrent": (
        lambda: nir.NIRGraph(
            (g := network_of()).nodes, [*g.edges, ("lif_1", "linear")], type_check=False
        ),
        "6 nodes, 6 edges", "allowed: the chain",
    ),
    "edge to nowhere": (
        lambda: nir.NIRGraph(
            network_of().nodes, [("input", "nobody")], type_check=False
        ),
        "an edge names the node 'nobody'",
    ),
    "inner sizes": (
        lambda: network_of(w2=nir.Linear(np.ones((2, 5)))),
        "shapes do not fit each other", "linear_1 (2, 5)", "n_in, (n_h, n_in)",
    ),
    "input size": (
        lambda: network_of(w1=nir.Linear(np.ones((3, 9)))), "input 4, linear (3, 9)",
    ),
    "neurons": (lambda: network_of(h=lif(7)), "lif.", "has shape (7,)", "allowed: (3,)"),
    "dimensions": (
        lambda: network_of(w1=nir.Linear(np.ones((1, 3, 4)))), "linear.weight", "(1, 3, 4)",
    ),
    "not a number": (
        lambda: network_of(w1=nir.Linear(np.array([[1, np.nan, 0, 0]] * 3))),
        "linear.weight[0, 1] is nan",
    ),
    "fires by itself": (
        lambda: network_of(o=lif(2, np.array([1, -1]))), "neuron 1 of lif_1", "threshold -1",
    ),
    "bias above threshold": (
        lambda: network_of(w1=nir.Affine(np.ones((3, 4)), np.array([0, 0, 2.0]))),
        "neuron 2 of lif has the threshold -1",
    ),
    "no gain": (lambda: network_of(h=lif(3, r=np.zeros(3))), "takes its input times 0"),
    "tiny threshold": (
        lambda: network_of(h=lif(3, 1e-310)), "threshold 1e-310 cannot be scaled",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_networks_that_the_chip_cannot_hold(refused, tmp_path, case):
    build, *parts = BAD[case]
    nir.write(tmp_path / "n.nir", build())
    line = refused("import", tmp_path / "n.nir", "--out", tmp_path / "out")
    assert str(tmp_path / "n.nir") in line or case == "tiny threshold"
    for part in parts:
        assert part in line
    assert not (tmp_path / "out" / "weights.npz").exists()


def damage(path, kind):
    if kind == "absent":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("W1,0,0,6\n")
    elif kind == "npz":
        np.savez(path.with_suffix(".npz"), W1=np.ones(3))
        shutil.move(path.with_suffix(".npz"), path)
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    else:
        with h5py.File(path, "r+") as file:
            if kind == "other hdf5":
                file.move("node", "model")
            elif kind == "no nodes":
                del file["node/nodes"]
            elif kind == "no weight":
                del file["node/nodes/W1/weight"]
            elif kind == "no shape":
                del file["node/nodes/input/shape"]
            elif kind == "text weight":
                del file["node/nodes/W1/weight"]
                file["node/nodes/W1/weight"] = "many"
            elif kind == "huge":
                del file["node/nodes/W1/weight"]
                file.create_dataset("node/nodes/W1/weight", (1 << 24, 1 << 24), "f8", chunks=True)


@pytest.mark.parametrize(
    "kind",
    ["absent", "folder", "empty", "text", "npz", "truncated", "other hdf5", "no nodes",
     "no weight", "no shape", "text weight", "huge"],
)  # fmt: skip
def test_files_that_are_no_nir(refused, tmp_path, weights, kind):
    path = exchange.write(tmp_path / "n.nir", weights)
    damage(path, kind)
    line = refused("import", path, "--out", tmp_path / "out")
    assert str(path) in line
    assert not (tmp_path / "out" / "weights.npz").exists()


def test_a_file_with_flipped_bytes_is_read_or_refused(tmp_path, weights):
    good = exchange.write(tmp_path / "n.nir", weights).read_bytes()
    rng = np.random.default_rng(0)
    refusals = []
    for _ in range(12):
        broken = bytearray(good)
        for place in rng.integers(0, len(good), 4):
            broken[place] ^= int(rng.integers(1, 256))
        (tmp_path / "b.nir").write_bytes(broken)
        try:
            read, _, _ = exchange.read(tmp_path / "b.nir")
        except SbpError as error:
            refusals.append(str(error))
        else:
            algebra.Network(read)  # whatever was read, a chip could hold it
    assert refusals
    assert not [text for text in refusals if "\n" in text]


def test_a_file_without_an_end_is_given_up(tmp_path, weights, monkeypatch):
    """An entry of HDF5's heap of texts that has no length: the library looks for the next."""
    content = exchange.write(tmp_path / "n.nir", weights).read_bytes()
    entry = re.compile(rb"[^\0]\0.\0{5}\x05\0{7}input\0{3}", re.DOTALL)
    assert entry.search(content)
    (tmp_path / "b.nir").write_bytes(entry.sub(bytes(24), content))
    monkeypatch.setattr(reading, "PATIENCE", 8)
    with pytest.raises(
        FileError, match=r"b\.nir is damaged: the HDF5 library has not ended after 8"
    ):
        exchange.read(tmp_path / "b.nir")


def test_import_keeps_what_is_there(refused, sbp, run, tmp_path):
    sbp("export", run, tmp_path / "n.nir")
    before = run.read_bytes()
    line = refused("import", tmp_path / "n.nir", "--out", run.parent)
    assert "holds a training run" in line
    assert "--force" in line
    (tmp_path / "bad.nir").write_text("no")
    refused("import", tmp_path / "bad.nir", "--out", run.parent, "--force")
    assert run.read_bytes() == before
    assert sbp("import", tmp_path / "n.nir", "--out", run.parent, "--force")[0] == 0
    assert (run.parent / "history.json").exists()


def test_export_says_what_is_wrong(refused, tmp_path, run):
    assert "'gguf'" in refused("export", run, tmp_path / "n", "--to", "gguf")
    assert "nowhere does not exist" in refused("export", "nowhere", tmp_path / "n")
    assert "it is a folder" in refused("export", run, tmp_path)
    assert "--out" in refused("import", tmp_path / "n")
    with pytest.raises(SbpError, match=r"odd|even"):
        exchange.write(tmp_path / "n", {"W1": np.ones((2, 2), int), "W2": np.ones((1, 2), int)})
    assert not (tmp_path / "n").exists()


def test_without_the_package_nir(refused, run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    for words in (("export", run, tmp_path / "n.nir"), ("import", run, "--out", tmp_path / "o")):
        assert "pip install 'spiking-backprop[nir]'" in refused(*words)


def test_one_layer_there_and_back(sbp, tmp_path):
    """Its only matrix is called W here, and W1 by who reads it."""
    run, file, out = tmp_path / "run", tmp_path / "n.nir", tmp_path / "out"
    assert sbp("train", "--circuit", "single_layer", "--samples", 40, "--epochs", 1,
               "--out", run)[0] == 0  # fmt: skip
    assert sbp("export", run, file)[0] == 0
    assert sbp("import", file, "--out", out)[0] == 0
    before, after = checkpoint.load_weights(run), checkpoint.load_weights(out)
    assert np.array_equal(before["W"], after["W1"])
    assert sbp("plot", "weights", run, "--out", tmp_path / "w.png")[0] == 0


def test_names_written_out_for_speed():
    assert command.FORMATS == exchange.FORMATS
    assert command.MODELS == exchange.MODELS


def test_the_published_table_is_what_was_measured():
    """results/interop.md shows results/interop.json, of the network that ships."""
    record = json.loads((ROOT / "results" / "interop.json").read_text("utf-8"))
    table = (ROOT / "results" / "interop.md").read_text("utf-8")
    assert record["weights_digest"] == arrays_digest(pretrained.load())
    assert len(record["receivers"]) >= 2
    for name, row in record["receivers"].items():
        cells = [f"{row[key]:,}" for key in ("images", "equal_predictions", "equal_spikes")]
        assert f"| {name} | {row['versions'][name]} " in table
        assert f"| {' | '.join(cells)} | {len(row['differing'])}" in table


def test_the_driver_sees_a_difference():
    """One prediction and two spike patterns differ out of three images."""
    interop = tool("interop")
    ours = np.array([[0, 1], [1, 0], [0, 0]], bool)
    theirs = np.array([[0, 1], [0, 1], [1, 0]])
    row = interop.compare(theirs, ours)
    assert row["differing"] == [{"image": 1, "ours": 0, "theirs": 1}]
    assert (row["images"], row["equal_predictions"], row["equal_spikes"]) == (3, 2, 1)
    assert interop.compare(2 * ours, ours)["equal_spikes"] == 1  # a second spike is a difference
