"""Every chapter, run through twice in one kernel, the second time with another value of a parameter."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
import smallest
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

ROOT = Path(__file__).parent.parent
# What is changed afterwards trains little.
CHANGED: dict[str, dict[str, Any]] = {
    "00_explorer": {"gamma": 0.02},
    "01_dataset": {"hole_a": 1.3},
    "02_loss": {"gamma": 0.02},
    "03_training": {"gamma": 0.02},
    "04_embedding": {"modified_gammas": [0.02]},
    "05_transects": {"n_probes": 50},
    "06_disentanglement": {"allowed_error": 1.5},
    "07_ledger": {"seeds": [1, 0]},
}


def _set(cell: Any, values: dict[str, Any]) -> None:
    """Change values in a parameters cell, as a student does."""
    for name, value in values.items():
        cell.source = re.sub(rf"^({name}: .*?) = .*?(?=  #|$)", rf"\1 = {value!r}", cell.source, flags=re.MULTILINE)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(CHANGED))
def test_a_chapter_runs_twice_in_one_kernel(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two a student sets names of their own, and a start-up file has done so before."""
    folders = {"VAELIB_RUNS": smallest.runs(tmp_path_factory), "IPYTHONDIR": tmp_path / "ipython"}
    for variable, folder in folders.items():
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    start = tmp_path / "ipython" / "profile_default" / "startup" / "mine.py"
    start.parent.mkdir(parents=True)
    start.write_text("temperature = 0.5\nseed: int = 7\n")
    # What `papermill --inject-paths` puts after the parameters cell.
    paths = {"PAPERMILL_INPUT_PATH": f"{name}.ipynb", "PAPERMILL_OUTPUT_PATH": "out.ipynb"}
    notebook = parameterize_notebook(load_notebook_node(str(ROOT / "notebooks" / f"{name}.ipynb")), paths)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    _set(parameters, smallest.of(name))
    (tmp_path / "notebooks").mkdir()
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path / "notebooks"}})
    with client.setup_kernel():
        for changed in ({}, CHANGED[name]):
            _set(parameters, changed)
            for place, cell in enumerate(notebook.cells):
                client.execute_cell(cell, place)
            scratch = nbformat.v4.new_code_cell("gama, mine = 1, [2]\nscratch: int = 3\nchosen")
            shown = client.execute_cell(scratch, len(notebook.cells) - 1).outputs[0].data["text/plain"]
            for parameter, value in changed.items():
                assert f"'{parameter}': {value!r}" in shown
