"""A reader of the built pages: a browser window that allows nothing from outside, and what one visit tells."""

import contextlib
import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from filelock import FileLock

from vaelib.book import vendor

ROOT = Path(__file__).parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
DOCUMENTS = [TOC["root"], *(entry["file"] for part in TOC["parts"] for entry in part["chapters"])]
WRITTEN = [f"{name}.html" for name in DOCUMENTS]
CHAPTERS = [name for name in WRITTEN if name.startswith("notebooks/")]
PAGES = [*WRITTEN, "index.html", "genindex.html", "py-modindex.html", "search.html"]
_QUERIES = {"search.html": "?q=embedding"}  # with something found, there is something to judge
_PATIENCE = 120_000  # milliseconds: without a graphics card, 3-D figures are drawn by a busy processor
_TELEPHONE = {"width": 390, "height": 844}
_TALLEST = 40_000  # pixels of a picture: what is longer has more of the same
_SETTLING = 400  # milliseconds after another width or colour scheme; the theme looks again after 300
PLAIN = """
    const matrix = new Float64Array(512 * 512).fill(1e-3), vector = new Float64Array(512).fill(1);
    function plain() { // 4 million products, each row's in four sums
        const result = new Float64Array(512);
        for (let pass = 0; pass < 16; pass++) {
            for (let row = 0; row < 512; row++) {
                let [a, b, c, d] = [0, 0, 0, 0];
                for (let i = 0, at = 512 * row; i < 512; i += 4, at += 4) {
                    a += matrix[at] * vector[i];
                    b += matrix[at + 1] * vector[i + 1];
                    c += matrix[at + 2] * vector[i + 2];
                    d += matrix[at + 3] * vector[i + 3];
                }
                result[row] += a + b + c + d;
            }
        }
        return result;
    }
"""
PLAIN_MS = 4.0
"""What `plain()` takes in the middle, in milliseconds, on the kind of machine that limits are meant for: 2 idle cores
of a Xeon at 2.5 GHz. A slower machine, and one that is busy, slows both down: their ratio is what can be promised."""
VISITS = pytest.StashKey[dict[str, dict[str, dict[str, Any]]]]()  # what was found, by address and page
FIGURES = pytest.StashKey[dict[str, dict[str, float]]]()  # each page's weight and time to first interaction


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Run a plain web server with the pages, on this machine alone, and give its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def axe(cache: Path) -> str:
    """Return the script of axe-core in the version that the lock file pins, from `cache` or else by npm."""
    wanted, done = (ROOT / "tests" / "package-lock.json").read_bytes(), cache / "installed.json"
    script = cache / "node_modules" / "axe-core" / "axe.min.js"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):  # several processes may ask
        if not (script.exists() and done.exists() and done.read_bytes() == wanted):
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copyfile(ROOT / "tests" / name, cache / name)
            subprocess.run([vendor.npm(), "ci"], cwd=cache, stdin=subprocess.DEVNULL, check=True)
            done.write_bytes(wanted)
    return script.read_text(encoding="utf-8")


