"""In which operations a training step spends its time, by TensorFlow's profiler: the library's model or the stock one.

What comes first shows what a change could gain at most, before it is made:

    python benchmarks/training_profile.py                             # the book profile
    python benchmarks/training_profile.py --size paper --steps 4 --models vaelib
    python benchmarks/training_profile.py --quick                     # does it run at all?

The seconds are those of the processor's threads, so with two threads they can add up to twice the time that passed.
Needs JAX, which reads the profile; `make test` installs it.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

_WARM_UP = 4  # steps, while TensorFlow compiles and chooses its kernels


def profile(model: str, settings: str, steps: int) -> tuple[dict[str, float], float]:
    """Return the seconds of each kind of operation in `steps` steps of "vaelib" or "stock", and those that passed.

    `settings` is an experiment as JSON.
    """
    import tensorflow as tf
    from training_workers import KerasTraining

    from vaelib import dataset
    from vaelib.experiment import Experiment

    experiment = Experiment.from_json(settings)
    training = KerasTraining(experiment, dataset.build(experiment.data, cache=False), stock=model == "stock")
    training.train(_WARM_UP)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            passed, _ = training.train(steps)
        return operations(Path(folder)), passed


def operations(folder: Path) -> dict[str, float]:
    """Return the seconds that each kind of operation took, the longest first, from a profile that TensorFlow wrote."""
    from jax.profiler import ProfileData

    found: Counter[str] = Counter()
    for path in folder.rglob("*.xplane.pb"):
        for plane in ProfileData.from_file(str(path)).planes:
            for line in plane.lines:
                for event in line.events if line.name.startswith("tf_Compute") else ():
                    # Operations are "place/in/the/graph:Kind", TensorFlow's own business "Class::Function".
                    _, colon, kind = event.name.rpartition(":")
                    if colon and "::" not in event.name:
                        found[kind.removeprefix("_MklNative").removeprefix("_Mkl")] += event.duration_ns / 1e9
    return dict(found.most_common())


def table(title: str, spent: dict[str, float], passed: float, steps: int, rows: int = 12) -> str:
    """Return the operations that take longest as lines: milliseconds a step, and the share of all operations."""
    total = sum(spent.values())
    lines = [f"{title}: {1e3 * passed / steps:.0f} ms a step, {1e3 * total / steps:.0f} ms of threads in operations"]
    shown = list(spent.items())[:rows]
    shown.append((f"{len(spent) - len(shown)} others", total - sum(seconds for _, seconds in shown)))
    lines += [f"  {name:<32}{1e3 * seconds / steps:9.2f} ms{100 * seconds / total:7.1f} %" for name, seconds in shown]
    return "\n".join(lines)


def main() -> None:
    """Print the table of each model asked for."""
    from training import SIZES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=[name for name in SIZES if name != "quick"], default="book")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="default: the size's own")
    parser.add_argument("--models", nargs="+", choices=["stock", "vaelib"], default=["stock", "vaelib"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="the smallest model, two steps")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps {options.steps}; allowed: whole numbers from 1")
    title, experiment = SIZES["quick" if options.quick else options.size]
    if options.precision:
        experiment = experiment.replace(precision=options.precision)
    steps = 2 if options.quick else options.steps
    for model in options.models:
        spent, passed = profile(model, experiment.to_json(), steps)
        print(
            table(f"{model}, {title}, {experiment.precision}, batches of {experiment.batch_size}", spent, passed, steps)
        )


if __name__ == "__main__":
    # Before TensorFlow is imported; a terminal's settings must not decide which library is looked at.
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2")
    sys.exit(main())
