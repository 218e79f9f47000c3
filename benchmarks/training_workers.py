"""The processes that train, one for each model and precision, so that each has its own peak of memory.

A worker builds its model, says so, and then does turns as it is asked, until it is told to end.
"""

import math
import os
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

import common
import numpy as np

from vaelib import dataset
from vaelib.experiment import Experiment

N_IMAGES = 512  # in memory; a turn goes over them again and again
_SIDES = (512, 4096)  # of the matrices multiplied; small products do not reach the peak


def run(
    connection: Connection, kind: str, settings: str, log: str, threads: int | None, steps_per_execution: int | None
) -> None:
    """Do the work of one process: `kind` is "stock", "vaelib", "torch" or "product".

    `settings` is an experiment as JSON. TensorFlow's chatter goes to the file `log`, errors to the connection.
    `threads` and `steps_per_execution` are the library's own where they are None.
    """
    with open(log, "w") as file:
        os.dup2(file.fileno(), 2)
    # A terminal's or a test's settings must not decide which library is measured.
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2")
    if threads is not None:
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        if kind == "product":
            answer = _products(connection)
        else:
            answer = _training(connection, kind, settings, steps_per_execution)
        while (request := connection.recv()) is not None:
            connection.send(answer(**request))
    except (KeyboardInterrupt, EOFError):
        pass
    except Exception:
        connection.send({"error": traceback.format_exc()})


def _training(connection: Connection, kind: str, settings: str, steps_per_execution: int | None) -> Any:
    experiment = Experiment.from_json(settings)
    data = dataset.build(experiment.data, cache=False)
    if kind == "torch":
        import training_torch

        training: Any = training_torch.TorchTraining(experiment, data)
    else:
        training = KerasTraining(experiment, data, steps_per_execution, stock=kind == "stock")
    base = common.resident()
    connection.send({"parameters": training.parameters, "steps_per_execution": training.steps_per_execution})

    def answer(steps: int) -> dict[str, Any]:
        seconds, loss = training.train(steps)
        if not math.isfinite(loss):
            raise ArithmeticError(f"the loss became {loss}: nothing worth measuring")
        peak = common.peak_resident()
        return {"seconds": seconds, "loss": loss, "peak_bytes": peak, "above_model_bytes": max(peak - base, 0)}

    return answer


class KerasTraining:
    """Steps of training by Keras's `fit`, of the stock model or of the library's as it trains it."""

    def __init__(
        self, experiment: Experiment, data: dataset.DataSet, steps_per_execution: int | None = None, *, stock: bool
    ) -> None:
        import keras

        from vaelib.model import VAE
        from vaelib.training import trainer

        self.experiment, self.data = experiment, data
        self.batches, self.clock = trainer.Batches, _clock()
        keras.utils.set_random_seed(experiment.seed)
        if stock:
            from training_stock import StockVAE

            self.model: Any = StockVAE(experiment)
        else:
            self.model = VAE(experiment)
        self.steps_per_execution = steps_per_execution or 1
        # The same for both. Compiled by XLA the stock model is slower on a processor, so it is spared that.
        self.model.compile(
            optimizer=trainer._optimizer(experiment, steps=math.ceil(len(data.train) / experiment.batch_size)),
            jit_compile=False,
            steps_per_execution=self.steps_per_execution,
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self.parameters = {part: getattr(self.model, part).count_params() for part in ("encoder", "decoder")}

    def train(self, steps: int) -> tuple[float, float]:
        """Return the seconds from the first step's begin to the last one's end, and the mean loss."""
        rows = np.resize(self.data.train, steps * self.experiment.batch_size)
        batches = self.batches(self.data, rows, self.experiment, shuffle=self.experiment.shuffle)
        history = self.model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[self.clock])
        return self.clock.end - self.clock.begin, history.history["loss"][-1]


def _clock() -> Any:
    import keras

    class Clock(keras.callbacks.Callback):
        """Leaves out what `fit` does before its first step and after its last."""

        def on_train_begin(self, logs: Any = None) -> None:
            self.begin = 0.0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.begin = self.begin or time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.end = time.perf_counter()

    return Clock()


def _products(connection: Connection) -> Any:
    """Measure the speed of large matrix products in GFLOP/s, the best of those that a turn has time for."""
    import tensorflow as tf

    def once(matrix: Any) -> float:
        start = time.perf_counter()
        tf.linalg.matmul(matrix, matrix)  # on a processor it returns when it is done
        return time.perf_counter() - start

    def square(side: int, precision: str) -> Any:
        return tf.cast(tf.random.normal((side, side), stddev=side**-0.5), precision)

    matrices: dict[str, Any] = {}
    connection.send({})

    def answer(precision: str, seconds: float) -> dict[str, Any]:
        if precision not in matrices:
            side, largest = _SIDES
            matrix = square(side, precision)
            spent = min(once(matrix) for _ in range(3))
            while side < largest and 4 * 8 * spent < seconds:  # four products of the next size in a turn
                side, spent = 2 * side, 8 * spent
            matrices[precision] = square(side, precision)
            once(matrices[precision])
        matrix, spent, best = matrices[precision], 0.0, math.inf
        while spent < seconds:
            latest = once(matrix)
            spent, best = spent + latest, min(best, latest)
        side = matrix.shape[0]
        return {"gflops": 2 * side**3 / best / 1e9, "side": side}

    return answer
