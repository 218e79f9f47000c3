"""What the transects' figures hold."""

import numpy as np
import pytest

from vaelib import Experiment, dataset, figures

SMOKE = Experiment.from_profile("smoke")


RANDOM = np.random.default_rng(0)


def test_errors_along_a_transect_show_each_seed_their_mean_and_the_hole():
    values = {"punctured": RANDOM.uniform(size=(3, 15)), "full": RANDOM.uniform(size=(3, 15))}
    axis = figures.transects.errors_along({"P1": values}, SMOKE).axes[0]
    for k, errors in enumerate(values.values()):
        drawn = [line.get_ydata() for line in axis.lines[4 * k : 4 * k + 4]]
        np.testing.assert_allclose(drawn, [*(1000 * errors), 1000 * errors.mean(axis=0)])
    inside = np.flatnonzero(dataset.in_hole(dataset.transect("P1"), SMOKE)) + 1
    shade = axis.patches[0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (inside[0] - 0.5, inside[-1] + 0.5)


def test_the_paired_bars_are_ratios_of_means():
    probes = {kind: [RANDOM.uniform(1, 2, 20) for _ in range(3)] for kind in ("punctured", "thinned", "full")}
    for axis, kind in zip(figures.transects.paired(probes, [3, 0, 12]).axes, ("thinned", "full"), strict=True):
        assert [label.get_text() for label in axis.get_xticklabels()] == ["3", "0", "12"]
        for seed in range(3):
            dots, bar = axis.collections[2 * seed : 2 * seed + 2]
            ours, theirs = probes["punctured"][seed], probes[kind][seed]
            np.testing.assert_allclose(dots.get_offsets()[:, 1], ours / theirs)
            assert bar.get_segments()[0][0, 1] == pytest.approx(ours.mean() / theirs.mean())


def test_the_transects_run_through_the_embedding_with_the_hole_marked():
    lines = {name: RANDOM.normal(size=(15, 3)) for name in dataset.TRANSECTS}
    boxed = {name: dataset.in_hole(dataset.transect(name), SMOKE) for name in lines}
    figure = figures.transects.through_embedding(RANDOM.normal(size=(3000, 3)), lines, boxed)
    assert len(figure.data[0].x) == 2400
    for trace in figure.data[1:]:
        np.testing.assert_allclose(np.stack([trace.x, trace.y, trace.z], 1), lines[trace.name], atol=5e-4)
        assert trace.line.color == figures.TRANSECT_COLORS[trace.name]
        assert ((np.array(trace.marker.size) > 5) == boxed[trace.name]).all() and boxed[trace.name].any()
