"""Our Adam moves weights as Keras's does, and keeps the same state."""

import numpy as np
import pytest

from vaelib.nn.backend import keras
from vaelib.nn.optimizer import Adam

SHAPES = [(3, 3, 2, 4), (4,), (5, 2)]


def moved(kind: type, *, steps: int = 12, **settings: object) -> list[np.ndarray]:
    """Return the weights and the state after steps on gradients of very different sizes."""
    generator = np.random.default_rng(0)
    weights = [keras.Variable(generator.normal(size=shape).astype("float32")) for shape in SHAPES]
    optimizer = kind(**settings)
    optimizer.build(weights)
    for _ in range(steps):
        scales = 10.0 ** generator.uniform(-6, 2, len(SHAPES))
        optimizer.apply(
            [(s * generator.normal(size=shape)).astype("float32") for s, shape in zip(scales, SHAPES, strict=True)],
            weights,
        )
    return [np.asarray(variable) for variable in [*weights, *optimizer.variables]]


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.01},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, decay_steps=10)},
        {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1, "clipnorm": 1.0, "weight_decay": 0.01},
        {"learning_rate": 0.01, "amsgrad": True},
    ],
    ids=["constant", "cosine", "other settings", "amsgrad"],
)
def test_it_moves_weights_and_state_as_keras_does(settings: dict[str, object]) -> None:
    for ours, theirs in zip(moved(Adam, **settings), moved(keras.optimizers.Adam, **settings), strict=True):
        # TensorFlow computes 1 - 0.999 in float32, Keras in float64: they differ by 1.3e-5, relatively.
        np.testing.assert_allclose(ours, theirs, rtol=3e-5, atol=5e-6)


def test_a_sparse_gradient_moves_what_it_names() -> None:
    tf = pytest.importorskip("tensorflow")

    def moved_by(kind: type) -> np.ndarray:
        weights = keras.Variable(np.zeros((4, 2), "float32"))
        optimizer = kind(0.1)
        optimizer.build([weights])
        optimizer.apply([tf.IndexedSlices(tf.ones((1, 2)), tf.constant([2]), tf.constant([4, 2]))], [weights])
        return np.asarray(weights)

    np.testing.assert_allclose(moved_by(Adam), moved_by(keras.optimizers.Adam))
