"""The runs of a sweep are ordinary ones, each with a row, and none is trained or measured twice."""

import csv
from pathlib import Path

import pyarrow.parquet
import pytest
from sweeping import TINY, running_cluster, vaelib, write

from vaelib import Experiment, sweep
from vaelib.errors import DamagedError, SettingError
from vaelib.evaluation import measure
from vaelib.run import Run
from vaelib.sweep import Sweep, cluster, grid_training, tables


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
    with pytest.raises(SettingError, match="not the table of a sweep"):
        tables.read_table(tmp_path / "absent.csv")
    for file in (text, parquet):
        file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
        with pytest.raises(DamagedError, match=f"{file.name} is not what was written"):
            tables.read_table(file)


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
