"""The figures that run in the reader's browser: exact, by mouse and by keyboard, from disk."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT
from test_lab import held
from test_lines import text_of

from sbp.app import figures, lab
from sbp.app.exercises import check, puzzles
from sbp.circuits import gating_chain, learning_circuit, single_layer_circuit
from sbp.files import trace
from sbp.program import lower

pytestmark = pytest.mark.browser

KINDS = ("neuron", "chain", "thresholds", "single", "turn", "deep", "wiring", "verify", "film")
PAGE = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>figures</title>
<script src="_static/book.js"></script></head>
<body><main><article class="bd-article"><p>Look at phase 7, then at phase 0.</p>
{figures}</article></main></body></html>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A page with every figure, as files on disk."""
    folder = tmp_path_factory.mktemp("figures")
    lab.serve(ROOT / "lab" / "static", folder / "_static")
    figures.write(folder / "_static" / "figures" / "data.js")
    figures.write_traces(folder / "_static" / "figures" / "traces.js", ROOT / "tests" / "traces")
    lab.write(folder / "_static" / "lab" / "data.js")
    divs = [f'<div class="sbp-figure" data-figure="{kind}">words</div>' for kind in KINDS]
    divs += [
        f'<div class="sbp-figure" data-figure="puzzle" data-puzzle="{name}">words</div>'
        for name in puzzles()
    ]
    (folder / "index.html").write_text(PAGE.format(figures="\n".join(divs)), "utf-8")
    return folder


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def tab(chromium, site, request):
    """The page, which notes everything that goes wrong and every request that leaves the disk."""
    width, height = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.faults = []
    page.on("console", lambda m: m.type == "error" and page.faults.append(m.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda r: r.url.startswith("http") and page.faults.append(r.url))
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector("[data-figure='film'][data-ready] .fig-player")
    yield page
    assert page.faults == []
    context.close()


def figure(tab, kind):
    """One figure of the page."""
    return tab.locator(f"[data-figure='{kind}']")


def status(tab, kind):
    """What a figure says in words."""
    return figure(tab, kind).locator(".fig-status").first.text_content()


def test_golden_traces_replay_without_a_difference(tab):
    figure(tab, "verify").get_by_role("button", name="Verify this book").click()
    tab.wait_for_selector("[data-figure='verify'][data-differing]", timeout=120_000)
    shown = [trace.read(file) for file in sorted((ROOT / "tests" / "traces").glob("*.npz"))]
    spikes = sum(t.n_spikes for t in shown)
    assert status(tab, "verify") == f"0 of {spikes:,} spikes differ."
    assert len(shown) > 8


def test_a_trace_with_one_spike_more_is_noticed(tab):
    tab.evaluate("""async () => {
        const traces = await window.SBP.given("SBP_TRACES");
        const trace = traces.find((t) => t.name === "learning_64_24_10");
        const bytes = Uint8Array.from(atob(trace.spikes.h), (c) => c.charCodeAt(0));
        bytes[20] ^= 4;
        trace.spikes.h = btoa(String.fromCharCode(...bytes));
    }""")
    figure(tab, "verify").get_by_role("button", name="Verify this book").click()
    tab.wait_for_selector("[data-figure='verify'][data-differing]", timeout=120_000)
    assert status(tab, "verify").startswith("1 of ")


def test_the_film_reads_wrong_learns_and_reads_right(tab):
    film = figure(tab, "film")
    assert film.get_attribute("data-reads") == "9 1"
    assert 10_000 < int(film.get_attribute("data-changed")) < 16_000
    last = film.get_by_role("slider")
    last.focus()
    last.press("End")
    assert "now it reads 1" in status(tab, "film")


def test_a_cut_gate_stops_the_pattern(tab):
    chain = figure(tab, "chain")
    whole = "The pattern reaches the last stage, whole."
    assert whole in chain.inner_text()
    cut = chain.get_by_role("button", name="cut g3 → s3")
    cut.click()
    assert "reaches 2 of 4 stages" in chain.inner_text()
    cut.click()
    assert whole in chain.inner_text()
    chain.get_by_role("button", name="cut → g2", exact=True).click()  # of the ring itself
    assert "reaches 1 of 4 stages" in chain.inner_text()


def test_thresholds_are_the_machine_s(tab):
    box = figure(tab, "thresholds")
    drag = box.get_by_label("the sum W x")
    for total, fires, derivative in ((520, "h h<", 1), (1040, "h h< h>", 0), (0, "", 0)):
        drag.fill(str(total))
        said = status(tab, "thresholds")
        for name in ("h", "h<", "h>"):
            verb = "fires" if name in fires.split() else "is silent"
            assert f" {name} {verb}" in said, said
        assert said.endswith(f"derivative {derivative}.")


def test_one_layer_learns_while_you_watch(tab):
    box = figure(tab, "single")
    for _ in range(12):
        box.get_by_role("button", name="50 samples").click()
    text = box.inner_text()
    assert "601 samples" in text
    assert int(re.search(r"(\d+) % were exact", text)[1]) > 10


def test_phases_in_the_text_move_the_turn(tab):
    tab.get_by_role("button", name="phase 7", exact=True).click()
    turn = figure(tab, "turn")
    assert "Phase 7." in turn.inner_text()
    assert "synapses change" in turn.inner_text() or "W1 grows" in turn.inner_text()
    assert turn.locator("li[data-now]").inner_text().startswith("7: W1 += 2")
    turn.get_by_role("button", name="phase next").click()
    assert "Phase 8." in turn.inner_text()


def test_depth_is_a_slider(tab):
    deep = figure(tab, "deep")
    for layers in (1, 3, 5):
        deep.get_by_label("layers of weights").fill(str(layers))
        assert f"{5 * layers + 2} steps a sample" in deep.inner_text()
        assert deep.locator("thead th").count() == 5 * layers + 3


def test_predictions_are_judged(tab):
    deep = figure(tab, "deep")
    deep.get_by_role("button", name="15", exact=True).click()
    assert deep.locator(".fig-verdict").get_attribute("data-right") == "false"
    deep.get_by_role("button", name="17", exact=True).click()
    assert deep.locator(".fig-verdict").get_attribute("data-right") == "true"


def test_wiring_gives_the_digest_of_python(tab):
    assert (
        figure(tab, "wiring").get_attribute("data-digest") == lower(figures.wiring_circuit()).digest
    )


def lines_of(circuit):
    """A circuit as the lines of the page, and what the lines do not say."""
    gates = {f"g{k}" for k in range(circuit.period)}
    phases = [
        {"fires": [n for n in phase.fires if n not in gates], "learns": list(phase.learns),
         "reward": phase.reward}
        for phase in circuit.phases
    ]  # fmt: skip
    frame = {
        "name": circuit.name,
        "layers": list(circuit.sizes),
        "ring": circuit.period,
        "sizes": {p.name: p.size for p in circuit.populations if p.name not in gates},
        "sources": [
            {"name": s.name, "size": s.size, "phase": s.phase}
            for s in circuit.sources
            if s.phase is not None
        ],
        "parameters": [
            {"name": p.name, "n_post": p.n_post, "n_pre": p.n_pre} for p in circuit.parameters
        ],
        "phases": phases,
        "twice": ["hT"],
    }
    return text_of(circuit), frame


@pytest.mark.parametrize(
    "circuit",
    [learning_circuit((12, 7, 4)), single_layer_circuit((9, 3)), gating_chain(6, 3, 2)],
    ids=["learning", "single", "chain"],
)
def test_every_circuit_of_the_book_compiles_from_its_lines(tab, circuit):
    text, frame = lines_of(circuit)
    found = tab.evaluate(
        "([text, frame]) => window.SBP.wiring.compile(text, frame).digest", [text, frame]
    )
    assert found == lower(circuit).digest


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x s", 'line 1: "x s" needs a source, a target and a kind'),
        ("x nowhere copy", "line 1: no population is called nowhere"),
        ("input x copy\n\nx s copy 63", "line 3: delays are whole numbers from 0 to 62"),
        ("x input copy", "input only sends"),
        ("g1 x copy", "1 to 25 neurons, one to one"),
    ],
)
def test_wiring_says_what_is_wrong(tab, text, told):
    box = figure(tab, "wiring")
    box.get_by_label("the wiring").fill(text)
    box.get_by_role("button", name="Run").click()
    assert told in status(tab, "wiring")


