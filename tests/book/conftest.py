"""What the tests of the build share: a book of two quick chapters, with and without pages."""

from pathlib import Path

import pytest
from small_book import PARAMETERS, write_chapter

from vaelib.book import builder, vendor

REAL_PAGES = builder._pages


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of two quick chapters, without the vendored parts, which need a network, and without pages."""
    root = tmp_path / "tree"
    for folder in ("notebooks", "book"):
        (root / folder).mkdir(parents=True)
    (root / "_config.yml").write_text(
        "title: Small\nauthor: nobody\nexecute:\n  execute_notebooks: 'off'\n"
        "sphinx:\n  config:\n    html_extra_path: [assets]\n"
    )
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/01_one\n- file: notebooks/02_two\n"
    )
    (root / "book" / "index.md").write_text("# Small\n\nThe [first chapter](../notebooks/01_one.ipynb).\n")
    write_chapter(root, "01_one")
    write_chapter(root, "02_two", parameters=PARAMETERS + "\nturns: int = 3  # how often")
    monkeypatch.setattr(vendor, "collect", lambda book, cache, target: target.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(builder, "_pages", lambda source, output: output / "html")
    return root


@pytest.fixture
def tree_with_pages(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(builder, "_pages", REAL_PAGES)
    return tree
