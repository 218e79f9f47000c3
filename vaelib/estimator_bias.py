"""How far a batch's estimate of the total correlation is from the truth, on a distribution where that is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vaelib import figures, losses

Numbers = NDArray[np.float64]

CORRELATED = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]])
"""The covariance of the means μ; with the posterior's variance on its diagonal it is that of z."""
DATASET_SIZE = 4499  # the study's training set, which the batches are drawn from


@dataclass(frozen=True)
class Bias:
    """The estimates at one batch size: their mean over batches, its standard error, and the exact value, in nats."""

    mean: float
    error: float
    exact: float


def exact_total_correlation(sigma: float, covariance: Numbers = CORRELATED) -> float:
    """Return the total correlation in nats of z = μ + σ·noise with Gaussian μ: -½ log det of z's correlation."""
    aggregate = covariance + sigma**2 * np.eye(len(covariance))
    scale = np.sqrt(np.diag(aggregate))
    return float(-0.5 * np.linalg.slogdet(aggregate / np.outer(scale, scale))[1])


def bias(sigma: float, batch_size: int, *, images: int = 4096, seed: int = 0) -> Bias:
    """Return what `vaelib.losses.total_correlation` makes of batches of a Gaussian with known total correlation.

    images: drawn in all, in batches of `batch_size` from `numpy.random.default_rng(seed)`. Raises ValueError for fewer
    than two batches, which have no standard error.
    """
    batches = images // batch_size
    if batches < 2:
        raise ValueError(f"batch_size = {batch_size!r}: allowed is at most half of the {images} images")
    generator = np.random.default_rng(seed)
    root = np.linalg.cholesky(CORRELATED)
    draws = []
    for _ in range(batches):
        mu = generator.normal(size=(batch_size, 3)) @ root.T
        z = mu + sigma * generator.normal(size=mu.shape)
        draws.append(float(losses.total_correlation(z, mu, 2 * math.log(sigma), DATASET_SIZE)))
    error = float(np.std(draws, ddof=1)) / math.sqrt(batches)
    return Bias(float(np.mean(draws)), error, exact_total_correlation(sigma))


def over_batch_sizes(sigmas: Sequence[float], sizes: Sequence[int], *, images: int = 4096) -> Figure:
    """Draw the mean estimate over the batch size for each σ, with two standard errors, beside the exact value."""
    figure, axes = plt.subplots(1, len(sigmas), figsize=(4.0 * len(sigmas), 2.8), squeeze=False)
    for axis, sigma in zip(axes[0], sigmas, strict=True):
        found = [bias(sigma, size, images=images, seed=size) for size in sizes]
        errors = [2 * each.error for each in found]
        axis.errorbar(sizes, [each.mean for each in found], errors, marker="o", color=figures.BLUE, capsize=3)
        axis.axhline(found[0].exact, color=figures.BLACK, linestyle="--", linewidth=1)
        axis.text(sizes[-1], found[0].exact, "exact", ha="right", va="bottom", fontsize=9)
        axis.set(xscale="log", xticks=list(sizes), xlabel="images in a batch", title=f"σ = {sigma:g}")
        axis.set_xticklabels([str(size) for size in sizes])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("estimate (nats)")
    return figure
