"""The terms of the loss: pure functions of arrays that know nothing of the model.

Numpy arrays give numpy scalars; tensors stay on their backend. Each term is one number: the mean over the batch
of a number per image, or, for the covariance, a statistic of the whole batch. With `sample_weight` (n,) the
per-image numbers are multiplied by the weights before the mean over n, as Keras does.
"""

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
        raise ValueError(f"scaling = {scaling!r}: allowed are 'mean' and 'half_sum'")
    ops = _ops(mu)
    d = mu.shape[-1]
    log_variance = log_variance + ops.zeros_like(mu)  # (n, d)
    terms = mu**2 + ops.exp(log_variance) - 1 - log_variance  # (n, d)
    return _mean(ops, terms, sample_weight) * (1.0 if scaling == "mean" else d / 2)


def entanglement(mu: Array, sample_weight: Array | None = None) -> Array:
    """Return 2/(d(d-1)) Σ_{i<j} |μ_i μ_j|, averaged over the batch.

    mu: (n, d) with d ≥ 2; ValueError otherwise. Uses Σ_{i<j} |μ_i μ_j| = (‖μ‖₁² - ‖μ‖₂²)/2: O(d), no double loop.
    Source: the study, part 3.
    """
    ops = _ops(mu)
    d = _pairs(mu)
    one_norm = ops.sum(ops.abs(mu), axis=-1)  # (n,)
    per_image = (one_norm**2 - ops.sum(mu**2, axis=-1)) / (d * (d - 1))  # (n,)
    return _mean(ops, per_image, sample_weight)


def covariance(mu: Array, sample_weight: Array | None = None) -> Array:
    """Return the mean over i < j of |C_ij|, C the batch's covariance, centred, with 1/N.

    mu: (n, d) with d ≥ 2; ValueError otherwise. With weights, C = Σ w (μ - μ̄)(μ - μ̄)ᵀ / Σ w and μ̄ the weighted
    mean. It shrinks with the scale of μ, and its expectation on independent latents falls with n.
    """
    ops = _ops(mu)
    d = _pairs(mu)
    weight = ops.ones_like(mu[:, 0]) if sample_weight is None else sample_weight
    weight = ops.reshape(weight, (-1, 1))  # (n, 1)
    # Weights that are all zero (a batch of the steepest curves alone) must give 0, not 0/0.
    weight = weight / ops.maximum(ops.sum(weight), _EPSILON)
    centred = mu - ops.sum(weight * mu, axis=0)  # (n, d)
    matrix = ops.matmul(ops.transpose(weight * centred), centred)  # (d, d)
    above = np.triu(np.ones((d, d), "float32"), 1)
    return ops.sum(ops.abs(matrix) * above) * (2 / (d * (d - 1)))


PENALTIES = {"entanglement": entanglement, "covariance": covariance}


def total(terms: Mapping[str, Array], *, beta: float, gamma: float) -> Array:
    """Return cross_entropy + beta · kl + gamma · penalty of the named terms."""
    return terms["cross_entropy"] + beta * terms["kl"] + gamma * terms["penalty"]


def _pairs(mu: Array) -> int:
    d = int(mu.shape[-1])
    if d < 2:
        raise ValueError(f"mu has {d} latent dimension: a penalty on pairs of latents needs 2 or more")
    return d


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
