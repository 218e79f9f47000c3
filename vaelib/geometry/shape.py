"""How far an embedding is from a Gaussian cloud, and how far its sheet bends at the edges.

Points are (n, d), factors (n, 2). Rotating the points changes neither number. Nothing here loads Keras.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from vaelib.geometry.tangents import tangent_planes
from vaelib.statistics import checked, paired


def normal_distance(points: ArrayLike, *, directions: int = 200, seed: int = 0) -> float:
    """Return how far points are from normally distributed, in standard deviations; 0 for a Gaussian cloud.

    The points are standardised along their principal axes, so that neither scale nor any other linear map counts; the
    number is the mean, over random directions, of the Wasserstein-2 distance between the points on that direction and
    the standard normal's quantiles. A sample of n normal points has about the square root of log(log(n))/n. Axes with
    less than a millionth of the largest variance are left out; points that never vary have 0. In one dimension, uniform
    points have 0.21.

    Source: the sliced distance is that of Rabin et al. 2012.

    Args:
        points: (n, d), finite, n from 10.
        directions: The number of directions.
        seed: The directions are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: There are fewer than 10 points, or some are not finite.
    """
    values = checked("points", points)
    n = len(values)
    if n < 10:
        raise ValueError(f"{n} points: the distance needs 10 or more")
    centred = values - values.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred / n)
    kept = variances > 1e-6 * max(float(variances[-1]), np.finfo(float).tiny)
    if not kept.any():
        return 0.0
    standard = centred @ axes[:, kept] / np.sqrt(variances[kept])
    normals = np.random.default_rng(seed).standard_normal((standard.shape[1], directions))
    projections = np.sort(standard @ (normals / np.linalg.norm(normals, axis=0)), axis=0)  # (n, directions)
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return float(np.sqrt(((projections - quantiles[:, None]) ** 2).mean(axis=0)).mean())


def edge_curl(codes: ArrayLike, factors: ArrayLike, *, edge: float = 0.1, n_neighbors: int = 20) -> tuple[float, float]:
    """Return how far the sheet's tangent planes are tilted at its edges and in its middle, in degrees from 0 to 90.

    A point's tangent plane is that of `vaelib.geometry.tangents.tangent_planes`. The sheet's own plane is the mean
    plane of its middle, the points whose two factors both lie in the middle half of their range; edges are the points
    with a factor within the share `edge` of an end. Each number is the mean over its points of the largest angle
    between the tangent plane and the sheet's plane; for three latents that is the angle of the normals. A flat sheet
    has 0 twice; in one that bends evenly the edges have more; the difference is what the edges have beyond the middle.

    Args:
        codes: (n, d), d from 3.
        factors: (n, 2).
        edge: The share of a factor's range that counts as an edge, above 0, to 0.25.
        n_neighbors: The neighbours that span a tangent plane, from 2 to n - 1.

    Returns:
        The angle at the edges and the angle in the middle.

    Raises:
        ValueError: An array has another shape, an option is out of range, or the edges or the middle have no points.
    """
    points, places = paired(codes, factors)
    if places.shape[1] != 2 or points.shape[1] < 3:
        raise ValueError(f"codes {points.shape}, factors {places.shape}; allowed: (n, d) with d from 3, and (n, 2)")
    if not 0 < edge <= 0.25:
        raise ValueError(f"edge = {edge!r}; allowed: above 0, to 0.25")
    planes, _ = tangent_planes(points, dimension=2, n_neighbors=n_neighbors)  # (n, d, 2)
    low, high = places.min(axis=0), places.max(axis=0)
    unit = (places - low) / np.maximum(high - low, np.finfo(float).tiny)
    outward = np.abs(unit - 0.5).max(axis=1)  # 0 in the middle, 0.5 at an edge
    middle, edges = outward <= 0.25, outward >= 0.5 - edge
    if not (middle.any() and edges.any()):
        raise ValueError("no points at the edges or none in the middle of the factors' range")
    mean_projector = np.einsum("nik,njk->ij", planes[middle], planes[middle]) / middle.sum()
    own = np.linalg.eigh(mean_projector)[1][:, -2:]
    cosines = np.linalg.svd(planes.transpose(0, 2, 1) @ own, compute_uv=False)[:, -1]
    angles = np.degrees(np.arccos(np.clip(cosines, 0, 1)))
    return float(angles[edges].mean()), float(angles[middle].mean())
