"""A package's parts are loaded when they are first asked for."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import vaelib
from vaelib import analysis, figures
from vaelib.system import lazy

LAZY = pytest.mark.parametrize("package", [analysis, figures], ids=["analysis", "figures"])


def test_a_name_is_taken_from_its_home_and_no_other_name_is_known() -> None:
    attribute = lazy.attributes("vaelib", {"Experiment": "vaelib.experiment"})
    assert attribute("Experiment").__module__ == "vaelib.experiment"
    with pytest.raises(AttributeError, match="module 'vaelib' has no attribute 'Nothing'"):
        attribute("Nothing")


def test_a_module_is_loaded_when_it_is_first_asked_for() -> None:
    code = "import sys; from vaelib import analysis; name = 'vaelib.analysis.loss'; before = name in sys.modules; "
    code += "print(before, analysis.loss.__name__, name in sys.modules, hasattr(analysis, 'nothing'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "vaelib.analysis.loss", "True", "False"]


@LAZY
def test_no_other_attribute_is_known(package) -> None:
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        _ = package.nothing


def test_every_name_that_a_package_lists_is_there() -> None:
    packages = [module.name for module in pkgutil.walk_packages(vaelib.__path__, "vaelib.") if module.ispkg]
    for name in ["vaelib", *packages]:
        package = importlib.import_module(name)
        assert [listed for listed in getattr(package, "__all__", ()) if not hasattr(package, listed)] == [], name
