"""What a build leaves behind: the book at the smoke profile, or the one whose pages --html-pages names."""

import json
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image
from visitor import profile_of

from vaelib import book

ROOT = Path(__file__).parents[2]


def test_the_book_is_built_without_a_warning(built_book: Path) -> None:
    log = (built_book / "logs" / "jupyter-book.log").read_text()
    assert "build succeeded." in log
    assert ": WARNING: " not in log
    assert (built_book / "html" / "index.html").is_file()


def test_the_build_reports_where_the_time_went(built_book: Path) -> None:
    seconds = json.loads((built_book / "timings.json").read_text())
    names = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(seconds) == names | {"staging", "study", "jupyter-book", "total"}
    assert all(value > 0 for value in seconds.values())
    assert seconds["total"] >= max(seconds.values())
    *lines, last = book.timing_table(seconds).splitlines()
    assert [line.split()[0] for line in lines] == list(seconds)
    assert last.split() == ["without", "study", f"{seconds['total'] - seconds['study']:.1f}", "s"]


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


def test_the_readmes_pictures_are_those_that_a_build_makes(built_book: Path) -> None:
    """What no training changes has to be the same to the eye; if it is not, `make pictures` makes new ones."""
    # At the smoke profile what the model draws again is no curve yet.
    allowed = 30 if profile_of(built_book / "html", "notebooks/05_transects.html") == "smoke" else 15
    # The grid of curves, and what is written above each step of the walk: left, top, right, bottom.
    unchanging = {"overview.png": (0, 0, 360, 420), "walk.gif": (0, 0, 640, 24)}
    for name, part in unchanging.items():
        with (
            Image.open(ROOT / "book" / "images" / name) as kept,
            Image.open(built_book / "source" / "notebooks" / "media" / name) as made,
        ):
            frames = [getattr(picture, "n_frames", 1) for picture in (kept, made)]
            assert (kept.size, frames[0]) == (made.size, frames[1]), name
            for frame in range(frames[0]):
                for picture in (kept, made):
                    picture.seek(frame)
                kept_grey, made_grey = (picture.convert("L") for picture in (kept, made))
                # A GIF's few greys differ from film to film, so letters may differ by some; other words differ more.
                assert grey_apart(kept_grey.crop(part), made_grey.crop(part)) < 2, f"{name}, frame {frame}"
                # On another machine the sheet ends otherwise, which makes 3 to 6; a black picture makes 140 and more.
                assert grey_apart(kept_grey, made_grey) < allowed, f"{name}, frame {frame}"


def grey_apart(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, float) - np.asarray(second, float)).mean())
