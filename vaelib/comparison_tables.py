"""Runs of a sweep compared, as tables: heads and cells of text for `vaelib.figures.table`."""

from collections.abc import Sequence

from vaelib.comparison import Setting, astray, estimate, less, median_error


def equal_error_rows(chosen: Sequence[Setting], limit: float) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of the table at equal error, one row a setting.

    limit: the largest median error that counts as equal; runs with more than twice of it are counted as astray. In
    brackets beside alignment and MIG: their mean over random rotations of the same embeddings.
    """
    head = ["", "seeds (astray)", "median relative error (%)", "active units", "mean |correlation|"]
    head += ["alignment (turned at random)", "MIG (turned at random)"]
    cells = []
    for one in chosen:
        line = [one.label, f"{len(one.rows)} ({astray(one.rows, limit)})", f"{100 * median_error(one.rows):.2f}"]
        line += [estimate(one.rows, "active_units").text(".1f"), estimate(one.rows, "mean_correlation").text()]
        for name, form in (("alignment", ".2f"), ("mig", ".3f")):
            line.append(_beside(estimate(one.rows, name).text(form), estimate(one.rows, f"{name}_turned").text(form)))
        cells.append([cell.replace("not run", "–") for cell in line])
    return head, cells


def _beside(value: str, other: str) -> str:
    return value if "not run" in (value, other) else f"{value} ({other})"


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
            chance = estimate(one.rows, f"{name}_chance")
            known = format(chance.mean, form) if chance.n else "not run"
            line.append(_beside(estimate(one.rows, name).text(form), known))
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
    """Return the head and the cells of what turning a setting's embeddings could gain in each criterion."""
    head = ["", "turned at random", "as trained", "best over all rotations", "to be gained"]
    rows = setting.rows
    cells = []
    for name, label in CRITERIA.items():
        found = [estimate(rows, each).text() for each in (f"{name}_turned", name, f"{name}_highest")]
        cells.append([label, *found, less(rows, f"{name}_highest", name).text()])
    names = ("disentanglement", "disentanglement_at_aligned")
    gained = less(rows, names[1], names[0]).text()
    cells.append(["DCI disentanglement", "–", *(estimate(rows, each).text() for each in names), gained])
    own, turned = estimate(rows, "mean_correlation").text(), estimate(rows, "mean_correlation_turned").text()
    cells.append(["mean |correlation| (low is the aim)", turned, own, "0", f"{own}, all of it"])
    return head, cells


def unmixed_rows(chosen: Sequence[Setting]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the cells of what independent components align of each setting's embeddings.

    Runs whose sheet is pressed to a line have no such components and are left out of the last three columns.
    """
    head = ["", "as trained", "independent components", "difference, seed by seed", "seeds"]
    cells = []
    for one in chosen:
        found = estimate(one.rows, "independent")
        line = [one.label, estimate(one.rows, "alignment").text(), found.text()]
        line += [less(one.rows, "independent", "alignment").text(), str(found.n)]
        cells.append([cell.replace("not run", "–") for cell in line])
    return head, cells
