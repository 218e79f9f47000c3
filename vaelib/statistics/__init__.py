"""Checked arrays, and scores beside what chance alone would give. Nothing here loads Keras."""

from vaelib.statistics.arrays import Numbers, checked, near_zero, paired, points_of
from vaelib.statistics.chance import Score, beside_chance

__all__ = ["Numbers", "Score", "beside_chance", "checked", "near_zero", "paired", "points_of"]
