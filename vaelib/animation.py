"""Videos: the embedding turning once round, and growing over the epochs of a training.

Every film is an MP4 (H.264, yuv420p, so that all browsers play it) with a poster, a PNG of the same name. Points
are projected here and drawn on flat axes, which is several times quicker than matplotlib's 3-D axes.
"""

import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import matplotlib as mpl
import numpy as np
from matplotlib.animation import FFMpegWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from tqdm import tqdm

from vaelib import store
from vaelib.dataset import DataSet, montage
from vaelib.experiment import PARAMETER_RANGE
from vaelib.figures import COLORMAPS
from vaelib.run import Run

Numbers = NDArray[np.float64]

AZIMUTH, ELEVATION = 35.0, 24.0  # degrees; the fixed viewpoint of the films that do not turn
LATENT_LABELS = ("$\\mu_1$", "$\\mu_2$", "$\\mu_3$")
_DPI = 100
# yuv420p and the index at the file's start are what browsers need to play it, and to begin before it is loaded.
_ENCODING = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-crf", "24", "-preset", "fast"]
_SYMBOLS = {"a": "$a$", "b": "$b$"}


def rotating_embedding(
    path: str | os.PathLike[str],
    mu: ArrayLike,
    values: Mapping[str, ArrayLike],
    *,
    frames: int = 120,
    fps: int = 15,
    n_points: int = 1500,
    progress: bool = True,
) -> Path:
    """Film an embedding turning once round its third axis, one panel for each colouring; return the path.

    mu: (n, 3). values: what colours each panel, by name, each (n,): {"a": …, "b": …}. At most `n_points` points are
    drawn, the first ones. Raises ValueError unless mu is (n, 3), StoreError when the file cannot be written.
    """
    points = _three(mu)[:n_points]
    figure, axes = _figure(4.4 * len(values), 4.0, len(values))
    scenes = [
        Scene(axis, np.asarray(value)[:n_points], name, points)
        for axis, (name, value) in zip(axes, values.items(), strict=True)
    ]

    def draw(frame: int) -> None:
        for scene in scenes:
            scene.show(points, azimuth=AZIMUTH + 360 * frame / frames)

    moving = [artist for scene in scenes for artist in scene.moving]
    return _film(path, figure, draw, moving, frames, fps=fps, poster=0, progress=progress)


def training_film(
    path: str | os.PathLike[str],
    run: Run,
    data: DataSet,
    *,
    color: str = "a",
    n_images: int = 6,
    frames: int = 96,
    fps: int = 12,
    n_points: int = 1200,
    progress: bool = True,
) -> Path:
    """Film the embedding over the epochs of a training, beside reconstructions of validation images.

    The points are `run.embeddings`, interpolated linearly between epochs; the viewpoint and the scale stay fixed.
    The reconstructions are those of the latest epoch at or before the time shown whose weights are kept; their
    label names it. color: "a" or "b". n_images: of the first validation images. Raises ValueError unless the
    run has three latents and belongs to the data, StoreError when the file cannot be written.
    """
    track = np.stack([_three(mu)[:n_points] for mu in run.embeddings])  # (epochs + 1, n, 3)
    values = data.parameters[data.train][:, list(PARAMETER_RANGE).index(color)]
    if len(values) != run.embeddings.shape[1]:
        raise ValueError(f"the run embeds {run.embeddings.shape[1]} images and the data trains on {len(values)}")
    rows = data.validation[:n_images]
    originals = data.images[rows]
    kept = sorted({*run.snapshots, run.epochs})
    pictures = {epoch: run.reconstruct(originals, epoch=epoch) for epoch in kept}
    column = 4.2 / len(rows)  # inches: two columns of square images, as high as the sheet
    figure, axes = _figure(5.0 + 2 * column, 4.4, 3, width_ratios=[5.0, column, column])
    scene = Scene(axes[0], values[:n_points], color, track)
    sheet = montage(originals, 1) / 255
    _column(axes[1], sheet, "original")
    shown = _column(axes[2], np.zeros_like(sheet), " ")

    def draw(frame: int) -> None:
        time = run.epochs * frame / max(frames - 1, 1)
        scene.show(_between(track, time), title=f"epoch {time:.1f} of {run.epochs}")
        past = [epoch for epoch in kept if epoch <= time + 1e-9]
        if past:
            shown.set_data(montage(pictures[past[-1]], 1))
            axes[2].set_title(f"epoch {past[-1]}", fontsize=9, loc="center")

    moving = [*scene.moving, shown, axes[2].title]
    return _film(path, figure, draw, moving, frames, fps=fps, hold=fps, progress=progress)


