"""The study's model written plainly with Keras's own layers and losses: what the library is measured against."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from vaelib.experiment import Experiment


class StockVAE(keras.Model):
    """The same function, parameters and loss as `vaelib.model.VAE` with a constant variance, in float32.

    Input: images (n, s, s) uint8. Output: a dict of mu (n, d) and x_hat (n, s, s), probabilities. The penalty is
    the entanglement, as a literal double loop. Source: the study, part 3.
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(name="stock_vae")
        self.experiment = experiment
        self.encoder = encoder(experiment)
        self.decoder = decoder(experiment)
        self.noise = keras.random.SeedGenerator(experiment.seed)
        self.trackers = [keras.metrics.Mean(name=name) for name in ("cross_entropy", "kl", "penalty")]

    def call(self, images: Any, training: bool = False) -> dict[str, Any]:
        """Encode, sample and decode."""
        mu = self.encoder(images[..., None], training=training)  # (n, d)
        z = mu + self.experiment.sigma * keras.random.normal(ops.shape(mu), seed=self.noise)
        return {"mu": mu, "x_hat": self.decoder(z, training=training)[..., 0]}

    def loss_terms(self, images: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Return the terms cross_entropy, kl and penalty, each a scalar."""
        x, mu = ops.cast(images, "float32") / 255, outputs["mu"]
        d = self.experiment.latent_dim
        variance = self.experiment.sigma**2
        penalty = ops.zeros(ops.shape(mu)[0])  # (n,)
        for i in range(d):
            for j in range(i + 1, d):
                penalty = penalty + ops.abs(mu[:, i] * mu[:, j])
        return {
            "cross_entropy": ops.mean(keras.losses.binary_crossentropy(x, outputs["x_hat"])),
            "kl": ops.mean(mu**2 + variance - 1 - float(np.log(variance))),
            "penalty": ops.mean(penalty) * 2 / max(d * (d - 1), 1),
        }

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the total loss of a batch and record its terms; Keras's `fit` calls it."""
        terms = self.loss_terms(x, y_pred)
        for tracker in self.trackers:
            tracker.update_state(terms[tracker.name])
        return terms["cross_entropy"] + self.experiment.beta * terms["kl"] + self.experiment.gamma * terms["penalty"]


def encoder(experiment: Experiment) -> keras.Model:
    """Return images (n, s, s, 1) to means (n, d)."""
    s = experiment.image_size
    stack: list[Any] = [keras.Input((s, s, 1)), layers.Rescaling(1 / 255)]
    for filters in (64, 64, 128, 128):
        stack.append(layers.Conv2D(_channels(experiment, filters), 3, activation="relu", kernel_initializer=_normal()))
        stack.append(layers.MaxPooling2D(2, padding="same"))
    stack += [layers.Flatten(), layers.Dense(experiment.latent_dim, kernel_initializer=_normal())]
    return keras.Sequential(stack, name="encoder")


def decoder(experiment: Experiment) -> keras.Model:
    """Return latents (n, d) to probabilities (n, s, s, 1)."""
    s, first = experiment.image_size // 8, _channels(experiment, 16)
    stack: list[Any] = [
        keras.Input((experiment.latent_dim,)),
        layers.Dense(s * s * first, activation="relu", use_bias=False, kernel_initializer=_normal()),
        layers.Reshape((s, s, first)),
    ]
    for filters in (64, 64, 128):
        filters = _channels(experiment, filters)
        stack += [
            layers.UpSampling2D(2),
            layers.Conv2DTranspose(filters, 3, padding="same", activation="relu", kernel_initializer=_normal()),
            layers.BatchNormalization(),
        ]
    stack += [
        layers.Conv2DTranspose(_channels(experiment, 256), 1, activation="relu", kernel_initializer=_normal()),
        layers.BatchNormalization(),
        layers.Conv2DTranspose(1, 1, activation="sigmoid", kernel_initializer=_normal()),
    ]
    return keras.Sequential(stack, name="decoder")


def _channels(experiment: Experiment, full: int) -> int:
    return max(1, round(full * experiment.width))


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.05)
