"""What the tests of films share: an embedding, its colours, and the drawings of films that are not rendered."""

from typing import Any

import numpy as np
import pytest

from vaelib.animation import encoder

N = 40


@pytest.fixture(scope="module")
def mu() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 3))


@pytest.fixture(scope="module")
def values() -> dict[str, np.ndarray]:
    a, b = np.random.default_rng(1).uniform([0.5, 0], [2, 2], size=(N, 2)).T
    return {"a": a, "b": b}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[encoder.Drawing]:
    """The drawings of the films asked for, which are not rendered."""
    drawings: list[encoder.Drawing] = []

    def render(path: Any, make: Any, frames: int, **_: Any) -> Any:
        drawings.append(make())
        return frames

    monkeypatch.setattr(encoder, "render", render)
    return drawings
