"""The terms of the loss: pure functions of arrays that know nothing of the model.

Numpy arrays give numpy scalars; tensors stay on their backend. Each term is one number: the mean over the batch of a
number per image, or, for the covariances, a statistic of the whole batch. With `sample_weight` (n,) the numbers per
image are multiplied by the weights before the mean over n, as Keras does; None weights all images equally.

Units. The cross-entropy here is a mean over the P pixels; the literature sums over them. Its weights are those of this
library times P: γP for a penalty, `summed_beta` for the KL term.
"""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Literal

import numpy as np

Array = Any
"""A numpy array or a tensor of the Keras backend."""

KLScaling = Literal["mean", "half_sum"]
_EPSILON = 1e-7  # avoids log(0), as in Keras


def binary_crossentropy(x: Array, x_hat: Array, sample_weight: Array | None = None) -> Array:
    """Return the mean over pixels of -[x log x̂ + (1 - x) log(1 - x̂)].

    Source: the study, part 3.

    Args:
        x: True values in [0, 1], (n, h, w) or (n, p).
        x_hat: Probabilities in [0, 1] of the same shape, clipped 1e-7 away from the ends.
        sample_weight: (n,).
    """
    ops = _ops(x_hat)
    x_hat = ops.clip(x_hat, _EPSILON, 1 - _EPSILON)
    return _mean(ops, -(x * ops.log(x_hat) + (1 - x) * ops.log(1 - x_hat)), sample_weight)


def binary_crossentropy_from_logits(x: Array, logits: Array, sample_weight: Array | None = None) -> Array:
    """Return `binary_crossentropy(x, sigmoid(logits))`, exact where the sigmoid saturates."""
    ops = _ops(logits)
    # softplus, not a maximum and an absolute value: its gradient is right even at a logit of exactly 0
    softplus = np.logaddexp(0, logits) if ops is np else ops.softplus(logits)
    return _mean(ops, softplus - x * logits, sample_weight)


def kl_divergence(
    mu: Array, log_variance: Array, sample_weight: Array | None = None, *, scaling: KLScaling = "mean"
) -> Array:
    """Return the Kullback-Leibler divergence of N(μ, σ²) from N(0, 1), averaged over the batch.

    Source: Kingma & Welling 2013, appendix B; the study, part 3.

    Args:
        mu: (n, d).
        log_variance: log σ², a scalar (constant σ) or (n, d).
        sample_weight: (n,).
        scaling: "mean" is 1/d Σ_i (μ_i² + σ_i² - 1 - log σ_i²), as in the study's code; "half_sum" is ½ Σ_i of the
            same, the divergence in nats, as in its text.

    Raises:
        ValueError: `scaling` has another value.
    """
    if scaling not in ("mean", "half_sum"):
        raise ValueError(f"scaling = {scaling!r}; allowed: 'mean' and 'half_sum'")
    ops = _ops(mu)
    d = mu.shape[-1]
    log_variance = log_variance + ops.zeros_like(mu)  # (n, d)
    terms = mu**2 + ops.exp(log_variance) - 1 - log_variance  # (n, d)
    return _mean(ops, terms, sample_weight) * (1.0 if scaling == "mean" else d / 2)


def entanglement(mu: Array, sample_weight: Array | None = None) -> Array:
    """Return 2/(d(d-1)) Σ_{i<j} |μ_i μ_j|, averaged over the batch.

    Uses Σ_{i<j} |μ_i μ_j| = (‖μ‖₁² - ‖μ‖₂²)/2: O(d), no double loop. Where the cross-entropy is summed over P pixels,
    the weight γ becomes γP for this mean over pairs, and 2γP/(d(d-1)) for the sum over them. Source: the study, part 3.

    Args:
        mu: (n, d), d from 2.
        sample_weight: (n,).

    Raises:
        ValueError: d is below 2.
    """
    ops = _ops(mu)
    d = _dimensions(mu)
    one_norm = ops.sum(_absolute(ops, mu), axis=-1)  # (n,)
    per_image = (one_norm**2 - ops.sum(mu**2, axis=-1)) / (d * (d - 1))  # (n,)
    return _mean(ops, per_image, sample_weight)


