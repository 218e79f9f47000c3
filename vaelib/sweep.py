"""Many runs: a grid of settings and seeds, trained by Dask on this machine or on a cluster.

A sweep file is YAML::

    profile: sweep
    settings: {penalty: covariance}       # of every run
    grid:                                 # one block, or a list of blocks; in each, every value with every other
      gamma: [0, 0.01, 0.1]
      seed: [0, 1, 2, 3, 4]

Every run is an ordinary run's folder, so a sweep goes on where it stopped, and shares its runs with whoever asks for
the same settings.
"""

import contextlib
import itertools
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tqdm import tqdm

from vaelib import engine, provenance, run, store, sweep_table, yaml_text
from vaelib.experiment import Experiment, SettingError
from vaelib.parallel import (
    GLANCE,
    ONE_THREAD,
    hold_no_semaphore,
    interrupts_held,
    interrupts_noted,
    pool,
    without_main,
)

# Nothing here imports Dask, Arrow or Keras before it is needed.

_RETRIES = 1  # of a run that fails; one whose worker is lost goes elsewhere without counting
_LOSSES = 3  # workers that a run may lose before it counts as failed: perhaps it is what kills them
_PATIENCE = 20.0  # seconds for a cluster to answer


class Sweep(BaseModel):
    """The content of a sweep file. `points` are the values of each run, without the profile's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = "sweep"
    settings: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, Any] | list[dict[str, Any]] = Field(default_factory=dict)

    def points(self) -> list[dict[str, Any]]:
        """Return the values that each run has of its own or shares, in the file's order: the last name varies fastest.

        Raises SettingError for a name that is both fixed and varied, for one that has no values, and for a list of no
        blocks.
        """
        if self.grid == []:
            raise SettingError("grid = []: allowed is a block of names and values, or a list of such blocks")
        made = []
        for block in self.grid if isinstance(self.grid, list) else [self.grid]:
            for name, values in block.items():
                if name in self.settings:
                    raise SettingError(f"{name} is in `settings` and in `grid`: allowed is one of them")
                if values == []:
                    raise SettingError(f"{name} = []: a grid needs a value or more")
            lists = [values if isinstance(values, list) else [values] for values in block.values()]
            made += [{**self.settings, **dict(zip(block, point, strict=True))} for point in itertools.product(*lists)]
        return made

    def limited(self, seeds: int) -> "Sweep":
        """Return the sweep with at most the first `seeds` values of `seed` in each block."""
        blocks = self.grid if isinstance(self.grid, list) else [self.grid]
        shorter = []
        for block in blocks:
            values = block.get("seed")
            shorter.append({**block, "seed": values[:seeds]} if isinstance(values, list) else block)
        return self.model_copy(update={"grid": shorter})

    def experiments(self) -> list[Experiment]:
        """Return the experiment of each run, those that are equal once.

        Raises SettingError for an unknown profile or setting and for a value that is not allowed.
        """
        found = {each.hash: each for each in (Experiment.from_profile(self.profile, **p) for p in self.points())}
        return list(found.values())


def read(path: str | os.PathLike[str]) -> Sweep:
    """Read a sweep file.

    Raises SettingError, which names the file, for one that is missing or is no sweep, and the line for one that is no
    YAML or that has a name twice in one block. A value that a grid has twice is one run.
    """
    try:
        content = yaml_text.load(store.user_path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SettingError) as error:
        raise SettingError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise SettingError(f"{path}: a sweep file has `grid`, and perhaps `profile` and `settings`")
    if unknown := [name for name in content if name not in Sweep.model_fields]:
        raise SettingError(f"{path}: unknown {unknown[0]!r}: allowed are profile, settings, grid")
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        name, value, told = first["loc"][0], first["input"], first["msg"]
        if first["loc"][-1] == "[key]":
            told = f"a name in `{name}` is {value!r}: allowed is text; YAML reads on, off, yes and no as true and false"
            raise SettingError(f"{path}: {told}") from None
        raise SettingError(f"{path}: {name} = {value!r}: {told}") from None


@dataclass
class Outcome:
    """What became of a sweep: what each finished task returned and why each failed one did, by name."""

    finished: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def train_grid(
    experiments: Sequence[Experiment],
    root: str | os.PathLike[str] = "runs",
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train what is not yet finished, measure every run, and return the rows of its table by the run's name.

    root: the folder of the runs; on a cluster, one that all its machines see. workers and scheduler: as `on_dask`
    takes them. A failed run is tried once more, then reported in `failed`; the others go on.
    """
    root = store.user_path(root).resolve()
    tasks = {each.name: (_one, each.to_json(), str(root)) for each in experiments}
    kept = {name: found for name in tasks if (found := _finished(root / name))}
    left = {name: task for name, task in tasks.items() if name not in kept}
    if left:
        store.check_writable(root)
    outcome = on_dask(left, workers=workers, scheduler=scheduler, progress=progress) if left else Outcome()
    rows = {**kept, **outcome.finished}
    return Outcome({name: rows[name] for name in tasks if name in rows}, outcome.failed)


def _finished(path: Path) -> dict[str, Any] | None:
    """Return the row of a run that is finished and measured by this library, None for any other."""
    if not run.is_complete(path):
        return None
    with contextlib.suppress(store.DamagedError):
        opened = run.Run(path)
        measures = sweep_table.measured(opened)
        return None if measures is None else sweep_table.row(opened, measures)
    return None


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
        raise engine.DeviceError(
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
    from vaelib.backend import default_workers

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
            f"the worker {worker.address} has {worker.state.nthreads} threads: allowed is one; start the cluster's "
            "workers with --nthreads 1"
        )
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)


def _one(text: str, root: str) -> dict[str, Any]:
    """Train an experiment, given as JSON, unless it is finished, and return its row. Runs in a worker."""
    hold_to_one_thread()
    hold_no_semaphore()
    from vaelib.backend import keras
    from vaelib.training import train

    experiment = Experiment.from_json(text)
    try:
        return sweep_table.row(train(experiment, root, progress=False))
    finally:
        keras.backend.clear_session()  # a worker trains many networks one after another
