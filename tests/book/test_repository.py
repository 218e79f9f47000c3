"""Pages link to the repository that they were built from, if there is one that a reader can open."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vaelib.book import build, repository
from vaelib.errors import SettingError

HERE = Path(__file__).parents[2]
SHOWN = "https://github.com/owner/name"
WAYS = [
    SHOWN,
    f"{SHOWN}.git",
    f"{SHOWN}/",
    "http://github.com/owner/name",
    "https://user:secret@github.com/owner/name.git",
    "git@github.com:owner/name.git",
    "ssh://git@github.com/owner/name.git",
    "ssh://git@github.com:22/owner/name",
]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one page and one chapter in a repository of its own, on the branch `trunk`."""
    monkeypatch.delenv(repository.VARIABLE, raising=False)
    shutil.copyfile(HERE / "_config.yml", tmp_path / "_config.yml")
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)


@pytest.mark.parametrize("written", WAYS)
def test_the_remote_is_shown_as_an_address_that_a_browser_opens(tree: Path, written: str) -> None:
    assert repository.address(tree) is None
    git(tree, "remote", "add", "origin", written)
    assert repository.address(tree) == SHOWN


@given(user=st.from_regex(r"[\w.-]{1,12}(:[\w.-]{1,12})?", fullmatch=True))
def test_no_user_and_no_password_reaches_the_pages(user: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(repository.VARIABLE, f"https://{user}@gitlab.com/group/sub/name.git")
        assert repository.address(HERE) == "https://gitlab.com/group/sub/name"


@pytest.mark.parametrize(
    "elsewhere", ["/srv/copies/name.git", "../name", "file:///srv/name", "https://example.org/name"]
)
def test_a_remote_that_readers_cannot_open_is_not_shown(tree: Path, elsewhere: str) -> None:
    git(tree, "remote", "add", "origin", elsewhere)
    assert repository.address(tree) is None


def test_the_repository_around_a_book_is_not_its_own(tree: Path) -> None:
    git(tree, "remote", "add", "origin", SHOWN)
    (tree / "inside").mkdir()
    assert repository.address(tree / "inside") is None


def test_the_variable_comes_before_the_remote_and_empty_it_hides_it(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tree, "remote", "add", "origin", SHOWN)
    monkeypatch.setenv(repository.VARIABLE, "https://gitlab.com/other/copy")
    assert repository.address(tree) == "https://gitlab.com/other/copy"
    monkeypatch.setenv(repository.VARIABLE, "")
    assert repository.address(tree) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "github.com/owner/name",
        "https://example.org/owner/name",
        "yes",
        "https://github.com/",
        "https://github.com/owner",
    ],
)
def test_a_variable_without_an_address_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv(repository.VARIABLE, wrong)
    with pytest.raises(SettingError, match=re.escape(f"VAELIB_REPOSITORY = {wrong!r}; allowed: ")):
        build(HERE, tmp_path / "output", profile="smoke")
    assert not (tmp_path / "output").exists()


def test_without_git_there_is_none(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tree, "remote", "add", "origin", SHOWN)
    monkeypatch.setenv("PATH", str(tree))
    assert repository.address(tree) is None


def test_without_an_address_the_configuration_is_what_the_project_has(tree: Path) -> None:
    assert repository.config(tree) == yaml.safe_load((tree / "_config.yml").read_text())


def test_an_address_adds_its_links_and_changes_nothing_else(tree: Path) -> None:
    git(tree, "remote", "add", "origin", SHOWN)
    own, made = yaml.safe_load((tree / "_config.yml").read_text()), repository.config(tree)
    assert made["repository"] == {"url": SHOWN, "branch": "trunk"}
    assert {name: made["html"][name] for name in own["html"] if "button" not in name} == {
        name: value for name, value in own["html"].items() if "button" not in name
    }
    own_options = own["sphinx"]["config"].pop("html_theme_options")
    assert made["sphinx"]["config"].pop("html_theme_options") == {**own_options, "use_source_button": True}
    assert made["sphinx"] == own["sphinx"]


@pytest.mark.parametrize("linked", [True, False])
def test_pages_have_links_to_the_source_to_issues_and_to_binder_where_they_can(
    tree: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    monkeypatch.setenv(repository.VARIABLE, SHOWN if linked else "")
    source = tree / "source"
    (source / "notebooks").mkdir(parents=True)
    (source / "index.md").write_text("# A page\n\nAnd its text.\n")
    shutil.copyfile(HERE / "notebooks" / "11_ledger.ipynb", source / "notebooks" / "chapter.ipynb")
    (source / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters: [{file: notebooks/chapter}]\n")
    config = repository.config(tree)
    # Of the whole book's settings, those that matter here: the others need its bibliography and its scripts.
    kept = {
        name: config[name] for name in ("title", "execute", "html", "repository", "launch_buttons") if name in config
    }
    options = {"html_theme_options": config["sphinx"]["config"]["html_theme_options"]}
    kept["sphinx"] = {"recursive_update": config["sphinx"]["recursive_update"], "config": options}
    (source / "_config.yml").write_text(yaml.safe_dump(kept))
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts"))
    assert program is not None
    subprocess.run([program, "build", str(source), "-q"], check=True)
    for name, is_chapter in (("index.md", False), ("notebooks/chapter.ipynb", True)):
        page = (source / "_build" / "html" / name).with_suffix(".html").read_text()
        links = re.findall(r'href="(https://[^"]*(?:github\.com|mybinder\.org)[^"]*)"', page)
        links = [link for link in links if "owner" in link or "mybinder" in link]
        if not linked:
            assert links == []
            continue
        assert SHOWN in links
        assert f"{SHOWN}/blob/trunk/{name}?plain=1" in links
        assert f"{SHOWN}/edit/trunk/{name}" in links
        assert any(link.startswith(f"{SHOWN}/issues/new?title=") for link in links)
        binder = f"https://mybinder.org/v2/gh/owner/name/trunk?urlpath=lab/tree/{name}"
        assert (binder in links) == is_chapter
