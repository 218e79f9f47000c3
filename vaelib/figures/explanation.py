"""Why a penalty does or does not line the latents up with the factors, in pictures."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vaelib import analysis, figures, metrics
from vaelib.analysis.loss import Factors
from vaelib.statistics import Numbers, intervals
from vaelib.study import comparison, quantities
from vaelib.study.comparison import Setting
from vaelib.study.orientation import equal_area, factor_direction, sheet_normal
from vaelib.study.quantities import Row
from vaelib.study.theory import excess_kurtosis, on_axes, on_diagonal, turned_square

_NAMES: dict[Factors, str] = {"uniform": "uniform", "normal": "normal", "laplace": "sparse (Laplace)"}
_LINES: dict[Factors, str] = {"uniform": "-", "normal": ":", "laplace": "--"}
_MARKED: tuple[tuple[Factors, float, tuple[int, int]], ...] = (
    ("uniform", np.inf, (8, -10)),
    ("normal", 2.0, (8, -14)),
    ("laplace", 1.0, (-4, 10)),
)  # kind, shape, place of the label in points
_GREY = "0.45"


def preference(shapes: Sequence[float] = (0.8, 0.9, 1, 1.2, 1.4, 1.7, 2, 2.5, 3, 4, 6, 10, 20)) -> Figure:
    """Draw what orientation E|xy| prefers: over the angle for three kinds of factors, and over their kurtosis.

    All factors have variance 1.

    Args:
        shapes: The shape parameters of the generalised normal distributions that make the curve on the right.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
    degrees = np.linspace(0, 90, 181)
    places = {"uniform": (45, 0.475), "normal": (45, 0.655), "laplace": (45, 0.765)}
    for kind, line in _LINES.items():
        curve = analysis.loss.expected_product(np.deg2rad(degrees), kind)
        color = figures.loss.FACTOR_COLORS[kind]
        left.plot(degrees, curve, line, color=color, label=_NAMES[kind])
        left.annotate(_NAMES[kind], places[kind], color=color, ha="center", va="center")
    left.set(xticks=range(0, 91, 15), ylim=(0.44, 0.8), xlabel=r"angle between factors and axes (degrees)")
    left.set(ylabel=r"$E|xy|$, factors of variance 1", title="the term over the angle")
    points = [(excess_kurtosis(p), on_diagonal(p) / on_axes(p)) for p in (*shapes, np.inf)]
    kurtosis, ratio = np.array(sorted(points)).T
    right.axhline(1, color="0.7", linewidth=1)
    right.axvline(0, color="0.7", linewidth=1)
    right.plot(kurtosis, ratio, color=_GREY)
    for kind, shape, place in _MARKED:
        point = (excess_kurtosis(shape), on_diagonal(shape) / on_axes(shape))
        color = figures.loss.FACTOR_COLORS[kind]
        right.plot(*point, "o", color=color, markersize=8)
        side = "right" if kind == "laplace" else "left"
        right.annotate(_NAMES[kind], point, place, textcoords="offset points", color=color, ha=side, va="center")
    right.set(
        xlabel="excess kurtosis of the factors",
        ylabel=r"$E|xy|$ at 45° ÷ on the axes",
        title="below 1 the diagonal is cheaper",
    )
    right.set(ylim=(0.55, None))
    return figure


def decorrelated_squares(angles: Sequence[float] = (0, 20, 45)) -> Figure:
    """Draw a white square of factors at several angles in degrees, with its correlation and its alignment."""
    figure, axes = plt.subplots(1, len(angles), figsize=(2.7 * len(angles), 3.1), squeeze=False)
    for axis, angle in zip(axes[0], angles, strict=True):
        codes, factors = turned_square(angle)
        axis.scatter(*codes.T, c=factors[:, 0], cmap=figures.COLORMAPS["a"], s=7, linewidths=0)
        correlation = abs(metrics.correlation(codes)[0, 1])
        aligned = metrics.alignment(codes, factors)
        axis.set(title=f"{angle:g}°: correlation {correlation:.2f},\nalignment {aligned:.2f}")
        axis.set(aspect="equal", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xlabel=r"$\mu_1$", xticks=[-2, 0, 2])
        axis.set(yticks=[-2, 0, 2])
    axes[0, 0].set_ylabel(r"$\mu_2$")
    return figure


