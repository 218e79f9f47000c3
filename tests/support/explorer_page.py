"""The explorer in a page, used as a reader would."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest

# What the explorer shows, once it is at rest: its five canvases, its line, and the page's address. The line follows
# within half a second. On a busy machine frames and the decoder's answer take longer, and are waited for.
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
# A training point under the mouse has its image beside it.
_FOUND = "kind => !document.querySelector(`.vx-${kind} .vx-tip`).hidden"


class Explorer:
    """The explorer in its page, and which of its controls were used."""

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
        data = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size <= 2"
        # A model of the smoke profile may have learnt nothing, and draw the same grey everywhere.
        learnt = not page.locator(".vx-bottom > div > canvas").nth(1).evaluate(data)
        self.decoded = ("decoded", "difference") if learnt else ()

    def look(self) -> dict[str, str]:
        return dict(zip(self.SHOWS, self.page.evaluate(_AT_REST), strict=True))

    def control(self, label: str) -> Any:
        self.unused.discard(label)
        return self.page.locator(f".vx [aria-label='{label}']")

    def view(self, kind: str) -> Any:
        self.unused.discard(self.views[kind].get_attribute("aria-label"))
        return self.views[kind]

    def changed(self, *expected: str, why: str) -> dict[str, list[str]]:
        """Look again: what is expected has changed since the last look. Return what the address says."""
        before, self.shown = self.shown, self.look()
        assert [name for name in expected if self.shown[name] == before[name]] == [], why
        return parse_qs(self.shown["address"].partition("?")[2])

    def choose(self, label: str, *expected: str) -> None:
        """Choose every entry of a list, that of the beginning last."""
        values = self.control(label).evaluate("list => [...list.options].map(option => option.value)")
        begun = self.control(label).input_value()
        for value in [*(value for value in values if value != begun), begun]:
            self.control(label).select_option(value)
            said = self.changed(*expected, why=f"{label}: {value}")
            assert said["color" if label == "colour" else label] == [value]

    def slide(self, label: str, *expected: str) -> None:
        """Slide to both ends, with the keys that do so."""
        for key, end in (("Home", "min"), ("End", "max")):
            self.control(label).press(key)
            self.changed(*expected, "address", why=f"{label}: {key}")
            value, wanted = self.control(label).evaluate("(slider, end) => [slider.value, slider[end]]", end)
            assert float(value) == pytest.approx(float(wanted), abs=1e-6)

    def play(self) -> None:
        """From the beginning on until it is stopped: after two epochs, as one at the smoke profile moves too little."""
        self.control("epoch").press("Home")
        self.changed(why="the first epoch")
        self.control("play the training").click()
        self.page.wait_for_function("() => document.querySelector('.vx [aria-label=epoch]').value >= 2")
        # A short training may be over by now.
        self.page.evaluate("() => document.querySelector('.vx [aria-label=stop]')?.click()")
        said = self.changed("latents", "address", why="play")
        assert int(said["epoch"][0]) >= 2 and self.control("play the training").is_visible()
        # An early decoder may draw next to nothing, whatever the latents.
        self.control("epoch").press("End")
        self.changed(why="the last epoch")

    def walk(self, name: str) -> None:
        """Along a transect, until it is stopped."""
        button, before = self.control(f"walk along transect {name}"), self.page.locator(".vx-note").first.inner_text()
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        told = "before => document.querySelector('.vx-note').textContent !== before"
        self.page.wait_for_function(told, arg=before)
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        a, b = self.point(self.changed("parameters", "latents", "true curve", "address", why=name))
        on_line = {"P1": a - 1.25, "P2": b - 1, "P3": 4 / 3 * (a - 0.5) + b - 2}[name]
        assert abs(on_line) < 5e-3

    @staticmethod
    def point(said: dict[str, list[str]]) -> tuple[float, float]:
        a, b = map(float, said["at"][0].split(","))
        return a, b

    def press(self, kind: str) -> None:
        """All four arrows, each of which moves the point or turns the sheet, and Enter, which shows an image."""
        name = {"parameters": "at", "latents": "view"}[kind]
        moved = {"parameters": ("parameters", "latents", "true curve"), "latents": ("latents",)}[kind]
        seen = set()
        for key in ("ArrowRight", "ArrowDown", "ArrowRight", "Shift+ArrowLeft", "Shift+ArrowUp"):
            self.view(kind).press(key)
            seen.add(self.changed(*moved, "address", why=f"{kind}: {key}")[name][0])
        assert len(seen) == 5
        self.view(kind).press("Enter")
        assert self.page.evaluate(_FOUND, kind)
        self.view(kind).blur()
        assert not self.page.evaluate(_FOUND, kind)

    def hover(self, kind: str) -> None:
        """Find a training point with the mouse: it is marked in both views until the mouse leaves. Then tap it."""
        box = self.view(kind).bounding_box()
        for i in range(400):
            x, y = 0.15 + 0.7 * (i % 20) / 19, 0.15 + 0.7 * (i // 20) / 19
            self.page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
            if self.page.evaluate(_FOUND, kind):
                break
        assert self.page.evaluate(_FOUND, kind)
        self.changed("parameters", "latents", why=f"hovering in the {kind}")
        self.page.mouse.move(box["x"] - 5, box["y"] - 5)
        assert not self.page.evaluate(_FOUND, kind)
        self.changed("parameters", "latents", why=f"leaving the {kind}")
        self.page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        self.page.mouse.move(box["x"] - 5, box["y"] - 5)
        moved = ("parameters", "latents", "true curve", "difference", "address")
        self.changed(*moved, why=f"a tap in the {kind}")

    def drag(self, kind: str, places: Sequence[tuple[float, float]], pause: int = 0) -> None:
        """Drag from the first place to the last; places in shares of the canvas, pause in milliseconds between."""
        box = self.view(kind).bounding_box()
        points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in places]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point)
            self.page.wait_for_timeout(pause)
        self.page.mouse.up()
        self.page.mouse.move(box["x"] - 5, box["y"] - 5)  # no hover
