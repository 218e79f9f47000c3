"""Errors of reconstructions, and statistics of the embedding, which the means μ form.

Images are (n, h, w) or (n, p), uint8 or float in [0, 1]; errors are in units of grey values from 0 to 1. An embedding
`mu` is (n, d), n from 2, and finite; otherwise ValueError is raised. Nothing here loads Keras.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from vaelib.statistics import checked, intervals, paired

Numbers = NDArray[np.float64]

_EPSILON = 1e-7  # avoids log(0), as in the losses
_PART = 256  # images at a time; bounds the memory


def squared_error(images: NDArray[Any], reconstructions: NDArray[Any]) -> Numbers:
    """Return (n,): each image's squared error, the mean over its pixels.

    Raises:
        ValueError: The shapes differ.
    """
    return _per_image(lambda x, y: np.mean((x - y) ** 2, axis=1), images, reconstructions)


def pixel_variance(images: NDArray[Any]) -> Numbers:
    """Return (n,): the variance of each image's pixels about their own mean."""
    return _per_image(lambda x, _: np.var(x, axis=1), images, images)


def normalised_error(images: NDArray[Any], reconstructions: NDArray[Any]) -> Numbers:
    """Return (n,): each image's squared error over its own variance.

    0 is perfect, 1 is the error of a uniform image of the right mean grey, so that images with little ink count as much
    as those with a lot. An image of a single grey has no variance: it gives 0 if its reconstruction is perfect, else
    infinity.

    Raises:
        ValueError: The shapes differ.
    """
    error, variance = squared_error(images, reconstructions), pixel_variance(images)
    ratio = np.where(error > 0, np.inf, 0.0)
    return np.divide(error, variance, out=ratio, where=variance > 0)


def cross_entropy(images: NDArray[Any], reconstructions: NDArray[Any]) -> Numbers:
    """Return (n,): -[x log x̂ + (1 - x) log(1 - x̂)] in nats, the mean over each image's pixels.

    x̂ is clipped 1e-7 away from 0 and 1, as in `losses.binary_crossentropy`.

    Raises:
        ValueError: The shapes differ.
    """

    def values(x: Numbers, y: Numbers) -> Numbers:
        y = np.clip(y, _EPSILON, 1 - _EPSILON)
        return -np.mean(x * np.log(y) + (1 - x) * np.log1p(-y), axis=1)

    return _per_image(values, images, reconstructions)


def pixel_entropy(images: NDArray[Any]) -> Numbers:
    """Return (n,): -[x log x + (1 - x) log(1 - x)] in nats, the mean over each image's pixels.

    No reconstruction has a lower cross-entropy: it is above zero wherever a pixel is grey.
    """
    return _per_image(lambda x, _: -np.mean(xlogy(x, x) + xlogy(1 - x, 1 - x), axis=1), images, images)


def covariance(mu: ArrayLike) -> Numbers:
    """Return (d, d): the covariance of the latents, with 1/n, centred, which the study's (part 3) is not."""
    centred = _centred(checked("mu", mu))
    return centred.T @ centred / len(centred)


def correlation(mu: ArrayLike) -> Numbers:
    """Return (d, d): the correlation of the latents. A latent that never varies has correlation 0 with the others."""
    return correlation_of(covariance(mu))


def correlation_of(covariances: Numbers) -> Numbers:
    """Return the correlations (..., d, d) of covariances (..., d, d); 0 for a variable without variance."""
    spread = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    scale = spread[..., :, None] * spread[..., None, :]
    result = np.divide(covariances, scale, out=np.zeros_like(covariances), where=scale > 0)
    d = covariances.shape[-1]
    result[..., range(d), range(d)] = 1.0
    return np.clip(result, -1, 1)


def largest_correlation(mu: ArrayLike) -> float:
    """Return the largest absolute correlation of two latents; 0 for a single latent."""
    matrix = correlation(mu)
    return float(np.abs(matrix - np.eye(len(matrix))).max())


def eigenvalues(mu: ArrayLike) -> Numbers:
    """Return (d,): the variances along the principal axes of the embedding, largest first."""
    return np.clip(np.linalg.eigvalsh(covariance(mu))[::-1], 0, None)


def linear_r2(mu: ArrayLike, factors: ArrayLike) -> Numbers:
    """Return (k,): the share of each factor's variance that a linear function of all latents explains.

    Neither the latents' scale nor their origin matters. A factor that never varies gives 0.

    Args:
        mu: (n, d).
        factors: (n, k).

    Raises:
        ValueError: The lengths differ, there are fewer than 2 images, or a value is not finite.
    """
    latents, factors = paired(mu, factors)
    return _r2(_moments(latents, factors, np.ones((1, len(latents)))), latents.shape[1])[0]


def linear_r2_interval(
    mu: ArrayLike, factors: ArrayLike, *, level: float = 0.95, resamples: int = 400, seed: int = 0
) -> Numbers:
    """Return (k, 2): the ends of a percentile bootstrap interval of `linear_r2` over images.

    The interval says how far R² of this one embedding depends on the images that were drawn; that of another training
    may differ by more.

    Args:
        mu: (n, d).
        factors: (n, k).
        level: The confidence level, within (0, 1).
        resamples: How often the images are drawn, with replacement.
        seed: Of `numpy.random.default_rng`, which draws them.

    Raises:
        ValueError: As in `linear_r2`.
    """
    latents, factors = paired(mu, factors)
    n = len(latents)
    generator = np.random.default_rng(seed)
    # A resample is stored as how often each image was drawn, so that all resamples are one matrix product.
    counts = generator.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)  # (resamples, n)
    values = _r2(_moments(latents, factors, counts), latents.shape[1])  # (resamples, k)
    tail = 100 * (1 - level) / 2
    return np.percentile(values, [tail, 100 - tail], axis=0).T


