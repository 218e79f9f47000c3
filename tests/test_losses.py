"""The terms against their literal definitions, hand-computed values and each other."""

import itertools
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaelib import losses

LATENTS = [np.random.default_rng(d).normal(size=(17, d)) for d in (2, 3, 10)]


def double_loop(mu):
    n, d = mu.shape
    total = sum(abs(row[i] * row[j]) for row in mu for i in range(d) for j in range(i + 1, d))
    return 2 / (d * (d - 1)) * total / n


def covariance_loop(mu):
    n, d = mu.shape
    mean = mu.mean(axis=0)
    pairs = list(itertools.combinations(range(d), 2))
    return sum(abs(sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in mu) / n) for i, j in pairs) / len(pairs)


@pytest.mark.parametrize("mu", LATENTS, ids=lambda mu: f"d={mu.shape[1]}")
def test_penalties_equal_their_definitions(mu):
    assert losses.entanglement(mu) == pytest.approx(double_loop(mu), rel=1e-12)
    assert losses.covariance(mu) == pytest.approx(covariance_loop(mu), rel=1e-12)


@settings(deadline=None)
@given(hnp.arrays("float64", st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(-1e3, 1e3)))
def test_entanglement_is_the_double_loop_everywhere(mu):
    assert losses.entanglement(mu) == pytest.approx(double_loop(mu), rel=1e-9, abs=1e-9 * (1 + np.abs(mu).max() ** 2))


def test_by_hand():
    assert losses.entanglement(np.array([[1.0, -2.0, 3.0]])) == pytest.approx((2 + 3 + 6) / 3)
    assert losses.covariance(np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])) == 0
    assert losses.covariance(np.array([[1.0, 2.0], [-1.0, -2.0]])) == pytest.approx(2.0)
    assert losses.kl_divergence(np.zeros((4, 3)), 0.0) == 0
    sigma_part = 0.1**2 - 1 - math.log(0.1**2)
    assert sigma_part == pytest.approx(3.615, abs=1e-3)  # the study's constant per dimension
    mu = np.array([[1.0, 2.0, 2.0]])
    assert losses.kl_divergence(mu, 2 * math.log(0.1)) == pytest.approx(9 / 3 + sigma_part)
    assert losses.kl_divergence(mu, 2 * math.log(0.1), scaling="half_sum") == pytest.approx((9 + 3 * sigma_part) / 2)
    x, x_hat = np.array([[[1.0, 0.0]]]), np.array([[[0.5, 0.25]]])
    assert losses.binary_crossentropy(x, x_hat) == pytest.approx((math.log(2) - math.log(0.75)) / 2)


def test_the_kl_scalings_differ_by_half_the_dimensions_and_heads_count_per_latent():
    mu, log_variance = LATENTS[1], np.random.default_rng(9).normal(size=LATENTS[1].shape)
    mean = losses.kl_divergence(mu, log_variance)
    assert losses.kl_divergence(mu, log_variance, scaling="half_sum") == pytest.approx(mean * 3 / 2)
    literal = np.mean(
        [[m**2 + math.exp(v) - 1 - v for m, v in zip(*r, strict=True)] for r in zip(mu, log_variance, strict=True)]
    )
    assert mean == pytest.approx(literal)
    with pytest.raises(ValueError, match=r"scaling = 'sum'.*'mean' and 'half_sum'"):
        losses.kl_divergence(mu, log_variance, scaling="sum")  # type: ignore[arg-type]


def test_kl_is_the_divergence_of_gaussians():
    """Half the sum is the divergence in nats: checked against the integral in one dimension."""
    mu, sigma = 0.7, 0.4
    z = np.linspace(-8, 8, 200_001)
    log_q = -((z - mu) ** 2) / (2 * sigma**2) - math.log(sigma * math.sqrt(2 * math.pi))
    log_p = -(z**2) / 2 - math.log(math.sqrt(2 * math.pi))
    integral = np.sum(np.exp(log_q) * (log_q - log_p)) * (z[1] - z[0])
    value = losses.kl_divergence(np.array([[mu]]), 2 * math.log(sigma), scaling="half_sum")
    assert value == pytest.approx(integral, rel=1e-6)


@settings(deadline=None)
@given(hnp.arrays("float64", (3, 2, 2), elements=st.floats(-500, 500)), st.integers(0, 2**32 - 1))
def test_crossentropy_from_logits_equals_that_of_the_sigmoid(logits, seed):
    x = np.random.default_rng(seed).uniform(size=logits.shape)
    from_logits = losses.binary_crossentropy_from_logits(x, logits)
    literal = np.mean(np.logaddexp(0, logits) - x * logits)
    assert from_logits == pytest.approx(literal, rel=1e-12, abs=1e-12)
    if np.abs(logits).max() < 10:
        assert from_logits == pytest.approx(losses.binary_crossentropy(x, 1 / (1 + np.exp(-logits))), rel=1e-4)


