"""Tables of a sweep."""

from pathlib import Path

import pytest

from vaelib.sweep import tables
from vaelib.system import provenance


def test_measures_are_of_the_library_with_all_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "LIBRARY", tmp_path)
    (tmp_path / "room").mkdir()
    digests = []
    for text in ("one = 1", "one = 2"):
        (tmp_path / "room" / "inner.py").write_text(text)
        digests.append(tables._library.__wrapped__())
    assert digests[0] != digests[1]


def test_a_column_of_numbers_and_words_is_text() -> None:
    made = tables.table([{"x": 1, "y": 1}, {"x": "one", "y": 0.5}, {"y": None}])
    assert made.to_pydict() == {"x": ["1", "one", None], "y": [1.0, 0.5, None]}
