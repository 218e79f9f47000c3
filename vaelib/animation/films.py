"""The book's films: the embedding turning once round, growing over the epochs of a training, and walked through.

How a film is rendered and written is in `vaelib.animation.encoder`.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from vaelib import dataset, figures, metrics
from vaelib.animation import encoder
from vaelib.dataset import DataSet, montage
from vaelib.experiment import PARAMETER_RANGE, Experiment
from vaelib.figures.scene import AZIMUTH, Scene
from vaelib.run import Run

Numbers = NDArray[np.float64]


def rotating_embedding(
    path: str | os.PathLike[str],
    mu: ArrayLike,
    values: Mapping[str, ArrayLike],
    *,
    ring: ArrayLike | None = None,
    frames: int = 120,
    fps: int = 15,
    n_points: int = 1500,
    progress: bool = True,
) -> Path:
    """Film an embedding turning once round its third axis, one panel for each colouring; return the path.

    mu: (n, 3). values: what colours each panel, by name, each (n,): {"a": …, "b": …}. ring: (k, 3), the means of the
    curves on the hole's edge, drawn as a line. At most `n_points` points are drawn, the first ones. Raises ValueError
    unless mu and ring have three latents, StoreError when the file cannot be written.
    """
    points = _three(mu)[:n_points]
    edge = None if ring is None else _three(ring)

    def make() -> encoder.Drawing:
        figure, axes = _figure(4.4 * len(values), 4.0, len(values))
        scenes = [
            Scene(axis, np.asarray(value)[:n_points], name, points)
            for axis, (name, value) in zip(axes, values.items(), strict=True)
        ]
        lines = [axis.plot([], [], color="black", linewidth=1.6, zorder=2.5)[0] for axis in axes]

        def draw(frame: int) -> None:
            azimuth = AZIMUTH + 360 * frame / frames
            for scene, line in zip(scenes, lines, strict=True):
                scene.show(points, azimuth=azimuth)
                if edge is not None:
                    line.set_data(*scene.seen(edge, azimuth=azimuth)[:, :2].T)

        moving = [artist for scene in scenes for artist in scene.moving]
        return encoder.Drawing(figure, draw, [*moving, *lines])

    return encoder.render(path, make, frames, fps=fps, poster=0, progress=progress)


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
    kept = run.kept_epochs
    pictures = {epoch: run.reconstruct(originals, epoch=epoch) for epoch in kept}
    epochs = run.epochs  # the drawing processes get numbers, not the run with its network

    def make() -> encoder.Drawing:
        column = 4.2 / len(rows)  # inches: two columns of square images, as high as the sheet
        figure, axes = _figure(5.0 + 2 * column, 4.4, 3, width_ratios=[5.0, column, column])
        scene = Scene(axes[0], values[:n_points], color, track)
        sheet = montage(originals, 1) / 255
        _column(axes[1], sheet, "original")
        shown = _column(axes[2], np.zeros_like(sheet), " ")

        def draw(frame: int) -> None:
            time = epochs * frame / max(frames - 1, 1)
            scene.show(_between(track, time), title=f"epoch {time:.1f} of {epochs}")
            past = [epoch for epoch in kept if epoch <= time + 1e-9]
            shown.set_data(montage(pictures[past[-1]], 1) if past else np.zeros_like(sheet))
            axes[2].set_title(f"epoch {past[-1]}" if past else " ", fontsize=9, loc="center")

        return encoder.Drawing(figure, draw, [*scene.moving, shown, axes[2].title])

    return encoder.render(path, make, frames, fps=fps, hold=fps, progress=progress)


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
    colors = np.asarray(values)[:n_points]

    def make() -> encoder.Drawing:
        figure, axes = _figure(3.2 * len(tracks) + 0.5, 3.4, len(tracks))
        space = np.concatenate(tracks)
        scenes = [Scene(axis, colors, color, space, bar=axis is axes[-1]) for axis in axes]

        def draw(frame: int) -> None:
            share = frame / max(frames - 1, 1)
            for scene, track, label in zip(scenes, tracks, labels, strict=True):
                epochs = len(track) - 1
                scene.show(_between(track, share * epochs), title=f"{label}, epoch {share * epochs:.1f}")

        return encoder.Drawing(figure, draw, [artist for scene in scenes for artist in scene.moving])

    return encoder.render(path, make, frames, fps=fps, hold=fps, progress=progress)


def transect_film(
    path: str | os.PathLike[str],
    run: Run,
    data: DataSet,
    *,
    names: Sequence[str] = tuple(dataset.TRANSECTS),
    frames: int = 48,
    fps: int = 12,
    n_points: int = 1500,
    progress: bool = True,
) -> Path:
    """Film a walk along transects: the point in parameter space and on the sheet, its curve, what the run makes of it.

    data: what the run was trained on. names: of transects. frames: steps on each, ends included. The error is the
    squared error over the curve's own variance; the hole is shaded. Raises ValueError unless the run has three latents,
    SettingError for another transect, StoreError when the file cannot be written.
    """
    walks = [_walk(name, run, frames) for name in names]
    mu = _three(run.embeddings[run.best_epoch])[:n_points]
    factors = data.parameters[data.train][:n_points]
    edge = _three(run.encode(dataset.draw(dataset.hole_outline(run.experiment), run.experiment)))
    make = functools.partial(_walk_drawing, walks, run.experiment, mu, factors, edge)
    crossed = np.flatnonzero(walks[0].inside)
    middle = int(np.median(crossed)) if len(crossed) else 0
    return encoder.render(path, make, frames * len(names), fps=fps, poster=middle, progress=progress)


@dataclass(frozen=True, eq=False)
class _Walk:
    """A transect in steps: its points (n, 2), images and their reconstructions in [0, 1], means (n, 3), errors in %."""

    name: str
    points: np.ndarray
    images: np.ndarray
    decoded: np.ndarray
    mu: np.ndarray
    errors: np.ndarray
    inside: np.ndarray
    """Which of the points lie in the hole."""

    @property
    def color(self) -> str:
        """The transect's own, in all figures."""
        return figures.TRANSECT_COLORS[self.name]


