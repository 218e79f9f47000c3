"""A chapter's first cell: names and values checked before any work."""

import re
import subprocess
import sys
from pathlib import Path
from typing import List, Optional  # noqa: UP035 - as the chapters spell it, for papermill

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from vaelib import notebook
from vaelib.errors import SettingError
from vaelib.experiment import Weight


def namespace(**values):
    declared = {"profile": str, "gamma": Optional[float], "seeds": List[int]}  # noqa: UP006, UP045
    declared |= {"strength": Weight, "strengths": List[Weight]}  # noqa: UP006
    plain = {"__annotations__": declared, "In": [""], "Out": {}, "_": 3, "np": np, "Optional": Optional}
    return {**plain, "profile": "smoke", "gamma": None, "seeds": [0, 1], "strength": 1, "strengths": [0], **values}


def test_parameters_are_converted_to_their_types():
    parameters = notebook.parameters(namespace(gamma="1e-2", seeds=["3", 4]))
    assert parameters == {"profile": "smoke", "gamma": 0.01, "seeds": [3, 4], "strength": 1, "strengths": [0]}
    assert notebook.settings(parameters) == {"profile": "smoke", "gamma": 0.01}
    assert notebook.parameters(namespace(seeds="[0, 7]"))["seeds"] == [0, 7]


CELL = """
profile: str = "smoke"
gamma: Optional[float] = None
seeds: List[int] = [0, 1]
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """IPython as a kernel runs it, with what a start-up file has set in it, and without the user's history."""
    profile = {"location": str(tmp_path_factory.mktemp("ipython"))}
    config = Config(HistoryManager={"hist_file": ":memory:"}, ProfileDir=profile)
    start = {"np": np, "Optional": Optional, "List": List, "mine": 3, "temperature": 0.5}  # noqa: UP006
    return InteractiveShell(config=config, user_ns=start)


def executed(shell, *cells):
    """Run cells in turn, the last of which checks the parameters, and return its result."""
    for cell in (*cells, "from vaelib import notebook\nchosen = notebook.parameters(globals())"):
        result = shell.run_cell(cell, store_history=True)
        result.raise_error()
    return shell.user_ns["chosen"]


def test_only_what_was_injected_is_judged(shell):
    with pytest.raises(
        SettingError,
        match=r"unknown parameter 'gama'\. Did you mean 'gamma'\? This notebook has: profile, gamma, seeds$",
    ):
        executed(shell, CELL, "# Parameters\ngamma = 0.1\ngama = 0.1")
    assert executed(shell, CELL, "# Parameters\ngamma = '0.1'")["gamma"] == 0.1
    later = ["i, best = 1, [2]", "count: int = 3\nrows = {'gama': 1}", "this is no Python", "del np"]
    for cell in later:
        shell.run_cell(cell, store_history=True)
    assert executed(shell) == {"profile": "smoke", "gamma": 0.1, "seeds": [0, 1]}  # the checks alone
    assert executed(shell, CELL)["gamma"] is None  # all again, without the injected cell


def test_a_parameter_that_the_cell_no_longer_has_is_forgotten(shell):
    assert "seeds" in executed(shell, CELL)
    assert list(executed(shell, 'profile: str = "book"\nseed: int = 0')) == ["profile", "seed"]
    with pytest.raises(SettingError, match=r"unknown parameter 'gamma'\. This notebook has: profile, seed$"):
        executed(shell, 'profile: str = "book"\nseed: int = 0', "gamma = 0.1")
    with pytest.raises(SettingError, match=r"^width has no value: set it in the parameters cell$"):
        executed(shell, 'profile: str = "book"\nwidth: float')


def test_the_paths_that_papermill_injects_are_accepted(shell):
    paths = "# Parameters\ngamma = 0.2\nPAPERMILL_INPUT_PATH = 'in.ipynb'\nPAPERMILL_OUTPUT_PATH = 'out.ipynb'\n"
    assert executed(shell, CELL, paths) == {"profile": "smoke", "gamma": 0.2, "seeds": [0, 1]}


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("gamma", "much", "numbers, or None"),
        ("seeds", 3, "lists of whole numbers, as in [1, 2]"),
        ("seeds", "3", "lists of whole numbers, as in [1, 2]"),
        ("seeds", "[0", "lists of whole numbers, as in [1, 2]"),
        ("seeds", "[a]", "lists of whole numbers, as in [1, 2]"),
        ("gamma", "yes", "numbers, or None"),
        ("profile", None, "text"),
        ("gamma", [1], "numbers, or None"),
        ("strength", "-1", "numbers from 0 to 1000"),
        ("strength", 2000, "numbers from 0 to 1000"),
        ("strengths", "[0, -1]", "lists of numbers from 0 to 1000, as in [1, 2]"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(name, value, allowed):
    with pytest.raises(SettingError) as caught:
        notebook.parameters(namespace(**{name: value}))
    assert str(caught.value) == f"{name} = {value!r}; allowed: {allowed}"


def test_a_notebook_shows_a_mistake_without_the_librarys_frames():
    code = "from vaelib import Experiment; Experiment.from_profile('book', gamma=-1)"
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors", "NoColor", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    shown = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert shown == ["SettingError: gamma = -1; allowed: numbers from 0 to 1000"]


def test_runs_lie_where_the_environment_says_or_beside_the_chapters(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_RUNS", str(tmp_path / "mine"))
    assert notebook.runs_root() == tmp_path / "mine"
    monkeypatch.delenv("VAELIB_RUNS")
    (tmp_path / "notebooks").mkdir()
    for here, root in ((tmp_path / "notebooks", tmp_path / "runs"), (tmp_path, tmp_path / "runs")):
        monkeypatch.chdir(here)
        assert notebook.runs_root() == root


def test_a_film_is_written_beside_a_page_and_else_where_no_other_kernel_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAELIB_STATIC", "1")
    assert notebook.media("walk.mp4") == Path("media/walk.mp4")
    monkeypatch.delenv("VAELIB_STATIC")
    path = notebook.media("walk.mp4")
    assert path.parent.is_dir() and tmp_path not in path.parents and notebook.media("walk.mp4") == path
    other = subprocess.run(
        [sys.executable, "-c", "from vaelib import notebook; print(notebook.media('walk.mp4'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(other.stdout.strip()) != path and not Path(other.stdout.strip()).parent.exists()


def test_a_page_is_static_only_when_the_build_says_so(monkeypatch):
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    assert not notebook.is_static()
    monkeypatch.setenv("VAELIB_STATIC", "1")
    assert notebook.is_static()


def test_glued_values_are_plain_numbers(monkeypatch):
    import myst_nb

    glued = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: glued.update({name: value}))
    notebook.glue("run_", error=np.float32(0.5), best=3, word="yes", count=np.array([True, True]).sum())
    assert glued == {"run_error": 0.5, "run_best": 3, "run_word": "yes", "run_count": 2}
    assert {type(value) for value in glued.values()} == {float, int, str}


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.3e-16, "9 × 10⁻¹⁶"), (4e-07, "4 × 10⁻⁷"), (9.6e-8, "1 × 10⁻⁷"), (3e12, "3 × 10¹²"), (0.0, "0")],
)
def test_small_numbers_are_written_as_in_prose(value, text):
    assert notebook.power_of_ten(value) == text


@pytest.mark.parametrize("values", [{"gamma": True}, {"seeds": [0, False]}])
def test_true_and_false_are_not_numbers(values):
    ((name, value),) = values.items()
    with pytest.raises(SettingError, match=rf"^{name} = {re.escape(repr(value))}; allowed: "):
        notebook.parameters(namespace(**values))
