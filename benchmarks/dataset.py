"""How fast and how exactly the curves are drawn, against matplotlib and Pillow, and how much memory that takes.

All draw the same curves at 256×256 with the same line in the same frame, in turns within one run, so that whatever
else the machine does slows all of them:

    python benchmarks/dataset.py

Matplotlib saves a PNG, in memory, from one figure used again. Pillow draws at four times the size, with round
joints and the nearest whole line width, and shrinks. The library draws many images at once, on all cores; its peers
one by one, on one.

Errors are measured against the area of each pixel that the line covers: of 16×16 points in it, the share that lies
within half a line width of the curve. That is the definition of a stroke, and uses neither our drawing nor a
peer's; a pen of that width, swept along the curve's own formula, decides.

With no number below its default, a target that is missed makes the benchmark fail.
"""

import argparse
import io
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from vaelib import curves
from vaelib.experiment import PARAMETER_RANGE

SIZE = 256
LINE_WIDTH = 1.42
HALF_EXTENT = 4.2  # units from the middle to the edge of the square frame
DPI = 100
FINER = 16  # points of the reference along a pixel's side
NAMES = ("vaelib", "matplotlib", "pillow")
LEAST_TIMES = 20  # as fast as matplotlib
MOST_MEMORY = 200e6  # bytes beyond the result


class MatplotlibDrawer:
    """One Agg figure of 256×256 pixels, used again for every curve, as a careful user of matplotlib would."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(SIZE / DPI, SIZE / DPI), dpi=DPI, facecolor="black")
        FigureCanvasAgg(self.figure)
        axes = self.figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(-HALF_EXTENT, HALF_EXTENT), ylim=(-HALF_EXTENT, HALF_EXTENT))
        (self.line,) = axes.plot([], [], color="white", linewidth=LINE_WIDTH * 72 / DPI)

    def draw(self, a: float, b: float) -> bytes:
        """Return the curve's image as a PNG, 500 points as in the study."""
        self.line.set_data(*curves.points(a, b, 500).T)
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png")
        return buffer.getvalue()


class PillowDrawer:
    """Pillow's lines are not anti-aliased, so they are drawn larger and shrunk."""

    supersampling = 4

    def draw(self, a: float, b: float) -> np.ndarray:
        """Return the curve's image (s, s) uint8, 500 points as in the study."""
        fine = SIZE * self.supersampling
        # From the image's edge, not from the first pixel's centre: Pillow drops the fraction of a coordinate.
        x, y = fine / 2 + curves.points(a, b, 500).T * [[1], [-1]] * (fine / 2 / HALF_EXTENT)
        image = Image.new("L", (fine, fine))
        path = list(zip(x.tolist(), y.tolist(), strict=True))
        ImageDraw.Draw(image).line(path, fill=255, width=round(LINE_WIDTH * self.supersampling), joint="curve")
        return np.asarray(image.reduce(self.supersampling))  # means of 4×4 pixels


def ours(parameters: np.ndarray) -> np.ndarray:
    """Return the library's images (n, s, s) uint8 of curves (n, 2)."""
    a, b = parameters.T
    return curves.render(a, b, image_size=SIZE, line_width=LINE_WIDTH, framing="square")


def reference(a: float, b: float) -> np.ndarray:
    """Return (s, s) float: 255 times the share of each pixel's 16×16 points within half a line width of the curve.

    A disc of that radius stands on every point of a dense sampling of the curve. Each row of points within a disc
    is marked at its two ends, and summing the marks along the row fills all discs.
    """
    fine, half = SIZE * FINER, LINE_WIDTH * FINER / 2
    scale = fine / 2 / HALF_EXTENT
    # Half a point apart, so that between two discs the line is narrower by 0.003 points at most.
    n = math.ceil(2 * math.pi * scale * math.hypot(a + b, 5 * b) / 0.5)
    theta = np.linspace(0, 2 * np.pi, n)
    radius = (b * np.cos(5 * theta) + a) * scale
    x = fine / 2 - 0.5 + radius * np.cos(theta)  # integers are the points
    y = fine / 2 - 0.5 - radius * np.sin(theta)
    marks = np.zeros((fine, fine + 1), np.int32)
    first = np.ceil(y - half).astype(int)
    for k in range(math.ceil(2 * half) + 1):
        row = first + k
        inside = np.abs(row - y) <= half
        row, middle = row[inside], x[inside]
        reach = np.sqrt(half**2 - (row - y[inside]) ** 2)
        np.add.at(marks, (row, np.ceil(middle - reach).astype(int)), 1)
        np.add.at(marks, (row, np.floor(middle + reach).astype(int) + 1), -1)
    covered = np.cumsum(marks, axis=1)[:, :fine] > 0
    return 255 * covered.reshape(SIZE, FINER, SIZE, FINER).mean(axis=(1, 3))


def errors(parameters: np.ndarray) -> dict[str, dict[str, float]]:
    """Return each drawing's mean absolute and root mean square error over all pixels, in grey levels of 255."""
    matplotlib, pillow = MatplotlibDrawer(), PillowDrawer()
    sums = {name: np.zeros(2) for name in NAMES}
    for a, b in parameters:
        exact = reference(a, b)
        drawn = {
            "vaelib": ours(np.array([[a, b]]))[0],
            "matplotlib": np.asarray(Image.open(io.BytesIO(matplotlib.draw(a, b))).convert("L")),
            "pillow": pillow.draw(a, b),
        }
        for name, image in drawn.items():
            difference = image - exact
            sums[name] += np.abs(difference).mean(), (difference**2).mean()
    means = {name: total / len(parameters) for name, total in sums.items()}
    return {
        name: {"mean_absolute": float(mean[0]), "root_mean_square": float(mean[1] ** 0.5)}
        for name, mean in means.items()
    }


