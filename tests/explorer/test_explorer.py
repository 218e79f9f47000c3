"""The explorer: what it carries, how it moves from Python, and, in a browser, what every control does."""

import json
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
import traitlets
from visitor import PLAIN, PLAIN_MS

from vaelib import Experiment, curves, dataset, train
from vaelib.experiment import PARAMETER_RANGE
from vaelib.explorer import Explorer, explorer, module_source, packing, show, widget
from vaelib.run import Run

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "vaelib" / "explorer"
LOADER = ROOT / "book" / "_static" / "living-widget.js"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001e221bc33"
    "0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("runs")
    smoke = Experiment.from_profile("smoke", batch_size=4)  # enough steps to draw something
    punctured = smoke.replace(region="punctured")
    experiments = {"standard": smoke, "modified": smoke.replace(gamma=0.01), "punctured": punctured}
    return {name: train(each, root, progress=False) for name, each in experiments.items()}


@pytest.fixture(scope="module")
def packed(runs: dict[str, Run]) -> tuple[dict[str, Any], bytes]:
    return packing.pack(runs)


@pytest.fixture
def made(packed: tuple[dict[str, Any], bytes]) -> Explorer:
    return Explorer(*packed, run="standard", parameters=(1.25, 1.0))


@pytest.fixture(scope="module")
def book_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the book's shapes, hardly trained."""
    experiment = Experiment.from_profile("book", n_images=60, batch_size=8)
    return train(experiment, tmp_path_factory.mktemp("book-shapes"), progress=False)


def wild(run: Run) -> Run:
    """Give the run's decoder, in memory, weights as large as those of a long training."""
    random = np.random.default_rng(0)
    for weight in run.model().decoder.weights:
        name, shape = weight.path.split("/")[1], tuple(weight.shape)
        if name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 2, shape))
        else:
            weight.assign(random.normal(0, 2 / np.sqrt(np.prod(shape[:-1])) if name == "kernel" else 0.5, shape))
    return run


LATENTS = np.random.default_rng(1).normal(0, 1.5, (100, 3)).astype(np.float32)


def decoder_of(run: Run) -> tuple[np.ndarray, dict[str, Any]]:
    """The (2, n) half floats that a page gets, and their shape."""
    return packing._in_halves(packing.folded_decoder(run, "best")), packing.decoder_shape(run)


def test_the_folded_decoder_is_the_models_borders_included(book_run: Run) -> None:
    book_run = wild(book_run)
    made = packing.decode(packing.folded_decoder(book_run, "best"), packing.decoder_shape(book_run), LATENTS[:20])
    expected = book_run.decode(LATENTS[:20])
    assert expected.min() < 0.05 and expected.max() > 0.95, "an image without contrast would show no difference"
    np.testing.assert_allclose(made, expected, atol=2e-4)


def test_two_half_floats_are_enough_and_one_is_not(book_run: Run) -> None:
    weights, (halves, shape) = packing.folded_decoder(wild(book_run), "best"), decoder_of(book_run)
    exact = packing.decode(weights, shape, LATENTS[:20])
    kept = packing.decode(halves.astype(np.float64).sum(axis=0), shape, LATENTS[:20])
    assert np.abs(kept - exact).max() < 1e-4
    assert np.abs(packing.decode(halves[0], shape, LATENTS[:20]) - exact).max() > 1e-3


def test_three_runs_of_the_book_fit_into_their_share_of_a_page(book_run: Run) -> None:
    """All that a page gets but for the picture, which may have the rest: the book's own has about 60 kB."""
    few = len(book_run.embeddings[0])
    each = 2 * 2 + 3 * (book_run.epochs + 1) + 7  # bytes of a training image: a and b, embeddings, errors
    others = Experiment.from_profile("book").n_images - 1000  # at most: of these a and b
    more = 3 * ((1000 - few) * each + others * 2 * 2) * 4 // 3  # of the training images that this run has not
    three = {name: book_run for name in ("standard", "modified", "punctured")}
    info, data = packing.pack(three, budget=packing.MOST_BYTES - more)
    made = Explorer(info, data, run="standard", parameters=(1.25, 1.0))
    kept = [len(entry["decoders"]) for entry in info["runs"]]
    total = len(made.html(b"", "")) + more
    print(f"\n{total / 1000:.0f} kB in the page, {kept[0]} decoders a run")
    assert total + 100_000 <= packing.MOST_BYTES
    assert set(kept) <= {4, 5, 6, 7}


def test_a_small_budget_still_has_the_best_epochs_decoder(runs: dict[str, Run]) -> None:
    info, _ = packing.pack({"one": runs["standard"]}, budget=0)
    assert list(info["runs"][0]["decoders"]) == [str(runs["standard"].best_epoch)]


@pytest.mark.parametrize(
    ("n", "best", "expected"),
    [(1, 6, [6]), (2, 6, [0, 6]), (5, 6, [0, 1, 2, 4, 6]), (5, 5, [0, 1, 2, 5, 6]), (9, 3, [0, 1, 2, 3, 4, 5, 6])],
)
def test_the_epochs_with_decoders_are_spread(n: int, best: int, expected: list[int]) -> None:
    assert packing.spread(range(7), n, best) == expected


