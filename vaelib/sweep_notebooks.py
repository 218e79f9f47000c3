"""A notebook executed by papermill over a grid of its parameters, the way runs are trained over a grid of settings."""

import ast
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from vaelib import chapters, store, sweep

_GLUED = "application/papermill.record/"  # before the kinds of what is glued without being shown


def execute_grid(
    wanted: sweep.Sweep,
    notebook: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> sweep.Outcome:
    """Execute a notebook once for each point of a grid of its parameters; return the rows of the table by file.

    notebook: one with a cell tagged `parameters`. output: the folder of the executed notebooks. One that is there
    already, of the same notebook and parameters, is not executed again. A row has the parameters, the file, the
    seconds, and every number and word that the notebook glued. workers and scheduler: as `sweep.on_dask` takes them.
    Raises SettingError for a parameter that the notebook does not have or a value that is not allowed, BuildError when
    it is no such notebook, both before anything is executed.
    """
    notebook, output = Path(notebook), store.check_writable(output).resolve()
    tasks = {}
    for point in wanted.points():
        chapter = chapters.prepare(notebook, {"profile": wanted.profile, **point})
        name = f"{chapter.name}-{chapter.stamp()[:12]}.ipynb"
        tasks[name] = (_execute, str(notebook.resolve()), dict(chapter.injected), str(output / name), point)
    return sweep.on_dask(tasks, workers=workers, scheduler=scheduler, progress=progress)


def _execute(notebook: str, injected: dict[str, Any], target: str, point: Mapping[str, Any]) -> dict[str, Any]:
    """Execute it unless it is there, and return its row. Runs in a worker, whose end ends the kernel too."""
    import papermill

    path, begun = Path(target), time.perf_counter()
    if not path.exists():
        # Another name until it is whole; what is left of one that failed shows where.
        unfinished = path.with_suffix(".unfinished.ipynb")
        here = str(Path(notebook).parent)
        papermill.execute_notebook(
            notebook, str(unfinished), injected, kernel_name="python3", cwd=here, progress_bar=False
        )
        os.replace(unfinished, path)
    return {"file": path.name, **point, "seconds": time.perf_counter() - begun, **glued(path)}


def glued(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return by name the numbers and words that an executed notebook glued."""
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
            text = output.get("data", {}).get(f"{_GLUED}text/plain")
            if text is None or not name:
                continue
            try:
                value = ast.literal_eval(text)
            except (ValueError, SyntaxError):
                continue  # a figure or a table
            if isinstance(value, int | float | str):
                found[name.removeprefix(_GLUED)] = value
    return found
