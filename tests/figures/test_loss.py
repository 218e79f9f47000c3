"""What the loss's figures hold."""

import numpy as np
import pytest

from vaelib import figures, losses


def test_living_surface_frames_are_the_mixture():
    figure = figures.loss.living_pair_surface(n=11)
    x, y = np.meshgrid(figure.data[0].x, figure.data[0].y)
    for share, frame in zip(np.linspace(0, 1, 11), figure.frames, strict=True):
        expected = (1 - share) * (x**2 + y**2) + share * np.abs(x * y)
        np.testing.assert_allclose(frame.data[0].z, expected, atol=1e-6)
    slider = figure.layout.sliders[0]
    assert slider.steps[slider.active].label == "0.80"
    np.testing.assert_array_equal(figure.data[0].z, figure.frames[slider.active].data[0].z)


def test_rotation_curve_is_drawn_for_variance_one():
    axis = figures.loss.rotation_curves().axes[0]
    lines = {line.get_label(): line.get_xydata() for line in axis.lines}
    at_45 = {name: float(np.interp(45, *points.T)) for name, points in lines.items()}
    assert at_45 == pytest.approx({"Uniform": 0.5, "Laplace": 0.75, "Normal": 2 / np.pi})


def test_living_rotation_turns_the_square_and_moves_the_marker():
    figure = figures.loss.living_rotation(n=3, dots=4)
    assert [frame.name for frame in figure.frames] == ["0°", "45°", "90°"]
    points, outline, marker = figure.frames[1].data
    np.testing.assert_allclose(np.abs(points.x * points.y), points.marker.color, atol=1e-6)
    assert max(outline.x) == pytest.approx(np.sqrt(2), abs=1e-6)
    assert (marker.x[0], marker.text[0]) == (45, "0.167")
    assert figure.frames[0].data[2].y[0] == pytest.approx(0.25)
    flat = np.stack([figure.data[0].x, figure.data[0].y], axis=1)
    np.testing.assert_allclose(np.hypot(*flat.T), np.hypot(points.x, points.y), rtol=1e-6)


def test_penalty_figure_begins_at_two_over_pi_and_shows_correlation_only_in_large_batches():
    axis = figures.loss.penalty_by_batch_size(40_000, seed=0, largest=64).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axis.lines}
    independent, correlated = lines["independent, around 0"], lines["correlation 0.5, around 0"]
    assert independent[0] == pytest.approx(2 / np.pi, abs=0.02)
    assert correlated[0] / independent[0] == pytest.approx(1.128, abs=0.04)
    assert correlated[-1] / independent[-1] > 4
    assert lines["independent, centred"][0] == 0


def test_kl_figure_marks_the_minimum_and_the_constant():
    left = figures.loss.kl_curves(0.1).axes[0]
    curve, least, constant = (line.get_xydata() for line in left.lines)
    assert curve[:, 1].min() == pytest.approx(0, abs=1e-3)
    np.testing.assert_allclose(least, [[1, 0]])
    np.testing.assert_allclose(constant, [[0.01, 3.61517]], atol=1e-5)


def test_cross_entropy_surface_is_the_loss():
    surface = figures.loss.living_cross_entropy().data[0]
    i, j = 10, 40
    expected = losses.binary_crossentropy(np.array([[surface.x[j]]]), np.array([[surface.y[i]]]))
    assert surface.z[i][j] == pytest.approx(float(expected), rel=1e-5)
