"""From the parameter space (a, b) to images: points, hole, split, weights, transects, cache, export.

A data set is fully described by its settings: the points come from `data_seed`, their order is that of the draw and
never shuffled, and the same settings give the same pixels.
"""

from vaelib.dataset.data_set import DataSet, build
from vaelib.dataset.images import draw, montage, transect_images
from vaelib.dataset.sampling import (
    TRANSECTS,
    check_transects,
    grid,
    hole_outline,
    in_hole,
    points_in_hole,
    training_size,
    transect,
)

__all__ = [
    "TRANSECTS",
    "DataSet",
    "build",
    "check_transects",
    "draw",
    "grid",
    "hole_outline",
    "in_hole",
    "montage",
    "points_in_hole",
    "training_size",
    "transect",
    "transect_images",
]
