"""The total correlation of a mixture against known answers, and the bias of its estimate."""

import math

import numpy as np
import pytest

from vaelib import losses
from vaelib.study import estimator_bias
from vaelib.study.estimator_bias import (
    CORRELATED,
    DATASET_SIZE,
    bias,
    exact_total_correlation,
    mixture_total_correlation,
)


def of_gaussian(covariance: np.ndarray) -> float:
    """Return the total correlation of a Gaussian: -½ log det of its correlation."""
    scale = np.sqrt(np.diag(covariance))
    return float(-0.5 * np.linalg.slogdet(covariance / np.outer(scale, scale))[1])


def test_one_posterior_has_none_and_those_that_never_meet_have_all_of_it() -> None:
    assert mixture_total_correlation(np.ones((1, 3)), 0.2) == pytest.approx((0, 0), abs=1e-7)  # in float32
    apart = np.arange(300.0)[:, None] * [1.0, -1.0, 2.0]  # more than fit into one part of the computation
    assert mixture_total_correlation(apart, 1e-3) == pytest.approx((2 * math.log(300), 0), abs=1e-6)


def test_a_few_posteriors_agree_with_quadrature() -> None:
    mu, sigma = np.array([[1.0, 1.1], [-1.0, -0.8], [0.3, 0.1], [1.5, 0.9]]), 0.4
    side = np.linspace(-4, 4, 401)
    by_latent = np.exp(-0.5 * ((side[:, None, None] - mu) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    joint = np.einsum("an,bn->ab", by_latent[..., 0], by_latent[..., 1]) / 4
    product = np.outer(*by_latent.mean(axis=1).T)
    exact = np.sum(joint * np.log(joint / product)) * (side[1] - side[0]) ** 2
    value, error = mixture_total_correlation(mu, sigma, draws=5000)
    assert value == pytest.approx(exact, abs=4 * error) and exact > 0.2 and error < 0.01


def test_wide_posteriors_hide_that_the_means_are_finitely_many() -> None:
    """With σ = 1 the mixture is the Gaussian as closely as 4,499 means determine a covariance; with 0.1 it is not."""
    value, error = mixture_total_correlation(estimator_bias.means(), 1.0, draws=4)
    assert value == pytest.approx(of_gaussian(CORRELATED + np.eye(3)), abs=4 * error + 0.01)
    assert exact_total_correlation(0.1)[0] > 2 * of_gaussian(CORRELATED + 0.1**2 * np.eye(3))


def test_the_exact_value_is_what_the_estimator_gives_for_all_images_at_once() -> None:
    mu, sigma = estimator_bias.means()[:400], 0.1
    value, error = mixture_total_correlation(mu, sigma, draws=40)
    noise = np.random.default_rng(1).normal(size=(40, *mu.shape))
    estimates = [losses.total_correlation(mu + sigma * epsilon, mu, 2 * math.log(sigma), len(mu)) for epsilon in noise]
    assert np.mean(estimates) == pytest.approx(value, abs=4 * math.sqrt(2) * error)


def test_the_error_of_the_exact_value_is_that_of_other_draws_and_small() -> None:
    mu = estimator_bias.means()[:300]
    estimates = np.array([mixture_total_correlation(mu, 0.1, draws=3, seed=seed) for seed in range(30)])
    assert estimates[:, 0].std(ddof=1) == pytest.approx(estimates[:, 1].mean(), rel=0.5)  # of 30, itself known to 13 %
    assert exact_total_correlation(0.1)[1] < 0.004 and exact_total_correlation(0.3)[1] < 0.004


def test_the_same_seed_gives_the_same_bias_and_more_images_a_smaller_error() -> None:
    few, many = bias(0.3, 32, images=512, seed=1), bias(0.3, 32, images=4096, seed=1)
    assert bias(0.3, 32, images=512, seed=1) == few
    assert many.error < few.error
    assert (few.exact, few.exact_error) == (many.exact, many.exact_error) == exact_total_correlation(0.3)
    with pytest.raises(ValueError, match="batch_size = 400"):
        bias(0.1, 400, images=512)


def test_a_batch_holds_each_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of half of the images holds that many different ones; the estimator takes it as part of the data set."""
    asked = []
    monkeypatch.setattr(
        losses, "total_correlation", lambda z, mu, log_variance, n: asked.append((np.unique(mu, axis=0), n)) or 0.0
    )
    # Batch by batch, or the recorded arguments would be symbols without numbers.
    monkeypatch.setattr(
        estimator_bias.ops, "vectorized_map", lambda f, parts: [f(batch) for batch in zip(*parts, strict=True)]
    )
    bias(0.1, 2000, images=4000)
    assert [(len(distinct), n) for distinct, n in asked] == [(2000, DATASET_SIZE)] * 2
    everything = {tuple(row) for row in estimator_bias.means().astype("float32")}
    assert all(tuple(row) in everything for distinct, _ in asked for row in distinct)
