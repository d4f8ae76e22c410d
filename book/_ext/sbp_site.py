"""What this book changes about the pages that its theme makes.

*Launch buttons.*  The repository keeps notebooks as text; Binder and Colab open .ipynb files.
Binder makes them when it builds its machine (`postBuild`); for Colab they are published with the
site, on the branch ``gh-pages``, with a first cell that installs the package.  Colab has no
Python 3.10, and so no Lava: such notebooks get no Colab button.

*Glossary.*  Notebooks are also read in Jupyter, which does not know the role ``{term}``.  There a
term is an ordinary link, ``[gate](../book/notation.md#term-gate)``; here such links find the
glossary, and one to a term that is not there is a warning, which fails the build.

*Finished pages.*  Pages opened from disk (``file://``) may not preload fonts, and the style sheet
loads the same fonts anyway: the preloading goes.  So does Thebe, which is not used, with its
set-up, which names another site and is written twice, what the browser reports as an error; and a
role that docutils gives to bibliographies without the roles that it demands of their parts.  Where
a page has no contents of its own at the side, nothing can follow them: the theme would follow every
link of the page, and stumble over those of the lab.  Pictures are fetched when they come near, into
a frame of their size, and each leads to the file.
"""

import re
import struct
from functools import partial
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

NEEDS_LAVA = {"notebooks/07_lava"}
UNWANTED = re.compile(
    r'\s*<link rel="preload" as="font"[^>]*>'
    r"|<script>const THEBE_JS_URL[^<]*</script>"
    r"|\s*<link [^>]*/sphinx-thebe\.css[^>]*>"
    r"|\s*<script [^>]*/sphinx-thebe\.js[^>]*></script>"
    r'|(?<=<div) role="list"(?= class="citation-list">)'
)
PICTURE = re.compile(r'(<a [^>]*>\s*)?<img ([^>]*src="([^"]*_images/[^"]+\.png)"[^>]*)>')
FOLLOW = ' data-bs-spy="scroll" data-bs-target=".bd-toc-nav"'
CONTENTS = '<nav class="bd-toc-nav'


def redirect(app: Sphinx, pagename: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Mend the launch buttons of one page, after the theme has made them."""
    for group in context.get("header_buttons", []):
        if group.get("label") != "launch-buttons":
            continue
        buttons = {button["text"]: button for button in group["buttons"]}
        if pagename in NEEDS_LAVA:
            buttons.pop("Colab", None)
        elif "Colab" in buttons:
            branch = app.config.html_theme_options["repository_branch"]
            url = buttons["Colab"]["url"].replace(f"/blob/{branch}/", "/blob/gh-pages/")
            buttons["Colab"]["url"] = url.replace("/notebooks/", "/colab/")
        group["buttons"] = list(buttons.values())


def terms(app: Sphinx, env: Any) -> None:
    """Let links of the form ``notation.md#term-NAME`` lead to the glossary."""
    for name, _, kind, page, anchor, _ in env.get_domain("std").get_objects():
        if kind == "term":
            slugs = env.metadata[page].setdefault("myst_slugs", {})
            slugs[anchor.lower()] = (0, anchor, name)


def framed(folder: Path, found: re.Match[str]) -> str:
    """A picture of a page in `folder` with its size, and a link to its file if it has none."""
    link, attributes, path = found.groups()
    with (folder / path).open("rb") as stream:
        width, height = struct.unpack(">16x2I", stream.read(24))
    image = f'<img loading="lazy" width="{width}" height="{height}" {attributes}>'
    return link + image if link else f'<a class="image-reference" href="{path}">{image}</a>'


def clean(app: Sphinx, exception: Exception | None) -> None:
    """Take what is unwanted out of every finished page."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            cleaned = PICTURE.sub(partial(framed, page.parent), UNWANTED.sub("", text))
            if CONTENTS not in cleaned:
                cleaned = cleaned.replace(FOLLOW, "")
            if cleaned != text:
                page.write_text(cleaned, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Run after the theme's own handlers, which have priority 501."""
    app.connect("html-page-context", redirect, priority=700)
    app.connect("env-updated", terms)
    app.connect("build-finished", clean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
