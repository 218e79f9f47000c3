"""The numbers of the explorer's chapter: the model's errors, where they are largest, and how exact the page is."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib import dataset, metrics
from vaelib.experiment import PARAMETER_RANGE
from vaelib.run import Run
from vaelib.statistics import Numbers

_RADII = ("small", "middling", "large")
_PETALS = ("shallow", "middling", "deep")


def point_errors(run: Run, epoch: int, n_points: int) -> Numbers:
    """Return the reconstruction errors (n,) of a run's first training images, over each image's own variance.

    Args:
        run: Its embeddings at `epoch` are decoded.
        epoch: From 0 to the run's last.
        n_points: The number of images, or more than there are for all.
    """
    data = dataset.build(run.experiment.data)
    images = data.images[data.train[:n_points]]
    return np.asarray(metrics.normalised_error(images, run.decode(run.embeddings[epoch, :n_points], epoch)))


class HardestPart(NamedTuple):
    """The part of the parameter space with the largest mean error."""

    part: tuple[int, int]
    """Its numbers along a and b, from 0."""
    centre: Numbers
    """(2,): a and b in its middle."""
    error: float
    """The mean error of its points."""


def hardest_part(points: ArrayLike, errors: ArrayLike, n: int = 3) -> HardestPart:
    """Return the part of the parameter space with the largest mean error, of n × n equal parts.

    Parts without a point are left out.

    Args:
        points: (k, 2), (a, b).
        errors: (k,), those of the points.
        n: The number of parts along a, and along b.

    Raises:
        ValueError: There is no point, or not one error for each.
    """
    points, errors = np.asarray(points, dtype=np.float64).reshape(-1, 2), np.asarray(errors, dtype=np.float64)
    if errors.shape != (len(points),) or not len(points):
        raise ValueError(f"{len(points)} points and errors of shape {errors.shape}; allowed: one error a point")
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    parts = np.clip((points - low) / (high - low) * n, 0, n - 1).astype(int)  # (k, 2)
    means = {(int(i), int(j)): float(errors[(parts == (i, j)).all(axis=1)].mean()) for i, j in np.unique(parts, axis=0)}
    part = max(means, key=means.__getitem__)
    return HardestPart(part, low + (np.array(part) + 0.5) / n * (high - low), means[part])


class PartInWords(NamedTuple):
    """One of nine equal parts of the parameter space, in words."""

    radius: str
    """"small", "middling" or "large"."""
    petals: str
    """"shallow", "middling" or "deep"."""


def part_in_words(part: tuple[int, int]) -> PartInWords:
    """Return in words one of 3 × 3 parts of the parameter space.

    Args:
        part: Its numbers along a and along b, each from 0 to 2.

    Raises:
        ValueError: A number is another.
    """
    i, j = part
    if not (0 <= i < len(_RADII) and 0 <= j < len(_PETALS)):
        raise ValueError(f"part = {part!r}; allowed: two numbers from 0 to 2")
    return PartInWords(_RADII[i], _PETALS[j])


class Exactness(NamedTuple):
    """How far what the page shows is from what the model itself computes."""

    interpolation_error: float
    """The median distance from an interpolated mean to the encoder's own, in the latent space's units."""
    parity: float
    """The largest difference of a pixel, of the two decoders' images, in units of 10⁻⁵."""


def exactness(interpolated: ArrayLike, encoded: ArrayLike, drawn: NDArray[Any], decoded: NDArray[Any]) -> Exactness:
    """Return how exact the explorer is.

    Args:
        interpolated: Means (n, d) between the table's knots.
        encoded: The encoder's own means (n, d) of the same curves.
        drawn: Images (m, h, w) in [0, 1] by the page's arithmetic.
        decoded: The decoder's own images (m, h, w) of the same latents.

    Raises:
        ValueError: The shapes of a pair differ.
    """
    means, exact_means = np.asarray(interpolated), np.asarray(encoded)
    for approximate, exact in ((means, exact_means), (drawn, decoded)):
        if approximate.shape != exact.shape:
            raise ValueError(f"shapes {approximate.shape} and {exact.shape}; allowed: equal shapes")
    distances = np.linalg.norm(means - exact_means, axis=1)
    return Exactness(float(np.median(distances)), float(1e5 * np.abs(drawn - decoded).max()))


def centre_error(run: Run) -> float:
    """Return a run's error on the curve at the centre of its hole, in % of the image's own variance."""
    centre = np.array([[run.experiment.hole_a, run.experiment.hole_b]])
    image = dataset.draw(centre, run.experiment.data)
    return float(100 * metrics.normalised_error(image, run.reconstruct(image))[0])
