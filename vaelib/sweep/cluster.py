"""Dask's part of a sweep: tasks on workers of one thread each, on this machine or on a cluster.

Nothing here imports Dask or Keras before it is needed.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from vaelib.errors import DeviceError, SettingError
from vaelib.system import engine, provenance
from vaelib.system.processes import GLANCE, ONE_THREAD, interrupts_held, interrupts_noted, pool, without_main

_RETRIES = 1  # of a task that fails; moving to another worker when its own is lost does not count
_LOSSES = 3  # workers that a task may lose before it counts as failed: it may be what kills them
_PATIENCE = 20.0  # seconds for a cluster to answer


@dataclass
class Outcome:
    """The results of tasks, by name."""

    finished: dict[str, Any] = field(default_factory=dict)
    """What each finished task returned."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why each other task failed: the class and the message of its error."""


def on_dask(
    tasks: Mapping[str, tuple[Any, ...]],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Run tasks on Dask and return what each returned or why it failed.

    A task that raises is tried once more; that of a lost worker goes to another. Ctrl-C ends the local workers, and
    leaves a cluster's. The local ones do not run the calling program again, so a script needs no
    `if __name__ == "__main__"` for them.

    Args:
        tasks: By name, a function and its arguments, all of which have to pickle.
        workers: Processes of one thread on this machine; by default one per core, or a single one where an accelerator
            does the work.
        scheduler: The address of a running Dask cluster to use instead, such as "tcp://host:8786".
        progress: Whether to show a bar that counts the tasks that have ended.

    Raises:
        SettingError: No cluster answers at the address.
        DeviceError: Keras's backend cannot train on this machine, or a local worker dies whenever it starts.
    """
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            interrupts = stack.enter_context(interrupts_noted())
            client = stack.enter_context(_local(workers, interrupts))
        else:
            client = stack.enter_context(_remote(scheduler))
            interrupts = stack.enter_context(interrupts_noted())
        from distributed import as_completed

        names = {
            client.submit(function, *arguments, key=f"{name}-{os.getpid()}", retries=_RETRIES, pure=False): name
            for name, (function, *arguments) in tasks.items()
        }
        bar = stack.enter_context(tqdm(total=len(tasks), unit="run", mininterval=1, disable=not progress))
        completed = as_completed(names, with_results=True, raise_errors=False)
        remaining = len(names)
        while remaining:
            if interrupts:
                raise KeyboardInterrupt
            batch = completed.next_batch(block=False)
            for future, result in batch:
                name = names[future]
                # Not by the future's status: after its result has arrived, its worker may be lost.
                error = result[1] if isinstance(result, tuple) and len(result) == 3 else result
                if isinstance(error, BaseException):
                    outcome.failed[name] = f"{type(error).__name__}: {error}"
                else:
                    outcome.finished[name] = result
                bar.update()
                bar.set_postfix(failed=len(outcome.failed), refresh=False)
            remaining -= len(batch)
            time.sleep(GLANCE if remaining else 0)
    return outcome


def _quiet() -> None:
    # Failures are reported by name, and what Dask logs while it shuts down at Ctrl-C helps nobody.
    for name in ("distributed", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _remote(scheduler: str) -> Iterator[Any]:
    """Yield a client of the cluster at an address. Ctrl-C ends the attempt to connect at once."""
    from distributed import Client

    _quiet()
    try:
        client = Client(scheduler, timeout=_PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise SettingError(f"scheduler = {scheduler!r}: no Dask cluster answers there: {error}") from None
    with client:
        yield client


@contextlib.contextmanager
def _local(workers: int | None, interrupts: Sequence[int]) -> Iterator[Any]:
    """Yield a client of a cluster on this machine. A KeyboardInterrupt of the block ends it at once.

    interrupts: filled by Ctrl-C, to which nothing here responds by itself.
    """
    import dask
    from distributed import Client

    dask.config.set({"distributed.scheduler.allowed-failures": _LOSSES})
    _quiet()
    engine.check_devices()
    count = _default_workers() if workers is None else workers
    if interrupts:
        raise KeyboardInterrupt
    with contextlib.ExitStack() as stack:
        stack.enter_context(without_main("Dask Worker process (from Nanny)"))
        with interrupts_held():
            cluster = _cluster(count)
        killing = stack.enter_context(contextlib.ExitStack())  # lasts until both are closed
        stack.callback(_close, cluster)
        client = Client(cluster)
        stack.callback(_close, client)
        try:
            yield client
        except KeyboardInterrupt:
            # A training may be killed at any moment; a worker asked to close would finish its epoch first, or time out.
            killing.enter_context(_workers_killed(cluster))
            raise


def _cluster(count: int) -> Any:
    """Start a cluster of `count` workers on this machine. Raises DeviceError when one dies whenever it starts."""
    from distributed import LocalCluster, Nanny, Status

    class RestartingNanny(Nanny):
        """Restarts its worker also when that is killed at its first start, where Dask's own would give up."""

        async def instantiate(self) -> Status:
            for _ in range(_LOSSES):
                status = await super().instantiate()
                if status == Status.running or self.status != Status.init:
                    return status
            failed.append(self.name)
            return status

    failed: list[Any] = []
    try:
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            worker_class=RestartingNanny,
            memory_limit=0,  # or Dask would stop a training whose memory it estimates as too large
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": ":0"},  # the default port may be another sweep's: Dask would warn
            # Two small networks train faster side by side than one after the other on two threads.
            env={**ONE_THREAD, "OMP_NUM_THREADS": "1", "DASK_LOGGING__DISTRIBUTED": "critical"},
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:  # says no more than that something failed to start
        if not failed:
            raise
        raise DeviceError(
            f"workers = {count}: one died {_LOSSES} times while it started (killed for memory?); finished runs are "
            "saved: call again, perhaps with fewer workers"
        ) from error


def _close(part: Any) -> None:
    # A worker that is being restarted cannot be closed in order, and Dask raises. All results have arrived by then and
    # must not be lost; what is left of the workers ends with this process.
    with contextlib.suppress(Exception):
        part.close(timeout=_PATIENCE)


@contextlib.contextmanager
def _workers_killed(cluster: Any) -> Iterator[None]:
    """Kill a cluster's workers until the block ends: one that is being restarted may not have a process yet."""
    nannies = list(cluster.workers.values())
    for nanny in nannies:
        nanny.close_gracefully()  # that is, do not restart the worker
    ended = threading.Event()

    def kill() -> None:
        while True:
            for nanny in nannies:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL) if (pid := nanny.pid) else None
            if ended.wait(GLANCE):
                return

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _default_workers() -> int:
    # In a process that ends: looking for an accelerator claims its memory, which the workers need.
    with interrupts_held(), pool(1) as process:
        return process.submit(_ask_backend).result()


def _ask_backend() -> int:
    from vaelib.nn.backend import default_workers

    return default_workers(provenance.hardware()["cores"])


def hold_to_one_thread() -> None:
    """Let the Dask worker that calls this train on one core, as a local one does; outside of a worker, do nothing.

    Call it before Keras is imported.

    Raises:
        SettingError: The worker has several threads: it would train several networks at once in one process, where
            they share Keras's state.
    """
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # not in a worker
        return
    if worker.state.nthreads > 1:
        raise SettingError(
            f"the worker {worker.address} has {worker.state.nthreads} threads; allowed: one; start the cluster's "
            "workers with --nthreads 1"
        )
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
