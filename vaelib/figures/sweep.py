"""The pictures of a sweep over its settings: β and γ, the batch size, constant and learned σ.

Every run is a dot, and a line or a cell holds the mean over seeds.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vaelib.figures.methods import GREY, LOOKS
from vaelib.study import comparison
from vaelib.study.comparison import Setting
from vaelib.study.methods import LEARNED, STANDARD
from vaelib.study.quantities import QUANTITIES, Row, column, total_variance

Numbers = NDArray[np.float64]

GRID: dict[str, tuple[str, str, float, tuple[float, float | None]]] = {
    "normal_distance": ("distance from a Gaussian", ".2f", 1.0, (0, None)),
    "twonn": ("intrinsic dimension", ".2f", 1.0, (1, 3)),
    "relative_error": ("relative error (%)", ".1f", 100.0, (0, None)),
    "active_units": ("active units", ".1f", 1.0, (0, 3)),
}
"""The heat maps: the column, its title, its format, its factor and the ends of its colours."""


def heat_maps(rows: Sequence[Row], betas: Sequence[float], gammas: Sequence[float]) -> Figure:
    """Draw the means over seeds of `GRID`'s columns over β (upward) and γ, with their numbers in the cells.

    Below each mean: half its 95 % interval, and the number n of seeds. A cell without runs says "not run".

    Args:
        rows: The runs.
        betas: The values of β, from the bottom up.
        gammas: The values of γ, from left to right.
    """
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.2), sharex=True, sharey=True)
    for axis, (name, (title, form, scale, (low, end))) in zip(axes.flat, GRID.items(), strict=True):
        estimates = [[comparison.estimate(comparison.pick(rows, beta=b, gamma=g), name) for g in gammas] for b in betas]
        means = scale * np.array([[estimate.mean for estimate in line] for line in estimates])  # (β, γ)
        known = np.isfinite(means)
        high = end if end is not None else means[known].max() if known.any() else 1.0
        axis.imshow(means, cmap="cividis", aspect="auto", origin="lower", vmin=low, vmax=high)
        for (i, j), value in np.ndenumerate(means):
            dark = known[i, j] and value - low < 0.5 * (high - low)
            text = format(value, form) if known[i, j] else "not\nrun"
            color = "w" if dark else "k"
            axis.text(j, i, text, ha="center", va="bottom" if known[i, j] else "center", color=color, fontsize=9)
            if known[i, j]:
                n, half = estimates[i][j].n, estimates[i][j].half
                spread = f"± {scale * half:{form}}, n = {n}" if n > 1 else f"n = {n}"
                axis.text(j, i - 0.06, spread, ha="center", va="top", color=color, fontsize=7)
        axis.set_xticks(range(len(gammas)), [f"{gamma:g}" for gamma in gammas])
        axis.set_yticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        axis.set_title(title, fontsize=10)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        axis.label_outer()
    figure.supxlabel(r"$\gamma$", fontsize=10)
    figure.supylabel(r"$\beta$", fontsize=10)
    return figure


def batch_sizes(rows: Sequence[Row], kept: Sequence[Setting], batches: Sequence[int]) -> Figure:
    """Draw four quantities of the standard loss and of penalties, each at one weight, over the batch size.

    Dots are runs, lines the means over seeds; a batch size without runs says "not run". The errors' axis is
    logarithmic.

    Args:
        rows: The runs.
        kept: The method and weight of each line.
        batches: The batch sizes, from left to right.
    """
    quantities: tuple[tuple[str, Any], ...] = (
        ("relative error (%)", lambda row: _times(row.get("relative_error"), 100)),
        ("mean |correlation|", column("mean_correlation")),
        ("alignment with $(a, b)$", column("alignment")),
        ("total variance of the latents", total_variance),
    )
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.4))
    for axis, (title, quantity) in zip(axes.flat, quantities, strict=True):
        for setting in kept:
            color, marker, _ = LOOKS[setting.method.name]
            values = [comparison.values(comparison.with_batch(rows, setting, size), quantity) for size in batches]
            _series(axis, values, color, marker, setting.label)
        axis.set_xticks(range(len(batches)), [str(size) for size in batches])
        axis.set_title(title, fontsize=10)
        axis.set_xlim(-0.5, len(batches) - 0.5)
    for axis in axes[1]:
        axis.set_xlabel("batch size")
    errors, *others = axes.flat
    errors.set_yscale("log")
    for axis in others:
        axis.set_ylim(0, None)
    errors.yaxis.set_major_formatter("{x:g}")
    errors.yaxis.set_minor_formatter("{x:g}")
    figure.legend(*errors.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def by_sigma(rows: Sequence[Row], betas: Sequence[float]) -> Figure:
    """Draw constant against learned σ over β without any penalty: four quantities, runs as dots, means as lines.

    Dashed: the chance or reference level of the quantity, which the panel's title names.

    Args:
        rows: The runs.
        betas: The values of β, from left to right.
    """
    names = ("mean_correlation", "tangent_alignment", "alignment", "active_units")
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.2))
    kinds = (("constant", "constant σ", STANDARD.name), ("learned", "learned σ", LEARNED.name))
    for axis, name in zip(axes.flat, names, strict=True):
        quantity = QUANTITIES[name]
        together = []
        for variance, label, look in kinds:
            runs = [comparison.pick(rows, variance=variance, beta=beta) for beta in betas]  # by β
            together += [row for group in runs for row in group]
            color, marker, _ = LOOKS[look]
            _series(axis, [comparison.values(group, quantity.value) for group in runs], color, marker, label)
        level = comparison.level(together, quantity)
        if level is not None:
            axis.axhline(level, color=GREY, linewidth=1, linestyle="--")
        axis.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        axis.set_title(quantity.label + (f" (dashed: {quantity.reference})" if level is not None else ""), fontsize=10)
        axis.set(ylim=(0, None), xlim=(-0.5, len(betas) - 0.5))
    for axis in axes[1]:
        axis.set_xlabel(r"$\beta$")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _series(axis: Axes, values: Sequence[Numbers], color: str, marker: str, label: str) -> None:
    """Draw numbers over the places 0, 1, …: dots, and their means as a line; a place without numbers says "not run"."""
    side = "left" if axis.lines else "right"  # two series say it on either side of their place
    for k, numbers in enumerate(values):
        if not len(numbers):
            axis.text(
                k, 0.02, "not run", color=color, transform=axis.get_xaxis_transform(),
                rotation=90, ha=side, va="bottom", fontsize=7,
            )  # fmt: skip
        axis.plot(np.full(len(numbers), k), numbers, marker, color=color, alpha=0.35, markersize=4, markeredgewidth=0)
    places = [k for k, numbers in enumerate(values) if len(numbers)]
    means = [float(values[k].mean()) for k in places]
    size = 9 if marker == "*" else 6
    axis.plot(places, means, color=color, marker=marker, markersize=size, markeredgecolor="w", label=label)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
