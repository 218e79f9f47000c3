"""A notebook executed by papermill over a grid of its parameters, the way runs are trained over a grid of settings."""

import ast
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from vaelib import storage, sweep
from vaelib.book import chapters
from vaelib.errors import DamagedError

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

    notebook: one with a cell tagged `parameters`; its kernel is this Python, whatever the user's own Jupyter and
    IPython say. output: the folder of the executed notebooks; on a cluster, one that all its machines see. One that is
    there already, of the same notebook and parameters, is not executed again unless it was changed since, as the
    checksum beside it tells. A row has the file, the parameters of the grid as the notebook takes them (a list as its
    values with spaces between), the seconds of the execution, and every number and word that the notebook glued.
    workers and scheduler: as `sweep.on_dask` takes them.

    Raises SettingError for a parameter that the notebook does not have or a value that is not allowed, BuildError when
    it is no such notebook, both before anything is executed.
    """
    notebook, output = storage.user_path(notebook), storage.check_writable(output).resolve()
    tasks: dict[str, tuple[Any, ...]] = {}
    kept = {}
    for point in wanted.points():
        chapter = chapters.prepare(notebook, {"profile": wanted.profile, **point})
        target = output / f"{chapter.name}-{chapter.stamp()[:12]}.ipynb"
        values = {name: _cell(chapter.values[name]) for name in point}
        tasks[target.name] = (_execute, str(notebook.resolve()), dict(chapter.injected), str(target), values)
        if _is_whole(target):
            kept[target.name] = _row(target, values)
    left = {name: task for name, task in tasks.items() if name not in kept}
    outcome = sweep.Outcome()
    if left:
        outcome = sweep.on_dask(left, workers=workers, scheduler=scheduler, progress=progress)
    rows = {**kept, **outcome.finished}
    return sweep.Outcome({name: rows[name] for name in tasks if name in rows}, outcome.failed)


def _execute(notebook: str, injected: dict[str, Any], target: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Execute it unless it is there, and return its row. Runs in a worker, whose end ends the kernel too."""
    sweep.hold_to_one_thread()
    import papermill

    path = Path(target)
    with storage.lock(path.with_name(f".{path.name}.lock")):  # another sweep may execute the same
        if not _is_whole(path):
            # Another name until it is whole; what is left of one that failed shows where.
            unfinished = path.with_suffix(".unfinished.ipynb")
            here = str(Path(notebook).parent)
            how: dict[str, Any] = {"kernel_name": "python3", "language": "python", "cwd": here, "progress_bar": False}
            with _private_kernel():
                papermill.execute_notebook(notebook, str(unfinished), injected, **how)
            os.replace(unfinished, path)
            storage.write_json(_checksum_file(path), {"sha256": storage.digest(path.read_bytes())})
    return _row(path, values)


@contextlib.contextmanager
def _private_kernel() -> Iterator[None]:
    """Within, this process starts kernels as `vaelib book` does; Jupyter has no other place to be told than here."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="vaelib-sweep-") as private:
        _become(chapters.kernel_environment(private))
        try:
            yield
        finally:
            _become(before)


def _become(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]


def _is_whole(path: Path) -> bool:
    """Tell whether an executed notebook is there as it was executed."""
    with contextlib.suppress(DamagedError):
        storage.read(path, storage.read_json(_checksum_file(path))["sha256"])
        return True
    return False


def _checksum_file(path: Path) -> Path:
    return path.with_suffix(".json")


def _row(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    told = nbformat.read(path, as_version=4).metadata.get("papermill", {})
    return {"file": path.name, **values, "seconds": told.get("duration"), **glued(path)}


def _cell(value: Any) -> Any:
    """Return a parameter's value as a table can hold it: a list, which CSV cannot, as text."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


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