def place_in_range(groups: Sequence[Setting], others: Sequence[Setting] = ()) -> Figure:
    """Draw over the term's weight where each run lies among all rotations of its embedding: in the range, and in rank.

    Left: the entanglement as trained, 0 the lowest of any rotation and 1 the highest. Right: the share of random
    rotations with a lower one; left to chance that is uniform, and its mean over n runs lies in the grey band in 95 %
    of all cases (normal approximation).

    Args:
        groups: The standard loss and the settings of the study's term.
        others: Settings of other methods, which stand to the right of a line, each by its name and in its colour.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 5.0 if others else 3.5), sharey=True)
    every = [*groups, *others]
    places = [*range(len(groups)), *(len(groups) + 0.6 + 1.3 * k for k in range(len(others)))]
    for place, group in zip(places, every, strict=True):
        n = len(comparison.values(group.rows, "term_rank"))
        if n:
            right.fill_between([place - 0.4, place + 0.4], *intervals.of_uniforms(n), color="0.9", linewidth=0)
    for axis, quantity in ((left, quantities.place_of_term), (right, quantities.column("term_rank"))):
        for place, group in zip(places, every, strict=True):
            _strip(axis, place, comparison.values(group.rows, quantity), figures.methods.LOOKS[group.method.name][0])
        if others:
            names = [group.tick for group in groups] + [group.label.replace(" (", "\n(") for group in others]
            axis.set_xticks(places, names, rotation=90, fontsize=8, linespacing=1.05)
            axis.axvline(len(groups) - 0.2, color="0.75", linewidth=1)
        else:
            axis.set_xticks(places, [f"{group.strength:g}" for group in groups])
        axis.set(ylim=(-0.04, 1.04))
        axis.set_xlabel(r"$\gamma$ of the study's term" + (" │ other methods" if others else ""))
    left.set(title="place between lowest (0) and highest (1)", ylabel="the term as trained, among all rotations")
    right.set(title="share of random rotations with less")
    return figure


def rotation_gain(groups: Sequence[Setting]) -> Figure:
    """Draw for each setting the alignment as trained, the best over all rotations, and where the term is lowest.

    Small dots are the runs, large markers the means over seeds. The grey tick is the mean alignment of the same
    embeddings rotated at random (`alignment_turned`), where that was measured.
    """
    figure, axis = plt.subplots(figsize=(8, 0.46 * len(groups) + 1.5))
    marks = (
        ("alignment", "o", figures.BLACK, "as trained"),
        ("alignment_at_lowest", "X", figures.VERMILION, "where the study's term is lowest"),
        ("alignment_highest", "D", figures.BLUE, "best over all rotations"),
    )
    for name, marker, color, label in marks:
        for k, group in enumerate(groups):
            values = comparison.values(group.rows, name)
            axis.plot(values, np.full(len(values), k), ".", color=color, alpha=0.35, markersize=5)
            mean = [values.mean()] if len(values) else []
            axis.plot(mean, [k] * len(mean), marker, color=color, markersize=8, label="_" if k else label)
    for k, group in enumerate(groups):
        ends = [comparison.estimate(group.rows, name).mean for name in ("alignment", "alignment_highest")]
        axis.plot(ends, [k, k], color="0.75", linewidth=1.2, zorder=0)
        turned = comparison.estimate(group.rows, "alignment_turned").mean
        if np.isfinite(turned):
            axis.plot([turned] * 2, [k - 0.3, k + 0.3], color=_GREY, label="_" if k else "turned at random")
    axis.set_yticks(range(len(groups)), [group.label for group in groups])
    axis.set(xlabel="alignment with $(a, b)$", xlim=(None, 1), ylim=(len(groups) - 0.5, -0.5))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def orientations(rows: Sequence[Row], apart: dict[str, list[float]]) -> Figure:
    """Draw how the sheets of runs lie: their normals and the factors' directions on a disc, and angles of pairs.

    Args:
        rows: Runs of the standard loss.
        apart: By the kind of pair, the angles in degrees between the orientation that the start would give and the
            one that the training ended at.
    """
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.4), width_ratios=(1, 1, 0.9))
    normals = [normal for row in rows if (normal := sheet_normal(row)) is not None]
    _disc(axes[0], "the sheet's normal")
    _disc(axes[1], "the factors' directions")
    if normals:
        axes[0].plot(*equal_area(normals).T, "o", color=figures.BLACK, markersize=6, alpha=0.8)
    for factor, color, marker in (("a", figures.BLUE, "o"), ("b", figures.VERMILION, "^")):
        directions = [direction for row in rows if (direction := factor_direction(row, factor)) is not None]
        if directions:
            options = {"color": color, "markersize": 6, "alpha": 0.8, "label": f"${factor}$"}
            axes[1].plot(*equal_area(directions).T, marker, **options)
    if axes[1].get_legend_handles_labels()[0]:
        axes[1].legend(loc="lower left", bbox_to_anchor=(-0.14, -0.08), handletextpad=0.1)
    for k, angles in enumerate(apart.values()):
        _strip(axes[2], k, np.asarray(angles, dtype=np.float64), (figures.GREEN, figures.PURPLE)[k % 2])
        if not angles:
            axes[2].text(k, 0.5, "not run", ha="center", transform=axes[2].get_xaxis_transform())
    axes[2].set_xticks(range(len(apart)), list(apart))
    axes[2].set(title="start turned: apart at the end", ylabel="angle (degrees)", xlim=(-0.6, len(apart) - 0.4))
    axes[2].set_ylim(0, None)
    return figure


def _strip(axis: Axes, place: float, numbers: Numbers, color: str) -> None:
    """Draw numbers as dots over a place, spread sideways by their order, and their mean as a bar."""
    sideways = np.linspace(-0.18, 0.18, len(numbers)) if len(numbers) > 1 else np.zeros(len(numbers))
    axis.plot(place + sideways, numbers, "o", color=color, markersize=4.5, alpha=0.7)
    if len(numbers):
        axis.plot([place - 0.3, place + 0.3], [comparison.interval(numbers).mean] * 2, color=color, linewidth=2.5)


def _disc(axis: Axes, title: str) -> None:
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, edgecolor="0.6"))
    axis.plot([-1, 1, np.nan, 0, 0], [0, 0, np.nan, -1, 1], color="0.88", linewidth=1, zorder=0)
    for text, x, y in ((r"$\mu_1$", 1.12, 0.0), (r"$\mu_2$", 0.0, 1.12), (r"$\mu_3$", 0.08, 0.08)):
        axis.text(x, y, text, ha="center", va="center", color=_GREY)
    axis.set(aspect="equal", xlim=(-1.2, 1.25), ylim=(-1.15, 1.25), xticks=[], yticks=[], title=title)
    axis.spines[:].set_visible(False)
