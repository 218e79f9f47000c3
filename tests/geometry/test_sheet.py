"""Sheets and curves whose turning is known."""

import numpy as np
import pytest
from random_shapes import rotation

from vaelib import geometry

CIRCLE = np.linspace(0, np.pi, 400)


def test_turning_of_a_line_a_half_circle_and_a_corner() -> None:
    assert geometry.turning(np.outer([0, 1, 5, 6], [1, 2, 3])) == pytest.approx(0, abs=1e-5)
    half = np.column_stack([np.cos(CIRCLE), np.sin(CIRCLE), 0 * CIRCLE])
    assert geometry.turning(half) == pytest.approx(180, rel=0.01)
    assert geometry.turning(7 * half @ rotation(2).T + 3) == pytest.approx(geometry.turning(half))
    assert geometry.turning([[0, 0], [1, 0], [1, 0], [1, 1]]) == pytest.approx(90)
    with pytest.raises(ValueError, match="2 points"):
        geometry.turning([[0, 0]])


def bent_sheet(n: int = 2000, grain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return factors, and a quarter cylinder: a runs along it, b around it."""
    factors = np.random.default_rng(4).uniform([0.5, 0], [2, 2], size=(n, 2))
    angle = factors[:, 1] * np.pi / 4
    mu = np.column_stack([np.cos(angle), np.sin(angle), factors[:, 0]])
    return factors, mu + grain * np.random.default_rng(5).normal(size=mu.shape)


@pytest.mark.parametrize("grain", [0.0, 0.01])
def test_the_sheet_of_a_quarter_cylinder_turns_by_a_quarter_and_its_control_hardly(grain: float) -> None:
    factors, mu = bent_sheet(grain=grain)
    sheet, control = geometry.fit_sheet(factors, mu), geometry.straight_control(factors, mu)
    bent = [geometry.turning(line) for line in sheet.lines(0)]  # a is constant, b runs
    assert bent == pytest.approx([90] * 7, abs=2 if grain == 0 else 6)
    for fitted, factor in ((sheet, 1), (control, 0), (control, 1)):
        assert max(geometry.turning(line) for line in fitted.lines(factor)) < (0.2 if grain == 0 else 8)
    assert sheet.explained > (0.9999 if grain == 0 else 0.999)


def test_a_sheet_passes_through_what_it_was_fitted_to_and_its_lines_keep_their_factor() -> None:
    factors, mu = bent_sheet()
    sheet = geometry.fit_sheet(factors, mu)
    assert sheet(factors) == pytest.approx(mu, abs=1e-3)
    lines = sheet.lines(0, lines=3, points=5)
    assert [line.shape for line in lines] == [(5, 3)] * 3
    heights = np.array([line[:, 2] for line in lines])  # the third latent is a itself
    np.testing.assert_allclose(heights, np.full((5, 3), [0.65, 1.25, 1.85]).T, atol=5e-3)


def test_bad_sheets_and_controls_are_refused() -> None:
    factors, mu = bent_sheet(30)
    with pytest.raises(ValueError, match="from 36"):
        geometry.fit_sheet(factors, mu, degree=5)
    with pytest.raises(ValueError, match="factors has shape"):
        geometry.fit_sheet(factors[:, :1], mu)
    with pytest.raises(ValueError, match="needs 3 dimensions"):
        geometry.flat_control(10, 2, sides=(1, 1, 1))
