"""The built book (`make book`) in a real Chromium, served over HTTP and opened from disk."""

import functools
import http.server
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
#: What the theme itself logs, whatever is on the page.
KNOWN = ("invalid theme mode", "favicon.ico")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

pages = sorted(
    str(path.relative_to(SITE))
    for path in SITE.rglob("*.html")
    if not {"_static", "_modules"} & set(path.parts)
)
reading = [p for p in pages if p.startswith(("book/", "notebooks/", "results/"))]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def server():
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


@pytest.fixture(params=["http", "file"])
def base(request, server):
    return server if request.param == "http" else SITE.as_uri()


@pytest.fixture
def tab(chromium):
    """A page that notes everything that goes wrong in it."""
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.faults = []

    def logged(message):
        text = f"{message.text} {message.location['url']}"
        if message.type == "error" and not any(known in text for known in KNOWN):
            page.faults.append(text)

    def requested(request):
        parts = urlsplit(request.url)
        if parts.scheme not in ("file", "data", "blob") and parts.hostname != "127.0.0.1":
            page.faults.append(f"external request {request.url}")

    page.on("console", logged)
    page.on("request", requested)
    page.on("requestfailed", lambda request: page.faults.append(f"failed {request.url}"))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on(
        "response",
        lambda got: (
            got.status >= 400
            and not any(known in got.url for known in KNOWN)
            and page.faults.append(f"{got.status} {got.url}")
        ),
    )
    yield page
    context.close()


def settled(page, url):
    """Open a page and wait for its mathematics."""
    page.goto(url, wait_until="load")
    page.wait_for_function("!window.MathJax || !MathJax.startup || !!MathJax.startup.document")
    # An evaluation has no time limit of its own.
    page.evaluate(
        "() => Promise.race([window.MathJax?.startup?.promise,"
        " new Promise(after => setTimeout(after, 9000))])"
    )


def test_the_book_was_built():
    assert len(reading) > 20, f"no book in {SITE}: run `make book` first"


@pytest.mark.parametrize("name", [name for name in pages if name != "index.html"])
def test_a_page_loads_without_a_fault(name, tab, base):
    settled(tab, f"{base}/{name}")
    assert tab.faults == []


def test_the_start_leads_on(tab, base):
    tab.goto(f"{base}/index.html", wait_until="commit")
    tab.wait_for_url("**/book/index.html", wait_until="load")
    assert tab.faults == []


def weight(page, url):
    """Bytes that a page opened from disk loads at once, but MathJax and icon fonts."""
    files = set()
    page.on("request", lambda request: files.add(Path(unquote(urlsplit(request.url).path))))
    settled(page, url)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.sbp-figure')].every((f) => 'ready' in f.dataset)"
        " && (!document.querySelector('#sbp-lab') || SBP.lab)"
    )
    page.wait_for_load_state("networkidle")
    left_out = {"mathjax", "fontawesome"}
    files = {f for f in files if f.is_file()}
    return sum(f.stat().st_size for f in files if not left_out & set(f.parts))


def test_the_lab_weighs_less_than_a_megabyte(tab):
    assert 500_000 < weight(tab, f"{SITE.as_uri()}/book/lab.html") < 1_000_000


@pytest.mark.parametrize("name", reading)
def test_a_page_weighs_less_than_a_megabyte(name, tab):
    assert weight(tab, f"{SITE.as_uri()}/{name}") < 1_000_000


@pytest.mark.parametrize("name", reading)
def test_a_page_fits_a_phone(name, tab, server):
    tab.set_viewport_size(PHONE)
    settled(tab, f"{server}/{name}")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(wide) <= 0


@pytest.mark.parametrize("name", ["notebooks/01_neuron.html", "notebooks/05_full_circuit.html"])
def test_mathematics_is_rendered(name, tab, base):
    settled(tab, f"{base}/{name}")
    formulas = tab.evaluate("document.querySelectorAll('.math').length")
    tab.wait_for_function(
        "n => document.querySelectorAll('mjx-container svg').length >= n", arg=formulas
    )
    assert formulas > 10
    assert tab.evaluate("document.querySelectorAll('mjx-merror, [data-mjx-error]').length") == 0


def test_what_scrolls_by_itself_takes_the_keyboard_s_focus(tab, server):
    tab.set_viewport_size(PHONE)
    settled(tab, f"{server}/results/status.html")
    wide = "[...document.querySelectorAll('.bd-article table')].filter(t => t.scrollWidth > {})"
    assert tab.evaluate(f"{wide.format('t.clientWidth + 1')}.length") > 1
    assert tab.evaluate(f"{wide.format('t.clientWidth + 1')}.every(t => t.tabIndex === 0)")
    table = tab.locator(".bd-article table[tabindex='0']").first
    table.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.activeElement.scrollLeft > 0")
    # Where it fits, it is no stop.
    tab.set_viewport_size({"width": 1600, "height": 900})
    tab.wait_for_function("!document.querySelector('.bd-article table').hasAttribute('tabindex')")


def test_search_finds_a_word(tab, base):
    tab.goto(f"{base}/search.html?q=refractory")
    # What is found appears one by one.
    tab.wait_for_selector("#search-results a[href*='notebooks/01_neuron']", timeout=20_000)
    # A page opened from disk may not fetch the other pages for the lines around the word.
    assert base.startswith("file") or tab.faults == []


def test_dark_mode(tab, server):
    settled(tab, f"{server}/notebooks/01_neuron.html")
    seen = set()
    for _ in range(3):
        tab.locator("button.theme-switch-button").first.click()
        seen.add(tab.evaluate("document.documentElement.dataset.theme"))
    assert "dark" in seen


def test_a_solution_is_hidden_and_opens(tab, server):
    settled(tab, f"{server}/notebooks/01_neuron.html")
    details = tab.locator("details.hide").first
    assert not details.evaluate("d => d.open")
    details.locator("summary").click()
    assert details.evaluate("d => d.open")


@pytest.mark.parametrize("screen", [{"width": 1366, "height": 768}, PHONE], ids=["wide", "phone"])
def test_the_lab_is_on_the_screen_while_it_learns(screen, tab, base):
    """A shared lesson, in the book's own frame: pad, answer and stage, below the bar at the top."""
    tab.set_viewport_size(screen)
    tab.emulate_media(reduced_motion="reduce")
    tab.goto(f"{base}/book/lab.html#digit=1&teach=7")
    tab.wait_for_function("SBP.lab?.drawing.label === 7")
    tab.wait_for_function(
        "() => { const at = document.querySelector('.lab-stage').getBoundingClientRect();"
        " return at.height > 100 && at.bottom <= innerHeight; }"
    )
    bar = tab.locator(".bd-header-article")
    parts = (".lab-pad", ".lab-verdict", ".lab-chart", ".lab-stage")
    boxes = [tab.locator(part).first.bounding_box() for part in parts]
    top = bar.bounding_box()["y"] + bar.bounding_box()["height"]
    for part, box in zip(parts, boxes, strict=True):
        assert box["y"] >= top, part
        assert box["y"] + box["height"] <= screen["height"], part
        assert box["x"] + box["width"] <= screen["width"], part
    assert tab.faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", reading)
def test_no_serious_accessibility_violation(name, theme, tab, server):
    from axe_playwright_python.sync_playwright import Axe

    tab.add_init_script(f"localStorage.setItem('mode', '{theme}')")
    settled(tab, f"{server}/{name}")
    results = Axe().run(tab, context="article")
    serious = [
        (violation["id"], [node["html"][:120] for node in violation["nodes"][:3]])
        for violation in results.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []
