"""Models that a finished training leaves to the next one of the same network, with what Keras traced of them.

Tracing a small network takes as long as hundreds of its steps, and many trainings of a sweep differ in what no trace
holds: their seed, their images, how strong a term of the loss is, into how many batches their steps are cut.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable

from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.nn.backend import keras
from vaelib.storage import checkpoint

MOST = 8
"""How many models are kept; the one that was used longest ago goes first."""
# Settings that are in the data, in weights or in variables, and in nothing that is traced.
_FREE = {
    "profile", "seed", "data_seed", "n_images", "region", "hole_a", "hole_b", "hole_radius", "line_width",
    "transect_line_width", "framing", "shuffle", "snapshots", "beta", "gamma", "batch_size", "epochs",
}  # fmt: skip
_kept: OrderedDict[Hashable, VAE] = OrderedDict()


def take(experiment: Experiment, size: int) -> VAE | None:
    """Return a kept model as a new one would be, compiled and with its optimizer built; None where there is none.

    size: how many images it is to be trained on.
    """
    vae = _kept.pop(_likeness(experiment, size), None)
    if vae is not None:
        fresh = VAE(experiment)
        checkpoint.set_weights(vae, checkpoint.get_weights(fresh))
        vae.sampling.seed_generator.state.assign(fresh.sampling.seed_generator.state)
        vae.take_strengths(experiment)
        for variable in vae.optimizer.variables:
            if not variable.path.endswith("learning_rate"):  # which no training changes
                variable.assign(keras.ops.zeros_like(variable))
    return vae


def keep(vae: VAE, size: int) -> None:
    """Keep a model whose training came to its end; one that was interrupted holds a part of it."""
    # JAX compiles the strengths in; turned noise is drawn with the seed.
    if keras.backend.backend() == "tensorflow" and vae.experiment.initial_rotation == "none":
        _kept[_likeness(vae.experiment, size)] = vae
        while len(_kept) > MOST:
            _kept.popitem(last=False)


def forget() -> None:
    """Let go of all models that are kept."""
    _kept.clear()


def _likeness(experiment: Experiment, size: int) -> Hashable:
    """Return what two trainings have in common whose traces are the same."""
    traced = experiment.model_dump(exclude=_FREE)
    steps = math.ceil(size / experiment.batch_size) * experiment.epochs  # over which rates fall and capacities grow
    # A term of no weight is left out.
    return size, steps, experiment.beta == 0, experiment.gamma == 0, tuple(sorted(traced.items()))
