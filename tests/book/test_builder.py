"""The build, on a small tree, where things go right and wrong."""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import nbformat
import numpy as np
import pytest
from small_book import PARAMETERS, told, write_chapter

from vaelib import book
from vaelib.book import builder, chapters, execution, vendor
from vaelib.errors import BuildError, SettingError, StoreError
from vaelib.experiment import Experiment
from vaelib.run import Run
from vaelib.storage.checkpoint import finished_epochs
from vaelib.study import trainings
from vaelib.sweep import cluster, grid, tables
from vaelib.training import train


def test_parameters_reach_the_chapters_that_declare_them(tree: Path) -> None:
    output = tree / "_build"
    book.build(tree, profile="smoke", parameters={"gamma": "1e-2", "turns": "7"})
    one, two = sorted(told(output), key=lambda entry: str(entry["chapter"]))
    assert (one["profile"], one["gamma"], one["type"]) == ("smoke", 0.01, "float")
    assert two["gamma"] == 0.01 and one["static"]
    assert one["pid"] != two["pid"]
    executed = (output / "source" / "notebooks" / "02_two.ipynb").read_text()
    assert "turns = 7" in executed
    assert "turns" not in (output / "source" / "notebooks" / "01_one.ipynb").read_text()


def test_the_studys_trainings_are_made_before_the_chapter_that_reads_them(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tree / "plan.yml"
    plan.write_text(
        "profile: smoke\nsettings: {n_images: 80, width: 0.06, epochs: 1, snapshots: []}\ngrid: {seed: [0, 1, 2]}\n"
    )
    monkeypatch.setattr(trainings, "PLAN", plan)
    monkeypatch.setattr(cluster, "_default_workers", lambda: 1)
    asks = PARAMETERS + "\nsweep_seeds: Optional[int] = 1  # most seeds"
    write_chapter(tree, "02_two", "assert len(list((runs / 'sweep').glob('*/manifest.json'))) == 2", parameters=asks)
    book.build(tree, parameters={"sweep_seeds": "2"})
    rows = tables.read_table(tree / "_build" / "study" / "table.csv")
    assert [row["seed"] for row in rows] == [0, 1]
    assert json.loads((tree / "_build" / "study" / "provenance.json").read_text())["fresh"]
    seconds = json.loads((tree / "_build" / "timings.json").read_text())
    assert list(seconds)[:2] == ["staging", "study"]
    # Kept runs are read and not made again; kept chapters ask for none.
    made = {path: path.stat().st_mtime_ns for path in (tree / "_build" / "runs").rglob("*.json")}
    book.build(tree, parameters={"sweep_seeds": "2"}, reuse=True)
    assert {path: path.stat().st_mtime_ns for path in (tree / "_build" / "runs").rglob("*.json")} == made
    assert "study" not in json.loads((tree / "_build" / "timings.json").read_text())


def test_none_asks_for_all_seeds_where_the_default_is_fewer(tree: Path) -> None:
    parameters = PARAMETERS + "\nsweep_seeds: Optional[int] = 1  # most seeds"
    write_chapter(tree, "02_two", "assert sweep_seeds is None", parameters=parameters)
    process = command_line(tree, "--profile", "smoke", "-p", "sweep_seeds", "None")
    assert process.communicate(timeout=120) and process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"parameters": {"gama": 1}}, ["'gama'", "'gamma'", "profile, turns"]),
        ({"parameters": {"gamma": "much"}}, ["gamma = 'much'", "number"]),
        ({"parameters": {"gamma": -1}}, ["gamma = -1", "numbers from 0 to 1000"]),
        ({"parameters": {"turns": "often"}}, ["turns = 'often'", "whole numbers"]),
        ({"profile": "papre"}, ["'papre'", "smoke, book, paper, sweep"]),
        ({"chapters": ["07"]}, ["'07'", "01_one, 02_two"]),
    ],
)
def test_a_mistake_ends_the_build_before_it_begins(tree: Path, arguments: dict[str, object], named: list[str]) -> None:
    with pytest.raises(SettingError) as caught:
        book.build(tree, **{"profile": "smoke", **arguments})  # type: ignore[arg-type]
    assert all(text in str(caught.value) for text in named), caught.value
    assert not (tree / "_build").exists()


