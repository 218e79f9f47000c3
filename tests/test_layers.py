"""Each layer against the stock Keras layers that it replaces: values, gradients, statistics, files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaelib.layers import FusedBatchNormalization, Sampling, UpConv2D

RANDOM = np.random.default_rng(0)


def stock_upconv(layer, x):
    """Keras's pair with the same weights: a transposed convolution turns its kernel and swaps its channels."""
    transpose = keras.layers.Conv2DTranspose(layer.filters, 3, padding="same", activation=layer.activation)
    transpose.build((None, None, None, x.shape[-1]))
    transpose.kernel.assign(np.asarray(layer.kernel)[::-1, ::-1].transpose(0, 1, 3, 2))
    transpose.bias.assign(layer.bias)
    return transpose, lambda x: transpose(keras.layers.UpSampling2D(2)(x))


@pytest.mark.parametrize(
    ("height", "width", "channels", "filters"), [(4, 4, 3, 5), (5, 7, 2, 3), (1, 1, 4, 2), (1, 6, 1, 1)]
)
def test_up_convolution_equals_up_sampling_and_convolution(height, width, channels, filters):
    x = tf.Variable(RANDOM.normal(size=(3, height, width, channels)).astype("float32"))
    layer = UpConv2D(filters, activation="relu", kernel_initializer=keras.initializers.RandomNormal(stddev=0.3))
    layer.build((None, height, width, channels))
    layer.bias.assign(RANDOM.normal(size=filters))
    transpose, stock = stock_upconv(layer, x)
    weighting = RANDOM.normal(size=(3, 2 * height, 2 * width, filters)).astype("float32")
    with tf.GradientTape(persistent=True) as tape:
        ours, theirs = layer(x), stock(x)
        losses = [tf.reduce_sum(y * weighting) for y in (ours, theirs)]
    assert layer.compute_output_shape(x.shape) == ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for of in ("x", "bias", "kernel"):
        mine = x if of == "x" else getattr(layer, of)
        other = x if of == "x" else getattr(transpose, of)
        a, b = tape.gradient(losses[0], mine), tape.gradient(losses[1], other)
        if of == "kernel":
            b = tf.transpose(b[::-1, ::-1], (0, 1, 3, 2))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (7, 1, 1, 3)])
def test_fused_batch_norm_equals_kerass(shape):
    ours, stock = FusedBatchNormalization(), keras.layers.BatchNormalization()
    x = tf.Variable(RANDOM.normal(2, 3, size=shape).astype("float32"))
    ours.build(shape), stock.build(shape)
    for layer in (ours, stock):
        layer.gamma.assign(np.linspace(0.5, 2, shape[-1])), layer.beta.assign(np.linspace(-1, 1, shape[-1]))
    weighting = RANDOM.normal(size=shape).astype("float32")
    for _ in range(3):
        with tf.GradientTape(persistent=True) as tape:
            outputs = [layer(x, training=True) for layer in (ours, stock)]
            losses = [tf.reduce_sum(y * weighting) for y in outputs]
        np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-5)
        for name in ("gamma", "beta"):
            gradients = [
                tape.gradient(loss, getattr(layer, name)) for loss, layer in zip(losses, (ours, stock), strict=True)
            ]
            np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(*(tape.gradient(loss, x) for loss in losses), rtol=1e-4, atol=1e-4)
        # The moving statistics follow step by step: momentum and the biased variance.
        for mine, theirs in zip(ours.weights, stock.weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours(x, training=False), stock(x, training=False), rtol=1e-4, atol=1e-5)


def test_fused_batch_norm_keeps_float32_statistics_under_bfloat16():
    layer = FusedBatchNormalization(dtype="mixed_bfloat16")
    x = RANDOM.normal(5, 2, size=(8, 4, 4, 3)).astype("float32")
    assert layer(x, training=True).dtype == tf.bfloat16
    assert {str(weight.dtype) for weight in layer.weights} == {"float32"}
    np.testing.assert_allclose(layer.moving_mean, 0.01 * x.mean((0, 1, 2)), rtol=1e-2)


def test_sampling_adds_noise_of_the_given_width():
    mu = np.tile(np.array([[1.0, -2.0, 0.5]], "float32"), (20_000, 1))
    z = np.asarray(Sampling(0.1, seed=3)(mu))
    # 20,000 draws: the standard error of the mean is 7e-4 and that of the deviation 5e-4.
    np.testing.assert_allclose(z.mean(0), mu[0], atol=4e-3)
    np.testing.assert_allclose(z.std(0), 0.1, atol=3e-3)
    learned = np.asarray(
        Sampling(0.1, seed=3)(mu, np.tile(np.log(np.array([[4.0, 1.0, 0.25]], "float32")), (20_000, 1)))
    )
    np.testing.assert_allclose(learned.std(0), [2, 1, 0.5], rtol=0.03)


def test_sampling_repeats_by_seed_and_moves_on_by_call():
    mu = np.zeros((4, 3), "float32")
    first, second = (Sampling(1.0, seed=5) for _ in range(2))
    a, b = np.asarray(first(mu)), np.asarray(first(mu))
    assert (a == np.asarray(second(mu))).all() and (a != b).all()
    turn = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], "float32")
    np.testing.assert_allclose(Sampling(1.0, seed=5, rotation=turn)(mu), a @ turn, atol=1e-6)
