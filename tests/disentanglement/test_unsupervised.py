"""What codes say of each other, against formulas and by hand."""

import numpy as np
import pytest
from known_codes import NOISE, TURN, N

from vaelib import metrics
from vaelib.disentanglement import active, active_units, mean_correlation, total_correlation
from vaelib.statistics import Score

pytestmark = pytest.mark.filterwarnings("error")  # no score may divide by zero


def test_a_turn_correlates_codes_unless_their_variances_are_equal() -> None:
    """By hand: variances 1 and 1/4 turned by 45° have correlation 3/5, and -½ log(1 - 9/25) = 0.2231 nats."""
    rounded = metrics.covariance(NOISE[:, :2])
    white = (NOISE[:, :2] - NOISE[:, :2].mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(rounded)).T
    assert mean_correlation(white).value == pytest.approx(0, abs=1e-9)
    assert mean_correlation(white @ TURN.T).value == pytest.approx(0, abs=1e-9)
    oblong = white * [1, 0.5]
    assert total_correlation(oblong).value == pytest.approx(0, abs=1e-9)
    assert mean_correlation(oblong @ TURN.T).value == pytest.approx(0.6)
    assert total_correlation(oblong @ TURN.T).value == pytest.approx(-0.5 * np.log(1 - 0.36))


def test_chance_levels_of_scores_that_need_no_factors() -> None:
    """Means over 200 sets of 100 independent normal codes, against the large-sample formulas."""
    sets = np.random.default_rng(3).normal(size=(200, 100, 3))
    for score in (mean_correlation, total_correlation):
        values = np.array([score(codes).value for codes in sets])
        assert score(sets[0]).chance == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(200) + 5e-4)


def test_codes_that_depend_on_others_and_single_codes() -> None:
    assert total_correlation(np.hstack([NOISE, NOISE[:, :1] - NOISE[:, 1:2]])).value == np.inf
    for codes in (NOISE[:, :1], np.column_stack([NOISE[:, 0], np.ones(N), np.zeros(N)])):
        assert total_correlation(codes) == mean_correlation(codes) == Score(0.0, 0.0)


def test_active_units() -> None:
    codes = NOISE * [1, 0.11, 0.09]
    assert active(codes).tolist() == [True, True, False]
    assert active_units(codes) == 2 and active_units(codes, threshold=2) == 0 and active_units(0 * codes) == 0
    with pytest.raises(ValueError, match=r"threshold = -1; allowed: numbers from 0"):
        active(codes, threshold=-1)
