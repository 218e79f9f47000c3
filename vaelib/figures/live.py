"""The pictures of a finished run that live controls move: a latent point, a transect, an epoch.

A view draws once into the axes that it is given; `show` then changes only the artists in `moving`. A page without a
kernel gets figures of several views, which show at once what a reader with a kernel finds by moving.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from vaelib import dataset, figures
from vaelib.analysis.embedding import Sheet
from vaelib.analysis.transects import TRANSECT_POINTS, Walk
from vaelib.experiment import PARAMETER_RANGE
from vaelib.figures.scene import Scene
from vaelib.run import Run

Numbers = NDArray[np.float64]

_POINTS = 1200  # most training images that a picture of the sheet shows


class SheetView:
    """The sheet coloured by a, seen from one side, with latent points before it, each tied to the mean nearest to it.

    Args:
        axis: Where to draw.
        sheet: The embedding of a run.
        side: "face", where the sheet is broadest, or "edge", along its surface.
    """

    def __init__(self, axis: Axes, sheet: Sheet, side: str) -> None:
        self._sheet = sheet
        self._view = _viewpoint(sheet.mu, side)
        shown = sheet.mu[:_POINTS]
        self._scene = Scene(axis, sheet.factors[:_POINTS, 0], "a", sheet.mu, bar=False)
        self._scene.show(shown, **self._view, title=f"sheet, {side}-on")
        self._ties = LineCollection([], colors="black", linewidths=1.2, zorder=4)
        axis.add_collection(self._ties)
        axis.patch.set_visible(False)  # it would cover the names of a neighbour's axes
        self._dots = axis.scatter([], [], s=60, color="white", edgecolors="black", linewidths=2, zorder=5)
        self.moving: list[Artist] = [self._ties, self._dots]
        for artist in self.moving:
            artist.set_in_layout(False)

    def show(self, points: ArrayLike) -> None:
        """Move the latent points to `points` (k, 3)."""
        points = np.atleast_2d(np.asarray(points, dtype=np.float64))
        ends = self._sheet.mu[[self._sheet.nearest(point)[1] for point in points]]
        seen, ended = (self._scene.seen(place, **self._view)[:, :2] for place in (points, ends))
        self._ties.set_segments(list(np.stack([seen, ended], axis=1)))
        self._dots.set_offsets(seen)


class LatentView:
    """A latent point: its decoded image, the training image nearest to it, and its place near the sheet, seen twice.

    Args:
        axes: Four, from left to right.
        sheet: The embedding of a run.
    """

    def __init__(self, axes: Sequence[Axes], sheet: Sheet) -> None:
        self._sheet = sheet
        size = sheet.run.experiment.image_size
        blank = np.zeros((size, size), dtype=np.float32)
        for axis, title in zip(axes, ("decoded", "nearest training image"), strict=False):
            figures.show_image(axis, blank)
            axis.set_title(title, loc="center", fontsize=10)
        self._decoded, self._nearest = axes[0].images[0], axes[1].images[0]
        self._sides = [SheetView(axes[2], sheet, "face"), SheetView(axes[3], sheet, "edge")]
        self.moving: list[Artist] = [self._decoded, self._nearest]
        self.moving += [artist for side in self._sides for artist in side.moving]

    def show(self, point: ArrayLike) -> tuple[float, int]:
        """Move everything to a latent point (3,); return the distance to the nearest posterior mean, and its row."""
        point = np.asarray(point, dtype=np.float64)
        distance, row = self._sheet.nearest(point)
        # As `Run.decode`, but compiled for this shape: it takes a tenth of the time, which is felt at a slider.
        logits = self._sheet.run.model().decoder.predict_on_batch(point[None].astype(np.float32))
        self._decoded.set_data(expit(logits[0, ..., 0]))
        self._nearest.set_data(self._sheet.image(row) / 255)
        for side in self._sides:
            side.show(point)
        return distance, row


def latent(sheet: Sheet) -> tuple[Figure, LatentView]:
    """Return a figure that pyplot does not manage, with the view of one latent point."""
    figure = _figure(10.4, 2.9)
    return figure, LatentView(list(figure.subplots(1, 4, width_ratios=[1, 1, 1.15, 1.15])), sheet)


def off_the_sheet(sheet: Sheet, points: Numbers) -> Figure:
    """Draw the images decoded at latent points (k, 3), the training images nearest to them, and the points' places."""
    figure = _figure(10.4, 2.9)
    left, right = figure.subfigures(1, 2, width_ratios=[2.9, 1], squeeze=False)[0]
    axes = np.asarray(left.subplots(2, len(points)))
    for column, image, point in zip(axes.T, sheet.run.decode(points), points, strict=True):
        distance, row = sheet.nearest(point)
        figures.show_image(column[0], image)
        figures.show_image(column[1], sheet.image(row))
        column[0].set_title(f"{distance:.2g}", loc="center", fontsize=10)
    for axis, label in zip(axes[:, 0], ("decoded", "nearest\ntraining\nimage"), strict=True):
        axis.set_ylabel(label, rotation=0, ha="right", va="center")
    left.suptitle("distance to the nearest training mean", fontsize=10)
    SheetView(right.subplots(), sheet, "edge").show(points)
    return figure


