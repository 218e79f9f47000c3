"""The numbers of the loss's chapter, against known answers and the losses themselves."""

import types

import numpy as np
import pytest

from vaelib import Experiment, SettingError, analysis, losses
from vaelib.disentanglement import unmixing


def test_mixing_surfaces_are_their_formulas():
    random = np.random.default_rng(0)
    x, y = random.uniform(-1, 1, (2, 50))
    np.testing.assert_allclose(analysis.loss.pair_cost(x, y, 1, 0), x * x + y * y)
    np.testing.assert_allclose(analysis.loss.pair_cost(x, y, 0.2, 0.8), 0.2 * (x**2 + y**2) + 0.8 * abs(x * y))
    assert analysis.loss.pair_cost(-1, 1, 0.2, 0.8) == pytest.approx(1.2)


@pytest.mark.parametrize("scaling", ["mean", "half_sum"])
@pytest.mark.parametrize("d", [2, 3, 10])
def test_pair_weights_are_the_losses_own(d, scaling):
    """The loss of a code with two nonzero latents is pair_cost with these weights, up to the constant."""
    experiment = Experiment.from_profile("book", latent_dim=d, beta=0.3, gamma=0.7, kl_scaling=scaling)
    mu = np.zeros((1, d))
    mu[0, :2] = 0.6, -1.1

    def loss(mu):
        kl = losses.kl_divergence(mu, 2 * np.log(0.1), scaling=scaling)
        return 0.3 * kl + 0.7 * losses.entanglement(mu)

    expected = analysis.loss.pair_cost(0.6, -1.1, *analysis.loss.pair_weights(experiment))
    assert loss(mu) - loss(np.zeros((1, d))) == pytest.approx(float(expected))


@pytest.mark.parametrize(("gamma", "share"), [(0, 0), (1e-4, 1 / 11), (1e-3, 0.5), (4e-3, 0.8)])
def test_entanglement_share_at_three_latents(gamma, share):
    experiment = Experiment.from_profile("paper", beta=1e-3, gamma=gamma)
    assert analysis.loss.entanglement_share(experiment) == pytest.approx(share)


def test_zero_weights_have_a_share_of_zero():
    assert analysis.loss.entanglement_share(Experiment.from_profile("smoke", beta=0, gamma=0)) == 0
    assert analysis.loss.pair_weights(Experiment.from_profile("smoke", latent_dim=1)) == (1e-3, 0)


def test_expected_product_at_the_angles_worked_out_in_the_chapter():
    on_axes, diagonal = analysis.loss.expected_product(np.deg2rad([0, 45])) / 3  # variance 1/3: on [-1, 1]
    assert on_axes == pytest.approx(1 / 4)
    assert diagonal == pytest.approx(1 / 6)
    np.testing.assert_allclose(analysis.loss.expected_product([0, 0.3], "normal"), 2 / np.pi)
    np.testing.assert_allclose(analysis.loss.expected_product(np.deg2rad([0, 45]), "laplace"), [0.5, 0.75])


@pytest.mark.parametrize("factors", ["uniform", "normal", "laplace"])
@pytest.mark.parametrize("degrees", [0, 10, 22.5, 45, 70, 90, 200])
def test_expected_product_is_the_average_of_draws(factors, degrees):
    random, size = np.random.default_rng(1), (200_000, 2)
    draw = {"uniform": lambda: random.uniform(-np.sqrt(3), np.sqrt(3), size),
            "normal": lambda: random.standard_normal(size),
            "laplace": lambda: random.laplace(0, np.sqrt(0.5), size)}  # fmt: skip
    products = np.abs(unmixing.turn(draw[factors](), degrees).prod(axis=1))
    error = products.std() / np.sqrt(len(products))
    assert products.mean() == pytest.approx(
        float(analysis.loss.expected_product(np.deg2rad(degrees), factors)), abs=5 * error
    )


def test_unknown_factors_are_named():
    with pytest.raises(ValueError, match="cauchy"):
        analysis.loss.expected_product(0.0, "cauchy")  # type: ignore[arg-type]


