"""Scores of an embedding at many rotations at once, for `vaelib.geometry.search_rotations`.

Each function takes an embedding mu (n, d), and factors (n, k) where the score needs them, and returns a function from
rotations R (r, d, d) to the scores (r,) of `mu @ R.T`: the numbers of the plain function up to rounding, in a fraction
of the time. All except the entanglement and the tangent planes count the active units alone
(`vaelib.disentanglement.active`), as if the others never varied. Nothing here loads Keras.
"""

from collections.abc import Callable
from itertools import permutations

import numpy as np

from vaelib import disentanglement, metrics
from vaelib.geometry import tangents
from vaelib.statistics import Numbers

RotationScores = Callable[[Numbers], Numbers]


def entanglement(mu: Numbers) -> RotationScores:
    """Return the scores of `vaelib.losses.entanglement`, for d from 2."""
    d = mu.shape[1]
    squares = (mu**2).sum(axis=1).mean()  # a rotation keeps them

    def scores(rotations: Numbers) -> Numbers:
        one_norm = np.abs(rotations @ mu.T).sum(axis=1)  # (r, n)
        return ((one_norm**2).mean(axis=1) - squares) / (d * (d - 1))

    return scores


def correlations(
    mu: Numbers, factors: Numbers, *, threshold: float = disentanglement.ACTIVE
) -> Callable[[Numbers], Numbers]:
    """Return a function from rotations to the correlations of the active units and the factors.

    Args:
        mu: The embedding (n, d).
        factors: (n, k).
        threshold: The variance above which units count.

    Returns:
        A function from rotations (r, d, d), or other linear maps (r, m, d), to correlations (r, m + k, m + k), of the
        units first and then of the factors.
    """
    d, k = mu.shape[1], factors.shape[1]
    together = metrics.covariance(np.hstack([mu, factors]))

    def matrices(maps: Numbers) -> Numbers:
        r, m, _ = maps.shape
        extended = np.zeros((r, m + k, d + k))
        extended[:, :m, :d], extended[:, range(m, m + k), range(d, d + k)] = maps, 1
        covariances = extended @ together @ extended.transpose(0, 2, 1)
        counts = np.diagonal(covariances, axis1=1, axis2=2) > [threshold] * m + [0.0] * k
        return metrics.correlation_of(covariances * counts[:, :, None] * counts[:, None, :])

    return matrices


def alignment(mu: Numbers, factors: Numbers, *, threshold: float = disentanglement.ACTIVE) -> RotationScores:
    """Return the scores of `vaelib.metrics.alignment`, for few latents and factors: it tries all assignments.

    Args:
        mu: The embedding (n, d).
        factors: (n, k).
        threshold: The variance above which units count.

    Returns:
        A function from rotations (r, d, d), or other linear maps (r, m, d) with m from k, to scores (r,).
    """
    k = factors.shape[1]
    matrices = correlations(mu, factors, threshold=threshold)

    def scores(maps: Numbers) -> Numbers:
        shares = matrices(maps)[:, :-k, -k:] ** 2  # (r, m, k)
        rows = np.array(list(permutations(range(shares.shape[1]), k)))  # (assignments, k)
        return shares[:, rows, range(k)].mean(axis=-1).max(axis=-1)

    return scores


def sap(mu: Numbers, factors: Numbers) -> RotationScores:
    """Return the scores of `vaelib.disentanglement.sap`."""
    d = mu.shape[1]
    matrices = correlations(mu, factors)
    return lambda rotations: disentanglement.gap(matrices(rotations)[:, :d, d:] ** 2).mean(axis=-1)


def mean_correlation(mu: Numbers) -> RotationScores:
    """Return the scores of `vaelib.disentanglement.mean_correlation`."""
    matrices = correlations(mu, mu[:, :0])
    first, second = np.triu_indices(mu.shape[1], 1)

    def scores(rotations: Numbers) -> Numbers:
        above = np.abs(matrices(rotations)[:, first, second])  # (r, pairs), exactly 0 with a unit that is not active
        return above.sum(axis=1) / np.maximum((above > 0).sum(axis=1), 1)

    return scores


def mig(mu: Numbers, factors: Numbers) -> RotationScores:
    """Return the scores of `vaelib.disentanglement.mig`.

    Raises:
        ValueError: As in that function.
    """
    gap, covariance = disentanglement.information_gap(factors), metrics.covariance(mu)

    def scores(rotations: Numbers) -> Numbers:
        variances = np.einsum("rij,jk,rik->ri", rotations, covariance, rotations)
        codes = rotations @ mu.T * (variances > disentanglement.ACTIVE)[:, :, None]  # (r, d, n)
        return np.asarray(gap(codes.transpose(0, 2, 1)))

    return scores


def tangent_alignment(mu: Numbers) -> RotationScores:
    """Return the scores of `vaelib.geometry.tangents.tangent_alignment`, for d from 3.

    The planes rotate with the points, so they are computed only once.

    Raises:
        ValueError: As in that function.
    """
    frames, plane = tangents.tangent_planes(mu)
    n, d, m = frames.shape
    flat = frames.transpose(1, 2, 0).reshape(d, -1)  # (d, m n)

    def scores(rotations: Numbers) -> Numbers:
        lengths = ((rotations @ flat).reshape(-1, d, m, n) ** 2).sum(axis=2)
        return np.where(plane, tangents.nearness_to_axes(lengths, m), 0.0).mean(axis=1)

    return scores
