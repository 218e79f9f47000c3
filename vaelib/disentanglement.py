"""How single codes carry single factors, and how codes depend on each other, each number beside its chance level.

Codes are (n, d), usually the means μ; factors are (n, k), continuous, as the study's (a, b). What every score does
when the codes change, with the factors as they are:

- order and sign of the codes: no score changes;
- scale and place of single codes: `active_units` changes with the scale, nothing with the place (`dci` and what is
  counted in bins by what rounding does to them);
- rotation: MIG, SAP, modularity, the parts of DCI, `mean_correlation` and `total_correlation` change, since they
  are about axes. A covariance that is a multiple of the identity is the exception for the last two: no rotation
  correlates its codes. `vaelib.metrics.linear_r2`, `vaelib.geometry.twonn` and `vaelib.disentanglement_sheet` but
  for its tangent planes do not change.

A unit that varies by less than the posterior's noise still has a mean that may tell the factors, and the scores
count it whatever its scale: leave such units out with `active` beforehand. Units that never vary count nowhere but
in DCI's completeness: the base of its entropy is the number of all codes, as in the definition and in
disentanglement_lib, so that each of them lifts the score, and its chance level alike.

The public numpy implementation that the differences refer to is google-research/disentanglement_lib, folder
disentanglement_lib/evaluation/metrics, commit 76f41e3. Nothing here loads Keras.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from vaelib import metrics
from vaelib.chance import Score, beside_chance, checked, near_zero, paired

Numbers = NDArray[np.float64]
LEAST = 100
"""The fewest images of which `dci` and, with 20 bins, `mig` and `modularity` tell codes that are the factors."""
ACTIVE = 0.01
"""The variance of its means above which a unit is `active`: that of the noise, for σ = 0.1."""


def mutual_information(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20) -> Numbers:
    """Return (d, k): the mutual information in nats of each code with each factor, both in `bins` bins of equal count.

    Between 0 and log(bins). Equal numbers take the same bin, so a code that never varies has 0. The plain estimate
    of a finite sample, whose bias on independent variables is about (bins - 1)²/(2n) nats: it has to be judged
    against its chance level. Raises ValueError for fewer than 2 bins, more bins than images, or arrays of other
    shapes.

    disentanglement_lib takes discrete factors as they are and bins the codes alone, at equal width; bins of equal
    count give any increasing function of a code or a factor the same number.
    """
    latents, targets = paired(codes, factors)
    _check_bins(bins, len(latents))
    return _information(_binned(latents, bins), _binned(targets, bins), bins)


def mig(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20, shuffles: int = 10, seed: int = 0) -> Score:
    """Return the mutual information gap, from 0 to 1: what the best code knows of a factor and the next one does not.

    The mean over the factors of (I_1 - I_2)/H, with I_1 and I_2 the two largest of `mutual_information` (I_2 = 0 for a
    single code) and H the entropy of the binned factor. A factor that never varies gives 0. Chance: random pairings
    (`vaelib.chance.beside_chance`).

    Biased downwards by what independent codes seem to know, about (bins - 1)²/(2n) nats (`mutual_information`): the
    factors themselves score about 1 - (bins - 1)²/(2n log(bins)), with 20 bins 0.97 of 2,000 images, 0.81 of 400 and
    0.5 of 100, so compare scores of equal n alone. Raises ValueError for fewer than bins²/4 images, below which they
    score less still, for fewer than 2 bins, and for arrays of other shapes.

    Source: Chen et al. 2018, equation 6. There the information is that of samples z; here, as in disentanglement_lib,
    that of the means. Differences from the latter: as `mutual_information` says, and no error for a single code.
    """
    latents, targets = paired(codes, factors)
    return beside_chance(
        lambda latents, targets: information_gap(targets, bins=bins)(latents),
        latents, targets, shuffles=shuffles, seed=seed,
    )  # fmt: skip


def information_gap(factors: ArrayLike, *, bins: int = 20) -> Callable[[Numbers], Any]:
    """Return the function that takes codes (n, d) to their `mig` with these factors (n, k), without its chance.

    For those who need it of many codes and the same factors, which are binned once. Codes (r, n, d) are as many at
    once, and give (r,). Raises ValueError as `mig` does.
    """
    targets = checked("factors", factors)
    _check_enough(bins, len(targets))
    binned = _binned(targets, bins)
    entropy = np.diag(_information(binned, binned, bins))

    def value(codes: Numbers) -> Any:
        gaps = gap(_information(_binned(codes, bins), binned, bins))  # (..., k)
        return np.divide(gaps, entropy, out=np.zeros_like(gaps), where=entropy > 0).mean(axis=-1)

    return value


def sap(codes: ArrayLike, factors: ArrayLike, *, shuffles: int = 10, seed: int = 0) -> Score:
    """Return the separated attribute predictability, from 0 to 1: the mean gap between a factor's two best codes.

    What is compared is the squared correlation of a code with a factor (`vaelib.metrics.single_latent_r2`), the
    share a linear function of that code explains; a single code's gap is to 0. Chance: random pairings. Raises
    ValueError for arrays of other shapes.

    Source: Kumar et al. 2018, section 3, for continuous factors. Differences from disentanglement_lib: it takes a
    code for dead at a variance of 1e-12, here at exactly 0; it needs two codes or more. There `continuous_factors` has
    to say that factors are continuous, since for discrete ones it compares the accuracy of a linear support vector
    classifier on images of their own, which is not done here. A factor that never varies makes it divide by zero, here
    its gap is 0.
    """
    return beside_chance(
        lambda latents, targets: float(gap(metrics.single_latent_r2(latents, targets)).mean()),
        codes, factors, shuffles=shuffles, seed=seed,
    )  # fmt: skip


def modularity(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20, shuffles: int = 10, seed: int = 0) -> Score:
    """Return the modularity, from 0 to 1: the mean over the codes of 1 - Σ_{j≠j*} I_j² / ((k - 1) I_{j*}²).

    I_j is a code's `mutual_information` with factor j, j* the factor it knows most of. It does not ask that each
    factor have one code only: two codes for the same factor score 1. Chance, by random pairings, is above 0, since
    noise is never equal for all factors; biased downwards in few images as `mig` is, to 0.75 for the factors themselves
    with 20 bins of 100 images. Raises ValueError as `mig` does, and for fewer than 2 factors.

    Source: Ridgeway & Mozer 2018, section 3. Differences from disentanglement_lib: as `mutual_information` says, and a
    code without any information is left out of the mean, where it counts 0 there; without any other the score is 0.
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


