"""The pictures of the data set's chapter: curves, the parameter space, framings, weights."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vaelib import curves, dataset, figures
from vaelib.experiment import PARAMETER_RANGE, Experiment

SHAPES = ((1.25, 0.0), (1.25, 0.75), (1.25, 1.25), (1.25, 2.0))
"""A circle, petals, the cusp at a = b, and inner loops: one point (a, b) for each kind of curve."""

_FRAMINGS: tuple[curves.Framing, ...] = ("square", "study")
_REACH = 4.2  # units from the middle of a drawn curve to the edge of its axis


def by_sign(a: float, b: float, n: int = 1001) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the parts of a curve where the radius is positive and where it is negative.

    Args:
        a: The mean radius, in units.
        b: The petals' amplitude, in units.
        n: The number of points over one turn.

    Returns:
        Two arrays (n, 2) of points (x, y); the points of the other part are NaN, which breaks a drawn line.
    """
    path = curves.points(a, b, n)
    negative = curves.radius(np.linspace(0, 2 * np.pi, n), a, b) < 0
    outer, inner = path.copy(), path.copy()
    outer[negative] = np.nan
    inner[~negative] = np.nan
    return outer, inner


def anatomy(shapes: Sequence[tuple[float, float]] = SHAPES) -> Figure:
    """Draw curves (a, b) side by side over the circle of radius a, the parts of negative radius in another colour."""
    figure, axes = plt.subplots(1, len(shapes), figsize=(2.3 * len(shapes), 3.2), sharey=True, squeeze=False)
    for axis, (a, b) in zip(axes[0], shapes, strict=True):
        axis.add_patch(plt.Circle((0, 0), a, fill=False, linestyle=":", edgecolor="0.5"))
        outer, inner = by_sign(a, b)
        axis.plot(*outer.T, color=figures.BLUE, label="$R > 0$")
        axis.plot(*inner.T, color=figures.VERMILION, label="$R < 0$")
        axis.set(title=f"$a = {a:g}$, $b = {b:g}$", xlabel="$x$ (units)", aspect="equal")
        axis.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    axes[0, 0].set_ylabel("$y$ (units)")
    handles, labels = axes[0, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def montage(experiment: Experiment, n: int = 10) -> Figure:
    """Draw n × n images over the parameter space, a to the right and b downward, as the experiment draws transects."""
    points = dataset.grid(n)
    images = curves.render(
        points[:, 0],
        points[:, 1],
        image_size=experiment.image_size,
        line_width=experiment.transect_line_width,
        framing=experiment.framing,
    )
    # An image's middle lies at its (a, b), so the sheet sticks out by half a step.
    step_a, step_b = ((high - low) / (n - 1) for low, high in PARAMETER_RANGE.values())
    (low_a, high_a), (low_b, high_b) = PARAMETER_RANGE.values()
    extent = (low_a - step_a / 2, high_a + step_a / 2, high_b + step_b / 2, low_b - step_b / 2)
    figure, axis = plt.subplots(figsize=(7, 7))
    sheet = dataset.montage(images, n)
    axis.imshow(sheet, origin="upper", extent=extent, aspect=step_a / step_b, interpolation="antialiased")
    axis.set(xlabel="$a$ (radius)", ylabel="$b$ (petal amplitude)")
    axis.set_xticks(np.linspace(low_a, high_a, n), [f"{value:.2f}" for value in np.linspace(low_a, high_a, n)])
    axis.set_yticks(np.linspace(low_b, high_b, n), [f"{value:.2f}" for value in np.linspace(low_b, high_b, n)])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def sample(data: dataset.DataSet, experiment: Experiment) -> Figure:
    """Draw every point (a, b) of a data set in the colour of its use: training, validation or hole.

    Args:
        data: The data set.
        experiment: The settings that it was built from, which tell where the hole is.
    """
    figure, axis = plt.subplots(figsize=(6.4, 6))
    uses = {
        "train": (np.setdiff1d(data.train, data.hole), figures.BLUE, "o", 1.0),
        "validation": (np.setdiff1d(data.validation, data.hole), figures.ORANGE, "D", 2.5),
        "hole": (data.hole, figures.VERMILION, "x", 2.5),
    }
    size = float(np.clip(9000 / len(data.parameters), 2, 16))
    for label, (rows, color, marker, scale) in uses.items():
        a, b = data.parameters[rows].T
        axis.scatter(a, b, s=scale * size, c=color, marker=marker, label=f"{label} ({len(rows)})", linewidths=0.8)
    figures.hole(axis, experiment)
    figures.parameter_axes(axis)
    axis.axline((1, 1), slope=1, color=figures.BLACK, linewidth=1.5, linestyle=":", label="$b = a$")
    figure.legend(loc="outside lower center", ncols=4, markerscale=1.5)
    return figure


def framings(experiment: Experiment, shapes: Sequence[tuple[float, float]] = SHAPES) -> Figure:
    """Draw the same curves (a, b) in both framings, a row for each, at the experiment's image size and line width."""
    a, b = np.array(shapes).T
    rows = [
        curves.render(a, b, image_size=experiment.image_size, line_width=experiment.line_width, framing=framing)
        for framing in _FRAMINGS
    ]
    return figures.image_rows(rows, _FRAMINGS, size=1.5)


def weights(parameters: NDArray[np.float64], meant: NDArray[Any], coded: NDArray[Any]) -> Figure:
    """Draw the training images' places coloured by the weight that is meant and by the one in effect.

    Args:
        parameters: (n, 2), the points (a, b).
        meant: (n,), the factor on each image's loss.
        coded: (n,), the factor that its batch gets.
    """
    figure, axes = plt.subplots(1, 2, figsize=(7, 5.2), sharey=True)
    size = float(np.clip(16000 / len(parameters), 3, 24))
    for axis, values, title in zip(axes, (meant, coded), ("as meant: per image", "as coded: per batch"), strict=True):
        dots = axis.scatter(*parameters.T, c=values, s=size, cmap="cividis", vmin=0, vmax=2, linewidths=0)
        figures.parameter_axes(axis).set_title(title)
    axes[1].set_ylabel("")
    figure.colorbar(dots, ax=axes, label="factor on the loss, $2w$", location="bottom", shrink=0.4)
    return figure


def living_curve(a: float = 1.25, n: int = 41) -> Any:
    """Return a Plotly figure of a curve and its place, whose slider moves b over its range at constant a.

    Args:
        a: The mean radius, in units.
        n: The number of the slider's steps.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    low_b, high_b = PARAMETER_RANGE["b"]
    figure = make_subplots(
        1, 2, column_widths=[0.6, 0.4], horizontal_spacing=0.18, subplot_titles=("the curve", "its place")
    )
    for name, color in (("R > 0", figures.BLUE), ("R < 0", figures.VERMILION)):
        figure.add_scatter(mode="lines", name=name, line={"color": color, "width": 2.5}, row=1, col=1)
    marker = {"color": figures.GREEN, "size": 13}
    figure.add_scatter(mode="markers", name="(a, b)", marker=marker, row=1, col=2)
    figure.add_scatter(x=[0.5, 2], y=[0.5, 2], mode="lines", name="b = a", line={"dash": "dot", "color": "#777"},
                       row=1, col=2)  # fmt: skip
    frames = [go.Frame(name=f"{b:.2f}", data=_curve_traces(a, float(b)), traces=[0, 1, 2])
              for b in np.linspace(low_b, high_b, n)]  # fmt: skip
    first = frames[n // 4]
    for trace, data in zip(figure.data, first.data, strict=False):
        trace.update(x=data.x, y=data.y)
    figure.frames = frames
    figure.update_xaxes(title="x (units)", range=[-_REACH, _REACH], constrain="domain", row=1, col=1)
    figure.update_yaxes(title="y (units)", range=[-_REACH, _REACH], scaleanchor="x", row=1, col=1)
    figure.update_xaxes(title="a (radius)", range=[0.4, 2.1], row=1, col=2)
    figure.update_yaxes(title="b (petal amplitude)", range=[2.1, -0.1], row=1, col=2)
    figure.update_layout(
        sliders=[figures.frame_slider([frame.name for frame in frames], "b = ", active=n // 4)],
        legend={"orientation": "h", "x": 0, "y": 1.1, "yanchor": "bottom"},  # above: a telephone has no room beside it
    )
    return figure


def _curve_traces(a: float, b: float) -> list[dict[str, Any]]:
    outer, inner = (part.astype("float32") for part in by_sign(a, b, 201))
    return [
        {"type": "scatter", "x": outer[:, 0], "y": outer[:, 1]},
        {"type": "scatter", "x": inner[:, 0], "y": inner[:, 1]},
        {"type": "scatter", "x": [a], "y": [b]},
    ]


def explorer(experiment: Experiment, a: float, b: float) -> tuple[Figure, Axes, Axes]:
    """Draw one image beside its place in the parameter space.

    Args:
        experiment: The settings by which the image is drawn, and the hole.
        a: The mean radius, in units.
        b: The petals' amplitude, in units.

    Returns:
        The figure and both axes. pyplot does not manage the figure, so that a live control can keep and redraw it.
    """
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    figures.show_image(left, draw(experiment, a, b))
    right.plot(a, b, "o", color=figures.GREEN, markersize=10)
    right.axline((1, 1), slope=1, color="0.4", linewidth=1, linestyle=":")
    figures.hole(right, experiment)
    figures.parameter_axes(right)
    return figure, left, right


def draw(experiment: Experiment, a: float, b: float) -> NDArray[np.uint8]:
    """Return the image (h, w) of (a, b), drawn like those of the experiment's data set."""
    size, line_width = experiment.image_size, experiment.line_width
    return curves.render(a, b, image_size=size, line_width=line_width, framing=experiment.framing)[0]