def test_what_is_packed_is_what_the_run_has(packed: tuple[dict[str, Any], bytes], runs: dict[str, Run]) -> None:
    info, data = packed
    for entry in info["runs"]:
        run = runs[entry["name"]]
        built = dataset.build(run.experiment.data)
        np.testing.assert_allclose(packing.unpack(data, entry["points"]), built.parameters[built.train], atol=2 / 65535)
        assert len(entry["embeddings"]) == run.epochs + 1
        for epoch, part in enumerate(entry["embeddings"]):
            mu = run.embeddings[epoch]
            step = np.ptp(mu, axis=0).max() / 255
            np.testing.assert_allclose(packing.unpack(data, part), mu, atol=0.51 * step)
        errors = packing.unpack(data, entry["errors"][str(run.best_epoch)])
        images = built.images[built.train]
        own = np.square(run.reconstruct(images) - images / 255).mean(axis=(1, 2)) / (images / 255).var(axis=(1, 2))
        np.testing.assert_allclose(errors, np.minimum(own, np.percentile(own, 98)), atol=np.ptp(own) / 255)


def test_of_the_training_images_beyond_the_first_the_places_are_kept(runs: dict[str, Run]) -> None:
    info, data = packing.pack({"one": runs["standard"]}, n_points=25)
    (entry,) = info["runs"]
    built = dataset.build(runs["standard"].experiment.data)
    places = [packing.unpack(data, entry[name]) for name in ("points", "others")]
    assert [len(part) for part in places] == [25, len(built.train) - 25]
    np.testing.assert_allclose(np.concatenate(places), built.parameters[built.train], atol=2 / 65535)
    assert entry["embeddings"][0]["shape"][0] == 25


def test_means_are_exact_on_the_grid_and_close_between(made: Explorer, runs: dict[str, Run]) -> None:
    run = runs["standard"]
    grid = packing.grid_points()
    on = run.encode(dataset.draw(grid, run.experiment.data), run.best_epoch)
    np.testing.assert_allclose(made.means(grid, "standard", run.best_epoch), on, atol=1e-4 * np.ptp(on))
    between = np.random.default_rng(2).uniform([0.5, 0], [2, 2], (100, 2))
    exact = run.encode(dataset.draw(between, run.experiment.data), run.best_epoch)
    astray = np.linalg.norm(made.means(between, "standard", run.best_epoch) - exact, axis=1)
    assert np.median(astray) < 0.05 * np.linalg.norm(on.std(axis=0))


def test_interpolation_is_bilinear_and_stays_within_the_edge() -> None:
    a, b = packing.grid_points().reshape(*packing.GRID, 2).transpose(2, 0, 1)
    table = np.stack([a, b, a * b], axis=-1)
    points = np.random.default_rng(3).uniform([0.5, 0], [2, 2], (50, 2))
    expected = np.column_stack([points, points.prod(axis=1)])
    np.testing.assert_allclose(packing.interpolate(table, points), expected, atol=1e-12)
    np.testing.assert_allclose(packing.interpolate(table, [9, -9]), [2, 0, 0])


def test_parameters_move_mu_and_mu_moves_nothing(made: Explorer) -> None:
    heard: list[str] = []
    made.observe(lambda change: heard.append(change["name"]), ["mu", "parameters"])
    made.parameters = (0.8, 1.5)
    np.testing.assert_allclose(made.mu, made.means((0.8, 1.5)))
    assert heard == ["mu", "parameters"] or heard == ["parameters", "mu"]
    made.mu = np.array([1, 2, 3])
    assert made.mu == (1.0, 2.0, 3.0) and made.parameters == (0.8, 1.5)


def test_another_run_or_epoch_moves_mu_unless_it_left_the_sheet(made: Explorer) -> None:
    made.epoch = 0
    np.testing.assert_allclose(made.mu, made.means((1.25, 1.0), "standard", 0))
    made.run = "punctured"
    np.testing.assert_allclose(made.mu, made.means((1.25, 1.0), "punctured", 0))
    made.mu = (5, 5, 5)
    made.epoch = 1
    assert made.mu == (5, 5, 5)
    made.parameters = (1.0, 1.0)
    np.testing.assert_allclose(made.mu, made.means((1.0, 1.0), "punctured", 1))


