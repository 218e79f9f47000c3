"""All scores of an embedding, by name."""

from numpy.typing import ArrayLike

from vaelib import metrics
from vaelib.disentanglement.information import check_bins, mig, modularity
from vaelib.disentanglement.predictors import LEAST, dci, sap
from vaelib.disentanglement.unsupervised import mean_correlation, total_correlation
from vaelib.statistics import Score, beside_chance, paired


def scores(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20, seed: int = 0) -> dict[str, Score]:
    """Return all scores of this package, and the alignment and linear R² of `vaelib.metrics`, by name.

    The names are mig, sap, modularity, disentanglement, completeness, informativeness, mean_correlation,
    total_correlation, alignment and linear_r2, the mean over the factors. Absent are alignment where there are fewer
    codes than factors, modularity for a single factor, mig and modularity for fewer than bins²/4 images, and the three
    of `dci` for fewer than 100.

    Args:
        codes: (n, d), n from 2.
        factors: (n, k).
        bins: The number of bins for `mig` and `modularity`, from 2.
        seed: Draws all random numbers.

    Raises:
        ValueError: There are fewer than 2 bins or images, or an array has another shape.
    """
    latents, targets = paired(codes, factors)
    check_bins(bins, max(bins, len(latents)))
    binnable = 4 * len(latents) >= bins**2
    by_name: dict[str, Score] = {}
    if binnable:
        by_name["mig"] = mig(latents, targets, bins=bins, seed=seed)
    by_name["sap"] = sap(latents, targets, seed=seed)
    if binnable and targets.shape[1] > 1:
        by_name["modularity"] = modularity(latents, targets, bins=bins, seed=seed)
    if len(latents) >= LEAST:
        of_dci = dci(latents, targets, seed=seed)
        by_name |= {name: getattr(of_dci, name) for name in ("disentanglement", "completeness", "informativeness")}
    by_name |= {"mean_correlation": mean_correlation(latents), "total_correlation": total_correlation(latents)}
    if latents.shape[1] >= targets.shape[1]:
        by_name["alignment"] = beside_chance(metrics.alignment, latents, targets, shuffles=10, seed=seed)
    by_name["linear_r2"] = beside_chance(
        lambda latents, targets: float(metrics.linear_r2(latents, targets).mean()),
        latents, targets, shuffles=10, seed=seed,
    )  # fmt: skip
    return by_name
