"""From the parameter space (a, b) to images: points, hole, split, weights, transects, cache.

A data set is fully described by its settings: the points come from `data_seed`, their order is that of the
draw and never shuffled, and the same settings give the same pixels. Sources: the study's sections 1 (data
set, split, weights) and 2 (transects).
"""

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import platformdirs
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from vaelib import curves, store
from vaelib.experiment import PARAMETER_RANGE, DataSettings, Experiment, SettingError, identity

TRANSECTS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "P1": ((1.25, 0.0), (1.25, 2.0)),
    "P2": ((0.5, 1.0), (2.0, 1.0)),
    "P3": ((0.5, 2.0), (2.0, 0.0)),
}
"""The ends (a, b) of the study's three straight lines through the hole's centre (section 2)."""

# The settings that change a pixel; the others only choose among the images.
_PIXEL_SETTINGS = ("n_images", "image_size", "line_width", "framing", "data_seed")
_SLAB = 512  # images between two steps of the progress bar
# A thinned set's removals have a stream of their own, or they would repeat the numbers of the points.
_THINNING_STREAM = 1


@dataclass(frozen=True, eq=False)
class DataSet:
    """All images of a draw and who does what with them.

    `parameters` (n, 2) float64: (a, b) of every image, also of those the region leaves out, as drawn.
    `images` (n, h, w) uint8, white (255) on black, read-only.
    `train`, `validation`: int64 indices into both, disjoint, ascending; the last ones validate.
    `hole`: int64 indices of the images within the hole's disc, whatever the region: `full` trains on them.
    `weights` (n,) float32: what an image's (or, averaged, a batch's) loss is multiplied by; see `build`.
    `settings`: the settings it was built from, `n_images` being that of own points where these were given.
    """

    parameters: NDArray[np.float64]
    images: NDArray[np.uint8]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    hole: NDArray[np.int64]
    weights: NDArray[np.float32]
    settings: DataSettings

    @property
    def left_out(self) -> NDArray[np.int64]:
        """Indices that neither train nor validate: a punctured set's hole, a thinned set's removals."""
        return np.setdiff1d(np.arange(len(self.parameters)), np.concatenate([self.train, self.validation]))


def build(data: DataSettings | Experiment, *, parameters: ArrayLike | None = None, cache: bool = True) -> DataSet:
    """Return the data set of `data`: drawn points, or your own `parameters` (n, 2), rendered, cut and split.

    Points: (a, b) uniform in PARAMETER_RANGE from `numpy.random.default_rng(data_seed)`. Regions: `full`
    keeps all; `punctured` leaves out the disc round (hole_a, hole_b); `thinned` leaves out as many points
    chosen at random, so that the two differ only in where points are missing. Of the m images that remain, in
    order, the last round(m·501/5000) of a full set validate, else the last round(m·211/4510) (section 1).

    Weights: w = (b_max - b) / (b_max - b_min) with the extremes of the remaining rows: the study's -1.5·b,
    shifted and scaled to [0, 1], so that shallow waves weigh most. `weights` is 2w, clipped to [0, 2]
    on rows left out, and 1 for sample_weights = "none" (or where all b are equal). "per_image" and
    "per_batch" have the same weights here: with the former, as was meant, training multiplies each image's
    loss by its own; with the latter, as the study's code had it, it multiplies the loss of a batch by the
    mean over the batch.

    `cache`: keep the images in `$VAELIB_CACHE`, else the user's cache folder. A damaged file is moved aside
    and made again; a folder that cannot be written, or no known home to have it in, costs a warning.

    Raises SettingError when nothing is left to train or to validate, and for parameters of another shape, not
    finite, or with |a| + |b| above 4.
    """
    settings = data.data if isinstance(data, Experiment) else data
    if parameters is None:
        drawn = _drawn(settings)
    else:
        drawn = _own(parameters)
        settings = settings.model_copy(update={"n_images": len(drawn)})
    remaining, train, validation = _split(drawn, settings)
    images = _cached(drawn, settings, parameters is not None) if cache else _render(drawn, settings)
    images.setflags(write=False)
    return DataSet(
        parameters=drawn,
        images=images,
        train=train,
        validation=validation,
        hole=np.flatnonzero(in_hole(drawn, settings)).astype(np.int64),
        weights=_weights(drawn[:, 1], drawn[remaining, 1], settings),
        settings=settings,
    )


def training_size(data: DataSettings | Experiment) -> int:
    """Return how many images train, without drawing any: the length of `train` in what `build` returns.

    Raises SettingError when nothing is left to train or to validate.
    """
    settings = data.data if isinstance(data, Experiment) else data
    return len(_split(_drawn(settings), settings)[1])


