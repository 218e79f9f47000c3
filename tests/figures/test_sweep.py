"""The pictures of a sweep over its settings show every run where it belongs."""

import numpy as np
import synthetic_sweep

from vaelib import figures
from vaelib.study import comparison, quantities
from vaelib.study.methods import BASE, METHODS

ROWS = synthetic_sweep.table(3)


def test_the_heat_maps_carry_their_numbers_and_intervals_and_say_what_was_not_run():
    rows = [
        synthetic_sweep.row(beta=beta, gamma=gamma, seed=seed, twonn=1.5 + 100 * beta + gamma + seed / 10)
        for beta, gamma, seeds in ((0.001, 0, 2), (0.001, 0.1, 2), (0.01, 0, 1))
        for seed in range(seeds)
    ]
    axes = figures.sweep.heat_maps(rows, [0.001, 0.01], [0, 0.1]).axes
    axis = axes[1]
    assert axis.get_title(loc="left") == "intrinsic dimension"
    texts: dict[tuple[int, int], list[str]] = {}
    for text in axis.texts:
        texts.setdefault(tuple(round(place) for place in text.get_position()), []).append(text.get_text())
    spread = "± 0.64, n = 2"  # 12.7 times 0.05
    assert texts == {
        (0, 0): ["1.65", spread], (1, 0): ["1.75", spread], (0, 1): ["2.50", "n = 1"], (1, 1): ["not\nrun"],
    }  # fmt: skip
    assert [text.get_text() for text in axes[3].get_xticklabels()] == ["0", "0.1"]
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["0.001", "0.01"]


def test_batches_are_compared_each_method_at_its_weight():
    sizes = [4, BASE["batch_size"], 64]
    kept = [
        setting for method in METHODS[:2] for setting in comparison.settings_of(ROWS, method) if setting.strength == 0.1
    ]
    rows = [row for row in ROWS if row["batch_size"] != 64 or row["penalty"] == "covariance"]
    axes = figures.sweep.batch_sizes(rows, kept, sizes).axes
    for axis, quantity in ((axes[1], "mean_correlation"), (axes[3], quantities.total_variance)):
        lines = {line.get_label(): line for line in axis.lines}
        picked = [comparison.pick(rows, penalty="covariance", gamma=0.1, batch_size=size) for size in sizes]
        means = [comparison.estimate(group, quantity).mean for group in picked]
        np.testing.assert_allclose(lines["covariance (γ = 0.1)"].get_ydata(), means)
        np.testing.assert_array_equal(lines["study's term (γ = 0.1)"].get_xdata(), [0, 1])
        assert [(text.get_position()[0], text.get_text()) for text in axis.texts] == [(2, "not run")]
    assert axes[0].get_yscale() == "log"


def test_constant_and_learned_sigma_stand_over_their_betas():
    betas = [0.001, 0.01, 0.1]
    axes = figures.sweep.by_sigma(ROWS, betas).axes
    axis = axes[0]
    lines = {line.get_label(): line for line in axis.lines}
    for label, variance, places in (("constant σ", "constant", [0, 1]), ("learned σ", "learned", [0, 1, 2])):
        np.testing.assert_array_equal(lines[label].get_xdata(), places)
        groups = [comparison.pick(ROWS, variance=variance, beta=betas[k]) for k in places]
        means = [comparison.estimate(group, "mean_correlation").mean for group in groups]
        np.testing.assert_allclose(lines[label].get_ydata(), means)
    assert [text.get_position()[0] for text in axis.texts] == [2]  # a constant σ was not run at 0.1
    named = ("mean |correlation| (dashed: chance)", "alignment with $(a, b)$ (dashed: turned at random)")
    assert (axis.get_title(loc="left"), axes[2].get_title(loc="left")) == named
    assert axes[3].get_title(loc="left") == "active units (dashed: as many as factors)"
