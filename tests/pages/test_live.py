"""The notebooks as a student meets them: in a real JupyterLab, in a browser, with a kernel that answers.

One server on a copy of the notebooks, at the smoke profile. One process trains their runs while the first
notebooks, which need none, are run; what it leaves out, a notebook trains itself.
"""

import ast
import functools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from papermill import inspect_notebook
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

ROOT = Path(__file__).parents[2]
TOKEN = "only-for-these-tests"
# Less than the profile has, where a chapter has the parameter: the numbers are not what is tested here.
LESS = {
    "profile": "smoke",
    "n_images": 100,
    "modified_gammas": [0.01],
    "seeds": [0, 1, 2],
    "n_points": 80,
    "n_probes": 40,
    "n_draws": 2000,
}
FEWEST_SEEDS = {"11_ledger": [0, 1]}  # which trains that many for each of the settings that it compares
# What a student changes before running all cells again; little is trained for it.
CHANGED: dict[str, tuple[str, Any]] = {
    "00_explorer": ("gamma", 0.02),
    "01_dataset": ("hole_a", 1.3),
    "02_loss": ("gamma", 0.02),
    "03_training": ("gamma", 0.02),
    "04_embedding": ("modified_gammas", [0.02]),
    "05_transects": ("n_probes", 50),
    "06_disentanglement": ("allowed_error", 1.5),
    "11_ledger": ("seeds", [1, 0]),
}
# Names that are there before any cell runs.
START_UP = "temperature = 0.5\nseed: int = 7\n"

# In one process, which traces each network once; the last of them is left to the notebook and its workers.
TRAIN = """
import os, pathlib
from vaelib import Experiment, train_all
from vaelib.study import claims, verdicts
runs = pathlib.Path(os.environ["VAELIB_RUNS"])
smoke = Experiment.from_profile("smoke", n_images=100)
several = [smoke.replace(region=region, seed=s) for s in (0, 1, 2) for region in ("full", "punctured", "thinned")]
train_all([*several, smoke.replace(gamma=0.01)], runs, workers=1)
(runs / "of-the-chapters").touch()
settings, smoke = verdicts.settings_of_rules(claims.compared()[0]), Experiment.from_profile("smoke")
compared = [smoke.replace(**changed, seed=s) for changed in settings for s in (0, 1)]
train_all(compared[:-1], runs, workers=1)
"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of everything that the server and its kernels write."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def trainer(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (home / "training").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", TRAIN], env=_environment(home), stdout=log, stderr=log, start_new_session=True
        )
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def trained(trainer: subprocess.Popen[bytes], home: Path) -> None:
    """The runs of the chapters but for the ledger's, finished."""
    deadline = time.monotonic() + 400
    while not (home / "runs" / "of-the-chapters").exists():
        assert trainer.poll() is None and time.monotonic() < deadline, (home / "training").read_text()[-3000:]
        time.sleep(0.1)


@pytest.fixture
def compared(trainer: subprocess.Popen[bytes], home: Path) -> None:
    """All but one of the runs of the ledger's comparison too."""
    assert trainer.wait(400) == 0, (home / "training").read_text()[-3000:]


