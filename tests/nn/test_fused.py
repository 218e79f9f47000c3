"""The decoder's last layers as one against the stock Keras layers that they replace, and TensorFlow's own sums."""

import keras
import numpy as np
import pytest
from gradients import gradients
from keras import ops

from vaelib import Experiment
from vaelib.model import VAE
from vaelib.nn import backend, fused
from vaelib.nn.fused import normalised_stack
from vaelib.nn.layers import BiasedConv2D, FusedBatchNormalization, UpConv2D, rounds_products, sum_over_map

RANDOM = np.random.default_rng(0)


def stack(dtype, *, c=6, d=9, filters=1, activation="relu", trainable=True, channels=4):
    """Return the decoder's last five layers, built for maps of `channels`, with arbitrary weights."""
    made = [
        UpConv2D(c, activation=activation, dtype=dtype),
        FusedBatchNormalization(epsilon=1e-2, momentum=0.9, trainable=trainable, dtype=dtype),
        BiasedConv2D(d, 1, activation="relu", dtype=dtype),
        FusedBatchNormalization(epsilon=1e-2, momentum=0.9, dtype=dtype),
        BiasedConv2D(filters, 1, dtype=dtype),
    ]
    random = np.random.default_rng(1)
    for layer, before in zip(made, (channels, c, c, d, d), strict=True):
        layer.build((None, None, None, before))
        for weight in layer.trainable_weights:
            weight.assign(random.normal(size=weight.shape))
    return made


def one_by_one(x, up_conv, norm, conv, last_norm, projection):
    return projection(last_norm(conv(norm(up_conv(x), training=True)), training=True))


def stock_stack(layers, channels):
    """Return Keras's layers with the same weights: a transposed convolution turns its kernel and swaps its channels."""
    kinds = keras.layers
    up_conv, _, conv, *_ = layers
    made = [
        kinds.Conv2DTranspose(up_conv.filters, 3, padding="same", activation="relu"),
        kinds.BatchNormalization(epsilon=1e-2, momentum=0.9),
        kinds.Conv2D(conv.filters, 1, activation="relu"),
        kinds.BatchNormalization(epsilon=1e-2, momentum=0.9),
        kinds.Conv2D(1, 1),
    ]
    for layer, ours, before in zip(
        made, layers, (channels, up_conv.filters, up_conv.filters, conv.filters, conv.filters), strict=True
    ):
        layer.build((None, None, None, before))
        for weight, mine in zip(layer.weights, ours.weights, strict=True):
            weight.assign(turned(np.asarray(mine)) if layer is made[0] and mine.ndim == 4 else mine)
    return made


def turned(kernel):
    return kernel[::-1, ::-1].transpose(0, 1, 3, 2)


@pytest.mark.parametrize(
    ("shape", "scaleless"), [((3, 5, 7, 4), ()), ((2, 1, 1, 4), ()), ((1, 6, 3, 1), ()), ((2, 3, 4, 5), (1, 3))]
)
def test_normalised_stack_equals_kerass_layers(shape, scaleless):
    """In float32, where its algebra shows, borders, odd sizes and norms with a scale of 0 included."""
    layers = stack("float32", channels=shape[-1])
    for place in scaleless:
        layers[place].gamma.assign(0 * layers[place].gamma)
    stock = stock_stack(layers, shape[-1])
    x = RANDOM.normal(0.5, 1, size=shape).astype("float32")
    weighting = RANDOM.normal(size=(shape[0], 2 * shape[1], 2 * shape[2], 1)).astype("float32")

    def ours(x):
        return fused._stacked(layers[0].convolve(x), *layers)

    def theirs(x):
        return one_by_one(keras.layers.UpSampling2D(2)(x), *stock)

    derivatives = []
    for function, parts in ((ours, layers), (theirs, stock)):
        variables = [weight for layer in parts for weight in layer.trainable_weights]
        derivatives.append(
            gradients(lambda x, function=function: ops.sum(function(x) * weighting), x, variables=variables)
        )
    kernel = [weight.ndim for weight in stock[0].trainable_weights].index(4)
    derivatives[1][1 + kernel] = turned(derivatives[1][1 + kernel])
    assert len(derivatives[0]) == 11
    for mine, other in zip(*derivatives, strict=True):
        assert abs(other).max() > 0 or scaleless
        # Behind a scale of 0 their gradient is exactly 0, and ours a difference of equal sums.
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-4 * (abs(other).max() or 1))
    for _ in range(3):
        np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
        for mine, other in zip(layers[1].weights + layers[3].weights, stock[1].weights + stock[3].weights, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    assert all(abs(np.asarray(norm.moving_mean)).max() > 0 for norm in (layers[1], layers[3]))


def numbers(function, dtype, x, weighting, weights):
    """Return the output of the stack with the given trainable weights and the gradients by x and by each of these."""
    layers = stack(dtype)
    variables = [weight for layer in layers for weight in layer.trainable_weights]
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)

    def output(x):
        return ops.cast(function(x, *layers), "float32")

    return [np.asarray(output(x)), *gradients(lambda x: ops.sum(output(x) * weighting), x, variables=variables)]