@pytest.fixture
def precious(tree: Path) -> Path:
    """A run of an earlier build."""
    run = tree / "_build" / "runs" / "precious"
    run.mkdir(parents=True)
    (tree / "_build" / ".vaelib-book").touch()
    return run


def test_a_mistake_leaves_the_last_build_as_it_was(tree: Path, precious: Path) -> None:
    with pytest.raises(SettingError):
        book.build(tree, parameters={"gama": 1})
    assert precious.exists()


def add_checks(path: Path, source: str) -> None:
    """Give a chapter a cell of checks after its parameters."""
    chapter = nbformat.read(path, as_version=4)
    chapter.cells.insert(2, nbformat.v4.new_code_cell(source, metadata={"tags": ["checks"]}))
    nbformat.write(chapter, path)


def test_a_chapters_own_checks_end_the_build_before_it_begins(tree: Path) -> None:
    path = tree / "notebooks" / "02_two.ipynb"
    add_checks(path, "from vaelib import SettingError\nif turns > 5:\n    raise SettingError(f'turns = {turns}: to 5')")
    with pytest.raises(SettingError, match="turns = 7: to 5"):
        book.build(tree, parameters={"turns": "7"})
    assert not (tree / "_build").exists()
    book.build(tree, parameters={"turns": "7"}, chapters=["01"])
    assert [entry["chapter"] for entry in told(tree / "_build")] == ["01_one"]
    add_checks(path, "1 / 0")
    with pytest.raises(BuildError, match="02_two: its checks failed: ZeroDivisionError: division by zero"):
        book.build(tree)


def test_no_run_is_removed_before_the_vendored_parts_are_there(
    tree: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Path) -> None:
        raise BuildError("npm could not install MathJax")

    executed = tree / "_build" / "source" / "notebooks" / "01_one.ipynb"
    executed.parent.mkdir(parents=True)
    executed.touch()
    monkeypatch.setattr(vendor, "collect", offline)
    with pytest.raises(BuildError, match="npm"):
        book.build(tree, profile="smoke")
    assert precious.exists() and executed.exists()


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "book.css")


def full_within(*_: object, **__: object) -> None:
    raise shutil.Error([("book/book.css", "source/book.css", "[Errno 28] No space left on device")])


@pytest.mark.parametrize(
    ("module", "function", "fault"),
    [(vendor, "collect", full), (shutil, "copyfile", full), (shutil, "copytree", full_within)],
    ids=["vendored parts", "file", "tree"],
)
def test_a_full_disk_while_staging_is_one_line_and_costs_no_run(
    tree: Path, precious: Path, module: object, function: str, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, function, fault)
    with pytest.raises(StoreError, match=r"cannot write .*No space left on device") as caught:
        book.build(tree, profile="smoke")
    assert "book.css" in str(caught.value) and "\n" not in str(caught.value)
    assert precious.exists()


def test_a_log_that_cannot_be_written_is_named(tree: Path, precious: Path) -> None:
    (tree / "_build" / "logs").touch()
    with pytest.raises(StoreError, match=r"cannot write .*logs: .*File exists"):
        book.build(tree, profile="smoke")


def test_runs_of_the_study_are_kept_for_a_chapter_that_does_not_read_them(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "_train_study", lambda chapters, output: {})
    write_chapter(tree, "02_two", parameters=PARAMETERS + "\nsweep_seeds: Optional[int] = None  # most seeds")
    book.build(tree, profile="smoke")
    runs = tree / "_build" / "runs"
    for number, kept in (("01", ["sweep"]), ("02", [])):
        for name in ("sweep", "precious"):
            (runs / name).mkdir(parents=True, exist_ok=True)
        book.build(tree, profile="smoke", chapters=[number])
        assert sorted(path.name for path in runs.iterdir()) == kept


