"""The pictures that live controls move: the points, the hole and the epochs that are drawn are the run's."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from vaelib import analysis, figures


def test_the_points_stand_where_the_scene_has_them_tied_to_their_nearest_means(run):
    figure = Figure()
    sheet = analysis.embedding.Sheet(run)
    view = figures.live.SheetView(figure.subplots(), sheet, "face")
    view.show(sheet.mu[:2] + 1e-9)
    _, dots = view.moving
    offsets = figure.axes[0].collections[0].get_offsets()
    for place in dots.get_offsets():
        assert np.abs(offsets - place).sum(axis=1).min() < 1e-6


def test_the_hole_is_shaded_where_the_line_is_in_it(run):
    walks = analysis.transects.walks(run, between=20)
    figure, view = figures.live.transect(list(walks.values()))
    view.show(walks["P1"], 0)
    (shade,) = figure.axes[3].patches
    unit = 2 / 14  # P1 takes b from 0 to 2 in 14 steps, and the hole from 0.7 to 1.3
    assert shade.get_x() == pytest.approx(1 + 0.7 / unit, abs=0.05)
    assert shade.get_width() == pytest.approx(0.6 / unit, abs=0.1)


def test_a_line_that_misses_the_hole_has_no_shade(run):
    class Elsewhere:
        experiment = run.experiment.replace(hole_radius=0.0)
        reconstruct = staticmethod(run.reconstruct)

    walks = analysis.transects.walks(Elsewhere())
    assert not any(walk.inside.any() for walk in walks.values())
    walk = walks["P2"]
    assert walk.error[walk.hardest] == walk.error.max()
    figure, view = figures.live.transect([walk])
    view.show(walk, walk.hardest)
    assert not figure.axes[3].patches[0].get_visible()


@pytest.mark.parametrize(("best", "expected"), [(1, [0, 1]), (2, [0, 1, 2]), (6, [0, 1, 2, 6]), (100, [0, 1, 10, 100])])
def test_the_stages_are_early_ones_and_the_best(best, expected):
    class Finished:
        best_epoch = best

    assert figures.live.stage_epochs(Finished()) == expected


def test_the_stages_show_the_embeddings_of_their_epochs(run):
    figure = figures.live.stages(run)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title().strip()]
    assert titles == ["before training", *(f"epoch {epoch}" for epoch in figures.live.stage_epochs(run)[1:])]
