"""Points (a, b) of the parameter space: drawn, on transects, on a grid, in the hole; and which of them train.

Sources: the study's sections 1 (data set, split) and 2 (transects).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib import curves
from vaelib.errors import SettingError
from vaelib.experiment import PARAMETER_RANGE, DataSettings, Experiment

TRANSECTS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "P1": ((1.25, 0.0), (1.25, 2.0)),
    "P2": ((0.5, 1.0), (2.0, 1.0)),
    "P3": ((0.5, 2.0), (2.0, 0.0)),
}
"""The ends (a, b) of the study's three straight lines through the hole's centre (section 2)."""
# A thinned set's removals have a random stream of their own; from the points' they would repeat its numbers.
_THINNING_STREAM = 1


def training_size(data: DataSettings | Experiment) -> int:
    """Return how many images train, without drawing any: the length of `train` in what `build` returns.

    Args:
        data: The settings, or an experiment with them.

    Raises:
        SettingError: Nothing is left to train or to validate.
    """
    settings = data.data if isinstance(data, Experiment) else data
    return len(split(drawn(settings), settings)[1])


def in_hole(parameters: ArrayLike, settings: DataSettings | Experiment) -> NDArray[np.bool_]:
    """Return which points lie in the hole's disc, its edge not included.

    Args:
        parameters: The points (a, b), (n, 2).
        settings: Where the hole is.

    Returns:
        A mask (n,).
    """
    points = np.asarray(parameters, dtype=np.float64).reshape(-1, 2)
    distance = np.hypot(points[:, 0] - settings.hole_a, points[:, 1] - settings.hole_b)
    return distance < settings.hole_radius


def transect(name: str, n: int = 15) -> NDArray[np.float64]:
    """Return equally spaced points of a transect, ends included.

    Args:
        name: "P1", "P2" or "P3".
        n: The number of points, from 2; the study has 15.

    Returns:
        The points (a, b), (n, 2).

    Raises:
        SettingError: Another name or fewer than 2 points.
    """
    if name not in TRANSECTS:
        raise SettingError(f"transect = {name!r}; allowed: {', '.join(TRANSECTS)}")
    if n < 2:
        raise SettingError(f"n = {n!r}: a transect has 2 points or more")
    return np.linspace(*TRANSECTS[name], n)


def check_transects(settings: DataSettings | Experiment) -> None:
    """Raise SettingError unless at least one point of each transect lies in the hole."""
    missed = [name for name in TRANSECTS if not in_hole(transect(name), settings).any()]
    if missed:
        hole = ", ".join(f"{name} = {getattr(settings, name):g}" for name in ("hole_a", "hole_b", "hole_radius"))
        raise SettingError(
            f"{hole}: no point of the transects {', '.join(missed)} lies in this hole; allowed: holes with a point of "
            "each transect"
        )


def hole_outline(settings: DataSettings | Experiment, n: int = 73) -> NDArray[np.float64]:
    """Return points (a, b) on the hole's edge, (n, 2); where it leaves the parameter space, on the space's edge.

    Args:
        settings: Where the hole is.
        n: The number of points, of which the last equals the first.
    """
    angle = np.linspace(0, 2 * np.pi, n)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    return np.clip([settings.hole_a, settings.hole_b] + settings.hole_radius * circle, low, high)


def points_in_hole(n: int, settings: DataSettings | Experiment) -> NDArray[np.float64]:
    """Return new points (a, b), (n, 2), uniform in the hole's disc.

    Args:
        n: The number of points.
        settings: Where the hole is, and the `data_seed`, of which these points have a random stream of their own.
    """
    generator = np.random.default_rng((settings.data_seed, 17))
    angle = generator.uniform(0, 2 * np.pi, n)
    radius = settings.hole_radius * np.sqrt(generator.uniform(0, 1, n))  # the root makes equal areas equally likely
    return np.stack([settings.hole_a + radius * np.cos(angle), settings.hole_b + radius * np.sin(angle)], axis=1)


def grid(n: int = 10) -> NDArray[np.float64]:
    """Return a regular grid of n·n points (a, b) over the parameter space, row by row, (n·n, 2).

    a grows along a row, and b from row to row: a montage has a to the right and b downward (study, section 1).
    """
    a, b = (np.linspace(*PARAMETER_RANGE[name], n) for name in ("a", "b"))
    return np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)


def drawn(settings: DataSettings) -> NDArray[np.float64]:
    """Return the `n_images` points (a, b) that `data_seed` draws, (n, 2)."""
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    return np.random.default_rng(settings.data_seed).uniform(low, high, size=(settings.n_images, 2))


def own_points(parameters: ArrayLike) -> NDArray[np.float64]:
    """Return given points as a checked copy, (n, 2).

    Raises:
        SettingError: They have another shape, are not finite or have |a| + |b| above 4.
    """
    try:
        points = np.array(parameters, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SettingError(f"parameters; allowed: numbers of shape (n, 2): {error}") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise SettingError(f"parameters has shape {points.shape}; allowed: (n, 2), a and b of n points")
    wrong = ~np.isfinite(points).all(axis=1) | (np.abs(points).sum(axis=1) > curves.LARGEST_RADIUS)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SettingError(
            f"parameters[{row}] = {points[row].tolist()}; allowed: finite a and b with |a| + |b| up to "
            f"{curves.LARGEST_RADIUS:g}"
        )
    return points


def split(
    parameters: NDArray[np.float64], settings: DataSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return which points remain after the region's cut, and which of those train and validate.

    Args:
        parameters: The points (a, b), (n, 2).
        settings: The region and the hole.

    Returns:
        Three ascending arrays of indices, of the points that remain, that train and that validate.

    Raises:
        SettingError: None is left to train or to validate.
    """
    n = len(parameters)
    hole = in_hole(parameters, settings)
    if settings.region == "full":
        remains, share = np.ones(n, dtype=bool), 501 / 5000
    else:
        remains, share = ~hole, 211 / 4510
    if settings.region == "thinned":
        generator = np.random.default_rng((settings.data_seed, _THINNING_STREAM))
        remains = np.ones(n, dtype=bool)
        remains[generator.choice(n, size=int(hole.sum()), replace=False)] = False
    remaining = np.flatnonzero(remains).astype(np.int64)
    n_validation = round(len(remaining) * share)
    train, validation = np.split(remaining, [len(remaining) - n_validation])
    if len(train) == 0 or len(validation) == 0:
        raise SettingError(
            f"n_images = {n}, region = {settings.region!r}, hole_radius = {settings.hole_radius:g}: with "
            f"{n - len(remaining)} images left out, {len(train)} train and {len(validation)} validate; "
            "allowed: 1 or more of each"
        )
    return remaining, train, validation