class Visitor:
    """A browser window that allows nothing from outside, and all that went wrong in it."""

    def __init__(self, browser: Any, base: str, **options: Any) -> None:
        self.base = base
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.context.set_default_timeout(_PATIENCE)
        self.context.add_init_script(_WATCH_TASKS)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.received = 0  # bytes
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", lambda r: r.status >= 400 and self.wrong.append(f"{r.status}: {r.url}"))
        self.context.route(re.compile(".*"), self._route)
        session = self.context.new_cdp_session(self.page)
        session.on("Network.dataReceived", self._received)
        session.send("Network.enable")

    def _received(self, event: Mapping[str, Any]) -> None:
        self.received += event["dataLength"]

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

    def go(self, name: str) -> Any:
        """Open a page and wait until it is loaded and its formulas are set."""
        self.page.goto(f"{self.base}/{name}", wait_until="load")
        if name == "index.html":  # leads on to the front page
            self.page.wait_for_url(f"**/{TOC['root']}.html", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        return self.page

    def scroll(self) -> None:
        """Scroll through all of the page, and wait until all that this wakes is awake, or will never be."""
        height = self.page.evaluate("() => document.documentElement.scrollHeight")
        for top in range(0, height, 700):
            self.page.evaluate("top => window.scrollTo(0, top)", top)
            self.page.wait_for_timeout(50)
        with contextlib.suppress(Exception):  # what sleeps on is for the tests to tell
            self.page.wait_for_function(_AWAKE, timeout=60_000)

    def open(self, name: str) -> Any:
        """Open a page, wait until it is at rest, and scroll through all of it."""
        self.go(name)
        self.scroll()
        return self.page

    def survey(self, name: str, *, script: str = "", pictures: Path | None = None) -> dict[str, Any]:
        """Return all that one visit to a page finds; the tests judge it.

        script: axe-core, to look for faults in light, dark and at a telephone's width. pictures: a folder for
        pictures of the page in the same three.
        """
        page = self.go(name + _QUERIES.get(name, ""))
        found: dict[str, Any] = {"modes": [], "interactive": 0.0}
        if name != "index.html":
            found |= self._first_interaction()
        self.scroll()
        found["weight"] = self.received
        found |= {**page.evaluate(_SURVEY), "too wide": page.evaluate(_TOO_WIDE)}
        page.add_style_tag(content="* { transition: none !important; scroll-behavior: auto !important }")
        faults = []
        if script:
            faults += self.faults("light", script)
        self._picture(name, "light", pictures)
        if script or pictures:
            page.emulate_media(color_scheme="dark")
            page.wait_for_timeout(_SETTLING)
            faults += self._faults("dark", contrasts=True) if script else []
            self._picture(name, "dark", pictures)
            page.emulate_media(color_scheme="light")
        page.set_viewport_size(_TELEPHONE)
        page.wait_for_timeout(_SETTLING)
        found["too wide on a telephone"] = page.evaluate(_TOO_WIDE)
        if script:
            for top in (1000, 700):  # on the way up a long page offers to go all the way
                page.evaluate("top => window.scrollTo(0, top)", top)
                page.wait_for_timeout(100)
            faults += self.faults("telephone", script)
        self._picture(name, "telephone", pictures)
        return {**found, "faults": faults, "dead": self.dead_controls(), "wrong": self.wrong}

    def dead_controls(self) -> list[str]:
        """Use every control in the text, and return those that change nothing."""
        dead: list[str] = self.page.evaluate(_DEAD)
        return dead

    def faults(self, where: str, script: str) -> list[str]:
        """Return what axe-core, whose script is given, finds on the open page as it is, which is called `where`."""
        self.page.evaluate(script)
        return [*self._faults(where, contrasts=False), *self._faults(where, contrasts=True)]

    def _first_interaction(self) -> dict[str, Any]:
        """Press the theme's switch as soon as the page is quiet, then on until it stands where it stood."""
        page, modes = self.page, []
        quiet = page.evaluate(_QUIET)
        switch = page.locator(".theme-switch-button").first
        page.evaluate(_WATCH_PRESS)
        for _ in range(3):
            switch.click()
            modes.append(page.evaluate("() => [document.documentElement.dataset.mode, " + _GROUND + "]"))
        page.mouse.move(640, 600)  # off the switch, whose label would stay in the pictures
        page.evaluate("() => document.activeElement.blur()")
        return {"interactive": quiet + page.evaluate("() => window.pressAnswered"), "modes": modes}

    def _faults(self, where: str, *, contrasts: bool) -> list[str]:
        whole = where == "light" and not contrasts
        told = self.page.evaluate(_FAULTS, [contrasts, whole, IGNORED])
        return [f"{where}: {fault}" for fault in told]

    def _picture(self, name: str, kind: str, folder: Path | None) -> None:
        if folder is not None and name != "index.html":
            self.page.evaluate("() => window.scrollTo(0, 0)")
            size = self.page.evaluate("() => [document.documentElement.clientWidth, document.body.scrollHeight]")
            clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], _TALLEST)}
            self.page.screenshot(path=folder / picture(name, kind), full_page=True, clip=clip)


