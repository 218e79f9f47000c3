"""The numbers of a run that are compared: a column of the table, or what several columns give together.

A row is one run: its settings and measures by name, None where undefined (`vaelib.evaluation.measure`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Quantity:
    """A number of a run for an axis: its label, how to read it, and what chance or a reference gives."""

    label: str
    value: Callable[[Row], float | None]
    chance: str | float | None = None
    """The column of the chance level, or a reference value."""
    reference: str = "chance"
    """What that level is, in a word or two."""
    span: tuple[float, float] | None = None
    """What an axis shows at least, so that noise does not fill it."""


def column(name: str) -> Callable[[Row], float | None]:
    """Return the function that takes a row's number of this name, None where it has none."""
    return lambda row: row.get(name)


def excess_curl(row: Row) -> float | None:
    """Return how many degrees the sheet's edges bend beyond its middle, None where that was not measured."""
    edge, middle = row.get("curl_edge"), row.get("curl_middle")
    return None if edge is None or middle is None else edge - middle


def total_variance(row: Row) -> float | None:
    """Return the summed variances of a run's latents, None where one is missing."""
    deviations = [row.get(f"spread_{k + 1}") for k in range(int(row.get("latent_dim", 3)))]
    if None in deviations:
        return None
    return float(sum(float(deviation) ** 2 for deviation in deviations if deviation is not None))


def place_of_term(row: Row) -> float | None:
    """Return where the entanglement lies in its range over all rotations: 0 the lowest, 1 the highest.

    None where the term or its range is missing, or the range is of no length.
    """
    lowest, highest, term = row.get("term_lowest"), row.get("term_highest"), row.get("term")
    if term is None or lowest is None or highest is None or not highest > lowest:
        return None
    return float((term - lowest) / (highest - lowest))


QUANTITIES = {
    "mean_correlation": Quantity("mean |correlation|", column("mean_correlation"), "mean_correlation_chance"),
    "alignment": Quantity("alignment with $(a, b)$", column("alignment"), "alignment_turned", "turned at random"),
    "active_units": Quantity("active units", column("active_units"), 2.0, "as many as factors", (0, 3)),
    "normal_distance": Quantity("distance from a Gaussian", column("normal_distance"), 0.0, "Gaussian"),
    "twonn": Quantity("intrinsic dimension", column("twonn"), 2.0, "a sheet", (1, 3)),
    "excess_curl": Quantity("curl, edges less middle (°)", excess_curl, 0.0, "no more than the middle"),
    "mig": Quantity("MIG", column("mig"), "mig_chance"),
    "disentanglement": Quantity("DCI disentanglement", column("disentanglement"), "disentanglement_chance"),
    "beta_vae": Quantity("β-VAE score", column("beta_vae"), 0.5),
    "factor_vae": Quantity("FactorVAE score", column("factor_vae"), 0.5),
    "tangent_alignment": Quantity("tangent alignment", column("tangent_alignment"), "tangent_alignment_chance"),
}
"""What the figures can have on their y axis, by name. The first six are the phase diagram's panels."""