@pytest.fixture(scope="module")
def server(home: Path, trainer: subprocess.Popen[bytes]) -> Iterator[str]:
    """The address of a JupyterLab with settings of its own, serving parameterised copies of the notebooks."""
    notebooks = home / "notebooks"
    notebooks.mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        wanted = LESS | {"seeds": FEWEST_SEEDS.get(path.stem, LESS["seeds"])}
        parameters = {name: value for name, value in wanted.items() if name in inspect_notebook(str(path))}
        # What `papermill --inject-paths` adds.
        parameters |= {"PAPERMILL_INPUT_PATH": path.name, "PAPERMILL_OUTPUT_PATH": "out.ipynb"}
        nbformat.write(parameterize_notebook(load_notebook_node(str(path)), parameters), notebooks / path.name)
    start = home / "ipython" / "profile_default" / "startup" / "mine.py"
    start.parent.mkdir(parents=True)
    start.write_text(START_UP)
    settings = home / "settings" / "@jupyterlab"
    for name, values in {
        "notebook-extension/tracker": {"windowingMode": "none"},  # all cells stay in the page
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        (settings / name).parent.mkdir(parents=True, exist_ok=True)
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
             "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={notebooks}",
             "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
             "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
            cwd=notebooks, env=_environment(home), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield _address(process, home)
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the server and its kernels
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "VAELIB", "IPYTHON"))}
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "VAELIB_RUNS": "runs",
    }
    return {
        **kept,
        **{name: str(home / folder) for name, folder in folders.items()},
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, not one that somebody installed
        "VAELIB_CACHE": os.environ["VAELIB_CACHE"],
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def _address(process: subprocess.Popen[bytes], home: Path) -> str:
    """Return the server's address, once it answers."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        for file in (home / "runtime").glob("jpserver-*.json"):
            try:
                url = json.loads(file.read_text())["url"]
                with urllib.request.urlopen(f"{url}api/status?token={TOKEN}", timeout=5):
                    return str(url)
            except (OSError, ValueError):
                pass  # not written to its end, or not listening yet
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{(home / 'log').read_text()[-3000:]}")


# What an open notebook is asked, through JupyterLab's own application object.
_READY = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
_RUN_ALL = "async () => { await jupyterapp.commands.execute('notebook:run-all-cells'); }"
_APPEND = """(line) => {
    const cells = [...jupyterapp.shell.currentWidget.content.model.cells];
    const { sharedModel } = cells.find((cell) => cell.getMetadata('tags')?.includes('injected-parameters'));
    sharedModel.setSource(`${sharedModel.getSource()}\\n${line}`);
}"""
_CELLS = """() => [...jupyterapp.shell.currentWidget.content.model.cells].map((cell) => cell.toJSON())
    .filter((cell) => cell.cell_type === 'code')
    .map(({ source, execution_count, outputs }) => ({ source: [source].flat().join(''), execution_count,
        errors: outputs.filter((o) => o.output_type === 'error').map((o) => o.traceback.join('\\n')) }))"""
_EXECUTE = """async (code) => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const asked = kernel.requestExecute({ code: '', user_expressions: { value: code }, store_history: false });
    const { content } = await asked.done;
    const { value } = content.user_expressions;
    return value.status === 'ok' ? value.data['text/plain'] : `${value.ename}: ${value.evalue}`;
}"""
_CELL = """async (code) => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    await kernel.requestExecute({ code, store_history: true }).done;
}"""
# A control's picture as it is drawn, pixel by pixel.
_PIXELS = """async (image) => {
    for (let tries = 0; ; tries++)
        try {
            await image.decode();
            break;
        } catch (error) { // the next picture arrived meanwhile
            if (tries === 20) throw error;
            await new Promise((done) => setTimeout(done, 50));
        }
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const digest = await crypto.subtle.digest('SHA-256', data);
    return [canvas.width, canvas.height, ...new Uint8Array(digest)].join(' ');
}"""


# The numbers that a Plotly figure draws.
_TRACES = "plot => JSON.stringify(plot._fullData.map((trace) => [trace.x, trace.y, trace.z, trace.text]))"


class Notebook:
    """A notebook in JupyterLab's single-document mode, with a kernel of its own, and all that went wrong in it."""

    def __init__(self, browser: Any, server: str, name: str) -> None:
        self.server, self.name = server, name
        self.context = browser.new_context(viewport={"width": 1280, "height": 1000})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.wrong: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))

    def run_all(self) -> None:
        """Open the notebook, run all cells, and see that each ran to its end without an error."""
        self.page.goto(f"{self.server}doc/tree/{self.name}.ipynb?token={TOKEN}")
        self.page.wait_for_function(_READY, timeout=90_000)
        self.cells_run()

    def cells_run(self) -> None:
        """Run all cells of the open notebook and see that each ran to its end without an error."""
        self.page.set_default_timeout(500_000)
        self.page.evaluate(_RUN_ALL)
        self.page.set_default_timeout(30_000)
        cells = self.page.evaluate(_CELLS)
        assert [error for cell in cells for error in cell["errors"]] == []
        assert [cell["source"] for cell in cells if cell["source"].strip() and not cell["execution_count"]] == []

    def runs_again(self) -> None:
        """Set names of one's own and another value of a parameter, as a student does, and run all cells again."""
        name, value = CHANGED[self.name]
        self.page.evaluate(_CELL, "gama, mine = 1, [2]\nscratch: int = 3")
        self.page.evaluate(_APPEND, f"{name} = {value!r}")
        self.cells_run()
        assert self.python(f"(chosen[{name!r}], scratch)") == repr((value, 3))

    def python(self, expression: str) -> str:
        """Return the value of an expression in the notebook's kernel."""
        return str(self.page.evaluate(_EXECUTE, expression))

    def controls(self, n: int) -> list["Control"]:
        """Return the notebook's live controls, of which there are n."""
        pictures = self.page.locator("img.widget-image")
        pictures.nth(n - 1).wait_for()
        assert pictures.count() == n
        return [Control(self.page, pictures.nth(i).locator("xpath=..")) for i in range(n)]

    def plotly_sliders_move_their_plots(self, n: int) -> None:
        """Drag each of Plotly's n sliders to both sides: the numbers and the picture change."""
        grips = self.page.locator(".js-plotly-plot .slider-grip-rect")
        grips.nth(n - 1).wait_for()
        assert grips.count() == n
        for i in range(n):
            plot = grips.nth(i).locator("xpath=ancestor::*[contains(@class, 'js-plotly-plot')]")
            plot.evaluate("plot => plot.scrollIntoView({ block: 'center', behavior: 'instant' })")
            numbers, picture = functools.partial(plot.evaluate, _TRACES), functools.partial(self._above_slider, plot)
            drawn, seen = [numbers()], [picture()]
            for share in (0.1, 0.9):  # no slider begins there
                _drag(self.page, grips.nth(i), plot.locator(".slider-rail-touch-rect"), share)
                drawn.append(self.changed(numbers, *drawn))
                seen.append(self.changed(picture, *seen))

    def changed(self, look: Callable[[], str], *before: str) -> str:
        """Return what is seen once it differs from all that was seen before."""
        return _until(self.page, look, lambda seen: seen not in before)

    def _above_slider(self, plot: Any) -> str:
        """The plot as it is seen, without its slider, which looks different wherever it is."""
        self.page.mouse.move(1, 1)  # no hover, no mode bar
        self.page.wait_for_timeout(200)
        box, below = plot.bounding_box(), plot.locator(".slider-container").bounding_box()
        return str(self.page.screenshot(clip={**box, "height": below["y"] - box["y"]}).hex())

    def close(self) -> None:
        """Leave, and end the kernel, whose memory the next one needs."""
        session = "jupyterapp.shell.currentWidget?.sessionContext"
        self.page.evaluate(f"async () => {{ await {session}?.shutdown(); }}")
        self.context.close()


