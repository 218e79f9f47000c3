"""Where the project's kept results are found: from its folder or by name, also by an installed copy of the library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from vaelib import book, study, sweep
from vaelib.book.chapters import Chapter
from vaelib.book.execution import Executor
from vaelib.errors import SettingError
from vaelib.storage import results
from vaelib.study import paper

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with little more than what marks it as one."""
    root = tmp_path / "project"
    (root / "results" / "sweep").mkdir(parents=True)
    for name in ("table.csv", "provenance.json"):
        shutil.copyfile(ROOT / "results" / "sweep" / name, root / "results" / "sweep" / name)
    shutil.copyfile(ROOT / "_toc.yml", root / "_toc.yml")
    (root / "notebooks").mkdir()
    return root


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the library is installed, as without --editable; a copy is built, and the tree stays."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("site-packages")
    shutil.copytree(ROOT / "vaelib", copy / "vaelib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    build = [
        sys.executable,
        "-c",
        "import setuptools; setuptools.setup()",
        "-q",
        "build_py",
        "--build-lib",
        str(target),
    ]
    subprocess.run(build, cwd=copy, check=True, capture_output=True)
    return target


def run(program: str, *words: str, copy: Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with the installed copy of the library, in a folder."""
    clean = {name: value for name, value in os.environ.items() if name != "VAELIB_RESULTS"}
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(copy), **environment},
        capture_output=True,
        encoding="utf-8",
    )


FOUND = "from vaelib.storage import results; print(results.folder(), results.__file__)"
COMMAND = "from vaelib import cli; cli.main()"


@pytest.mark.parametrize("below", ["", "notebooks"])
def test_an_installed_library_finds_them_from_the_projects_folder(installed: Path, project: Path, below: str) -> None:
    folder, file = run(FOUND, copy=installed, folder=project / below).stdout.split()
    assert Path(folder) == project / "results" and Path(file).is_relative_to(installed)


def test_an_installed_library_finds_them_by_name(installed: Path, project: Path, tmp_path: Path) -> None:
    program = (
        "from vaelib.study import paper; from vaelib import study; print(len(study.table(0).rows), paper.kept_folder())"
    )
    given = {"HOME": str(tmp_path), "VAELIB_RESULTS": "~/project/results"}
    rows, folder = run(program, copy=installed, folder=tmp_path, **given).stdout.split()
    assert int(rows) == len(study.committed().rows) and Path(folder) == project / "results" / "paper"


def test_elsewhere_one_line_says_what_is_needed(installed: Path, tmp_path: Path) -> None:
    done = run(COMMAND, "paper", copy=installed, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"vaelib: no kept results at or above {tmp_path}: ")
    assert done.stderr.count("\n") == 1 and "--results" in done.stderr and "VAELIB_RESULTS" in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was begun"
    assert not (installed / "results").exists() and not (installed.parent / "results").exists()


def test_a_place_that_cannot_be_written_is_reported_before_days_of_training(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(COMMAND, "paper", "--results", "file/paper", copy=installed, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("vaelib: cannot write file/paper") and done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_without_them_nothing_is_trained_or_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "find", lambda start=None: None)
    monkeypatch.setattr(sweep, "train_grid", None)
    with pytest.raises(SettingError, match="no kept results"):
        study.table(None)
    source = "from typing import Optional\n\nprofile: str = 'book'\nsweep_seeds: Optional[int] = None"
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "06_x.ipynb")
    with pytest.raises(SettingError, match="no kept results"):
        book.build(tmp_path)
    assert not (tmp_path / "_build").exists()


def test_the_nearest_project_comes_before_the_librarys_own(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAELIB_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert results.find() == ROOT / "results"
    assert results.find(project / "notebooks") == project / "results"
    monkeypatch.chdir(project / "notebooks")
    assert results.folder() == project / "results" and paper.kept_folder() == project / "results" / "paper"
    (project / "_toc.yml").unlink()  # results, but whose?
    assert results.find() == ROOT / "results"
    monkeypatch.setenv("VAELIB_RESULTS", "given")
    assert results.folder() == Path("given")
    with pytest.raises(SettingError, match=r"given/sweep/table\.csv: not the table of a sweep"):
        study.table(None)


def test_a_chapter_reads_those_of_its_own_project(project: Path, tmp_path: Path) -> None:
    """It is executed in the output folder, which may be elsewhere."""
    chapter = Chapter(project / "notebooks" / "06_x.ipynb", {})
    chapter.path.touch()
    before = chapter.stamp()
    (project / "results" / "sweep" / "table.csv").write_text("run\n", encoding="utf-8")
    assert chapter.stamp() != before
    executor = Executor(tmp_path / "elsewhere", tmp_path / "elsewhere" / "source" / "notebooks", jobs=1)
    environment = executor._environment("private", results.find(chapter.path.parent))
    assert environment["VAELIB_RESULTS"] == str(project / "results")
