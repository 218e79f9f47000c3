"""Normals, directions and their chance, on sheets that are known."""

import numpy as np
import pytest

from vaelib.study import orientation


def directed(a, b):
    parts = {f"direction_a_{k + 1}": value for k, value in enumerate(a)}
    return parts | {f"direction_b_{k + 1}": value for k, value in enumerate(b)}


def test_a_sheets_normal_is_at_right_angles_to_both_directions_and_points_up():
    np.testing.assert_allclose(orientation.sheet_normal(directed([0, 2, 0], [3, 0, 0])), [0, 0, 1])
    row = directed([1, 2, 3], [0.5, -1, 1])
    normal = orientation.sheet_normal(row)
    assert normal @ [1, 2, 3] == pytest.approx(0, abs=1e-12) and normal @ [0.5, -1, 1] == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(normal) == pytest.approx(1) and normal[2] >= 0
    np.testing.assert_allclose(orientation.factor_direction(directed([0, 3, -4], [1, 0, 0]), "a"), [0, -0.6, 0.8])


@pytest.mark.parametrize(
    "row",
    [{}, directed([1, None, 0], [0, 1, 0]), directed([1, 1, 0], [2, 2, 0]), directed([0, 0, 0], [2, 2, 0]),
     {**directed([1, 1, 0], [0, 1, 0]), "latent_dim": 6}],
    ids=["absent", "undefined", "parallel", "nothing", "more latents"],
)  # fmt: skip
def test_a_sheet_without_a_plane_has_no_normal(row):
    assert orientation.sheet_normal(row) is None


def test_the_projection_keeps_areas():
    half = np.deg2rad([0, 60, 90])
    axes = np.column_stack([np.sin(half), 0 * half, np.cos(half)])
    axes[2, 2] = 0
    np.testing.assert_allclose(orientation.equal_area(axes), [[0, 0], [np.sqrt(0.5), 0], [1, 0]], atol=1e-12)
    drawn = np.random.default_rng(1).standard_normal((20_000, 3))
    drawn[:, 2] = abs(drawn[:, 2])
    radius = np.linalg.norm(orientation.equal_area(drawn / np.linalg.norm(drawn, axis=1, keepdims=True)), axis=1)
    for r in (0.3, 0.6, 0.9):
        assert np.mean(radius < r) == pytest.approx(r**2, abs=0.015)


@pytest.mark.parametrize("axes", [[1, 0, 0], [[1, 0]], [[0, 0, 2]], [[0, 0, -1]]])
def test_the_projection_refuses_what_is_not_an_upper_unit_vector(axes):
    with pytest.raises(ValueError, match="axes"):
        orientation.equal_area(axes)


def test_scattered_axes_pass_for_uniform_and_a_bundle_does_not():
    random = np.random.default_rng(2)
    bundle = [0, 0, 1] + 0.1 * random.standard_normal((20, 3))
    bundle /= np.linalg.norm(bundle, axis=1, keepdims=True)
    assert orientation.uniform_chance(bundle, draws=999) == 1 / 1000
    signs = random.choice([-1, 1], (20, 1))
    assert orientation.uniform_chance(bundle * signs, draws=999) == 1 / 1000
    assert orientation.uniform_chance(np.eye(3), draws=999) == 1.0  # as even as can be
    with pytest.raises(ValueError, match="n from 2"):
        orientation.uniform_chance([[0, 0, 1]])


def test_under_uniformity_the_chance_is_uniform():
    drawn = np.random.default_rng(5).standard_normal((150, 6, 3))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    chances = [orientation.uniform_chance(axes, draws=199) for axes in drawn]
    assert np.mean(np.array(chances) <= 0.2) == pytest.approx(0.2, abs=0.1)
