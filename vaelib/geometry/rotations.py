"""What turning the axes does to a score: its values at random rotations, and its extremes. Embeddings are (n, d)."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from vaelib.statistics import Numbers, points_of

_TURNS = 16  # rotations at a time: bounds the memory, and what a processor keeps at hand is quicker


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
    points = points_of(mu)

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
