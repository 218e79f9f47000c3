"""The explorer in a page, used as a reader would: `Explorer` in a built book, `Reader` in a page of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from vaelib.explorer import Explorer as Widget

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "vaelib" / "explorer"
LOADER = ROOT / "book" / "_static" / "living-widget.js"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001e221bc33"
    "0000000049454e44ae426082"
)
"""One grey pixel, which stands in until the explorer runs."""

# What the explorer shows, once it is at rest: its five canvases, its line, and the page's address. The line is updated
# within half a second; on a busy machine frames and the decoder's answer take longer, and are waited for.
_AT_REST = """async () => {
    const canvases = [...document.querySelectorAll('.vx :is(.vx-view, .vx-bottom > div) > canvas')];
    const look = () => JSON.stringify([...canvases.map(c => c.toDataURL()),
        document.querySelector('.vx-state').textContent, location.hash]);
    const frame = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    const current = () => document.querySelector('.vx').dataset.current === 'true';
    let [before, now] = ['', look()];
    while (before !== now || !current()) {
        before = now;
        await frame();
        await new Promise(done => setTimeout(done, 600));
        now = look();
    }
    return JSON.parse(now);
}"""
# Whether a training point under the mouse has its image beside it.
_TIP_SHOWN = "kind => !document.querySelector(`.vx-${kind} .vx-tip`).hidden"


class Explorer:
    """The explorer in its page of a built book, and which of its controls were used."""

    SHOWS = ("parameters", "latents", "true curve", "decoded", "difference", "line", "address")

    def __init__(self, page: Any) -> None:
        self.page = page
        page.locator(".living-widget").scroll_into_view_if_needed()
        page.locator(".vx[data-error]").wait_for()
        page.locator(".vx").evaluate("e => e.scrollIntoView({block: 'center', behavior: 'instant'})")
        self.views = {kind: page.locator(f".vx-{kind} > canvas") for kind in ("parameters", "latents")}
        controls = page.locator(".vx :is(select, input, button, canvas[tabindex])")
        self.unused = set(controls.evaluate_all("all => all.map(control => control.ariaLabel)"))
        self.shown = self.look()
        flat = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size <= 2"
        # A model of the smoke profile may have learnt nothing, and draw the same grey everywhere.
        is_flat = page.locator(".vx-bottom > div > canvas").nth(1).evaluate(flat)
        self.decoded = () if is_flat else ("decoded", "difference")

    def look(self) -> dict[str, str]:
        return dict(zip(self.SHOWS, self.page.evaluate(_AT_REST), strict=True))

    def control(self, label: str) -> Any:
        self.unused.discard(label)
        return self.page.locator(f".vx [aria-label='{label}']")

    def view(self, kind: str) -> Any:
        self.unused.discard(self.views[kind].get_attribute("aria-label"))
        return self.views[kind]

    def changed(self, *expected: str, why: str) -> dict[str, list[str]]:
        """Check that what is expected has changed since the last look; return the query of the address."""
        before, self.shown = self.shown, self.look()
        assert [name for name in expected if self.shown[name] == before[name]] == [], why
        return parse_qs(self.shown["address"].partition("?")[2])

    def choose(self, label: str, *expected: str) -> None:
        """Choose every entry of a list, the initial one last."""
        values = self.control(label).evaluate("list => [...list.options].map(option => option.value)")
        initial = self.control(label).input_value()
        for value in [*(value for value in values if value != initial), initial]:
            self.control(label).select_option(value)
            query = self.changed(*expected, why=f"{label}: {value}")
            assert query["color" if label == "colour" else label] == [value]

    def slide(self, label: str, *expected: str) -> None:
        """Slide to both ends with the keys for them."""
        for key, end in (("Home", "min"), ("End", "max")):
            self.control(label).press(key)
            self.changed(*expected, "address", why=f"{label}: {key}")
            value, limit = self.control(label).evaluate("(slider, end) => [slider.value, slider[end]]", end)
            assert float(value) == pytest.approx(float(limit), abs=1e-6)

    def play(self) -> None:
        """Play from the first epoch for two: at the smoke profile a single one moves too little."""
        self.control("epoch").press("Home")
        self.changed(why="the first epoch")
        self.control("play the training").click()
        self.page.wait_for_function("() => document.querySelector('.vx [aria-label=epoch]').value >= 2")
        # A short training may be over already.
        self.page.evaluate("() => document.querySelector('.vx [aria-label=stop]')?.click()")
        query = self.changed("latents", "address", why="play")
        assert int(query["epoch"][0]) >= 2 and self.control("play the training").is_visible()
        # An early decoder may draw next to nothing, whatever the latents.
        self.control("epoch").press("End")
        self.changed(why="the last epoch")

    def walk(self, name: str) -> None:
        """Walk along a transect until its note changes, and stop."""
        button, before = self.control(f"walk along transect {name}"), self.page.locator(".vx-note").first.inner_text()
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        moved = "before => document.querySelector('.vx-note').textContent !== before"
        self.page.wait_for_function(moved, arg=before)
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        a, b = self.point(self.changed("parameters", "latents", "true curve", "address", why=name))
        on_line = {"P1": a - 1.25, "P2": b - 1, "P3": 4 / 3 * (a - 0.5) + b - 2}[name]
        assert abs(on_line) < 5e-3

    @staticmethod
    def point(query: dict[str, list[str]]) -> tuple[float, float]:
        a, b = map(float, query["at"][0].split(","))
        return a, b

    def press(self, kind: str) -> None:
        """Press all four arrows, which move the point or turn the sheet, and Enter, which shows an image."""
        name = {"parameters": "at", "latents": "view"}[kind]
        moved = {"parameters": ("parameters", "latents", "true curve"), "latents": ("latents",)}[kind]
        values = set()
        for key in ("ArrowRight", "ArrowDown", "ArrowRight", "Shift+ArrowLeft", "Shift+ArrowUp"):
            self.view(kind).press(key)
            values.add(self.changed(*moved, "address", why=f"{kind}: {key}")[name][0])
        assert len(values) == 5
        self.view(kind).press("Enter")
        assert self.page.evaluate(_TIP_SHOWN, kind)
        self.view(kind).blur()
        assert not self.page.evaluate(_TIP_SHOWN, kind)

    def hover(self, kind: str) -> None:
        """Find a training point with the mouse, which marks it in both views until it leaves; then tap the point."""
        box = self.view(kind).bounding_box()
        for i in range(400):
            x, y = 0.15 + 0.7 * (i % 20) / 19, 0.15 + 0.7 * (i // 20) / 19
            self.page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
            if self.page.evaluate(_TIP_SHOWN, kind):
                break
        assert self.page.evaluate(_TIP_SHOWN, kind)
        self.changed("parameters", "latents", why=f"hovering in the {kind}")
        self.page.mouse.move(box["x"] - 5, box["y"] - 5)
        assert not self.page.evaluate(_TIP_SHOWN, kind)
        self.changed("parameters", "latents", why=f"leaving the {kind}")
        self.page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        self.page.mouse.move(box["x"] - 5, box["y"] - 5)
        moved = ("parameters", "latents", "true curve", "difference", "address")
        self.changed(*moved, why=f"a tap in the {kind}")

    def drag(self, kind: str, places: Sequence[tuple[float, float]], pause: int = 0) -> None:
        """Drag from the first place to the last.

        places: in shares of the canvas. pause: milliseconds after each.
        """
        box = self.view(kind).bounding_box()
        points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in places]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point)
            self.page.wait_for_timeout(pause)
        self.page.mouse.up()
        self.page.mouse.move(box["x"] - 5, box["y"] - 5)  # no hover


PARAMETERS, LATENT_SPACE = ".vx-parameters > canvas", ".vx-latents > canvas"
TRUE, DECODED, DIFFERENCE = (f".vx-bottom > div:nth-child({i}) canvas" for i in (1, 2, 3))


def write_page(widget: Widget, folder: Path) -> Path:
    """Write a page with nothing but the explorer, far down, as the book has it; return its path."""
    path = folder / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>A page</title><body><div style="height: 1500px"></div>{widget.html(PNG, "the stand-in")}'
        f"<script>{LOADER.read_text(encoding='utf-8')}</script></body></html>",
        encoding="utf-8",
    )
    return path


class Reader:
    """A browser window with a page of `write_page`, from disk, and all that went wrong in it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1000, "height": 1000}, **options})
        self.page = self.context.new_page()
        self.address = path.as_uri()
        self.wrong: list[str] = []
        self.page.on("console", lambda entry: entry.type in ("error", "warning") and self.wrong.append(entry.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda r: r.url.startswith(("file:", "blob:", "data:")) or self.wrong.append(r.url))

    def open(self, fragment: str = "") -> Any:
        """Open the page, scroll to the explorer, wait until it is at rest, and return the page."""
        self.page.goto(self.address + fragment)
        self.page.locator(".living-widget").scroll_into_view_if_needed()
        self.page.locator(".vx").wait_for()
        self.page.eval_on_selector(".vx", "explorer => explorer.scrollIntoView()")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until the decoder has answered, the sheet has moved, and the address is written."""
        self.page.wait_for_function("() => document.querySelector('.vx')?.dataset.error !== undefined")
        self.page.wait_for_timeout(900)

    def state(self) -> dict[str, Any]:
        """Return the state that the page's address holds."""
        self.settle()
        _, _, text = self.page.url.partition("#explorer?")
        state: dict[str, Any] = {name: values[0] for name, values in parse_qs(text).items()}
        for name in {"at", "view", "mu"} & set(state):
            state[name] = [float(value) for value in state[name].split(",")]
        return state

    def pixels(self, selector: str) -> str:
        """Return a canvas as it is drawn."""
        return str(self.page.eval_on_selector(selector, "canvas => canvas.toDataURL()"))

    def place(self, a: float, b: float) -> tuple[float, float]:
        """Return where (a, b) is in the parameter space's canvas, in the window's pixels."""
        box = self.page.locator(PARAMETERS).bounding_box()
        per_unit = min((box["width"] - 44) / 1.5, (box["height"] - 42) / 2)
        left = 34 + (box["width"] - 44 - 1.5 * per_unit) / 2
        return box["x"] + left + per_unit * (a - 0.5), box["y"] + 8 + per_unit * b

    def script_address(self, name: str) -> str:
        """Return the address, in the page, of one of the explorer's scripts as a module of its own."""
        text = (SCRIPTS / name).read_text(encoding="utf-8")
        return str(self.page.evaluate("t => URL.createObjectURL(new Blob([t], {type: 'text/javascript'}))", text))
