"""The repository that the pages link to. Its address is found at build time and is in no file."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vaelib.errors import SettingError
from vaelib.system import provenance

VARIABLE = "VAELIB_REPOSITORY"
"""The environment variable with the repository's address; empty: the pages link to none."""

_PROVIDERS = r"(github|gitlab)\.[a-z0-9.]+"  # the hosts whose pages for a file, an edit and an issue the theme knows
_ADDRESS = re.compile(  # as git writes them: https://[user@]host/path.git, ssh://git@host/path, git@host:path
    rf"(?:(?:https?|ssh|git)://(?:[^@/]*@)?|[^@/:]+@)(?P<host>{_PROVIDERS})(?::\d+)?[/:](?P<path>[\w.~-]+(/[\w.~-]+?)+)(\.git)?/?"
)


def address(root: Path) -> str | None:
    """Return the https address of the repository of the tree `root`, without a user or a password, or None.

    It is that of the environment variable VAELIB_REPOSITORY, else that of the git remote `origin` if this is on a
    host whose pages are known, GitHub or GitLab.

    Raises:
        SettingError: if the variable holds anything else than such an address.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        given = _remote(root)
    elif given and not _ADDRESS.fullmatch(given):
        raise SettingError(f"{VARIABLE} = {given!r}; allowed: an address as https://github.com/owner/name, or none")
    match = _ADDRESS.fullmatch(given)
    return f"https://{match['host']}/{match['path']}" if match else None


def config(root: Path) -> dict[str, Any]:
    """Return what `_config.yml` says, and where there is a repository, the buttons that lead to it and to Binder."""
    own: dict[str, Any] = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    url = address(root)
    return _merged(own, _links(url, _branch(root))) if url else own


def _links(url: str, branch: str) -> dict[str, Any]:
    return {
        "repository": {"url": url, "branch": branch},
        "html": {"use_repository_button": True, "use_edit_page_button": True, "use_issues_button": True},
        "sphinx": {"config": {"html_theme_options": {"use_source_button": True}}},
        "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
    }


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    inner = {
        key: _merged(base[key], value) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in over.items()
    }
    return {**base, **inner}


def _remote(root: Path) -> str:
    try:
        if provenance.git(root, "rev-parse", "--show-cdup"):  # a book in somebody else's repository
            return ""
        return provenance.git(root, "remote", "get-url", "origin")
    except (OSError, subprocess.SubprocessError):
        return ""


def _branch(root: Path) -> str:
    """Return the branch that is checked out; `main` where none is, as for a pull request or without git."""
    try:
        return provenance.git(root, "branch", "--show-current") or "main"
    except (OSError, subprocess.SubprocessError):
        return "main"
