"""The project's two pictures for places that show neither pages nor video; every build makes them anew."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vaelib import curves, dataset, figures, storage
from vaelib.animation import encoder
from vaelib.dataset import DataSet
from vaelib.figures import living
from vaelib.figures.scene import Scene
from vaelib.run import Run

_GRID, _PIXELS, _LINE_WIDTH = 8, 64, 2.0  # of the curves on the left, the same whatever was trained
_PAIRS = 8  # validation images, each beside its reconstruction, four rows of two


def overview(run: Run, data: DataSet) -> Figure:
    """Draw curves over the two factors, unseen images beside their reconstructions, and the sheet coloured by b.

    Args:
        run: A finished run with three latents.
        data: The data set it was trained on.
    """
    figure = Figure(figsize=(12, 4.2), dpi=100, layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=[3.6, 3.6, 4.8], squeeze=False)[0]
    titles = ("two factors make the images", "unseen, and redrawn", "a sheet in the latent space")
    for part, title in zip((left, middle, right), titles, strict=True):
        part.suptitle(title, fontsize=12)

    axis = left.subplots()
    a, b = dataset.grid(_GRID).T
    images = curves.render(a, b, image_size=_PIXELS, line_width=_LINE_WIDTH, framing="square")
    axis.imshow(dataset.montage(images, _GRID), origin="upper", cmap="gray", interpolation="antialiased")
    axis.set(xlabel="$a$ →", ylabel="← $b$", xticks=[], yticks=[])

    unseen = data.images[data.validation[:_PAIRS]]
    pairs = np.stack([unseen / 255, run.reconstruct(unseen)], axis=1).reshape(-1, *unseen.shape[1:])
    for cell, image in zip(middle.subplots(_PAIRS // 2, 4).flat, pairs, strict=False):
        cell.set_axis_off()
        cell.imshow(image, origin="upper", vmin=0, vmax=1, cmap="gray", interpolation="nearest")

    mu = run.embeddings[run.best_epoch]
    azimuth, elevation = figures.viewing_angles(mu)
    scene = Scene(right.subplots(), data.parameters[data.train, 1], "b", mu)
    scene.show(mu, azimuth=azimuth, elevation=elevation)
    return figure


def save(folder: str | Path, run: Run, data: DataSet, walk: Path) -> list[Path]:
    """Write `overview` as overview.png and a film as a GIF.

    Args:
        folder: Where the picture goes.
        run: A finished run with three latents.
        data: The data set it was trained on.
        walk: The film; its GIF, 640 pixels wide, stands beside it.

    Returns:
        The paths of the picture and of the GIF.

    Raises:
        StoreError: When they cannot be written.
    """
    path = Path(folder) / "overview.png"
    storage.write(path, living.png(overview(run, data), colors=128))
    return [path, encoder.gif(walk, width=640)]