def test_a_failed_cell_stops_the_build_and_is_named(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The other chapter is stopped with its kernel; what was finished, and the partial notebook, stay."""
    output = tree / "_build"
    write_chapter(tree, "01_one", "(runs / 'finished').touch()", "# the third try\nraise ValueError('the petals fell')")
    write_chapter(tree, "02_two", "import time; time.sleep(120)")
    begun = time.monotonic()
    with pytest.raises(BuildError) as caught:
        book.build(tree, profile="smoke", jobs=2)
    assert time.monotonic() - begun < 60
    message = str(caught.value)
    for part in ("01_one", "cell 5", "# the third try", "ValueError: the petals fell", "--reuse"):
        assert part in message
    partial = output / "source" / "notebooks" / "01_one.ipynb"
    assert str(partial) in message and "the petals fell" in partial.read_text()
    assert (output / "logs" / "01_one.log").is_file() and str(output / "logs" / "01_one.log") in message
    assert (output / "runs" / "finished").exists()
    assert not (output / "html").exists()
    assert all(gone(int(str(entry["pid"]))) for entry in told(output))


def gone(pid: int) -> bool:
    """Tell whether a process ends within some seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_kernel_that_dies_is_told_with_its_log(tree: Path) -> None:
    write_chapter(tree, "01_one", "import os; os._exit(3)")
    with pytest.raises(BuildError, match=r"01_one failed outside its cells:[\s\S]*DeadKernelError[\s\S]*01_one\.log"):
        book.build(tree, profile="smoke", chapters=())


def test_reuse_executes_nothing_twice(tree: Path) -> None:
    output = tree / "_build"
    book.build(tree, profile="smoke")
    assert [entry["chapter"] for entry in told(output)].count("01_one") == 1
    (output / "runs" / "finished").touch()

    book.build(tree, profile="smoke", reuse=True)
    assert len(told(output)) == 2

    write_chapter(tree, "02_two", "'edited'", parameters=PARAMETERS + "\nturns: int = 3  # how often")
    book.build(tree, profile="smoke", reuse=True)
    assert [entry["chapter"] for entry in told(output)[2:]] == ["02_two"]

    book.build(tree, profile="smoke", parameters={"turns": 4}, reuse=True)
    assert [entry["chapter"] for entry in told(output)[3:]] == ["02_two"]
    assert (output / "runs" / "finished").exists()

    book.build(tree, profile="smoke", chapters=["01"])
    assert [entry["chapter"] for entry in told(output)[4:]] == ["01_one"]
    assert not (output / "runs" / "finished").exists(), "fresh runs are the default"


def test_a_chapter_that_was_damaged_is_executed_again(tree: Path) -> None:
    show = (
        "pathlib.Path('media').mkdir(exist_ok=True)\npathlib.Path('media/a.bin').write_bytes(b'shown')\n'media/a.bin'"
    )
    write_chapter(tree, "01_one", show)
    output = book.build(tree, profile="smoke").parent
    for name in ("source/notebooks/01_one.ipynb", "source/notebooks/media/a.bin", "executed/01_one.json"):
        file = output / name
        good = file.read_bytes()
        for damaged in (good[:-3], good.replace(b"o", b"\xff"), None):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            before = len(told(output))
            book.build(tree, profile="smoke", reuse=True)
            assert [entry["chapter"] for entry in told(output)[before:]] == ["01_one"], (name, damaged)
            assert (output / "source" / "notebooks" / "media" / "a.bin").read_bytes() == b"shown"
    assert book.build(tree, profile="smoke", reuse=True) and len(told(output)) == before + 1


def test_a_killed_build_takes_its_chapters_along(tree: Path) -> None:
    """Or they would write the notebooks that the next build executes."""
    write_chapter(tree, "01_one", "import time; time.sleep(120)")
    process = command_line(tree, "--profile", "smoke", "--jobs", "1")
    while not told(tree / "_build"):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert gone(int(str(told(tree / "_build")[0]["pid"])))


def test_an_interrupted_first_chapter_goes_on_and_then_the_whole_book_is_built(tree: Path) -> None:
    gate = tree / "gate"
    write_chapter(tree, "01_one", f"import time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.1)")
    process, output = command_line(tree, "--profile", "smoke", "--chapter", "01"), tree / "_build"
    while not told(output):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    command = errors.strip().splitlines()[-1].strip()
    assert (process.returncode, command) == (130, "vaelib book --profile smoke --chapter 01 --reuse")

    gate.touch()
    process = command_line(tree, *shlex.split(command)[2:])
    assert process.communicate(timeout=60) and process.returncode == 0
    assert "not built yet" in (output / "source" / "notebooks" / "02_two.ipynb").read_text()
    book.build(tree, profile="smoke")
    assert sorted(str(entry["chapter"]) for entry in told(output)) == ["01_one"] * 3 + ["02_two"]
    assert "not built yet" not in (output / "source" / "notebooks" / "02_two.ipynb").read_text()


def test_a_warning_fails_the_build_and_keeps_the_last_pages(tree_with_pages: Path) -> None:
    tree = tree_with_pages
    page = book.build(tree, profile="smoke") / "index.html"
    (tree / "book" / "index.md").write_text("# Small\n\n{numref}`no-such-figure`\n")
    with pytest.raises(BuildError, match=r"WARNING: undefined label: 'no-such-figure'[\s\S]*jupyter-book\.log"):
        book.build(tree, profile="smoke", reuse=True)
    assert page.is_file()


def test_a_folder_of_somebody_elses_is_not_touched(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / "runs").mkdir(parents=True)
    with pytest.raises(BuildError, match="is not empty"):
        book.build(tree, tmp_path / "home", profile="smoke")
    assert (tmp_path / "home" / "runs").is_dir()


def test_an_output_that_cannot_be_written_is_named(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*file/under"):
        book.build(tree, tmp_path / "file" / "under", profile="smoke")


def test_no_kernel_of_the_users_takes_the_place_of_this_python(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"argv": ["/bin/false"], "display_name": "Wrong", "language": "python"}
    for variable, place in {"JUPYTER_PATH": "path", "JUPYTER_DATA_DIR": "data", "HOME": "home"}.items():
        data = tree / place if variable != "HOME" else tree / place / ".local" / "share" / "jupyter"
        (data / "kernels" / "python3").mkdir(parents=True)
        (data / "kernels" / "python3" / "kernel.json").write_text(json.dumps(wrong))
        monkeypatch.setenv(variable, str(tree / place))
    book.build(tree, profile="smoke")
    assert {str(entry["python"]) for entry in told(tree / "_build")} == {sys.executable}


def test_media_that_a_chapter_names_are_beside_its_page(tree_with_pages: Path) -> None:
    tree = tree_with_pages
    write_chapter(
        tree, "01_one", "pathlib.Path('media').mkdir(); pathlib.Path('media/clip.mp4').write_bytes(b'moving')"
    )
    html = book.build(tree, profile="smoke")
    assert (html / "notebooks" / "media" / "clip.mp4").read_bytes() == b"moving"
    assert not (tree / "notebooks" / "media").exists()


def command_line(
    tree: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    group: bool = False,
    plan: Path = trainings.PLAN,
) -> subprocess.Popen[str]:
    """Start `vaelib book` in the tree, without the vendored parts and the pages, in a `group` of its own or not.

    plan: the file with the study's trainings, which one worker is to train.
    """
    program = (
        "import pathlib\n"
        "from vaelib import cli\n"
        "from vaelib.book import builder, vendor\n"
        "from vaelib.study import trainings\n"
        "from vaelib.sweep import cluster\n"
        "cluster._default_workers = lambda: 1\n"
        f"trainings.PLAN = pathlib.Path({str(plan)!r})\n"
        "vendor.collect = lambda book, cache, target: target.mkdir(parents=True, exist_ok=True)\n"
        "builder._pages = lambda source, output: output / 'html'\n"
        "cli.main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, "book", *arguments],
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        start_new_session=group,
        # A shell that starts the tests in the background has them ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_an_interrupted_build_stops_its_chapters_and_tells_how_to_go_on(tree: Path) -> None:
    for name in ("01_one", "02_two"):
        write_chapter(tree, name, "import time; time.sleep(120)")
    process = command_line(tree, "--profile", "smoke", "--jobs", "2")
    output = tree / "_build"
    for _ in range(600):
        if len(told(output)) == 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    message, command = errors.strip().splitlines()[-2:]
    assert message == (
        f"vaelib: interrupted; kept in {output / 'runs'}: finished runs 0, unfinished runs 0; a build "
        "that reuses them continues from there:"
    )
    assert command.strip() == "vaelib book --profile smoke --jobs 2 --reuse"
    assert "Traceback" not in errors
    assert all(gone(int(str(entry["pid"]))) for entry in told(output))


def test_an_interrupted_build_keeps_its_runs_and_goes_on_from_there(tree: Path, tmp_path: Path) -> None:
    """Interrupted while its second run is being trained, in the third epoch."""
    settings = {"n_images": 60, "width": 0.06, "snapshots": []}
    experiments = [Experiment.from_profile("smoke", seed=seed, epochs=4, **settings) for seed in (1, 2)]
    output, gate = tree / "_build", tree / "gate"
    halting = f"""
import pathlib, time
from vaelib import train
from vaelib.training import callbacks, trainer

def wait(trainer, epoch, logs=None, original=callbacks.EpochSaver.on_epoch_begin):
    while epoch == 2 and trainer.vae.experiment.seed == 2 and not pathlib.Path({str(gate)!r}).exists():
        time.sleep(0.05)
    original(trainer, epoch, logs)

callbacks.EpochSaver.on_epoch_begin = wait"""
    training = [f"train(Experiment.from_json({experiment.to_json()!r}), runs)" for experiment in experiments]
    write_chapter(tree, "01_one", halting, *training)
    first, second = (output / "runs" / experiment.name for experiment in experiments)

    process = command_line(tree, "--profile", "smoke", "--jobs", "1", group=True)
    while finished_epochs(second) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors
    message, command = errors.strip().splitlines()[-2:]
    assert ": finished runs 1, unfinished runs 1;" in message
    assert finished_epochs(second) == 2 and Run(first).complete
    kernel = next(int(str(entry["pid"])) for entry in told(output) if entry["chapter"] == "01_one")
    assert gone(kernel)
    kept = (first / "manifest.json").stat()

    gate.touch()
    process = command_line(tree, *shlex.split(command)[2:])
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert (first / "manifest.json").stat() == kept, "a finished run was trained again"
    alone = train(experiments[1], tmp_path / "alone", progress=False)
    np.testing.assert_array_equal(Run(second).embeddings, alone.embeddings)
    assert Run(second).history["loss"].tolist() == alone.history["loss"].tolist()


def test_an_interrupted_study_keeps_its_runs_and_goes_on_with_the_rest(tree: Path) -> None:
    """Interrupted when one of its two trainings is finished and the other in its second epoch."""
    plan, gate, workers, preload = (tree / name for name in ("plan.yml", "gate", "workers", "preload.py"))
    plan.write_text(
        "profile: smoke\nsettings: {n_images: 60, width: 0.06, epochs: 2, snapshots: []}\ngrid: {seed: [0, 1]}\n"
    )
    workers.mkdir()
    preload.write_text(f"""
import os, pathlib, time
from vaelib.training import callbacks, trainer

pathlib.Path({str(workers)!r}, str(os.getpid())).touch()

def wait(trainer, epoch, logs=None, original=callbacks.EpochSaver.on_epoch_begin):
    while epoch == 1 and trainer.vae.experiment.seed == 1 and not pathlib.Path({str(gate)!r}).exists():
        time.sleep(0.05)
    original(trainer, epoch, logs)

callbacks.EpochSaver.on_epoch_begin = wait""")
    write_chapter(tree, "02_two", parameters=PARAMETERS + "\nsweep_seeds: Optional[int] = None  # most seeds")
    output, environment = tree / "_build", {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(preload)}
    first, second = (output / "runs" / "sweep" / each.name for each in grid.read(plan).experiments())
    finished = (first / "manifest.json", first.with_name(f"{first.name}.measures.json"))

    process = command_line(tree, "--jobs", "1", env=environment, group=True, plan=plan)
    while not finished[1].exists() or finished_epochs(second) < 1:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors
    message, command = errors.strip().splitlines()[-2:]
    assert ": finished runs 1, unfinished runs 1;" in message
    assert command.strip() == "vaelib book --jobs 1 --reuse"
    begun = list(workers.iterdir())
    assert begun and all(gone(int(path.name)) for path in begun)
    assert Run(first).complete and finished_epochs(second) == 1
    assert told(output) == [] and not (output / "study").exists()
    kept = [path.stat().st_mtime_ns for path in finished]

    gate.touch()
    process = command_line(tree, *shlex.split(command)[2:], env=environment, plan=plan)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert [path.stat().st_mtime_ns for path in finished] == kept, "a finished run was trained or measured again"
    assert Run(second).complete
    assert [row["seed"] for row in tables.read_table(output / "study" / "table.csv")] == [0, 1]
    assert sorted(str(entry["chapter"]) for entry in told(output)) == ["01_one", "02_two"]


def test_a_kernel_that_dies_before_its_first_cell_is_started_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, starts = execution.Executor._papermill, []

    def unlucky(self: execution.Executor, chapter: chapters.Chapter, executed: Path, log: Path) -> int:
        starts.append(chapter.name)
        if len(starts) < 3:
            log.write_text("RuntimeError: Kernel died before replying to kernel_info\n")
            return 1
        return real(self, chapter, executed, log)

    monkeypatch.setattr(execution.Executor, "_papermill", unlucky)
    book.build(tree, profile="smoke", jobs=1)
    assert starts == ["01_one"] * 3 + ["02_two"] or starts == ["02_two"] * 3 + ["01_one"]
    # But not for ever, and not after an error of the chapter's own.
    starts.clear()
    monkeypatch.setattr(
        execution.Executor, "_papermill", lambda *a: starts.append(a[1].name) or a[3].write_text("a bug\n") or 1
    )
    with pytest.raises(BuildError, match="a bug"):
        book.build(tree, profile="smoke", jobs=1)
    assert len(starts) == len(set(starts))  # the other chapter may have begun before all was stopped


def test_a_failed_build_has_an_exit_status(tree: Path) -> None:
    write_chapter(tree, "01_one", "1 / 0")
    process = command_line(tree, "--profile", "smoke")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.startswith("vaelib: 01_one failed in cell 4:\n    1 / 0\nZeroDivisionError: division by zero\n")


def test_the_book_is_found_from_below(tree: Path, tmp_path: Path) -> None:
    assert book.find_root(tree / "notebooks") == tree
    with pytest.raises(BuildError, match=r"_toc\.yml"):
        book.find_root(tmp_path)


def test_a_chapter_without_a_parameters_cell_is_named(tree: Path) -> None:
    path = tree / "notebooks" / "01_one.ipynb"
    path.write_text(path.read_text().replace('"parameters"', '"other"'))
    with pytest.raises(BuildError, match=r"01_one\.ipynb has 0 cells tagged `parameters`"):
        book.build(tree)


def test_a_tree_without_chapters_is_named(tree: Path) -> None:
    shutil.rmtree(tree / "notebooks")
    with pytest.raises(BuildError, match="no chapters in"):
        book.build(tree)


def test_a_second_build_into_the_same_folder_is_refused_and_harms_nothing(tree: Path, precious: Path) -> None:
    output = tree / "_build"
    program = (
        "import pathlib, sys, time\nfrom vaelib.book import builder\nwith builder._alone(pathlib.Path(sys.argv[1])):\n"
        "    print('building', flush=True)\n    time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(output)], stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None and first.stdout.readline() == "building\n"
            for reuse in (False, True):
                with pytest.raises(BuildError) as caught:
                    book.build(tree, profile="smoke", reuse=reuse)
                told_first, advice = str(caught.value).split(f" is building in {output}: ")
                assert re.fullmatch(rf"process {first.pid}, since [-\d]{{10}} [:\d]{{8}},", told_first)
                assert advice == "wait for its end, or name another folder with --output"
            assert precious.exists() and not (output / "source").exists()
        finally:
            first.kill()
    # The lock of a killed build is free, and what it told of itself is not believed.
    assert (output / ".building").exists()
    with builder._alone(output):
        pass
    assert not (output / ".building").exists()
