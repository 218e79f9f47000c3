"""Distance from a Gaussian cloud and the curl of edges, on shapes for which both are known."""

import numpy as np
import pytest
from random_shapes import rotation
from scipy import stats

from vaelib.geometry import edge_curl, normal_distance

ROTATION = rotation(3)


def draws(n: int = 4000, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def test_a_gaussian_cloud_is_near_and_a_linear_map_hardly_changes_that() -> None:
    cloud = draws()
    assert normal_distance(cloud) < 0.06
    flat = cloud @ np.diag([10, 1, 0.1]) + [5, 0, 0]
    assert normal_distance(flat) == pytest.approx(normal_distance(cloud), abs=0.02)


def test_uniform_numbers_have_the_known_distance() -> None:
    # W2² of the standardised uniform and the normal: 2 - 2 ∫ √12 (u - ½) Φ⁻¹(u) du = 2 - 2 √(3/π)
    known = np.sqrt(2 - 2 * np.sqrt(3 / np.pi))
    uniform = stats.uniform.ppf((np.arange(5000) + 0.5) / 5000)[:, None]
    assert normal_distance(uniform) == pytest.approx(known, abs=2e-3)
    assert known == pytest.approx(0.21, abs=0.005)


def test_a_bent_sheet_is_farther_than_a_cloud() -> None:
    x, y = np.random.default_rng(1).uniform(-1, 1, (2, 3000))
    assert normal_distance(np.stack([x, y, x**2 + y**2], axis=1)) > 3 * normal_distance(draws(3000))


def test_axes_that_never_vary_are_left_out() -> None:
    cloud = draws(d=2)
    assert normal_distance(np.column_stack([cloud, np.zeros(len(cloud))])) == pytest.approx(
        normal_distance(cloud), abs=0.02
    )
    assert normal_distance(np.ones((50, 3))) == 0


@pytest.mark.parametrize("points", [np.zeros((9, 3)), np.full((20, 2), np.nan), np.zeros(20)])
def test_bad_points_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError):
        normal_distance(points)


def sheet(height: object, n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    factors = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    return np.column_stack([factors, height(factors[:, 0], factors[:, 1])]), factors  # type: ignore[operator]


def test_a_flat_sheet_curls_nowhere_in_any_orientation() -> None:
    codes, factors = sheet(lambda x, y: 0.3 * x - 0.5 * y)
    assert edge_curl(codes, factors) == pytest.approx((0, 0), abs=1e-4)
    assert edge_curl(codes @ ROTATION.T, factors) == pytest.approx((0, 0), abs=1e-4)


def test_a_sheet_with_its_rim_turned_up_curls_at_the_edges_alone() -> None:
    # Beyond |x| = 0.8 it rises at 45°; an edge point's other factor does not matter.
    codes, factors = sheet(lambda x, y: np.maximum(np.abs(x) - 0.8, 0), n=20_000)
    edges, middle = edge_curl(codes, factors, edge=0.05)
    assert middle == pytest.approx(0, abs=1e-4)
    rim = (np.abs(factors[:, 0]) > 0.9).sum() / (np.abs(factors).max(axis=1) > 0.9).sum()
    assert edges == pytest.approx(45 * (rim + (1 - rim) * 0.2), abs=4)


def test_turning_and_scaling_the_sheet_change_nothing() -> None:
    codes, factors = sheet(lambda x, y: x**2 - 0.3 * y**2)
    assert edge_curl(5 * codes @ ROTATION.T, factors) == pytest.approx(edge_curl(codes, factors), abs=1e-6)


def test_more_latents_than_three_have_the_same_angles() -> None:
    codes, factors = sheet(lambda x, y: x**2)
    wide = np.column_stack([codes, np.zeros((len(codes), 2))])
    assert edge_curl(wide, factors) == pytest.approx(edge_curl(codes, factors), abs=1e-6)


@pytest.mark.parametrize(
    ("codes", "factors", "options", "message"),
    [
        (np.zeros((50, 2)), np.zeros((50, 2)), {}, "from 3"),
        (np.zeros((50, 3)), np.zeros((50, 3)), {}, "from 3"),
        (draws(50), draws(50, 2), {"edge": 0.4}, "edge"),
        (draws(50), draws(50, 2), {"n_neighbors": 50}, "n_neighbors"),
        (draws(50), np.repeat([[0.0, 0.0], [1.0, 1.0]], 25, axis=0), {}, "no points"),
    ],
)
def test_bad_input_is_refused_by_name(codes: np.ndarray, factors: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        edge_curl(codes, factors, **options)
