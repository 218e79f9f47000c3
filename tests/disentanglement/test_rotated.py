"""Scores at many rotations at once are those of the plain functions at each."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaelib import disentanglement, geometry, losses, metrics
from vaelib.disentanglement import rotated
from vaelib.geometry import tangents

Numbers = np.ndarray
SCORES: dict[str, tuple[Callable[[Numbers, Numbers], rotated.RotationScores], Callable[[Numbers, Numbers], float]]] = {
    "entanglement": (lambda mu, _: rotated.entanglement(mu), lambda mu, _: losses.entanglement(mu)),
    "alignment": (rotated.alignment, lambda mu, factors: metrics.alignment(active_only(mu), factors)),
    "sap": (rotated.sap, lambda mu, factors: disentanglement.sap(active_only(mu), factors, shuffles=0).value),
    "mean_correlation": (
        lambda mu, _: rotated.mean_correlation(mu),
        lambda mu, _: disentanglement.mean_correlation(active_only(mu)).value,
    ),
    "mig": (rotated.mig, lambda mu, factors: disentanglement.mig(active_only(mu), factors, shuffles=0).value),
    "tangent_alignment": (
        lambda mu, _: rotated.tangent_alignment(mu),
        lambda mu, _: tangents.tangent_alignment(mu, draws=1).value,
    ),
}


def active_only(mu: Numbers) -> Numbers:
    return np.where(disentanglement.active(mu), mu, 0.0)


def sheet(seed: int, d: int, dead: int) -> tuple[Numbers, Numbers]:
    """Return a bent sheet in d dimensions, away from the origin, whose last `dead` codes hardly vary; its factors."""
    random = np.random.default_rng(seed)
    factors = random.uniform(0, 2, size=(150, 2))
    mu = np.tanh(factors @ random.normal(size=(2, d))) + 0.1 * random.normal(size=(150, d))
    mu[:, d - dead :] *= 1e-3
    return mu + random.normal(size=d), factors


@pytest.mark.parametrize("name", SCORES)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(3, 6), dead=st.integers(0, 3))
def test_many_rotations_at_once_score_as_each_alone(name: str, seed: int, d: int, dead: int) -> None:
    mu, factors = sheet(seed, d, dead)
    many, plain = SCORES[name]
    turns = np.concatenate([np.eye(d)[None], geometry.random_rotations(d, 4, seed=seed)])
    alone = [plain(mu @ turn.T, factors) for turn in turns]
    # Turning a sheet that is a thousandth as large as its distance from the origin costs digits.
    assert many(mu, factors)(turns) == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("name", ["entanglement", "alignment", "sap", "mean_correlation", "mig"])
def test_two_latents_and_inactive_ones_score_alike_too(name: str) -> None:
    mu, factors = sheet(0, 2, 0)
    many, plain = SCORES[name]
    turns = geometry.random_rotations(2, 5)
    for codes in (mu, 1e-3 * mu, np.zeros_like(mu)):
        alone = [plain(codes @ turn.T, factors) for turn in turns]
        assert many(codes, factors)(turns) == pytest.approx(alone, abs=1e-12)


def test_the_alignment_of_linear_maps_is_that_of_their_outputs() -> None:
    mu, factors = sheet(1, 4, 0)
    maps = np.random.default_rng(0).normal(size=(6, 3, 4)) * 1e-3
    alone = [metrics.alignment(mu @ linear_map.T, factors) for linear_map in maps]
    assert rotated.alignment(mu, factors, threshold=0.0)(maps) == pytest.approx(alone, abs=1e-12)


def test_the_search_finds_what_the_plain_one_finds() -> None:
    mu, factors = sheet(2, 3, 0)
    rotations = geometry.search_rotations(rotated.alignment(mu, factors), 3, samples=60)
    plain = geometry.over_rotations(lambda points: metrics.alignment(points, factors), mu, samples=60)
    assert rotations.samples == pytest.approx(plain.samples, abs=1e-12)
    assert (rotations.value, rotations.lowest, rotations.highest) == pytest.approx(
        (plain.value, plain.lowest, plain.highest)
    )


def test_the_planes_turn_with_the_points() -> None:
    mu, _ = sheet(3, 3, 0)
    rotations = geometry.search_rotations(rotated.tangent_alignment(mu), 3, samples=60)
    assert rotations.value == pytest.approx(tangents.tangent_alignment(mu).value)
    again = tangents.tangent_alignment(mu @ rotations.at_highest.T).value
    assert again == pytest.approx(rotations.highest, abs=1e-6)
