"""The pictures of the transects' chapter: pairs of rows, errors along the lines, paired errors in the hole."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from vaelib import dataset, figures, metrics
from vaelib.experiment import Experiment

Numbers = NDArray[np.float64]

REGION_COLORS = {"punctured": figures.VERMILION, "thinned": figures.BLUE, "full": figures.GREEN}


def errors_along(errors: Mapping[str, Mapping[str, Numbers]], experiment: Experiment) -> Figure:
    """Draw the error along each transect for each kind of training set: every seed, and the mean over seeds.

    Args:
        errors: Mean squared errors, {"P1": {"punctured": (seeds, n), …}, …}.
        experiment: The settings of the hole, whose points are shaded.
    """
    figure, axes = plt.subplots(1, len(errors), figsize=(11, 3.3), sharey=True)
    for axis, (name, kinds) in zip(np.atleast_1d(axes), errors.items(), strict=True):
        points = dataset.transect(name)
        inside = np.flatnonzero(dataset.in_hole(points, experiment))
        position = np.arange(1, len(points) + 1)
        if len(inside):
            axis.axvspan(inside[0] + 0.5, inside[-1] + 1.5, color="0.9", zorder=0)
        for kind, values in kinds.items():
            axis.plot(position, 1000 * values.T, color=REGION_COLORS[kind], linewidth=0.6, alpha=0.6)
            axis.plot(position, 1000 * values.mean(axis=0), color=REGION_COLORS[kind], label=kind)
        (a0, b0), (a1, b1) = points[0], points[-1]
        axis.set(title=f"{name}: ({a0:g}, {b0:g}) to ({a1:g}, {b1:g})", xlabel="point of the transect")
    np.atleast_1d(axes)[0].set_ylabel("mean squared error × 1000")
    np.atleast_1d(axes)[0].legend()
    return figure


def paired(probes: Mapping[str, Sequence[Numbers]], seeds: Sequence[int]) -> Figure:
    """Draw, seed by seed, the punctured model's error in the hole over each control's.

    Each dot is a point of the hole; the bar is the ratio of the seed's mean errors.

    Args:
        probes: Errors at the same unseen points of the hole, (n,) for each seed: {"punctured": […], "thinned": …,
            "full": …}.
        seeds: The seeds, in the order of the errors.
    """
    controls = [kind for kind in probes if kind != "punctured"]
    figure, axes = plt.subplots(1, len(controls), figsize=(9, 3.6), sharey=True)
    generator = np.random.default_rng(0)  # only spreads the dots sideways
    for axis, kind in zip(np.atleast_1d(axes), controls, strict=True):
        for place, (ours, theirs) in enumerate(zip(probes["punctured"], probes[kind], strict=True)):
            x = place + generator.uniform(-0.25, 0.25, len(ours))
            axis.scatter(x, ours / theirs, s=5, color=REGION_COLORS[kind], alpha=0.35, linewidth=0)
            axis.hlines(ours.mean() / theirs.mean(), place - 0.35, place + 0.35, color=figures.BLACK, linewidth=2.5)
        axis.axhline(1, color="0.5", linewidth=1, linestyle="--")
        axis.set(yscale="log", title=f"punctured / {kind}", xlabel="seed")
        axis.set_xticks(range(len(seeds)), [str(seed) for seed in seeds])
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    np.atleast_1d(axes)[0].set_ylabel("ratio of squared errors")
    return figure


def ratio_table(ratios: Mapping[str, metrics.Ratio]) -> Any:
    """Return the table of ratios of mean squared errors in the hole, a row for each pair of models that it names."""
    head = ["in the hole", "each seed", "geometric mean", "95 % interval"]
    rows = []
    for name, ratio in ratios.items():
        low, high = ratio.interval
        by_seed = ", ".join(f"{value:.2f}" for value in ratio.ratios)
        rows.append([name, by_seed, f"{ratio.estimate:.2f}", f"{low:.2f} to {high:.2f}"])
    return figures.table(head, rows, caption="Ratio of mean squared errors.")


def through_embedding(mu: Numbers, lines: Mapping[str, Numbers], boxed: Mapping[str, NDArray[np.bool_]]) -> Any:
    """Return the training images' posterior means with the transects through them, in a figure that can be turned.

    Args:
        mu: (n, 3), the means.
        lines: The transects' means, {"P1": (15, 3), …}.
        boxed: The points in the hole, which are drawn larger: {"P1": (15,) bool, …}.
    """
    import plotly.graph_objects as go

    x, y, z = np.round(mu[:2400], 3).T
    dots = {"size": 1.8, "color": "#9a9a9a"}
    figure = go.Figure(go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=dots, name="training", hoverinfo="skip"))
    for name, line in lines.items():
        x, y, z = np.round(line, 3).T
        sizes = np.where(boxed[name], 8, 3)
        text = [f"{name}: a = {a:.2f}, b = {b:.2f}" for a, b in dataset.transect(name)]
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="lines+markers", name=name, text=text, hoverinfo="text",
            line={"color": figures.TRANSECT_COLORS[name], "width": 4},
            marker={"size": sizes, "color": figures.TRANSECT_COLORS[name]},
        )  # fmt: skip
    axes = {f"{axis}axis": {"title": {"text": f"μ{sub}"}} for axis, sub in zip("xyz", "₁₂₃", strict=True)}
    camera = {"eye": figures.face_on(mu)}
    figure.update_layout(scene={**axes, "aspectmode": "data", "camera": camera}, legend={"x": 0, "y": 1})
    return figure
