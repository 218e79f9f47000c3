"""A score beside what chance gives it. Codes are (n, d), factors (n, k). Nothing here loads Keras."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vaelib.statistics.arrays import Numbers, paired


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
        raise ValueError(f"shuffles = {shuffles!r}; allowed: whole numbers from 0")
    latents, targets = paired(codes, factors)
    generator = np.random.default_rng(seed)
    by_chance = [float(score(latents, generator.permutation(targets))) for _ in range(shuffles)]
    return Score(float(score(latents, targets)), float(np.mean(by_chance)) if by_chance else float("nan"))