def sheets_in_step(
    path: str | os.PathLike[str],
    runs: Sequence[Run],
    labels: Sequence[str],
    values: ArrayLike,
    *,
    color: str = "a",
    frames: int = 96,
    fps: int = 12,
    n_points: int = 900,
    progress: bool = True,
) -> Path:
    """Film the embeddings of several trainings side by side, in step, in one scale and from one viewpoint.

    runs: of three latents each, of the same images. labels: one for each run. values: (n,), the colours. Time is the
    share of each run's epochs. Raises ValueError for other runs, StoreError when the file cannot be written.
    """
    tracks = [np.stack([_three(mu)[:n_points] for mu in run.embeddings]) for run in runs]
    if len({track.shape[1] for track in tracks}) != 1 or len(labels) != len(runs):
        raise ValueError("the runs embed different numbers of images, or there is not one label for each")
    figure, axes = _figure(3.2 * len(runs) + 0.5, 3.4, len(runs))
    space = np.concatenate(tracks)
    colors = np.asarray(values)[:n_points]
    scenes = [Scene(axis, colors, color, space, bar=axis is axes[-1]) for axis in axes]

    def draw(frame: int) -> None:
        share = frame / max(frames - 1, 1)
        for scene, track, label in zip(scenes, tracks, labels, strict=True):
            epochs = len(track) - 1
            scene.show(_between(track, share * epochs), title=f"{label}, epoch {share * epochs:.1f}")

    moving = [artist for scene in scenes for artist in scene.moving]
    return _film(path, figure, draw, moving, frames, fps=fps, hold=fps, progress=progress)


class Scene:
    """A 3-D scatter on a flat axis: parallel projection, the nearest points on top, the latent axes as lines.

    The artists are made once; `show` moves them.
    """

    def __init__(self, axis: Axes, values: NDArray[Any], name: str, space: Numbers, *, bar: bool = True) -> None:
        """values: (n,), the colours; name: what they are ("a", "b", "error"); space: (..., 3), points to hold in view.

        The view turns about the mean of `space`; the latent axes go through the origin, wherever that is seen.
        """
        self.centre = space.reshape(-1, 3).mean(axis=0)
        # Far enough for every viewpoint, but for the few farthest points.
        reach = 1.06 * float(np.percentile(np.linalg.norm(space - self.centre, axis=-1), 99.5)) + 1e-6
        self.reach = reach
        colormap = mpl.colormaps[COLORMAPS.get(name, "viridis")]
        low, high = PARAMETER_RANGE.get(name, (float(np.min(values)), float(np.max(values))))
        scale = mpl.colors.Normalize(low, high)
        self.colors = colormap(scale(values))  # (n, 4)
        self.dots = axis.scatter([], [], s=[], linewidths=0, zorder=2)
        self.ticks = axis.scatter([], [], s=5, color="0.45", linewidths=0, zorder=1)  # one at each whole number
        self.lines = LineCollection([], colors="0.45", linewidths=0.8, zorder=1)
        axis.add_collection(self.lines)
        self.names = [axis.text(0, 0, label, ha="center", va="center", zorder=3) for label in LATENT_LABELS]
        self.title = axis.set_title(" ", fontsize=10, loc="center")
        self.moving: list[Artist] = [self.dots, self.ticks, self.lines, *self.names, self.title]
        for artist in self.moving[:-1]:
            artist.set_in_layout(False)
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if bar:
            mappable = mpl.cm.ScalarMappable(scale, colormap)
            axis.figure.colorbar(mappable, ax=axis, shrink=0.6, pad=0.01, label=_SYMBOLS.get(name, name))

    def show(
        self, points: Numbers, *, azimuth: float = AZIMUTH, elevation: float = ELEVATION, title: str | None = None
    ) -> None:
        """Move the points (n, 3) to where they stand now; azimuth and elevation of the eye in degrees."""
        view = projection(azimuth, elevation)
        seen = (points - self.centre) @ view.T  # (n, 3)
        order = np.argsort(seen[:, 2])
        nearness = np.clip((seen[order, 2] / self.reach + 1) / 2, 0, 1)
        self.dots.set_offsets(seen[order, :2])
        self.dots.set_facecolor(self.colors[order])
        self.dots.set_sizes(4 + 9 * nearness)
        origin = view[:2] @ -self.centre  # (2,)
        directions = view[:2].T  # (3, 2): where each latent axis points to
        arms = 0.75 * self.reach * directions
        self.lines.set_segments(list(np.stack([origin - arms, origin + arms], axis=1)))
        whole = np.arange(-int(0.75 * self.reach), int(0.75 * self.reach) + 1)
        self.ticks.set_offsets(origin + (whole[:, None, None] * directions).reshape(-1, 2))
        for text, arm in zip(self.names, arms, strict=True):
            text.set_position(tuple(origin + 1.12 * arm))
        if title is not None:
            self.title.set_text(title)


