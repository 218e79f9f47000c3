"""The scores of the β-VAE and the FactorVAE papers: how well the codes reveal which factor was held fixed.

Both render images in groups that share one factor exactly and vary in the other, encode them, and have a simple
classifier, trained on such groups, predict which factor it was. The factors are the study's (a, b), uniform in their
range, so chance is 1/2. Nothing here loads Keras.

disentanglement_lib gives no default to any size, so those here are this module's own: a vote of 16 pairs or images, 200
votes to train on and as many to test on, and 1,000 images for the spread of each unit. The table of a sweep uses 100
votes (`vaelib.evaluation`).
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib import curves
from vaelib.curves import Framing
from vaelib.disentanglement.unsupervised import ACTIVE, active
from vaelib.experiment import PARAMETER_RANGE, DataSettings, Experiment
from vaelib.statistics import Numbers, Score, checked

_SLAB = 512  # images rendered and encoded at a time; bounds the memory
_FACTORS = len(PARAMETER_RANGE)
_CACHED_SIZE = 64  # pixels; larger images are not cached, which would take more than 64 MiB
_GLOBAL = 1000  # images for the spread of each unit


def beta_vae_score(
    encode: Callable[[NDArray[Any]], ArrayLike],
    settings: DataSettings | Experiment,
    *,
    votes: int = 200,
    batch: int = 16,
    threshold: float = ACTIVE,
    seed: int = 0,
) -> Score:
    """Return the accuracy, from 0 to 1, with which a linear classifier predicts the factor that pairs of images share.

    A vote is `batch` pairs that all share the same factor (not its value); its features are the mean absolute
    differences of the codes, in units of their standard deviation over 1,000 images. The classifier is least squares on
    the two classes, trained on `votes` votes and tested on as many others. Where no unit is active the score is 0. It
    takes 4 · votes · batch + 1,000 images. Chance is 1/2.

    Source: Higgins et al. 2017, section 3. Differences from disentanglement_lib: the features are standardised, dead
    units are left out, both factors come equally often, the linear classifier is the closed form of least squares
    instead of scikit-learn's logistic regression with its defaults, and the sizes have defaults.

    Args:
        encode: From images (n, h, w) uint8 to codes (n, d), such as `Run.encode`.
        settings: How to draw the images.
        votes: The number of votes to train on, and to test on, from 10.
        batch: The number of pairs in a vote, from 1.
        threshold: Units that are not `vaelib.disentanglement.active` at it are left out.
        seed: All is drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: `votes` or `batch` is out of range, or the codes have another shape.
    """
    _check(votes, batch, 1)
    generator = np.random.default_rng(seed)
    mask, spread = _spread(encode, settings, threshold, generator)
    if not mask.any():
        return Score(0.0, 1 / _FACTORS)

    def features(labels: NDArray[np.int64]) -> Numbers:
        pairs = _points(generator, (len(labels), batch, 2))  # (votes, batch, 2, k)
        for vote, factor in enumerate(labels):
            pairs[vote, :, 1, factor] = pairs[vote, :, 0, factor]
        codes = _codes(encode, settings, pairs.reshape(-1, _FACTORS)).reshape(len(labels), batch, 2, -1)
        return np.abs(codes[:, :, 0] - codes[:, :, 1]).mean(axis=1)[:, mask] / spread[mask]

    train_labels, test_labels = _labels(votes, generator), _labels(votes, generator)
    train, test = features(train_labels), features(test_labels)
    centre = train.mean(axis=0)
    # With the classes coded as -1 and 1 and equally often, least squares has Fisher's direction and cuts half way.
    weights = np.linalg.lstsq(train - centre, 2.0 * train_labels - 1, rcond=None)[0]
    middle = np.mean([((train - centre) @ weights)[train_labels == factor].mean() for factor in range(_FACTORS)])
    return Score(float(np.mean(((test - centre) @ weights > middle) == (test_labels == 1))), 1 / _FACTORS)


def factor_vae_score(
    encode: Callable[[NDArray[Any]], ArrayLike],
    settings: DataSettings | Experiment,
    *,
    votes: int = 200,
    batch: int = 16,
    threshold: float = ACTIVE,
    seed: int = 0,
) -> Score:
    """Return the accuracy, from 0 to 1, with which the unit that varies least predicts the factor that is fixed.

    A vote is `batch` images with one factor fixed at a random value; the unit whose variance over them is smallest,
    relative to its variance over 1,000 images, votes for the factor. Each unit stands for the factor it met most often
    in `votes` votes (the first of equals) and is tested on as many others. Where no unit is active the score is 0. It
    takes 2 · votes · batch + 1,000 images. Chance is 1/2.

    Source: Kim & Mnih 2018, section 4, who test on the votes that were trained on. Differences from
    disentanglement_lib, which tests on others too: dead units are left out (its default threshold of 0 leaves out
    none), both factors come equally often, and the sizes have defaults.

    Args:
        encode: From images (n, h, w) uint8 to codes (n, d), such as `Run.encode`.
        settings: How to draw the images.
        votes: The number of votes to train on, and to test on, from 10.
        batch: The number of images in a vote, from 2.
        threshold: Units that are not `vaelib.disentanglement.active` at it are left out.
        seed: All is drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: `votes` or `batch` is out of range, or the codes have another shape.
    """
    _check(votes, batch, 2)
    generator = np.random.default_rng(seed)
    mask, spread = _spread(encode, settings, threshold, generator)
    if not mask.any():
        return Score(0.0, 1 / _FACTORS)

    def units(labels: NDArray[np.int64]) -> NDArray[np.int64]:
        groups = _points(generator, (len(labels), batch))  # (votes, batch, k)
        for vote, factor in enumerate(labels):
            groups[vote, :, factor] = groups[vote, 0, factor]
        codes = _codes(encode, settings, groups.reshape(-1, _FACTORS)).reshape(len(labels), batch, -1)
        return np.argmin(codes.var(axis=1, ddof=1)[:, mask] / spread[mask] ** 2, axis=1)

    train_labels, test_labels = _labels(votes, generator), _labels(votes, generator)
    train, test = units(train_labels), units(test_labels)
    table = np.zeros((int(mask.sum()), _FACTORS), dtype=np.int64)
    np.add.at(table, (train, train_labels), 1)
    return Score(float(np.mean(table.argmax(axis=1)[test] == test_labels)), 1 / _FACTORS)


def _check(votes: int, batch: int, least: int) -> None:
    if votes < 10 or batch < least:
        raise ValueError(f"votes = {votes!r}, batch = {batch!r}; allowed: votes from 10 and a batch from {least}")


def _labels(votes: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return (votes,): the factor that each vote holds fixed, every factor as often as the others (or one more)."""
    return generator.permutation(np.arange(votes) % _FACTORS)


