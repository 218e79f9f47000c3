"""The numbers of the transects' chapter, against known answers."""

import types

import numpy as np
import pytest

from vaelib import Experiment, analysis, dataset, metrics


class DimRun:
    """A run that redraws every image with half its brightness."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def reconstruct(self, images):
        return images.astype("float32") / 510


@pytest.fixture(scope="module")
def smoke() -> Experiment:
    return Experiment.from_profile("smoke", region="punctured")


def test_a_walk_holds_the_studys_points_and_their_errors(smoke):
    run = DimRun(smoke)
    walks = analysis.transects.walks(run, between=3)
    assert list(walks) == ["P1", "P2", "P3"]
    for name, walk in walks.items():
        np.testing.assert_allclose(walk.points[::3], dataset.transect(name))
        np.testing.assert_allclose(walk.position[::3], np.arange(1, 16))
        images = dataset.transect_images(name, smoke)
        np.testing.assert_array_equal(walk.images[::3], images)
        expected = metrics.squared_error(images, run.reconstruct(images))
        np.testing.assert_allclose(walk.error[::3], expected, rtol=1e-4)
        np.testing.assert_allclose(walk.share, walk.error / metrics.pixel_variance(walk.images))
        assert walk.inside[walk.hardest] and walk.error[walk.hardest] == walk.error[walk.inside].max()


def walk(name: str, error: list[float], inside: list[bool]) -> analysis.transects.Walk:
    n = len(error)
    points = np.stack([np.arange(n), 10.0 * np.arange(n)], axis=1)
    errors = np.array(error)
    empty = np.zeros((n, 2, 2))
    return analysis.transects.Walk(
        name, points, np.arange(1.0, n + 1), empty, empty, errors, errors / 4, np.array(inside)
    )


def test_the_hardest_place_is_in_the_hole_on_the_line_with_the_largest_error_there():
    walks = [walk("P1", [9.0, 1.0, 2.0], [False, True, True]), walk("P2", [0.0, 3.0, 1.0], [False, True, True])]
    assert analysis.transects.hardest(walks) == ("P2", 1, 10, 75)
    assert analysis.transects.hardest(walks[:1]) == ("P1", 2, 20, 50)


def test_a_line_that_misses_the_hole_is_hardest_anywhere():
    assert analysis.transects.hardest([walk("P3", [1.0, 5.0, 2.0], [False] * 3)]).a == 1


def test_inside_and_outside_are_means_and_their_ratio_is_taken_seed_by_seed():
    errors = np.array([[0.001, 0.004, 0.003], [0.002, 0.002, 0.002]])
    means = analysis.transects.inside_and_outside(errors, np.array([False, True, False]))
    assert (means.inside, means.outside) == pytest.approx((3, 2))
    assert (means.ratio, means.low, means.high) == pytest.approx((1.5, 1, 2))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_line_entirely_in_the_hole_has_no_outside():
    means = analysis.transects.inside_and_outside(np.ones((3, 2)), np.array([True, True]))
    assert means.inside == 1000 and np.isnan(means.outside) and np.isnan(means.ratio)


def test_what_is_missing_is_a_share_of_the_images_variance():
    images = np.random.default_rng(0).uniform(size=(6, 4, 4))
    grey = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    wrong = metrics.squared_error(images, grey)
    errors = {"punctured": np.tile(wrong, (3, 1)), "thinned": np.tile(wrong / 2, (3, 1)), "full": np.zeros((3, 6))}
    assert analysis.transects.missing(images, errors)._asdict() == pytest.approx(
        {"punctured": 100, "thinned": 50, "full": 0}
    )


def test_gaps_are_distances_to_the_nearest_training_image_of_the_best_epoch():
    def run(far: float):
        embeddings = np.array([[[9.0, 9.0]], [[0.0, 0.0]]])  # (epochs + 1, n, d)
        return types.SimpleNamespace(best_epoch=1, embeddings=embeddings, encode=lambda images: far * images[:, 0])

    images, unseen = np.full((3, 1, 2), [3.0, 4.0]), np.full((4, 1, 2), [0.6, 0.8])
    assert analysis.transects.gaps(run(2), run(1), images, unseen) == pytest.approx((10, 5, 2, 5))
