"""The decoder's last layers as one function, with a gradient of as few passes over the maps as it can have.

Half of the decoder's numbers are in its last maps, and on a processor a step of training spends more time in walking
through them, for norms, biases and rectifiers, than in the products between. The function here is the layers' own
composition, written so that each of these passes is shared or replaced by a sum that is known anyway.
"""

import functools
from typing import Any

from vaelib.nn import backend, layers
from vaelib.nn.backend import keras, ops


def normalised_stack(x: Any, up_conv: Any, norm: Any, conv: Any, last_norm: Any, projection: Any) -> Any:
    """Return one step of training through five layers in their order, (n, h, w, c) to (n, 2h, 2w, 1).

    Both convolutions after a norm are 1×1, so the norm is a change of their weights, and no normalised map is made:
    with u = γ (x - m) / s + β, a convolution u K + b is x K' + b' with K' = γ K / s, b' = b + (β - γ m / s) K. Every
    sum that the norm's gradient needs follows from the gradients of K' and b'. The gradient that reaches the last norm
    is an outer product, known from a number a pixel. Other backends and devices, layers of several precisions and
    layers with other settings are called one after the other.
    """
    chain = (up_conv, norm, conv, last_norm, projection)
    precisions = {keras.backend.standardize_dtype(each.compute_dtype) for each in chain}
    relu = all(each.activation is keras.activations.relu for each in (up_conv, conv))
    to_one = projection.filters == 1 and projection.activation is keras.activations.linear
    pointwise = all(each.kernel_size == (1, 1) for each in (conv, projection))
    # Elsewhere XLA may lack what it needs; for a processor TensorFlow brings it whole.
    if len(precisions) == 1 and relu and to_one and pointwise and backend.on_processor():
        y = up_conv.convolve(ops.cast(x, *precisions))
        if all(each.trainable and each.fits_one_kernel(y) for each in (norm, last_norm)):
            return _stacked(y, up_conv, norm, conv, last_norm, projection)
    return projection(last_norm(conv(norm(up_conv(x), training=True)), training=True))


def _stacked(y: Any, up_conv: Any, norm: Any, conv: Any, last_norm: Any, projection: Any) -> Any:
    """Return the stack's output from y (n, h, w, c), the up-convolution without bias; its dtype is the maps'."""
    import tensorflow as tf

    dtype = y.dtype

    @tf.custom_gradient
    def function(y: Any, shift: Any, *parameters: Any) -> tuple[Any, ...]:
        gamma, beta, kernel, bias, last_gamma, last_beta, last_kernel, last_bias = parameters
        kernel, last_kernel = kernel[0, 0], last_kernel[0, 0, :, 0]  # (c, d), (d,)
        x = _compiled(_shifted_relu)(y, shift)  # (n, h, w, c)
        mean, variance = _moments(x)
        inverse = tf.math.rsqrt(variance + norm.epsilon)
        scale = gamma * inverse
        folded = tf.cast(scale[:, None] * kernel, dtype)
        # By what the kernel is rounded to, so that its rounding is worth as little as the map varies about its mean.
        offset = bias + _along(beta, kernel) - _along(mean, folded)
        # In float32: rounded, it would shift a whole channel, and shut or open many rectifiers at once.
        v = _compiled(_shifted_relu)(tf.nn.conv2d(x, folded[None, None], 1, "VALID"), offset)
        last_mean, last_variance = _moments(v)
        last_inverse = tf.math.rsqrt(last_variance + last_norm.epsilon)
        last_scale = last_gamma * last_inverse
        # As a product of matrices, which is faster than a convolution to one channel.
        last_folded = tf.cast(last_scale * last_kernel, dtype)[:, None]
        logits = tf.cast(tf.matmul(tf.reshape(v, (-1, v.shape[-1])), last_folded), "float32")
        logits += last_bias + _along(last_beta, last_kernel[:, None]) - _along(last_mean, last_folded)

        def gradient(d_logits: Any, *_: Any) -> tuple[Any, ...]:
            count = tf.cast(tf.size(d_logits), "float32")
            total = tf.reduce_sum(d_logits)
            # Σ d_logits (v - m) / s, of which every sum over the last map is made.
            along = (layers.sum_over_map(v, tf.cast(d_logits, dtype)) - last_mean * total) * last_inverse
            by_v = -last_scale * last_inverse * last_kernel * along / count
            constant = -last_scale * last_kernel * total / count - by_v * last_mean
            dv = _compiled(_outer_relu_gradient)(d_logits, v, last_kernel * last_scale, by_v, constant)
            d_offset = layers.sum_over_map(dv)  # (d,)
            d_folded = _products(x, dv)  # (c, d)
            dx = tf.nn.conv2d(dv, tf.transpose(folded)[None, None], 1, "VALID")
            # Σ over the map of (x - m) times the gradient of u K + b, which gives K's gradient and γ's.
            centred = inverse[:, None] * (d_folded - mean[:, None] * d_offset)
            d_gamma = tf.reduce_sum(kernel * centred, 1)
            d_beta = tf.linalg.matvec(kernel, d_offset)
            by_x = -scale * inverse * d_gamma / count
            dy = _compiled(_inner_relu_gradient)(dx, x, by_x, -scale * d_beta / count - by_x * mean)
            d_kernel = gamma[:, None] * centred + beta[:, None] * d_offset
            d_last_kernel = last_gamma * along + last_beta * total
            return (
                *(dy, layers.sum_over_map(dy), d_gamma, d_beta, d_kernel[None, None], d_offset),
                *(last_kernel * along, last_kernel * total, d_last_kernel[None, None, :, None], total[None]),
            )

        outputs = (tf.reshape(logits, tf.shape(y[..., :1])), mean, variance, last_mean, last_variance)
        return outputs, gradient

    parts = (norm.gamma, norm.beta, conv.kernel, conv.bias, last_norm.gamma, last_norm.beta)
    parameters = (up_conv.bias, *parts, projection.kernel, projection.bias)
    # Read here: a custom gradient takes tensors, no variables.
    logits, *moments = function(y, *(tf.identity(ops.convert_to_tensor(each)) for each in parameters))
    norm.move(*moments[:2])
    last_norm.move(*moments[2:])
    return logits


def _along(vector: Any, matrix: Any) -> Any:
    """Return the product (d,) float32 of a vector (c,) float32 and a matrix (c, d)."""
    return ops.sum(vector[:, None] * ops.cast(matrix, "float32"), 0)


def _products(x: Any, y: Any) -> Any:
    """Return Σ xᵢ yⱼ over a map, (c, d) float32, for x (n, h, w, c) and y (n, h, w, d), one product an image."""
    import tensorflow as tf

    x, y = (tf.reshape(each, (tf.shape(each)[0], -1, each.shape[-1])) for each in (x, y))
    return tf.reduce_sum(tf.cast(tf.matmul(x, y, transpose_a=True), "float32"), 0)


def _moments(x: Any) -> tuple[Any, Any]:
    """Return the mean and the biased variance of a map (n, h, w, c), each (c,) float32."""
    import tensorflow as tf

    count = tf.cast(tf.size(x) // x.shape[-1], "float32")
    mean = layers.sum_over_map(x) / count
    return mean, layers.sum_over_map(_compiled(_squared_deviation)(x, mean)) / count


@functools.cache
def _compiled(function: Any) -> Any:
    """Return a function of one pass over a map compiled by XLA, which does it in one pass."""
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
