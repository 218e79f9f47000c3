"""A training of seconds, and what it takes for two runs to be the same."""

import numpy as np

from vaelib import Experiment
from vaelib.run import Run

TINY = Experiment.from_profile(
    "smoke", n_images=80, width=0.06, epochs=3, batch_size=16, snapshots=(1,), gamma=0.01, beta=1e-3, seed=4
)


def same(a: Run, b: Run) -> None:
    """Assert that two runs' results are the same, bit for bit."""
    assert a.history.keys() == b.history.keys()
    for name in a.history:
        np.testing.assert_array_equal(a.history[name], b.history[name])
    np.testing.assert_array_equal(a.embeddings, b.embeddings)
    for x, y in zip(a.model("last").weights, b.model("last").weights, strict=True):
        np.testing.assert_array_equal(x, y)