def covariance(mu: Array, sample_weight: Array | None = None) -> Array:
    """Return the mean over i < j of |C_ij|, C the batch's covariance, centred, with 1/N.

    With weights, C = Σ w (μ - μ̄)(μ - μ̄)ᵀ / Σ w and μ̄ is the weighted mean. The term shrinks with the scale of μ, and
    its expectation on independent latents falls with n. Its weight in the literature's units is that of `entanglement`:
    γP for the mean over pairs, 2γP/(d(d-1)) for the sum over i < j.

    Args:
        mu: (n, d), d from 2.
        sample_weight: (n,).

    Raises:
        ValueError: d is below 2.
    """
    ops = _ops(mu)
    d = _dimensions(mu)
    matrix = _covariance(ops, mu, sample_weight)  # (d, d)
    above = np.triu(np.ones((d, d), "float32"), 1)
    return ops.sum(_absolute(ops, matrix) * above) * (2 / (d * (d - 1)))


def covariance_squared(mu: Array, sample_weight: Array | None = None) -> Array:
    """Return the mean over i < j of C_ij², C as in `covariance`.

    Times d(d-1) it is the first term of `dip_vae_i`, and times d(d-1)/2 that of Cogswell et al. 2016 (DeCov), who
    penalise ½(‖C‖² - ‖diag C‖²) of a layer's activations. So the weight γ is λ_od d(d-1)/P in DIP-VAE's units, and
    w d(d-1)/(2P) for a DeCov term of weight w beside a cross-entropy that is summed over P pixels. On independent
    latents of variance v its expectation is about v²/n.

    Args:
        mu: (n, d), d from 2.
        sample_weight: (n,).

    Raises:
        ValueError: d is below 2.
    """
    d = _dimensions(mu)
    return dip_vae_i(mu, sample_weight, diagonal=0.0) * (1 / (d * (d - 1)))


def dip_vae_i(mu: Array, sample_weight: Array | None = None, *, diagonal: float = 10.0) -> Array:
    """Return Σ_{i≠j} C_ij² + diagonal · Σ_i (C_ii - 1)², C the batch's covariance of the means, as in `covariance`.

    Zero where the means are uncorrelated with variance 1. The weight γ is λ_od/P in the paper's units. Source: Kumar et
    al. 2018, DIP-VAE-I, equation 6.

    Args:
        mu: (n, d), d from 2.
        sample_weight: (n,).
        diagonal: λ_d/λ_od, by default that of Locatello et al. 2019.

    Raises:
        ValueError: d is below 2.
    """
    return _from_identity(mu, _covariance(_ops(mu), mu, sample_weight), diagonal)


def dip_vae_ii(mu: Array, log_variance: Array, sample_weight: Array | None = None, *, diagonal: float = 1.0) -> Array:
    """Return the sum of `dip_vae_i` for the covariance of z, which is that of the means plus the mean of diag σ².

    With constant σ the second part is σ² on the diagonal: the off-diagonal sum is then that of `dip_vae_i`, and the
    means' variance at the minimum is 1 - σ² instead of 1. So at equal `diagonal` the two differ by a constant on the
    diagonal alone, and only with learned σ is this a penalty of its own. The weight γ is λ_od/P. Source: Kumar et al.
    2018, DIP-VAE-II, equation 7.

    Args:
        mu: (n, d), d from 2.
        log_variance: log σ², a scalar or (n, d).
        sample_weight: (n,).
        diagonal: λ_d/λ_od, by default that of Locatello et al. 2019.

    Raises:
        ValueError: d is below 2.
    """
    ops = _ops(mu)
    d = _dimensions(mu)
    variance = ops.exp(log_variance + ops.zeros_like(mu))  # (n, d)
    mean = ops.sum(_shares(ops, mu, sample_weight) * variance, axis=0)  # (d,)
    return _from_identity(mu, _covariance(ops, mu, sample_weight) + mean * np.eye(d, dtype="float32"), diagonal)


