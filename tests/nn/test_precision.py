"""bfloat16 activations against float32: the same training, to within what another seed changes."""

import numpy as np
import pytest

from vaelib import Experiment, dataset, losses, train_all

SEEDS = range(5)
PRECISIONS = ("float32", "bfloat16")
# Wide steps, and enough of them for the batch norm's running averages: until those have caught up, a validation loss
# reflects them more than the training. Broad lines are learnt soonest.
SMALL = Experiment.from_profile(
    "smoke", n_images=260, line_width=8, width=0.25, epochs=6, batch_size=4, learning_rate=0.02, snapshots=()
)


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """The kept model's validation loss by precision, (seeds,), each pair from the same weights, noise and order."""
    # One thread each: so small a network gains nothing from a second one, and other tests run alongside.
    wanted = [SMALL.replace(seed=seed, precision=precision) for precision in PRECISIONS for seed in SEEDS]
    runs = train_all(wanted, tmp_path_factory.mktemp("runs"), workers=2)
    lowest = np.array([run.history["val_loss"].min() for run in runs])
    return dict(zip(PRECISIONS, lowest.reshape(len(PRECISIONS), len(SEEDS)), strict=True))


@pytest.mark.timeout(600)
def test_the_trainings_compared_have_learnt_something(errors):
    """Their total loss is lower than the cross-entropy alone of the training set's mean image."""
    data = dataset.build(SMALL.data)
    images = data.images[data.validation] / 255
    mean = data.images[data.train].mean(0) / 255
    constant = losses.binary_crossentropy(images, np.broadcast_to(mean, images.shape))
    assert (errors["float32"] < float(constant)).all()


@pytest.mark.timeout(600)
def test_bfloat16_costs_less_than_another_seed(errors):
    """On average; one pair can differ as much as two seeds do, since such steps enlarge any rounding."""
    difference = errors["bfloat16"] - errors["float32"]
    assert (difference != 0).all(), "bfloat16 changed nothing: it was not used"
    assert abs(difference.mean()) < errors["float32"].std(ddof=1)
