"""The runs of a sweep: those that are finished are read, the others trained and measured."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vaelib import run, storage
from vaelib.errors import DamagedError
from vaelib.experiment import Experiment
from vaelib.storage import checkpoint
from vaelib.sweep import tables
from vaelib.sweep.cluster import Outcome, hold_to_one_thread, on_dask
from vaelib.system.processes import hold_no_semaphore


def train_grid(
    experiments: Sequence[Experiment],
    root: str | os.PathLike[str] = "runs",
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train what is not yet finished, measure every run, and return the rows of its table by the run's name.

    root: the folder of the runs; on a cluster, one that all its machines see. workers and scheduler: as `on_dask`
    takes them. A failed run is tried once more, then reported in `failed`; the others go on.
    """
    root = storage.user_path(root).resolve()
    tasks = {each.name: (_one, each.to_json(), str(root)) for each in experiments}
    kept = {name: found for name in tasks if (found := _finished(root / name))}
    left = {name: task for name, task in tasks.items() if name not in kept}
    if left:
        storage.check_writable(root)
    outcome = on_dask(left, workers=workers, scheduler=scheduler, progress=progress) if left else Outcome()
    rows = {**kept, **outcome.finished}
    return Outcome({name: rows[name] for name in tasks if name in rows}, outcome.failed)


def _finished(path: Path) -> dict[str, Any] | None:
    """Return the row of a run that is finished and measured by this library, None for any other."""
    if not checkpoint.is_complete(path):
        return None
    with contextlib.suppress(DamagedError):
        opened = run.Run(path)
        measures = tables.measured(opened)
        return None if measures is None else tables.row(opened, measures)
    return None


def _one(text: str, root: str) -> dict[str, Any]:
    """Train an experiment, given as JSON, unless it is finished, and return its row. Runs in a worker."""
    hold_to_one_thread()
    hold_no_semaphore()
    from vaelib.nn.backend import keras
    from vaelib.training import train

    experiment = Experiment.from_json(text)
    try:
        return tables.row(train(experiment, root, progress=False))
    finally:
        keras.backend.clear_session()  # a worker trains many networks one after another