def seconds(work: Callable[[np.ndarray], object], parameters: np.ndarray) -> float:
    """Return how long `work` takes for the curves."""
    start = time.perf_counter()
    work(parameters)
    return time.perf_counter() - start


def extra_memory(work: Callable[[], np.ndarray]) -> int:
    """Return the bytes held at the peak of `work`, beyond before it and beyond its result."""
    before, peak, done = common.resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, common.resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return max(peak, common.resident()) - before - result.nbytes


def measure(pairs: int, images: dict[str, int], n_memory: int, n_errors: int) -> dict[str, Any]:
    """Return images per second of all three, the ratios, the memory and the errors; ratios within a round."""
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    parameters = np.random.default_rng(0).uniform(low, high, size=(max(*images.values(), n_memory, n_errors), 2))
    matplotlib, pillow = MatplotlibDrawer(), PillowDrawer()
    work: dict[str, Callable[[np.ndarray], object]] = {
        "vaelib": ours,
        "matplotlib": lambda some: [matplotlib.draw(a, b) for a, b in some],
        "pillow": lambda some: [pillow.draw(a, b) for a, b in some],
    }
    for name, draw in work.items():  # all once, to warm up
        draw(parameters[: 64 if name == "vaelib" else 4])
    memory = extra_memory(lambda: ours(parameters[:n_memory]))
    speeds: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(pairs):
        for name, draw in work.items():
            speeds[name].append(images[name] / seconds(draw, parameters[: images[name]]))
    times = {name: common.ratios(speeds["vaelib"], speeds[name]) for name in NAMES[1:]}
    return {
        "machine": common.machine("pillow"),
        "image_size": SIZE,
        "line_width": LINE_WIDTH,
        "images_per_second": {name: common.spread(found) for name, found in speeds.items()},
        "times": times,
        "memory_images": n_memory,
        "extra_memory_bytes": memory,
        "error_images": n_errors,
        "errors": errors(parameters[:n_errors]),
        "targets": judge(times["matplotlib"]["median"], memory),
    }


def judge(times: float, memory: int) -> list[dict[str, Any]]:
    """Return what was reached and whether it suffices. times: as fast as matplotlib; memory: bytes."""
    speed = {"target": f"at least {LEAST_TIMES} times as fast as matplotlib", "reached": f"{times:.1f} times"}
    room = {"target": f"memory under {MOST_MEMORY / 1e6:.0f} MB", "reached": f"{memory / 1e6:.0f} MB"}
    return [{**speed, "met": times >= LEAST_TIMES}, {**room, "met": memory < MOST_MEMORY}]


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="the file of the figures, default _build/benchmarks/dataset.json")
    parser.add_argument("--pairs", type=int, default=5, help="alternating measurements, default %(default)s")
    parser.add_argument("--images", type=int, default=1000, help="our images a measurement, default %(default)s")
    for name in NAMES[1:]:
        parser.add_argument(f"--{name}-images", type=int, default=60, help=f"{name}'s, default %(default)s")
    parser.add_argument("--memory-images", type=int, default=5000, help="of the memory test, default %(default)s")
    parser.add_argument("--error-images", type=int, default=60, help="of the errors, default %(default)s")
    given = parser.parse_args()
    numbers = {name: value for name, value in vars(given).items() if name != "json"}
    whole = all(value >= parser.get_default(name) for name, value in numbers.items())
    images = {"vaelib": given.images, "matplotlib": given.matplotlib_images, "pillow": given.pillow_images}
    if min(numbers.values()) < 1:
        parser.error("every number must be 1 or more")
    result = measure(given.pairs, images, given.memory_images, given.error_images)
    print(common.describe(result["machine"], "numpy", "matplotlib", "pillow"))
    print(
        f"{SIZE}×{SIZE}, line {LINE_WIDTH} pixels wide; errors in grey levels of 255 over {given.error_images} images"
    )
    print(f"{'':11}{'images/s':>9}   {'vaelib is so many times as fast':33}{'mean error':>10}{'root mean square':>18}")
    for name in NAMES:
        speed, error, ratio = result["images_per_second"][name]["median"], result["errors"][name], ""
        if name in result["times"]:
            times = result["times"][name]
            ratio = f"{times['median']:.1f} ({times['min']:.1f}-{times['max']:.1f})"
        print(f"{name:11}{speed:9.0f}   {ratio:33}{error['mean_absolute']:10.3f}{error['root_mean_square']:18.2f}")
    print(f"memory: {result['extra_memory_bytes'] / 1e6:.0f} MB beyond {given.memory_images} images")
    for target in result["targets"]:
        print(f"target: {target['target']}: {target['reached']}, {'met' if target['met'] else 'NOT met'}")
    common.write(given.json or common.FOLDER / "dataset.json", result)
    missed = [target["target"] for target in result["targets"] if not target["met"]]
    if missed and whole:
        raise SystemExit(f"not met: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
