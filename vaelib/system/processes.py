"""Helper processes: started without the user's program, out of reach of its Ctrl-C, ended with it."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker, spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any
from unittest import mock

from tqdm import tqdm

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""The environment in which TensorFlow trains on one core."""

GLANCE = 0.1
"""Seconds between two checks for Ctrl-C."""


@contextlib.contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Collect Ctrl-C in a list while the block runs, and handle it when the block ends, however it ends.

    A KeyboardInterrupt at an arbitrary moment can leave a lock held that another thread waits for, or be lost in a
    destructor. A process that ignores Ctrl-C still does.
    """
    interrupts: list[int] = []
    # Only the main thread sets handlers, and only it is interrupted.
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not main or not callable(handler):
        yield interrupts
        return
    signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, handler)
        if interrupts:
            handler(signal.SIGINT, None)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Block Ctrl-C for good in the processes that the block starts, and in this one until the block ends.

    A terminal sends Ctrl-C to all of them; only this one is to handle it, and not while it starts another.
    """
    resource_tracker.ensure_running()  # whose start by multiprocessing in the block would unblock signals
    with interrupts_noted():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which new processes inherit
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def pool(workers: int, *, begin: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> ProcessPoolExecutor:
    """Return a pool of new processes, which do not run the user's program again.

    Args:
        workers: The number of processes.
        begin: What each runs first; by default something that ends it with this process, however that ends.
        given: The arguments of `begin`.
    """
    if begin is None:
        begin, given = end_with, (os.getpid(),)
    # A forked TensorFlow would hang.
    return ProcessPoolExecutor(workers, mp_context=_Apart(), initializer=begin, initargs=given)


def end_with(parent: int) -> None:
    """End this process when `parent`, the id of the one that started it, has ended, even by a SIGKILL."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def without_main(name: str) -> Iterator[None]:
    """Keep processes called `name`, which multiprocessing starts in the block, from importing the main module.

    That would run a script again that has no `if __name__ == "__main__"`, and fail for one from standard input. The
    functions that they run are of this library, or are sent whole, as with Dask.
    """
    original = spawn.get_preparation_data

    def prepared(process: str) -> dict[str, Any]:
        data = original(process)
        return {k: v for k, v in data.items() if not (process == name and k.startswith("init_main_"))}

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
    """Let the progress bars of this process, which may be killed, share a lock between threads.

    By default they use a semaphore of the system; if it is left behind, a warning follows when the first process ends.
    """
    tqdm.set_lock(threading.RLock())
