"""The pages of a book of which only some chapters are executed: one without its numbers says so, and shows none.

It keeps its place, its title and its question, so that every link leads to a page.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat
import yaml

from vaelib.book.chapters import Chapter
from vaelib.errors import BuildError

_WHOLE = "`make book ARGS=--reuse` builds the whole book and keeps what is finished"
_REFERENCE = "automodule"  # a page of these takes longer than the rest of a small book: it loads the whole library
_WITHOUT_MAKE = "Without make, `vaelib book` takes the same options."


def check(shown: Iterable[Chapter], missing: Sequence[Chapter]) -> None:
    """Raise BuildError for a chapter in `shown` that cites one in `missing`, and name both."""
    for chapter in shown:
        text = chapter.path.read_text(encoding="utf-8")
        for cited in (other for other in missing if _cites(text, other)):
            raise BuildError(
                f"{chapter.name} cites {cited.name}, which is not executed yet: add --chapter {cited.name}"
            )


def write(source: Path, shown: Sequence[Chapter], missing: Sequence[Chapter]) -> None:
    """Put placeholders into the staging tree `source`: for the chapters in `missing`, and for pages that cite them.

    The reference of the library becomes one too, to be quick, and so does the front page: it leads to those in `shown`.
    """
    for chapter in missing:
        cells = nbformat.read(chapter.path, as_version=4).cells
        begins = next((cell.source for cell in cells if cell.cell_type == "markdown"), f"# {chapter.name}")
        text = _not_built(begins, f'`make book ARGS="--chapter {chapter.number} --reuse"` builds this chapter; ')
        page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
        nbformat.write(page, source / "notebooks" / chapter.path.name)
    front = source / f"{yaml.safe_load((source / '_toc.yml').read_text(encoding='utf-8'))['root']}.md"
    for path in (source / "book").rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        if path == front:
            path.write_text(_first_look(text, shown), encoding="utf-8")
        elif _REFERENCE in text or any(_cites(text, chapter) for chapter in missing):
            path.write_text(_not_built(text), encoding="utf-8")


def _cites(text: str, chapter: Chapter) -> bool:
    """Tell whether a page shows a number of the chapter's, or names a figure, table or equation there."""
    made = re.findall(r'(?::label: |:name: |"name": ")([\w-]+)', chapter.path.read_text(encoding="utf-8"))
    named = re.findall(r"\{(?:numref|eq|ref)\}`(?:[^`]*<)?([\w-]+)", text)
    return f"{chapter.name}.ipynb::" in text or not set(made).isdisjoint(named)


def _first_look(text: str, shown: Sequence[Chapter]) -> str:
    built = ", ".join(f"[](../notebooks/{chapter.path.name})" for chapter in shown)
    told = "What was found will stand here; its numbers come from the chapters that are not built yet."
    return _with_note(_opening(text), "A first look", f"Built so far: {built}. {told} {_WHOLE}. {_WITHOUT_MAKE}")


def _not_built(text: str, one: str = "") -> str:
    title, *question = _opening(text)
    note = f"{one}{_WHOLE}. {_WITHOUT_MAKE}"
    return _with_note([f"{title} (not built yet)", *question], "Not built yet", note)


def _opening(text: str) -> list[str]:
    """Return the blocks from a page's title to its question; a page without one gives the title alone."""
    blocks = text.split("\n\n")
    asked = next((place for place, block in enumerate(blocks[:3]) if "?" in block), 0)
    return blocks[: asked + 1]


def _with_note(blocks: Sequence[str], title: str, told: str) -> str:
    return "\n\n".join([*blocks, f"```{{admonition}} {title}\n{told}\n```"]) + "\n"
