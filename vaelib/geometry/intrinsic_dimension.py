"""How many dimensions an embedding has, by the distances to nearest neighbours. Points are (n, d)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, stats
from sklearn.neighbors import NearestNeighbors

from vaelib.statistics import Numbers, points_of


@dataclass(frozen=True)
class Dimension:
    """An estimate of an intrinsic dimension.

    `estimate`, and the ends `low`, `high` of its interval at confidence `level`; `n`: the number of distinct
    points; `discarded`: the share of the largest ratios of which only the number was used.
    """

    estimate: float
    low: float
    high: float
    n: int
    discarded: float
    level: float


def twonn(points: ArrayLike, *, discard: float = 0.1, level: float = 0.95) -> Dimension:
    """Estimate the intrinsic dimension from each point's two nearest neighbours (TwoNN).

    Where the density hardly changes over a point's neighbourhood, log(r2/r1), the log ratio of the distances to
    the second and the first neighbour, is exponentially distributed with the dimension as rate, whatever the
    density. `discard`: the share of the largest ratios that count only as "larger than the rest", since they
    come from sparse places. The estimate is the maximum likelihood one for such a sample (type II censoring),
    r/T with r the ratios used and T the total of the logs.

    The interval is that of a normal distribution for the logarithm of the estimate. Points that lie near each other
    share neighbours, so their ratios are not independent, and the spread allows for that (a sandwich estimate): the
    product of two points' terms of the score counts wherever the points, each taken with its two neighbours, have one
    in common. Of curvature and edges it knows nothing: judge the bias on a control of known dimension.

    Duplicates are dropped first, so that no first distance is zero. Raises ValueError when fewer than 10
    distinct points remain, or for a share or a level outside [0, 1).

    Source: Facco, d'Errico, Rodriguez & Laio 2017, who fit a line to the same sample; the censored likelihood
    is the textbook one for exponential lifetimes, for which an interval by χ² with 2r degrees of freedom would follow
    if the ratios were independent.
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
        raise ValueError("the points lie on a lattice: all first and second neighbours are equally far")
    estimate = used / counted.sum()
    score = (logs <= limit) - estimate * counted  # (n,), sums to zero
    members = sparse.csr_array((np.ones(3 * n), (np.repeat(np.arange(n), 3), triplets.ravel())), shape=(n, n))
    overlap = (members @ members.T).astype(bool).astype(np.float64)
    spread = np.sqrt(max(score @ (overlap @ score), 0.0)) / used  # of the estimate's logarithm
    factor = np.exp(stats.norm.ppf((1 + level) / 2) * spread)
    return Dimension(float(estimate), float(estimate / factor), float(estimate * factor), n, discard, level)


def twonn_by_scale(points: ArrayLike, sizes: Sequence[int], *, seed: int = 0, **options: float) -> list[Dimension]:
    """Return `twonn` of random subsets of the given sizes: fewer points see the shape at a coarser scale.

    A dimension is worth its name when the estimate stays level over scales (Facco et al. 2017). The subsets are
    drawn from `numpy.random.default_rng(seed)`, and each is part of the next larger one.
    """
    array = points_of(points)
    order = np.random.default_rng(seed).permutation(len(array))
    return [twonn(array[order[:size]], **options) for size in sizes]


def flat_control(n: int, d: int = 3, *, sides: Sequence[float] = (1.0, 1.0), seed: int = 0) -> Numbers:
    """Return (n, d): uniform points on a flat rectangle of the given sides, turned at random in d dimensions.

    A sheet of known dimension, `len(sides)`, to judge an estimator by. Raises ValueError when d is too small.
    """
    if len(sides) > d:
        raise ValueError(f"d = {d!r}: a sheet with {len(sides)} sides needs {len(sides)} dimensions or more")
    generator = np.random.default_rng(seed)
    flat = np.zeros((n, d))
    flat[:, : len(sides)] = generator.uniform(-0.5, 0.5, size=(n, len(sides))) * np.asarray(sides)
    turn = stats.special_ortho_group.rvs(d, random_state=generator) if d > 1 else np.eye(1)
    return flat @ turn.T


def distance_to_nearest(points: ArrayLike, others: ArrayLike) -> Numbers:
    """Return (n,): the distance from each of `points` (n, d) to the nearest of `others` (m, d)."""
    finder = NearestNeighbors(n_neighbors=1, metric="minkowski", p=2).fit(points_of(others))
    return finder.kneighbors(points_of(points))[0][:, 0]
