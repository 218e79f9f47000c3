"""How far an embedding is from a Gaussian cloud, and how far its sheet bends at the edges.

Points are (n, d), factors (n, 2). Turning the points does not change either number. Nothing here loads Keras.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from vaelib.statistics import checked, paired

Numbers = NDArray[np.float64]


def normal_distance(points: ArrayLike, *, directions: int = 200, seed: int = 0) -> float:
    """Return how far the points are from normally distributed, in standard deviations; 0 for a Gaussian cloud.

    The points are standardised along their principal axes, so that neither scale nor any other linear map counts; the
    number is the mean, over `directions` directions (`numpy.random.default_rng(seed)`), of the Wasserstein-2 distance
    between the points on that direction and the standard normal's quantiles. A sample of n normal points has about
    the root of log(log(n))/n. Axes with less than a millionth of the largest variance are left out; points that
    never vary have 0. For one dimension, uniform points have 0.21. Raises ValueError for fewer than 10 points or for
    what is not finite.

    Source: the sliced distance is that of Rabin et al. 2012.
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
    ways = np.random.default_rng(seed).standard_normal((standard.shape[1], directions))
    shadows = np.sort(standard @ (ways / np.linalg.norm(ways, axis=0)), axis=0)  # (n, directions)
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return float(np.sqrt(((shadows - quantiles[:, None]) ** 2).mean(axis=0)).mean())


def edge_curl(codes: ArrayLike, factors: ArrayLike, *, edge: float = 0.1, n_neighbors: int = 20) -> tuple[float, float]:
    """Return how far the sheet's tangent planes are turned at its edges and in its middle, in degrees from 0 to 90.

    A point's tangent plane is spanned by the first two principal axes of its nearest neighbours and itself. The
    sheet's own plane is the mean plane of its middle, the points whose two factors both lie in the middle half of
    their range; edges are the points with a factor within the share `edge` of an end. Each number is the mean over
    its points of the largest angle between the tangent plane and the sheet's plane; for three latents that is the
    angle of the normals. A flat sheet has 0 twice; in one that bends evenly the edges have more; the difference is
    what the edges have beyond the middle.

    Raises ValueError for arrays of other shapes, fewer than 3 latents, an edge outside (0, 0.25], n_neighbors
    outside 2 to n - 1, and when the edges or the middle have no points.
    """
    points, places = paired(codes, factors)
    n, d = points.shape
    if places.shape[1] != 2 or d < 3:
        raise ValueError(f"codes {points.shape}, factors {places.shape}; allowed: (n, d) with d from 3, and (n, 2)")
    if not 0 < edge <= 0.25:
        raise ValueError(f"edge = {edge!r}; allowed: above 0, to 0.25")
    if not 2 <= n_neighbors < n:
        raise ValueError(f"n_neighbors = {n_neighbors!r}; allowed: 2 to {n - 1}")
    low, high = places.min(axis=0), places.max(axis=0)
    unit = (places - low) / np.maximum(high - low, np.finfo(float).tiny)
    outward = np.abs(unit - 0.5).max(axis=1)  # 0 in the middle, 0.5 at an edge
    middle, edges = outward <= 0.25, outward >= 0.5 - edge
    if not (middle.any() and edges.any()):
        raise ValueError("no points at the edges or none in the middle of the factors' range")
    finder = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm="kd_tree", metric="minkowski", p=2, n_jobs=1)
    finder.fit(points)
    near = points[finder.kneighbors(points, return_distance=False)]
    near = near - near.mean(axis=1, keepdims=True)
    planes = np.linalg.eigh(np.einsum("npi,npj->nij", near, near))[1][:, :, -2:]  # (n, d, 2)
    mean_projector = np.einsum("nik,njk->ij", planes[middle], planes[middle]) / middle.sum()
    own = np.linalg.eigh(mean_projector)[1][:, -2:]
    cosines = np.linalg.svd(planes.transpose(0, 2, 1) @ own, compute_uv=False)[:, -1]
    angles = np.degrees(np.arccos(np.clip(cosines, 0, 1)))
    return float(angles[edges].mean()), float(angles[middle].mean())
