"""What the penalties prefer, in closed form and by simulation, and what the pictures of it hold."""

import numpy as np
import pytest
import synthetic_sweep
from matplotlib import pyplot as plt
from scipy import special

from vaelib import analysis, figures, metrics
from vaelib.disentanglement import unmixing
from vaelib.study import comparison
from vaelib.study.comparison import STANDARD, STUDY

ROWS = synthetic_sweep.table(3)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("shape", "axes", "diagonal"),
    [(np.inf, 3 / 4, 1 / 2), (2, 2 / np.pi, 2 / np.pi), (1, 1 / 2, 3 / 4)],
    ids=["uniform", "normal", "laplace"],
)
def test_closed_forms_of_variance_one(shape, axes, diagonal):
    assert figures.explanation.on_axes(shape) == pytest.approx(axes, rel=1e-12)
    assert figures.explanation.on_diagonal(shape) == pytest.approx(diagonal, rel=1e-7)


def test_on_the_square_from_minus_one_to_one_it_is_a_quarter_and_a_sixth():
    assert figures.explanation.on_axes(np.inf) / 3 == 1 / 4
    assert figures.explanation.on_diagonal(np.inf) / 3 == pytest.approx(1 / 6)


@pytest.mark.parametrize(("kind", "shape"), [("uniform", np.inf), ("normal", 2), ("laplace", 1)])
def test_the_second_chapters_formula_agrees(kind, shape):
    ends = analysis.loss.expected_product([0, np.pi / 4], kind)
    found = [figures.explanation.on_axes(shape), figures.explanation.on_diagonal(shape)]
    np.testing.assert_allclose(ends, found, rtol=1e-7)


@pytest.mark.parametrize("shape", [0.8, 1.5, 4.0, 20.0])
def test_simulated_factors_agree(shape):
    random = np.random.default_rng(3)
    size = random.gamma(1 / shape, size=(2, 400_000)) ** (1 / shape) * random.choice([-1, 1], (2, 400_000))
    s, t = size * np.exp((special.gammaln(1 / shape) - special.gammaln(3 / shape)) / 2)
    assert s.std() == pytest.approx(1, abs=0.01)
    assert np.abs(s * t).mean() == pytest.approx(figures.explanation.on_axes(shape), rel=0.01)
    turned = unmixing.turn(np.column_stack([s, t]), 45)
    assert np.abs(turned.prod(axis=1)).mean() == pytest.approx(figures.explanation.on_diagonal(shape), rel=0.01)
    assert np.mean(s**4) - 3 == pytest.approx(figures.explanation.excess_kurtosis(shape), abs=0.3)


def test_large_shapes_near_the_uniform():
    assert figures.explanation.on_axes(300) == pytest.approx(0.75, abs=1e-3)
    assert figures.explanation.on_diagonal(300) == pytest.approx(0.5, abs=1e-3)
    assert figures.explanation.excess_kurtosis(300) == pytest.approx(-1.2, abs=1e-3)


@pytest.mark.parametrize(("shape", "kurtosis"), [(1, 3), (2, 0), (np.inf, -1.2)])
def test_kurtosis(shape, kurtosis):
    assert figures.explanation.excess_kurtosis(shape) == pytest.approx(kurtosis, abs=1e-12)


@pytest.mark.parametrize(
    "function",
    [figures.explanation.on_axes, figures.explanation.on_diagonal, figures.explanation.excess_kurtosis],
)
@pytest.mark.parametrize("shape", [0, -1, np.nan])
def test_a_shape_is_positive(function, shape):
    with pytest.raises(ValueError, match="shape ="):
        function(shape)


def test_the_preference_turns_at_the_normal_distribution():
    curve = figures.explanation.preference().axes[1].lines[2]
    kurtosis, ratio = curve.get_data()
    assert (np.diff(ratio) > 0).all()
    np.testing.assert_array_equal(np.sign(np.round(ratio - 1, 9)), np.sign(np.round(kurtosis, 9)))


def test_every_turn_of_a_white_square_is_decorrelated_and_one_is_aligned():
    titles = [axis.get_title(loc="left") for axis in figures.explanation.decorrelated_squares((0, 45)).axes]
    assert titles == ["0°: correlation 0.00,\nalignment 1.00", "45°: correlation 0.00,\nalignment 0.50"]
    codes, factors = figures.explanation.turned_square(30)
    np.testing.assert_allclose(codes.T @ codes / len(codes), np.eye(2), atol=1e-12)
    np.testing.assert_allclose(factors.std(axis=0), 1)


