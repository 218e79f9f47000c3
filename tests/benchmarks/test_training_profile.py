"""The profile of a training step names the operations that the network is made of."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "training_profile.py"


def test_a_quick_profile_lists_both_models_operations_and_their_shares() -> None:
    done = subprocess.run([sys.executable, PROGRAM, "--quick"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    head, *_ = done.stdout.splitlines()
    assert head.startswith("stock, smoke test, float32, batches of 4: ")
    stock, ours = done.stdout.split("\nvaelib, ")
    for table in (stock, ours):
        shares = [float(line.split()[-2]) for line in table.splitlines()[1:]]
        assert abs(sum(shares) - 100) < 1, "each is rounded to a tenth"
        assert "Conv2DBackpropFilter" in table
    assert "BatchNorm" in ours and "BatchNorm" not in stock, "only the library's batch norm is one operation"


def test_no_steps_are_refused() -> None:
    done = subprocess.run([sys.executable, PROGRAM, "--steps", "0"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--steps 0; allowed: whole numbers from 1" in done.stderr
