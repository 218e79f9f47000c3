"""The decoder's last layers as one function, whose gradient takes as few passes over the maps as it can.

Half of the decoder's numbers are in its last maps, and on a processor a training step spends more time on passes over
them, for norms, biases and rectifiers, than on the products between. The function here is the layers' own composition,
written so that each of these passes is shared, or replaced by a sum that is known anyway.
"""

import functools
from typing import Any, NamedTuple

from vaelib.nn import backend, layers
from vaelib.nn.backend import keras, ops


def normalised_stack(x: Any, up_conv: Any, norm: Any, conv: Any, last_norm: Any, projection: Any) -> Any:
    """Return one step of training through five layers in their order.

    Both convolutions after a norm are 1×1, so the norm is a change of their weights, and no normalised map is made:
    with u = γ (x - m) / s + β, a convolution u K + b is x K' + b' with K' = γ K / s, b' = b + (β - γ m / s) K. Every
    sum that the norm's gradient needs follows from the gradients of K' and b'. The gradient that reaches the last norm
    is an outer product, known from one number per pixel. Other backends and devices, layers of several precisions and
    layers with other settings are called one after the other.

    Args:
        x: A map (n, h, w, c).
        up_conv: An up-convolution (`vaelib.nn.layers.UpConv2D`).
        norm: The batch norm after it.
        conv: A 1×1 convolution.
        last_norm: The batch norm after it.
        projection: A 1×1 convolution to one channel.

    Returns:
        The output (n, 2h, 2w, 1) of the projection.
    """
    chain = (up_conv, norm, conv, last_norm, projection)
    precisions = {keras.backend.standardize_dtype(layer.compute_dtype) for layer in chain}
    relu = all(layer.activation is keras.activations.relu for layer in (up_conv, conv))
    to_one = projection.filters == 1 and projection.activation is keras.activations.linear
    pointwise = all(layer.kernel_size == (1, 1) for layer in (conv, projection))
    # On other devices XLA may lack what it needs; for processors TensorFlow has all of it.
    if len(precisions) == 1 and relu and to_one and pointwise and backend.on_processor():
        y = up_conv.convolve(ops.cast(x, *precisions))
        if all(layer.trainable and layer.fits_one_kernel(y) for layer in (norm, last_norm)):
            return _stacked(y, up_conv, norm, conv, last_norm, projection)
    return projection(last_norm(conv(norm(up_conv(x), training=True)), training=True))


def _stacked(y: Any, up_conv: Any, norm: Any, conv: Any, last_norm: Any, projection: Any) -> Any:
    """Return the stack's output from y (n, h, w, c), the up-convolution without bias; its dtype is the maps'."""
    import tensorflow as tf

    @tf.custom_gradient
    def function(y: Any, shift: Any, *parameters: Any) -> tuple[Any, ...]:
        x = _compiled(_shifted_relu)(y, shift)  # (n, h, w, c)
        folded = _fold(x, *parameters[:4], epsilon=norm.epsilon)
        # With b' in float32: rounded, it would shift a full channel, and shut or open many rectifiers at once.
        v = _compiled(_shifted_relu)(tf.nn.conv2d(x, folded.kernel[None, None], 1, "VALID"), folded.bias)
        last = _fold(v, *parameters[4:], epsilon=last_norm.epsilon)

        def gradient(d_logits: Any, *_: Any) -> tuple[Any, ...]:
            dv, *d_last = _projection_gradients(d_logits, v, last)
            dy, *d_first = _convolution_gradients(dv, x, folded)
            return dy, layers.sum_over_map(dy), *d_first, *d_last

        logits = tf.reshape(_projected(v, last), tf.shape(y[..., :1]))
        return (logits, folded.mean, folded.variance, last.mean, last.variance), gradient

    first = (norm.gamma, norm.beta, conv.kernel, conv.bias)
    last = (last_norm.gamma, last_norm.beta, projection.kernel, projection.bias)
    # Read here: a custom gradient takes tensors, not variables.
    parameters = (tf.identity(ops.convert_to_tensor(weight)) for weight in (up_conv.bias, *first, *last))
    logits, *moments = function(y, *parameters)
    norm.move(*moments[:2])
    last_norm.move(*moments[2:])
    return logits


class _Folded(NamedTuple):
    """A norm's parameters γ, β and a map's moments m, s² (c,), folded into the 1×1 convolution K (c, d) after it."""

    gamma: Any  # γ
    beta: Any  # β
    plain: Any  # K
    mean: Any  # m
    variance: Any
    inverse: Any  # 1 / s
    scale: Any  # γ / s
    kernel: Any  # K', of the map's dtype
    bias: Any  # b' (d,)


def _fold(x: Any, gamma: Any, beta: Any, kernel: Any, bias: Any, *, epsilon: float) -> _Folded:
    """Fold the norm of a map x (n, h, w, c) into the convolution after it, kernel (1, 1, c, d) and bias (d,)."""
    import tensorflow as tf

    plain = kernel[0, 0]
    mean, variance = _moments(x)
    inverse = tf.math.rsqrt(variance + epsilon)
    scale = gamma * inverse
    folded = tf.cast(scale[:, None] * plain, x.dtype)
    # By what the kernel is rounded to, so that its rounding is worth as little as the map varies about its mean.
    offset = bias + _along(beta, plain) - _along(mean, folded)
    return _Folded(gamma, beta, plain, mean, variance, inverse, scale, folded, offset)