@dataclass(frozen=True, eq=False)
class DCI:
    """The three scores of `dci` and the matrix they come from."""

    disentanglement: Score
    """From 0 to 1: how far each code matters to one factor alone."""
    completeness: Score
    """From 0 to 1: how far each factor needs one code alone."""
    informativeness: Score
    """From 0 to 1: the share of the factors' variance that all codes together explain."""
    importance: Numbers
    """(d, k): how much of what is explained of each factor each code explains; columns sum to 1, or 0 for nothing."""


def dci(codes: ArrayLike, factors: ArrayLike, *, trees: int = 20, shuffles: int = 2, seed: int = 0) -> DCI:
    """Return disentanglement, completeness and informativeness of the codes by random forests.

    A forest of `trees` regression trees for each factor learns it from the codes on a random half of the images; its
    impurity importances make the matrix R. Disentanglement is the mean over the codes of 1 - H_k(R_i/ΣR_i), weighted
    by ΣR_i; completeness the mean over the factors of 1 - H_d(R_j); H_m is the entropy in base m, and with m = 1
    there is nothing to be divided, so it is 0. Codes without importance count 0, and are counted in d all the same;
    a factor of which no code has any counts 0 too. Informativeness is R² on the other
    half, at least 0, the mean over the factors; one that never varies counts 0. Chance: random pairings. The seed
    draws the halves, the trees' images and the pairings. The factors themselves score 1, but in informativeness, whose
    trees are coarse in few images: 0.8 in 100, 0.97 in 200. Raises ValueError for fewer than 100 images, no trees, or
    arrays of other shapes.

    Source: Eastwood & Williams 2018, section 2, with its random forests. Differences: the paper tells
    informativeness as a prediction error, lower for the better, and chooses the trees' depth by validation, where a
    tree here ends at 10 images. disentanglement_lib boosts classifiers of discrete factors, tells their
    accuracy, and weighs the factors' completeness by their importance, which is 1 for each that was learnt. To
    keep clear of 0/0 it adds 1e-11 to every importance before the entropy, and takes ones for the weights where the
    whole matrix is 0; here zeros are left out of the sums. The score of such a matrix is 0 in either.
    """
    latents, targets = map(_for_trees, paired(codes, factors))
    if len(latents) < LEAST or trees < 1:
        raise ValueError(
            f"{len(latents)} images, trees = {trees!r}: allowed are {LEAST} images or more and trees from 1"
        )
    generator = np.random.default_rng(seed)
    found = [_forests(latents, targets, trees, seed)]
    found += [_forests(latents, generator.permutation(targets), trees, seed) for _ in range(shuffles)]
    values = np.array([
        (_disentanglement(importance), np.mean(_concentration(importance.T)), explained)
        for importance, explained in found
    ])  # fmt: skip
    chance = values[1:].mean(axis=0) if shuffles else np.full(3, np.nan)
    one, two, three = (Score(float(value), float(level)) for value, level in zip(values[0], chance, strict=True))
    return DCI(one, two, three, found[0][0])


