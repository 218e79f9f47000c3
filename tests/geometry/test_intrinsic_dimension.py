"""TwoNN on shapes of known dimension, and what it refuses."""

import numpy as np
import pytest
from random_shapes import rotation, uniform

from vaelib import geometry


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
    twonn = geometry.twonn(points)
    assert twonn.estimate == pytest.approx(dimension, rel=0.07)
    assert twonn.low < twonn.estimate < twonn.high
    assert twonn.n == 2000


def test_twonn_finds_the_dimension_of_a_curved_sheet() -> None:
    angle, height = (uniform(3000, 2) * [2.0, 1.0]).T
    assert geometry.twonn(np.column_stack([np.cos(angle), np.sin(angle), height])).estimate == pytest.approx(
        2, rel=0.06
    )


def test_rotation_scale_and_place_do_not_change_twonn() -> None:
    points = uniform(500, 3) * [2, 1, 0.01]
    moved = 1000 * points @ rotation(3).T + 7
    assert geometry.twonn(moved).estimate == pytest.approx(geometry.twonn(points).estimate, rel=1e-6)


def test_twonn_without_discarding_is_the_plain_maximum_likelihood_estimate() -> None:
    points = uniform(60, 2)
    distances = np.sort(np.linalg.norm(points[:, None] - points, axis=-1), axis=1)
    logs = np.log(distances[:, 2] / distances[:, 1])
    assert geometry.twonn(points, discard=0).estimate == pytest.approx(60 / logs.sum())


def test_twonn_drops_duplicates_first() -> None:
    points = uniform(300, 2)
    assert geometry.twonn(np.vstack([points, points[:50], points[:50]])) == geometry.twonn(points)


def test_twonn_intervals_cover_the_planes_dimension_about_as_often_as_they_claim() -> None:
    dimensions = [geometry.twonn(geometry.flat_control(400, seed=seed)) for seed in range(120)]
    assert np.mean([dimension.low <= 2 <= dimension.high for dimension in dimensions]) == pytest.approx(0.95, abs=0.05)


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


def test_scales_have_as_many_points_as_asked_and_the_last_has_all() -> None:
    points = uniform(400, 2)
    dimensions = geometry.twonn_by_scale(points, [50, 400])
    assert [dimension.n for dimension in dimensions] == [50, 400]
    assert dimensions[1] == geometry.twonn(points)


def test_the_distance_to_the_nearest_point_is_that_of_the_double_loop():
    generator = np.random.default_rng(8)
    points, others = generator.normal(size=(20, 3)), generator.normal(size=(30, 3))
    literal = [min(np.linalg.norm(point - other) for other in others) for point in points]
    np.testing.assert_allclose(geometry.distance_to_nearest(points, others), literal)
    np.testing.assert_allclose(geometry.distance_to_nearest(others[:5], others), 0, atol=1e-12)