class TransectView:
    """A place of a transect: original, reconstruction, their difference, and the error all along the line.

    Args:
        axes: Four, from left to right.
        walks: All that may be shown; the largest error sets the scale.
        titles: Name the three images.
    """

    def __init__(self, axes: Sequence[Axes], walks: Sequence[Walk], *, titles: bool = True) -> None:
        blank = np.zeros_like(walks[0].redrawn[0])
        for axis, title in zip(axes, ("original", "redrawn", "difference"), strict=False):
            figures.show_image(axis, blank)
            axis.set_title(title if titles else "", loc="center", fontsize=10)
        self._images = [axis.images[0] for axis in axes[:3]]
        self._images[2].set(cmap="PuOr_r", clim=(-1, 1))
        axis = axes[3]
        top = 1.08 * 1000 * max(float(np.max(walk.error)) for walk in walks)
        axis.set(xlim=(0.5, TRANSECT_POINTS + 0.5), ylim=(0, top), ylabel="squared error × 1000")
        axis.set_xticks(range(1, TRANSECT_POINTS + 1, 2))
        axis.set_xlabel("point of the transect")
        self._hole = axis.axvspan(0, 0, color="0.9", zorder=0)
        (self._line,) = axis.plot([], [])
        (self._dot,) = axis.plot([], [], "o", color="white", markeredgecolor="black", markeredgewidth=2, markersize=8)
        self._title = axis.set_title(" ", fontsize=10)
        self.moving: list[Artist] = [*self._images, self._hole, self._line, self._dot, self._title]

    def show(self, walk: Walk, index: int) -> None:
        """Move everything to the place with this index on a transect."""
        original, redrawn = walk.images[index] / 255, walk.redrawn[index]
        for image, values in zip(self._images, (original, redrawn, redrawn - original), strict=True):
            image.set_data(values)
        color = figures.TRANSECT_COLORS[walk.name]
        self._line.set_data(walk.position, 1000 * walk.error)
        self._line.set_color(color)
        self._dot.set_data([walk.position[index]], [1000 * walk.error[index]])
        inside = walk.position[walk.inside]
        self._hole.set_visible(len(inside) > 0)
        if len(inside):
            half = (walk.position[1] - walk.position[0]) / 2  # the hole ends between two places
            self._hole.set_x(inside[0] - half)
            self._hole.set_width(inside[-1] - inside[0] + 2 * half)
        (a0, b0), (a1, b1) = walk.points[0], walk.points[-1]
        self._title.set_text(f"{walk.name}: ({a0:g}, {b0:g}) to ({a1:g}, {b1:g})")


def transect(walks: Sequence[Walk]) -> tuple[Figure, TransectView]:
    """Return a figure that pyplot does not manage, with the view of one place of a transect."""
    figure = _figure(10.4, 2.8)
    return figure, TransectView(list(figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.8])), walks)


def hardest_places(walks: Sequence[Walk]) -> Figure:
    """Draw for each transect, in a row, the place in the hole with the largest error, and the error along the line."""
    figure = _figure(10.4, 2.3 * len(walks))
    rows = figure.subplots(len(walks), 4, width_ratios=[1, 1, 1, 2], squeeze=False, sharex="col")
    for axes, walk in zip(rows, walks, strict=True):
        first, last = walk is walks[0], walk is walks[-1]
        TransectView(list(axes), walks, titles=first).show(walk, walk.hardest)
        if not last:
            axes[3].set_xlabel("")
    return figure


