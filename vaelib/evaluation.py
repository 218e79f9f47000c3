"""Everything that a sweep's table has of one run: errors, scores, the sheet's shape and orientation, the hole."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vaelib import dataset, disentanglement, geometry, metrics
from vaelib.disentanglement import interventions, rotated, unmixing
from vaelib.geometry import edge_curl, normal_distance, tangents
from vaelib.run import Run
from vaelib.statistics import Score

_IN_HOLE = 200  # new images in the hole's disc
_WELL = 0.1  # of an image's own variance: above it the lines of a reconstruction begin to look wrong
VOTES = 100
"""How many interventions beta_vae and factor_vae are each trained on, and as many again test it: most of the time."""
LABELS = (5, 10, 20, 50, 100)
"""The numbers of images with known factors that a linear map is learnt from."""
_ROTATIONS = 200  # random ones; a search starts from the best of them
Measures = dict[str, float]


def measure(finished: Run) -> dict[str, float | None]:
    """Return by name what the table has of a run besides its settings and terms, at its best epoch.

    Undefined values are None: the numbers on planes for fewer than 3 latents, those on pairs for 1, and MIG, modularity
    and DCI for fewer than 100 training images (`vaelib.disentanglement.LEAST`). In order:

    - error, relative_error: mean squared error of the validation images, plain and over each image's own variance;
      rank_a, rank_b: Spearman's correlation of the relative error with the factors; raw_rank_a, raw_rank_b: of the
      plain one; hole_error, hole_relative: of new images in the hole's disc, whatever the run was trained on;
      hole_well: the share of those whose relative error is below a tenth.
    - each score of `vaelib.disentanglement.scores`, the intervention-based beta_vae and factor_vae, tangent_alignment,
      factor_angle, trustworthiness and continuity, with its chance level as name_chance; largest_correlation,
      active_units, r2_a, r2_b. Inactive units count as if they never varied, except for the linear R² (r2_a, r2_b) and
      for the measures of the sheet as a whole: its planes, its neighbours, its factors' angle.
    - twonn, normal_distance, curl_edge and curl_middle (`vaelib.geometry`), turning_a and turning_b, the total turning
      in degrees of curves of constant a and b, and straight_a, straight_b of the straight control.
    - term, term_lowest, term_highest, term_rank: the entanglement as trained, over all rotations, and the share of
      random rotations below it; alignment_at_lowest: the alignment where the entanglement is lowest. For each of
      alignment, mig, sap and tangent_alignment: name_highest, the highest value that the search over rotations finds,
      and name_turned, the mean over random ones. mean_correlation_turned likewise; its lowest is 0, on the principal
      axes. disentanglement_at_aligned: DCI's score where the alignment is highest, since forests are too slow to search
      by.
    - the results of a linear change of the finished latents (`vaelib.disentanglement.unmixing`). Of the sphered plane:
      product_lowest and product_highest, the alignment where E|xy| is lowest and highest over the angle; plane_turned,
      the mean alignment over all angles; independent, independent_mig and independent_disentanglement: alignment, MIG
      and DCI's score of its independent components. None if the sheet has collapsed to a line. labels_5, labels_10,
      labels_20, labels_50 and labels_100: the alignment of a linear map learnt from so many images.
    - spread_k: each latent's standard deviation; direction_a_k, direction_b_k: how the k-th latent moves with each
      factor, by least squares.
    """
    data = dataset.build(finished.experiment.data)
    factors = data.parameters[data.train]
    mu = np.asarray(finished.embeddings[finished.best_epoch], dtype=np.float64)
    measures = {
        **_errors(finished, data),
        **_scores(finished, mu, factors),
        **_shape(mu, factors),
        **_orientation(mu, factors),
        **_unmixed(mu, factors),
    }
    return {name: float(value) if np.isfinite(value) else None for name, value in measures.items()}


def _errors(finished: Run, data: dataset.DataSet) -> Measures:
    images, factors = data.images[data.validation], data.parameters[data.validation]
    decoded = finished.reconstruct(images)
    plain, relative = metrics.squared_error(images, decoded), metrics.normalised_error(images, decoded)
    settings = finished.experiment
    in_hole = dataset.draw(dataset.points_in_hole(_IN_HOLE, settings), settings)
    redrawn = finished.reconstruct(in_hole)
    hole_relative = metrics.normalised_error(in_hole, redrawn)

    def ranks(values: NDArray[np.float64]) -> list[float]:
        return [float(stats.spearmanr(values, factors[:, k]).statistic) for k in range(2)]

    return {
        "error": plain.mean(),
        "relative_error": relative.mean(),
        **dict(zip(("rank_a", "rank_b", "raw_rank_a", "raw_rank_b"), [*ranks(relative), *ranks(plain)], strict=True)),
        "hole_error": metrics.squared_error(in_hole, redrawn).mean(),
        "hole_relative": hole_relative.mean(),
        "hole_well": np.mean(hole_relative < _WELL),
    }


def _scores(finished: Run, mu: NDArray[np.float64], factors: NDArray[np.float64]) -> Measures:
    d = mu.shape[1]
    scores: dict[str, Score] = disentanglement.scores(_without_inactive(mu), factors)
    for name in ("mig", "modularity", "disentanglement", "completeness", "informativeness"):
        scores.setdefault(name, Score(np.nan, np.nan))
    scores["beta_vae"] = interventions.beta_vae_score(finished.encode, finished.experiment, votes=VOTES)
    scores["factor_vae"] = interventions.factor_vae_score(finished.encode, finished.experiment, votes=VOTES)
    scores["factor_angle"] = tangents.factor_angle(mu, factors)
    scores["trustworthiness"] = tangents.trustworthiness(factors, mu)
    scores["continuity"] = tangents.continuity(factors, mu)
    if d > 2:
        scores["tangent_alignment"] = tangents.tangent_alignment(mu)
    r2 = metrics.linear_r2(mu, factors)
    return {
        **{name: score.value for name, score in scores.items()},
        **{f"{name}_chance": score.chance for name, score in scores.items()},
        "largest_correlation": metrics.largest_correlation(_without_inactive(mu)) if d > 1 else np.nan,
        "active_units": disentanglement.active_units(mu),
        "r2_a": r2[0],
        "r2_b": r2[1],
    }


def _shape(mu: NDArray[np.float64], factors: NDArray[np.float64]) -> Measures:
    # A model without any structure (all means alike, say) has no sheet to measure.
    has_sheet = disentanglement.active_units(mu, threshold=1e-4) > 0
    bent, straight = geometry.fit_sheet(factors, mu), geometry.straight_control(factors, mu)
    edges, middle = edge_curl(mu, factors) if has_sheet and mu.shape[1] > 2 else (np.nan, np.nan)
    measures: Measures = {
        "twonn": geometry.twonn(mu).estimate if has_sheet else np.nan,
        "normal_distance": normal_distance(mu) if has_sheet else np.nan,
        "curl_edge": edges,
        "curl_middle": middle,
    }
    for name, sheet in (("turning", bent), ("straight", straight)):
        for k, factor in enumerate("ab"):
            angles = [geometry.turning(line) for line in sheet.lines(k)]
            measures[f"{name}_{factor}"] = float(np.mean(angles)) if has_sheet else np.nan
    return measures


def _orientation(mu: NDArray[np.float64], factors: NDArray[np.float64]) -> Measures:
    d = mu.shape[1]
    measures: Measures = {f"spread_{k + 1}": value for k, value in enumerate(mu.std(axis=0))}
    centred = factors - factors.mean(axis=0)
    directions = np.linalg.lstsq(centred, mu - mu.mean(axis=0), rcond=None)[0]  # (2, d)
    for factor, direction in zip("ab", directions, strict=True):
        measures |= {f"direction_{factor}_{k + 1}": value for k, value in enumerate(direction)}
    if d < 2:
        return measures
    term = geometry.search_rotations(rotated.entanglement(mu), d, samples=_ROTATIONS)
    enough = len(mu) >= disentanglement.LEAST
    scores = {
        "alignment": rotated.alignment(mu, factors),
        "mig": rotated.mig(mu, factors) if enough else lambda turns: np.full(len(turns), np.nan),
        "sap": rotated.sap(mu, factors),
    }
    if d > 2:
        scores["tangent_alignment"] = rotated.tangent_alignment(mu)
    searches = {name: geometry.search_rotations(score, d, samples=_ROTATIONS) for name, score in scores.items()}
    correlated = rotated.mean_correlation(mu)(geometry.random_rotations(d, _ROTATIONS))
    measures |= {f"{name}_turned": float(search.samples.mean()) for name, search in searches.items()}
    measures |= {"mean_correlation_turned": float(correlated.mean())}
    measures |= {f"{name}_highest": search.highest for name, search in searches.items()}
    aligned = _without_inactive(mu @ searches["alignment"].at_highest.T)
    return {
        "term": term.value,
        "term_lowest": term.lowest,
        "term_highest": term.highest,
        "term_rank": term.rank,
        "alignment_at_lowest": metrics.alignment(_without_inactive(mu @ term.at_lowest.T), factors),
        "disentanglement_at_aligned": _disentanglement(aligned, factors),
        **measures,
    }


def _unmixed(mu: NDArray[np.float64], factors: NDArray[np.float64]) -> Measures:
    measures: Measures = {f"labels_{n}": unmixing.alignment_by_labels(mu, factors, n) for n in LABELS if n <= len(mu)}
    try:
        plane = unmixing.sphered(mu)
    except ValueError:
        undefined = ("product_lowest", "product_highest", "plane_turned", "independent", "independent_mig")
        return dict.fromkeys((*undefined, "independent_disentanglement"), np.nan) | measures
    product = unmixing.product_by_angle(plane)
    components = unmixing.independent(mu)
    enough = len(mu) >= disentanglement.LEAST
    return {
        "product_lowest": metrics.alignment(unmixing.turn(plane, product.lowest), factors),
        "product_highest": metrics.alignment(unmixing.turn(plane, product.highest), factors),
        "plane_turned": float(rotated.alignment(plane, factors)(unmixing.rotation(np.arange(0, 90, 3))).mean()),
        "independent": metrics.alignment(components, factors),
        "independent_mig": disentanglement.information_gap(factors)(components) if enough else np.nan,
        "independent_disentanglement": _disentanglement(components, factors),
        **measures,
    }


def _disentanglement(codes: NDArray[np.float64], factors: NDArray[np.float64]) -> float:
    if len(codes) < disentanglement.LEAST:
        return np.nan
    return disentanglement.dci(codes, factors, shuffles=0).disentanglement.value


def _without_inactive(mu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the codes with every inactive unit at 0, where no score counts it.

    The mean of such a unit may still depend on the factors, and a score that ignores scale would count it in full.
    """
    return np.where(disentanglement.active(mu), mu, 0.0)
