"""The numbers of the training's chapter, against known answers."""

import types

import numpy as np
import pytest

from vaelib import Experiment, analysis, metrics


def test_parameters_are_counted_by_part_and_the_smoke_profile_has_fewer():
    counts = analysis.training.parameter_counts(Experiment.from_profile("paper"))
    assert counts.total == counts.encoder + counts.decoder
    small = analysis.training.parameter_counts(Experiment.from_profile("smoke"))
    assert small.encoder < counts.encoder and small.decoder < counts.decoder


def run(best: int = 2) -> types.SimpleNamespace:
    history = {"val_cross_entropy": [0.7, 0.4, 0.5], "val_kl": [1.0, 2.0, 3.0]}
    corners = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 4.0], [0.0, -4.0]])
    embeddings = np.array([0.0, 1.0, 3.0, 9.0])[:, None, None] * corners  # (epochs + 1, n, d)
    experiment = Experiment.from_profile("smoke", beta=0.01)
    return types.SimpleNamespace(best_epoch=best, history=history, experiment=experiment, embeddings=embeddings)


def test_a_perfect_copy_reaches_the_floor():
    images = np.random.default_rng(0).uniform(0.1, 0.9, (6, 4, 4))
    unseen = analysis.training.unseen(run(), images, images)
    assert unseen.clean == pytest.approx(unseen.floor)
    assert unseen.floor == pytest.approx(metrics.pixel_entropy(images).mean())
    assert (unseen.excess, unseen.error, unseen.relative) == pytest.approx((0, 0, 0), abs=1e-9)
    assert unseen.answer == "Yes"


def test_the_history_is_read_at_the_first_and_at_the_best_epoch():
    images = np.random.default_rng(0).uniform(0.1, 0.9, (6, 4, 4))
    unseen = analysis.training.unseen(run(best=2), images, images)
    assert (unseen.first, unseen.last, unseen.kl) == (0.7, 0.4, 2.0)
    assert unseen.beta_kl == pytest.approx(0.02)


def test_a_flat_grey_image_misses_all_of_the_variance():
    images = np.random.default_rng(0).uniform(0.1, 0.9, (6, 4, 4))
    grey = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    unseen = analysis.training.unseen(run(), images, grey)
    assert unseen.relative == pytest.approx(100)
    assert unseen.error == pytest.approx(1000 * images.var(axis=(1, 2)).mean())
    assert unseen.excess > 0
    assert unseen.answer == "Not in this run"


@pytest.mark.parametrize(("share", "answer"), [(0.24, "Yes"), (0.26, "Not in this run")])
def test_the_answer_turns_at_a_quarter_of_the_variance(share, answer):
    images = np.random.default_rng(0).uniform(0.1, 0.9, (6, 4, 4))
    shrunk = images + np.sqrt(share) * (images.mean(axis=(1, 2), keepdims=True) - images)
    unseen = analysis.training.unseen(run(), images, shrunk)
    assert unseen.relative == pytest.approx(100 * share)
    assert unseen.answer == answer


def test_rank_correlations_are_one_for_what_rises_with_a_factor():
    parameters = np.random.default_rng(0).uniform([0.5, 0], [2, 2], (2000, 2))
    correlation = analysis.training.rank_correlation(parameters, np.exp(parameters[:, 0]))
    assert correlation.a == pytest.approx(1)
    assert correlation.b == pytest.approx(0, abs=0.1)
    assert analysis.training.rank_correlation(parameters, -(parameters[:, 1] ** 3)).b == pytest.approx(-1)


def test_growth_is_the_root_of_the_summed_variances():
    spread = np.sqrt(9 / 2 + 16 / 2)
    assert analysis.training.growth(run(best=2)) == pytest.approx((0, spread, 3 * spread))
    assert analysis.training.growth(run(best=3)).best == pytest.approx(9 * spread)
