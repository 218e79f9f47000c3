"""Data sets as files that other programs read and write: a folder of PNG images, a CSV table of points."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from vaelib import curves, storage
from vaelib.dataset.data_set import DataSet
from vaelib.errors import SettingError, StoreError

_FORM = "fields are separated by commas, numbers have a decimal point"


def check_empty(folder: str | os.PathLike[str]) -> Path:
    """Make a folder to export into.

    Args:
        folder: A new or an empty folder.

    Returns:
        Its path.

    Raises:
        SettingError: It is not empty.
        StoreError: It cannot be written.
    """
    path = storage.check_writable(folder)
    with storage.writing(path):
        used = any(path.iterdir())
    if used:
        raise SettingError(f"folder = {str(folder)!r} is not empty; allowed: a new or an empty one")
    return path


def export(dataset: DataSet, folder: str | os.PathLike[str]) -> Path:
    """Write the images as grey PNG files and `parameters.csv` (file, a, b, split, weight).

    The subfolders are `train`, `validation` and, where the region leaves images out, `hole` (for a thinned set
    `removed`); files are named by their index in the draw. The table's rows are sorted by file, the order in which
    Keras reads the folder unless it shuffles, so that the points are the images' labels::

        points = exchange.read_points(folder / "parameters.csv")  # (n, 2)
        pairs = keras.utils.image_dataset_from_directory(
            folder, labels=list(map(tuple, points)), shuffle=False, color_mode="grayscale", image_size=(64, 64)
        )  # batches of images (m, 64, 64, 1) and their (a, b), (m, 2)

    image_size is that of the export, or Keras resizes. A subfolder alone goes with the rows of its split. Built again
    from the points, a full or a punctured set trains and validates on the same images; a thinned one draws again which
    to remove. `parameters.csv` comes last: a folder that has it is complete.

    Args:
        dataset: What to export.
        folder: A new or an empty folder.

    Returns:
        The folder's path.

    Raises:
        SettingError: The folder is not empty.
        StoreError: It cannot be written.
    """
    folder = check_empty(folder)
    left_out_name = "removed" if dataset.settings.region == "thinned" else "hole"
    splits = {"train": dataset.train, "validation": dataset.validation, left_out_name: dataset.left_out}
    digits = max(6, len(str(len(dataset.images) - 1)))  # of equal length: as text, 9 sorts after 10
    rows = sorted((f"{split}/{i:0{digits}d}.png", split, int(i)) for split, indices in splits.items() for i in indices)
    lines = ["file,a,b,split,weight"]
    try:
        for split in {split for _, split, _ in rows}:
            (folder / split).mkdir()
        for name, split, index in tqdm(rows, desc="writing images", unit="image", leave=False, delay=2, disable=None):
            Image.fromarray(dataset.images[index]).save(folder / name)
            a, b = dataset.parameters[index].tolist()
            lines.append(f"{name},{a!r},{b!r},{split},{float(dataset.weights[index])!r}")
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from error
    storage.write(folder / "parameters.csv", ("\n".join(lines) + "\n").encode())
    return folder


def read_points(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Read points (a, b) from a CSV file whose header has columns a and b; others are ignored.

    Fields are separated by commas and numbers have a decimal point; every line has as many fields as the header.
    Allowed are finite numbers with |a| + |b| up to 4, which fit the frame; the study's space is within.

    Args:
        path: The file.

    Returns:
        The points (n, 2).

    Raises:
        SettingError: A field is not allowed, or the file cannot be read; the message names file, line, column and
            value.
    """
    path = storage.user_path(path)
    points: list[list[float]] = []
    try:
        # utf-8-sig, as spreadsheets write a byte order mark.
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, row in _rows(path, file):
                point = [_number(path, line, name, row[name]) for name in ("a", "b")]
                if sum(map(abs, point)) > curves.LARGEST_RADIUS:
                    raise SettingError(
                        f"{path}, line {line}, columns a and b: {point[0]:g} and {point[1]:g}; allowed: "
                        f"|a| + |b| up to {curves.LARGEST_RADIUS:g}"
                    )
                points.append(point)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"{path} cannot be read as a CSV file: {error}") from error
    if not points:
        raise SettingError(f"{path} has no points; needed: a header with a and b, and one line per point")
    return np.array(points, dtype=np.float64)


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, dict[str, str]]]:
    """Check the header, then yield the line number and the fields of every line that is not blank."""
    reader = csv.reader(file, skipinitialspace=True)
    header = [name.strip() for name in next(reader, [])]
    given = f"the header is {','.join(header)!r}"
    for name in ("a", "b"):
        if header.count(name) != 1:
            hint = f"; {_FORM}" if len(header) == 1 else ""
            raise SettingError(
                f"{path}, line 1: column {name!r} occurs {header.count(name)} times; allowed: once; {given}{hint}"
            )
    for fields in filter(None, reader):
        if len(fields) != len(header):
            raise SettingError(
                f"{path}, line {reader.line_num}: {len(fields)} fields; allowed: {len(header)}, as {given}; {_FORM}"
            )
        yield reader.line_num, dict(zip(header, fields, strict=True))


def _number(path: Path, line: int, name: str, text: str) -> float:
    limit = curves.LARGEST_RADIUS
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not abs(value) <= limit:  # false for NaN too
        raise SettingError(
            f"{path}, line {line}, column {name}: {text!r}; allowed: numbers from {-limit:g} to {limit:g}, with a "
            "decimal point"
        )
    return value
