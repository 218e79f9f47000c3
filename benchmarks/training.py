"""How fast the model trains and how much memory that takes, against the same model of Keras's own layers.

The library's model in float32 and in bfloat16, the stock model and, if it is installed, plain PyTorch train in
turns within one run, each in a process of its own, so that whatever else the machine does slows all of them:

    python benchmarks/training.py                          # about ten minutes
    python benchmarks/training.py --sizes book --rounds 3
    python benchmarks/training.py --quick                  # does it run at all? its figures mean nothing

Keras's models are fed by the library's own batches and do as many steps an execution. Compilation and what `fit`
does before its first step are left out. Figures are medians over the rounds, ratios are taken within a round. The
share of the peak is that of the products which the formulation needs (a training step counts as three times the
forward pass), of the fastest matrix product that TensorFlow did in that round and precision.
"""

import argparse
import importlib.util
import math
import multiprocessing
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import training_workers

from vaelib.experiment import Experiment

_N_IMAGES = training_workers.N_IMAGES
SIZES = {
    "paper": ("256×256, full width", Experiment.from_profile("paper", n_images=_N_IMAGES)),
    "full64": ("64×64, full width", Experiment.from_profile("paper", n_images=_N_IMAGES, image_size=64)),
    "book": ("the book profile", Experiment.from_profile("book", n_images=_N_IMAGES)),
    "quick": ("smoke test", Experiment.from_profile("smoke", n_images=64, batch_size=4)),
}
GIGABYTE = 1e9


@dataclass(frozen=True)
class Variant:
    """A model, a precision and how its up-convolutions are computed."""

    kind: str
    precision: str
    formulation: str

    @property
    def name(self) -> str:
        """What the table and the file call it."""
        return f"{self.kind} {self.precision}"


VARIANTS = (
    Variant("stock", "float32", "stock"),
    Variant("vaelib", "float32", "phases"),
    Variant("vaelib", "bfloat16", "phases"),
    Variant("torch", "float32", "stock"),
    Variant("torch", "bfloat16", "stock"),
)
REFERENCE = VARIANTS[0].name


@dataclass(frozen=True)
class Target:
    """What the library's model in one precision shall reach in one column; precision None is the size's own."""

    precision: str | None
    column: str
    text: str
    least: float = -math.inf
    most: float = math.inf


_TARGETS = {
    "paper": (
        Target("bfloat16", "times_stock", "at least 3 times the stock model", least=3.0),
        Target("bfloat16", "share_of_peak", "towards half of the bfloat16 peak", least=0.5),
        Target("bfloat16", "peak_bytes", "peak memory under 3 GB", most=3 * GIGABYTE),
        Target("float32", "times_stock", "at least 1.5 times the stock model", least=1.5),
    ),
    "book": (Target(None, "times_stock", "at least 2 times the stock model", least=2.0),),
}


def training_flops(experiment: Experiment, formulation: str) -> float:
    """Return the floating-point operations of training on one image, in convolutions and dense layers.

    Three times the forward pass: backwards every product is done for the weights and for the inputs. formulation:
    "stock", nine products for an output and channel of an up-convolution; "phases", the four that are distinct.
    """
    s, d = experiment.image_size, experiment.latent_dim

    def channels(full: int) -> int:
        return max(1, round(full * experiment.width))

    products, before, side = 0, 1, s
    for filters in map(channels, (64, 64, 128, 128)):
        side -= 2  # 3×3, valid
        products += side**2 * 9 * before * filters
        before, side = filters, (side + 1) // 2
    products += side**2 * before * d
    before, side = channels(16), s // 8
    products += d * side**2 * before
    for filters in map(channels, (64, 64, 128)):
        side *= 2
        products += side**2 * {"stock": 9, "phases": 4}[formulation] * before * filters
        before = filters
    products += side**2 * (before * channels(256) + channels(256))
    return 3 * 2 * products  # a multiplication and an addition each


