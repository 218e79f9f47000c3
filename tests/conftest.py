"""What several test files share: the book at the smoke profile, the pages under test, the browser."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from visitor import FIGURES, PAGES, VISITS, Visitor, keep, serve, table, weights_and_times
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent

# Quiet, and without the switches' warnings, before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# As `vaelib.system.engine` sets it: otherwise a test that imports Keras first would train with other kernels than the
# processes that it starts.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# What takes minutes, longest first.
_LONGEST = (
    "pages/test_built_book", "pages/test_live", "book/test_builder", "faults/test_faults", "sweep/test_cluster",
    "explorer/test_packing", "explorer/test_widget", "explorer/test_pointing", "sweep/test_grid_training",
    "nn/test_jax", "benchmarks/test_benchmarks", "benchmarks/test_soak", "system/test_engine", "nn/test_precision",
    "training/test_trainer", "training/test_resuming", "training/test_several", "pages/test_pages",
    "pages/test_page_controls",
)  # fmt: skip

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
    group.addoption("--study-table", type=Path, help="hold this table of fresh trainings against the committed one")
    group.addoption("--screenshots", type=Path, help="keep a picture of every page in this folder")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[VISITS], config.stash[FIGURES] = {}, {}


class _VisitByVisit(LoadScopeScheduling):  # type: ignore[misc]
    """Distributes tests among processes one by one, but keeps those of one visit to a page together."""

    def _split_scope(self, nodeid: str) -> str:
        inside = re.search(r"test_pages\.py::.*\[(.+)\]$", nodeid)
        parts = re.split("^(served|from disk)-|-(served|from disk)$", inside[1]) if inside else []
        return " ".join(sorted(filter(None, parts))) if len(parts) > 1 else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    by_visit = config.getoption("--html-pages") is not None and config.getoption("dist") == "load"
    return _VisitByVisit(config, log) if by_visit else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note what the pages weigh and when they can be used; a worker process reports them to the one that started it."""
    config = session.config
    for base, visits in config.stash[VISITS].items():
        if base.startswith("http:"):
            config.stash[FIGURES] |= weights_and_times(visits)
    if output := getattr(config, "workeroutput", None):
        output["pages"] = config.stash[FIGURES]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the processors, within a container's quota, as tests wait for kernels and browsers."""
    from vaelib.system import provenance

    return provenance.processors() + 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[FIGURES] |= getattr(node, "workeroutput", {}).get("pages", {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report what the pages weigh and when they can be used; both are measured, and neither can fail."""
    figures = {name: config.stash[FIGURES][name] for name in PAGES if name in config.stash[FIGURES]}
    if figures:
        beside = ", with another page beside it" if config.getoption("numprocesses") else ""
        terminalreporter.section(f"the pages, on a first visit from a server{beside}")
        terminalreporter.write_line(table(figures))
        if folder := config.getoption("--screenshots"):
            keep(folder, figures)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only makes pictures unless they are asked for, and begin with the files that take longest.

    Those pictures are not a skipped check. Files are distributed among processes in this order, so that nobody
    waits for a long one at the end.
    """
    if config.getoption("--screenshots") is None:
        items[:] = [item for item in items if not item.name.startswith("test_pictures_of_the_pages")]
    if config.getoption("--html-pages") is None:  # the smoke profile is too small to say anything about sizes
        items[:] = [item for item in items if not item.name.startswith("test_the_two_sizes_of_training")]

    def place(item: pytest.Item) -> int:
        name = f"{item.path.parent.name}/{item.path.stem}"
        return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def no_traces() -> None:
    """Keep a model that one test or fixture traced, perhaps with functions of its own, from training in another."""
    if "vaelib.training.traces" in sys.modules:
        sys.modules["vaelib.training.traces"].forget()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache, and the cache out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAELIB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `run`; a test may train others in it."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def run(root: Path) -> Any:
    """The finished run of `tiny_run.TINY`, which tests leave as it is."""
    from tiny_run import TINY

    from vaelib.training import train

    return train(TINY, root, progress=False)


@pytest.fixture
def copy(run: Any, tmp_path: Path) -> Path:
    """The folder of a copy of `run`, in `tmp_path` under the run's own name."""
    return Path(shutil.copytree(run.path, tmp_path / run.path.name))


@pytest.fixture(scope="session")
def paper_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The study's four trainings by name, made small."""
    from small_paper import SMALL

    from vaelib.study import paper
    from vaelib.training import train

    root = tmp_path_factory.mktemp("paper")
    return {name: train(experiment, root, progress=False) for name, experiment in paper.plan(**SMALL).items()}


@pytest.fixture
def paper_folder(paper_runs: dict[str, Any], tmp_path: Path) -> Path:
    """What is kept of all four, in another order than the plan's."""
    from vaelib.study import paper

    for finished in reversed(paper_runs.values()):
        paper.keep(finished, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def built_book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole book: that of --html-pages, else built once at the smoke profile."""
    from vaelib import book

    if given := request.config.getoption("--html-pages"):
        assert (given / "index.html").is_file(), f"no pages in {given}"
        return Path(given).resolve().parent

    # Where tests run side by side, each process has a folder of its own in a common one; the first builds for all.
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent
    output, done = common / "smoke-book", common / "smoke-book.done"
    with FileLock(common / "smoke-book.lock"):
        if not done.exists():
            book.build(ROOT, output, profile="smoke")
            done.touch()
    return output


@pytest.fixture(scope="session")
def html(request: pytest.FixtureRequest) -> Path:
    """The pages under test."""
    built: Path = request.getfixturevalue("built_book")
    return built / "html"


@pytest.fixture(scope="session")
def served(html: Path) -> Iterator[str]:
    """The address of a web server with the pages under test."""
    with serve(html) as address:
        yield address


@pytest.fixture(params=["served", "from disk"])
def base(request: pytest.FixtureRequest, html: Path) -> str:
    """Where a reader finds the pages under test: each test that uses this runs with both."""
    return str(request.getfixturevalue("served")) if request.param == "served" else html.as_uri()


@pytest.fixture
def visitor(browser: Any, base: str) -> Iterator[Visitor]:
    made = Visitor(browser, base)
    yield made
    made.context.close()


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
