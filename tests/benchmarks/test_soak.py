"""The soak kills and damages what it says, loses nothing, and would notice if it did."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vaelib import storage

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
KILLED = """
import sys
import soak, soak_kills
soak_kills.TRAININGS = soak_kills.TRAININGS[:1]
soak.main()
"""


def soaked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[object, dict[str, object]]:
    """Return the exit status of a soak without kills, and what it wrote."""
    import soak

    file = tmp_path / "soak.json"
    arguments = ["--kills", "0", "--sweep-kills", "0", "--book-kills", "0", *words, "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["soak.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        soak.main()
    return ended.value.code, json.loads(file.read_text())


def test_kills_lose_nothing(tmp_path: Path) -> None:
    """In a process of its own, which has computed nothing and can be forked."""
    file = tmp_path / "soak.json"
    words = ["--kills", "3", "--sweep-kills", "0", "--book-kills", "0", "--damages", "0", "--json", str(file)]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(file.read_text())
    assert report["losses"] == [] and report["counts"]["trainings"]["kills"] == 3
    assert report["counts"]["trainings"]["resumes"] == 3


def test_a_command_in_a_new_program_is_killed_while_it_runs(tmp_path: Path) -> None:
    import soak_kills

    command = soak_kills.Command(["train", "--profile=smoke", "--root", str(tmp_path)], tmp_path / "log")
    try:
        assert not command.ended(0.2)
    finally:
        command.kill()
    assert command.ended(0) and command.process.exitcode == -signal.SIGKILL
    assert not list(tmp_path.rglob("manifest.json"))


def test_damages_are_noticed_or_without_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, report = soaked(tmp_path, monkeypatch, "--damages", "20", "--kinds", "image cache,finished run")
    assert status == 0 and report["losses"] == []
    for counts in report["counts"].values():  # type: ignore[attr-defined]
        assert counts["damages"] == sum(counts.get(what, 0) for what in ("remade", "told", "without effect"))
        assert counts["detected"] > 0


def test_what_ignored_checksums_would_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "read", lambda path, checksum: Path(path).read_bytes())
    status, report = soaked(tmp_path, monkeypatch, "--damages", "20", "--kinds", "image cache")
    assert status == 1
    losses = report["losses"]
    assert losses and report["counts"]["image cache"]["losses"] == len(losses)  # type: ignore[index, arg-type]
    assert all("uint8" in loss for loss in losses), "the indices are read by another way"  # type: ignore[attr-defined]


def test_each_damage_changes_one_file(tmp_path: Path) -> None:
    import soak_damages

    good = tmp_path / "good"
    good.mkdir()
    contents = {name: np.random.default_rng(0).bytes(50) for name in ("a", "b")}
    for name, content in contents.items():
        (good / name).write_bytes(content)
    chance, seen = random.Random(0), set()
    for _ in range(30):
        place = soak_damages.copied(good, tmp_path / "place")
        path, description = soak_damages.damage(place, chance)
        assert soak_damages.content(path) != contents[path.name]
        assert all(soak_damages.content(place / name) == contents[name] for name in contents if name != path.name)
        seen.add((path.name, description.split()[1]))
    assert seen == {(name, how) for name in contents for how in ("removed", "cut", "flipped")}


def test_when_a_notebook_was_executed_is_no_difference(tmp_path: Path) -> None:
    import soak_damages

    def read(second: int, output: str) -> object:
        metadata = {"papermill": {"start_time": second}, "execution": {"iopub.status.idle": second}, "tags": ["kept"]}
        cell = {"cell_type": "code", "metadata": metadata, "source": "1", "outputs": [output]}
        path = tmp_path / "one.ipynb"
        path.write_text(json.dumps({"cells": [cell], "metadata": metadata}))
        return soak_damages.without_times(path)

    assert read(1, "1") == read(2, "1") != read(2, "2")


def test_a_mistake_in_the_options_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import soak

    for words, message in ((["--kills", "3"], "kills = 3"), (["--kinds", "film"], "'film'"), (["--kills", "-1"], "-1")):
        monkeypatch.setattr(sys, "argv", ["soak.py", *words])
        with pytest.raises(SystemExit) as ended:
            soak.main()
        assert ended.value.code == 2 and message in capsys.readouterr().err
