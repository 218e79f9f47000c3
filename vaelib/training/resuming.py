"""What is there already of a run: its own folder, or a shorter run that it would repeat. Anything else is cleared away.

Nothing here trains.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from vaelib import storage
from vaelib.errors import DamagedError, SettingError, StoreError
from vaelib.experiment import Experiment
from vaelib.nn import backend
from vaelib.run import Run
from vaelib.storage import checkpoint


def find(path: Path, experiment: Experiment) -> Run | None:
    """Open the run at a path if there is one; move a damaged one aside, with a warning.

    Args:
        path: The run's folder.
        experiment: The settings that the run has to have.

    Returns:
        The run, finished or not; None if there is none.
    """
    initial = {checkpoint.weights_file(0), checkpoint.embedding_file(0), checkpoint.state_file(0)}
    if not (path / checkpoint.MANIFEST).exists() and all(file.name in initial for file in _files_of_epochs(path)):
        return None  # nothing was begun, or not even its first state was saved: nothing is lost
    try:
        existing = Run(path)
        if existing.experiment.hash != experiment.hash:
            raise DamagedError(f"{path} holds the run {existing.experiment.name}")
        return existing
    except DamagedError as error:
        storage.move_aside(path, f"the run folder is damaged: {error}")
        return None


def is_open_ended(experiment: Experiment) -> bool:
    """Return whether no step depends on how many epochs will follow it."""
    return experiment.schedule == "constant" and experiment.penalty != "capacity"


def shorter_run(experiment: Experiment, root: Path) -> Run | None:
    """Return the longest finished run that a run would repeat.

    Args:
        experiment: The settings of the run.
        root: The folder of the runs.

    Returns:
        The shorter run; None if there is none.
    """
    candidates = []
    for path in root.glob(f"{experiment.name[:-16]}*") if is_open_ended(experiment) else ():
        # A damaged run, or one whose name is of another identity, is left alone.
        with contextlib.suppress(OSError, SettingError, DamagedError):
            shorter = Experiment.from_json((path / "experiment.json").read_bytes())
            longer = {"epochs": experiment.epochs, "snapshots": experiment.snapshots}
            same = shorter.name == path.name and shorter.replace(**longer).hash == experiment.hash
            if same and shorter.epochs < experiment.epochs and checkpoint.is_complete(path):
                run = Run(path)
                if _kept_by(run, experiment) <= run.manifest["files"].keys():
                    candidates.append(run)
    same_backend = [run for run in candidates if run.provenance["backend"] == backend.name()]
    return max(same_backend, key=lambda run: run.epochs, default=None)


def _kept_by(shorter: Run, experiment: Experiment) -> set[str]:
    """Return the files of a shorter run that an experiment would have kept after as many epochs."""
    kept = {shorter.best_epoch, shorter.epochs, *(epoch for epoch in experiment.snapshots if epoch <= shorter.epochs)}
    embeddings = {checkpoint.embedding_file(epoch) for epoch in range(shorter.epochs + 1)}
    return {checkpoint.state_file(shorter.epochs), *map(checkpoint.weights_file, kept), *embeddings}


def take_over(shorter: Run, experiment: Experiment, path: Path) -> Run:
    """Make the unfinished run of an experiment from a shorter one, beside its folder first: it is never partial.

    Args:
        shorter: The run to copy, from `shorter_run`.
        experiment: The settings of the new run.
        path: The new run's folder.

    Returns:
        The new run.

    Raises:
        StoreError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.begun")
    shutil.rmtree(beside, ignore_errors=True)  # left by a process that was killed here
    files = {name: storage.write(beside / name, shorter.read(name)) for name in sorted(_kept_by(shorter, experiment))}
    files["experiment.json"] = storage.write(beside / "experiment.json", experiment.to_json().encode())
    storage.write_json(beside / checkpoint.MANIFEST, {**shorter.manifest, "complete": False, "files": files})
    with storage.writing(path):
        shutil.rmtree(path, ignore_errors=True)  # whatever is there was never complete
        beside.rename(path)
    return Run(path)


def tidy(path: Path, existing: Run | None) -> None:
    """Remove what a killed process left: half-written files, and an epoch's files that the manifest does not name.

    Args:
        path: The run's folder.
        existing: The run there; None if there is none.

    Raises:
        StoreError: A file cannot be removed. A finished run is complete without this, so there it is no error; a
            training would not get far in such a folder.
    """
    storage.remove_scraps(path)
    named = existing.manifest["files"] if existing else ()
    for file in [file for file in _files_of_epochs(path) if file.name not in named]:
        try:
            with storage.writing(file):
                file.unlink(missing_ok=True)
        except StoreError:
            if not (existing and existing.complete):
                raise


def _files_of_epochs(path: Path) -> Iterator[Path]:
    """Return the weights, embeddings and states in a run's folder, complete or not, in the manifest or not."""
    for pattern in ("weights-*.npz", "embedding-*.npy", "state-*.npz"):
        yield from path.glob(pattern)
