"""The rotation of a run's initial weights. Nothing here loads Keras."""

import numpy as np
from numpy.typing import NDArray

from vaelib.experiment import Experiment


def initial_rotation(experiment: Experiment) -> NDArray[np.float32] | None:
    """Return the orthogonal matrix R that `initial_rotation` asks for, drawn with the run's seed.

    The model rotates its initial weights and its noise by it, so that μ becomes μ R.

    Returns:
        A matrix (d, d), or None for "none".
    """
    if experiment.initial_rotation == "none":
        return None
    d = experiment.latent_dim
    random = np.random.default_rng((experiment.seed, 4))
    if experiment.initial_rotation == "signed_permutation":
        matrix = np.eye(d)[random.permutation(d)] * random.choice([-1, 1], d)
    else:
        # The QR decomposition of a Gaussian matrix, with the signs of R's diagonal, is uniform (Haar).
        matrix, upper = np.linalg.qr(random.standard_normal((d, d)))
        matrix = matrix * np.sign(np.diag(upper))
    return matrix.astype(np.float32)
