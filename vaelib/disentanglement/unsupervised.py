"""What codes say without the factors: which units are active, and how they depend on each other."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib import metrics
from vaelib.statistics import Numbers, Score, checked

ACTIVE = 0.01
"""The variance of its means above which a unit is `active`, by default; that of the noise for σ = 0.1."""


def mean_correlation(codes: ArrayLike) -> Score:
    """Return the mean absolute correlation of two codes, from 0 to 1.

    The mean is over all pairs of codes that vary, and 0 where there is no pair. `vaelib.metrics.correlation` has the
    matrix. Chance is that of independent normal codes in large samples, √(2/(πn)).

    Args:
        codes: (n, d).

    Raises:
        ValueError: The array has another shape.
    """
    latents = _varying(checked("codes", codes))
    d = latents.shape[1]
    if d < 2:
        return Score(0.0, 0.0)
    above = metrics.correlation(latents)[np.triu_indices(d, 1)]
    return Score(float(np.abs(above).mean()), float(np.sqrt(2 / (np.pi * len(latents)))))


def total_correlation(codes: ArrayLike) -> Score:
    """Return the total correlation in nats of the normal distribution with the codes' correlations, -½ log det.

    0 where all codes are uncorrelated, infinite where one is a linear function of others; codes that never vary are
    left out. Only for normal codes is it their total correlation: for others it is what their correlations alone
    contribute. Chance is that of independent normal codes in large samples, d(d-1)/(4n).

    Source: Watanabe 1960; the "Gaussian total correlation" of Locatello et al. 2019. disentanglement_lib computes it
    from the covariance with 1/(n-1), which is the same number; there a code that never varies makes it NaN.

    Args:
        codes: (n, d).

    Raises:
        ValueError: The array has another shape.
    """
    latents = _varying(checked("codes", codes))
    n, d = latents.shape
    if d < 2:
        return Score(0.0, 0.0)
    values = np.linalg.eigvalsh(metrics.correlation(latents))
    # Rounding keeps the smallest eigenvalue of a singular matrix a little off 0, on either side.
    value = float("inf") if values[0] < 1e-12 else max(-0.5 * float(np.log(values).sum()), 0.0)
    return Score(value, d * (d - 1) / (4 * n))


def active(codes: ArrayLike, *, threshold: float = ACTIVE) -> NDArray[np.bool_]:
    """Return which units are active: those whose means μ vary over the images by more than a threshold.

    Source: Burda et al. 2016, section 5.2.

    Args:
        codes: The means μ, (n, d).
        threshold: A variance, from 0, against a prior of variance 1. With σ = 0.1 the default is also the noise's
            variance.

    Returns:
        A mask (d,).

    Raises:
        ValueError: The threshold is negative, or the array has another shape.
    """
    if not threshold >= 0:
        raise ValueError(f"threshold = {threshold!r}; allowed: numbers from 0")
    return np.asarray(checked("codes", codes).var(axis=0) > threshold)


def active_units(codes: ArrayLike, *, threshold: float = ACTIVE) -> int:
    """Return the number of `active` units."""
    return int(active(codes, threshold=threshold).sum())


def _varying(latents: Numbers) -> Numbers:
    return latents[:, np.ptp(latents, axis=0) > 0]
