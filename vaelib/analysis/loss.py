"""The numbers of the loss's chapter: what each term weighs, literal sums beside the closed forms, simulations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from vaelib import losses
from vaelib.disentanglement import unmixing
from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.statistics import Numbers
from vaelib.statistics.intervals import Interval, of_mean

if TYPE_CHECKING:
    from vaelib.model import VAE

Factors = Literal["uniform", "normal", "laplace"]


def check_draws(n_draws: int) -> int:
    """Return `n_draws`. Raises SettingError unless it is from 1,000 to 10,000,000."""
    if not 1000 <= n_draws <= 10_000_000:
        raise SettingError(f"n_draws = {n_draws}; allowed: 1000 to 10000000 simulated points")
    return n_draws


class KLNumbers(NamedTuple):
    """The parts of an experiment's KL term."""

    ratio: float
    """The term of the study's text over that of its code: d/2."""
    constant: float
    """σ² - 1 - log σ², the part of each latent that does not depend on its code."""
    contribution: float
    """β · KL of codes that are all 0."""


def kl_numbers(experiment: Experiment) -> KLNumbers:
    """Return the parts of an experiment's KL term, in its own scaling."""
    d, log_variance = experiment.latent_dim, float(2 * np.log(experiment.sigma))
    at_zero = losses.kl_divergence(np.zeros((1, d)), log_variance, scaling=experiment.kl_scaling)
    return KLNumbers(d / 2, experiment.sigma**2 - 1 - log_variance, float(experiment.beta * at_zero))


def kl_by_integration(mu: float, sigma: float) -> float:
    """Return the divergence of N(μ, σ²) from N(0, 1) in nats, as the integral of q log(q/p), by quadrature."""
    z = np.linspace(mu - 12 * sigma, mu + 12 * sigma, 4001)
    log_q = -(((z - mu) / sigma) ** 2) / 2 - np.log(sigma)
    density = np.exp(log_q) / np.sqrt(2 * np.pi)
    return float(np.trapezoid(density * (log_q + z**2 / 2), z))


def kl_error(random: Generator, n: int = 20) -> float:
    """Return the largest difference, in nats, of the closed form from the integral, over n random μ and σ."""
    errors = []
    for mu, spread in zip(random.normal(size=n), random.uniform(0.1, 2, n), strict=True):
        closed = losses.kl_divergence(np.array([[mu]]), 2 * np.log(spread), scaling="half_sum")
        errors.append(abs(kl_by_integration(mu, spread) - closed))
    return float(max(errors))


def entanglement_by_loop(mu: NDArray[Any]) -> float:
    """Return 2/(d(d-1)) Σ_{i<j} |μ_i μ_j|, averaged over codes mu (n, d), by the literal loop over pairs."""
    d = mu.shape[1]
    products = [np.abs(mu[:, i] * mu[:, j]).mean() for j in range(d) for i in range(j)]
    return float(2 / (d * (d - 1)) * np.sum(products))


def entanglement_error(random: Generator, n: int = 100) -> float:
    """Return the largest relative difference of the closed form from the loop, for n random codes of 2, 3, 10 latents.

    Args:
        random: Draws the codes.
        n: Their number.
    """
    codes = [random.normal(size=(n, d)) for d in (2, 3, 10)]
    return float(max(abs(losses.entanglement(mu) / entanglement_by_loop(mu) - 1) for mu in codes))


def pair_weights(experiment: Experiment) -> tuple[float, float]:
    """Return the factors of μ_i² and of |μ_i μ_j| in an experiment's loss.

    With the KL term as a mean over d latents they are β/d and 2γ/(d(d-1)); as half of a sum, β/2 and the same.
    """
    d = experiment.latent_dim
    square = experiment.beta * (1 / d if experiment.kl_scaling == "mean" else 0.5)
    return square, 2 * experiment.gamma / (d * (d - 1)) if d > 1 else 0.0


