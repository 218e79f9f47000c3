"""Training a run: resumable after every epoch, never half-written, with progress."""

import csv
import io
import json
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from vaelib import dataset, provenance, run, store
from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.run import Run

_TERMS = ("loss", "cross_entropy", "kl", "penalty")


class TrainingError(RuntimeError):
    """A training that cannot begin or go on; the message says why and what to do."""


def train(experiment: Experiment, root: str | os.PathLike[str] = "runs", *, progress: bool = True) -> Run:
    """Train `experiment` in a folder of its own under `root` and return the finished run.

    A finished run is returned at once; an interrupted one goes on after its last finished epoch. A second process
    that asks for the same run waits for the first. A damaged folder is moved aside, with a warning, and the run
    made again. Raises StoreError when `root` cannot be written, TrainingError when the loss becomes NaN or infinite
    or when the run was begun on another Keras backend.
    """
    root = store.check_writable(root)
    path = root / experiment.name
    with store.lock(root / f".{experiment.name}.lock", waiting=f"waiting for {path}, which another process trains"):
        found = _find(path)
        if found is None or not found.complete:
            _Trainer(experiment, path, found, progress).fit()
            found = Run(path)
    return found


def train_all(
    experiments: Sequence[Experiment], root: str | os.PathLike[str] = "runs", *, workers: int | None = None
) -> list[Run]:
    """Train several experiments side by side and return their finished runs, in the same order.

    `workers` processes (by default one a core) of one thread each: on a small network that is faster than one
    process with all cores. Finished runs are opened and not trained again. Raises as `train` does; what the
    others have finished by then is kept.
    """
    root = store.check_writable(root)
    missing = [each for each in experiments if not _is_complete(root / each.name)]
    workers = min(workers or provenance.hardware()["cores"], len(missing))
    if workers > 1:
        context = multiprocessing.get_context("spawn")  # a forked TensorFlow would hang
        with (
            ProcessPoolExecutor(workers, mp_context=context, initializer=_use_one_thread) as pool,
            tqdm(total=len(missing), unit="run", mininterval=1) as bar,
        ):
            waiting = [pool.submit(_train_quietly, each, root) for each in missing]
            try:
                for done in as_completed(waiting):
                    done.result()
                    bar.update()
            except BrokenProcessPool:
                raise TrainingError(
                    "a training process was killed (out of memory?); its finished epochs are kept: call again to go on"
                ) from None
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    return [train(each, root) for each in experiments]


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
        epoch: int = 0,
    ) -> None:
        super().__init__()
        self.data, self.rows = data, rows
        self.size, self.seed, self.shuffle = experiment.batch_size, experiment.seed, shuffle
        self.weighted = experiment.sample_weights != "none"
        self.begin(0)

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self.order[index * self.size : (index + 1) * self.size]
        images = self.data.images[rows]
        return (images, images, self.data.weights[rows]) if self.weighted else (images,)

    def begin(self, epoch: int) -> None:
        """Take the order of `epoch` (from 0)."""
        self.order = self.rows
        if self.shuffle:
            self.order = np.random.default_rng((self.seed, 5, epoch)).permutation(self.rows)


