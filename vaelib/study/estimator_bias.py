"""How far a batch's estimate of the total correlation is from the truth, for posteriors where that can be computed."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaelib import losses
from vaelib.nn.backend import ops

Numbers = NDArray[np.float64]

CORRELATED = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]])
"""The covariance of the Gaussian that the means μ are drawn from."""
DATASET_SIZE = 4499
"""The number of means, N: that of the images in the study's training set."""
_DRAWS = 8  # of z from every posterior, for the exact value: its standard error is then about 0.002 nats
_AT_ONCE = 64  # rows of a table with all N posteriors, which does not fit into memory as a whole


@dataclass(frozen=True)
class Bias:
    """The estimates at one batch size: their mean over batches and the exact value, in nats, with standard errors."""

    mean: float
    error: float
    exact: float
    exact_error: float


@functools.cache
def means() -> Numbers:
    """Return the means μ (N, 3) of the posteriors: one draw from a Gaussian, the same at every call."""
    drawn = np.random.default_rng([0, DATASET_SIZE]).normal(size=(DATASET_SIZE, len(CORRELATED)))
    drawn = drawn @ np.linalg.cholesky(CORRELATED).T
    drawn.setflags(write=False)
    return drawn


def mixture_total_correlation(
    mu: Numbers, sigma: float, *, draws: int = _DRAWS, seed: int | Sequence[int] = 0
) -> tuple[float, float]:
    """Return the total correlation in nats of q(z) = 1/n Σ_i N(μ_i, σ²), and its standard error.

    mu: (n, d). It is the mean of log q(z) - Σ_j log q(z_j), each q the whole mixture, over `draws` z from every
    posterior, 2 or more. The mixture is not the Gaussian that its means may come from: where σ is small against their
    spacing, q(z) is a cloud of islands, and its total correlation is higher, up to (d-1) log n.
    """
    generator = np.random.default_rng(seed)
    values = np.empty((draws, len(mu)))
    # In float32: as long as the means lie within a thousand σ, its rounding is far below what so few draws tell.
    scale = math.sqrt(0.5) / sigma
    centres = (scale * mu.T).astype("float32")
    for row in values:
        z = (scale * (mu + sigma * generator.normal(size=mu.shape))).astype("float32")
        for first in range(0, len(mu), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            # The densities but for a factor, which the difference of the logarithms does not have either.
            by_latent = [np.exp(-np.square(z[some, None, j] - centre)) for j, centre in enumerate(centres)]
            joint = functools.reduce(np.multiply, by_latent).mean(axis=1)  # (some,)
            row[some] = np.log(joint) - sum(np.log(each.mean(axis=1)) for each in by_latent)
    # Every posterior has equally many draws, so only their spread within each counts.
    error = math.sqrt(float(values.var(axis=0, ddof=1).mean()) / values.size)
    return float(values.mean()), error


@functools.cache
def exact_total_correlation(sigma: float) -> tuple[float, float]:
    """Return the total correlation in nats of the mixture over all of `means`, and its standard error."""
    return mixture_total_correlation(means(), sigma, seed=[1, DATASET_SIZE])


def bias(sigma: float, batch_size: int, *, images: int = 4096, seed: int = 0) -> Bias:
    """Return what `vaelib.losses.total_correlation` makes of batches of the images whose posteriors have `means`.

    images: drawn in all, in batches of `batch_size` from `numpy.random.default_rng(seed)`, none twice in a batch.
    Raises ValueError for fewer than two batches, which have no standard error.
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

    # All batches as one call, which takes a tenth of the time of hundreds.
    drawn = np.asarray(ops.vectorized_map(estimate, (mu + sigma * noise, mu)), dtype=np.float64)
    error = float(np.std(drawn, ddof=1)) / math.sqrt(batches)
    return Bias(float(np.mean(drawn)), error, *exact_total_correlation(sigma))
