"""The explorer's scripts: short, in short functions, and joined into one module."""

import re
from collections.abc import Sequence

from explorer_page import LOADER, SCRIPTS

from vaelib.explorer import module_source, widget

LONGEST_FUNCTION = 60  # lines


def block_lengths(lines: Sequence[str]) -> dict[str, int]:
    """Return the number of lines of every block, functions included, by its first line; bare blocks do not count.

    By indentation: a block goes on from a line that ends with a brace to the next that is indented no further, which
    must close it.
    """
    lengths = {}
    for start, line in enumerate(lines):
        code = line.partition(" // ")[0]
        if not code.endswith("{") or code.strip() == "{":
            continue
        indentation = len(line) - len(line.lstrip())
        length = next(
            length
            for length, later in enumerate(lines[start + 1 :], start=2)
            if later.strip() and len(later) - len(later.lstrip()) <= indentation
        )
        assert lines[start + length - 1].lstrip().startswith("}"), f"line {start + 1}: {line}"
        lengths[f"{start + 1}: {line.strip()}"] = length
    return lengths


def test_the_module_is_one_and_each_script_is_short() -> None:
    assert "import " not in re.sub(r"/\*.*?\*/|//.*", "", module_source(), flags=re.DOTALL)
    assert module_source().count("export ") == 1
    for path in [*SCRIPTS.glob("*.mjs"), *LOADER.parent.glob("*.js")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 200 and max(map(len, lines)) <= 120, path.name
        blocks = block_lengths(lines)
        assert {head: length for head, length in blocks.items() if length > LONGEST_FUNCTION} == {}, path.name


def test_the_scripts_are_joined_in_the_order_of_their_imports() -> None:
    """Joined, they share one scope: a script comes after those that it imports, and no name may be defined twice."""
    assert set(widget._MODULES) == {path.name for path in SCRIPTS.glob("*.mjs")}
    earlier: set[str] = set()
    names: list[str] = []
    for script in widget._MODULES:
        text = (SCRIPTS / script).read_text(encoding="utf-8")
        assert set(re.findall(r'from "\./(.+?)"', text)) <= earlier, script
        earlier.add(script)
        names += re.findall(r"^(?:export )?(?:const|let|function|class) (\w+)", text, flags=re.MULTILINE)
    assert sorted(names) == sorted(set(names))
