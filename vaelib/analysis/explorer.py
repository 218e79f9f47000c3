"""The numbers of the explorer's chapter: where it is hard, how exact the page is, and the hole's centre."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib import dataset, metrics
from vaelib.run import Run

_RADII = ("small", "middling", "large")
_PETALS = ("shallow", "middling", "deep")


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
