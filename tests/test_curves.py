"""The curve's geometry and its drawing, against distances worked out the slow way."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaelib import curves

FRAMINGS = ["square", "study"]
# A circle, petals, the cusp at a = b, loops of negative radius, the extremes.
SHAPES = [(0.5, 0.0), (1.25, 1.0), (1.0, 1.0), (0.5, 2.0), (2.0, 2.0), (1.2, 1.19), (1.5, 2.0)]
AMPLITUDES = st.floats(0.0, 2.0)
RADII = st.floats(0.5, 2.0)


def dense(a, b, image_size, framing, n=20_001):
    """Return (n, 2) points (column, row) close together on the analytic curve."""
    x, y = curves.points(a, b, n).T
    return np.stack(curves.to_pixels(x, y, a, b, image_size=image_size, framing=framing), axis=1)


def distances(path, image_size):
    """Return (h, w): every pixel centre's distance to the nearest of the points of `path` (n, 2)."""
    from scipy.spatial import cKDTree

    rows, columns = np.mgrid[:image_size, :image_size]
    nearest, _ = cKDTree(path).query(np.stack([columns.ravel(), rows.ravel()], axis=1))
    return nearest.reshape(image_size, image_size)


def expected(a, b, image_size, line_width, framing):
    """Return the image that the definition of coverage gives, as float."""
    d = distances(dense(a, b, image_size, framing), image_size)
    return 255 * np.clip(np.minimum(line_width / 2 + 0.5 - d, min(line_width, 1)), 0, 1)


def draw(a, b, image_size=64, line_width=1.6, framing="square"):
    return curves.render(a, b, image_size=image_size, line_width=line_width, framing=framing)


def test_radius_at_known_angles():
    assert curves.radius(0.0, 1.25, 0.5) == pytest.approx(1.75)
    assert curves.radius(np.pi / 5, 1.25, 0.5) == pytest.approx(0.75)
    assert curves.radius(np.pi / 10, 1.25, 0.5) == pytest.approx(1.25)


def test_radius_broadcasts_and_turns_negative():
    r = curves.radius(np.linspace(0, 1, 7), np.ones((3, 1)), np.full((3, 1), 2.0))
    assert r.shape == (3, 7)
    assert curves.radius(np.pi / 5, 0.5, 2.0) == pytest.approx(-1.5)


