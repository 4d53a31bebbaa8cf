"""Sphinx extension: a book that needs no network.

Charts: the HTML that Altair writes fetches Vega, Vega-Lite and Vega-Embed from a CDN unless ``VEGA_DEBUG`` says that the
page has them already. The bundle in vl-convert-python is all three. It runs inside a function, because its top-level names
collide with those of Sphinx's own scripts.

Thebe: Jupyter Book always loads sphinx-thebe, whose setup here ends up on each page twice and points to a CDN. No page
uses it.
"""

import json
from pathlib import Path

import altair as alt
import vl_convert

VERSIONS = {"vega": alt.VEGA_VERSION, "vegalite": alt.VEGALITE_VERSION, "vegaembed": alt.VEGAEMBED_VERSION}


def write_vega(app):
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    loaded = json.dumps({f"{name}_version": version for name, version in VERSIONS.items()})
    script = f"(function(){{{vl_convert.javascript_bundle()}}})();\nwindow.VEGA_DEBUG = {loaded};"
    (folder / "vega.js").write_text(script, encoding="utf-8")


def drop_thebe(app):
    for listeners in app.events.listeners.values():
        listeners[:] = [listener for listener in listeners if listener.handler.__module__ != "sphinx_thebe"]


def setup(app):
    app.connect("builder-inited", write_vega)
    app.connect("builder-inited", drop_thebe)
    app.add_js_file("vega.js")
    return {"parallel_read_safe": True}
