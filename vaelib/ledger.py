"""The study's claims against the table of a sweep: which numbers each rule takes from it, and the verdicts.

Rows are those of `vaelib.sweep_table.table`, a mapping for each run. Nothing here loads Keras.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from vaelib import claims
from vaelib.comparison import BASE, Row, excess_curl, pick
from vaelib.experiment import Experiment, SettingError
from vaelib.rotations import initial_rotation

# What single runs' columns add up to.
_DERIVED: dict[str, Callable[[Row], float | None]] = {
    "curl": excess_curl,
    "bending_a": lambda row: row["turning_a"] - row["straight_a"],
    "bending_b": lambda row: row["turning_b"] - row["straight_b"],
    "hole_ratio": lambda row: row["hole_relative"] / row["relative_error"],
}


def value(row: Row, name: str) -> float:
    """Return a number of a run: a column, or curl, bending_a, bending_b or hole_ratio; NaN where it has none.

    curl: the edges' tilt beyond the middle's, in degrees; bending: the turning beyond the straight control's;
    hole_ratio: the relative error in the hole over that of the validation images. Raises SettingError for a name
    that the table lacks.
    """
    if name not in _DERIVED and name not in row:
        raise SettingError(f"{name!r} is no column of the table")
    try:
        found = _DERIVED[name](row) if name in _DERIVED else row[name]
        return math.nan if found is None else float(found)
    except TypeError:  # a part of it is undefined
        return math.nan


def turned_apart(row: Row, base: Row) -> float:
    """Return the degrees by which an embedding is turned away from where its initial weights were turned to.

    `base` is the run of the same seed without `initial_rotation`. The orthogonal matrix between the two embeddings is
    taken from their factors' directions (direction_a_k, direction_b_k, and their cross product), made orthonormal;
    the number is the angle of the rotation that remains between it and the one the weights were turned by. Only for
    three latents. Raises ValueError for runs of different seeds.
    """
    if row["seed"] != base["seed"]:
        raise ValueError(f"seeds {row['seed']} and {base['seed']}: allowed are two runs of one seed")
    settings = {"seed": int(row["seed"]), "initial_rotation": row["initial_rotation"]}
    drawn = initial_rotation(Experiment.from_profile("sweep", **settings))
    turn = np.eye(3) if drawn is None else drawn.T.astype(np.float64)  # rows of μ are multiplied from the right
    found = _frame(row) @ np.diag([1, 1, np.sign(np.linalg.det(turn))]) @ _frame(base).T
    # A rotation by an angle lies 2·√2·sin(angle/2) from none: exact for small angles, unlike the trace's arccos.
    chord = float(np.linalg.norm(found @ turn.T - np.eye(3))) / (2 * math.sqrt(2))
    return math.degrees(2 * math.asin(min(chord, 1.0)))


def verdicts(rows: Sequence[Row], rules: Sequence[claims.Rule] | None = None) -> list[claims.Finding]:
    """Return the finding of every rule, by default those of `claims.yml`, in their order."""
    return [claims.judge(rule, numbers(rows, rule)) for rule in (claims.read() if rules is None else rules)]


def settings_of_rules(rules: Sequence[claims.Rule]) -> list[dict[str, Any]]:
    """Return the settings of the runs that rules ask for, each once, in the order in which they are named."""
    found: list[dict[str, Any]] = []
    for rule in rules:
        for group in (rule.runs, rule.against, rule.other):
            # A full data set is what every run has unless a rule says otherwise.
            wanted = None if group is None else {k: v for k, v in group.items() if v != BASE[k]}
            if wanted is not None and wanted not in found:
                found.append(wanted)
    return found


def side_by_side(
    rows: Sequence[Row], others: Sequence[Row], rules: Sequence[claims.Rule], **settings: Any
) -> list[tuple[claims.Finding, claims.Finding]]:
    """Return the findings of the same rules on two sets of rows.

    settings: what the other rows have instead of the sweep profile's values, their batch size, say.
    """
    return [
        (claims.judge(rule, numbers(rows, rule)), claims.judge(rule, numbers(others, rule, **settings)))
        for rule in rules
    ]


def contradict(one: claims.Finding, other: claims.Finding) -> bool:
    """Tell whether one finding says that its claim holds and the other that it fails."""
    return {one.verdict, other.verdict} == {"holds", "fails"}


def numbers(rows: Sequence[Row], rule: claims.Rule, **settings: Any) -> list[float]:
    """Return what a rule takes of each seed that has all it needs: logarithms for ratios, 0 and 1 for shares.

    settings: in place of the sweep profile's values, where the rule names none. Raises SettingError for a setting or a
    column that does not exist.
    """
    if rule.open:
        return []
    groups = [pick(rows, **{**settings, **each}) for each in (rule.runs, rule.against, rule.other) if each is not None]
    by_seed = [{row["seed"]: row for row in group} for group in groups]
    shared = sorted(set.intersection(*map(set, by_seed)))
    if rule.kind == "effects":
        return _effects(rule, [tuple(group[seed] for group in by_seed) for seed in shared])
    found = [_STATISTICS[rule.kind](rule, *(group[seed] for group in by_seed)) for seed in shared]
    return [number for number in found if math.isfinite(number)]


def unlike(fresh: Sequence[Row], committed: Sequence[Row], columns: Sequence[str], *, level: float = 0.99) -> list[str]:
    """Return what in fresh runs does not agree with the committed ones, a line each; an empty list when all does.

    The scatter s of a column over seeds is pooled over all groups of settings with two committed runs or more: of its
    logarithm where the column is an error (its name ends in error or relative), since errors scatter in proportion.
    Two things have to hold. In each group the fresh mean of m seeds lies within t·s·√(1/m + 1/n) of the committed mean
    of n. And over all groups together the mean of fresh less committed lies within t·s·√(Σ(1/m + 1/n))/groups: a shift
    of everything shows there long before any group does. There a group's committed mean is that of the same seeds,
    where it has them: a seed brings its data set and its first weights into every group, and two of them may lie off
    the mean of five in all groups alike. The level holds for all comparisons together (Bonferroni). s is at least a
    thousandth of the column's mean size: where all seeds agree, rounding must not decide.
    """
    groups: dict[tuple[Any, ...], tuple[list[Row], list[Row]]] = {}
    for place, rows in enumerate((fresh, committed)):
        for row in rows:
            groups.setdefault(tuple((name, row[name]) for name in BASE), ([], []))[place].append(row)
    told = []
    n_fresh = sum(bool(new) for new, _ in groups.values())
    tail = (1 - level) / 2 / max(1, len(columns) * (n_fresh + 1))
    for name in columns:
        logs = name.endswith(("error", "relative"))
        taken = {key: tuple(_numbers(rows, name, logs) for rows in pair) for key, pair in groups.items()}
        samples = [old for _, old in taken.values() if len(old) > 1]
        free = sum(len(old) - 1 for old in samples)
        both = {key: (new, old) for key, (new, old) in taken.items() if len(new) and len(old)}
        if not free or not both:
            continue
        pooled = math.sqrt(sum(float(((old - old.mean()) ** 2).sum()) for old in samples) / free)
        size = 1.0 if logs else float(np.abs(np.concatenate(samples)).mean())
        scatter, t = max(pooled, 1e-3 * size), float(stats.t.ppf(1 - tail, free))
        apart = []
        for key, (new, old) in both.items():
            shift, share = _apart(new, old)
            if abs(shift) > t * scatter * math.sqrt(share):
                shown = ", ".join(f"{k}={v}" for k, v in key if v != BASE[k]) or "the base"
                told.append(f"{name} at {shown}: {_told(shift, t * scatter * math.sqrt(share), logs)}")
            new, old = (_numbers(rows, name, logs) for rows in _same_seeds(*groups[key]))
            apart.append(_apart(new, old) if len(new) and len(old) else (shift, share))
        mean, share = np.mean(apart, axis=0)
        reach = t * scatter * math.sqrt(share / len(apart))
        if abs(mean) > reach:
            told.append(f"{name} over all {len(apart)} groups: {_told(mean, reach, logs)}")
    return told


def _numbers(rows: Sequence[Row], name: str, logs: bool) -> Any:
    """Return the finite numbers of a column, or their logarithms, as an array."""
    found = np.array([value(row, name) for row in rows], dtype=np.float64)
    if logs:
        found = np.log(np.where(found > 0, found, np.nan))
    return found[np.isfinite(found)]


def _apart(new: Any, old: Any) -> tuple[float, float]:
    """Return how far two samples' means are apart, and the variance of that for numbers of variance 1."""
    return float(new.mean() - old.mean()), 1 / len(new) + 1 / len(old)