def _points(generator: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    return generator.uniform(low, high, size=(*shape, _FACTORS))


def _codes(
    encode: Callable[[NDArray[Any]], ArrayLike], settings: DataSettings | Experiment, points: Numbers
) -> Numbers:
    slabs = [points[start : start + _SLAB] for start in range(0, len(points), _SLAB)]
    codes = [np.asarray(encode(_draw(slab, settings)), dtype=np.float64) for slab in slabs]
    if any(part.ndim != 2 or len(part) != len(slab) for part, slab in zip(codes, slabs, strict=True)):
        raise ValueError(f"encode returned codes of shape {codes[0].shape} for {len(slabs[0])} images; allowed: (n, d)")
    return checked("codes", np.concatenate(codes))


def _draw(points: Numbers, settings: DataSettings | Experiment) -> NDArray[np.uint8]:
    draw = _drawn if settings.image_size <= _CACHED_SIZE else _drawn.__wrapped__
    return draw(points.tobytes(), settings.image_size, settings.line_width, settings.framing)


@functools.lru_cache(maxsize=32)  # slabs, which hold the votes of the sweep's table
def _drawn(points: bytes, image_size: int, line_width: float, framing: Framing) -> NDArray[np.uint8]:
    """Return the images of points (n, 2), float64; every training of a sweep asks for the same ones."""
    a, b = np.frombuffer(points).reshape(-1, _FACTORS).T
    images = curves.render(a, b, image_size=image_size, line_width=line_width, framing=framing)
    images.setflags(write=False)
    return images


def _spread(
    encode: Callable[[NDArray[Any]], ArrayLike],
    settings: DataSettings | Experiment,
    threshold: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.bool_], Numbers]:
    """Return which units are active, (d,), and their standard deviations, (d,)."""
    codes = _codes(encode, settings, _points(generator, (_GLOBAL,)))
    return active(codes, threshold=threshold), codes.std(axis=0)
