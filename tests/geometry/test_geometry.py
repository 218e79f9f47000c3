"""Geometry on shapes whose dimension, best rotation and turning are known."""

import numpy as np
import pytest
from scipy import stats

from vaelib import geometry, losses

CIRCLE = np.linspace(0, np.pi, 400)


def uniform(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, d))


def turn(seed: int) -> np.ndarray:
    return stats.special_ortho_group.rvs(3, random_state=seed)


@pytest.mark.parametrize(
    ("points", "dimension"),
    [
        (geometry.flat_control(2000, 3, sides=(1.0,)), 1),
        (geometry.flat_control(2000, 3), 2),
        (np.random.default_rng(0).normal(size=(2000, 3)), 3),
        (np.random.default_rng(0).normal(size=(2000, 2)) @ np.random.default_rng(1).normal(size=(2, 10)), 2),
    ],
    ids=["line", "plane", "ball", "plane in ten dimensions"],
)
def test_twonn_finds_known_dimensions(points: np.ndarray, dimension: int) -> None:
    found = geometry.twonn(points)
    assert found.estimate == pytest.approx(dimension, rel=0.07)
    assert found.low < found.estimate < found.high
    assert found.n == 2000


def test_twonn_finds_the_dimension_of_a_curved_sheet() -> None:
    angle, height = (uniform(3000, 2) * [2.0, 1.0]).T
    assert geometry.twonn(np.column_stack([np.cos(angle), np.sin(angle), height])).estimate == pytest.approx(
        2, rel=0.06
    )


def test_twonn_does_not_care_for_rotation_scale_and_place() -> None:
    points = uniform(500, 3) * [2, 1, 0.01]
    moved = 1000 * points @ turn(3).T + 7
    assert geometry.twonn(moved).estimate == pytest.approx(geometry.twonn(points).estimate, rel=1e-6)


def test_twonn_without_discarding_is_the_plain_maximum_likelihood_estimate() -> None:
    points = uniform(60, 2)
    distances = np.sort(np.linalg.norm(points[:, None] - points, axis=-1), axis=1)
    logs = np.log(distances[:, 2] / distances[:, 1])
    assert geometry.twonn(points, discard=0).estimate == pytest.approx(60 / logs.sum())


def test_twonn_drops_duplicates_first() -> None:
    points = uniform(300, 2)
    assert geometry.twonn(np.vstack([points, points[:50], points[:50]])) == geometry.twonn(points)


