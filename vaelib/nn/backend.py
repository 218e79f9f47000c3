"""The one door to Keras, and what differs between its backends: compiled inference, batches shared by several devices.

The library's modules take `keras` and `ops` from here, so that Keras starts as `engine.starting` arranges. Nothing here
imports TensorFlow or JAX before it is needed, and JAX never where TensorFlow is the backend.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from vaelib.errors import DeviceError, ForkError
from vaelib.system import engine

with engine.starting():
    import keras
    from keras import ops as ops  # for the modules that take it from here


_BLOCK = 32  # batches that a training on TensorFlow receives at once


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Use Keras's defaults in the block, or in the decorated function, and restore the user's settings after it.

    So no keras.json, environment variable or call of the user's (floatx, epsilon, image data format, dtype policy,
    limits of epochs and steps, JAX's 64 bits) affects a run, and no run affects the user's own networks.

    Raises:
        DeviceError: As for `device_names`.
    """
    _devices()
    config = keras.config
    settings: list[tuple[Any, Any, Any]] = [
        (config.set_floatx, config.floatx(), "float32"),
        (config.set_epsilon, config.epsilon(), 1e-7),
        (config.set_image_data_format, config.image_data_format(), "channels_last"),
        (config.set_dtype_policy, config.dtype_policy(), "float32"),
        (config.set_max_epochs, config.max_epochs(), None),
        (config.set_max_steps_per_epoch, config.max_steps_per_epoch(), None),
    ]
    if name() == "jax":
        import jax

        x64 = jax.config.jax_enable_x64  # type: ignore[attr-defined]
        settings.append((partial(jax.config.update, "jax_enable_x64"), x64, False))
    try:
        for assign, _, default in settings:
            assign(default)
        yield
    finally:
        for assign, before, _ in settings:
            assign(before)


_user: int | None = None  # the id of the process that first used the backend


def begin_use() -> None:
    """Note that this process uses the backend.

    Raises:
        ForkError: This process is a fork of one that used the backend. It has that one's memory, but not the threads
            that the backend hands its work to, and would hang for ever.
    """
    global _user
    _user = _user or os.getpid()
    if _user != os.getpid():
        raise ForkError(
            f"this process was forked from process {_user}, which had used {name()} already, and would hang: use "
            "`vaelib.train_all` or `vaelib.sweep`, or begin processes with multiprocessing.get_context('spawn')"
        )


def name() -> str:
    """Return the name of Keras's backend: "tensorflow" or "jax"."""
    return str(keras.backend.backend())


def device_names(count: int = 1) -> list[str]:
    """Return the names of the first devices that train, accelerators before processors: "gpu:0", "cpu:0".

    Args:
        count: The most names to return.

    Raises:
        DeviceError: JAX_PLATFORMS asks for a device that this machine lacks.
    """
    return _devices()[:count]


def _devices() -> list[str]:
    try:
        return [str(device) for device in keras.distribution.list_devices()]
    except (RuntimeError, AssertionError) as error:  # some of JAX's have no message
        if not (platforms := os.environ.get("JAX_PLATFORMS")):
            raise
        reason = f" ({' '.join(str(error).split())})" if str(error) else ""
        raise DeviceError(
            f"JAX_PLATFORMS = {platforms!r}: this machine has no such device{reason}; allowed: those it has, cpu "
            "among them, or no value, which lets JAX choose"
        ) from error


def on_processor() -> bool:
    """Return whether training runs on a processor rather than on an accelerator."""
    return device_names()[0].startswith("cpu")


def accelerator() -> str | None:
    """Return the vendor's name of the accelerator that trains ("NVIDIA H100 80GB HBM3"); None for a processor."""
    if on_processor():
        return None
    if name() == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return str(details.get("device_name", "an accelerator"))


def default_workers(cores: int) -> int:
    """Return how many trainings to run side by side.

    Args:
        cores: The processor cores that may be used.

    Returns:
        `cores`, or 1 where an accelerator does the work, most of whose memory each process takes for itself.
    """
    return cores if on_processor() else 1


def in_calling_thread() -> Any:
    """Return a context in which a TensorFlow of one thread runs compiled functions in the calling thread.

    Otherwise every step is handed to the only thread of a pool and back, and the core idles each time. The kernels are
    the same, and so are the bits. With more threads, another backend or another device, it changes nothing.
    """
    if name() != "tensorflow" or os.environ.get("TF_NUM_INTEROP_THREADS") != "1" or not on_processor():
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR")