def test_what_a_page_has_moved_is_not_sent_back(made: Explorer) -> None:
    mu = [float(value) + 1e-9 for value in made.means((0.7, 0.7))]  # equal but for rounding
    made.set_state({"parameters": [0.7, 0.7], "mu": mu})
    assert list(made.mu) == mu and made.parameters == (0.7, 0.7)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("parameters", (3, 1), "a = 3; allowed: 0.5 to 2"),
        ("parameters", (1, -1), "b = -1; allowed: 0 to 2"),
        ("parameters", (1, 1, 1), "parameters = .*; allowed: 2 finite numbers"),
        ("mu", (0, float("nan"), 0), "mu = .*; allowed: 3 finite numbers"),
        ("mu", "far", "mu = 'far'; allowed: 3 finite numbers"),
        ("run", "other", "run = 'other'; allowed: standard, modified, punctured"),
        ("epoch", 3, "epoch = 3; allowed: 0 to 2"),
        ("color", "c", "c"),
        ("transect", "P4", "P4"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(made: Explorer, name: str, value: Any, message: str) -> None:
    before = getattr(made, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(made, name, value)
    assert getattr(made, name) == before


def test_runs_that_cannot_be_shown_together_are_named(runs: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="runs is empty"):
        explorer({})
    with pytest.raises(ValueError, match="shown = 'other'; allowed: standard"):
        explorer(runs, shown="other")
    smoke = Experiment.from_profile("smoke", n_images=40, epochs=1)
    flat = train(smoke.replace(latent_dim=2), tmp_path, progress=False)
    with pytest.raises(ValueError, match="'flat' has latent_dim = 2: the explorer shows 3"):
        explorer({"flat": flat})
    large = train(smoke.replace(image_size=40), tmp_path, progress=False)
    with pytest.raises(ValueError, match="'large' has image_size = 40 and 'standard' 32: only one is allowed"):
        explorer({"standard": runs["standard"], "large": large})


def test_more_points_than_a_page_can_move_are_refused(runs: dict[str, Run]) -> None:
    for n_points in (0, 1501):
        with pytest.raises(ValueError, match=f"^n_points = {n_points}; allowed: 1 to 1,500$"):
            explorer(runs, n_points=n_points)
    info, _ = packing.pack({"one": runs["standard"]}, n_points=1500)
    assert info["runs"][0]["points"]["shape"] == [runs["standard"].embeddings.shape[1], 2]


def test_live_it_is_the_widget_and_in_a_page_its_html(made: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    assert show(made, PNG, "words") is made
    monkeypatch.setenv("VAELIB_STATIC", "1")
    text = show(made, PNG, 'a "hole"').data
    assert 'alt="a &quot;hole&quot;"' in text
    (inside,) = re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL)
    assert "<" not in inside
    assert json.loads(inside)["state"]["parameters"] == [1.25, 1.0]


def test_the_module_is_one_and_each_script_is_short() -> None:
    assert "import " not in re.sub(r"/\*.*?\*/|//.*", "", module_source(), flags=re.DOTALL)
    assert module_source().count("export ") == 1
    for path in SCRIPTS.glob("*.mjs"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 200 and max(map(len, lines)) <= 120, path.name


def test_the_scripts_are_joined_in_the_order_of_their_needs() -> None:
    """Joined they have one scope: what a script needs must stand before it, and no name may be there twice."""
    assert set(widget._MODULES) == {path.name for path in SCRIPTS.glob("*.mjs")}
    before: set[str] = set()
    names: list[str] = []
    for script in widget._MODULES:
        text = (SCRIPTS / script).read_text(encoding="utf-8")
        assert set(re.findall(r'from "\./(.+?)"', text)) <= before, script
        before.add(script)
        names += re.findall(r"^(?:export )?(?:const|let|function|class) (\w+)", text, flags=re.MULTILINE)
    assert sorted(names) == sorted(set(names))


# ---- In a browser ----


@pytest.fixture(scope="module")
def file(packed: tuple[dict[str, Any], bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Explorer(*packed, run="standard", parameters=(1.25, 1.0))
    return page_with(made, tmp_path_factory.mktemp("page"))


def page_with(made: Explorer, folder: Path) -> Path:
    """Write a page with nothing but the explorer, far down, as the book has it."""
    path = folder / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>A page</title><body><div style="height: 1500px"></div>{made.html(PNG, "the stand-in")}'
        f"<script>{LOADER.read_text(encoding='utf-8')}</script></body></html>",
        encoding="utf-8",
    )
    return path


class Reader:
    """A page with the explorer from disk, and all that went wrong in it."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1000, "height": 1000}, **options})
        self.page = self.context.new_page()
        self.address = file.as_uri()
        self.wrong: list[str] = []
        self.page.on("console", lambda told: told.type in ("error", "warning") and self.wrong.append(told.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda r: r.url.startswith(("file:", "blob:", "data:")) or self.wrong.append(r.url))

    def open(self, fragment: str = "") -> Any:
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
        """What the page's address says."""
        self.settle()
        _, _, text = self.page.url.partition("#explorer?")
        found: dict[str, Any] = {name: values[0] for name, values in parse_qs(text).items()}
        for name in {"at", "view", "mu"} & set(found):
            found[name] = [float(value) for value in found[name].split(",")]
        return found

    def pixels(self, selector: str) -> str:
        """A canvas as it is drawn."""
        return str(self.page.eval_on_selector(selector, "canvas => canvas.toDataURL()"))

    def place(self, a: float, b: float) -> tuple[float, float]:
        """Where (a, b) lies in the parameter space's canvas, in the window's pixels."""
        box = self.page.locator(PARAMETERS).bounding_box()
        per_unit = min((box["width"] - 44) / 1.5, (box["height"] - 42) / 2)
        left = 34 + (box["width"] - 44 - 1.5 * per_unit) / 2
        return box["x"] + left + per_unit * (a - 0.5), box["y"] + 8 + per_unit * b


PARAMETERS, LATENT_SPACE = ".vx-parameters > canvas", ".vx-latents > canvas"
TRUE, DECODED, DIFFERENCE = (f".vx-bottom > div:nth-child({i}) canvas" for i in (1, 2, 3))


@pytest.fixture
def reader(browser: Any, file: Path) -> Iterator[Reader]:
    made = Reader(browser, file)
    yield made
    made.context.close()
    assert made.wrong == []


browsing = pytest.mark.browser


@browsing
def test_it_sleeps_until_it_is_scrolled_into_view(reader: Reader) -> None:
    page = reader.page
    page.goto(reader.address)
    page.wait_for_timeout(300)
    assert page.locator(".vx").count() == 0 and page.locator(".stand-in").is_visible()
    page.locator(".living-widget").scroll_into_view_if_needed()
    page.locator(".vx").wait_for()
    assert not page.locator(".stand-in").is_visible()


@browsing
def test_on_paper_and_without_javascript_there_is_the_picture(reader: Reader, browser: Any, file: Path) -> None:
    page = reader.open()
    page.emulate_media(media="print")
    assert page.locator(".stand-in").is_visible() and not page.locator(".vx").is_visible()
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(file.as_uri())
    assert plain.get_by_alt_text("the stand-in").is_visible()
    context.close()


@browsing
def test_tapping_and_dragging_move_the_point_and_everything_with_it(reader: Reader) -> None:
    page = reader.open()
    before = [reader.pixels(canvas) for canvas in (PARAMETERS, LATENT_SPACE, TRUE, DECODED, DIFFERENCE)]
    page.mouse.click(*reader.place(0.8, 1.6))
    assert reader.state()["at"] == pytest.approx([0.8, 1.6], abs=0.01)
    after = [reader.pixels(canvas) for canvas in (PARAMETERS, LATENT_SPACE, TRUE, DECODED, DIFFERENCE)]
    assert all(one != other for one, other in zip(before, after, strict=True))
    page.mouse.move(*reader.place(0.8, 1.6))
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(*reader.place(0.8 + 0.1 * step, 1.6 - 0.1 * step))
    page.mouse.up()
    assert reader.state()["at"] == pytest.approx([1.8, 0.6], abs=0.01)
    assert "a = 1.80, b = 0.60" in page.locator(".vx-state").inner_text()
    page.mouse.move(*reader.place(1.0, 1.0))  # no longer held
    assert reader.state()["at"] == pytest.approx([1.8, 0.6], abs=0.01)


@browsing
def test_keys_alone_reach_and_move_everything(reader: Reader) -> None:
    page = reader.open()
    reached = []
    page.locator(".living-widget").evaluate("widget => { document.body.tabIndex = -1; document.body.focus(); }")
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => (document.activeElement.ariaLabel ?? '').split(/[:.]/)[0]"))
    wanted = ["run", "play the training", "epoch", "colour", "latent μ₁", "latent μ₂", "latent μ₃"]
    wanted += ["Parameter space", "Latent space in three dimensions"]
    wanted += [f"walk along transect P{i}" for i in (1, 2, 3)]
    assert set(wanted) <= set(reached)
    page.locator(PARAMETERS).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    state = reader.state()
    assert state["at"] == pytest.approx([1.27, 1.1], abs=1e-3)
    page.keyboard.press("Enter")
    assert page.locator(".vx-parameters .vx-tip").is_visible()
    page.locator(LATENT_SPACE).focus()
    page.keyboard.press("ArrowLeft")
    assert reader.state()["view"][0] - state["view"][0] in (5, -355)
    page.locator("[aria-label='latent μ₂']").focus()
    page.keyboard.press("ArrowRight")
    assert "mu" in reader.state()


@browsing
def test_the_sheet_is_turned_by_dragging(reader: Reader) -> None:
    page = reader.open()
    before = reader.pixels(LATENT_SPACE)
    page.evaluate("""() => {
        window.answers = 0;
        new MutationObserver(() => answers++).observe(
            document.querySelector('.vx'), {attributeFilter: ['data-milliseconds']});
    }""")
    box = page.locator(LATENT_SPACE).bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 20, steps=5)
    page.mouse.up()
    state = reader.state()
    assert reader.pixels(LATENT_SPACE) != before
    assert state["at"] == [1.25, 1.0], "turning is not tapping"
    assert page.evaluate("() => window.answers") == 0, "the images are the same from every side"


@browsing
def test_hovering_shows_a_training_image_in_both_views(reader: Reader, runs: dict[str, Run]) -> None:
    page = reader.open()
    data = dataset.build(runs["standard"].experiment.data)
    a, b = data.parameters[data.train][7]
    before = reader.pixels(LATENT_SPACE)
    page.mouse.move(*reader.place(a, b))
    tip = page.locator(".vx-parameters .vx-tip")
    tip.wait_for()
    assert f"a = {a:.2f}, b = {b:.2f}" in tip.inner_text()
    reader.settle()
    assert reader.pixels(LATENT_SPACE) != before
    thumbnail = page.eval_on_selector(
        ".vx-parameters .vx-tip canvas",
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0)",
    )
    assert np.abs(np.array(thumbnail, dtype=int) - data.images[data.train][7].ravel()).mean() < 1

    page.mouse.move(5, 5)
    assert not tip.is_visible()
    reader.settle()
    before, box = reader.pixels(PARAMETERS), page.locator(LATENT_SPACE).bounding_box()
    found = page.locator(".vx-latents .vx-tip")
    for share in np.linspace(0.2, 0.8, 40):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * (1 - share))
        if found.is_visible():
            break
    assert found.is_visible()
    reader.settle()
    assert reader.pixels(PARAMETERS) != before
    told = re.findall(r"[\d.]+", found.inner_text())
    page.mouse.down()  # a tap goes there
    page.mouse.up()
    assert reader.state()["at"] == pytest.approx([float(value) for value in told], abs=0.006)
    assert found.is_visible()
    page.get_by_label("colour").select_option("b")  # what is shown is no longer what was pointed at
    assert not found.is_visible()


@browsing
def test_a_drag_leaves_no_thumbnail_behind_and_takes_the_main_button(reader: Reader, runs: dict[str, Run]) -> None:
    page = reader.open()
    data = dataset.build(runs["standard"].experiment.data)
    a, b = data.parameters[data.train][7]
    tip = page.locator(".vx-parameters .vx-tip")
    page.mouse.move(*reader.place(a, b))
    tip.wait_for()
    page.mouse.down(button="right")
    page.mouse.up(button="right")
    reader.settle()
    assert "a = 1.25, b = 1.00" in page.locator(".vx-state").inner_text()
    page.mouse.move(*reader.place(a, b - 0.2))
    page.mouse.move(*reader.place(a, b))
    tip.wait_for()
    page.mouse.down()
    assert not tip.is_visible()
    page.mouse.move(*reader.place(1.4, 1.2), steps=5)
    assert not tip.is_visible()
    page.mouse.up()
    assert reader.state()["at"] == pytest.approx([1.4, 1.2], abs=0.01)


@browsing
def test_all_training_points_are_in_the_parameter_space(browser: Any, runs: dict[str, Run], tmp_path: Path) -> None:
    """Those that the latent space leaves out are faint dots."""
    data = dataset.build(runs["standard"].experiment.data)
    path = page_with(explorer({"standard": runs["standard"]}, n_points=10), tmp_path)
    reader = Reader(browser, path)
    page = reader.open()
    points = data.parameters[data.train][10:]
    points = points[np.hypot(*(points - [1.25, 1.0]).T) > 0.1]  # the current point's mark hides what is below it
    box = page.locator(PARAMETERS).bounding_box()
    corner, *where = [[x - box["x"], y - box["y"]] for x, y in (reader.place(a, b) for a, b in [(0.51, 0.01), *points])]
    for color in ("a", "error"):
        page.get_by_label("colour").select_option(color)
        reader.settle()
        well, *seen = page.eval_on_selector(
            PARAMETERS,
            """(c, where) => {
                const copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
                copy.drawImage(c, 0, 0);
                const { data } = copy.getImageData(0, 0, c.width, c.height);
                const at = ([x, y]) => 4 * (Math.floor(y) * c.width + Math.floor(x));
                return where.map((place) => [...data.slice(at(place), at(place) + 3)].join());
            }""",
            [corner, *where],
        )
        assert sum(pixel != well for pixel in seen) > 0.95 * len(points)
    assert reader.wrong == []
    reader.context.close()


@browsing
def test_the_line_waits_for_the_first_image(reader: Reader) -> None:
    page = reader.page
    page.add_init_script(
        """{ const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (told) { setTimeout(() => post.call(this, told), 1500); }; }"""
    )
    page.goto(reader.address)
    page.locator(".living-widget").scroll_into_view_if_needed()
    page.locator(".vx").wait_for()
    page.wait_for_timeout(1000)  # it is written half a second after the first drawing
    assert page.locator(".vx-state").text_content() == ""
    page.wait_for_function("() => document.querySelector('.vx-state').textContent")
    assert re.search(r"error [\d.]+ %", page.locator(".vx-state").inner_text())


@browsing
def test_colours_runs_and_epochs(reader: Reader) -> None:
    page = reader.open()
    pictures = {reader.pixels(LATENT_SPACE)}
    for color in ("b", "error", "a"):
        page.get_by_label("colour").select_option(color)
        assert reader.state()["color"] == color
        pictures.add(reader.pixels(LATENT_SPACE))
        # The hardest fiftieth of the images has the last colour, so that is where the scale goes on.
        assert ("≥" in page.locator(".vx-latents .vx-title").inner_text()) == (color == "error")
    assert len(pictures) == 3
    decoded = {reader.pixels(DECODED)}
    for run in ("modified", "punctured"):
        page.get_by_label("run", exact=True).select_option(run)
        assert reader.state()["run"] == run
        decoded.add(reader.pixels(DECODED))
    for epoch in ("0", "1"):
        page.get_by_label("epoch").fill(epoch)
        assert reader.state()["epoch"] == epoch
        decoded.add(reader.pixels(DECODED))
    assert len(decoded) == 5


@browsing
def test_the_training_plays_when_asked_and_stops_at_its_end(reader: Reader) -> None:
    page = reader.open("#explorer?epoch=0")
    reader.settle()
    assert reader.state()["epoch"] == "0", "nothing plays by itself"
    page.get_by_label("play the training").click()
    page.wait_for_function("() => document.querySelector('[aria-label=epoch]').value === '2'")
    page.get_by_label("play the training").wait_for()
    assert reader.state()["epoch"] == "2"


@browsing
def test_a_walk_goes_along_its_transect(reader: Reader) -> None:
    page = reader.open()
    page.get_by_label("walk along transect P2").click()
    page.wait_for_timeout(1500)
    page.get_by_label("walk along transect P2").click()  # stops it
    a, b = reader.state()["at"]
    assert 0.5 < a < 2 and b == 1
    assert reader.state()["at"] == [a, b]
    page.get_by_label("walk along transect P1").click()
    page.wait_for_selector(".vx-walk[aria-pressed=true]")
    page.wait_for_selector(".vx-walk[aria-pressed=true]", state="detached", timeout=20_000)
    assert reader.state()["at"] == [1.25, 2]


@browsing
def test_the_first_input_during_a_walk_counts(reader: Reader) -> None:
    """It ends the walk, which puts the sliders where the walk had come to, and is not lost for that."""
    page = reader.open()
    for label, value in (("latent μ₁", "0.25"), ("epoch", "1")):
        page.get_by_label("walk along transect P2").click()
        page.wait_for_selector(".vx-walk[aria-pressed=true]")
        page.wait_for_timeout(300)
        page.get_by_label(label, exact=True).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
        )
        assert page.locator(".vx-walk[aria-pressed=true]").count() == 0
        assert page.get_by_label(label, exact=True).input_value() == value


