"""Runs are picked, grouped, averaged and compared as the chapter says; the rule of equal error, on tables by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from sweep_rows import row

from vaelib.errors import SettingError
from vaelib.study import comparison
from vaelib.study.comparison import Estimate, Setting
from vaelib.study.methods import LEARNED, METHODS, STANDARD, STUDY
from vaelib.study.quantities import QUANTITIES

COVARIANCE = METHODS[1]


def test_what_is_not_named_is_at_its_base_and_rows_come_by_seed():
    rows = [row(2), row(0), row(1, gamma=0.1), row(3, batch_size=64), row(4, region="punctured"), row(5, latent_dim=2)]
    assert [row["seed"] for row in comparison.pick(rows)] == [0, 2]
    assert [row["seed"] for row in comparison.pick(rows, gamma=0.1)] == [1]
    assert [row["seed"] for row in comparison.pick(rows, batch_size=64)] == [3]


def test_without_a_weight_the_penalty_does_not_matter():
    rows = [row(0, penalty="covariance"), row(1), row(2, penalty="covariance", gamma=0.1), row(3, gamma=0.1)]
    assert [row["seed"] for row in comparison.pick(rows)] == [0, 1]
    assert [row["seed"] for row in comparison.pick(rows, penalty="covariance", gamma=0.1)] == [2]
    assert [row["seed"] for row in comparison.pick(rows, gamma=0.1)] == [3]


def test_a_weight_is_found_whatever_its_last_digit():
    assert len(comparison.pick([row(gamma=0.1 + 0.2)], gamma=0.3)) == 1


def test_what_was_tried_of_one_setting():
    rows = [row(gamma=0.1), row(), row(gamma=0.3, beta=0.1), row(beta=0.1), row(1, gamma=0.1)]
    assert comparison.tried(rows, "gamma") == [0, 0.1]
    assert comparison.tried(rows, "gamma", beta=0.1) == [0, 0.3]
    assert comparison.tried(rows, "beta", gamma=0.3) == [0.1]
    assert comparison.tried(rows, "beta", gamma=0.2) == []


def test_only_known_settings_can_be_picked():
    with pytest.raises(SettingError, match=r"'gama' is not a setting .*allowed: region"):
        comparison.pick([], gama=0.1)


def test_the_interval_is_students():
    estimate = comparison.interval([1.0, 2.0, 3.0])
    assert (estimate.mean, estimate.n) == (2.0, 3)
    assert estimate.half == pytest.approx(stats.t.ppf(0.975, 2) / math.sqrt(3))
    assert (estimate.low, estimate.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)


@pytest.mark.parametrize(
    ("numbers", "text", "side"),
    [
        ([0.5, 0.5, 0.5], "0.50 ± 0.00", "above"),
        ([-0.5, -0.6, -0.5], "-0.53 ± 0.14", "below"),
        ([-0.5, 0.6, 0.1], "0.07 ± 1.37", "not distinguishable from"),
        ([0.5], "0.50", "not compared with"),
        ([], "not run", "not compared with"),
    ],
)
def test_an_estimate_in_words(numbers, text, side):
    estimate = comparison.interval(numbers)
    assert estimate.text() == text
    assert estimate.side() == side


def test_an_estimate_in_per_cent_and_against_a_level():
    estimate = Estimate(0.04, 0.001, 5)
    assert estimate.text(".1f", 100) == "4.0 ± 0.1"
    assert [estimate.side(level) for level in (0.03, 0.0405, 0.05)] == ["above", "not distinguishable from", "below"]


def test_undefined_numbers_do_not_count():
    rows = [{"mig": 0.2}, {"mig": None}, {}, {"mig": math.nan}, {"mig": 0.4}]
    np.testing.assert_array_equal(comparison.values(rows, "mig"), [0.2, 0.4])
    assert comparison.estimate(rows, "mig").mean == pytest.approx(0.3)


def test_differences_are_taken_seed_by_seed():
    rows = [row(0, mig=1.0), row(1, mig=3.0), row(2, mig=None), row(4, mig=9.0)]
    others = [row(1, mig=1.0), row(0, mig=0.0), row(2, mig=5.0), row(3, mig=7.0)]
    difference = comparison.difference(rows, others, "mig")
    assert (difference.mean, difference.n) == (1.5, 2)


def test_one_column_minus_another():
    rows = [{"mig": 0.3, "mig_chance": 0.1}, {"mig": 0.5, "mig_chance": 0.2}, {"mig": 0.5, "mig_chance": None}]
    assert comparison.less(rows, "mig", "mig_chance").mean == pytest.approx(0.25)


def test_a_level_is_a_column_a_number_or_nothing():
    rows = [{"mig_chance": 0.01}, {"mig_chance": 0.03}]
    assert comparison.level(rows, QUANTITIES["mig"]) == pytest.approx(0.02)
    assert comparison.level(rows, QUANTITIES["twonn"]) == 2
    assert comparison.level([], QUANTITIES["mig"]) is None


def test_settings_are_grouped_by_strength_and_nothing_else_is_mixed_in():
    rows = [row(seed, gamma=gamma) for seed in (1, 0) for gamma in (0.1, 0.01, 0.0)]
    rows += [row(0, gamma=0.1, beta=0.01), row(0, gamma=0.1, batch_size=64), row(0, gamma=0.1, penalty="covariance")]
    settings = comparison.settings_of(rows, STUDY)
    assert [setting.strength for setting in settings] == [0.01, 0.1]
    assert [[row["seed"] for row in setting.rows] for setting in settings] == [[0, 1], [0, 1]]
    assert [setting.label for setting in settings] == ["study's term (γ = 0.01)", "study's term (γ = 0.1)"]
    (standard,) = comparison.settings_of(rows, STANDARD)
    assert (standard.label, len(standard.rows)) == ("standard loss", 2)


def test_the_strength_of_the_learned_sigma_is_beta():
    rows = [row(variance="learned", beta=0.01), row(variance="learned"), row(beta=0.1)]
    settings = comparison.settings_of(rows, LEARNED)
    assert [setting.tick for setting in settings] == ["β = 0.001", "β = 0.01"]


def by_hand():
    """The standard loss errs by 0.04 on average, so 0.05 is the limit of 1.25 times as much."""
    rows = [row(0, 0.03), row(1, 0.05)]
    for gamma, error in ((0.01, 0.045), (0.03, 0.049), (0.1, 0.051)):
        rows += [row(0, error - 0.01, gamma=gamma), row(1, error + 0.01, gamma=gamma)]
    rows += [row(0, 0.06, gamma=0.003, penalty="covariance"), row(0, 0.3, gamma=0.3, penalty="covariance")]
    return [*rows, row(0, 0.02, gamma=0.001, penalty="dip_vae_i")]


def test_the_strongest_setting_with_equal_error_is_chosen():
    chosen = comparison.at_equal_error(by_hand())
    assert [(setting.method.name, setting.strength) for setting in chosen] == [
        ("standard loss", 0.0),
        ("study's term", 0.03),
        ("DIP-VAE-I", 0.001),
    ]


def test_one_outlier_does_not_speak_for_all_runs():
    rows = [*by_hand(), *(row(seed, error, gamma=0.3) for seed, error in enumerate((0.04, 0.045, 0.5)))]
    assert comparison.at_equal_error(rows)[1].strength == 0.3
    assert comparison.outliers(comparison.pick(rows, gamma=0.3), 0.05) == 1
    assert comparison.median_error([]) == math.inf


def test_outliers_are_left_out_and_so_is_a_setting_of_nothing_else():
    steady, lost = row(0, 0.04, gamma=0.3), row(1, 0.5, gamma=0.3)
    groups = [Setting(STUDY, 0.3, (steady, lost)), Setting(COVARIANCE, 0.3, (lost,))]
    settings = comparison.without_outliers(groups, 0.05)
    assert [(setting.method, setting.strength, setting.rows) for setting in settings] == [(STUDY, 0.3, (steady,))]
    assert comparison.without_outliers(groups[1:], 0.25) != []  # twice the limit is not yet astray


def test_a_setting_lives_while_every_run_has_two_active_latents():
    rows = tuple(row(seed, active_units=units) for seed, units in enumerate((2.0, 3.0, 1.0)))
    assert comparison.alive(Setting(STUDY, 0.1, rows[:2]))
    assert not comparison.alive(Setting(STUDY, 0.1, rows)) and not comparison.alive(Setting(STUDY, 0.1, ()))


def test_settings_that_were_trained_with_every_batch_size():
    rows = [row(0), row(0, batch_size=4), row(0, gamma=0.1), row(0, gamma=0.1, batch_size=4), row(0, gamma=0.2)]
    kept, sizes = comparison.tried_with_batches(rows)
    assert [(setting.method, setting.strength) for setting in kept] == [(STANDARD, 0.0), (STUDY, 0.1)]
    assert sizes == [4, 8]
    assert comparison.with_batch(rows, kept[1], 4) == [rows[3]]
    assert comparison.tried_with_batches([row(0), row(0, gamma=0.1, batch_size=4)]) == ([], [4, 8])


def test_the_rule_looks_at_all_seeds_and_at_every_strength():
    rows = [*by_hand(), row(0, 0.049, gamma=0.3), row(1, 0.0499, gamma=0.3)]  # better again than at 0.1
    assert comparison.at_equal_error(rows)[1].strength == 0.3
    assert comparison.at_equal_error(rows, 1.5)[2].strength == 0.003  # the covariance's 0.06 is 1.5 times 0.04


def test_the_rule_needs_a_standard_and_a_sensible_limit():
    with pytest.raises(ValueError, match=r"allowed = 0\.9"):
        comparison.at_equal_error(by_hand(), 0.9)
    with pytest.raises(ValueError, match="no run of the standard loss"):
        comparison.at_equal_error([row(gamma=0.1)])


def test_settings_on_a_side():
    standard = [row(seed, mig=0.3) for seed in range(3)]
    groups = [
        Setting(STUDY, 0.1, tuple(row(seed, mig=0.1 + 0.01 * seed) for seed in range(3))),
        Setting(COVARIANCE, 0.3, tuple(row(seed, mig=0.5 + 0.01 * seed) for seed in range(3))),
        Setting(COVARIANCE, 0.1, tuple(row(seed, mig=0.6) for seed in range(3))),
        Setting(METHODS[2], 0.1, tuple(row(seed, mig=0.2 + 0.1 * seed) for seed in range(3))),
    ]
    assert comparison.sided(groups, standard, "mig", "below") == "study's term (γ = 0.1)"
    assert comparison.sided(groups, standard, "mig", "above") == "covariance (γ = 0.3) and covariance (γ = 0.1)"
    assert comparison.sided(groups[:1], standard, "mig", "above") == "none"
    sides = comparison.sides(groups[:2], standard, ["mig", "sap"])
    assert (sides["mig", "above"], sides["mig", "below"]) == (["covariance"], ["study's term"])
    assert (sides["sap", "above"], sides["sap", "below"]) == ([], [])


@pytest.mark.parametrize(
    ("names", "text"), [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), ("abc", "a, b and c")]
)
def test_names_in_a_row(names, text):
    assert comparison.listed(list(names)) == text