class EpochView:
    """The sheet at an epoch, coloured by a and by b, and the losses of all epochs, with that epoch marked.

    Args:
        axes: Three, from left to right.
        run: A finished run.

    Raises:
        ValueError: Unless the run has three latents.
    """

    def __init__(self, axes: Sequence[Axes], run: Run) -> None:
        self._run = run
        self._track = run.embeddings[:, :_POINTS].astype(np.float64)  # (epochs + 1, n, 3)
        self._scenes = _scenes(axes[:2], run, self._track, bars=(True, True))
        axis = axes[2]
        epochs = np.arange(1, run.epochs + 1)
        axis.plot(epochs, run.history["loss"], label="training")
        axis.plot(epochs, run.history["val_loss"], "--", label="validation")
        (self._dot,) = axis.plot([], [], "o", color="white", markeredgecolor="black", markeredgewidth=2, markersize=8)
        axis.set(xlabel="epoch", yscale="log", xlim=(-0.3, run.epochs + 0.3))
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_title("loss", fontsize=10)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend()
        self.moving: list[Artist] = [artist for scene in self._scenes for artist in scene.moving] + [self._dot]

    def show(self, epoch: int) -> None:
        """Move everything to an epoch, from 0 (before training) to the last."""
        for scene, factor in zip(self._scenes, PARAMETER_RANGE, strict=True):
            scene.show(self._track[epoch], title=f"epoch {epoch} of {self._run.epochs}, coloured by ${factor}$")
        losses = self._run.history["val_loss"]
        self._dot.set_data([epoch] if epoch else [], [losses[epoch - 1]] if epoch else [])


def epoch(run: Run) -> tuple[Figure, EpochView]:
    """Return a figure that pyplot does not manage, with the view of one epoch.

    Raises:
        ValueError: Unless the run has three latents.
    """
    figure = _figure(10.4, 3.2)
    return figure, EpochView(list(figure.subplots(1, 3, width_ratios=[1.1, 1.1, 1])), run)


def stages(run: Run, n: int = 4) -> Figure:
    """Draw the sheet before training, early and at the best epoch, in one scale: coloured by a above, by b below.

    Args:
        run: A finished run.
        n: The largest number of epochs.

    Raises:
        ValueError: Unless the run has three latents.
    """
    epochs = stage_epochs(run, n)
    figure = _figure(10.4, 5.0)
    track = run.embeddings[epochs, :_POINTS].astype(np.float64)
    for axes, factor in zip(figure.subplots(2, len(epochs), squeeze=False), PARAMETER_RANGE, strict=True):
        bars = [axis is axes[-1] for axis in axes]
        for scene, epoch, mu in zip(_scenes(axes, run, track, bars, factor), epochs, track, strict=True):
            scene.show(mu, title=(f"epoch {epoch}" if epoch else "before training") if factor == "a" else "")
    return figure


def stage_epochs(run: Run, n: int = 4) -> list[int]:
    """Return up to n epochs from 0 to the best, most of them early, when the sheet changes most."""
    early = np.geomspace(1, max(run.best_epoch, 1), n - 1).round().astype(int)
    return sorted({0, *early.tolist()})


def _figure(width: float, height: float) -> Figure:
    """Return a figure that pyplot does not manage, with a margin round it; width and height in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.1)  # type: ignore[union-attr,call-arg]
    return figure


def _scenes(
    axes: Sequence[Axes], run: Run, track: Numbers, bars: Sequence[bool], factor: str | None = None
) -> list[Scene]:
    """Make scenes in one scale, all coloured by `factor`, or each by one of the two in turn."""
    if track.shape[-1] != 3:
        raise ValueError(f"the embedding has {track.shape[-1]} latents: a sheet needs three")
    data = dataset.build(run.experiment.data)
    names = [factor] * len(axes) if factor else list(PARAMETER_RANGE)
    colors = dict(zip(PARAMETER_RANGE, data.parameters[data.train][:_POINTS].T, strict=True))
    return [Scene(axis, colors[name], name, track, bar=bar) for axis, name, bar in zip(axes, names, bars, strict=True)]


def _viewpoint(mu: Numbers, side: str) -> dict[str, float]:
    """Return azimuth and elevation, in degrees, of an eye that looks at the broad side of a sheet or along it."""
    if side == "face":
        eye = np.array(list(figures.face_on(mu).values()))
    else:  # along the second principal axis, so that the first and the thin third are seen in full
        eye = np.linalg.svd(mu - mu.mean(axis=0), full_matrices=False)[2][1]
    return {
        "azimuth": float(np.degrees(np.arctan2(eye[1], eye[0]))),
        "elevation": float(np.degrees(np.arctan2(eye[2], np.hypot(eye[0], eye[1])))),
    }
