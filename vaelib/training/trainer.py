"""Training a run: resumable after every epoch, never half-written, with progress."""

import contextlib
import csv
import io
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vaelib import dataset, run, storage
from vaelib.errors import DamagedError, DeviceError, SettingError, StoreError, TrainingError
from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.nn import backend
from vaelib.nn.backend import keras
from vaelib.nn.optimizer import Adam
from vaelib.run import Run
from vaelib.system import provenance
from vaelib.training import traces

_TERMS = ("loss", "cross_entropy", "kl", "penalty")
_BLAMED = (*_TERMS[1:], "loss")  # where several are no numbers, the term is named rather than the total
# What is most likely to have spoilt a term, or the weights behind all of them.
_SUSPECTS = {
    "cross_entropy": ("learning_rate", "optimizer", "precision"),
    "kl": ("learning_rate", "beta", "variance"),
    "penalty": ("penalty", "gamma", "batch_size", "learning_rate"),
    "weights": ("learning_rate", "optimizer", "precision"),
    "loss": ("beta", "gamma", "learning_rate"),
}


def train(experiment: Experiment, root: str | os.PathLike[str] = "runs", *, progress: bool = True) -> Run:
    """Train `experiment` in a folder of its own under `root` and return the finished run.

    A finished run is returned at once; an interrupted one goes on after its last finished epoch. A second process
    that asks for the same run waits for the first. A damaged folder is moved aside, with a warning, and the run
    made again.

    At a constant learning rate a run begins as every shorter one did: if `root` holds a finished one that differs in
    `epochs` and `snapshots` alone, was made on this backend and kept the weights of the snapshots asked for up to its
    end, a copy of its state is trained on, to the same bits. A cosine schedule, and the penalty "capacity", depend on
    the number of epochs from the first step on, so that such a run begins anew.

    Raises StoreError when `root` cannot be written and the run is not finished, TrainingError when the loss becomes
    NaN or infinite, when the run was begun on another Keras backend or when there are fewer devices than it asks for,
    DeviceError when JAX_PLATFORMS asks for one that is not there. Of Keras's settings, in its file or in this process,
    only the backend counts. Ctrl-C arrives as KeyboardInterrupt, whose message says what is kept.
    """
    try:
        root = storage.check_writable(root)
    except StoreError:
        finished = run.finished(storage.user_path(root) / experiment.name, experiment)
        if finished is None:
            raise
        return finished
    path = root / experiment.name
    try:
        with storage.lock(
            root / f".{experiment.name}.lock", waiting=f"waiting for {path}, which another process trains"
        ):
            found = _find(path, experiment)
            _tidy(path, found)
            if found is None and (shorter := _shorter(experiment, root)):
                found = _take_over(shorter, experiment, path)
            if found is None or not found.complete:
                with backend.own_settings():
                    _Trainer(experiment, path, found, progress).fit()
                found = Run(path)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted: {run.finished_epochs(path)} of {experiment.epochs} epochs are finished and kept in {path}; "
            "the same call goes on from there"
        ) from None
    return found


class Batches(keras.utils.PyDataset):
    """A set of images in batches, in memory as uint8; the order of epoch e depends on (seed, e) alone.

    Keras's own shuffling repeats one permutation after a fixed seed, and could not be resumed.
    """

    def __init__(
        self,
        data: dataset.DataSet,
        rows: np.ndarray,
        experiment: Experiment,
        *,
        shuffle: bool,
        sharing: backend.Sharing | None = None,
    ) -> None:
        super().__init__()
        self.sharing = sharing
        self.data, self.rows = data, rows
        self.size, self.seed, self.shuffle = experiment.batch_size, experiment.seed, shuffle
        self.weighted = experiment.sample_weights != "none"
        self.begin(0)

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self.order[index * self.size : (index + 1) * self.size]
        images, weights = self.data.images[rows], self.data.weights[rows]
        if self.sharing:
            images, weights = self.sharing.place(images), self.sharing.place(weights)
        return (images, images, weights) if self.weighted else (images,)

    def begin(self, epoch: int) -> None:
        """Take the order of `epoch` (from 0)."""
        self.order = self.rows
        if self.shuffle:
            self.order = np.random.default_rng((self.seed, 5, epoch)).permutation(self.rows)


