"""The built book: nothing is missing, nothing comes from elsewhere, every link leads somewhere."""

import re
import shutil
from functools import cache
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from book_build import NOTEBOOKS, ROOT, executed, run_book, site  # noqa: F401

bs4 = pytest.importorskip("bs4")
nbformat = pytest.importorskip("nbformat")
pytestmark = [pytest.mark.book, pytest.mark.lava, pytest.mark.slow]


@cache
def parsed(path):
    """A page, parsed."""
    return bs4.BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path):
    """What a link to a page may name after its ``#``."""
    named = parsed(path).find_all(lambda tag: tag.has_attr("id") or tag.has_attr("name"))
    return {tag.get(key) for tag in named for key in ("id", "name")}


def pages(site):  # noqa: F811
    """All pages of the site."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def in_toc(node):
    """Every file named by the table of contents."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("file", "root"):
                yield value
            else:
                yield from in_toc(value)
    elif isinstance(node, list):
        for item in node:
            yield from in_toc(item)


def test_every_page_is_in_the_contents(site):  # noqa: F811
    files = list(in_toc(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))
    assert len(files) == len(set(files))
    own = {str(p.relative_to(ROOT).with_suffix("")) for p in (ROOT / "book").rglob("*.md")}
    own |= {f"notebooks/{path.stem}" for path in NOTEBOOKS}
    assert own <= set(files)
    for file in files:
        assert (site / f"{file}.html").is_file(), file


def test_the_start_leads_to_the_first_page(site):  # noqa: F811
    assert "book/index.html" in (site / "index.html").read_text(encoding="utf-8")


def test_every_picture_has_an_alternative_text(site):  # noqa: F811
    count = 0
    for page in pages(site):
        for image in parsed(page).find_all("img"):
            count += 1
            assert (image.get("alt") or "").strip(), (page, image)
            if "_images" in image["src"]:
                assert len(image["alt"]) > 40, (page, image["alt"])
    assert count > 30


def test_every_internal_link_and_anchor_resolves(site):  # noqa: F811
    count = 0
    for page in pages(site):
        for link in parsed(page).find_all("a", href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc:
                continue
            target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
            assert target.is_file(), (page, link["href"])
            if "=" in parts.fragment:  # a drawing for the lab, which is on that page
                assert re.fullmatch(r"digit=\d(&teach=\d+)?", parts.fragment), link["href"]
                assert target.name == "lab.html", (page, link["href"])
            elif parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in anchors(target), (page, link["href"])
            count += 1
    assert count > 500


def test_nothing_is_loaded_from_elsewhere(site):  # noqa: F811
    for page in pages(site):
        for tag, attribute in (("script", "src"), ("img", "src"), ("iframe", "src"),
                               ("link", "href"), ("source", "src")):  # fmt: skip
            for element in parsed(page).find_all(tag, attrs={attribute: True}):
                if tag == "link" and set(element.get("rel", [])) & {"canonical", "next", "prev"}:
                    continue
                assert not re.match(r"(https?:)?//", element[attribute]), (page, element)
    for sheet in site.rglob("*.css"):
        urls = re.findall(r"url\(\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8"))
        assert not urls, sheet
    assert (site / "_static" / "mathjax" / "tex-svg.js").stat().st_size > 1_000_000


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_figures_and_solutions_reach_the_page(name, site, executed):  # noqa: F811
    notebook = nbformat.read(executed / f"{name}.ipynb", as_version=4)
    shown = [cell for cell in notebook.cells if "figure" in cell.metadata.get("mystnb", {})]
    solutions = [c for c in notebook.cells if "hide-cell" in c.metadata.get("tags", [])]
    page = parsed(site / "notebooks" / f"{name}.html")
    assert len(page.select("figure figcaption")) == len(shown)
    hidden = page.select("details.hide summary")
    assert len([s for s in hidden if "solution" in s.get_text()]) == len(solutions) >= 2


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_launch_and_download_buttons(name, site):  # noqa: F811
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    owner = "/".join(config["repository"]["url"].split("/")[-2:])
    links = [
        a["href"] for a in parsed(site / "notebooks" / f"{name}.html").find_all("a", href=True)
    ]
    assert any(
        f"mybinder.org/v2/gh/{owner}/main" in link and f"notebooks/{name}.ipynb" in link
        for link in links
    )
    colab = [link for link in links if "colab.research.google.com" in link]
    if name == "07_lava":
        assert colab == []
    else:
        end = f"/github/{owner}/blob/gh-pages/colab/{name}.ipynb"
        assert [link.endswith(end) for link in colab] == [True]
        opened = nbformat.read(site / "colab" / f"{name}.ipynb", as_version=4)
        assert "%pip install" in opened.cells[1].source
        assert not any(cell.get("outputs") for cell in opened.cells)
    assert any(link.endswith(f"_sources/notebooks/{name}.ipynb") for link in links)


def test_mathematics_and_notation(site):  # noqa: F811
    page = parsed(site / "book" / "notation.html").get_text()
    for name in ("x_mem", "h<", "h>", "h_mem", "h_box", "hT", "o<", "o>", "d+", "d-", "o-", "g11"):
        assert name in page
    assert parsed(site / "notebooks" / "05_full_circuit.html").select("div.math")


def test_the_reference_lists_what_the_package_exports(site):  # noqa: F811
    import sbp

    known = "".join(p.read_text(encoding="utf-8") for p in (site / "book" / "api").glob("*.html"))
    for name in sbp.__all__:
        # Modules and constants have no signature that the reference would show.
        if callable(getattr(sbp, name)):
            assert f">{name}<" in known, name


def test_a_dead_link_fails_the_build(tmp_path):
    for part in ("tools", "book", "notebooks"):
        (tmp_path / part).mkdir()
    shutil.copy(ROOT / "tools" / "book.py", tmp_path / "tools")
    shutil.copytree(ROOT / "book" / "_ext", tmp_path / "book" / "_ext")
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "book" / "_static")
    shutil.copytree(ROOT / "lab" / "static", tmp_path / "lab" / "static")
    shutil.copy(ROOT / "book" / "references.bib", tmp_path / "book")
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n")
    (tmp_path / "sbp").symlink_to(ROOT / "sbp")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    page = tmp_path / "book" / "index.md"
    page.write_text("# A page\n\n[somewhere](nowhere.md)\n")
    done = run_book("html", "--quick", root=tmp_path)
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
    assert "Traceback" not in done.stderr
    page.write_text("# A page\n\nwithout a link\n")
    done = run_book("html", "--quick", root=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "up to date" in run_book("html", "--quick", root=tmp_path).stderr
