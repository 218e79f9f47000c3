"""Keras callbacks of a training, each with one job. `fit` is the loop; the last of them saves every epoch."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from vaelib import run
from vaelib.errors import TrainingError
from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.nn.backend import keras
from vaelib.storage.checkpoint import TERMS, Checkpoint, get_weights, set_weights
from vaelib.training.batches import Batches

Logs = dict[str, Any] | None

_CHECKED = (*TERMS[1:], "loss")  # terms first: where several are not finite, the message names one of them
# The settings most likely to have spoilt a term, or the weights behind all of them.
_SUSPECTS = {
    "cross_entropy": ("learning_rate", "optimizer", "precision"),
    "kl": ("learning_rate", "beta", "variance"),
    "penalty": ("penalty", "gamma", "batch_size", "learning_rate"),
    "weights": ("learning_rate", "optimizer", "precision"),
    "loss": ("beta", "gamma", "learning_rate"),
}


class EpochOrder(keras.callbacks.Callback):
    """Sets the order of the batches at the start of each epoch."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the order of this epoch."""
        self.batches.set_epoch(epoch)  # Keras draws the epoch's first batch after this


class StopAtNaN(keras.callbacks.Callback):
    """Raises TrainingError, naming the settings to suspect, as soon as a term or a weight is not finite.

    Args:
        experiment: The settings, some of which the message names.
        checkpoint: The state that the message says is kept.
    """

    def __init__(self, experiment: Experiment, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.experiment, self.checkpoint = experiment, checkpoint

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Check the terms of a step."""
        self._check({name: (logs or {}).get(name, 0.0) for name in _CHECKED}, f"step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Check the terms of the validation, and the weights."""
        # The last step can spoil what was good before it, and ReLU and pooling can hide a weight that is NaN.
        weights = sum(float(array.sum(dtype="float64")) for array in get_weights(self.model).values())
        terms = {f"val_{name}": (logs or {})[f"val_{name}"] for name in _CHECKED}
        self._check(terms | {"weights": weights}, "validation")

    def _check(self, values: dict[str, float], where: str) -> None:
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            kept = self.checkpoint.epoch
            raise TrainingError(
                f"{self.checkpoint.path.name}: {wrong[0]} became {values[wrong[0]]} in epoch {kept + 1}, {where}. "
                f"Most likely to blame: {self._suspects(wrong)}. The state after epoch {kept} is kept."
            )

    def _suspects(self, wrong: Sequence[str]) -> str:
        """Return the settings most likely to have spoilt what is not finite, with their values."""
        terms = [name.removeprefix("val_") for name in wrong]
        if len(terms) > 1:  # the total follows from its terms
            terms = [name for name in terms if name != "loss"]
        names = dict.fromkeys(name for term in terms for name in _SUSPECTS[term])
        values = {name: getattr(self.experiment, name) for name in names}
        return ", ".join(f"{n} = {v:g}" if isinstance(v, float) else f"{n} = {v}" for n, v in values.items())


class Throughput(keras.callbacks.Callback):
    """Sums up, in the checkpoint, the images trained and the seconds of their steps."""

    def __init__(self, checkpoint: Checkpoint, batches: Batches) -> None:
        super().__init__()
        self.spent, self.batches = checkpoint.spent, batches
        self.clock = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Add a step's images and its seconds."""
        now = time.perf_counter()
        if batch > 0:  # the first step of an epoch holds compilation or the end of a validation
            self.spent["images"] += min(self.batches.size, len(self.batches.rows) - batch * self.batches.size)
            self.spent["step_time"] += now - self.clock
        self.clock = now


class ProgressBar(keras.callbacks.Callback):
    """Shows an epoch's steps and the terms of the loss.

    Args:
        experiment: The settings, for the bar's label.
        steps: The number of steps in an epoch.
        shown: Whether the bar is shown.
    """

    def __init__(self, experiment: Experiment, steps: int, *, shown: bool) -> None:
        super().__init__()
        self.experiment, self.steps, self.shown = experiment, steps, shown
        self.bar: Any = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Open the bar of an epoch."""
        label = f"{self.experiment.name[:-17]} epoch {epoch + 1}/{self.experiment.epochs}"
        self.bar = tqdm(total=self.steps, desc=label, leave=False, disable=not self.shown, mininterval=1)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Show a step and its terms."""
        self.bar.update()
        terms = {name: f"{logs[name]:.4f}" for name in TERMS if logs and name in logs}
        self.bar.set_postfix(terms, refresh=False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar, also of an epoch that did not end."""
        if self.bar is not None:
            self.bar.close()


class EpochSaver(keras.callbacks.Callback):
    """Saves every epoch: weights, embedding of the training images, state, history.

    Args:
        vae: The model that trains.
        images: All images of the data set, (n, h, w) uint8.
        rows: The indices of those that train.
        checkpoint: Where the epochs are saved.
    """

    def __init__(self, vae: VAE, images: np.ndarray, rows: np.ndarray, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.vae, self.images, self.rows, self.checkpoint = vae, images, rows, checkpoint
        # Embeddings are inference, so they are float32 whatever the training's precision is.
        same = vae.experiment.precision == "float32"
        self.inference = vae if same else VAE(vae.experiment.replace(precision="float32"))

    @property
    def epoch(self) -> int:
        """The number of epochs that are saved."""
        return self.checkpoint.epoch

    def save(self) -> None:
        """Save the state as it is now."""
        if self.inference is not self.vae:
            set_weights(self.inference, get_weights(self.vae))
        self.checkpoint.save(self.vae, run.encode_all(self.inference, self.images, self.rows))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the epoch to the history and save it."""
        self.checkpoint.add({part + name: float((logs or {})[part + name]) for part in ("", "val_") for name in TERMS})
        self.save()
