"""Runs of a sweep compared: which method a run belongs to, means over seeds with intervals, equal error.

A row is one run: its settings and measures by name, None where undefined (`vaelib.evaluation.measure`). Pure functions
of such rows; nothing here loads Keras.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.statistics import intervals

Row = Mapping[str, Any]

_VARIED = (
    "region", "sample_weights", "latent_dim", "variance", "initial_rotation", "beta", "penalty", "gamma", "batch_size",
)  # fmt: skip
BASE: dict[str, Any] = Experiment.from_profile("sweep").model_dump(include=set(_VARIED))
"""What a setting is where `pick` is not told otherwise: the sweep's own."""


@dataclass(frozen=True)
class Method:
    """One way to ask for disentangled latents: the settings it fixes, and the one that is its strength."""

    name: str
    """Its name in the figures."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    strength: str = "gamma"
    start: Mapping[str, Any] | None = field(default_factory=dict)
    """The settings of what it adds to, where its line begins; None for nothing."""

    @property
    def symbol(self) -> str:
        """The letter of its strength."""
        return {"gamma": "γ", "beta": "β"}[self.strength]


STANDARD = Method("standard loss", start=None)
STUDY = Method("study's term", {"penalty": "entanglement"})
LEARNED = Method("β-VAE with learned σ", {"variance": "learned"}, strength="beta", start=None)
METHODS = (
    STUDY,
    Method("covariance", {"penalty": "covariance"}),
    Method("DIP-VAE-I", {"penalty": "dip_vae_i"}),
    Method("β-TCVAE", {"penalty": "total_correlation"}),
    LEARNED,
    Method(
        "DIP-VAE-II with learned σ", {"variance": "learned", "penalty": "dip_vae_ii"}, start={"variance": "learned"}
    ),
)
"""All but the standard loss, which all with constant σ are compared with."""


@dataclass(frozen=True)
class Quantity:
    """One number of a run for an axis: its label, how to read it, and what chance or a reference gives."""

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


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds and half the width of its 95 % interval by Student's t, not a number for n below 2."""

    mean: float
    half: float
    n: int

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The interval's upper end."""
        return self.mean + self.half

    def text(self, form: str = ".2f", scale: float = 1.0) -> str:
        """Return "mean ± half", the mean alone for one seed, "not run" for none."""
        if self.n == 0:
            return "not run"
        mean = format(self.mean * scale, form)
        return mean if self.n == 1 else f"{mean} ± {self.half * scale:{form}}"

    def side(self, level: float = 0.0, words: Sequence[str] = ("above", "below")) -> str:
        """Return the first word where the whole interval lies above the level, the second where below.

        Otherwise "not distinguishable from"; "not compared with" where there is no interval.
        """
        if self.n < 2:
            return "not compared with"
        if self.low > level:
            return words[0]
        return words[1] if self.high < level else "not distinguishable from"


@dataclass(frozen=True, eq=False)
class Setting:
    """A method at one strength, with its runs by seed."""

    method: Method
    strength: float
    rows: tuple[Row, ...]

    @property
    def label(self) -> str:
        """The method with its strength: "covariance (γ = 0.03)"."""
        return self.method.name if self.method is STANDARD else f"{self.method.name} ({self.tick})"

    @property
    def tick(self) -> str:
        """The strength alone: "γ = 0.03"."""
        return f"{self.method.symbol} = {self.strength:g}"


def pick(rows: Sequence[Row], **settings: Any) -> list[Row]:
    """Return the rows whose settings equal the given ones, all others of `BASE` being at their base, by seed.

    Without a weight (gamma = 0) any penalty is the same. A setting that a row lacks counts as at its base. Raises
    SettingError for a setting that is not in `BASE`.
    """
    if unknown := sorted(set(settings) - set(BASE)):
        raise SettingError(f"{unknown[0]!r} is not a setting that runs are picked by; allowed: {', '.join(BASE)}")
    wanted = {**BASE, **settings}
    if wanted["gamma"] == 0:
        del wanted["penalty"]
    found = [row for row in rows if all(_same(row.get(name, BASE[name]), value) for name, value in wanted.items())]
    return sorted(found, key=lambda row: row.get("seed", 0))


def tried(rows: Sequence[Row], name: str, **settings: Any) -> list[Any]:
    """Return in order which values of one setting the rows have, all others being as in `pick`."""
    there = sorted({row.get(name, BASE[name]) for row in rows})
    return [each for each in there if pick(rows, **{**settings, name: each})]


