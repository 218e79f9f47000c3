"""Sweeps: what a file means, every run once, failures and lost workers, one table."""

import base64
import contextlib
import csv
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

import nbformat
import psutil
import pyarrow.parquet
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from vaelib import Experiment, sweep, train
from vaelib.book import notebook_grid
from vaelib.errors import BuildError, DamagedError, DeviceError, SettingError
from vaelib.evaluation import measure
from vaelib.nn import backend
from vaelib.run import Run
from vaelib.storage.checkpoint import finished_epochs
from vaelib.sweep import Sweep, cluster, grid_training, tables
from vaelib.system import provenance
from vaelib.system.processes import ONE_THREAD

COMMAND = [sys.executable, "-c", "import vaelib.cli; vaelib.cli.main()"]
TINY = {"n_images": 80, "width": 0.06, "epochs": 2, "snapshots": [], "batch_size": 16}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_block_is_every_value_with_every_other_and_blocks_follow_one_another(tmp_path: Path) -> None:
    wanted = sweep.read(
        write(
            tmp_path / "s.yml",
            "profile: smoke\nsettings: {epochs: 1}\n"
            "grid:\n- {gamma: [0, 1e-2], seed: [0, 1]}\n- {penalty: covariance, gamma: [0, 0.1]}\n",
        )
    )
    assert wanted.points() == [
        {"epochs": 1, "gamma": 0, "seed": 0},
        {"epochs": 1, "gamma": 0, "seed": 1},
        {"epochs": 1, "gamma": "1e-2", "seed": 0},  # as YAML reads it
        {"epochs": 1, "gamma": "1e-2", "seed": 1},
        {"epochs": 1, "penalty": "covariance", "gamma": 0},
        {"epochs": 1, "penalty": "covariance", "gamma": 0.1},
    ]
    made = wanted.experiments()
    assert [(each.profile, each.gamma, each.seed) for each in made[2:4]] == [("smoke", 0.01, 0), ("smoke", 0.01, 1)]
    assert len({each.hash for each in made}) == len(made)


def test_equal_runs_are_made_once() -> None:
    assert len(Sweep(profile="smoke", grid={"seed": [0, 1, 0]}).experiments()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, r"s\.yml"),
        ("grid: [", r"s\.yml: line 1: expected"),
        ("grid:\n  gamma: [0]\n  seed: [0]\n  gamma: [1]", r"line 4: 'gamma' is there twice.* line 2 too"),
        ("grid:\n- {seed: 1}\n- {gamma: 0, seed: 2, 'seed': 3}", "line 3: 'seed' is there twice"),
        ("profile: smoke\ngrid: {seed: 1}\nprofile: book", "line 3: 'profile' is there twice"),
        ("on: {seed: [1]}", "unknown True; allowed: profile, settings, grid"),
        ("grid: {on: [1]}", "a name in `grid` is True; allowed: text; YAML reads on"),
        ("settings: {penalty: no}", "penalty = False; allowed: entanglement"),
        ("grid: {gamma: 2026-13-45}", r"s\.yml: month must be in 1..12"),
        ("- 1", "a sweep file has `grid`"),
        ("gird: {seed: [1]}", "unknown 'gird'; allowed: profile, settings, grid"),
        ("grid: 3", "grid = 3"),
        ("settings: {seed: 1}\ngrid: {seed: [1]}", "seed is in `settings` and in `grid`"),
        ("grid: {seed: []}", r"seed = \[\]: a grid needs a value or more"),
        ("grid: []", r"grid = \[\]; allowed: a block"),
        ("profile: papre", "profile = 'papre'"),
        ("grid: {gama: [1]}", "unknown setting 'gama'.*Did you mean 'gamma'"),
        ("grid: {gamma: [0, -1]}", "gamma = -1; allowed: numbers from 0 to 1000"),
    ],
)
def test_a_mistake_in_the_file_is_named_before_any_work(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "s.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingError, match=told):
        sweep.read(path).experiments()


@pytest.fixture(scope="module")
def grid() -> list[Experiment]:
    return Sweep(profile="smoke", settings=TINY, grid={"gamma": [0, 0.01], "seed": [0, 1]}).experiments()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def outcome(grid: list[Experiment], root: Path) -> sweep.Outcome:
    return sweep.train_grid(grid, root, workers=2, progress=False)


def test_every_run_is_an_ordinary_one_with_its_row(grid: list[Experiment], root: Path, outcome: sweep.Outcome) -> None:
    assert outcome.failed == {} and set(outcome.finished) == {each.name for each in grid}
    for experiment in grid:
        run, row = Run(root / experiment.name), outcome.finished[experiment.name]
        assert run.complete and row["run"] == run.path.name
        assert row["gamma"] == experiment.gamma and row["seed"] == experiment.seed and row["snapshots"] == ""
        assert row["val_loss"] == run.history["val_loss"].min()
        assert row["penalty"] == "entanglement" and row["train_penalty"] == run.history["penalty"][run.best_epoch - 1]
        measured = measure(run)
        assert {name: row[name] for name in measured} == measured
    assert len({row["error"] for row in outcome.finished.values()}) == len(grid)


def test_what_is_finished_and_measured_is_read_and_nothing_else_begun(
    grid: list[Experiment], root: Path, outcome: sweep.Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_training, "on_dask", None)  # calling it would fail
    with monkeypatch.context() as patch:
        patch.setattr(
            grid_training.storage, "check_writable", None
        )  # and so would this: a folder that can be read is enough
        assert sweep.train_grid(grid, root, progress=False) == outcome
    # Measured by another library, or not at all, it is measured again, and by a worker.
    asked = []
    monkeypatch.setattr(grid_training, "on_dask", lambda tasks, **_: asked.extend(tasks) or sweep.Outcome())
    monkeypatch.setattr(tables, "_library", lambda: b"another")
    assert sweep.train_grid(grid, root, progress=False).finished == {}
    assert asked == [each.name for each in grid]


def test_measures_are_of_the_library_with_all_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "LIBRARY", tmp_path)
    (tmp_path / "room").mkdir()
    digests = []
    for text in ("one = 1", "one = 2"):
        (tmp_path / "room" / "inner.py").write_text(text)
        digests.append(tables._library.__wrapped__())
    assert digests[0] != digests[1]