def test_covariances_are_the_losses_own_and_vanish_for_one_centred_image():
    mu = np.random.default_rng(0).normal(size=(4, 6, 2))
    covariances = np.abs(analysis.loss.covariances(mu, centred=True))
    np.testing.assert_allclose(covariances, [losses.covariance(batch) for batch in mu])
    assert not analysis.loss.covariances(mu[:, :1], centred=True).any()
    alone = np.abs(analysis.loss.covariances(mu[:, :1], centred=False))
    np.testing.assert_allclose(alone, [losses.entanglement(batch[:1]) for batch in mu])


def test_correlated_draws_have_their_correlation():
    pairs = analysis.loss.correlated(200_000, 0.5, seed=3)
    np.testing.assert_allclose(np.cov(pairs.T), [[1, 0.5], [0.5, 1]], atol=0.02)


def test_slow_computations_agree_with_the_closed_forms():
    assert analysis.loss.kl_by_integration(1.0, 1.0) == pytest.approx(0.5)
    assert analysis.loss.kl_by_integration(0.0, 0.1) == pytest.approx(3.61517 / 2, abs=1e-5)
    assert analysis.loss.entanglement_by_loop(np.array([[1.0, -2.0, 3.0]])) == pytest.approx((2 + 3 + 6) / 3)


@pytest.mark.parametrize("n_draws", [0, 999, 10_000_001])
def test_too_few_or_too_many_draws_are_named(n_draws):
    with pytest.raises(SettingError, match=f"n_draws = {n_draws}"):
        analysis.loss.check_draws(n_draws)


@pytest.mark.parametrize("scaling", ["mean", "half_sum"])
def test_the_kl_terms_constant_is_the_studys(scaling):
    experiment = Experiment.from_profile("paper", beta=0.5, sigma=0.1, kl_scaling=scaling)
    numbers = analysis.loss.kl_numbers(experiment)
    assert numbers.ratio == 1.5
    assert numbers.constant == pytest.approx(3.61517, abs=1e-5)
    assert numbers.contribution == pytest.approx(0.5 * numbers.constant * (1 if scaling == "mean" else 1.5))


def test_closed_forms_are_right_to_rounding_error():
    random = np.random.default_rng(0)
    assert 0 < analysis.loss.kl_error(random) < 1e-6
    assert 0 <= analysis.loss.entanglement_error(random) < 1e-12


def test_a_wrong_closed_form_is_noticed(monkeypatch):
    entanglement, divergence = losses.entanglement, losses.kl_divergence
    monkeypatch.setattr(losses, "entanglement", lambda mu: 1.1 * entanglement(mu))
    monkeypatch.setattr(losses, "kl_divergence", lambda *of, **options: divergence(*of, **options) + 0.25)
    assert analysis.loss.entanglement_error(np.random.default_rng(0)) == pytest.approx(0.1)
    assert analysis.loss.kl_error(np.random.default_rng(0)) == pytest.approx(0.25)


def test_the_weights_of_the_study():
    listed = analysis.loss.study_weights(beta=1e-3, gamma=1e-4)
    assert listed == pytest.approx((43.69, 1 / 11), abs=0.01)
    assert analysis.loss.study_weights(beta=1e-3, gamma=1e-3).share == pytest.approx(0.5)
    assert analysis.loss.study_weights(beta=8e-3, gamma=0.0) == pytest.approx((8 * 43.69, 0), abs=0.05)


@pytest.mark.parametrize("scaling", ["mean", "half_sum"])
def test_the_same_weights_mean_sixteen_times_as_much_at_four_times_the_size(scaling):
    experiment = Experiment.from_profile("book", image_size=64, gamma=2e-3, kl_scaling=scaling)
    small, large = analysis.loss.weights(experiment), analysis.loss.weights(experiment.replace(image_size=256))
    assert large.beta_sum == pytest.approx(16 * small.beta_sum)
    assert large.share == small.share == analysis.loss.entanglement_share(experiment)


