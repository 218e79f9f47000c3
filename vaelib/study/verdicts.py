"""The study's claims and the table of a sweep: the numbers that each rule takes from it, and the verdicts.

Rows are those of `vaelib.sweep.tables.table`, a mapping for each run. Nothing here loads Keras.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.nn.rotation import initial_rotation
from vaelib.study import claims
from vaelib.study.comparison import pick
from vaelib.study.methods import BASE
from vaelib.study.quantities import Row, excess_curl

# Numbers made of several columns of a run.
_DERIVED: dict[str, Callable[[Row], float | None]] = {
    "curl": excess_curl,
    "bending_a": lambda row: row["turning_a"] - row["straight_a"],
    "bending_b": lambda row: row["turning_b"] - row["straight_b"],
    "hole_ratio": lambda row: row["hole_relative"] / row["relative_error"],
}


def value(row: Row, name: str) -> float:
    """Return a number of a run, NaN where it is undefined.

    Args:
        row: The run.
        name: A column; or curl, by how much the edges are tilted beyond the middle (degrees); bending_a or bending_b,
            by how much the lines of constant a or b turn beyond the straight control's (degrees); or hole_ratio, the
            relative error in the hole over that of the validation images.

    Raises:
        SettingError: The table has no such column.
    """
    if name not in _DERIVED and name not in row:
        raise SettingError(f"{name!r} is not a column of the table")
    try:
        number = _DERIVED[name](row) if name in _DERIVED else row[name]
        return math.nan if number is None else float(number)
    except TypeError:  # one of its columns is undefined
        return math.nan


def turned_apart(row: Row, base: Row) -> float:
    """Return by how many degrees an embedding differs from the base's, turned as its initial weights were.

    The orthogonal matrix between the two embeddings is taken from their factors' directions (direction_a_k,
    direction_b_k, and their cross product), made orthonormal; the result is the angle of the rotation between that
    matrix and the one by which the weights were turned.

    Args:
        row: A run with three latents and an `initial_rotation`.
        base: The run of the same seed without.

    Raises:
        ValueError: The seeds differ.
    """
    if row["seed"] != base["seed"]:
        raise ValueError(f"seeds {row['seed']} and {base['seed']}; allowed: two runs of one seed")
    settings = {"seed": int(row["seed"]), "initial_rotation": row["initial_rotation"]}
    drawn = initial_rotation(Experiment.from_profile("sweep", **settings))
    turn = np.eye(3) if drawn is None else drawn.T.astype(np.float64)  # rows of μ are multiplied from the right
    between = _frame(row) @ np.diag([1, 1, np.sign(np.linalg.det(turn))]) @ _frame(base).T
    # A rotation is 2·√2·sin(angle/2) from the identity: exact for small angles, unlike the arccos of the trace.
    chord = float(np.linalg.norm(between @ turn.T - np.eye(3))) / (2 * math.sqrt(2))
    return math.degrees(2 * math.asin(min(chord, 1.0)))


def judge(rows: Sequence[Row], rules: Sequence[claims.Rule] | None = None) -> list[claims.Finding]:
    """Return the finding of every rule, by default of those of `claims.yml`, in their order."""
    return [claims.judge(rule, numbers(rows, rule)) for rule in (claims.read() if rules is None else rules)]


def settings_of_rules(rules: Sequence[claims.Rule]) -> list[dict[str, Any]]:
    """Return the settings of the runs that rules need, without those at their base, once each, in the rules' order."""
    needed: list[dict[str, Any]] = []
    for rule in rules:
        for group in (rule.runs, rule.against, rule.other):
            settings = None if group is None else {name: value for name, value in group.items() if value != BASE[name]}
            if settings is not None and settings not in needed:
                needed.append(settings)
    return needed


def side_by_side(
    rows: Sequence[Row], others: Sequence[Row], rules: Sequence[claims.Rule], **settings: Any
) -> list[tuple[claims.Finding, claims.Finding]]:
    """Return each rule's findings on two sets of rows.

    Args:
        rows: The first.
        others: The second.
        rules: What to apply to both.
        settings: The base settings of `others` that differ from the sweep profile's, such as their batch size.
    """
    return [
        (claims.judge(rule, numbers(rows, rule)), claims.judge(rule, numbers(others, rule, **settings)))
        for rule in rules
    ]


def contradict(finding: claims.Finding, other: claims.Finding) -> bool:
    """Tell whether one finding says that its claim holds and the other that it fails."""
    return {finding.verdict, other.verdict} == {"holds", "fails"}


def numbers(rows: Sequence[Row], rule: claims.Rule, **settings: Any) -> list[float]:
    """Return a number for each seed that has all the runs a rule needs, as `vaelib.study.claims.judge` takes them.

    A seed whose number is undefined is left out.

    Args:
        rows: The runs.
        rule: It has no numbers if it is open.
        settings: The base settings that differ from the sweep profile's; those that the rule names come first.

    Raises:
        SettingError: A setting or a column does not exist.
    """
    if rule.open:
        return []
    sides = [side for side in (rule.runs, rule.against, rule.other) if side is not None]
    by_seed = [{row["seed"]: row for row in pick(rows, **{**settings, **side})} for side in sides]
    shared = sorted(set.intersection(*map(set, by_seed)))
    if rule.kind == "effects":
        return _effects(rule, [tuple(group[seed] for group in by_seed) for seed in shared])
    statistics = [_STATISTICS[rule.kind](rule, *(group[seed] for group in by_seed)) for seed in shared]
    return [number for number in statistics if math.isfinite(number)]


def _mean(rule: claims.Rule, row: Row) -> float:
    return value(row, rule.of)


def _difference(rule: claims.Rule, row: Row, other: Row) -> float:
    return value(row, rule.of) - value(other, rule.of)


def _ratio(rule: claims.Rule, row: Row, other: Row) -> float:
    numerator, denominator = value(row, rule.of), value(other, rule.of)
    return math.log(numerator / denominator) if numerator > 0 and denominator > 0 else math.nan


def _share(rule: claims.Rule, row: Row) -> float:
    low, high = rule.between or (-math.inf, math.inf)
    number = value(row, rule.of)
    return float(low <= number <= high) if math.isfinite(number) else math.nan


def _effects(rule: claims.Rule, seeds: Sequence[tuple[Row, ...]]) -> list[float]:
    """Return for each seed its part of |mean log ratio of the runs| - |mean log ratio of the other ones|.

    The sizes are those of the means over seeds: the mean of single seeds' sizes would be above 0 by scatter alone.
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
    """Return (3, 3): orthonormal columns, the nearest to the two factors' directions and their normal."""
    a, b = (np.array([float(row[f"direction_{factor}_{k}"]) for k in (1, 2, 3)]) for factor in "ab")
    left, _, right = np.linalg.svd(np.column_stack([a / np.linalg.norm(a), b / np.linalg.norm(b)]), full_matrices=False)
    plane = left @ right
    return np.column_stack([plane, np.cross(plane[:, 0], plane[:, 1])])
