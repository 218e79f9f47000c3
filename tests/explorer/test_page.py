"""The explorer in its page: before it wakes, on paper, and in light and dark."""

from pathlib import Path
from typing import Any

import pytest
from explorer_page import PARAMETERS, Reader

pytestmark = pytest.mark.browser


def test_it_sleeps_until_it_is_scrolled_into_view(reader: Reader) -> None:
    page = reader.page
    page.goto(reader.address)
    page.wait_for_timeout(300)
    assert page.locator(".vx").count() == 0 and page.locator(".stand-in").is_visible()
    page.locator(".living-widget").scroll_into_view_if_needed()
    page.locator(".vx").wait_for()
    assert not page.locator(".stand-in").is_visible()


def test_on_paper_and_without_javascript_there_is_the_picture(reader: Reader, browser: Any, page_path: Path) -> None:
    page = reader.open()
    page.emulate_media(media="print")
    assert page.locator(".stand-in").is_visible() and not page.locator(".vx").is_visible()
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page_path.as_uri())
    assert plain.get_by_alt_text("the stand-in").is_visible()
    context.close()


def test_it_follows_the_colour_scheme(reader: Reader) -> None:
    page = reader.open()
    schemes = []
    for change in (
        lambda: None,
        lambda: page.emulate_media(color_scheme="dark"),
        lambda: page.evaluate("() => { document.documentElement.dataset.theme = 'light' }"),
        lambda: page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }"),
    ):
        change()
        reader.settle()
        background = page.eval_on_selector(".vx", "e => getComputedStyle(e).backgroundColor")
        schemes.append((background, reader.pixels(PARAMETERS)))
    assert schemes[0] == schemes[2] and schemes[1] == schemes[3]
    assert schemes[0][0] != schemes[1][0] and schemes[0][1] != schemes[1][1]
