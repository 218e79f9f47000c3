"""Layers that Keras lacks or runs slower: sampling, up-convolution, biased convolution, fused batch norm."""

import functools
from types import MappingProxyType
from typing import Any

import numpy as np

from vaelib.nn import backend
from vaelib.nn.backend import keras, ops

# Lets a saved model find the layers below again.
_saved = keras.saving.register_keras_serializable(package="vaelib")

# Up-sampling by 2 repeats each input over two rows, so the rows of a 4-row kernel of stride 2 are these sums of rows of
# the 3-row kernel (columns alike): [k2, k1 + k2, k0 + k1, k0].
_ROWS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], "float32")
_STRIDED = np.kron(_ROWS, _ROWS)  # (16, 9), for kernels as lists of rows and columns


@_saved
class Sampling(keras.layers.Layer):
    """The reparameterisation z = μ + σ·ε with ε ~ N(0, 1), from (n, d) to (n, d).

    σ is the constant `sigma` when no log-variance is given, else exp(½ log σ²). Source: Kingma & Welling 2013.

    Args:
        sigma: The constant σ.
        seed: The noise's seed.
        rotation: An orthogonal matrix R (d, d) that rotates the noise: ε becomes ε R. None for no rotation.
    """

    def __init__(self, sigma: float, seed: int, rotation: np.ndarray | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.sigma = sigma
        self.seed = seed
        self.rotation = None if rotation is None else np.asarray(rotation)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, mu: Any, log_variance: Any = None) -> Any:
        """Draw z.

        Args:
            mu: The means (n, d).
            log_variance: The log-variances log σ² (n, d); None for the constant σ.

        Returns:
            z (n, d).
        """
        noise = keras.random.normal(ops.shape(mu), dtype=mu.dtype, seed=self.seed_generator)
        if self.rotation is not None:
            noise = ops.matmul(noise, ops.cast(self.rotation, mu.dtype))
        sigma = self.sigma if log_variance is None else ops.exp(0.5 * log_variance)
        return mu + sigma * noise

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which this layer can be made again."""
        rotation = None if self.rotation is None else self.rotation.tolist()
        return {**super().get_config(), "sigma": self.sigma, "seed": self.seed, "rotation": rotation}


@_saved
class UpConv2D(keras.layers.Layer):
    """Nearest-neighbour up-sampling by 2 and a 3×3 same convolution, as one exact transposed convolution.

    From (n, h, w, in) to (n, 2h, 2w, out). The two together are the transposed convolution of stride 2 whose 4×4 kernel
    is the 3×3 one summed over 2×2 boxes: an output pixel meets only 2×2 inputs, so it takes 4 products instead of 9.
    Equal to Keras's UpSampling2D(2) followed by Conv2DTranspose(3, padding="same") whose kernel is this one's rotated
    by 180° with its channels exchanged.

    Args:
        filters: The number of output channels.
        activation: The name of one of Keras's activations; None for none.
        kernel_initializer: One of Keras's initializers; Glorot's uniform one by default.
    """

    def __init__(
        self, filters: int, *, activation: str | None = None, kernel_initializer: Any = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.filters = filters
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer or "glorot_uniform")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the kernel (3, 3, in, out) and the bias (out,)."""
        shape = (3, 3, int(input_shape[-1] or 0), self.filters)
        # Read in float32 under any policy: sums of a kernel already rounded to bfloat16 would be rounded twice.
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer, autocast=False)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros", autocast=False)

    def call(self, x: Any) -> Any:
        """Return the up-convolved map (n, 2h, 2w, out)."""
        return self.activation(_add_bias(self.convolve(x), self.bias))

    def convolve(self, x: Any) -> Any:
        """Return the map (n, 2h, 2w, out) before bias and activation."""
        _, _, channels, filters = self.kernel.shape
        kernel = ops.matmul(_STRIDED, ops.reshape(ops.cast(self.kernel, "float32"), (9, channels * filters)))
        kernel = ops.transpose(ops.reshape(kernel, (4, 4, channels, filters)), (0, 1, 3, 2))
        kernel = ops.cast(kernel, x.dtype)
        if keras.backend.backend() == "tensorflow" and backend.on_processor():
            return _doubled(x, kernel)
        return ops.conv_transpose(x, kernel, strides=2, padding="same", data_format="channels_last")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, 2h, 2w, out)."""
        n, h, w, _ = input_shape
        return (n, h and 2 * h, w and 2 * w, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which this layer can be made again."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@_saved
class BiasedConv2D(keras.layers.Conv2D):
    """Keras's convolution, with convolution, bias and ReLU in one kernel where the backend has one.

    From (n, h, w, in) to (n, h, w, filters), less the border with valid padding. TensorFlow's gradient for the weights
    of a 1×1 convolution is slow on a processor; it is a matrix product, and is computed as one. The arguments are those
    of `keras.layers.Conv2D`.

    Raises:
        ValueError: A setting that this layer lacks: strides, dilation, groups, no bias, channels first.
    """

    ONLY = MappingProxyType(
        {"strides": (1, 1), "dilation_rate": (1, 1), "groups": 1, "use_bias": True, "data_format": "channels_last"}
    )
    """The settings of the parent that `call` does not read, each with the one value allowed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, allowed in self.ONLY.items():
            if getattr(self, name) != allowed:
                raise ValueError(f"{name} = {getattr(self, name)!r}; allowed: {allowed!r}")

    def call(self, inputs: Any) -> Any:
        """Return the convolved map."""
        kernel, bias = ops.cast(self.kernel, inputs.dtype), ops.cast(self.bias, inputs.dtype)
        simple = self.kernel_size == (1, 1) and self.activation in (keras.activations.relu, keras.activations.linear)
        if simple and keras.backend.backend() == "tensorflow":
            return _pointwise(inputs, kernel, bias, self.activation is keras.activations.relu)
        y = ops.conv(inputs, kernel, padding=self.padding, data_format="channels_last")
        return self.activation(_add_bias(y, bias))


