"""What single codes say about single factors, in nats counted in bins: MIG and modularity."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from vaelib.disentanglement.predictors import gap
from vaelib.statistics import Numbers, Score, beside_chance, checked, paired


def mutual_information(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20) -> Numbers:
    """Return the mutual information in nats of each code with each factor, both in bins of equal count.

    Between 0 and log(bins). Equal numbers share a bin, so a code that never varies has 0. It is the plain estimate of a
    finite sample, whose bias on independent variables is about (bins - 1)²/(2n) nats, and has to be judged against its
    chance level.

    disentanglement_lib takes discrete factors as they are and bins the codes alone, at equal width; bins of equal count
    give any increasing function of a code or a factor the same number.

    Args:
        codes: (n, d).
        factors: (n, k).
        bins: The number of bins, from 2 to n.

    Returns:
        The information (d, k).

    Raises:
        ValueError: `bins` is out of range, or an array has another shape.
    """
    latents, targets = paired(codes, factors)
    check_bins(bins, len(latents))
    return _information(_binned(latents, bins), _binned(targets, bins), bins)


def mig(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20, shuffles: int = 10, seed: int = 0) -> Score:
    """Return the mutual information gap, from 0 to 1: what the best code says about a factor and the next one does not.

    The mean over the factors of (I_1 - I_2)/H, with I_1 and I_2 the two largest of `mutual_information` (I_2 = 0 for a
    single code) and H the entropy of the binned factor. A factor that never varies gives 0. Chance: random pairings
    (`vaelib.statistics.beside_chance`).

    It is biased downwards by what independent codes seem to say, about (bins - 1)²/(2n) nats (`mutual_information`):
    the factors themselves score about 1 - (bins - 1)²/(2n log(bins)), with 20 bins 0.97 for 2,000 images, 0.81 for 400
    and 0.5 for 100, so compare only scores of equal n. For fewer than bins²/4 images they score less still.

    Source: Chen et al. 2018, equation 6. There the information is that of samples z; here, as in disentanglement_lib,
    that of the means. Differences from the latter: those of `mutual_information`, and no error for a single code.

    Args:
        codes: (n, d), n from bins²/4.
        factors: (n, k).
        bins: The number of bins, from 2.
        shuffles: The number of random pairings.
        seed: The pairings are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: There are too few images or bins, or an array has another shape.
    """
    latents, targets = paired(codes, factors)
    return beside_chance(
        lambda latents, targets: information_gap(targets, bins=bins)(latents),
        latents, targets, shuffles=shuffles, seed=seed,
    )  # fmt: skip


def information_gap(factors: ArrayLike, *, bins: int = 20) -> Callable[[Numbers], Any]:
    """Return the function that maps codes to their `mig` with these factors, without its chance level.

    For computing it for many codes and the same factors, which are binned once.

    Args:
        factors: (n, k).
        bins: The number of bins, from 2.

    Returns:
        A function of codes (n, d), or of many at once, (r, n, d), for which it gives (r,).

    Raises:
        ValueError: As in `mig`.
    """
    targets = checked("factors", factors)
    _check_enough(bins, len(targets))
    binned = _binned(targets, bins)
    entropy = np.diag(_information(binned, binned, bins))

    def value(codes: Numbers) -> Any:
        gaps = gap(_information(_binned(codes, bins), binned, bins))  # (..., k)
        return np.divide(gaps, entropy, out=np.zeros_like(gaps), where=entropy > 0).mean(axis=-1)

    return value


def modularity(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20, shuffles: int = 10, seed: int = 0) -> Score:
    """Return the modularity, from 0 to 1: the mean over the codes of 1 - Σ_{j≠j*} I_j² / ((k - 1) I_{j*}²).

    I_j is a code's `mutual_information` with factor j, j* the factor for which it is largest. It does not demand that
    each factor have only one code: two codes for the same factor score 1. Chance, by random pairings, is above 0, since
    noise is never equal for all factors; biased downwards in few images as `mig` is, to 0.75 for the factors themselves
    with 20 bins of 100 images.

    Source: Ridgeway & Mozer 2018, section 3. Differences from disentanglement_lib: those of `mutual_information`, and a
    code without any information is left out of the mean, where it counts 0 there; if no code is left, the score is 0.

    Args:
        codes: (n, d), n from bins²/4.
        factors: (n, k), k from 2.
        bins: The number of bins, from 2.
        shuffles: The number of random pairings.
        seed: The pairings are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: There are too few images, bins or factors, or an array has another shape.
    """
    latents, targets = paired(codes, factors)
    _check_enough(bins, len(latents))
    if targets.shape[1] < 2:
        raise ValueError(f"factors has shape {targets.shape}: modularity needs 2 factors or more")

    def value(latents: Numbers, targets: Numbers) -> float:
        squares = _information(_binned(latents, bins), _binned(targets, bins), bins) ** 2  # (d, k)
        best = squares.max(axis=1)
        squares, best = squares[best > 0], best[best > 0]
        others = (squares.sum(axis=1) - best) / (squares.shape[1] - 1)
        return float(np.mean(1 - others / best)) if len(best) else 0.0

    return beside_chance(value, latents, targets, shuffles=shuffles, seed=seed)


def check_bins(bins: int, n: int) -> None:
    """Raise ValueError unless there are 2 bins or more, and no more than the n images."""
    if not 2 <= bins <= n:
        raise ValueError(f"bins = {bins!r}; allowed: 2 to the number of images, {n}")


def _check_enough(bins: int, n: int) -> None:
    check_bins(bins, n)
    if 4 * n < bins**2:
        raise ValueError(f"bins = {bins!r}, {n} images; allowed: {math.ceil(bins**2 / 4)} images or more")


def _binned(values: Numbers, bins: int) -> NDArray[np.int64]:
    """Return (..., d, n) of values (..., n, d): the bin of each number, by its rank in its column."""
    columns = np.ascontiguousarray(np.swapaxes(values, -1, -2))
    n = columns.shape[-1]
    # A column that never varies, as of a unit that is left out, is all in the middle bin.
    result = np.full(columns.shape, math.floor(n / 2 * bins / n), dtype=np.int64)
    varies = np.ptp(columns, axis=-1) > 0
    columns = columns[varies]  # (m, n)
    order = np.argsort(columns, axis=-1)
    binned = np.empty(columns.shape, dtype=np.int64)
    np.put_along_axis(binned, order, _bin_of_rank(np.arange(1.0, n + 1), bins, n)[None], axis=-1)
    ordered = np.take_along_axis(columns, order, axis=-1)
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=-1)
    if tied.any():  # rare, and slower
        binned[tied] = _bin_of_rank(scipy.stats.rankdata(columns[tied], method="average", axis=-1), bins, n)
    result[varies] = binned
    return result


def _bin_of_rank(ranks: Numbers, bins: int, n: int) -> NDArray[np.int64]:
    return np.floor((ranks - 0.5) * bins / n).astype(np.int64)


def _information(rows: NDArray[np.int64], columns: NDArray[np.int64], bins: int) -> Numbers:
    """Return (..., d, k): the mutual information of binned codes (..., d, n) with binned factors (k, n)."""
    n = columns.shape[-1]
    shape = (*rows.shape[:-1], len(columns))
    pairs = (rows[..., None, :] * bins + columns).reshape(-1, n)  # (pairs, n)
    pairs += bins**2 * np.arange(len(pairs))[:, None]
    joint = np.bincount(pairs.ravel(), minlength=bins**2 * len(pairs)).reshape(-1, bins, bins)
    share = np.arange(n + 1) / n
    terms = xlogy(share, share)  # for each possible count
    alone = terms[joint.sum(axis=1)].sum(axis=1) + terms[joint.sum(axis=2)].sum(axis=1)
    result = terms[joint].sum(axis=(1, 2)) - alone
    return np.where(result > 1e-12, result, 0.0).reshape(shape)  # rounding carries no information
