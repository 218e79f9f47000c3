"""The bias of a batch's estimate of the total correlation, for posteriors whose exact value can be computed."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaelib import losses
from vaelib.nn.backend import ops
from vaelib.statistics import Numbers

CORRELATED = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]])
"""The covariance of the Gaussian that the means μ are drawn from."""
DATASET_SIZE = 4499
"""The number of means, N: that of the images in the study's training set."""
_DRAWS = 8  # of z per posterior, for the exact value: its standard error is then about 0.002 nats
_CHUNK = 64  # rows of z at once: a table of all of them against all N posteriors would not fit into memory


@dataclass(frozen=True)
class Bias:
    """The estimates at one batch size beside the exact value, in nats."""

    mean: float
    """The estimates' mean over batches."""
    error: float
    """Its standard error."""
    exact: float
    exact_error: float
    """The exact value's standard error, since it is a mean over draws."""


@functools.cache
def means() -> Numbers:
    """Return the means μ (N, 3) of the posteriors, read-only: drawn from a Gaussian, the same at every call."""
    mu = np.random.default_rng([0, DATASET_SIZE]).normal(size=(DATASET_SIZE, len(CORRELATED)))
    mu = mu @ np.linalg.cholesky(CORRELATED).T
    mu.setflags(write=False)
    return mu


def mixture_total_correlation(
    mu: Numbers, sigma: float, *, draws: int = _DRAWS, seed: int | Sequence[int] = 0
) -> tuple[float, float]:
    """Return the total correlation in nats of q(z) = 1/n Σ_i N(μ_i, σ²), and its standard error.

    It is the mean of log q(z) - Σ_j log q(z_j), each q the whole mixture, over draws of z. The mixture is not the
    Gaussian that its means may come from: where σ is small against their spacing, q(z) is a cloud of islands, and its
    total correlation is higher, up to (d-1) log n.

    Args:
        mu: The posteriors' means (n, d).
        sigma: Their common standard deviation, above 0.
        draws: The number of z per posterior, 2 or more.
        seed: For `numpy.random.default_rng`.
    """
    generator = np.random.default_rng(seed)
    values = np.empty((draws, len(mu)))
    # In float32: while the means lie within a thousand σ, its rounding is far below the error of so few draws.
    scale = math.sqrt(0.5) / sigma
    centres = (scale * mu.T).astype("float32")
    for row in values:
        z = (scale * (mu + sigma * generator.normal(size=mu.shape))).astype("float32")
        for first in range(0, len(mu), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            # The densities up to a factor, which cancels in the difference of the logarithms.
            by_latent = [np.exp(-np.square(z[chunk, None, j] - centre)) for j, centre in enumerate(centres)]
            joint = functools.reduce(np.multiply, by_latent).mean(axis=1)  # (chunk,)
            row[chunk] = np.log(joint) - sum(np.log(density.mean(axis=1)) for density in by_latent)
    # Every posterior has the same number of draws, so only the spread within each counts.
    error = math.sqrt(float(values.var(axis=0, ddof=1).mean()) / values.size)
    return float(values.mean()), error


@functools.cache
def exact_total_correlation(sigma: float) -> tuple[float, float]:
    """Return the total correlation in nats of the mixture over all of `means`, and its standard error."""
    return mixture_total_correlation(means(), sigma, seed=[1, DATASET_SIZE])


def bias(sigma: float, batch_size: int, *, images: int = 4096, seed: int = 0) -> Bias:
    """Return what `vaelib.losses.total_correlation` estimates on batches of images whose posteriors have `means`.

    Args:
        sigma: The posteriors' standard deviation, above 0.
        batch_size: The number of images in a batch, none of them twice.
        images: The number of images in all batches together.
        seed: For `numpy.random.default_rng`.

    Raises:
        ValueError: There are fewer than two batches, which have no standard error.
    """
    batches = images // batch_size
    if batches < 2:
        raise ValueError(f"batch_size = {batch_size!r}; allowed: at most half of the {images} images")
    generator = np.random.default_rng(seed)
    mu, noise = np.empty((2, batches, batch_size, len(CORRELATED)), "float32")
    for batch in range(batches):
        mu[batch] = means()[generator.choice(DATASET_SIZE, batch_size, replace=False)]
        noise[batch] = generator.normal(size=mu[batch].shape)

    def estimate(batch: tuple[Any, Any]) -> Any:
        return losses.total_correlation(*batch, 2 * math.log(sigma), DATASET_SIZE)

    # All batches in one call, in a tenth of the time of one call each.
    estimates = np.asarray(ops.vectorized_map(estimate, (mu + sigma * noise, mu)), dtype=np.float64)
    error = float(np.std(estimates, ddof=1)) / math.sqrt(batches)
    return Bias(float(np.mean(estimates)), error, *exact_total_correlation(sigma))
