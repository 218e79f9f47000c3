"""Arrays as float64, moved near zero where digits would be lost, or refused by name."""

import numpy as np
import pytest

from vaelib.statistics import checked, near_zero, paired, points_of


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


def test_only_what_lies_far_from_zero_is_moved_there() -> None:
    values = np.array([[0.0, 1.0], [0.3, 2.0], [1.0, 3.0]])
    near, far = np.array([3.0, -90.0]), np.array([0.0, 2.0**20])
    assert near_zero(values + near).tolist() == (values + near).tolist()
    assert near_zero(values + far).tolist() == [[0, 0], [0.3, 1], [1, 2]]


def test_whatever_holds_numbers_becomes_float64() -> None:
    for values in ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], "uint8"), np.array([[1, 2], [3, 4]], "float32")):
        for array in (checked("codes", values), points_of(values)):
            assert array.dtype == np.float64 and array.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros(3), r"the points have shape \(3,\); allowed: \(n, d\)"),
        (np.zeros((3, 0)), r"the points have shape \(3, 0\)"),
        ([[0.0, np.nan]], "the points are not all finite"),
        ([[0.0, -np.inf]], "the points are not all finite"),
    ],
)
def test_points_of_another_shape_or_not_finite_are_refused(points: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        points_of(points)  # type: ignore[arg-type]


def test_there_may_be_no_points_and_codes_are_two_at_least() -> None:
    assert points_of(np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match=r"codes has shape \(0, 3\); allowed: \(n, d\) with n from 2"):
        checked("codes", np.zeros((0, 3)))
