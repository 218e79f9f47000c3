"""The imports between the library's packages, read from its source, and their picture for a page of the book.

A room is a package, or a module of the library's flat part.
"""

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure

from vaelib import figures
from vaelib.system.provenance import LIBRARY

_WIDTH, _HEIGHT = 1.5, 1.0  # from box to box


def imported(file: Path, library: Path | None = None) -> set[str]:
    """Return the modules of the library that a file imports, such as "vaelib.geometry.sheet", inside functions too.

    Imports that only a type checker reads do not count.

    Args:
        file: A file of the library.
        library: The library's folder, by default that of this one.

    Raises:
        ValueError: For a relative import.
    """
    library = library or LIBRARY
    top, tree = library.name, ast.parse(file.read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    unread = {part for guard in guards for part in ast.walk(guard)}
    names = set()
    for node in set(ast.walk(tree)) - unread:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.split(".")[0] == top}
        if isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(f"{file}, line {node.lineno}: a relative import")
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == top:
            within = library.parent / str(node.module).replace(".", "/")
            modules = {alias.name for alias in node.names if _is_module(within / alias.name)}
            names |= {f"{node.module}.{name}" for name in modules}
            if len(modules) < len(node.names):
                names.add(str(node.module))
    return names


def rooms(library: Path | None = None) -> dict[str, set[str]]:
    """Return the rooms by name, each with the rooms that it imports; `library` is as in `imported`."""
    library = library or LIBRARY
    needs: dict[str, set[str]] = {}
    for file in sorted(library.rglob("*.py")):
        room = file.relative_to(library).with_suffix("").parts[0]
        if room != "__init__":
            others = {name.split(".")[1] for name in imported(file, library) if "." in name}
            needs.setdefault(room, set()).update(others - {room})
    return needs


def nearest_only(needs: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Return the imports without those that follow from others: beside A → B → C, A → C is left out."""

    @cache
    def below(name: str) -> frozenset[str]:
        return frozenset(needs[name]).union(*(below(other) for other in needs[name]))

    return {name: set(direct) - {far for other in direct for far in below(other)} for name, direct in needs.items()}


def floors(needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the rooms by floor, from the ground up: each right below the lowest room that imports it."""
    users = {name: [other for other in needs if name in set(needs[other])] for name in needs}

    @cache
    def depth(name: str) -> int:
        return max((depth(user) + 1 for user in users[name]), default=0)

    return [sorted(name for name in needs if depth(name) == level) for level in range(max(map(depth, needs)), -1, -1)]


def picture(needs: Mapping[str, set[str]] | None = None) -> Figure:
    """Draw the rooms as boxes, packages in blue, each with lines down to the nearest rooms that it imports."""
    needs = rooms() if needs is None else needs
    stories = floors(needs)
    places = {
        # Every other floor is a little to the right, so that no line runs through a box.
        name: (_WIDTH * (column - (len(story) - 1) / 2 + 0.25 * (level % 2)), _HEIGHT * level)
        for level, story in enumerate(stories)
        for column, name in enumerate(story)
    }
    figure = Figure(figsize=(8, 0.62 * len(stories)), layout="constrained")
    axis = figure.add_subplot()
    for name, direct in nearest_only(needs).items():
        for other in direct:
            # A line over several floors passes the boxes between on the outer side.
            (x, y), (other_x, other_y) = places[name], places[other]
            bow = 0.0 if y - other_y <= _HEIGHT else 0.25 if x + other_x < 0 else -0.25
            line = {"arrowstyle": "-", "color": "0.75", "connectionstyle": f"arc3,rad={bow}"}
            axis.annotate("", (other_x, other_y), (x, y), arrowprops=line, zorder=1)
    for name, (x, y) in places.items():
        color = figures.BLUE if (LIBRARY / name).is_dir() else figures.BLACK
        box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": color}
        axis.text(x, y, name, ha="center", va="center", fontsize=9, color=color, bbox=box, zorder=2)
    axis.set(xlim=_limits(x for x, _ in places.values()), ylim=_limits(y for _, y in places.values()))
    axis.set_axis_off()
    return figure


def _limits(values: Iterable[float]) -> tuple[float, float]:
    numbers = list(values)
    return min(numbers) - _WIDTH / 2, max(numbers) + _WIDTH / 2


def _is_module(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()