@_saved
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation over the last axis, in one kernel where the backend has one.

    Same weights, moving statistics and inference as its parent; bfloat16 activations keep float32 statistics. The
    parent does what that kernel cannot: a mask, another axis or number of axes, no scale, no centre, renormalisation,
    statistics over devices. Source: Ioffe & Szegedy 2015.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised map, of the shape of `inputs` (n, h, w, c)."""
        if not (training and self.trainable and self.fits_one_kernel(inputs, mask)):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = fused_batch_norm(inputs, self.gamma, self.beta, self.epsilon)
        self.move(mean, variance)
        return outputs

    def move(self, mean: Any, variance: Any) -> None:
        """Update the moving statistics by a batch's mean (c,) and biased variance (c,)."""
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))

    def fits_one_kernel(self, inputs: Any, mask: Any = None) -> bool:
        """Return whether the backend's kernel does for `inputs` what the settings ask for."""
        usual = self.scale and self.center and not self.renorm and not self.synchronized
        last_axis = len(inputs.shape) == 4 and self.axis in (-1, 3)
        dtype_fits = keras.backend.standardize_dtype(inputs.dtype) != "float64"
        return usual and last_axis and dtype_fits and mask is None and keras.backend.backend() == "tensorflow"


def fused_batch_norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Return TensorFlow's batch norm in one kernel.

    Args:
        x: A map (n, h, w, c).
        gamma: The scale (c,).
        beta: The shift (c,).
        epsilon: What is added to the variance.

    Returns:
        The normalised map (n, h, w, c), the batch's mean (c,) and its biased variance (c,).
    """
    import tensorflow as tf

    scale, offset = ops.cast(gamma, "float32"), ops.cast(beta, "float32")
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=epsilon)
    # TensorFlow returns the unbiased variance; Keras's moving statistics use the biased one.
    count = ops.cast(ops.size(x) // ops.shape(x)[-1], "float32")
    return y, mean, variance * (count - 1) / count


def _add_bias(y: Any, bias: Any) -> Any:
    """Return y (n, h, w, c) + bias (c,)."""
    if keras.backend.backend() != "tensorflow":
        # XLA sums the gradient of a bfloat16 bias in bfloat16, where 1,000 + 1 is 1,000; in float32 it is right.
        return ops.cast(ops.cast(y, "float32") + ops.cast(bias, "float32"), y.dtype)
    import tensorflow as tf

    # TensorFlow fuses its own operation, unlike a broadcast sum, with the convolution before it and the relu after.
    if keras.backend.standardize_dtype(y.dtype) in ("float32", "float64"):
        return tf.nn.bias_add(y, ops.cast(bias, y.dtype))

    @tf.custom_gradient
    def function(y: Any, bias: Any) -> tuple[Any, Any]:
        # TensorFlow's own gradient sums in bfloat16, and is wrong by a quarter on large maps.
        return tf.nn.bias_add(y, tf.cast(bias, y.dtype)), lambda dy: (dy, tf.cast(sum_over_map(dy), bias.dtype))

    return function(y, tf.identity(ops.convert_to_tensor(bias)))


def sum_over_map(x: Any, weights: Any = None) -> Any:
    """Return Σ weights x over a map, by TensorFlow.

    Computed as matrix products, which oneDNN threads and vectorises, unlike sums. In bfloat16 there is one product for
    each row of pixels: it accumulates in float32, and the rounding of its result averages out over the rows. Where
    results are truncated instead of rounded, the products are computed in float32.

    Args:
        x: (n, h, w, c).
        weights: (n, h, w, 1); 1 everywhere by default.

    Returns:
        The sums (c,), float32.
    """
    import tensorflow as tf

    if x.dtype == tf.bfloat16 and not rounds_products():
        x = tf.cast(x, "float32")
    n, h, w, _ = tf.unstack(tf.shape(x))
    parts, size = (n * h, w) if x.dtype == tf.bfloat16 else (1, n * h * w)
    if weights is None:
        weights = tf.ones((parts, 1, size), x.dtype)
    weights = tf.cast(tf.reshape(weights, (parts, 1, size)), x.dtype)
    rows = tf.matmul(weights, tf.reshape(x, (parts, size, x.shape[-1])))  # (parts, 1, c)
    return tf.reduce_sum(tf.cast(rows, "float32"), (0, 1))


@functools.cache
def rounds_products() -> bool:
    """Return whether bfloat16 products are rounded to the nearest on this machine.

    On a processor without bfloat16 of its own TensorFlow truncates them, and a sum over the rows of a map comes out a
    quarter of a per cent too small.
    """
    import tensorflow as tf

    with tf.init_scope():
        pairs = tf.constant([[[1], [3 / 512]]] * 8, "bfloat16")  # 1 + 3/512 lies nearer to 1 + 1/128 than to 1
        return bool(tf.reduce_all(tf.matmul(tf.ones((8, 1, 2), "bfloat16"), pairs) > 1))


def _doubled(x: Any, kernel: Any) -> Any:
    """Return TensorFlow's transposed convolution of stride 2 of x (n, h, w, in) by a kernel (4, 4, out, in).

    Its own gradient for the kernel is slow on a processor. Here it is one matrix product: between four inputs lie 2×2
    outputs, and each of these meets each of those once.
    """
    import tensorflow as tf

    frame = ((0, 0), (1, 1), (1, 1), (0, 0))

    @tf.custom_gradient
    def function(x: Any, kernel: Any) -> tuple[Any, Any]:
        n, h, w, _ = tf.unstack(tf.shape(x))
        filters, channels = kernel.shape[2], kernel.shape[3]
        y = tf.nn.conv2d_transpose(x, kernel, (n, 2 * h, 2 * w, filters), 2)

        def gradient(dy: Any) -> tuple[Any, Any]:
            framed = tf.pad(x, frame)
            fours = tf.concat([framed[:, u : u + h + 1, v : v + w + 1] for u in range(2) for v in range(2)], -1)
            d_fours = tf.nn.space_to_depth(tf.pad(dy, frame), 2)
            rows, d_rows = (tf.reshape(tensor, (-1, tensor.shape[-1])) for tensor in (fours, d_fours))
            taps = tf.reshape(tf.matmul(rows, d_rows, transpose_a=True), (2, 2, channels, 2, 2, filters))
            # The first input in a row meets the kernel's rows 2 and 3, the second 0 and 1, columns alike.
            d_kernel = tf.transpose(tf.reverse(taps, (0, 1)), (0, 3, 1, 4, 5, 2))
            return tf.nn.conv2d(dy, kernel, 2, "SAME"), tf.reshape(d_kernel, (4, 4, filters, channels))

        return y, gradient

    return function(x, kernel)


def _pointwise(x: Any, kernel: Any, bias: Any, relu: bool) -> Any:
    """Return TensorFlow's 1×1 convolution of x (n, h, w, in) by kernel (1, 1, in, out), plus bias, rectified or not."""
    import tensorflow as tf

    @tf.custom_gradient
    def function(x: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
        y = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "VALID"), bias)
        y = tf.nn.relu(y) if relu else y

        def gradient(dy: Any) -> tuple[Any, Any, Any]:
            if relu:
                dy = tf.raw_ops.ReluGrad(gradients=dy, features=y)
            rows, dy_rows = (
                tf.reshape(tensor, (-1, tensor.shape[-1])) for tensor in (x, dy)
            )  # (n·h·w, in), (n·h·w, out)
            dx = tf.nn.conv2d(dy, tf.transpose(kernel, (0, 1, 3, 2)), 1, "VALID")
            d_kernel = tf.matmul(rows, dy_rows, transpose_a=True)[None, None]
            d_bias = tf.matmul(tf.ones((1, tf.shape(rows)[0]), dy.dtype), dy_rows)[0]  # see `_add_bias`
            return dx, d_kernel, d_bias

        return y, gradient

    return function(x, kernel, bias)