def test_a_shared_address_brings_the_wiring_back(tab, chromium, site):
    box = figure(tab, "wiring")
    mine = "input x copy\nx s copy 1\ng1 x gate\ng3 s gate"
    box.get_by_label("the wiring").fill(mine)
    box.get_by_role("button", name="Share").click()
    other = chromium.new_context()
    page = other.new_page()
    page.goto(tab.url)
    page.wait_for_selector("[data-figure='wiring'][data-ready] table")
    assert page.get_by_label("the wiring").input_value() == mine
    assert page.locator("[data-figure='wiring'] td.fires").count() == 2
    other.close()


def test_nothing_is_wider_than_the_page_and_axe_finds_nothing_serious(tab):
    from axe_playwright_python.sync_playwright import Axe

    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    found = Axe().run(tab).response["violations"]
    tab.faults.clear()  # axe tries to fetch the style sheet, which a page on disk may not
    serious = [(v["id"], v["nodes"][0]["html"][:120]) for v in found
               if v["impact"] in ("serious", "critical")]  # fmt: skip
    assert serious == []


TIMETABLE = {"x": [1, 4, 6], "answer": [2], "target": [2], "error": [4, 6]}
MENDED = puzzles()["mend"].text.replace("g1     s3", "g3     s3")
TRIED = {
    "and": range(0, 801, 20),
    "xor": range(0, 1401, 40),
    "veto": range(1, 5),
    "ring": range(1, 7),
    "mend": [puzzles()["mend"].text, MENDED, MENDED.replace("s4  copy", "s4  copy 1")],
    "later": [puzzles()["later"].text],
    "timetable": [
        {**TIMETABLE, row: [p for p in range(7) if (p in TIMETABLE[row]) != (p == phase)]}
        for row in TIMETABLE
        for phase in range(7)
    ],
}


