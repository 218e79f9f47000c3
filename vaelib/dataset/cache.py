"""Images that were drawn once, kept in a folder of the user's for all later data sets with the same pixels."""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import platformdirs
from numpy.typing import NDArray

from vaelib import curves, storage
from vaelib.dataset.images import render
from vaelib.errors import DamagedError, StoreError
from vaelib.experiment import DataSettings, identity

# The settings that change a pixel; the others only choose among the images.
_PIXEL_SETTINGS = ("n_images", "image_size", "line_width", "framing", "data_seed")


def cached(parameters: NDArray[np.float64], settings: DataSettings, own: bool) -> NDArray[np.uint8]:
    """Return the images of points from the cache, where they are drawn and stored if they are missing.

    A cache that cannot be written costs a warning.

    Args:
        parameters: The points (a, b), (n, 2).
        settings: How to draw them.
        own: Whether the points are the user's instead of drawn from `data_seed`.

    Returns:
        The images (n, h, w), uint8.
    """
    key: dict[str, Any] = {name: getattr(settings, name) for name in _PIXEL_SETTINGS}
    key["rasteriser"] = curves.RASTERISER_VERSION
    if own:
        key["points"] = hashlib.sha256(parameters.tobytes()).hexdigest()
        del key["data_seed"]  # nothing was drawn
    name = identity(key)
    shape = (len(parameters), settings.image_size, settings.image_size)
    images = None
    try:
        folder = _cache_folder()
        # The pixels have a raw file of their own, so that neither writing nor reading makes a second copy of them.
        pixels, index = folder / f"images-{name}.uint8", folder / f"images-{name}.json"
        with storage.lock(folder / f"images-{name}.lock"):
            images = _read(pixels, index, key, shape)
            if images is None:
                storage.remove_scraps(folder, pixels.name)
                images = render(parameters, settings)
                # A flat view of the memory, which is only written and hashed.
                checksum = storage.write(pixels, cast(bytes, images.reshape(-1).data))
                storage.write_json(index, {"key": key, "shape": list(shape), "sha256": checksum})
    except StoreError as error:
        warnings.warn(f"the images are not cached: {error}", stacklevel=3)
    return render(parameters, settings) if images is None else images


def _cache_folder() -> Path:
    """Return the cache's folder. Raises StoreError where no home folder is known and VAELIB_CACHE is not set."""
    try:
        return Path(os.environ.get("VAELIB_CACHE") or platformdirs.user_cache_dir("vaelib")).expanduser()
    except RuntimeError:
        raise StoreError("no home folder is known to keep them in; set HOME or VAELIB_CACHE") from None


def _read(pixels: Path, index: Path, key: dict[str, Any], shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return the cached images; None if there are none or they are damaged, which are then moved aside."""
    if not index.exists():
        return None  # it is written last: pixels without it were interrupted
    try:
        entry = storage.read_json(index)
        if entry.get("key") != key or entry.get("shape") != list(shape):
            raise DamagedError(f"{index} describes other images")
    except DamagedError as error:
        storage.move_aside(index, str(error))
        return None
    try:
        content = storage.read(pixels, str(entry.get("sha256")))
        return np.frombuffer(content, dtype=np.uint8).reshape(shape)
    except DamagedError as error:
        if pixels.exists():
            storage.move_aside(pixels, str(error))
        else:
            warnings.warn(f"{error}; made again", stacklevel=2)
        return None
