"""The layers that Keras has not, or has slower: sampling, up-convolution, fused batch norm."""

from typing import Any

import keras
import numpy as np
from keras import ops

# Row p, tap a of the two-tap phase kernel is this combination of the three kernel rows (columns alike).
_PHASE = np.zeros((2, 2, 3), "float32")
_PHASE[0, 0, 0] = _PHASE[0, 1, 1] = _PHASE[0, 1, 2] = 1  # even outputs: [k0, k1 + k2]
_PHASE[1, 0, 0] = _PHASE[1, 0, 1] = _PHASE[1, 1, 2] = 1  # odd outputs:  [k0 + k1, k2]


class Sampling(keras.layers.Layer):
    """The reparameterisation z = μ + σ·ε, ε ~ N(0, 1), (n, d) to (n, d).

    σ is the constant `sigma` when no log-variance is given, else exp(½ log σ²). `rotation` (d, d), an orthogonal
    matrix, turns the noise: ε becomes ε R. Source: Kingma & Welling 2013.
    """

    def __init__(self, sigma: float, seed: int, rotation: np.ndarray | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.sigma = sigma
        self.rotation = rotation
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, mu: Any, log_variance: Any = None) -> Any:
        """Draw z (n, d) for the means `mu` (n, d)."""
        noise = keras.random.normal(ops.shape(mu), dtype=mu.dtype, seed=self.seed_generator)
        if self.rotation is not None:
            noise = ops.matmul(noise, ops.cast(self.rotation, mu.dtype))
        sigma = self.sigma if log_variance is None else ops.exp(0.5 * log_variance)
        return mu + sigma * noise


class UpConv2D(keras.layers.Layer):
    """Nearest-neighbour up-sampling by 2 and a 3×3 same convolution, as one exact convolution of the small map.

    (n, h, w, in) to (n, 2h, 2w, out). Each output pixel meets only 2×2 distinct inputs, so the four output phases
    are four 2×2 convolutions: 4 products an output instead of 9. Equal to Keras's UpSampling2D(2) followed by
    Conv2DTranspose(3, padding="same") whose kernel is this one's turned by 180° with its channels exchanged.
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
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x: Any) -> Any:
        """Return the up-convolved map (n, 2h, 2w, out)."""
        kernel = ops.cast(self.kernel, "float32")
        phases = ops.einsum("pau,qbv,uvio->abipqo", _PHASE, _PHASE, kernel)  # (2, 2, in, 2, 2, out)
        # In a common 3×3 window the even phase reads rows 0-1 and the odd one rows 1-2; columns alike.
        placed = [
            ops.pad(phases[:, :, :, p, q, :], ((p, 1 - p), (q, 1 - q), (0, 0), (0, 0))) for p in (0, 1) for q in (0, 1)
        ]
        window = ops.cast(ops.concatenate(placed, axis=3), x.dtype)  # (3, 3, in, 4·out)
        y = ops.depth_to_space(ops.conv(x, window, padding="same"), 2)
        return self.activation(y + ops.cast(self.bias, y.dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, 2h, 2w, out)."""
        n, h, w, _ = input_shape
        return (n, h and 2 * h, w and 2 * w, self.filters)


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation over the last axis, in one kernel where the backend has one.

    Same weights, moving statistics and inference as its parent; bfloat16 activations keep float32 statistics.
    Source: Ioffe & Szegedy 2015.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised map, of the shape of `inputs` (n, h, w, c)."""
        if not (training and self.trainable) or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = _fused_batch_norm(inputs, self.gamma, self.beta, self.epsilon)
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs


def _fused_batch_norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Return TensorFlow's one-kernel batch norm of x (n, h, w, c): the output, the batch's mean and variance."""
    import tensorflow as tf

    scale, offset = ops.cast(gamma, "float32"), ops.cast(beta, "float32")
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=epsilon)
    # TensorFlow returns the unbiased variance; Keras's moving statistics are made of the biased one.
    count = ops.cast(ops.size(x) // ops.shape(x)[-1], "float32")
    return y, mean, variance * (count - 1) / count
