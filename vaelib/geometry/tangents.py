"""Where the sheet of an embedding lies: its factors' directions, its tangent planes, its neighbours.

Codes are (n, d), factors (n, k). The angle of the factors' directions, trustworthiness and continuity do not change
when the codes are turned, moved or scaled as a whole; the alignment of the tangent planes with the axes does when they
are turned. Nothing here loads Keras.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.manifold import trustworthiness as _trustworthiness
from sklearn.neighbors import NearestNeighbors

from vaelib.statistics import Score, beside_chance, checked, near_zero, paired

Numbers = NDArray[np.float64]


def factor_angle(codes: ArrayLike, factors: ArrayLike, *, shuffles: int = 100, seed: int = 0) -> Score:
    """Return the angle in degrees, from 0 to 90, between the directions in which the factors move the codes.

    A factor's direction is its row of the least squares fit of the codes by all factors and a constant: how the
    code moves when that factor grows alone. The angle is that of the two lines, so signs do not matter; with more
    than two factors it is the mean over the pairs. 90 is the best. 0 stands for a factor that moves nothing.
    Chance, by random pairings: for isotropic codes 45 in two dimensions and 57.3 in three. Raises ValueError for
    fewer than 2 factors or arrays of other shapes.
    """
    latents, targets = paired(codes, factors)
    if targets.shape[1] < 2:
        raise ValueError(f"factors has shape {targets.shape}: an angle needs 2 factors or more")

    centred = targets - targets.mean(axis=0)
    fit = np.linalg.pinv(centred, rcond=np.finfo(float).eps * max(centred.shape)).T  # (n, k); a pairing deals out rows

    def value(latents: Numbers, fit: Numbers) -> float:
        directions = fit.T @ (latents - latents.mean(axis=0))  # (k, d)
        lengths = np.linalg.norm(directions, axis=1)
        first, second = np.triu_indices(len(directions), 1)
        scale = lengths[first] * lengths[second]
        cosine = np.abs((directions[first] * directions[second]).sum(axis=1))
        cosine = np.divide(cosine, scale, out=np.ones_like(scale), where=scale > 0)
        return float(np.degrees(np.arccos(np.clip(cosine, 0, 1))).mean())

    return beside_chance(value, latents, fit, shuffles=shuffles, seed=seed)


def tangent_alignment(
    codes: ArrayLike, *, dimension: int = 2, n_neighbors: int = 20, draws: int = 2000, seed: int = 0
) -> Score:
    """Return how nearly the tangent planes of a sheet are planes of `dimension` axes, from 0 to 1.

    A point's tangent plane is spanned by the first `dimension` principal axes of its `n_neighbors` nearest
    neighbours and itself. Projected on it, the unit vectors of the axes have squared lengths that sum to m, the
    dimension; their m largest have a mean between m/d (all alike) and 1 (a plane of axes), which is moved to 0 and
    1. The score is the mean over the points; one whose neighbours do not span a plane counts 0. How the factors lie
    within the plane is not asked. Chance: the mean over `draws` planes, uniform over all directions, from
    `numpy.random.default_rng(seed)`; a sheet turned at random has it on average.

    Raises ValueError unless 1 ≤ dimension < d (in as many dimensions as axes every plane is aligned), dimension ≤
    n_neighbors < n and draws ≥ 1.
    """
    frames, plane = tangent_planes(codes, dimension=dimension, n_neighbors=n_neighbors)
    d = frames.shape[1]
    if draws < 1:
        raise ValueError(f"draws = {draws!r}; allowed: whole numbers from 1")
    values = np.where(plane, alignment_of_planes(frames), 0.0)
    drawn = stats.ortho_group.rvs(d, size=draws, random_state=np.random.default_rng(seed)).reshape(draws, d, d)
    return Score(float(values.mean()), float(alignment_of_planes(drawn[:, :, :dimension]).mean()))


def tangent_planes(codes: ArrayLike, *, dimension: int = 2, n_neighbors: int = 20) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the tangent plane of each point as an orthonormal frame, (n, d, dimension), and where there is one, (n,).

    A frame's columns are the first principal axes of the point's nearest neighbours and itself, in no order that
    matters; where the neighbours do not span a plane, some of them mean nothing. Raises ValueError unless 1 ≤
    dimension < d and dimension ≤ n_neighbors < n.
    """
    points = checked("codes", codes)
    n, d = points.shape
    if not 1 <= dimension < d:
        raise ValueError(f"dimension = {dimension!r}; allowed: 1 to {d - 1}, less than the codes' dimensions")
    if not dimension <= n_neighbors < n:
        raise ValueError(f"n_neighbors = {n_neighbors!r}; allowed: {dimension} to {n - 1}")
    finder = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm="kd_tree", metric="minkowski", p=2, n_jobs=1)
    near = points[finder.fit(points).kneighbors(points, return_distance=False)]  # (n, n_neighbors + 1, d)
    near = near - near.mean(axis=1, keepdims=True)
    variances, axes = np.linalg.eigh(np.einsum("npi,npj->nij", near, near))  # ascending
    plane = variances[:, -dimension] > 1e-12 * max(float(variances[:, -1].max()), np.finfo(float).tiny)
    return axes[:, :, -dimension:], plane