def _drag(page: Any, handle: Any, track: Any, share: float, steps: int = 4) -> None:
    """Drag a slider's handle to a fraction of its track."""
    begun, way = handle.bounding_box(), track.bounding_box()
    page.mouse.move(begun["x"] + begun["width"] / 2, begun["y"] + begun["height"] / 2)
    page.mouse.down()
    page.mouse.move(way["x"] + share * way["width"], way["y"] + way["height"] / 2, steps=steps)
    page.mouse.up()


def _canvas(canvas: Any) -> str:
    return str(canvas.evaluate("canvas => canvas.toDataURL()"))


def _until(page: Any, look: Callable[[], str], wanted: Callable[[str], bool]) -> str:
    """Poll until what is seen is what is wanted; return it."""
    deadline = time.monotonic() + 60  # while another process trains, a kernel may be slow to answer
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, "the picture is not what it should be"
        page.wait_for_timeout(40)
    return seen


class Control:
    """One live control in the page."""

    def __init__(self, page: Any, root: Any) -> None:
        self.page, self.root = page, root
        self.image = root.locator("img.widget-image")
        self.sliders = root.locator(".widget-slider")
        self.root.scroll_into_view_if_needed()

    def pixels(self) -> str:
        return str(self.image.evaluate(_PIXELS))

    def settled(self) -> str:
        """The picture once the kernel has answered everything.

        A drag's last value is held back until the one before it is answered, and the kernel answers in order: so a
        question that it answers without another picture, and a second one, leave nothing behind.
        """
        quiet = 0
        while quiet < 2:
            before = self.pixels()
            self.page.evaluate(_EXECUTE, "0")
            self.page.wait_for_timeout(100)
            quiet = quiet + 1 if self.pixels() == before else 0
        return before

    def line(self) -> str:
        return str(self.root.locator(".widget-htmlmath-content").inner_text())

    def after(self, change: Callable[[], None], before: str) -> str:
        """The picture once it differs from `before`."""
        change()
        return _until(self.page, self.pixels, lambda seen: seen != before)

    def drag(self, i: int, share: float, steps: int = 4) -> None:
        """Drag the i-th slider's handle to a fraction of its track."""
        slider = self.sliders.nth(i)
        slider.scroll_into_view_if_needed()
        _drag(self.page, slider.locator(".noUi-handle"), slider.locator(".noUi-base"), share, steps)

    def every_slider_moves_the_picture_and_reset_puts_it_back(self) -> None:
        start, line = self.pixels(), self.line()
        for i in range(self.sliders.count()):
            seen = start
            for share in (0.12, 0.7):  # no slider begins there
                self.after(lambda i=i, share=share: self.drag(i, share), seen)  # type: ignore[misc]
                seen = self.settled()
                assert seen != start and self.line() != line
            self.reset_to(start)
            assert self.line() == line

    def reset_to(self, start: str) -> None:
        self.root.get_by_role("button", name="Reset").click()
        _until(self.page, self.pixels, lambda seen: seen == start)


