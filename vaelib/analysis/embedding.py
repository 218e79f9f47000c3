"""The numbers of the embedding's chapter: the sheet's place, shape, dimension and orientation, and what is off it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from vaelib import dataset, geometry, losses, metrics
from vaelib.dataset import DataSet
from vaelib.geometry import Dimension, Rotations
from vaelib.run import Run
from vaelib.statistics import Numbers
from vaelib.statistics.intervals import Interval

_NEIGHBOURS = 40  # of a point, whose plane approximates the sheet there
_PREFERRED = 5  # % of the orientations: below that rank, the term is taken to have turned the sheet
_NEARLY = 0.95  # of the best alignment over all rotations: from there on an alignment counts as the best


class Sheet:
    """The means of a run's training images at its best epoch, and how far points of the latent space are from them.

    Args:
        run: A run with three latents and two training images or more.

    Raises:
        ValueError: The run has another number of latents, or fewer images.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.mu = np.asarray(run.embeddings[run.best_epoch], dtype=np.float64)
        """(n, 3): the means."""
        if self.mu.shape[1] != 3 or len(self.mu) < 2:
            raise ValueError(f"the embedding has shape {self.mu.shape}; allowed: (n, 3) with n from 2: a sheet")
        data = dataset.build(run.experiment.data)
        self.factors = data.parameters[data.train]
        """(n, 2): their (a, b)."""
        self._tree = KDTree(self.mu)
        self.usual = float(np.median(self._tree.query(self.mu, k=2)[0][:, 1]))
        """The median distance from a mean to its nearest neighbour."""
        centre = np.array([[run.experiment.hole_a, run.experiment.hole_b]])
        self.origin = self.mu[self.nearest(run.encode(dataset.draw(centre, run.experiment.data))[0])[1]]
        """(3,): the mean nearest to the code of the curve at the hole's centre."""

    def nearest(self, point: ArrayLike) -> tuple[float, int]:
        """Return the distance from a point (3,) to the training mean nearest to it, and that mean's row."""
        distance, row = self._tree.query(np.asarray(point, dtype=np.float64))
        return float(distance), int(row)

    def image(self, row: int) -> NDArray[np.uint8]:
        """Return the training image (h, w) of a row."""
        return dataset.draw(self.factors[[row]], self.run.experiment.data)[0]

    def walk_through(self, n: int = 7, reach: float = 1.0) -> Numbers:
        """Return points (n, 3) on a straight line through `origin`, at a right angle to the sheet there.

        Args:
            n: Their number; the middle one of an odd number is `origin`.
            reach: How far the line goes to either side, in standard deviations of the embedding (the root of the
                summed variances).
        """
        _, rows = self._tree.query(self.origin, k=min(_NEIGHBOURS, len(self.mu)))
        near = self.mu[rows]
        normal = np.linalg.svd(near - near.mean(axis=0))[2][-1]
        length = reach * float(np.sqrt(self.mu.var(axis=0).sum()))
        return self.origin + np.linspace(-length, length, n)[:, None] * normal


class Hard(NamedTuple):
    """The median b of the tenth of the images with the largest errors, and of the others."""

    hard_b: float
    easy_b: float


def hard(errors: Numbers, b: Numbers) -> Hard:
    """Return the median b of the tenth of the images with the largest errors, and of the others.

    Args:
        errors: (n,).
        b: (n,).
    """
    hardest = errors > np.percentile(errors, 90)
    return Hard(float(np.median(b[hardest])), float(np.median(b[~hardest])))


class OffSheet(NamedTuple):
    """What a decoder draws on a straight line through the sheet: errors are in % of the nearest image's variance."""

    usual: float
    """The median distance from a training mean to its nearest neighbour."""
    step: float
    """The distance from one point of the line to the next."""
    middle: float
    """The error of the decoded image against the nearest training image, in the middle of the line."""
    one_end: float
    """The same at one end."""
    other_end: float
    """The same at the other end."""


