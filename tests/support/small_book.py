"""Chapters of a small book, which tell of their execution without importing anything heavy."""

import json
from pathlib import Path

import nbformat

PARAMETERS = """from typing import Optional

profile: str = "book"  # smoke, book or paper
gamma: Optional[float] = None  # weight of the penalty"""
# Tells that it ran, with what and by whom.
TELL = """import json, os, pathlib, sys
from vaelib import Experiment, notebook
experiment = Experiment.from_profile(**notebook.settings(notebook.parameters(globals())))
runs = notebook.runs_root()
runs.mkdir(parents=True, exist_ok=True)
told = {"gamma": gamma, "type": type(gamma).__name__, "python": sys.executable, "pid": os.getpid()}
with open(runs.parent / "told.jsonl", "a") as file:
    print(json.dumps({"chapter": CHAPTER, "profile": profile, "static": notebook.is_static(), **told}), file=file)"""


def write_chapter(root: Path, name: str, *cells: str, parameters: str = PARAMETERS) -> Path:
    """Write a chapter that tells of its execution and then runs `cells`."""
    tell = TELL.replace("CHAPTER", repr(name))
    sources = [nbformat.v4.new_markdown_cell(f"# {name}\n\nIts question."), *map(nbformat.v4.new_code_cell, cells)]
    sources[1:1] = [nbformat.v4.new_code_cell(parameters), nbformat.v4.new_code_cell(tell)]
    sources[1].metadata["tags"] = ["parameters"]
    made = nbformat.v4.new_notebook(cells=sources)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(made, path)
    return path


def told(output: Path) -> list[dict[str, object]]:
    """Return what the chapters told, in the order of their execution."""
    file = output / "told.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
