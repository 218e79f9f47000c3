"""Where a sheet points in the latent space: its normal, its factors' directions, and a test for uniform directions."""

import numpy as np
from numpy.typing import ArrayLike

from vaelib.statistics import Numbers
from vaelib.study.quantities import Row


def sheet_normal(row: Row) -> Numbers | None:
    """Return the unit normal (3,) of a run's sheet, the cross product of the factors' directions, with normal_3 ≥ 0.

    None where a direction is unknown or of length 0, where the two are parallel, and unless the run has three latents.
    """
    direction_a, direction_b = (factor_direction(row, factor) for factor in "ab")
    if direction_a is None or direction_b is None:
        return None
    normal = np.cross(direction_a, direction_b)
    length = float(np.linalg.norm(normal))
    return _upward(normal / length) if length > 1e-9 else None


def factor_direction(row: Row, factor: str) -> Numbers | None:
    """Return the unit vector (3,) along which the latents move with a factor, its sign such that the last part is ≥ 0.

    None where it is unknown or of length 0, and unless the run has three latents.

    Args:
        row: A run.
        factor: "a" or "b".
    """
    parts = [row.get(f"direction_{factor}_{k}") for k in (1, 2, 3)]
    if None in parts or row.get("latent_dim", 3) != 3:
        return None
    direction = np.array(parts, dtype=np.float64)
    length = float(np.linalg.norm(direction))
    return _upward(direction / length) if length > 0 else None


def equal_area(axes: ArrayLike) -> Numbers:
    """Return (n, 2): unit vectors of the upper hemisphere on a disc of radius 1, by Lambert's projection.

    Equal areas stay equal, so that uniform directions fill the disc evenly. The third axis is the centre, the other
    two lie on the rim.

    Args:
        axes: Vectors (n, 3) of length 1 whose third part is not negative.

    Raises:
        ValueError: The shape is another, or a vector is not of length 1 or points down.
    """
    vectors = np.asarray(axes, dtype=np.float64)
    if vectors.ndim != 2 or vectors.shape[1] != 3:
        raise ValueError(f"axes has shape {vectors.shape}; allowed: (n, 3)")
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6) or (vectors[:, 2] < 0).any():
        raise ValueError("axes; allowed: vectors of length 1 whose third part is not negative")
    return vectors[:, :2] / np.sqrt(1 + vectors[:, 2:])


def uniform_chance(axes: ArrayLike, *, draws: int = 4999, seed: int = 0) -> float:
    """Return the p-value, in (0, 1], of Bingham's test that axes are uniform on the sphere, whatever their signs.

    The statistic is 15/2 n Σ (λ_k - 1/3)², with λ the eigenvalues of the mean of v vᵀ. It is compared with simulated
    sets of as many uniform axes rather than with its limit. Source: Mardia & Jupp 2000, section 10.7.1.

    Args:
        axes: Unit vectors (n, 3), n from 2.
        draws: The number of simulated sets.
        seed: Theirs, for `numpy.random.default_rng`.

    Raises:
        ValueError: The shape is another.
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
    """Return (m,): Bingham's statistic of m sets of axes (m, n, 3)."""
    n = vectors.shape[1]
    mean = np.einsum("mni,mnj->mij", vectors, vectors) / n
    return np.asarray(7.5 * n * ((mean**2).sum(axis=(1, 2)) - 1 / 3))
