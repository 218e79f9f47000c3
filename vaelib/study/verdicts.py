"""The study's claims against the table of a sweep: which numbers each rule takes from it, and the verdicts.

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
        raise ValueError(f"seeds {row['seed']} and {base['seed']}; allowed: two runs of one seed")
    settings = {"seed": int(row["seed"]), "initial_rotation": row["initial_rotation"]}
    drawn = initial_rotation(Experiment.from_profile("sweep", **settings))
    turn = np.eye(3) if drawn is None else drawn.T.astype(np.float64)  # rows of μ are multiplied from the right
    found = _frame(row) @ np.diag([1, 1, np.sign(np.linalg.det(turn))]) @ _frame(base).T
    # A rotation by an angle lies 2·√2·sin(angle/2) from none: exact for small angles, unlike the trace's arccos.
    chord = float(np.linalg.norm(found @ turn.T - np.eye(3))) / (2 * math.sqrt(2))
    return math.degrees(2 * math.asin(min(chord, 1.0)))


def judge(rows: Sequence[Row], rules: Sequence[claims.Rule] | None = None) -> list[claims.Finding]:
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
