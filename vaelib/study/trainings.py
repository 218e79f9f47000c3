"""The many trainings behind the book's last chapters, as one table: fresh ones, or the table that the project keeps.

`sweep.yml` beside this module lists the trainings. Their runs are in a folder `sweep` among the book's runs. A build
that trains only some of them shows the kept table, whose intervals rest on all seeds, and compares its own with that.
"""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vaelib import notebook, storage, sweep
from vaelib.errors import BuildError, SettingError
from vaelib.experiment import Experiment
from vaelib.storage import results
from vaelib.study import claims, replication
from vaelib.sweep import tables
from vaelib.system import provenance

PLAN = Path(__file__).with_name("sweep.yml")  # no docstring, or pages would show the path


@dataclass(frozen=True)
class Table:
    """The rows of the trainings, and where they come from."""

    rows: list[dict[str, Any]]
    """A row per run, as `vaelib.sweep.tables.row` returns it."""
    fresh: bool
    """Whether this machine trained them."""
    origin: dict[str, Any]
    """The git commit, the versions and the hardware of the machine that did."""
    anew: "Table | None" = None
    """Beside a kept table, a fresh one of those of its trainings that were made again here."""

    @property
    def seeds(self) -> int:
        """The most seeds that any setting has."""
        return len({row["seed"] for row in self.rows})

    @property
    def trained(self) -> "Table | None":
        """What this machine trained: all of a fresh table, some of a kept one's, None for nothing."""
        return self if self.fresh else self.anew

    def note(self) -> Any:
        """Return a line for display: how many trainings, made where, and how many comparisons of those anew agree."""
        from IPython.display import HTML

        source = "trained to make this page" if self.fresh else "from the table that is kept with the project"
        text = f"{_counted(self.rows)}, {source} ({_machine(self.origin)})."
        if self.anew is not None:
            comparisons = replication.compare(self.anew.rows, both_rounds())
            agreeing = sum(not comparison.apart for comparison in comparisons)
            text += f" Trained again to make this page: {_counted(self.anew.rows)} ({_machine(self.anew.origin)}); "
            text += f"{agreeing} of {len(comparisons)} comparisons with the kept ones agree."
        return HTML(f'<p class="provenance">{html.escape(text)}</p>')


def plan(seeds: int | None = None) -> list[Experiment]:
    """Return the experiments of the study, with at most `seeds` of each setting, all for None."""
    grid = sweep.read(PLAN)
    return (grid if seeds is None else grid.limited(seeds)).experiments()


def committed() -> Table:
    """Return the table that the project keeps. Raises SettingError where it is missing."""
    return _read("table", "provenance")


def earlier() -> Table:
    """Return an earlier round of the kept table's trainings, made on another kind of machine.

    Its rows have the settings and the numbers of `replication.COLUMNS` alone. Raises SettingError where it is missing.
    """
    return _read("earlier", "earlier")


def both_rounds() -> list[dict[str, Any]]:
    """Return the rows of both kept rounds, with which fresh trainings are compared.

    The same seed ends elsewhere on another processor, so a single round would underestimate the scatter.
    """
    return [*committed().rows, *earlier().rows]


def table(seeds: int | None = None, profile: str = "book", *, root: Path | None = None) -> Table:
    """Return the table of the study: what is not yet trained is trained first, side by side, with a progress bar.

    Where the fresh trainings are only some of the kept table's, that is returned, with the fresh table as its `anew`:
    two seeds would leave most claims undecided that twenty decide.

    Args:
        seeds: The most seeds of a setting, None for all; 0 returns the kept table alone.
        profile: The chapter's; "smoke" returns the kept table alone, since training would take too long.
        root: The folder of the runs, by default that of the chapters.

    Raises:
        SettingError: `seeds` is negative, or the kept table is missing; before anything is trained.
        BuildError: A training failed twice; the message names it.
    """
    if seeds is not None and seeds < 0:
        raise SettingError(f"sweep_seeds = {seeds!r}; allowed: whole numbers from 0, and None for all")
    kept = committed()
    if seeds == 0 or profile == "smoke":
        return kept
    rows = trained(plan(seeds), (root or notebook.runs_root()) / "sweep")
    origin = {
        "git_commit": provenance.git_commit(),
        "versions": provenance.versions(),
        "hardware": provenance.hardware(),
    }
    fresh = Table(rows, fresh=True, origin=origin)
    if {row["run"] for row in fresh.rows} < {row["run"] for row in kept.rows}:
        return replace(kept, anew=fresh)
    return fresh


def trained(experiments: Sequence[Experiment], root: Path) -> list[dict[str, Any]]:
    """Train and measure experiments side by side and return their rows of a table, in the same order.

    Args:
        experiments: One per run.
        root: The folder of the runs.

    Raises:
        BuildError: A training failed twice; the message names it.
    """
    outcome = sweep.train_grid(experiments, root)
    if outcome.failed:
        name, reason = next(iter(outcome.failed.items()))
        raise BuildError(f"failed trainings: {len(outcome.failed)} of {len(experiments)}; {name}: {reason}")
    return [outcome.finished[experiment.name] for experiment in experiments]


def keep(made: Table, folder: Path) -> list[Path]:
    """Save a table as table.csv, table.parquet and provenance.json.

    The provenance has, besides the table's origin, the commits of all its runs and the fingerprint of the rules.

    Args:
        made: What `table` returned; of a kept table with trainings made again here (`anew`), only those are saved.
        folder: Where to; it is made if it does not exist.

    Returns:
        The three paths.

    Raises:
        StoreError: A file cannot be written.
    """
    made = made.anew or made
    folder.mkdir(parents=True, exist_ok=True)
    written = tables.write_table(tables.table(made.rows), folder / "table")
    commits = sorted({str(row.get("git_commit")) for row in made.rows})
    about = {"runs": len(made.rows), "fresh": made.fresh, "commits": commits, "rules": claims.fingerprint()}
    content = {**made.origin, **about}
    storage.write(folder / "provenance.json", (json.dumps(content, indent=1) + "\n").encode())
    return [*written, folder / "provenance.json"]


def _read(name: str, origin: str) -> Table:
    folder = results.folder() / "sweep"
    rows = tables.read_table(folder / f"{name}.csv")
    return Table(rows, fresh=False, origin=json.loads((folder / f"{origin}.json").read_text(encoding="utf-8")))


def _machine(origin: dict[str, Any]) -> str:
    return f"{origin['hardware']['processor']}, commit {(origin['git_commit'] or 'unknown')[:12]}"


def _counted(rows: list[dict[str, Any]]) -> str:
    """Return "104 trainings, 2 seeds a setting"."""
    names = sorted(set(Experiment.model_fields) - {"seed"})
    seeds_of: dict[tuple[Any, ...], set[int]] = {}  # by setting
    for row in rows:
        seeds_of.setdefault(tuple(row[name] for name in names if name in row), set()).add(row["seed"])
    counts = sorted({len(seeds) for seeds in seeds_of.values()})
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{len(rows)} trainings, {span} {'seed' if counts == [1] else 'seeds'} a setting"