def test_normal_pairs_have_no_covariance_and_a_product_of_two_over_pi():
    pairs = analysis.loss.normal_pairs(200_000, seed=1)
    for interval, truth in ((pairs.covariance, 0), (pairs.product, 2 / np.pi)):
        assert abs(interval.estimate - truth) < 2 * interval.half < 0.02
    assert analysis.loss.normal_pairs(1000, seed=1) == analysis.loss.normal_pairs(1000, seed=1)


def test_contrast_is_zero_without_correlation_and_largest_at_full_correlation():
    assert analysis.loss.contrast(0) == 0
    assert analysis.loss.contrast(1) == pytest.approx(100 * (np.pi / 2 - 1))
    assert analysis.loss.contrast(-0.5) == pytest.approx(analysis.loss.contrast(0.5))
    pairs = analysis.loss.correlated(400_000, 0.5, seed=2)
    rise = 100 * (np.abs(pairs.prod(axis=1)).mean() / (2 / np.pi) - 1)
    assert analysis.loss.contrast(0.5) == pytest.approx(rise, abs=1)


def test_a_turned_square_costs_a_quarter_on_the_axes_and_a_sixth_on_the_diagonal():
    square = analysis.loss.turned_square(100_000, seed=3)
    assert square.on_axes.low < square.on_axes.estimate < square.on_axes.high
    assert square.on_axes.estimate == pytest.approx(1 / 4, abs=0.004)
    assert square.diagonal.estimate == pytest.approx(1 / 6, abs=0.004)
    assert 0 < square.worst < 4


def test_the_worst_angle_is_given_in_standard_errors(monkeypatch):
    exact = analysis.loss.expected_product
    monkeypatch.setattr(analysis.loss, "expected_product", lambda angle: exact(angle) + 3.0)
    square = analysis.loss.turned_square(1000, seed=3)  # against a formula that is 1 too high
    apart = [(part.estimate, 1 + truth, part.half) for part, truth in zip(square, (1 / 4, 1 / 6), strict=False)]
    errors = [abs(mean - formula) / (half / 1.96) for mean, formula, half in apart]
    assert max(errors) <= square.worst < 1.5 * max(errors)


def test_a_network_turned_exactly_does_not_differ_from_its_twin():
    random = np.random.default_rng(0)
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    plain = {"mu": random.normal(size=(5, 3)), "logits": random.normal(size=(5, 2, 2, 1))}
    turned = {"mu": plain["mu"] @ rotation, "logits": plain["logits"].copy()}
    assert analysis.loss.twins_apart(plain, turned, rotation) == pytest.approx((0, 0), abs=1e-15)
    turned["logits"][0, 0, 0, 0] += 0.1 * np.abs(plain["logits"]).max()
    assert analysis.loss.twins_apart(plain, turned, rotation).logits == pytest.approx(0.1)
    assert analysis.loss.twins_apart(plain, turned, np.eye(3)).codes > 0.1


def test_terms_are_plain_numbers_under_their_names():
    values = {"cross_entropy": np.float32(0.5), "kl": np.float32(2), "penalty": np.float32(0.25)}
    network = types.SimpleNamespace(loss_terms=lambda images, outputs: values if outputs == {"mu": 1} else {})
    terms = analysis.loss.terms(network, np.zeros((1, 2, 2)), {"mu": 1})
    assert terms._asdict() == values
    assert {type(value) for value in terms} == {float}


def test_adam_steps_alike_after_a_swap_with_changed_signs_but_not_after_a_turn():
    gradient = np.random.default_rng(0).normal(size=(1000, 2))
    assert analysis.loss.adam_apart(gradient, np.array([[0.0, -1.0], [1.0, 0.0]])) == 0
    # At 45° a step (±1, ±1) becomes (±√2, 0) or (0, ±√2); the turned gradient's signs are (±1, ±1) again.
    half = np.sqrt(0.5)
    apart = np.sqrt((1 + (np.sqrt(2) - 1) ** 2) / 2)
    difference = analysis.loss.adam_apart(gradient, np.array([[half, -half], [half, half]]))
    assert difference == pytest.approx(100 * apart)