def mean_correlation(codes: ArrayLike) -> Score:
    """Return the mean absolute correlation of two codes, from 0 to 1.

    Over all pairs of codes that vary; 0 where there is no pair. `vaelib.metrics.correlation` has the matrix. Chance
    is what independent normal codes give, √(2/(πn)), in large samples. Raises ValueError for arrays of other shapes.
    """
    latents = _varying(checked("codes", codes))
    d = latents.shape[1]
    if d < 2:
        return Score(0.0, 0.0)
    above = metrics.correlation(latents)[np.triu_indices(d, 1)]
    return Score(float(np.abs(above).mean()), float(np.sqrt(2 / (np.pi * len(latents)))))


def total_correlation(codes: ArrayLike) -> Score:
    """Return the total correlation in nats of the normal distribution with the codes' correlations, -½ log det.

    0 where all codes are uncorrelated, infinite where one is a linear function of others; codes that never vary are
    left out. Only for normal codes is it their total correlation: for others it says what their correlations alone
    make of it. Chance is what independent normal codes give, d(d-1)/(4n), in large samples. Raises ValueError for
    arrays of other shapes.

    Source: Watanabe 1960; the "Gaussian total correlation" of Locatello et al. 2019. disentanglement_lib takes it
    from the covariance with 1/(n-1), which is the same number; there a code that never varies makes it NaN.
    """
    latents = _varying(checked("codes", codes))
    n, d = latents.shape
    if d < 2:
        return Score(0.0, 0.0)
    values = np.linalg.eigvalsh(metrics.correlation(latents))
    # Rounding keeps the smallest eigenvalue of a singular matrix a little off 0, on either side.
    value = float("inf") if values[0] < 1e-12 else max(-0.5 * float(np.log(values).sum()), 0.0)
    return Score(value, d * (d - 1) / (4 * n))


def active(codes: ArrayLike, *, threshold: float = ACTIVE) -> NDArray[np.bool_]:
    """Return (d,) bool: which units vary by more than `threshold`, the variance of their means μ over the images.

    Against a prior of variance 1; with σ = 0.1 the default is also the noise's variance. Raises ValueError for a
    negative threshold or arrays of other shapes. Source: Burda et al. 2016, section 5.2.
    """
    if not threshold >= 0:
        raise ValueError(f"threshold = {threshold!r}: allowed are numbers from 0")
    return np.asarray(checked("codes", codes).var(axis=0) > threshold)


