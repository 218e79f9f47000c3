"""What every chapter uses: its checked parameters, the numbers for its prose, the folders of its runs and films.

Papermill injects unknown names silently and checks no types, so a chapter checks them itself, before any work.
"""

import ast
import contextlib
import functools
import itertools
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from vaelib import storage
from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.storage import yaml_text
from vaelib.storage.schema_text import misfit, nearest

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_OWN = {"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}  # injected by papermill itself, on request


def parameters(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotated parameters of a notebook, converted to their annotated types.

    The parameters are the names that the parameters cell annotates: the last executed cell that annotates `profile`.
    Cells that follow it and only assign, as papermill's do, may set no other name. Numbers and lists may be text, such
    as "[0, 1]" from the command line.

    Args:
        namespace: `globals()`, in the first cell after the parameters. The call may be repeated: names from later cells
            or a start-up file do not count.

    Raises:
        SettingError: A parameter is unknown, has no value, or has a value that its type does not allow; the message
            names it.
    """
    annotations = namespace.get("__annotations__", {})
    declared, injected = _executed(namespace.get("In")) or (list(annotations), [])
    for name in injected:
        if name not in declared and name not in _OWN:
            hint = nearest(name, declared)
            raise SettingError(f"unknown parameter {name!r}.{hint} This notebook has: {', '.join(declared)}")
    values = {}
    for name in declared:
        if name not in namespace or name not in annotations:
            raise SettingError(f"{name} has no value: set it in the parameters cell")
        adapter: TypeAdapter[Any] = TypeAdapter(annotations[name])
        try:
            values[name] = _converted(adapter, namespace[name])
        except ValidationError as error:
            message = misfit(name, namespace[name], adapter.json_schema(), error.errors()[0]["msg"])
            raise SettingError(message) from None
        if _was_boolean(namespace[name], values[name]):
            raise SettingError(misfit(name, namespace[name], adapter.json_schema(), "of another type"))
    return values


def _was_boolean(value: Any, converted: Any) -> bool:
    """Return whether True or False, perhaps in a list, became a number, which pydantic allows."""
    if isinstance(value, list) and isinstance(converted, list):
        return any(map(_was_boolean, value, converted))
    return isinstance(value, bool) and not isinstance(converted, bool)


def _executed(history: Any) -> tuple[list[str], list[str]] | None:
    """Return the names that the last executed parameters cell annotates, and those that cells after it inject.

    None if no parameters cell is in `history`, IPython's list of the cells executed so far, the current one included.
    """
    cells = [_statements(source) for source in history] if isinstance(history, list) else []
    annotated = [[name for node in cell if isinstance(node, ast.AnnAssign) for name in _names(node)] for cell in cells]
    last = max((index for index, names in enumerate(annotated) if "profile" in names), default=None)
    if last is None:
        return None
    after = itertools.takewhile(lambda cell: all(isinstance(node, ast.Assign) for node in cell), cells[last + 1 :])
    return annotated[last], [name for cell in after for node in cell for name in _names(node)]


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError):  # a cell that failed
        return []


def _names(node: ast.stmt) -> list[str]:
    """Return the plain names that an assignment sets; a, b = … and x[0] = … inject nothing."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _converted(adapter: TypeAdapter[Any], value: Any) -> Any:
    """Return a value as the annotated type; text that is not of this type may be a list, such as "[0, 1]"."""
    try:
        return adapter.validate_python(value)
    except ValidationError:
        content = value
        if isinstance(value, str):
            with contextlib.suppress(SettingError):
                content = yaml_text.load(value)
        if not isinstance(content, list):
            raise
        return adapter.validate_python(content)


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a chapter's parameters that are settings of an `Experiment`, `profile` included."""
    return {name: value for name, value in values.items() if name in Experiment.model_fields}


def glue(prefix: str = "", **values: Any) -> None:
    """Make numbers or words available to the prose under `prefix` and their names, without showing them."""
    from myst_nb import glue as glue_value

    for name, value in values.items():
        # A numpy scalar would be shown with its type.
        glue_value(prefix + name, value.item() if hasattr(value, "item") else value, display=False)


def power_of_ten(value: float) -> str:
    """Return a number to one digit as prose has it, such as "4 × 10⁻⁷"; 0 as "0"."""
    if value == 0:
        return "0"
    digit, exponent = f"{value:.0e}".split("e")
    return f"{digit} × 10{str(int(exponent)).translate(_RAISED)}"


def runs_root() -> Path:
    """Return the folder of the runs: `$VAELIB_RUNS`, else `runs` beside the folder `notebooks`, else in this folder."""
    if chosen := os.environ.get("VAELIB_RUNS"):
        return storage.user_path(chosen)
    here = Path.cwd()
    return (here.parent if here.name == "notebooks" else here) / "runs"


def media(name: str) -> Path:
    """Return the path for a film or picture that a chapter shows.

    While a page is made, it is in the folder `media` beside the page. Otherwise, since several executions may share a
    working folder and the executed notebook may be anywhere, it is in a folder that ends with this kernel;
    `figures.show_video` then embeds the film.
    """
    return (Path("media") if is_static() else Path(_scratch().name)) / name


@functools.cache
def _scratch() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="vaelib-media-")


def is_static() -> bool:
    """Return whether this notebook is being made into a page, where no kernel answers a slider."""
    return os.environ.get("VAELIB_STATIC") == "1"
