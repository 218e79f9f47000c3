"""The picture of the library is drawn from its source: a small library's, and our own."""

import io
from pathlib import Path

import pytest

from vaelib.book import rooms
from vaelib.system.provenance import LIBRARY


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of four rooms: `top` needs `middle` and `ground`; `apart` and `middle` need `ground`."""
    sources = {
        "__init__": "from small.top import x\n",
        "top": "from small import middle\nfrom small.ground.inner import y\n",
        "middle": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from small import top\n"
        "def f():\n    from small.ground import inner\n",
        "ground/__init__": '"""The ground."""\n',
        "ground/inner": "import os\nfrom small.ground import other\n",
        "ground/other": "x = 1\n",
        "apart": "import small.ground.other\n",
    }
    for name, text in sources.items():
        file = tmp_path / "small" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "small"


def test_imports_are_read_inside_functions_too_and_not_where_only_types_are_checked(library: Path) -> None:
    assert rooms.imported(library / "middle.py", library) == {"small.ground.inner"}
    assert rooms.imported(library / "top.py", library) == {"small.middle", "small.ground.inner"}
    assert rooms.imported(library / "apart.py", library) == {"small.ground.other"}
    needs = rooms.rooms(library)
    assert needs == {"top": {"middle", "ground"}, "middle": {"ground"}, "ground": set(), "apart": {"ground"}}
    (library / "apart.py").write_text("\nfrom . import top\n")
    with pytest.raises(ValueError, match=r"apart\.py, line 2: a relative import"):
        rooms.rooms(library)


def test_lines_that_follow_from_others_are_left_out_and_all_stand_above_what_they_need(library: Path) -> None:
    needs = rooms.rooms(library)
    assert rooms.nearest_only(needs) == {"top": {"middle"}, "middle": {"ground"}, "ground": set(), "apart": {"ground"}}
    assert rooms.floors(needs) == [["ground"], ["middle"], ["apart", "top"]]


def test_the_picture_has_every_room_of_the_library() -> None:
    flat = {path.stem for path in LIBRARY.glob("*.py")} | {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    figure = rooms.picture()
    assert {text.get_text() for text in figure.axes[0].texts} - {""} == flat - {"__init__"}
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    assert "<svg" in drawn.getvalue()
