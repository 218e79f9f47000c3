"""Dask: lost workers, failed tasks, Ctrl-C, and clusters elsewhere."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sweeping import COMMAND, TINY, running_cluster, write

from vaelib import Experiment, sweep, train
from vaelib.errors import DeviceError, SettingError
from vaelib.nn import backend
from vaelib.run import Run
from vaelib.storage.checkpoint import finished_epochs
from vaelib.sweep import cluster
from vaelib.system import provenance
from vaelib.system.processes import ONE_THREAD


def test_a_clusters_worker_trains_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def held() -> dict[str, str | None]:
        sweep.hold_to_one_thread()
        return {name: os.environ.get(name) for name in ONE_THREAD}

    for name in ONE_THREAD:
        monkeypatch.delenv(name, raising=False)
    with running_cluster(threads=1) as address:
        found = sweep.on_dask({"x": (held,)}, scheduler=address, progress=False)
    assert found.finished == {"x": ONE_THREAD}
    assert held() == dict.fromkeys(ONE_THREAD), "this process is no worker"


def test_a_clusters_worker_of_several_threads_is_refused(tmp_path: Path) -> None:
    experiment = Experiment.from_profile("smoke", **TINY)
    with running_cluster(threads=2) as address:
        found = sweep.train_grid([experiment], tmp_path, scheduler=address, progress=False)
    assert found.finished == {} and not (tmp_path / experiment.name).exists()
    assert "has 2 threads; allowed: one" in found.failed[experiment.name]


def test_without_a_number_there_are_as_many_workers_as_the_backend_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def workers() -> int:
        from distributed import get_client

        return len(get_client().nthreads())

    assert cluster._default_workers() == backend.default_workers(provenance.hardware()["cores"])
    monkeypatch.setattr(cluster, "_default_workers", lambda: 3)
    assert sweep.on_dask({"x": (workers,)}, progress=False).finished == {"x": 3}


def test_no_cluster_at_an_address_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 1.0)
    with pytest.raises(SettingError, match=r"scheduler = 'tcp://127\.0\.0\.1:9': no Dask cluster"):
        sweep.on_dask({"x": (int, 1)}, scheduler="tcp://127.0.0.1:9", progress=False)


def test_what_fails_once_is_tried_again_and_what_fails_always_is_reported(tmp_path: Path) -> None:
    # Defined here, so that they travel as they are: a worker knows no test module.
    def once(place: Path) -> str:
        if not place.exists():
            place.touch()
            raise OSError("not yet")
        return "done"

    def always(place: Path) -> None:
        place.write_text(place.read_text() + "x" if place.exists() else "x")
        raise ValueError(f"never {place.name}")

    tasks = {"once": (once, tmp_path / "1"), "always": (always, tmp_path / "2"), "good": (abs, -3)}
    outcome = sweep.on_dask(tasks, workers=2, progress=False)
    assert outcome.finished == {"once": "done", "good": 3}
    assert outcome.failed == {"always": "ValueError: never 2"} and (tmp_path / "2").read_text() == "xx"


def test_what_kills_its_workers_is_given_up_and_the_others_finish() -> None:
    def deadly() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    # What others had returned to the lost workers is computed again, so only the outcome is promised here.
    outcome = sweep.on_dask({"good": (abs, -3), "deadly": (deadly,)}, workers=2, progress=False)
    assert outcome.finished == {"good": 3}
    assert outcome.failed.keys() == {"deadly"} and outcome.failed["deadly"].startswith("KilledWorker")


@contextlib.contextmanager
def workers_killed(times: float) -> Iterator[list[int]]:
    """Kill so many of this process's workers in the block, each as soon as it is there; yield their process ids."""

    def kill() -> None:
        while len(killed) < times and not ended.wait(0.01):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if child.pid not in killed and len(killed) < times and "spawn_main" in " ".join(child.cmdline()):
                        child.kill()
                        killed.append(child.pid)

    killed: list[int] = []
    ended = threading.Event()
    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def test_workers_killed_while_they_start_are_started_again() -> None:
    with workers_killed(2) as killed:
        outcome = sweep.on_dask({"good": (abs, -3)}, workers=2, progress=False)
    assert len(killed) == 2 and outcome == sweep.Outcome({"good": 3}, {})


def test_a_worker_killed_whenever_it_starts_is_told_of() -> None:
    message = r"^workers = 1: one died 3 times while it started"
    with workers_killed(math.inf) as killed, pytest.raises(DeviceError, match=message):
        sweep.on_dask({"good": (abs, -3)}, workers=1, progress=False)
    assert len(killed) == 3


@pytest.mark.timeout(300)
def test_a_killed_workers_run_goes_on_elsewhere(tmp_path: Path) -> None:
    experiment = Experiment.from_profile("smoke", **{**TINY, "epochs": 16, "seed": 7})
    pids = tmp_path / "pids"

    def told(text: str, root: str) -> object:
        from distributed import get_worker

        with pids.open("a") as stream:
            stream.write(f"{os.getpid()} {get_worker().name}\n")
        from vaelib.sweep import grid_training

        return grid_training._train_and_measure(text, root)

    with ThreadPoolExecutor(1) as pool:
        task = {experiment.name: (told, experiment.to_json(), str(tmp_path))}
        waiting = pool.submit(sweep.on_dask, task, workers=2, progress=False)
        path = tmp_path / experiment.name
        while finished_epochs(path) < 2:
            assert not waiting.done(), waiting.result()
            time.sleep(0.02)
        os.kill(int(pids.read_text().split()[0]), signal.SIGKILL)
        at = finished_epochs(path)
        outcome = waiting.result()
    assert at < 16, "it had finished before it was killed"
    first, second = (line.split() for line in pids.read_text().splitlines())
    # A worker that its nanny starts again has its old name.
    assert outcome.failed == {} and first[0] != second[0] and first[1] != second[1]
    made, alone = Run(path), train(experiment, tmp_path / "alone", progress=False)
    assert made.complete
    # One thread there and all cores here add up in another order.
    assert made.history["val_loss"] == pytest.approx(alone.history["val_loss"], rel=1e-2)


