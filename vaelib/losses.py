"""The terms of the loss: pure functions of arrays that know nothing of the model.

Numpy arrays give numpy scalars; tensors stay on their backend. Each term is one number: the mean over the batch
of a number per image, or, for the covariances, a statistic of the whole batch. With `sample_weight` (n,) the
per-image numbers are multiplied by the weights before the mean over n, as Keras does.

Units. The cross-entropy here is a mean over the P pixels; the literature sums over them. Its weights are those
of this library times P: `summed_beta` and `summed_gamma`.
"""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Literal

import numpy as np

Array = Any
"""A numpy array or a tensor of the Keras backend."""

KLScaling = Literal["mean", "half_sum"]
_EPSILON = 1e-7  # keeps log(0) out, as Keras does


def binary_crossentropy(x: Array, x_hat: Array, sample_weight: Array | None = None) -> Array:
    """Return the mean over pixels of -[x log x̂ + (1 - x) log(1 - x̂)].

    x: (n, h, w) or (n, p), true values in [0, 1]. x_hat: the same shape, probabilities in [0, 1], kept 1e-7 away
    from the ends. Source: the study, part 3.
    """
    ops = _ops(x_hat)
    x_hat = ops.clip(x_hat, _EPSILON, 1 - _EPSILON)
    return _mean(ops, -(x * ops.log(x_hat) + (1 - x) * ops.log(1 - x_hat)), sample_weight)


def binary_crossentropy_from_logits(x: Array, logits: Array, sample_weight: Array | None = None) -> Array:
    """Return `binary_crossentropy(x, sigmoid(logits))`, exact where the sigmoid saturates."""
    ops = _ops(logits)
    # softplus, not a maximum and an absolute value: its gradient is right at a logit of exactly 0 too
    softplus = np.logaddexp(0, logits) if ops is np else ops.softplus(logits)
    return _mean(ops, softplus - x * logits, sample_weight)


def kl_divergence(
    mu: Array, log_variance: Array, sample_weight: Array | None = None, *, scaling: KLScaling = "mean"
) -> Array:
    """Return the Kullback-Leibler divergence of N(μ, σ²) from N(0, 1), averaged over the batch.

    mu: (n, d). log_variance: log σ², a scalar (constant σ) or (n, d). scaling: "mean", 1/d Σ_i (μ_i² + σ_i² - 1 -
    log σ_i²), as the study's code has it; "half_sum", ½ Σ_i of the same, the divergence in nats, as its text has
    it. Raises ValueError for another scaling. Source: Kingma & Welling 2013, appendix B; the study, part 3.
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

    mu: (n, d) with d ≥ 2; ValueError otherwise. Uses Σ_{i<j} |μ_i μ_j| = (‖μ‖₁² - ‖μ‖₂²)/2: O(d), no double loop.
    Where the cross-entropy is summed over P pixels, the weight γ becomes γP for this mean over pairs, and 2γP/(d(d-1))
    for the sum over them. Source: the study, part 3.
    """
    ops = _ops(mu)
    d = _pairs(mu)
    one_norm = ops.sum(_absolute(ops, mu), axis=-1)  # (n,)
    per_image = (one_norm**2 - ops.sum(mu**2, axis=-1)) / (d * (d - 1))  # (n,)
    return _mean(ops, per_image, sample_weight)


def covariance(mu: Array, sample_weight: Array | None = None) -> Array:
    """Return the mean over i < j of |C_ij|, C the batch's covariance, centred, with 1/N.

    mu: (n, d) with d ≥ 2; ValueError otherwise. With weights, C = Σ w (μ - μ̄)(μ - μ̄)ᵀ / Σ w and μ̄ the weighted
    mean. It shrinks with the scale of μ, and its expectation on independent latents falls with n. Its weight in the
    literature's units is that of `entanglement`: γP for the mean over pairs, 2γP/(d(d-1)) for the sum over i < j.
    """
    ops = _ops(mu)
    d = _pairs(mu)
    matrix = _covariance(ops, mu, sample_weight)  # (d, d)
    above = np.triu(np.ones((d, d), "float32"), 1)
    return ops.sum(_absolute(ops, matrix) * above) * (2 / (d * (d - 1)))


