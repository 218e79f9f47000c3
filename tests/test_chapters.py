"""The chapters' notebooks, as they are committed; the book's tests execute them."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml

from vaelib import chapters
from vaelib.experiment import Experiment, SettingError

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_every_chapter_is_in_the_table_of_contents() -> None:
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    assert [f"notebooks/{path.stem}" for path in NOTEBOOKS] == [
        name for name in listed if name.startswith("notebooks/")
    ]


@each
def test_a_chapter_is_committed_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.source for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


@each
def test_a_chapter_opens_with_its_title(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")


@each
def test_papermill_knows_every_parameter_its_type_and_its_meaning(path: Path) -> None:
    """papermill's inspection drops some annotations silently, so what it sees is what is declared."""
    cells = nbformat.read(path, as_version=4).cells
    (source,) = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    body = ast.parse(source).body
    assert [node for node in body if not isinstance(node, ast.AnnAssign | ast.ImportFrom)] == []
    declared = [ast.unparse(node.target) for node in body if isinstance(node, ast.AnnAssign)]
    seen = papermill.inspect_notebook(str(path))
    assert list(seen) == declared and declared[0] == "profile"
    assert [name for name, told in seen.items() if told["inferred_type_name"] == "None" or not told["help"]] == []


@each
def test_every_figure_has_a_name_a_caption_and_alt_text(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        options = cell.metadata.get("mystnb", {})
        if "figure" in options:
            assert options["figure"].get("name") and options["figure"].get("caption"), cell.source


def test_the_names_of_figures_are_unique() -> None:
    cells = [cell for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    names = [cell.metadata["mystnb"]["figure"]["name"] for cell in cells if "figure" in cell.metadata.get("mystnb", {})]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("profile", ["smoke", "book", "paper"])
def test_every_profile_is_accepted_by_every_chapter(profile: str) -> None:
    found = chapters.check(ROOT / "notebooks", profile, {})
    assert [chapter.path for chapter in found] == NOTEBOOKS
    assert all(dict(chapter.injected) == ({} if profile == "book" else {"profile": profile}) for chapter in found)


def test_values_arrive_with_their_types() -> None:
    found = chapters.check(ROOT / "notebooks", "smoke", {"gamma": "1e-2", "seed": "3"})
    given = [chapter.injected for chapter in found if "gamma" in chapter.injected]
    assert given and all(injected["gamma"] == 0.01 for injected in given)
    assert all(injected["seed"] == 3 for injected in given if "seed" in injected)


@pytest.mark.parametrize("name", sorted(set(Experiment.model_fields) - {"profile"}))
def test_a_setting_out_of_range_is_refused_beforehand(name: str) -> None:
    """For every setting that some chapter declares; -1 is allowed for none."""
    declared = {known for path in NOTEBOOKS for known in papermill.inspect_notebook(str(path))}
    with pytest.raises(SettingError, match=rf"{name} = '?-1|no chapter has a parameter '{name}'") as caught:
        chapters.check(ROOT / "notebooks", "smoke", {name: "-1"})
    assert (name in declared) == ("no chapter" not in str(caught.value))


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"no chapter has a parameter 'gama'\. Did you mean 'gamma'"):
        chapters.check(ROOT / "notebooks", "smoke", {"gama": "1"})


@pytest.mark.parametrize(
    ("name", "value", "message"), [("gama", "1", "unknown parameter 'gama'"), ("gamma", "-1", "gamma = -1")]
)
def test_papermill_alone_is_stopped_by_the_chapter_itself(name: str, value: str, message: str, tmp_path: Path) -> None:
    """Before any training: papermill injects what it is given."""
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(ROOT / "notebooks" / "03_training.ipynb"),
        str(tmp_path / "out.ipynb"),
        "--cwd",
        str(tmp_path),
    ]
    done = subprocess.run([*command, "-p", "profile", "smoke", "-p", name, value], capture_output=True, text=True)
    assert done.returncode != 0
    assert "SettingError" in done.stderr and message in done.stderr
    assert not (tmp_path / "runs").exists()


def test_every_module_is_in_the_reference() -> None:
    text = (ROOT / "book" / "api.md").read_text()
    modules = {path.stem for path in (ROOT / "vaelib").glob("*.py")} - {"__init__"}
    assert {module for module in modules if f".. automodule:: vaelib.{module}\n" not in text} == set()
