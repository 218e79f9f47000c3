"""Each layer against the stock Keras layers that it replaces: values, gradients, statistics."""

import json

import keras
import numpy as np
import pytest
from gradients import gradients
from keras import ops

from vaelib import Experiment
from vaelib.model import build_decoder
from vaelib.nn.layers import BiasedConv2D, FusedBatchNormalization, Sampling, UpConv2D

pytestmark = pytest.mark.jax
RANDOM = np.random.default_rng(0)


def close(mine, theirs):
    """Check gradients: each number to 1e-4 of the largest beside it.

    Not of itself, since it is a sum of rounded terms that can cancel.
    """
    for a, b in zip(mine, theirs, strict=True):
        assert abs(a).max() > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * abs(b).max())


def stock_upconv(layer, x):
    """Return Keras's pair with the same weights: a transposed convolution turns its kernel and swaps its channels."""
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
    close(mine, others)


def test_up_convolution_in_bfloat16_rounds_its_kernel_once():
    """The products are in bfloat16, but two rows or columns of the kernel are added up before they are rounded."""
    layer = UpConv2D(4, dtype="mixed_bfloat16")
    layer.build((None, 5, 7, 3))
    layer.kernel.assign(RANDOM.normal(0, 0.3, size=layer.kernel.shape))
    exact = np.array(layer.kernel)
    x = ops.cast(RANDOM.normal(size=(2, 5, 7, 3)).astype("float32"), "bfloat16")

    def expected(kernel):
        strided = np.zeros((4, 4, 4, 3), "float32")
        for p, rows in enumerate(([2], [1, 2], [0, 1], [0])):
            for q, columns in enumerate(([2], [1, 2], [0, 1], [0])):
                strided[p, q] = kernel[np.ix_(rows, columns)].sum((0, 1)).T
        y = ops.conv_transpose(x, ops.cast(strided, "bfloat16"), strides=2, padding="same")
        return np.asarray(ops.cast(y, "float32"))

    output = np.asarray(ops.cast(layer(x), "float32"))
    np.testing.assert_array_equal(output, expected(exact))
    assert (output != expected(np.asarray(ops.cast(ops.cast(exact, "bfloat16"), "float32")))).any()


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
    derivatives = [
        gradients(lambda x, layer=layer: ops.sum(layer(x) * weighting), x, variables=[layer.kernel, layer.bias])
        for layer in (ours, stock)
    ]
    close(*derivatives)


@pytest.mark.parametrize(
    ("name", "value"),
    [("strides", 2), ("dilation_rate", 2), ("groups", 3), ("use_bias", False), ("data_format", "channels_first")],
)
def test_biased_convolution_refuses_what_it_would_leave_out(name, value):
    with pytest.raises(ValueError, match=rf"{name} = .*; allowed: "):
        BiasedConv2D(6, 3, **{name: value})


