"""Where a result comes from: versions, commit, hardware."""

import contextlib
import os
import platform
import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parents[1]  # the folder of this library; no docstring, or pages would show the path

_PACKAGES = ("vaelib", "keras", "tensorflow", "jax", "numpy", "scipy", "scikit-learn", "matplotlib", "plotly")


def versions() -> dict[str, str]:
    """Return the versions of Python and of those packages that shape a result and are installed."""
    result = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            result[name] = version(name)
    return result


def sources(ending: str = "") -> list[Path]:
    """Return the files of this library and its packages whose names end with `ending`, sorted."""
    files = (file for file in LIBRARY.rglob(f"*{ending}") if file.is_file() and "__pycache__" not in file.parts)
    return sorted(files)


def git_commit() -> str | None:
    """Return the commit of the project's working tree that holds this library, followed by "+" if it has changes.

    None without one: the library is installed, or its files are in no repository or in another project's.
    """
    root = LIBRARY.parent
    try:
        if tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"] != "vaelib":
            return None
        if git(root, "rev-parse", "--show-cdup"):  # the way up to the top of the repository
            return None
        git(root, "ls-files", "--error-unmatch", "pyproject.toml", f"{LIBRARY.name}/__init__.py")
        commit = git(root, "rev-parse", "HEAD")
        changed = git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, ValueError, KeyError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def hardware() -> dict[str, Any]:
    """Return the processor's name, the cores this process may use and the memory in GiB."""
    return {"processor": _processor(), "cores": processors(), "memory_gib": _memory_gib()}


def processors() -> int:
    """Return how many processors this process may use by its affinity and its container's quota, rounded up."""
    import joblib  # takes a tenth of a second, which `import vaelib` need not

    return int(joblib.cpu_count())


def git(folder: Path, *arguments: str) -> str:
    """Return git's answer about this folder, whatever repository a hook or a user's variables name."""
    own = {name: value for name, value in os.environ.items() if not re.match("GIT_(?!CONFIG)", name)}
    command = ["git", "-C", str(folder), *arguments]
    result = subprocess.run(
        command, env=own, capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=True
    )
    return result.stdout.strip()


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
