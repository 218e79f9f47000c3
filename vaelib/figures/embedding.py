"""The pictures of the embedding's chapter: the sheet, its matrices, its dimension, its rotations."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vaelib import figures
from vaelib.analysis.embedding import Description
from vaelib.experiment import PARAMETER_RANGE
from vaelib.geometry import Dimension, Rotations

Numbers = NDArray[np.float64]

_SCALES = {"a": "Viridis", "b": "Plasma", "error": "Cividis"}  # Plotly's names of figures.COLORMAPS
_TITLES = {"a": "<i>a</i>", "b": "<i>b</i>", "error": "error over<br>own variance"}
_LATENTS = ("μ₁", "μ₂", "μ₃")
_DECIMALS = 3  # of the colours' values in a page: nobody sees a thousandth
_MOST_POINTS = 1500  # in a figure that can be turned, for the page's size


def shape_table(described: Sequence[Description]) -> Any:
    """Return the table of reconstruction and shape, a column for each embedding."""
    rows = {
        "squared error × 1000": [f"{1000 * item.error:.2f}" for item in described],
        "error over own variance": [f"{100 * item.relative_error:.1f} %" for item in described],
        "largest |correlation|": [f"{item.correlation:.2f}" for item in described],
        "variances along principal axes": [
            ", ".join(f"{variance:.2f}" for variance in item.variances) for item in described
        ],
        "their sum": [f"{item.variances.sum():.2f}" for item in described],
        "intrinsic dimension (95 % interval)": [
            f"{item.dimension.estimate:.2f} ({item.dimension.low:.2f} to {item.dimension.high:.2f})"
            for item in described
        ],
        "mean turning, constant a and b": [f"{item.turning[0]:.0f}° and {item.turning[1]:.0f}°" for item in described],
    }
    return _table(described, rows, "Reconstruction of the validation images, and the shape of the embedding.")


def orientation_table(described: Sequence[Description]) -> Any:
    """Return the table of the entanglement term and the alignment over rotations, a column for each embedding."""
    rows = {
        "term as trained": [f"{item.term.value:.3f}" for item in described],
        "lowest and highest over rotations": [
            f"{item.term.lowest:.3f} to {item.term.highest:.3f}" for item in described
        ],
        "rotations with a lower value": [f"{100 * item.term.rank:.1f} %" for item in described],
        "alignment as trained": [f"{item.aligned.value:.2f}" for item in described],
        "alignment where the term is lowest": [f"{item.preferred:.2f}" for item in described],
        "best alignment over rotations": [f"{item.aligned.highest:.2f}" for item in described],
    }
    caption = "The entanglement term and the alignment with (a, b) over the rotations of each embedding."
    return _table(described, rows, caption)


def _table(described: Sequence[Description], rows: Mapping[str, Sequence[str]], caption: str) -> Any:
    head = ["", *(item.label for item in described)]
    return figures.table(head, [[name, *cells] for name, cells in rows.items()], caption=caption)


def sheet(
    mu: NDArray[Any],
    values: Mapping[str, NDArray[Any]],
    *,
    lines: Mapping[str, Sequence[Numbers]] | None = None,
    n_points: int = _MOST_POINTS,
) -> Any:
    """Return an embedding as a scatter that can be turned (Plotly), with a button for each colouring.

    Args:
        mu: (n, 3), the posterior means.
        values: The colours, {"a": …, "b": …, "error": …}, each (n,); those of the error end at its 98th percentile.
        lines: Curves (m, 3) of constant a and b, {"a": […], "b": […]}, drawn over the points.
        n_points: Show at most so many points, the first ones, and never more than 1,500.
    """
    import plotly.graph_objects as go

    shown = slice(min(n_points, _MOST_POINTS, len(mu)))
    markers = {name: _marker(name, np.asarray(value)[shown]) for name, value in values.items()}
    first = next(iter(markers))
    text = [f"a = {a:.2f}, b = {b:.2f}" for a, b in zip(values["a"][shown], values["b"][shown], strict=True)]
    figure = go.Figure(_dots(mu[shown], markers[first], text=text, hoverinfo="text"))
    for name, group in (lines or {}).items():
        figure.add_trace(_strands(group, name))
    figure.update_layout(
        scene=_space() | {"camera": {"eye": figures.face_on(mu)}},
        showlegend=bool(lines), legend={"x": 0, "y": 0, "itemsizing": "constant"},
        updatemenus=[_buttons("colour by", markers, [0])],
    )  # fmt: skip
    return figure


def sheets(
    embeddings: Sequence[NDArray[Any]],
    labels: Sequence[str],
    values: Mapping[str, NDArray[Any]],
    *,
    n_points: int = 900,
) -> Any:
    """Return scatters that can be turned, side by side in cubes of the same size, with a button for each colouring.

    Args:
        embeddings: Each (n, 3), of the same images.
        labels: The title of each.
        values: The colours, as in `sheet`, the same for all.
        n_points: Show at most so many points of each, the first ones, and never more than 1,500.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    count = len(embeddings)
    shown = slice(min(n_points, _MOST_POINTS, len(embeddings[0])))
    markers = {name: _marker(name, np.asarray(value)[shown]) for name, value in values.items()}
    first = next(iter(markers))
    figure = make_subplots(
        1, count, specs=[[{"type": "scene"}] * count], subplot_titles=list(labels), horizontal_spacing=0.01
    )
    ends = [(mu[shown].min(axis=0), mu[shown].max(axis=0)) for mu in embeddings]
    side = 1.05 * max(float((high - low).max()) for low, high in ends)
    for column, mu in enumerate(embeddings, 1):
        marker = {**markers[first], "size": 2.2, "showscale": column == count}
        figure.add_trace(_dots(mu[shown], marker, hoverinfo="skip"), row=1, col=column)
        name = "scene" if column == 1 else f"scene{column}"
        low, high = ends[column - 1]
        figure.update_layout({name: _space((low + high) / 2, side)})
    figure.update_layout(showlegend=False, updatemenus=[_buttons("colour by", markers, list(range(count)))])
    figure.update_layout(updatemenus=[{"y": 0.02, "yanchor": "bottom"}])
    assert isinstance(figure, go.Figure)
    return figure


