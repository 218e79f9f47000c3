"""All images of a draw, which of them train and validate, and their weights. Source: the study's section 1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib.dataset.cache import cached
from vaelib.dataset.images import render
from vaelib.dataset.sampling import drawn, in_hole, own_points, split
from vaelib.experiment import DataSettings, Experiment


@dataclass(frozen=True, eq=False)
class DataSet:
    """All images of a draw, and which of them train and validate."""

    parameters: NDArray[np.float64]
    """The points (a, b) of all images, (n, 2), as drawn, also those that the region leaves out."""
    images: NDArray[np.uint8]
    """The images (n, h, w), white (255) on black, read-only."""
    train: NDArray[np.int64]
    """The indices of the images that train, ascending."""
    validation: NDArray[np.int64]
    """The indices of the images that validate, ascending, all after those that train."""
    hole: NDArray[np.int64]
    """The indices of the images in the hole's disc, whatever the region; `full` trains on them."""
    weights: NDArray[np.float32]
    """What an image's loss (or, averaged, a batch's) is multiplied by, (n,); see `build`."""
    settings: DataSettings
    """The settings it was built from; given points count as its `n_images`."""

    @property
    def left_out(self) -> NDArray[np.int64]:
        """Indices of the images that neither train nor validate, a punctured set's hole or a thinned set's removals."""
        return np.setdiff1d(np.arange(len(self.parameters)), np.concatenate([self.train, self.validation]))


def build(data: DataSettings | Experiment, *, parameters: ArrayLike | None = None, cache: bool = True) -> DataSet:
    """Return the data set of some settings: points drawn or given, rendered, cut and split.

    Points: (a, b) uniform in PARAMETER_RANGE from `numpy.random.default_rng(data_seed)`. Regions: `full` keeps all;
    `punctured` leaves out the disc around (hole_a, hole_b); `thinned` leaves out as many points chosen at random, so
    that the two differ only in where points are missing. Of the m images that remain, in order, the last
    round(m·501/5000) of a full set validate, else the last round(m·211/4510) (section 1).

    Weights: w = (b_max - b) / (b_max - b_min) with the extremes of the remaining images: the study's -1.5·b, shifted
    and scaled to [0, 1], so that shallow waves weigh most. `weights` is 2w, clipped to [0, 2] for images left out, and
    1 for sample_weights = "none" (or where all b are equal). "per_image" and "per_batch" have the same weights here:
    with the former, as was meant, training multiplies each image's loss by its weight; with the latter, as in the
    study's code, it multiplies a batch's loss by the mean weight of the batch.

    Args:
        data: The settings, or an experiment with them.
        parameters: Your own points (a, b), (n, 2), instead of drawn ones.
        cache: Keep the images in `$VAELIB_CACHE`, else in the user's cache folder. A damaged file is moved aside and
            made again; a folder that is unknown or cannot be written costs a warning.

    Raises:
        SettingError: Nothing is left to train or to validate, or the parameters have another shape, are not finite or
            have |a| + |b| above 4.
    """
    settings = data.data if isinstance(data, Experiment) else data
    if parameters is None:
        points = drawn(settings)
    else:
        points = own_points(parameters)
        settings = settings.model_copy(update={"n_images": len(points)})
    remaining, train, validation = split(points, settings)
    images = cached(points, settings, parameters is not None) if cache else render(points, settings)
    images.setflags(write=False)
    return DataSet(
        parameters=points,
        images=images,
        train=train,
        validation=validation,
        hole=np.flatnonzero(in_hole(points, settings)).astype(np.int64),
        weights=_weights(points[:, 1], points[remaining, 1], settings),
        settings=settings,
    )


def _weights(b: NDArray[np.float64], remaining: NDArray[np.float64], settings: DataSettings) -> NDArray[np.float32]:
    lowest, highest = np.min(remaining), np.max(remaining)
    if settings.sample_weights == "none" or lowest == highest:
        return np.ones(len(b), dtype=np.float32)
    return np.clip(2 * (highest - b) / (highest - lowest), 0, 2).astype(np.float32)
