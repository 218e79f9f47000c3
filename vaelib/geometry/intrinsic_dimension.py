"""How many dimensions an embedding has, from the distances to nearest neighbours. Points are (n, d)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, stats
from sklearn.neighbors import NearestNeighbors

from vaelib.statistics import Numbers, points_of


@dataclass(frozen=True)
class Dimension:
    """An estimate of an intrinsic dimension."""

    estimate: float
    """The estimated dimension."""
    low: float
    """The lower end of its interval."""
    high: float
    """The upper end of its interval."""
    n: int
    """The number of distinct points."""
    discarded: float
    """The share of the largest ratios of which only the number was used."""
    level: float
    """The interval's confidence level."""


def twonn(points: ArrayLike, *, discard: float = 0.1, level: float = 0.95) -> Dimension:
    """Estimate the intrinsic dimension from each point's two nearest neighbours (TwoNN).

    Where the density hardly changes over a point's neighbourhood, log(r2/r1), the log ratio of the distances to the
    second and the first neighbour, is exponentially distributed with the dimension as rate, whatever the density. The
    estimate is the maximum likelihood one for such a sample (type II censoring), r/T with r the number of ratios used
    and T the total of the logs.

    The interval is that of a normal distribution for the logarithm of the estimate. Points near each other share
    neighbours, so their ratios are not independent, and the spread allows for that (a sandwich estimate): the product
    of two points' terms of the score counts wherever the points, each taken with its two neighbours, have one in
    common. It allows neither for curvature nor for edges: judge the bias on a control of known dimension.

    Source: Facco, d'Errico, Rodriguez & Laio 2017, who fit a line to the same sample; the censored likelihood is the
    textbook one for exponential lifetimes, for which an interval by χ² with 2r degrees of freedom would follow if the
    ratios were independent.

    Args:
        points: (n, d). Duplicates are dropped first, so that no first distance is zero.
        discard: The share of the largest ratios, in [0, 1), that count only as "larger than the rest", since they come
            from sparse places.
        level: The interval's confidence level, in (0, 1).

    Raises:
        ValueError: Fewer than 10 distinct points remain, they lie on a lattice, or `discard` or `level` is out of
            range.
    """
    if not (0 <= discard < 1 and 0 < level < 1):
        raise ValueError(f"discard = {discard!r}, level = {level!r}; allowed: [0, 1) and (0, 1)")
    distinct = np.unique(points_of(points), axis=0)
    n = len(distinct)
    if n < 10:
        raise ValueError(f"{n} distinct points: the estimate needs 10 or more")
    finder = NearestNeighbors(n_neighbors=3, algorithm="kd_tree", metric="minkowski", p=2).fit(distinct)
    distances, triplets = finder.kneighbors(distinct)
    logs = np.log(distances[:, 2] / distances[:, 1])
    used = max(1, round(n * (1 - discard)))
    limit = np.partition(logs, used - 1)[used - 1]
    counted = np.minimum(logs, limit)
    if counted.sum() <= 0:
        raise ValueError("the points lie on a lattice: all first and second neighbours are equally far away")
    estimate = used / counted.sum()
    score = (logs <= limit) - estimate * counted  # (n,), sums to zero
    members = sparse.csr_array((np.ones(3 * n), (np.repeat(np.arange(n), 3), triplets.ravel())), shape=(n, n))
    overlap = (members @ members.T).astype(bool).astype(np.float64)
    spread = np.sqrt(max(score @ (overlap @ score), 0.0)) / used  # of the estimate's logarithm
    factor = np.exp(stats.norm.ppf((1 + level) / 2) * spread)
    return Dimension(float(estimate), float(estimate / factor), float(estimate * factor), n, discard, level)


def twonn_by_scale(points: ArrayLike, sizes: Sequence[int], *, seed: int = 0, **options: float) -> list[Dimension]:
    """Return `twonn` of random subsets of several sizes: fewer points show the shape at a coarser scale.

    A dimension is meaningful when the estimate stays level over scales (Facco et al. 2017). Further options are those
    of `twonn`.

    Args:
        points: (n, d).
        sizes: The numbers of points. Each subset is part of the next larger one.
        seed: The subsets are drawn from `numpy.random.default_rng(seed)`.

    Returns:
        An estimate for each size.
    """
    array = points_of(points)
    order = np.random.default_rng(seed).permutation(len(array))
    return [twonn(array[order[:size]], **options) for size in sizes]


def flat_control(n: int, d: int = 3, *, sides: Sequence[float] = (1.0, 1.0), seed: int = 0) -> Numbers:
    """Return uniform points on a flat, randomly rotated rectangle: a sheet of known dimension to judge an estimator by.

    Args:
        n: The number of points.
        d: The dimensions of the space around it.
        sides: The rectangle's sides; their number is its dimension.
        seed: All is drawn from `numpy.random.default_rng(seed)`.

    Returns:
        The points (n, d).

    Raises:
        ValueError: `d` is less than the rectangle's dimension.
    """
    if len(sides) > d:
        raise ValueError(f"d = {d!r}: a sheet with {len(sides)} sides needs {len(sides)} dimensions or more")
    generator = np.random.default_rng(seed)
    flat = np.zeros((n, d))
    flat[:, : len(sides)] = generator.uniform(-0.5, 0.5, size=(n, len(sides))) * np.asarray(sides)
    rotation = stats.special_ortho_group.rvs(d, random_state=generator) if d > 1 else np.eye(1)
    return flat @ rotation.T


def distance_to_nearest(points: ArrayLike, others: ArrayLike) -> Numbers:
    """Return (n,): the distance from each of `points` (n, d) to the nearest of `others` (m, d)."""
    finder = NearestNeighbors(n_neighbors=1, metric="minkowski", p=2).fit(points_of(others))
    return finder.kneighbors(points_of(points))[0][:, 0]
