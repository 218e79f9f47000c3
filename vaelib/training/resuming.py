"""What of a run is there already: its own folder, or a shorter run that it would repeat. The rest is cleared away.

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
    """Open the run at `path` if there is one; move a damaged one aside."""
    before = {checkpoint.weights_file(0), checkpoint.embedding_file(0), checkpoint.state_file(0)}
    if not (path / checkpoint.MANIFEST).exists() and all(file.name in before for file in _files_of_epochs(path)):
        return None  # nothing was begun, or it ended before its first state was whole: nothing is lost
    try:
        found = Run(path)
        if found.experiment.hash != experiment.hash:
            raise DamagedError(f"{path} holds the run {found.experiment.name}")
        return found
    except DamagedError as error:
        storage.move_aside(path, f"the run folder is damaged: {error}")
        return None


def is_open_ended(experiment: Experiment) -> bool:
    """Tell whether no step depends on how many epochs will follow it."""
    return experiment.schedule == "constant" and experiment.penalty != "capacity"


def shorter_run(experiment: Experiment, root: Path) -> Run | None:
    """Return the longest of the finished runs in `root` that this one would repeat; None where there is none."""
    found = []
    for path in root.glob(f"{experiment.name[:-16]}*") if is_open_ended(experiment) else ():
        # One that is damaged, or whose name is of another identity, is left alone.
        with contextlib.suppress(OSError, SettingError, DamagedError):
            its = Experiment.from_json((path / "experiment.json").read_bytes())
            longer = {"epochs": experiment.epochs, "snapshots": experiment.snapshots}
            same = its.name == path.name and its.replace(**longer).hash == experiment.hash
            if same and its.epochs < experiment.epochs and checkpoint.is_complete(path):
                found += [each for each in [Run(path)] if _kept_by(each, experiment) <= each.manifest["files"].keys()]
    here = [each for each in found if each.provenance["backend"] == backend.name()]
    return max(here, key=lambda each: each.epochs, default=None)


def _kept_by(shorter: Run, experiment: Experiment) -> set[str]:
    """Return the files of a shorter run that an experiment would have after as many epochs."""
    kept = {shorter.best_epoch, shorter.epochs, *(each for each in experiment.snapshots if each <= shorter.epochs)}
    embeddings = {checkpoint.embedding_file(epoch) for epoch in range(shorter.epochs + 1)}
    return {checkpoint.state_file(shorter.epochs), *map(checkpoint.weights_file, kept), *embeddings}


def take_over(shorter: Run, experiment: Experiment, path: Path) -> Run:
    """Make the unfinished run of an experiment from a shorter one: in a folder beside, so that it is there whole."""
    beside = path.with_name(f".{path.name}.begun")
    shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed here
    files = {name: storage.write(beside / name, shorter.read(name)) for name in sorted(_kept_by(shorter, experiment))}
    files["experiment.json"] = storage.write(beside / "experiment.json", experiment.to_json().encode())
    storage.write_json(beside / checkpoint.MANIFEST, {**shorter.manifest, "complete": False, "files": files})
    with storage.writing(path):
        shutil.rmtree(path, ignore_errors=True)  # what there is was never whole
        beside.rename(path)
    return Run(path)


def tidy(path: Path, found: Run | None) -> None:
    """Remove what a killed process left: half-written files, and an epoch's files that the manifest does not name.

    Raises StoreError for one that cannot be removed, unless the run is finished: it is whole without this, while a
    training would not get far in such a folder.
    """
    storage.remove_scraps(path)
    named = found.manifest["files"] if found else ()
    for file in [file for file in _files_of_epochs(path) if file.name not in named]:
        try:
            with storage.writing(file):
                file.unlink(missing_ok=True)
        except StoreError:
            if not (found and found.complete):
                raise


def _files_of_epochs(path: Path) -> Iterator[Path]:
    """Return the weights, embeddings and states in a run's folder, whole or not, named in its manifest or not."""
    for pattern in ("weights-*.npz", "embedding-*.npy", "state-*.npz"):
        yield from path.glob(pattern)