def active_units(codes: ArrayLike, *, threshold: float = ACTIVE) -> int:
    """Return the number of `active` units."""
    return int(active(codes, threshold=threshold).sum())


def scores(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20, seed: int = 0) -> dict[str, Score]:
    """Return by name all scores of this module and the axis alignment and linear R² of `vaelib.metrics`.

    The names: mig, sap, modularity, disentanglement, completeness, informativeness, mean_correlation,
    total_correlation, alignment and linear_r2, the mean over the factors. Absent are alignment where there are fewer
    codes than factors, modularity for a single factor, mig and modularity for fewer than bins²/4 images, and the three
    of `dci` for fewer than 100. Raises ValueError for fewer than 2 bins or images, and for arrays of other shapes.
    """
    latents, targets = paired(codes, factors)
    _check_bins(bins, max(bins, len(latents)))
    binnable = 4 * len(latents) >= bins**2
    found: dict[str, Score] = {}
    if binnable:
        found["mig"] = mig(latents, targets, bins=bins, seed=seed)
    found["sap"] = sap(latents, targets, seed=seed)
    if binnable and targets.shape[1] > 1:
        found["modularity"] = modularity(latents, targets, bins=bins, seed=seed)
    if len(latents) >= LEAST:
        three = dci(latents, targets, seed=seed)
        found |= {name: getattr(three, name) for name in ("disentanglement", "completeness", "informativeness")}
    found |= {"mean_correlation": mean_correlation(latents), "total_correlation": total_correlation(latents)}
    if latents.shape[1] >= targets.shape[1]:
        found["alignment"] = beside_chance(metrics.alignment, latents, targets, shuffles=10, seed=seed)
    found["linear_r2"] = beside_chance(
        lambda latents, targets: float(metrics.linear_r2(latents, targets).mean()),
        latents, targets, shuffles=10, seed=seed,
    )  # fmt: skip
    return found


def _check_bins(bins: int, n: int) -> None:
    if not 2 <= bins <= n:
        raise ValueError(f"bins = {bins!r}: allowed are 2 to the number of images, {n}")


def _check_enough(bins: int, n: int) -> None:
    _check_bins(bins, n)
    if 4 * n < bins**2:
        raise ValueError(f"bins = {bins!r}, {n} images: allowed are {math.ceil(bins**2 / 4)} images or more")


def _for_trees(values: Numbers) -> Numbers:
    """Return (n, d) with the columns that scikit-learn's trees cannot resolve at a range of 1; others keep their bits.

    Trees read codes as float32, take a difference of 1e-7 for none, and a factor's variance of 2e-16 for none.
    """
    values = near_zero(values)
    reach = np.ptp(values, axis=0)
    return values / np.where((reach > 0) & ((reach < 1e-3) | (reach > 1e4)), reach, 1.0)


def _binned(values: Numbers, bins: int) -> NDArray[np.int64]:
    """Return (..., d, n) of values (..., n, d): the bin of each number, by its rank in its column."""
    columns = np.ascontiguousarray(np.swapaxes(values, -1, -2))
    n = columns.shape[-1]
    # A column that never varies, such as a unit's that is left out, is all in the middle bin.
    result = np.full(columns.shape, math.floor(n / 2 * bins / n), dtype=np.int64)
    varies = np.ptp(columns, axis=-1) > 0
    columns = columns[varies]  # (m, n)
    order = np.argsort(columns, axis=-1)
    binned = np.empty(columns.shape, dtype=np.int64)
    np.put_along_axis(binned, order, _bin_of_rank(np.arange(1.0, n + 1), bins, n)[None], axis=-1)
    ordered = np.take_along_axis(columns, order, axis=-1)
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=-1)
    if tied.any():  # seldom, and slower
        binned[tied] = _bin_of_rank(scipy.stats.rankdata(columns[tied], method="average", axis=-1), bins, n)
    result[varies] = binned
    return result


