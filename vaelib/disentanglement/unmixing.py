"""What aligns the latents with the factors after training: a change of the latents that the decoder can undo.

An embedding (n, d) is sphered: its first two principal axes, each scaled to variance 1. What is left is one angle. Two
criteria choose it without the factors, the mean product |xy| and independent component analysis; a third way is a
linear map learnt from a few images whose factors are known. All are linear, so the decoder's first layers can undo them
exactly: images are reconstructed as before. Nothing here loads Keras.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vaelib import metrics
from vaelib.disentanglement import rotated
from vaelib.disentanglement.unsupervised import ACTIVE
from vaelib.statistics import Numbers, checked, paired

_STEP = 0.5  # degrees between the angles tried; |xy| has its extremes to a ten-thousandth within that


class Angles(NamedTuple):
    """A score over the quarter turn of a plane, after which a score that ignores sign and order repeats."""

    degrees: Numbers
    """The angles in degrees, from 0, (m,)."""
    scores: Numbers
    """The scores at these angles, (m,)."""

    @property
    def lowest(self) -> float:
        """The angle with the lowest score, the first of equals."""
        return float(self.degrees[self.scores.argmin()])

    @property
    def highest(self) -> float:
        """The angle with the highest score, the first of equals."""
        return float(self.degrees[self.scores.argmax()])


def turn(points: ArrayLike, degrees: float) -> Numbers:
    """Rotate points (n, 2) counterclockwise about the origin by an angle in degrees."""
    return np.asarray(checked("points", points) @ rotation(degrees).T)


def rotation(degrees: ArrayLike) -> Numbers:
    """Return the matrices R that rotate points counterclockwise, as in `points @ R.T`.

    Args:
        degrees: The angles (...).

    Returns:
        The matrices (..., 2, 2).
    """
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)


def sphered(mu: ArrayLike, *, threshold: float = ACTIVE) -> Numbers:
    """Return the embedding on its first two principal axes, (n, 2), with mean 0, variance 1 and no correlation.

    Args:
        mu: The embedding (n, d), d from 2.
        threshold: The second axis has to vary by more than this, by default the noise's variance at σ = 0.1: otherwise
            there is no plane (`vaelib.disentanglement.active` draws the same line).

    Raises:
        ValueError: The array has another shape, or the second axis varies too little.
    """
    points = checked("mu", mu)
    if points.shape[1] < 2:
        raise ValueError(f"mu has shape {points.shape}: a plane needs 2 latents or more")
    values, axes = np.linalg.eigh(metrics.covariance(points))
    if not values[-2] > threshold:
        raise ValueError(f"the second principal axis varies by {values[-2]:.3g}; allowed: more than {threshold:g}")
    return np.asarray((points - points.mean(axis=0)) @ axes[:, [-1, -2]] / np.sqrt(values[[-1, -2]]))


def product_by_angle(codes: ArrayLike) -> Angles:
    """Return E|xy| of codes as they are rotated, every half degree of a quarter turn.

    On sphered codes this is a contrast for independent components: whitened factors with lighter tails than a normal
    distribution, such as uniform ones, have it highest on the axes, those with heavier tails lowest (the loss chapter
    has the values).

    Args:
        codes: (n, 2).

    Raises:
        ValueError: The array has another shape.
    """
    points = checked("codes", codes)
    if points.shape[1] != 2:
        raise ValueError(f"codes has shape {points.shape}; allowed: (n, 2)")
    degrees = np.arange(0, 90, _STEP)
    return Angles(degrees, np.abs((rotation(degrees) @ points.T).prod(axis=1)).mean(axis=1))


def independent(mu: ArrayLike, *, threshold: float = ACTIVE, seed: int = 0) -> Numbers:
    """Return the two most independent components of the embedding's first two principal axes, (n, 2) (FastICA).

    Contrast log cosh, symmetric, scaled to variance 1; their order and signs mean nothing. Source: Hyvärinen & Oja
    2000, by scikit-learn.

    Args:
        mu: The embedding (n, d).
        threshold: As in `sphered`.
        seed: Draws the search's start.

    Raises:
        ValueError: As in `sphered`.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    analysis = FastICA(
        n_components=2, algorithm="parallel", whiten="unit-variance", whiten_solver="svd", fun="logcosh",
        fun_args={"alpha": 1.0}, max_iter=1000, tol=1e-5, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        # Where all angles are alike, as for normal components, there is nothing to converge to, and any angle will do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(analysis.fit_transform(sphered(mu, threshold=threshold)))


def from_labels(mu: ArrayLike, factors: ArrayLike, chosen: ArrayLike) -> Numbers:
    """Return the factors, (n, k), as a linear map of the embedding predicts them.

    The map is the least squares fit, with a constant, to the chosen rows alone; with fewer rows than unknowns, the
    smallest that fits.

    Args:
        mu: The embedding (n, d).
        factors: (n, k).
        chosen: The indices of the rows to fit, (m,), m from 1.

    Raises:
        ValueError: No row is chosen, or an array has another shape.
    """
    latents, targets = paired(mu, factors)
    rows = np.asarray(chosen)
    if rows.ndim != 1 or len(rows) == 0:
        raise ValueError(f"chosen has shape {rows.shape}; allowed: (m,) with m from 1")
    centre, level = latents[rows].mean(axis=0), targets[rows].mean(axis=0)
    return np.asarray((latents - centre) @ _maps(latents[rows], targets[rows]).T + level)


def alignment_by_labels(mu: ArrayLike, factors: ArrayLike, count: int, *, draws: int = 50, seed: int = 0) -> float:
    """Return the alignment of `from_labels` with the factors, the mean over random choices of images.

    Args:
        mu: The embedding (n, d).
        factors: (n, k).
        count: The number of images in a choice, from 1 to n.
        draws: The number of choices, from 1.
        seed: The choices are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: `count` or `draws` is out of range, or an array has another shape.
    """
    latents, targets = paired(mu, factors)
    if not 1 <= count <= len(latents) or draws < 1:
        raise ValueError(f"count = {count!r}, draws = {draws!r}; allowed: 1 to {len(latents)} and 1 or more")
    generator = np.random.default_rng(seed)
    rows = np.array([generator.choice(len(latents), count, replace=False) for _ in range(draws)])
    return float(rotated.alignment(latents, targets, threshold=0.0)(_maps(latents[rows], targets[rows])).mean())


def _maps(latents: Numbers, factors: Numbers) -> Numbers:
    """Return (..., k, d): the least squares maps, the constant left out, from (..., m, d) latents to (..., m, k)."""
    centred = latents - latents.mean(axis=-2, keepdims=True)
    inverse = np.linalg.pinv(centred, rcond=np.finfo(float).eps * max(centred.shape[-2:]))
    return np.swapaxes(inverse @ (factors - factors.mean(axis=-2, keepdims=True)), -1, -2)
