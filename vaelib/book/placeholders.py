"""The pages of a book of which only some chapters are executed: one without its numbers says so.

It has its title and its question, and stands in its place, so that every link leads to a page.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat
import yaml

from vaelib.book.chapters import Chapter
from vaelib.errors import BuildError

_BUILD_ALL = "`make book ARGS=--reuse` builds the whole book and keeps what is finished"
_REFERENCE = "automodule"  # a page with it takes longer than the rest of a small book: it loads the whole library
_WITHOUT_MAKE = "Without make, `vaelib book` takes the same options."


def check(shown: Iterable[Chapter], missing: Sequence[Chapter]) -> None:
    """Check that no shown chapter cites a missing one.

    Raises:
        BuildError: For the first that does; the message names both.
    """
    for chapter in shown:
        text = chapter.path.read_text(encoding="utf-8")
        for cited in (other for other in missing if _cites(text, other)):
            raise BuildError(
                f"{chapter.name} cites {cited.name}, which is not executed yet: add --chapter {cited.name}"
            )


def write(source: Path, shown: Sequence[Chapter], missing: Sequence[Chapter]) -> None:
    """Write placeholders for chapters and for the pages that cite them.

    The reference of the library becomes a placeholder too, to save time, and so does the front page, which links to
    the chapters that are shown.

    Args:
        source: The staging tree.
        shown: The chapters that are executed.
        missing: The chapters that are not.
    """
    for chapter in missing:
        cells = nbformat.read(chapter.path, as_version=4).cells
        opening = next((cell.source for cell in cells if cell.cell_type == "markdown"), f"# {chapter.name}")
        text = _not_built(opening, f'`make book ARGS="--chapter {chapter.number} --reuse"` builds this chapter; ')
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
    labels = re.findall(r'(?::label: |:name: |"name": ")([\w-]+)', chapter.path.read_text(encoding="utf-8"))
    cited = re.findall(r"\{(?:numref|eq|ref)\}`(?:[^`]*<)?([\w-]+)", text)
    return f"{chapter.name}.ipynb::" in text or not set(labels).isdisjoint(cited)


def _first_look(text: str, shown: Sequence[Chapter]) -> str:
    built = ", ".join(f"[](../notebooks/{chapter.path.name})" for chapter in shown)
    reason = "What was found will stand here; its numbers come from the chapters that are not built yet."
    return _with_note(_opening(text), "A first look", f"Built so far: {built}. {reason} {_BUILD_ALL}. {_WITHOUT_MAKE}")


def _not_built(text: str, build_this: str = "") -> str:
    title, *question = _opening(text)
    note = f"{build_this}{_BUILD_ALL}. {_WITHOUT_MAKE}"
    return _with_note([f"{title} (not built yet)", *question], "Not built yet", note)


def _opening(text: str) -> list[str]:
    """Return the blocks from a page's title to its question; only the title of a page without a question."""
    blocks = text.split("\n\n")
    question = next((place for place, block in enumerate(blocks[:3]) if "?" in block), 0)
    return blocks[: question + 1]


def _with_note(blocks: Sequence[str], title: str, note: str) -> str:
    return "\n\n".join([*blocks, f"```{{admonition}} {title}\n{note}\n```"]) + "\n"
