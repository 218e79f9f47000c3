"""What ffmpeg says of a film."""

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg


def stream(path: Path) -> tuple[str, int, int, int]:
    """Return a film's format, width, height and number of frames."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    told = subprocess.run([ffmpeg, "-i", str(path), "-f", "null", "-"], capture_output=True, text=True).stderr
    found = re.search(r"Video: (h264.*?yuv420p).*? (\d+)x(\d+)", told)
    assert found, told
    return found[1], int(found[2]), int(found[3]), int(re.findall(r"frame=\s*(\d+)", told)[-1])