def test_puzzles_are_judged_as_in_a_notebook(tab):
    """The same verdict, word for word, of the engine here and of the reference engine."""
    assert set(TRIED) == set(puzzles())
    for name, answers in TRIED.items():
        given = [*answers, *([TIMETABLE] if name == "timetable" else [])]
        found = tab.evaluate(
            """async ([name, answers]) => {
                const { puzzles } = await window.SBP.given("SBP_FIGURES");
                return answers.map((answer) => {
                    const verdict = window.SBP.puzzles.judge(puzzles[name], answer);
                    return [verdict.right, verdict.text];
                });
            }""",
            [name, list(given)],
        )
        expected = [[v.right, v.text] for v in (check(name, answer) for answer in given)]
        assert found == expected, name
        assert {right for right, _ in found} == ({False} if name == "later" else {True, False})


def puzzle(tab, name):
    """One puzzle of the page."""
    return tab.locator(f"[data-puzzle='{name}']")


def test_puzzles_are_answered_by_hand(tab):
    box = puzzle(tab, "and")
    box.get_by_label("your answer").fill("600")
    box.get_by_role("button", name="Check").click()
    assert "One spike alone fires it" in box.locator(".fig-status").inner_text()
    box.get_by_label("your answer").fill("300")
    box.get_by_role("button", name="Check").click()
    assert box.locator(".fig-status").get_attribute("data-right") == "true"

    box = puzzle(tab, "ring")
    box.get_by_role("button", name="Check").click()
    assert "Not answered yet" in box.locator(".fig-status").inner_text()
    box.get_by_role("button", name="2", exact=True).click()
    box.get_by_role("button", name="Check").click()
    assert box.locator(".fig-status").get_attribute("data-right") == "true"

    box = puzzle(tab, "mend")
    box.get_by_label("your answer").fill("s1 s2 flies")
    box.get_by_role("button", name="Check").click()
    assert "This is no circuit: line 1" in box.locator(".fig-status").inner_text()

    box = puzzle(tab, "timetable")
    for row, phases in TIMETABLE.items():
        for phase in phases:
            box.get_by_label(f"{row} in phase {phase}", exact=True).check()
    box.get_by_role("button", name="Check").click()
    assert box.locator(".fig-status").get_attribute("data-right") == "true"


def test_data_are_small_and_plain(site):
    static = site / "_static"
    page = [*static.glob("figures/*"), static / "lab" / "engine.js", static / "book.js"]
    assert sum(f.stat().st_size for f in page if f.name != "traces.js") < 400_000
    data = held(static / "figures" / "data.js", "SBP_FIGURES")
    assert set(data["deep"]) == {str(k) for k in figures.DEPTHS}
    for layers, shown in data["deep"].items():
        assert len(shown["program"]["notes"]) == 5 * int(layers) + 2