class _Trainer(keras.callbacks.Callback):
    """One call's part of a training. Keras's `fit` is the loop; this is its callback, which keeps every epoch."""

    def __init__(self, experiment: Experiment, path: Path, found: Run | None, progress: bool) -> None:
        super().__init__()
        backend.begin_use()
        self.experiment, self.path, self.progress = experiment, path, progress
        try:
            self.sharing = backend.Sharing(experiment.devices) if experiment.devices > 1 else None
        except DeviceError as error:
            raise TrainingError(str(error)) from None
        self.data = dataset.build(experiment.data)
        batches = partial(Batches, self.data, experiment=experiment, sharing=self.sharing)
        self.training = batches(self.data.train, shuffle=experiment.shuffle)
        self.validation = batches(self.data.validation, shuffle=False)
        self.files: dict[str, str] = {}
        self.history: list[dict[str, float]] = []
        self.epoch = 0
        self.spent = {"wall_time": 0.0, "images": 0.0, "step_time": 0.0}
        self.clock = self.batch_clock = time.perf_counter()
        self.bar: Any = None
        self.vae = self._made()
        # Embeddings are inference, so they are float32 whatever the training's precision is.
        same = experiment.precision == "float32"
        self.inference = self.vae if same else VAE(experiment.replace(precision="float32"))
        self.origin = _origin(experiment)
        try:
            if found is not None:
                self._restore(found)
        except DamagedError as error:
            storage.move_aside(path, f"the run folder is of another version: {error}")
            found = None
        if found is None:
            self._write("experiment.json", experiment.to_json().encode())
            self._keep()

    def _made(self) -> VAE:
        """Return the model, ready to train, on all its devices."""
        if kept := traces.take(self.experiment, len(self.data.train)):
            return kept
        with self.sharing.scope() if self.sharing else contextlib.nullcontext():
            vae = VAE(self.experiment)
            # XLA slows TensorFlow down on a processor; JAX without it would run one operation at a time.
            compiled = backend.name() != "tensorflow"
            vae.compile(_optimizer(self.experiment, steps=len(self.training)), jit_compile=compiled)
            vae.optimizer.build(vae.trainable_variables)
            if self.sharing:
                # Made here, they keep the weights whole on every device from step to step.
                vae.make_train_function()
                vae.make_test_function()
        return vae

    def fit(self) -> None:
        """Train the epochs that are missing."""
        try:
            with backend.in_calling_thread():
                self.vae.fit(
                    backend.fed(self.training),
                    validation_data=backend.fed(self.validation),
                    initial_epoch=self.epoch,
                    epochs=self.experiment.epochs,
                    shuffle=False,
                    verbose=0,
                    callbacks=[self],
                )
            traces.keep(self.vae, len(self.data.train))
        finally:
            self._close_bar()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the epoch's order and open its progress bar."""
        self.training.begin(epoch)  # Keras draws the epoch's first batch after this
        label = f"{self.experiment.name[:-17]} epoch {epoch + 1}/{self.experiment.epochs}"
        self.bar = tqdm(total=len(self.training), desc=label, leave=False, disable=not self.progress, mininterval=1)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Show the terms, take the time, and stop at a loss that is no number."""
        logs = logs or {}
        self._check({name: logs.get(name, 0.0) for name in _BLAMED}, f"step {batch + 1}")
        now = time.perf_counter()
        if batch > 0:  # the first step of an epoch holds compilation or the end of a validation
            rows = min(self.training.size, len(self.data.train) - batch * self.training.size)
            self.spent["images"] += rows
            self.spent["step_time"] += now - self.batch_clock
        self.batch_clock = now
        self.bar.update()
        self.bar.set_postfix({name: f"{logs[name]:.4f}" for name in _TERMS if name in logs}, refresh=False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the epoch."""
        self._close_bar()
        logs = logs or {}
        # The last step can spoil what was good before it, and ReLU and pooling can hide a weight that is no number.
        weights = sum(float(array.sum(dtype="float64")) for array in run.get_weights(self.vae).values())
        self._check({f"val_{name}": logs[f"val_{name}"] for name in _BLAMED} | {"weights": weights}, "validation")
        self.epoch = epoch + 1
        self.history.append({part + name: float(logs[part + name]) for part in ("", "val_") for name in _TERMS})
        self._keep()

    def _check(self, values: dict[str, float], where: str) -> None:
        """Raise TrainingError, which names the first, if any value is no number."""
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            raise TrainingError(
                f"{self.path.name}: {wrong[0]} became {values[wrong[0]]} in epoch {self.epoch + 1}, {where}. "
                f"Most likely to blame: {self._suspects(wrong)}. The state after epoch {self.epoch} is kept."
            )

    def _suspects(self, wrong: Sequence[str]) -> str:
        """Return the settings most likely to have spoilt all that is no number, with their values."""
        terms = [name.removeprefix("val_") for name in wrong]
        if len(terms) > 1:  # the total follows from its terms
            terms = [name for name in terms if name != "loss"]
        names = dict.fromkeys(name for term in terms for name in _SUSPECTS[term])
        values = {name: getattr(self.experiment, name) for name in names}
        return ", ".join(f"{n} = {v:g}" if isinstance(v, float) else f"{n} = {v}" for n, v in values.items())

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def _restore(self, found: Run) -> None:
        begun, here = found.provenance["backend"], backend.name()
        if begun != here:
            raise TrainingError(
                f"{found.path} was begun on the {begun} backend and this is {here}: set KERAS_BACKEND={begun} to go "
                "on, or remove the folder to begin again"
            )
        weights = storage.unpack(found.read(run.weights_file(found.epochs)))
        state = storage.unpack(found.read(run.state_file(found.epochs)))
        run.check_names(self.vae, weights)
        # In the order of `_keep`; together, so that all fit before the first is set.
        variables = [*self.vae.weights, self.vae.sampling.seed_generator.state, *self.vae.optimizer.variables]
        run.assign(variables, [*weights.values(), *state.values()])
        self.files = dict(found.manifest["files"])
        self.history = list(found.manifest["history"])
        self.epoch = found.epochs
        self.spent = dict(found.manifest["spent"])

    def _keep(self) -> None:
        """Write this epoch's files under names of their own, then the manifest, then remove what is past."""
        self._write(run.weights_file(self.epoch), storage.pack(run.get_weights(self.vae)))
        self._write(run.embedding_file(self.epoch), _npy(self._embed()))
        complete = self.epoch == self.experiment.epochs
        if not complete or _is_open_ended(self.experiment):
            optimizer = {f"{i:03d}": np.asarray(v) for i, v in enumerate(self.vae.optimizer.variables)}
            noise = np.asarray(self.vae.sampling.seed_generator.state)
            self._write(run.state_file(self.epoch), storage.pack({"noise": noise, **optimizer}))
        kept = {*self.experiment.snapshots, run.best_epoch(self.history), self.epoch}
        past = [run.weights_file(epoch) for epoch in range(self.epoch) if epoch not in kept]
        past += [run.state_file(epoch) for epoch in range(self.epoch)]
        past = [name for name in past if self.files.pop(name, None)]
        now = time.perf_counter()
        self.spent["wall_time"] += now - self.clock
        self.clock = now
        origin = self._provenance()
        # These two are for readers and have fixed names, so they are part of the checked files only at the end.
        exports = {
            "history.csv": _table(self.history),
            "provenance.json": json.dumps(origin, indent=1).encode(),
        }
        checksums = {name: storage.write(self.path / name, content) for name, content in exports.items()}
        storage.write_json(
            self.path / run.MANIFEST,
            {
                "epoch": self.epoch,
                "complete": complete,
                "history": self.history,
                "spent": self.spent,
                "provenance": origin,
                "files": self.files | checksums if complete else self.files,
            },
        )
        for name in past:
            # The epoch is safe without this, and what stays is removed by the next call.
            with contextlib.suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        self.files[name] = storage.write(self.path / name, content)

    def _embed(self) -> np.ndarray:
        """Return the training set's means μ (n, d) float32."""
        if self.inference is not self.vae:
            run.set_weights(self.inference, run.get_weights(self.vae))
        return run.encode_all(self.inference, self.data.images, self.data.train)

    def _provenance(self) -> dict[str, Any]:
        seconds = self.spent["step_time"]
        return {
            **self.origin,
            "wall_time": round(self.spent["wall_time"], 1),
            "images_per_second": round(self.spent["images"] / seconds, 1) if seconds else None,
        }


