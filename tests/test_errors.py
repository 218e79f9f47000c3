"""The library's errors: what a caller may catch, and one line in a notebook and after a way between processes."""

import inspect
import pickle

import pytest
from IPython.core.interactiveshell import InteractiveShell

from vaelib import errors

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
OWN = [each for each in ALL if each is not errors.UserError]


def test_a_setting_is_a_wrong_value_and_every_other_one_happens_at_run_time() -> None:
    assert all(issubclass(each, errors.UserError) for each in ALL)
    assert [each for each in OWN if issubclass(each, ValueError)] == [errors.SettingError]
    assert all(issubclass(each, RuntimeError) for each in OWN if each is not errors.SettingError)


@pytest.mark.parametrize("error", ALL)
def test_it_comes_from_another_process_with_its_message(error: type[Exception]) -> None:
    arrived = pickle.loads(pickle.dumps(error("epochs = 0; allowed: whole numbers from 1")))
    assert type(arrived) is error and str(arrived) == "epochs = 0; allowed: whole numbers from 1"


@pytest.mark.parametrize("error", ALL)
def test_a_notebook_shows_its_one_line_alone(error: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell()
    shell.run_cell(f"from vaelib import errors\ndef inside():\n    raise errors.{error.__name__}('a line')\ninside()")
    shown, warned = capsys.readouterr()
    assert (shown.strip(), warned) == (f"{error.__name__}: a line", "")