def in_hole(parameters: ArrayLike, settings: DataSettings | Experiment) -> NDArray[np.bool_]:
    """Return (n,) bool: which of the (n, 2) points lie within the hole's disc, its edge not included."""
    points = np.asarray(parameters, dtype=np.float64).reshape(-1, 2)
    distance = np.hypot(points[:, 0] - settings.hole_a, points[:, 1] - settings.hole_b)
    return distance < settings.hole_radius


def transect(name: str, n: int = 15) -> NDArray[np.float64]:
    """Return (n, 2) equally spaced points (a, b) of a transect, "P1", "P2" or "P3", ends included.

    The study has 15. Raises SettingError for another name or fewer than 2 points.
    """
    if name not in TRANSECTS:
        raise SettingError(f"transect = {name!r}: allowed are {', '.join(TRANSECTS)}")
    if n < 2:
        raise SettingError(f"n = {n!r}: a transect has 2 points or more")
    return np.linspace(*TRANSECTS[name], n)


def transect_images(name: str, settings: DataSettings | Experiment, n: int = 15) -> NDArray[np.uint8]:
    """Return (n, h, w) uint8: a transect's images, drawn with `transect_line_width`.

    Raises SettingError as `transect` does.
    """
    return draw(transect(name, n), settings, line_width=settings.transect_line_width)


def check_transects(settings: DataSettings | Experiment) -> None:
    """Raise SettingError unless the hole has a point of each transect in it."""
    missed = [name for name in TRANSECTS if not in_hole(transect(name), settings).any()]
    if missed:
        told = ", ".join(f"{name} = {getattr(settings, name):g}" for name in ("hole_a", "hole_b", "hole_radius"))
        raise SettingError(
            f"{told}: no point of the transects {', '.join(missed)} lies in this hole; allowed are holes that hold a "
            "point of each transect"
        )


def draw(
    parameters: NDArray[np.float64], settings: DataSettings | Experiment, *, line_width: float | None = None
) -> NDArray[np.uint8]:
    """Return (n, h, w) uint8: the images of points (a, b), (n, 2), as the settings draw them.

    line_width: in pixels of the image; the settings' own by default.
    """
    return curves.render(
        parameters[:, 0],
        parameters[:, 1],
        image_size=settings.image_size,
        line_width=settings.line_width if line_width is None else line_width,
        framing=settings.framing,
    )


def hole_outline(settings: DataSettings | Experiment, n: int = 73) -> NDArray[np.float64]:
    """Return (n, 2) points (a, b) on the hole's edge, the last one the first; outside the parameter space, its edge."""
    angle = np.linspace(0, 2 * np.pi, n)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    return np.clip([settings.hole_a, settings.hole_b] + settings.hole_radius * circle, low, high)


def points_in_hole(n: int, settings: DataSettings | Experiment) -> NDArray[np.float64]:
    """Return (n, 2) new points (a, b), uniform in the hole's disc, from a stream of their own of `data_seed`."""
    generator = np.random.default_rng((settings.data_seed, 17))
    angle = generator.uniform(0, 2 * np.pi, n)
    radius = settings.hole_radius * np.sqrt(generator.uniform(0, 1, n))  # the root makes equal areas equally likely
    return np.stack([settings.hole_a + radius * np.cos(angle), settings.hole_b + radius * np.sin(angle)], axis=1)


def grid(n: int = 10) -> NDArray[np.float64]:
    """Return (n·n, 2) points (a, b) of a regular grid over the parameter space, row by row.

    Along a row a grows, from row to row b grows: a montage has a to the right and b downward (study, section
    1).
    """
    a, b = (np.linspace(*PARAMETER_RANGE[name], n) for name in ("a", "b"))
    return np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)


def montage(images: NDArray[Any], columns: int) -> NDArray[Any]:
    """Lay (n, h, w) images out row by row: one image (rows·h, columns·w) of the same type, the rest black.

    Raises ValueError when there is no image or `columns` is less than 1.
    """
    images = np.asarray(images)
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"images has shape {images.shape}: allowed is (n, h, w) with n from 1")
    if columns < 1:
        raise ValueError(f"columns = {columns!r}: allowed are whole numbers from 1")
    n, height, width = images.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, height, width), dtype=images.dtype)
    sheet[:n] = images
    return sheet.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def _drawn(settings: DataSettings) -> NDArray[np.float64]:
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    return np.random.default_rng(settings.data_seed).uniform(low, high, size=(settings.n_images, 2))