def picture(name: str, kind: str) -> str:
    """Return the name of the file with the picture of a page."""
    return f"{name.removesuffix('.html').replace('/', '-')}-{kind}.png"


def profile_of(html: Path, name: str) -> str:
    """Return the profile that a chapter was executed with: the last that its notebook names."""
    cells = nbformat.read((html / "_sources" / name).with_suffix(".ipynb"), as_version=4).cells
    tagged = [cell.source for cell in cells if "parameters" in "".join(cell.metadata.get("tags", []))]
    return str(re.findall(r'^profile(?:: str)? = "(\w+)"', "\n".join(tagged), flags=re.MULTILINE)[-1])


def weights_and_times(visits: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return for each visited page its weight (MB) and its time to first interaction (seconds).

    Weight: the bytes of the page and of every file of the book's that it loads on a first visit from top to bottom,
    uncompressed. Time to first interaction: from the start of the navigation until the page has loaded and its main
    thread begins its first half second without a task of more than 50 ms, plus the time in which it then answers the
    first press on the theme's switch with a new frame.
    """
    return {
        name: {"megabytes": round(seen["weight"] / 1e6, 2), "seconds": round(seen["interactive"] / 1000, 2)}
        for name, seen in visits.items()
        if seen["interactive"]
    }


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    lines = [f"{'page':<28}{'weight':>10}{'first interaction':>20}"]
    lines += [f"{name:<28}{f['megabytes']:>7.2f} MB{f['seconds']:>18.2f} s" for name, f in figures.items()]
    return "\n".join(lines)


def keep(folder: Path, figures: Mapping[str, Mapping[str, float]]) -> None:
    (folder / "pages.json").write_text(json.dumps(figures, indent=1) + "\n")


# Faults that are let pass: axe-core's rule, the elements, and why.
IGNORED: list[tuple[str, str, str]] = []

_WATCH_TASKS = """
window.lastLongTask = 0;
new PerformanceObserver(list => {
    for (const task of list.getEntries()) window.lastLongTask = Math.max(lastLongTask, task.startTime + task.duration);
}).observe({type: 'longtask', buffered: true});
"""
_QUIET = """() => new Promise(done => {
    const look = () => {
        const begun = Math.max(performance.getEntriesByType('navigation')[0].loadEventEnd, window.lastLongTask);
        performance.now() - begun >= 500 ? done(begun) : setTimeout(look, 50);
    };
    look();
})"""
_WATCH_PRESS = """() => window.addEventListener('click', event => {
    requestAnimationFrame(() => setTimeout(() => { window.pressAnswered = performance.now() - event.timeStamp; }));
}, {capture: true, once: true})"""
_GROUND = "getComputedStyle(document.body).backgroundColor"
_AWAKE = """() => !document.querySelector('.living-figure > template')
    && [...document.querySelectorAll('.plotly-graph-div')].every(p => p._fullData?.length)
    && [...document.querySelectorAll('.living-widget')].every(w => w.querySelector('.vx[data-error]'))"""
# By how many pixels the page is wider than the window, and the innermost elements that reach out the farthest.
_TOO_WIDE = """() => {
    const {scrollWidth, clientWidth} = document.documentElement;
    if (scrollWidth - clientWidth <= 1) return [];
    const cut = e => e !== document.body && (getComputedStyle(e).overflowX !== 'visible' || cut(e.parentElement));
    const out = [...document.querySelectorAll('body *')]
        .map(e => ({e, by: e.getBoundingClientRect().right + window.scrollX - clientWidth}))
        .filter(({e, by}) => by > 1 && !cut(e.parentElement));
    const inner = out.filter(({e}) => !out.some(other => other.e !== e && e.contains(other.e)));
    const told = inner.sort((one, other) => other.by - one.by).slice(0, 3)
        .map(({e, by}) => `${Math.round(by)} px: ${e.parentElement.className}: ${e.outerHTML.slice(0, 200)}`);
    return [`${scrollWidth - clientWidth} px wider than the window`, ...told];
}"""

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
        cut: [
            ...all('div.math mjx-container').filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.parentElement),
            ...all('article table').filter(e => e.offsetWidth > e.parentElement.clientWidth + 1),
        ].map(e => e.id || e.innerText.slice(0, 200)),
        plots: all('.plotly-graph-div').map(p => p._fullData?.length > 0 && large(p.querySelector('.main-svg'))),
        bars: all('.modebar-btn').map(button => button.ariaLabel),
        asleep: all('.living-figure > template').length,
        silent: all('.cell_output img, .cell_output video, figure img')
            .filter(e => !(e.getAttribute('alt') || e.getAttribute('aria-label'))).map(told),
        loose: all('.cell_output img, .cell_output video, .cell_output .plotly-graph-div')
            .filter(e => !e.closest('figure')).map(told),
        needing_a_kernel: all('script[type^="application/vnd.jupyter"], .jupyter-widgets, .widget-subarea').map(told),
    };
}"""

# The faults that axe-core calls serious or critical. The page is judged whole once; contrasts take long, so for them
# and at other widths entries of the reference that look like earlier ones in all their parts are left out.
_FAULTS = """async ([contrasts, whole, ignored]) => {
    const slow = ['color-contrast', 'link-in-text-block'];
    const options = contrasts ? {runOnly: slow} : {rules: Object.fromEntries(slow.map(r => [r, {enabled: false}]))};
    const hidden = [];
    if (!whole) {
        const looks = new Set();
        for (const entry of document.querySelectorAll('dl.py, table.indextable')) {
            const own = [...entry.querySelectorAll('*')]
                .map(e => `${e.parentElement.className}>${e.tagName}.${e.className}`);
            if (own.every(look => looks.has(look))) hidden.push([entry, entry.style.display]);
            own.forEach(look => looks.add(look));
        }
        for (const [entry] of hidden) entry.style.display = 'none';
    }
    const {violations} = await axe.run(document, {resultTypes: ['violations'], ...options});
    for (const [entry, display] of hidden) entry.style.display = display;
    return violations.filter(({impact}) => impact === 'serious' || impact === 'critical').flatMap(({id, nodes}) => nodes
        .filter(({target}) => !ignored.some(([rule, selector]) => rule === id
            && document.querySelector(target.at(-1))?.closest(selector)))
        .map(({target, failureSummary}) => `${id}: ${target.join(' ')}: ${failureSummary.slice(0, 200)}`));
}"""

# Use every control in the text and tell which changed nothing; the explorer's and the plots' have tests of their own.
# A button that copied turns back by itself seconds later, so what changes within another control is not this one's
# doing; nor is where keys stop, which the theme looks over after any change.
_DEAD = """async () => {
    const films = () => [...document.querySelectorAll('video')].map(v => [v.paused, v.loop, v.playbackRate, v.muted]);
    const kinds = 'button, summary, select, input, textarea, [role=button], [role=switch], [role=slider], [onclick]';
    const living = '.vx, .plotly-graph-div';
    const text = document.querySelector('article');
    const controls = [...text?.querySelectorAll(kinds) ?? []].filter(e => !e.closest(living));
    const dead = [];
    for (const control of controls) {
        let changed = false;
        const own = ({target, attributeName}) => {
            const other = (target.closest ? target : target.parentElement)?.closest(`${kinds}, ${living}`);
            return attributeName !== 'tabindex' && (!other || other === control);
        };
        const watch = new MutationObserver(changes => { changed ||= changes.some(own); });
        watch.observe(text, {subtree: true, childList: true, attributes: true, characterData: true});
        const before = JSON.stringify(films());
        if (control.matches('select, input[type=range], input[type=number]')) {
            const other = control.options && [...control.options].find(o => !o.selected)?.value;
            control.value = other ?? (control.value === control.max ? control.min : control.max);
            for (const kind of ['input', 'change']) control.dispatchEvent(new Event(kind, {bubbles: true}));
        } else control.click();
        for (let i = 0; i < 40 && !changed && before === JSON.stringify(films()); i++) {
            await new Promise(done => setTimeout(done, 25));
        }
        watch.disconnect();
        if (!changed && before === JSON.stringify(films())) dead.push(control.outerHTML.slice(0, 200));
    }
    return dead;
}"""
