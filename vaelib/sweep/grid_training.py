"""The runs of a sweep: finished ones are read, the others trained and measured."""

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
    """Train and measure the runs that are not finished, and return every run's row of the table by the run's name.

    A failed run is tried once more, then reported in `failed`; the others go on.

    Args:
        experiments: One per run.
        root: The folder of the runs; on a cluster, one that all its machines see.
        workers: As in `on_dask`.
        scheduler: As in `on_dask`.
        progress: As in `on_dask`.

    Raises:
        StoreError: There is something to train, and `root` cannot be written to.
        SettingError: As `on_dask` raises it.
        DeviceError: As `on_dask` raises it.
    """
    root = storage.user_path(root).resolve()
    tasks = {experiment.name: (_train_and_measure, experiment.to_json(), str(root)) for experiment in experiments}
    rows = {name: row for name in tasks if (row := _row_on_disk(root / name))}
    remaining = {name: task for name, task in tasks.items() if name not in rows}
    outcome = Outcome()
    if remaining:
        storage.check_writable(root)
        outcome = on_dask(remaining, workers=workers, scheduler=scheduler, progress=progress)
        rows |= outcome.finished
    return Outcome({name: rows[name] for name in tasks if name in rows}, outcome.failed)


def _row_on_disk(path: Path) -> dict[str, Any] | None:
    """Return the row of a run that is finished and was measured by this very library, else None."""
    if not checkpoint.is_complete(path):
        return None
    with contextlib.suppress(DamagedError):
        finished = run.Run(path)
        measures = tables.measured(finished)
        return None if measures is None else tables.row(finished, measures)
    return None


def _train_and_measure(text: str, root: str) -> dict[str, Any]:
    """Train an experiment, given as JSON, unless it is finished, and return its row. Called in a worker."""
    hold_to_one_thread()
    hold_no_semaphore()
    from vaelib.nn.backend import keras
    from vaelib.training import train

    experiment = Experiment.from_json(text)
    try:
        return tables.row(train(experiment, root, progress=False))
    finally:
        keras.backend.clear_session()  # a worker trains many networks one after another