def _walk(name: str, run: Run, frames: int) -> _Walk:
    points = dataset.transect(name, frames)
    images = dataset.transect_images(name, run.experiment, frames)
    mu = _three(run.encode(images))
    decoded = run.decode(mu)
    errors = 100 * metrics.normalised_error(images, decoded)
    return _Walk(name, points, images / 255, decoded, mu, errors, dataset.in_hole(points, run.experiment))


def _walk_drawing(
    walks: Sequence[_Walk], settings: Experiment, mu: np.ndarray, factors: np.ndarray, edge: np.ndarray
) -> encoder.Drawing:
    """Lay out a film of walks: above the parameter space and the sheet, below the images and the errors."""
    figure = Figure(figsize=(8.0, 6.0), dpi=encoder.DPI, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[3.2, 2.2], squeeze=False)[:, 0]
    left, right = above.subplots(1, 2, width_ratios=[2, 3])
    *shown, plot = below.subplots(1, 4, width_ratios=[1, 1, 1, 1.9])
    heading = figure.suptitle(" ", fontsize=12)
    follow_places, places = _walked_places(left, right, walks, settings, mu, factors, edge)
    follow_images, pictures = _walked_images(shown, walks[0].decoded.shape[1:])
    follow_errors, marks = _walked_errors(plot, walks)

    def draw(frame: int) -> None:
        turn, step = divmod(frame, len(walks[0].points))
        walk = walks[turn]
        a, b = walk.points[step]
        where = "in the hole" if walk.inside[step] else "among the training points"
        heading.set_text(f"{walk.name}: $a$ = {a:.2f}, $b$ = {b:.2f}, {where}")
        for follow in (follow_places, follow_images, follow_errors):
            follow(walk, step)

    return encoder.Drawing(figure, draw, [*places, *pictures, *marks, heading])