class Worker:
    """The parent's end of a process of `training_workers`."""

    def __init__(self, name: str, kind: str, settings: str, *options: int | None) -> None:
        context = multiprocessing.get_context("spawn")  # a forked TensorFlow would hang
        self.name = name
        self.connection, theirs = context.Pipe()
        self.log = tempfile.NamedTemporaryFile("r", errors="replace", suffix=".log")  # noqa: SIM115
        arguments = (theirs, kind, settings, self.log.name, *options)
        self.process = context.Process(target=training_workers.run, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    def receive(self) -> dict[str, Any]:
        """Return what the process sends next."""
        try:
            answer: dict[str, Any] = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            raise SystemExit(
                f"{self.log.read()[-2000:]}\n"
                f"the process of {self.name} ended with code {self.process.exitcode} (out of memory?)"
            ) from None
        if "error" in answer:
            raise SystemExit(f"the process of {self.name} failed:\n{answer['error']}")
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Have the process do a turn and return its answer; the others rest."""
        with suppress(BrokenPipeError):  # `receive` tells what happened
            self.connection.send(request)
        return self.receive()

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):  # it may have ended by itself
            self.connection.send(None)
            self.process.join(10)
        self.process.kill()
        self.log.close()


def calibrate(worker: Worker, unit: int, seconds: float) -> int:
    """Compile, and return the number of steps, a multiple of `unit`, that take about `seconds`."""
    worker.ask(steps=unit)
    steps = unit
    while True:
        wanted = unit * max(1, round(steps / unit * seconds / worker.ask(steps=steps)["seconds"]))
        if wanted <= 4 * steps:
            return int(wanted)
        steps = wanted


def measure(size: str, rounds: int, seconds: float, *options: int | None) -> dict[str, Any]:
    """Return the figures of all variants at one size; `options` are the threads and the steps an execution."""
    title, experiment = SIZES[size]
    variants = [each for each in VARIANTS if each.kind != "torch" or importlib.util.find_spec("torch")]
    settings = {each.name: experiment.replace(precision=each.precision) for each in variants}
    workers = {each.name: Worker(each.name, each.kind, settings[each.name].to_json(), *options) for each in variants}
    product = Worker("the matrix product", "product", "", *options)
    try:
        product.receive()
        ready = {name: worker.receive() for name, worker in workers.items()}
        check_parameters({name: found["parameters"] for name, found in ready.items()})
        steps = {}
        for name, worker in workers.items():
            _tell(f"{size}: {name} warms up")
            steps[name] = calibrate(worker, ready[name]["steps_per_execution"], seconds)
        for precision in ("float32", "bfloat16"):
            product.ask(precision=precision, seconds=seconds / 5)
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
        peaks: dict[str, list[dict[str, Any]]] = {"float32": [], "bfloat16": []}
        for index in range(rounds):
            _tell(f"{size}: round {index + 1} of {rounds}")
            for precision, found in peaks.items():
                found.append(product.ask(precision=precision, seconds=seconds / 5))
            for name, worker in workers.items():
                turns[name].append(worker.ask(steps=steps[name]))
    finally:
        for worker in (*workers.values(), product):
            worker.close()
    _tell("")

    speeds = {
        name: [steps[name] * experiment.batch_size / turn["seconds"] for turn in found] for name, found in turns.items()
    }
    flops = {name: training_flops(experiment, name) for name in ("stock", "phases")}
    peak = {precision: [turn["gflops"] for turn in found] for precision, found in peaks.items()}
    rows = {}
    for each in variants:
        needed = [speed * flops[each.formulation] / 1e9 for speed in speeds[each.name]]  # GFLOP/s
        rows[each.name] = {
            "images_per_second": common.spread(speeds[each.name]),
            "times_stock": common.ratios(speeds[each.name], speeds[REFERENCE]),
            "share_of_peak": common.ratios(needed, peak[each.precision]),
            "peak_bytes": turns[each.name][-1]["peak_bytes"],
            "above_model_bytes": turns[each.name][-1]["above_model_bytes"],
            "steps_per_turn": steps[each.name],
            "steps_per_execution": ready[each.name]["steps_per_execution"],
            "formulation": each.formulation,
        }
    return {
        "title": title,
        "settings": experiment.model_dump(include={"image_size", "width", "latent_dim", "batch_size"}),
        "parameters": ready[REFERENCE]["parameters"],
        "flops_per_image": flops,
        "peak_gflops": {precision: common.spread(found) for precision, found in peak.items()},
        "peak_matrix_side": {precision: found[-1]["side"] for precision, found in peaks.items()},
        "variants": rows,
        "targets": [judge(target, rows, experiment.precision) for target in _TARGETS.get(size, ())],
    }


def check_parameters(found: dict[str, dict[str, int]]) -> None:
    """Raise SystemExit unless all variants have the same number of parameters."""
    if any(counts != found[REFERENCE] for counts in found.values()):
        raise SystemExit(f"the models differ, so their speeds cannot be compared: {found}")


def judge(target: Target, rows: dict[str, Any], precision: str) -> dict[str, Any]:
    """Return what was reached and whether it suffices."""
    name = f"vaelib {target.precision or precision}"
    value = rows[name][target.column]
    reached = value["median"] if isinstance(value, dict) else value
    met = target.least <= reached <= target.most
    return {"variant": name, "target": target.text, "column": target.column, "reached": reached, "met": met}


def print_size(found: dict[str, Any]) -> None:
    """Print the table of one size and its targets."""
    settings, flops, peak = found["settings"], found["flops_per_image"], found["peak_gflops"]
    side = settings["image_size"]
    print(f"\n{found['title']}: {side}×{side}, width {settings['width']:g}, batch {settings['batch_size']}, ", end="")
    print(f"{found['parameters']['encoder']:,} + {found['parameters']['decoder']:,} parameters")
    print(
        f"{flops['stock'] / 1e9:.3g} GFLOP a training image as the stock model computes it, "
        f"{flops['phases'] / 1e9:.3g} by phases; peak {peak['float32']['median']:.0f} GFLOP/s in float32, "
        f"{peak['bfloat16']['median']:.0f} in bfloat16; Keras does "
        f"{found['variants'][REFERENCE]['steps_per_execution']} steps an execution"
    )
    print(f"{'':17}{'images/s':>10}   {'times stock (least-most)':26}{'of the peak':>11}{'peak memory':>14}", end="")
    print(f"{'above model':>14}{'steps a turn':>15}")
    for name, row in found["variants"].items():
        times = row["times_stock"]
        ratio = "1" if name == REFERENCE else f"{times['median']:.2f} ({times['min']:.2f}-{times['max']:.2f})"
        print(f"{name:17}{row['images_per_second']['median']:10.{_digits(row)}f}   {ratio:26}", end="")
        print(f"{row['share_of_peak']['median']:10.0%} {row['peak_bytes'] / GIGABYTE:11.2f} GB", end="")
        print(f"{row['above_model_bytes'] / GIGABYTE:11.2f} GB{row['steps_per_turn']:15}")
    for target in found["targets"]:
        column, reached = target["column"], target["reached"]
        shown = {
            "times_stock": f"{reached:.2f} times",
            "share_of_peak": f"{reached:.0%}",
            "peak_bytes": f"{reached / GIGABYTE:.2f} GB",
        }[column]
        verdict = "met" if target["met"] else "NOT met"
        if "bfloat16" in target["variant"] and not common.bfloat16_instructions():
            verdict += ", but bfloat16 is emulated here"
        print(f"target: {target['variant']}, {target['target']}: {shown}, {verdict}")


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="paper,full64,book", help="which, with commas between: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="alternating measurements, default %(default)s")
    parser.add_argument("--seconds", type=float, default=6.0, help="about how long a turn takes, default %(default)g")
    parser.add_argument("--threads", type=int, help="threads of each process, default all cores")
    parser.add_argument("--steps-per-execution", type=int, help="of Keras, default as the library trains")
    parser.add_argument("--quick", action="store_true", help="a tiny model and two rounds: a test of the benchmark")
    parser.add_argument("--json", type=Path, help="the file of the figures, default _build/benchmarks/training.json")
    given = parser.parse_args()
    sizes = ["quick"] if given.quick else given.sizes.split(",")
    for size in sizes:
        if size not in SIZES:
            parser.error(f"unknown size {size!r}: there are {', '.join(SIZES)}")
    numbers = (given.rounds, given.seconds, given.threads, given.steps_per_execution)
    if any(number is not None and number <= 0 for number in numbers):
        parser.error("every number must be positive")
    rounds, seconds = (min(given.rounds, 2), min(given.seconds, 0.2)) if given.quick else (given.rounds, given.seconds)

    machine = common.machine()
    machine["threads"] = given.threads or machine["cores"]
    print(f"{common.describe(machine, 'tensorflow', 'keras')}; {machine['threads']} threads")
    instructions = ", ".join(machine["bfloat16_instructions"])
    print(
        f"bfloat16 instructions: {instructions}"
        if instructions
        else "No bfloat16 instructions were found on this processor: bfloat16 is emulated, so its speed and its peak "
        "say little about a processor that has them (amx_bf16, avx512_bf16)."
    )
    result: dict[str, Any] = {"machine": machine, "rounds": rounds, "seconds_per_turn": seconds, "sizes": {}}
    for size in sizes:
        result["sizes"][size] = measure(size, rounds, seconds, given.threads, given.steps_per_execution)
        print_size(result["sizes"][size])
    common.write(given.json or common.FOLDER / "training.json", result)


def _digits(row: dict[str, Any]) -> int:
    return 2 if row["images_per_second"]["median"] < 10 else 0


def _tell(text: str) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
