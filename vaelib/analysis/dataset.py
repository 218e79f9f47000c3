"""The numbers of the data set's chapter: crossings, the hole, the splits, the frames, the weights in effect."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaelib import curves
from vaelib.dataset import DataSet
from vaelib.experiment import PARAMETER_RANGE, Experiment
from vaelib.statistics import Numbers

STUDY_IMAGES = 4510
"""The number of images in the study's punctured set, of 5,000 that it drew."""
STUDY_VALIDATION = 211
"""How many of them are for validation."""
STUDY_LEFT_OUT = 490
"""The number of the study's images in the hole, by its files: 5,000 - 4,510."""
STUDY_LEFT_OUT_TEXT = 410
"""The same by its text."""


def negative_share(a: float, b: float) -> float:
    """Return the share of a full turn, in [0, 1], over which R(θ) = b·cos(5θ) + a is negative, for a, b ≥ 0."""
    return float(np.arccos(a / b) / np.pi) if b > a else 0.0


def crossing_share(parameters: Numbers) -> float:
    """Return the share of the points (a, b) (n, 2), in [0, 1], whose curve crosses its centre: b > a. 0 for n = 0."""
    return float(np.mean(parameters[:, 1] > parameters[:, 0])) if len(parameters) else 0.0


class InHole(NamedTuple):
    """The number of images that fall into the hole by chance: the mean and the standard deviation of a binomial."""

    mean: float
    deviation: float


def expected_in_hole(experiment: Experiment) -> InHole:
    """Return the mean and the standard deviation of the number of an experiment's images in its hole.

    It is binomial with p = πr²/3, while the disc lies inside the parameter space, whose area is 3.
    """
    (low_a, high_a), (low_b, high_b) = PARAMETER_RANGE.values()
    p = min(1.0, np.pi * experiment.hole_radius**2 / ((high_a - low_a) * (high_b - low_b)))
    return InHole(experiment.n_images * p, float(np.sqrt(experiment.n_images * p * (1 - p))))


class StudyHole(NamedTuple):
    """The study's own draw: the number expected in its hole, and how far its files and its text are from that."""

    mean: float
    deviation: float
    found_z: float
    """The number by its files, less the mean, in standard deviations."""
    text_z: float
    """The same of the number by its text."""


def study_hole() -> StudyHole:
    """Return the number expected in the hole of the study's draw, 5,000 points and a radius of 0.3, and its own."""
    mean, deviation = expected_in_hole(Experiment.from_profile("paper", n_images=5000, hole_radius=0.3))
    found_z, text_z = ((count - mean) / deviation for count in (STUDY_LEFT_OUT, STUDY_LEFT_OUT_TEXT))
    return StudyHole(mean, deviation, found_z, text_z)


class Splits(NamedTuple):
    """The numbers of a data set's images: `images` in use, which are `train` and `validation`, and those `left_out`."""

    images: int
    train: int
    validation: int
    left_out: int


def splits(data: DataSet) -> Splits:
    """Return the numbers of a data set's images for training and for validation, and of those left out."""
    train, validation = len(data.train), len(data.validation)
    return Splits(train + validation, train, validation, len(data.left_out))


class OfTheStudy(NamedTuple):
    """The numbers of images of a punctured set in % of the study's: all in use, and those for validation."""

    images: float
    validation: float


def of_the_study(punctured: Splits) -> OfTheStudy:
    """Return a punctured set's numbers of images in % of the study's 4,510 and 211."""
    return OfTheStudy(100 * punctured.images / STUDY_IMAGES, 100 * punctured.validation / STUDY_VALIDATION)


def stretch(image_size: int = 256) -> float:
    """Return how much taller than wide the study's frame draws a shape, as a ratio, at `image_size` pixels."""
    (x_left, x_right), (y_bottom, y_top) = curves.to_pixels(
        [0, 1], [0, 1], 1, 0, image_size=image_size, framing="study"
    )
    return float((y_bottom - y_top) / (x_right - x_left))


def batch_means(weights: NDArray[Any], batch_size: int) -> Numbers:
    """Return (n,): for every image the mean of its batch's weights; the batches are cut from the weights in order."""
    starts = np.arange(0, len(weights), batch_size)
    sizes = np.diff(np.append(starts, len(weights)))
    return np.repeat(np.add.reduceat(weights.astype(float), starts) / sizes, sizes)


class Weighting(NamedTuple):
    """The weights of the images' losses, as meant and as coded: their standard deviations and their correlation."""

    meant_deviation: float
    coded_deviation: float
    correlation: float


def weighting(meant: NDArray[Any], coded: NDArray[Any]) -> Weighting:
    """Return how the weights of the images' losses scatter and agree.

    Args:
        meant: (n,), as the study meant them.
        coded: (n,), what its code makes of them.
    """
    return Weighting(float(meant.std()), float(coded.std()), float(np.corrcoef(meant, coded)[0, 1]))


def exported_images(folder: Path) -> NDArray[np.uint8]:
    """Return the images (n, h, w) of a folder that `vaelib.dataset.exchange.export` wrote, in its table's order."""
    return np.stack([np.asarray(Image.open(file)) for file in sorted(folder.rglob("*.png"))])
