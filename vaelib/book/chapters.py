"""The chapters of the book and their parameters, which are checked before anything is executed."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

from vaelib import notebook, storage
from vaelib.errors import BuildError, SettingError
from vaelib.experiment import PROFILES, Experiment
from vaelib.storage import results
from vaelib.storage.schema_text import nearest
from vaelib.system import provenance


@dataclasses.dataclass(frozen=True)
class Chapter:
    """A notebook and its parameters."""

    path: Path
    """The notebook."""
    injected: Mapping[str, Any]
    """The parameters that differ from the notebook's own, which papermill injects."""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The values of all parameters after that."""

    @property
    def name(self) -> str:
        """The notebook's name without its suffix, such as "03_training"."""
        return self.path.stem

    @property
    def number(self) -> str:
        """What stands before the name's first underscore, such as "03"."""
        return self.name.split("_")[0]

    def stamp(self) -> str:
        """Return a digest of all that the execution depends on: notebook, parameters, library and kept results."""
        results_folder = results.find(self.path.parent)
        kept = sorted(file for file in results_folder.rglob("*") if file.is_file()) if results_folder else []
        library = [(str(file.relative_to(provenance.LIBRARY)), file) for file in provenance.sources()]
        digests = [(name, storage.digest(file.read_bytes())) for name, file in library]
        digests += [("", storage.digest(file.read_bytes())) for file in (self.path, *kept)]
        return storage.digest(json.dumps([digests, self.injected], sort_keys=True, default=str).encode())


def check(folder: Path, profile: str, parameters: Mapping[str, Any], *, only: Sequence[str] = ()) -> list[Chapter]:
    """Return the chapters in a folder, each with those of the parameters that it declares.

    The parameters' types are checked, the settings of the experiment that they make, and what the chapter itself
    requires: its cells tagged `checks` are executed here, as they will be in the chapter, so that a mistake ends the
    build before it begins.

    Args:
        folder: The folder of the notebooks.
        profile: The profile, the parameter of every chapter.
        parameters: The other parameters, as values or as text.
        only: The names or numbers of the chapters whose checks are executed, by default all.

    Raises:
        SettingError: For an unknown profile or parameter and for a value that is not allowed.
        BuildError: When there are no chapters, one has no cell tagged `parameters`, or a check itself fails.
    """
    if profile not in PROFILES:
        raise SettingError(f"profile = {profile!r}; allowed: {', '.join(PROFILES)}")
    defaults = {path: _defaults(path) for path in sorted(folder.glob("*.ipynb"))}
    if not defaults:
        raise BuildError(f"no chapters in {folder}")
    declared = sorted({name for namespace in defaults.values() for name in namespace["__annotations__"]})
    _check_names(parameters, declared, "no chapter has a parameter", "They have")
    values = {"profile": profile, **parameters}
    chapters = [_chapter(path, namespace, values) for path, namespace in defaults.items()]
    for chapter in chapters:
        if not only or {chapter.name, chapter.number} & set(only):
            _run_checks(chapter, defaults[chapter.path])
    return chapters


def prepare(path: Path, parameters: Mapping[str, Any]) -> Chapter:
    """Return a chapter, or another notebook with a cell tagged `parameters`, with these parameters, checked.

    Raises:
        SettingError: For a parameter that it does not have and for a value that is not allowed.
        BuildError: When it has no cell tagged `parameters`, cannot be read, or a check itself fails.
    """
    namespace = _defaults(path)
    _check_names(parameters, namespace["__annotations__"], f"{path.name} has no parameter", "It has")
    chapter = _chapter(path, namespace, parameters)
    _run_checks(chapter, namespace)
    return chapter


def _check_names(parameters: Iterable[str], declared: Iterable[str], problem: str, they_have: str) -> None:
    """Raise SettingError for the first of the parameters that is not declared; the words begin its sentences."""
    for name in parameters:
        if name not in declared:
            raise SettingError(f"{problem} {name!r}.{nearest(name, declared)} {they_have}: {', '.join(declared)}")


def _chapter(path: Path, namespace: Mapping[str, Any], parameters: Mapping[str, Any]) -> Chapter:
    given = {name: None if value == "None" else value for name, value in parameters.items()}
    own = {name: value for name, value in given.items() if name in namespace["__annotations__"]}
    checked = notebook.parameters({**namespace, **own})
    Experiment.from_profile(**notebook.settings(checked))
    changed = {name: checked[name] for name in own if checked[name] != namespace[name]}
    return Chapter(path, changed, checked)


def _run_checks(chapter: Chapter, namespace: Mapping[str, Any]) -> None:
    """Execute a chapter's cells tagged `checks`, which neither train nor draw, with the chapter's values."""
    variables = {**namespace, **chapter.values}
    try:
        for source in _tagged(chapter.path, "checks"):
            exec(source, variables)
    except SettingError:
        raise
    except Exception as error:
        raise BuildError(f"{chapter.name}: its checks failed: {type(error).__name__}: {error}") from error


def _tagged(path: Path, tag: str) -> list[str]:
    """Return the sources of a notebook's cells that have a tag."""
    try:
        content = nbformat.read(path, as_version=4)
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} is not a notebook: {error}") from None
    language = content.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":  # the name of its kernel does not matter: this environment's Python executes it
        raise BuildError(f"{path} is written in {language}; allowed: notebooks in Python")
    return [cell.source for cell in content.cells if tag in cell.metadata.get("tags", [])]


def _defaults(path: Path) -> dict[str, Any]:
    """Return the variables that a chapter's parameters cell defines, with their annotations."""
    sources = _tagged(path, "parameters")
    if len(sources) != 1:
        raise BuildError(f"{path.name} has {len(sources)} cells tagged `parameters`; it needs one")
    namespace: dict[str, Any] = {"__annotations__": {}}
    try:
        exec(sources[0], namespace)
    except Exception as error:
        raise BuildError(f"{path.name}: its parameters cell failed: {type(error).__name__}: {error}") from error
    return namespace
