"""YAML is read as it is written: nothing in it is lost."""

import pytest
import yaml

from vaelib import notebook
from vaelib.errors import SettingError
from vaelib.storage import yaml_text
from vaelib.study import claims

BLOCKS = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, <<: {z: 5}, y: 4}\nd: *b\n"


def test_merged_blocks_are_no_duplicates_whatever_they_override() -> None:
    assert yaml_text.load(BLOCKS) == yaml.safe_load(BLOCKS)
    assert yaml_text.load(BLOCKS)["c"] == {"x": 3, "y": 4, "z": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: 'a' occurs twice; allowed: once; it is in line 1 too"),
        ("a: 1\n'a': 2", "line 2: 'a' occurs twice"),
        ("- {x: {y: 1, y: 1}}", "line 1: 'y' occurs twice"),
        ("<<: {x: 1, x: 2}", "line 1: 'x' occurs twice"),  # a block that is only merged, and never one by itself
        ("a: [1", "line 1: expected"),
        ("a:\n\t- 1", "line 2: found character"),
        ("a: !!python/name:os.system", "line 1: could not determine a constructor"),
        ("a: 2026-02-30", "day is out of range"),
        ("\x01", "unacceptable character"),
        ("[" * 3000, "recursion"),
    ],
)
def test_a_mistake_is_one_line(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as raised:
        yaml_text.load(text)
    assert "\n" not in str(raised.value)


def test_claims_and_lists_of_a_notebook_are_read_so_too(tmp_path) -> None:
    rules = claims.RULES.read_text(encoding="utf-8")
    (tmp_path / "claims.yml").write_text(rules + "\nown: []\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"claims\.yml.*'own' occurs twice"):
        claims.read(tmp_path / "claims.yml")
    names = {"__annotations__": {"several": list[dict[str, int]]}, "several": "[{a: 1}]"}
    assert notebook.parameters(names) == {"several": [{"a": 1}]}
    with pytest.raises(SettingError, match=r"several = '\[{a: 1, a: 2}\]'"):
        notebook.parameters({**names, "several": "[{a: 1, a: 2}]"})
