"""Making films: several processes draw the frames, which are encoded as they come; a film is complete or not there.

Every film is an MP4 (H.264, yuv420p, so that all browsers play it) with a poster, a PNG of the same name.
"""

import io
import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import joblib
import matplotlib as mpl
import numpy as np
from matplotlib.animation import FFMpegWriter
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from vaelib import storage
from vaelib.errors import StoreError
from vaelib.system import processes, provenance

DPI = 100
_CHUNK = 8  # frames that a process draws at a time
# yuv420p and the index at the file's start are what browsers need to play it, and to begin before it is loaded.
_ENCODING = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-crf", "24", "-preset", "fast"]


@dataclass(frozen=True)
class Drawing:
    """A figure that is drawn frame by frame.

    Only the moving artists are drawn anew for each frame; text and colour bars would take most of the time.
    """

    figure: Figure
    """Its width and height are even numbers of pixels."""
    draw: Callable[[int], None]
    """Called with a frame's number; moves the artists in `moving`."""
    moving: Sequence[Artist]


def render(
    path: str | os.PathLike[str],
    make: Callable[[], Drawing],
    frames: int,
    *,
    fps: int,
    hold: int = 0,
    poster: int = -1,
    progress: bool = True,
    workers: int | None = None,
) -> Path:
    """Write a film and its poster.

    Args:
        path: The film; its suffix is .mp4.
        make: Returns the drawing. It is called once in each process, so what it refers to must pickle.
        frames: Their number.
        fps: Frames a second.
        hold: How often the last frame is repeated.
        poster: The frame that is the poster, counted from the end if negative.
        progress: Show a progress bar.
        workers: The number of processes that draw, by default one a core; 1 draws in this one.

    Returns:
        The film's path.

    Raises:
        ValueError: For another suffix and for no frames.
        StoreError: When the film cannot be written.
    """
    path = storage.user_path(path)
    if path.suffix != ".mp4" or frames < 1:
        raise ValueError(f"path = {str(path)!r}, frames = {frames!r}; allowed: .mp4 and 1 or more")
    storage.check_writable(path.parent)
    canvas = _Canvas(make())
    writer = _Writer(fps=fps, codec="libx264", bitrate=-1, extra_args=_ENCODING)
    pictures = _pictures(canvas, make, frames, provenance.hardware()["cores"] if workers is None else workers)
    still = io.BytesIO()
    with (
        tempfile.TemporaryDirectory(prefix="vaelib-film-") as folder,
        mpl.rc_context({"animation.ffmpeg_path": imageio_ffmpeg.get_ffmpeg_exe(), "savefig.bbox": "standard"}),
    ):
        film = Path(folder) / "film.mp4"
        try:
            with writer.saving(canvas.figure, str(film), canvas.figure.dpi):
                bar = tqdm(pictures, path.name, frames, unit="frame", leave=False, mininterval=1, disable=not progress)
                for frame, picture in enumerate(bar):
                    writer.grab_frame(picture=picture)
                    if frame == poster % frames:
                        Image.fromarray(picture).convert("RGB").save(still, format="png")
                for _ in range(hold):
                    writer.grab_frame(picture=picture)
            content = film.read_bytes()
        except (OSError, subprocess.CalledProcessError) as error:
            raise StoreError(f"cannot write {path}: the encoder failed: {error}") from error
    storage.write(path.with_suffix(".png"), still.getvalue())
    storage.write(path, content)
    return path


def gif(film: str | os.PathLike[str], *, width: int = 560, fps: int = 8) -> Path:
    """Write a film as a GIF of the same name, for places that play no video.

    Args:
        film: An MP4.
        width: Of the GIF, in pixels.
        fps: Frames a second of the GIF; the frames between are left out.

    Returns:
        The GIF's path.

    Raises:
        StoreError: When the film cannot be read or the GIF cannot be written.
    """
    film = storage.user_path(film)
    # One palette of few colours for the whole film, and only the rectangle that changed, keep it small.
    chain = (
        f"fps={fps},scale={width}:-2:flags=lanczos,split[a][b];"
        "[a]palettegen=max_colors=64:stats_mode=full[p];[b][p]paletteuse=dither=none:diff_mode=rectangle"
    )
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(film), "-vf", chain, "-f", "gif", "-"]
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if process.returncode:
        raise StoreError(f"cannot make a GIF of {film}: {process.stderr.decode(errors='replace').strip()}")
    path = film.with_suffix(".gif")
    storage.write(path, process.stdout)
    return path


class _Canvas:
    """A drawing with its background, which is drawn once."""

    def __init__(self, drawing: Drawing) -> None:
        self.figure, self.draw = drawing.figure, drawing.draw
        self.moving = sorted(drawing.moving, key=lambda artist: artist.zorder)
        self.canvas = FigureCanvasAgg(self.figure)
        for artist in self.moving:
            artist.set_animated(True)  # the background leaves it out
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Return a frame (h, w, 4)."""
        self.canvas.restore_region(self.background)
        self.draw(number)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        return np.array(self.canvas.buffer_rgba())


_canvases: dict[str, _Canvas] = {}  # in a process that draws: the canvas of the current film, by the film's token


def _chunk(token: str, make: Callable[[], Drawing], style: Any, numbers: range) -> list[NDArray[np.uint8]]:
    if token not in _canvases:
        mpl.rcParams.update(style)
        _canvases.clear()
        _canvases[token] = _Canvas(make())
    return [_canvases[token].frame(number) for number in numbers]


def _pictures(canvas: _Canvas, make: Callable[[], Drawing], frames: int, workers: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames in order, drawn by `workers` processes that are kept for the next film."""
    chunks = [range(start, min(start + _CHUNK, frames)) for start in range(0, frames, _CHUNK)]
    workers = min(workers, len(chunks))
    if workers < 2:
        yield from (canvas.frame(number) for number in range(frames))
        return
    token = uuid.uuid4().hex
    style = {name: value for name, value in mpl.rcParams.items() if name not in ("backend", "interactive")}
    # Without the initializer, joblib's processes would outlive this one when it is killed.
    helpers = joblib.Parallel(workers, return_as="generator", initializer=processes.end_with, initargs=(os.getpid(),))
    for pictures in helpers(joblib.delayed(_chunk)(token, make, style, numbers) for numbers in chunks):
        yield from pictures


class _Writer(FFMpegWriter):
    """Encodes pictures that are already drawn; matplotlib's own writer would draw the figure twice more."""

    def grab_frame(self, **options: Any) -> None:
        self._proc.stdin.write(options["picture"].tobytes())  # type: ignore[attr-defined]
