"""The many trainings behind the book's last chapters, as one table: fresh ones, or the table that the project keeps.

`sweep.yml` beside this module says which trainings. Their runs lie in a folder `sweep` among the book's runs. A build
that trains only some of them shows the kept table, whose intervals rest on all seeds, and holds its own against it.
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

PLAN = Path(__file__).with_name("sweep.yml")


@dataclass(frozen=True)
class Table:
    """The rows of the trainings, and where they come from.

    `rows`: those of `vaelib.sweep.tables.table`; `fresh`: whether this machine trained them; `origin`: git commit,
    versions and hardware of the machine that did. `anew`: beside a kept table, those of its trainings that were made
    again here, as a fresh table of their own.
    """

    rows: list[dict[str, Any]]
    fresh: bool
    origin: dict[str, Any]
    anew: "Table | None" = None

    @property
    def seeds(self) -> int:
        """The most seeds that any setting has."""
        return len({row["seed"] for row in self.rows})

    @property
    def trained(self) -> "Table | None":
        """What this machine trained: all of a fresh table, some of a kept one's, None for nothing."""
        return self if self.fresh else self.anew

    def note(self) -> Any:
        """Return a line for display: how many trainings there are, whose, and how those made again here fit them."""
        from IPython.display import HTML

        whose = "trained to make this page" if self.fresh else "from the table that is kept with the project"
        told = f"{_counted(self.rows)}, {whose} ({_where(self.origin)})."
        if self.anew is not None:
            compared = replication.compare(self.anew.rows, both_rounds())
            apart = sum(one.apart for one in compared)
            told += f" Trained again to make this page: {_counted(self.anew.rows)} ({_where(self.anew.origin)}); "
            told += f"{len(compared) - apart} of {len(compared)} comparisons with the kept ones agree."
        return HTML(f'<p class="provenance">{html.escape(told)}</p>')


def plan(seeds: int | None = None) -> list[Experiment]:
    """Return the experiments of the study, with at most so many seeds of each setting; None: all."""
    whole = sweep.read(PLAN)
    return (whole if seeds is None else whole.limited(seeds)).experiments()


def committed() -> Table:
    """Return the table that the project keeps. Raises SettingError where it is missing."""
    return _read("table", "provenance")


def earlier() -> Table:
    """Return an earlier round of the kept table's trainings, made on another kind of machine.

    Its rows have the settings and the numbers of `replication.COLUMNS` alone. Raises SettingError where it is missing.
    """
    return _read("earlier", "earlier")


def both_rounds() -> list[dict[str, Any]]:
    """Return the rows of both kept rounds: what fresh trainings are held against.

    The same seed ends elsewhere on another processor, so one round alone would tell too small a spread.
    """
    return [*committed().rows, *earlier().rows]


def table(seeds: int | None = None, profile: str = "book", *, root: Path | None = None) -> Table:
    """Return the table of the study: what is not yet trained is trained first, side by side, with progress.

    seeds: as `plan` takes them. With fewer trainings than the kept table has, all of them its own, that table is
    returned with the fresh one as its `anew`: two seeds would leave most claims undecided that twenty decide. 0 gives
    the kept table alone, and so does the profile "smoke", for which training would take too long. root: the folder of
    the runs, by default that of the chapters. Raises SettingError for a negative number of seeds, and where the kept
    table is missing, before anything is trained; BuildError when a training fails twice, and names it.
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
    """Train and measure several experiments side by side and return their rows of a table, in the same order.

    root: the folder of the runs. Raises BuildError when a training fails twice, and names it.
    """
    outcome = sweep.train_grid(experiments, root)
    if outcome.failed:
        name, reason = next(iter(outcome.failed.items()))
        raise BuildError(f"failed trainings: {len(outcome.failed)} of {len(experiments)}; {name}: {reason}")
    return [outcome.finished[each.name] for each in experiments]


def keep(found: Table, folder: Path) -> list[Path]:
    """Write a table as table.csv, table.parquet and provenance.json into a folder and return the three paths.

    Of a kept table with trainings made again here (`anew`), these are written. The provenance has, besides the
    table's origin, the commits of all its runs and the fingerprint of the rules.
    """
    found = found.anew or found
    folder.mkdir(parents=True, exist_ok=True)
    written = tables.write_table(tables.table(found.rows), folder / "table")
    commits = sorted({str(row.get("git_commit")) for row in found.rows})
    told = {"runs": len(found.rows), "fresh": found.fresh, "commits": commits, "rules": claims.fingerprint()}
    origin = {**found.origin, **told}
    storage.write(folder / "provenance.json", (json.dumps(origin, indent=1) + "\n").encode())
    return [*written, folder / "provenance.json"]


def _read(name: str, origin: str) -> Table:
    folder = results.folder() / "sweep"
    rows = tables.read_table(folder / f"{name}.csv")
    return Table(rows, fresh=False, origin=json.loads((folder / f"{origin}.json").read_text(encoding="utf-8")))


def _where(origin: dict[str, Any]) -> str:
    return f"{origin['hardware']['processor']}, commit {(origin['git_commit'] or 'unknown')[:12]}"


def _counted(rows: list[dict[str, Any]]) -> str:
    """Return "104 trainings, 2 seeds a setting"."""
    seeds = sorted({_seeds_of(rows, setting) for setting in {_setting(row) for row in rows}})
    span = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return f"{len(rows)} trainings, {span} {'seed' if seeds == [1] else 'seeds'} a setting"


def _setting(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in sorted(set(Experiment.model_fields) - {"seed"}) if name in row)


def _seeds_of(rows: list[dict[str, Any]], setting: tuple[Any, ...]) -> int:
    return len({row["seed"] for row in rows if _setting(row) == setting})
