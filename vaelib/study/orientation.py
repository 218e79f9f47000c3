"""Where a sheet points in the latent space: its normal, its factors' directions, and whether chance would do that."""

import numpy as np
from numpy.typing import ArrayLike

from vaelib.statistics import Numbers
from vaelib.study.quantities import Row


def sheet_normal(row: Row) -> Numbers | None:
    """Return the unit normal (3,) of a run's sheet, the cross product of the factors' directions, with normal_3 ≥ 0.

    None where the directions are unknown, of no length or parallel, or the latents are not three.
    """
    ways = [factor_direction(row, factor) for factor in "ab"]
    if ways[0] is None or ways[1] is None:
        return None
    normal = np.cross(ways[0], ways[1])
    length = float(np.linalg.norm(normal))
    return _upward(normal / length) if length > 1e-9 else None


def factor_direction(row: Row, factor: str) -> Numbers | None:
    """Return the unit vector (3,) along which the latents move with a factor, turned so that its last part is ≥ 0.

    None where it is unknown or of no length, or the latents are not three.
    """
    parts = [row.get(f"direction_{factor}_{k}") for k in (1, 2, 3)]
    if None in parts or row.get("latent_dim", 3) != 3:
        return None
    way = np.array(parts, dtype=np.float64)
    length = float(np.linalg.norm(way))
    return _upward(way / length) if length > 0 else None


def equal_area(axes: ArrayLike) -> Numbers:
    """Return (n, 2): unit vectors of the upper hemisphere (n, 3) on a disc of radius 1, by Lambert's projection.

    Equal areas stay equal, so that uniform directions fill the disc evenly. The third axis is the centre, the other
    two lie on the rim. Raises ValueError for other shapes and for vectors that are not of length 1 or point down.
    """
    vectors = np.asarray(axes, dtype=np.float64)
    if vectors.ndim != 2 or vectors.shape[1] != 3:
        raise ValueError(f"axes has shape {vectors.shape}; allowed: (n, 3)")
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6) or (vectors[:, 2] < 0).any():
        raise ValueError("axes; allowed: vectors of length 1 whose third part is not negative")
    return vectors[:, :2] / np.sqrt(1 + vectors[:, 2:])


def uniform_chance(axes: ArrayLike, *, draws: int = 4999, seed: int = 0) -> float:
    """Return how often as many uniform axes lie at least as unevenly as these (n, 3), a p-value from above 0 to 1.

    Bingham's statistic, 15/2 n Σ (λ_k - 1/3)² with λ the eigenvalues of the mean of v vᵀ, compared with `draws`
    simulated sets (`numpy.random.default_rng(seed)`) rather than with its limit. It does not see the axes' signs.
    Raises ValueError for fewer than 2 axes. Source: Mardia & Jupp 2000, section 10.7.1.
    """
    vectors = np.asarray(axes, dtype=np.float64)
    if vectors.ndim != 2 or vectors.shape[1] != 3 or len(vectors) < 2:
        raise ValueError(f"axes has shape {vectors.shape}; allowed: (n, 3) with n from 2")
    drawn = np.random.default_rng(seed).standard_normal((draws, len(vectors), 3))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    by_chance = _unevenness(drawn)
    return float((1 + np.sum(by_chance >= _unevenness(vectors[None])[0] - 1e-12)) / (1 + draws))


def _upward(vector: Numbers) -> Numbers:
    return vector if vector[2] >= 0 else -vector


def _unevenness(vectors: Numbers) -> Numbers:
    """Return (m,) Bingham statistics of sets of axes (m, n, 3)."""
    n = vectors.shape[1]
    mean = np.einsum("mni,mnj->mij", vectors, vectors) / n
    return np.asarray(7.5 * n * ((mean**2).sum(axis=(1, 2)) - 1 / 3))
