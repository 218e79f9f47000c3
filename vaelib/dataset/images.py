"""The images of points (a, b): drawn as the settings say, and laid out side by side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vaelib import curves
from vaelib.dataset.sampling import transect
from vaelib.experiment import DataSettings, Experiment

_SLAB = 512  # images between two steps of the progress bar


def transect_images(name: str, settings: DataSettings | Experiment, n: int = 15) -> NDArray[np.uint8]:
    """Return a transect's images, drawn with `transect_line_width`.

    Args:
        name: The transect, as in `transect`.
        settings: How to draw.
        n: The number of points, from 2.

    Returns:
        The images (n, h, w), uint8.

    Raises:
        SettingError: Another name or too few points.
    """
    return draw(transect(name, n), settings, line_width=settings.transect_line_width)


def draw(
    parameters: NDArray[np.float64], settings: DataSettings | Experiment, *, line_width: float | None = None
) -> NDArray[np.uint8]:
    """Return the images of points as the settings draw them.

    Args:
        parameters: The points (a, b), (n, 2).
        settings: How to draw.
        line_width: In pixels of the image; the settings' own by default.

    Returns:
        The images (n, h, w), uint8.
    """
    return curves.render(
        parameters[:, 0],
        parameters[:, 1],
        image_size=settings.image_size,
        line_width=settings.line_width if line_width is None else line_width,
        framing=settings.framing,
    )


def montage(images: NDArray[Any], columns: int) -> NDArray[Any]:
    """Lay images out row by row.

    Args:
        images: (n, h, w), n from 1.
        columns: The number of images in a row, from 1.

    Returns:
        One image (rows·h, columns·w) of the same type; places without an image are black.

    Raises:
        ValueError: There is no image, or `columns` is below 1.
    """
    images = np.asarray(images)
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"images has shape {images.shape}; allowed: (n, h, w) with n from 1")
    if columns < 1:
        raise ValueError(f"columns = {columns!r}; allowed: whole numbers from 1")
    n, height, width = images.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, height, width), dtype=images.dtype)
    sheet[:n] = images
    return sheet.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def render(parameters: NDArray[np.float64], settings: DataSettings) -> NDArray[np.uint8]:
    """Return the images of points, as `draw` does, with a progress bar."""
    size = settings.image_size
    images = np.empty((len(parameters), size, size), dtype=np.uint8)
    with tqdm(total=len(images), desc="drawing images", unit="image", leave=False, delay=2, disable=None) as bar:
        for start in range(0, len(images), _SLAB):
            slab = parameters[start : start + _SLAB]
            images[start : start + _SLAB] = draw(slab, settings)
            bar.update(len(slab))
    return images
