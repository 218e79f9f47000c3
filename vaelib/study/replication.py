"""The same trainings made again, compared with the committed ones.

A seed fixes a training on one kind of machine. On another the arithmetic rounds differently, training amplifies that,
and each seed ends elsewhere: a second round is one more draw of what the seeds can give. Rows are those of
`vaelib.sweep.tables.table`. Nothing here loads Keras.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from vaelib.statistics import Numbers
from vaelib.study.methods import BASE
from vaelib.study.quantities import Row
from vaelib.study.verdicts import value

_Key = tuple[object, ...]  # a setting: its values in the order of BASE

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
use (`vaelib.study.verdicts.value`), and the largest correlation."""

TOGETHER = frozenset(
    ("hole_well", "mean_correlation", "rank_a", "rank_b", "curl", "bending_a", "bending_b", "term_rank")
)
"""Those compared only over all settings together: they scatter several times as much where a sheet is about to
collapse (the learned σ at β = 0.01) as elsewhere, so a scatter pooled over all settings would call that one apart."""


@dataclass(frozen=True)
class Comparison:
    """How far a column's mean in a fresh round lies from the committed one, and how far it may."""

    column: str
    setting: str | None
    """The settings in which the runs differ from the base, "" for the base itself, None for all settings together."""
    shift: float
    """The fresh mean less the committed one; for errors, of their logarithms."""
    reach: float
    """The largest size of the shift that seeds explain."""

    @property
    def logs(self) -> bool:
        """Whether shift and reach are logarithms of factors."""
        return _scatters_in_proportion(self.column)

    @property
    def apart(self) -> bool:
        """Whether the shift is larger than the reach."""
        return abs(self.shift) > self.reach

    def text(self) -> str:
        """Return "-0.013, within 0.041", for an error as factors: "1.02 times, within 1.10"."""
        if self.logs:
            return f"{math.exp(self.shift):.3g} times, {self._word} {math.exp(self.reach):.3g}"
        return f"{self.shift:+.2g}, {self._word} {self.reach:.2g}"

    @property
    def _word(self) -> str:
        return "not within" if self.apart else "within"


def compare(
    fresh: Sequence[Row], committed: Sequence[Row], columns: Sequence[str] = tuple(COLUMNS), *, level: float = 0.99
) -> list[Comparison]:
    """Compare fresh runs with the committed ones: of each column every setting's mean, then that over all settings.

    The scatter s of a column over seeds is pooled over all settings with two committed runs or more, as that of its
    logarithm where the column is an error (its name ends in error or relative), since errors scatter in proportion. It
    is taken as at least a thousandth of the column's mean size: where all seeds agree, rounding must not decide.

    A setting's mean over m fresh seeds may lie t·s·√(1/m + 1/n) from the committed mean over n. It is compared from two
    fresh runs on: a single one may lie farther off than any scatter predicts, where its sheet has another dimension,
    for instance. Over all settings together, the mean of fresh less committed may be t·s·√(Σ(1/m + 1/n)) over their
    number, which shows a common shift long before any single setting does. There the committed mean is that of the same
    seeds, where a setting has them: a seed brings its data set and its first weights into every setting, and two of
    them may lie off the mean of five in all settings alike.

    Args:
        fresh: The runs of the new round.
        committed: Those to compare with.
        columns: Names of `vaelib.study.verdicts.value`. Those of `TOGETHER` are compared over all settings only; one
            that has no scatter, or that no setting has in both, is left out.
        level: The probability, in (0, 1), that nothing is apart when nothing has changed; it holds for all
            comparisons together (Bonferroni).
    """
    groups: dict[_Key, tuple[list[Row], list[Row]]] = {}
    for place, rows in enumerate((fresh, committed)):
        for row in rows:
            groups.setdefault(tuple(row[name] for name in BASE), ([], []))[place].append(row)
    n_settings = sum(len(new) > 1 for new, _ in groups.values())
    tail = (1 - level) / 2 / sum(1 if name in TOGETHER else n_settings + 1 for name in columns)
    return [comparison for name in columns for comparison in _comparisons(groups, name, tail)]


def _comparisons(
    groups: Mapping[_Key, tuple[Sequence[Row], Sequence[Row]]], name: str, tail: float
) -> Iterator[Comparison]:
    """Yield the comparisons of a column: by setting where that is asked for, then over all of them.

    groups: by setting, the fresh and the committed runs. tail: the probability on either side of t.
    """
    numbers = {key: (_numbers(new, name), _numbers(old, name)) for key, (new, old) in groups.items()}
    samples = [old for _, old in numbers.values() if len(old) > 1]
    freedom = sum(len(old) - 1 for old in samples)
    both = {key: (new, old) for key, (new, old) in numbers.items() if len(new) and len(old)}
    if not freedom or not both:
        return
    pooled = math.sqrt(sum(float(((old - old.mean()) ** 2).sum()) for old in samples) / freedom)
    size = 1.0 if _scatters_in_proportion(name) else float(np.abs(np.concatenate(samples)).mean())
    unit = max(pooled, 1e-3 * size) * float(stats.t.ppf(1 - tail, freedom))
    pairs = []
    for key, (new, old) in both.items():
        shift, variance = _shift(new, old)
        if name not in TOGETHER and len(new) > 1:
            yield Comparison(name, _in_words(key), shift, unit * math.sqrt(variance))
        new, old = (_numbers(rows, name) for rows in _same_seeds(*groups[key]))
        pairs.append(_shift(new, old) if len(new) and len(old) else (shift, variance))
    mean, variance = np.mean(pairs, axis=0)
    yield Comparison(name, None, float(mean), unit * math.sqrt(variance / len(pairs)))


def same(fresh: Sequence[Row], committed: Sequence[Row], columns: Sequence[str] = tuple(COLUMNS)) -> int:
    """Return how many fresh runs have the numbers of the committed run of their name, to the last digit."""
    numbers = {row["run"]: [value(row, name) for name in columns] for row in committed}
    pairs = [([value(row, name) for name in columns], numbers[row["run"]]) for row in fresh if row["run"] in numbers]
    return sum(np.array_equal(new, old, equal_nan=True) for new, old in pairs)


def _scatters_in_proportion(name: str) -> bool:
    return name.endswith(("error", "relative"))


def _in_words(key: _Key) -> str:
    """Return "gamma=0.1, beta=0.01": what differs from the base."""
    return ", ".join(f"{name}={v}" for (name, base), v in zip(BASE.items(), key, strict=True) if v != base)


def _numbers(rows: Sequence[Row], name: str) -> Numbers:
    """Return (n,): the finite numbers of a column, or their logarithms for an error."""
    numbers = np.array([value(row, name) for row in rows], dtype=np.float64)
    if _scatters_in_proportion(name):
        numbers = np.log(np.where(numbers > 0, numbers, np.nan))
    return numbers[np.isfinite(numbers)]


def _shift(new: Numbers, old: Numbers) -> tuple[float, float]:
    """Return the difference of two samples' means, and its variance for numbers of variance 1."""
    return float(new.mean() - old.mean()), 1 / len(new) + 1 / len(old)


def _same_seeds(fresh: Sequence[Row], committed: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows of both whose seed the other has too."""
    seeds = {row["seed"] for row in fresh} & {row["seed"] for row in committed}
    new, old = ([row for row in rows if row["seed"] in seeds] for rows in (fresh, committed))
    return new, old
