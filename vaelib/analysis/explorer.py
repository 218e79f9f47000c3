"""The numbers of the explorer's chapter: the model's errors, where they are largest, and how exact the page is."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib import dataset, metrics
from vaelib.experiment import PARAMETER_RANGE
from vaelib.run import Run

Numbers = NDArray[np.float64]

_RADII = ("small", "middling", "large")
_PETALS = ("shallow", "middling", "deep")


def point_errors(run: Run, epoch: int, n_points: int) -> Numbers:
    """Return the reconstruction errors (n,) of a run's first training images, over each image's own variance.

    Args:
        run: its embeddings at `epoch` are decoded.
        epoch: from 0 to the run's last.
        n_points: at most as many images.
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
        errors: (k,).
        n: parts along a, and along b.

    Raises:
        ValueError: if there is no point, or not one error for each.
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
    """Return in words one of 3 × 3 parts of the parameter space, given by its numbers along a and b, 0 to 2.

    Raises ValueError for other numbers.
    """
    i, j = part
    if not (0 <= i < len(_RADII) and 0 <= j < len(_PETALS)):
        raise ValueError(f"part = {part!r}; allowed: two numbers from 0 to 2")
    return PartInWords(_RADII[i], _PETALS[j])


class Exactness(NamedTuple):
    """How far what the page shows is from what the model itself gives."""

    astray: float
    """The median distance from an interpolated mean to the encoder's own, in the latent space's units."""
    parity: float
    """The largest difference of a pixel, of the two decoders' images, in units of 10⁻⁵."""


def exactness(interpolated: ArrayLike, encoded: ArrayLike, drawn: NDArray[Any], decoded: NDArray[Any]) -> Exactness:
    """Return how exact the explorer is.

    interpolated, encoded: (n, d), means between the table's knots and those of the encoder. drawn, decoded:
    (m, h, w), images in [0, 1] by the page's arithmetic and by the model, of the same latents. Raises ValueError for
    pairs of unequal shapes.
    """
    found, exact = np.asarray(interpolated), np.asarray(encoded)
    for one, other in ((found, exact), (drawn, decoded)):
        if one.shape != other.shape:
            raise ValueError(f"shapes {one.shape} and {other.shape}: they must be equal")
    astray = np.linalg.norm(found - exact, axis=1)
    return Exactness(float(np.median(astray)), float(1e5 * np.abs(drawn - decoded).max()))


def centre_error(run: Run) -> float:
    """Return the error of the curve at the centre of the run's hole, redrawn, in % of the image's own variance."""
    centre = np.array([[run.experiment.hole_a, run.experiment.hole_b]])
    image = dataset.draw(centre, run.experiment.data)
    return float(100 * metrics.normalised_error(image, run.reconstruct(image))[0])
