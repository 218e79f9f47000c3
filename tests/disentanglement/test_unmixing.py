"""Aligning finished latents with the factors: known factors are recovered, and what must not matter does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from vaelib import metrics
from vaelib.disentanglement import unmixing

RANDOM = np.random.default_rng(0)
SQUARE = RANDOM.uniform(-1, 1, (4000, 2))
SPARSE = RANDOM.laplace(size=(4000, 2))
OBLIQUE = np.array([[1.0, 0.4, -0.3], [0.2, 0.8, 0.9]])  # (2, 3): a flat sheet, its factors neither straight nor equal


def test_turn_is_counterclockwise() -> None:
    np.testing.assert_allclose(unmixing.turn([[1.0, 0.0], [0.0, 2.0]], 90), [[0, 1], [-2, 0]], atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 50), st.integers(2, 6))
def test_a_sphered_plane_is_white_and_scale_place_and_direction_do_not_matter(seed: int, scale: float, d: int) -> None:
    generator = np.random.default_rng(seed)
    mu = np.pad(SQUARE @ OBLIQUE[:, :2], ((0, 0), (0, d - 2)))
    turned = scale * mu @ ortho_group.rvs(d, random_state=generator) + generator.normal(size=d)
    plane = unmixing.sphered(turned)
    np.testing.assert_allclose(plane.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(plane.T, bias=True), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(np.abs(plane), np.abs(unmixing.sphered(mu)), atol=1e-6)


def test_of_a_bent_sheet_the_plane_takes_the_two_largest_directions() -> None:
    mu = np.column_stack([SQUARE, 0.1 * SQUARE.prod(axis=1)])
    assert metrics.alignment(unmixing.sphered(mu), mu[:, :2]) > 0.4  # a white square: any angle between 0.5 and 1
    np.testing.assert_allclose(metrics.linear_r2(unmixing.sphered(mu), SQUARE), 1, atol=1e-3)


def test_light_tailed_factors_lie_where_the_product_is_highest_and_heavy_tailed_ones_where_it_is_lowest() -> None:
    for factors, right, wrong in ((SQUARE, "highest", "lowest"), (SPARSE, "lowest", "highest")):
        plane = unmixing.sphered(factors @ OBLIQUE)
        product = unmixing.product_by_angle(plane)
        assert metrics.alignment(unmixing.turn(plane, getattr(product, right)), factors) > 0.99
        assert metrics.alignment(unmixing.turn(plane, getattr(product, wrong)), factors) < 0.51


def test_the_product_has_the_values_of_the_loss_chapter() -> None:
    product = unmixing.product_by_angle(np.sqrt(3) * SQUARE)
    assert product.scores.max() == pytest.approx(3 / 4, abs=0.02) and product.scores.min() == pytest.approx(
        0.5, abs=0.01
    )
    assert min(product.highest, 90 - product.highest) < 5 and product.lowest == pytest.approx(45, abs=5)
    assert (product.degrees[0], product.degrees[-1]) == (0, 89.5)
    np.testing.assert_allclose(product.scores[20], np.abs(unmixing.turn(np.sqrt(3) * SQUARE, 10).prod(axis=1)).mean())


@pytest.mark.parametrize("factors", [SQUARE, SPARSE], ids=["uniform", "sparse"])
def test_independent_components_are_the_factors(factors: np.ndarray) -> None:
    components = unmixing.independent(factors @ OBLIQUE)
    assert metrics.alignment(components, factors) > 0.99
    np.testing.assert_allclose(components.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(components, unmixing.independent(factors @ OBLIQUE))


@pytest.mark.filterwarnings("error")
def test_normal_factors_have_no_angle_of_their_own() -> None:
    normal = np.random.default_rng(1).normal(size=(4000, 2))
    product = unmixing.product_by_angle(unmixing.sphered(normal @ OBLIQUE))
    assert np.ptp(product.scores) < 0.03
    assert unmixing.independent(normal @ OBLIQUE).shape == (4000, 2)


def test_a_linear_map_is_learnt_from_the_chosen_images_alone() -> None:
    mu = SQUARE @ OBLIQUE
    np.testing.assert_allclose(unmixing.from_labels(mu, SQUARE, [5, 17, 99]), SQUARE, atol=1e-9)
    hidden = np.where(np.isin(np.arange(len(SQUARE)), [5, 17, 99])[:, None], SQUARE, 1e6)
    np.testing.assert_allclose(unmixing.from_labels(mu, hidden, [5, 17, 99]), SQUARE, atol=1e-9)
    np.testing.assert_allclose(unmixing.from_labels(mu, SQUARE, [3]), np.tile(SQUARE[3], (len(mu), 1)))


def test_more_labels_align_better_in_noise() -> None:
    mu = SQUARE @ OBLIQUE + np.random.default_rng(2).normal(0, 0.2, (len(SQUARE), 3))
    several = [unmixing.alignment_by_labels(mu, SQUARE, count) for count in (4, 10, 100)]
    assert several == sorted(several) and several[-1] == pytest.approx(metrics.linear_r2(mu, SQUARE).mean(), abs=0.02)
    assert (
        unmixing.alignment_by_labels(mu, SQUARE, 10)
        == several[1]
        != unmixing.alignment_by_labels(mu, SQUARE, 10, seed=1)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unmixing.sphered(SQUARE[:, :1]), "needs 2 latents"),
        (lambda: unmixing.sphered(SQUARE * [1, 0.01]), "second principal axis varies by"),
        (lambda: unmixing.independent(np.zeros((50, 3))), "second principal axis varies by"),
        (lambda: unmixing.product_by_angle(np.zeros((50, 3))), r"codes has shape \(50, 3\); allowed: \(n, 2\)"),
        (lambda: unmixing.from_labels(SQUARE, SQUARE, []), r"chosen has shape \(0,\)"),
        (lambda: unmixing.from_labels(SQUARE, SQUARE[:7], [1]), "factors has shape"),
        (lambda: unmixing.alignment_by_labels(SQUARE, SQUARE, 0), "count = 0"),
        (lambda: unmixing.alignment_by_labels(SQUARE, SQUARE, 4001), "count = 4001"),
        (lambda: unmixing.alignment_by_labels(SQUARE, SQUARE, 3, draws=0), "draws = 0"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