def _same_seeds(fresh: Sequence[Row], committed: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return of both those rows whose seed the other has too."""
    both = {row["seed"] for row in fresh} & {row["seed"] for row in committed}
    new, old = ([row for row in rows if row["seed"] in both] for rows in (fresh, committed))
    return new, old


def _told(shift: float, reach: float, logs: bool) -> str:
    if logs:
        return f"{math.exp(shift):.3g} times the committed, not within a factor of {math.exp(reach):.3g}"
    return f"{shift:+.3g} from the committed, not within {reach:.3g}"


def _mean(rule: claims.Rule, row: Row) -> float:
    return value(row, rule.of)


def _difference(rule: claims.Rule, row: Row, other: Row) -> float:
    return value(row, rule.of) - value(other, rule.of)


def _ratio(rule: claims.Rule, row: Row, other: Row) -> float:
    one, two = value(row, rule.of), value(other, rule.of)
    return math.log(one / two) if one > 0 and two > 0 else math.nan


def _share(rule: claims.Rule, row: Row) -> float:
    low, high = rule.between or (-math.inf, math.inf)
    number = value(row, rule.of)
    return float(low <= number <= high) if math.isfinite(number) else math.nan


def _effects(rule: claims.Rule, seeds: Sequence[tuple[Row, ...]]) -> list[float]:
    """Return for each seed its part of |mean log ratio of one| - |mean log ratio of the other|.

    The sizes are of the means over seeds: the mean of single seeds' sizes would be above 0 by their scatter alone.
    """
    logs = np.array([(_ratio(rule, row, base), _ratio(rule, other, base)) for row, base, other in seeds])
    logs = logs.reshape(-1, 2)[np.isfinite(logs.reshape(-1, 2)).all(axis=1)]
    signs = np.where(logs.mean(axis=0) < 0, -1.0, 1.0) if len(logs) else np.ones(2)
    return [float(number) for number in (logs * signs) @ [1.0, -1.0]]


_STATISTICS: dict[str, Callable[..., float]] = {
    "mean": _mean,
    "difference": _difference,
    "ratio": _ratio,
    "share": _share,
    "turned": lambda rule, row, base: turned_apart(row, base),
}


def _frame(row: Row) -> Any:
    """Return (3, 3): orthonormal columns, the two factors' directions as nearly as that allows and their normal."""
    a, b = (np.array([float(row[f"direction_{factor}_{k}"]) for k in (1, 2, 3)]) for factor in "ab")
    left, _, right = np.linalg.svd(np.column_stack([a / np.linalg.norm(a), b / np.linalg.norm(b)]), full_matrices=False)
    plane = left @ right
    return np.column_stack([plane, np.cross(plane[:, 0], plane[:, 1])])
