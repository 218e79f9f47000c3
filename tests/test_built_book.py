"""What a build leaves behind: the book at the smoke profile, or the one whose pages --html-pages names."""

import json
from pathlib import Path

import nbformat

from vaelib import book

ROOT = Path(__file__).parent.parent


def test_the_book_is_built_without_a_warning(built_book: Path) -> None:
    log = (built_book / "logs" / "jupyter-book.log").read_text()
    assert "build succeeded." in log
    assert ": WARNING: " not in log
    assert (built_book / "html" / "index.html").is_file()


def test_the_book_tells_where_the_time_went(built_book: Path) -> None:
    seconds = json.loads((built_book / "timings.json").read_text())
    names = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(seconds) == names | {"staging", "study", "jupyter-book", "total"}
    assert all(value > 0 for value in seconds.values())
    assert seconds["total"] >= max(seconds.values())
    assert [line.split()[0] for line in book.timing_table(seconds).splitlines()] == list(seconds)


def test_the_vendored_parts_are_in_the_pages(built_book: Path) -> None:
    folder = built_book / "html" / "vendor"
    assert (folder / "mathjax" / "tex-svg-full.js").stat().st_size > 1_000_000
    assert (folder / "mathjax" / "LICENSE").is_file()
    assert (folder / "plotly.min.js").stat().st_size > 1_000_000


def test_the_tree_stays_clean(built_book: Path) -> None:
    """The chapters are executed elsewhere, and nothing is left behind beside them."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert not any(cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells), path.name
    assert {path.name for path in (ROOT / "book").iterdir()}.isdisjoint({"node_modules", "vendor"})