@pytest.fixture
def opened(browser: Any, server: str, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Notebook]]:
    """Open a notebook and run it; at the end the console may hold no error."""
    made: list[Notebook] = []

    def open_one(name: str) -> Notebook:
        made.append(Notebook(browser, server, name))
        made[-1].run_all()
        return made[-1]

    yield open_one
    folder = request.config.getoption("--screenshots")
    for notebook in made:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            notebook.page.screenshot(path=folder / f"live-{notebook.name}.png")
        notebook.close()
        assert notebook.wrong == []


def test_the_curve_follows_a_and_b(opened: Callable[[str], Notebook]) -> None:
    notebook = opened("01_dataset")
    notebook.plotly_sliders_move_their_plots(1)
    (control,) = notebook.controls(1)
    assert control.sliders.count() == 2
    control.every_slider_moves_the_picture_and_reset_puts_it_back()
    notebook.runs_again()


# Give every picture from now on a tenth of a second, whatever the machine: so there is no time for all of them.
SLOW = """
import time
from vaelib.interactive.controls import Control

def slow(control, drawn=Control._drawn):
    time.sleep(0.1)
    return drawn(control)

Control._drawn = slow
"""


def test_the_surfaces_follow_the_weights_and_no_stale_picture_is_drawn(opened: Callable[[str], Notebook]) -> None:
    notebook = opened("02_loss")
    notebook.plotly_sliders_move_their_plots(2)
    controls = notebook.controls(2)
    assert [control.sliders.count() for control in controls] == [2, 2]
    for control in controls:
        control.every_slider_moves_the_picture_and_reset_puts_it_back()
    # A drag of a hundred values gets as many pictures as there is time for, and the last of them is the last value's.
    assert notebook.python(f"exec({SLOW!r}, {{}})") == "None"
    trained = controls[0]
    trained.image.evaluate(
        """(image) => { window.drawn = 0;
        new MutationObserver(() => window.drawn++).observe(image, { attributeFilter: ['src'] }); }"""
    )
    begun = time.monotonic()
    trained.drag(1, 0.95, steps=100)
    ended = time.monotonic()
    trained.drag(1, 0.9, steps=1)
    wanted = trained.sliders.nth(1).locator(".widget-readout").inner_text()
    while f"γ = {float(wanted):.2g}:" not in trained.line():
        assert time.monotonic() < ended + 5, (wanted, trained.line())
        trained.page.wait_for_timeout(20)
    now = time.monotonic()
    drawn = trained.page.evaluate("window.drawn")
    print(f"\n{drawn} pictures of a drag of {ended - begun:.1f} s, the last {now - ended:.2f} s after its end")
    assert 1 <= drawn <= (now - begun) / 0.1 + 1  # all hundred would come 5 s and more after the end
    notebook.runs_again()
    assert "γ = 0.02:" in notebook.controls(2)[0].line()


