"""The library's errors: what a caller may catch, one line in a notebook, and intact between processes."""

import inspect
import pickle

import pytest
from IPython.core.interactiveshell import InteractiveShell

from vaelib import errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
OWN = [kind for kind in ALL if kind is not errors.UserError]


def test_a_setting_is_a_wrong_value_and_every_other_one_happens_at_run_time() -> None:
    assert all(issubclass(kind, errors.UserError) for kind in ALL)
    assert [kind for kind in OWN if issubclass(kind, ValueError)] == [errors.SettingError]
    assert all(issubclass(kind, RuntimeError) for kind in OWN if kind is not errors.SettingError)


@pytest.mark.parametrize("error", ALL)
def test_an_error_from_another_process_keeps_its_message(error: type[Exception]) -> None:
    arrived = pickle.loads(pickle.dumps(error("epochs = 0; allowed: whole numbers from 1")))
    assert type(arrived) is error and str(arrived) == "epochs = 0; allowed: whole numbers from 1"


@pytest.mark.parametrize("error", ALL)
def test_a_notebook_shows_only_its_one_line(error: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell()
    shell.run_cell(f"from vaelib import errors\ndef inside():\n    raise errors.{error.__name__}('a line')\ninside()")
    shown, warned = capsys.readouterr()
    assert (shown.strip(), warned) == (f"{error.__name__}: a line", "")
