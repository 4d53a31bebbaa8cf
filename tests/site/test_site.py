"""The built book as readers meet it, in a real browser: nothing is fetched from elsewhere, all is drawn, nothing sticks out.

Needs a built book (``make book`` or ``make test``) and Chromium: one on the PATH, else Playwright's own, else Debian's.
"""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Error, sync_playwright

import lossbarcode as lb

SITE = Path(__file__).parents[2] / "_build" / "html"
PAGES = sorted(page.relative_to(SITE).as_posix() for page in SITE.rglob("*.html") if "_static" not in page.parts)
READ = [page for page in PAGES if page not in ("index.html", "genindex.html", "search.html")]
WIDTHS = (390, 768, 1440)
LIMIT = 60 << 20  # bytes of the whole site
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]

# Every chart that Vega-Embed makes is kept, so that its marks can be counted; set before any script of the page runs.
KEEP_VIEWS = """
window.views = [];
let embed;
Object.defineProperty(window, "vegaEmbed", {
  get: () => embed,
  set: (original) => { embed = (...all) => original(...all).then((result) => (views.includes(result.view) || views.push(result.view), result)); },
});
"""
MARKS = """() => {
  const count = (item) => item.items ? item.items.reduce((sum, one) => sum + count(one), 0)
    + (item.marktype && item.marktype !== "group" && item.role === "mark" ? item.items.length : 0) : 0;
  return views.map((view) => count(view.scenegraph().root));
}"""
SEEN = """() => {
  const inner = [...document.querySelectorAll("[id^=altair-viz]")];
  const formulas = [...document.querySelectorAll(".math")];
  return {
    charts: inner.length,
    formulas: formulas.length,
    typeset: formulas.filter((one) => one.querySelector("mjx-container")).length,
    merrors: document.querySelectorAll("mjx-merror").length,
    described: inner.filter((one) => one.querySelector("[role='graphics-document']")?.ariaLabel?.length > 20).length,
    captioned: inner.filter((one) => one.closest("figure")?.querySelector("figcaption")).length,
    images: [...document.images].filter((one) => one.complete && !one.naturalWidth).map((one) => one.src),
  };
}"""
# Where text stands against what: WCAG's contrast of the text of a page, and whether charts, drawn in dark ink, lie on light paper.
CONTRAST = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (!/rgba\\(.*, 0\\)$|transparent/.test(color)) return light(color);
    }
    return 1;
  };
  const contrast = (one) => {
    const [low, high] = [light(getComputedStyle(one).color), behind(one)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const text = [...document.querySelectorAll("article p, article li, article td, article h1, article h2, article pre, figcaption")];
  return {
    theme: document.documentElement.dataset.theme,
    worst: Math.min(...text.filter((one) => one.innerText?.trim()).map(contrast)),
    charts: [...document.querySelectorAll("[id^=altair-viz]")].map(behind),
  };
}"""


def browser_of(playwright):
    """Whichever browser the machine allows."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
    tries = [[sys.executable, "-m", "playwright", "install", "chromium"], ["apt-get", "install", "--yes", "--quiet", "chromium"]]
    while True:
        try:
            return playwright.chromium.launch(executable_path=found, args=FLAGS)
        except Error:
            if not tries:
                raise
            command = tries.pop(0)
            if shutil.which(command[0]):
                subprocess.run(command, check=False, capture_output=True)
            found = shutil.which("chromium") if command[0] == "apt-get" else None


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = browser_of(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server():
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=os.fspath(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Reader:
    """A page, and what went wrong while it was read."""

    def __init__(self, browser, home, **options):
        self.context, self.home = browser.new_context(**options), home
        self.page, self.errors, self.outside = self.context.new_page(), [], []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.route("**/*", self.only_here)
        self.page.add_init_script(KEEP_VIEWS)

    def only_here(self, route):
        if route.request.url.startswith((self.home, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def open(self, page):
        self.page.goto(self.home + page, wait_until="load")
        charts, formulas = "[id^=altair-viz]", ".math"
        self.page.wait_for_function(f"views.length === document.querySelectorAll('{charts}').length", timeout=60_000)
        self.page.wait_for_function(
            f"document.querySelectorAll('{formulas} mjx-container').length >= document.querySelectorAll('{formulas}').length"
        )
        return self.page.evaluate(SEEN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def test_the_book_is_built():
    assert {"index.html", "book/intro.html", "search.html"} <= set(PAGES)
    assert len([page for page in PAGES if page.startswith("notebooks/")]) == len(list((SITE.parents[1] / "notebooks").glob("*.ipynb")))


def test_the_site_is_small():
    assert sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file()) < LIMIT


@pytest.mark.parametrize("page", READ)
def test_page(page, browser, server):
    with Reader(browser, server, viewport={"width": WIDTHS[-1], "height": 900}) as reader:
        seen = reader.open(page)
        marks = reader.page.evaluate(MARKS)
        assert len(marks) == seen["charts"]
        assert all(count > 0 for count in marks), marks
        assert seen["described"] == seen["captioned"] == seen["charts"]
        assert seen["typeset"] == seen["formulas"]
        assert seen["merrors"] == 0
        assert seen["images"] == []
        for letters in ("normal", "0.05em"):  # other machines have other fonts, and they may be wider
            reader.page.add_style_tag(content=f"body * {{ letter-spacing: {letters} }}")
            for width in WIDTHS:
                reader.page.set_viewport_size({"width": width, "height": 900})
                assert reader.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, (letters, width)
        assert (reader.errors, reader.outside) == ([], [])


@pytest.mark.parametrize("page", READ)
def test_page_in_the_dark(page, browser, server):
    with Reader(browser, server, viewport={"width": 1440, "height": 900}, color_scheme="dark") as reader:
        reader.open(page)
        found = reader.page.evaluate(CONTRAST)
        assert found["theme"] == "dark"
        assert found["worst"] > 4.5  # what WCAG asks of text
        assert all(light > 0.5 for light in found["charts"]), found["charts"]


def test_the_home_page_leads_into_the_book(browser, server):
    with Reader(browser, server) as reader:
        reader.page.goto(server)
        reader.page.wait_for_url("**/book/intro.html")
        assert reader.page.inner_text("h1").startswith("Loss barcodes")
        loaded = reader.page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
        print(f"the home page is complete after {loaded / 1000:.2f} s")  # a figure, not a claim: machines differ


def test_search(browser, server):
    with Reader(browser, server) as reader:
        reader.page.goto(server + "search.html?q=saddle")
        reader.page.wait_for_selector("#search-results li a")
        assert reader.page.locator("#search-results li").count() > 5
        assert (reader.errors, reader.outside) == ([], [])


@pytest.mark.parametrize("page", ["book/intro.html", "notebooks/01_barcodes.html"])
def test_page_from_disk(page, browser):
    with Reader(browser, SITE.as_uri() + "/") as reader:
        seen = reader.open(page)
        assert seen["charts"] == len(reader.page.evaluate(MARKS))
        assert seen["images"] == []
        assert (reader.errors, reader.outside) == ([], [])


def test_a_saved_chart_from_disk(browser, tmp_path):
    """All scripts are in the file."""
    basins = lb.basins(lb.sample(lb.functions.SixHumpCamel(), (40, 40), method="grid"))
    lb.charts.dashboard(basins).save(tmp_path / "chart.html", inline=True)
    with Reader(browser, tmp_path.as_uri() + "/", viewport={"width": 1000, "height": 700}) as reader:
        reader.page.goto(reader.home + "chart.html")
        reader.page.wait_for_function("views.length === 1")
        (marks,) = reader.page.evaluate(MARKS)
        assert marks > 50
        assert (reader.errors, reader.outside) == ([], [])
