"""What lines the latents up with the factors after training: a change of the latents that the decoder can undo.

An embedding (n, d) is sphered: its first two principal axes, each scaled to variance 1. What is left is one angle. Two
criteria choose it without the factors, the mean product |xy| and independent component analysis; a third way is a
linear map learnt from a few images whose factors are known. All are linear, so the decoder's first layers undo them
exactly: images are reconstructed as before. Nothing here loads Keras.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib import metrics
from vaelib.disentanglement import rotated
from vaelib.disentanglement.unsupervised import ACTIVE
from vaelib.statistics import checked, paired

Numbers = NDArray[np.float64]
_STEP = 0.5  # degrees between the angles tried; |xy| has its extremes to a ten-thousandth within that


class Angles(NamedTuple):
    """A score over the quarter turn of a plane: (m,) angles in degrees from 0 and the (m,) scores there.

    After a quarter turn a score that does not ask for sign or order repeats.
    """

    degrees: Numbers
    scores: Numbers

    @property
    def lowest(self) -> float:
        """The angle with the lowest score, the first of equals."""
        return float(self.degrees[self.scores.argmin()])

    @property
    def highest(self) -> float:
        """The angle with the highest score, the first of equals."""
        return float(self.degrees[self.scores.argmax()])


def turn(points: ArrayLike, degrees: float) -> Numbers:
    """Turn (n, 2) points counterclockwise about the origin."""
    return np.asarray(checked("points", points) @ rotation(degrees).T)


def rotation(degrees: ArrayLike) -> Numbers:
    """Return the matrices R (..., 2, 2) that turn points counterclockwise by angles (...), as in `points @ R.T`."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)


def sphered(mu: ArrayLike, *, threshold: float = ACTIVE) -> Numbers:
    """Return (n, 2): the embedding (n, d) on its first two principal axes, with mean 0, variance 1, no correlation.

    Raises ValueError for d below 2, and where the second axis varies by no more than `threshold`, the noise's variance
    at σ = 0.1: there is no plane then (`vaelib.disentanglement.active` draws the same line).
    """
    points = checked("mu", mu)
    if points.shape[1] < 2:
        raise ValueError(f"mu has shape {points.shape}: a plane needs 2 latents or more")
    values, axes = np.linalg.eigh(metrics.covariance(points))
    if not values[-2] > threshold:
        raise ValueError(f"the second principal axis varies by {values[-2]:.3g}: needed is more than {threshold:g}")
    return np.asarray((points - points.mean(axis=0)) @ axes[:, [-1, -2]] / np.sqrt(values[[-1, -2]]))


def product_by_angle(codes: ArrayLike) -> Angles:
    """Return E|xy| of codes (n, 2) as they are turned, every half degree of a quarter turn.

    On sphered codes its turning is a contrast for independent components: whitened factors of lighter tails than a
    normal distribution, as uniform ones, have it highest on the axes, those of heavier tails lowest (the loss chapter
    has the values). Raises ValueError for other shapes.
    """
    points = checked("codes", codes)
    if points.shape[1] != 2:
        raise ValueError(f"codes has shape {points.shape}; allowed: (n, 2)")
    degrees = np.arange(0, 90, _STEP)
    return Angles(degrees, np.abs((rotation(degrees) @ points.T).prod(axis=1)).mean(axis=1))


def independent(mu: ArrayLike, *, threshold: float = ACTIVE, seed: int = 0) -> Numbers:
    """Return (n, 2): the two most independent components of the embedding's first two principal axes (FastICA).

    Contrast log cosh, symmetric, scaled to variance 1; their order and signs mean nothing. Raises ValueError as
    `sphered` does. Source: Hyvärinen & Oja 2000, by scikit-learn.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    found = FastICA(
        n_components=2, algorithm="parallel", whiten="unit-variance", whiten_solver="svd", fun="logcosh",
        fun_args={"alpha": 1.0}, max_iter=1000, tol=1e-5, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        # Where all angles are alike, as for normal components, there is nothing to converge to, and any will do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(found.fit_transform(sphered(mu, threshold=threshold)))


def from_labels(mu: ArrayLike, factors: ArrayLike, chosen: ArrayLike) -> Numbers:
    """Return (n, k): the factors as a linear map of the embedding (n, d) tells them.

    The map is the least squares fit, with a constant, to the `chosen` rows of `factors` (n, k) alone; with fewer rows
    than unknowns the smallest that fits. Raises ValueError for no rows and for other shapes.
    """
    latents, targets = paired(mu, factors)
    rows = np.asarray(chosen)
    if rows.ndim != 1 or len(rows) == 0:
        raise ValueError(f"chosen has shape {rows.shape}; allowed: (m,) with m from 1")
    centre, level = latents[rows].mean(axis=0), targets[rows].mean(axis=0)
    return np.asarray((latents - centre) @ _maps(latents[rows], targets[rows]).T + level)


def alignment_by_labels(mu: ArrayLike, factors: ArrayLike, count: int, *, draws: int = 50, seed: int = 0) -> float:
    """Return the alignment of `from_labels` with the factors, the mean over random choices of `count` images.

    The choices come from `numpy.random.default_rng(seed)`. Raises ValueError for a count outside 1 to n and for draws
    below 1.
    """
    latents, targets = paired(mu, factors)
    if not 1 <= count <= len(latents) or draws < 1:
        raise ValueError(f"count = {count!r}, draws = {draws!r}; allowed: 1 to {len(latents)} and 1 or more")
    generator = np.random.default_rng(seed)
    rows = np.array([generator.choice(len(latents), count, replace=False) for _ in range(draws)])
    return float(rotated.alignment(latents, targets, threshold=0.0)(_maps(latents[rows], targets[rows])).mean())


def _maps(latents: Numbers, factors: Numbers) -> Numbers:
    """Return (..., k, d): the least squares maps, with a constant left out, of (..., m, d) latents to (..., m, k)."""
    centred = latents - latents.mean(axis=-2, keepdims=True)
    inverse = np.linalg.pinv(centred, rcond=np.finfo(float).eps * max(centred.shape[-2:]))
    return np.swapaxes(inverse @ (factors - factors.mean(axis=-2, keepdims=True)), -1, -2)
