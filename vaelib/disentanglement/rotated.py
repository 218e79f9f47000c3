"""Scores of an embedding at many rotations at once, for `vaelib.geometry.search_rotations`.

Each function takes an embedding mu (n, d), and factors (n, k) where the score asks for them, and returns one that takes
rotations R (r, d, d) to the scores (r,) of `mu @ R.T`: the numbers of the plain function up to rounding, in a fraction
of the time. All but the entanglement and the tangent planes count the active units alone
(`vaelib.disentanglement.active`), as if the others never varied. Nothing here loads Keras.
"""

from collections.abc import Callable
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from vaelib import disentanglement, metrics
from vaelib.geometry import tangents

Numbers = NDArray[np.float64]
Turned = Callable[[Numbers], Numbers]


def entanglement(mu: Numbers) -> Turned:
    """Return the scores of `vaelib.losses.entanglement`, for d from 2."""
    d = mu.shape[1]
    squares = (mu**2).sum(axis=1).mean()  # a rotation keeps them

    def scores(turns: Numbers) -> Numbers:
        one_norm = np.abs(turns @ mu.T).sum(axis=1)  # (r, n)
        return ((one_norm**2).mean(axis=1) - squares) / (d * (d - 1))

    return scores


def correlations(
    mu: Numbers, factors: Numbers, *, threshold: float = disentanglement.ACTIVE
) -> Callable[[Numbers], Numbers]:
    """Return what takes rotations to the correlations (r, d + k, d + k) of the active units, then of the factors.

    threshold: the variance from which units count. Other linear maps (r, m, d) than rotations give (r, m + k, m + k).
    """
    d, k = mu.shape[1], factors.shape[1]
    together = metrics.covariance(np.hstack([mu, factors]))

    def matrices(maps: Numbers) -> Numbers:
        r, m, _ = maps.shape
        whole = np.zeros((r, m + k, d + k))
        whole[:, :m, :d], whole[:, range(m, m + k), range(d, d + k)] = maps, 1
        covariances = whole @ together @ whole.transpose(0, 2, 1)
        counts = np.diagonal(covariances, axis1=1, axis2=2) > [threshold] * m + [0.0] * k
        return metrics.correlation_of(covariances * counts[:, :, None] * counts[:, None, :])

    return matrices


def alignment(mu: Numbers, factors: Numbers, *, threshold: float = disentanglement.ACTIVE) -> Turned:
    """Return the scores of `vaelib.metrics.alignment`, for few latents and factors: it tries all assignments.

    threshold: the variance from which units count. It takes other linear maps (r, m, d) than rotations, m from k, too.
    """
    k = factors.shape[1]
    matrices = correlations(mu, factors, threshold=threshold)

    def scores(maps: Numbers) -> Numbers:
        shares = matrices(maps)[:, :-k, -k:] ** 2  # (r, m, k)
        rows = np.array(list(permutations(range(shares.shape[1]), k)))  # (assignments, k)
        return shares[:, rows, range(k)].mean(axis=-1).max(axis=-1)

    return scores


def sap(mu: Numbers, factors: Numbers) -> Turned:
    """Return the scores of `vaelib.disentanglement.sap`."""
    d = mu.shape[1]
    matrices = correlations(mu, factors)
    return lambda turns: disentanglement.gap(matrices(turns)[:, :d, d:] ** 2).mean(axis=-1)


def mean_correlation(mu: Numbers) -> Turned:
    """Return the scores of `vaelib.disentanglement.mean_correlation`."""
    matrices = correlations(mu, mu[:, :0])
    first, second = np.triu_indices(mu.shape[1], 1)

    def scores(turns: Numbers) -> Numbers:
        above = np.abs(matrices(turns)[:, first, second])  # (r, pairs), exactly 0 with a unit that is not active
        return above.sum(axis=1) / np.maximum((above > 0).sum(axis=1), 1)

    return scores


def mig(mu: Numbers, factors: Numbers) -> Turned:
    """Return the scores of `vaelib.disentanglement.mig`. Raises ValueError as it does."""
    gap, among = disentanglement.information_gap(factors), metrics.covariance(mu)

    def scores(turns: Numbers) -> Numbers:
        variances = np.einsum("rij,jk,rik->ri", turns, among, turns)
        codes = turns @ mu.T * (variances > disentanglement.ACTIVE)[:, :, None]  # (r, d, n)
        return np.asarray(gap(codes.transpose(0, 2, 1)))

    return scores


def tangent_alignment(mu: Numbers) -> Turned:
    """Return the scores of `vaelib.geometry.tangents.tangent_alignment`, for d from 3.

    The planes turn with the points, so they are found only once. Raises ValueError as it does.
    """
    frames, plane = tangents.tangent_planes(mu)
    n, d, m = frames.shape
    flat = frames.transpose(1, 2, 0).reshape(d, -1)  # (d, m n)

    def scores(turns: Numbers) -> Numbers:
        lengths = ((turns @ flat).reshape(-1, d, m, n) ** 2).sum(axis=2)
        return np.where(plane, tangents.nearness_to_axes(lengths, m), 0.0).mean(axis=1)

    return scores
