"""The same trainings made again: do they give what they gave before?

A seed fixes a training on one kind of machine. On another the arithmetic rounds otherwise, training enlarges that, and
each seed ends elsewhere: a second round is one more draw of what the seeds can give. Rows are those of
`vaelib.sweep.tables.table`. Nothing here loads Keras.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vaelib.study.methods import BASE
from vaelib.study.quantities import Row
from vaelib.study.verdicts import value

COLUMNS = {
    "relative_error": "relative error",
    "largest_correlation": "largest correlation of two latents",
    "alignment": "alignment with (a, b)",
    "twonn": "intrinsic dimension",
    "normal_distance": "distance from a Gaussian",
    "hole_relative": "relative error in the hole",
    "hole_well": "share done well in the hole",
    "mean_correlation": "mean |correlation|",
    "rank_a": "rank correlation of the error with a",
    "rank_b": "rank correlation of the error with b",
    "curl": "curl, edges less middle (°)",
    "bending_a": "turning beyond the straight control, constant a (°)",
    "bending_b": "turning beyond the straight control, constant b (°)",
    "term_rank": "share of rotations that lower the study's term",
}
"""The numbers in which rounds of the study's trainings are compared, with their names in words: those that its rules
take (`vaelib.study.verdicts.value`), and the largest correlation."""

TOGETHER = frozenset(
    ("hole_well", "mean_correlation", "rank_a", "rank_b", "curl", "bending_a", "bending_b", "term_rank")
)
"""Those compared over all settings together alone: they scatter several times as much where a sheet is about to
collapse (the learned σ at β = 0.01) as elsewhere, so one scatter for all settings would call that one apart."""


@dataclass(frozen=True)
class Comparison:
    """How far a column's mean in a fresh round lies from the committed one, and how far it may: a logarithm for errors.

    `setting` is what the runs have unlike the base, "" for the base itself, None for all settings together.
    """

    column: str
    setting: str | None
    shift: float
    reach: float

    @property
    def logs(self) -> bool:
        """Whether shift and reach are logarithms of factors."""
        return _scatters_in_proportion(self.column)

    @property
    def apart(self) -> bool:
        """Whether the shift is larger than seeds explain."""
        return abs(self.shift) > self.reach

    def text(self) -> str:
        """Return both in words, an error's as factors: "1.02 times, within 1.10" or "-0.013, within 0.041"."""
        if self.logs:
            return f"{math.exp(self.shift):.3g} times, {self._word} {math.exp(self.reach):.3g}"
        return f"{self.shift:+.2g}, {self._word} {self.reach:.2g}"

    @property
    def _word(self) -> str:
        return "not within" if self.apart else "within"


