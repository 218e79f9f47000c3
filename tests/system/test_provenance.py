"""Where a result comes from: the project's own commit and no other's, and the processors that it may really use."""

import builtins
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vaelib import curves
from vaelib.system import provenance

ROOT = Path(__file__).parents[2]
ASK = "from vaelib.system import provenance; print(provenance.__file__, provenance.git_commit())"


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, as nobody in particular, and return what it says."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "core.hooksPath="]
    command = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(command, env=plain, capture_output=True, text=True, check=True).stdout.strip()


def repository(folder: Path) -> str:
    """Make a repository of everything in a folder, and return its commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    (folder / "file").touch()
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    return git(folder, "rev-parse", "HEAD")


def unpacked(folder: Path) -> Path:
    """Put the project's library and description into a folder, as a tarball does."""
    ours = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "vaelib", folder / "vaelib", ignore=ours)
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def named_commit(project: Path, **environment: str) -> str:
    """Return the commit that the library in `project` names."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=project,
        env={**outside, "PYTHONPATH": str(project), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    file, commit = done.stdout.split()
    assert Path(file).is_relative_to(project) and done.stderr == ""
    return commit


def test_only_the_projects_own_repository_counts(tmp_path: Path) -> None:
    repository(tmp_path / "other")
    project = unpacked(tmp_path / "other" / "project")
    assert named_commit(project) == "None", "the repository round it is another's"
    git(project, "init", "--quiet")
    assert named_commit(project) == "None", "no commit holds it yet"
    own = repository(project)
    assert named_commit(project) == own
    with open(project / "vaelib" / "study" / "claims.yml", "a", encoding="utf-8") as file:
        file.write("\n")
    assert named_commit(project) == own + "+"


def test_a_library_copied_into_another_project_has_no_commit(tmp_path: Path) -> None:
    project = unpacked(tmp_path / "another")
    (project / "pyproject.toml").write_text('[project]\nname = "another"\n', encoding="utf-8")
    repository(project)
    assert named_commit(project) == "None"


def test_a_library_that_its_repository_does_not_hold_has_no_commit(tmp_path: Path) -> None:
    repository(tmp_path)
    assert named_commit(unpacked(tmp_path)) == "None"


def test_the_repository_of_a_hook_or_of_a_users_variables_is_not_asked(tmp_path: Path) -> None:
    repository(tmp_path / "other")
    foreign = {"GIT_DIR": str(tmp_path / "other" / ".git"), "GIT_WORK_TREE": str(tmp_path / "other")}
    foreign |= {"GIT_INDEX_FILE": str(tmp_path / "other" / ".git" / "index"), "GIT_COMMON_DIR": foreign["GIT_DIR"]}
    project = unpacked(tmp_path / "project")
    assert named_commit(project, **foreign) == "None"
    own = repository(project)
    assert named_commit(project, **foreign) == own
    assert named_commit(project, GIT_CEILING_DIRECTORIES=str(tmp_path), GIT_NAMESPACE="x") == own


def test_a_repository_that_git_refuses_to_trust_has_no_commit(tmp_path: Path) -> None:
    project = unpacked(tmp_path / "project")
    repository(project)
    if os.getuid():
        pytest.skip("only root can give a folder away")
    for path in (project, project / ".git"):
        os.chown(path, 12345, 12345)
    assert named_commit(project, HOME=str(tmp_path), SUDO_UID="") == "None"


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_commit() is None


# Sixty-four cores, of whose time a container may use so much.
QUOTAS = [
    ({"/sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
    ({"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
    ({"/sys/fs/cgroup/cpu.max": "max 100000\n"}, 48),
    ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 3),
    ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 48),
    ({}, 48),
]


@pytest.mark.parametrize(("files", "expected"), QUOTAS)
def test_a_containers_quota_and_the_affinity_are_counted(
    files: dict[str, str], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's files are simulated: group folders of a container, of either version, and 48 of 64 cores allowed."""
    real_open, real_exists = builtins.open, os.path.exists

    def of_group(path: Any) -> bool:
        return isinstance(path, str) and path.startswith("/sys/fs/cgroup/")

    def opened(path: Any, *rest: Any, **options: Any) -> Any:
        return io.StringIO(files[path]) if of_group(path) else real_open(path, *rest, **options)

    import joblib  # noqa: F401 - before the files are simulated

    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(48)), raising=False)
    monkeypatch.setattr(os.path, "exists", lambda path: path in files if of_group(path) else real_exists(path))
    monkeypatch.setattr(builtins, "open", opened)
    assert provenance.processors() == expected
    assert provenance.hardware()["cores"] == expected
    assert curves.processors is provenance.processors


def test_the_tests_themselves_run_in_one_process_more(request: pytest.FixtureRequest) -> None:
    if not request.config.pluginmanager.hasplugin("xdist"):
        pytest.skip("without xdist there is one process")
    counted = request.config.hook.pytest_xdist_auto_num_workers(config=request.config)
    assert counted == provenance.processors() + 1