def fed(batches: keras.utils.PyDataset) -> Any:
    """Return batches in the form in which `fit` is to take them, in the order that they have when an epoch begins.

    On TensorFlow this is a data set that asks Python for many batches at once, which costs as much as asking for one.
    Its autotuning is off: the thread that Keras's own data set has for tuning sleeps longer and longer, and when it
    misses being woken at the end of an epoch, the training waits for it, up to a minute.

    Args:
        batches: Batches of arrays (n, ...), with the same n in all but the last, which may have fewer rows.

    Returns:
        A `tf.data.Dataset` on TensorFlow, else `batches` itself.
    """
    if name() != "tensorflow":
        return batches
    import tensorflow as tf

    def blocks() -> Iterator[tuple[np.ndarray, ...]]:
        for start in range(0, len(batches), _BLOCK):
            several = map(batches.__getitem__, range(start, min(start + _BLOCK, len(batches))))
            yield tuple(map(np.concatenate, zip(*several, strict=True)))

    first = batches[0]
    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in first)
    stream = tf.data.Dataset.from_generator(blocks, output_signature=signature).unbatch().batch(len(first[0]))
    options = tf.data.Options()
    options.autotune.enabled = False
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(1).with_options(options)


@own_settings()
def infer(model: keras.Model, inputs: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of a built model in inference.

    JAX compiles for every shape, so there n is padded to a power of two, which leaves a handful of shapes.

    Args:
        model: A built model with one input.
        inputs: (n, ...).

    Returns:
        An array (n, ...) for each output.
    """
    begin_use()
    if name() != "jax":
        with in_calling_thread():
            outputs = _compiled(model, _traced)(ops.convert_to_tensor(inputs, model.inputs[0].dtype))
    else:
        n = len(inputs)
        padded = np.zeros((1 << (n - 1).bit_length(), *inputs.shape[1:]), inputs.dtype)
        padded[:n] = inputs
        values = [[v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables)]
        outputs, _ = _compiled(model, _jitted)(*values, padded)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output)[: len(inputs)] for output in outputs]


def _compiled(model: keras.Model, make: Callable[[keras.Model], Any]) -> Any:
    """Return `make(model)`, which is made once and stored with the model."""
    if not hasattr(model, "compiled_inference"):
        model.compiled_inference = make(model)
    return model.compiled_inference


def _traced(model: keras.Model) -> Any:
    """Return a model as TensorFlow's function of n inputs, for any n; `predict` would trace again for a last batch."""
    import tensorflow as tf

    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
    function = tf.function(lambda inputs: model(inputs, training=False), input_signature=signature, autograph=False)
    # The trace alone: the function itself would count the traces of all models, and warn that there are so many.
    return function.get_concrete_function()


def _jitted(model: keras.Model) -> Any:
    """Return a model as JAX's function of its variables' values and the inputs.

    Unlike `predict_on_batch` it leaves the variables alone, so that an interruption cannot damage a training.
    """
    import jax

    def inference(trainable: list[Any], non_trainable: list[Any], inputs: Any) -> Any:
        return model.stateless_call(trainable, non_trainable, inputs, training=False)

    return jax.jit(inference)


class DataParallel:
    """Data-parallel training: this machine's devices share each batch, and each of them has all the weights.

    The batch's statistics (batch norm, covariance) are those of the full batch, so a training equals that on one device
    up to rounding. A last batch that cannot be divided equally goes to every device in full, which is as exact.

    Args:
        count: The number of devices.

    Raises:
        DeviceError: The backend cannot share batches, or the machine has fewer devices.
    """

    def __init__(self, count: int) -> None:
        if name() != "jax":
            raise DeviceError(
                f"devices = {count}: the {name()} backend trains on one device; set KERAS_BACKEND=jax to use more"
            )
        devices = keras.distribution.list_devices()
        if len(devices) < count:
            raise DeviceError(f"devices = {count}: this machine has {len(devices)} ({', '.join(map(str, devices))})")
        self.count = count
        self.distribution = keras.distribution.DataParallel(devices=devices[:count])

    def scope(self) -> Any:
        """Return the context in which a model has to be made, for its variables to be on all devices.

        Only inside it is the distribution Keras's global one; `fit` runs outside, with batches from `place`. Inside,
        `fit` would divide every batch like the first, and fail at a last one that has no equal parts.
        """
        return self.distribution.scope()

    def place(self, array: np.ndarray) -> Any:
        """Return an array (n, ...) on the devices: divided along n if `count` divides n, else copied to each."""
        layout = self.distribution.get_data_layout(array.shape)
        if len(array) % self.count:
            layout = keras.distribution.TensorLayout([None] * array.ndim, layout.device_mesh)
        return keras.distribution.distribute_tensor(array, layout)
