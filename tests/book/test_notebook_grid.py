"""A grid of parameters laid over a notebook."""

import base64
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from sweeping import vaelib, write

from vaelib import sweep
from vaelib.book import notebook_grid
from vaelib.errors import BuildError, SettingError
from vaelib.sweep import Sweep, tables

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
    check("none.ipynb is not a notebook", BuildError, path=tmp_path / "none.ipynb")
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