def test_a_white_square_turned_at_random_has_an_alignment_of_a_half_and_one_over_pi():
    found = [metrics.alignment(*figures.explanation.turned_square(angle)) for angle in range(0, 180, 3)]
    assert np.mean(found) == pytest.approx(1 / 2 + 1 / np.pi, abs=1e-3)


def settings():
    return [*comparison.settings_of(ROWS, STANDARD), *comparison.settings_of(ROWS, STUDY)]


def test_the_place_in_the_range_shows_every_run_and_the_means():
    groups = settings()
    figure = figures.explanation.place_in_range(groups)
    left, right = figure.axes
    for axis, quantity in ((left, comparison.place_of_term), (right, comparison.column("term_rank"))):
        dots, means = axis.lines[::2], axis.lines[1::2]
        for k, group in enumerate(groups):
            expected = comparison.values(group.rows, quantity)
            np.testing.assert_allclose(dots[k].get_ydata(), expected)
            assert abs(dots[k].get_xdata() - k).max() < 0.3
            np.testing.assert_allclose(means[k].get_ydata(), expected.mean())
    assert [text.get_text() for text in left.get_xticklabels()][:3] == ["0", "0.0001", "0.001"]
    bands = [band.get_paths()[0].vertices[:, 1] for band in right.collections]
    assert (bands[0].min(), bands[0].max()) == pytest.approx(figures.explanation.mean_of_uniforms(3))


def test_other_methods_stand_beyond_a_line_by_name():
    groups = settings()
    others = [comparison.settings_of(ROWS, method)[0] for method in comparison.METHODS[1:3]]
    left, right = figures.explanation.place_in_range(groups, others).axes
    names = [text.get_text() for text in right.get_xticklabels()]
    assert names[:2] == ["γ = 0", "γ = 0.0001"]
    assert names[len(groups) :] == ["covariance\n(γ = 0.003)", "DIP-VAE-I\n(γ = 0.001)"]
    line = left.lines[-1].get_xdata()[0]
    for k, other in enumerate(others):
        dots, mean = left.lines[2 * (len(groups) + k) :][:2]
        expected = comparison.values(other.rows, comparison.place_of_term)
        np.testing.assert_allclose(dots.get_ydata(), expected)
        np.testing.assert_allclose(mean.get_ydata(), expected.mean())
        assert min(dots.get_xdata()) > line > len(groups) - 1
        assert dots.get_color() == figures.sweep.LOOKS[other.method.name][0]
    assert len(right.collections) == len(groups) + len(others)


def test_the_mean_of_uniforms_has_its_band():
    low, high = figures.explanation.mean_of_uniforms(20)
    means = np.random.default_rng(0).uniform(size=(20_000, 20)).mean(axis=1)
    assert np.mean((means > low) & (means < high)) == pytest.approx(0.95, abs=0.01)
    assert figures.explanation.mean_of_uniforms(1) == (0, 1)


def test_what_turning_gains_stands_at_the_means():
    chosen = comparison.at_equal_error(ROWS)
    axis = figures.explanation.rotation_gain(chosen).axes[0]
    markers = {line.get_marker(): [] for line in axis.lines if line.get_marker() in ("o", "X", "D")}
    for line in axis.lines:
        if line.get_marker() in markers:
            markers[line.get_marker()].append((line.get_xdata()[0], line.get_ydata()[0]))
    for marker, name in (("o", "alignment"), ("X", "alignment_at_lowest"), ("D", "alignment_highest")):
        expected = [(comparison.estimate(one.rows, name).mean, k) for k, one in enumerate(chosen)]
        np.testing.assert_allclose(markers[marker], expected)
    ticks = [line.get_xdata()[0] for line in axis.lines if line.get_color() == "0.45"]
    np.testing.assert_allclose(ticks, [comparison.estimate(one.rows, "alignment_turned").mean for one in chosen])
    assert [text.get_text() for text in axis.get_yticklabels()] == [one.label for one in chosen]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the standard loss on top


def directed(a, b):
    parts = {f"direction_a_{k + 1}": value for k, value in enumerate(a)}
    return parts | {f"direction_b_{k + 1}": value for k, value in enumerate(b)}