def _find(path: Path, experiment: Experiment) -> Run | None:
    """Open the run at `path` if there is one; move a damaged one aside."""
    before = {run.weights_file(0), run.embedding_file(0), run.state_file(0)}
    if not (path / run.MANIFEST).exists() and all(file.name in before for file in _files_of_epochs(path)):
        return None  # nothing was begun, or it ended before its first state was whole: nothing is lost
    try:
        found = Run(path)
        if found.experiment.hash != experiment.hash:
            raise DamagedError(f"{path} holds the run {found.experiment.name}")
        return found
    except DamagedError as error:
        storage.move_aside(path, f"the run folder is damaged: {error}")
        return None


def _is_open_ended(experiment: Experiment) -> bool:
    """Tell whether no step depends on how many epochs will follow it."""
    return experiment.schedule == "constant" and experiment.penalty != "capacity"


def _shorter(experiment: Experiment, root: Path) -> Run | None:
    """Return the longest of the finished runs in `root` that this one would repeat; None where there is none."""
    found = []
    for path in root.glob(f"{experiment.name[:-16]}*") if _is_open_ended(experiment) else ():
        # One that is damaged, or whose name is of another identity, is left alone.
        with contextlib.suppress(OSError, SettingError, DamagedError):
            its = Experiment.from_json((path / "experiment.json").read_bytes())
            longer = {"epochs": experiment.epochs, "snapshots": experiment.snapshots}
            same = its.name == path.name and its.replace(**longer).hash == experiment.hash
            if same and its.epochs < experiment.epochs and run.is_complete(path):
                found += [each for each in [Run(path)] if _kept_by(each, experiment) <= each.manifest["files"].keys()]
    here = [each for each in found if each.provenance["backend"] == backend.name()]
    return max(here, key=lambda each: each.epochs, default=None)


