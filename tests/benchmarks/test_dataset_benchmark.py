"""What drawing many images costs, and that a missed target is a failure."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


# Memory, and the benchmark that measures it


def test_drawing_five_thousand_large_images_takes_little_memory_beyond_them():
    """By the peak memory of a process of its own; the images themselves are 328 MB."""
    program = """
import common
from vaelib import dataset
from vaelib.experiment import DataSettings
settings = DataSettings(n_images=5000, image_size=256, line_width=1.42)
dataset.build(settings.model_copy(update={"n_images": 20}), cache=False)
before = common.resident()
images = dataset.build(settings, cache=False).images
print(images.nbytes, common.peak_resident() - before - images.nbytes)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result, beyond = map(int, done.stdout.split())
    assert result == 5000 * 256**2
    assert beyond < 200e6


@pytest.mark.parametrize(
    ("times", "memory", "words", "missed"),
    [
        (25.0, 6e6, "", ""),
        (19.0, 6e6, "", "not met: at least 20 times as fast as matplotlib"),
        (25.0, 3e8, "--images 2000", "not met: memory under 200 MB"),
        (19.0, 3e8, "", "not met: at least 20 times as fast as matplotlib; memory under 200 MB"),
        (19.0, 3e8, "--pairs 1", ""),  # too small a run to judge by
    ],
)
def test_a_missed_target_fails_the_whole_benchmark(times, memory, words, missed, tmp_path, monkeypatch, capsys):
    benchmark, common = importlib.import_module("dataset"), importlib.import_module("common")
    speed = common.spread([times])
    measured = {
        "machine": common.machine("matplotlib", "pillow"),
        "images_per_second": dict.fromkeys(benchmark.NAMES, speed),
        "times": dict.fromkeys(benchmark.NAMES[1:], speed),
        "extra_memory_bytes": memory,
        "errors": {name: {"mean_absolute": 0.1, "root_mean_square": 0.5} for name in benchmark.NAMES},
        "targets": benchmark.judge(times, memory),
    }
    monkeypatch.setattr(benchmark, "measure", lambda *numbers: measured)
    monkeypatch.setattr(sys, "argv", ["dataset.py", "--json", str(tmp_path / "new" / "d.json"), *words.split()])
    if missed:
        with pytest.raises(SystemExit) as ended:
            benchmark.main()
        assert ended.value.code == missed
    else:
        benchmark.main()
    assert (tmp_path / "new" / "d.json").exists()
    assert capsys.readouterr().out.count("NOT met") == (times < 20) + (memory > 2e8)