def matrices(covariance: Numbers, correlation: Numbers) -> Figure:
    """Draw the covariance and the correlation matrix of the latents, (d, d) each, with their numbers."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.3))
    limit = float(np.abs(covariance).max()) or 1.0
    for axis, matrix, reach, title in (
        (axes[0], covariance, limit, "covariance"),
        (axes[1], correlation, 1.0, "correlation"),
    ):
        d = len(matrix)
        picture = axis.imshow(matrix, origin="upper", cmap="PuOr", vmin=-reach, vmax=reach)
        form = ".2f" if reach >= 0.1 else ".1e"
        for (i, j), entry in np.ndenumerate(matrix):
            color = "w" if abs(entry) > 0.6 * reach else "k"
            axis.text(j, i, format(entry, form), ha="center", va="center", color=color)
        names = [f"$\\mu_{i + 1}$" for i in range(d)]
        axis.set(title=title, xticks=range(d), yticks=range(d), xticklabels=names, yticklabels=names)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        figure.colorbar(picture, ax=axis, shrink=0.8)
    return figure


def eigenvalue_bars(values: Mapping[str, Numbers]) -> Figure:
    """Draw the variances (d,) along the principal axes of one or more embeddings, by label, with their numbers."""
    figure, axis = plt.subplots(figsize=(6.4, 3.0))
    width = 0.8 / len(values)
    for k, (label, eigenvalues) in enumerate(values.items()):
        places = np.arange(len(eigenvalues)) + (k - (len(values) - 1) / 2) * width
        bars = axis.bar(places, eigenvalues, 0.92 * width, label=label)
        axis.bar_label(bars, fmt="%.3g", fontsize=8)
    longest = max(len(eigenvalues) for eigenvalues in values.values())
    axis.set(xticks=range(longest), xticklabels=[f"axis {i + 1}" for i in range(longest)])
    axis.set(xlabel="principal axis of the embedding", ylabel="variance")
    if len(values) > 1:
        axis.legend()
    return figure


def dimensions(series: Mapping[str, Sequence[Dimension]], truth: float = 2) -> Figure:
    """Draw estimates of the intrinsic dimension, with their intervals, over the number of points used.

    Args:
        series: Estimates by label, all for the same numbers of points.
        truth: Where a dashed line stands.
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    axis.axhline(truth, color="0.6", linewidth=1, linestyle="--")
    for k, (label, estimates) in enumerate(series.items()):
        value = np.array([item.estimate for item in estimates])
        ends = np.array([[item.estimate - item.low, item.high - item.estimate] for item in estimates]).T
        n = np.array([item.n for item in estimates]) * 1.04**k  # or the bars would hide each other
        axis.errorbar(n, value, yerr=ends, marker="o", markersize=5, capsize=3, label=label)
    axis.set(xscale="log", xlabel="number of points (log scale)", ylabel="intrinsic dimension", ylim=(0.8, None))
    sizes = [item.n for item in next(iter(series.values()))]
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.legend()
    return figure


