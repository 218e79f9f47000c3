"""A score beside its chance level: the pairing is broken and nothing else."""

import math

import numpy as np
import pytest

from vaelib.statistics import Score, beside_chance


def test_pairings_break_the_pairs_and_keep_both_sides() -> None:
    codes, factors = np.arange(12.0).reshape(6, 2), np.arange(18.0).reshape(6, 3)
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def score(latents: np.ndarray, targets: np.ndarray) -> float:
        seen.append((latents, targets))
        return float(len(seen))

    assert beside_chance(score, codes, factors, shuffles=3, seed=0) == Score(4.0, 2.0)
    for latents, targets in seen[:3]:
        assert (latents == codes).all() and (targets != factors).any()
        assert sorted(map(tuple, targets)) == sorted(map(tuple, factors))  # whole rows, each once
    assert (seen[3][1] == factors).all()
    again = [targets for _, targets in seen[:3]]
    seen.clear()
    beside_chance(score, codes, factors, shuffles=3, seed=0)
    assert all((a == b).all() for a, (_, b) in zip(again, seen, strict=False))


def test_no_pairings_give_no_chance_level() -> None:
    score = beside_chance(lambda latents, targets: 0.25, np.eye(3), np.eye(3), shuffles=0, seed=0)
    assert score.value == 0.25 and math.isnan(score.chance)
    assert str(Score(0.25, 0.5)) == "0.250 (chance 0.500)"


def test_a_negative_number_of_pairings_is_refused() -> None:
    with pytest.raises(ValueError, match="shuffles = -1; allowed: whole numbers from 0"):
        beside_chance(lambda latents, targets: 0.0, np.eye(2), np.eye(2), shuffles=-1, seed=0)
