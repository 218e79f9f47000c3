"""The scores of codes against factors on codes whose score is known."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaelib import disentanglement, metrics
from vaelib.disentanglement import active, active_units, dci, mean_correlation, mig, modularity, sap, total_correlation
from vaelib.statistics import Score

pytestmark = pytest.mark.filterwarnings("error")  # no score may divide by zero

N = 2000
FACTORS = np.random.default_rng(7).uniform([0.5, 0.0], [2.0, 2.0], size=(N, 2))
SQUARE = (FACTORS - [1.25, 1.0]) / [0.75, 1.0]  # uniform in [-1, 1]²
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
NOISE = np.random.default_rng(8).normal(size=(N, 3))

AGAINST_FACTORS: dict[str, Callable[..., Score]] = {
    "mig": mig,
    "sap": sap,
    "modularity": modularity,
    "disentanglement": lambda codes, factors: dci(codes, factors).disentanglement,
    "completeness": lambda codes, factors: dci(codes, factors).completeness,
    "informativeness": lambda codes, factors: dci(codes, factors).informativeness,
}
each = pytest.mark.parametrize("score", AGAINST_FACTORS.values(), ids=AGAINST_FACTORS)


@each
def test_the_factors_themselves_score_one(score: Callable[..., Score]) -> None:
    assert score(FACTORS, FACTORS).value == pytest.approx(1, abs=0.04)
    # A unit that never varies changes nothing, nor does what increases with a factor.
    bent = np.column_stack([np.exp(2 * SQUARE[:, 1]), np.full(N, 3.0), SQUARE[:, 0]])
    assert score(bent, FACTORS).value == pytest.approx(1, abs=0.2 if score is sap else 0.04)


@each
def test_codes_that_never_vary_score_zero(score: Callable[..., Score]) -> None:
    for value in (0.0, 0.1):
        assert score(np.full((N, 3), value), FACTORS) == Score(0.0, 0.0)


@each
def test_factors_that_never_vary_score_zero(score: Callable[..., Score]) -> None:
    assert score(NOISE, np.ones((N, 2))).value == 0


@each
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


def test_what_does_not_care_for_axes_stays_at_45_degrees() -> None:
    codes = np.column_stack([SQUARE, 0.3 * SQUARE[:, 0] ** 2])
    turned = codes @ np.linalg.qr(NOISE[:3])[0]
    assert metrics.linear_r2(turned, FACTORS) == pytest.approx(metrics.linear_r2(codes, FACTORS))
    assert dci(SQUARE @ TURN.T, FACTORS).informativeness.value > 0.97


def test_correlation_comes_with_a_turn_unless_the_covariance_is_round() -> None:
    """By hand: variances 1 and 1/4 turned by 45° have correlation 3/5, and -½ log(1 - 9/25) = 0.2231 nats."""
    rounded = metrics.covariance(NOISE[:, :2])
    white = (NOISE[:, :2] - NOISE[:, :2].mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(rounded)).T
    assert mean_correlation(white).value == pytest.approx(0, abs=1e-9)
    assert mean_correlation(white @ TURN.T).value == pytest.approx(0, abs=1e-9)
    oblong = white * [1, 0.5]
    assert total_correlation(oblong).value == pytest.approx(0, abs=1e-9)
    assert mean_correlation(oblong @ TURN.T).value == pytest.approx(0.6)
    assert total_correlation(oblong @ TURN.T).value == pytest.approx(-0.5 * np.log(1 - 0.36))


def test_two_codes_for_one_factor_have_no_gap_and_yet_are_modular() -> None:
    twice = np.hstack([FACTORS, FACTORS])
    assert mig(twice, FACTORS).value == pytest.approx(0, abs=1e-9)
    assert sap(twice, FACTORS).value == pytest.approx(0, abs=1e-9)
    assert modularity(twice, FACTORS).value == pytest.approx(1, abs=0.01)
    found = dci(twice, FACTORS)
    assert found.disentanglement.value == pytest.approx(1, abs=0.01)
    assert found.completeness.value == pytest.approx(0.5, abs=0.1)  # two codes of four share each factor: 1 - ½


def test_one_code_for_both_factors_is_complete_and_not_disentangled() -> None:
    codes = np.column_stack([SQUARE.sum(axis=1), np.zeros(N)])
    found = dci(codes, FACTORS)
    assert found.completeness.value == pytest.approx(1)
    assert found.disentanglement.value == pytest.approx(0, abs=0.01)
    assert modularity(codes, FACTORS).value < 0.1
    assert found.importance.tolist() == [[1, 1], [0, 0]]
    assert mig(codes[:, :1], FACTORS).value > 0.1  # a single code's gap is to nothing


def test_mutual_information_is_that_of_normal_variables() -> None:
    """-½ log(1 - ρ²) = 0.511 nats for ρ = 0.8; 20 bins lose a little of it and 50,000 images add (19²/100,000)."""
    x, y = np.random.default_rng(1).normal(size=(2, 50_000))
    found = disentanglement.mutual_information(np.column_stack([x, y]), (0.8 * x + 0.6 * y)[:, None])
    assert found[0, 0] == pytest.approx(-0.5 * np.log(1 - 0.64), abs=0.02)
    assert found[1, 0] == pytest.approx(-0.5 * np.log(1 - 0.36), abs=0.02)
    bias = disentanglement.mutual_information(x[:5000, None], y[:5000, None])[0, 0]
    assert bias == pytest.approx(19**2 / 10_000, rel=0.25)
    assert disentanglement.mutual_information(x[:, None], x[:, None])[0, 0] == pytest.approx(np.log(20))


def test_the_gap_of_attribute_predictability_by_hand() -> None:
    codes = np.column_stack([FACTORS[:, 0], NOISE[:, 0], FACTORS[:, 1] + NOISE[:, 1]])
    shares = np.array([[np.corrcoef(code, factor)[0, 1] ** 2 for factor in FACTORS.T] for code in codes.T])
    best = np.sort(shares, axis=0)
    assert sap(codes, FACTORS).value == pytest.approx((best[2] - best[1]).mean())


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
def test_no_score_cares_for_scale_and_place_of_single_codes_and_factors(sizes, places, seed) -> None:
    """From a millionth to a million, and as far as a hundred million standard deviations from 0."""
    generator = np.random.default_rng(seed)
    factors = generator.uniform(size=(300, 2))
    codes = factors @ generator.normal(size=(2, 3)) + 0.3 * generator.normal(size=(300, 3))
    codes, factors = codes / codes.std(axis=0), factors / factors.std(axis=0)
    scales = 10 ** np.array(sizes)
    other, others = (codes + places) * scales, (factors - places[1:]) * scales[:2]
    for score in (mig, modularity, sap, metrics.alignment, metrics.linear_r2, metrics.single_latent_r2):
        options = {"shuffles": 0} if score in (mig, modularity, sap) else {}
        one, two = (score(*pair, **options) for pair in ((codes, factors), (other, others)))
        assert getattr(two, "value", two) == pytest.approx(getattr(one, "value", one), abs=2e-3)
    assert metrics.correlation(other) == pytest.approx(metrics.correlation(codes), abs=1e-5)
    assert total_correlation(other).value == pytest.approx(total_correlation(codes).value, abs=1e-5)
    one, two = (dci(*pair, shuffles=0) for pair in ((codes, factors), (other, others)))
    assert two.importance == pytest.approx(one.importance, abs=0.02)
    assert two.informativeness.value == pytest.approx(one.informativeness.value, abs=0.02)


@settings(deadline=None, max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(100, 500))
def test_what_never_varies_knows_nothing_whatever_its_value(code, factor, n) -> None:
    codes, factors = np.full((n, 2), code), np.full((n, 2), factor)
    for one, two in ((codes, FACTORS[:n]), (NOISE[:n], factors), (codes, factors)):
        assert (metrics.single_latent_r2(one, two) == 0).all() and (metrics.linear_r2(one, two) == 0).all()
        assert metrics.alignment(one, two) == mig(one, two, shuffles=0).value == sap(one, two, shuffles=0).value == 0
        assert dci(one, two, trees=2, shuffles=0).importance.sum() == 0
    assert metrics.largest_correlation(codes) == 0
    assert metrics.covariance(codes).tolist() == [[0, 0], [0, 0]]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_binned_scores_do_not_care_how_codes_and_factors_grow(seed) -> None:
    generator = np.random.default_rng(seed)
    factors = generator.uniform(size=(200, 2))
    codes = factors @ generator.normal(size=(2, 3)) + 0.3 * generator.normal(size=(200, 3))
    for score in (mig, modularity):
        assert score(codes**3 + codes, np.exp(factors)).value == pytest.approx(score(codes, factors).value)


def test_chance_levels_of_what_needs_no_factors() -> None:
    """Means over 200 sets of 100 independent normal codes, against the large-sample formulas."""
    sets = np.random.default_rng(3).normal(size=(200, 100, 3))
    for score in (mean_correlation, total_correlation):
        values = np.array([score(codes).value for codes in sets])
        assert score(sets[0]).chance == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(200) + 5e-4)


def test_codes_that_depend_on_others_and_codes_alone() -> None:
    assert total_correlation(np.hstack([NOISE, NOISE[:, :1] - NOISE[:, 1:2]])).value == np.inf
    for codes in (NOISE[:, :1], np.column_stack([NOISE[:, 0], np.ones(N), np.zeros(N)])):
        assert total_correlation(codes) == mean_correlation(codes) == Score(0.0, 0.0)


def test_active_units() -> None:
    codes = NOISE * [1, 0.11, 0.09]
    assert active(codes).tolist() == [True, True, False]
    assert active_units(codes) == 2 and active_units(codes, threshold=2) == 0 and active_units(0 * codes) == 0
    with pytest.raises(ValueError, match=r"threshold = -1; allowed: numbers from 0"):
        active(codes, threshold=-1)


def test_the_table_holds_every_score_beside_its_chance() -> None:
    codes, factors = SQUARE[:600], FACTORS[:600]
    table = disentanglement.scores(codes, factors)
    assert list(table) == [*AGAINST_FACTORS, "mean_correlation", "total_correlation", "alignment", "linear_r2"]
    for name, score in AGAINST_FACTORS.items():
        assert table[name] == score(codes, factors)
    assert table["alignment"].value == pytest.approx(1) and table["linear_r2"].value == pytest.approx(1)
    assert all(np.isfinite([score.value, score.chance]).all() for score in table.values())
    assert "alignment" not in disentanglement.scores(codes[:, :1], factors)


def test_the_table_leaves_out_what_one_factor_or_few_images_cannot_tell() -> None:
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
    three = [dci(draw, draw, shuffles=0) for draw in draws]
    assert np.mean([each.informativeness.value for each in three]) == pytest.approx(explained, abs=0.03)
    for each in three:
        assert [each.disentanglement.value, each.completeness.value] == pytest.approx([1, 1], abs=0.01)
    assert mig(FACTORS, FACTORS, shuffles=0).value == pytest.approx(1 - 19**2 / (2 * N * np.log(20)), abs=0.01)


def test_bad_settings_are_named() -> None:
    for bins in (1, N + 1):
        for score in (mig, disentanglement.mutual_information):
            with pytest.raises(ValueError, match=rf"bins = {bins}; allowed: 2 to the number of images, {N}"):
                score(NOISE, FACTORS, bins=bins)
    for score in (mig, modularity):
        with pytest.raises(ValueError, match=r"bins = 20, 99 images; allowed: 100 images or more"):
            score(NOISE[:99], FACTORS[:99])
    with pytest.raises(ValueError, match="bins = 1"):
        disentanglement.scores(NOISE, FACTORS, bins=1)
    with pytest.raises(ValueError, match=r"factors has shape \(2000, 1\): modularity needs 2 factors"):
        modularity(NOISE, FACTORS[:, :1])
    with pytest.raises(ValueError, match=r"99 images, trees = 20; allowed: 100 images"):
        dci(NOISE[:99], FACTORS[:99])
    with pytest.raises(ValueError, match=r"trees = 0; allowed: .* trees from 1"):
        dci(NOISE, FACTORS, trees=0)
    for score in (mig, sap, modularity, dci):
        with pytest.raises(ValueError, match="factors has shape"):
            score(NOISE, FACTORS[1:])
