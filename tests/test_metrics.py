"""Metrics on images and embeddings whose numbers are known in advance."""

import numpy as np
import pytest

from vaelib import losses, metrics


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def factors(generator: np.random.Generator) -> np.ndarray:
    return generator.uniform([0.5, 0.0], [2.0, 2.0], size=(600, 2))


def rotation(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def test_squared_error_of_bytes_and_of_floats_is_that_of_grey_values_up_to_one() -> None:
    images = np.array([[[0, 255], [0, 255]], [[0, 0], [0, 255]]], np.uint8)
    made = np.array([[[0.5, 1], [0, 1]], [[0, 0], [0, 1]]], np.float32)
    assert metrics.squared_error(images, made) == pytest.approx([0.25 / 4, 0])
    assert metrics.squared_error(images / 255, made) == pytest.approx([0.25 / 4, 0])


def test_parts_of_a_large_set_are_those_of_single_images(generator: np.random.Generator) -> None:
    images, made = generator.uniform(size=(2, 700, 5))
    singly = [metrics.normalised_error(x[None], y[None])[0] for x, y in zip(images, made, strict=True)]
    assert metrics.normalised_error(images, made) == pytest.approx(np.array(singly))


def test_normalised_error_of_the_mean_grey_is_one(generator: np.random.Generator) -> None:
    images = generator.uniform(size=(4, 6, 6))
    flat = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    assert metrics.normalised_error(images, flat) == pytest.approx(1)
    assert metrics.normalised_error(images, images) == pytest.approx(0)


def test_normalised_error_of_an_image_of_one_grey() -> None:
    images = np.full((2, 3, 3), 0.5)
    made = np.stack([images[0], images[1] + 0.1])
    assert metrics.normalised_error(images, made).tolist() == [0, np.inf]


def test_cross_entropy_agrees_with_the_loss_and_never_goes_below_the_entropy(generator: np.random.Generator) -> None:
    images, made = generator.uniform(size=(2, 30, 8, 8))
    assert metrics.cross_entropy(images, made).mean() == pytest.approx(losses.binary_crossentropy(images, made))
    assert (metrics.cross_entropy(images, made) > metrics.pixel_entropy(images)).all()
    assert metrics.cross_entropy(images, images) == pytest.approx(metrics.pixel_entropy(images), abs=1e-6)


def test_entropy_of_black_white_and_middle_grey() -> None:
    images = np.array([[0, 255], [255, 255]], np.uint8)
    assert metrics.pixel_entropy(images) == pytest.approx([0, 0])
    assert metrics.pixel_entropy(np.full((1, 4), 0.5)) == pytest.approx(np.log(2))


@pytest.mark.parametrize("shapes", [((3, 4, 4), (3, 4, 5)), ((3,), (3,))])
def test_images_of_wrong_shapes_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="shape"):
        metrics.squared_error(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_covariance_and_correlation_are_numpys(generator: np.random.Generator) -> None:
    mu = generator.normal(size=(200, 3)) @ generator.normal(size=(3, 3)) + 5
    assert metrics.covariance(mu) == pytest.approx(np.cov(mu.T, ddof=0))
    assert metrics.correlation(mu) == pytest.approx(np.corrcoef(mu.T))
    above = np.abs(np.corrcoef(mu.T)[np.triu_indices(3, 1)])
    assert metrics.largest_correlation(mu) == pytest.approx(above.max())


def test_a_latent_that_never_varies_is_uncorrelated(generator: np.random.Generator) -> None:
    mu = np.column_stack([generator.normal(size=50), np.full(50, 2.0)])
    assert metrics.correlation(mu).tolist() == [[1, 0], [0, 1]]
    assert metrics.largest_correlation(mu) == 0
    assert metrics.largest_correlation(mu[:, :1]) == 0


def test_eigenvalues_do_not_care_for_rotation_and_sum_to_the_variances(generator: np.random.Generator) -> None:
    mu = generator.normal(size=(300, 3)) * [3, 2, 0.1]
    values = metrics.eigenvalues(mu)
    assert (np.diff(values) < 0).all()
    assert values.sum() == pytest.approx(mu.var(axis=0).sum())
    assert metrics.eigenvalues(mu @ rotation(1.0).T) == pytest.approx(values)


def test_linear_r2_of_linear_latents_of_noise_and_of_a_known_mixture(
    generator: np.random.Generator, factors: np.ndarray
) -> None:
    linear = factors @ generator.normal(size=(2, 3)) + 1
    assert metrics.linear_r2(linear, factors) == pytest.approx(1)
    assert metrics.linear_r2(generator.normal(size=(600, 3)), factors) == pytest.approx(0, abs=0.03)
    mu = generator.normal(size=(20_000, 2))
    target = mu[:, :1] + 2 * generator.normal(size=(20_000, 1))
    assert metrics.linear_r2(mu, target) == pytest.approx(1 / 5, abs=0.02)


def test_linear_r2_with_repeated_and_dead_latents(factors: np.ndarray) -> None:
    mu = np.column_stack([factors[:, 0], factors[:, 0], np.zeros(len(factors))])
    assert metrics.linear_r2(mu, factors)[0] == pytest.approx(1)
    assert metrics.linear_r2(np.zeros_like(mu), factors) == pytest.approx(0)
    assert metrics.linear_r2(mu, np.ones((len(mu), 1))) == pytest.approx(0)


def test_bootstrap_interval_holds_the_estimate_repeats_and_narrows(generator: np.random.Generator) -> None:
    mu = generator.normal(size=(2000, 3))
    target = mu[:, :1] + generator.normal(size=(2000, 1))
    [(low, high)] = metrics.linear_r2_interval(mu, target)
    assert low < metrics.linear_r2(mu, target)[0] < high
    assert metrics.linear_r2_interval(mu, target).tolist() == [[low, high]]
    [(low_few, high_few)] = metrics.linear_r2_interval(mu[:200], target[:200])
    assert high_few - low_few > 2 * (high - low)
    # The large-sample standard error of R² is 2 √R² (1 - R²) / √n.
    assert high - low == pytest.approx(2 * 1.96 * 2 * np.sqrt(0.5) * 0.5 / np.sqrt(2000), rel=0.2)


def test_alignment_of_the_factors_themselves_of_zeros_and_of_one_code_for_both(factors: np.ndarray) -> None:
    nothing = np.zeros((len(factors), 1))
    assert metrics.alignment(np.hstack([nothing, -factors]), factors) == pytest.approx(1)
    assert metrics.alignment(np.zeros((len(factors), 3)), factors) == 0
    once = np.hstack([factors[:, :1], nothing])
    assert metrics.alignment(once, factors) == pytest.approx(0.5, abs=0.02)
    twice = np.hstack([factors[:, :1], factors[:, :1], nothing])
    assert metrics.alignment(twice, factors) == pytest.approx(0.5, abs=0.02)


def test_alignment_is_lost_at_45_degrees(generator: np.random.Generator) -> None:
    square = generator.uniform(-1, 1, size=(20_000, 2))
    mu = np.column_stack([square, np.zeros(len(square))])
    assert metrics.alignment(mu @ rotation(np.pi / 4).T, square) == pytest.approx(0.5, abs=0.02)


def test_too_few_latents_and_unequal_lengths_are_refused(factors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        metrics.alignment(factors[:, :1], factors)
    with pytest.raises(ValueError, match="factors has shape"):
        metrics.linear_r2(factors[:10], factors)
    with pytest.raises(ValueError, match="mu has shape"):
        metrics.covariance(factors[0])


@pytest.mark.parametrize(
    "score", [metrics.linear_r2, metrics.linear_r2_interval, metrics.single_latent_r2, metrics.alignment]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_named(score, value: float, factors: np.ndarray) -> None:
    broken = factors.copy()
    broken[3, 1] = value
    with pytest.raises(ValueError, match=rf"codes\[3, 1\] = {value}; allowed: finite"):
        score(broken, factors)
    with pytest.raises(ValueError, match=r"factors\[3, 1\]"):
        score(factors, broken)
    with pytest.raises(ValueError, match=r"mu\[3, 1\]"):
        metrics.eigenvalues(broken)


def test_linear_r2_uses_every_latent_however_small_beside_the_others(factors: np.ndarray) -> None:
    mu = np.column_stack([1e-6 * factors[:, 0], 1e6 * factors[::-1, 1], factors[:, 1] + 1e8])
    assert metrics.linear_r2(mu, factors) == pytest.approx(1)
    low, high = metrics.linear_r2_interval(mu, factors, resamples=20).T
    assert low == pytest.approx(1) and high == pytest.approx(1)
    integers = (1000 * factors).astype(int)
    assert metrics.linear_r2(integers, integers.astype(np.uint16)) == pytest.approx(1)


def test_a_ratio_of_means_has_the_seed_as_its_unit():
    """By hand: ratios 1, 2 and 4 have a geometric mean of 2, and ±t(0.975, 2)·log 2/√3 about its logarithm."""
    theirs = [np.array([1.0, 3.0])] * 3
    ours = [np.array([2.0, 2.0]), np.array([0.0, 8.0]), np.array([8.0, 8.0])]
    ratio = metrics.mean_ratio(ours, theirs)
    np.testing.assert_allclose(ratio.ratios, [1, 2, 4])
    half = 4.302653 * np.log(2) / np.sqrt(3)
    assert ratio.estimate == pytest.approx(2)
    np.testing.assert_allclose(ratio.interval, 2 * np.exp([-half, half]), rtol=1e-6)
    # More images in each seed do not narrow it.
    again = metrics.mean_ratio([np.tile(x, 50) for x in ours], [np.tile(x, 50) for x in theirs])
    np.testing.assert_allclose(again.interval, ratio.interval)


def test_a_verdict_needs_an_interval_without_one():
    assert metrics.Ratio(np.ones(3), 1.5, (1.2, 1.9)).verdict == "worse"
    assert metrics.Ratio(np.ones(3), 0.5, (0.2, 0.9)).verdict == "better"
    assert metrics.Ratio(np.ones(3), 1.5, (0.9, 1.9)).verdict.startswith("neither")


@pytest.mark.parametrize(("ours", "theirs"), [([1], [1]), ([1, 2], [1]), ([], [])])
def test_a_ratio_needs_two_paired_seeds(ours, theirs):
    with pytest.raises(ValueError, match="seeds; allowed: equal numbers from 2"):
        metrics.mean_ratio([np.full(3, x) for x in ours], [np.full(3, x) for x in theirs])
