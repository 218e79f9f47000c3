"""The shape of an embedding: intrinsic dimension, rotations of its axes, the sheet of the factors, tangent planes.

Points are (n, d). Nothing here loads Keras.
"""

from vaelib.geometry.intrinsic_dimension import Dimension, distance_to_nearest, flat_control, twonn, twonn_by_scale
from vaelib.geometry.rotations import Rotations, over_rotations, random_rotations, search_rotations
from vaelib.geometry.shape import edge_curl, normal_distance
from vaelib.geometry.sheet import Sheet, fit_sheet, straight_control, turning

__all__ = [
    "Dimension",
    "Rotations",
    "Sheet",
    "distance_to_nearest",
    "edge_curl",
    "fit_sheet",
    "flat_control",
    "normal_distance",
    "over_rotations",
    "random_rotations",
    "search_rotations",
    "straight_control",
    "turning",
    "twonn",
    "twonn_by_scale",
]