def test_points_close_and_repeat_every_fifth_of_a_turn():
    curve = curves.points(1.25, 0.75, 501)
    np.testing.assert_allclose(curve[0], [2.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(curve[0], curve[-1], atol=1e-12)
    turn = 2 * np.pi / 5
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    np.testing.assert_allclose(curve[100:], curve[:-100] @ rotation.T, atol=1e-12)


def test_bounding_box_of_a_circle():
    # The study's 500 points have none exactly at the top and the left, hence the tolerance.
    np.testing.assert_allclose(curves.bounding_box(1.5, 0.0), [[-1.5, -1.5, 1.5, 1.5]], atol=1e-4)


def test_square_framing_has_the_origin_in_the_middle_and_y_up():
    column, row = curves.to_pixels(0.0, 0.0, 1.0, 1.0, image_size=84, framing="square")
    assert (column, row) == (41.5, 41.5)
    column, row = curves.to_pixels(1.0, 2.0, 1.0, 1.0, image_size=84, framing="square")
    assert (column, row) == pytest.approx((51.5, 21.5))  # 10 pixels per unit, a higher y is a smaller row


def test_study_framing_matches_the_measured_frame():
    # A circle's middle is its bounding box's: 118.95 of 229 across, 83.4 of 172 down, from the image's corner.
    column, row = curves.to_pixels(0.0, 0.0, 1.0, 0.0, image_size=256, framing="study")
    assert column + 0.5 == pytest.approx(118.95 * 256 / 229, abs=0.01)
    assert row + 0.5 == pytest.approx(83.4 * 256 / 172)
    right, _ = curves.to_pixels(1.0, 0.0, 1.0, 0.0, image_size=256, framing="study")
    _, top = curves.to_pixels(0.0, 1.0, 1.0, 0.0, image_size=256, framing="study")
    assert (row - top) / (right - column) == pytest.approx(229 / 172)  # taller than wide
    # The frame's width and height in units.
    assert 256 / (right - column) == pytest.approx(229 / 17.5) == pytest.approx(13.09, abs=0.005)
    assert 256 / (row - top) == pytest.approx(172 / 17.5) == pytest.approx(9.83, abs=0.005)


def test_study_framing_puts_the_curves_where_the_studys_pictures_have_them():
    """Against its P1 images, a middle at (118.25, 82.9) was 0.78 pixels too far left and 0.72 too high, of 256."""
    a, b = np.full(5, 1.25), np.linspace(0, 2, 5)
    box = curves.bounding_box(a, b)
    middle = (box[:, 0] + box[:, 2]) / 2
    columns, rows = curves.to_pixels(middle, np.zeros(5), a, b, image_size=256, framing="study")
    np.testing.assert_allclose(columns - (118.25 * 256 / 229 - 0.5), 0.78, atol=0.02)
    np.testing.assert_allclose(rows - (82.9 * 256 / 172 - 0.5), 0.72, atol=0.03)


@given(RADII, AMPLITUDES)
@settings(max_examples=25, deadline=None)
def test_study_framing_centres_the_bounding_box(a, b):
    x, _ = dense(a, b, 256, "study").T
    assert (x.min() + x.max()) / 2 + 0.5 == pytest.approx(118.95 * 256 / 229, abs=0.05)


def test_study_framing_moves_the_origin_left_as_the_petals_grow():
    b = np.array([0.0, 0.5, 1.0, 2.0])
    column, _ = curves.to_pixels(np.zeros(4), np.zeros(4), np.full(4, 1.25), b, image_size=256, framing="study")
    assert (np.diff(column) < 0).all()


def test_to_pixels_of_many_curves_equals_one_at_a_time():
    a, b = np.array([0.5, 1.0, 2.0]), np.array([2.0, 0.3, 1.0])
    x, y = np.random.default_rng(0).uniform(-2, 2, size=(2, 3, 4))
    together = np.array(curves.to_pixels(x, y, a, b, image_size=64, framing="study"))
    for i in range(3):
        alone = np.array(curves.to_pixels(x[i], y[i], a[i], b[i], image_size=64, framing="study"))
        np.testing.assert_array_equal(together[:, i], alone)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("image_size", "line_width"), [(64, 1.6), (128, 0.4), (96, 1.0), (128, 2.71), (64, 7.5)])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_every_pixel_has_the_coverage_of_its_distance(a, b, image_size, line_width, framing):
    image = draw(a, b, image_size, line_width, framing)[0]
    # Chords stray from the curve by 0.02 pixels or a little more, and 255 levels are 1 pixel.
    assert np.abs(image - expected(a, b, image_size, line_width, framing)).max() < 0.03 * 255 + 1


@given(RADII, AMPLITUDES, st.sampled_from([0.3, 1.0, 1.42, 2.71, 5.0]), st.sampled_from(FRAMINGS))
@settings(max_examples=40, deadline=None)
def test_ink_lies_on_the_curve_and_all_of_the_curve_is_drawn(a, b, line_width, framing):
    image = draw(a, b, 96, line_width, framing)[0]
    path = dense(a, b, 96, framing)
    far = distances(path, 96) > line_width / 2 + 1
    assert not image[far].any()
    # No point of the curve is farther than √½ from a pixel's centre.
    columns, rows = np.rint(path).astype(int).T
    least = 255 * min(line_width / 2 + 0.5 - math.sqrt(0.5) - 0.05, min(line_width, 1))
    if least > 0:
        assert (image[rows, columns] >= least - 1).all()
    # Thinner lines still touch the pixel or a neighbour everywhere.
    around = [image[rows + dy, columns + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert (np.max(around, axis=0) > 0).all()


@pytest.mark.parametrize("line_width", [0.25, 1.0, 1.6, 4.0])
def test_a_circles_ink_is_its_length_times_the_line_width(line_width):
    image = draw(1.7, 0.0, 256, line_width)[0]
    per_unit = 256 / 8.4
    assert image.sum() / 255 == pytest.approx(2 * np.pi * 1.7 * per_unit * line_width, rel=0.02)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_line_width_is_the_same_in_every_direction(framing):
    image = draw(2.0, 0.0, 256, 4.0, framing)[0]
    column, row = curves.to_pixels(0.0, 0.0, 2.0, 0.0, image_size=256, framing=framing)
    level = image[:, round(float(column))].sum() / 255 / 2  # two crossings with the circle
    upright = image[round(float(row))].sum() / 255 / 2
    assert level == pytest.approx(4.0, abs=0.1)
    assert upright == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("image_size", [64, 65])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_the_square_image_is_its_own_mirror_image(a, b, image_size):
    image = draw(a, b, image_size)[0].astype(int)
    assert np.abs(image - image[::-1]).max() <= 1  # rounding of distances


def test_petals_point_up_more_than_they_point_left():
    # R is largest at θ = 0 (right) and 2π/5 (up, a little right), least at θ = π (left).
    image = draw(1.0, 0.9, 84)[0]
    assert image[:, 60:].any()
    assert not image[:, :20].any()
    column, row = curves.to_pixels(*curves.points(1.0, 0.9, 6)[1], 1.0, 0.9, image_size=84, framing="square")
    assert row < 41
    assert image[round(float(row)), round(float(column))] > 128


def test_a_negative_radius_lies_on_the_opposite_side():
    # θ = π/5 with R = 0.5 - 2 = -1.5: the point is at angle π/5 + π. Its copy at θ = π lies on the axis, at +1.5.
    image = draw(0.5, 2.0, 84)[0]
    assert image[41:43, 41 + 15 : 41 + 17].max() == 255
    assert image[41:43, 41 - 15 : 41 - 13].max() == 0


def test_crossings_are_white_and_not_wrapped_round():
    image = draw(2.0, 2.0, 128, 3.0)[0]
    assert image.dtype == np.uint8
    assert (image[62:66, 62:66] == 255).all()  # ten branches meet at the origin


def test_a_thin_line_is_as_dark_as_it_is_thin_even_where_it_crosses():
    assert draw(2.0, 2.0, 128, 0.25)[0].max() == round(0.25 * 255)


def test_a_curve_of_no_extent_is_a_dot():
    image = draw(0.0, 0.0, 65, 5.0)[0]
    assert image[32, 32] == 255
    assert image.astype(float).sum() / 255 == pytest.approx(np.pi * 2.5**2, rel=0.02)


def test_very_wide_lines():
    image = draw(1.25, 0.5, 128, 32.0, "study")[0]
    assert np.abs(image - expected(1.25, 0.5, 128, 32.0, "study")).max() < 0.03 * 255 + 1


def test_images_smaller_than_the_line():
    assert draw(1.0, 0.5, 1, 3.0).tolist() == [[[255]]]
    assert (draw(1.0, 0.0, 3, 30.0) == 255).all()


def test_an_image_does_not_depend_on_its_batch():
    generator = np.random.default_rng(3)
    a, b = generator.uniform(0.5, 2, 150), generator.uniform(0, 2, 150)
    for framing in FRAMINGS:
        together = draw(a, b, 48, 1.42, framing)
        shuffled = generator.permutation(150)
        np.testing.assert_array_equal(draw(a[shuffled], b[shuffled], 48, 1.42, framing), together[shuffled])
        for i in (0, 31, 32, 149):
            np.testing.assert_array_equal(draw(a[i], b[i], 48, 1.42, framing)[0], together[i])


def test_shapes_of_results():
    assert draw(1.0, 0.5).shape == (1, 64, 64)
    assert draw([1.0, 2.0], 0.5).shape == (2, 64, 64)
    assert draw([], []).shape == (0, 64, 64)
    np.testing.assert_array_equal(draw([1.0, 2.0], 0.5)[1], draw(2.0, [0.5])[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": np.nan}, "a = nan; allowed: finite"),
        ({"b": [0.0, np.inf]}, "b = inf; allowed: finite"),
        ({"a": [1.0, 1.0], "b": [1.0, 1.0, 1.0]}, "a has 2 values and b has 3"),
        ({"a": [[1.0]]}, r"a has shape \(1, 1\)"),
        ({"a": "wide"}, "a = 'wide'; allowed: numbers"),
        ({"a": 3.0, "b": 2.0}, r"a = 3, b = 2; allowed: \|a\| \+ \|b\| up to 4"),
        ({"line_width": 0.0}, "line_width = 0.0; allowed"),
        ({"line_width": np.nan}, "line_width = nan; allowed"),
        ({"line_width": np.inf}, "line_width = inf; allowed"),
        ({"line_width": "thin"}, "line_width = 'thin'; allowed"),
        ({"image_size": 0}, "image_size = 0; allowed"),
        ({"image_size": 64.0}, "image_size = 64.0; allowed"),
        ({"framing": "round"}, "framing = 'round'; allowed: square, study"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {"a": 1.0, "b": 0.5, "image_size": 64, "line_width": 1.0, "framing": "square", **change}
    with pytest.raises(ValueError, match=message):
        curves.render(arguments.pop("a"), arguments.pop("b"), **arguments)


def test_points_need_two():
    with pytest.raises(ValueError, match="n = 1"):
        curves.points(1.0, 0.5, 1)
