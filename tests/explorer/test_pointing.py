"""What mouse, finger and keys do in the explorer's views."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from explorer_page import DECODED, DIFFERENCE, LATENT_SPACE, PARAMETERS, TRUE, Reader

from vaelib import dataset
from vaelib.run import Run

pytestmark = pytest.mark.browser


def test_tapping_and_dragging_move_the_point_and_everything_with_it(reader: Reader) -> None:
    page = reader.open()
    before = [reader.pixels(canvas) for canvas in (PARAMETERS, LATENT_SPACE, TRUE, DECODED, DIFFERENCE)]
    page.mouse.click(*reader.place(0.8, 1.6))
    assert reader.state()["at"] == pytest.approx([0.8, 1.6], abs=0.01)
    after = [reader.pixels(canvas) for canvas in (PARAMETERS, LATENT_SPACE, TRUE, DECODED, DIFFERENCE)]
    assert all(old != new for old, new in zip(before, after, strict=True))
    page.mouse.move(*reader.place(0.8, 1.6))
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(*reader.place(0.8 + 0.1 * step, 1.6 - 0.1 * step))
    page.mouse.up()
    assert reader.state()["at"] == pytest.approx([1.8, 0.6], abs=0.01)
    assert "a = 1.80, b = 0.60" in page.locator(".vx-state").inner_text()
    page.mouse.move(*reader.place(1.0, 1.0))  # no longer held
    assert reader.state()["at"] == pytest.approx([1.8, 0.6], abs=0.01)


def test_keys_alone_reach_and_move_everything(reader: Reader) -> None:
    page = reader.open()
    reached = []
    page.locator(".living-widget").evaluate("widget => { document.body.tabIndex = -1; document.body.focus(); }")
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => (document.activeElement.ariaLabel ?? '').split(/[:.]/)[0]"))
    controls = ["run", "play the training", "epoch", "colour", "latent μ₁", "latent μ₂", "latent μ₃"]
    controls += ["Parameter space", "Latent space in three dimensions"]
    controls += [f"walk along transect P{i}" for i in (1, 2, 3)]
    assert set(controls) <= set(reached)
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
    latents_tip = page.locator(".vx-latents .vx-tip")
    for share in np.linspace(0.2, 0.8, 40):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * (1 - share))
        if latents_tip.is_visible():
            break
    assert latents_tip.is_visible()
    reader.settle()
    assert reader.pixels(PARAMETERS) != before
    a_and_b = re.findall(r"[\d.]+", latents_tip.inner_text())
    page.mouse.down()  # a tap goes there
    page.mouse.up()
    assert reader.state()["at"] == pytest.approx([float(value) for value in a_and_b], abs=0.006)
    assert latents_tip.is_visible()
    page.get_by_label("colour").select_option("b")  # any change hides it
    assert not latents_tip.is_visible()


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


def test_a_finger_does_what_a_mouse_does_and_the_page_fits_a_telephone(
    reading: Callable[..., Reader], runs: dict[str, Run]
) -> None:
    size = {"width": 390, "height": 844}
    reader = reading(viewport=size, has_touch=True, is_mobile=True, device_scale_factor=2)
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