def _kept_by(shorter: Run, experiment: Experiment) -> set[str]:
    """Return the files of a shorter run that an experiment would have after as many epochs."""
    kept = {shorter.best_epoch, shorter.epochs, *(each for each in experiment.snapshots if each <= shorter.epochs)}
    embeddings = {run.embedding_file(epoch) for epoch in range(shorter.epochs + 1)}
    return {run.state_file(shorter.epochs), *map(run.weights_file, kept), *embeddings}


def _take_over(shorter: Run, experiment: Experiment, path: Path) -> Run:
    """Make the unfinished run of an experiment from a shorter one: in a folder beside, so that it is there whole."""
    beside = path.with_name(f".{path.name}.begun")
    shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed here
    files = {name: storage.write(beside / name, shorter.read(name)) for name in sorted(_kept_by(shorter, experiment))}
    files["experiment.json"] = storage.write(beside / "experiment.json", experiment.to_json().encode())
    storage.write_json(beside / run.MANIFEST, {**shorter.manifest, "complete": False, "files": files})
    with storage.writing(path):
        shutil.rmtree(path, ignore_errors=True)  # what there is was never whole
        beside.rename(path)
    return Run(path)


def _tidy(path: Path, found: Run | None) -> None:
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


def _origin(experiment: Experiment) -> dict[str, Any]:
    return {
        "profile": experiment.profile,
        "backend": backend.name(),
        "devices": backend.device_names(experiment.devices),
        "accelerator": backend.accelerator(),
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "hardware": provenance.hardware(),
    }


def _optimizer(experiment: Experiment, *, steps: int) -> keras.optimizers.Optimizer:
    rate: Any = experiment.learning_rate
    if experiment.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps * experiment.epochs)
    kinds = {"adam": Adam, "sgd": keras.optimizers.SGD}
    return kinds[experiment.optimizer](rate)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _table(history: list[dict[str, float]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [part + name for part in ("", "val_") for name in _TERMS]
    table.writerow(["epoch", *names])
    table.writerows([epoch, *(row[name] for name in names)] for epoch, row in enumerate(history, 1))
    return text.getvalue().encode()