def values(rows: Sequence[Row], quantity: str | Callable[[Row], float | None]) -> NDArray[np.float64]:
    """Return the finite numbers that rows have of a quantity: a column's name, or a function of a row."""
    function = column(quantity) if isinstance(quantity, str) else quantity
    found = [value for value in map(function, rows) if value is not None]
    numbers = np.asarray(found, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def estimate(rows: Sequence[Row], quantity: str | Callable[[Row], float | None]) -> Estimate:
    """Return the mean over the rows of what `values` finds, with its 95 % interval."""
    return interval(values(rows, quantity))


def interval(numbers: Sequence[float] | NDArray[np.float64]) -> Estimate:
    """Return the mean of independent numbers with its 95 % interval by Student's t; n = 0 where there are none."""
    n = len(numbers)
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    found = intervals.of_mean(numbers)
    return Estimate(found.estimate, found.half if n > 1 else math.nan, n)


def difference(rows: Sequence[Row], others: Sequence[Row], quantity: str | Callable[[Row], float | None]) -> Estimate:
    """Return the mean over the seeds in both of a quantity's difference, rows less others, with its interval."""
    function = column(quantity) if isinstance(quantity, str) else quantity
    there = {row["seed"]: function(row) for row in others}
    pairs = [(function(row), there.get(row["seed"])) for row in rows]
    return interval([a - b for a, b in pairs if a is not None and b is not None])


def less(rows: Sequence[Row], name: str, other: str) -> Estimate:
    """Return the mean over the rows of one column less another, with its interval."""

    def apart(row: Row) -> float | None:
        one, two = row.get(name), row.get(other)
        return None if one is None or two is None else one - two

    return estimate(rows, apart)


def level(rows: Sequence[Row], quantity: Quantity) -> float | None:
    """Return the chance or reference level of a quantity: the mean over the rows where it is a column."""
    if not isinstance(quantity.chance, str):
        return quantity.chance
    found = values(rows, quantity.chance)
    return float(found.mean()) if len(found) else None


def settings_of(rows: Sequence[Row], method: Method) -> list[Setting]:
    """Return a method's settings in the rows, from weak to strong; no strength of 0, which is the standard loss."""
    if method is STANDARD:
        found = pick(rows)
        return [Setting(method, 0.0, tuple(found))] if found else []
    strengths = [each for each in tried(rows, method.strength, **method.settings) if each]
    groups = [pick(rows, **{**method.settings, method.strength: each}) for each in strengths]
    return [Setting(method, each, tuple(group)) for each, group in zip(strengths, groups, strict=True)]


def with_batch(rows: Sequence[Row], setting: Setting, batch_size: int) -> list[Row]:
    """Return the runs of a setting's method and strength that were trained with batches of another size."""
    return pick(rows, **{**setting.method.settings, setting.method.strength: setting.strength}, batch_size=batch_size)


def tried_with_batches(rows: Sequence[Row]) -> tuple[list[Setting], list[int]]:
    """Return the settings that were trained with every batch size that the rows have, and these sizes in order."""
    sizes = sorted({row.get("batch_size", BASE["batch_size"]) for row in rows})
    every = [setting for method in (STANDARD, *METHODS) for setting in settings_of(rows, method)]
    return [each for each in every if all(with_batch(rows, each, size) for size in sizes)], sizes


def at_equal_error(rows: Sequence[Row], allowed: float = 1.25) -> list[Setting]:
    """Return the standard loss and, of each method, the strongest setting that reconstructs about as well.

    That is the largest strength whose median relative error over seeds is at most `allowed` times the standard loss's.
    The median, since now and then a training goes astray and would speak for all others in a mean. A method without
    any such setting is left out. Raises ValueError for an `allowed` below 1 and without runs of the standard loss.
    """
    if not allowed >= 1:
        raise ValueError(f"allowed = {allowed!r}; allowed: numbers from 1")
    limit = error_limit(rows, allowed)
    chosen = settings_of(rows, STANDARD)
    for method in METHODS:
        chosen += [each for each in settings_of(rows, method) if median_error(each.rows) <= limit][-1:]
    return chosen


def median_error(rows: Sequence[Row]) -> float:
    """Return the median relative error of runs; infinity where none has one."""
    found = values(rows, "relative_error")
    return float(np.median(found)) if len(found) else math.inf


def error_limit(rows: Sequence[Row], allowed: float = 1.25) -> float:
    """Return `allowed` times the standard loss's median relative error. Raises ValueError without its runs."""
    standard = pick(rows)
    if not len(values(standard, "relative_error")):
        raise ValueError("no run of the standard loss: nothing to compare with")
    return allowed * median_error(standard)


def outliers(rows: Sequence[Row], limit: float) -> int:
    """Return how many runs have more than twice the relative error `limit`."""
    return int((values(rows, "relative_error") > 2 * limit).sum())


def without_outliers(groups: Sequence[Setting], limit: float) -> list[Setting]:
    """Return the settings with those runs alone that `outliers` does not count; a setting without any is left out."""
    steady = []
    for group in groups:
        rows = tuple(row for row in group.rows if not outliers([row], limit))
        steady.append(Setting(group.method, group.strength, rows))
    return [group for group in steady if group.rows]


def alive(setting: Setting) -> bool:
    """Tell whether two latents or more are active in every run: one alone is a line, which has no orientation."""
    return bool(setting.rows) and all(row.get("active_units", 2) >= 2 for row in setting.rows)


def sided(groups: Sequence[Setting], others: Sequence[Row], name: str, word: str) -> str:
    """Return "a, b and c": the settings that lie "above" or "below" other runs in a quantity, seed by seed.

    That is `difference` with its whole interval on that side of 0; "none" where no setting does.
    """
    return listed([one.label for one in groups if difference(one.rows, others, name).side() == word])


def sides(groups: Sequence[Setting], others: Sequence[Row], names: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Return by quantity and by "above" or "below" the names of the methods that lie there, judged as by `sided`."""
    return {
        (name, word): [one.method.name for one in groups if difference(one.rows, others, name).side() == word]
        for name in names
        for word in ("above", "below")
    }


def total_variance(row: Row) -> float | None:
    """Return the variances of a run's latents, summed."""
    spreads = [row.get(f"spread_{k + 1}") for k in range(int(row.get("latent_dim", 3)))]
    return None if None in spreads else float(sum(float(spread) ** 2 for spread in spreads if spread is not None))


def place_of_term(row: Row) -> float | None:
    """Return where the entanglement lies in its range over all rotations: 0 the lowest, 1 the highest."""
    lowest, highest, value = row.get("term_lowest"), row.get("term_highest"), row.get("term")
    if value is None or lowest is None or highest is None or not highest > lowest:
        return None
    return float((value - lowest) / (highest - lowest))


def listed(names: Sequence[str]) -> str:
    """Return "a, b and c", "none" for no names."""
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) or isinstance(found, str) or found is None:
        return bool(found == wanted)
    return math.isclose(found, wanted, rel_tol=1e-9)