def rotation_histograms(rotations: Mapping[str, Rotations], xlabel: str) -> Figure:
    """Draw how a score is distributed over all rotations, and its value as trained, a panel for each label."""
    figure, axes = plt.subplots(len(rotations), 1, figsize=(6.4, 1.25 * len(rotations) + 0.8), squeeze=False)
    for axis, (label, scores) in zip(axes[:, 0], rotations.items(), strict=True):
        axis.hist(scores.samples, bins=40, range=(scores.lowest, scores.highest), color=figures.SKY)
        axis.axvline(scores.value, color=figures.VERMILION, linewidth=2.2, label="as trained")
        axis.set(title=label, yticks=[])
        axis.spines["left"].set_visible(False)
    axes[0, 0].legend(loc="upper right")
    axes[-1, 0].set(xlabel=xlabel)
    figure.supylabel("random rotations", fontsize=10)
    return figure


def _marker(name: str, values: NDArray[Any]) -> dict[str, Any]:
    import plotly.colors  # a button needs the scale itself: the page's Plotly knows few scales by name

    high = float(np.percentile(values, 98)) if name == "error" else PARAMETER_RANGE[name][1]
    return {
        "color": np.round(values, _DECIMALS).tolist(),
        "colorscale": plotly.colors.get_colorscale(_SCALES[name]),
        "cmin": 0.0 if name == "error" else PARAMETER_RANGE[name][0],
        "cmax": round(high, _DECIMALS),
        "size": 2.6,
        "colorbar": {"title": {"text": _TITLES[name]}, "thickness": 14, "len": 0.7},
    }


def _dots(mu: NDArray[Any], marker: dict[str, Any], **options: Any) -> dict[str, Any]:
    x, y, z = np.asarray(mu, np.float32).T
    return {
        "type": "scatter3d",
        "mode": "markers",
        "x": x,
        "y": y,
        "z": z,
        "marker": marker,
        "name": "images",
        **options,
    }


def _strands(group: Sequence[Numbers], name: str) -> dict[str, Any]:
    """Return one trace for all curves of constant `name`; a NaN lifts the pen."""
    pen_up = np.full((1, 3), np.nan)
    points = np.vstack([part for line in group for part in (line, pen_up)])
    x, y, z = points.astype(np.float32).T
    color = {"a": figures.VERMILION, "b": figures.BLACK}[name]
    return {
        "type": "scatter3d", "mode": "lines", "x": x, "y": y, "z": z, "hoverinfo": "skip",
        "line": {"color": color, "width": 3}, "name": f"constant {name}",
    }  # fmt: skip


def _space(centre: Numbers | None = None, side: float = 0.0) -> dict[str, Any]:
    """Return a scene whose three axes have the same scale, so that turning it changes no length.

    With a centre it shows the cube of that side, else the box that holds the data.
    """
    scene: dict[str, Any] = {
        f"{axis}axis": {"title": {"text": name}} for axis, name in zip("xyz", _LATENTS, strict=True)
    }
    if centre is None:
        return {**scene, "aspectmode": "data", "dragmode": "turntable"}
    for axis, middle in zip("xyz", centre, strict=True):
        scene[f"{axis}axis"] |= {"range": [float(middle - side / 2), float(middle + side / 2)], "nticks": 5}
    eye = {
        "x": 1.6,
        "y": 1.6,
        "z": 1.1,
    }  # farther than Plotly's default, so that narrow scenes keep their labels
    return {**scene, "aspectmode": "cube", "dragmode": "turntable", "camera": {"eye": eye}}


def _buttons(title: str, markers: Mapping[str, dict[str, Any]], traces: list[int]) -> dict[str, Any]:
    """Return a row of buttons that change the colours of the traces with these indices."""
    parts = ("color", "colorscale", "cmin", "cmax")
    buttons = []
    for name, marker in markers.items():
        change: dict[str, Any] = {f"marker.{part}": [marker[part]] * len(traces) for part in parts}
        change["marker.colorbar.title.text"] = marker["colorbar"]["title"]["text"]
        buttons.append({"label": f"{title} {name}", "method": "restyle", "args": [change, traces]})
    return {
        "type": "buttons", "direction": "right", "buttons": buttons, "showactive": True,
        "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom", "pad": {"t": 0, "r": 8},
    }  # fmt: skip
