import csv
import json
import re
import tracemalloc
import warnings

import numpy as np
import pytest
from conftest import ROOT

from sbp import engines
from sbp.circuits import learning_circuit, registry
from sbp.errors import FileError, SpecError
from sbp.files import plain, program_file, trace
from sbp.program import lower
from sbp.run import copies_parted
from sbp.spec import Circuit, Neuron, Phase, Population, Projection, Source

OWN = sorted((ROOT / "tests" / "traces").glob("*.npz"))
ENGINES = ("reference", "compiled")


def small(n_samples=3, **options):
    """A trace of a 12-7-4 network whose weights are near the bounds."""
    rng = np.random.default_rng(5)
    weights = {
        "W1": rng.choice([-256, -100, 0, 120, 254], (7, 12)),
        "W2": rng.choice([-256, -254, 0, 252, 254], (4, 7)),
    }
    stimulus = {
        "input": rng.integers(0, 2, (n_samples, 12)),
        "target": np.eye(4, dtype=int)[rng.integers(0, 4, n_samples)],
    }
    return trace.record(learning_circuit((12, 7, 4)), stimulus, weights, **options)


def entries(path):
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["mnist_40_24_10", "mnist_400_400_10"])
def test_traces_of_an_independent_simulation(golden_dir, name, engine):
    read = trace.read(golden_dir / f"{name}.npz")
    assert read.program == lower(learning_circuit(read.program.sizes))
    assert "-".join(map(str, read.program.sizes)) == name.removeprefix("mnist_").replace("_", "-")
    assert len(read.spikes) == 29
    assert trace.verify(read, engine) is None


@pytest.mark.filterwarnings("ignore:.*in the (neurons|learning) circuit:RuntimeWarning")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_own_traces(path, engine):
    assert trace.verify(path, engine) is None


def test_own_traces_cover_every_circuit_and_parted_copies():
    read = {path.stem: trace.read(path) for path in OWN}
    assert {t.program.name for t in read.values()} == {*registry.families(), "neurons"}
    assert all(t.digest == t.program.digest for t in read.values())
    trained = read["trained_64_6_10"]
    program = trained.program
    state = program.state(trained.initial)
    state.weights = trace.implied_copies(trained)
    assert copies_parted(program, state)["W2"] > 0


@pytest.mark.parametrize("number", range(4))
def test_weights_near_the_bounds(number):
    rng = np.random.default_rng(number)
    weights = {"W1": rng.choice([-256, 254], (7, 12)), "W2": rng.choice([-256, 254], (4, 7))}
    stimulus = {
        "input": rng.integers(0, 2, (20, 12)),
        "target": np.eye(4, dtype=int)[rng.integers(0, 4, 20)],
    }
    made = trace.record(learning_circuit((12, 7, 4)), stimulus, weights, engine="reference")
    assert trace.verify(made, "compiled") is None


def test_a_file_holds_all_of_it(tmp_path):
    made = small(states=("h", "g3"), about={"dataset": "none"})
    read = trace.read(trace.write(made, tmp_path / "t.npz"))
    for what in ("stimulus", "initial", "final", "spikes", "u", "v"):
        mine, found = getattr(made, what), getattr(read, what)
        assert list(mine) == list(found), what
        for name in mine:
            np.testing.assert_array_equal(mine[name], found[name])
    assert (read.program, read.digest) == (made.program, made.digest)
    assert read.about == {"engine": "reference", "dataset": "none"}
    assert set(read.u) == set(read.v) == {"h", "g3"}
    assert read.n_samples == 3
    assert trace.verify(read) is None


def test_a_target_that_is_not_one_hot_is_kept(tmp_path):
    stimulus = {"input": np.ones((2, 6), int), "target": np.array([[1, 1, 0], [0, 0, 0]])}
    weights = {"W": np.zeros((3, 6), int)}
    made = trace.record(registry.build("single_layer", (6, 3)), stimulus, weights)
    read = trace.read(trace.write(made, tmp_path / "t.npz"))
    np.testing.assert_array_equal(read.stimulus["target"], stimulus["target"])
    assert trace.verify(read) is None