def covariance_squared(mu: Array, sample_weight: Array | None = None) -> Array:
    """Return the mean over i < j of C_ij², C as in `covariance`.

    mu: (n, d) with d ≥ 2; ValueError otherwise. Times d(d-1) it is the first term of `dip_vae_i`, and times
    d(d-1)/2 that of Cogswell et al. 2016 (DeCov), who penalise ½(‖C‖² - ‖diag C‖²) of a layer's activations. So the
    weight γ is λ_od d(d-1)/P in DIP-VAE's units, and w d(d-1)/(2P) for a DeCov term of weight w beside a
    cross-entropy that is summed over P pixels. On independent latents of variance v its expectation is about v²/n.
    """
    d = _pairs(mu)
    return dip_vae_i(mu, sample_weight, diagonal=0.0) * (1 / (d * (d - 1)))


def dip_vae_i(mu: Array, sample_weight: Array | None = None, *, diagonal: float = 10.0) -> Array:
    """Return Σ_{i≠j} C_ij² + diagonal · Σ_i (C_ii - 1)², C the batch's covariance of the means, as in `covariance`.

    mu: (n, d) with d ≥ 2; ValueError otherwise. Zero where the means are uncorrelated with variance 1. The
    weight γ is λ_od/P in the paper's units, and `diagonal` is λ_d/λ_od, 10 as in Locatello et al. 2019. Source:
    Kumar et al. 2018, DIP-VAE-I, equation 6.
    """
    return _from_identity(mu, _covariance(_ops(mu), mu, sample_weight), diagonal)


def dip_vae_ii(mu: Array, log_variance: Array, sample_weight: Array | None = None, *, diagonal: float = 1.0) -> Array:
    """Return the sum of `dip_vae_i` for the covariance of z, which is that of the means plus the mean of diag σ².

    mu: (n, d) with d ≥ 2; ValueError otherwise. log_variance: log σ², a scalar or (n, d). With constant σ the
    second part is σ² on the diagonal: the off-diagonal sum is then that of `dip_vae_i`, and the variance it asks of
    the means is 1 - σ² instead of 1. So at equal `diagonal` the two differ by a constant on the diagonal alone, and
    only with learned σ is this a penalty of its own. The weight γ is λ_od/P, and `diagonal`, λ_d/λ_od, is 1 as in
    Locatello et al. 2019. Source: Kumar et al. 2018, DIP-VAE-II, equation 7.
    """
    ops = _ops(mu)
    d = _pairs(mu)
    variance = ops.exp(log_variance + ops.zeros_like(mu))  # (n, d)
    mean = ops.sum(_shares(ops, mu, sample_weight) * variance, axis=0)  # (d,)
    return _from_identity(mu, _covariance(ops, mu, sample_weight) + mean * np.eye(d, dtype="float32"), diagonal)


def total_correlation(
    z: Array, mu: Array, log_variance: Array, dataset_size: int, sample_weight: Array | None = None
) -> Array:
    """Return an estimate in nats of the total correlation of z, KL(q(z) ‖ Π_j q(z_j)), by stratified sampling.

    z: (n, d), drawn from N(mu, σ²), with d ≥ 2. mu: (n, d). log_variance: log σ², a scalar or (n, d). dataset_size:
    N, the number of images that q(z) = 1/N Σ_x q(z|x) is meant over. It is the batch's mean of log q̂(z) - Σ_j log
    q̂(z_j), each q̂ the mixture of the batch's posteriors, an image's own with weight 1/N and each other's with
    (N-1)/(N(n-1)). So q̂ has the right expectation and the logarithm's has not: the estimate is biased unless n = N.
    Where σ is small against the spacing of the batch the bias is as large as the value or many times larger, upward as
    long as the posteriors meet in no latent (with none meeting at all the estimate is (d-1) log N whatever z is),
    downward where they meet in single latents and not yet in all. `vaelib.figures.estimator_bias` computes it, and
    tests/test_losses.py holds it by batch size. Raises ValueError for d < 2, N < 2 or n > N.

    Source: Chen et al. 2018, β-TCVAE, appendix C. Its weights single out one of the others, at random; these are
    the mean over that choice. Equation 4 with α = γ = 1 is β = 1 in `summed_beta` and a γ of (β_TC - 1)/P here.
    """
    ops = _ops(z)
    _pairs(mu)
    size = z.shape[0]  # None in a graph for any batch size
    if dataset_size < 2 or (size or 0) > dataset_size:
        raise ValueError(f"dataset_size = {dataset_size!r}; allowed: whole numbers from 2 and from the batch's {size}")
    ones = ops.ones_like(mu[:, 0])
    n, place = ops.sum(ones), ops.cumsum(ones)
    log_variance = log_variance + ops.zeros_like(mu)  # (n, d)
    by_latent = -0.5 * (
        (z[:, None] - mu[None]) ** 2 * ops.exp(-log_variance)[None] + log_variance[None] + math.log(2 * math.pi)
    )  # (n, n, d): log q(z_i | x_j) of each latent
    # A batch of one image, an epoch's last perhaps, is all the mixture there is: then the estimate is 0.
    own = ops.where(n > 1, -math.log(dataset_size), 0.0)
    others = math.log(1 - 1 / dataset_size) - ops.log(ops.maximum(n - 1, 1.0))
    log_weight = ops.where(place[:, None] == place[None], own, others)  # (n, n)
    joint = _logsumexp(ops, log_weight + ops.sum(by_latent, axis=-1))  # (n,)
    marginals = _logsumexp(ops, log_weight[..., None] + by_latent)  # (n, d)
    return _mean(ops, joint - ops.sum(marginals, axis=-1), sample_weight)