def test_a_sweep_of_fewer_seeds_has_the_first_of_each_block() -> None:
    whole = Sweep(profile="smoke", grid=[{"gamma": [0, 1], "seed": [3, 4, 5]}, {"beta": [1, 2]}, {"seed": 9}])
    assert [point.get("seed") for point in whole.limited(2).points()] == [3, 4, 3, 4, None, None, 9]
    assert whole.limited(9) == whole and whole.limited(2).profile == "smoke"


def test_the_table_is_the_same_in_both_files(outcome: sweep.Outcome, tmp_path: Path) -> None:
    rows = [*outcome.finished.values(), {"run": "another", "new": 1.5}]
    parquet, text = tables.write_table(tables.table(rows), tmp_path / "t.0")
    assert (parquet.name, text.name) == ("t.0.parquet", "t.0.csv")
    read = pyarrow.parquet.read_table(parquet).to_pylist()
    assert read[0] == {**rows[0], "new": None} and read[-1]["gamma"] is None
    with text.open() as stream:
        lines = list(csv.DictReader(stream))
    assert [line["run"] for line in lines] == [row["run"] for row in rows]
    assert float(lines[0]["val_loss"]) == rows[0]["val_loss"] and lines[-1]["new"] == "1.5"
    again = tables.read_table(text)
    assert tables.read_table(parquet) == read
    assert [{name: value or None for name, value in row.items()} for row in again] == [
        {name: value or None for name, value in row.items()} for row in read
    ], "in CSV no text and no value look alike"
    with pytest.raises(SettingError, match="no table of a sweep"):
        tables.read_table(tmp_path / "absent.csv")
    for file in (text, parquet):
        file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
        with pytest.raises(DamagedError, match=f"{file.name} is not what was written"):
            tables.read_table(file)


def test_a_column_of_numbers_and_words_is_text() -> None:
    made = tables.table([{"x": 1, "y": 1}, {"x": "one", "y": 0.5}, {"y": None}])
    assert made.to_pydict() == {"x": ["1", "one", None], "y": [1.0, 0.5, None]}


@contextlib.contextmanager
def running_cluster(threads: int) -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=threads, dashboard_address=None, memory_limit=0) as made:
        yield made.scheduler_address