def test_the_explorer_talks_with_the_kernel(trained: None, opened: Callable[[str], Notebook]) -> None:
    """A drag in the page arrives in Python; what Python sets, the page shows."""
    notebook = opened("00_explorer")
    page = notebook.page
    space = page.locator(".vx-parameters > canvas")
    space.scroll_into_view_if_needed()
    page.wait_for_selector(".vx[data-error]")
    state_line = page.locator(".vx-state")
    assert notebook.python("explore.parameters") == "(1.25, 1.0)"
    # Most of the parameter space is its ground, in the page's colours.
    ground, wanted = page.evaluate("""() => {
        const canvas = document.querySelector('.vx-parameters > canvas');
        const style = getComputedStyle(document.querySelector('.vx')).getPropertyValue('--vx-well').trim();
        const pen = document.createElement('canvas').getContext('2d');
        pen.fillStyle = style;
        pen.fillRect(0, 0, 1, 1);
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const counts = {};
        for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] < 255) continue;
            const color = [data[i], data[i + 1], data[i + 2]];
            counts[color] = (counts[color] ?? 0) + 1;
        }
        const most = Object.entries(counts).sort((first, second) => second[1] - first[1])[0][0];
        return [most, [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).join()];
    }""")
    assert ground == wanted
    before = notebook.python("explore.mu")
    box = space.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.65 * box["width"], box["y"] + 0.3 * box["height"], steps=8)
    page.mouse.up()
    page.wait_for_function("() => !document.querySelector('.vx-state').textContent.includes('in the hole')")
    page.wait_for_timeout(800)  # the last of the drag's messages
    a, b = map(float, notebook.python("explore.parameters").strip("()").split(","))
    assert a > 1.35 and b < 0.8
    assert f"a = {a:.2f}, b = {b:.2f}" in state_line.inner_text()
    assert notebook.python("explore.mu") != before

    place = page.locator(".vx-parameters > canvas")
    curve, decoded, difference = (page.locator(f".vx-bottom > div:nth-child({i}) canvas") for i in (1, 2, 3))
    for assignment, words, moved in (
        # After so short a training the whole sheet decodes alike.
        ("setattr(explore, 'parameters', (0.8, 1.5))", "a = 0.80, b = 1.50", [place, curve, difference]),
        ("setattr(explore, 'mu', (1000, 2000, -3000))", "off the sheet", [decoded, difference]),
    ):
        before = [_canvas(canvas) for canvas in moved]
        assert notebook.python(assignment) == "None"
        page.wait_for_function(f"() => document.querySelector('.vx-state').textContent.includes({words!r})")
        for canvas, pixels in zip(moved, before, strict=True):
            _until(page, lambda canvas=canvas: _canvas(canvas), lambda seen, pixels=pixels: seen != pixels)
    assert "μ = (1000.00, 2000.00, -3000.00)" in state_line.inner_text()
    assert notebook.python("explore.parameters") == "(0.8, 1.5)"

    # Two changes in one cell: the page's answer to the first must not undo the second.
    both = "setattr(explore, 'parameters', (1.1, 0.4)), setattr(explore, 'mu', (1, 2, 3))"
    assert notebook.python(both) == "(None, None)"
    page.wait_for_function("() => document.querySelector('.vx-state').textContent.includes('a = 1.10, b = 0.40')")
    page.wait_for_timeout(1500)  # for the page's answer and the line that reports it
    assert notebook.python("(explore.parameters, explore.mu)") == "((1.1, 0.4), (1.0, 2.0, 3.0))"
    assert "a = 1.10, b = 0.40; μ = (1.00, 2.00, 3.00), off the sheet" in state_line.inner_text()

    _every_control_is_heard(notebook)
    _what_python_sets_is_shown(notebook)
    notebook.runs_again()


def _every_control_is_heard(notebook: Notebook) -> None:
    """Use the explorer's sliders, menus and buttons: the pictures change, and an observer in Python hears of it."""
    page = notebook.page
    sheet, decoded = page.locator(".vx-latents > canvas"), page.locator(".vx-bottom > div:nth-child(2) canvas")
    labelled = functools.partial(page.get_by_label, exact=True)
    assert notebook.python("globals().update(heard=[])") == "None"
    hear = "lambda change: heard.append((change['name'], change['new']))"
    names = "['parameters', 'mu', 'run', 'epoch', 'color', 'transect']"
    assert notebook.python(f"explore.observe({hear}, {names})") == "None"

    def heard(name: str, enough: Callable[[list[Any]], bool]) -> list[Any]:
        """Return what the observer has heard of a trait, once it is enough."""

        def values(text: str) -> list[Any]:
            return [value for of, value in ast.literal_eval(text) if of == name]

        return values(_until(page, lambda: notebook.python("heard"), lambda text: enough(values(text))))

    def hears(name: str, wanted: list[Any]) -> None:
        """Wait until the observer has heard this of a trait, and nothing else of it; then clear its record."""
        heard(name, lambda values: values == wanted)
        notebook.python("heard.clear()")

    def moves(use: Callable[[], object], *canvases: Any) -> None:
        """Do something, and wait until these canvases show something else."""
        before = [_canvas(canvas) for canvas in canvases]
        use()
        for canvas, pixels in zip(canvases, before, strict=True):
            notebook.changed(functools.partial(_canvas, canvas), pixels)

    def press(key: str) -> Callable[[], object]:
        return lambda: page.keyboard.press(key)

    moves(labelled("back to the sheet").click, sheet)
    epoch = labelled("epoch")
    last = int(epoch.get_attribute("max"))
    epoch.focus()
    for key, wanted in (("Home", 0), ("End", last)):
        moves(press(key), sheet, decoded)
        hears("epoch", [wanted])
        assert epoch.input_value() == str(wanted)
    for axis, subscript in enumerate("₁₂₃"):
        slider = labelled(f"latent μ{subscript}")
        slider.focus()
        for key, end in (("Home", "min"), ("End", "max")):
            moves(press(key), sheet)  # after so short a training everything decodes alike
            assert heard("mu", bool)[0][axis] == pytest.approx(float(slider.get_attribute(end)))
            notebook.python("heard.clear()")
    moves(labelled("back to the sheet").click, sheet)
    for label, name, values in (("run", "run", ["standard", "modified"]), ("colour", "color", ["b", "error"])):
        for value in values:
            moves(functools.partial(labelled(label).select_option, value), sheet)
        hears(name, values)
    labelled("play the training").click()
    labelled("stop").wait_for()
    labelled("play the training").wait_for()
    hears("epoch", list(range(last + 1)))
    for name, (a, b) in {"P1": (1.25, None), "P2": (None, 1.0), "P3": (None, None)}.items():
        moves(labelled(f"walk along transect {name}").click, sheet)
        places = heard("parameters", lambda places: len(places) > 2)
        assert all(a in (None, x) and b in (None, y) for x, y in places)
        # Stops it, unless it has come to its end while the kernel was slow: pressed again then, it would begin anew.
        stop = "button => button.getAttribute('aria-pressed') === 'true' && button.click()"
        labelled(f"walk along transect {name}").evaluate(stop)
        hears("transect", [name, ""])


