"""What several test files share: the book at the smoke profile, the pages under test, the browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

# Quiet, and without the switches' warnings, before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("book")
    group.addoption("--html-pages", type=Path, help="test these built pages instead of a book at the smoke profile")
    group.addoption("--screenshots", type=Path, help="keep a picture of every page in this folder")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only makes pictures unless they are asked for: it is no check that was skipped."""
    if config.getoption("--screenshots") is None:
        items[:] = [item for item in items if not item.name.startswith("test_pictures_of_the_pages")]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache, and the cache out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAELIB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def smoke_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole book, built once at the smoke profile: every chapter through papermill."""
    from vaelib import book

    output = tmp_path_factory.mktemp("smoke") / "book"
    book.build(ROOT, output, profile="smoke")
    return output


@pytest.fixture(scope="session")
def html(request: pytest.FixtureRequest) -> Path:
    """The pages under test: those named by --html-pages, else the book at the smoke profile."""
    given = request.config.getoption("--html-pages")
    if given is None:
        built: Path = request.getfixturevalue("smoke_book") / "html"
        return built
    assert (given / "index.html").is_file(), f"no pages in {given}"
    return Path(given).resolve()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium. Without one the test is skipped, or fails if VAELIB_REQUIRE_BROWSER is set."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("VAELIB_BROWSER") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        reason = f"no browser: none of {', '.join(_BROWSERS)} is installed and VAELIB_BROWSER is not set"
        if os.environ.get("VAELIB_REQUIRE_BROWSER", "0") not in ("", "0"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=_SWITCHES)
        yield launched
        launched.close()
