"""The pictures and tables of the embedding show the numbers that they are given."""

import numpy as np
import pytest
from bent_sheet import DATA, FACTORS, MU, RUN

from vaelib import analysis, figures, geometry, losses, metrics

RANDOM = np.random.default_rng(6)
VALUES = {"a": FACTORS[:, 0], "b": FACTORS[:, 1], "error": RANDOM.uniform(size=400)}


def test_the_sheet_has_its_points_and_a_button_for_each_colouring():
    line = np.linspace([0, 0, 0], [1, 1, 1], 7)
    figure = figures.embedding.sheet(MU, VALUES, lines={"a": [line]}, n_points=150)
    dots = figure.data[0]
    np.testing.assert_allclose(np.stack([dots.x, dots.y, dots.z], axis=1), MU[:150], atol=2e-3)
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == [
        "colour by a",
        "colour by b",
        "colour by error",
    ]
    np.testing.assert_allclose(dots.marker.color, VALUES["a"][:150], atol=1e-3)
    drawn = np.array(
        [p for p in zip(figure.data[1].x, figure.data[1].y, figure.data[1].z, strict=True) if p[0] is not None]
    )
    np.testing.assert_allclose(drawn[:7].astype(float), line, atol=2e-3)


def test_sheets_side_by_side_share_one_scale():
    figure = figures.embedding.sheets([MU, 3 * MU], ["small", "large"], VALUES, n_points=100)
    np.testing.assert_allclose(figure.data[1].x, 3 * MU[:100, 0], atol=6e-3)
    reach = [np.diff(getattr(figure.layout, scene).xaxis.range)[0] for scene in ("scene", "scene2")]
    assert reach[0] == pytest.approx(reach[1])
    assert [note.text for note in figure.layout.annotations] == ["small", "large"]


def test_the_matrices_carry_their_numbers():
    covariance, correlation = metrics.covariance(MU), metrics.correlation(MU)
    axes = figures.embedding.matrices(covariance, correlation).axes[:2]
    for axis, matrix in zip(axes, (covariance, correlation), strict=True):
        assert [text.get_text() for text in axis.texts] == [f"{entry:.2f}" for entry in matrix.ravel()]


def test_the_bars_are_the_eigenvalues():
    values = {"one": np.array([3.0, 2.0, 1.0]), "two": np.array([2.0, 1.0, 0.5])}
    axis = figures.embedding.eigenvalue_bars(values).axes[0]
    assert [bar.get_height() for bar in axis.patches] == [3, 2, 1, 2, 1, 0.5]


def test_the_histograms_mark_the_trained_value():
    rotations = geometry.over_rotations(losses.entanglement, MU, samples=50)
    axis = figures.embedding.rotation_histograms({"γ = 0": rotations}, "term").axes[0]
    assert any(np.allclose(line.get_xdata(), rotations.value) for line in axis.lines)
    assert "γ = 0" in {axis.get_title(loc=place) for place in ("left", "center")} | {t.get_text() for t in axis.texts}


def test_the_tables_have_a_column_for_a_description():
    description = analysis.embedding.describe(RUN, DATA)
    for table in (figures.embedding.shape_table([description]), figures.embedding.orientation_table([description])):
        assert description.label in table.data
    assert f"{description.term.value:.3f}" in figures.embedding.orientation_table([description]).data
    assert f"{description.correlation:.2f}" in figures.embedding.shape_table([description]).data
