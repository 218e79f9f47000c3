"""How fast the curves are drawn, against matplotlib's savefig, and how much memory the drawing takes.

Both draw the same curves at 256×256 in turns within one run, so that whatever else the machine does slows
both:

    python benchmarks/dataset.py --json dataset.json
"""

import argparse
import io
import json
import platform
import resource
import statistics
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vaelib import curves
from vaelib.experiment import PARAMETER_RANGE

SIZE = 256
LINE_WIDTH = 1.42
DPI = 100


class MatplotlibDrawer:
    """One Agg figure of 256×256 pixels, used again for every curve, as a careful user of matplotlib would."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(SIZE / DPI, SIZE / DPI), dpi=DPI, facecolor="black")
        FigureCanvasAgg(self.figure)
        axes = self.figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(-4.2, 4.2), ylim=(-4.2, 4.2))
        (self.line,) = axes.plot([], [], color="white", linewidth=LINE_WIDTH * 72 / DPI)

    def draw(self, a: float, b: float) -> bytes:
        """Return the curve's image as a PNG, 500 points as in the study."""
        self.line.set_data(*curves.points(a, b, 500).T)
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png")
        return buffer.getvalue()


def seconds(work: Callable[[int], object], n: int) -> float:
    """Return how long `work` takes for n images."""
    start = time.perf_counter()
    work(n)
    return time.perf_counter() - start


def resident() -> int:
    """Return the bytes of memory the process holds now; its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def extra_memory(work: Callable[[], np.ndarray]) -> int:
    """Return the bytes held at the peak of `work`, beyond before it and beyond its result."""
    before, peak, done = resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return max(peak, resident()) - before - result.nbytes


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def measure(pairs: int, n_ours: int, n_matplotlib: int, n_memory: int) -> dict[str, Any]:
    """Return images per second of both, the ratio and the memory, as medians over alternating pairs."""
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    parameters = np.random.default_rng(0).uniform(low, high, size=(max(n_ours, n_memory), 2))
    drawer = MatplotlibDrawer()

    def ours(n: int) -> np.ndarray:
        a, b = parameters[:n].T
        return curves.render(a, b, image_size=SIZE, line_width=LINE_WIDTH, framing="square")

    def theirs(n: int) -> None:
        for a, b in parameters[:n]:
            drawer.draw(a, b)

    ours(64)  # both once, to warm up
    theirs(4)
    speeds: dict[str, list[float]] = {"ours": [], "matplotlib": []}
    for _ in range(pairs):
        speeds["ours"].append(n_ours / seconds(ours, n_ours))
        speeds["matplotlib"].append(n_matplotlib / seconds(theirs, n_matplotlib))
    ratios = [a / b for a, b in zip(speeds["ours"], speeds["matplotlib"], strict=True)]
    return {
        "image_size": SIZE,
        "line_width": LINE_WIDTH,
        "images_per_second": {name: statistics.median(values) for name, values in speeds.items()},
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "memory_images": n_memory,
        "extra_memory_bytes": extra_memory(lambda: ours(n_memory)),
        "machine": {
            "processor": processor(),
            "cores": curves.processors(),
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "matplotlib": matplotlib.__version__,
        },
    }


def main() -> None:
    """Measure, print and, if asked, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--pairs", type=int, default=5, help="alternating measurements, default 5")
    parser.add_argument("--images", type=int, default=1000, help="our images a measurement, default 1000")
    parser.add_argument("--matplotlib-images", type=int, default=60, help="matplotlib's, default 60")
    parser.add_argument("--memory-images", type=int, default=5000, help="images of the memory test, default 5000")
    given = parser.parse_args()
    result = measure(given.pairs, given.images, given.matplotlib_images, given.memory_images)
    machine, speed = result["machine"], result["images_per_second"]
    print(
        f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}, "
        f"numpy {machine['numpy']}, matplotlib {machine['matplotlib']}"
    )
    print(f"vaelib      {speed['ours']:8.0f} images/s at {SIZE}×{SIZE}")
    print(f"matplotlib  {speed['matplotlib']:8.0f} images/s, one figure used again, savefig to PNG in memory")
    ratios = ", ".join(f"{ratio:.1f}" for ratio in result["ratios"])
    print(f"ratio       {result['ratio']:8.1f} (median of {ratios})")
    print(f"memory      {result['extra_memory_bytes'] / 1e6:8.0f} MB beyond {result['memory_images']} images")
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
