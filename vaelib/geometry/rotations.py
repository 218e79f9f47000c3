"""What rotating the axes does to a score: its values at random rotations, and its extremes. Embeddings are (n, d)."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from vaelib.statistics import Numbers, points_of

_AT_ONCE = 16  # rotations: bounds the memory, and what fits a processor's cache is quicker


@dataclass(frozen=True, eq=False)
class Rotations:
    """The values of a score over the rotations of an embedding about the origin."""

    value: float
    """The score of the embedding as it stands."""
    samples: Numbers
    """The scores at random rotations, uniform over all of them, (n,)."""
    lowest: float
    """The lowest score found."""
    highest: float
    """The highest score found."""
    at_lowest: Numbers
    """The rotation R (d, d) with the lowest score, as in `mu @ R.T`."""
    at_highest: Numbers
    """The rotation R (d, d) with the highest score."""

    @property
    def position(self) -> float:
        """Where the value lies between lowest (0) and highest (1); 0 when the score does not depend on rotation."""
        reach = self.highest - self.lowest
        return (self.value - self.lowest) / reach if reach > 0 else 0.0

    @property
    def rank(self) -> float:
        """The share of random rotations with a lower score than the value; by chance 0.5 on average."""
        return float(np.mean(self.samples < self.value))


def random_rotations(d: int, samples: int, *, seed: int = 0) -> Numbers:
    """Return rotations uniform over SO(d), (samples, d, d), from `numpy.random.default_rng(seed)`."""
    generator = np.random.default_rng(seed)
    rotations = (
        stats.special_ortho_group.rvs(d, size=samples, random_state=generator) if d > 1 else np.ones((samples, 1))
    )
    return np.asarray(rotations).reshape(samples, d, d)


def over_rotations(score: Callable[[Numbers], float], mu: ArrayLike, *, samples: int = 600, seed: int = 0) -> Rotations:
    """Return how a score changes as an embedding is rotated about the origin.

    The score is evaluated at `random_rotations`; Nelder-Mead searches start from the two lowest and the two highest of
    these, and from the embedding as it stands. For d = 1 there is nothing to rotate.

    Args:
        score: From an embedding (n, d) to a number. It should not depend on the sign or the order of the latents; then
            reflections add nothing.
        mu: The embedding (n, d).
        samples: The number of random rotations.
        seed: The random rotations are drawn from `numpy.random.default_rng(seed)`.
    """
    points = points_of(mu)

    def scores(rotations: Numbers) -> Numbers:
        return np.array([score(points @ rotation.T) for rotation in rotations])

    return search_rotations(scores, points.shape[1], samples=samples, seed=seed)


def search_rotations(scores: Callable[[Numbers], Numbers], d: int, *, samples: int = 600, seed: int = 0) -> Rotations:
    """Return `over_rotations` of a score that is quicker for many rotations at once.

    Args:
        scores: From rotations R (r, d, d), a few at a time, to the scores (r,) of `mu @ R.T`.
        d: The dimension of the embedding.
        samples: The number of random rotations.
        seed: The random rotations are drawn from `numpy.random.default_rng(seed)`.
    """
    rotations = random_rotations(d, samples, seed=seed)
    values = np.concatenate([scores(rotations[start : start + _AT_ONCE]) for start in range(0, samples, _AT_ONCE)])
    order = np.argsort(values)
    # The embedding as it stands is a start too: it may lie at an extreme that no random rotation came near.
    identity = np.eye(d)[None]
    starts = np.concatenate([rotations[order[:2]], identity, rotations[order[-2:]], identity])
    lower = len(starts) // 2  # as many starts go down as up
    signs = np.repeat([1.0, -1.0], lower)
    extremes, reached_at = _descend(scores, starts, signs)
    lowest, highest = int(np.argmin(extremes[:lower])), lower + int(np.argmax(extremes[lower:]))
    return Rotations(
        float(scores(identity)[0]),
        values,
        float(extremes[lowest]),
        float(extremes[highest]),
        reached_at[lowest],
        reached_at[highest],
    )


def _descend(scores: Callable[[Numbers], Numbers], starts: Numbers, signs: Numbers) -> tuple[Numbers, Numbers]:
    """Return the lowest (sign 1) or highest (sign -1) score near each of the starts (s, d, d), and the rotations there.

    The searches are independent; they run side by side so that the scores that all of them need come from one call.
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
    pending = {k: next(search) for k, search in enumerate(searches)}
    best, angles = np.empty(len(starts)), np.empty((len(starts), len(rows)))
    while pending:
        owner = np.repeat(list(pending), [len(points) for points in pending.values()])
        values = signs[owner] * scores(rotations(np.concatenate(list(pending.values())), owner))
        for k in list(pending):
            try:
                pending[k] = searches[k].send(values[owner == k])
            except StopIteration as end:
                best[k], angles[k] = end.value
                del pending[k]
    return signs * best, rotations(angles, np.arange(len(starts)))


def _simplex_search(n: int) -> Generator[Numbers, Numbers, tuple[float, Numbers]]:
    """Search for the lowest value near 0 in n dimensions: yield points (m, n), receive their values (m,), return both.

    Source: Nelder & Mead 1965, step by step as in SciPy.
    """
    corners = np.vstack([np.zeros(n), 0.15 * np.eye(n)])  # radians
    values = yield corners
    evaluated = len(corners)
    while True:
        order = np.argsort(values)
        corners, values = corners[order], values[order]
        small = np.abs(corners[1:] - corners[0]).max() <= 1e-3 and values[-1] - values[0] <= 1e-9
        if small or evaluated >= 60 * n:
            return float(values[0]), corners[0]
        centre = corners[:-1].mean(axis=0)
        away = centre - corners[-1]
        point, evaluated = centre + away, evaluated + 1
        value = (yield point[None])[0]
        if value < values[0] or not value < values[-2]:
            step = 2 if value < values[0] else 0.5 if value < values[-1] else -0.5
            other, evaluated = centre + step * away, evaluated + 1
            second = (yield other[None])[0]
            if second < min(value, values[-1]) or (step == 0.5 and second == value):
                point, value = other, second
            elif step != 2:
                corners = corners[0] + (corners - corners[0]) / 2
                values[1:] = yield corners[1:]
                evaluated += n
                continue
        corners[-1], values[-1] = point, value