def _own(parameters: ArrayLike) -> NDArray[np.float64]:
    """Return given points as a checked (n, 2) copy."""
    try:
        points = np.array(parameters, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SettingError(f"parameters: allowed are numbers of shape (n, 2): {error}") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise SettingError(f"parameters has shape {points.shape}: allowed is (n, 2), a and b of n points")
    wrong = ~np.isfinite(points).all(axis=1) | (np.abs(points).sum(axis=1) > curves.LARGEST_RADIUS)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SettingError(
            f"parameters[{row}] = {points[row].tolist()}: allowed are finite a and b with |a| + |b| up to "
            f"{curves.LARGEST_RADIUS:g}"
        )
    return points


def _split(
    parameters: NDArray[np.float64], settings: DataSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices that remain after the cut, and which of them train and validate."""
    n = len(parameters)
    hole = in_hole(parameters, settings)
    if settings.region == "full":
        keep, share = np.ones(n, dtype=bool), 501 / 5000
    else:
        keep, share = ~hole, 211 / 4510
    if settings.region == "thinned":
        generator = np.random.default_rng((settings.data_seed, _THINNING_STREAM))
        keep = np.ones(n, dtype=bool)
        keep[generator.choice(n, size=int(hole.sum()), replace=False)] = False
    remaining = np.flatnonzero(keep).astype(np.int64)
    n_validation = round(len(remaining) * share)
    train, validation = np.split(remaining, [len(remaining) - n_validation])
    if len(train) == 0 or len(validation) == 0:
        raise SettingError(
            f"n_images = {n}, region = {settings.region!r}, hole_radius = {settings.hole_radius:g}: with "
            f"{n - len(remaining)} images left out, {len(train)} train and {len(validation)} validate; one "
            "of each is the least"
        )
    return remaining, train, validation


def _weights(b: NDArray[np.float64], remaining: NDArray[np.float64], settings: DataSettings) -> NDArray[np.float32]:
    lowest, highest = np.min(remaining), np.max(remaining)
    if settings.sample_weights == "none" or lowest == highest:
        return np.ones(len(b), dtype=np.float32)
    return np.clip(2 * (highest - b) / (highest - lowest), 0, 2).astype(np.float32)


def _render(parameters: NDArray[np.float64], settings: DataSettings) -> NDArray[np.uint8]:
    size = settings.image_size
    images = np.empty((len(parameters), size, size), dtype=np.uint8)
    with tqdm(total=len(images), desc="drawing images", unit="image", leave=False, delay=2, disable=None) as bar:
        for start in range(0, len(images), _SLAB):
            slab = parameters[start : start + _SLAB]
            images[start : start + _SLAB] = draw(slab, settings)
            bar.update(len(slab))
    return images


def _cached(parameters: NDArray[np.float64], settings: DataSettings, own: bool) -> NDArray[np.uint8]:
    """Return the images from the cache, made and kept there if they are not."""
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
        # The pixels lie in a file of their own, raw, so that neither writing nor reading makes a second copy of
        # them.
        pixels, index = folder / f"images-{name}.uint8", folder / f"images-{name}.json"
        with store.lock(folder / f"images-{name}.lock"):
            images = _read(pixels, index, key, shape)
            if images is None:
                store.remove_scraps(folder, pixels.name)
                images = _render(parameters, settings)
                # A flat view of the memory; the store only writes and hashes it.
                checksum = store.write(pixels, cast(bytes, images.reshape(-1).data))
                store.write_json(index, {"key": key, "shape": list(shape), "sha256": checksum})
    except store.StoreError as error:
        warnings.warn(f"the images are not cached: {error}", stacklevel=3)
    return _render(parameters, settings) if images is None else images


def _cache_folder() -> Path:
    """Return the folder of the cache. Raises StoreError where no home is known and nothing else names one."""
    try:
        return Path(os.environ.get("VAELIB_CACHE") or platformdirs.user_cache_dir("vaelib")).expanduser()
    except RuntimeError:
        raise store.StoreError("no home folder is known to keep them in; set HOME or VAELIB_CACHE") from None


def _read(pixels: Path, index: Path, key: dict[str, Any], shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return the cached images, or None if there are none or they are damaged, which are then moved aside."""
    if not index.exists():
        return None  # the index is written last: pixels without it are of a run that was cut short
    try:
        entry = store.read_json(index)
        if entry.get("key") != key or entry.get("shape") != list(shape):
            raise store.DamagedError(f"{index} describes other images")
    except store.DamagedError as error:
        store.move_aside(index, str(error))
        return None
    try:
        content = store.read(pixels, str(entry.get("sha256")))
        return np.frombuffer(content, dtype=np.uint8).reshape(shape)
    except store.DamagedError as error:
        if pixels.exists():
            store.move_aside(pixels, str(error))
        else:
            warnings.warn(f"{error}; made again", stacklevel=2)
        return None
