"""Directions, tangent planes and neighbours of sheets whose orientation is known."""

import numpy as np
import pytest
from random_shapes import rotation
from scipy import stats

from vaelib import geometry
from vaelib.geometry.tangents import continuity, factor_angle, tangent_alignment, trustworthiness
from vaelib.statistics import Score

pytestmark = pytest.mark.filterwarnings("error")

N = 600
FACTORS = np.random.default_rng(7).uniform(-1, 1, size=(N, 2))
FLAT = np.column_stack([FACTORS, np.zeros(N)])
NOISE = np.random.default_rng(8).normal(size=(N, 3))
ROTATIONS = [rotation(seed) for seed in range(3)]


def test_the_angle_of_factors_on_axes_and_of_a_sheared_sheet() -> None:
    assert factor_angle(FLAT, FACTORS).value == pytest.approx(90)
    sheared = FACTORS @ np.array([[1.0, 0.0], [1.0, 1.0]])  # b moves the codes along (1, 1)
    for turn in ROTATIONS:
        codes = 7 * np.column_stack([sheared, np.zeros(N)]) @ turn.T + 3
        assert factor_angle(codes, FACTORS * [-2, 0.1]).value == pytest.approx(45)


def test_the_angles_chance_level_is_that_of_random_lines() -> None:
    """45° in the plane; in space the cosine is uniform from 0 to 1, so the mean is 1 rad = 57.3°."""
    for d, mean in ((2, 45), (3, np.degrees(1))):
        assert factor_angle(NOISE[:, :d], FACTORS, shuffles=400).chance == pytest.approx(mean, abs=4 * 26 / 20)
    angles = [factor_angle(np.random.default_rng(i).normal(size=(50, 3)), FACTORS[:50], shuffles=0) for i in range(200)]
    assert np.mean([angle.value for angle in angles]) == pytest.approx(np.degrees(1), abs=4 * 22 / np.sqrt(200))


def test_the_angle_of_what_never_moves_is_zero() -> None:
    assert factor_angle(np.ones((N, 3)), FACTORS) == Score(0.0, 0.0)
    assert factor_angle(FLAT, FACTORS * [1, 0]).value == 0
    with pytest.raises(ValueError, match=r"factors has shape \(600, 1\): an angle needs 2 factors"):
        factor_angle(FLAT, FACTORS[:, :1])


def test_tangent_planes_of_axes_score_one_in_any_order_and_at_any_place_of_the_factors() -> None:
    spin = np.array([[1, -1, 0], [1, 1, 0], [0, 0, np.sqrt(2)]]) / np.sqrt(2)
    for codes in (FLAT, FLAT[:, [2, 0, 1]], -5 * FLAT + 2, FLAT @ spin.T):
        assert tangent_alignment(codes).value == pytest.approx(1)
    assert tangent_alignment(FLAT[:, [0, 2]], dimension=1).value == pytest.approx(1)


def test_tangent_planes_as_far_from_all_axes_as_possible_score_zero() -> None:
    """A plane with normal (1, 1, 1)/√3; one with normal (cos t, sin t, 0) has cos² t, moved from [1/3, 1] to [0, 1]."""
    normal = np.ones((1, 3)) / np.sqrt(3)
    basis = np.linalg.svd(normal)[2][1:]
    assert tangent_alignment(FACTORS @ basis).value == pytest.approx(0, abs=1e-9)
    t = np.radians(30)
    basis = np.array([[-np.sin(t), np.cos(t), 0], [0, 0, 1]])
    # The mean of the two largest squared lengths is (1 + cos² t)/2.
    assert tangent_alignment(FACTORS @ basis).value == pytest.approx(((1 + 0.75) / 2 - 2 / 3) * 3)


def test_turned_sheets_score_chance_on_average_and_curved_ones_near_it() -> None:
    turns = stats.special_ortho_group.rvs(3, size=60, random_state=1)
    values = np.array([tangent_alignment(FLAT[:60] @ turn.T, n_neighbors=5, draws=1).value for turn in turns])
    chance = tangent_alignment(FLAT).chance
    assert values.mean() == pytest.approx(chance, abs=4 * values.std() / np.sqrt(60))
    # With normal n the mean of the two largest squared lengths is (1 + n_max²)/2; its mean by direct sampling:
    normals = np.random.default_rng(0).normal(size=(200_000, 3))
    largest = (normals**2).max(axis=1) / (normals**2).sum(axis=1)
    assert chance == pytest.approx(((1 + largest.mean()) / 2 - 2 / 3) * 3, abs=0.02)
    sphere = NOISE / np.linalg.norm(NOISE, axis=1, keepdims=True)  # its normals point everywhere
    assert tangent_alignment(sphere).value == pytest.approx(chance, abs=0.05)