def test_the_least_that_another_machine_must_write(tmp_path):
    """Its size, name and step are learned from weights; one population may be enough."""
    full = entries(trace.write(small(), tmp_path / "t.npz"))
    least = {"x", "n_inputs", "labels", "W1_init", "W2_init", "W1_final", "W2_final", "spikes:o"}
    np.savez(tmp_path / "least.npz", **{name: full[name] for name in least})
    read = trace.read(tmp_path / "least.npz")
    assert read.program == lower(learning_circuit((12, 7, 4)))
    assert list(read.spikes) == ["o"]
    assert trace.verify(read) is None
    read.final["W1"] = read.final["W1"].copy()
    read.final["W1"][6, 11] ^= 2
    assert trace.verify(read).population == "W1"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_of_two_flipped_spikes_is_named(engine):
    made = small()
    made.spikes["hT"][29, 4] ^= True
    made.spikes["d+"][16, 2] ^= True
    found = trace.verify(made, engine)
    flipped = int(made.spikes["d+"][16, 2])
    assert (found.what, found.step, found.phase) == ("spikes", 16, 4)
    assert (found.population, found.index) == ("d+", (2,))
    assert (found.values, found.total) == ((flipped, 1 - flipped), 2)
    text = str(found)
    for part in ("step 16", "phase 4", "population d+", "neuron 2", f"{flipped} against", "2 "):
        assert part in text


def test_every_population_and_source_is_compared():
    made = small(1)
    for name, train in made.spikes.items():
        train[-1, -1] ^= True
        found = trace.verify(made)
        assert found is not None, name
        assert (found.population, found.step, found.total) == (name, 11, 1)
        train[-1, -1] ^= True
    assert trace.verify(made) is None


def test_a_state_that_differs():
    made = small(states=["h"])
    made.v["h"][14, 3] += 64
    found = trace.verify(made)
    assert (found.what, found.step, found.phase, found.index) == ("v", 14, 2, (3,))
    assert found.values[0] == found.values[1] + 64
    assert "step 14 (phase 2), population h, neuron 3: v is" in str(found)
    # A spike in the same step comes first, and one before it all the more.
    made.spikes["x"][14, 0] ^= True
    assert trace.verify(made).what == "spikes"
    made.u["h"][2, 0] += 1
    assert (trace.verify(made).what, trace.verify(made).step) == ("u", 2)


def test_a_final_weight_that_differs():
    made = small()
    changed = made.final["W2"].copy()
    changed[3, 5] ^= 2
    made.final = made.final | {"W2": changed}
    found = trace.verify(made)
    assert (found.what, found.population, found.index, found.total) == ("weights", "W2", (3, 5), 1)
    assert "W2[3, 5]" in str(found)


@pytest.mark.parametrize("copy", ["x->h>", "o->hT", "o-->hT"])
def test_a_copy_that_alone_differs(monkeypatch, copy):
    """A fault put into one copy of the engine's final weights is found."""
    get = engines.get

    class Faulty:
        @staticmethod
        def run(*args, **options):
            run = get("reference").run(*args, **options)
            run.state.weights[copy][0, 1] ^= 2
            return run

    made = small()
    monkeypatch.setattr(engines, "get", lambda name: Faulty)
    found = trace.verify(made)
    assert (found.what, found.population, found.index, found.total) == ("weights", copy, (0, 1), 1)


