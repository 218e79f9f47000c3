"""Information in bins against that of known distributions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_codes import FACTORS, NOISE, N

from vaelib.disentanglement import mig, modularity, mutual_information

pytestmark = pytest.mark.filterwarnings("error")  # no score may divide by zero


def test_mutual_information_is_that_of_normal_variables() -> None:
    """-½ log(1 - ρ²) = 0.511 nats for ρ = 0.8; 20 bins lose a little of it, 50,000 images add 19²/100,000."""
    x, y = np.random.default_rng(1).normal(size=(2, 50_000))
    information = mutual_information(np.column_stack([x, y]), (0.8 * x + 0.6 * y)[:, None])
    assert information[0, 0] == pytest.approx(-0.5 * np.log(1 - 0.64), abs=0.02)
    assert information[1, 0] == pytest.approx(-0.5 * np.log(1 - 0.36), abs=0.02)
    bias = mutual_information(x[:5000, None], y[:5000, None])[0, 0]
    assert bias == pytest.approx(19**2 / 10_000, rel=0.25)
    assert mutual_information(x[:, None], x[:, None])[0, 0] == pytest.approx(np.log(20))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_increasing_functions_of_codes_and_factors_leave_binned_scores_unchanged(seed) -> None:
    generator = np.random.default_rng(seed)
    factors = generator.uniform(size=(200, 2))
    codes = factors @ generator.normal(size=(2, 3)) + 0.3 * generator.normal(size=(200, 3))
    for score in (mig, modularity):
        assert score(codes**3 + codes, np.exp(factors)).value == pytest.approx(score(codes, factors).value)


def test_bad_settings_are_named() -> None:
    for bins in (1, N + 1):
        for score in (mig, mutual_information):
            with pytest.raises(ValueError, match=rf"bins = {bins}; allowed: 2 to the number of images, {N}"):
                score(NOISE, FACTORS, bins=bins)
    for score in (mig, modularity):
        with pytest.raises(ValueError, match=r"bins = 20, 99 images; allowed: 100 images or more"):
            score(NOISE[:99], FACTORS[:99])
    with pytest.raises(ValueError, match=r"factors has shape \(2000, 1\): modularity needs 2 factors"):
        modularity(NOISE, FACTORS[:, :1])
