"""How well codes predict factors: each code by itself, and forests of all codes."""

import numpy as np
import pytest
from known_codes import FACTORS, NOISE, SQUARE, N

from vaelib.disentanglement import dci, mig, modularity, sap

pytestmark = pytest.mark.filterwarnings("error")  # no score may divide by zero


def test_the_gap_of_attribute_predictability_by_hand() -> None:
    codes = np.column_stack([FACTORS[:, 0], NOISE[:, 0], FACTORS[:, 1] + NOISE[:, 1]])
    shares = np.array([[np.corrcoef(code, factor)[0, 1] ** 2 for factor in FACTORS.T] for code in codes.T])
    best = np.sort(shares, axis=0)
    assert sap(codes, FACTORS).value == pytest.approx((best[2] - best[1]).mean())


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"99 images, trees = 20; allowed: 100 images"):
        dci(NOISE[:99], FACTORS[:99])
    with pytest.raises(ValueError, match=r"trees = 0; allowed: .* trees from 1"):
        dci(NOISE, FACTORS, trees=0)


def test_one_code_for_both_factors_is_complete_and_not_disentangled() -> None:
    codes = np.column_stack([SQUARE.sum(axis=1), np.zeros(N)])
    scores = dci(codes, FACTORS)
    assert scores.completeness.value == pytest.approx(1)
    assert scores.disentanglement.value == pytest.approx(0, abs=0.01)
    assert modularity(codes, FACTORS).value < 0.1
    assert scores.importance.tolist() == [[1, 1], [0, 0]]
    assert mig(codes[:, :1], FACTORS).value > 0.1  # a single code's gap is to nothing
