"""The numbers of the data set's chapter, against known answers."""

import numpy as np
import pytest
from PIL import Image

from vaelib import Experiment, analysis, curves, dataset
from vaelib.dataset import exchange


@pytest.mark.parametrize(("a", "b"), [(0.5, 2.0), (1.25, 1.5), (1.0, 1.0), (2.0, 0.0)])
def test_negative_share_counts_the_angles_of_negative_radius(a, b):
    theta = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)
    assert analysis.dataset.negative_share(a, b) == pytest.approx(np.mean(curves.radius(theta, a, b) < 0), abs=1e-4)


def test_batch_means_give_every_image_its_batchs_mean():
    means = analysis.dataset.batch_means(np.array([0.0, 1.0, 2.0, 4.0, 7.0], "float32"), 2)
    np.testing.assert_allclose(means, [0.5, 0.5, 3.0, 3.0, 7.0])


def test_expected_in_hole_is_binomial():
    mean, deviation = analysis.dataset.expected_in_hole(Experiment.from_profile("paper"))
    assert mean == pytest.approx(471.2389, abs=1e-3)
    assert deviation == pytest.approx(20.66, abs=0.01)
    assert analysis.dataset.expected_in_hole(Experiment.from_profile("smoke", hole_radius=0)) == (0, 0)


def test_crossing_share_of_points_and_of_none():
    assert analysis.dataset.crossing_share(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0], [0.5, 0.6]])) == 0.5
    assert analysis.dataset.crossing_share(np.empty((0, 2))) == 0.0
    random = np.random.default_rng(0).uniform([0.5, 0], [2, 2], (100_000, 2))
    assert analysis.dataset.crossing_share(random) == pytest.approx(3 / 8, abs=0.01)


def test_the_studys_files_hold_what_chance_expects_and_its_text_does_not():
    hole = analysis.dataset.study_hole()
    assert (hole.mean, hole.deviation) == pytest.approx((471.24, 20.66), abs=0.01)
    assert hole.found_z == pytest.approx((490 - 471.24) / 20.66, abs=0.01)
    assert hole.text_z == pytest.approx(-2.96, abs=0.01)


@pytest.mark.parametrize("region", ["full", "punctured"])
def test_the_splits_cover_all_images(region):
    data = dataset.build(Experiment.from_profile("smoke", region=region).data)
    splits = analysis.dataset.splits(data)
    assert splits.images == splits.train + splits.validation
    assert splits.images + splits.left_out == len(data.parameters)
    assert (splits.train, splits.validation) == (len(data.train), len(data.validation))
    assert (splits.left_out > 0) == (region == "punctured")


def test_the_studys_own_counts_are_100_percent_of_the_studys():
    assert analysis.dataset.of_the_study(analysis.dataset.Splits(4510, 4299, 211, 490)) == (100, 100)
    assert analysis.dataset.of_the_study(analysis.dataset.Splits(451, 0, 422, 0)) == pytest.approx((10, 200))


@pytest.mark.parametrize("image_size", [32, 256])
def test_the_studys_frame_stretches_by_its_own_sides_at_every_size(image_size):
    assert analysis.dataset.stretch(image_size) == pytest.approx(229 / 172, abs=0.01)


def test_batch_weights_spread_and_correlate_by_one_over_the_root_of_the_batch_size():
    meant = np.random.default_rng(0).uniform(0, 2, 64_000)
    weighting = analysis.dataset.weighting(meant, analysis.dataset.batch_means(meant, 16))
    assert weighting.meant_deviation == pytest.approx(2 / np.sqrt(12), abs=0.01)
    assert weighting.coded_deviation == pytest.approx(weighting.meant_deviation / 4, abs=0.01)
    assert weighting.correlation == pytest.approx(1 / 4, abs=0.02)
    assert analysis.dataset.weighting(meant, meant).correlation == pytest.approx(1)


def test_exported_images_come_in_the_order_of_the_table(tmp_path):
    data = dataset.build(Experiment.from_profile("smoke", n_images=40).data, cache=False)
    folder = exchange.export(data, tmp_path / "images")
    images = analysis.dataset.exported_images(folder)
    assert images.dtype == np.uint8
    again = dataset.build(data.settings, parameters=exchange.read_points(folder / "parameters.csv"), cache=False)
    np.testing.assert_array_equal(images, again.images)


def test_exported_images_are_read_from_subfolders_in_order(tmp_path):
    for name, grey in (("b/2.png", 20), ("a/9.png", 10)):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.full((2, 3), grey, "uint8")).save(tmp_path / name)
    assert analysis.dataset.exported_images(tmp_path)[:, 0, 0].tolist() == [10, 20]
