"""Sphinx extension: a book that needs no network.

Charts: the HTML that Altair writes fetches Vega, Vega-Lite and Vega-Embed from a CDN unless ``VEGA_DEBUG`` says that the
page has them already. The bundle in vl-convert-python is all three. It runs inside a function, because its top-level names
collide with those of Sphinx's own scripts.

Charts speak: one without a description of its own gets the caption of its figure, for those who do not see it.

Thebe: Jupyter Book always loads sphinx-thebe, whose setup here ends up on each page twice and points to a CDN. No page
uses it.

Fonts: the theme asks for them ahead of time in a way that browsers refuse, loudly, where a page comes from a disk. They load
all the same, by their style sheets.
"""

import json
import re
from pathlib import Path

import altair as alt
import vl_convert

VERSIONS = {"vega": alt.VEGA_VERSION, "vegalite": alt.VEGALITE_VERSION, "vegaembed": alt.VEGAEMBED_VERSION}

DESCRIBE = """
(function () {
  const draw = window.vegaEmbed;  // charts are drawn before the captions below them have been read
  const read = new Promise((done) => document.readyState === "loading" ? addEventListener("DOMContentLoaded", done) : done());
  window.vegaEmbed = (place, spec, ...options) => read.then(() => {
    const figure = (typeof place === "string" ? document.querySelector(place) : place).closest("figure");
    return draw(place, {description: figure?.querySelector("figcaption")?.innerText.trim(), ...spec}, ...options);
  });
})();
"""


def write_vega(app):
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    loaded = json.dumps({f"{name}_version": version for name, version in VERSIONS.items()})
    script = f"(function(){{{vl_convert.javascript_bundle()}}})();\nwindow.VEGA_DEBUG = {loaded};{DESCRIBE}"
    (folder / "vega.js").write_text(script, encoding="utf-8")


def drop_thebe(app):
    for listeners in app.events.listeners.values():
        listeners[:] = [listener for listener in listeners if listener.handler.__module__ != "sphinx_thebe"]


def drop_font_preloads(app, _):
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        shorter = re.sub(r'<link rel="preload" as="font"[^>]*>\s*', "", text)
        if shorter != text:
            page.write_text(shorter, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write_vega)
    app.connect("builder-inited", drop_thebe)
    app.connect("build-finished", drop_font_preloads)
    app.add_js_file("vega.js")
    return {"parallel_read_safe": True}
