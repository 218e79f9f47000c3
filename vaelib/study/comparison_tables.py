"""Runs of a sweep compared, as tables: heads and cells of text for `vaelib.figures.table`."""

from collections.abc import Mapping, Sequence

from vaelib.study.comparison import Setting, estimate, less, listed, median_error, outliers
from vaelib.study.quantities import Row

Sides = Mapping[tuple[str, str], Sequence[str]]


def equal_error_rows(chosen: Sequence[Setting], limit: float) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of the table at equal error, one row a setting.

    limit: the largest median error that counts as equal; runs with more than twice of it are counted as astray. In
    brackets beside each score its chance level, and before that, for alignment and MIG, their mean over random
    rotations of the same embeddings.
    """
    head = ["", "seeds (astray)", "median relative error (%)", "active units", "mean |correlation| (chance)"]
    head += ["alignment (turned at random; chance)", "MIG (turned at random; chance)"]
    cells = []
    for one in chosen:
        line = [one.label, f"{len(one.rows)} ({outliers(one.rows, limit)})", f"{100 * median_error(one.rows):.2f}"]
        line.append(estimate(one.rows, "active_units").text(".1f"))
        line.append(_beside(estimate(one.rows, "mean_correlation").text(), _chance(one.rows, "mean_correlation")))
        for name, form in (("alignment", ".2f"), ("mig", ".3f")):
            value, turned = (estimate(one.rows, each).text(form) for each in (name, f"{name}_turned"))
            line.append(_beside(value, turned, _chance(one.rows, name, form)))
        cells.append([cell.replace("not run", "–") for cell in line])
    return head, cells


def _beside(value: str, *others: str) -> str:
    """Return "value (other; other)", without the others that were not run, and without any where the value was not."""
    known = [other for other in others if other != "not run"]
    return f"{value} ({'; '.join(known)})" if known and value != "not run" else value


def _chance(rows: Sequence[Row], name: str, form: str = ".2f") -> str:
    """Return a score's mean chance level over runs, "not run" where it is unknown."""
    found = estimate(rows, f"{name}_chance")
    return format(found.mean, form) if found.n else "not run"


SCORES = {
    "mean_correlation": "mean |correlation|",
    "total_correlation": "Gaussian total correlation (nats)",
    "alignment": "alignment with (a, b)",
    "mig": "MIG",
    "sap": "SAP",
    "modularity": "modularity",
    "disentanglement": "DCI disentanglement",
    "completeness": "DCI completeness",
    "informativeness": "DCI informativeness",
    "linear_r2": "linear R² of the factors",
    "beta_vae": "β-VAE score",
    "factor_vae": "FactorVAE score",
    "factor_angle": "angle between the factors' directions (°)",
    "tangent_alignment": "tangent alignment",
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
}
"""Every score that the table of a sweep has beside its chance level, with its name in words."""


def score_rows(chosen: Sequence[Setting]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of the table of all `SCORES`, one row a score and one column a setting.

    In brackets beside each is the score's chance level: what codes get that know nothing of the factors (for tangent
    alignment: planes in random directions).
    """
    head = ["", *(one.label for one in chosen)]
    cells = []
    for name, label in SCORES.items():
        form = ".1f" if name == "factor_angle" else ".2f"
        line = [label]
        for one in chosen:
            line.append(_beside(estimate(one.rows, name).text(form), _chance(one.rows, name, form)))
        cells.append([cell.replace("not run", "–") for cell in line])
    return head, cells


CRITERIA = {
    "alignment": "alignment with (a, b)",
    "mig": "MIG",
    "sap": "SAP",
    "tangent_alignment": "tangent alignment",
}
"""What was searched over all rotations of each embedding, with its name in words."""


def turning_rows(setting: Setting) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of what turning a setting's embeddings could gain in each criterion.

    For each of `CRITERIA` the best is that of a search which starts, among others, from the embedding as it stands,
    so that it is never below what was trained. DCI, too slow to be searched by, is told where the alignment is best,
    which may be below. Chance is that of the embedding as trained.
    """
    head = ["", "chance", "turned at random", "as trained", "best found over rotations", "to be gained"]
    rows = setting.rows
    cells = []
    for name, label in CRITERIA.items():
        found = [estimate(rows, each).text() for each in (f"{name}_turned", name, f"{name}_highest")]
        cells.append([label, _chance(rows, name), *found, less(rows, f"{name}_highest", name).text()])
    names = ("disentanglement", "disentanglement_at_aligned")
    told = [_chance(rows, names[0]), "–", *(estimate(rows, each).text() for each in names)]
    cells.append(["DCI disentanglement (where the alignment is best)", *told, less(rows, names[1], names[0]).text()])
    own, turned = estimate(rows, "mean_correlation").text(), estimate(rows, "mean_correlation_turned").text()
    told = [_chance(rows, "mean_correlation"), turned, own, "0", f"{own}, all of it"]
    cells.append(["mean |correlation| (low is the aim)", *told])
    return head, [[cell.replace("not run", "–") for cell in line] for line in cells]


def unmixed_rows(chosen: Sequence[Setting]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of what independent components align of each setting's embeddings.

    Runs whose sheet is pressed to a line have no such components and are left out of the last three columns. In
    brackets beside the alignment as trained: its chance level.
    """
    head = ["", "as trained (chance)", "independent components", "difference, seed by seed", "seeds"]
    cells = []
    for one in chosen:
        found = estimate(one.rows, "independent")
        trained = _beside(estimate(one.rows, "alignment").text(), _chance(one.rows, "alignment"))
        line = [one.label, trained, found.text()]
        line += [less(one.rows, "independent", "alignment").text(), str(found.n)]
        cells.append([cell.replace("not run", "–") for cell in line])
    return head, cells


def side_changes(before: Sides, after: Sides) -> str:
    """Return in words what differs between two outcomes of `comparison.sides`, "nothing" where nothing does.

    "no longer lower in MIG: covariance; now higher in MIG: β-TCVAE and DIP-VAE-I", quantity by quantity.
    """
    told = []
    for (name, word), methods in before.items():
        where = f"{'higher' if word == 'above' else 'lower'} in {SCORES[name]}"
        lost = [each for each in methods if each not in after[name, word]]
        won = [each for each in after[name, word] if each not in methods]
        told += [f"{how} {where}: {listed(which)}" for how, which in (("no longer", lost), ("now", won)) if which]
    return "; ".join(told) or "nothing"