def test_normalised_stack_in_bfloat16_is_as_near_to_float32_as_its_layers_are():
    """In the geometric mean over sixteen maps of 8,192 pixels, since in a single map one rectifier can matter much.

    The output has to be nearer, for it is rounded less often, and two gradients are exact sums of what comes in. The
    error of the others comes mostly from rectifiers that rounding opens or shuts, which is chance between two orders
    of rounding: over other maps the mean of these nine is 0.94 to 1.09 times that of the layers.
    """
    random = np.random.default_rng(2)
    trainable = [weight for layer in stack("float32") for weight in layer.trainable_weights]
    far = []
    for _ in range(16):
        x, weighting = (random.normal(size=size).astype("float32") for size in ((8, 16, 16, 4), (8, 32, 32, 1)))
        weights = [random.normal("gamma" in weight.path, 0.3, size=weight.shape) for weight in trainable]
        exact = numbers(one_by_one, "float32", x, weighting, weights)
        for function in (normalised_stack, one_by_one):
            pairs = zip(numbers(function, "mixed_bfloat16", x, weighting, weights), exact, strict=True)
            far.append([np.linalg.norm(mine - other) / np.linalg.norm(other) for mine, other in pairs])
    far = np.array(far).reshape(16, 2, 12)  # the output, the gradients by x and by ten weights
    assert (far[:, 0, [9, 11]] < 1e-4).all(), "the last shift and the last bias"
    ours, theirs = np.exp(np.log(np.delete(far, [9, 11], axis=2)).mean(axis=0))
    # Where TensorFlow cuts products off instead of rounding them, that shifts the output by about as much as the
    # rounding that is saved: there ours is 0.00830 and the layers' 0.00825.
    assert 0 < ours[0] < theirs[0] * (1 if rounds_products() else 1.1) and theirs[0] < 0.02
    assert np.exp(np.log(ours / theirs)[1:].mean()) < 1.2


@pytest.mark.parametrize(
    ("settings", "device"),
    [
        ({}, "cpu"),
        ({"dtype": "float32"}, "cpu"),
        ({"filters": 3}, "cpu"),
        ({"activation": "tanh"}, "cpu"),
        ({"trainable": False}, "cpu"),
        ({}, "gpu"),
    ],
    ids=str,
)
def test_only_what_the_stack_is_made_for_goes_through_it(settings, device, monkeypatch):
    settings = {"dtype": "mixed_bfloat16", **settings}
    own, used = fused._stacked, []
    monkeypatch.setattr(fused, "_stacked", lambda *arguments: used.append(True) or own(*arguments))
    monkeypatch.setattr(backend, "on_processor", lambda: device == "cpu")
    x = RANDOM.normal(size=(2, 3, 5, 4)).astype("float32")
    output, expected = (
        ops.convert_to_numpy(ops.cast(function(x, *stack(**settings)), "float32"))
        for function in (normalised_stack, one_by_one)
    )
    made_for = set(settings) == {"dtype"} and device == "cpu"
    assert bool(used) == made_for
    if not made_for:
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_trains_through_the_stack(precision, monkeypatch):
    """But does no inference through it."""
    own, used = fused._stacked, []
    monkeypatch.setattr(fused, "_stacked", lambda *arguments: used.append(True) or own(*arguments))
    images = RANDOM.integers(0, 256, (4, 32, 32), "uint8")
    vae = VAE(Experiment.from_profile("smoke", width=0.06, precision=precision))
    vae(images)
    assert not used
    vae(images, training=True)
    assert used


def test_moments_of_channels_that_are_far_from_zero_or_never_vary():
    x = RANDOM.normal([0, 1000, -3, 7], [1, 1, 1e-3, 0], size=(4, 9, 5, 4)).astype("float32")
    mean, variance = (np.asarray(moment) for moment in fused._moments(ops.convert_to_tensor(x)))
    exact = x.astype("float64")
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("kind", [UpConv2D, lambda *size, **options: BiasedConv2D(*size, 3, **options)])
def test_gradients_in_float64_are_exact_to_float64(kind):
    layer = kind(4, dtype="float64")
    x = RANDOM.normal(size=(2, 5, 6, 3))
    weighting = RANDOM.normal(size=layer(x).shape)
    (gradient,) = gradients(lambda: ops.sum(layer(x) * weighting), variables=[layer.bias])
    np.testing.assert_allclose(gradient, weighting.sum((0, 1, 2)), rtol=1e-12)


def test_a_sum_over_a_large_map_in_bfloat16_is_right_to_a_thousandth():
    """Added up in bfloat16 it would stop at 256, where 256 + 1 is 256. Also where TensorFlow cuts bfloat16 off."""
    x = ops.cast(RANDOM.uniform(0, 2, size=(2, 128, 192, 3)), "bfloat16")
    weights = ops.cast(RANDOM.uniform(0, 1, size=(2, 128, 192, 1)), "bfloat16")
    exact, factor = (np.asarray(ops.cast(array, "float32"), "float64") for array in (x, weights))
    np.testing.assert_allclose(sum_over_map(x), exact.sum((0, 1, 2)), rtol=1e-3)
    np.testing.assert_allclose(sum_over_map(x, weights), (factor * exact).sum((0, 1, 2)), rtol=1e-3)
