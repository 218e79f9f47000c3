"""The built pages, as a reader meets them: from a web server and from a folder on disk, without a network."""

import functools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from visitor import CHAPTERS, PAGES, ROOT, TOC, VISITS, WRITTEN, Visitor, axe, picture, profile_of, weights_and_times

# The theme's files and MathJax weigh 4.7 MB and Plotly 4.9 MB; a page's HTML up to 1.5 MB and its pictures 2 MB. To
# that come the beginnings of a few films, of which none is larger than 3 MB.
_MOST_MEGABYTES = 20.0


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


@pytest.fixture(scope="session")
def script(request: pytest.FixtureRequest) -> str:
    """axe-core, which npm installs once."""
    return axe(request.config.cache.mkdir("axe"))


@pytest.fixture
def seen(browser: Any, base: str, name: str, script: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a visit to the page `name` saw. Each page is visited once from the server and once from disk.

    How it looks and sounds does not depend on where it comes from, so that is judged, and pictures are made, only once.
    """
    visits: dict[str, dict[str, Any]] = request.config.stash[VISITS].setdefault(base, {})
    if name not in visits:
        visitor = Visitor(browser, base, color_scheme="light")
        first = base.startswith("http:") and name != "index.html"  # which only leads on to the front page
        folder = request.config.getoption("--screenshots") if first else None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        visits[name] = visitor.survey(name, script=script if first else "", pictures=folder)
        visitor.context.close()
    return visits[name]


def expected_figures(page: str) -> dict[str, str]:
    """Return the captions by name that the figures of a chapter have in its notebook."""
    cells = nbformat.read((ROOT / page).with_suffix(".ipynb"), as_version=4).cells
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in cells]
    return {figure["name"]: figure.get("caption", "") for figure in figures if figure.get("name")}


def test_no_page_is_left_out(html: Path) -> None:
    """All pages that were built are tested here; the theme's parts and other files beside them are not pages."""
    built = {path.relative_to(html) for path in html.rglob("*.html")}
    assert {path.as_posix() for path in built if path.parts[0] not in ("_static", "vendor")} == set(PAGES)


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_completely(seen: dict[str, Any], name: str) -> None:
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
@pytest.mark.parametrize("name", WRITTEN)
def test_equations_and_tables_fit_the_page(seen: dict[str, Any], name: str) -> None:
    """On a wide screen nobody has to scroll for an equation's end, which may be its result, or a last column."""
    assert seen["cut"] == []


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_are_there(seen: dict[str, Any], name: str) -> None:
    """Every figure of the notebook is on the page: numbered, captioned, drawn, and described in words."""
    expected, figures = expected_figures(name), seen["figures"]
    assert expected, f"{name} has no figure"
    assert set(expected) <= set(figures)
    assert [figure for figure in expected if not figures[figure]["drawn"]] == []
    assert [f for f in expected if not re.fullmatch(r"Fig\. \d+(\.\d+)*", figures[f]["number"])] == []
    assert [figure for figure in expected if not figures[figure]["caption"]] == []
    assert all(seen["plots"])
    assert seen["asleep"] == 0, "a figure did not wake when it was scrolled into view"
    assert seen["silent"] == [], "no alt text"
    assert seen["loose"] == [], "no number and caption"


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_the_screen(seen: dict[str, Any], name: str) -> None:
    assert seen["too wide"] == []
    assert seen["too wide on a telephone"] == []


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("base", ["served"], indirect=True)
@pytest.mark.parametrize("name", [name for name in PAGES if name != "index.html"])
def test_axe_finds_no_serious_fault(seen: dict[str, Any], name: str) -> None:
    """In light, in dark and at a phone's width: names, roles, contrasts, what keys reach."""
    assert seen["faults"] == []


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [name for name in PAGES if name != "index.html"])
def test_the_switch_goes_through_the_colour_schemes(seen: dict[str, Any], name: str) -> None:
    (dark, light, automatic) = seen["modes"]
    assert [dark[0], light[0], automatic[0]] == ["dark", "light", "auto"]
    assert light[1] == automatic[1] != dark[1], "the ground of the page"


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", WRITTEN)
def test_no_control_is_dead(seen: dict[str, Any], name: str) -> None:
    assert seen["needing_a_kernel"] == []
    assert seen["dead"] == []


