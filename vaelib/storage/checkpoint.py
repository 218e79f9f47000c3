"""A run's folder on disk: its files, written after every epoch, and how they are read.

The manifest alone says what is valid: the last finished epoch, the history, and the name and SHA-256 of every file.
Each epoch's files have names of their own and the manifest is replaced last, so that a crash at any moment leaves the
previous epoch intact. Nothing here loads Keras: a model is anything with `weights`.
"""

import contextlib
import csv
import io
import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from vaelib import storage
from vaelib.errors import DamagedError

MANIFEST = "manifest.json"
TERMS = ("loss", "cross_entropy", "kl", "penalty")
"""The terms of the history, each also with the prefix val_."""


class Checkpoint:
    """The state of a training after its last finished epoch, saved in the run's folder and restored from there.

    Args:
        path: The run's folder.
        epochs: The number of epochs of the training.
        snapshots: The epochs whose weights are kept besides the best and the last.
        resumable: Keep the optimizer's state after the last epoch too, for a longer training.
        origin: What the run is made with: backend, versions, commit, hardware.
    """

    def __init__(
        self, path: Path, *, epochs: int, snapshots: Collection[int], resumable: bool, origin: Mapping[str, Any]
    ) -> None:
        self.path, self.epochs, self.snapshots = path, epochs, snapshots
        self.resumable, self.origin = resumable, origin
        self.files: dict[str, str] = {}
        self.history: list[dict[str, float]] = []
        self.spent = {"wall_time": 0.0, "images": 0.0, "step_time": 0.0}
        self._clock = time.perf_counter()

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.history)

    def begin(self, experiment: str) -> None:
        """Write the experiment's JSON, the first file of a run."""
        self._write("experiment.json", experiment.encode())

    def add(self, terms: Mapping[str, float]) -> None:
        """Add a finished epoch's terms to the history; `save` then writes that epoch."""
        self.history.append(dict(terms))

    def save(self, model: Any, embedding: np.ndarray) -> None:
        """Write the epoch's files, then the manifest, then remove the files of earlier epochs that are not kept.

        Args:
            model: The model after the epoch.
            embedding: The training images' means μ (n, d) float32.

        Raises:
            StoreError: A file cannot be written; the previous epoch is then intact.
        """
        epoch, complete = self.epoch, self.epoch == self.epochs
        self._write(weights_file(epoch), storage.pack(get_weights(model)))
        self._write(embedding_file(epoch), _npy(embedding))
        if not complete or self.resumable:
            self._write(state_file(epoch), storage.pack(_state(model)))
        obsolete = [name for name in self._obsolete() if self.files.pop(name, None)]
        now = time.perf_counter()
        self.spent["wall_time"] += now - self._clock
        self._clock = now
        origin = self._provenance()
        # These two are for readers and have fixed names, so they join the checked files only at the end.
        exports = {"history.csv": _table(self.history), "provenance.json": json.dumps(origin, indent=1).encode()}
        checksums = {name: storage.write(self.path / name, content) for name, content in exports.items()}
        manifest = {
            "epoch": epoch,
            "complete": complete,
            "history": self.history,
            "spent": self.spent,
            "provenance": origin,
            "files": self.files | checksums if complete else self.files,
        }
        storage.write_json(self.path / MANIFEST, manifest)
        for name in obsolete:
            # The epoch is safe without this, and what is left is removed by the next call.
            with contextlib.suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    def restore(self, model: Any, manifest: Mapping[str, Any]) -> None:
        """Restore the model, its optimizer, its noise and this checkpoint to the last epoch that a manifest names.

        Args:
            model: The compiled model.
            manifest: The content of the run's manifest.

        Raises:
            DamagedError: The files are those of another model or version; nothing is changed then.
        """
        epoch, files = int(manifest["epoch"]), dict(manifest["files"])
        weights, state = (
            storage.unpack(storage.read(self.path / name, files.get(name, "")))
            for name in (weights_file(epoch), state_file(epoch))
        )
        check_names(model, weights)
        # Together, so that all are known to fit before the first is set.
        assign([*model.weights, *_state_variables(model)], [*weights.values(), *state.values()])
        self.files, self.history, self.spent = files, list(manifest["history"]), dict(manifest["spent"])

    def _obsolete(self) -> list[str]:
        """Return the names of earlier epochs' files that are not kept."""
        kept = {*self.snapshots, best_epoch(self.history), self.epoch}
        weights = [weights_file(epoch) for epoch in range(self.epoch) if epoch not in kept]
        return weights + [state_file(epoch) for epoch in range(self.epoch)]

    def _provenance(self) -> dict[str, Any]:
        seconds = self.spent["step_time"]
        return {
            **self.origin,
            "wall_time": round(self.spent["wall_time"], 1),
            "images_per_second": round(self.spent["images"] / seconds, 1) if seconds else None,
        }

    def _write(self, name: str, content: bytes) -> None:
        self.files[name] = storage.write(self.path / name, content)