def compare(
    fresh: Sequence[Row], committed: Sequence[Row], columns: Sequence[str] = tuple(COLUMNS), *, level: float = 0.99
) -> list[Comparison]:
    """Hold fresh runs against the committed ones: of each column every setting's mean, then that over all settings.

    A setting's mean only where it has two fresh runs or more: now and then a single one lies farther off than any
    scatter tells, a sheet that has found another dimension, say. The means over all settings do not mind.

    The scatter s of a column over seeds is pooled over all groups of settings with two committed runs or more: of its
    logarithm where the column is an error (its name ends in error or relative), since errors scatter in proportion.
    In each group the fresh mean of m seeds may lie t·s·√(1/m + 1/n) from the committed mean of n. And over all groups
    together the mean of fresh less committed may be t·s·√(Σ(1/m + 1/n))/groups: a shift of everything shows there long
    before any group does. There a group's committed mean is that of the same seeds, where it has them: a seed brings
    its data set and its first weights into every group, and two of them may lie off the mean of five in all groups
    alike. The level holds for all comparisons together (Bonferroni). s is at least a thousandth of the column's mean
    size: where all seeds agree, rounding must not decide. Columns of `TOGETHER` are compared over all settings only.
    One that has no scatter, or that no setting has in both, is left out.
    """
    groups: dict[tuple[object, ...], tuple[list[Row], list[Row]]] = {}
    for place, rows in enumerate((fresh, committed)):
        for row in rows:
            groups.setdefault(tuple(row[name] for name in BASE), ([], []))[place].append(row)
    n_fresh = sum(len(new) > 1 for new, _ in groups.values())
    tail = (1 - level) / 2 / sum(1 if name in TOGETHER else n_fresh + 1 for name in columns)
    found: list[Comparison] = []
    for name in columns:
        taken = {key: (_numbers(new, name), _numbers(old, name)) for key, (new, old) in groups.items()}
        samples = [old for _, old in taken.values() if len(old) > 1]
        free = sum(len(old) - 1 for old in samples)
        both = {key: (new, old) for key, (new, old) in taken.items() if len(new) and len(old)}
        if not free or not both:
            continue
        pooled = math.sqrt(sum(float(((old - old.mean()) ** 2).sum()) for old in samples) / free)
        size = 1.0 if _scatters_in_proportion(name) else float(np.abs(np.concatenate(samples)).mean())
        unit = max(pooled, 1e-3 * size) * float(stats.t.ppf(1 - tail, free))
        pairs = []
        for key, (new, old) in both.items():
            shift, share = _apart(new, old)
            if name not in TOGETHER and len(new) > 1:
                found.append(Comparison(name, _told(key), shift, unit * math.sqrt(share)))
            new, old = (_numbers(rows, name) for rows in _same_seeds(*groups[key]))
            pairs.append(_apart(new, old) if len(new) and len(old) else (shift, share))
        mean, share = np.mean(pairs, axis=0)
        found.append(Comparison(name, None, float(mean), unit * math.sqrt(share / len(pairs))))
    return found


def unlike(
    fresh: Sequence[Row], committed: Sequence[Row], columns: Sequence[str] = tuple(COLUMNS), *, level: float = 0.99
) -> list[str]:
    """Return what in fresh runs does not agree with the committed ones, a line each; none where all does.

    The arguments are those of `compare`.
    """
    told = []
    for one in compare(fresh, committed, columns, level=level):
        where = "over all settings" if one.setting is None else f"at {one.setting or 'the base'}"
        if one.apart:
            told.append(f"{one.column} {where}: {one.text()}")
    return told


def same(fresh: Sequence[Row], committed: Sequence[Row], columns: Sequence[str] = tuple(COLUMNS)) -> int:
    """Return how many fresh runs ended in the very numbers, to the last digit, of the committed run of their name."""
    numbers = {row["run"]: [value(row, name) for name in columns] for row in committed}
    found = [([value(row, name) for name in columns], numbers[row["run"]]) for row in fresh if row["run"] in numbers]
    return sum(np.array_equal(one, other, equal_nan=True) for one, other in found)


def _scatters_in_proportion(name: str) -> bool:
    return name.endswith(("error", "relative"))


def _told(key: tuple[object, ...]) -> str:
    return ", ".join(f"{name}={v}" for (name, base), v in zip(BASE.items(), key, strict=True) if v != base)


def _numbers(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    """Return the finite numbers of a column, or their logarithms, as an array."""
    found = np.array([value(row, name) for row in rows], dtype=np.float64)
    if _scatters_in_proportion(name):
        found = np.log(np.where(found > 0, found, np.nan))
    return found[np.isfinite(found)]


def _apart(new: NDArray[np.float64], old: NDArray[np.float64]) -> tuple[float, float]:
    """Return how far two samples' means are apart, and the variance of that for numbers of variance 1."""
    return float(new.mean() - old.mean()), 1 / len(new) + 1 / len(old)


def _same_seeds(fresh: Sequence[Row], committed: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return of both those rows whose seed the other has too."""
    both = {row["seed"] for row in fresh} & {row["seed"] for row in committed}
    new, old = ([row for row in rows if row["seed"] in both] for rows in (fresh, committed))
    return new, old