def test_a_cluster_by_its_address_trains_what_is_left_and_touches_no_finished_run(
    grid: list[Experiment], root: Path, outcome: sweep.Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_default_workers", None)  # workers on this machine would ask it
    new = grid[0].replace(seed=9)
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*.json")}
    with running_cluster(threads=1) as address:
        again = sweep.train_grid([*grid, new], root, scheduler=address, progress=False)
    assert again.failed == {} and again.finished.pop(new.name)["seed"] == 9
    assert Run(root / new.name).complete and again.finished == outcome.finished
    assert {path: path.stat().st_mtime_ns for path in times} == times


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
    told = r"^workers = 1: one ended 3 times while it started"
    with workers_killed(math.inf) as killed, pytest.raises(DeviceError, match=told):
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

        return grid_training._one(text, root)

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


def vaelib(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)  # type: ignore[call-overload,no-any-return]


def test_the_command_writes_the_table_and_tells_of_failures(tmp_path: Path) -> None:
    wild = "{n_images: 80, width: 0.06, epochs: 1, snapshots: [], optimizer: sgd, schedule: constant}"
    file = write(
        tmp_path / "wild.yml",
        f"profile: smoke\nsettings: {wild}\ngrid: [{{learning_rate: 0.01}}, {{learning_rate: 10, beta: 1000}}]\n",
    )
    done = vaelib("sweep", file, "--root", tmp_path / "runs", "--table", tmp_path / "out" / "t", "--workers", 1)
    assert done.returncode == 1, done.stderr
    assert "1 finished, 1 failed" in done.stdout
    (failure,) = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert "learning_rate = 10, beta = 1000" in failure
    assert pyarrow.parquet.read_table(tmp_path / "out" / "t.parquet").num_rows == 1
    wrong = vaelib("sweep", tmp_path / "none.yml")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "none.yml" in wrong.stderr


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
    at(sweep.tqdm, "update")
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


NOTEBOOK = [
    "from typing import Optional\nx: float = 1.0  # a number\nword: Optional[str] = None\nseveral: list[float] = []\n"
    "profile: str = 'book'",
    "from vaelib import notebook\nnotebook.parameters(globals())\nassert x < 9, 'too large'",
    "notebook.glue('the_', square=x * x, name=repr(word), hidden=[1])",
    "from vaelib import figures\nfilm = notebook.media('walk.mp4')\nfilm.write_text(f'a walk at {x}')\n"
    "figures.show_video(film, 'a walk')",
]


@pytest.fixture
def rerun(tmp_path: Path) -> Path:
    cells = [new_code_cell(source) for source in NOTEBOOK]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "n.ipynb")
    return tmp_path / "n.ipynb"


def test_a_notebook_is_executed_over_a_grid_and_its_numbers_are_collected(
    rerun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Sweep(profile="smoke", settings={"word": "y"}, grid={"x": [2, "3e0", 10]})
    outcome = notebook_grid.execute_grid(wanted, rerun, tmp_path / "out", workers=2, progress=False)
    rows = sorted(outcome.finished.values(), key=lambda row: row["the_square"])
    assert [(row["x"], row["word"], row["the_square"], row["the_name"]) for row in rows] == [
        (2, "y", 4.0, "'y'"),
        (3.0, "y", 9.0, "'y'"),
    ]
    assert all("the_hidden" not in row for row in rows)
    (reason,) = outcome.failed.values()
    assert "too large" in reason
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("n-????????????.ipynb")}
    assert {path.name for path in times} == set(outcome.finished)
    for name, row in outcome.finished.items():  # each has its own film, and none is in the folder that they share
        film = base64.b64encode(f"a walk at {row['x']}".encode()).decode()
        assert f"data:video/mp4;base64,{film}" in (tmp_path / "out" / name).read_text()
    assert not list(tmp_path.rglob("*.mp4")) and not (tmp_path / "media").exists()
    less = Sweep(profile="smoke", settings={"word": "y"}, grid={"x": [2, 3]})
    monkeypatch.setattr(sweep, "on_dask", None)  # calling it would fail
    again = notebook_grid.execute_grid(less, rerun, tmp_path / "out", progress=False)
    assert again == sweep.Outcome(outcome.finished), "the seconds are still those of the execution"
    assert {path: path.stat().st_mtime_ns for path in times} == times
    monkeypatch.undo()
    damaged = next(iter(times))
    good = damaged.read_text()
    damaged.write_text(good.replace("4.0", "5.0").replace("9.0", "5.0"))
    mended = notebook_grid.execute_grid(less, rerun, tmp_path / "out", workers=1, progress=False)
    assert [row["the_square"] for row in mended.finished.values()] == [4.0, 9.0], "a changed one is executed again"


