"""Points of the parameter space: drawn, in the hole, on transects and on a grid."""

import numpy as np
import pytest
from small_data import small

from vaelib import dataset
from vaelib.dataset import images
from vaelib.errors import SettingError
from vaelib.experiment import PARAMETER_RANGE, Experiment


def test_points_are_uniform_in_the_parameter_space(five_thousand):
    parameters = five_thousand["full"].parameters
    assert parameters.shape == (5000, 2)
    assert parameters.dtype == np.float64
    for column, (low, high) in zip(parameters.T, PARAMETER_RANGE.values(), strict=True):
        assert low <= column.min() < low + 0.01
        assert high - 0.01 < column.max() <= high
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.03)
    # π·0.3²/3 of 5,000 are expected in the hole: 471, with a standard deviation of 21.
    assert abs(len(five_thousand["full"].hole) - 471) < 85


@pytest.mark.parametrize("region", ["full", "punctured", "thinned"])
def test_the_training_size_is_known_without_images(region, monkeypatch):
    settings = Experiment.from_profile("smoke", region=region)
    expected = len(dataset.build(settings).train)
    monkeypatch.setattr(images, "draw", None)
    assert dataset.training_size(settings) == dataset.training_size(settings.data) == expected
    with pytest.raises(SettingError, match="0 validate"):
        dataset.training_size(settings.replace(n_images=20, region="punctured", hole_radius=1.0))


def test_in_hole_excludes_its_edge():
    settings = small(hole_a=1.0, hole_b=1.0, hole_radius=0.5)
    inside = dataset.in_hole([[1.0, 1.0], [1.5, 1.0], [1.499, 1.0], [1.0, 0.4]], settings)
    assert inside.tolist() == [True, False, True, False]
    assert not dataset.in_hole([[1.0, 1.0]], small(hole_a=1.0, hole_b=1.0, hole_radius=0.0)).any()


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("P1", (1.25, 0), (1.25, 2)), ("P2", (0.5, 1), (2, 1)), ("P3", (0.5, 2), (2, 0))],
)
def test_transects_run_through_the_holes_centre(name, first, last):
    points = dataset.transect(name)
    assert points.shape == (15, 2)
    np.testing.assert_array_equal(points[[0, -1]], [first, last])
    np.testing.assert_allclose(points[7], [1.25, 1.0])
    np.testing.assert_allclose(np.diff(points, axis=0), np.tile(points[1] - points[0], (14, 1)), atol=1e-12)
    assert len(dataset.transect(name, 7)) == 7


def test_a_hole_that_a_transect_misses_is_named():
    dataset.check_transects(small())
    dataset.check_transects(small(hole_a=0.7, hole_radius=0.56))  # P1 is 0.55 away, and one of its points is at b = 1
    with pytest.raises(SettingError, match=r"hole_a = 0.7, hole_b = 1, hole_radius = 0.54: no point .* P1 lies"):
        dataset.check_transects(small(hole_a=0.7, hole_radius=0.54))


def test_unknown_transect_is_named():
    with pytest.raises(SettingError, match="transect = 'P4'; allowed: P1, P2, P3"):
        dataset.transect("P4")
    with pytest.raises(SettingError, match="n = 1"):
        dataset.transect("P1", 1)


def test_grid_has_a_to_the_right_and_b_downward():
    points = dataset.grid(10).reshape(10, 10, 2)
    np.testing.assert_allclose(points[0, :, 0], np.linspace(0.5, 2, 10))
    assert (points[0, :, 1] == 0).all()
    assert (points[-1, :, 1] == 2).all()
    assert (points[:, 0, 0] == 0.5).all()


def test_the_holes_outline_is_its_edge_closed_and_within_the_parameter_space():
    settings = Experiment.from_profile("smoke")
    edge = dataset.hole_outline(settings, 13)
    np.testing.assert_allclose(np.hypot(*(edge - [settings.hole_a, settings.hole_b]).T), settings.hole_radius)
    np.testing.assert_allclose(edge[0], edge[-1], atol=1e-12)
    wide = dataset.hole_outline(settings.replace(hole_radius=1.0))
    assert wide[:, 0].min() == 0.5 and wide[:, 0].max() == 2
