"""Where the time of a build of the book goes, beside plain Keras in the same minutes:

    python benchmarks/book.py                            # builds the book afresh, into a folder that is then removed
    python benchmarks/book.py -p sweep_seeds 0           # options that are not named below are those of `vaelib book`
    python benchmarks/book.py --report _build            # reads what an earlier build left, and builds nothing
    python benchmarks/book.py --quick                    # does it run at all? its figures mean nothing

The reference is the small training of the study as its model stands in `training_stock.py`, trained by Keras's `fit`
on one thread, a process a core: right before the build and right after it. Its seconds are those of the steps alone;
those of the book's own small trainings have everything in them that is done for one: drawing, compilation, validation,
embeddings, checkpoints, measures. An earlier build's times are not compared, as nobody measured a reference then, and
its trainings are all that lie in its folder.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import common
import nbformat
from training import Worker

from vaelib import Experiment, dataset

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 10  # cells that are named
_COMMAND = [sys.executable, "-c", "from vaelib.cli import main; main()", "book"]
_QUICK = ["--profile", "smoke", "--chapter", "01"]


def build(output: Path, options: list[str]) -> dict[str, float]:
    """Build the book into `output` and return the command's seconds and those of the processors, children included."""
    before, begun = _processors(), time.perf_counter()
    if subprocess.run([*_COMMAND, "--output", str(output), *options], cwd=ROOT).returncode:
        raise SystemExit("the build failed")
    return {"command": time.perf_counter() - begun, "processors": _processors() - before}


def report(output: Path) -> dict[str, Any]:
    """Return where the time of the build in `output` went: its parts, chapters, longest cells and trainings.

    All in seconds; a chapter's `begin` and `end` are counted from the begin of the first. Raises SystemExit where no
    build was finished.
    """
    try:
        parts = json.loads((output / "timings.json").read_text())
    except OSError as error:
        raise SystemExit(f"no finished build: {error}") from None
    executed = [output / "source" / "notebooks" / f"{name}.ipynb" for name in parts]
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in executed if path.exists()}
    spans = {name: notebook.metadata.papermill for name, notebook in notebooks.items()}
    first = min(datetime.fromisoformat(span.start_time) for span in spans.values()) if spans else datetime.min
    chapters = {
        name: {
            "begin": (datetime.fromisoformat(span.start_time) - first).total_seconds(),
            "end": (datetime.fromisoformat(span.end_time) - first).total_seconds(),
            "seconds": parts[name],  # with the start of its process
        }
        for name, span in spans.items()
    }
    cells = [cell for name, notebook in notebooks.items() for cell in timed_cells(name, notebook)]
    return {
        "parts": parts,
        "chapters": dict(sorted(chapters.items(), key=lambda item: item[1]["begin"])),
        "longest_cells": sorted(cells, key=lambda cell: -cell["seconds"])[:LONGEST],
        "own_trainings": trainings(output / "runs"),
        "small_trainings": trainings(output / "runs" / "sweep"),
    }


def timed_cells(chapter: str, notebook: Any) -> list[dict[str, Any]]:
    """Return the chapter, the first line of code and the seconds of every executed cell."""
    return [
        {"chapter": chapter, "line": first_line(cell.source), "seconds": cell.metadata.papermill.duration}
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.metadata.get("papermill", {}).get("duration")
    ]


def first_line(source: str) -> str:
    """Return the first line that is code: no comment, and no import where there is anything else."""
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    others = [line for line in lines if line[0] not in " )" and not line.startswith(("import ", "from "))]
    return next(iter([*others, *lines]), "")


def trainings(folder: Path) -> dict[str, float]:
    """Return how many finished runs lie in a folder, and the sum of their wall times in seconds."""
    told = [json.loads(path.read_text()) for path in sorted(folder.glob("*/provenance.json"))]
    return {"number": len(told), "seconds": sum(each["wall_time"] for each in told)}


def core_seconds(found: dict[str, Any], cores: int) -> float | None:
    """Return the core-seconds of a small training and its measures; None where this build did not train them all."""
    small = found["small_trainings"]
    spent = cores * found["parts"].get("study", 0.0)
    return spent / small["number"] if small["number"] and spent >= small["seconds"] else None


