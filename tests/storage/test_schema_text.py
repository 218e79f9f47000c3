"""A JSON schema in words, and one line for a value that does not fit it."""

from typing import Annotated

import numpy as np
import pytest
from pydantic import Field, TypeAdapter, ValidationError

from vaelib.storage.schema_text import allowed, misfit, nearest, shown


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Annotated[float, Field(ge=0.5)], "numbers from 0.5"),
        (Annotated[float, Field(gt=0)], "numbers above 0"),
        (Annotated[float, Field(le=2.5)], "numbers, up to 2.5"),
        (Annotated[float, Field(lt=1)], "numbers below 1"),
        (Annotated[float, Field(ge=0, lt=1)], "numbers from 0, below 1"),
        (Annotated[int, Field(gt=0, lt=5)], "whole numbers from 1 to 4"),
        (Annotated[int, Field(multiple_of=4)], "whole numbers, multiples of 4"),
        (Annotated[int, Field(ge=1)] | None, "whole numbers from 1, or None"),
        (list[Annotated[int, Field(ge=1)]], "lists of whole numbers from 1, as in [1, 2]"),
        (str, "text"),
        (dict[str, int], "a valid dictionary"),
        (tuple[int, int], "a valid tuple"),
        (int | list[int], "a valid integer"),
    ],
)
def test_what_is_allowed_is_stated_in_words(annotation, text):
    adapter = TypeAdapter(annotation)
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(object())
    assert allowed(adapter.json_schema(), caught.value.errors()[0]["msg"]) == text


def test_a_misfit_is_named_with_its_value_and_what_is_allowed():
    assert misfit("epochs", 0, {"type": "integer", "minimum": 1}, "") == "epochs = 0; allowed: whole numbers from 1"
    assert misfit("region", "ring", {"enum": ["full", "punctured"]}, "") == "region = 'ring'; allowed: full, punctured"


@pytest.mark.parametrize(
    "value",
    [np.zeros((3, 40)), "x" * 5000, "a\nb", 10**5000, {"a": "\n"}, object],
    ids=lambda value: type(value).__name__,
)
def test_any_value_is_shown_in_one_short_line(value):
    text = shown(value)
    assert len(text) <= 200 and len(text.splitlines()) == 1


def test_a_value_that_is_cut_ends_in_an_ellipsis_and_others_are_what_python_writes():
    assert shown("x" * 198) == "'" + "x" * 198 + "'"
    assert shown("x" * 199) == "'" + "x" * 198 + "…"
    assert [shown(value) for value in (None, 1.5, "a")] == ["None", "1.5", "'a'"]


def test_a_mistyped_name_gets_the_nearest_one_and_another_none():
    assert nearest("gama", ["beta", "gamma"]) == " Did you mean 'gamma'?"
    assert nearest("xyz", ["beta", "gamma"]) == nearest("gamma", []) == ""
