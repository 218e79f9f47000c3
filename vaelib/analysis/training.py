"""The numbers of the training's chapter: the network's size, unseen images, what is hard, how the sheet grows."""

from typing import Any, NamedTuple

from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from vaelib import metrics
from vaelib.experiment import Experiment
from vaelib.run import Run

_LEARNT = 0.25  # of an image's variance: a curve with a smaller error counts as learnt


class ParameterCounts(NamedTuple):
    """The numbers of weights in a network's encoder, in its decoder and in both."""

    encoder: int
    decoder: int
    total: int


def parameter_counts(experiment: Experiment) -> ParameterCounts:
    """Return how many weights an experiment's network has."""
    from vaelib.model import build_decoder, build_encoder

    encoder, decoder = build_encoder(experiment).count_params(), build_decoder(experiment).count_params()
    return ParameterCounts(encoder, decoder, encoder + decoder)


class Unseen(NamedTuple):
    """How a run reconstructs its validation images, and the terms of its loss on them."""

    floor: float
    """The mean cross-entropy of a perfect copy, the pixels' own entropy, in nats a pixel."""
    clean: float
    """The mean cross-entropy at the best epoch, without sampling noise."""
    excess: float
    """How much it lies above the floor, in %."""
    first: float
    """The cross-entropy with sampling noise after the first epoch."""
    last: float
    """The same at the best epoch."""
    kl: float
    """The KL term at the best epoch, as the loss scales it."""
    beta_kl: float
    """β · KL, what it adds to the loss."""
    error: float
    """The mean squared error, in 10⁻³ a pixel."""
    relative: float
    """The mean error over the image's own variance, in %."""
    answer: str
    """"Yes" where the mean error is below a quarter of the image's variance, else "Not in this run"."""


def unseen(run: Run, images: NDArray[Any], reconstructions: NDArray[Any]) -> Unseen:
    """Return how a run reconstructs its validation images, and the terms of its loss on them.

    Args:
        run: The run.
        images: (n, h, w), uint8, or in [0, 1].
        reconstructions: (n, h, w), in [0, 1].

    Raises:
        ValueError: The shapes differ.
    """
    best = run.best_epoch
    floor = metrics.pixel_entropy(images).mean()
    clean = metrics.cross_entropy(images, reconstructions).mean()
    error = metrics.squared_error(images, reconstructions).mean()
    relative = metrics.normalised_error(images, reconstructions).mean()
    kl = run.history["val_kl"][best - 1]
    return Unseen(
        floor=float(floor),
        clean=float(clean),
        excess=float(100 * (clean / floor - 1)),
        first=float(run.history["val_cross_entropy"][0]),
        last=float(run.history["val_cross_entropy"][best - 1]),
        kl=float(kl),
        beta_kl=float(run.experiment.beta * kl),
        error=float(1000 * error),
        relative=float(100 * relative),
        answer="Yes" if relative < _LEARNT else "Not in this run",
    )


class RankCorrelation(NamedTuple):
    """The rank correlation of an error with each factor, in [-1, 1]; below 0, small values are hard."""

    a: float
    b: float


def rank_correlation(parameters: NDArray[Any], errors: ArrayLike) -> RankCorrelation:
    """Return Spearman's rank correlation of errors (n,) with the factors: parameters (n, 2), (a, b)."""
    return RankCorrelation(*(float(spearmanr(parameters[:, k], errors).statistic) for k in range(2)))


class Growth(NamedTuple):
    """The total standard deviation of a run's means (the root of the summed variances) at three epochs."""

    before: float
    """Before the first step."""
    first: float
    """After one epoch."""
    best: float
    """At the best epoch."""


def growth(run: Run) -> Growth:
    """Return how wide the sheet of a run's training images is before the training, early in it and at its best."""
    return Growth(*(float(run.embeddings[epoch].var(axis=0).sum() ** 0.5) for epoch in (0, 1, run.best_epoch)))
