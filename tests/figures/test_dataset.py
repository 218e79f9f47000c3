"""What the data set's figures hold."""

import math

import numpy as np
import pytest

from vaelib import analysis, curves, dataset, figures


def test_inner_loops_lie_in_the_petals_directions():
    _, inner = figures.dataset.by_sign(1.0, 2.0, n=10_001)
    inner = inner[np.isfinite(inner[:, 0])]
    tip = inner[np.hypot(*inner.T).argmax()]
    assert np.hypot(*tip) == pytest.approx(1.0, abs=1e-5)  # b - a
    assert math.degrees(math.atan2(tip[1], tip[0])) % 72 == pytest.approx(0, abs=0.1)


def test_the_two_signs_together_are_the_curve():
    outer, inner = figures.dataset.by_sign(1.0, 2.0, n=501)
    np.testing.assert_array_equal(np.where(np.isnan(outer), inner, outer), curves.points(1.0, 2.0, 501))


def test_montage_shows_each_image_at_its_place(smoke):
    axis = figures.dataset.montage(smoke, n=4).axes[0]
    sheet, (left, right, bottom, top) = axis.images[0].get_array(), axis.images[0].get_extent()
    a, b = dataset.grid(4)[6]  # the third of the second row
    column = round((a - left) / (right - left) * sheet.shape[1])
    row = round((b - top) / (bottom - top) * sheet.shape[0])
    half = smoke.image_size // 2
    shown = sheet[row - half : row + half, column - half : column + half]
    drawn = curves.render(
        a, b, image_size=smoke.image_size, line_width=smoke.transect_line_width, framing=smoke.framing
    )
    np.testing.assert_array_equal(shown, drawn[0])


def test_sample_shows_every_point_once_and_the_hole_inside_its_circle(data, smoke):
    axis = figures.dataset.sample(data, smoke).axes[0]
    shown = {dots.get_label().split()[0]: np.asarray(dots.get_offsets()) for dots in axis.collections}
    assert sum(map(len, shown.values())) == len(data.parameters)
    together = np.concatenate(list(shown.values()))
    assert {tuple(point) for point in together} == {tuple(point) for point in data.parameters}
    (circle,) = axis.patches
    distance = {name: np.hypot(*(points - circle.center).T) for name, points in shown.items()}
    assert distance["hole"].max() < circle.radius <= min(distance["train"].min(), distance["validation"].min())


def test_framings_show_both_renderings(smoke):
    axes = np.reshape(figures.dataset.framings(smoke).axes, (2, -1))
    for row, framing in zip(axes, ("square", "study"), strict=True):
        for axis, (a, b) in zip(row, figures.dataset.SHAPES, strict=True):
            drawn = curves.render(a, b, image_size=32, line_width=1.2, framing=framing)[0]
            np.testing.assert_array_equal(axis.images[0].get_array(), drawn)


def test_weights_share_one_scale(data):
    parameters, meant = data.parameters, np.linspace(0, 2, len(data.parameters))
    figure = figures.dataset.weights(parameters, meant, analysis.dataset.batch_means(meant, 8))
    left, right = (axis.collections[0] for axis in figure.axes[:2])
    assert left.get_clim() == right.get_clim() == (0, 2)
    np.testing.assert_array_equal(left.get_array(), meant)


def test_living_curves_frames_are_the_curve():
    figure = figures.dataset.living_curve(1.25, n=5)
    assert [frame.name for frame in figure.frames] == ["0.00", "0.50", "1.00", "1.50", "2.00"]
    outer, inner, place = figure.frames[-1].data
    radius = np.hypot(outer.x, outer.y)
    assert np.nanmax(radius) == pytest.approx(3.25, abs=1e-5)
    assert np.nanmax(np.hypot(inner.x, inner.y)) == pytest.approx(0.75, abs=1e-3)
    assert (place.x[0], place.y[0]) == (1.25, 2.0)
    # The slider begins where the figure does.
    slider = figure.layout.sliders[0]
    shown = figure.frames[slider.active].data[0]
    np.testing.assert_array_equal(figure.data[0].x, shown.x)
