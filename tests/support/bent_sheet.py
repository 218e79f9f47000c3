"""An embedding whose shape is known, and a run that is said to have it."""

import types

import numpy as np

from vaelib import Experiment

_RANDOM = np.random.default_rng(5)
FACTORS = np.stack([_RANDOM.uniform(0.5, 2, 400), _RANDOM.uniform(0, 2, 400)], axis=1)
MU = np.column_stack([FACTORS, 0.3 * FACTORS[:, 1] ** 2]) - [1.2, 1.0, 0.4]
IMAGES = _RANDOM.uniform(size=(20, 8, 8))
REDRAWN = np.clip(IMAGES + 0.1, 0, 1)
RUN = types.SimpleNamespace(
    embeddings=np.stack([0 * MU, MU]),
    best_epoch=1,
    reconstruct=lambda _: REDRAWN,
    experiment=Experiment.from_profile("smoke", gamma=0.01),
)
DATA = types.SimpleNamespace(parameters=FACTORS, train=np.arange(400), validation=np.arange(20), images=IMAGES)
