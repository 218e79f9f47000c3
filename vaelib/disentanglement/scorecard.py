"""All scores of an embedding, by name."""

from numpy.typing import ArrayLike

from vaelib import metrics
from vaelib.disentanglement.information import check_bins, mig, modularity
from vaelib.disentanglement.predictors import LEAST, dci, sap
from vaelib.disentanglement.unsupervised import mean_correlation, total_correlation
from vaelib.statistics import Score, beside_chance, paired


def scores(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20, seed: int = 0) -> dict[str, Score]:
    """Return by name all scores of this module and the axis alignment and linear R² of `vaelib.metrics`.

    The names: mig, sap, modularity, disentanglement, completeness, informativeness, mean_correlation,
    total_correlation, alignment and linear_r2, the mean over the factors. Absent are alignment where there are fewer
    codes than factors, modularity for a single factor, mig and modularity for fewer than bins²/4 images, and the three
    of `dci` for fewer than 100. Raises ValueError for fewer than 2 bins or images, and for arrays of other shapes.
    """
    latents, targets = paired(codes, factors)
    check_bins(bins, max(bins, len(latents)))
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