def pair_cost(mu_i: ArrayLike, mu_j: ArrayLike, square: float, product: float) -> Numbers:
    """Return square·(μ_i² + μ_j²) + product·|μ_i μ_j|, elementwise; the two factors are those of `pair_weights`."""
    mu_i, mu_j = np.asarray(mu_i, dtype=float), np.asarray(mu_j, dtype=float)
    return np.asarray(square * (mu_i**2 + mu_j**2) + product * np.abs(mu_i * mu_j))


def entanglement_share(experiment: Experiment) -> float:
    """Return the entanglement's share, in [0, 1], of the sum of `pair_weights`: 0.8 in the study's drawing."""
    square, product = pair_weights(experiment)
    return product / (square + product) if product else 0.0


class Weights(NamedTuple):
    """What the β and the γ of a loss mean."""

    beta_sum: float
    """β in the literature's units, `vaelib.losses.summed_beta`."""
    share: float
    """The product's share of the weights of a pair, in [0, 1]: `entanglement_share`."""


def weights(experiment: Experiment) -> Weights:
    """Return what an experiment's β and γ mean at its image size."""
    beta_sum = losses.summed_beta(
        experiment.beta,
        pixels=experiment.image_size**2,
        latent_dim=experiment.latent_dim,
        scaling=experiment.kl_scaling,
    )
    return Weights(beta_sum, entanglement_share(experiment))


def study_weights(*, beta: float, gamma: float) -> Weights:
    """Return what a β and a γ mean in the study: 256 × 256 pixels, three latents, the mean form of the KL term."""
    return weights(Experiment.from_profile("paper", beta=beta, gamma=gamma))


def covariances(mu: NDArray[Any], *, centred: bool) -> Numbers:
    """Return (m,): the covariances, with 1/n, of the two latents in m batches.

    Args:
        mu: (m, n, 2).
        centred: Whether they are taken about the batch's mean or about 0.
    """
    if centred:
        mu = mu - mu.mean(axis=1, keepdims=True)
    return np.asarray(np.mean(mu[..., 0] * mu[..., 1], axis=1))


def correlated(n: int, correlation: float, seed: int) -> Numbers:
    """Draw pairs (n, 2) of standard normals with a correlation in [-1, 1]; seed: for `numpy.random.default_rng`."""
    draws = np.random.default_rng(seed).standard_normal((n, 2))
    draws[:, 1] = correlation * draws[:, 0] + np.sqrt(1 - correlation**2) * draws[:, 1]
    return draws


class NormalPairs(NamedTuple):
    """Simulated pairs of independent standard normals: their covariance, and the mean of |xy|."""

    covariance: Interval
    product: Interval


def normal_pairs(n_draws: int, seed: int) -> NormalPairs:
    """Return the covariance, 0 but for chance, and the mean of |xy|, 2/π but for chance, of `n_draws` normal pairs."""
    pairs = correlated(n_draws, 0.0, seed)
    centred = pairs - pairs.mean(axis=0)
    return NormalPairs(of_mean(centred.prod(axis=1)), of_mean(np.abs(pairs.prod(axis=1))))


def contrast(correlation: float = 0.5) -> float:
    """Return by how many % the mean of |xy| of two standard normals is larger than at correlation 0.

    It is 2/π (√(1 - ρ²) + ρ arcsin ρ).

    Args:
        correlation: ρ, in [-1, 1].
    """
    return float(100 * (np.sqrt(1 - correlation**2) + correlation * np.arcsin(correlation) - 1))


