"""The numbers of the embedding's chapter, against known answers: flat sheets, straight lines, made-up trainings."""

import dataclasses

import numpy as np
import pytest
from bent_sheet import DATA, FACTORS, IMAGES, MU, REDRAWN, RUN

from vaelib import Experiment, analysis, dataset, geometry, losses, metrics
from vaelib.geometry import Dimension, Rotations

RANDOM = np.random.default_rng(6)


class FlatRun:
    """A run whose sheet is the plane (a, b, 0), and whose decoder draws the same grey at every latent."""

    experiment = Experiment.from_profile("smoke")
    best_epoch = 1

    def __init__(self):
        data = dataset.build(self.experiment.data)
        self.factors = data.parameters[data.train]
        self.embeddings = np.stack([0 * np.pad(self.factors, ((0, 0), (0, 1))), np.pad(self.factors, ((0, 0), (0, 1)))])

    def encode(self, images):
        return np.tile([self.experiment.hole_a, self.experiment.hole_b, 0.0], (len(images), 1))

    def decode(self, latents):
        return np.full((len(latents), self.experiment.image_size, self.experiment.image_size), 0.5, "float32")


def description(**changes) -> analysis.embedding.Description:
    samples = np.linspace(0, 1, 101)
    rotations = Rotations(0.5, samples, 0.0, 1.0, np.eye(3), np.eye(3))
    base = analysis.embedding.Description(
        label="", mu=MU, error=0.02, relative_error=0.1, correlation=0.4, variances=np.array([3.0, 2.0, 1.0]),
        dimension=Dimension(2, 1.9, 2.1, 400, 0.1, 0.95), turning=(30.0, 50.0), term=rotations, aligned=rotations,
        preferred=0.5,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def rotations(value: float, highest: float = 1.0) -> Rotations:
    return Rotations(value, np.linspace(0, 1, 101), 0.0, highest, np.eye(3), np.eye(3))


def test_the_sheet_starts_at_the_hole_and_has_the_image_nearest_to_any_latent():
    run = FlatRun()
    sheet = analysis.embedding.Sheet(run)
    apart = np.linalg.norm(run.factors - [run.experiment.hole_a, run.experiment.hole_b], axis=1)
    np.testing.assert_array_equal(sheet.origin[:2], run.factors[apart.argmin()])
    assert sheet.nearest([*run.factors[7], 0.25]) == (pytest.approx(0.25), 7)
    np.testing.assert_array_equal(sheet.image(7), dataset.draw(run.factors[[7]], run.experiment.data)[0])
    between = np.linalg.norm(run.factors[:, None] - run.factors, axis=-1) + 9 * np.eye(len(run.factors))
    assert sheet.usual == pytest.approx(np.median(between.min(axis=1)))


def test_the_walk_through_the_sheet_is_straight_and_at_a_right_angle():
    run = FlatRun()
    sheet = analysis.embedding.Sheet(run)
    way = sheet.walk_through(n=5, reach=2.0)
    np.testing.assert_array_equal(way[2], sheet.origin)
    np.testing.assert_allclose(way[:, :2], np.tile(sheet.origin[:2], (5, 1)), atol=1e-12)
    spread = np.sqrt(run.factors.var(axis=0).sum())
    np.testing.assert_allclose(sorted(way[:, 2]), spread * np.array([-2, -1, 0, 1, 2]), atol=1e-12)
    assert sheet.nearest(way[0])[0] == pytest.approx(2 * spread)


def test_any_other_number_of_latents_than_three_is_refused():
    run = FlatRun()
    run.embeddings = run.embeddings[:, :, :2]
    with pytest.raises(ValueError, match=r"allowed: \(n, 3\) with n from 2"):
        analysis.embedding.off_sheet(run)


def test_off_a_flat_sheet_a_decoder_that_ignores_its_latents_errs_equally_everywhere():
    run = FlatRun()
    off_sheet = analysis.embedding.off_sheet(run)
    spread = np.sqrt(run.factors.var(axis=0).sum())
    assert off_sheet.step == pytest.approx(2 * spread / 6)  # seven points, a standard deviation to either side
    assert off_sheet.usual == analysis.embedding.Sheet(run).usual
    sheet = analysis.embedding.Sheet(run)
    image = sheet.image(sheet.nearest(sheet.origin)[1])[None]
    expected = 100 * metrics.normalised_error(image, np.full(image.shape, 0.5, "float32"))[0]
    assert (off_sheet.middle, off_sheet.one_end, off_sheet.other_end) == pytest.approx([expected] * 3)


def test_the_hardest_tenth_is_summarised_by_its_median_b():
    b = np.linspace(0, 1.99, 200)
    hard = analysis.embedding.hard(-b, b)  # the smaller b, the harder
    assert hard.hard_b == pytest.approx(np.median(b[:20]))
    assert hard.easy_b == pytest.approx(np.median(b[20:]))


def test_the_moments_are_those_of_the_latents():
    moments = analysis.embedding.moments(np.array([[3.0, 0.0], [3.0, 8.0]]))
    assert moments.means.tolist() == [3, 4] and moments.mean_length == 5
    assert moments.deviations.tolist() == [0, 4] and moments.total_deviation == 4
    moved = analysis.embedding.moments(MU + np.array([10, 0, 0]))
    np.testing.assert_allclose(moved.deviations, analysis.embedding.moments(MU).deviations)


def test_the_latents_explain_a_linear_factor_fully():
    r2 = analysis.embedding.linear_r2(np.column_stack([FACTORS[:, 0], RANDOM.normal(size=400)]), FACTORS)
    assert r2.a == pytest.approx((1, 1, 1))
    assert r2.b.estimate == pytest.approx(0, abs=0.05)
    assert r2.b.low <= r2.b.estimate <= r2.b.high


@pytest.mark.parametrize(("low", "high", "words"), [(1.0, 1.9, "do not overlap"), (1.0, 2.0, "overlap"),
                                                    (2.1, 2.2, "overlap"), (2.6, 3.0, "do not overlap")])  # fmt: skip
def test_intervals_overlap_or_do_not(low, high, words):
    dimension = Dimension(2.2, 2.0, 2.5, 100, 0.1, 0.95)
    other = Dimension((low + high) / 2, low, high, 100, 0.1, 0.95)
    assert analysis.embedding.overlap(dimension, other) == analysis.embedding.overlap(other, dimension) == words


def test_the_lines_of_a_straight_sheet_do_not_turn_and_those_of_a_half_cylinder_by_its_angle():
    straight = analysis.embedding.sheet_turning(geometry.fit_sheet(FACTORS, np.pad(FACTORS, ((0, 0), (0, 1)))))
    for turning in straight:
        assert turning == pytest.approx((0, 0, 0), abs=1e-3)
    angle = np.pi / 2 * FACTORS[:, 1]  # b from 0 to 2: half a turn
    bent = np.column_stack([FACTORS[:, 0], np.cos(angle), np.sin(angle)])
    half_cylinder = analysis.embedding.sheet_turning(geometry.fit_sheet(FACTORS, bent))
    assert half_cylinder.a.mean == pytest.approx(180, abs=8)  # along a line of constant a it is b that runs
    assert half_cylinder.b.mean == pytest.approx(0, abs=2)
    assert half_cylinder.a.low <= half_cylinder.a.mean <= half_cylinder.a.high


def test_a_description_holds_what_the_metrics_return():
    described = analysis.embedding.describe(RUN, DATA)
    assert described.error == pytest.approx(metrics.squared_error(IMAGES, REDRAWN).mean())
    assert described.relative_error == pytest.approx(metrics.normalised_error(IMAGES, REDRAWN).mean())
    assert described.correlation == pytest.approx(metrics.largest_correlation(MU))
    np.testing.assert_allclose(described.variances, metrics.eigenvalues(MU))
    turning = analysis.embedding.sheet_turning(geometry.fit_sheet(FACTORS, MU))
    assert described.turning == pytest.approx((turning.a.mean, turning.b.mean))
    assert described.term.value == pytest.approx(losses.entanglement(MU))
    assert described.aligned.value == pytest.approx(metrics.alignment(MU, FACTORS))
    assert described.preferred == pytest.approx(metrics.alignment(MU @ described.term.at_lowest.T, FACTORS))
    assert "0.01" in described.label


def test_a_training_compared_with_itself_has_changed_nothing():
    comparison = analysis.embedding.compare(description(), description())
    assert (comparison.error_ratio, comparison.trace_ratio) == (1, 1)
    assert (comparison.correlation_word, comparison.bend_word) == ("no lower", "no more")
    assert comparison.standard_bend == comparison.modified_bend == 40


def test_a_comparison_says_what_the_modified_loss_changed():
    modified = description(error=0.03, variances=np.array([1.0, 1.0, 1.0]), correlation=0.1, turning=(60.0, 80.0))
    comparison = analysis.embedding.compare(description(), modified)
    assert (comparison.error_ratio, comparison.trace_ratio) == pytest.approx((1.5, 0.5))
    assert (comparison.standard_correlation, comparison.modified_correlation) == (0.4, 0.1)
    assert (comparison.standard_bend, comparison.modified_bend) == (40, 70)
    assert (comparison.correlation_word, comparison.bend_word) == ("lower", "more")


def test_an_orientation_left_to_chance_is_reported_as_such():
    orientation = analysis.embedding.orientation(description(), description(aligned=rotations(0.6)))
    assert (orientation.standard_rank, orientation.modified_rank) == pytest.approx((100 * 50 / 101,) * 2)
    assert (orientation.trained, orientation.preferred, orientation.best) == (0.6, 0.5, 1)
    assert orientation.beaten == pytest.approx(100 * 50 / 101)
    assert orientation.verdict == "is not among the lowest 5 %"
    assert (orientation.orient_word, orientation.chance_word) == ("did not", "is not contradicted here")
    assert (orientation.aligned_word, orientation.axes_word) == ("is not", "holds here")


def test_an_orientation_chosen_by_the_training_is_reported_as_such():
    modified = description(term=rotations(0.02), aligned=rotations(0.97), preferred=0.96)
    orientation = analysis.embedding.orientation(description(), modified)
    assert orientation.modified_rank == pytest.approx(100 * 2 / 101)
    assert orientation.verdict == "is among the lowest 5 %"
    assert (orientation.orient_word, orientation.chance_word) == ("did", "does not hold here")
    assert (orientation.aligned_word, orientation.axes_word) == ("is", "does not hold here")