def single_latent_r2(mu: ArrayLike, factors: ArrayLike) -> Numbers:
    """Return (d, k): the squared correlation of each latent with each factor (n, k); 0 if one of them never varies."""
    latents, factors = paired(mu, factors)
    joint = correlation(np.hstack([latents, factors]))
    return joint[: latents.shape[1], latents.shape[1] :] ** 2


def alignment(mu: ArrayLike, factors: ArrayLike) -> float:
    """Return how well single latents carry single factors, from 0 to 1.

    It is the mean over the factors of the squared correlation with the latent assigned to each, no latent to two
    factors, for the best assignment: 1 when every factor is a linear function of a latent of its own.

    Args:
        mu: (n, d).
        factors: (n, k).

    Raises:
        ValueError: There are fewer latents than factors.
    """
    from scipy.optimize import linear_sum_assignment

    shares = single_latent_r2(mu, factors)
    if shares.shape[0] < shares.shape[1]:
        raise ValueError(f"{shares.shape[0]} latents cannot carry {shares.shape[1]} factors one by one")
    rows, columns = linear_sum_assignment(shares, maximize=True)
    return float(shares[rows, columns].mean())


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A ratio of mean errors by seed, with Student's t interval of its logarithm."""

    ratios: Numbers
    """(seeds,): the ratio of each seed."""
    estimate: float
    """The geometric mean over the seeds."""
    interval: tuple[float, float]
    """The ends of the interval of that mean."""

    @property
    def verdict(self) -> str:
        """What the interval says about the numerator: something only if it excludes 1."""
        low, high = self.interval
        return "worse" if low > 1 else "better" if high < 1 else "neither shown to be worse nor to be better"


def mean_ratio(numerator: Sequence[Numbers], denominator: Sequence[Numbers], *, level: float = 0.95) -> Ratio:
    """Return the ratio of mean errors of two kinds of models, paired by seed.

    The seed is the unit: each gives one ratio, whatever its number of images.

    Args:
        numerator: An array of errors for each seed, two seeds or more.
        denominator: The same for the other kind, on the same images.
        level: The confidence level, within (0, 1).

    Raises:
        ValueError: There are fewer than two seeds, or unequal numbers of them.
    """
    if len(numerator) != len(denominator) or len(numerator) < 2:
        raise ValueError(f"{len(numerator)} and {len(denominator)} seeds; allowed: equal numbers from 2")
    ratios = np.array([np.mean(a) / np.mean(b) for a, b in zip(numerator, denominator, strict=True)])
    estimate, low, high = np.exp(intervals.of_mean(np.log(ratios), level=level))
    return Ratio(ratios, float(estimate), (float(low), float(high)))


def _per_image(function: Any, images: NDArray[Any], others: NDArray[Any]) -> Numbers:
    """Return (n,): `function` of pairs of (rows, p) float64 arrays in [0, 1], a part of the images at a time."""
    images, others = np.asarray(images), np.asarray(others)
    if images.shape != others.shape:
        raise ValueError(f"images has shape {images.shape} and reconstructions {others.shape}: they must be equal")
    if images.ndim < 2:
        raise ValueError(f"images has shape {images.shape}; allowed: (n, h, w) and (n, p)")
    result = np.empty(len(images))
    for start in range(0, len(images), _PART):
        part = slice(start, start + _PART)
        result[part] = function(_grey(images[part]), _grey(others[part]))
    return result


def _grey(images: NDArray[Any]) -> Numbers:
    scale = 255 if images.dtype == np.uint8 else 1
    return images.reshape(len(images), -1).astype(np.float64) / scale


def _centred(values: Numbers) -> Numbers:
    """Return (n, d) less the columns' means; exactly 0, despite rounding, in a column that never varies."""
    return np.where(np.ptp(values, axis=0) > 0, values - values.mean(axis=0), 0.0)


def _comparable(latents: Numbers) -> Numbers:
    """Return (n, d) with latents whose range is less than 1e-4 of the largest scaled up to it.

    Least squares do not depend on scale, but the pseudo-inverse drops what is too small beside the rest.
    """
    extent = np.ptp(latents, axis=0)
    small = (extent > 0) & (extent < 1e-4 * extent.max())
    return latents * np.divide(extent.max(), extent, out=np.ones_like(extent), where=small)


def _moments(latents: Numbers, factors: Numbers, counts: Numbers) -> Numbers:
    """Return (resamples, d + k, d + k): the covariance of latents and factors under each row of counts."""
    joint = _centred(np.hstack([_comparable(latents), factors]))
    products = (joint[:, :, None] * joint[:, None, :]).reshape(len(joint), -1)
    total = counts.sum(axis=1, keepdims=True)
    mean = counts @ joint / total
    second = (counts @ products / total).reshape(len(counts), joint.shape[1], joint.shape[1])
    return second - mean[:, :, None] * mean[:, None, :]


def _r2(moments: Numbers, d: int) -> Numbers:
    """Return (resamples, k): the explained share, from covariances whose first d columns are the latents'."""
    among, across = moments[:, :d, :d], moments[:, :d, d:]
    # The pseudo-inverse ignores latents that never vary or that duplicate others.
    explained = np.einsum("rdk,rde,rek->rk", across, np.linalg.pinv(among, rcond=1e-10, hermitian=True), across)
    variance = np.diagonal(moments[:, d:, d:], axis1=1, axis2=2)
    share = np.divide(explained, variance, out=np.zeros_like(explained), where=variance > 0)
    return np.clip(share, 0, 1)
