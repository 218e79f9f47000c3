"""The numbers of the transects' chapter: reconstructions along the lines, inside the hole and outside, and the gap."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaelib import dataset, geometry, metrics
from vaelib.run import Run
from vaelib.statistics import Numbers

TRANSECT_POINTS = 15
"""The number of points on each of the study's transects; positions count them from 1."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A transect as a run reconstructs it, at n points."""

    name: str
    points: Numbers
    """(n, 2): their (a, b)."""
    position: Numbers
    """(n,): from 1 to 15, as the study counts its own points."""
    images: NDArray[np.uint8]
    """(n, h, w)."""
    redrawn: NDArray[np.float32]
    """(n, h, w): the reconstructions."""
    error: Numbers
    """(n,): the mean squared errors."""
    share: Numbers
    """(n,): the same over each image's own variance."""
    inside: NDArray[np.bool_]
    """(n,): whether the point lies in the hole."""

    @property
    def hardest(self) -> int:
        """The index of the point with the largest error in the hole, or of all if the line misses the hole."""
        return int(np.argmax(np.where(self.inside, self.error, -1 if self.inside.any() else self.error)))


def walks(run: Run, between: int = 4) -> dict[str, Walk]:
    """Return the study's three transects as the run's best epoch reconstructs them, by name.

    Args:
        run: The run.
        between: The number of steps from one of a transect's fifteen points to the next, 1 or more.
    """
    n = (TRANSECT_POINTS - 1) * between + 1
    walks = {}
    for name in dataset.TRANSECTS:
        points, images = dataset.transect(name, n), dataset.transect_images(name, run.experiment, n)
        redrawn = run.reconstruct(images)
        walks[name] = Walk(
            name,
            points,
            np.linspace(1, TRANSECT_POINTS, n),
            images,
            redrawn,
            metrics.squared_error(images, redrawn),
            metrics.normalised_error(images, redrawn),
            dataset.in_hole(points, run.experiment),
        )
    return walks


class InsideOutside(NamedTuple):
    """The mean squared errors on one line inside and outside the hole, over seeds, in 10⁻³ a pixel; their ratio."""

    inside: float
    outside: float
    ratio: float
    """The mean over the seeds of inside over outside."""
    low: float
    """The least of the seeds' ratios."""
    high: float
    """The most."""


def inside_and_outside(errors: Numbers, inside: NDArray[np.bool_]) -> InsideOutside:
    """Return the errors of a line inside and outside the hole, NaN for a side on which no point lies.

    Args:
        errors: Mean squared errors (seeds, n).
        inside: (n,), whether a point lies in the hole.
    """
    within, without = errors[:, inside].mean(axis=1), errors[:, ~inside].mean(axis=1)
    ratios = within / without
    return InsideOutside(
        inside=float(1000 * within.mean()),
        outside=float(1000 * without.mean()),
        ratio=float(ratios.mean()),
        low=float(ratios.min()),
        high=float(ratios.max()),
    )


class Hardest(NamedTuple):
    """The point in the hole with a run's largest error."""

    name: str
    """The transect's."""
    a: float
    b: float
    share: float
    """The error in % of the image's variance."""


def hardest(walks: Iterable[Walk]) -> Hardest:
    """Return the point with the largest squared error in the hole on several transects."""
    walk = max(walks, key=lambda walk: walk.error[walk.hardest])
    a, b = walk.points[walk.hardest]
    return Hardest(walk.name, float(a), float(b), float(100 * walk.share[walk.hardest]))


class Missing(NamedTuple):
    """The mean squared errors of each kind of model on the same images, in % of the images' mean variance."""

    punctured: float
    thinned: float
    full: float


def missing(images: NDArray[Any], errors: Mapping[str, Numbers]) -> Missing:
    """Return the errors of each kind of model on the same images, relative to their variance.

    Args:
        images: (n, h, w).
        errors: Mean squared errors (seeds, n) by the kind's name: "punctured", "thinned" and "full".
    """
    variance = metrics.pixel_variance(images).mean()
    return Missing(*(float(100 * errors[kind].mean() / variance) for kind in Missing._fields))


class Gaps(NamedTuple):
    """Median distances in the latent space from images to the nearest training image."""

    punctured: float
    """From the hole's images, in the punctured model."""
    thinned: float
    """From the same, in the thinned model."""
    usual: float
    """From unseen images outside the hole, in the punctured model."""
    ratio: float
    """The first over the last."""


def gaps(punctured: Run, thinned: Run, images: NDArray[Any], unseen: NDArray[Any]) -> Gaps:
    """Return how far from their training images a punctured and a thinned run encode others.

    Args:
        punctured: A run.
        thinned: Another.
        images: (n, h, w), from the hole.
        unseen: (m, h, w), the punctured run's validation images.
    """

    def median(run: Run, unknown: NDArray[Any]) -> float:
        return float(np.median(geometry.distance_to_nearest(run.encode(unknown), run.embeddings[run.best_epoch])))

    hole, usual = median(punctured, images), median(punctured, unseen)
    return Gaps(hole, median(thinned, images), usual, hole / usual)