def total_correlation(
    z: Array, mu: Array, log_variance: Array, dataset_size: int, sample_weight: Array | None = None
) -> Array:
    """Return an estimate in nats of the total correlation of z, KL(q(z) ‖ Π_j q(z_j)), by stratified sampling.

    It is the batch's mean of log q̂(z) - Σ_j log q̂(z_j), each q̂ the mixture of the batch's posteriors, an image's own
    with weight 1/N and each other's with (N-1)/(N(n-1)). The expectation of q̂ is then right and that of its logarithm
    is not: the estimate is biased unless n = N. Where σ is small against the spacing of the batch, the bias is as large
    as the value or many times larger: upward as long as the posteriors overlap in no latent (if none overlap at all,
    the estimate is (d-1) log N whatever z is), downward where they overlap in single latents and not yet in all.
    `vaelib.study.estimator_bias` computes it, and tests/test_losses.py has its values by batch size.

    Source: Chen et al. 2018, β-TCVAE, appendix C. Its weights single out one of the others, at random; these are the
    mean over that choice. Equation 4 with α = γ = 1 is β = 1 in `summed_beta` and a γ of (β_TC - 1)/P here.

    Args:
        z: Drawn from N(mu, σ²), (n, d), d from 2.
        mu: (n, d).
        log_variance: log σ², a scalar or (n, d).
        dataset_size: N, the number of images in q(z) = 1/N Σ_x q(z|x), from 2 and from n.
        sample_weight: (n,).

    Raises:
        ValueError: d is below 2, or `dataset_size` is too small.
    """
    ops = _ops(z)
    _dimensions(mu)
    size = z.shape[0]  # None in a graph for any batch size
    if dataset_size < 2 or (size or 0) > dataset_size:
        raise ValueError(f"dataset_size = {dataset_size!r}; allowed: whole numbers from 2, at least the batch's {size}")
    ones = ops.ones_like(mu[:, 0])
    n, index = ops.sum(ones), ops.cumsum(ones)
    log_variance = log_variance + ops.zeros_like(mu)  # (n, d)
    by_latent = -0.5 * (
        (z[:, None] - mu[None]) ** 2 * ops.exp(-log_variance)[None] + log_variance[None] + math.log(2 * math.pi)
    )  # (n, n, d): log q(z_i | x_j) of each latent
    # In a batch of one image, perhaps an epoch's last, its own posterior is the whole mixture: the estimate is 0.
    own = ops.where(n > 1, -math.log(dataset_size), 0.0)
    others = math.log(1 - 1 / dataset_size) - ops.log(ops.maximum(n - 1, 1.0))
    log_weight = ops.where(index[:, None] == index[None], own, others)  # (n, n)
    joint = _logsumexp(ops, log_weight + ops.sum(by_latent, axis=-1))  # (n,)
    marginals = _logsumexp(ops, log_weight[..., None] + by_latent)  # (n, d)
    return _mean(ops, joint - ops.sum(marginals, axis=-1), sample_weight)


def capacity_gap(mu: Array, log_variance: Array, capacity: Array, sample_weight: Array | None = None) -> Array:
    """Return |KL - C| in nats, the KL divergence being the batch's mean (`kl_divergence` with "half_sum").

    With constant σ the KL divergence cannot fall below d/2 (σ² - 1 - log σ²), 5.4 nats for σ = 0.1 and d = 3: a smaller
    C pulls μ to 0 with the full weight. The term replaces the KL term, so set beta, 1e-3 in the profiles, to 0 with it:
    otherwise the KL divergence is driven to C and to 0 at once. The weight γ is the paper's over P. While C grows, the
    losses of two epochs cannot be compared, and the epoch with the lowest validation loss need not be the best. Source:
    Burgess et al. 2018, equation 8.

    Args:
        mu: (n, d).
        log_variance: log σ², a scalar or (n, d).
        capacity: C in nats, usually from `annealed_capacity`.
        sample_weight: (n,).
    """
    gap = kl_divergence(mu, log_variance, sample_weight, scaling="half_sum") - capacity
    return _absolute(_ops(mu), gap)


