"""A score beside its chance level: the pairing is broken and nothing else."""

import math

import numpy as np
import pytest

from vaelib.statistics import Score, beside_chance, near_zero, paired


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


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (np.zeros(4), np.zeros((4, 2)), r"codes has shape \(4,\); allowed: \(n, d\)"),
        (np.zeros((4, 0)), np.zeros((4, 2)), r"codes has shape \(4, 0\)"),
        (np.zeros((1, 2)), np.zeros((1, 2)), r"codes has shape \(1, 2\); .* n from 2"),
        (np.zeros((4, 2)), np.zeros((5, 2)), r"factors has shape \(5, 2\); allowed: \(4, k\)"),
        (np.array([[0.0, np.nan], [0, 0]]), np.zeros((2, 2)), r"codes\[0, 1\] = nan; allowed: finite"),
        (np.zeros((2, 2)), np.array([[0.0, 0], [0, np.inf]]), r"factors\[1, 1\] = inf; allowed: finite"),
    ],
)
def test_bad_input_is_named(codes: np.ndarray, factors: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired(codes, factors)


def test_a_negative_number_of_pairings_is_refused() -> None:
    with pytest.raises(ValueError, match="shuffles = -1; allowed: whole numbers from 0"):
        beside_chance(lambda latents, targets: 0.0, np.eye(2), np.eye(2), shuffles=-1, seed=0)


def test_only_what_lies_far_from_zero_is_moved_there() -> None:
    values = np.array([[0.0, 1.0], [0.3, 2.0], [1.0, 3.0]])
    near, far = np.array([3.0, -90.0]), np.array([0.0, 2.0**20])
    assert near_zero(values + near).tolist() == (values + near).tolist()
    assert near_zero(values + far).tolist() == [[0, 0], [0.3, 1], [1, 2]]
