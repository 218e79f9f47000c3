"""Where the results lie that the project keeps: the table of its small trainings, what is left of the large ones."""

import os
from pathlib import Path

from vaelib.errors import SettingError
from vaelib.system import provenance


def find(start: Path | None = None) -> Path | None:
    """Return the project's folder `results`, None where there is none.

    It is `$VAELIB_RESULTS`, else that of the project at or above `start` (default: the current folder), else that of
    the project whose folder this library lies in, which an installed copy does not.
    """
    if chosen := os.environ.get("VAELIB_RESULTS"):
        return Path(os.path.expanduser(chosen))
    here = (start or Path.cwd()).resolve()
    projects = (here, *here.parents, provenance.LIBRARY.parent)
    return next((project / "results" for project in projects if _is_project(project)), None)


def folder(start: Path | None = None) -> Path:
    """Return what `find` returns. Raises SettingError where there is none."""
    found = find(start)
    if found is None:
        raise SettingError(
            f"no kept results at or above {start or Path.cwd()}: work in the project's folder, where _toc.yml is, or "
            "name its folder `results` by VAELIB_RESULTS"
        )
    return found


def _is_project(project: Path) -> bool:
    return (project / "_toc.yml").is_file() and (project / "results" / "sweep" / "table.csv").is_file()
