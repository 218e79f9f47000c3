"""The picture of the estimator's bias has its means and the exact values."""

import numpy as np
import pytest

from vaelib import figures
from vaelib.study.estimator_bias import bias, exact_total_correlation


def test_the_picture_has_a_panel_for_each_sigma_with_the_exact_value() -> None:
    figure = figures.estimator_bias.over_batch_sizes([0.1, 0.3], [8, 32], images=256)
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes] == ["σ = 0.1", "σ = 0.3"]
    for axis, sigma in zip(figure.axes, (0.1, 0.3), strict=True):
        line, *_ = axis.get_lines()
        assert list(line.get_xdata()) == [8, 32]
        means = [bias(sigma, size, images=256, seed=size).mean for size in (8, 32)]
        assert list(line.get_ydata()) == pytest.approx(means)
        exact = exact_total_correlation(sigma)[0]
        assert any(set(np.ravel(other.get_ydata())) == {exact} for other in axis.get_lines())
