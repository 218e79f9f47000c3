"""bfloat16 activations against float32: the same training, to within what another seed changes."""

import numpy as np
import pytest

from vaelib import Experiment, train

SEEDS = range(5)
SMALL = Experiment.from_profile("smoke", n_images=200, epochs=3, batch_size=16, learning_rate=3e-3)


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """The last validation loss by precision, (seeds,), each pair from the same weights, noise and order."""
    root = tmp_path_factory.mktemp("runs")
    return {
        precision: np.array(
            [
                train(SMALL.replace(seed=seed, precision=precision), root, progress=False).history["val_loss"][-1]
                for seed in SEEDS
            ]
        )
        for precision in ("float32", "bfloat16")
    }


@pytest.mark.timeout(600)
def test_bfloat16_costs_less_than_another_seed(errors):
    difference = errors["bfloat16"] - errors["float32"]
    assert (difference != 0).all(), "bfloat16 changed nothing: it was not used"
    assert abs(difference.mean()) < errors["float32"].std(ddof=1)
    assert difference.std(ddof=1) < errors["float32"].std(ddof=1), "a pair is no closer than two seeds"