def test_points_without_a_plane_score_zero() -> None:
    assert tangent_alignment(np.ones((50, 3))).value == 0
    assert tangent_alignment(FLAT * [1, 0, 0]).value == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 3}, "dimension = 3; allowed: 1 to 2"),
        ({"dimension": 0}, "dimension = 0; allowed: 1 to 2"),
        ({"n_neighbors": 1}, "n_neighbors = 1; allowed: 2 to 599"),
        ({"n_neighbors": 600}, "n_neighbors = 600; allowed: 2 to 599"),
        ({"draws": 0}, "draws = 0; allowed: whole numbers from 1"),
    ],
)
def test_settings_of_tangent_planes_are_checked(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tangent_alignment(FLAT, **options)


def test_neighbours_are_kept_by_turns_and_shifts_and_the_dimension_too() -> None:
    for turn in ROTATIONS:
        codes = 9 * FLAT @ turn.T + 5
        assert trustworthiness(FACTORS, codes).value == continuity(FACTORS, codes).value == 1
        assert geometry.twonn(codes).estimate == pytest.approx(geometry.twonn(FLAT).estimate, rel=1e-6)


@pytest.mark.parametrize(("scale", "place"), [(1e-6, 0), (1e6, 0), (1, 1e7), (1e-6, -10), (1e6, 1e13)])
def test_a_common_scale_and_place_do_not_matter_however_large(scale: float, place: float) -> None:
    codes = scale * FLAT + place
    for score in (trustworthiness, continuity):
        assert score(FACTORS, codes).value == pytest.approx(1, abs=1e-3)
        assert score(codes, FACTORS).value == pytest.approx(1, abs=1e-3)
    assert geometry.twonn(codes).estimate == pytest.approx(geometry.twonn(FLAT).estimate, rel=0.01)
    assert factor_angle(codes, FACTORS).value == pytest.approx(factor_angle(FLAT, FACTORS).value, abs=1e-3)
    here, there = (tangent_alignment(points, draws=10).value for points in (FLAT, codes))
    assert there == pytest.approx(here, abs=1e-3)


def test_a_fold_costs_trust_and_a_tear_costs_continuity() -> None:
    folded = FACTORS * [1, 0]
    assert continuity(FACTORS, folded).value > trustworthiness(FACTORS, folded).value + 0.05
    # Stripes moved apart in a random order: near in the codes is near in truth, but not the other way round.
    stripe = np.floor((FACTORS[:, 0] + 1) * 6).astype(int)
    torn = np.column_stack([FACTORS, 50.0 * np.random.default_rng(0).permutation(12)[stripe]])
    assert trustworthiness(FACTORS, torn).value > continuity(FACTORS, torn).value + 0.01


def test_ranks_at_random_lie_at_the_chance_level() -> None:
    for score in (trustworthiness, continuity):
        noise = score(FACTORS, NOISE)
        assert noise.value == pytest.approx(noise.chance, abs=0.02) and noise.chance == pytest.approx(0.5, abs=0.01)
        assert score(FACTORS, np.ones((N, 3))).value == pytest.approx(0.5, abs=0.1)


def test_trustworthiness_is_its_definition() -> None:
    space, codes, k = FACTORS[:40], NOISE[:40], 4
    rank = np.argsort(np.argsort(np.linalg.norm(space[:, None] - space, axis=-1), axis=1), axis=1)  # 0 is oneself
    near = np.argsort(np.linalg.norm(codes[:, None] - codes, axis=-1), axis=1)[:, 1 : k + 1]
    penalty = sum(max(0, rank[i, j] - k) for i in range(40) for j in near[i])
    value = 1 - 2 / (40 * k * (80 - 3 * k - 1)) * penalty
    assert trustworthiness(space, codes, n_neighbors=k).value == pytest.approx(value)
    assert continuity(codes, space, n_neighbors=k).value == pytest.approx(value)


def test_many_points_are_a_fixed_draw_of_them() -> None:
    few = trustworthiness(FACTORS, NOISE, points=100)
    assert few == trustworthiness(FACTORS, NOISE, points=100) != trustworthiness(FACTORS, NOISE, points=100, seed=1)
    for k, n in ((0, 600), (300, 600)):
        with pytest.raises(ValueError, match=f"n_neighbors = {k}; allowed: 1 to less than half of {n}"):
            trustworthiness(FACTORS, NOISE, n_neighbors=k)
