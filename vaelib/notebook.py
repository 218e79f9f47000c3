"""What every chapter begins with: its parameters, checked, and the place of its runs.

Papermill injects unknown names silently and checks no types, so a chapter checks them itself, before any work.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from vaelib import yaml_text
from vaelib.experiment import Experiment, SettingError, allowed

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_IPYTHON_NAMES = {"In", "Out", "exit", "quit", "get_ipython"}


def parameters(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotated parameters of a notebook, converted to their annotated types.

    Call it with `globals()` in the first cell after the parameters. A parameter is a top-level name with an
    annotation; any other plain value there was injected under a name that the notebook does not have. A list may be
    text, "[0, 1]", as the command line brings it.

    Raises SettingError that names an unknown parameter, or a parameter whose value is not of its type (numbers
    may arrive as text).
    """
    declared = namespace.get("__annotations__", {})
    unknown = [
        name
        for name, value in namespace.items()
        if not name.startswith("_")
        and name not in declared
        and name not in _IPYTHON_NAMES
        and (value is None or isinstance(value, bool | int | float | str | list | tuple | dict))
    ]
    if unknown:
        raise SettingError(
            f"unknown parameter {', '.join(map(repr, unknown))}; this notebook has: {', '.join(declared)}"
        )
    values = {}
    for name, annotation in declared.items():
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        try:
            values[name] = _converted(adapter, namespace[name])
        except ValidationError as error:
            told = allowed(adapter.json_schema(), error.errors()[0]["msg"])
            raise SettingError(f"{name} = {namespace[name]!r}: allowed {told}") from None
    return values


def _converted(adapter: TypeAdapter[Any], value: Any) -> Any:
    """Return a value as the annotated type; text that is none of it may be a list, as in "[0, 1]"."""
    try:
        return adapter.validate_python(value)
    except ValidationError:
        read = value
        if isinstance(value, str):
            with contextlib.suppress(SettingError):
                read = yaml_text.load(value)
        if not isinstance(read, list):
            raise
        return adapter.validate_python(read)


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a chapter's parameters that are settings of an `Experiment` (`profile` among them)."""
    return {name: value for name, value in values.items() if name in Experiment.model_fields}


def glue(prefix: str = "", **values: Any) -> None:
    """Make numbers (or words) available to the prose, each as `prefix` and its name, without showing them."""
    from myst_nb import glue as glue_one

    for name, value in values.items():
        # A numpy scalar would be shown with its type.
        glue_one(prefix + name, value.item() if hasattr(value, "item") else value, display=False)


def power_of_ten(value: float) -> str:
    """Return a number, to one digit, as prose writes it: "4 × 10⁻⁷"; 0 as "0"."""
    if value == 0:
        return "0"
    digit, exponent = f"{value:.0e}".split("e")
    return f"{digit} × 10{str(int(exponent)).translate(_RAISED)}"


def runs_root() -> Path:
    """Return the folder of the runs: `$VAELIB_RUNS`, else `runs` beside the notebooks' folder or here."""
    if chosen := os.environ.get("VAELIB_RUNS"):
        return Path(chosen)
    here = Path.cwd()
    return (here.parent if here.name == "notebooks" else here) / "runs"


def is_static() -> bool:
    """Tell whether this notebook is being made into a page, where no kernel will answer a slider."""
    return os.environ.get("VAELIB_STATIC") == "1"