def test_twonn_intervals_cover_the_plane_about_as_often_as_they_say() -> None:
    found = [geometry.twonn(geometry.flat_control(400, seed=seed)) for seed in range(120)]
    assert np.mean([one.low <= 2 <= one.high for one in found]) == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (np.zeros((50, 2)), {}, "1 distinct points"),
        (uniform(50, 2), {"discard": 1.0}, "discard"),
        (uniform(50, 2), {"level": 0.0}, "level"),
        (np.zeros(50), {}, "shape"),
        (np.vstack([uniform(50, 2), [[0, np.nan]]]), {}, "finite"),
        (np.stack(np.meshgrid(range(8), range(8)), axis=-1).reshape(-1, 2), {}, "lattice"),
    ],
)
def test_twonn_refuses_what_it_cannot_estimate(points: np.ndarray, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        geometry.twonn(points, **options)


def test_scales_are_nested_subsets_and_the_whole_is_the_whole() -> None:
    points = uniform(400, 2)
    found = geometry.twonn_by_scale(points, [50, 400])
    assert [one.n for one in found] == [50, 400]
    assert found[1] == geometry.twonn(points)


def test_rotations_of_a_flat_square_have_the_known_extremes() -> None:
    # E|xy| is 1/4 on the axes of the square and 1/6 at 45°; the third latent is zero, and of three pairs one counts.
    mu = np.column_stack([uniform(6000, 2), np.zeros(6000)])
    found = geometry.over_rotations(losses.entanglement, mu, samples=60)
    assert found.value == pytest.approx(1 / 12, rel=0.03)
    assert found.lowest == pytest.approx(1 / 18, rel=0.03)
    assert losses.entanglement(mu @ found.at_lowest.T) == pytest.approx(found.lowest)
    assert losses.entanglement(mu @ found.at_highest.T) == pytest.approx(found.highest)
    assert found.lowest <= found.samples.min() and found.samples.max() <= found.highest
    assert 0 < found.position < 1


def test_rotation_extremes_belong_to_the_shape_and_not_to_how_it_stands() -> None:
    mu = np.array([1, 0, 0.5]) + np.column_stack([uniform(500, 2), 0.2 * uniform(500, 1, 1)])
    here, there = (geometry.over_rotations(losses.entanglement, mu @ r.T, samples=60) for r in (np.eye(3), turn(5)))
    assert there.lowest == pytest.approx(here.lowest, rel=0.01)
    assert there.highest == pytest.approx(here.highest, rel=0.01)
    lowest = geometry.over_rotations(losses.entanglement, mu @ here.at_lowest.T, samples=60)
    assert lowest.rank == 0
    assert lowest.position == pytest.approx(0, abs=0.01)
    np.testing.assert_allclose(here.at_lowest @ here.at_lowest.T, np.eye(3), atol=1e-9)


def test_a_score_that_rotation_does_not_change_has_no_position() -> None:
    mu = uniform(50, 3)
    found = geometry.over_rotations(lambda _: 2.0, mu, samples=20)
    assert (found.value, found.lowest, found.highest, found.position) == (2, 2, 2, 0)
    assert geometry.over_rotations(lambda points: float(points.std()), mu[:, :1], samples=20).position == 0


def test_turning_of_a_line_a_half_circle_and_a_corner() -> None:
    assert geometry.turning(np.outer([0, 1, 5, 6], [1, 2, 3])) == pytest.approx(0, abs=1e-5)
    half = np.column_stack([np.cos(CIRCLE), np.sin(CIRCLE), 0 * CIRCLE])
    assert geometry.turning(half) == pytest.approx(180, rel=0.01)
    assert geometry.turning(7 * half @ turn(2).T + 3) == pytest.approx(geometry.turning(half))
    assert geometry.turning([[0, 0], [1, 0], [1, 0], [1, 1]]) == pytest.approx(90)
    with pytest.raises(ValueError, match="2 points"):
        geometry.turning([[0, 0]])


def bent_sheet(n: int = 2000, grain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return factors, and a cylinder: along it runs a, round a quarter of it b."""
    factors = np.random.default_rng(4).uniform([0.5, 0], [2, 2], size=(n, 2))
    angle = factors[:, 1] * np.pi / 4
    mu = np.column_stack([np.cos(angle), np.sin(angle), factors[:, 0]])
    return factors, mu + grain * np.random.default_rng(5).normal(size=mu.shape)


@pytest.mark.parametrize("grain", [0.0, 0.01])
def test_the_sheet_of_a_quarter_cylinder_turns_by_a_quarter_and_its_control_hardly(grain: float) -> None:
    factors, mu = bent_sheet(grain=grain)
    sheet, control = geometry.fit_sheet(factors, mu), geometry.straight_control(factors, mu)
    bent = [geometry.turning(line) for line in sheet.lines(0)]  # a is constant, b runs
    assert bent == pytest.approx([90] * 7, abs=2 if grain == 0 else 6)
    for fitted, factor in ((sheet, 1), (control, 0), (control, 1)):
        assert max(geometry.turning(line) for line in fitted.lines(factor)) < (0.2 if grain == 0 else 8)
    assert sheet.explained > (0.9999 if grain == 0 else 0.999)


def test_a_sheet_passes_through_what_it_was_fitted_to_and_its_lines_keep_their_factor() -> None:
    factors, mu = bent_sheet()
    sheet = geometry.fit_sheet(factors, mu)
    assert sheet(factors) == pytest.approx(mu, abs=1e-3)
    lines = sheet.lines(0, lines=3, points=5)
    assert [line.shape for line in lines] == [(5, 3)] * 3
    heights = np.array([line[:, 2] for line in lines])  # the third latent is a itself
    np.testing.assert_allclose(heights, np.full((5, 3), [0.65, 1.25, 1.85]).T, atol=5e-3)


def test_bad_sheets_and_controls_are_refused() -> None:
    factors, mu = bent_sheet(30)
    with pytest.raises(ValueError, match="from 36"):
        geometry.fit_sheet(factors, mu, degree=5)
    with pytest.raises(ValueError, match="factors has shape"):
        geometry.fit_sheet(factors[:, :1], mu)
    with pytest.raises(ValueError, match="needs 3 dimensions"):
        geometry.flat_control(10, 2, sides=(1, 1, 1))


def test_the_distance_to_the_nearest_is_that_of_the_double_loop():
    generator = np.random.default_rng(8)
    points, others = generator.normal(size=(20, 3)), generator.normal(size=(30, 3))
    literal = [min(np.linalg.norm(point - other) for other in others) for point in points]
    np.testing.assert_allclose(geometry.distance_to_nearest(points, others), literal)
    np.testing.assert_allclose(geometry.distance_to_nearest(others[:5], others), 0, atol=1e-12)
