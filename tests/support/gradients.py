"""Gradients on any of Keras's backends, so that the same assertions hold on each."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np


def gradients(function: Callable[..., Any], *arrays: Any, variables: Sequence[Any] = ()) -> list[np.ndarray]:
    """Return the gradients of `function(*arrays)`, one number, by each of the arrays and then of the Keras variables.

    What the function assigns to variables is forgotten.
    """

    def value(tensors: list[Any], values: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*tensors)

    tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
    values = [keras.ops.convert_to_tensor(np.array(variable)) for variable in variables]
    if keras.backend.backend() == "jax":
        import jax

        by_tensors, by_values = jax.jit(jax.grad(value, (0, 1)))(
            tensors, values
        )  # compiled in one piece, it is sooner done
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch([*tensors, *values])
            result = value(tensors, values)
        by_tensors, by_values = tape.gradient(result, (tensors, values))
    return [np.asarray(gradient) for gradient in (*by_tensors, *by_values)]
