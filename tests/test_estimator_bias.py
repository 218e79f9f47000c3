"""The exact total correlation by hand, and what the picture of the estimator's bias holds."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest

from vaelib import estimator_bias
from vaelib.estimator_bias import bias, exact_total_correlation


def test_two_correlated_normals_have_the_known_total_correlation() -> None:
    rho = 0.6
    assert exact_total_correlation(0.0, np.array([[4.0, 2 * rho], [2 * rho, 1.0]])) == pytest.approx(
        -0.5 * math.log(1 - rho**2)
    )
    assert exact_total_correlation(0.3, np.eye(3)) == pytest.approx(0)


def test_the_same_seed_gives_the_same_bias_and_more_images_a_smaller_error() -> None:
    few, many = bias(0.3, 32, images=512, seed=1), bias(0.3, 32, images=4096, seed=1)
    assert bias(0.3, 32, images=512, seed=1) == few
    assert many.error < few.error and few.exact == many.exact == exact_total_correlation(0.3)
    with pytest.raises(ValueError, match="batch_size = 400"):
        bias(0.1, 400, images=512)


def test_the_picture_has_a_panel_for_each_sigma_with_the_exact_value() -> None:
    figure = estimator_bias.over_batch_sizes([0.1, 0.3], [8, 32], images=256)
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes] == ["σ = 0.1", "σ = 0.3"]
    for axis, sigma in zip(figure.axes, (0.1, 0.3), strict=True):
        line, *_ = axis.get_lines()
        assert list(line.get_xdata()) == [8, 32]
        means = [bias(sigma, size, images=256, seed=size).mean for size in (8, 32)]
        assert list(line.get_ydata()) == pytest.approx(means)
        assert any(set(np.ravel(other.get_ydata())) == {exact_total_correlation(sigma)} for other in axis.get_lines())
    plt.close(figure)
