"""The table of a sweep: its row for each run, and its files.

Nothing here imports Arrow or Keras before it is needed.
"""

import contextlib
import functools
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaelib import run, storage
from vaelib.errors import DamagedError, SettingError
from vaelib.storage import checkpoint
from vaelib.system import provenance

_CHECKSUMS = ".checksums.json"


def row(finished: run.Run, measures: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a run's row of the table: its settings, the terms at its best epoch, its measures, its origin.

    The terms are train_loss, train_cross_entropy, train_kl, train_penalty and the same with val_; the measures are
    those of `vaelib.evaluation.measure`. They are saved beside the run's folder and read from there for as long as the
    library's sources are the same.

    Args:
        finished: A finished run.
        measures: What `measured` has just read, if anything has called it.
    """
    experiment, best = finished.experiment, finished.best_epoch
    settings = experiment.model_dump(mode="json") | {"snapshots": " ".join(map(str, experiment.snapshots))}
    curves = {name if name.startswith("val_") else f"train_{name}": curve for name, curve in finished.history.items()}
    terms = {name: float(curve[best - 1]) for name, curve in curves.items()}
    recorded = finished.provenance
    origin = {name: recorded.get(name) for name in ("backend", "wall_time", "images_per_second", "git_commit")}
    if measures is None:
        measures = measured(finished)
    if measures is None:
        from vaelib.evaluation import measure

        measures = measure(finished)
        storage.write_json(_measures_file(finished), {"stamp": _stamp(finished), "measures": measures})
    return {"run": finished.path.name, **settings, "best_epoch": best, **terms, **measures, **origin}


def measured(finished: run.Run) -> dict[str, Any] | None:
    """Return the saved measures of a run.

    None where there are none, where their file is damaged, and where the run or the library has changed since.
    """
    with contextlib.suppress(DamagedError):
        content = storage.read_json(_measures_file(finished))
        if content.get("stamp") == _stamp(finished):
            return dict(content["measures"])
    return None


def _measures_file(finished: run.Run) -> Path:
    return finished.path.with_name(f"{finished.path.name}.measures.json")


def _stamp(finished: run.Run) -> str:
    return storage.digest(_library() + (finished.path / checkpoint.MANIFEST).read_bytes())


@functools.cache
def _library() -> bytes:
    """Return the digest of the library's sources as they were when this process first asked."""
    return storage.digest(b"".join(file.read_bytes() for file in provenance.sources(".py"))).encode()


def table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return rows as a table of Arrow: a column for every name that any row has, empty where a row lacks it.

    A column whose values have no type in common, such as numbers and words, is text.
    """
    import pyarrow

    def column(values: list[Any]) -> Any:
        try:
            return pyarrow.array(values)
        except pyarrow.ArrowException:  # the runs are all made by now: do not fail for the sake of a column's type
            return pyarrow.array([None if value is None else str(value) for value in values])

    names = list(dict.fromkeys(name for row in rows for name in row))
    return pyarrow.table({name: column([row.get(name) for row in rows]) for name in names})


def write_table(made: Any, path: str | os.PathLike[str]) -> list[Path]:
    """Write a table as Parquet and as CSV, and their checksums, by which `read_table` notices a damaged file.

    Args:
        made: What `table` returned.
        path: The files' path without their endings, which are .parquet, .csv and .checksums.json.

    Returns:
        The paths of the Parquet and of the CSV file.

    Raises:
        StoreError: A file cannot be written.
    """
    import pyarrow
    from pyarrow import csv, parquet

    written, checksums, path = [], {}, storage.user_path(path)
    for ending, write in ((".parquet", parquet.write_table), (".csv", csv.write_csv)):
        buffer = pyarrow.BufferOutputStream()
        write(made, buffer)
        written.append(Path(f"{path}{ending}"))
        checksums[written[-1].name] = storage.write(written[-1], buffer.getvalue().to_pybytes())
    storage.write_json(f"{path}{_CHECKSUMS}", {"files": checksums})
    return written


def read_table(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the rows of a table that `write_table` wrote; an empty cell is None.

    Args:
        path: The Parquet or the CSV file.

    Raises:
        SettingError: The file is missing or is not a table.
        DamagedError: Its content is not what was written.
    """
    from pyarrow import ArrowInvalid, csv, parquet

    path = storage.user_path(path)
    try:
        content = io.BytesIO(path.read_bytes())
        checksums = path.with_suffix(_CHECKSUMS)
        if checksums.exists():  # the project's own table has none: git keeps it
            storage.read(path, storage.read_json(checksums)["files"][path.name])
        made = parquet.read_table(content) if path.suffix == ".parquet" else csv.read_csv(content)
    except (OSError, ArrowInvalid) as error:
        raise SettingError(f"{path}: not the table of a sweep: {error}") from None
    rows: list[dict[str, Any]] = made.to_pylist()
    return rows