def off_sheet(run: Run) -> OffSheet:
    """Return what a run's decoder draws on `Sheet.walk_through`, in the middle, on the sheet, and at both ends.

    Raises:
        ValueError: The run has not three latents, or fewer than two training images.
    """
    sheet = Sheet(run)
    line = sheet.walk_through()
    nearest = np.stack([sheet.image(sheet.nearest(point)[1]) for point in line])
    errors = 100 * metrics.normalised_error(nearest, run.decode(line))
    return OffSheet(
        usual=sheet.usual,
        step=float(np.linalg.norm(line[1] - line[0])),
        middle=float(errors[len(line) // 2]),
        one_end=float(errors[0]),
        other_end=float(errors[-1]),
    )


class Moments(NamedTuple):
    """The first two moments of an embedding."""

    means: NDArray[Any]
    """(d,): those of the latents."""
    deviations: NDArray[Any]
    """(d,): their standard deviations."""
    mean_length: float
    """The distance of the mean from the origin."""
    total_deviation: float
    """The total standard deviation, the root of the summed variances."""


def moments(mu: NDArray[Any]) -> Moments:
    """Return the means and standard deviations of an embedding (n, d), and their lengths."""
    means, deviations = mu.mean(axis=0), mu.std(axis=0)
    return Moments(means, deviations, float(np.linalg.norm(means)), float(np.linalg.norm(deviations)))


class LinearR2(NamedTuple):
    """The share of each factor's variance, in [0, 1], that is linear in the latents, with its 95 % interval."""

    a: Interval
    b: Interval


def linear_r2(mu: ArrayLike, factors: ArrayLike) -> LinearR2:
    """Return the linear R² of the factors (n, 2) from an embedding (n, d), with bootstrap intervals over images."""
    estimates, ends = metrics.linear_r2(mu, factors), metrics.linear_r2_interval(mu, factors)
    return LinearR2(*(Interval(float(estimates[k]), *map(float, ends[k])) for k in range(2)))


def overlap(dimension: Dimension, other: Dimension) -> str:
    """Return in words whether the intervals of two dimensions "overlap" or "do not overlap"."""
    return "overlap" if dimension.low <= other.high and other.low <= dimension.high else "do not overlap"


class Turning(NamedTuple):
    """The total turning of several curves, in degrees: the mean, the least and the most."""

    mean: float
    low: float
    high: float


class SheetTurning(NamedTuple):
    """How much a sheet's lines turn: those of constant a and those of constant b."""

    a: Turning
    b: Turning


def sheet_turning(sheet: geometry.Sheet) -> SheetTurning:
    """Return how much the lines of a smooth map of (a, b) turn, for the middle 80 % of the constant factor."""
    by_factor = (np.array([geometry.turning(line) for line in sheet.lines(k)]) for k in range(2))
    return SheetTurning(*(Turning(float(t.mean()), float(t.min()), float(t.max())) for t in by_factor))


@dataclass(frozen=True, eq=False)
class Description:
    """A training's embedding and reconstructions, at the epoch of lowest validation loss."""

    label: str
    """The penalty's weight: "γ = 0.01", "γ = 0 (standard)"."""
    mu: NDArray[Any]
    """(n, d): the embedding of the training images."""
    error: float
    """The mean squared error of the validation images."""
    relative_error: float
    """The same over each image's own variance."""
    correlation: float
    """The largest absolute correlation of two latents."""
    variances: Numbers
    """(d,): those along the principal axes."""
    dimension: Dimension
    turning: tuple[float, float]
    """The mean total turning, in degrees, of the lines of constant a and of constant b."""
    term: Rotations
    """The entanglement term over all rotations."""
    aligned: Rotations
    """The alignment with (a, b) over all rotations."""
    preferred: float
    """The alignment where the term is lowest."""


def describe(run: Run, data: DataSet) -> Description:
    """Return what a run makes of its own data set: the embedding's shape and orientation, the reconstructions."""
    mu, factors = run.embeddings[run.best_epoch], data.parameters[data.train]
    images = data.images[data.validation]
    reconstructions = run.reconstruct(images)
    turning = sheet_turning(geometry.fit_sheet(factors, mu))
    term = geometry.over_rotations(losses.entanglement, mu)
    gamma = run.experiment.gamma
    return Description(
        label=f"γ = {gamma:g}" + ("" if gamma else " (standard)"),
        mu=mu,
        error=float(metrics.squared_error(images, reconstructions).mean()),
        relative_error=float(metrics.normalised_error(images, reconstructions).mean()),
        correlation=metrics.largest_correlation(mu),
        variances=metrics.eigenvalues(mu),
        dimension=geometry.twonn(mu),
        turning=(turning.a.mean, turning.b.mean),
        term=term,
        aligned=geometry.over_rotations(lambda turned: metrics.alignment(turned, factors), mu),
        preferred=metrics.alignment(mu @ term.at_lowest.T, factors),
    )


class Comparison(NamedTuple):
    """A modified loss against the standard one, a training each."""

    error_ratio: float
    """The modified loss's squared error on the validation images over the standard one's."""
    trace_ratio: float
    """The same of the total variances of the embeddings."""
    standard_correlation: float
    """The largest absolute correlation of two latents, under the standard loss."""
    modified_correlation: float
    """The same under the modified one."""
    correlation_word: str
    """What the modified loss's correlation is: "lower" or "no lower"."""
    standard_bend: float
    """The mean total turning of the sheet's lines, in degrees, under the standard loss."""
    modified_bend: float
    """The same under the modified one."""
    bend_word: str
    """How much the modified loss's lines turn: "more" or "no more"."""


def compare(standard: Description, modified: Description) -> Comparison:
    """Return what a modified loss changed in the reconstructions and in the embedding's shape."""
    bends = float(np.mean(standard.turning)), float(np.mean(modified.turning))
    return Comparison(
        error_ratio=float(modified.error / standard.error),
        trace_ratio=float(modified.variances.sum() / standard.variances.sum()),
        standard_correlation=standard.correlation,
        modified_correlation=modified.correlation,
        correlation_word="lower" if modified.correlation < standard.correlation else "no lower",
        standard_bend=bends[0],
        modified_bend=bends[1],
        bend_word="more" if bends[1] > bends[0] else "no more",
    )


class Orientation(NamedTuple):
    """Where trainings left the sheet among its orientations, in numbers and in words."""

    standard_rank: float
    """The share of random rotations with a lower term than under the standard loss, in %."""
    modified_rank: float
    """The same under the modified loss."""
    trained: float
    """The alignment with (a, b), in [0, 1], under the modified loss, as trained."""
    preferred: float
    """The same where the term is lowest."""
    best: float
    """The same at its best over all rotations."""
    beaten: float
    """The share of random rotations that align worse than where the term is lowest, in %."""
    verdict: str
    """"is" or "is not", then "among the lowest 5 %": the modified loss's orientation."""
    orient_word: str
    """Whether the term "did" or "did not" orient the sheet."""
    aligned_word: str
    """Whether the alignment that the term prefers "is" or "is not" the best, to within 5 %."""
    chance_word: str
    """The verdict on "the orientation is left to chance"."""
    axes_word: str
    """The verdict on "the factors are not put on the axes"."""


def orientation(standard: Description, modified: Description) -> Orientation:
    """Return where the standard and the modified loss left the sheet among all its orientations."""
    rank, best, trained = 100 * modified.term.rank, modified.aligned.highest, modified.aligned.value
    oriented = rank < _PREFERRED
    refuted = "does not hold here"
    return Orientation(
        standard_rank=100 * standard.term.rank,
        modified_rank=rank,
        trained=trained,
        preferred=modified.preferred,
        best=best,
        beaten=float(100 * np.mean(modified.aligned.samples < modified.preferred)),
        verdict=f"{'is' if oriented else 'is not'} among the lowest 5 %",
        orient_word="did" if oriented else "did not",
        aligned_word="is" if modified.preferred > _NEARLY * best else "is not",
        chance_word=refuted if oriented else "is not contradicted here",
        axes_word=refuted if trained > _NEARLY * best else "holds here",
    )
