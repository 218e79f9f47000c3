"""The folder of the results that the project keeps: the table of its small trainings, and files of the large ones."""

import os
from pathlib import Path

from vaelib.errors import SettingError
from vaelib.system import provenance


def find(start: Path | None = None) -> Path | None:
    """Return the project's folder `results`; None if there is none.

    It is `$VAELIB_RESULTS`, else that of the project at or above `start`, else that of the project whose source tree
    this library is in.

    Args:
        start: A folder; None for the current one.
    """
    if chosen := os.environ.get("VAELIB_RESULTS"):
        return Path(os.path.expanduser(chosen))
    here = (start or Path.cwd()).resolve()
    projects = (here, *here.parents, provenance.LIBRARY.parent)
    return next((project / "results" for project in projects if _is_project(project)), None)


def folder(start: Path | None = None) -> Path:
    """Return the folder that `find` returns. Raises SettingError if there is none."""
    results = find(start)
    if results is None:
        raise SettingError(
            f"no kept results at or above {start or Path.cwd()}: work in the project's folder, where _toc.yml is, or "
            "set VAELIB_RESULTS to its folder `results`"
        )
    return results


def _is_project(project: Path) -> bool:
    return (project / "_toc.yml").is_file() and (project / "results" / "sweep" / "table.csv").is_file()
