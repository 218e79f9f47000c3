"""What the benchmarks share: the machine they ran on, memory, ratios of alternating turns, the file of figures."""

import io
import json
import resource
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vaelib.system import provenance

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")  # hours of measuring may not end at a "×"

FOLDER = Path(__file__).resolve().parent.parent / "_build" / "benchmarks"
"""Where the figures go unless another file is named."""

_BFLOAT16 = ("amx_bf16", "avx512_bf16", "bf16")  # the last is how ARM names it


def machine(*packages: str) -> dict[str, Any]:
    """Return the processor, its bfloat16 instructions, cores, memory and versions, those of `packages` among them."""
    versions = provenance.versions() | {name: version(name) for name in packages}
    return {
        **provenance.hardware(),
        "bfloat16_instructions": bfloat16_instructions(),
        "versions": versions,
        "git_commit": provenance.git_commit(),
    }


def describe(found: dict[str, Any], *packages: str) -> str:
    """Return `machine`'s result as a line, with the versions of `packages`."""
    versions = ", ".join(f"{name} {found['versions'][name]}" for name in ("python", *packages))
    return f"{found['processor']}, {found['cores']} cores, {found['memory_gib']} GiB; {versions}"


def bfloat16_instructions() -> list[str]:
    """Return the processor's flags that tell of bfloat16 arithmetic; none where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return [name for name in _BFLOAT16 if name in flags]


def resident() -> int:
    """Return the bytes of memory the process holds now; its peak where the system does not tell."""
    return _status("VmRSS") or _largest()


def peak_resident() -> int:
    """Return the most bytes of memory the process has held so far."""
    # Not getrusage where it can be avoided: a process begins with the peak of the one that started it.
    return _status("VmHWM") or _largest()


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the median, the least and the largest of one figure per round, and all of them."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": list(values)}


def ratios(values: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """Return the spread of the ratios, each within its own round: what slows a round slows both sides."""
    return spread([a / b for a, b in zip(values, reference, strict=True)])


def write(path: Path, result: dict[str, Any]) -> None:
    """Write the figures as JSON and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {path}")


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":")), 0)


def _largest() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
