"""Arrays as every score takes them: two-dimensional, finite, float64. Messages name the array that is not."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
_FAR = 100.0  # ranges between 0 and a column


def paired(codes: ArrayLike, factors: ArrayLike) -> tuple[Numbers, Numbers]:
    """Return both as float64, (n, d) and (n, k).

    Raises:
        ValueError: A shape is another, or a value is not finite.
    """
    latents, targets = checked("codes", codes), checked("factors", factors)
    if len(latents) != len(targets):
        raise ValueError(f"factors has shape {targets.shape}; allowed: ({len(latents)}, k), as many rows as codes")
    return latents, targets


def checked(name: str, values: ArrayLike) -> Numbers:
    """Return an array (n, d), n from 2, as float64.

    Args:
        name: What messages call the array.
        values: The array.

    Raises:
        ValueError: The shape is another, or a value is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) < 2 or array.shape[1] == 0:
        raise ValueError(f"{name} has shape {array.shape}; allowed: (n, d) with n from 2 and d from 1")
    if not np.isfinite(array).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}[{row}, {column}] = {array[row, column]}; allowed: finite numbers")
    return array


def near_zero(values: Numbers) -> Numbers:
    """Return (n, d) with every column that is more than a hundred times its range away from 0 shifted to begin at 0.

    For what loses digits there: float32, and distances by scalar products. Other columns keep their bits.
    """
    lowest, extent = values.min(axis=0), np.ptp(values, axis=0)
    return values - np.where(np.abs(lowest) > _FAR * extent, lowest, 0.0)


def points_of(values: ArrayLike) -> Numbers:
    """Return points (n, d), n from 0, as float64.

    Raises:
        ValueError: The shape is another, or a value is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"the points have shape {array.shape}; allowed: (n, d)")
    if not np.isfinite(array).all():
        raise ValueError("the points are not all finite; allowed: finite numbers")
    return array
