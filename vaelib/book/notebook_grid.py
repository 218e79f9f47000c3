"""A notebook executed by papermill over a grid of its parameters, as runs are trained over a grid of settings."""

import ast
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from vaelib import storage, sweep
from vaelib.book import chapters, execution
from vaelib.errors import DamagedError

_GLUED = "application/papermill.record/"  # the prefix of values that are glued without being shown


def execute_grid(
    wanted: sweep.Sweep,
    notebook: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> sweep.Outcome:
    """Execute a notebook once for each point of a grid of its parameters.

    An executed notebook that is there already, of the same notebook and parameters, is not executed again, unless the
    checksum beside it tells that it was changed.

    Args:
        wanted: The grid.
        notebook: A notebook with a cell tagged `parameters`; its kernel is this Python, whatever the user's Jupyter
            and IPython are set to.
        output: The folder of the executed notebooks; on a cluster, one that all its machines see.
        workers: As `sweep.on_dask` takes it.
        scheduler: As `sweep.on_dask` takes it.
        progress: Show a progress bar.

    Returns:
        The rows of the table by file. A row has the file, the parameters of the grid as the notebook takes them (a
        list as its values with spaces between), the seconds of the execution, and every number and word that the
        notebook glued.

    Raises:
        SettingError: For a parameter that the notebook does not have and for a value that is not allowed, before
            anything is executed.
        BuildError: When it is not such a notebook, before anything is executed.
    """
    notebook, output = storage.user_path(notebook), storage.check_writable(output).resolve()
    tasks: dict[str, tuple[Any, ...]] = {}
    kept = {}
    for point in wanted.points():
        chapter = chapters.prepare(notebook, {"profile": wanted.profile, **point})
        target = output / f"{chapter.name}-{chapter.stamp()[:12]}.ipynb"
        values = {name: _cell(chapter.values[name]) for name in point}
        tasks[target.name] = (_execute, str(notebook.resolve()), dict(chapter.injected), str(target), values)
        if _is_complete(target):
            kept[target.name] = _row(target, values)
    remaining = {name: task for name, task in tasks.items() if name not in kept}
    outcome = sweep.Outcome()
    if remaining:
        outcome = sweep.on_dask(remaining, workers=workers, scheduler=scheduler, progress=progress)
    rows = {**kept, **outcome.finished}
    return sweep.Outcome({name: rows[name] for name in tasks if name in rows}, outcome.failed)


def _execute(notebook: str, injected: dict[str, Any], target: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Execute a notebook unless that is done, and return its row. It runs in a worker, with which its kernel ends."""
    sweep.hold_to_one_thread()
    import papermill

    path = Path(target)
    with storage.lock(path.with_name(f".{path.name}.lock")):  # another sweep may execute the same notebook
        if not _is_complete(path):
            # It has another name until it is complete; after a failure that file shows where.
            unfinished = path.with_suffix(".unfinished.ipynb")
            folder = str(Path(notebook).parent)
            options: dict[str, Any] = {"kernel_name": "python3", "language": "python", "progress_bar": False}
            with _private_kernel():
                papermill.execute_notebook(notebook, str(unfinished), injected, cwd=folder, **options)
            os.replace(unfinished, path)
            storage.write_json(_checksum_file(path), {"sha256": storage.digest(path.read_bytes())})
    return _row(path, values)


@contextlib.contextmanager
def _private_kernel() -> Iterator[None]:
    """Start kernels in the block as `vaelib book` does, by this process's environment: Jupyter reads nothing else."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="vaelib-sweep-") as private:
        _set_environment(execution.kernel_environment(private))
        try:
            yield
        finally:
            _set_environment(before)


def _set_environment(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]


def _is_complete(path: Path) -> bool:
    """Tell whether an executed notebook is there and unchanged."""
    with contextlib.suppress(DamagedError):
        storage.read(path, storage.read_json(_checksum_file(path))["sha256"])
        return True
    return False


def _checksum_file(path: Path) -> Path:
    return path.with_suffix(".json")


def _row(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    metadata = nbformat.read(path, as_version=4).metadata.get("papermill", {})
    return {"file": path.name, **values, "seconds": metadata.get("duration"), **glued(path)}


def _cell(value: Any) -> Any:
    """Return a parameter's value in a form that a CSV table can hold: a list as text."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def glued(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return by name the numbers and words that an executed notebook glued."""
    values = {}
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
                values[name.removeprefix(_GLUED)] = value
    return values
