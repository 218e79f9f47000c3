"""Every key in the prose can be found by a search: it occurs literally, once, in the code of its own chapter."""

import ast
import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("0[0-5]_*.ipynb"))
# {glue:}`key` and {glue:text}`key:.2f`; a key with two colons belongs to another chapter.
_CITED = re.compile(r"\{glue:\w*\}`([^`]+)`")

each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def glue_calls(path: Path) -> list[ast.Call]:
    trees = [ast.parse(source) for source in cells(path, "code")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "glue"]


def keys(path: Path) -> list[str]:
    return [str(word.arg) for call in glue_calls(path) for word in call.keywords]


def cited(path: Path) -> set[str]:
    names = {match for source in cells(path, "markdown") for match in _CITED.findall(source)}
    return {name.partition(":")[0] for name in names if "::" not in name}


def test_all_chapters_are_checked() -> None:
    assert [path.stem[:2] for path in CHAPTERS] == ["00", "01", "02", "03", "04", "05"]


@each_chapter
def test_glue_is_that_of_notebook_and_its_keys_are_literal(path: Path) -> None:
    assert [source for source in cells(path, "code") if "myst_nb" in source] == []
    calls = glue_calls(path)
    assert calls
    for call in calls:
        assert ast.unparse(call.func) == "notebook.glue", ast.unparse(call)
        assert not call.args and all(word.arg not in (None, "prefix") for word in call.keywords), ast.unparse(call)


@each_chapter
def test_no_key_is_glued_twice(path: Path) -> None:
    assert {key: count for key, count in Counter(keys(path)).items() if count > 1} == {}


@each_chapter
def test_every_key_of_the_prose_has_its_source_in_the_chapter(path: Path) -> None:
    assert cited(path)
    assert cited(path) - set(keys(path)) == set()