def projection(azimuth: float, elevation: float) -> Numbers:
    """Return the rotation (3, 3) whose rows are the view's right, up and towards the eye; angles in degrees.

    The third axis points up in the picture; the eye looks at the origin from the given azimuth and elevation.
    """
    turn, lift = np.radians([azimuth, elevation])
    right = [-np.sin(turn), np.cos(turn), 0]
    up = [-np.sin(lift) * np.cos(turn), -np.sin(lift) * np.sin(turn), np.cos(lift)]
    eye = [np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift)]
    return np.array([right, up, eye])


def _film(
    path: str | os.PathLike[str],
    figure: Figure,
    draw: Callable[[int], None],
    moving: Sequence[Artist],
    frames: int,
    *,
    fps: int,
    hold: int = 0,
    poster: int = -1,
    progress: bool,
) -> Path:
    """Write the film and its poster, each whole or not at all; the last frame stays for `hold` more.

    Only the artists in `moving` are drawn anew for each frame; text and colour bars would take most of the time.
    """
    path = Path(path)
    if path.suffix != ".mp4" or frames < 1:
        raise ValueError(f"path = {str(path)!r}, frames = {frames!r}: allowed are .mp4 and 1 or more")
    store.check_writable(path.parent)
    canvas = FigureCanvasAgg(figure)
    for artist in moving:
        artist.set_animated(True)  # leaves them out of the background
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    still = io.BytesIO()
    writer = _Writer(fps=fps, codec="libx264", extra_args=_ENCODING)
    with (
        tempfile.TemporaryDirectory(prefix="vaelib-film-") as folder,
        mpl.rc_context({"animation.ffmpeg_path": imageio_ffmpeg.get_ffmpeg_exe(), "savefig.bbox": "standard"}),
    ):
        film = Path(folder) / "film.mp4"
        try:
            with writer.saving(figure, str(film), figure.dpi):
                for frame in tqdm(
                    range(frames), desc=path.name, unit="frame", leave=False, mininterval=1, disable=not progress
                ):
                    canvas.restore_region(background)
                    draw(frame)
                    for artist in sorted(moving, key=lambda artist: artist.zorder):
                        figure.draw_artist(artist)
                    writer.grab_frame()
                    if frame == poster % frames:
                        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(still, format="png")
                for _ in range(hold):
                    writer.grab_frame()
            content = film.read_bytes()
        except (OSError, subprocess.CalledProcessError) as error:
            raise store.StoreError(f"cannot write {path}: the encoder failed: {error}") from error
    store.write(path.with_suffix(".png"), still.getvalue())
    store.write(path, content)
    return path


class _Writer(FFMpegWriter):
    """Sends the canvas as it is drawn; matplotlib's own way draws the whole figure again, twice."""

    def grab_frame(self, **_: Any) -> None:
        self._proc.stdin.write(self.fig.canvas.buffer_rgba())  # type: ignore[attr-defined]


def _figure(width: float, height: float, columns: int, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure that no notebook shows by itself, with an even number of pixels each way, and its axes."""
    even = [2 * round(inches * _DPI / 2) / _DPI for inches in (width, height)]
    figure = Figure(figsize=(even[0], even[1]), dpi=_DPI, layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, **options)[0])


def _column(axis: Axes, image: NDArray[Any], title: str) -> AxesImage:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=9, loc="center")
    return axis.imshow(image, vmin=0, vmax=1, cmap="gray")


def _between(track: Numbers, time: float) -> Numbers:
    """Return the points (n, d) at a time in epochs, by linear interpolation of track (epochs + 1, n, d)."""
    before = min(int(time), len(track) - 1)
    after = min(before + 1, len(track) - 1)
    share = time - before
    return (1 - share) * track[before] + share * track[after]


def _three(mu: ArrayLike) -> Numbers:
    array = np.asarray(mu, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3 or len(array) == 0:
        raise ValueError(f"mu has shape {array.shape}: a film needs (n, 3), three latents")
    return array