@browsing
def test_without_motion_a_walk_goes_step_by_step(browser: Any, file: Path) -> None:
    reader = Reader(browser, file, reduced_motion="reduce")
    page = reader.open()
    page.evaluate("""() => {
        window.places = new Set();
        const note = document.querySelector('.vx-note');
        new MutationObserver(() => places.add(note.textContent)).observe(note, {childList: true});
    }""")
    page.get_by_label("walk along transect P1").click()
    page.wait_for_timeout(2200)
    assert 2 <= page.evaluate("() => places.size") <= 6
    assert reader.wrong == []
    reader.context.close()


# All that a canvas shows until nothing has moved for half a second, beginning with what it shows before the epoch is 0.
_UNFOLDING = """async (selector) => {
    const [canvas, slider] = [document.querySelector(selector), document.querySelector('[aria-label=epoch]')];
    const seen = new Set([canvas.toDataURL()]);
    slider.value = 0;
    slider.dispatchEvent(new Event('input'));
    for (let [moved, count] = [performance.now(), 1]; performance.now() - moved < 500; ) {
        await new Promise(requestAnimationFrame);
        seen.add(canvas.toDataURL());
        if (seen.size > count) [moved, count] = [performance.now(), seen.size];
    }
    return seen.size;
}"""


@browsing
@pytest.mark.parametrize(("motion", "fewest", "most"), [("no-preference", 8, 1000), ("reduce", 2, 2)])
def test_the_sheet_moves_to_another_epoch_and_without_motion_it_is_there(
    browser: Any, file: Path, motion: str, fewest: int, most: int
) -> None:
    reader = Reader(browser, file, reduced_motion=motion)
    page = reader.open()
    assert fewest <= page.evaluate(_UNFOLDING, LATENT_SPACE) <= most
    assert reader.state()["epoch"] == "0"
    assert reader.wrong == []
    reader.context.close()


