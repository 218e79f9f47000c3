"""Points and rotations drawn at random, the same for the same seed."""

import numpy as np
from scipy import stats


def uniform(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Return n points uniform in the cube from -1 to 1, (n, d)."""
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, d))


def rotation(seed: int) -> np.ndarray:
    """Return a rotation (3, 3), uniform over all of them."""
    return np.asarray(stats.special_ortho_group.rvs(3, random_state=seed))
