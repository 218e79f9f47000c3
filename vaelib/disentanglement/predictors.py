"""How well codes predict factors: each code alone (SAP), or all of them by random forests (DCI)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from vaelib import metrics
from vaelib.statistics import Numbers, Score, beside_chance, near_zero, paired

LEAST = 100
"""The fewest images in which `dci` and, with 20 bins, `mig` and `modularity` recognise codes that are the factors."""


def sap(codes: ArrayLike, factors: ArrayLike, *, shuffles: int = 10, seed: int = 0) -> Score:
    """Return the separated attribute predictability, from 0 to 1: the mean gap between a factor's two best codes.

    What is compared is the squared correlation of a code with a factor (`vaelib.metrics.single_latent_r2`), the share
    that a linear function of that code explains; a single code's gap is to 0. Chance: random pairings.

    Source: Kumar et al. 2018, section 3, for continuous factors. Differences from disentanglement_lib: it regards a
    code as dead at a variance of 1e-12, here at exactly 0; it needs two codes or more. There `continuous_factors` has
    to say that factors are continuous, since for discrete ones it compares the accuracy of a linear support vector
    classifier on separate images, which is not done here. A factor that never varies makes it divide by zero; here its
    gap is 0.

    Args:
        codes: (n, d).
        factors: (n, k).
        shuffles: The number of random pairings.
        seed: The pairings are drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: An array has another shape.
    """
    return beside_chance(
        lambda latents, targets: float(gap(metrics.single_latent_r2(latents, targets)).mean()),
        codes, factors, shuffles=shuffles, seed=seed,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class DCI:
    """The three scores of `dci` and the matrix they come from."""

    disentanglement: Score
    """How far each code matters to one factor alone, from 0 to 1."""
    completeness: Score
    """How far each factor needs one code alone, from 0 to 1."""
    informativeness: Score
    """The share of the factors' variance that all codes together explain, from 0 to 1."""
    importance: Numbers
    """The share of each code in what is explained of each factor, (d, k); columns sum to 1, or to 0 if nothing is."""


def dci(codes: ArrayLike, factors: ArrayLike, *, trees: int = 20, shuffles: int = 2, seed: int = 0) -> DCI:
    """Return disentanglement, completeness and informativeness of the codes by random forests.

    A forest for each factor learns it from the codes on a random half of the images; its impurity importances make the
    matrix R. Disentanglement is the mean over the codes of 1 - H_k(R_i/ΣR_i), weighted by ΣR_i; completeness the mean
    over the factors of 1 - H_d(R_j); H_m is the entropy in base m, and 0 for m = 1, where there is nothing to divide.
    Codes without importance count 0, and are counted in d all the same; a factor for which no code has any counts 0
    too. Informativeness is R² on the other half, at least 0, the mean over the factors; one that never varies counts 0.
    Chance: random pairings. The factors themselves score 1, except in informativeness, whose trees are coarse in few
    images: 0.8 in 100, 0.97 in 200.

    Source: Eastwood & Williams 2018, section 2, with its random forests. Differences: the paper reports informativeness
    as a prediction error, lower being better, and chooses the trees' depth by validation, where a tree here ends at 10
    images. disentanglement_lib boosts classifiers of discrete factors, reports their accuracy, and weights the factors'
    completeness by their importance, which is 1 for each that was learnt. To avoid 0/0 it adds 1e-11 to every
    importance before the entropy, and uses ones for the weights where the entire matrix is 0; here zeros are left out
    of the sums. The score of such a matrix is 0 in both.

    Args:
        codes: (n, d), n from 100.
        factors: (n, k).
        trees: The number of regression trees in a forest, from 1.
        shuffles: The number of random pairings.
        seed: Draws the halves, the trees' images and the pairings.

    Raises:
        ValueError: There are too few images or no trees, or an array has another shape.
    """
    latents, targets = map(_for_trees, paired(codes, factors))
    if len(latents) < LEAST or trees < 1:
        raise ValueError(f"{len(latents)} images, trees = {trees!r}; allowed: {LEAST} images or more and trees from 1")
    generator = np.random.default_rng(seed)
    forests = [_forests(latents, targets, trees, seed)]
    forests += [_forests(latents, generator.permutation(targets), trees, seed) for _ in range(shuffles)]
    values = np.array([
        (_disentanglement(importance), np.mean(_concentration(importance.T)), explained)
        for importance, explained in forests
    ])  # fmt: skip
    chance = values[1:].mean(axis=0) if shuffles else np.full(3, np.nan)
    disentanglement, completeness, informativeness = (
        Score(float(value), float(level)) for value, level in zip(values[0], chance, strict=True)
    )
    return DCI(disentanglement, completeness, informativeness, forests[0][0])


