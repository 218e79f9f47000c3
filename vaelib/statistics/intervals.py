"""Confidence intervals of means and shares, by scipy.stats. Independent values; nothing here loads Keras."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Interval(NamedTuple):
    """An estimate and the ends of its interval, which are infinite for a single value."""

    estimate: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the interval's length."""
        return (self.high - self.low) / 2


def of_mean(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the mean with Student's t interval.

    Args:
        values: (n,), n from 1.
        level: The confidence level, within (0, 1).

    Raises:
        ValueError: `values` has another shape.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) == 0:
        raise ValueError(f"values has shape {numbers.shape}; allowed: (n,) with n from 1")
    deviation = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else np.inf
    return from_moments(float(np.mean(numbers)), deviation, len(numbers), level=level)


def from_moments(mean: float, deviation: float, n: int, *, level: float = 0.95) -> Interval:
    """Return Student's t interval of a mean, given n values' mean and standard deviation (with n - 1)."""
    quantile = float(stats.t.ppf((1 + level) / 2, n - 1)) if n > 1 else np.inf
    # Where all values are equal, the interval is a point.
    half = quantile * deviation / np.sqrt(n) if deviation != 0 else 0.0
    return Interval(mean, mean - half, mean + half)


def of_share(share: float, n: int, *, level: float = 0.95) -> Interval:
    """Return a share of n trials with its exact interval (Clopper & Pearson 1934), within [0, 1].

    Args:
        share: From 0 to 1. For whole numbers of hits the interval is that of
            `scipy.stats.binomtest(...).proportion_ci(method="exact")`; planning a number of trials needs others too.
        n: The number of trials.
        level: The confidence level, within (0, 1).
    """
    hits, tail = share * n, (1 - level) / 2
    low = float(stats.beta.ppf(tail, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return Interval(share, low, high)


def of_uniforms(n: int) -> tuple[float, float]:
    """Return the 95 % range of the mean of n independent uniforms on [0, 1] (normal approximation)."""
    half = float(stats.norm.ppf(0.975)) / np.sqrt(12 * n)
    return max(0.0, 0.5 - half), min(1.0, 0.5 + half)
