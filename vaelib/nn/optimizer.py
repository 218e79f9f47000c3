"""Adam as one operation per weight, where the backend has it."""

from typing import Any

from vaelib.nn.backend import keras, ops


class Adam(keras.optimizers.Adam):
    """Keras's Adam, with TensorFlow's one operation per weight in place of a dozen; equal up to rounding.

    Same variables and settings as its parent, which does what that operation cannot (AMSGrad, sparse gradients), and
    everything on other backends. Source: Kingma & Ba 2014.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable and its two moment estimates by its gradient."""
        if keras.backend.backend() != "tensorflow":
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            return super().update_step(gradient, variable, learning_rate)

        def number(value: Any) -> Any:
            return ops.cast(value, variable.dtype)

        index, step = self._get_variable_index(variable), number(self.iterations + 1)
        m, v = (slots[index].value.handle for slots in (self._momentums, self._velocities))
        first, second = number(self.beta_1), number(self.beta_2)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=m, v=v, beta1_power=first**step, beta2_power=second**step,
            lr=number(learning_rate), beta1=first, beta2=second, epsilon=number(self.epsilon), grad=number(gradient),
        )  # fmt: skip
