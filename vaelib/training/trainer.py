"""Training one run: resumable after every epoch, never half-written, with progress."""

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Any

from vaelib import dataset, run, storage
from vaelib.errors import DamagedError, DeviceError, StoreError, TrainingError
from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.nn import backend
from vaelib.nn.backend import keras
from vaelib.nn.optimizer import Adam
from vaelib.run import Run
from vaelib.storage.checkpoint import Checkpoint, finished_epochs
from vaelib.system import provenance
from vaelib.training import resuming, traces
from vaelib.training.batches import Batches
from vaelib.training.callbacks import EpochOrder, EpochSaver, ProgressBar, StopAtNaN, Throughput


def train(experiment: Experiment, root: str | os.PathLike[str] = "runs", *, progress: bool = True) -> Run:
    """Train an experiment in a folder of its own and return the finished run.

    A finished run is returned at once; an interrupted one resumes after its last finished epoch. A second process that
    trains the same run waits for the first. A damaged folder is moved aside, with a warning, and the run made again.

    At a constant learning rate a run begins as every shorter one does: if `root` holds a finished one that differs in
    `epochs` and `snapshots` alone, was made on this backend and kept the weights of the snapshots requested up to its
    end, a copy of its state is trained on, to the same bits. A cosine schedule, and the penalty "capacity", depend on
    the number of epochs from the first step on, so that such a run begins anew.

    Of Keras's settings, in its file or in this process, only the backend counts. Ctrl-C arrives as KeyboardInterrupt,
    whose message says what is kept.

    Args:
        experiment: The settings of the run.
        root: The folder of the runs.
        progress: Show a progress bar.

    Raises:
        StoreError: `root` cannot be written and the run is not finished.
        TrainingError: The loss became NaN or infinite, the run was begun on another Keras backend, or there are fewer
            devices than it asks for.
        DeviceError: JAX_PLATFORMS asks for a device that this machine lacks.
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
        waiting = f"waiting for {path}, which another process trains"
        with storage.lock(root / f".{experiment.name}.lock", waiting=waiting):
            existing = resuming.find(path, experiment)
            resuming.tidy(path, existing)
            if existing is None and (shorter := resuming.shorter_run(experiment, root)):
                existing = resuming.take_over(shorter, experiment, path)
            if existing is None or not existing.complete:
                with backend.own_settings():
                    _fit(experiment, path, existing, progress=progress)
                existing = Run(path)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted: {finished_epochs(path)} of {experiment.epochs} epochs are finished and kept in "
            f"{path}; the same call goes on from there"
        ) from None
    return existing


def _fit(experiment: Experiment, path: Path, existing: Run | None, *, progress: bool) -> None:
    """Train the missing epochs in the run's folder `path`; `existing` is what an earlier call left there."""
    backend.begin_use()
    sharing = _sharing(experiment)
    data = dataset.build(experiment.data)
    batches = partial(Batches, data, experiment=experiment, sharing=sharing)
    training = batches(data.train, shuffle=experiment.shuffle)
    validation = batches(data.validation, shuffle=False)
    vae = _model(experiment, len(data.train), steps=len(training), sharing=sharing)
    checkpoint = Checkpoint(
        path,
        epochs=experiment.epochs,
        snapshots=experiment.snapshots,
        resumable=resuming.is_open_ended(experiment),
        origin=_origin(experiment),
    )
    saver = EpochSaver(vae, data.images, data.train, checkpoint)
    if existing is None or not _restored(checkpoint, vae, existing):
        checkpoint.begin(experiment.to_json())
        saver.save()
    bar = ProgressBar(experiment, len(training), shown=progress)
    # In this order: what is not finite is neither counted, nor shown, nor saved.
    callbacks = [EpochOrder(training), StopAtNaN(experiment, checkpoint), Throughput(checkpoint, training), bar, saver]
    try:
        with backend.in_calling_thread():
            vae.fit(
                backend.fed(training),
                validation_data=backend.fed(validation),
                initial_epoch=checkpoint.epoch,
                epochs=experiment.epochs,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
        traces.keep(vae, len(data.train))
    finally:
        bar.close()


def _restored(checkpoint: Checkpoint, vae: VAE, existing: Run) -> bool:
    """Restore an existing run; return False if it is of another version, and has been moved aside."""
    begun, current = existing.provenance["backend"], backend.name()
    if begun != current:
        raise TrainingError(
            f"{existing.path} was begun on the {begun} backend and this is {current}: set KERAS_BACKEND={begun} to go "
            "on, or remove the folder to begin again"
        )
    try:
        checkpoint.restore(vae, existing.manifest)
    except DamagedError as error:
        storage.move_aside(existing.path, f"the run folder is of another version: {error}")
        return False
    return True


def _sharing(experiment: Experiment) -> backend.DataParallel | None:
    """Return the devices that share batches; None for one device. Raises TrainingError if there are too few."""
    try:
        return backend.DataParallel(experiment.devices) if experiment.devices > 1 else None
    except DeviceError as error:
        raise TrainingError(str(error)) from None


def _model(experiment: Experiment, size: int, *, steps: int, sharing: backend.DataParallel | None) -> VAE:
    """Return the model, on all its devices, ready to train on `size` images in `steps` steps an epoch."""
    if kept := traces.take(experiment, size):
        return kept
    with sharing.scope() if sharing else contextlib.nullcontext():
        vae = VAE(experiment)
        # XLA slows TensorFlow down on a processor; without it JAX would run one operation at a time.
        vae.compile(_optimizer(experiment, steps=steps), jit_compile=backend.name() != "tensorflow")
        vae.optimizer.build(vae.trainable_variables)
        if sharing:
            # Made here, they keep all the weights on every device from step to step.
            vae.make_train_function()
            vae.make_test_function()
    return vae


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