def _bin_of_rank(ranks: Numbers, bins: int, n: int) -> NDArray[np.int64]:
    return np.floor((ranks - 0.5) * bins / n).astype(np.int64)


def _information(rows: NDArray[np.int64], columns: NDArray[np.int64], bins: int) -> Numbers:
    """Return (..., d, k): the mutual information of what is binned (..., d, n) with what is (k, n)."""
    n = columns.shape[-1]
    shape = (*rows.shape[:-1], len(columns))
    pairs = (rows[..., None, :] * bins + columns).reshape(-1, n)  # (pairs, n)
    pairs += bins**2 * np.arange(len(pairs))[:, None]
    joint = np.bincount(pairs.ravel(), minlength=bins**2 * len(pairs)).reshape(-1, bins, bins)
    share = np.arange(n + 1) / n
    terms = xlogy(share, share)  # of each possible count
    alone = terms[joint.sum(axis=1)].sum(axis=1) + terms[joint.sum(axis=2)].sum(axis=1)
    result = terms[joint].sum(axis=(1, 2)) - alone
    return np.where(result > 1e-12, result, 0.0).reshape(shape)  # rounding is no information


def gap(matrix: Numbers) -> Numbers:
    """Return (..., k): the largest of each column (..., d, k) less the second largest, which is 0 for d = 1.

    For what is not negative, such as the information or the squared correlations of d codes with k factors.
    """
    ordered = np.sort(np.concatenate([np.zeros_like(matrix[..., :1, :]), matrix], axis=-2), axis=-2)
    return np.asarray(ordered[..., -1, :] - ordered[..., -2, :])


def _varying(latents: Numbers) -> Numbers:
    return latents[:, np.ptp(latents, axis=0) > 0]


def _forests(latents: Numbers, targets: Numbers, trees: int, seed: int) -> tuple[Numbers, float]:
    """Return the importances (d, k) and the mean R² on the half that the forests did not see."""
    from sklearn import config_context
    from sklearn.ensemble import RandomForestRegressor

    order = np.random.default_rng(seed).permutation(len(latents))
    learn, judge = np.array_split(order, 2)
    importance = np.zeros((latents.shape[1], targets.shape[1]))
    explained = np.zeros(targets.shape[1])
    for j, target in enumerate(targets.T):
        forest = RandomForestRegressor(
            n_estimators=trees, criterion="squared_error", max_depth=None, min_samples_split=20, min_samples_leaf=10,
            min_weight_fraction_leaf=0.0, max_features=1.0, max_leaf_nodes=None, min_impurity_decrease=0.0,
            bootstrap=True, oob_score=False, n_jobs=1, random_state=seed, warm_start=False, ccp_alpha=0.0,
            max_samples=None, monotonic_cst=None,
        )  # fmt: skip
        with config_context(assume_finite=True, skip_parameter_validation=True):  # checked above, and not once a tree
            forest.fit(latents[learn], target[learn])
            importance[:, j], told = forest.feature_importances_, forest.predict(latents[judge])
        variance = target[judge].var()
        if variance > 0:
            error = np.mean((told - target[judge]) ** 2)
            explained[j] = max(1 - error / variance, 0.0)
    return importance, float(explained.mean())


def _concentration(rows: Numbers) -> Numbers:
    """Return (m,): 1 - the entropy of each row of (m, c) made to sum to 1, in base c; 0 for a row of zeros."""
    total = rows.sum(axis=1, keepdims=True)
    shares = np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)
    entropy = -xlogy(shares, shares).sum(axis=1) / np.log(max(rows.shape[1], 2))
    return np.where(total[:, 0] > 0, 1 - entropy, 0.0)


def _disentanglement(importance: Numbers) -> float:
    weight = importance.sum(axis=1)
    return float(_concentration(importance) @ weight / weight.sum()) if weight.sum() > 0 else 0.0
