"""The one door to Keras, and what differs between its backends: compiled inference, a batch shared by several devices.

The library's modules take `keras` and `ops` from here, so that Keras starts as `engine.starting` has it. Nothing here
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


_BLOCK = 32  # batches that a training on TensorFlow is fed at once


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Give Keras its own defaults for the block, or the function that this decorates, and the user's again after it.

    So no keras.json, variable or call of the user's (floatx, epsilon, image data format, dtype policy, limits of
    epochs and steps, JAX's 64 bits) reaches what a run is made of, and none of the user's own networks notices. Raises
    DeviceError as `device_names` does.
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

        users = jax.config.jax_enable_x64  # type: ignore[attr-defined]
        settings.append((partial(jax.config.update, "jax_enable_x64"), users, False))
    try:
        for put, _, own in settings:
            put(own)
        yield
    finally:
        for put, before, _ in settings:
            put(before)


_user: int | None = None  # the process that first used the backend


def begin_use() -> None:
    """Note that this process uses the backend. Raises ForkError in a fork of one that did, which would hang for ever.

    A fork has its parent's memory, but not the threads that the backend's work is handed to.
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
    """Return the names of the first `count` devices that train, accelerators before processors: "gpu:0", "cpu:0".

    Raises DeviceError when JAX_PLATFORMS asks for one that this machine lacks.
    """
    return _devices()[:count]


def _devices() -> list[str]:
    try:
        return [str(device) for device in keras.distribution.list_devices()]
    except (RuntimeError, AssertionError) as error:  # JAX has no message for some
        if not (asked := os.environ.get("JAX_PLATFORMS")):
            raise
        found = f" ({' '.join(str(error).split())})" if str(error) else ""
        raise DeviceError(
            f"JAX_PLATFORMS = {asked!r}: this machine has no such device{found}; allowed: what it has, cpu at least, "
            "or nothing, which lets JAX choose"
        ) from error


def on_processor() -> bool:
    """Return whether it is a processor that trains, not an accelerator."""
    return device_names()[0].startswith("cpu")


def accelerator() -> str | None:
    """Return the maker's name of the accelerator that trains, "NVIDIA H100 80GB HBM3" say; None for a processor."""
    if on_processor():
        return None
    if name() == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return str(details.get("device_name", "an accelerator"))


def default_workers(cores: int) -> int:
    """Return how many trainings to run side by side: one a core, or one alone where an accelerator does the work.

    Each process takes most of an accelerator's memory for itself, so a second one would find none.
    """
    return cores if on_processor() else 1


def in_calling_thread() -> Any:
    """Return the context in which a process that TensorFlow may give one thread runs compiled functions in its own.

    Otherwise every step is handed to the only thread of a pool and back, and its core idles each time. The kernels
    are the same, and so are the bits. Where there are more threads, or another backend or device, it changes nothing.
    """
    if name() != "tensorflow" or os.environ.get("TF_NUM_INTEROP_THREADS") != "1" or not on_processor():
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR")


def fed(batches: keras.utils.PyDataset) -> Any:
    """Return batches of arrays (n, ...), n the same but for the last, which may have fewer, as `fit` is to take them.

    They come in the order that the batches have when an epoch begins. On TensorFlow as a data set that asks Python for
    many batches at once, which costs as much as asking for one, and that tunes nothing: the thread that Keras's own has
    for tuning sleeps for longer and longer; where it misses being woken at the end of an epoch, the training waits for
    it, up to a minute.
    """
    if name() != "tensorflow":
        return batches
    import tensorflow as tf

    def blocks() -> Iterator[tuple[np.ndarray, ...]]:
        for begin in range(0, len(batches), _BLOCK):
            several = map(batches.__getitem__, range(begin, min(begin + _BLOCK, len(batches))))
            yield tuple(map(np.concatenate, zip(*several, strict=True)))

    first = batches[0]
    likeness = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in first)
    stream = tf.data.Dataset.from_generator(blocks, output_signature=likeness).unbatch().batch(len(first[0]))
    options = tf.data.Options()
    options.autotune.enabled = False
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(1).with_options(options)


@own_settings()
def infer(model: keras.Model, inputs: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of a built `model` for inputs (n, ...), as in inference: a list of arrays (n, ...).

    JAX compiles for every shape, so there n is filled up to a power of two: a handful of shapes in all.
    """
    begin_use()
    if name() != "jax":
        with in_calling_thread():
            outputs = _compiled(model, _traced)(ops.convert_to_tensor(inputs, model.inputs[0].dtype))
    else:
        n = len(inputs)
        filled = np.zeros((1 << (n - 1).bit_length(), *inputs.shape[1:]), inputs.dtype)
        filled[:n] = inputs
        values = [[v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables)]
        outputs, _ = _compiled(model, _jitted)(*values, filled)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output)[: len(inputs)] for output in outputs]


def _compiled(model: keras.Model, make: Callable[[keras.Model], Any]) -> Any:
    """Return what `make` makes of a model; made once a model, and kept with it."""
    if not hasattr(model, "compiled_inference"):
        model.compiled_inference = make(model)
    return model.compiled_inference


def _traced(model: keras.Model) -> Any:
    """Return a model as TensorFlow's function of n inputs, whatever n is; `predict` traces anew for a last batch."""
    import tensorflow as tf

    likeness = [tf.TensorSpec(each.shape, each.dtype) for each in model.inputs]
    function = tf.function(lambda inputs: model(inputs, training=False), input_signature=likeness, autograph=False)
    # The one trace by itself: called, the function would count the traces of all models and warn of so many.
    return function.get_concrete_function()


def _jitted(model: keras.Model) -> Any:
    """Return a model as JAX's function of its variables' values and the inputs.

    Unlike `predict_on_batch` it leaves the variables alone, so an interruption in it cannot damage a training.
    """
    import jax

    def inference(trainable: list[Any], non_trainable: list[Any], inputs: Any) -> Any:
        return model.stateless_call(trainable, non_trainable, inputs, training=False)

    return jax.jit(inference)


class DataParallel:
    """Data-parallel training: the devices of this machine that share each batch, every one with all the weights.

    The batch's statistics (batch norm, covariance) are those of the whole batch, so a training equals that on one
    device up to rounding. A last batch that cannot be cut into equal parts goes whole to every device, which is
    as exact. Raises DeviceError when the backend cannot share or the machine has fewer devices.
    """

    def __init__(self, count: int) -> None:
        if name() != "jax":
            raise DeviceError(
                f"devices = {count}: the {name()} backend trains on one device; set KERAS_BACKEND=jax to use more"
            )
        found = keras.distribution.list_devices()
        if len(found) < count:
            raise DeviceError(f"devices = {count}: this machine has {len(found)} ({', '.join(map(str, found))})")
        self.count = count
        self.distribution = keras.distribution.DataParallel(devices=found[:count])

    def scope(self) -> Any:
        """Return the context in which a model has to be made, for its variables to be on all devices.

        Only there is the distribution Keras's global one; `fit` runs outside, with batches from `place`. Within, it
        would cut every batch like the first, and fail at a last one that has no equal parts.
        """
        return self.distribution.scope()

    def place(self, array: np.ndarray) -> Any:
        """Return an array (n, ...) as a tensor on the devices: cut along n if `count` divides n, else whole on each."""
        layout = self.distribution.get_data_layout(array.shape)
        if len(array) % self.count:
            layout = keras.distribution.TensorLayout([None] * array.ndim, layout.device_mesh)
        return keras.distribution.distribute_tensor(array, layout)
