"""The reference: what the book's extension makes of docstrings, before and after napoleon reads their sections."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel, Field
from sphinx.ext.napoleon import Config, GoogleDocstring


@pytest.fixture(scope="module")
def extension() -> ModuleType:
    file = Path(__file__).parents[2] / "book" / "_ext" / "book_pages.py"
    spec = importlib.util.spec_from_file_location("book_pages", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def restructured(extension: ModuleType, what: str, text: str, thing: object = None) -> str:
    lines = text.split("\n")
    extension._process_docstring(None, what, "x", thing, None, lines)
    lines[:] = GoogleDocstring(lines, Config(napoleon_use_rtype=False), what=what, name="x", obj=thing).lines()
    extension._show_colons(None, what, "x", thing, None, lines)
    return "\n".join(lines)


@pytest.mark.parametrize("what", ["attribute", "data", "property"])
def test_an_attributes_shape_and_its_sentence_stay_together(extension: ModuleType, what: str) -> None:
    assert restructured(extension, what, "(n, 3): the means of val_loss.") == r"(n, 3): the means of val\_loss."


def test_a_functions_sections_are_read(extension: ModuleType) -> None:
    text = "Return (n,): a norm.\n\nArgs:\n    batch_size: The batch's.\n\nRaises:\n    ValueError: It is 0."
    assert restructured(extension, "function", text).split("\n") == [
        "Return (n,): a norm.", "", r":param batch\_size: The batch's.", "", ":raises ValueError: It is 0.", "",
    ]  # fmt: skip


def test_settings_are_described_by_their_fields(extension: ModuleType) -> None:
    class Settings(BaseModel):
        name: str = Field(description="Its `name`.")
        size: int = Field(3, description="In pixels.")

    lines = restructured(extension, "class", "What is set.", Settings).split("\n")
    assert [line for line in lines if line] == [
        "What is set.",
        r"* ``name``: Its \ ``name``\ .",
        "* ``size`` = ``3``: In pixels.",
    ]


def test_what_a_literal_block_shows_is_not_escaped(extension: ModuleType) -> None:
    text = "As `x_1`::\n\n    a_b = c_d(*e)\n\n    f_g\n\nAnd h_i."
    shown = restructured(extension, "function", text)
    assert "    a_b = c_d(*e)\n\n    f_g\n" in shown and shown.endswith(r"And h\_i.")
