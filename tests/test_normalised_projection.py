"""The last two layers as one against the stock Keras layers that they replace; on JAX they stay two."""

import keras
import numpy as np
import pytest
from gradients import gradients
from keras import ops

from vaelib import layers
from vaelib.layers import BiasedConv2D, FusedBatchNormalization, normalised_projection

RANDOM = np.random.default_rng(0)


def norm_and_projection(kinds, shape, filters=1, activation=None, trainable=True, dtype="float32"):
    norm = kinds[0](epsilon=1e-2, momentum=0.9, trainable=trainable, dtype=dtype)
    projection = kinds[1](filters, 1, activation=activation, dtype=dtype)
    norm.build(shape), projection.build(shape)
    random = np.random.default_rng(1)
    for weight in (norm.gamma, norm.beta, projection.kernel, projection.bias):
        weight.assign(random.normal(size=weight.shape))
    return norm, projection


STOCK = (keras.layers.BatchNormalization, keras.layers.Conv2D)
OURS = (FusedBatchNormalization, BiasedConv2D)


@pytest.mark.parametrize("shape", [(3, 5, 7, 4), (2, 1, 1, 3), (2, 6, 4, 1)])
@pytest.mark.parametrize("settings", [{}, {"filters": 3}, {"activation": "relu"}, {"trainable": False}], ids=str)
def test_normalised_projection_equals_kerass_two_layers(shape, settings, monkeypatch):
    """The first settings are those that have a gradient of their own; the others go through both layers."""
    own, used = layers._projected, []
    monkeypatch.setattr(layers, "_projected", lambda *arguments: used.append(True) or own(*arguments))
    x = RANDOM.normal(2, 3, size=shape).astype("float32")
    norm, projection = norm_and_projection(OURS, shape, **settings)
    stock_norm, stock_projection = norm_and_projection(STOCK, shape, **settings)
    weighting = RANDOM.normal(size=stock_projection(x).shape).astype("float32")

    def ours(x):
        return normalised_projection(x, norm, projection)

    def stock(x):
        return stock_projection(stock_norm(x, training=True))

    found = []
    for function, parts in ((ours, (norm, projection)), (stock, (stock_norm, stock_projection))):
        variables = [weight for layer in parts for weight in layer.trainable_weights]
        found.append(gradients(lambda x, function=function: ops.sum(function(x) * weighting), x, variables=variables))
    assert bool(used) == (not settings)
    assert len(found[0]) == (5 if settings.get("trainable", True) else 3)
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * max(abs(theirs).max(), 1e-2))
    for _ in range(3):
        np.testing.assert_allclose(ours(x), stock(x), rtol=1e-4, atol=1e-5)
        for mine, theirs in zip(norm.weights, stock_norm.weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert (abs(np.asarray(norm.moving_mean)).min() > 0) == settings.get("trainable", True)


def test_normalised_projection_with_a_scale_of_zero():
    """Then the output is the same everywhere and only the scale itself, the shift and the bias have gradients."""
    x = RANDOM.normal(size=(2, 3, 4, 5)).astype("float32")
    norm, projection = norm_and_projection(OURS, x.shape)
    norm.gamma.assign(np.zeros(5))
    variables = [norm.gamma, norm.beta, projection.bias]
    of_x, of_gamma, *others = gradients(
        lambda x: ops.sum(normalised_projection(x, norm, projection) * x[..., :1]), x, variables=variables
    )
    assert all(np.isfinite(each).all() and abs(each).max() > 0 for each in (of_gamma, *others))
    constant = float(np.asarray(projection(np.tile(norm.beta, (1, 1, 1, 1))))[0, 0, 0, 0])
    expected = np.zeros_like(x)
    expected[..., 0] = constant  # from the weighting, which is of x too
    np.testing.assert_allclose(of_x, expected, atol=1e-5)


def test_normalised_projection_in_bfloat16_goes_through_both_layers():
    x = ops.cast(RANDOM.normal(2, 3, size=(3, 5, 7, 4)), "bfloat16")
    once = norm_and_projection(OURS, x.shape, dtype="mixed_bfloat16")
    again = norm_and_projection(OURS, x.shape, dtype="mixed_bfloat16")
    found = normalised_projection(x, *once)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    expected = again[1](again[0](x, training=True))
    np.testing.assert_array_equal(*(ops.convert_to_numpy(ops.cast(y, "float32")) for y in (found, expected)))
