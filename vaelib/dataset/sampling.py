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
# A thinned set's removals have a stream of their own, or they would repeat the numbers of the points.
_THINNING_STREAM = 1


def training_size(data: DataSettings | Experiment) -> int:
    """Return how many images train, without drawing any: the length of `train` in what `build` returns.

    Raises SettingError when nothing is left to train or to validate.
    """
    settings = data.data if isinstance(data, Experiment) else data
    return len(split(drawn(settings), settings)[1])


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
        raise SettingError(f"transect = {name!r}; allowed: {', '.join(TRANSECTS)}")
    if n < 2:
        raise SettingError(f"n = {n!r}: a transect has 2 points or more")
    return np.linspace(*TRANSECTS[name], n)


def check_transects(settings: DataSettings | Experiment) -> None:
    """Raise SettingError unless the hole has a point of each transect in it."""
    missed = [name for name in TRANSECTS if not in_hole(transect(name), settings).any()]
    if missed:
        told = ", ".join(f"{name} = {getattr(settings, name):g}" for name in ("hole_a", "hole_b", "hole_radius"))
        raise SettingError(
            f"{told}: no point of the transects {', '.join(missed)} lies in this hole; allowed: holes that hold a "
            "point of each transect"
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


def drawn(settings: DataSettings) -> NDArray[np.float64]:
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    return np.random.default_rng(settings.data_seed).uniform(low, high, size=(settings.n_images, 2))


def own_points(parameters: ArrayLike) -> NDArray[np.float64]:
    """Return given points as a checked (n, 2) copy."""
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
