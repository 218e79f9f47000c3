"""How long the book's films take and how large they are, drawn by one process and by one a core, in turns:

    python benchmarks/films.py

The run behind them has the book's shapes, epochs and snapshots, and fewer images, which does not change what a frame
costs. What is measured goes from the run to the finished file, encoding included; the processes that draw are
started before, as they are for a chapter's second film. A film over its limits, with a process a core, is named at the
end and makes the benchmark fail.
"""

import argparse
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import common

from vaelib import Experiment, animation, dataset, train
from vaelib.animation import encoder
from vaelib.run import Run

NAMES = ("rotating", "training", "step", "walk")
MOST_SECONDS, MOST_BYTES = 60, 3_000_000  # that a film may take


def films(run: Run) -> dict[str, Callable[[Path], Path]]:
    """Return the book's films by name, each a function of the path."""
    data = dataset.build(run.experiment.data)
    mu, factors = run.embeddings[-1], data.parameters[data.train]
    edge = run.encode(dataset.draw(dataset.hole_outline(run.experiment), run.experiment))
    colors = {"a": factors[:, 0], "b": factors[:, 1]}
    quiet = {"progress": False}
    return {
        "rotating": functools.partial(
            animation.rotating_embedding, mu=mu, values=colors, ring=edge, n_points=len(mu), **quiet
        ),
        "training": functools.partial(animation.training_film, run=run, data=data, **quiet),
        "step": functools.partial(
            animation.sheets_in_step, runs=[run, run, run], labels=list("xyz"), values=colors["a"], **quiet
        ),
        "walk": functools.partial(animation.transect_film, run=run, data=data, **quiet),
    }


def measure(rounds: int, n_images: int, names: list[str]) -> dict[str, Any]:
    """Return for each of the films its seconds alone and side by side, their ratio within a round, and its bytes."""
    cores = int(common.machine()["cores"])
    result: dict[str, Any] = {"machine": common.machine("joblib"), "rounds": rounds, "films": {}}
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment.from_profile("book", region="punctured", n_images=n_images)
        run = train(experiment, folder)
        made = films(run)
        for name in names:
            seconds: dict[int, list[float]] = {1: [], cores: []}
            path = Path(folder) / "encoder.mp4"
            for turn in range(rounds + 1):
                for workers in seconds:
                    with mock.patch.object(encoder, "render", functools.partial(encoder.render, workers=workers)):
                        begun = time.perf_counter()
                        made[name](path)
                        if turn:  # the first starts the processes
                            seconds[workers].append(time.perf_counter() - begun)
            result["films"][name] = {
                "seconds": {workers: common.spread(values) for workers, values in seconds.items()},
                "times_as_fast": common.ratios(seconds[1], seconds[cores]),
                "bytes": path.stat().st_size,
            }
    return result


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="alternating measurements, default %(default)s")
    parser.add_argument("--images", type=int, default=1800, help="that are trained on and shown, default %(default)s")
    parser.add_argument("--films", default=",".join(NAMES), help="which, with commas between: %(default)s")
    parser.add_argument("--json", type=Path, help="the file of the figures, default _build/benchmarks/films.json")
    given = parser.parse_args()
    if given.rounds < 1 or given.images < 100:
        parser.error("allowed: 1 or more rounds and 100 or more images")
    names = given.films.split(",")
    for name in names:
        if name not in NAMES:
            parser.error(f"unknown film {name!r}: there are {', '.join(NAMES)}")
    result = measure(given.rounds, given.images, names)
    cores = result["machine"]["cores"]
    print(common.describe(result["machine"], "matplotlib", "joblib"))
    print(f"{'film':16}{'1 process':>12}{f'{cores} processes':>14}{'times as fast':>20}{'MB':>7}")
    over = []
    for name, found in result["films"].items():
        alone, together = (found["seconds"][workers]["median"] for workers in (1, cores))
        ratio, size = found["times_as_fast"], found["bytes"]
        times = f"{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})"
        print(f"{name:16}{alone:10.1f} s{together:12.1f} s{times:>20}{size / 1e6:7.2f}")
        if together > MOST_SECONDS or size > MOST_BYTES:
            over.append(name)
    common.write(given.json or common.FOLDER / "films.json", result)
    if over:
        raise SystemExit(f"over the limit of {MOST_SECONDS} s or {MOST_BYTES / 1e6:g} MB: {', '.join(over)}")


if __name__ == "__main__":
    main()