_Follow = Callable[[_Walk, int], None]  # moves its artists to a step of a walk


def _walked_places(
    left: Axes,
    right: Axes,
    walks: Sequence[_Walk],
    settings: Experiment,
    mu: np.ndarray,
    factors: np.ndarray,
    edge: np.ndarray,
) -> tuple[_Follow, list[Artist]]:
    azimuth, elevation = figures.viewing_angles(mu)
    figures.parameter_axes(left)
    left.scatter(factors[:, 0], factors[:, 1], c=factors[:, 0], s=3, cmap=figures.COLORMAPS["a"], linewidths=0)
    figures.hole(left, settings)
    scene = Scene(right, factors[:, 0], "a", mu, bar=False)
    scene.show(mu, azimuth=azimuth, elevation=elevation)
    seen = {walk.name: scene.seen(walk.mu, azimuth=azimuth, elevation=elevation)[:, :2] for walk in walks}
    ring = scene.seen(edge, azimuth=azimuth, elevation=elevation)
    right.plot(*ring[:, :2].T, color="black", linewidth=1.5, linestyle="--", zorder=2.5)
    lines = [axis.plot([], [], linewidth=2, zorder=3)[0] for axis in (left, right)]
    dots = [axis.plot([], [], "o", color="white", mec="black", mew=2, ms=8, zorder=5)[0] for axis in (left, right)]

    def follow(walk: _Walk, step: int) -> None:
        for line, dot, points in zip(lines, dots, (walk.points, seen[walk.name]), strict=True):
            line.set_data(*points.T)
            line.set_color(walk.color)
            dot.set_data(*points[step : step + 1].T)

    return follow, [*lines, *dots]


def _walked_images(shown: Sequence[Axes], shape: tuple[int, ...]) -> tuple[_Follow, list[Artist]]:
    for axis, title in zip(shown, ("curve", "redrawn", "difference"), strict=True):
        _column(axis, np.zeros(shape), title)
    pictures = [axis.images[0] for axis in shown]
    pictures[2].set(cmap="PuOr_r", clim=(-1, 1))

    def follow(walk: _Walk, step: int) -> None:
        original, decoded = walk.images[step], walk.decoded[step]
        for picture, values in zip(pictures, (original, decoded, decoded - original), strict=True):
            picture.set_data(values)

    return follow, list(pictures)


def _walked_errors(plot: Axes, walks: Sequence[_Walk]) -> tuple[_Follow, list[Artist]]:
    top = 1.1 * max(float(np.max(walk.errors)) for walk in walks)
    plot.set(xlim=(0, len(walks[0].errors) - 1), ylim=(0, top), xticks=[], xlabel="along the line")
    plot.set_title("error, % of variance", fontsize=9, loc="center")
    shade = plot.axvspan(0, 1, color="0.88", zorder=0)
    (curve,), (dot,) = plot.plot([], [], linewidth=1.5), plot.plot([], [], "ko", ms=6)

    def follow(walk: _Walk, step: int) -> None:
        curve.set_data(np.arange(len(walk.errors)), walk.errors)
        curve.set_color(walk.color)
        dot.set_data([step], [walk.errors[step]])
        crossed = np.flatnonzero(walk.inside)
        shade.set(x=crossed[0] - 0.5 if len(crossed) else 0, width=len(crossed))

    return follow, [shade, curve, dot]


def _figure(width: float, height: float, columns: int, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure that no notebook shows by itself, with an even number of pixels each way, and its axes."""
    even = [2 * round(inches * encoder.DPI / 2) / encoder.DPI for inches in (width, height)]
    figure = Figure(figsize=(even[0], even[1]), dpi=encoder.DPI, layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, **options)[0])


def _column(axis: Axes, image: NDArray[Any], title: str) -> AxesImage:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=9, loc="center")
    return axis.imshow(image, origin="upper", vmin=0, vmax=1, cmap="gray")


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