def capacity_gap(mu: Array, log_variance: Array, capacity: Array, sample_weight: Array | None = None) -> Array:
    """Return |KL - C| in nats, the KL divergence being the batch's mean (`kl_divergence` with "half_sum").

    capacity: C in nats, usually from `annealed_capacity`. With constant σ the KL divergence cannot fall below
    d/2 (σ² - 1 - log σ²), 5.4 nats for σ = 0.1 and d = 3: a smaller C pulls μ to 0 with the full weight. It
    replaces the KL term, so set beta to 0 with it: the profiles have 1e-3, and above 0 the KL divergence is asked to be
    C and to be small at once. The weight γ is the paper's over P. While C grows, the losses of two epochs are not of
    the same thing, and the epoch with the lowest validation loss need not be the best. Source: Burgess et al. 2018,
    equation 8.
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
"""The penalties that are functions of the means alone, by the names that `Experiment.penalty` has for them."""


def summed_beta(beta: float, *, pixels: int, latent_dim: int, scaling: KLScaling = "mean") -> float:
    """Return β in the literature's units, where the loss is a sum over P pixels and KL is in nats.

    2βP/d for the KL term's scaling "mean", βP for "half_sum". The study's 1e-3 with d = 3 is 43.7 at 256×256
    pixels and 2.7 at 64×64.
    """
    return beta * pixels * (2 / latent_dim if scaling == "mean" else 1.0)


def summed_gamma(gamma: float, *, pixels: int) -> float:
    """Return γ in the literature's units, where the loss is a sum over P pixels: γP."""
    return gamma * pixels


def total(terms: Mapping[str, Array], *, beta: float, gamma: float) -> Array:
    """Return cross_entropy + beta · kl + gamma · penalty of the named terms."""
    return terms["cross_entropy"] + beta * terms["kl"] + gamma * terms["penalty"]


def _pairs(mu: Array) -> int:
    d = int(mu.shape[-1])
    if d < 2:
        raise ValueError(f"mu has {d} latent dimension: a penalty on pairs of latents needs 2 or more")
    return d


def _shares(ops: Any, mu: Array, sample_weight: Array | None) -> Array:
    """Return each image's share of the batch, (n, 1); the shares sum to 1."""
    weight = ops.ones_like(mu[:, 0]) if sample_weight is None else sample_weight
    weight = ops.reshape(weight, (-1, 1))  # (n, 1)
    # Weights that are all zero (a batch of the steepest curves alone) must give 0, not 0/0.
    return weight / ops.maximum(ops.sum(weight), _EPSILON)


def _covariance(ops: Any, mu: Array, sample_weight: Array | None) -> Array:
    weight = _shares(ops, mu, sample_weight)
    centred = mu - ops.sum(weight * mu, axis=0)  # (n, d)
    return ops.matmul(ops.transpose(weight * centred), centred)  # (d, d)


def _from_identity(mu: Array, matrix: Array, diagonal: float) -> Array:
    """Return Σ_{i≠j} C_ij² + diagonal · Σ_i (C_ii - 1)² of a matrix (d, d)."""
    eye = np.eye(_pairs(mu), dtype="float32")
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