# Where two pictures of one canvas differ: how many pixels, and the corners of the rectangle that has them all.
_APART = """async (pictures) => {
    const [one, other] = await Promise.all(pictures.map(async (address) => {
        const image = await createImageBitmap(await (await fetch(address)).blob());
        const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
        pen.drawImage(image, 0, 0);
        return pen.getImageData(0, 0, image.width, image.height);
    }));
    let [count, left, top, right, bottom] = [0, Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < one.data.length; i += 4) {
        if ([0, 1, 2, 3].every((k) => one.data[i + k] === other.data[i + k])) continue;
        const [x, y] = [i / 4 % one.width, Math.floor(i / 4 / one.width)];
        count++;
        [left, top] = [Math.min(left, x), Math.min(top, y)];
        [right, bottom] = [Math.max(right, x), Math.max(bottom, y)];
    }
    return { count, left, top, right, bottom };
}"""


@browsing
def test_the_point_leaves_a_trail_in_both_spaces_until_the_epoch_changes(reader: Reader) -> None:
    page = reader.open()
    canvases = PARAMETERS, LATENT_SPACE, TRUE, DECODED, DIFFERENCE
    fresh = {canvas: reader.pixels(canvas) for canvas in canvases}
    page.locator(PARAMETERS).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
        for _ in range(7):
            page.keyboard.press(f"Shift+{key}")
    page.eval_on_selector(PARAMETERS, "canvas => canvas.blur()")
    assert reader.state()["at"] == [1.25, 1.0]
    after = {canvas: reader.pixels(canvas) for canvas in canvases}
    assert [canvas for canvas in canvases if after[canvas] != fresh[canvas]] == [PARAMETERS, LATENT_SPACE]
    apart = page.evaluate(_APART, [fresh[PARAMETERS], after[PARAMETERS]])
    box = page.locator(PARAMETERS).bounding_box()
    corners = reader.place(1.25, 1.0), reader.place(1.95, 1.7)
    (left, top), (right, bottom) = ([x - box["x"], y - box["y"]] for x, y in corners)
    # The line to where it turned, two pixels wide, but for what the point's own mark covers.
    assert apart["count"] > 1.5 * (right - left + bottom - top - 20)
    assert left <= apart["left"] <= left + 12 and abs(apart["right"] - right) < 3
    assert abs(apart["top"] - top) < 3 and abs(apart["bottom"] - bottom) < 3
    best = page.get_by_label("epoch").input_value()
    for epoch in ("0", best):
        page.get_by_label("epoch").fill(epoch)
        reader.settle()
    page.wait_for_timeout(600)  # the sheet comes back to where it was
    assert {canvas: reader.pixels(canvas) for canvas in canvases} == fresh


