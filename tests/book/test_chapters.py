"""The chapters' notebooks, as they are committed; the book's tests execute them."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml

from vaelib.book import chapters
from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.system import provenance

ROOT = Path(__file__).parents[2]
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
def test_a_chapter_checks_its_parameters_before_all_else(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert "parameters" in cells[0].metadata.get("tags", [])
    assert "notebook.parameters(globals())" in cells[1].source


@each
def test_every_figure_has_a_name_a_caption_and_alt_text(path: Path) -> None:
    """The alt text of a picture is the cell's, that of a film or a living figure an argument of what shows it."""
    for cell in nbformat.read(path, as_version=4).cells:
        options = cell.metadata.get("mystnb", {})
        if "figure" in options:
            calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
            told = [ast.literal_eval(word.value) for call in calls for word in call.keywords if word.arg == "alt"]
            told.append(options.get("image", {}).get("alt", ""))
            assert options["figure"].get("name") and options["figure"].get("caption"), cell.source
            assert any(text.strip() for text in told), cell.source


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


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_draws", "10", "n_draws = 10; allowed: 1000 to"),
        ("seeds", "[0]", r"seeds = \[0\]; allowed: three or more different"),
        ("seeds", "[0, 0, 1]", r"seeds = \[0, 0, 1\]; allowed: three or more different"),
        ("seeds", "[0, 1]", r"seeds = \[0, 1\]; allowed: three or more different"),
        ("modified_gammas", "[-1]", r"modified_gammas = .*-1.*; allowed: lists of numbers from 0 to 1000"),
        ("modified_gammas", "[]", r"modified_gammas = \[\]; allowed: lists with a weight above 0"),
        ("modified_gammas", "[0]", r"modified_gammas = \[0.0\]; allowed: lists with a weight above 0"),
        ("modified_gamma", "-1", "modified_gamma = '-1'; allowed: numbers from 0 to 1000"),
        ("modified_gamma", "2000", "modified_gamma = '2000'; allowed: numbers from 0 to 1000"),
        ("n_points", "1501", "n_points = 1501; allowed: 1 to 1500"),
        ("n_images", "50", "n_images = 50; allowed: 89 or more"),
        ("n_images", "88", "n_images = 88; allowed: 89 or more"),
        ("hole_a", "0.7", "hole_a = 0.7, hole_b = 1, hole_radius = 0.3: no point of the transects P1, P3"),
        ("hole_radius", "0", "hole_a = 1.25, hole_b = 1, hole_radius = 0: no point of the transects P1, P2, P3"),
    ],
)
def test_what_a_chapter_cannot_work_with_is_refused_beforehand(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        chapters.check(ROOT / "notebooks", "smoke", {name: value})


def test_a_value_that_only_other_chapters_cannot_work_with_is_accepted() -> None:
    for name, value, only in [("n_images", "89", ()), ("n_images", "50", ["03"]), ("hole_a", "0.7", ["01_dataset"])]:
        assert len(chapters.check(ROOT / "notebooks", "smoke", {name: value}, only=only)) == len(NOTEBOOKS)


def test_a_chapter_is_executed_again_when_what_it_reads_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its notebook and parameters, the library, and the results that the project keeps."""
    kept = tmp_path / "results"
    monkeypatch.setenv("VAELIB_RESULTS", str(kept))
    chapter = chapters.check(ROOT / "notebooks", "smoke", {})[0]
    stamps = [chapter.stamp()]
    for name, text in (("paper/full/run.json", "{}"), ("paper/full/run.json", "{ }"), ("sweep/table.csv", "run")):
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        (kept / name).write_text(text)
        assert chapter.stamp() == chapter.stamp()
        stamps.append(chapter.stamp())
    stamps.append(chapters.Chapter(chapter.path, {**chapter.injected, "seed": 9}).stamp())
    assert len(set(stamps)) == 5
    (kept / "sweep" / "table.csv").unlink()
    assert chapter.stamp() == stamps[2]


@pytest.mark.parametrize("name", ["losses.py", "room/inner.py", "room/inner.mjs", "room/deep/rules.yml"])
def test_any_file_of_the_library_counts_in_whatever_package_it_lies(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "LIBRARY", tmp_path / "vaelib")
    changed = tmp_path / "vaelib" / name
    changed.parent.mkdir(parents=True)
    chapter = chapters.check(ROOT / "notebooks", "smoke", {})[0]
    stamps = []
    for text in ("one", "two"):
        changed.write_text(text)
        stamps.append(chapter.stamp())
        (changed.parent / "__pycache__").mkdir(exist_ok=True)
        (changed.parent / "__pycache__" / "inner.pyc").write_text(text)  # what Python keeps of it does not count
        assert chapter.stamp() == stamps[-1]
    changed.rename(changed.with_name(f"other{changed.suffix}"))
    assert len({*stamps, chapter.stamp()}) == 3


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
