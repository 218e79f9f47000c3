"""What two backends have to compute alike from the same weights."""

import keras
import numpy as np

from vaelib import Experiment
from vaelib.model import VAE

# So little noise that the backends' different random numbers do not show.
EXPERIMENT = Experiment.from_profile("smoke", width=0.06, sigma=1e-9, gamma=1.0, penalty="covariance", beta=1e-2)


def enlarge(vae: VAE) -> None:
    """Make the initial weights 4 times as large, about He's for so few channels.

    With the study's deviation of 0.05, made for 64 channels and more, the latents of a tiny network are 1e-4: its
    penalty plays no part in the loss, and the batch norm behind them enlarges every rounding.
    """
    for variable in vae.trainable_variables:
        if variable.path.endswith("kernel"):
            variable.assign(4 * variable)


def numbers(vae: VAE) -> dict[str, np.ndarray]:
    """Return the weights, outputs and losses of a model, and how far one step of training moves each weight."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (8, 32, 32), "uint8")
    found = {f"before-{i:02d}": np.array(weight) for i, weight in enumerate(vae.weights)}
    outputs = vae(images)
    found |= {f"output-{name}": np.array(outputs[name]) for name in ("mu", "logits")}
    found |= {f"term-{name}": np.array(value) for name, value in vae.loss_terms(images, outputs).items()}
    vae.compile(keras.optimizers.SGD(0.1), jit_compile=keras.backend.backend() == "jax")
    found["losses"] = np.array([vae.train_on_batch(images, return_dict=True)["loss"]])
    found |= {f"moved-{i:02d}": np.array(weight) - found[f"before-{i:02d}"] for i, weight in enumerate(vae.weights)}
    return found
