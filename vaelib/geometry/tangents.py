"""Where the sheet of an embedding lies: its factors' directions, its tangent planes, its neighbours.

Codes are (n, d), factors (n, k). The angle of the factors' directions, trustworthiness and continuity do not change
when the codes are rotated, shifted or scaled as a whole; the alignment of the tangent planes with the axes changes when
they are rotated. Nothing here loads Keras.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.manifold import trustworthiness as _trustworthiness
from sklearn.neighbors import NearestNeighbors

from vaelib.statistics import Numbers, Score, beside_chance, checked, near_zero, paired


def factor_angle(codes: ArrayLike, factors: ArrayLike, *, shuffles: int = 100, seed: int = 0) -> Score:
    """Return the angle in degrees, from 0 to 90, between the directions in which the factors move the codes.

    A factor's direction is its row of the least squares fit of the codes by all factors and a constant: how the code
    moves when that factor grows alone. The angle is that of the two lines, so signs do not matter; with more than two
    factors it is the mean over the pairs. 90 is the best. 0 stands for a factor that moves nothing. Chance, by random
    pairings: for isotropic codes 45 in two dimensions and 57.3 in three.

    Args:
        codes: (n, d).
        factors: (n, k), k from 2.
        shuffles: The number of random pairings.
        seed: The pairings are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: There are fewer than 2 factors, or an array has another shape.
    """
    latents, targets = paired(codes, factors)
    if targets.shape[1] < 2:
        raise ValueError(f"factors has shape {targets.shape}: an angle needs 2 factors or more")

    centred = targets - targets.mean(axis=0)
    fit = np.linalg.pinv(centred, rcond=np.finfo(float).eps * max(centred.shape)).T  # (n, k); a pairing permutes rows

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

    Projected on a point's tangent plane, the unit vectors of the axes have squared lengths that sum to m, the
    dimension; the m largest have a mean between m/d (all alike) and 1 (a plane of axes), which is mapped to 0 and 1.
    The score is the mean over the points; one whose neighbours do not span a plane counts 0. How the factors lie within
    the plane plays no role. Chance is the mean over random planes, uniform over all directions; a sheet rotated at
    random has it on average.

    Args:
        codes: (n, d).
        dimension: The tangent planes' dimension, from 1 to d - 1: with all d, every plane is aligned.
        n_neighbors: The neighbours that span a tangent plane, from `dimension` to n - 1.
        draws: The number of random planes for the chance level, from 1.
        seed: These are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: An option is out of range, or the array has another shape.
    """
    frames, plane = tangent_planes(codes, dimension=dimension, n_neighbors=n_neighbors)
    d = frames.shape[1]
    if draws < 1:
        raise ValueError(f"draws = {draws!r}; allowed: whole numbers from 1")
    values = np.where(plane, alignment_of_planes(frames), 0.0)
    drawn = stats.ortho_group.rvs(d, size=draws, random_state=np.random.default_rng(seed)).reshape(draws, d, d)
    return Score(float(values.mean()), float(alignment_of_planes(drawn[:, :, :dimension]).mean()))


def tangent_planes(codes: ArrayLike, *, dimension: int = 2, n_neighbors: int = 20) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the tangent plane of each point, spanned by the first principal axes of its nearest neighbours and itself.

    Args:
        codes: (n, d).
        dimension: The planes' dimension, from 1 to d - 1.
        n_neighbors: The number of neighbours, from `dimension` to n - 1.

    Returns:
        Orthonormal frames (n, d, dimension), their columns in no order that matters, and a mask (n,) of the points that
        have a plane. Where the neighbours do not span one, some columns are arbitrary.

    Raises:
        ValueError: An option is out of range, or the array has another shape.
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
    """Return how far neighbours among the codes are neighbours in `space` too, from 0 to 1.

    1 - 2/(n k (2n - 3k - 1)) Σ_i Σ_j max(0, r(i, j) - k) over each code's k = `n_neighbors` nearest j, r the rank of j
    among the neighbours of i in `space`. Chance, the exact mean for random ranks, is about 1/2. Codes that are all
    equal have no neighbours of their own and score near chance.

    Source: Venna & Kaski 2001, as in scikit-learn.

    Args:
        space: The same n images as factors or as pixels, (n, m); distances are Euclidean, so the units of its columns
            matter.
        codes: (n, d).
        n_neighbors: The number k of neighbours, from 1 to less than n/2.
        points: The most images that are used, since the cost grows with the square.
        seed: Of more images, `points` are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: An array has another shape, or there are too many neighbours.
    """
    near, far = _drawn(space, codes, n_neighbors, points, seed)
    value = _trustworthiness(near, far, n_neighbors=n_neighbors, metric="euclidean")
    return Score(float(value), _rank_chance(len(near), n_neighbors))


def continuity(
    space: ArrayLike, codes: ArrayLike, *, n_neighbors: int = 10, points: int = 1000, seed: int = 0
) -> Score:
    """Return how far neighbours in `space` are neighbours among the codes too: `trustworthiness` the other way round.

    It is low where the sheet is torn, whereas that is low where the sheet is folded upon itself. The arguments and
    errors are those of `trustworthiness`. Source: Venna & Kaski 2001.
    """
    near, far = _drawn(space, codes, n_neighbors, points, seed)
    value = _trustworthiness(far, near, n_neighbors=n_neighbors, metric="euclidean")
    return Score(float(value), _rank_chance(len(near), n_neighbors))


def alignment_of_planes(frames: Numbers) -> Numbers:
    """Return how nearly planes are planes of axes, (n,): 1 for planes of m axes, 0 where all d axes are alike.

    Args:
        frames: Orthonormal frames (n, d, m), m < d.
    """
    return nearness_to_axes((frames**2).sum(axis=2).T, frames.shape[2])


def nearness_to_axes(lengths: Numbers, m: int) -> Numbers:
    """Return what `alignment_of_planes` does, (..., n), from 0 to 1, from lengths.

    Args:
        lengths: (..., d, n), the squared lengths of the d axes' unit vectors projected on n planes.
        m: The planes' dimension.
    """
    d = lengths.shape[-2]
    longest = [np.zeros_like(lengths[..., 0, :])] * m
    for i in range(d):  # d is small, so that inserting them in turn is far quicker than a sort
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
