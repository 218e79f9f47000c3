"""The built pages, as a reader meets them: from a web server and from a folder on disk, without a network."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
DOCUMENTS = [TOC["root"], *(entry["file"] for part in TOC["parts"] for entry in part["chapters"])]
WRITTEN = [f"{name}.html" for name in DOCUMENTS]
CHAPTERS = [name for name in WRITTEN if name.startswith("notebooks/")]
PAGES = [*WRITTEN, "index.html", "genindex.html", "search.html"]
_WAKING = 400  # milliseconds for a figure that wakes when it is scrolled into view
_PATIENCE = 120_000  # milliseconds: without a graphics card, 3-D figures are drawn by a busy processor


class Elements(HTMLParser):
    """All tags of a page with their attributes, and every name that a link may end in."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(page.read_text(encoding="utf-8"))
        self.anchors = {value for _, given in self.tags for key, value in given.items() if key in ("id", "name")}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))


@functools.cache
def elements(page: Path) -> Elements:
    return Elements(page)


@pytest.fixture(scope="module")
def served(html: Path) -> Iterator[str]:
    """The address of a plain web server with the pages, on this machine alone."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Visitor:
    """A browser window that allows nothing from outside, and all that went wrong in it."""

    def __init__(self, browser: Any, base: str, **options: Any) -> None:
        self.base = base
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.context.set_default_timeout(_PATIENCE)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", lambda r: r.status >= 400 and self.wrong.append(f"{r.status}: {r.url}"))
        self.context.route(re.compile(".*"), self._route)

    def _failed(self, request: Any) -> None:
        # A browser that has buffered enough of a video, or leaves its page, ends the request itself.
        if not (request.resource_type == "media" and "ABORTED" in (request.failure or "")):
            self.wrong.append(f"failed: {request.url[:200]} {request.failure}")

    def _route(self, route: Any) -> None:
        if route.request.url.startswith((self.base, "data:", "blob:")):
            route.continue_()
        else:
            self.wrong.append(f"external: {route.request.url}")
            route.abort()

    def open(self, name: str) -> Any:
        """Open a page, wait until it is at rest, and scroll through all of it."""
        self.page.goto(f"{self.base}/{name}", wait_until="load")
        if name == "index.html":  # leads on to the front page
            self.page.wait_for_url(f"**/{TOC['root']}.html", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        height = self.page.evaluate("() => document.documentElement.scrollHeight")
        for top in range(0, height, 700):
            self.page.evaluate("top => window.scrollTo(0, top)", top)
            self.page.wait_for_timeout(_WAKING if "notebooks/" in name else 50)
        return self.page


# What one visit to a page sees; the tests below judge it.
_SURVEY = """async () => {
    const all = selector => [...document.querySelectorAll(selector)];
    const large = e => { const box = e.getBoundingClientRect(); return box.width > 40 && box.height > 40; };
    const told = e => e.outerHTML.slice(0, 200);
    const ready = video => new Promise(done => {
        const source = video.currentSrc.slice(0, 200);
        const tell = () => done({source, state: video.readyState, width: video.videoWidth});
        if (video.readyState >= 2 || video.error) return tell();
        for (const event of ['loadeddata', 'error']) video.addEventListener(event, tell);
        setTimeout(tell, 10000);
        video.preload = 'auto';
        video.load();
    });
    const videos = [];
    for (const video of all('video')) videos.push(await ready(video));
    return {
        videos,
        images: all('img').map(i => ({source: i.src.slice(0, 200), drawn: i.complete && i.naturalWidth > 0})),
        mathematics: all('.math').map(m => ({text: m.textContent.slice(0, 200),
            typeset: !!m.querySelector('mjx-container') && !m.querySelector('mjx-merror, [data-mjx-error]')})),
        figures: Object.fromEntries(all('figure[id]').map(f => [f.id, {
            number: f.querySelector('.caption-number')?.textContent.trim() ?? '',
            caption: f.querySelector('.caption-text')?.textContent.trim() ?? '',
            drawn: [...f.querySelectorAll('img, video, canvas, svg')].some(large),
        }])),
        plots: all('.plotly-graph-div').map(p => p._fullData?.length > 0 && large(p.querySelector('.main-svg'))),
        silent: all('.cell_output img, .cell_output video, figure img')
            .filter(e => !(e.getAttribute('alt') || e.getAttribute('aria-label'))).map(told),
        loose: all('.cell_output img, .cell_output video, .cell_output .plotly-graph-div')
            .filter(e => !e.closest('figure')).map(told),
    };
}"""
_EXCESS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(params=["served", "from disk"])
def base(request: pytest.FixtureRequest, html: Path) -> str:
    return str(request.getfixturevalue("served")) if request.param == "served" else html.as_uri()


@pytest.fixture(scope="module")
def surveys() -> dict[tuple[str, str], dict[str, Any]]:
    return {}


@pytest.fixture
def seen(browser: Any, base: str, name: str, surveys: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    """What a visit to the page `name` saw. Each page is visited once from the server and once from disk."""
    if (base, name) not in surveys:
        visitor = Visitor(browser, base)
        page = visitor.open(name)
        found = {**page.evaluate(_SURVEY), "excess": page.evaluate(_EXCESS)}
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_timeout(_WAKING)
        surveys[base, name] = {**found, "excess on a telephone": page.evaluate(_EXCESS), "wrong": visitor.wrong}
        visitor.context.close()
    return surveys[base, name]


def expected_figures(page: str) -> dict[str, str]:
    """Return the captions by name that the figures of a chapter have in its notebook."""
    cells = nbformat.read((ROOT / page).with_suffix(".ipynb"), as_version=4).cells
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in cells]
    return {figure["name"]: figure.get("caption", "") for figure in figures if figure.get("name")}


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_whole(seen: dict[str, Any], name: str) -> None:
    """No failed or foreign request, no error on the console, no broken picture, every video plays."""
    assert seen["wrong"] == []
    assert [image["source"] for image in seen["images"] if not image["drawn"]] == []
    assert [video for video in seen["videos"] if video["state"] < 2 or not video["width"]] == []


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", WRITTEN)
def test_mathematics_is_typeset(seen: dict[str, Any], name: str) -> None:
    assert [formula["text"] for formula in seen["mathematics"] if not formula["typeset"]] == []


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_are_there(seen: dict[str, Any], name: str) -> None:
    """Every figure of the notebook is on the page: numbered, captioned, drawn, and told in words."""
    expected, figures = expected_figures(name), seen["figures"]
    assert expected, f"{name} has no figure"
    assert set(expected) <= set(figures)
    assert [figure for figure in expected if not figures[figure]["drawn"]] == []
    assert [f for f in expected if not re.fullmatch(r"Fig\. \d+(\.\d+)*", figures[f]["number"])] == []
    assert [figure for figure in expected if not figures[figure]["caption"]] == []
    assert all(seen["plots"])
    assert seen["silent"] == [], "no alt text"
    assert seen["loose"] == [], "no number and caption"


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", WRITTEN)
def test_no_page_is_wider_than_the_screen(seen: dict[str, Any], name: str) -> None:
    assert seen["excess"] <= 1
    assert seen["excess on a telephone"] <= 1


@pytest.fixture
def visitor(browser: Any, base: str) -> Iterator[Visitor]:
    made = Visitor(browser, base)
    yield made
    made.context.close()


@pytest.mark.browser
def test_the_search_finds(visitor: Visitor) -> None:
    page = visitor.open("search.html?q=embedding")
    page.wait_for_selector("#search-results ul.search li a")
    assert page.locator("#search-results ul.search li").count() > 0
    link = page.locator("#search-results ul.search li a").first.get_attribute("href")
    assert link and page.evaluate("href => new URL(href, location).pathname.endsWith('.html')", link)
    assert visitor.wrong == []


@pytest.mark.browser
def test_the_front_page_is_where_a_folder_opens(visitor: Visitor) -> None:
    page = visitor.open("index.html")
    assert page.locator("article h1").count() == 1


@pytest.mark.browser
@pytest.mark.timeout(1200)
def test_pictures_of_the_pages(browser: Any, served: str, request: pytest.FixtureRequest) -> None:
    """Not a check by itself: pictures for people to look at, in both colour schemes."""
    folder = request.config.getoption("--screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        visitor = Visitor(browser, served, color_scheme=scheme)
        for name in WRITTEN:
            page = visitor.open(name)
            page.evaluate("() => window.scrollTo(0, 0)")
            picture = folder / f"{name.removesuffix('.html').replace('/', '-')}-{scheme}.png"
            page.screenshot(path=picture, full_page=True)
            assert picture.stat().st_size > 10_000
        visitor.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(html: Path, name: str) -> None:
    """Every link to a page, an anchor or a file of the book exists."""
    page = html / name
    dead = []
    for tag, given in elements(page).tags:
        for address in (given.get("href"), given.get("src"), given.get("poster")):
            parts = urlsplit(address or "")
            if not address or parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                dead.append(f"<{tag}> {address}")
            elif parts.fragment and target.suffix == ".html" and not _has(target, parts.fragment):
                dead.append(f"<{tag}> {address}: no such place on the page")
    assert dead == []


def _has(page: Path, fragment: str) -> bool:
    return unquote(fragment) in elements(page).anchors


@pytest.mark.parametrize("name", PAGES)
def test_nothing_but_a_link_leads_outside(html: Path, name: str) -> None:
    foreign = [
        (tag, address)
        for tag, given in elements(html / name).tags
        for address in (given.get("src"), given.get("href") if tag == "link" else None, given.get("poster"))
        if (address or "").startswith(("http:", "https:", "//"))
    ]
    assert foreign == []


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_in_the_prose_are_filled(html: Path, name: str) -> None:
    text = (html / name).read_text(encoding="utf-8")
    glued = re.findall(r'<span class="pasted-text">(.*?)</span>', text, flags=re.DOTALL)
    empty = [value for value in glued if not value.strip() or re.fullmatch(r"'.*'|nan|-?inf|None", value.strip())]
    assert empty == []
    outside_code = re.sub(r"<(pre|code|script)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert "{glue" not in outside_code
    assert "{numref}" not in outside_code


def test_the_front_page_has_numbers_from_the_runs(html: Path) -> None:
    front = (html / f"{TOC['root']}.html").read_text(encoding="utf-8")
    assert len(re.findall(r'class="pasted-text"', front)) >= 5


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_tells_where_its_results_come_from(html: Path, name: str) -> None:
    text = (html / name).read_text(encoding="utf-8")
    assert 'class="provenance"' in text


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_cell_of_a_chapter_was_executed(html: Path, name: str) -> None:
    executed = nbformat.read((html / "_sources" / name).with_suffix(".ipynb"), as_version=4)
    code = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.strip()]
    assert [cell.source for cell in code if not cell.execution_count] == []
    assert [cell.source for cell in code if any(output.output_type == "error" for output in cell.outputs)] == []