@pytest.mark.browser
@pytest.mark.parametrize("base", ["served"], indirect=True)
def test_a_dead_control_is_found(visitor: Visitor) -> None:
    """Wherever it is, even where the buttons that copy code, used just before, are still turning back by themselves."""
    page = visitor.go("notebooks/01_dataset.html")
    page.locator("article .copybtn").first.wait_for(state="attached")
    page.evaluate(_PLANT)
    assert visitor.dead_controls() == ["<button>dead after code</button>", "<button>dead at the end</button>"]


# Buttons without an effect: one after the fifth piece of code, one as the last control of all.
_PLANT = """() => {
    const [code, end] = ['dead after code', 'dead at the end']
        .map(name => Object.assign(document.createElement('button'), {textContent: name}));
    document.querySelectorAll('article .copybtn')[4].after(code);
    document.querySelector('article').append(end);
}"""


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", CHAPTERS)
def test_no_button_above_a_figure_leads_outside(seen: dict[str, Any], name: str) -> None:
    """Plotly has more buttons than these, which the tests of the controls press; one sends a figure to a server."""
    assert set(seen["bars"]) <= {"Reset axes", "Reset camera to last save"}
    assert len(seen["bars"]) == len(seen["plots"])


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("base", ["served"], indirect=True)
@pytest.mark.parametrize("name", WRITTEN)
def test_a_page_is_not_too_heavy(seen: dict[str, Any], name: str) -> None:
    weight = weights_and_times({name: seen})[name]["megabytes"]
    assert 0.1 < weight <= _MOST_MEGABYTES


@pytest.mark.browser
def test_the_search_page_finds_a_word(visitor: Visitor) -> None:
    page = visitor.open("search.html?q=embedding")
    page.wait_for_selector("#search-results ul.search li a")
    assert page.locator("#search-results ul.search li").count() > 0
    link = page.locator("#search-results ul.search li a").first.get_attribute("href")
    assert link and page.evaluate("href => new URL(href, location).pathname.endsWith('.html')", link)
    assert visitor.wrong == []


