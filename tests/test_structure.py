"""The library's layers: what may import what, and that every module has tests and is in the reference."""

import ast
import re
from pathlib import Path

import pytest

from vaelib.book import rooms

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "vaelib"
# From the ground up. A module or package imports those before it, inside functions too.
FLOORS = (
    "errors", "system", "storage", "statistics", "curves", "losses", "metrics", "experiment", "notebook", "geometry",
    "dataset", "nn", "model", "run", "training", "disentanglement", "evaluation", "sweep", "study", "analysis",
    "figures", "animation", "interactive", "explorer", "book", "cli",
)  # fmt: skip
MODULES = sorted(LIBRARY.rglob("*.py"))


def dotted(file: Path) -> str:
    """Return "vaelib.geometry.sheet" for that file, "vaelib.geometry" for its package's."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def floor(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("file", MODULES, ids=dotted)
def test_nothing_imports_what_lies_above_it(file: Path) -> None:
    own = dotted(file)
    if own == "vaelib":
        return  # the door: it hands out what users type
    assert floor(own) in FLOORS, f"{own} has no place in FLOORS"
    allowed = FLOORS[: FLOORS.index(floor(own)) + 1]
    assert [name for name in sorted(rooms.imported(file)) if name != "vaelib" and floor(name) not in allowed] == []


def test_every_floor_is_there_and_a_package_says_what_lives_in_it() -> None:
    assert {floor(dotted(file)) for file in MODULES if file.parent != LIBRARY or file.stem != "__init__"} == set(FLOORS)
    for package in {file.parent for file in MODULES}:
        assert ast.get_docstring(ast.parse((package / "__init__.py").read_text())), package.name


def test_no_module_shares_its_name_with_what_its_package_hands_out() -> None:
    """`from vaelib.study import table` would mean one thing before that module is loaded and another thing after."""
    for package in {file.parent for file in MODULES}:
        for node in ast.parse((package / "__init__.py").read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = set(ast.literal_eval(node.value))
                assert names & {file.stem for file in package.glob("*.py")} == set(), package.name


def test_every_module_is_in_the_reference_after_those_that_it_loads() -> None:
    listed = re.findall(r"automodule:: (vaelib\.[\w.]+)\n", (ROOT / "book" / "api.md").read_text())
    assert sorted(listed) == sorted({dotted(file) for file in MODULES} - {"vaelib"})
    for place, module in enumerate(listed):
        file = ROOT / f"{module.replace('.', '/')}.py"
        if file.is_file():  # a package stands before its modules, whose names it hands out
            before = {"vaelib", *listed[:place]}
            assert {name for name in rooms.imported(file) if floor(name) != floor(module)} <= before, module


def test_every_module_has_tests_in_a_file_of_its_name() -> None:
    """As vaelib/training/callbacks.py has tests/training/test_callbacks.py."""

    def tested(file: Path) -> bool:
        tests = ROOT / "tests" / file.relative_to(LIBRARY).with_name(f"test_{file.name}")
        return tests.is_file() and re.search(r"^def test_", tests.read_text(), re.MULTILINE) is not None

    modules = [file for file in MODULES if file.stem != "__init__"]
    assert [dotted(file) for file in modules if not tested(file)] == []