@pytest.mark.parametrize("term", [
    lambda w: losses.binary_crossentropy(IMAGES, FLAT, w),
    lambda w: losses.binary_crossentropy_from_logits(IMAGES, FLAT, w),
    lambda w: losses.kl_divergence(LATENTS[1], 0.0, w),
    lambda w: losses.entanglement(LATENTS[1], w),
])  # fmt: skip
def test_weights_multiply_each_image(term):
    weights = np.zeros(17)
    weights[4] = 17
    one = term(weights)  # 17 times image 4, divided by 17
    assert term(np.ones(17)) == pytest.approx(term(None))
    assert term(3 * np.ones(17)) == pytest.approx(3 * term(None))
    weights[5] = 17
    assert term(weights) - one == pytest.approx(term(17 * np.eye(17)[5]))


IMAGES = np.random.default_rng(3).uniform(size=(17, 4, 4))
FLAT = np.random.default_rng(4).uniform(0.1, 0.9, size=(17, 4, 4))


def test_weighted_covariance_is_that_of_repeated_images():
    mu = LATENTS[1]
    repeated = np.concatenate([mu, mu[:3], mu[:3]])
    weights = np.where(np.arange(17) < 3, 3.0, 1.0)
    assert losses.covariance(mu, weights) == pytest.approx(losses.covariance(repeated))
    assert losses.covariance(mu, np.zeros(17)) == 0


def test_covariance_ignores_the_mean_and_entanglement_does_not():
    mu = LATENTS[1]
    assert losses.covariance(mu + 5) == pytest.approx(losses.covariance(mu))
    assert losses.entanglement(mu + 5) > 10 * losses.entanglement(mu)


def test_uniform_factors_are_cheaper_at_45_degrees():
    """E|xy| over [-1, 1]² is 1/4 on the axes and 1/6 at 45° (midpoint sums, exact to 1e-3)."""
    side = (np.arange(800) + 0.5) / 400 - 1
    square = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    turn = np.array([[1, -1], [1, 1]]) / math.sqrt(2)
    assert losses.entanglement(square) == pytest.approx(1 / 4, abs=1e-3)
    assert losses.entanglement(square @ turn) == pytest.approx(1 / 6, abs=1e-3)


@pytest.mark.parametrize("penalty", losses.PENALTIES.values())
def test_one_latent_has_no_pairs(penalty):
    with pytest.raises(ValueError, match=r"1 latent dimension.*2 or more"):
        penalty(np.zeros((4, 1)))


def test_the_total_is_the_weighted_sum():
    assert losses.total({"cross_entropy": 1.0, "kl": 10.0, "penalty": 100.0}, beta=0.5, gamma=0.01) == 7.0


def test_tensors_give_the_same_values_and_finite_gradients_at_zero():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    mu = LATENTS[1].astype("float32")
    weights = np.linspace(0, 2, 17, dtype="float32")
    pairs = [
        (losses.entanglement(tf.constant(mu), tf.constant(weights)), losses.entanglement(mu, weights)),
        (losses.covariance(tf.constant(mu), tf.constant(weights)), losses.covariance(mu, weights)),
        (losses.kl_divergence(tf.constant(mu), tf.constant(0.5)), losses.kl_divergence(mu, 0.5)),
        (losses.binary_crossentropy(IMAGES.astype("float32"), tf.constant(FLAT.astype("float32"))),
         losses.binary_crossentropy(IMAGES, FLAT)),
    ]  # fmt: skip
    for tensor, number in pairs:
        assert tf.is_tensor(tensor) and float(tensor) == pytest.approx(float(number), rel=1e-5)
    for start in (np.zeros((4, 3)), np.array([[0.0, 1.0, -2.0]] * 4)):
        point = tf.Variable(start.astype("float32"))
        for term in (losses.entanglement, losses.covariance, lambda mu: losses.kl_divergence(mu, 0.0)):
            with tf.GradientTape() as tape:
                value = term(point)
            assert np.isfinite(tape.gradient(value, point).numpy()).all()
    with tf.GradientTape() as tape:
        value = losses.entanglement(point)
    # d|μ_0 μ_j|/dμ_0 at μ_0 = 0 is taken as 0; for μ_1 it is |μ_2| sign(μ_1)/3 an image.
    assert tape.gradient(value, point).numpy()[0] == pytest.approx([0, 2 / 3 / 4, -1 / 3 / 4], abs=1e-6)
    with tf.GradientTape() as tape:
        logits = tf.Variable(np.array([[[200.0, -200.0, 0.0]]], "float32"))
        value = losses.binary_crossentropy_from_logits(np.array([[[0.0, 1.0, 1.0]]], "float32"), logits)
    assert tape.gradient(value, logits).numpy().ravel() == pytest.approx([1 / 3, -1 / 3, -1 / 6])