def test_a_notebooks_kernel_is_this_python_whatever_the_user_has(
    rerun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = '{"argv": ["/bin/false"], "display_name": "Wrong", "language": "python"}'
    for variable, below in {"JUPYTER_PATH": "", "JUPYTER_DATA_DIR": "", "HOME": ".local/share/jupyter"}.items():
        kernels = tmp_path / variable / below / "kernels" / "python3"
        kernels.mkdir(parents=True)
        write(kernels / "kernel.json", wrong)
        monkeypatch.setenv(variable, str(tmp_path / variable))
    start = tmp_path / "ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    write(start / "00.py", "several_more = 1\n1 / 0\n")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    wanted = Sweep(profile="smoke", grid={"x": [2]})
    outcome = notebook_grid.execute_grid(wanted, rerun, tmp_path / "out", workers=1, progress=False)
    assert not outcome.failed and [row["the_square"] for row in outcome.finished.values()] == [4.0]


def test_the_command_lays_a_grid_over_a_notebook(rerun: Path, tmp_path: Path) -> None:
    text = "profile: smoke\ngrid: {x: [0, 1e-2], several: [[1, 2.5]]}\n"  # YAML reads 1e-2 as text
    done = vaelib("sweep", write(tmp_path / "g.yml", text), "--notebook", rerun, "--root", tmp_path, "--workers", 1)
    assert done.returncode == 0 and "2 finished, 0 failed" in done.stdout, done.stderr
    rows = tables.read_table(tmp_path / "g.parquet")
    assert [(row["x"], row["several"], row["the_square"]) for row in rows] == [
        (0.0, "1.0 2.5", 0.0),
        (0.01, "1.0 2.5", 0.01**2),
    ]
    assert all(row["seconds"] > 0 for row in rows)
    assert tables.read_table(tmp_path / "g.csv") == rows


def test_a_mistake_for_a_notebook_is_named_before_any_work(rerun: Path, tmp_path: Path) -> None:
    def check(told: str, kind: type[Exception], path: Path = rerun, **grid: object) -> None:
        with pytest.raises(kind, match=told):
            notebook_grid.execute_grid(Sweep(profile="smoke", grid=grid), path, tmp_path / "out")

    check(r"n\.ipynb has no parameter 'y'\. It has: x, word, several, profile", SettingError, y=[1])
    check("x = 'two'", SettingError, x=["two"])
    check("none.ipynb is no notebook", BuildError, path=tmp_path / "none.ipynb")
    check(r"r\.ipynb is written in R; allowed: notebooks in Python", BuildError, path=_kernel(rerun, "ir", "R", "r"))
    wrong = _kernel(rerun, "python3", "python", "wrong")
    wrong.write_text(wrong.read_text().replace("x: float = 1.0", "x: float = one"))
    check(r"^wrong\.ipynb: its parameters cell failed: NameError: name 'one' is not", BuildError, path=wrong)


def _kernel(path: Path, kernel: str, language: str, name: str) -> Path:
    """Write a copy of a notebook for another kernel, and return its path."""
    made = nbformat.read(path, as_version=4)
    made.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": language}
    nbformat.write(made, path.with_name(f"{name}.ipynb"))
    return path.with_name(f"{name}.ipynb")


def test_a_notebook_is_executed_by_this_environment_whatever_its_kernel_is_called(rerun: Path, tmp_path: Path) -> None:
    wanted = Sweep(profile="smoke", grid={"x": [2]})
    path = _kernel(rerun, "nosuch", "python", "other")
    outcome = notebook_grid.execute_grid(wanted, path, tmp_path / "out", workers=1, progress=False)
    assert [row["the_square"] for row in outcome.finished.values()] == [4.0]
    made = nbformat.read(path, as_version=4)
    made.metadata = {}  # as some editors leave it
    nbformat.write(made, path)
    outcome = notebook_grid.execute_grid(wanted, path, tmp_path / "out", workers=1, progress=False)
    assert not outcome.failed