def weights_file(epoch: int) -> str:
    """Return the name of the file with an epoch's weights."""
    return f"weights-{epoch:04d}.npz"


def embedding_file(epoch: int) -> str:
    """Return the name of the file with an epoch's embedding of the training set."""
    return f"embedding-{epoch:04d}.npy"


def state_file(epoch: int) -> str:
    """Return the name of the file with the optimizer's and the noise's state after an epoch."""
    return f"state-{epoch:04d}.npz"


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the epoch (from 1) with the lowest val_loss, the first if several have it; 0 for an empty history."""
    return min(range(len(history)), key=lambda index: history[index]["val_loss"]) + 1 if history else 0


def finished_epochs(path: str | os.PathLike[str]) -> int:
    """Return the number of finished epochs of the run at `path`, from its manifest alone; 0 without one."""
    return int(_entry(path, "epoch"))


def is_complete(path: str | os.PathLike[str]) -> bool:
    """Return whether the run at `path` is finished, from its manifest alone; opening the run checks its files."""
    return bool(_entry(path, "complete"))


def _entry(path: str | os.PathLike[str], name: str) -> Any:
    """Return an entry of a run's manifest; 0 if the manifest is missing or damaged."""
    try:
        return storage.read_json(storage.user_path(path) / MANIFEST)[name]
    except (DamagedError, KeyError):
        return 0


def get_weights(model: Any) -> dict[str, np.ndarray]:
    """Return the model's weights, named by position and path."""
    return {f"{i:03d}-{w.path.replace('/', '.')}": np.asarray(w) for i, w in enumerate(model.weights)}


def set_weights(model: Any, arrays: dict[str, np.ndarray]) -> None:
    """Set the weights that `get_weights` returned. Raises DamagedError when they are of another model."""
    check_names(model, arrays)
    assign(model.weights, list(arrays.values()))


def check_names(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise DamagedError unless the arrays are named, in order, after the layers and weights of the model."""
    # The part of a path before the layer may change with Keras's version.
    stored_names = [name.partition("-")[2].split(".")[-2:] for name in arrays]
    for own, stored in zip_longest((weight.path.split("/")[-2:] for weight in model.weights), stored_names):
        if own != stored:
            own, stored = ("nothing" if name is None else ".".join(name) for name in (own, stored))
            raise DamagedError(f"the stored weights are those of another model: {stored} in place of {own}")


def assign(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
    """Set variables to arrays, all or none. Raises DamagedError when the shapes differ."""
    if [variable.shape for variable in variables] != [array.shape for array in arrays]:
        raise DamagedError("the stored weights are those of another model")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _state_variables(model: Any) -> list[Any]:
    """Return the state of a training besides the weights: the noise's generator, then the optimizer's variables."""
    return [model.sampling.seed_generator.state, *model.optimizer.variables]


def _state(model: Any) -> dict[str, np.ndarray]:
    noise, *optimizer = map(np.asarray, _state_variables(model))
    return {"noise": noise, **{f"{i:03d}": array for i, array in enumerate(optimizer)}}


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _table(history: list[dict[str, float]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [part + name for part in ("", "val_") for name in TERMS]
    table.writerow(["epoch", *names])
    table.writerows([epoch, *(row[name] for name in names)] for epoch, row in enumerate(history, 1))
    return text.getvalue().encode()