def trustworthiness(
    space: ArrayLike, codes: ArrayLike, *, n_neighbors: int = 10, points: int = 1000, seed: int = 0
) -> Score:
    """Return how far neighbours among the codes are neighbours in `space` (n, m) too, from 0 to 1.

    `space` holds the same n images as factors or as pixels; its distances are Euclidean, so the units of its columns
    matter. 1 - 2/(n k (2n - 3k - 1)) Σ_i Σ_j max(0, r(i, j) - k) over each code's k = `n_neighbors` nearest j, r the
    rank of j among the neighbours of i in `space`. Of more than `points` images as many are drawn at random
    (`numpy.random.default_rng(seed)`), since the cost grows with the square. Chance, the exact mean for ranks at
    random, is about 1/2. Codes that are all equal have no neighbours of their own and come out near
    chance. Raises ValueError for arrays of other shapes and unless 1 ≤ n_neighbors < n/2.

    Source: Venna & Kaski 2001, as in scikit-learn.
    """
    near, far = _drawn(space, codes, n_neighbors, points, seed)
    value = _trustworthiness(near, far, n_neighbors=n_neighbors, metric="euclidean")
    return Score(float(value), _rank_chance(len(near), n_neighbors))


def continuity(
    space: ArrayLike, codes: ArrayLike, *, n_neighbors: int = 10, points: int = 1000, seed: int = 0
) -> Score:
    """Return how far neighbours in `space` are neighbours among the codes too: `trustworthiness` the other way round.

    Low where the sheet is torn, as that is low where it is folded upon itself. Source: Venna & Kaski 2001.
    """
    near, far = _drawn(space, codes, n_neighbors, points, seed)
    value = _trustworthiness(far, near, n_neighbors=n_neighbors, metric="euclidean")
    return Score(float(value), _rank_chance(len(near), n_neighbors))


def alignment_of_planes(frames: Numbers) -> Numbers:
    """Return (n,) from orthonormal frames (n, d, m), m < d: 1 for planes of m axes, 0 where all d axes are alike."""
    return nearness_to_axes((frames**2).sum(axis=2).T, frames.shape[2])


def nearness_to_axes(lengths: Numbers, m: int) -> Numbers:
    """Return (..., n), from 0 to 1, as `alignment_of_planes` does.

    lengths: (..., d, n), the squared lengths of the d axes' unit vectors projected on n planes of m dimensions.
    """
    d = lengths.shape[-2]
    longest = [np.zeros_like(lengths[..., 0, :])] * m
    for i in range(d):  # d is small, and a sort along it takes far longer than to insert one after the other
        entering = lengths[..., i, :]
        for k in range(m):
            longest[k], entering = np.maximum(longest[k], entering), np.minimum(longest[k], entering)
    return np.clip((np.add.reduce(longest) / m - m / d) / (1 - m / d), 0, 1)


def _drawn(space: ArrayLike, codes: ArrayLike, n_neighbors: int, points: int, seed: int) -> tuple[Numbers, Numbers]:
    latents, originals = map(near_zero, paired(codes, space))
    if len(latents) > points:
        rows = np.sort(np.random.default_rng(seed).choice(len(latents), size=points, replace=False))
        latents, originals = latents[rows], originals[rows]
    if not 1 <= n_neighbors < len(latents) / 2:
        raise ValueError(f"n_neighbors = {n_neighbors!r}; allowed: 1 to less than half of {len(latents)} points")
    return originals, latents


def _rank_chance(n: int, k: int) -> float:
    return 1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1))