def _for_trees(values: Numbers) -> Numbers:
    """Scale the columns (n, d) that scikit-learn's trees cannot resolve to a range of 1; others keep their bits.

    Trees read codes as float32, regard a difference of 1e-7 as none, and a factor's variance of 2e-16 as none.
    """
    values = near_zero(values)
    reach = np.ptp(values, axis=0)
    return values / np.where((reach > 0) & ((reach < 1e-3) | (reach > 1e4)), reach, 1.0)


def gap(matrix: Numbers) -> Numbers:
    """Return the largest number of each column less the second largest, which is 0 for d = 1.

    Args:
        matrix: (..., d, k), not negative, such as the information or the squared correlations of d codes with k
            factors.

    Returns:
        The gaps (..., k).
    """
    ordered = np.sort(np.concatenate([np.zeros_like(matrix[..., :1, :]), matrix], axis=-2), axis=-2)
    return np.asarray(ordered[..., -1, :] - ordered[..., -2, :])


def _forests(latents: Numbers, targets: Numbers, trees: int, seed: int) -> tuple[Numbers, float]:
    """Return the importances (d, k) and the mean R² on the half that the forests did not see."""
    from sklearn import config_context
    from sklearn.ensemble import RandomForestRegressor

    order = np.random.default_rng(seed).permutation(len(latents))
    train, test = np.array_split(order, 2)
    importance = np.zeros((latents.shape[1], targets.shape[1]))
    explained = np.zeros(targets.shape[1])
    for j, target in enumerate(targets.T):
        forest = RandomForestRegressor(
            n_estimators=trees, criterion="squared_error", max_depth=None, min_samples_split=20, min_samples_leaf=10,
            min_weight_fraction_leaf=0.0, max_features=1.0, max_leaf_nodes=None, min_impurity_decrease=0.0,
            bootstrap=True, oob_score=False, n_jobs=1, random_state=seed, warm_start=False, ccp_alpha=0.0,
            max_samples=None, monotonic_cst=None,
        )  # fmt: skip
        with config_context(assume_finite=True, skip_parameter_validation=True):  # checked above, not once per tree
            forest.fit(latents[train], target[train])
            importance[:, j], predicted = forest.feature_importances_, forest.predict(latents[test])
        variance = target[test].var()
        if variance > 0:
            error = np.mean((predicted - target[test]) ** 2)
            explained[j] = max(1 - error / variance, 0.0)
    return importance, float(explained.mean())


def _concentration(rows: Numbers) -> Numbers:
    """Return (m,): 1 - the entropy, in base c, of each row of (m, c) scaled to sum to 1; 0 for a row of zeros."""
    total = rows.sum(axis=1, keepdims=True)
    shares = np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)
    entropy = -xlogy(shares, shares).sum(axis=1) / np.log(max(rows.shape[1], 2))
    return np.where(total[:, 0] > 0, 1 - entropy, 0.0)


def _disentanglement(importance: Numbers) -> float:
    weight = importance.sum(axis=1)
    return float(_concentration(importance) @ weight / weight.sum()) if weight.sum() > 0 else 0.0
