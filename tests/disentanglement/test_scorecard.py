"""All scores of codes against factors, on codes whose score is known."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_codes import FACTORS, NOISE, SQUARE, TURN, N

from vaelib import disentanglement, metrics
from vaelib.disentanglement import dci, mean_correlation, mig, modularity, sap, total_correlation
from vaelib.statistics import Score

pytestmark = pytest.mark.filterwarnings("error")  # no score may divide by zero

AGAINST_FACTORS: dict[str, Callable[..., Score]] = {
    "mig": mig,
    "sap": sap,
    "modularity": modularity,
    "disentanglement": lambda codes, factors: dci(codes, factors).disentanglement,
    "completeness": lambda codes, factors: dci(codes, factors).completeness,
    "informativeness": lambda codes, factors: dci(codes, factors).informativeness,
}
each_score = pytest.mark.parametrize("score", AGAINST_FACTORS.values(), ids=AGAINST_FACTORS)


@each_score
def test_the_factors_themselves_score_one(score: Callable[..., Score]) -> None:
    assert score(FACTORS, FACTORS).value == pytest.approx(1, abs=0.04)
    # A unit that never varies changes nothing, nor does what increases with a factor.
    bent = np.column_stack([np.exp(2 * SQUARE[:, 1]), np.full(N, 3.0), SQUARE[:, 0]])
    assert score(bent, FACTORS).value == pytest.approx(1, abs=0.2 if score is sap else 0.04)


@each_score
def test_codes_that_never_vary_score_zero(score: Callable[..., Score]) -> None:
    for value in (0.0, 0.1):
        assert score(np.full((N, 3), value), FACTORS) == Score(0.0, 0.0)


@each_score
def test_factors_that_never_vary_score_zero(score: Callable[..., Score]) -> None:
    assert score(NOISE, np.ones((N, 2))).value == 0


@each_score
def test_independent_codes_lie_at_the_chance_level(score: Callable[..., Score]) -> None:
    """The mean of eight independent draws, to within four standard errors."""
    draws = [score(np.random.default_rng(seed).normal(size=(300, 3)), FACTORS[:300]) for seed in range(8)]
    values, levels = np.array([[draw.value, draw.chance] for draw in draws]).T
    assert abs(values.mean() - levels.mean()) < 4 * np.std(values - levels, ddof=1) / np.sqrt(8) + 1e-3
    assert values.mean() < 0.35


@pytest.mark.parametrize("name", ["mig", "sap", "modularity", "disentanglement", "completeness"])
def test_axes_are_lost_at_45_degrees(name: str) -> None:
    turned = AGAINST_FACTORS[name](SQUARE @ TURN.T, FACTORS)
    assert turned.value < 0.1


def test_scores_that_ignore_axes_are_kept_at_45_degrees() -> None:
    codes = np.column_stack([SQUARE, 0.3 * SQUARE[:, 0] ** 2])
    turned = codes @ np.linalg.qr(NOISE[:3])[0]
    assert metrics.linear_r2(turned, FACTORS) == pytest.approx(metrics.linear_r2(codes, FACTORS))
    assert dci(SQUARE @ TURN.T, FACTORS).informativeness.value > 0.97


def test_two_codes_for_one_factor_have_no_gap_and_yet_are_modular() -> None:
    twice = np.hstack([FACTORS, FACTORS])
    assert mig(twice, FACTORS).value == pytest.approx(0, abs=1e-9)
    assert sap(twice, FACTORS).value == pytest.approx(0, abs=1e-9)
    assert modularity(twice, FACTORS).value == pytest.approx(1, abs=0.01)
    scores = dci(twice, FACTORS)
    assert scores.disentanglement.value == pytest.approx(1, abs=0.01)
    assert scores.completeness.value == pytest.approx(0.5, abs=0.1)  # two codes of four share each factor: 1 - ½


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(3)), st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3),
       st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3), st.integers(0, 2**32 - 1))  # fmt: skip
def test_order_sign_and_scale_of_the_codes_do_not_matter(order, signs, scales, seed) -> None:
    generator = np.random.default_rng(seed)
    factors = generator.uniform(size=(200, 2))
    codes = factors @ generator.normal(size=(2, 3)) + 0.3 * generator.normal(size=(200, 3))
    other = (codes * signs * scales)[:, order]
    for score in (mig, modularity, sap):
        assert score(other, factors, shuffles=0).value == pytest.approx(score(codes, factors, shuffles=0).value)
    for alone in (mean_correlation, total_correlation):
        assert alone(other).value == pytest.approx(alone(codes).value)


SIZES = st.lists(st.floats(-6, 6), min_size=3, max_size=3)


PLACES = st.lists(st.floats(-1e8, 1e8), min_size=3, max_size=3)


@settings(deadline=None, max_examples=10)
@given(SIZES, PLACES, st.integers(0, 2**32 - 1))
def test_scale_and_place_of_single_codes_and_factors_change_no_score(sizes, places, seed) -> None:
    """From a millionth to a million, and as far as a hundred million standard deviations from 0."""
    generator = np.random.default_rng(seed)
    factors = generator.uniform(size=(300, 2))
    codes = factors @ generator.normal(size=(2, 3)) + 0.3 * generator.normal(size=(300, 3))
    codes, factors = codes / codes.std(axis=0), factors / factors.std(axis=0)
    scales = 10 ** np.array(sizes)
    other, others = (codes + places) * scales, (factors - places[1:]) * scales[:2]
    for score in (mig, modularity, sap, metrics.alignment, metrics.linear_r2, metrics.single_latent_r2):
        options = {"shuffles": 0} if score in (mig, modularity, sap) else {}
        before, after = (score(*pair, **options) for pair in ((codes, factors), (other, others)))
        assert getattr(after, "value", after) == pytest.approx(getattr(before, "value", before), abs=2e-3)
    assert metrics.correlation(other) == pytest.approx(metrics.correlation(codes), abs=1e-5)
    assert total_correlation(other).value == pytest.approx(total_correlation(codes).value, abs=1e-5)
    before, after = (dci(*pair, shuffles=0) for pair in ((codes, factors), (other, others)))
    assert after.importance == pytest.approx(before.importance, abs=0.02)
    assert after.informativeness.value == pytest.approx(before.informativeness.value, abs=0.02)


@settings(deadline=None, max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(100, 500))
def test_codes_or_factors_that_never_vary_score_zero_whatever_their_value(code, factor, n) -> None:
    codes, factors = np.full((n, 2), code), np.full((n, 2), factor)
    for x, y in ((codes, FACTORS[:n]), (NOISE[:n], factors), (codes, factors)):
        assert (metrics.single_latent_r2(x, y) == 0).all() and (metrics.linear_r2(x, y) == 0).all()
        assert metrics.alignment(x, y) == mig(x, y, shuffles=0).value == sap(x, y, shuffles=0).value == 0
        assert dci(x, y, trees=2, shuffles=0).importance.sum() == 0
    assert metrics.largest_correlation(codes) == 0
    assert metrics.covariance(codes).tolist() == [[0, 0], [0, 0]]


def test_the_table_holds_every_score_beside_its_chance() -> None:
    codes, factors = SQUARE[:600], FACTORS[:600]
    table = disentanglement.scores(codes, factors)
    assert list(table) == [*AGAINST_FACTORS, "mean_correlation", "total_correlation", "alignment", "linear_r2"]
    for name, score in AGAINST_FACTORS.items():
        assert table[name] == score(codes, factors)
    assert table["alignment"].value == pytest.approx(1) and table["linear_r2"].value == pytest.approx(1)
    assert all(np.isfinite([score.value, score.chance]).all() for score in table.values())
    assert "alignment" not in disentanglement.scores(codes[:, :1], factors)


def test_the_table_leaves_out_scores_that_need_more_factors_or_images() -> None:
    of_one = disentanglement.scores(SQUARE[:200], FACTORS[:200, :1])
    every = disentanglement.scores(SQUARE[:200], FACTORS[:200])
    assert every.keys() - of_one.keys() == {"modularity"}
    of_few = disentanglement.scores(SQUARE[:99], FACTORS[:99])
    three = {"disentanglement", "completeness", "informativeness"}
    assert every.keys() - of_few.keys() == {"mig", "modularity"} | three
    assert every.keys() - disentanglement.scores(SQUARE[:99], FACTORS[:99], bins=10).keys() == three
    assert disentanglement.scores(SQUARE[:2], FACTORS[:2], bins=20)["linear_r2"].value == pytest.approx(1)


@pytest.mark.parametrize(("n", "gap", "modular", "explained"), [(100, 0.50, 0.75, 0.83), (400, 0.81, 0.96, 0.99)])
def test_what_the_factors_themselves_score_in_few_images(n, gap, modular, explained) -> None:
    """The numbers of the docstrings; the gap's is that of the formula where cells have an image or more each."""
    draws = [np.random.default_rng(seed).uniform(size=(n, 2)) for seed in range(5)]
    assert np.mean([mig(draw, draw, shuffles=0).value for draw in draws]) == pytest.approx(gap, abs=0.02)
    assert np.mean([modularity(draw, draw, shuffles=0).value for draw in draws]) == pytest.approx(modular, abs=0.02)
    scores = [dci(draw, draw, shuffles=0) for draw in draws]
    assert np.mean([score.informativeness.value for score in scores]) == pytest.approx(explained, abs=0.03)
    for score in scores:
        assert [score.disentanglement.value, score.completeness.value] == pytest.approx([1, 1], abs=0.01)
    assert mig(FACTORS, FACTORS, shuffles=0).value == pytest.approx(1 - 19**2 / (2 * N * np.log(20)), abs=0.01)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="bins = 1"):
        disentanglement.scores(NOISE, FACTORS, bins=1)
    for score in (mig, sap, modularity, dci):
        with pytest.raises(ValueError, match="factors has shape"):
            score(NOISE, FACTORS[1:])
