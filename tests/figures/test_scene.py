"""Where a scene shows its points, in which order and in which colours."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from vaelib.figures import scene
from vaelib.figures.styling import COLORMAPS


def test_the_projection_is_a_rotation_with_the_third_axis_upright() -> None:
    view = scene.projection(35, 24)
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)
    right, up, _ = view @ [0, 0, 1]
    assert right == pytest.approx(0) and up > 0
    np.testing.assert_allclose(scene.projection(0, 0) @ [1, 2, 3], [2, 3, 1], atol=1e-12)


POINTS = np.random.default_rng(0).normal([1, -2, 0.5], size=(50, 3))


def shown(values: np.ndarray, name: str) -> scene.Scene:
    made = scene.Scene(Figure().subplots(), values, name, POINTS)
    made.show(POINTS, azimuth=20, elevation=50)
    return made


def test_points_stand_about_their_mean_and_the_nearest_are_drawn_last_and_largest() -> None:
    made = shown(np.zeros(50), "error")
    places = (POINTS - POINTS.mean(axis=0)) @ scene.projection(20, 50).T
    order = np.argsort(places[:, 2])
    np.testing.assert_allclose(made.dots.get_offsets(), places[order, :2], atol=1e-12)
    assert (np.diff(made.dots.get_sizes()) >= 0).all()


def test_every_latents_axis_goes_through_the_origin_towards_its_name() -> None:
    made = shown(np.zeros(50), "error")
    origin = made.seen(np.zeros((1, 3)), azimuth=20, elevation=50)[0, :2]
    units = made.seen(np.eye(3), azimuth=20, elevation=50)[:, :2] - origin
    for segment, unit, name in zip(made.lines.get_segments(), units, made.names, strict=True):
        np.testing.assert_allclose(segment.mean(axis=0), origin, atol=1e-12)
        away = np.array(name.get_position()) - origin
        assert away @ unit == pytest.approx(np.linalg.norm(away) * np.linalg.norm(unit)), "in the axis's direction"


def test_a_factors_colours_span_its_range_and_other_values_their_own() -> None:
    values = np.linspace(1, 1.5, 50)
    of_a = mpl.colors.Normalize(0.5, 2)(values)
    for name, expected in (("a", of_a), ("error", np.linspace(0, 1, 50))):
        colormap = mpl.colormaps[COLORMAPS.get(name, "viridis")]
        np.testing.assert_allclose(shown(values, name).colors, colormap(expected))
