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

# Nothing here imports Dask, Arrow or Keras before it is needed.

_RETRIES = 1  # of a run that fails; one whose worker is lost goes elsewhere without counting
_LOSSES = 3  # workers that a run may lose before it counts as failed: perhaps it is what kills them
_PATIENCE = 20.0  # seconds for a cluster to answer


@dataclass
class Outcome:
    """What became of a sweep: what each finished task returned and why each failed one did, by name."""

    finished: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def on_dask(
    tasks: Mapping[str, tuple[Any, ...]],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Run tasks on Dask and return what each returned or why it failed, with a bar that counts the finished ones.

    tasks: by name, each a function and its arguments, which have to pickle. workers: processes of one thread on this
    machine, by default one a core, or one in all where an accelerator does the work. scheduler: the address of a
    running Dask cluster, "tcp://host:8786" say, instead.
    A task that raises is tried once more; that of a lost worker goes to another. Raises SettingError when there is no
    cluster at the address, DeviceError when Keras's backend cannot train on this machine, and when a local worker ends
    whenever it starts. Ctrl-C ends the local workers, and leaves a cluster's. The local ones do not run the calling
    program again, so a script needs no `if __name__ == "__main__"` for them.
    """
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            came = stack.enter_context(interrupts_noted())
            client = stack.enter_context(_local(workers, came))
        else:
            client = stack.enter_context(_remote(scheduler))
            came = stack.enter_context(interrupts_noted())
        from distributed import as_completed

        waiting = {
            client.submit(function, *arguments, key=f"{name}-{os.getpid()}", retries=_RETRIES, pure=False): name
            for name, (function, *arguments) in tasks.items()
        }
        bar = stack.enter_context(tqdm(total=len(tasks), unit="run", mininterval=1, disable=not progress))
        ended = as_completed(waiting, with_results=True, raise_errors=False)
        left = len(waiting)
        while left:
            if came:
                raise KeyboardInterrupt
            batch = ended.next_batch(block=False)
            for future, result in batch:
                name = waiting[future]
                # Not by the future's status: once its result is here, its worker may have been lost.
                error = result[1] if isinstance(result, tuple) and len(result) == 3 else result
                if isinstance(error, BaseException):
                    outcome.failed[name] = f"{type(error).__name__}: {error}"
                else:
                    outcome.finished[name] = result
                bar.update()
                bar.set_postfix(failed=len(outcome.failed), refresh=False)
            left -= len(batch)
            time.sleep(GLANCE if left else 0)
    return outcome


def _quiet() -> None:
    # What fails is reported by name; how a cluster falls apart at Ctrl-C is nobody's concern.
    for name in ("distributed", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _remote(scheduler: str) -> Iterator[Any]:
    """Yield a client of the cluster at an address. Ctrl-C ends its search at once."""
    from distributed import Client

    _quiet()
    try:
        client = Client(scheduler, timeout=_PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise SettingError(f"scheduler = {scheduler!r}: no Dask cluster answers there: {error}") from None
    with client:
        yield client


@contextlib.contextmanager
def _local(workers: int | None, came: Sequence[int]) -> Iterator[Any]:
    """Yield a client of a cluster on this machine. A KeyboardInterrupt of the block ends it at once.

    came: filled by Ctrl-C, which nothing here answers by itself.
    """
    import dask
    from distributed import Client

    dask.config.set({"distributed.scheduler.allowed-failures": _LOSSES})
    _quiet()
    engine.check_devices()
    count = _default_workers() if workers is None else workers
    if came:
        raise KeyboardInterrupt
    with contextlib.ExitStack() as stack:
        stack.enter_context(without_main("Dask Worker process (from Nanny)"))
        with interrupts_held():
            cluster = _cluster(count)
        ending = stack.enter_context(contextlib.ExitStack())  # lasts until both are closed
        stack.callback(_close, cluster)
        client = Client(cluster)
        stack.callback(_close, client)
        try:
            yield client
        except KeyboardInterrupt:
            # A run may be killed at any moment; asked to end, a worker would first finish its epoch, or time out.
            ending.enter_context(_killing(cluster))
            raise


def _cluster(count: int) -> Any:
    """Start a cluster of so many workers on this machine. Raises DeviceError when one ends whenever it starts."""
    from distributed import LocalCluster, Nanny, Status

    class Keeper(Nanny):
        """Starts its worker again when that is killed at its first start, as it does by itself later on."""

        async def instantiate(self) -> Status:
            for _ in range(_LOSSES):
                status = await super().instantiate()
                if status == Status.running or self.status != Status.init:
                    return status
            given_up.append(self.name)
            return status

    given_up: list[Any] = []

    try:
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            worker_class=Keeper,
            memory_limit=0,  # or Dask would stop a training that its own estimate finds too large
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": ":0"},  # its own port may be another sweep's, and it would say so
            # Two small networks side by side are trained faster than one after the other on two threads.
            env={
                **ONE_THREAD,
                "OMP_NUM_THREADS": "1",
                "DASK_LOGGING__DISTRIBUTED": "critical",
            },
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:  # which only says that something failed to start
        if not given_up:
            raise
        raise DeviceError(
            f"workers = {count}: one ended {_LOSSES} times while it started (killed for memory?); what is finished is "
            "kept: call again, with fewer workers perhaps"
        ) from error


def _close(part: Any) -> None:
    # A worker that is just being started again cannot be closed in order, and Dask says so. By then all results
    # are here, and must not be lost for it; what is left of the workers ends with this process.
    with contextlib.suppress(Exception):
        part.close(timeout=_PATIENCE)


@contextlib.contextmanager
def _killing(cluster: Any) -> Iterator[None]:
    """Kill a cluster's workers until the end of the block, as one may be being started that has no process yet."""
    nannies = list(cluster.workers.values())
    for nanny in nannies:
        nanny.close_gracefully()  # which means: do not start it again
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
    # Asked in a process that ends: whoever looks for an accelerator takes its memory, which the workers need.
    with interrupts_held(), pool(1) as process:
        return process.submit(_ask_backend).result()


def _ask_backend() -> int:
    from vaelib.nn.backend import default_workers

    return default_workers(provenance.hardware()["cores"])


def hold_to_one_thread() -> None:
    """Let the Dask worker that this runs in train on one core, as a local one does; elsewhere, do nothing.

    It has to come before Keras is imported. Raises SettingError for a worker of several threads: it would train
    networks in one process at once, which share Keras's state.
    """
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # this is no worker
        return
    if worker.state.nthreads > 1:
        raise SettingError(
            f"the worker {worker.address} has {worker.state.nthreads} threads; allowed: one; start the cluster's "
            "workers with --nthreads 1"
        )
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
