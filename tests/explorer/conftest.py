"""What the explorer's tests share: trained runs, the widget, and a browser with its page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer_page import Reader, write_page

from vaelib import Experiment, train
from vaelib.explorer import Explorer, packing
from vaelib.run import Run


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of runs that processes side by side have in common: the first that needs a run trains it for all."""
    own = tmp_path_factory.getbasetemp()
    return (own if worker_id == "master" else own.parent) / "explorer-runs"


@pytest.fixture(scope="session")
def runs(shared_root: Path) -> dict[str, Run]:
    smoke = Experiment.from_profile("smoke", batch_size=4)  # enough steps to draw something
    punctured = smoke.replace(region="punctured")
    experiments = {"standard": smoke, "modified": smoke.replace(gamma=0.01), "punctured": punctured}
    return {name: train(experiment, shared_root, progress=False) for name, experiment in experiments.items()}


@pytest.fixture(scope="session")
def packed(runs: dict[str, Run]) -> tuple[dict[str, Any], bytes]:
    return packing.pack(runs)


@pytest.fixture
def widget(packed: tuple[dict[str, Any], bytes]) -> Explorer:
    return Explorer(*packed, run="standard", parameters=(1.25, 1.0))


@pytest.fixture(scope="session")
def book_run(shared_root: Path) -> Run:
    """A run of the book's shapes, hardly trained."""
    return train(Experiment.from_profile("book", n_images=60, batch_size=8), shared_root, progress=False)


@pytest.fixture
def wild_run(book_run: Run) -> Run:
    """The same run, whose decoder has, in memory, weights as large as those of a long training."""
    random = np.random.default_rng(0)
    for weight in book_run.model().decoder.weights:
        name, shape = weight.path.split("/")[1], tuple(weight.shape)
        if name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 2, shape))
        else:
            weight.assign(random.normal(0, 2 / np.sqrt(np.prod(shape[:-1])) if name == "kernel" else 0.5, shape))
    return book_run


@pytest.fixture
def halves(wild_run: Run) -> np.ndarray:
    """(2, n): the half floats that a page gets for the decoder of `wild_run`."""
    return packing._as_half_floats(packing.folded_decoder(wild_run, "best"))


@pytest.fixture
def latents() -> np.ndarray:
    """(100, 3): widely spread."""
    return np.random.default_rng(1).normal(0, 1.5, (100, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def page_path(packed: tuple[dict[str, Any], bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the explorer of `runs`."""
    widget = Explorer(*packed, run="standard", parameters=(1.25, 1.0))
    return write_page(widget, tmp_path_factory.mktemp("page"))


@pytest.fixture
def reading(browser: Any, page_path: Path) -> Iterator[Callable[..., Reader]]:
    """Make readers, of the page at `page_path` or another, with options of the browser; nothing may go wrong there."""
    readers = []

    def begin(path: Path = page_path, **options: Any) -> Reader:
        readers.append(Reader(browser, path, **options))
        return readers[-1]

    yield begin
    for reader in readers:
        reader.context.close()
        assert reader.wrong == []


@pytest.fixture
def reader(reading: Callable[..., Reader]) -> Reader:
    return reading()