def test_traces_outside_the_domain_are_replayed_not_refused():
    """W1 x beyond the closing gate: h fires at p = 8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the session's one warning
        stimulus = {"input": np.ones((4, 120), int), "target": np.eye(2, dtype=int)[[0, 1, 0, 1]]}
        weights = {"W1": np.full((5, 120), 254), "W2": np.full((2, 5), 100)}
        made = trace.record(learning_circuit((120, 5, 2)), stimulus, weights)
        assert made.spikes["h"][8::12].any(), "the case is no longer outside"
        for engine in ENGINES:
            assert trace.verify(made, engine) is None


def test_a_circuit_of_ones_own(tmp_path, sbp, refused):
    relay = Circuit(
        name="relay",
        sizes=(3,),
        sources=(Source("sound", 3, phase=0), Source("light", 2, phase=1)),
        populations=(Population("a", 3, Neuron(threshold=10)), Population("b", 2, Neuron())),
        projections=(Projection("sound", "a", "copy", 520), Projection("light", "b", "copy", 2048)),
        phases=(Phase(("b",)), Phase(("a",))),
    )
    stimulus = {"sound": np.array([[1, 0, 1], [0, 1, 0]]), "light": np.array([[1, 1], [0, 1]])}
    made = trace.record(relay, stimulus)
    path = trace.write(made, tmp_path / "t.npz")
    # sound 3, light 3, a 3; b 2, for what light sends in the last step acts after the end.
    assert made.n_spikes == 3 + 3 + 3 + 2
    # The file holds its program, so that it verifies by itself.
    assert trace.verify(path, "compiled") is None
    assert "relay circuit 3, 2 samples" in sbp("verify", path)[1]
    # Another machine need not write it; then it is named.
    bare = entries(path)
    del bare["program_file"]
    np.savez(path, **bare)
    assert "circuit is 'relay', allowed: learning, inference" in refused("verify", path)
    net = program_file.write(lower(relay), tmp_path / "relay.sbp")
    assert sbp("verify", path, "--program", net)[0] == 0
    text = plain.write_trace(made, tmp_path / "t.txt")
    assert sbp("verify", text, "--program", net)[0] == 0


def test_csv_is_written_as_it_goes(tmp_path):
    """The text is many times the spikes, and is never in memory as a whole."""
    made = small()
    made.spikes = {"h": np.ones((40_000, 7), bool)}
    tracemalloc.start()
    path = trace.write_csv(made, tmp_path / "t.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 4_000_000
    assert peak < 1_000_000


def test_csv_holds_every_spike_once(tmp_path):
    made = small()
    with open(trace.write_csv(made, tmp_path / "t.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "sample", "phase", "population", "neuron"]
    found = {name: np.zeros_like(train) for name, train in made.spikes.items()}
    for row in rows:
        step, neuron = int(row["step"]), int(row["neuron"])
        assert (int(row["sample"]), int(row["phase"])) == divmod(step, 12)
        assert not found[row["population"]][step, neuron]
        found[row["population"]][step, neuron] = True
    for name, train in made.spikes.items():
        np.testing.assert_array_equal(found[name], train)
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(steps)


def drop(name):
    return lambda e: e.pop(name)


def put(name, value):
    return lambda e: e.__setitem__(name, np.asarray(value))


BROKEN = {
    "no weights": (drop("W1_final"), "the entry W1_final is missing"),
    "no labels": (drop("labels"), "stimulus:target is missing"),
    "no spikes": (
        lambda e: [e.pop(k) for k in list(e) if k.startswith("spikes")],
        "it holds no spikes",
    ),
    "other circuit": (put("circuit", "reservoir"), "circuit is 'reservoir', allowed: learning"),
    "circuit is no text": (put("circuit", 3), "circuit is not text"),
    "sizes do not fit": (put("sizes", [12, 8, 4]), "W1_init is int16 (7, 12), not integers (8, 12"),
    "impossible sizes": (put("sizes", [12, 0, 4]), "layer size 0"),
    "too many layers": (put("sizes", [12, 7, 7, 4]), "exactly 3"),
    "float weights": (put("W2_init", np.zeros((4, 7))), "W2_init is float64"),
    "label too large": (put("labels", [0, 1, 4]), "labels are not all in 0..3"),
    "label negative": (put("labels", [0, -1, 2]), "labels are not all in 0..3"),
    "n_inputs": (put("n_inputs", 11), "n_inputs is not 12"),
    "bits of another size": (put("spikes:h", np.zeros((36, 2), np.uint8)), "spikes:h is uint8 (36"),
    "bits of another type": (put("spikes:h", np.zeros((36, 1), np.int64)), "spikes:h is int64"),
    "declared size": (put("size:h", 8), "size:h is 8, the circuit's is 7"),
    "too few steps": (put("spikes:h", np.zeros((35, 1), np.uint8)), "35 steps, not 36"),
    "unknown population": (put("spikes:q", np.zeros((36, 1), np.uint8)), "no population 'q'"),
    "a copy of no projection": (put("copy:x->x", np.zeros((7, 12), int)), "no projection 'x->x'"),
    "a copy of another size": (
        put("copy:x->h", np.zeros((7, 13), int)),
        "copy:x->h is int64 (7, 13",
    ),
    "about": (put("about", "[1]"), "about is not a JSON object"),
    "about is no JSON": (put("about", "{"), "the entry about is no JSON"),
    "about is deep": (put("about", "[" * 9999), "nested too deeply"),
    "another program file": (put("program_file", "sbp-program 2"), "program_file, line 1: version"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_traces_are_refused(tmp_path, case):
    change, message = BROKEN[case]
    found = entries(trace.write(small(), tmp_path / "t.npz"))
    change(found)
    np.savez(tmp_path / "broken.npz", **found)
    with pytest.raises(FileError) as caught:
        trace.read(tmp_path / "broken.npz")
    assert message in str(caught.value)
    assert str(tmp_path / "broken.npz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_plain_text_holds_all_but_the_states(tmp_path):
    made = small(states=["h"], about={"dataset": "none"})
    read = trace.read(plain.write_trace(made, tmp_path / "t.txt"), made.program)
    for what in ("stimulus", "initial", "final", "spikes"):
        mine, found = getattr(made, what), getattr(read, what)
        assert set(mine) == set(found), what
        for name in mine:
            np.testing.assert_array_equal(mine[name], found[name])
    assert (read.program, read.about) == (made.program, made.about)
    assert list(read.copies) == list(trace.implied_copies(made))
    assert len(read.copies) == 8
    assert trace.verify(read) is None
    # Not every population need be there; the sources always are.
    made.spikes = {"o": made.spikes["o"]}
    read = trace.read(plain.write_trace(made, tmp_path / "t.txt"), made.program)
    assert list(read.spikes) == ["o", "input", "target"]
    assert trace.verify(read) is None
    made.spikes["input"] = np.zeros((36, 12), bool)
    with pytest.raises(FileError, match="spikes of input are not its stimulus"):
        plain.write_trace(made, tmp_path / "t.txt")


@pytest.mark.parametrize("form", ["npz", "txt"])
def test_copies_of_another_machine_are_compared(tmp_path, form):
    made = small()
    made.copies = trace.implied_copies(made)
    write = trace.write if form == "npz" else plain.write_trace
    made.copies["o-->hT"][2, 1] ^= 2
    read = trace.read(write(made, tmp_path / f"t.{form}"), made.program)
    found = trace.verify(read)
    assert (found.population, found.index, found.total) == ("o-->hT", (2, 1), 1)


def swap(old, new):
    def change(text):
        assert old in text, old
        return text.replace(old, new, 1)

    return change


def first_weight(value):
    return lambda text: re.sub(r"(W1 post 7 pre 12\n)\S+", rf"\g<1>{value}", text, count=1)


BROKEN_TEXT = {
    "nothing": (lambda text: "sbp-trace", "allowed: version 1"),
    "another version": (swap("sbp-trace 1", "sbp-trace 2"), "line 1: found 'sbp-trace 2'"),
    "another program": (swap("program ", "program 1"), "line 2: it belongs to program 1"),
    "about": (swap("about {", "about ["), "line 3: what stands after about"),
    "about so deep": (swap("about {", "about " + "[" * 9999), "line 3: what stands after about"),
    "steps": (swap("steps 36", "steps 37"), "line 4: 3 samples, 37 steps; allowed: 12 steps"),
    "no samples": (swap("samples 3 steps 36", "samples 0 steps 0"), "line 4: 0 samples"),
    "population": (swap("recorded x ", "recorded q "), "line 5: the learning circuit has no"),
    "a matrix of another size": (swap("W1 post 7", "W1 post 8"), "line 6: initial W1 is 8 by 12"),
    "a matrix of no name": (swap("matrix initial W2", "matrix W2"), "found no 'matrix initial|"),
    "no such copy": (swap("copy x->h ", "copy x->x "), "copy x->x is unknown"),
    "a matrix twice": (swap("final W2", "final W1"), "final W1 is unknown, or comes twice"),
    "no final weights": (
        lambda text: re.sub("matrix final W2.*\n(.*\n){4}", "", text),
        "the final weights W2 are missing",
    ),
    "an odd weight": (first_weight("255"), "line 7: weights W1[0, 0] is 255"),
    "a weight too many": (first_weight("254 254"), "allowed: 12 weights of W1"),
    "no number": (first_weight("1e3"), "allowed: 12 weights of W1"),
    "a step too few": (swap("step 17 ", "step 18 "), "allowed: 'step 17 spikes N: N N ...'"),
    "a spike too few": (
        lambda text: re.sub(r"(step 16 spikes \d+: )\d+ ", r"\1", text), "spikes; the line says"
    ),
    "no such neuron": (
        lambda text: re.sub(r"step 4 .*", "step 4 spikes 1: 123", text), "numbers below 123"
    ),
    "spikes in another order": (
        lambda text: re.sub(r"step 4 .*", "step 4 spikes 2: 9 8", text), "are not ascending"
    ),
    "kick": (lambda text: re.sub(r"step 4 .*", "step 4 spikes 1: 122", text), "which is the kick"),
    "a source out of its phase": (
        lambda text: re.sub(r"step 4 .*", "step 4 spikes 1: 110", text),
        "source input spikes in a phase other than 0",
    ),
    "truncated": (lambda text: text[: text.index("step 30")], "it is truncated"),
    "no end": (swap("\nend\n", "\n"), "the file ends here; it is truncated"),
    "more": (swap("\nend\n", "\nend\nstep 36 spikes 0:\n"), "something follows after the end"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_TEXT)
def test_broken_plain_traces_are_refused(tmp_path, case):
    change, message = BROKEN_TEXT[case]
    made = small()
    path = plain.write_trace(made, tmp_path / "t.txt")
    path.write_text(change(path.read_text()))
    with pytest.raises(FileError) as caught:
        trace.read(path, made.program)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_the_chip_cannot_hold_are_named(tmp_path):
    found = entries(trace.write(small(), tmp_path / "t.npz"))
    found["W1_init"][2, 3] = 255
    np.savez(tmp_path / "odd.npz", **found)
    with pytest.raises(SpecError, match=r"weights W1\[2, 3\] is 255 .*even integers"):
        trace.verify(tmp_path / "odd.npz")


def test_commands(sbp, tmp_path):
    """`sbp trace` and `sbp verify` for every circuit, on both engines."""
    for number, name in enumerate(registry.families()):
        path = tmp_path / f"{name}.npz"
        options = ("--engine", ENGINES[number % 2], "--csv", tmp_path / "t.csv")
        options += ("--hidden", 5) if name in ("learning", "inference", "deep") else ()
        options += ("--plain", tmp_path / "t.txt") if number == 0 else ()
        code, out, err = sbp(
            "trace", "--out", path, "--circuit", name, "--samples", "20:24", *options
        )
        assert (code, err) == (0, "")
        read = trace.read(path)
        assert read.n_samples == 4
        assert read.about["samples"] == "20:24"
        if number == 0:
            assert trace.verify(trace.read(tmp_path / "t.txt", read.program)) is None
        spike_lines = (tmp_path / "t.csv").read_text().count("\n") - 1
        assert f"{read.n_spikes:,} spikes" in out
        assert spike_lines == read.n_spikes
        for engine in ENGINES:
            code, out, err = sbp("verify", path, "--engine", engine)
            assert (code, err) == (0, "")
            assert out.count("\n") == 1
            assert f"identical on {engine}" in out
            for part in ("4 samples", f"{read.n_steps} steps", f"{read.n_spikes:,} spikes"):
                assert part in out
            assert ("final weights" in out) == (name != "gating_chain")


def test_verify_prints_the_first_difference_and_exits_1(sbp, tmp_path):
    made = small()
    made.spikes["o<"][15, 0] ^= True
    path = trace.write(made, tmp_path / "t.npz")
    code, out, err = sbp("verify", path)
    assert (code, err, out.count("\n")) == (1, "", 1)
    for part in ("step 15", "phase 3", "population o<", "neuron 0", " against ", "1 differing"):
        assert part in out


def test_a_trace_of_another_program_says_so(sbp, tmp_path):
    found = entries(trace.write(small(), tmp_path / "t.npz"))
    found["program"] = np.array("0" * 64)
    np.savez(tmp_path / "t.npz", **found)
    code, out, _ = sbp("verify", tmp_path / "t.npz")
    assert code == 0
    assert "another program, 000000000000" in out


def test_traces_carry_no_path_of_this_machine(sbp, tmp_path):
    sbp("train", "--hidden", 4, "--epochs", 1, "--out", tmp_path / "run", "--quiet")
    sbp("trace", tmp_path / "run", "--out", tmp_path / "t.npz", "--samples", 1)
    about = json.dumps(trace.read(tmp_path / "t.npz").about)
    assert str(tmp_path) not in about
    assert "trained, " in about
