"""Two rounds of the same trainings: what differs between them, in lines that a failing test can show."""

from collections.abc import Sequence

from vaelib.study import replication
from vaelib.study.quantities import Row


def unlike(
    fresh: Sequence[Row], committed: Sequence[Row], columns: Sequence[str] = tuple(replication.COLUMNS)
) -> list[str]:
    """Return a line for each of the comparisons of `replication.compare`, that are apart."""
    lines = []
    for comparison in replication.compare(fresh, committed, columns):
        where = "over all settings" if comparison.setting is None else f"at {comparison.setting or 'the base'}"
        if comparison.apart:
            lines.append(f"{comparison.column} {where}: {comparison.text()}")
    return lines
