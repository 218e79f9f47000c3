"""A score beside its chance level. Codes are (n, d), factors (n, k). Nothing here loads Keras."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vaelib.statistics.arrays import Numbers, paired


@dataclass(frozen=True)
class Score:
    """A score and what codes that carry nothing about the factors would get."""

    value: float
    """The score of the codes."""
    chance: float
    """The score by chance alone; NaN where it was not computed."""

    def __str__(self) -> str:
        return f"{self.value:.3f} (chance {self.chance:.3f})"


def beside_chance(
    score: Callable[[Numbers, Numbers], float], codes: ArrayLike, factors: ArrayLike, *, shuffles: int, seed: int
) -> Score:
    """Return `score(codes, factors)` and its mean over random pairings of the codes with the factors.

    Each pairing gives every code the factors of a random image, so that both keep their own distributions, and the
    chance level has the finite sample's bias too.

    Args:
        score: A function of codes (n, d) and factors (n, k).
        codes: (n, d).
        factors: (n, k).
        shuffles: The number of pairings, from 0; with 0, for callers who need the value alone, the chance is NaN.
        seed: Of `numpy.random.default_rng`, which draws the pairings.

    Raises:
        ValueError: `shuffles` is negative, or an array is not as `paired` requires.
    """
    if shuffles < 0:
        raise ValueError(f"shuffles = {shuffles!r}; allowed: whole numbers from 0")
    latents, targets = paired(codes, factors)
    generator = np.random.default_rng(seed)
    by_chance = [float(score(latents, generator.permutation(targets))) for _ in range(shuffles)]
    return Score(float(score(latents, targets)), float(np.mean(by_chance)) if by_chance else float("nan"))
