"""Runs of a sweep compared, as tables: the head and the cells' text for `vaelib.figures.table`."""

from collections.abc import Mapping, Sequence

from vaelib.study.comparison import Setting, estimate, less, listed, median_error, outliers
from vaelib.study.quantities import Row

Sides = Mapping[tuple[str, str], Sequence[str]]
"""What `vaelib.study.comparison.sides` returns."""


def equal_error_rows(chosen: Sequence[Setting], limit: float) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of the table at equal error, a row per setting.

    In brackets beside each score stands its chance level, and before it, for alignment and MIG, the score's mean over
    random rotations of the same embeddings.

    Args:
        chosen: The settings, as `vaelib.study.comparison.at_equal_error` returns them.
        limit: The largest median relative error that counts as equal; a run with more than twice that is astray.
    """
    head = ["", "seeds (astray)", "median relative error (%)", "active units", "mean |correlation| (chance)"]
    head += ["alignment (turned at random; chance)", "MIG (turned at random; chance)"]
    cells = []
    for setting in chosen:
        rows = setting.rows
        line = [setting.label, f"{len(rows)} ({outliers(rows, limit)})", f"{100 * median_error(rows):.2f}"]
        line.append(estimate(rows, "active_units").text(".1f"))
        line.append(_beside(estimate(rows, "mean_correlation").text(), _chance(rows, "mean_correlation")))
        for name, form in (("alignment", ".2f"), ("mig", ".3f")):
            score, turned = (estimate(rows, column).text(form) for column in (name, f"{name}_turned"))
            line.append(_beside(score, turned, _chance(rows, name, form)))
        cells.append(line)
    return head, _dashed(cells)


def _dashed(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return cells with a dash for "not run"."""
    return [[cell.replace("not run", "–") for cell in line] for line in cells]


def _beside(value: str, *others: str) -> str:
    """Return "value (other; other)" without the others that were not run, and the value alone where it was not run."""
    known = [other for other in others if other != "not run"]
    return f"{value} ({'; '.join(known)})" if known and value != "not run" else value


def _chance(rows: Sequence[Row], name: str, form: str = ".2f") -> str:
    """Return a score's mean chance level over runs, "not run" where it is unknown."""
    chance = estimate(rows, f"{name}_chance")
    return format(chance.mean, form) if chance.n else "not run"


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
"""Every score that the table of a sweep has with its chance level, and its name in words."""


def score_rows(chosen: Sequence[Setting]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of the table of all `SCORES`, a row per score and a column per setting.

    In brackets beside each score stands its chance level: what codes get that know nothing of the factors (for tangent
    alignment: planes in random directions).
    """
    head = ["", *(setting.label for setting in chosen)]
    cells = []
    for name, label in SCORES.items():
        form = ".1f" if name == "factor_angle" else ".2f"
        groups = [setting.rows for setting in chosen]
        scores = [_beside(estimate(rows, name).text(form), _chance(rows, name, form)) for rows in groups]
        cells.append([label, *scores])
    return head, _dashed(cells)


CRITERIA = {
    "alignment": "alignment with (a, b)",
    "mig": "MIG",
    "sap": "SAP",
    "tangent_alignment": "tangent alignment",
}
"""The scores whose best over all rotations of an embedding was searched for, with their names in words."""


def turning_rows(setting: Setting) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of what turning a setting's embeddings could gain in each criterion.

    One of the starting points of the search for the best of `CRITERIA` is the embedding as trained, so that the best
    is never below that. DCI is too slow for a search: its value is the one where the alignment is best, which may be
    below that of the embedding as trained. The chance level is that of the embedding as trained.
    """
    head = ["", "chance", "turned at random", "as trained", "best found over rotations", "to be gained"]
    rows = setting.rows
    cells = []
    for name, label in CRITERIA.items():
        scores = [estimate(rows, column).text() for column in (f"{name}_turned", name, f"{name}_highest")]
        cells.append([label, _chance(rows, name), *scores, less(rows, f"{name}_highest", name).text()])
    names = ("disentanglement", "disentanglement_at_aligned")
    scores = [_chance(rows, names[0]), "–", *(estimate(rows, name).text() for name in names)]
    cells.append(["DCI disentanglement (where the alignment is best)", *scores, less(rows, names[1], names[0]).text()])
    trained, turned = estimate(rows, "mean_correlation").text(), estimate(rows, "mean_correlation_turned").text()
    scores = [_chance(rows, "mean_correlation"), turned, trained, "0", f"{trained}, all of it"]
    cells.append(["mean |correlation| (low is the aim)", *scores])
    return head, _dashed(cells)


def unmixed_rows(chosen: Sequence[Setting]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of the alignment of the independent components of each setting's embeddings.

    Runs whose sheet has collapsed to a line have no such components and are left out of the last three columns. In
    brackets beside the alignment as trained stands its chance level.
    """
    head = ["", "as trained (chance)", "independent components", "difference, seed by seed", "seeds"]
    cells = []
    for setting in chosen:
        rows = setting.rows
        independent = estimate(rows, "independent")
        trained = _beside(estimate(rows, "alignment").text(), _chance(rows, "alignment"))
        gain = less(rows, "independent", "alignment").text()
        cells.append([setting.label, trained, independent.text(), gain, str(independent.n)])
    return head, _dashed(cells)


def side_changes(before: Sides, after: Sides) -> str:
    """Return in words what differs between two outcomes of `vaelib.study.comparison.sides`.

    "no longer lower in MIG: covariance; now higher in MIG: β-TCVAE and DIP-VAE-I", quantity by quantity; "nothing"
    where they are equal.

    Args:
        before: The first outcome, of names in `SCORES`.
        after: The second, of the same names or more.
    """
    changes = []
    for (name, word), methods in before.items():
        side = f"{'higher' if word == 'above' else 'lower'} in {SCORES[name]}"
        lost = [method for method in methods if method not in after[name, word]]
        won = [method for method in after[name, word] if method not in methods]
        changes += [f"{how} {side}: {listed(which)}" for how, which in (("no longer", lost), ("now", won)) if which]
    return "; ".join(changes) or "nothing"
