"""Films of the embedding: turning once round, growing over the epochs of a training, several trainings side by side.

How a film is rendered and written is in `vaelib.animation.encoder`.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from vaelib.animation import encoder
from vaelib.dataset import DataSet, montage
from vaelib.experiment import PARAMETER_RANGE
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
    """Film an embedding turning once round its third axis, one panel for each colouring.

    Args:
        path: The film to write, an MP4.
        mu: (n, 3), the posterior means.
        values: The colours of each panel, by name, each (n,): {"a": …, "b": …}.
        ring: (k, 3), the means of the curves on the hole's edge, drawn as a line.
        frames: The number of frames of the whole turn.
        fps: Frames a second.
        n_points: Draw at most so many points, the first ones.
        progress: Show a progress bar.

    Returns:
        The film's path.

    Raises:
        ValueError: Unless mu and ring have three latents.
        StoreError: When the file cannot be written.
    """
    points = three_latents(mu)[:n_points]
    edge = None if ring is None else three_latents(ring)

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
    label names it.

    Args:
        path: The film to write, an MP4.
        run: A finished run with three latents.
        data: The data set it was trained on.
        color: The factor that colours the points, "a" or "b".
        n_images: Reconstruct so many validation images, the first ones.
        frames: The number of frames of the training.
        fps: Frames a second; the last frame is held for one second.
        n_points: Draw at most so many points, the first ones.
        progress: Show a progress bar.

    Returns:
        The film's path.

    Raises:
        ValueError: Unless the run has three latents and belongs to the data.
        StoreError: When the file cannot be written.
    """
    track = np.stack([three_latents(mu)[:n_points] for mu in run.embeddings])  # (epochs + 1, n, 3)
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
        image_panel(axes[1], sheet, "original")
        reconstructed = image_panel(axes[2], np.zeros_like(sheet), " ")

        def draw(frame: int) -> None:
            time = epochs * frame / max(frames - 1, 1)
            scene.show(_between(track, time), title=f"epoch {time:.1f} of {epochs}")
            past = [epoch for epoch in kept if epoch <= time + 1e-9]
            reconstructed.set_data(montage(pictures[past[-1]], 1) if past else np.zeros_like(sheet))
            axes[2].set_title(f"epoch {past[-1]}" if past else " ", fontsize=9, loc="center")

        return encoder.Drawing(figure, draw, [*scene.moving, reconstructed, axes[2].title])

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

    Time is the share of each run's epochs.

    Args:
        path: The film to write, an MP4.
        runs: Finished runs with three latents, trained on the same images.
        labels: One for each run.
        values: (n,), the colours of the points.
        color: What `values` are, "a" or "b".
        frames: The number of frames of the trainings.
        fps: Frames a second; the last frame is held for one second.
        n_points: Draw at most so many points, the first ones.
        progress: Show a progress bar.

    Returns:
        The film's path.

    Raises:
        ValueError: For other runs, or unless there is one label for each.
        StoreError: When the file cannot be written.
    """
    tracks = [np.stack([three_latents(mu)[:n_points] for mu in run.embeddings]) for run in runs]
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


def _figure(width: float, height: float, columns: int, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure that no notebook shows by itself, with an even number of pixels each way, and its axes."""
    even = [2 * round(inches * encoder.DPI / 2) / encoder.DPI for inches in (width, height)]
    figure = Figure(figsize=(even[0], even[1]), dpi=encoder.DPI, layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, **options)[0])


def image_panel(axis: Axes, image: NDArray[Any], title: str) -> AxesImage:
    """Show a grey image (h, w) with values in [0, 1] below a title; return its artist."""
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


def three_latents(mu: ArrayLike) -> Numbers:
    """Return an embedding (n, 3) as an array. Raises ValueError for another shape and for no points."""
    array = np.asarray(mu, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3 or len(array) == 0:
        raise ValueError(f"mu has shape {array.shape}: a film needs (n, 3), three latents")
    return array
