"""Messages about a value and what is allowed, from the JSON schema of a setting. Nothing here inflects."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

_NUMBERS = {"integer": "whole numbers", "number": "numbers"}  # by their names in a JSON schema


def allowed(schema: Mapping[str, Any], otherwise: str) -> str:
    """Return what a JSON schema allows, such as "whole numbers from 32 to 1024, multiples of 8".

    Args:
        schema: The JSON schema of a setting.
        otherwise: The text for a kind of value that no setting has, pydantic's message.
    """
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) == 1:
        return f"{allowed(kinds[0], otherwise)}, or None"
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") in _NUMBERS:
        return f"{_NUMBERS[schema['type']]}{_bounds(schema)}"
    if schema.get("type") == "array" and schema.get("items", {}).get("type") in _NUMBERS:
        return f"lists of {allowed(schema['items'], otherwise)}, as in [1, 2]"
    if schema.get("type") == "boolean":
        return "true and false"
    if schema.get("type") == "string":
        return "text"
    return otherwise.removeprefix("Input should be ")


def _bounds(schema: Mapping[str, Any]) -> str:
    """Return the bounds of numbers in words, with a space before them."""
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if schema["type"] == "integer":  # so that each bound is itself allowed
        least, above = (above + 1, None) if above is not None else (least, None)
        most, below = (below - 1, None) if below is not None else (most, None)
    words = f" above {_plain(above)}" if above is not None else f" from {_plain(least)}" if least is not None else ""
    if most is not None:
        words += f"{', up' if above is not None or least is None else ''} to {_plain(most)}"
    elif below is not None:
        words += f"{',' if words else ''} below {_plain(below)}"
    return words + (f", multiples of {schema['multipleOf']}" if "multipleOf" in schema else "")


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint such as " Did you mean 'gamma'?" for a mistyped name, "" if no known name is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def misfit(name: str, value: Any, schema: Mapping[str, Any], otherwise: str) -> str:
    """Return "name = value; allowed: ..." for a setting; the other arguments are those of `allowed`."""
    return f"{name} = {shown(value)}; allowed: {allowed(schema, otherwise)}"


def shown(value: Any) -> str:
    """Return a value's representation in one line of at most 200 characters."""
    try:
        text = " ".join(repr(value).splitlines())  # an array has several
    except ValueError:  # a whole number of more than 4,300 digits, which Python refuses to write
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:199]}…"