def expected_product(angle: ArrayLike, factors: Factors = "uniform") -> Numbers:
    """Return E|xy| of two independent factors of mean 0 and variance 1, turned by an angle φ.

    Uniform: ½(1 + C²/(1 + C)) with C = |cos 2φ|; Laplace: the same with S = |sin 2φ|, since its square of equal
    density stands on its corner; normal: 2/π at any angle. Multiply by the variance of other factors (1/3 for a
    uniform on [-1, 1]). Source: the sector integral in chapter 2.

    Args:
        angle: φ in radians, of any shape.
        factors: Their distribution: "uniform", "normal" or "laplace".

    Raises:
        ValueError: The distribution is another.
    """
    angle = np.asarray(angle, dtype=float)
    if factors == "normal":
        return np.full_like(angle, 2 / np.pi)
    if factors not in ("uniform", "laplace"):
        raise ValueError(f"factors = {factors!r}; allowed: uniform, normal, laplace")
    part = np.abs(np.cos(2 * angle) if factors == "uniform" else np.sin(2 * angle))
    return np.asarray((1 + part**2 / (1 + part)) / 2)


class TurnedSquare(NamedTuple):
    """The mean of |xy| of simulated uniform factors, whose square is turned."""

    on_axes: Interval
    """At 0°, where 1/4 is expected."""
    diagonal: Interval
    """At 45°, where 1/6 is expected."""
    worst: float
    """The largest difference from `expected_product` over seven angles from 0° to 90°, in standard errors."""


def turned_square(n_draws: int, seed: int) -> TurnedSquare:
    """Return the mean of |xy| of `n_draws` points, uniform in [-1, 1]², as the square turns from 0° to 90°."""
    square = np.random.default_rng(seed).uniform(-1, 1, (n_draws, 2))
    means, deviations = {}, []
    for degrees in range(0, 91, 15):
        products = np.abs(unmixing.turn(square, degrees).prod(axis=1))
        means[degrees] = of_mean(products)
        formula = expected_product(np.deg2rad(degrees)) / 3
        deviations.append(abs(means[degrees].estimate - formula) / stats.sem(products))
    return TurnedSquare(means[0], means[45], float(max(deviations)))


class TwinsApart(NamedTuple):
    """How far a network with turned latents is from its twin: the largest difference over the largest value."""

    logits: float
    codes: float
    """Those of the means μ, turned back."""


def twins_apart(plain: Mapping[str, Any], turned: Mapping[str, Any], rotation: NDArray[Any]) -> TwinsApart:
    """Return how far the outputs of two networks are apart, of which the second has its latents turned: μR for μ.

    Args:
        plain: The first network's outputs "logits" (n, h, w, 1) and "mu" (n, d).
        turned: The second network's.
        rotation: R (d, d), orthogonal.
    """

    def apart(output: str, other: NDArray[Any]) -> float:
        reference = np.asarray(plain[output])
        return float(np.abs(other - reference).max() / np.abs(reference).max())

    turned_back = np.asarray(turned["mu"]) @ rotation.T
    return TwinsApart(apart("logits", np.asarray(turned["logits"])), apart("mu", turned_back))


class Terms(NamedTuple):
    """The terms of a network's loss on images, without their weights β and γ."""

    cross_entropy: float
    kl: float
    penalty: float


def terms(network: "VAE", images: NDArray[Any], outputs: Mapping[str, Any]) -> Terms:
    """Return the terms of a network's loss on images.

    Args:
        network: The network.
        images: (n, h, w).
        outputs: Its outputs for them, by name.
    """
    values = network.loss_terms(images, dict(outputs))
    return Terms(float(values["cross_entropy"]), float(values["kl"]), float(values["penalty"]))


def adam_apart(gradient: NDArray[Any], rotation: NDArray[Any]) -> float:
    """Return how far Adam's first step on a turned gradient is from its turned step, in % of the step's length.

    Only the signs of a gradient decide that step. The result is 0 where latents are swapped and change their signs.

    Args:
        gradient: (n, d).
        rotation: (d, d), orthogonal.
    """
    apart = np.sign(gradient @ rotation) - np.sign(gradient) @ rotation
    return float(100 * np.linalg.norm(apart) / np.linalg.norm(np.sign(gradient)))
