"""How chapters are executed and stopped; the book's tests execute whole ones."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vaelib.book import execution
from vaelib.book.chapters import Chapter


def test_the_longest_chapters_begin_first() -> None:
    names = [f"0{i}_x" for i in range(1, 8)]
    made = [Chapter(Path(f"{name}.ipynb"), {}) for name in names]
    assert [chapter.number for chapter in sorted(made, key=execution._rank)][:5] == ["05", "04", "03", "02", "01"]


def test_no_settings_file_or_start_up_file_of_the_user_reaches_a_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlibrc").write_text("image.origin: lower")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "start.py"))
    environment = execution.Executor(tmp_path, tmp_path, jobs=1)._environment(str(tmp_path), None)
    program = "import os, matplotlib; print(matplotlib.rcParams['image.origin'], 'PYTHONSTARTUP' in os.environ)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["upper", "False"]


def test_ctrl_c_while_chapters_run_stops_those_that_run_and_those_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while a result arrives, which is when it could once be lost or leave a lock held."""
    executor, begun = execution.Executor(tmp_path, tmp_path, jobs=2), []

    def execute(chapter: Chapter) -> float:
        begun.append(chapter.name)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            return 1.0
        while not executor._stopping:
            time.sleep(0.01)
        return 2.0

    monkeypatch.setattr(executor, "_execute_one", execute)
    several = [Chapter(Path(f"0{i}_x.ipynb"), {}) for i in range(4)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            executor.execute(several)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(begun) <= 3, "one that waited was begun after the interrupt"


def test_a_second_ctrl_c_ends_the_wait_for_a_chapter_that_does_not_stop(tmp_path: Path) -> None:
    executor, came = execution.Executor(tmp_path, tmp_path, jobs=1), [signal.SIGINT]
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        executor._running.add(process)
        again = threading.Timer(0.3, came.append, [signal.SIGINT])
        again.start()
        begun = time.monotonic()
        executor._stop({}, came)
        assert process.wait() == -signal.SIGKILL
        assert time.monotonic() - begun < execution._GRACE
