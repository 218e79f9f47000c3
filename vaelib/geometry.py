"""The shape of an embedding: its intrinsic dimension, what turning the axes does to it, how far curves in it turn.

Points are (n, d). Nothing here loads Keras.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, stats
from sklearn.neighbors import NearestNeighbors

Numbers = NDArray[np.float64]

_TURNS = 16  # rotations at a time: bounds the memory, and what a processor keeps at hand is quicker


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
        raise ValueError(f"discard = {discard!r}, level = {level!r}: allowed are [0, 1) and (0, 1)")
    distinct = np.unique(_points(points), axis=0)
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
    array = _points(points)
    order = np.random.default_rng(seed).permutation(len(array))
    return [twonn(array[order[:size]], **options) for size in sizes]


@dataclass(frozen=True, eq=False)
class Rotations:
    """The values of a score over the rotations of one embedding about the origin.

    `value`: as it stands; `samples` (n,): at random rotations, uniform over all of them; `lowest`, `highest`: the
    extremes found; `at_lowest`, `at_highest` (d, d): the rotations R that reach them, as in `mu @ R.T`.
    """

    value: float
    samples: Numbers
    lowest: float
    highest: float
    at_lowest: Numbers
    at_highest: Numbers

    @property
    def position(self) -> float:
        """Where the value lies between lowest (0) and highest (1); 0 when the score does not depend on rotation."""
        reach = self.highest - self.lowest
        return (self.value - self.lowest) / reach if reach > 0 else 0.0

    @property
    def rank(self) -> float:
        """The share of random rotations with a lower score than the value: 0.5 is what chance gives on average."""
        return float(np.mean(self.samples < self.value))


def random_rotations(d: int, samples: int, *, seed: int = 0) -> Numbers:
    """Return (samples, d, d): rotations uniform over SO(d), from `numpy.random.default_rng(seed)`."""
    generator = np.random.default_rng(seed)
    turns = stats.special_ortho_group.rvs(d, size=samples, random_state=generator) if d > 1 else np.ones((samples, 1))
    return np.asarray(turns).reshape(samples, d, d)


def over_rotations(score: Callable[[Numbers], float], mu: ArrayLike, *, samples: int = 600, seed: int = 0) -> Rotations:
    """Return how `score` changes as the embedding `mu` (n, d) is turned about the origin.

    It is asked of `random_rotations`; from the two lowest and the two highest of them, and from the embedding as it
    stands, a Nelder-Mead search goes on. The score should not care for the sign or the order of the
    latents (then reflections add nothing). For d = 1 there is nothing to turn.
    """
    points = _points(mu)

    def scores(turns: Numbers) -> Numbers:
        return np.array([score(points @ turn.T) for turn in turns])

    return search_rotations(scores, points.shape[1], samples=samples, seed=seed)


def search_rotations(scores: Callable[[Numbers], Numbers], d: int, *, samples: int = 600, seed: int = 0) -> Rotations:
    """Return `over_rotations` of a score that is quicker for many rotations at once.

    scores: rotations R (r, d, d), a few at a time, to the scores (r,) of `mu @ R.T`.
    """
    turns = random_rotations(d, samples, seed=seed)
    values = np.concatenate([scores(turns[start : start + _TURNS]) for start in range(0, samples, _TURNS)])
    order = np.argsort(values)
    # The embedding as it stands is a start too: it may lie at an extreme that no random rotation came near.
    own = np.eye(d)[None]
    starts = np.concatenate([turns[order[:2]], own, turns[order[-2:]], own])
    lower = len(starts) // 2  # as many starts go down as up
    signs = np.repeat([1.0, -1.0], lower)
    found, places = _descend(scores, starts, signs)
    lowest, highest = int(np.argmin(found[:lower])), lower + int(np.argmax(found[lower:]))
    return Rotations(
        float(scores(own)[0]), values, float(found[lowest]), float(found[highest]), places[lowest], places[highest]
    )


def turning(curve: ArrayLike) -> float:
    """Return the total turning of a curve (m, d) in degrees: the sum of the angles between successive steps.

    0 for a straight line, 180 for a half circle. Steps of no length are left out. Raises ValueError for fewer
    than 2 points.
    """
    steps = np.diff(_points(curve), axis=0)
    if len(steps) == 0:
        raise ValueError("a curve needs 2 points or more")
    lengths = np.linalg.norm(steps, axis=1)
    directions = steps[lengths > 0] / lengths[lengths > 0, None]
    # Half the chord of two unit vectors is the sine of half their angle: exact for small angles, unlike arccos.
    chords = np.linalg.norm(np.diff(directions, axis=0), axis=1)
    return float(np.degrees(2 * np.arcsin(np.clip(chords / 2, 0, 1))).sum())


@dataclass(frozen=True, eq=False)
class Sheet:
    """A smooth map from two factors to the latent space, a polynomial of some degree in each of them.

    `coefficients` (degree + 1, degree + 1, d), of Legendre polynomials over the factors' range from `low` (2,) to
    `high` (2,); `explained`: the share of the embedding's variance that the map explains.
    """

    coefficients: Numbers
    low: Numbers
    high: Numbers
    explained: float

    def __call__(self, factors: ArrayLike) -> Numbers:
        """Return the points (n, d) of factors (n, 2)."""
        place = _unit(factors, self.low, self.high)
        values: Numbers = legendre.legval2d(place[:, 0], place[:, 1], self.coefficients)  # type: ignore[assignment]
        return values.T

    def lines(self, factor: int, *, lines: int = 7, points: int = 61) -> list[Numbers]:
        """Return curves (points, d) along which factor 0 or 1 is constant and the other runs over its range.

        The constants are equally spaced over the middle 80 % of the range: at its ends a polynomial is least sure.
        """
        share = np.linspace(0, 1, points)
        curves = []
        for constant in np.linspace(0.1, 0.9, lines):
            place = np.column_stack([np.full(points, constant), share])
            curves.append(self(self.low + (self.high - self.low) * (place if factor == 0 else place[:, ::-1])))
        return curves


def fit_sheet(factors: ArrayLike, mu: ArrayLike, *, degree: int = 4) -> Sheet:
    """Return the `Sheet` that fits an embedding mu (n, d) of images with factors (n, 2) by least squares.

    It averages over the grain of single images, which would dominate any turning taken from point to point; what
    grain is left still adds some turning and never takes any away, so compare with `straight_control`. Raises
    ValueError for arrays of other shapes or fewer than (degree + 1)² points.
    """
    points, places = _points(mu), _points(factors)
    if places.shape != (len(points), 2) or len(points) < (degree + 1) ** 2:
        raise ValueError(
            f"factors has shape {places.shape}, mu {points.shape}: allowed are (n, 2) and (n, d), with n from "
            f"{(degree + 1) ** 2} for degree {degree}"
        )
    low, high = places.min(axis=0), places.max(axis=0)
    unit = _unit(places, low, high)
    basis = legendre.legvander2d(unit[:, 0], unit[:, 1], [degree, degree])  # (n, (degree + 1)²)
    flat = np.asarray(np.linalg.lstsq(basis, points, rcond=None)[0], dtype=np.float64)
    left = (points - basis @ flat).var(axis=0).sum() / max(points.var(axis=0).sum(), np.finfo(float).tiny)
    return Sheet(flat.reshape(degree + 1, degree + 1, -1), low, high, float(1 - left))


def straight_control(factors: ArrayLike, mu: ArrayLike, *, degree: int = 4, seed: int = 0) -> Sheet:
    """Return the `Sheet` fitted to a flat embedding with the grain of `mu`: what turning grain alone would show.

    The flat embedding is a linear map of the factors, fitted to `mu`, plus what `fit_sheet` left unexplained, dealt out
    anew among the images with `numpy.random.default_rng(seed)`.
    """
    points, places = _points(mu), _points(factors)
    grain = points - fit_sheet(places, points, degree=degree)(places)
    flat = fit_sheet(places, points, degree=1)
    # Degree 1 in each factor still has their product, which bends; without it the map is linear.
    flat.coefficients[1, 1] = 0
    return fit_sheet(places, flat(places) + np.random.default_rng(seed).permutation(grain), degree=degree)


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
    finder = NearestNeighbors(n_neighbors=1, metric="minkowski", p=2).fit(_points(others))
    return finder.kneighbors(_points(points))[0][:, 0]


def _descend(scores: Callable[[Numbers], Numbers], starts: Numbers, signs: Numbers) -> tuple[Numbers, Numbers]:
    """Return the lowest (sign 1) or highest (sign -1) score near each of the starts (s, d, d), and the rotations.

    The searches know nothing of each other; they go side by side so that all they ask for is one call.
    """
    d = starts.shape[1]
    if d == 1:
        return scores(starts), starts
    rows, columns = np.triu_indices(d, 1)

    def rotations(angles: Numbers, owner: NDArray[np.int64]) -> Numbers:
        half = np.zeros((len(angles), d, d))
        half[:, rows, columns] = angles / 2
        half -= half.transpose(0, 2, 1)
        # Cayley's transform: for small angles the rotation by them, and far cheaper than the exponential.
        return np.linalg.solve(np.eye(d) - half, np.eye(d) + half) @ starts[owner]

    searches = [_simplex_search(len(rows)) for _ in starts]
    asked = {k: next(search) for k, search in enumerate(searches)}
    found, angles = np.empty(len(starts)), np.empty((len(starts), len(rows)))
    while asked:
        owner = np.repeat(list(asked), [len(points) for points in asked.values()])
        values = signs[owner] * scores(rotations(np.concatenate(list(asked.values())), owner))
        for k in list(asked):
            try:
                asked[k] = searches[k].send(values[owner == k])
            except StopIteration as end:
                found[k], angles[k] = end.value
                del asked[k]
    return signs * found, rotations(angles, np.arange(len(starts)))


def _simplex_search(n: int) -> Generator[Numbers, Numbers, tuple[float, Numbers]]:
    """Search for the lowest value near 0 in n dimensions: yield points (m, n), be sent their values (m,), return both.

    Source: Nelder & Mead 1965, step by step as SciPy has it.
    """
    corners = np.vstack([np.zeros(n), 0.15 * np.eye(n)])  # radians
    values = yield corners
    asked = len(corners)
    while True:
        order = np.argsort(values)
        corners, values = corners[order], values[order]
        small = np.abs(corners[1:] - corners[0]).max() <= 1e-3 and values[-1] - values[0] <= 1e-9
        if small or asked >= 60 * n:
            return float(values[0]), corners[0]
        centre = corners[:-1].mean(axis=0)
        away = centre - corners[-1]
        point, asked = centre + away, asked + 1
        value = (yield point[None])[0]
        if value < values[0] or not value < values[-2]:
            step = 2 if value < values[0] else 0.5 if value < values[-1] else -0.5
            other, asked = centre + step * away, asked + 1
            second = (yield other[None])[0]
            if second < min(value, values[-1]) or (step == 0.5 and second == value):
                point, value = other, second
            elif step != 2:
                corners = corners[0] + (corners - corners[0]) / 2
                values[1:] = yield corners[1:]
                asked += n
                continue
        corners[-1], values[-1] = point, value


def _unit(factors: ArrayLike, low: Numbers, high: Numbers) -> Numbers:
    """Return factors (n, 2) moved from the range low … high to -1 … 1."""
    return 2 * (_points(factors) - low) / np.maximum(high - low, np.finfo(float).tiny) - 1


def _points(values: ArrayLike) -> Numbers:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"the points have shape {array.shape}: allowed is (n, d)")
    if not np.isfinite(array).all():
        raise ValueError("the points are not all finite: allowed are finite numbers")
    return array
