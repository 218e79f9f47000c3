"""Intervals of means and shares against scipy's own, and with little data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vaelib.statistics import intervals

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=20).filter(lambda values: np.std(values) > 1e-3)


@settings(deadline=None)  # the first example waits for scipy on a busy machine
@given(values=VALUES, level=st.floats(0.5, 0.999))
def test_a_means_interval_is_that_of_scipys_t_test(values: list[float], level: float) -> None:
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    interval = intervals.of_mean(values, level=level)
    assert interval.estimate == pytest.approx(np.mean(values))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.half == pytest.approx((expected.high - expected.low) / 2)


@settings(deadline=None)
@given(n=st.integers(1, 40), data=st.data())
def test_a_shares_interval_is_scipys_exact_one_and_within_0_to_1(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    interval = intervals.of_share(hits / n, n)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


def test_one_value_says_nothing_of_its_spread_and_equal_ones_have_none() -> None:
    assert intervals.of_mean([3.0]) == (3.0, -math.inf, math.inf)
    assert intervals.of_mean([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]]])
def test_no_values_are_refused(values: list[object]) -> None:
    with pytest.raises(ValueError, match=r"values has shape \(.*\); allowed: \(n,\) with n from 1"):
        intervals.of_mean(values)  # type: ignore[arg-type]
