"""What the tests of the data set share: an empty cache for each, and the study's number of images."""

from pathlib import Path

import pytest
from small_data import small

from vaelib import dataset
from vaelib.dataset import DataSet


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, empty at first."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VAELIB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def five_thousand() -> dict[str, DataSet]:
    """The study's number of images, small, by region."""
    return {
        region: dataset.build(small(n_images=5000, region=region), cache=False)
        for region in ("full", "punctured", "thinned")
    }