@pytest.mark.browser
def test_a_turnable_figure_sleeps_until_it_is_near(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(f"{visitor.base}/notebooks/02_loss.html", wait_until="load")
    figures = page.locator(".living-figure[data-script]")
    far = figures.last
    assert far.locator("template").count() == 1
    assert page.evaluate("() => typeof Plotly") == "undefined", "loaded before a figure needs it"
    height = far.bounding_box()["height"]  # its room is kept, so that nothing jumps when it is drawn
    far.scroll_into_view_if_needed()
    far.locator(".main-svg").first.wait_for()
    assert far.locator("template").count() == 0
    assert abs(far.bounding_box()["height"] - height) <= 40
    assert visitor.wrong == []


@pytest.mark.browser
def test_the_explorer_follows_the_chapters_links(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(f"{visitor.base}/notebooks/00_explorer.html", wait_until="load")
    links = page.locator("a[href^='#explorer?']")
    assert links.count() >= 3
    states = set()
    for link in links.all():
        link.click()
        page.wait_for_selector(".vx[data-error]")
        page.wait_for_timeout(2500)  # the sheet moves, then the line says where to
        states.add(page.locator(".vx-state").inner_text())
    assert len(states) == links.count()
    assert any("in the hole" in text for text in states) and any("off the sheet" in text for text in states)
    assert visitor.wrong == []


def test_the_explorer_weighs_no_more_than_it_may(html: Path) -> None:
    text = (html / "notebooks" / "00_explorer.html").read_text(encoding="utf-8")
    (widget,) = re.findall(r'<div class="living-widget".*?</script></div>', text, flags=re.DOTALL)
    assert len(widget.encode()) <= 1_500_000


@pytest.mark.browser
def test_the_front_page_is_where_a_folder_opens(visitor: Visitor) -> None:
    page = visitor.open("index.html")
    assert page.locator("article h1").count() == 1


@pytest.mark.browser
@pytest.mark.parametrize("base", ["served"], indirect=True)
def test_the_page_that_leads_there_is_one_by_itself(visitor: Visitor, html: Path, script: str) -> None:
    """For those whose browser does not follow: a title, a language, a link to the same place, and no fault."""
    text = (html / "index.html").read_text(encoding="utf-8")
    leads_on = r'<meta http-equiv="refresh" content="0; url=(.*?)">'
    assert re.findall(leads_on, text) == [f"{TOC['root']}.html"]
    page = visitor.page
    page.set_content(re.sub(leads_on, "", text))  # or the browser is gone before it is asked
    assert page.title() and page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("link").get_attribute("href") == f"{TOC['root']}.html"
    assert visitor.faults("light", script) == []


@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize("base", ["served"], indirect=True)
@pytest.mark.parametrize("name", [name for name in PAGES if name != "index.html"])
def test_pictures_of_the_pages(seen: dict[str, Any], name: str, request: pytest.FixtureRequest) -> None:
    """Not a check by itself: pictures for people to look at, in both colour schemes and at a phone's width."""
    for kind in ("light", "dark", "telephone"):
        assert (request.config.getoption("--screenshots") / picture(name, kind)).stat().st_size > 10_000


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
            elif parts.fragment and target.suffix == ".html" and not _has(target, parts.fragment.split("?")[0]):
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


def filled(value: str) -> bool:
    """Return whether glued text is readable: not empty, not the repr of a string, not None, NaN or infinite."""
    value = value.strip()
    return bool(value) and not re.fullmatch(r"'.*'|None", value) and not re.search(r"(?<!\w)(nan|inf)(?!\w)", value)


@pytest.mark.parametrize("value", ["", "None", "'words'", "nan", "+nan", "nan%", "-inf", "+inf %", "0.51 ± nan"])
def test_what_no_run_filled_is_seen(value: str) -> None:
    assert not filled(value)


@pytest.mark.parametrize("value", ["0", "-0.51", "+1.2 %", "0.51 ± 0.02", "is not among the lowest 5 %", "infinite"])
def test_what_a_run_filled_passes(value: str) -> None:
    assert filled(value)


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_in_the_prose_are_filled(html: Path, name: str) -> None:
    text = (html / name).read_text(encoding="utf-8")
    glued = re.findall(r'<span class="pasted-text">(.*?)</span>', text, flags=re.DOTALL)
    assert [value for value in glued if not filled(value)] == []
    outside_code = re.sub(r"<(pre|code|script)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert "{glue" not in outside_code
    assert "{numref}" not in outside_code


_LIVE = r"\b(?:controls|run_controls)\.\w+\("  # a cell that makes a live widget, of which the page has a picture


def widgets_of(page: str) -> list[str]:
    """Return the names of the figures of a chapter that stand in for a live widget."""
    cells = nbformat.read((ROOT / page).with_suffix(".ipynb"), as_version=4).cells
    live = [cell for cell in cells if cell.cell_type == "code" and re.search(_LIVE, cell.source)]
    return [cell.metadata["mystnb"]["figure"]["name"] for cell in live]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_picture_in_place_of_a_widget_says_how_to_run_it_live(html: Path, name: str) -> None:
    text = (html / name).read_text(encoding="utf-8")
    figures = re.findall(r'<figure\b[^>]*\bid="([^"]+)".*?</figure>', text, flags=re.DOTALL)
    captions = re.findall(r"<figcaption>.*?</figcaption>", text, flags=re.DOTALL)
    leading = [figure for figure, caption in zip(figures, captions, strict=True) if "#run-live" in caption]
    assert leading == widgets_of(name)


def test_there_are_widgets_with_a_picture_in_their_place() -> None:
    assert sum(len(widgets_of(name)) for name in CHAPTERS) == 5


@pytest.mark.parametrize("name", WRITTEN)
def test_no_page_reveals_where_it_was_made(html: Path, name: str) -> None:
    assert re.findall(r"(?:Posix|Windows)Path\(.{0,80}", (html / name).read_text(encoding="utf-8")) == []


def test_the_front_page_has_numbers_from_the_runs(html: Path) -> None:
    front = (html / f"{TOC['root']}.html").read_text(encoding="utf-8")
    assert len(re.findall(r'class="pasted-text"', front)) >= 5


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_says_where_its_results_come_from(html: Path, name: str) -> None:
    text = (html / name).read_text(encoding="utf-8")
    notes = re.findall(r'<div class="provenance">.*?</div>', text, flags=re.DOTALL)
    assert notes and re.search(rf"\bprofile {profile_of(html, name)}\b", notes[-1])


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_cell_of_a_chapter_was_executed(html: Path, name: str) -> None:
    executed = nbformat.read((html / "_sources" / name).with_suffix(".ipynb"), as_version=4)
    code = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.strip()]
    assert [cell.source for cell in code if not cell.execution_count] == []
    assert [cell.source for cell in code if any(output.output_type == "error" for output in cell.outputs)] == []
