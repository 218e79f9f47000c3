"""A score beside what chance gives it. Codes are (n, d), factors (n, k). Nothing here loads Keras."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
_FAR = 100.0


@dataclass(frozen=True)
class Score:
    """A score and what codes that know nothing of the factors would get."""

    value: float
    """The score of the codes."""
    chance: float
    """The score by chance alone; not a number where it was not asked for."""

    def __str__(self) -> str:
        return f"{self.value:.3f} (chance {self.chance:.3f})"


def beside_chance(
    score: Callable[[Numbers, Numbers], float], codes: ArrayLike, factors: ArrayLike, *, shuffles: int, seed: int
) -> Score:
    """Return `score(codes, factors)` and its mean over random pairings of the codes with the factors.

    Each of the `shuffles` pairings gives every code the factors of a random image (`numpy.random.default_rng(seed)`),
    so both keep what they are in themselves, and the finite sample's bias stays in. 0 shuffles give a chance of NaN,
    for those who need the value alone, many times over. Raises ValueError for a negative number of shuffles and for
    arrays that `paired` refuses.
    """
    if shuffles < 0:
        raise ValueError(f"shuffles = {shuffles!r}: allowed are whole numbers from 0")
    latents, targets = paired(codes, factors)
    generator = np.random.default_rng(seed)
    by_chance = [float(score(latents, generator.permutation(targets))) for _ in range(shuffles)]
    return Score(float(score(latents, targets)), float(np.mean(by_chance)) if by_chance else float("nan"))


def paired(codes: ArrayLike, factors: ArrayLike) -> tuple[Numbers, Numbers]:
    """Return both as float64, (n, d) and (n, k). Raises ValueError for other shapes and for what is not finite."""
    latents, targets = checked("codes", codes), checked("factors", factors)
    if len(latents) != len(targets):
        raise ValueError(f"factors has shape {targets.shape}: allowed is ({len(latents)}, k), as many rows as codes")
    return latents, targets


def checked(name: str, values: ArrayLike) -> Numbers:
    """Return an array (n, d) as float64. Raises ValueError, with its name, for another shape or what is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) < 2 or array.shape[1] == 0:
        raise ValueError(f"{name} has shape {array.shape}: allowed is (n, d) with n from 2 and d from 1")
    if not np.isfinite(array).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}[{row}, {column}] = {array[row, column]}: allowed are finite numbers")
    return array


def near_zero(values: Numbers) -> Numbers:
    """Return (n, d) with each column moved to begin at 0 that lies more than a hundred times its range away from it.

    For what loses digits there: float32, and distances by scalar products. Other columns keep their bits.
    """
    lowest, reach = values.min(axis=0), np.ptp(values, axis=0)
    return values - np.where(np.abs(lowest) > _FAR * reach, lowest, 0.0)
