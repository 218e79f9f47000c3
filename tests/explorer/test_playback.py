"""The explorer's playback: a training epoch by epoch, and walks along the transects."""

from collections.abc import Callable

import pytest
from explorer_page import Reader

pytestmark = pytest.mark.browser


def test_the_training_plays_when_asked_and_stops_at_its_end(reader: Reader) -> None:
    page = reader.open("#explorer?epoch=0")
    reader.settle()
    assert reader.state()["epoch"] == "0", "nothing plays by itself"
    page.get_by_label("play the training").click()
    page.wait_for_function("() => document.querySelector('[aria-label=epoch]').value === '2'")
    page.get_by_label("play the training").wait_for()
    assert reader.state()["epoch"] == "2"


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


def test_the_first_input_during_a_walk_counts(reader: Reader) -> None:
    """It ends the walk, which sets the sliders to the place it has reached, and still takes effect."""
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


def test_without_motion_a_walk_goes_step_by_step(reading: Callable[..., Reader]) -> None:
    page = reading(reduced_motion="reduce").open()
    page.evaluate("""() => {
        window.places = new Set();
        const note = document.querySelector('.vx-note');
        new MutationObserver(() => places.add(note.textContent)).observe(note, {childList: true});
    }""")
    page.get_by_label("walk along transect P1").click()
    page.wait_for_timeout(2200)
    assert 2 <= page.evaluate("() => places.size") <= 6
