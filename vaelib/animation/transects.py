"""The film of a walk along transects: through the parameter space, over the sheet and across the hole."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vaelib import dataset, figures, metrics
from vaelib.animation import encoder
from vaelib.animation.films import image_panel, three_latents
from vaelib.dataset import DataSet
from vaelib.experiment import Experiment
from vaelib.figures.scene import Scene
from vaelib.run import Run


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
    """Film a walk along transects: the point in parameter space and on the sheet, its curve, the reconstruction.

    The error is the squared error over the curve's own variance; the hole is shaded.

    Args:
        path: The film to write, an MP4.
        run: A finished run with three latents.
        data: The data set it was trained on.
        names: The transects to walk, in this order.
        frames: The number of steps on each, ends included.
        fps: Frames a second.
        n_points: Draw at most so many points of the sheet, the first ones.
        progress: Show a progress bar.

    Returns:
        The film's path.

    Raises:
        ValueError: Unless the run has three latents.
        SettingError: For another transect.
        StoreError: When the file cannot be written.
    """
    walks = [_walk(name, run, frames) for name in names]
    mu = three_latents(run.embeddings[run.best_epoch])[:n_points]
    factors = data.parameters[data.train][:n_points]
    edge = three_latents(run.encode(dataset.draw(dataset.hole_outline(run.experiment), run.experiment)))
    make = functools.partial(_drawing, walks, run.experiment, mu, factors, edge)
    inside = np.flatnonzero(walks[0].inside)
    middle = int(np.median(inside)) if len(inside) else 0
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
    """(n,) bool: which of the points lie in the hole."""

    @property
    def color(self) -> str:
        """The transect's colour in all figures."""
        return figures.TRANSECT_COLORS[self.name]


def _walk(name: str, run: Run, frames: int) -> _Walk:
    points = dataset.transect(name, frames)
    images = dataset.transect_images(name, run.experiment, frames)
    mu = three_latents(run.encode(images))
    decoded = run.decode(mu)
    errors = 100 * metrics.normalised_error(images, decoded)
    return _Walk(name, points, images / 255, decoded, mu, errors, dataset.in_hole(points, run.experiment))


def _drawing(
    walks: Sequence[_Walk], settings: Experiment, mu: np.ndarray, factors: np.ndarray, edge: np.ndarray
) -> encoder.Drawing:
    """Lay out a film of walks: above the parameter space and the sheet, below the images and the errors."""
    figure = Figure(figsize=(8.0, 6.0), dpi=encoder.DPI, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[3.2, 2.2], squeeze=False)[:, 0]
    left, right = above.subplots(1, 2, width_ratios=[2, 3])
    *panels, plot = below.subplots(1, 4, width_ratios=[1, 1, 1, 1.9])
    heading = figure.suptitle(" ", fontsize=12)
    follow_places, places = _draw_places(left, right, walks, settings, mu, factors, edge)
    follow_images, pictures = _draw_images(panels, walks[0].decoded.shape[1:])
    follow_errors, marks = _draw_errors(plot, walks)

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


def _draw_places(
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


def _draw_images(panels: Sequence[Axes], shape: tuple[int, ...]) -> tuple[_Follow, list[Artist]]:
    for axis, title in zip(panels, ("curve", "redrawn", "difference"), strict=True):
        image_panel(axis, np.zeros(shape), title)
    pictures = [axis.images[0] for axis in panels]
    pictures[2].set(cmap="PuOr_r", clim=(-1, 1))

    def follow(walk: _Walk, step: int) -> None:
        original, decoded = walk.images[step], walk.decoded[step]
        for picture, values in zip(pictures, (original, decoded, decoded - original), strict=True):
            picture.set_data(values)

    return follow, list(pictures)


def _draw_errors(plot: Axes, walks: Sequence[_Walk]) -> tuple[_Follow, list[Artist]]:
    top = 1.1 * max(float(np.max(walk.errors)) for walk in walks)
    plot.set(xlim=(0, len(walks[0].errors) - 1), ylim=(0, top), xticks=[], xlabel="along the line")
    plot.set_title("error, % of variance", fontsize=9, loc="center")
    shade = plot.axvspan(0, 1, color="0.88", zorder=0)
    (curve,), (dot,) = plot.plot([], [], linewidth=1.5), plot.plot([], [], "ko", ms=6)

    def follow(walk: _Walk, step: int) -> None:
        curve.set_data(np.arange(len(walk.errors)), walk.errors)
        curve.set_color(walk.color)
        dot.set_data([step], [walk.errors[step]])
        inside = np.flatnonzero(walk.inside)
        shade.set(x=inside[0] - 0.5 if len(inside) else 0, width=len(inside))

    return follow, [shade, curve, dot]
