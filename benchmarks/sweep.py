"""What a run of a sweep costs, by the number of runs and of workers, and what a large study would:

    python benchmarks/sweep.py

The runs are those of the `sweep` profile, trained afresh in every round: by one worker of one thread, by one a core,
and by one process with a thread a core, in turns. Their numbers are multiples of the cores, so that no worker is idle
while others finish. From the rounds comes a straight line for each way: seconds to begin, and seconds a run. The large
study is the last line continued, to other numbers of cores too; it supposes that these slow each other down no more
than those here do.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

from vaelib import Experiment, dataset, sweep
from vaelib.system import provenance

STUDY = 12_000  # runs
CORES = (16, 64, 200)  # that the study may be spread over

# One process that trains them one after another, on all cores.
_IN_TURN = """
import sys
from vaelib import Experiment, train
from vaelib.sweep import tables
for text in sys.stdin.read().split("\\0"):
    tables.row(train(Experiment.from_json(text), sys.argv[1], progress=False))
"""


def grid(n: int, epochs: int | None, n_images: int | None) -> list[Experiment]:
    """Return n experiments of the `sweep` profile, which differ by their seed."""
    return [Experiment.from_profile("sweep", seed=seed, epochs=epochs, n_images=n_images) for seed in range(n)]


def seconds(way: str, experiments: list[Experiment], cores: int) -> float:
    """Return how long a way takes to train the experiments afresh, from the first process to the last row."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        if way == "in turn":
            texts = "\0".join(each.to_json() for each in experiments)
            subprocess.run([sys.executable, "-c", _IN_TURN, folder], input=texts, text=True, check=True)
        else:
            outcome = sweep.train_grid(experiments, folder, workers=cores if way == "a worker a core" else 1)
            if outcome.failed:
                raise SystemExit(str(outcome.failed))
        return time.perf_counter() - begun


def line(times: dict[int, list[float]]) -> dict[str, float]:
    """Return the straight line through the seconds over the number of runs; with one number of runs, that from 0."""
    points = np.array([(n, value) for n, values in times.items() for value in values])
    slope, start = np.polyfit(*points.T, 1) if len(times) > 1 else (points[:, 1].mean() / points[0, 0], 0.0)
    return {"seconds_to_begin": float(start), "seconds_a_run": float(slope)}


def study(found: dict[str, float], cores: int) -> dict[str, Any]:
    """Return the core-hours of the large study and its hours by the number of cores, from the line of `cores` workers.

    A worker trains one run after another, and the last round of them counts as a whole one.
    """
    of_one = found["seconds_a_run"] * cores / 3600  # hours that a run keeps its core
    hours = {n: found["seconds_to_begin"] / 3600 + math.ceil(STUDY / n) * of_one for n in sorted({cores, *CORES})}
    return {"runs": STUDY, "core_hours": STUDY * of_one, "hours": hours}


def measure(rounds: int, counts: list[int], epochs: int | None, n_images: int | None) -> dict[str, Any]:
    """Return for each way its seconds by the number of runs, the line through them, and the ratio within a round."""
    machine = common.machine("distributed")
    cores = machine["cores"]
    # On one core the last two are one.
    ways = ("in turn", "one worker", "a worker a core") if cores > 1 else ("in turn", "one worker")
    dataset.build(grid(1, epochs, n_images)[0].data)  # or who comes first would draw it for the others
    found: dict[str, dict[int, list[float]]] = {way: {n: [] for n in counts} for way in ways}
    for _ in range(rounds):
        for n in counts:
            for way in ways:
                found[way][n].append(seconds(way, grid(n, epochs, n_images), cores))
    lines = {way: line(times) for way, times in found.items()}
    *others, last = ways
    most = max(counts)
    return {
        "machine": machine,
        "rounds": rounds,
        "seconds": found,
        "lines": lines,
        "last": last,
        "last_is_so_many_times_as_fast": {way: common.ratios(found[way][most], found[last][most]) for way in others},
        "study": study(lines[last], cores),
    }


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="alternating measurements, default %(default)s")
    parser.add_argument("--runs", help="numbers of runs, with commas between, default as many as cores and three times")
    parser.add_argument("--epochs", type=int, help="of each run, default the profile's")
    parser.add_argument("--images", type=int, help="of each run, default the profile's")
    parser.add_argument("--json", type=Path, help="the file of the figures, default _build/benchmarks/sweep.json")
    given = parser.parse_args()
    cores = provenance.hardware()["cores"]
    try:
        counts = sorted({int(part) for part in given.runs.split(",")}) if given.runs else [cores, 3 * cores]
    except ValueError:
        parser.error(f"runs = {given.runs!r}; allowed: whole numbers with commas between")
    if given.rounds < 1 or min(counts) < 1 or (given.epochs is not None and given.epochs < 1):
        parser.error("every number must be 1 or more")
    if any(n % cores for n in counts):
        parser.error(f"runs = {given.runs!r}; allowed: multiples of the {cores} cores")
    result = measure(given.rounds, counts, given.epochs, given.images)
    print(common.describe(result["machine"], "tensorflow", "distributed"))
    for way, found in result["lines"].items():
        print(f"{way:16}{found['seconds_to_begin']:6.1f} s to begin, {found['seconds_a_run']:6.2f} s a run")
    for way, ratio in result["last_is_so_many_times_as_fast"].items():
        spread = f"{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})"
        print(f"{result['last']} is {spread} times as fast as {way}")
    cost = result["study"]
    told = ", ".join(f"{hours:.1f} hours on {n}" for n, hours in cost["hours"].items())
    print(f"{STUDY:,} runs: {cost['core_hours']:.0f} core-hours; {told} cores")
    common.write(given.json or common.FOLDER / "sweep.json", result)


if __name__ == "__main__":
    main()
