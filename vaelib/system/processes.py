"""Processes that help this one: begun without the user's program, kept from its Ctrl-C, ended with it."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker, spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING, Any
from unittest import mock

from tqdm import tqdm

if TYPE_CHECKING:
    pass

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""What TensorFlow has to find in the environment of a process that is to train on one core."""

GLANCE = 0.1
"""Seconds between two looks at whether Ctrl-C came."""


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