class _Trainer(keras.callbacks.Callback):
    """One call's part of a training. Keras's `fit` is the loop; this is its callback, which keeps every epoch."""

    def __init__(self, experiment: Experiment, path: Path, found: Run | None, progress: bool) -> None:
        super().__init__()
        self.experiment, self.path, self.progress = experiment, path, progress
        self.data = dataset.build(experiment.data)
        self.training = Batches(self.data, self.data.train, experiment, shuffle=experiment.shuffle)
        self.files: dict[str, str] = {}
        self.history: list[dict[str, float]] = []
        self.epoch = 0
        self.spent = {"wall_time": 0.0, "images": 0.0, "step_time": 0.0}
        self.clock = self.batch_clock = time.perf_counter()
        self.bar: Any = None
        self.vae = VAE(experiment)
        # Embeddings are inference, so they are float32 whatever the training's precision is.
        same = experiment.precision == "float32"
        self.inference = self.vae if same else VAE(experiment.replace(precision="float32"))
        self.vae.compile(optimizer=_optimizer(experiment, steps=len(self.training)), jit_compile=False)
        self.vae.optimizer.build(self.vae.trainable_variables)
        if found is None:
            self._write("experiment.json", experiment.to_json().encode())
            self._keep()
        else:
            self._restore(found)

    def fit(self) -> None:
        """Train the epochs that are missing."""
        settings = self.experiment
        try:
            self.vae.fit(
                self.training,
                validation_data=Batches(self.data, self.data.validation, settings, shuffle=False),
                initial_epoch=self.epoch,
                epochs=settings.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[self],
            )
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
        wrong = [name for name in (*_TERMS[1:], "loss") if not math.isfinite(logs.get(name, 0))]
        if wrong:
            settings = self.experiment
            raise TrainingError(
                f"{self.path.name}: {wrong[0]} became {logs[wrong[0]]} in epoch {self.epoch + 1}, step {batch + 1}. "
                f"Most likely to blame: learning_rate = {settings.learning_rate:g}, beta = {settings.beta:g}, gamma "
                f"= {settings.gamma:g}, precision = {settings.precision}. The state after epoch {self.epoch} is kept."
            )
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
        self.epoch = epoch + 1
        self.history.append({part + name: float((logs or {})[part + name]) for part in ("", "val_") for name in _TERMS})
        self._keep()

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def _restore(self, found: Run) -> None:
        backend = found.provenance["backend"]
        if backend != keras.backend.backend():
            raise TrainingError(
                f"{found.path} was begun on the {backend} backend and this is {keras.backend.backend()}: set "
                f"KERAS_BACKEND={backend} to go on, or remove the folder to begin again"
            )
        self.files = dict(found.manifest["files"])
        self.history = list(found.manifest["history"])
        self.epoch = found.epochs
        self.spent = dict(found.manifest["spent"])
        run.set_weights(self.vae, store.unpack(found.read(run.weights_file(self.epoch))))
        state = store.unpack(found.read(_state_file(self.epoch)))
        self.vae.sampling.seed_generator.state.assign(state.pop("noise"))
        for variable, array in zip(self.vae.optimizer.variables, state.values(), strict=True):
            variable.assign(array)

    def _keep(self) -> None:
        """Write this epoch's files under names of their own, then the manifest, then remove what is past."""
        self._write(run.weights_file(self.epoch), store.pack(run.get_weights(self.vae)))
        self._write(run.embedding_file(self.epoch), _npy(self._embed()))
        complete = self.epoch == self.experiment.epochs
        if not complete:
            optimizer = {f"{i:03d}": np.asarray(v) for i, v in enumerate(self.vae.optimizer.variables)}
            noise = np.asarray(self.vae.sampling.seed_generator.state)
            self._write(_state_file(self.epoch), store.pack({"noise": noise, **optimizer}))
        kept = {*self.experiment.snapshots, run.best_epoch(self.history), self.epoch}
        past = [run.weights_file(epoch) for epoch in range(self.epoch) if epoch not in kept]
        past += [_state_file(epoch) for epoch in range(self.epoch)]
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
        checksums = {name: store.write(self.path / name, content) for name, content in exports.items()}
        store.write_json(
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
            (self.path / name).unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        self.files[name] = store.write(self.path / name, content)

    def _embed(self) -> np.ndarray:
        """Return the training set's means μ (n, d) float32."""
        if self.inference is not self.vae:
            run.set_weights(self.inference, run.get_weights(self.vae))
        return run.encode_all(self.inference, self.data.images, self.data.train)

    def _provenance(self) -> dict[str, Any]:
        seconds = self.spent["step_time"]
        return {
            "profile": self.experiment.profile,
            "backend": keras.backend.backend(),
            "versions": provenance.versions(),
            "git_commit": provenance.git_commit(),
            "hardware": provenance.hardware(),
            "wall_time": round(self.spent["wall_time"], 1),
            "images_per_second": round(self.spent["images"] / seconds, 1) if seconds else None,
        }


def _is_complete(path: Path) -> bool:
    """Tell from the manifest alone whether a run is finished; opening it checks the rest."""
    try:
        return bool(store.read_json(path / run.MANIFEST)["complete"])
    except (store.DamagedError, KeyError):
        return False


def _use_one_thread() -> None:
    # TensorFlow reads these when it makes its thread pools, at the first operation.
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")


def _train_quietly(experiment: Experiment, root: Path) -> None:
    train(experiment, root, progress=False)


def _find(path: Path) -> Run | None:
    """Open the run at `path` if there is one; move a damaged one aside."""
    if not path.exists():
        return None
    if not (path / run.MANIFEST).exists() and not any(path.glob("*.npz")):
        return None  # it was interrupted before its first state: nothing is lost
    try:
        return Run(path)
    except store.DamagedError as error:
        store.move_aside(path, f"the run folder is damaged: {error}")
        return None


def _optimizer(experiment: Experiment, *, steps: int) -> keras.optimizers.Optimizer:
    rate: Any = experiment.learning_rate
    if experiment.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps * experiment.epochs)
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    return kinds[experiment.optimizer](rate)


def _state_file(epoch: int) -> str:
    return f"state-{epoch:04d}.npz"


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
