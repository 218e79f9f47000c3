"""A book of which only some chapters are executed has no holes."""

import re
from html import unescape
from pathlib import Path

import nbformat
import pytest
from small_book import told, write_chapter

from vaelib import book
from vaelib.errors import BuildError


@pytest.fixture
def cited_tree(tree_with_pages: Path) -> Path:
    """Its front page and another show a number of the second chapter, to which the first leads; one is a reference."""
    tree = tree_with_pages
    number = "Found: {glue:text}`../notebooks/02_two.ipynb::number:d`"
    (tree / "book" / "index.md").write_text(f"# Small\n\nWhat is found?\n\n{number}, [here](errata.md).\n")
    (tree / "book" / "errata.md").write_text(f"# Errata\n\n{number}.\n")
    (tree / "book" / "api.md").write_text(
        "# The library\n\n```{eval-rst}\n.. automodule:: vaelib.storage.results\n```\n"
    )
    with open(tree / "_toc.yml", "a") as toc:
        print("- file: book/errata\n- file: book/api", file=toc)
    with open(tree / "_config.yml", "a") as configuration:
        print("  extra_extensions: [sphinx.ext.autodoc]", file=configuration)
    text = write_chapter(tree, "01_one").read_text()
    links = "Its question? [the second](02_two.ipynb), [errata](../book/errata.md)"
    (tree / "notebooks" / "01_one.ipynb").write_text(text.replace("Its question.", links))
    write_chapter(tree, "02_two", "from myst_nb import glue\nglue('number', 42, display=False)")
    return tree


def words(page: Path) -> str:
    """Return what a page says, without its tags."""
    return unescape(re.sub("<[^>]*>", "", page.read_text()))


def dead_links(html: Path) -> list[tuple[str, str]]:
    """Return the links of the pages that lead to no file, each after its page."""
    pages = [path for path in html.rglob("*.html") if "_static" not in path.parts]
    links = [(path, link) for path in pages for link in re.findall(r'href="([^"#:?]+)', path.read_text())]
    return [(path.name, link) for path, link in links if not (path.parent / link).exists()]


def test_one_chapter_of_a_book_that_was_never_built_is_a_book_without_holes(cited_tree: Path) -> None:
    html = book.build(cited_tree, profile="smoke", chapters=["01"])
    assert [entry["chapter"] for entry in told(html.parent)] == ["01_one"]
    front, errata, one, two = (
        words(html / name)
        for name in ("book/index.html", "book/errata.html", "notebooks/01_one.html", "notebooks/02_two.html")
    )
    assert dead_links(html) == []
    assert "What is found?" in front and "Built so far: 01_one." in front
    assert "make book ARGS=--reuse" in front and "Found:" not in front + errata
    assert "02_two (not built yet)" in two and 'make book ARGS="--chapter 02 --reuse"' in two
    assert "The library (not built yet)" in words(html / "book" / "api.html")
    assert "Errata (not built yet)" in errata and "make book ARGS=--reuse" in errata
    assert "01_one (not built yet)" not in one

    # What it made is kept by the whole book, in which nothing is left of the placeholders.
    book.build(cited_tree, profile="smoke", reuse=True)
    assert [entry["chapter"] for entry in told(html.parent)] == ["01_one", "02_two"]
    assert not [path.name for path in html.rglob("*.html") if "not built yet" in words(path)]
    assert "Found: 42" in words(html / "book" / "index.html")


def test_one_chapter_beside_a_whole_book_leaves_its_other_pages_alone(tree: Path) -> None:
    source = book.build(tree, profile="smoke").parent / "source"
    second = (source / "notebooks" / "02_two.ipynb").read_bytes()
    book.build(tree, profile="smoke", chapters=["01"])
    assert (source / "book" / "index.md").read_bytes() == (tree / "book" / "index.md").read_bytes()
    assert (source / "notebooks" / "02_two.ipynb").read_bytes() == second


def test_a_chapter_after_another_adds_to_the_small_book(tree: Path) -> None:
    source = book.build(tree, profile="smoke", chapters=["02"]).parent / "source"
    assert "01_one (not built yet)" in (source / "notebooks" / "01_one.ipynb").read_text()
    book.build(tree, profile="smoke", chapters=["01"])
    assert (source / "book" / "index.md").read_bytes() == (tree / "book" / "index.md").read_bytes()
    assert [entry["chapter"] for entry in told(source.parent)] == ["02_two", "01_one"]


@pytest.mark.parametrize(
    ("defines", "cites"),
    [
        ("```{figure} a.png\n:name: fig-a\n```", "{numref}`fig-a`"),
        ("```{math}\n:label: eq-a\na\n```", "{eq}`as there <eq-a>`"),
        ("", "{glue:text}`01_one.ipynb::number`"),
    ],
)
def test_a_chapter_that_cites_one_that_is_not_executed_is_refused(tree: Path, defines: str, cites: str) -> None:
    for name, text in (("01_one", defines), ("02_two", cites)):
        path = tree / "notebooks" / f"{name}.ipynb"
        chapter = nbformat.read(path, as_version=4)
        chapter.cells.append(nbformat.v4.new_markdown_cell(text))
        nbformat.write(chapter, path)
    with pytest.raises(BuildError, match="02_two cites 01_one, which is not executed yet: add --chapter 01_one"):
        book.build(tree, profile="smoke", chapters=["02"])
    assert not (tree / "_build").exists()
    book.build(tree, profile="smoke", chapters=["02", "01"])
