"""The chapters at their smallest: what is tested with them is not the numbers."""

import os
from pathlib import Path

import pytest

LESS = {
    "profile": "smoke",
    "n_images": 100,
    "modified_gammas": [0.01],
    "seeds": [0, 1, 2],
    "n_points": 80,
    "n_probes": 40,
    "n_draws": 2000,
    "sweep_seeds": 0,
}
"""Less than the profile has, where a chapter has the parameter."""
FEWEST_SEEDS = {"07_ledger": [0, 1]}
"""By chapter; this one trains so many for each of the settings that it compares."""


def of(chapter: str) -> dict[str, object]:
    """Return the parameters of a chapter, and some that it may not have."""
    return {**LESS, "seeds": FEWEST_SEEDS.get(chapter, LESS["seeds"])}


def runs(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the chapters' runs, which all test processes share: each is trained once."""
    common = factory.getbasetemp()
    return (common.parent if "PYTEST_XDIST_WORKER" in os.environ else common) / "chapters" / "runs"
