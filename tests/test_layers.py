"""Each layer against the stock Keras layers that it replaces: values, gradients, statistics."""

import keras
import numpy as np
import pytest
from gradients import gradients
from keras import ops

from vaelib.layers import BiasedConv2D, FusedBatchNormalization, Sampling, UpConv2D

pytestmark = pytest.mark.jax
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
    x = RANDOM.normal(size=(3, height, width, channels)).astype("float32")
    layer = UpConv2D(filters, activation="relu")
    layer.build((None, height, width, channels))
    layer.kernel.assign(RANDOM.normal(0, 0.3, size=layer.kernel.shape))
    layer.bias.assign(RANDOM.uniform(0.5, 1, size=filters))  # above zero: a relu that is shut everywhere shows nothing
    transpose, stock = stock_upconv(layer, x)
    weighting = RANDOM.normal(size=(3, 2 * height, 2 * width, filters)).astype("float32")
    ours, theirs = np.asarray(layer(x)), np.asarray(stock(x))
    assert tuple(layer.compute_output_shape(x.shape)) == ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    mine = gradients(lambda x: ops.sum(layer(x) * weighting), x, variables=[layer.bias, layer.kernel])
    others = gradients(lambda x: ops.sum(stock(x) * weighting), x, variables=[transpose.bias, transpose.kernel])
    others[2] = others[2][::-1, ::-1].transpose(0, 1, 3, 2)
    for a, b in zip(mine, others, strict=True):
        assert abs(a).max() > 0
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel_size", "activation"), [(1, "relu"), (1, None), (1, "tanh"), (3, "relu"), (3, None)])
@pytest.mark.parametrize("shape", [(3, 5, 7, 4), (1, 3, 3, 1)])
def test_biased_convolution_equals_kerass(kernel_size, activation, shape):
    x = RANDOM.normal(size=shape).astype("float32")
    ours, stock = (kind(6, kernel_size, activation=activation) for kind in (BiasedConv2D, keras.layers.Conv2D))
    ours.build(shape), stock.build(shape)
    for mine, theirs in zip(ours.weights, stock.weights, strict=True):
        mine.assign(RANDOM.normal(size=mine.shape)), theirs.assign(mine)
    np.testing.assert_allclose(ours(x), stock(x), rtol=1e-4, atol=1e-5)
    weighting = RANDOM.normal(size=stock(x).shape).astype("float32")
    found = [
        gradients(lambda x, layer=layer: ops.sum(layer(x) * weighting), x, variables=[layer.kernel, layer.bias])
        for layer in (ours, stock)
    ]
    for mine, theirs in zip(*found, strict=True):
        assert abs(mine).max() > 0
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [UpConv2D, lambda *size, **options: BiasedConv2D(*size, 1, **options)])
def test_gradients_in_bfloat16_are_right_to_its_rounding_on_large_maps(kind):
    """Sums over a map must not be accumulated in bfloat16, which has 8 bits."""
    x = RANDOM.normal(size=(8, 48, 48, 3)).astype("float32")
    found = []
    for dtype in ("float32", "mixed_bfloat16"):
        layer = kind(4, activation="relu", dtype=dtype, kernel_initializer=keras.initializers.RandomNormal(seed=1))
        layer.build(x.shape)
        found.append(
            gradients(lambda x, layer=layer: ops.sum(ops.cast(layer(x), "float32")), x, variables=layer.weights)[1:]
        )
    for exact, rounded in zip(*found, strict=True):
        assert abs(rounded - exact).max() < 0.02 * abs(exact).max()


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (7, 1, 1, 3)])
def test_fused_batch_norm_equals_kerass(shape):
    ours, stock = FusedBatchNormalization(), keras.layers.BatchNormalization()
    x = RANDOM.normal(2, 3, size=shape).astype("float32")
    ours.build(shape), stock.build(shape)
    for layer in (ours, stock):
        layer.gamma.assign(np.linspace(0.5, 2, shape[-1])), layer.beta.assign(np.linspace(-1, 1, shape[-1]))
    weighting = RANDOM.normal(size=shape).astype("float32")
    found = [
        gradients(
            lambda x, layer=layer: ops.sum(layer(x, training=True) * weighting), x, variables=[layer.gamma, layer.beta]
        )
        for layer in (ours, stock)
    ]
    for mine, theirs in zip(*found, strict=True):
        assert abs(mine).max() > 0
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    for _ in range(3):
        np.testing.assert_allclose(ours(x, training=True), stock(x, training=True), rtol=1e-4, atol=1e-5)
        # The moving statistics follow step by step: momentum and the biased variance.
        for mine, theirs in zip(ours.weights, stock.weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert abs(np.asarray(ours.moving_mean)).min() > 0
    np.testing.assert_allclose(ours(x, training=False), stock(x, training=False), rtol=1e-4, atol=1e-5)


def test_fused_batch_norm_keeps_float32_statistics_under_bfloat16():
    layer = FusedBatchNormalization(dtype="mixed_bfloat16")
    x = RANDOM.normal(5, 2, size=(8, 4, 4, 3)).astype("float32")
    assert keras.backend.standardize_dtype(layer(x, training=True).dtype) == "bfloat16"
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
