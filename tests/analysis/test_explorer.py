"""The numbers of the explorer's chapter, against known answers."""

import types

import numpy as np
import pytest

from vaelib import Experiment, analysis


def test_the_hardest_part_is_that_of_the_largest_mean_error():
    points = np.random.default_rng(5).uniform([0.5, 0], [2, 2], (400, 2))
    errors = np.where((points[:, 0] < 1) & (points[:, 1] > 4 / 3), 3.0, 1.0)  # the first third of a, the last of b
    part, centre, error = analysis.explorer.hardest_part(points, errors)
    assert part == (0, 2) and error == 3
    np.testing.assert_allclose(centre, [0.75, 5 / 3])
    # One large error among many small ones does not make a part hard on average.
    errors[np.flatnonzero(points[:, 0] > 1.6)[0]] = 9
    assert analysis.explorer.hardest_part(points, errors)[0] == (0, 2)
    # The space's last corner belongs to a part.
    part, centre, error = analysis.explorer.hardest_part([[2, 2]], [0.5], n=2)
    assert part == (1, 1) and centre.tolist() == [1.625, 1.5] and error == 0.5


@pytest.mark.parametrize(("points", "errors"), [(np.zeros((3, 2)), np.zeros(2)), (np.zeros((0, 2)), np.zeros(0))])
def test_a_hardest_part_needs_an_error_for_each_point(points, errors):
    with pytest.raises(ValueError, match="allowed: one error a point"):
        analysis.explorer.hardest_part(points, errors)


def test_the_parts_of_the_parameter_space_have_words():
    assert analysis.explorer.part_in_words((0, 2)) == ("small", "deep")
    assert analysis.explorer.part_in_words((1, 1)) == ("middling", "middling")
    assert analysis.explorer.part_in_words((2, 0))._asdict() == {"radius": "large", "petals": "shallow"}


@pytest.mark.parametrize("part", [(3, 0), (0, -1)])
def test_other_parts_are_refused(part):
    with pytest.raises(ValueError, match="allowed: two numbers from 0 to 2"):
        analysis.explorer.part_in_words(part)


def test_exactness_is_a_median_of_distances_and_the_largest_difference():
    encoded = np.random.default_rng(0).normal(size=(5, 3))
    interpolated = encoded + np.array([[0.3], [0.3], [0.3], [9.0], [0.0]]) * [[0, 0.6, 0.8]]
    drawn = np.full((2, 4, 4), 0.5)
    decoded = drawn.copy()
    decoded[1, 2, 3] -= 3e-5
    assert analysis.explorer.exactness(interpolated, encoded, drawn, decoded) == pytest.approx((0.3, 3.0))
    assert analysis.explorer.exactness(encoded, encoded, drawn, drawn) == (0, 0)


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match="allowed: equal shapes"):
        analysis.explorer.exactness(np.zeros((2, 3)), np.zeros((1, 3)), np.zeros((1, 2, 2)), np.zeros((1, 2, 2)))


def test_the_centres_error_is_zero_for_a_copy_and_100_percent_for_a_flat_grey_image():
    def run(reconstruct):
        return types.SimpleNamespace(experiment=Experiment.from_profile("smoke"), reconstruct=reconstruct)

    def grey(images):
        return np.full(images.shape, images.mean() / 255)

    assert analysis.explorer.centre_error(run(lambda images: images / 255)) == pytest.approx(0, abs=1e-12)
    assert analysis.explorer.centre_error(run(grey)) == pytest.approx(100)
