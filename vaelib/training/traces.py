"""Models that a finished training leaves to the next one of the same network, with what Keras traced of them.

Tracing a small network takes as long as hundreds of its steps, and many trainings of a sweep differ only in what no
trace holds: their seed, their images, the weights of the loss's terms, and into how many batches they cut their steps.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable

from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.nn.backend import keras
from vaelib.storage import checkpoint

MOST = 8
"""How many models are kept; the least recently used goes first."""
# Settings that act through the data, the weights or variables, and on nothing that is traced.
_UNTRACED = {
    "profile", "seed", "data_seed", "n_images", "region", "hole_a", "hole_b", "hole_radius", "line_width",
    "transect_line_width", "framing", "shuffle", "snapshots", "beta", "gamma", "batch_size", "epochs",
}  # fmt: skip
_models: OrderedDict[Hashable, VAE] = OrderedDict()


def take(experiment: Experiment, size: int) -> VAE | None:
    """Return a kept model as a new one would be, compiled and with its optimizer built.

    Args:
        experiment: The settings of the new training.
        size: The number of images that it trains on.

    Returns:
        The model, which is no longer kept; None if there is none that fits.
    """
    vae = _models.pop(_signature(experiment, size), None)
    if vae is not None:
        fresh = VAE(experiment)
        checkpoint.set_weights(vae, checkpoint.get_weights(fresh))
        vae.sampling.seed_generator.state.assign(fresh.sampling.seed_generator.state)
        vae.take_strengths(experiment)
        for variable in vae.optimizer.variables:
            if not variable.path.endswith("learning_rate"):  # no training changes it
                variable.assign(keras.ops.zeros_like(variable))
    return vae


def keep(vae: VAE, size: int) -> None:
    """Keep a model whose training came to its end, on TensorFlow; one that was interrupted holds a part of it.

    Args:
        vae: The model.
        size: The number of images that it was trained on.
    """
    # JAX compiles the weights of the terms in; the noise's rotation is drawn with the seed.
    if keras.backend.backend() == "tensorflow" and vae.experiment.initial_rotation == "none":
        _models[_signature(vae.experiment, size)] = vae
        while len(_models) > MOST:
            _models.popitem(last=False)


def forget() -> None:
    """Drop all models that are kept."""
    _models.clear()


def _signature(experiment: Experiment, size: int) -> Hashable:
    """Return the settings in which two trainings with the same traces agree."""
    traced = experiment.model_dump(exclude=_UNTRACED)
    steps = math.ceil(size / experiment.batch_size) * experiment.epochs  # over which rates fall and capacities grow
    # A term whose weight is 0 is left out of the trace.
    return size, steps, experiment.beta == 0, experiment.gamma == 0, tuple(sorted(traced.items()))
