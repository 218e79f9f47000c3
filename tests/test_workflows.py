"""What runs where others can see it: GitHub's workflows, templates and bots, and Binder's environment."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
JOBS = [
    pytest.param(job, id=f"{file.stem}: {name}")
    for file in WORKFLOWS
    for name, job in yaml.safe_load(file.read_text())["jobs"].items()
]
MAKEFILE = (ROOT / "Makefile").read_text()


def steps(key: str) -> Iterator[str]:
    """Yield what the steps of all jobs have under `key`: "run" or "uses"."""
    for file in WORKFLOWS:
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            yield from (step[key] for step in job["steps"] if key in step)


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("custom.github-workflows-require-timeout", ".github/workflows/*.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/*[!g].yml"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("vendor.dependabot", ".github/dependabot.yml"),
        ("vendor.citation-file-format", "CITATION.cff"),
    ],
)
def test_each_file_keeps_to_its_schema(schema: str, pattern: str) -> None:
    files = sorted(ROOT.glob(pattern))
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_push_is_checked_main_is_published_and_once_a_week_all_seeds_are_trained() -> None:
    # YAML 1.1 reads the key `on` as true.
    triggers = {file.stem: yaml.safe_load(file.read_text())[True] for file in WORKFLOWS}
    assert set(triggers["checks"]) == {"push", "pull_request"}
    assert triggers["book"]["push"] == {"branches": ["main"]}
    (entry,) = triggers["weekly"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", entry["cron"])


def test_the_workflows_run_what_everybody_runs() -> None:
    assert set(steps("run")) == {
        "make test",
        'make book ARGS="--profile smoke"',
        ".ci/run",
        'make book ARGS="-p sweep_seeds None"',
    }
    for target in {command.split()[1] for command in steps("run") if command.startswith("make ")}:
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE)


def test_every_supported_python_is_tested() -> None:
    job = yaml.safe_load((GITHUB / "workflows" / "checks.yml").read_text())["jobs"]["tests"]
    supported = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert supported is not None
    assert job["strategy"]["matrix"]["python"] == [
        f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]))
    ]


def test_each_action_is_pinned_by_its_commit_and_named_by_its_version() -> None:
    lines = [line for file in WORKFLOWS for line in file.read_text().splitlines() if "uses:" in line]
    assert len(lines) == len(list(steps("uses")))
    for line in lines:
        assert re.fullmatch(r" +(- )?uses: actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    pins = {line.split("uses: ")[1] for line in lines}
    assert len({pin.split("@")[0] for pin in pins}) == len(pins), "two versions of one action"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_only_read(file: Path) -> None:
    assert yaml.safe_load(file.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("job", JOBS)
def test_only_a_job_that_runs_no_code_of_the_project_may_write(job: dict[str, Any]) -> None:
    if "permissions" in job:
        assert job["permissions"] == {"pages": "write", "id-token": "write"}
        assert all(step["uses"].startswith("actions/deploy-pages@") for step in job["steps"])
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("job", JOBS)
def test_packages_are_kept_between_runs_by_the_lock(job: dict[str, Any]) -> None:
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/setup-python@"):
            assert step["with"]["cache"] == "pip"
            assert step["with"]["cache-dependency-path"] == "requirements.lock"


def test_binder_installs_the_lock_and_this_library() -> None:
    folder = ROOT / ".binder"
    lines = (folder / "requirements.txt").read_text().split("\n")
    assert lines == ["-r ../requirements.lock", ""]
    assert (folder / lines[0].removeprefix("-r ")).resolve() == ROOT / "requirements.lock"
    assert re.fullmatch(r"python-3\.1[123]\n", (folder / "runtime.txt").read_text())
    assert (folder / "postBuild").stat().st_mode & 0o100, "repo2docker runs it only if it is executable"


def test_no_committed_file_names_the_repositorys_address() -> None:
    """The pages learn it when they are built, so that a copy of the project links to itself."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        file = ROOT / name
        if file.suffix in {".yml", ".toml", ".cff", ".md"}:
            match = re.search(r"https?://(www\.)?(github|gitlab)\.com/(?!owner/name)[\w-]+/vaelib", file.read_text())
            assert match is None, f"{name}: {match}"
