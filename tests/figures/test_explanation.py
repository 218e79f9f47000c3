"""What the pictures of the explanation hold."""

import numpy as np
import pytest
import synthetic_sweep

from vaelib import figures
from vaelib.statistics import intervals
from vaelib.study import comparison, orientation, quantities, theory
from vaelib.study.methods import METHODS, STANDARD, STUDY

ROWS = synthetic_sweep.table(3)


def test_the_preference_turns_at_the_normal_distribution():
    curve = figures.explanation.preference().axes[1].lines[2]
    kurtosis, ratio = curve.get_data()
    assert (np.diff(ratio) > 0).all()
    np.testing.assert_array_equal(np.sign(np.round(ratio - 1, 9)), np.sign(np.round(kurtosis, 9)))


def test_every_turn_of_a_white_square_is_decorrelated_and_one_is_aligned():
    titles = [axis.get_title(loc="left") for axis in figures.explanation.decorrelated_squares((0, 45)).axes]
    assert titles == ["0°: correlation 0.00,\nalignment 1.00", "45°: correlation 0.00,\nalignment 0.50"]
    codes, factors = theory.turned_square(30)
    np.testing.assert_allclose(codes.T @ codes / len(codes), np.eye(2), atol=1e-12)
    np.testing.assert_allclose(factors.std(axis=0), 1)


def settings():
    return [*comparison.settings_of(ROWS, STANDARD), *comparison.settings_of(ROWS, STUDY)]


def test_the_place_in_the_range_shows_every_run_and_the_means():
    groups = settings()
    figure = figures.explanation.place_in_range(groups)
    left, right = figure.axes
    for axis, quantity in ((left, quantities.place_of_term), (right, quantities.column("term_rank"))):
        dots, means = axis.lines[::2], axis.lines[1::2]
        for k, group in enumerate(groups):
            expected = comparison.values(group.rows, quantity)
            np.testing.assert_allclose(dots[k].get_ydata(), expected)
            assert abs(dots[k].get_xdata() - k).max() < 0.3
            np.testing.assert_allclose(means[k].get_ydata(), expected.mean())
    assert [text.get_text() for text in left.get_xticklabels()][:3] == ["0", "0.0001", "0.001"]
    bands = [band.get_paths()[0].vertices[:, 1] for band in right.collections]
    assert (bands[0].min(), bands[0].max()) == pytest.approx(intervals.of_uniforms(3))


def test_other_methods_stand_beyond_a_line_by_name():
    groups = settings()
    others = [comparison.settings_of(ROWS, method)[0] for method in METHODS[1:3]]
    left, right = figures.explanation.place_in_range(groups, others).axes
    names = [text.get_text() for text in right.get_xticklabels()]
    assert names[:2] == ["γ = 0", "γ = 0.0001"]
    assert names[len(groups) :] == ["covariance\n(γ = 0.003)", "DIP-VAE-I\n(γ = 0.001)"]
    line = left.lines[-1].get_xdata()[0]
    for k, other in enumerate(others):
        dots, mean = left.lines[2 * (len(groups) + k) :][:2]
        expected = comparison.values(other.rows, quantities.place_of_term)
        np.testing.assert_allclose(dots.get_ydata(), expected)
        np.testing.assert_allclose(mean.get_ydata(), expected.mean())
        assert min(dots.get_xdata()) > line > len(groups) - 1
        assert dots.get_color() == figures.methods.LOOKS[other.method.name][0]
    assert len(right.collections) == len(groups) + len(others)


def test_the_mean_of_uniforms_has_its_band():
    low, high = intervals.of_uniforms(20)
    means = np.random.default_rng(0).uniform(size=(20_000, 20)).mean(axis=1)
    assert np.mean((means > low) & (means < high)) == pytest.approx(0.95, abs=0.01)
    assert intervals.of_uniforms(1) == (0, 1)


def test_what_turning_gains_stands_at_the_means():
    chosen = comparison.at_equal_error(ROWS)
    axis = figures.explanation.rotation_gain(chosen).axes[0]
    markers = {line.get_marker(): [] for line in axis.lines if line.get_marker() in ("o", "X", "D")}
    for line in axis.lines:
        if line.get_marker() in markers:
            markers[line.get_marker()].append((line.get_xdata()[0], line.get_ydata()[0]))
    for marker, name in (("o", "alignment"), ("X", "alignment_at_lowest"), ("D", "alignment_highest")):
        expected = [(comparison.estimate(setting.rows, name).mean, k) for k, setting in enumerate(chosen)]
        np.testing.assert_allclose(markers[marker], expected)
    ticks = [line.get_xdata()[0] for line in axis.lines if line.get_color() == "0.45"]
    np.testing.assert_allclose(
        ticks, [comparison.estimate(setting.rows, "alignment_turned").mean for setting in chosen]
    )
    assert [text.get_text() for text in axis.get_yticklabels()] == [setting.label for setting in chosen]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the standard loss on top


def test_orientations_show_every_run_and_every_pair():
    rows = comparison.pick(ROWS)
    axes = figures.explanation.orientations(rows, {"turned": [3.0, 5.0], "swapped": []}).axes
    normals = np.array([orientation.sheet_normal(row) for row in rows])
    np.testing.assert_allclose(np.column_stack(axes[0].lines[-1].get_data()), orientation.equal_area(normals))
    assert [len(line.get_xdata()) for line in axes[1].lines[-2:]] == [len(rows)] * 2
    np.testing.assert_allclose(axes[2].lines[0].get_ydata(), [3, 5])
    np.testing.assert_allclose(axes[2].lines[1].get_ydata(), [4, 4])
    assert [text.get_text() for text in axes[2].texts] == ["not run"]
