"""Runs of a sweep compared: those of a setting picked, means over seeds with intervals, equal error.

Pure functions of rows (`vaelib.study.quantities.Row`); nothing here loads Keras.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaelib.errors import SettingError
from vaelib.statistics import intervals
from vaelib.study.methods import BASE, METHODS, STANDARD, Method
from vaelib.study.quantities import Quantity, Row, column


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds and half the width of its 95 % interval by Student's t, which is NaN for n below 2."""

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
        """Return "mean ± half", the mean alone for one seed, "not run" for none.

        Args:
            form: The format of both numbers.
            scale: What both are multiplied by, 100 for percent.
        """
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
    """Return the rows that have the given settings, and all others of `BASE` at their base, ordered by seed.

    Without a weight (gamma = 0) any penalty is the same. A setting that a row lacks counts as at its base.

    Args:
        rows: The runs to pick from.
        settings: Values by the names in `vaelib.study.methods.BASE`.

    Raises:
        SettingError: A name is not in `BASE`.
    """
    if unknown := sorted(set(settings) - set(BASE)):
        raise SettingError(f"{unknown[0]!r} is not a setting that runs are picked by; allowed: {', '.join(BASE)}")
    wanted = {**BASE, **settings}
    if wanted["gamma"] == 0:
        del wanted["penalty"]
    picked = [row for row in rows if all(_same(row.get(name, BASE[name]), value) for name, value in wanted.items())]
    return sorted(picked, key=lambda row: row.get("seed", 0))


def tried(rows: Sequence[Row], name: str, **settings: Any) -> list[Any]:
    """Return in order the values that the rows have of the setting `name`, all others being as in `pick`."""
    candidates = sorted({row.get(name, BASE[name]) for row in rows})
    return [value for value in candidates if pick(rows, **{**settings, name: value})]