@browsing
def test_where_no_decoder_is_kept_the_page_tells_whose_decoder_and_latents_it_shows(
    browser: Any, runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_MOST_DECODERS", 2)
    info, data = packing.pack({"one": runs["standard"]}, n_points=10)
    kept = sorted(map(int, info["runs"][0]["decoders"]))
    (left_out,) = set(range(3)) - set(kept)
    before = max(epoch for epoch in kept if epoch < left_out)
    made = Explorer(info, data, run="one", parameters=(1.25, 1.0))
    reader = Reader(browser, page_with(made, tmp_path))
    page = reader.open(f"#explorer?epoch={left_out}")
    reader.settle()
    note, told = page.locator(".vx-bottom > div:nth-child(2) .vx-note"), page.locator(".vx-state")
    weights = packing.kept_decoder(info, data, "one", before)

    def decoded_is_of(mu: Any) -> None:
        expected = 255 * packing.decode(weights, info["decoder"], [mu])[0]
        drawn = page.eval_on_selector(
            DECODED,
            """c => {
                const copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
                copy.drawImage(c, 0, 0);
                return [...copy.getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0);
            }""",
        )
        assert np.abs(np.reshape(drawn, expected.shape) - expected).max() < 1.5

    own = made.means((1.25, 1.0), epoch=left_out)
    assert np.abs(own - made.means((1.25, 1.0), epoch=before)).max() > 0.02, "the two would look alike"
    assert re.fullmatch(rf"epoch {before}'s decoder and μ, \d+ ms in this page", note.inner_text())
    assert "μ = ({:.2f}, {:.2f}, {:.2f}); error".format(*own) in told.inner_text()
    assert told.inner_text().endswith(f"of the curve's variance with epoch {before}'s decoder and μ.")
    decoded_is_of(made.means((1.25, 1.0), epoch=before))
    # A slider sets out from the latents that are shown, and what they are set to is decoded.
    slider = page.get_by_label("latent μ₂")
    slider.evaluate("s => { s.value = s.max; s.dispatchEvent(new Event('input')); }")
    state = reader.state()
    assert state["mu"][0::2] == pytest.approx(own[0::2].tolist(), abs=1e-3)
    assert re.fullmatch(rf"epoch {before}'s decoder, \d+ ms in this page", note.inner_text())
    assert told.inner_text().endswith(f"of the curve's variance with epoch {before}'s decoder.")
    decoded_is_of([own[0], float(slider.input_value()), own[2]])
    page.get_by_label("epoch").fill(str(before))
    reader.settle()
    assert re.fullmatch(r"\d+ ms in this page", note.inner_text())
    assert told.inner_text().endswith("of the curve's variance.")
    assert reader.wrong == []
    reader.context.close()


@browsing
def test_sliders_leave_the_sheet_and_a_button_returns(reader: Reader) -> None:
    page = reader.open()
    on, back = reader.pixels(DECODED), page.get_by_label("back to the sheet")
    assert back.is_disabled()
    for axis in "₁₂₃":
        before = reader.pixels(DECODED)
        slider = page.get_by_label(f"latent μ{axis}")
        slider.evaluate("s => { s.value = s.max; s.dispatchEvent(new Event('input')); }")
        reader.settle()
        assert reader.pixels(DECODED) != before
    state = reader.state()
    assert "mu" in state and state["at"] == [1.25, 1.0]
    assert "off the sheet" in page.locator(".vx-state").inner_text()
    page.reload()
    reader.settle()
    assert reader.state() == state, "the address has it all"
    back.click()
    assert "mu" not in reader.state()
    assert reader.pixels(DECODED) == on


@browsing
def test_a_link_shows_the_same_and_a_wrong_one_does_no_harm(reader: Reader) -> None:
    wanted = "#explorer?run=punctured&epoch=1&at=0.8,1.5&color=b&view=30,40"
    reader.page.goto(reader.address + wanted)  # wakes it without scrolling
    reader.page.locator(".vx").wait_for()
    assert reader.page.locator(".vx").is_visible()
    state = reader.state()
    assert (state["run"], state["epoch"], state["at"], state["color"]) == ("punctured", "1", [0.8, 1.5], "b")
    assert state["view"] == [30, 40]
    decoded = reader.pixels(DECODED)
    reader.page.reload()
    assert reader.state() == state and reader.pixels(DECODED) == decoded
    wrong = "#explorer?run=constructor&epoch=999&at=x,1&mu=1,2&color=toString&view=1"
    reader.page.evaluate("hash => { location.hash = hash }", wrong)
    state = reader.state()
    assert (state["run"], state["epoch"], state["at"], state["color"]) == ("punctured", "2", [0.8, 1.5], "b")


@browsing
def test_a_finger_does_what_a_mouse_does_and_the_page_fits_a_telephone(
    browser: Any, file: Path, runs: dict[str, Run]
) -> None:
    size = {"width": 390, "height": 844}
    reader = Reader(browser, file, viewport=size, has_touch=True, is_mobile=True, device_scale_factor=2)
    page = reader.open()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.locator(PARAMETERS).scroll_into_view_if_needed()
    page.touchscreen.tap(*reader.place(1.6, 0.4))
    assert reader.state()["at"] == pytest.approx([1.6, 0.4], abs=0.02)
    page.get_by_label("colour").select_option("error")  # the longest numbers beside its scale
    reader.settle()
    assert page.eval_on_selector(".vx-latents .vx-title", "title => title.scrollWidth - title.clientWidth") <= 0
    data = dataset.build(runs["standard"].experiment.data)
    a, b = data.parameters[data.train][7]
    page.touchscreen.tap(*reader.place(a, b))
    reader.settle()
    tips = page.locator(".vx-parameters .vx-tip"), page.locator(".vx-latents .vx-tip")
    assert tips[0].is_visible() and "a = " in tips[0].inner_text()
    canvas = page.locator(LATENT_SPACE)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for share in np.linspace(0.25, 0.75, 30):
        page.touchscreen.tap(box["x"] + box["width"] * share, box["y"] + box["height"] * (1 - share))
        if tips[1].is_visible():
            break
    reader.settle()
    assert tips[1].is_visible() and not tips[0].is_visible()
    view, box = reader.state()["view"], canvas.bounding_box()
    session = page.context.new_cdp_session(page)
    x, y = box["x"] + 100, box["y"] + 60
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 7):
        moved = [{"x": x + 15 * step, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": moved})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert reader.state()["view"] != view
    assert reader.wrong == []
    reader.context.close()


@browsing
def test_it_follows_the_colour_scheme(reader: Reader) -> None:
    page = reader.open()
    seen = []
    for change in (
        lambda: None,
        lambda: page.emulate_media(color_scheme="dark"),
        lambda: page.evaluate("() => { document.documentElement.dataset.theme = 'light' }"),
        lambda: page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }"),
    ):
        change()
        reader.settle()
        ground = page.eval_on_selector(".vx", "e => getComputedStyle(e).backgroundColor")
        seen.append((ground, reader.pixels(PARAMETERS)))
    assert seen[0] == seen[2] and seen[1] == seen[3]
    assert seen[0][0] != seen[1][0] and seen[0][1] != seen[1][1]


@browsing
def test_of_many_requests_only_the_latest_is_decoded(reader: Reader) -> None:
    page = reader.open()
    answers = page.evaluate("""async () => {
        const [root, canvas] = [document.querySelector('.vx'), document.querySelector('.vx-parameters > canvas')];
        let answers = 0;
        const watch = new MutationObserver(() => answers++);
        watch.observe(root, {attributeFilter: ['data-milliseconds']});
        for (let i = 0; i < 30; i++) canvas.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        await new Promise((done) => setTimeout(done, 1500));
        return answers;
    }""")
    assert 1 <= answers <= 3
    assert len(page.workers) == 1
    assert reader.state()["at"] == pytest.approx([1.85, 1.0], abs=1e-3)
    fresh = reader.pixels(DECODED)
    page.reload()
    reader.settle()
    assert reader.pixels(DECODED) == fresh


@browsing
def test_it_talks_with_a_model_both_ways(reader: Reader, packed: tuple[dict[str, Any], bytes]) -> None:
    """What a kernel would see and send, in the module that a notebook loads.

    What follows from what the kernel sent, it works out itself: the page tells it nothing back.
    """
    page = reader.open()
    told = page.evaluate("""async () => {
        const { esm, state, buffers } = JSON.parse(document.querySelector('.living-widget script').textContent);
        const bytes = Uint8Array.from(atob(buffers.data), (c) => c.charCodeAt(0));
        const values = { ...state, linked: undefined, data: new DataView(bytes.buffer) };
        const heard = {};
        const model = { get: (n) => values[n], set(n, v) { values[n] = v; heard[`change:${n}`]?.(); },
            save_changes() {}, on(n, f) { heard[n] = f; }, off(n) { delete heard[n]; } };
        const { default: module } = await import(URL.createObjectURL(new Blob([esm], { type: 'text/javascript' })));
        const place = document.body.appendChild(document.createElement('div'));
        const end = module.render({ model, el: place });
        const address = location.href;
        const wait = () => new Promise((done) => setTimeout(done, 700));
        const text = () => place.querySelector('.vx-state').textContent;
        const begun = values.mu;
        model.set('parameters', [0.7, 0.9]);
        await wait();
        const [followed, echoed] = [text(), values.mu !== begun];
        model.set('mu', [1, 2, 3]);
        await wait();
        const off = text();
        place.querySelector('.vx-parameters > canvas').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        await wait();
        const { parameters, mu } = values;
        model.set('transect', 'P1');
        await wait();
        const walking = values.parameters;
        model.set('transect', '');
        await wait();
        end();
        return { followed, echoed, off, parameters, mu, walking, stopped: values.parameters,
            same: address === location.href, left: Object.keys(heard).length };
    }""")
    made = Explorer(*packed, run="standard", parameters=(1.25, 1.0))
    assert "μ = ({:.2f}, {:.2f}, {:.2f});".format(*made.means((0.7, 0.9))) in told["followed"]
    assert not told["echoed"]
    assert "μ = (1.00, 2.00, 3.00), off the sheet" in told["off"]
    np.testing.assert_allclose(told["parameters"], [0.72, 0.9])
    np.testing.assert_allclose(told["mu"], made.means(told["parameters"]), atol=1e-6)
    assert told["walking"][0] == 1.25 and 0 < told["walking"][1] < 2
    assert told["stopped"] == told["walking"]
    assert told["same"], "a notebook's address is left alone"
    assert told["left"] == 0


def module(page: Any, name: str) -> str:
    """Return the address of a script as a module in the page."""
    text = (SCRIPTS / name).read_text(encoding="utf-8")
    return str(page.evaluate("t => URL.createObjectURL(new Blob([t], {type: 'text/javascript'}))", text))


_DECODE = """async ([address, halves, shape, latents]) => {
    const { unpack, decode } = (await import(address)).decoding();
    const weights = unpack(Uint16Array.from(halves), shape);
    PLAIN
    const images = [], times = [], references = [];
    for (const mu of latents) {
        const begun = performance.now();
        const image = decode(weights, mu);
        const middle = performance.now();
        plain();
        references.push(performance.now() - middle);
        times.push(middle - begun);
        images.push([...image]);
    }
    return { images, times, references };
}""".replace("PLAIN", PLAIN)


@browsing
def test_the_page_decodes_as_keras_does_and_in_time(reader: Reader, book_run: Run) -> None:
    """100 random latents at the book's shapes: 3e-3 apart at most, 16 ms each in the middle on an idle machine."""
    page = reader.open()
    halves, shape = decoder_of(wild(book_run))
    address, bits = module(page, "decoder.mjs"), halves.view(np.uint16).ravel().tolist()
    found = page.evaluate(_DECODE, [address, bits, shape, LATENTS.tolist()])
    images = np.array(found["images"]).reshape(-1, 64, 64)
    expected = book_run.decode(LATENTS)
    assert expected.min() < 0.05 and expected.max() > 0.95
    worst = np.abs(images - expected).max()
    took, plain = (statistics.median(found[name]) for name in ("times", "references"))
    idle = PLAIN_MS * statistics.median(np.divide(found["times"], found["references"]))
    print(f"\ndecoder: {took:.1f} ms, plain loop {plain:.1f} ms; idle {idle:.1f} ms; worst difference {worst:.1e}")
    assert worst <= 3e-3
    assert idle <= 16


@browsing
@pytest.mark.parametrize(("size", "width", "framing"), [(32, 1.2, "square"), (64, 1.6, "square"), (64, 1.4, "study")])
def test_the_page_draws_the_curves_that_python_draws(reader: Reader, size: int, width: float, framing: Any) -> None:
    page = reader.open()
    ends = np.array(list(PARAMETER_RANGE.values())).T
    points = np.vstack([np.random.default_rng(4).uniform(*ends, (20, 2)), [[1, 0], [0.5, 2], [2, 2]]])
    drawn = page.evaluate(
        """async ([address, points, width, shape]) => {
            const { rasterise } = await import(address);
            return points.map(([a, b]) => [...rasterise(a, b, width, shape)]);
        }""",
        [module(page, "curve.mjs"), points.tolist(), width, {"image_size": size, "framing": framing}],
    )
    expected = curves.render(points[:, 0], points[:, 1], image_size=size, line_width=width, framing=framing)
    apart = np.abs(np.array(drawn).reshape(expected.shape) - expected.astype(int))
    print(f"\ngrey levels apart: {apart.mean():.2f} on average, {apart.max()} at most")
    assert apart.mean() < 0.5 and apart.max() <= 6
