"""Every control of the built pages is used as a reader would, and what it does is seen in state or pixels."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from explorer_page import Explorer
from visitor import CHAPTERS, ROOT, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

_LIVING = [name for name in CHAPTERS if "show_plotly" in (ROOT / name).with_suffix(".ipynb").read_text()]
# All that a Plotly figure draws, except the cameras, as one number.
_DRAWN = """gd => {
    const parts = gd._fullData.map(t => [t.x, t.y, t.z, t.text, t.visible, t.marker?.color, t.surfacecolor]);
    let sum = 0;
    for (const letter of JSON.stringify(parts)) sum = (31 * sum + letter.charCodeAt(0)) | 0;
    return sum;
}"""
# Move over a Plotly slider that is held, from step to step; the outer steps lie 10 pixels inside its ends. Return each
# step that it came to with what was then drawn.
_DRAG = """async (gd, steps) => {
    const drawn = DRAWN;
    const rail = gd.querySelector('.slider-rail-touch-rect').getBoundingClientRect();
    const slider = gd._fullLayout.sliders[0];
    const seen = [];
    let before = drawn(gd);
    for (const step of steps) {
        const clientX = rail.x + 10 + (rail.width - 20) * step / (slider.steps.length - 1);
        const where = {clientX, clientY: rail.y + rail.height / 2, bubbles: true};
        gd.dispatchEvent(new MouseEvent('mousemove', where));
        for (let i = 0; i < 200; i++) {
            if (gd._fullLayout.sliders[0].active === step && drawn(gd) !== before) break;
            await new Promise(done => setTimeout(done, 15));
        }
        if (gd._fullLayout.sliders[0].active === step && drawn(gd) !== before) seen.push([step, before = drawn(gd)]);
    }
    return seen;
}""".replace("DRAWN", _DRAWN)


class Plot:
    """A Plotly figure that turns or has a slider."""

    def __init__(self, page: Any, place: Any) -> None:
        self.page, self.place = page, place
        place.scroll_into_view_if_needed()
        self.graph = place.locator(".plotly-graph-div")
        self.graph.locator(".main-svg").first.wait_for()
        self.graph.evaluate("gd => gd.scrollIntoView({block: 'center', behavior: 'instant'})")
        self.wait("gd._fullData?.length > 0 && !gd._transitioning")
        self.used: list[str] = []
        self.pressed: set[str] = set()  # of the mode bar's buttons

    def get(self, expression: str) -> Any:
        return self.graph.evaluate(f"gd => {expression}")

    def drawn(self) -> int:
        return int(self.graph.evaluate(_DRAWN))

    def pixels(self) -> bytes:
        self.page.mouse.move(1, 1)  # no hover, no mode bar
        self.page.wait_for_timeout(150)
        return bytes(self.graph.screenshot())

    def wait(self, condition: str) -> None:
        self.page.wait_for_function(f"gd => {condition}", arg=self.graph.element_handle(), timeout=30_000)

    def changed(self, before: int) -> int:
        """Wait until something else is drawn than `before`."""
        condition = f"gd => ({_DRAWN})(gd) !== {before}"
        self.page.wait_for_function(condition, arg=self.graph.element_handle(), timeout=30_000)
        return self.drawn()

    def slide(self, thorough: bool) -> None:
        """Drag the slider over its steps, or only to its ends: each draws something that no other draws."""
        first, count = self.pixels(), self.get("gd._fullLayout.sliders[0].steps.length")
        grip = self.graph.locator(".slider-grip-rect").bounding_box()
        self.page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
        self.page.mouse.down()
        begun, drawn = self.get("gd._fullLayout.sliders[0].active"), self.drawn()
        wanted = [step for step in (range(count) if thorough else (0, count - 1)) if step != begun]
        seen = self.graph.evaluate(_DRAG, wanted)
        self.page.mouse.up()
        assert [step for step, _ in seen] == wanted, "a step that the slider never came to, or that changed nothing"
        assert len({drawn, *(other for _, other in seen)}) == len(wanted) + 1
        label = self.get(f"gd._fullLayout.sliders[0].steps[{wanted[-1]}].label")
        assert label in self.graph.locator(".slider-label").first.text_content()
        assert self.pixels() != first
        self.used.append("slider")

    def press_buttons(self) -> None:
        """Press all buttons: each changes the colours and the name of their scale."""
        buttons = self.graph.locator(".updatemenu-button")
        seen = {}
        for index in [*range(1, buttons.count()), 0]:
            before = self.drawn()
            buttons.nth(index).click()
            self.changed(before)
            title = self.get("gd._fullData.find(t => t.marker?.showscale).marker.colorbar.title.text")
            seen[self.pixels()] = title
        assert len(seen) == len(set(seen.values())) == buttons.count()
        self.used.append("buttons")

    def choose(self) -> None:
        """Choose every entry of the menu: each draws something else, which the vertical axis names."""
        names = self.get("gd._fullLayout.updatemenus[0].buttons.map(button => button.label)")
        seen = {}
        for index in [*range(1, len(names)), 0]:
            before = self.drawn()
            self.graph.locator(".updatemenu-header").click()
            self.graph.locator(".updatemenu-dropdown-button").nth(index).click()
            self.changed(before)
            assert names[index] in self.graph.locator(".updatemenu-header").text_content()
            seen[self.drawn()] = self.get("gd._fullLayout.yaxis.title.text")
        assert len(seen) == len(set(seen.values())) == len(names)
        self.used.append("menu")

    def turn(self, thorough: bool) -> None:
        """Drag every space, or the first: it turns, and a button of the mode bar turns it back."""
        scenes = self.get("Object.keys(gd._fullLayout).filter(key => /^scene\\d*$/.test(key))")
        for scene in scenes if thorough else scenes[:1]:
            first = scene == "scene"
            eye = f"Object.values(gd._fullLayout.{scene}._scene.getCamera().eye).map(v => v.toFixed(3)).join()"
            before, picture = self.get(eye), self.pixels() if first else b""
            box = self.get(f"gd._fullLayout.{scene}._scene.container.getBoundingClientRect().toJSON()")
            middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            for _ in range(3):  # a scene that is being drawn, without a graphics card, may miss a quick drag
                self.page.wait_for_timeout(300)
                self.page.mouse.move(*middle)
                self.page.mouse.down()
                self.page.mouse.move(middle[0] + 60, middle[1] + 20, steps=4)
                self.page.wait_for_timeout(100)
                self.page.mouse.up()
                if self.get(eye) != before:
                    break
            self.wait(f"{eye} !== '{before}'")
            assert not first or self.pixels() != picture
            self.press("Reset camera to last save")
            self.wait(f"{eye} === '{before}'")
            self.used.append(scene)

    def zoom(self, thorough: bool) -> None:
        """Drag a box in every pair of axes, or in the first: they show it alone, until a button shows all again."""
        pairs = self.get("Object.keys(gd._fullLayout._plots)")
        for pair in pairs if thorough else pairs[:1]:
            ranges = f"['xaxis', 'yaxis'].map(axis => gd._fullLayout._plots.{pair}[axis].range.map(Number))"
            full, picture = self.get(ranges), self.pixels()
            # Axes of equal scale take the room that the labels leave, so they come back only approximately.
            near = "(end, j) => Math.abs(end - full[i][j]) < 0.03 * Math.abs(full[i][1] - full[i][0])"
            at_first = f"(full => {ranges}.every((ends, i) => ends.every({near})))({full})"
            box = self.graph.locator(f".nsewdrag[data-subplot={pair}]").bounding_box()
            self.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
            self.page.mouse.down()
            self.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
            self.page.mouse.up()
            self.wait(f"!({at_first})")
            assert self.pixels() != picture
            for shown, all_of_it in zip(self.get(ranges), full, strict=True):
                assert min(all_of_it) < min(shown) < max(shown) < max(all_of_it)
            self.press("Reset axes")
            self.wait(at_first)
            self.used.append(pair)

    def press(self, name: str) -> None:
        """Press a button of the mode bar, which shows while the mouse is over the figure."""
        self.graph.locator(f".modebar-btn[aria-label='{name}']").click()
        self.pressed.add(name)

    def toggle_legend(self) -> None:
        """Press the first name in the legend: its trace goes, and comes back."""
        before = self.drawn()
        self.graph.locator(".legendtoggle").first.click()
        self.changed(before)
        self.page.wait_for_timeout(350)  # two presses close together mean something else
        self.graph.locator(".legendtoggle").first.click()
        self.wait(f"({_DRAWN})(gd) === {before}")
        self.used.append("legend")

    def use(self, thorough: bool) -> list[str]:
        """Use every control that the figure has, or one of each kind, and return their names."""
        if self.get("gd._fullLayout.sliders?.length > 0"):
            self.slide(thorough)
        if self.graph.locator(".updatemenu-button").count():
            self.press_buttons()
        if self.graph.locator(".updatemenu-header").count():
            self.choose()
        if self.get("Boolean(gd._fullLayout.scene)"):
            self.turn(thorough)
        else:
            self.zoom(thorough)
        if self.graph.locator(".legendtoggle").count():
            self.toggle_legend()
        bar = self.graph.locator(".modebar-btn").evaluate_all("all => all.map(button => button.ariaLabel)")
        assert set(bar) == self.pressed, "the mode bar has a button of which it is not known what it does"
        return self.used


@pytest.mark.parametrize("name", _LIVING)
def test_living_figures_answer(visitor: Visitor, name: str) -> None:
    page = visitor.go(name)
    places = page.locator(".living-figure[data-script]").all()
    assert places
    for place in places:
        thorough = visitor.base.startswith("http:")  # from disk the same scripts run on the same figures
        assert Plot(page, place).use(thorough), "a figure without a control need not be alive"
    assert visitor.wrong == []


def test_every_control_of_the_explorer_does_something(visitor: Visitor) -> None:
    explorer = Explorer(visitor.go("notebooks/00_explorer.html"))
    explorer.choose("run", "latents", "address")
    explorer.choose("colour", "parameters", "latents", "address")
    explorer.slide("epoch", "latents")
    explorer.play()
    for name in ("P1", "P2", "P3"):
        explorer.walk(name)
    for axis in "₁₂₃":
        slider = explorer.control(f"latent μ{axis}")
        now, low, high = slider.evaluate("s => [s.value, s.min, s.max].map(value => Number(value).toFixed(2))")
        line = ("line",) if now != low != high else ()  # which has two digits, too few for some of the smoke profile's
        explorer.slide(f"latent μ{axis}", *line, *explorer.decoded)
    back = explorer.control("back to the sheet")
    assert "off the sheet" in explorer.shown["line"]
    back.click()
    assert "mu" not in explorer.changed("latents", "address", why="back to the sheet")
    assert back.is_disabled() and "off the sheet" not in explorer.shown["line"]

    for kind in explorer.views:
        explorer.hover(kind)
        explorer.press(kind)
    explorer.drag("parameters", [(0.4, 0.4), (0.5, 0.5), (0.6, 0.7)])
    explorer.changed("parameters", "latents", "true curve", "difference", "address", why="dragging the point")
    explorer.drag("latents", [(0.5, 0.5), (0.6, 0.55), (0.7, 0.6)])
    before = explorer.shown["address"]
    said = explorer.changed("latents", "address", why="turning the sheet")
    assert said["at"] == parse_qs(before.partition("?")[2])["at"]
    assert explorer.unused == set()
    assert visitor.wrong == []


@pytest.mark.parametrize("base", ["served"], indirect=True)
def test_in_print_the_explorer_is_its_picture(visitor: Visitor) -> None:
    page = visitor.go("notebooks/00_explorer.html")
    awake, picture = Explorer(page).page.locator(".vx"), page.locator(".living-widget > .stand-in")
    for medium, shown, hidden in (("screen", awake, picture), ("print", picture, awake), ("screen", awake, picture)):
        page.emulate_media(media=medium)
        assert shown.is_visible() and not hidden.is_visible(), medium
    assert visitor.wrong == []


def test_the_bar_above_a_chapter(visitor: Visitor) -> None:
    page = visitor.go("notebooks/01_dataset.html")
    for gone in (True, False):
        page.locator(".sidebar-toggle.primary-toggle").click()
        page.wait_for_function(
            "gone => (document.querySelector('.bd-sidebar-primary').getBoundingClientRect().right > 5) !== gone",
            arg=gone,
        )

    page.evaluate("() => { window.print = () => { window.printed = true; }; }")
    page.get_by_label("Download this page").click()
    downloads = page.locator(".dropdown-download-buttons .dropdown-menu")
    downloads.wait_for()
    assert downloads.locator("a").first.get_attribute("href").endswith(".ipynb")
    downloads.locator(".btn-download-pdf-button").click()
    assert page.evaluate("() => window.printed")

    page.locator(".btn-fullscreen-button").click()
    page.wait_for_function("() => document.fullscreenElement !== null")
    page.locator(".btn-fullscreen-button").click()
    page.wait_for_function("() => document.fullscreenElement === null")
    assert visitor.wrong == []


def test_code_unfolds_and_is_copied(visitor: Visitor) -> None:
    page = visitor.go("notebooks/01_dataset.html")
    page.evaluate("() => document.addEventListener('copy', e => { window.copied = e.target.value; })")
    folded = page.locator("article details").first
    code = folded.locator("pre")
    assert not code.is_visible()
    folded.locator("summary").click()
    assert code.is_visible()
    folded.locator(".highlight").hover()
    folded.locator("button.copybtn").click()
    page.wait_for_function("() => window.copied")
    assert page.evaluate("() => window.copied").strip() == code.inner_text().strip()
    folded.locator("summary").click()
    assert not code.is_visible()
    assert visitor.wrong == []


def test_the_search_field_finds_a_word(visitor: Visitor) -> None:
    page = visitor.go("book/index.html")
    page.locator(".search-button-field").click()
    field = page.locator("#pst-search-dialog input[type=search]")
    field.wait_for()
    page.keyboard.press("Escape")
    field.wait_for(state="hidden")
    page.keyboard.press("Control+k")
    field.fill("embedding")
    field.press("Enter")
    page.wait_for_url("**/search.html?q=embedding*")
    links = page.locator("#search-results ul.search li a")
    links.first.wait_for()
    link = links.first.get_attribute("href")
    assert link and page.evaluate("href => new URL(href, location).pathname.endsWith('.html')", link)
    # Until the search has ended and has read the pages it found, lines above and below the links still move them.
    page.locator("#search-results .search-summary", has_text="Search finished").wait_for()
    page.wait_for_load_state("networkidle")
    links.first.click()
    page.locator("article h1").first.wait_for()
    assert "search.html" not in page.url
    assert visitor.wrong == []


def test_a_phone_has_the_contents_in_drawers(visitor: Visitor) -> None:
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.go("notebooks/05_transects.html")
    for toggle, drawer in (
        (".primary-toggle", "#pst-primary-sidebar-modal"),
        (".secondary-toggle", "#pst-secondary-sidebar-modal"),
    ):
        page.locator(f".sidebar-toggle{toggle}").click()
        page.locator(f"{drawer}[open] a[href]").first.wait_for()
        page.keyboard.press("Escape")
        page.locator(f"{drawer}[open]").wait_for(state="detached")
    page.evaluate("() => window.scrollTo({top: 3000, behavior: 'instant'})")
    page.wait_for_timeout(300)
    page.evaluate(
        "() => window.scrollTo({top: 2500, behavior: 'instant'})"
    )  # on the way up it offers to go all the way
    page.locator("#pst-back-to-top").click()
    page.wait_for_function("() => window.scrollY < 50")
    assert visitor.wrong == []


_FILMED = [name for name in CHAPTERS if "show_video" in (ROOT / name).with_suffix(".ipynb").read_text()]
_MOST = 3_000_000  # bytes of a film


@pytest.mark.parametrize("name", _FILMED)
def test_a_film_plays_at_any_speed_once_or_for_ever(visitor: Visitor, name: str) -> None:
    """Each has a poster, captions and at most 3 MB; its speed and loop do what they say, and it really moves."""
    page = visitor.page
    page.goto(f"{visitor.base}/{name}", wait_until="load")
    films = page.locator("video.living-figure")
    assert films.count() == (ROOT / name).with_suffix(".ipynb").read_text().count("show_video(")
    for film in films.all():
        film.scroll_into_view_if_needed()
        poster = film.evaluate(
            """async video => { const image = new Image(); image.src = video.poster; await image.decode();
               return [image.naturalWidth, image.naturalHeight, video.videoWidth, video.videoHeight]; }"""
        )
        assert poster[:2] == poster[2:] and poster[0] > 0
        figure = film.locator("xpath=ancestor::figure")
        assert len(figure.locator(".caption-text").inner_text()) > 80
        speed, loop = figure.get_by_label("speed"), figure.get_by_label("loop")
        for chosen in ("0.25", "2"):
            speed.select_option(chosen)
            assert film.evaluate("video => video.playbackRate") == float(chosen)
        assert loop.is_checked() and film.evaluate("video => video.loop")
        loop.uncheck()
        # To near its end, which it now plays to and stays at; with the loop it begins again.
        ended = "video => new Promise(done => { video.onended = () => done(video.currentTime > 1); video.play(); })"
        film.evaluate("video => { video.currentTime = video.duration - 0.8; }")
        assert film.evaluate(ended)
        loop.check()
        page.wait_for_function(
            "video => !video.paused && video.currentTime < 2", arg=film.element_handle(), timeout=30_000
        )
        film.evaluate("video => video.pause()")
    assert visitor.wrong == []


def test_films_weigh_no_more_than_they_may(html: Path) -> None:
    films = list(html.rglob("*.mp4"))
    assert films
    assert {film.name: film.stat().st_size for film in films if film.stat().st_size > _MOST} == {}