def test_a_sheets_normal_is_at_right_angles_to_both_directions_and_points_up():
    np.testing.assert_allclose(figures.explanation.sheet_normal(directed([0, 2, 0], [3, 0, 0])), [0, 0, 1])
    row = directed([1, 2, 3], [0.5, -1, 1])
    normal = figures.explanation.sheet_normal(row)
    assert normal @ [1, 2, 3] == pytest.approx(0, abs=1e-12) and normal @ [0.5, -1, 1] == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(normal) == pytest.approx(1) and normal[2] >= 0
    np.testing.assert_allclose(
        figures.explanation.factor_direction(directed([0, 3, -4], [1, 0, 0]), "a"), [0, -0.6, 0.8]
    )


@pytest.mark.parametrize(
    "row",
    [{}, directed([1, None, 0], [0, 1, 0]), directed([1, 1, 0], [2, 2, 0]), directed([0, 0, 0], [2, 2, 0]),
     {**directed([1, 1, 0], [0, 1, 0]), "latent_dim": 6}],
    ids=["absent", "undefined", "parallel", "nothing", "more latents"],
)  # fmt: skip
def test_a_sheet_without_a_plane_has_no_normal(row):
    assert figures.explanation.sheet_normal(row) is None


def test_the_projection_keeps_areas():
    half = np.deg2rad([0, 60, 90])
    axes = np.column_stack([np.sin(half), 0 * half, np.cos(half)])
    axes[2, 2] = 0
    np.testing.assert_allclose(figures.explanation.equal_area(axes), [[0, 0], [np.sqrt(0.5), 0], [1, 0]], atol=1e-12)
    drawn = np.random.default_rng(1).standard_normal((20_000, 3))
    drawn[:, 2] = abs(drawn[:, 2])
    radius = np.linalg.norm(
        figures.explanation.equal_area(drawn / np.linalg.norm(drawn, axis=1, keepdims=True)), axis=1
    )
    for r in (0.3, 0.6, 0.9):
        assert np.mean(radius < r) == pytest.approx(r**2, abs=0.015)


@pytest.mark.parametrize("axes", [[1, 0, 0], [[1, 0]], [[0, 0, 2]], [[0, 0, -1]]])
def test_the_projection_refuses_what_is_no_upper_unit_vector(axes):
    with pytest.raises(ValueError, match="axes"):
        figures.explanation.equal_area(axes)


def test_scattered_axes_pass_for_uniform_and_a_bundle_does_not():
    random = np.random.default_rng(2)
    bundle = [0, 0, 1] + 0.1 * random.standard_normal((20, 3))
    bundle /= np.linalg.norm(bundle, axis=1, keepdims=True)
    assert figures.explanation.uniform_chance(bundle, draws=999) == 1 / 1000
    signs = random.choice([-1, 1], (20, 1))
    assert figures.explanation.uniform_chance(bundle * signs, draws=999) == 1 / 1000
    assert figures.explanation.uniform_chance(np.eye(3), draws=999) == 1.0  # as even as can be
    with pytest.raises(ValueError, match="n from 2"):
        figures.explanation.uniform_chance([[0, 0, 1]])


def test_under_uniformity_the_chance_is_uniform():
    drawn = np.random.default_rng(5).standard_normal((150, 6, 3))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    chances = [figures.explanation.uniform_chance(axes, draws=199) for axes in drawn]
    assert np.mean(np.array(chances) <= 0.2) == pytest.approx(0.2, abs=0.1)


def test_orientations_show_every_run_and_every_pair():
    rows = comparison.pick(ROWS)
    axes = figures.explanation.orientations(rows, {"turned": [3.0, 5.0], "swapped": []}).axes
    normals = np.array([figures.explanation.sheet_normal(row) for row in rows])
    np.testing.assert_allclose(np.column_stack(axes[0].lines[-1].get_data()), figures.explanation.equal_area(normals))
    assert [len(line.get_xdata()) for line in axes[1].lines[-2:]] == [len(rows)] * 2
    np.testing.assert_allclose(axes[2].lines[0].get_ydata(), [3, 5])
    np.testing.assert_allclose(axes[2].lines[1].get_ydata(), [4, 4])
    assert [text.get_text() for text in axes[2].texts] == ["not run"]
