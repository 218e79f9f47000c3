"""What the files around the library say of it is true: dependencies, version, and what contributors are told."""

import ast
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vaelib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = [Requirement(line) for line in LOCK.splitlines() if line.strip() and not line.startswith("#")]
DIRECT = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
]
MINORS = ("3.11", "3.12", "3.13")
HERE = "{}.{}".format(*sys.version_info[:2])


def installed(python: str, platform: str = "linux") -> dict[str, str]:
    """Return what the lock installs: the version of each name on that Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": platform,
        "os_name": "nt" if platform == "win32" else "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    pins = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate(environment)]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    assert len(versions) == len(pins), f"two versions of one package on Python {python}"
    return versions


def test_the_lock_pins_every_line_to_one_version() -> None:
    for pin in PINS:
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin


def test_the_lock_names_no_address() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*-", LOCK, flags=re.MULTILINE), "an option of pip's"
    assert not any(pin.url for pin in PINS)


def test_the_markers_allow_the_supported_pythons() -> None:
    supported = Requirement(f"python{PROJECT['requires-python']}").specifier
    assert [minor for minor in ("3.10", *MINORS, "3.14") if supported.contains(minor)] == list(MINORS)


@pytest.mark.parametrize("python", MINORS)
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_lock_satisfies_every_direct_dependency(python: str, platform: str) -> None:
    versions = installed(python, platform)
    for requirement in DIRECT:
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is missing from requirements.lock"
        assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_the_lock_satisfies_what_its_own_packages_need() -> None:
    """The versions installed here, if they are the lock's, and what each of them asks of the others."""
    versions = installed(HERE)
    for name in versions:
        for text in metadata.requires(name) or []:
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            version = versions.get(canonicalize_name(need.name))
            assert version is not None, f"{name} needs {need.name}, which the lock lacks"
            assert need.specifier.contains(version, prereleases=True), f"{name} needs {need}, not {version}"


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["dynamic"] == ["version"] and "version" not in PROJECT
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert metadata.version("vaelib") == vaelib.__version__


def test_this_environment_is_the_locks() -> None:
    expected = installed(HERE)
    assert {name: metadata.version(name) for name in expected} == expected


def test_reading_a_notebook_builds_no_grammar() -> None:
    """From version 4.25 on jsonschema builds one, of web addresses, whenever it is imported: 2 s.

    Whatever reads a notebook imports it: papermill, JupyterLab, the build of the book. The lock has the last
    version that does not, and so needs neither of the packages that make it.
    """
    program = "import sys, nbformat; print('jsonschema' in sys.modules, *{'lark', 'rfc3987_syntax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


def test_the_conda_environment_has_the_same_direct_dependencies() -> None:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert f"python{PROJECT['requires-python']}" in dependencies
    (by_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert "--editable ." in by_pip
    assert {str(Requirement(text)) for text in by_pip if not text.startswith("--")} == set(map(str, DIRECT))


def test_the_library_imports_only_what_it_declares() -> None:
    """Each of the library's imports is from the standard library, itself or a direct dependency."""
    owners = metadata.packages_distributions()
    declared = {canonicalize_name(requirement.name) for requirement in DIRECT}
    for file in sorted((ROOT / "vaelib").rglob("*.py")):
        tree = ast.parse(file.read_text())
        guarded = {part for node in ast.walk(tree) if isinstance(node, ast.Try) for part in ast.walk(node)}
        for node in set(ast.walk(tree)) - guarded:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for top in {name.split(".")[0] for name in names} - {"vaelib", *sys.stdlib_module_names}:
                distributions = {canonicalize_name(name) for name in owners.get(top, [])}
                assert distributions & declared, f"{file.name} imports {top}"


@pytest.mark.parametrize("folder", ["book", "tests"])
def test_the_npm_locks_name_versions_and_checksums_but_no_server(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    wanted = json.loads((ROOT / folder / "package.json").read_text())["dependencies"]
    packages = {name.removeprefix("node_modules/"): entry for name, entry in lock["packages"].items() if name}
    assert {name: packages[name]["version"] for name in wanted} == wanted
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())


QUOTE = re.compile(r"From `(?P<path>[\w/.]+)`:\n\n(?P<indent> *)```\w+\n(?P<text>.*?)\n *```", re.DOTALL)


def test_what_is_quoted_for_contributors_stands_where_it_is_said_to_stand() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    quotes = list(QUOTE.finditer(guide))
    assert len(quotes) == guide.count("```python") + guide.count("```yaml") >= 6
    for quote in quotes:
        file = ROOT / quote["path"]
        source = file.read_text()
        if file.suffix == ".ipynb":
            source = "\n".join("".join(cell["source"]) for cell in json.loads(source)["cells"])
        lines = [line.removeprefix(quote["indent"]) for line in quote["text"].split("\n")]
        assert "\n".join(lines) in source or textwrap.indent("\n".join(lines), " " * 8) in source, quote["path"]


def test_every_file_that_contributors_are_sent_to_exists() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "book" / "how_it_is_built.md").read_text()
    named = set(re.findall(r"`((?:vaelib|tests|notebooks|book|\.github)/[\w/.]+)`", guide))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