@pytest.mark.parametrize("kind", [UpConv2D, lambda *size, **options: BiasedConv2D(*size, 1, **options)])
def test_gradients_in_bfloat16_are_right_to_its_rounding_on_large_maps(kind):
    """Sums over a map must not be accumulated in bfloat16, which has 8 bits."""
    x = RANDOM.normal(size=(8, 48, 48, 3)).astype("float32")
    derivatives = []
    for dtype in ("float32", "mixed_bfloat16"):
        layer = kind(4, activation="relu", dtype=dtype, kernel_initializer=keras.initializers.RandomNormal(seed=1))
        layer.build(x.shape)
        derivatives.append(
            gradients(lambda x, layer=layer: ops.sum(ops.cast(layer(x), "float32")), x, variables=layer.weights)[1:]
        )
    for exact, rounded in zip(*derivatives, strict=True):
        assert abs(rounded - exact).max() < 0.02 * abs(exact).max()


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (7, 1, 1, 3)])
def test_fused_batch_norm_equals_kerass(shape):
    ours, stock = FusedBatchNormalization(), keras.layers.BatchNormalization()
    x = RANDOM.normal(2, 3, size=shape).astype("float32")
    ours.build(shape), stock.build(shape)
    for layer in (ours, stock):
        layer.gamma.assign(np.linspace(0.5, 2, shape[-1])), layer.beta.assign(np.linspace(-1, 1, shape[-1]))
    weighting = RANDOM.normal(size=shape).astype("float32")
    derivatives = [
        gradients(
            lambda x, layer=layer: ops.sum(layer(x, training=True) * weighting), x, variables=[layer.gamma, layer.beta]
        )
        for layer in (ours, stock)
    ]
    close(*derivatives)
    for _ in range(3):
        np.testing.assert_allclose(ours(x, training=True), stock(x, training=True), rtol=1e-4, atol=1e-5)
        # The moving statistics follow step by step: momentum and the biased variance.
        for mine, theirs in zip(ours.weights, stock.weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert abs(np.asarray(ours.moving_mean)).min() > 0
    np.testing.assert_allclose(ours(x, training=False), stock(x, training=False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.9},
        {"trainable": False},
        {"axis": 1},
        {"scale": False},
        {"center": False},
        {"renorm": True},
        {"momentum": 0.5, "mask": True},
        {"shape": (6, 4)},
    ],
    ids=lambda settings: ", ".join(settings),
)
def test_fused_batch_norm_equals_kerass_whatever_its_settings(settings):
    settings = {**settings}
    shape, masked = settings.pop("shape", (4, 3, 5, 4)), settings.pop("mask", False)
    ours, stock = (kind(**settings) for kind in (FusedBatchNormalization, keras.layers.BatchNormalization))
    x = RANDOM.normal(2, 3, size=shape).astype("float32")
    options = {"mask": RANDOM.uniform(size=shape[:-1]) < 0.5} if masked else {}
    ours.build(shape), stock.build(shape)
    for layer in (ours, stock):
        for weight in layer.trainable_weights:
            weight.assign(np.linspace(0.5, 2, weight.shape[0]))
    for _ in range(3):
        mine, theirs = (layer(x, training=True, **options) for layer in (ours, stock))
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
        assert len(ours.weights) == len(stock.weights)
        for a, b in zip(ours.weights, stock.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert (abs(np.asarray(ours.moving_mean)).min() > 0) == settings.get("trainable", True)
    np.testing.assert_allclose(ours(x, training=False), stock(x, training=False), rtol=1e-4, atol=1e-5)


def test_fused_batch_norm_is_saved_and_continues_as_before(tmp_path):
    x = RANDOM.normal(2, 3, size=(4, 3, 5, 4)).astype("float32")
    model = keras.Sequential([keras.Input((3, 5, 4)), FusedBatchNormalization(momentum=0.9, epsilon=1e-2)])
    (layer,) = model.layers
    layer.gamma.assign(np.linspace(0.5, 2, 4)), layer.beta.assign(np.linspace(-1, 1, 4))
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is FusedBatchNormalization
    assert (again.layers[0].momentum, again.layers[0].epsilon) == (0.9, 1e-2)
    for training in (False, True):  # as it was saved, and one step on
        np.testing.assert_array_equal(again(x, training=training), model(x, training=training))
        for a, b in zip(again.weights, model.weights, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_decoder_is_saved_and_draws_the_same_again(precision, tmp_path):
    experiment = Experiment.from_profile("smoke", width=0.06, precision=precision, seed=3)
    decoder = build_decoder(experiment)
    for weight in decoder.weights:  # none as it was initialised
        weight.assign(RANDOM.uniform(0.5, 1.5, weight.shape))
    decoder.save(tmp_path / "decoder.keras")
    again = keras.saving.load_model(tmp_path / "decoder.keras")
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in decoder.layers]
    assert [weight.path for weight in again.weights] == [weight.path for weight in decoder.weights]
    z = RANDOM.normal(size=(5, experiment.latent_dim)).astype("float32")
    drawn, expected = (np.asarray(ops.cast(model(z), "float32")) for model in (again, decoder))
    np.testing.assert_array_equal(drawn, expected)
    assert np.ptp(expected) > 0


@pytest.mark.parametrize(
    "layer",
    [
        Sampling(0.3, seed=5, rotation=np.array([[0, 1], [-1, 0]], "float32")),
        UpConv2D(4, activation="tanh", kernel_initializer=keras.initializers.RandomNormal(0.1, seed=1)),
        BiasedConv2D(6, 3, activation="tanh", padding="same"),
        FusedBatchNormalization(momentum=0.9, epsilon=1e-2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_is_made_again_from_its_settings(layer):
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(layer))))
    assert type(again) is type(layer) and again.get_config() == layer.get_config()


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
