"""What the term prefers, in closed form and by simulation."""

import numpy as np
import pytest
from scipy import special

from vaelib import analysis, metrics
from vaelib.disentanglement import unmixing
from vaelib.study import theory


@pytest.mark.parametrize(
    ("shape", "axes", "diagonal"),
    [(np.inf, 3 / 4, 1 / 2), (2, 2 / np.pi, 2 / np.pi), (1, 1 / 2, 3 / 4)],
    ids=["uniform", "normal", "laplace"],
)
def test_closed_forms_of_variance_one(shape, axes, diagonal):
    assert theory.on_axes(shape) == pytest.approx(axes, rel=1e-12)
    assert theory.on_diagonal(shape) == pytest.approx(diagonal, rel=1e-7)


def test_on_the_square_from_minus_one_to_one_it_is_a_quarter_and_a_sixth():
    assert theory.on_axes(np.inf) / 3 == 1 / 4
    assert theory.on_diagonal(np.inf) / 3 == pytest.approx(1 / 6)


@pytest.mark.parametrize(("kind", "shape"), [("uniform", np.inf), ("normal", 2), ("laplace", 1)])
def test_the_second_chapters_formula_agrees(kind, shape):
    ends = analysis.loss.expected_product([0, np.pi / 4], kind)
    closed_forms = [theory.on_axes(shape), theory.on_diagonal(shape)]
    np.testing.assert_allclose(ends, closed_forms, rtol=1e-7)


@pytest.mark.parametrize("shape", [0.8, 1.5, 4.0, 20.0])
def test_simulated_factors_agree(shape):
    random = np.random.default_rng(3)
    size = random.gamma(1 / shape, size=(2, 400_000)) ** (1 / shape) * random.choice([-1, 1], (2, 400_000))
    s, t = size * np.exp((special.gammaln(1 / shape) - special.gammaln(3 / shape)) / 2)
    assert s.std() == pytest.approx(1, abs=0.01)
    assert np.abs(s * t).mean() == pytest.approx(theory.on_axes(shape), rel=0.01)
    turned = unmixing.turn(np.column_stack([s, t]), 45)
    assert np.abs(turned.prod(axis=1)).mean() == pytest.approx(theory.on_diagonal(shape), rel=0.01)
    assert np.mean(s**4) - 3 == pytest.approx(theory.excess_kurtosis(shape), abs=0.3)


def test_large_shapes_near_the_uniform():
    assert theory.on_axes(300) == pytest.approx(0.75, abs=1e-3)
    assert theory.on_diagonal(300) == pytest.approx(0.5, abs=1e-3)
    assert theory.excess_kurtosis(300) == pytest.approx(-1.2, abs=1e-3)


@pytest.mark.parametrize(("shape", "kurtosis"), [(1, 3), (2, 0), (np.inf, -1.2)])
def test_kurtosis(shape, kurtosis):
    assert theory.excess_kurtosis(shape) == pytest.approx(kurtosis, abs=1e-12)


@pytest.mark.parametrize(
    "function",
    [theory.on_axes, theory.on_diagonal, theory.excess_kurtosis],
)
@pytest.mark.parametrize("shape", [0, -1, np.nan])
def test_a_shape_is_positive(function, shape):
    with pytest.raises(ValueError, match="shape ="):
        function(shape)


def test_a_white_square_turned_at_random_has_an_alignment_of_a_half_and_one_over_pi():
    alignments = [metrics.alignment(*theory.turned_square(angle)) for angle in range(0, 180, 3)]
    assert np.mean(alignments) == pytest.approx(1 / 2 + 1 / np.pi, abs=1e-3)