def _what_python_sets_is_shown(notebook: Notebook) -> None:
    page = notebook.page
    sheet = functools.partial(_canvas, page.locator(".vx-latents > canvas"))
    # The epoch last: before the first step all points lie on one spot, and the current one's mark hides their colours.
    for name, label, value in (("run", "run", "punctured"), ("color", "colour", "a"), ("epoch", "epoch", 0)):
        before = sheet()
        assert notebook.python(f"setattr(explore, {name!r}, {value!r})") == "None"
        notebook.changed(sheet, before)
        assert page.get_by_label(label, exact=True).input_value() == str(value)
    state_text = "document.querySelector('.vx-state').textContent"
    page.wait_for_function(f"() => {state_text}.startsWith('punctured') && {state_text}.includes('epoch 0:')")
    for value, pressed in (("P2", "true"), ("", "false")):
        assert notebook.python(f"setattr(explore, 'transect', {value!r})") == "None"
        page.wait_for_selector(f"[aria-label='walk along transect P2'][aria-pressed={pressed}]")
    shown = "(explore.run, explore.color, explore.epoch, explore.transect)"
    assert notebook.python(shown) == "('punctured', 'a', 0, '')"


def test_the_sheet_follows_the_epoch(trained: None, opened: Callable[[str], Notebook]) -> None:
    notebook = opened("03_training")
    (control,) = notebook.controls(1)
    assert control.sliders.count() == 1
    control.every_slider_moves_the_picture_and_reset_puts_it_back()
    notebook.runs_again()


def test_the_decoded_image_follows_mu(trained: None, opened: Callable[[str], Notebook]) -> None:
    notebook = opened("04_embedding")
    (control,) = notebook.controls(1)
    assert control.sliders.count() == 3
    control.every_slider_moves_the_picture_and_reset_puts_it_back()
    notebook.runs_again()


def test_the_transects_are_walked(trained: None, opened: Callable[[str], Notebook]) -> None:
    notebook = opened("05_transects")
    (control,) = notebook.controls(1)
    assert control.sliders.count() == 1
    control.every_slider_moves_the_picture_and_reset_puts_it_back()
    start, line = control.pixels(), control.line()
    for name in ("P2", "P3"):
        before = control.pixels()
        control.after(control.root.get_by_role("button", name=name).click, before)
    control.drag(0, 0.9)
    control.settled()
    assert control.line() != line
    control.reset_to(start)
    assert control.line() == line
    notebook.runs_again()


@pytest.mark.parametrize("name", ["06_disentanglement", "11_ledger"])
def test_a_chapter_without_live_controls_runs_too(compared: None, opened: Callable[[str], Notebook], name: str) -> None:
    """At this profile it reads the table that the project keeps; every cell runs without an error."""
    notebook = opened(name)
    assert notebook.page.locator("img.widget-image").count() == 0
    notebook.runs_again()
