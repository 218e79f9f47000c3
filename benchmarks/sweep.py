"""What a run of a sweep costs, by the number of runs and of workers, and what a large study would:

    python benchmarks/sweep.py

The runs are those of the `sweep` profile, trained afresh in every round: by one worker of one thread, by one a core,
and by one process with a thread a core, in turns. From the rounds comes a straight line for each: seconds to begin, and
seconds a run. The large study is that line continued; it supposes that cores do not slow each other down more than
those here do.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

from vaelib import Experiment, sweep

STUDY = 12_000  # runs

# One process that trains them one after another, on all cores.
_IN_TURN = """
import sys
from vaelib import Experiment, sweep, train
for text in sys.stdin.read().split("\\0"):
    sweep.row(train(Experiment.from_json(text), sys.argv[1], progress=False))
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


def measure(rounds: int, counts: list[int], epochs: int | None, n_images: int | None) -> dict[str, Any]:
    """Return for each way its seconds by the number of runs, the line through them, and the ratio within a round."""
    machine = common.machine("distributed")
    ways = ("in turn", "one worker", "a worker a core")
    found: dict[str, dict[int, list[float]]] = {way: {n: [] for n in counts} for way in ways}
    for _ in range(rounds):
        for n in counts:
            for way in ways:
                found[way][n].append(seconds(way, grid(n, epochs, n_images), machine["cores"]))
    lines = {}
    for way, times in found.items():
        points = np.array([(n, value) for n, values in times.items() for value in values])
        slope, start = np.polyfit(*points.T, 1) if len(counts) > 1 else (points[:, 1].mean() / counts[0], 0.0)
        lines[way] = {"seconds_to_begin": float(start), "seconds_a_run": float(slope)}
    most = max(counts)
    side_by_side = found["a worker a core"][most]
    return {
        "machine": machine,
        "rounds": rounds,
        "seconds": found,
        "lines": lines,
        "a worker a core is so many times as fast": {
            way: common.ratios(found[way][most], side_by_side) for way in ways[:2]
        },
        "study_core_hours": STUDY * lines["a worker a core"]["seconds_a_run"] * machine["cores"] / 3600,
    }


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="alternating measurements, default %(default)s")
    parser.add_argument("--runs", default="2,6", help="numbers of runs, with commas between: %(default)s")
    parser.add_argument("--epochs", type=int, help="of each run, default the profile's")
    parser.add_argument("--images", type=int, help="of each run, default the profile's")
    parser.add_argument("--json", type=Path, help="the file of the figures, default _build/benchmarks/sweep.json")
    given = parser.parse_args()
    try:
        counts = sorted({int(part) for part in given.runs.split(",")})
    except ValueError:
        parser.error(f"runs = {given.runs!r}: allowed are whole numbers with commas between")
    if given.rounds < 1 or min(counts) < 1 or (given.epochs is not None and given.epochs < 1):
        parser.error("every number must be 1 or more")
    result = measure(given.rounds, counts, given.epochs, given.images)
    cores = result["machine"]["cores"]
    print(common.describe(result["machine"], "tensorflow", "distributed"))
    for way, line in result["lines"].items():
        print(f"{way:16}{line['seconds_to_begin']:6.1f} s to begin, {line['seconds_a_run']:6.2f} s a run")
    for way, ratio in result["a worker a core is so many times as fast"].items():
        print(
            f"a worker a core is {ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f}) times as fast as {way}"
        )
    hours = result["study_core_hours"]
    print(f"{STUDY:,} runs: {hours:.0f} core-hours; {hours / cores / 24:.1f} days here, {hours / 200:.1f} hours on 200")
    common.write(given.json or common.FOLDER / "sweep.json", result)


if __name__ == "__main__":
    main()