def _projected(v: Any, last: _Folded) -> Any:
    """Return the logits (n·h·w, 1) float32 of the last map v (n, h, w, d), as a product of matrices.

    That is faster than a convolution to one channel.
    """
    import tensorflow as tf

    return tf.cast(tf.matmul(tf.reshape(v, (-1, v.shape[-1])), last.kernel), "float32") + last.bias


def _projection_gradients(d_logits: Any, v: Any, last: _Folded) -> tuple[Any, ...]:
    """Return the gradients by v's values before its rectifier, then by the last norm's γ, β, the last kernel and bias.

    d_logits: (n, h, w, 1) float32; v: (n, h, w, d), rectified.
    """
    import tensorflow as tf

    kernel = last.plain[:, 0]  # (d,)
    count = tf.cast(tf.size(d_logits), "float32")
    total = tf.reduce_sum(d_logits)
    # Σ d_logits (v - m) / s, of which every sum over the last map is made.
    along = (layers.sum_over_map(v, tf.cast(d_logits, v.dtype)) - last.mean * total) * last.inverse
    by_v = -last.scale * last.inverse * kernel * along / count
    constant = -last.scale * kernel * total / count - by_v * last.mean
    dv = _compiled(_outer_relu_gradient)(d_logits, v, kernel * last.scale, by_v, constant)
    d_kernel = last.gamma * along + last.beta * total
    return dv, kernel * along, kernel * total, d_kernel[None, None, :, None], total[None]


def _convolution_gradients(dv: Any, x: Any, folded: _Folded) -> tuple[Any, ...]:
    """Return the gradients by x's values before its rectifier, then by the first norm's γ, β, the kernel and the bias.

    dv: (n, h, w, d), of the convolution's output; x: (n, h, w, c), rectified.
    """
    import tensorflow as tf

    count = tf.cast(tf.size(x) // x.shape[-1], "float32")
    d_bias = layers.sum_over_map(dv)  # (d,)
    d_folded = _products(x, dv)  # (c, d)
    dx = tf.nn.conv2d(dv, tf.transpose(folded.kernel)[None, None], 1, "VALID")
    # Σ over the map of (x - m) / s times the gradient of u K + b, which gives K's gradient and γ's.
    centred = folded.inverse[:, None] * (d_folded - folded.mean[:, None] * d_bias)
    d_gamma = tf.reduce_sum(folded.plain * centred, 1)
    d_beta = tf.linalg.matvec(folded.plain, d_bias)
    by_x = -folded.scale * folded.inverse * d_gamma / count
    dy = _compiled(_inner_relu_gradient)(dx, x, by_x, -folded.scale * d_beta / count - by_x * folded.mean)
    d_kernel = folded.gamma[:, None] * centred + folded.beta[:, None] * d_bias
    return dy, d_gamma, d_beta, d_kernel[None, None], d_bias


def _along(vector: Any, matrix: Any) -> Any:
    """Return the product (d,) float32 of a vector (c,) float32 and a matrix (c, d)."""
    return ops.sum(vector[:, None] * ops.cast(matrix, "float32"), 0)


def _products(x: Any, y: Any) -> Any:
    """Return Σ xᵢ yⱼ over a map, (c, d) float32, for x (n, h, w, c) and y (n, h, w, d), one product per image."""
    import tensorflow as tf

    x, y = (tf.reshape(pixels, (tf.shape(pixels)[0], -1, pixels.shape[-1])) for pixels in (x, y))
    return tf.reduce_sum(tf.cast(tf.matmul(x, y, transpose_a=True), "float32"), 0)


def _moments(x: Any) -> tuple[Any, Any]:
    """Return the mean and the biased variance of a map (n, h, w, c), each (c,) float32."""
    import tensorflow as tf

    count = tf.cast(tf.size(x) // x.shape[-1], "float32")
    mean = layers.sum_over_map(x) / count
    return mean, layers.sum_over_map(_compiled(_squared_deviation)(x, mean)) / count


@functools.cache
def _compiled(function: Any) -> Any:
    """Return a function of a map compiled by XLA, which does it in one pass."""
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def _shifted_relu(x: Any, shift: Any) -> Any:
    return ops.cast(ops.relu(ops.cast(x, "float32") + shift), x.dtype)


def _squared_deviation(x: Any, mean: Any) -> Any:
    return ops.cast(ops.square(ops.cast(x, "float32") - mean), x.dtype)


def _outer_relu_gradient(dy: Any, x: Any, a: Any, b: Any, c: Any) -> Any:
    """Return dy·a + x·b + c where x is above 0, else 0, for dy (n, h, w, 1), x (n, h, w, c) and a, b, c (c,)."""
    return ops.cast(ops.where(x > 0, dy * a + (ops.cast(x, "float32") * b + c), 0.0), x.dtype)


def _inner_relu_gradient(dx: Any, x: Any, b: Any, c: Any) -> Any:
    """Return dx + x·b + c where x is above 0, else 0, for dx and x (n, h, w, c) and b, c (c,)."""
    inner = ops.cast(dx, "float32") + (ops.cast(x, "float32") * b + c)
    return ops.cast(ops.where(x > 0, inner, 0.0), x.dtype)
