"""Several trainings side by side, in processes of one thread each, which end with the process that began them."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker, spawn
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from tqdm import tqdm

from vaelib import provenance, run, store
from vaelib.experiment import Experiment

if TYPE_CHECKING:
    from vaelib.run import Run

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""What TensorFlow has to find in the environment of a process that is to train on one core."""

GLANCE = 0.1
"""Seconds between two looks at whether Ctrl-C came."""

# Nothing here imports Keras before it is needed: a worker is to watch its parent before that takes its seconds.


def train_all(
    experiments: Sequence[Experiment], root: str | os.PathLike[str] = "runs", *, workers: int | None = None
) -> "list[Run]":
    """Train several experiments side by side and return their finished runs, in the same order.

    `workers` processes of one thread each (by default one a core, or one in all where an accelerator does the
    work): on a small network that is faster than one process with all cores. Finished runs are opened and not
    trained again. Raises as `train` does; what the others have finished by then is kept. Ctrl-C, and the end of this
    process however it comes, ends the workers too. They do not run the calling program again, so a script needs no
    `if __name__ == "__main__"` for them.
    """
    root = store.user_path(root)
    missing = [each for each in experiments if not run.is_complete(root / each.name)]
    if missing:
        store.check_writable(root)
    if workers is None and len(missing) > 1:
        from vaelib.backend import default_workers

        workers = default_workers(provenance.hardware()["cores"])
    workers = min(workers or 1, len(missing))
    if workers > 1:
        try:
            _side_by_side(missing, root, workers)
        except KeyboardInterrupt:
            done = sum(run.is_complete(root / each.name) for each in experiments)
            raise KeyboardInterrupt(
                f"interrupted: {done} of {len(experiments)} runs are finished and kept in {root}, and the finished "
                "epochs of the others; the same call goes on from there"
            ) from None
    from vaelib.training import train

    return [train(each, root) for each in experiments]


def _side_by_side(experiments: Sequence[Experiment], root: Path, workers: int) -> None:
    watched, lifeline = multiprocessing.Pipe(duplex=False)
    with (
        lifeline,
        watched,
        interrupts_noted() as came,
        pool(workers, begin=_begin_worker, given=(watched,)) as processes,
        tqdm(total=len(experiments), unit="run", mininterval=1) as bar,
    ):
        try:
            with interrupts_held():
                left = {processes.submit(_train_quietly, each, root) for each in experiments}
            while left:
                done, left = wait(left, GLANCE, FIRST_COMPLETED)
                for each in done:
                    each.result()
                    bar.update()
                if came:
                    raise KeyboardInterrupt
        except BrokenProcessPool:
            from vaelib.training import TrainingError

            raise TrainingError(
                "a training process was killed (out of memory?); its finished epochs are kept: call again to go on"
            ) from None
        except KeyboardInterrupt:
            lifeline.close()  # a run may be killed at any moment, so the workers need not be asked
            raise
        finally:
            processes.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Note Ctrl-C in a list while the block runs, and answer it at the block's end, however it ends.

    Raised at any moment instead, a KeyboardInterrupt can leave a lock held that another thread waits for, or be lost in
    a destructor. Ctrl-C that this process ignores stays ignored.
    """
    came: list[int] = []
    # Only the main thread sets handlers, and only it is interrupted.
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not main or not callable(handler):
        yield came
        return
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(signal.SIGINT, None)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back from the processes that are started in the block for good, from this one until its end.

    A terminal sends Ctrl-C to all of them; only the first is to answer, and not while it starts another.
    """
    # Where multiprocessing starts this helper, it lets signals through again.
    resource_tracker.ensure_running()
    with interrupts_noted():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which new processes inherit
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def pool(workers: int, *, begin: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> ProcessPoolExecutor:
    """Return a pool of new processes, which do not run the user's program again.

    begin, given: what each runs first, and its arguments; by default they end with this process, however it ends.
    """
    if begin is None:
        begin, given = end_with, (os.getpid(),)
    # A forked TensorFlow would hang.
    return ProcessPoolExecutor(workers, mp_context=_Apart(), initializer=begin, initargs=given)


def end_with(parent: int) -> None:
    """Have this process end when `parent`, which began it, has ended, also by a SIGKILL."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def without_main(name: str) -> Iterator[None]:
    """Keep processes called `name`, started in the block by multiprocessing, from the main module.

    Each would import it, and so run a script again that has no `if __name__ == "__main__"`, or fail where it came from
    the standard input. What they are given here is of this library, or travels whole, as with Dask.
    """
    original = spawn.get_preparation_data

    def prepared(process: str) -> dict[str, Any]:
        told = original(process)
        return {k: v for k, v in told.items() if not (process == name and k.startswith("init_main_"))}

    with mock.patch.object(spawn, "get_preparation_data", prepared):
        yield


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with without_main(process_obj.name):
            return SpawnProcess._Popen(process_obj)


class _Apart(SpawnContext):
    Process = _Process


def hold_no_semaphore() -> None:
    """Have the bars of this process share a lock between threads, as one that may be killed should.

    Their own is a semaphore of the system; one that is left behind is told of when the first process ends.
    """
    tqdm.set_lock(threading.RLock())


def _begin_worker(watched: Connection) -> None:
    hold_no_semaphore()
    # TensorFlow reads these when it makes its thread pools, at the first operation.
    os.environ.update(ONE_THREAD)
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()


def _end_with_parent(watched: Connection) -> None:
    watched.poll(None)  # nothing is ever sent: it returns when the other end is closed, also by a SIGKILL
    os._exit(1)


def _train_quietly(experiment: Experiment, root: Path) -> None:
    from vaelib.training import train

    train(experiment, root, progress=False)
