"""How much is lost to kills and to damaged files:

    python benchmarks/soak.py --kills 200 --damages 500

Kills (SIGKILL) come at moments drawn uniformly over the time of an undisturbed go: to trainings; to a sweep's workers,
after which it goes on by itself, and to the sweep itself or all its processes, after which the same call does; to
`vaelib book` at the smoke profile, alone or with all its processes, after which `--reuse` does. What comes out in the
end is held bit for bit against what an undisturbed go made: weights, embeddings, losses, the table of the sweep, the
numbers that chapters glue, save the times that all of these hold too.

Damages are a file cut short, a flipped bit or a file removed, at random places of all that runs, the image cache, a
sweep, a sweep of a notebook and a build leave. Whoever uses that folder next has to make the same again or to tell in
one line what is damaged. A loss is anything else, and the exit status is then 1.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

# What is heavy is imported when the options are read.


def from_zero(text: str) -> int:
    """Return a whole number from 0."""
    if int(text) < 0:
        raise ValueError
    return int(text)


def soak(kills: dict[str, int], damages: int, kinds: list[str], seed: int) -> dict[str, Any]:
    """Return the counts by kind and the losses.

    kills: how many of "trainings", "sweeps" and "books"; damages: how many of these `kinds`. Ctrl-C ends it with what
    it has by then.
    """
    import soak_kills

    tally = soak_kills.Tally(sum(kills.values()) + damages)
    begun, interrupted = time.perf_counter(), False
    with tempfile.TemporaryDirectory() as made:
        try:
            for name, count in kills.items():
                folder = Path(made) / name
                folder.mkdir()
                if count:
                    soak_kills.KILLS[name](count, random.Random(f"{seed} {name}"), folder, tally)
            if damages:
                import soak_damages  # last: it computes, and no fork may follow

                soak_damages.damage_all(damages, kinds, random.Random(f"{seed} damages"), Path(made), tally)
        except KeyboardInterrupt:
            interrupted = True
            soak_kills.end_all()
        finally:
            tally.bar.close()
    return {
        "counts": {kind: dict(counts) for kind, counts in tally.counts.items()},
        "losses": tally.losses,
        "interrupted": interrupted,
        "seconds": time.perf_counter() - begun,
    }


def report(result: dict[str, Any]) -> None:
    """Print the counts, a line for each kind, and the losses."""
    columns = ["kills", "resumes", "ended before", "damages", "detected", "remade", "told", "without effect", "losses"]
    rows = {
        **result["counts"],
        "in all": {name: sum(c.get(name, 0) for c in result["counts"].values()) for name in columns},
    }
    print(" " * 20 + "".join(f"{name:>16}" for name in columns))
    for kind, counts in rows.items():
        print(f"{kind:20}" + "".join(f"{counts.get(name, 0) or '':>16}" for name in columns))
    for loss in result["losses"]:
        print(f"LOST {loss}")


def main() -> None:
    """Kill and damage, print the counts and write JSON; the exit status is 1 for any loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=from_zero, default=200, help="in all, default %(default)s; of them")
    parser.add_argument("--sweep-kills", type=from_zero, default=40, help="of sweeps or workers, default %(default)s")
    parser.add_argument("--book-kills", type=from_zero, default=4, help="of books, minutes each, default %(default)s")
    parser.add_argument("--damages", type=from_zero, default=500, help="in all, default %(default)s")
    parser.add_argument("--kinds", help="what is damaged, with commas between, default all")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn, default %(default)s")
    parser.add_argument("--json", type=Path, help="the file of the counts, default _build/benchmarks/soak.json")
    given = parser.parse_args()
    trainings = given.kills - given.sweep_kills - given.book_kills
    if trainings < 0:
        parser.error(f"kills = {given.kills}; allowed: no less than sweep-kills and book-kills together")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from soak_damages import SUBJECTS

    kinds = given.kinds.split(",") if given.kinds else list(SUBJECTS)
    if unknown := [kind for kind in kinds if kind not in SUBJECTS]:
        parser.error(f"kinds = {unknown[0]!r}; allowed: {', '.join(SUBJECTS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end, it tells what it has, as at Ctrl-C
    machine = common.machine("distributed")
    print(common.describe(machine, "tensorflow", "distributed"), flush=True)
    kills = {"trainings": trainings, "sweeps": given.sweep_kills, "books": given.book_kills}
    result = {"machine": machine, "seed": given.seed, **soak(kills, given.damages, kinds, given.seed)}
    report(result)
    common.write(given.json or common.FOLDER / "soak.json", result)
    sys.exit(130 if result["interrupted"] else bool(result["losses"]))


if __name__ == "__main__":
    main()
