"""What the tests of sweeps share: the command, a cluster, a training of a second, a file."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

COMMAND = [sys.executable, "-c", "import vaelib.cli; vaelib.cli.main()"]
TINY = {"n_images": 80, "width": 0.06, "epochs": 2, "snapshots": [], "batch_size": 16}


def write(path: Path, text: str) -> Path:
    """Write a text and return its path."""
    path.write_text(text)
    return path


def vaelib(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command with these words."""
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=300)


@contextlib.contextmanager
def running_cluster(threads: int) -> Iterator[str]:
    """Yield the address of a Dask cluster of one worker."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=threads, dashboard_address=None, memory_limit=0) as made:
        yield made.scheduler_address