def test_ctrl_c_ends_the_workers_too(tmp_path: Path) -> None:
    file = write(tmp_path / "long.yml", "profile: smoke\nsettings: {epochs: 5000, snapshots: []}\ngrid: {seed: [0, 1]}")
    command = [*COMMAND, "sweep", str(file), "--root", str(tmp_path / "runs")]
    process = interruptible(*command)
    while not list((tmp_path / "runs").glob("*/manifest.json")):
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and f"  vaelib sweep {file}" in told, told[-2000:]
    assert "Traceback" not in told
    assert_all_end(process)


# Sends Ctrl-C at a moment that its first argument names, to all its processes as a terminal does.
INTERRUPTED = """
import os, signal, sys, threading, time
import distributed
from vaelib import sweep
from vaelib.sweep import cluster


def interrupt():
    print("now", flush=True)
    os.killpg(0, signal.SIGINT)


def at(owner, name, call=1, then=interrupt):
    original, calls = getattr(owner, name), []

    def hooked(*arguments, **options):
        calls.append(name)
        if len(calls) == call:
            then()
        return original(*arguments, **options)

    setattr(owner, name, hooked)


class Condition(threading.Condition):
    def __enter__(self):
        entered = super().__enter__()
        interrupt()  # the lock is held now
        return entered


def with_condition(self, *arguments, original=distributed.as_completed.__init__, **options):
    original(self, *arguments, **options)
    self.thread_condition = Condition()


moment = sys.argv[1]
workers, tasks = 1, {"short": (abs, -1), "long": (time.sleep, 3600)}
if moment == "the backend is asked":
    workers = None
    cluster._ask_backend = os.cpu_count
    from concurrent.futures import ProcessPoolExecutor
    original = ProcessPoolExecutor.submit
    ProcessPoolExecutor.submit = lambda *given: (original(*given), interrupt())[0]
elif moment == "the cluster starts":
    at(distributed.LocalCluster, "__init__")
elif moment == "a worker starts":
    at(distributed.Nanny, "instantiate")
elif moment == "a worker is started again":
    tasks = {"deadly": (os._exit, 1)}
    at(distributed.Nanny, "instantiate", call=2)
elif moment == "the client connects":
    at(distributed.Client, "__init__")
elif moment == "a task is handed in":
    at(distributed.Client, "submit", call=2)
elif moment == "a result is waited for with a lock":
    distributed.as_completed.__init__ = with_condition
elif moment == "a result arrives":
    at(cluster.tqdm, "update")
elif moment == "the client closes":
    tasks.pop("long")
    at(distributed.Client, "close")
elif moment == "the cluster closes":
    tasks.pop("long")
    at(distributed.LocalCluster, "close")
elif moment == "it ends for a first one":
    at(distributed.Client, "submit")
    at(distributed.Client, "close")
    at(distributed.LocalCluster, "close")
try:
    print(sweep.on_dask(tasks, workers=workers, progress=False))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(
    "moment",
    [
        "the backend is asked",
        "the cluster starts",
        "a worker starts",
        "a worker is started again",
        "the client connects",
        "a task is handed in",
        "a result is waited for with a lock",
        "a result arrives",
        "the client closes",
        "the cluster closes",
        "it ends for a first one",
    ],
)
def test_ctrl_c_ends_a_sweep_at_every_moment(moment: str) -> None:
    process = interruptible(sys.executable, "-c", INTERRUPTED, moment)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert out.startswith("now") and process.returncode == 130 and "Traceback" not in err, (out, err[-2000:])
    assert_all_end(process)


def interruptible(*command: str) -> subprocess.Popen[str]:
    """Start a command that leads a group of its own."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that starts the tests in the background has them ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def assert_all_end(first: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while _group_lives(first.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _group_lives(first.pid)


@pytest.mark.parametrize("way", ["a script", "the standard input"])
def test_no_process_runs_the_users_program_again(way: str, tmp_path: Path) -> None:
    program = """
print("begun")
import os
from vaelib import sweep
from vaelib.system.processes import pool

def double(x):
    return 2 * x

print(sweep.on_dask({"own": (double, 3)}, workers=1, progress=False).finished)
with pool(1) as process:
    print(process.submit(os.getppid).result() == os.getpid())
"""
    script = write(tmp_path / "script.py", program)
    given = (
        {"args": [sys.executable, str(script)]} if way == "a script" else {"args": [sys.executable], "input": program}
    )
    done = subprocess.run(**given, capture_output=True, text=True, timeout=120)  # type: ignore[call-overload]
    assert done.stdout.splitlines() == ["begun", "{'own': 6}", "True"], done.stderr


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