def annealed_capacity(step: Array, steps: float, highest: float) -> Array:
    """Return C in nats at a step: linear from 0 at step 0 to `highest` at step `steps`, then constant."""
    return highest * _ops(step).minimum(step / steps, 1.0)


PENALTIES = {
    "entanglement": entanglement,
    "covariance": covariance,
    "covariance_squared": covariance_squared,
    "dip_vae_i": dip_vae_i,
}
"""The penalties that are functions of the means alone, by their names in `Experiment.penalty`."""


def summed_beta(beta: float, *, pixels: int, latent_dim: int, scaling: KLScaling = "mean") -> float:
    """Return β in the literature's units, where the loss is a sum over P pixels and KL is in nats.

    2βP/d for the KL term's scaling "mean", βP for "half_sum". The study's 1e-3 with d = 3 is 43.7 at 256×256 pixels and
    2.7 at 64×64.
    """
    return beta * pixels * (2 / latent_dim if scaling == "mean" else 1.0)


def total(terms: Mapping[str, Array], *, beta: float, gamma: float) -> Array:
    """Return cross_entropy + beta · kl + gamma · penalty of the named terms."""
    return terms["cross_entropy"] + beta * terms["kl"] + gamma * terms["penalty"]


def _dimensions(mu: Array) -> int:
    """Return d. Raises ValueError below 2."""
    d = int(mu.shape[-1])
    if d < 2:
        raise ValueError(f"mu has {d} latent dimension: a penalty on pairs of latents needs 2 or more")
    return d


def _shares(ops: Any, mu: Array, sample_weight: Array | None) -> Array:
    """Return each image's share of the batch, (n, 1); the shares sum to 1."""
    weight = ops.ones_like(mu[:, 0]) if sample_weight is None else sample_weight
    weight = ops.reshape(weight, (-1, 1))  # (n, 1)
    # Weights that are all zero (a batch of the steepest curves only) must give 0, not 0/0.
    return weight / ops.maximum(ops.sum(weight), _EPSILON)


def _covariance(ops: Any, mu: Array, sample_weight: Array | None) -> Array:
    weight = _shares(ops, mu, sample_weight)
    centred = mu - ops.sum(weight * mu, axis=0)  # (n, d)
    return ops.matmul(ops.transpose(weight * centred), centred)  # (d, d)


def _from_identity(mu: Array, matrix: Array, diagonal: float) -> Array:
    """Return Σ_{i≠j} C_ij² + diagonal · Σ_i (C_ii - 1)² of a matrix (d, d)."""
    eye = np.eye(_dimensions(mu), dtype="float32")
    return _ops(mu).sum((matrix - eye) ** 2 * (1 - eye + diagonal * eye))


def _logsumexp(ops: Any, values: Array) -> Array:
    if ops is np:
        from scipy import special  # a training does without it

        return special.logsumexp(values, axis=1)
    return ops.logsumexp(values, axis=1)


def _absolute(ops: Any, values: Array) -> Array:
    return values * ops.sign(values)  # its slope at 0 is 0 on every backend; JAX takes 1 for that of `abs`


def _mean(ops: Any, values: Array, sample_weight: Array | None) -> Array:
    """Average `values` (n, ...) over everything, each image's part times its weight."""
    if sample_weight is None:
        return ops.mean(values)
    per_image = ops.mean(ops.reshape(values, (values.shape[0] if ops is np else -1, _size(values))), axis=-1)
    return ops.mean(per_image * sample_weight)


def _size(values: Array) -> int:
    return int(np.prod(values.shape[1:], dtype=int))


def _ops(array: Array) -> ModuleType:
    """Return numpy for numpy arrays and keras.ops for tensors, so that numpy users load no Keras."""
    if isinstance(array, np.ndarray | np.generic | float | int):
        return np
    from keras import ops

    return ops
