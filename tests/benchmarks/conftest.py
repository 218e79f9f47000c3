"""What the tests of benchmarks share: the programs' folder, from which they are imported."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def benchmarks_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
