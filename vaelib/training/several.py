"""Several trainings side by side, in processes of one thread each, which end with the process that started them."""

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path

from tqdm import tqdm

from vaelib import storage
from vaelib.errors import TrainingError
from vaelib.experiment import Experiment
from vaelib.run import Run
from vaelib.storage import checkpoint
from vaelib.system import provenance
from vaelib.system.processes import GLANCE, ONE_THREAD, hold_no_semaphore, interrupts_held, interrupts_noted, pool

# Nothing here imports Keras before it is needed: that takes seconds, and a worker has to watch its parent before.


def train_all(
    experiments: Sequence[Experiment], root: str | os.PathLike[str] = "runs", *, workers: int | None = None
) -> list[Run]:
    """Train several experiments side by side and return their finished runs, in the same order.

    Each process has one thread: on a small network that is faster than one process with all cores. Finished runs are
    opened and not trained again. Ctrl-C, or the end of this process for whatever reason, ends the workers too. They do
    not run the calling program again, so a script needs no `if __name__ == "__main__"` for them.

    Args:
        experiments: What to train.
        root: The folder of the runs.
        workers: The number of processes; by default one per core, or one in all where an accelerator does the work.

    Raises:
        StoreError: As in `train`.
        TrainingError: As in `train`, or a process was killed; what the others have finished by then is kept.
        DeviceError: As in `train`.
    """
    root = storage.user_path(root)
    missing = [experiment for experiment in experiments if not checkpoint.is_complete(root / experiment.name)]
    if missing:
        storage.check_writable(root)
    if workers is None and len(missing) > 1:
        from vaelib.nn.backend import default_workers

        workers = default_workers(provenance.hardware()["cores"])
    workers = min(workers or 1, len(missing))
    if workers > 1:
        try:
            _side_by_side(missing, root, workers)
        except KeyboardInterrupt:
            done = sum(checkpoint.is_complete(root / experiment.name) for experiment in experiments)
            raise KeyboardInterrupt(
                f"interrupted: {done} of {len(experiments)} runs are finished and kept in {root}, and the finished "
                "epochs of the others; the same call goes on from there"
            ) from None
    from vaelib.training.trainer import train

    return [train(experiment, root) for experiment in experiments]


def _side_by_side(experiments: Sequence[Experiment], root: Path, workers: int) -> None:
    watched, lifeline = multiprocessing.Pipe(duplex=False)
    with (
        lifeline,
        watched,
        interrupts_noted() as interrupts,
        pool(workers, begin=_begin_worker, given=(watched,)) as processes,
        tqdm(total=len(experiments), unit="run", mininterval=1) as bar,
    ):
        try:
            with interrupts_held():
                left = {processes.submit(_train_quietly, experiment, root) for experiment in experiments}
            while left:
                done, left = wait(left, GLANCE, FIRST_COMPLETED)
                for training in done:
                    training.result()
                    bar.update()
                if interrupts:
                    raise KeyboardInterrupt
        except BrokenProcessPool:
            raise TrainingError(
                "a training process was killed (out of memory?); its finished epochs are kept: call again to go on"
            ) from None
        except KeyboardInterrupt:
            lifeline.close()  # a run survives being killed at any moment, so the workers need not be asked to stop
            raise
        finally:
            processes.shutdown(wait=True, cancel_futures=True)


def _begin_worker(watched: Connection) -> None:
    hold_no_semaphore()
    # TensorFlow reads these when it makes its thread pools, at the first operation.
    os.environ.update(ONE_THREAD)
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()


def _end_with_parent(watched: Connection) -> None:
    watched.poll(None)  # nothing is ever sent: it returns when the other end closes, even by a SIGKILL
    os._exit(1)


def _train_quietly(experiment: Experiment, root: Path) -> None:
    from vaelib.training.trainer import train

    train(experiment, root, progress=False)