def reference(experiment: Experiment, cores: int) -> float:
    """Return the seconds that the stock model needs for the steps of a training, on one thread of every core at once.

    The mean over the processes.
    """
    dataset.build(experiment.data)  # or each would draw it
    steps = experiment.epochs * math.ceil(dataset.training_size(experiment) / experiment.batch_size)
    with ExitStack() as stack:
        workers = [Worker(f"stock {number}", "stock", experiment.to_json(), 1, None) for number in range(cores)]
        for worker in workers:
            stack.callback(worker.close)
        for worker in workers:
            worker.receive()
            worker.ask(steps=1)  # compiles
        for worker in workers:
            worker.connection.send({"steps": steps})
        return sum(worker.receive()["seconds"] for worker in workers) / cores


def measure(options: list[str], output: Path, experiment: Experiment, machine: dict[str, Any]) -> dict[str, Any]:
    """Build, and return the report with the reference and how many times of it a small training takes."""
    cores = machine["cores"]
    plain = [reference(experiment, cores)]
    spent = build(output, options)
    plain.append(reference(experiment, cores))
    found = report(output)
    a_training = core_seconds(found, cores)
    times = a_training and common.ratios([a_training] * len(plain), plain)
    return {
        **found,
        "options": options,
        "spent": spent,
        "busy": spent["processors"] / (spent["command"] * cores),
        "reference_seconds": common.spread(plain),
        "small_training_times_reference": times,
    }


def print_report(found: dict[str, Any], cores: int) -> None:
    """Print the tables."""
    parts = found["parts"]
    print(f"{'total':32}{parts['total']:9.1f} s")
    if spent := found.get("spent"):
        print(f"{'before it: imports, checks':32}{spent['command'] - parts['total']:9.1f} s")
        print(f"{'processors':32}{spent['processors']:9.1f} s, {found['busy']:.0%} of {cores} cores")
    names = {"staging": "vendored parts, staging", "study": "the small trainings", "jupyter-book": "Jupyter Book"}
    for name in (name for name in names if name in parts):
        print(f"{names[name]:32}{parts[name]:9.1f} s")
    print(f"\n{'chapter':32}{'seconds':>9}{'from':>9}{'to':>9}")
    for name, chapter in found["chapters"].items():
        print(f"{name:32}{chapter['seconds']:9.1f}{chapter['begin']:9.1f}{chapter['end']:9.1f}")
    print(f"\n{'longest cells':32}{'seconds':>9}")
    for cell in found["longest_cells"]:
        print(f"{cell['chapter']:32}{cell['seconds']:9.1f}  {cell['line'][:76]}")
    print()
    for name in ("own", "small"):
        each = found[f"{name}_trainings"]
        size = "of the chapters' own size" if name == "own" else "small"
        print(f"trainings, {size}: {each['number']}, {each['seconds']:.1f} s together")
    a_training = core_seconds(found, cores)
    if a_training:
        print(f"a small training with its measures: {a_training:.1f} core-seconds")
    if plain := found.get("reference_seconds"):
        told = f"{plain['median']:.1f} s ({plain['min']:.1f}-{plain['max']:.1f}) on a core"
        print(f"the steps of one, by stock Keras: {told}")
    if times := found.get("small_training_times_reference"):
        print(f"with all that belongs to it: {times['median']:.2f} times that ({times['min']:.2f}-{times['max']:.2f})")


def main() -> None:
    """Build or read, print and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--output", type=Path, help="the folder of the build, default one that is removed")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="report on the build that lies here")
    parser.add_argument("--quick", action="store_true", help="one tiny chapter: a test of the benchmark")
    parser.add_argument("--json", type=Path, help="the file of the figures, default _build/benchmarks/book.json")
    given, options = parser.parse_known_args()
    if given.report and (options or given.output or given.quick):
        parser.error("--report builds nothing, so it takes no option of a build")
    if "--reuse" in options:
        parser.error("a build that reuses what is finished does not tell what it costs")
    machine = common.machine()
    print(common.describe(machine, "tensorflow", "keras"))
    if given.report:
        found = report(given.report)
    else:
        experiment = Experiment.from_profile("smoke" if given.quick else "sweep")
        with tempfile.TemporaryDirectory() as folder:
            output = (given.output or Path(folder) / "book").resolve()
            found = measure([*(_QUICK if given.quick else []), *options], output, experiment, machine)
    print_report(found, machine["cores"])
    common.write(given.json or common.FOLDER / "book.json", {"machine": machine, **found})


def _processors() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
