"""The diagrams of methods show every run where it belongs."""

import numpy as np
import pytest
import synthetic_sweep
from matplotlib.colors import to_hex

from vaelib import figures
from vaelib.study import comparison
from vaelib.study.methods import BASE, METHODS, STANDARD
from vaelib.study.quantities import QUANTITIES

ROWS = synthetic_sweep.table(3)


def dots(axis, name):
    """Return the places of a method's runs in a panel, which are its translucent dots."""
    color, marker, _ = figures.methods.LOOKS[name]
    lines = [line for line in axis.lines if line.get_alpha() and line.get_marker() == marker]
    return np.vstack([np.column_stack(line.get_data()) for line in lines if line.get_color() == color])


def test_methods_differ_in_colour_and_in_marker():
    looks = list(figures.methods.LOOKS.values())
    assert len(looks) == 1 + len(METHODS)
    assert all(len({look[part] for look in looks}) == len(looks) for part in range(3))


def test_the_phase_diagram_has_every_run_of_every_method_in_every_panel():
    figure = figures.methods.phase_diagram(ROWS)
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        QUANTITIES[name].label for name in figures.methods.PANELS
    ]
    for axis, name in zip(figure.axes, figures.methods.PANELS, strict=True):
        for method in (STANDARD, *METHODS):
            runs = [row for setting in comparison.settings_of(ROWS, method) for row in setting.rows]
            expected = [[100 * row["relative_error"], QUANTITIES[name].value(row)] for row in runs]
            np.testing.assert_allclose(dots(axis, method.name), expected)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [STANDARD.name, *(m.name for m in METHODS)]


def test_a_methods_line_goes_through_its_means_from_what_it_adds_to():
    axis = figures.methods.phase_diagram(ROWS, ["alignment"]).axes[0]
    (line,) = [line for line in axis.lines if line.get_label() == "covariance"]
    groups = [comparison.pick(ROWS), *(setting.rows for setting in comparison.settings_of(ROWS, METHODS[1]))]
    expected = [
        [100 * comparison.estimate(group, "relative_error").mean, comparison.estimate(group, "alignment").mean]
        for group in groups
    ]
    np.testing.assert_allclose(np.column_stack(line.get_data()), expected)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.9, 60, [1, 2, 5, 10, 20, 50]), (4, 16, [5, 7, 10, 15]), (5.9, 8.2, [6, 7, 8]), (5.9, 7.2, [6, 6.5, 7])],
)
def test_round_numbers_on_the_error_axis(low, high, ticks):
    def row(seed, error):
        return {**BASE, "seed": seed, "relative_error": error / 100, "mig": 0.5}

    axis = figures.methods.phase_diagram([row(0, low * 1.08), row(1, high / 1.08)], ["mig"]).axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == [f"{tick:g}" for tick in ticks]


def test_equal_error_is_shaded_and_chance_is_drawn():
    axis = figures.methods.phase_diagram(ROWS, ["mig"], allowed=1.5).axes[0]
    limit = 150 * comparison.median_error(comparison.pick(ROWS))
    assert axis.patches[0].get_extents().transformed(axis.transData.inverted()).x1 == pytest.approx(limit)
    levels = [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"]
    assert levels == pytest.approx([0.01])
    assert [text.get_text() for text in axis.texts] == ["chance"]


def test_a_level_that_runs_differ_in_is_the_standards():
    axis = figures.methods.phase_diagram(ROWS, ["alignment"]).axes[0]
    (level,) = [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"]
    assert level == pytest.approx(comparison.estimate(comparison.pick(ROWS), "alignment_turned").mean)
    assert [text.get_text() for text in axis.texts] == ["turned at random"]


def test_undefined_numbers_leave_their_dot_out():
    rows = [row if row["seed"] else {**row, "twonn": None} for row in ROWS]
    axis = figures.methods.phase_diagram(rows, ["twonn"]).axes[0]
    assert len(dots(axis, "covariance")) == 4 * 2  # strengths, and seeds 1 and 2


def test_a_phase_diagram_of_the_standard_loss_alone():
    figure = figures.methods.phase_diagram([synthetic_sweep.row(seed=0)], ["mig", "twonn"])
    assert len(dots(figure.axes[0], STANDARD.name)) == 1


@pytest.mark.parametrize(("rows", "names", "message"), [(ROWS, ["nonsense"], "nonsense"), ([], ["mig"], "standard")])
def test_a_phase_diagram_needs_known_quantities_and_a_standard(rows, names, message):
    with pytest.raises(ValueError, match=message):
        figures.methods.phase_diagram(rows, names)


def test_the_living_diagram_has_every_run_and_its_menu_every_quantity():
    figure = figures.methods.living_phase_diagram(ROWS)
    assert [trace.name for trace in figure.data] == [STANDARD.name, *(method.name for method in METHODS)]
    study = figure.data[1]
    runs = [row for setting in comparison.settings_of(ROWS, METHODS[0]) for row in setting.rows]
    np.testing.assert_allclose(study.x, [100 * row["relative_error"] for row in runs], rtol=1e-3)
    assert study.text[0] == "study's term (γ = 0.0001), seed 0"
    assert to_hex(study.marker.color) == to_hex(figures.methods.LOOKS["study's term"][0])
    known = [name for name in QUANTITIES if name != "disentanglement" or "disentanglement" in ROWS[0]]
    buttons = figure.layout.updatemenus[0].buttons
    assert len(buttons) == len(known)
    for button, name in zip(buttons, known, strict=True):
        change, layout = button.args
        np.testing.assert_allclose(change["y"][1], [QUANTITIES[name].value(row) for row in runs], rtol=1e-3)
        assert layout["yaxis.title.text"] == button.label == QUANTITIES[name].label.replace("$", "")
    assert len(figure.to_json()) < 60_000


def test_the_living_diagram_leaves_out_what_no_run_has():
    rows = [{**row, "mig": None, "tangent_alignment": None} for row in ROWS]
    labels = [button.label for button in figures.methods.living_phase_diagram(rows).layout.updatemenus[0].buttons]
    assert "MIG" not in labels and "tangent alignment" not in labels and len(labels) == len(QUANTITIES) - 2
    with pytest.raises(ValueError, match="no run"):
        figures.methods.living_phase_diagram([])
