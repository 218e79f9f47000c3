"""What the tests of sweeps share: the command, a training of a second, a file."""

import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "import vaelib.cli; vaelib.cli.main()"]
TINY = {"n_images": 80, "width": 0.06, "epochs": 2, "snapshots": [], "batch_size": 16}


def write(path: Path, text: str) -> Path:
    """Write a text and return its path."""
    path.write_text(text)
    return path