def values(rows: Sequence[Row], quantity: str | Callable[[Row], float | None]) -> NDArray[np.float64]:
    """Return (n,): the finite numbers that rows have of a quantity, a column's name or a function of a row."""
    function = column(quantity) if isinstance(quantity, str) else quantity
    numbers = np.asarray([number for number in map(function, rows) if number is not None], dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def estimate(rows: Sequence[Row], quantity: str | Callable[[Row], float | None]) -> Estimate:
    """Return the mean over the rows of a quantity's finite numbers (`values`), with its 95 % interval."""
    return interval(values(rows, quantity))


def interval(numbers: Sequence[float] | NDArray[np.float64]) -> Estimate:
    """Return the mean of independent numbers with its 95 % interval by Student's t; n = 0 where there are none."""
    n = len(numbers)
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    mean = intervals.of_mean(numbers)
    return Estimate(mean.estimate, mean.half if n > 1 else math.nan, n)


def difference(rows: Sequence[Row], others: Sequence[Row], quantity: str | Callable[[Row], float | None]) -> Estimate:
    """Return the mean over the seeds in both of a quantity's difference, rows less others, with its interval."""
    function = column(quantity) if isinstance(quantity, str) else quantity
    of_others = {row["seed"]: function(row) for row in others}
    pairs = [(function(row), of_others.get(row["seed"])) for row in rows]
    return interval([a - b for a, b in pairs if a is not None and b is not None])


def less(rows: Sequence[Row], name: str, other: str) -> Estimate:
    """Return the mean over the rows of one column less another, with its interval."""

    def apart(row: Row) -> float | None:
        minuend, subtrahend = row.get(name), row.get(other)
        return None if minuend is None or subtrahend is None else minuend - subtrahend

    return estimate(rows, apart)


def level(rows: Sequence[Row], quantity: Quantity) -> float | None:
    """Return the chance or reference level of a quantity: the mean over the rows where it is a column.

    None for a quantity without one, and where no row has the column.
    """
    if not isinstance(quantity.chance, str):
        return quantity.chance
    numbers = values(rows, quantity.chance)
    return float(numbers.mean()) if len(numbers) else None


def settings_of(rows: Sequence[Row], method: Method) -> list[Setting]:
    """Return a method's settings in the rows, from weak to strong; no strength of 0, which is the standard loss."""
    if method is STANDARD:
        standard = pick(rows)
        return [Setting(method, 0.0, tuple(standard))] if standard else []
    strengths = [value for value in tried(rows, method.strength, **method.settings) if value]
    groups = [pick(rows, **{**method.settings, method.strength: value}) for value in strengths]
    return [Setting(method, value, tuple(group)) for value, group in zip(strengths, groups, strict=True)]


def with_batch(rows: Sequence[Row], setting: Setting, batch_size: int) -> list[Row]:
    """Return the runs of a setting's method and strength that were trained with batches of another size."""
    return pick(rows, **{**setting.method.settings, setting.method.strength: setting.strength}, batch_size=batch_size)


def tried_with_batches(rows: Sequence[Row]) -> tuple[list[Setting], list[int]]:
    """Return the settings that were trained with every batch size that the rows have, and these sizes in order."""
    sizes = sorted({row.get("batch_size", BASE["batch_size"]) for row in rows})
    settings = [setting for method in (STANDARD, *METHODS) for setting in settings_of(rows, method)]
    return [setting for setting in settings if all(with_batch(rows, setting, size) for size in sizes)], sizes


def at_equal_error(rows: Sequence[Row], allowed: float = 1.25) -> list[Setting]:
    """Return the standard loss and, of each method, the strongest setting that reconstructs about as well.

    The median over seeds decides, since now and then a training goes astray and would outweigh all others in a mean.
    A method without any such setting is left out.

    Args:
        rows: Runs, those of the standard loss among them.
        allowed: How many times the standard loss's median relative error a setting's may be, 1 or more.

    Raises:
        ValueError: `allowed` is below 1, or no run is of the standard loss.
    """
    if not allowed >= 1:
        raise ValueError(f"allowed = {allowed!r}; allowed: numbers from 1")
    limit = error_limit(rows, allowed)
    chosen = settings_of(rows, STANDARD)
    for method in METHODS:
        chosen += [setting for setting in settings_of(rows, method) if median_error(setting.rows) <= limit][-1:]
    return chosen


def median_error(rows: Sequence[Row]) -> float:
    """Return the median relative error of runs; infinity where none has one."""
    errors = values(rows, "relative_error")
    return float(np.median(errors)) if len(errors) else math.inf


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
    """Return the settings without the runs that `outliers` counts; a setting that has no others is left out."""
    steady = []
    for group in groups:
        rows = tuple(row for row in group.rows if not outliers([row], limit))
        steady.append(Setting(group.method, group.strength, rows))
    return [group for group in steady if group.rows]


def alive(setting: Setting) -> bool:
    """Tell whether two latents or more are active in every run: one alone is a line, which has no orientation."""
    return bool(setting.rows) and all(row.get("active_units", 2) >= 2 for row in setting.rows)


def sided(groups: Sequence[Setting], others: Sequence[Row], name: str, word: str) -> str:
    """Return "a, b and c": the labels of the settings that lie on one side of other runs, "none" for none.

    Args:
        groups: The settings.
        others: The runs that they are compared with, seed by seed.
        name: The column that is compared.
        word: "above" or "below": the side of 0 on which the whole interval of `difference` has to lie.
    """
    return listed([group.label for group in groups if difference(group.rows, others, name).side() == word])


def sides(groups: Sequence[Setting], others: Sequence[Row], names: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Return by column and by "above" or "below" the names of the methods that lie there, judged as by `sided`."""
    return {
        (name, word): [group.method.name for group in groups if difference(group.rows, others, name).side() == word]
        for name in names
        for word in ("above", "below")
    }


def listed(names: Sequence[str]) -> str:
    """Return "a, b and c", "none" for no names."""
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) or isinstance(value, str) or value is None:
        return bool(value == wanted)
    return math.isclose(value, wanted, rel_tol=1e-9)
