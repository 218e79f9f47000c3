"""What the tests of figures share: a small punctured data set, and no figure left open."""

from collections.abc import Iterator

import pytest
from matplotlib import pyplot as plt

from vaelib import Experiment, dataset


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what a test has drawn."""
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def smoke() -> Experiment:
    """A small experiment with a hole."""
    return Experiment.from_profile("smoke", region="punctured")


@pytest.fixture(scope="module")
def data(smoke: Experiment) -> dataset.DataSet:
    """Its data set."""
    return dataset.build(smoke.data)
