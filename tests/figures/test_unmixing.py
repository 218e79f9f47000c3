"""The pictures of unmixed latents hold the runs' own numbers, and the codes that they say they hold."""

import numpy as np
import pytest
import synthetic_sweep

from vaelib import figures, metrics
from vaelib.disentanglement import unmixing
from vaelib.study import comparison, comparison_tables
from vaelib.study.methods import STANDARD, STUDY

ROWS = synthetic_sweep.table(4)
BASE = comparison.pick(ROWS)


def test_the_ladder_shows_every_seed_its_mean_and_interval() -> None:
    axis = figures.unmixing.ladder(BASE).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == [
        label for label, _ in figures.unmixing.WAYS.values()
    ]
    for k, name in enumerate(figures.unmixing.WAYS):
        expected = comparison.values(BASE, name)
        dots, mean, bar = (axis.lines[3 * k + i] for i in range(3))
        np.testing.assert_allclose(dots.get_xdata(), expected)
        np.testing.assert_allclose(mean.get_xdata(), expected.mean())
        interval = comparison.interval(expected)
        np.testing.assert_allclose(bar.get_xdata(), [interval.low, interval.high])


def test_a_way_that_no_run_has_leaves_its_line_empty() -> None:
    rows = [{**row, "independent": None} for row in BASE]
    axis = figures.unmixing.ladder(rows).axes[0]
    place = list(figures.unmixing.WAYS).index("independent")
    near = [x for line in axis.lines for x, y in zip(*line.get_data(), strict=True) if abs(y - place) < 0.4]
    assert near == []


def test_the_number_of_labels_that_suffice() -> None:
    rows = [{"labels_5": 0.7, "labels_10": 0.9, "labels_20": value, "labels_50": 0.96} for value in (0.9, 0.98)]
    assert figures.unmixing.labels_needed(rows, 0.9) == "10"
    assert figures.unmixing.labels_needed(rows, 0.93) == "20"
    assert figures.unmixing.labels_needed(rows, 0.97) == "more than 100"


def test_the_planes_are_turns_of_the_sphered_embedding() -> None:
    factors = np.random.default_rng(0).uniform([0.5, 0], [2, 2], (900, 2))
    mu = factors @ np.array([[1, 0.5, 0.2], [0.3, -1, 0.4]])
    turns = figures.unmixing.turns(mu, factors)
    plane = unmixing.sphered(mu)
    for turned in turns.values():  # all are white, and orthogonal maps of the plane
        np.testing.assert_allclose(turned.codes.T @ turned.codes / 900, np.eye(2), atol=1e-6)
        mixing = plane.T @ turned.codes / 900
        np.testing.assert_allclose(mixing @ mixing.T, np.eye(2), atol=1e-6)
        assert turned.alignment == metrics.alignment(turned.codes, factors)
    assert turns["lowest"].alignment < 0.55 < 0.95 < turns["highest"].alignment
    assert turns["independent"].alignment > 0.95
    axes = figures.unmixing.planes(turns, factors).axes
    for k, (name, turned) in enumerate(turns.items()):
        assert axes[k].get_title(loc="left").endswith(f"alignment {turned.alignment:.2f}"), name
        for row in (0, 1):
            dots = axes[3 * row + k].collections[0]
            np.testing.assert_allclose(dots.get_offsets(), turned.codes)
            np.testing.assert_allclose(dots.get_array(), factors[:, row])


def test_a_sheet_that_has_hardly_unfolded_can_be_drawn_and_a_point_cannot() -> None:
    factors = np.random.default_rng(0).uniform(0, 1, (300, 2))
    assert set(figures.unmixing.turns(1e-4 * factors, factors)) == {"lowest", "highest", "independent"}
    with pytest.raises(ValueError, match="second principal axis"):
        figures.unmixing.turns(np.zeros((300, 3)), factors)


def test_the_table_compares_the_same_embeddings() -> None:
    chosen = [*comparison.settings_of(ROWS, STANDARD), *comparison.settings_of(ROWS, STUDY)[:1]]
    head, cells = comparison_tables.unmixed_rows(chosen)
    assert len(head) == len(cells[0]) == 5 and [line[0] for line in cells] == [setting.label for setting in chosen]
    gains = comparison.values(chosen[0].rows, lambda row: row["independent"] - row["alignment"])
    assert cells[0][3] == comparison.interval(gains).text()
    pressed = [{**row, "independent": None} for row in chosen[0].rows]
    lost = comparison.Setting(STANDARD, 0.0, tuple(pressed))
    assert comparison_tables.unmixed_rows([lost])[1][0][2:] == ["–", "–", "0"]
