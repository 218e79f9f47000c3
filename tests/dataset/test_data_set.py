"""Splits, weights and regions of a data set, against the study and each other."""

import numpy as np
import pytest
from small_data import small

from vaelib import dataset
from vaelib.errors import SettingError
from vaelib.experiment import Experiment


def test_full_set_splits_as_in_the_study(five_thousand):
    data = five_thousand["full"]
    assert data.images.shape == (5000, 32, 32)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.train, np.arange(4499))
    np.testing.assert_array_equal(data.validation, np.arange(4499, 5000))
    assert len(data.left_out) == 0
    assert data.train.dtype == data.validation.dtype == data.hole.dtype == np.int64


def test_punctured_set_leaves_out_the_disc_and_nothing_else(five_thousand):
    data = five_thousand["punctured"]
    distance = np.hypot(data.parameters[:, 0] - 1.25, data.parameters[:, 1] - 1.0)
    np.testing.assert_array_equal(data.hole, np.flatnonzero(distance < 0.3))
    np.testing.assert_array_equal(data.left_out, data.hole)
    n_remaining = 5000 - len(data.hole)
    assert len(data.validation) == round(n_remaining * 211 / 4510)
    assert len(data.train) + len(data.validation) == n_remaining
    assert data.train.max() < data.validation.min()


def test_punctured_set_splits_as_in_the_study():
    """Its draw had 490 of 5,000 points in the hole; of the 4,510 others the last 211 validate."""
    settings = small(region="punctured")
    drawn = np.random.default_rng(3).uniform([0.5, 0.0], [2.0, 2.0], size=(6000, 2))
    points = np.concatenate([dataset.points_in_hole(490, settings), drawn[~dataset.in_hole(drawn, settings)][:4510]])
    data = dataset.build(settings, parameters=np.random.default_rng(4).permutation(points), cache=False)
    assert (len(data.parameters), len(data.hole)) == (5000, 490)
    assert (len(data.train), len(data.validation)) == (4299, 211)
    remaining = np.setdiff1d(np.arange(5000), data.hole)
    np.testing.assert_array_equal(data.validation, remaining[-211:])


def test_thinned_set_leaves_out_as_many_anywhere(five_thousand):
    punctured, thinned = five_thousand["punctured"], five_thousand["thinned"]
    assert len(thinned.left_out) == len(punctured.left_out)
    assert len(thinned.train) == len(punctured.train)
    np.testing.assert_array_equal(thinned.hole, punctured.hole)
    # About a tenth of the removed are in the hole by chance, and most of the hole is trained on.
    assert 0.02 < np.isin(thinned.left_out, thinned.hole).mean() < 0.2
    assert thinned.train.max() < thinned.validation.min()


@pytest.mark.parametrize("region", ["full", "punctured", "thinned"])
def test_splits_are_disjoint_ordered_and_complete(five_thousand, region):
    data = five_thousand[region]
    together = np.concatenate([data.train, data.validation, data.left_out])
    np.testing.assert_array_equal(np.sort(together), np.arange(5000))
    assert (np.diff(np.concatenate([data.train, data.validation])) > 0).all()


def test_regions_share_points_and_images(five_thousand):
    for region in ("punctured", "thinned"):
        np.testing.assert_array_equal(five_thousand[region].parameters, five_thousand["full"].parameters)
        np.testing.assert_array_equal(five_thousand[region].images, five_thousand["full"].images)


def test_the_same_settings_give_the_same_set_and_another_seed_another():
    first, again, other = (dataset.build(small(data_seed=s, region="thinned"), cache=False) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.parameters, again.parameters)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.train, again.train)
    assert not np.array_equal(first.parameters, other.parameters)


def test_an_experiment_builds_the_same_set_as_its_data_settings():
    experiment = Experiment.from_profile("smoke", n_images=40)
    data = dataset.build(experiment)
    assert data.settings == experiment.data
    np.testing.assert_array_equal(data.images, dataset.build(experiment.data).images)


def test_images_are_read_only():
    for _ in range(2):  # made, then read from the cache
        assert not dataset.build(small()).images.flags.writeable


def test_own_points():
    points = [[1.0, 0.5], [1.25, 1.0], [0.5, 2.0]] * 10
    data = dataset.build(small(region="punctured"), parameters=points)
    np.testing.assert_array_equal(data.parameters, points)
    np.testing.assert_array_equal(data.hole, np.arange(1, 30, 3))
    assert data.settings.n_images == 30
    assert len(data.validation) == 1


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[1.0, 2.0, 3.0]], r"parameters has shape \(1, 3\)"),
        (np.zeros((0, 2)), r"parameters has shape \(0, 2\)"),
        ([[1.0, 1.0], [np.nan, 1.0]], r"parameters\[1\] = \[nan, 1.0\]"),
        ([[3.0, 2.0]], r"parameters\[0\] = \[3.0, 2.0\]; .*up to 4"),
        ([["a", "b"]], "parameters; allowed: numbers"),
    ],
)
def test_wrong_own_points_are_named(points, message):
    with pytest.raises(SettingError, match=message):
        dataset.build(small(), parameters=points)


def test_a_split_that_leaves_too_few_images_is_refused():
    with pytest.raises(SettingError, match="with 0 images left out, 3 train and 0 validate"):
        dataset.build(small(n_images=20), parameters=np.full((3, 2), 1.0))
    with pytest.raises(SettingError, match=r"hole_radius = 1.*30 images left out, 0 train and 0 validate"):
        dataset.build(small(region="punctured", hole_radius=1.0), parameters=np.full((30, 2), 1.1))


@pytest.mark.parametrize("kind", ["per_image", "per_batch"])
@pytest.mark.parametrize("region", ["full", "punctured", "thinned"])
def test_weights_fall_with_b_from_two_to_zero(kind, region):
    data = dataset.build(small(sample_weights=kind, region=region))
    kept = np.concatenate([data.train, data.validation])
    b = data.parameters[:, 1]
    order = np.argsort(b)
    assert data.weights.dtype == np.float32
    assert data.weights[kept].min() == 0.0
    assert data.weights[kept].max() == 2.0
    assert data.weights.min() >= 0
    assert data.weights.max() <= 2
    assert (np.diff(data.weights[order]) <= 0).all()
    # The study's recipe: -1.5·b, shifted and scaled to [0, 1] over the set, doubled.
    raw = -1.5 * b[kept]
    np.testing.assert_allclose(
        data.weights[kept], 2 * (raw - raw.min()) / (raw.max() - raw.min()), rtol=1e-5, atol=1e-6
    )


def test_weights_are_one_without_weighting_and_where_all_b_are_equal():
    assert (dataset.build(small()).weights == 1).all()
    points = np.stack([np.linspace(0.5, 2, 30), np.full(30, 1.0)], axis=1)
    assert (dataset.build(small(sample_weights="per_image"), parameters=points).weights == 1).all()
